//! The target of a base URL (reference §9).

use std::io;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use bytes::Bytes;

use super::rendition::{self, ENCODED_ANEW_TAIL, PLACEHOLDER, Segment};
use crate::choices;
use crate::faults::Faults;
use crate::http::html_error;
use crate::server::{MediaUrl, Server};
use crate::state::{Content, Item};

/// The rendition that the options of a base URL ask for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// `d`
    Photo,
    /// `dv`
    Video,
    /// `w` and `h`: fits into a box of that many pixels; 0 is no bound.
    Thumbnail { width: u32, height: u32 },
}

/// The rendition that options ask for, unless they are unknown.
pub(super) fn wanted(options: &str) -> Option<Wanted> {
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

/// A download that may be sent.
pub(crate) struct Target {
    pub(crate) segments: Vec<Segment>,
    pub(crate) mime: String,
    /// The file name, for whole downloads.
    pub(crate) attachment: Option<String>,
    /// Whether `=dv` was asked for.
    pub(crate) is_video: bool,
}

impl Target {
    /// A picture that is not the item itself.
    pub(super) fn picture(mime: &str, bytes: Bytes, wanted: Wanted) -> Target {
        Target {
            segments: vec![Segment::Memory(bytes)],
            mime: mime.to_owned(),
            attachment: None,
            is_video: wanted == Wanted::Video,
        }
    }

    /// A picture in place of one that is not there.
    fn placeholder(wanted: Wanted) -> Target {
        Target::picture("image/png", Bytes::from_static(PLACEHOLDER), wanted)
    }
}

pub(super) type Page = Box<Response<Body>>;

pub(super) fn page(http: StatusCode, text: &str) -> Page {
    Box::new(html_error(http, text))
}

/// The target of a base URL with options, or the error page.
pub(crate) fn find(server: &Server, faults: &Faults, path: &str) -> Result<Target, Page> {
    let denied = || {
        let text = format!(
            "Your client does not have permission to get URL /lr/media/{path} from this server."
        );
        page(StatusCode::FORBIDDEN, &text)
    };
    let Some((signed, options)) = path.split_once('=') else {
        server.meter.violation("media.download: a base URL without options");
        return Err(page(StatusCode::NOT_FOUND, "The requested URL was not found."));
    };
    let Some(wanted) = wanted(options) else {
        server.meter.violation(format!("media.download: unknown options {options}"));
        return Err(page(StatusCode::BAD_REQUEST, "Invalid options."));
    };
    let url: MediaUrl = server.signer.verify("media", signed).ok_or_else(denied)?;
    if url.expires_ms <= server.now_ms() {
        return Err(denied());
    }
    let Some(item) = url.item else { return Ok(Target::placeholder(wanted)) };
    let item = server.world.lock().library(&url.account).item(item).cloned();
    let item = item.filter(|item| item.resolves(faults)).ok_or_else(denied)?;
    compose(server, faults, item, wanted)
}

/// A rendition of an item.
pub(super) fn compose(
    server: &Server,
    faults: &Faults,
    item: Item,
    wanted: Wanted,
) -> Result<Target, Page> {
    match (wanted, item.facts.video) {
        (Wanted::Video, true) => {
            if item.video_status(faults, server.now_ms()) != "READY" {
                let http = StatusCode::from_u16(choices::UNREADY_VIDEO_STATUS);
                let http = http.unwrap_or(StatusCode::NOT_FOUND);
                return Err(page(http, "The video is not ready."));
            }
            whole(server, faults, item, wanted)
        }
        (Wanted::Video, false) => {
            Err(page(StatusCode::NOT_FOUND, "There is no video of this item."))
        }
        // A still of the video.
        (_, true) => Ok(Target::placeholder(wanted)),
        (Wanted::Thumbnail { width, height }, false) => {
            let small = match &item.content {
                Content::Stored(sha256) => {
                    rendition::scaled(&server.dir.blob(sha256), width, height)
                }
                Content::Synthetic(_) => None,
            };
            Ok(match small {
                Some(small) => Target::picture("image/jpeg", small.into(), wanted),
                None => Target::placeholder(wanted),
            })
        }
        (Wanted::Photo, false) => whole(server, faults, item, wanted),
    }
}

/// All bytes of an item, as the service gives them out.
fn whole(server: &Server, faults: &Faults, item: Item, wanted: Wanted) -> Result<Target, Page> {
    let mut segments = segments(server, &item).map_err(|error| {
        tracing::error!(%error, "cannot read stored bytes");
        page(StatusCode::INTERNAL_SERVER_ERROR, "Internal error.")
    })?;
    if faults.encoded_anew {
        segments.push(Segment::Memory(Bytes::from_static(ENCODED_ANEW_TAIL)));
    }
    if !item.facts.video && !item.facts.camera_model.is_empty() {
        segments = rendition::with_header_grown(segments, faults.header_growth);
    }
    let mime = if item.facts.video { "video/mp4".to_owned() } else { item.facts.mime };
    let is_video = wanted == Wanted::Video;
    Ok(Target { segments, mime, attachment: Some(item.filename), is_video })
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
