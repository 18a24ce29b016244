//! Base URLs (reference §9): signed, for an hour, with options behind an equals sign.

use std::ops::Range;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

use super::outlet::Outlet;
use super::rendition::{self, Segment};
use super::target::{Target, find};
use crate::call::Call;
use crate::connection::Connection;
use crate::faults::{Faults, inject};
use crate::http::html_error;
use crate::server::Server;
use crate::stats::Allowance;

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
    let faults = server.switches.get();
    let limit = faults.daily_media_requests;
    if !server.meter.spend(Allowance::Media, limit, server.quota_day()) {
        server.meter.too_many_requests();
        let text = "Quota exceeded for media requests per day.";
        return html_error(StatusCode::TOO_MANY_REQUESTS, text);
    }
    let plan = server.switches.plan(Call::Download, false, server.now_ms());
    let in_body = plan.injection.as_ref().filter(|injection| injection.is_in_body()).cloned();
    if in_body.is_none()
        && let Some(injection) = &plan.injection
    {
        return match inject(injection, &connection).await {
            Ok(response) => response,
            Err(error) => html_error(error.http, error.message()),
        };
    }
    tokio::time::sleep(plan.latency(0)).await;
    let looking = {
        let (server, faults, path) = (server.clone(), faults.clone(), path.clone());
        tokio::task::spawn_blocking(move || find(&server, &faults, &path))
    };
    let target = match looking.await {
        Ok(Ok(target)) => target,
        Ok(Err(response)) => return *response,
        Err(_) => return html_error(StatusCode::INTERNAL_SERVER_ERROR, "Internal error."),
    };
    let is_head = request.method() == Method::HEAD;
    let part = match Part::of(&target, request.headers(), &faults) {
        Ok(part) => part,
        Err(response) => return *response,
    };
    let mut response = head(&target, &part, faults.head_bytes.filter(|_| is_head));
    if !is_head {
        let segments = rendition::slice(&target.segments, part.range);
        let outlet = Outlet::new(server, connection, plan.bytes_per_s, in_body, running);
        *response.body_mut() = outlet.body(segments);
    }
    response
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
