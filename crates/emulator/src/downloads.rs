//! Base URLs (reference §9): signed, for an hour, with options behind an equals sign.

use std::io::{self, SeekFrom};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use bytes::Bytes;
use futures_util::stream;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::time::Instant;

use crate::call::Call;
use crate::choices;
use crate::error::html_error;
use crate::faults::{Failure, Faults, Injection, Plan};
use crate::gate::fail;
use crate::listener::Line;
use crate::rendition::{self, ENCODED_ANEW_TAIL, PLACEHOLDER, Segment, synthetic_content};
use crate::server::{MediaUrl, Server};
use crate::state::{Content, Item};
use crate::stats::{Allowance, Running};
use crate::wire::video_status;

/// Bytes sent at a time.
const PIECE_BYTES: u64 = 64 * 1024;

/// A download that is late, because timers are coarse or the machine is busy, makes up for so much.
const CATCH_UP: Duration = Duration::from_millis(100);

/// What the options of a base URL ask for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// `d`
    Photo,
    /// `dv`
    Video,
    /// `w` and `h`: fits into a box of so many pixels, 0 for any number.
    Thumbnail { width: u32, height: u32 },
}

fn wanted(options: &str) -> Option<Wanted> {
    match options {
        "d" => return Some(Wanted::Photo),
        "dv" => return Some(Wanted::Video),
        _ => {}
    }
    let (mut width, mut height) = (0, 0);
    for option in options.split('-') {
        let pixels = |number: &str| number.parse().ok().filter(|it| (1..=16383u32).contains(it));
        match option.split_at_checked(1)? {
            ("w", number) if pixels(number).is_some() => width = pixels(number)?,
            ("h", number) if pixels(number).is_some() => height = pixels(number)?,
            _ if matches!(option, "c" | "no" | "p" | "k") => {}
            _ => return None,
        }
    }
    Some(Wanted::Thumbnail { width, height })
}

/// Answers `GET` and `HEAD` of a base URL.
pub(crate) async fn media(
    State(server): State<Arc<Server>>,
    ConnectInfo(line): ConnectInfo<Line>,
    Path(path): Path<String>,
    request: Request,
) -> Response<Body> {
    let running = server.meter.begin(Call::Download);
    if request.headers().contains_key(header::AUTHORIZATION) {
        server.meter.violation("media.download: a bearer token was sent to a base URL");
    }
    let faults = server.switches.get();
    let limit = faults.daily_media_requests;
    if !server.meter.spend(Allowance::Media, limit, server.quota_day()) {
        server.meter.too_many_requests();
        let text = "Quota exceeded for media requests per day.";
        return html_error(StatusCode::TOO_MANY_REQUESTS, text);
    }
    let plan = server.switches.plan(Call::Download);
    let breaks_in_body =
        |i: &&Injection| i.at_byte.is_some() && matches!(i.failure, Failure::Drop | Failure::Stall);
    let in_body = plan.injection.as_ref().filter(breaks_in_body).cloned();
    if in_body.is_none()
        && let Some(injection) = &plan.injection
    {
        return match fail(injection, &line).await {
            Ok(response) => response,
            Err(error) => html_error(error.http, error.message()),
        };
    }
    tokio::time::sleep(plan.latency(0)).await;
    let found = {
        let server = server.clone();
        let faults = faults.clone();
        let path = path.clone();
        tokio::task::spawn_blocking(move || find(&server, &faults, &path)).await
    };
    let found = match found {
        Ok(Ok(found)) => found,
        Ok(Err(response)) => return *response,
        Err(_) => return html_error(StatusCode::INTERNAL_SERVER_ERROR, "Internal error."),
    };
    let ranges = match found.wanted {
        Wanted::Video => faults.video_ranges,
        Wanted::Photo | Wanted::Thumbnail { .. } => faults.photo_ranges,
    };
    let size = found.segments.iter().map(Segment::len).sum();
    let range = if ranges { requested_range(request.headers(), size) } else { Ok(None) };
    let (status, range) = match range {
        Ok(None) => (StatusCode::OK, 0..size),
        Ok(Some(range)) => (StatusCode::PARTIAL_CONTENT, range),
        Err(()) => {
            let mut response =
                html_error(StatusCode::RANGE_NOT_SATISFIABLE, "The range is outside the file.");
            set(&mut response, header::CONTENT_RANGE, &format!("bytes */{size}"));
            return response;
        }
    };
    let length = range.end - range.start;
    let mut response = Response::new(Body::empty());
    if request.method() != Method::HEAD {
        let segments = rendition::slice(&found.segments, range.clone());
        let outlet = Outlet {
            server: server.clone(),
            line,
            plan,
            in_body,
            sent: 0,
            due: None,
            _running: running,
        };
        *response.body_mut() = outlet.body(segments);
    }
    *response.status_mut() = status;
    set(&mut response, header::CONTENT_TYPE, &found.mime);
    let told = faults.head_bytes.filter(|_| request.method() == Method::HEAD);
    set(&mut response, header::CONTENT_LENGTH, &told.unwrap_or(length).to_string());
    set(&mut response, header::CACHE_CONTROL, "private, max-age=86400, no-transform");
    if status == StatusCode::PARTIAL_CONTENT {
        let text = format!("bytes {}-{}/{size}", range.start, range.end - 1);
        set(&mut response, header::CONTENT_RANGE, &text);
    }
    if let Some(name) = &found.attachment {
        let name: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
        let text = format!("attachment;filename*=UTF-8''{}", name.replace('+', "%20"));
        set(&mut response, header::CONTENT_DISPOSITION, &text);
    }
    response
}

