//! Base URLs (reference §9): signed, for an hour, with options behind an equals sign.

use std::ops::Range;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

use super::outlet::Outlet;
use super::rendition::{self, Segment};
use super::target::{Page, Target, find};
use crate::call::Call;
use crate::connection::Connection;
use crate::faults::{Faults, inject};
use crate::http::html_error;
use crate::server::Server;
use crate::stats::{Allowance, Running};

/// Answers `GET` and `HEAD` of a base URL.
pub(crate) async fn media(
    State(server): State<Arc<Server>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    Path(path): Path<String>,
    request: Request,
) -> Response<Body> {
    let running = server.meter.begin(Call::Download);
    if request.headers().contains_key(header::AUTHORIZATION) {
        server.meter.violation("media.download: a bearer token was sent to a base URL");
    }
    let limit = server.switches.get().daily_media_requests;
    if !server.meter.spend(Allowance::Media, limit, server.quota_day()) {
        server.meter.too_many_requests();
        let text = "Quota exceeded for media requests per day.";
        return html_error(StatusCode::TOO_MANY_REQUESTS, text);
    }
    let delivery = Delivery { server, connection, call: Call::Download, running };
    delivery.answer(request, move |server, faults| find(server, faults, &path)).await
}

/// A request for bytes that is counted already.
pub(super) struct Delivery {
    pub(super) server: Arc<Server>,
    pub(super) connection: Connection,
    pub(super) call: Call,
    pub(super) running: Running,
}

impl Delivery {
    /// Sends the target that `find` finds, or its error page, with the faults of this kind of call.
    pub(super) async fn answer(
        self,
        request: Request,
        find: impl FnOnce(&Server, &Faults) -> Result<Target, Page> + Send + 'static,
    ) -> Response<Body> {
        let Delivery { server, connection, call, running } = self;
        let (Parts { method, headers, .. }, _) = request.into_parts();
        let faults = server.switches.get();
        let plan = server.switches.plan(call, false, server.now_ms());
        let in_body = plan.injection.as_ref().filter(|injection| injection.is_in_body()).cloned();
        if in_body.is_none()
            && let Some(injection) = &plan.injection
        {
            return match inject(injection, call.service(), &connection).await {
                Ok(response) => response,
                Err(error) => html_error(error.http, error.message()),
            };
        }
        tokio::time::sleep(plan.latency(0)).await;
        let looking = {
            let (server, faults) = (server.clone(), faults.clone());
            tokio::task::spawn_blocking(move || find(&server, &faults))
        };
        let target = match looking.await {
            Ok(Ok(target)) => target,
            Ok(Err(response)) => return *response,
            Err(_) => return html_error(StatusCode::INTERNAL_SERVER_ERROR, "Internal error."),
        };
        let is_head = method == Method::HEAD;
        let part = match Part::of(&target, &headers, &faults) {
            Ok(part) => part,
            Err(response) => return *response,
        };
        let mut response = head(&target, &part, faults.head_bytes.filter(|_| is_head));
        if !is_head {
            // Only whole files have a name.
            server.meter.gave_out(target.attachment.is_none());
            let segments = rendition::slice(&target.segments, part.range);
            let outlet = Outlet::new(server, connection, plan.bytes_per_s, in_body, running);
            *response.body_mut() = outlet.body(segments);
        }
        response
    }
}

/// The part of a file that a request asks for.
struct Part {
    range: Range<u64>,
    /// Bytes of the whole file.
    size: u64,
    /// Whether a range was asked for and is given.
    partial: bool,
}

impl Part {
    fn of(
        target: &Target,
        headers: &HeaderMap,
        faults: &Faults,
    ) -> Result<Part, Box<Response<Body>>> {
        let ranges = if target.is_video { faults.video_ranges } else { faults.photo_ranges };
        let size = target.segments.iter().map(Segment::len).sum();
        let range = if ranges { requested_range(headers, size) } else { Ok(None) };
        match range {
            Ok(None) => Ok(Part { range: 0..size, size, partial: false }),
            Ok(Some(range)) => Ok(Part { range, size, partial: true }),
            Err(()) => {
                let text = "The range is outside the file.";
                let mut response = html_error(StatusCode::RANGE_NOT_SATISFIABLE, text);
                set(&mut response, header::CONTENT_RANGE, &format!("bytes */{size}"));
                Err(Box::new(response))
            }
        }
    }
}

/// The answer without its body. `length` is the fault of that name.
fn head(target: &Target, part: &Part, length: Option<u64>) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    let Part { range, size, partial } = part;
    let length = length.unwrap_or(range.end - range.start);
    set(&mut response, header::CONTENT_TYPE, &target.mime);
    set(&mut response, header::CONTENT_LENGTH, &length.to_string());
    set(&mut response, header::CACHE_CONTROL, "private, max-age=86400, no-transform");
    if *partial {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let text = format!("bytes {}-{}/{size}", range.start, range.end - 1);
        set(&mut response, header::CONTENT_RANGE, &text);
    }
    if let Some(name) = &target.attachment {
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