fn set(response: &mut Response<Body>, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// The one range of a `Range` header; other forms are ignored. `Err` is a range outside the file.
fn requested_range(headers: &HeaderMap, size: u64) -> Result<Option<Range<u64>>, ()> {
    let header = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let bounds = header.and_then(|text| text.strip_prefix("bytes=")?.split_once('-'));
    let range = match bounds {
        Some(("", last)) => last.parse().map(|last: u64| size.saturating_sub(last)..size),
        Some((first, "")) => first.parse().map(|first| first..size),
        Some((first, last)) => first.parse().and_then(|first| {
            last.parse().map(|last: u64| first..last.saturating_add(1).min(size))
        }),
        None => return Ok(None),
    };
    match range {
        Ok(range) if range.start < range.end => Ok(Some(range)),
        Ok(_) => Err(()),
        Err(_) => Ok(None),
    }
}

/// A download that may be sent.
struct Found {
    segments: Vec<Segment>,
    mime: String,
    /// The file name, for whole downloads.
    attachment: Option<String>,
    wanted: Wanted,
}

/// What a base URL with options leads to, or the page in its place.
fn find(server: &Server, faults: &Faults, path: &str) -> Result<Found, Box<Response<Body>>> {
    let page = |http, text: &str| Box::new(html_error(http, text));
    let denied = || {
        let text = format!(
            "Your client does not have permission to get URL /lr/media/{path} from this server."
        );
        page(StatusCode::FORBIDDEN, &text)
    };
    let Some((sealed, options)) = path.split_once('=') else {
        server.meter.violation("media.download: a base URL without options");
        return Err(page(StatusCode::NOT_FOUND, "The requested URL was not found."));
    };
    let Some(wanted) = wanted(options) else {
        server.meter.violation(format!("media.download: unknown options {options}"));
        return Err(page(StatusCode::BAD_REQUEST, "Invalid options."));
    };
    let url: MediaUrl = server.sealer.open("media", sealed).ok_or_else(denied)?;
    if url.expires_ms <= server.now_ms() {
        return Err(denied());
    }
    let picture = |wanted| Found {
        segments: vec![Segment::Memory(Bytes::from_static(PLACEHOLDER))],
        mime: "image/png".to_owned(),
        attachment: None,
        wanted,
    };
    let Some(item) = url.item else { return Ok(picture(wanted)) };
    let item = server.world.lock().library(&url.user).item(item).cloned();
    let item = item.filter(|item| item.resolves(faults)).ok_or_else(denied)?;
    match (wanted, item.facts.video) {
        (Wanted::Video, true) => match video_status(server, faults, &item) {
            "READY" => {}
            _ => {
                let http = StatusCode::from_u16(choices::UNREADY_VIDEO_STATUS);
                let text = "The video is not ready.";
                return Err(page(http.unwrap_or(StatusCode::NOT_FOUND), text));
            }
        },
        (Wanted::Video, false) => {
            return Err(page(StatusCode::NOT_FOUND, "There is no video of this item."));
        }
        // A still of the video.
        (_, true) => return Ok(picture(wanted)),
        (Wanted::Thumbnail { width, height }, false) => {
            let Content::Stored(sha256) = &item.content else { return Ok(picture(wanted)) };
            let Some(small) = rendition::scaled(&server.dir.blob(sha256), width, height) else {
                return Ok(picture(wanted));
            };
            return Ok(Found {
                segments: vec![Segment::Memory(small.into())],
                mime: "image/jpeg".to_owned(),
                attachment: None,
                wanted,
            });
        }
        (_, false) => {}
    }
    let mut segments = segments(server, &item).map_err(|error| {
        tracing::error!(%error, "cannot read stored bytes");
        page(StatusCode::INTERNAL_SERVER_ERROR, "Internal error.")
    })?;
    if faults.encoded_anew {
        segments.push(Segment::Memory(Bytes::from_static(ENCODED_ANEW_TAIL)));
    }
    let video = item.facts.video;
    Ok(Found {
        segments,
        mime: if video { "video/mp4".to_owned() } else { item.facts.mime },
        attachment: Some(item.filename),
        wanted,
    })
}

fn segments(server: &Server, item: &Item) -> io::Result<Vec<Segment>> {
    match &item.content {
        Content::Synthetic(seed) => {
            let (seed, size) = (*seed, item.size);
            Ok(vec![Segment::Synthetic { seed, size, range: 0..size }])
        }
        Content::Stored(sha256) => {
            let path = server.dir.blob(sha256);
            if item.facts.video {
                Ok(rendition::video(&path, item.size))
            } else {
                rendition::photo(&path, item.size, &item.facts.mime)
            }
        }
    }
}

/// A response body on its way out.
struct Outlet {
    server: Arc<Server>,
    line: Line,
    plan: Plan,
    /// The connection drops or stalls after so many bytes.
    in_body: Option<Injection>,
    sent: u64,
    /// When what was sent last was to be there, if the speed is limited.
    due: Option<Instant>,
    _running: Running,
}

/// Segments still to be sent, last first, and the file open for the last one.
struct Rest {
    outlet: Outlet,
    segments: Vec<Segment>,
    file: Option<File>,
}

impl Outlet {
    fn body(self, mut segments: Vec<Segment>) -> Body {
        segments.reverse();
        let rest = Rest { outlet: self, segments, file: None };
        Body::from_stream(stream::try_unfold(rest, async |mut rest: Rest| {
            Ok::<_, io::Error>(rest.next_piece().await?.map(|piece| (piece, rest)))
        }))
    }
}

impl Rest {
    async fn next_piece(&mut self) -> io::Result<Option<Bytes>> {
        let until_break = match &self.outlet.in_body {
            Some(injection) => {
                let left = injection.at_byte.unwrap_or(0).saturating_sub(self.outlet.sent);
                if left == 0 {
                    if injection.failure == Failure::Stall {
                        self.outlet.line.ended().await;
                    }
                    // The server sends what it has while it waits for a body, and drops it on error.
                    tokio::task::yield_now().await;
                    return Err(io::ErrorKind::ConnectionReset.into());
                }
                left
            }
            None => u64::MAX,
        };
        let Some(segment) = self.segments.pop() else { return Ok(None) };
        let length = segment.len().min(PIECE_BYTES).min(until_break);
        let piece = match &segment {
            Segment::Memory(bytes) => bytes.slice(..length as usize),
            Segment::Synthetic { seed, size, range } => {
                synthetic_content(*seed, *size, range.start..range.start + length).into()
            }
            Segment::File { path, range } => {
                if self.file.is_none() {
                    let mut file = File::open(path).await?;
                    file.seek(SeekFrom::Start(range.start)).await?;
                    self.file = Some(file);
                }
                let mut bytes = vec![0; length as usize];
                if let Some(file) = &mut self.file {
                    file.read_exact(&mut bytes).await?;
                }
                bytes.into()
            }
        };
        if length < segment.len() {
            let segment_bytes = segment.len();
            self.segments.extend(rendition::slice(&[segment], length..segment_bytes));
        } else {
            self.file = None;
        }
        if let Some(bytes_per_s) = self.outlet.plan.bytes_per_s {
            let takes = Duration::from_secs_f64(length as f64 / bytes_per_s.max(1) as f64);
            let now = Instant::now();
            let due = self.outlet.due.map_or(now, |due| due.max(now - CATCH_UP)) + takes;
            self.outlet.due = Some(due);
            tokio::time::sleep_until(due).await;
        }
        self.outlet.sent += length;
        self.outlet.server.meter.downloaded(length);
        Ok(Some(piece))
    }
}
