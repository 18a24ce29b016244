//! Bytes of picked items (picker reference §4). Unlike those of the Library API, each request needs a
//! token, and videos come from another origin, which must not see it.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use axum::routing::get;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::downloads::Delivery;
use super::rendition::PLACEHOLDER;
use super::synthetic::synthetic_content;
use super::target::{Page, Target, Wanted, compose, page, wanted};
use crate::account::Account;
use crate::auth::tokens;
use crate::call::Call;
use crate::choices;
use crate::connection::Connection;
use crate::faults::Faults;
use crate::http::body_response;
use crate::server::Server;
use crate::state::{Item, Origin, PickSession};
use crate::visitors;

/// Bytes of a picture that stands in for one of another format.
const STAND_IN_BYTES: u64 = 5000;

/// The content of a base URL, and of the address that a video's leads to.
#[derive(Serialize, Deserialize)]
struct PickedUrl {
    session: String,
    #[serde(flatten)]
    origin: Origin,
    expires_ms: i64,
    /// Makes each URL a new one.
    nonce: u32,
}

impl PickedUrl {
    fn new(server: &Server, session: &str, origin: Origin, life_s: u64) -> PickedUrl {
        let expires_ms = server.now_ms().saturating_add_unsigned(life_s.saturating_mul(1000));
        PickedUrl { session: session.to_owned(), origin, expires_ms, nonce: rand::random() }
    }
}

/// A new base URL of a picked item.
pub(crate) fn base_url(
    server: &Server,
    session: &PickSession,
    origin: Origin,
    life_s: u64,
) -> String {
    let url = PickedUrl::new(server, &session.id, origin, life_s);
    format!("{}/ppa/{}", server.url, server.signer.sign("picked", &url, 0))
}

/// The service behind the other origin.
pub(crate) fn video_router(server: Arc<Server>) -> Router {
    Router::new()
        .route("/videoplayback/{signed}", get(video))
        .layer(axum::middleware::from_fn(visitors::check))
        .with_state(server)
}

fn has_token(headers: &HeaderMap) -> bool {
    headers.contains_key(header::AUTHORIZATION)
}

/// Answers `GET` and `HEAD` of a picked item's base URL.
pub(crate) async fn media(
    State(server): State<Arc<Server>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    Path(path): Path<String>,
    request: Request,
) -> Response<Body> {
    let running = server.meter.begin(Call::PickerDownload);
    let account = account(&server, request.headers());
    let delivery = Delivery { server, connection, call: Call::PickerDownload, running };
    delivery.answer(request, move |server, faults| find(server, faults, account, &path)).await
}

/// The account that the token of a request is for, if it is good for picked items.
fn account(server: &Server, headers: &HeaderMap) -> Option<Account> {
    let token = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?;
    let consent = tokens::consent_of_access_token(server, token)?;
    consent.opens(Call::PickerDownload).then_some(consent.account)
}

/// A refusal: its body is a picture.
fn refusal(http: StatusCode) -> Page {
    Box::new(body_response(http, "image/png", PLACEHOLDER))
}

/// The target of a base URL with options, or the refusal.
fn find(
    server: &Server,
    faults: &Faults,
    account: Option<Account>,
    path: &str,
) -> Result<Target, Page> {
    let (signed, options) = path.split_once('=').unwrap_or((path, ""));
    let wanted = if options.is_empty() {
        server.meter.violation("picker.media.download: a base URL without options");
        Wanted::Thumbnail { width: choices::BARE_PIXELS, height: choices::BARE_PIXELS }
    } else {
        wanted(options).ok_or_else(|| {
            server.meter.violation(format!("picker.media.download: unknown options {options}"));
            page(StatusCode::BAD_REQUEST, "Invalid options.")
        })?
    };
    let denied = || refusal(StatusCode::FORBIDDEN);
    let account = account.ok_or_else(denied)?;
    let url: PickedUrl = server.signer.verify("picked", signed).ok_or_else(denied)?;
    let item = item(server, &url, Some(&account))?;
    if wanted == Wanted::Video && item.facts.video {
        // Errors of the video come before the redirect.
        compose(server, faults, item, wanted)?;
        return Err(redirect(server, faults, &url));
    }
    if faults.picker.heif_as_jpeg && wanted == Wanted::Photo && item.facts.mime == "image/heif" {
        let jpeg = synthetic_content(item.seq, STAND_IN_BYTES, 0..STAND_IN_BYTES);
        return Ok(Target::picture("image/jpeg", Bytes::from(jpeg), wanted));
    }
    compose(server, faults, item, wanted)
}

/// The item of a URL, if the URL and its session are still good.
fn item(server: &Server, url: &PickedUrl, account: Option<&Account>) -> Result<Item, Page> {
    let denied = || refusal(StatusCode::FORBIDDEN);
    let ended = || {
        let http = StatusCode::from_u16(choices::ENDED_SESSION_STATUS);
        refusal(http.unwrap_or(StatusCode::NOT_FOUND))
    };
    let now_ms = server.now_ms();
    let world = server.world.lock();
    let session = world.pick_session(&url.session).filter(|it| now_ms < it.expires_ms);
    let session = session.ok_or_else(ended)?;
    if url.expires_ms <= now_ms || account.is_some_and(|account| session.account != *account) {
        return Err(denied());
    }
    world.owned_item(&session.account.user, url.origin).cloned().ok_or_else(denied)
}

/// The way to a video.
fn redirect(server: &Server, faults: &Faults, url: &PickedUrl) -> Page {
    let url = PickedUrl::new(server, &url.session, url.origin, faults.base_url_life_s);
    let signed = server.signer.sign("video", &url, 0);
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::FOUND;
    let location = format!("{}/videoplayback/{signed}", server.video_url);
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Box::new(response)
}

/// Answers `GET` and `HEAD` of a video on the other origin.
async fn video(
    State(server): State<Arc<Server>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    Path(signed): Path<String>,
    request: Request,
) -> Response<Body> {
    let running = server.meter.begin(Call::PickerVideo);
    if has_token(request.headers()) {
        server.meter.violation("picker.media.video: a bearer token was sent along a redirect");
    }
    let delivery = Delivery { server, connection, call: Call::PickerVideo, running };
    let find = move |server: &Server, faults: &Faults| {
        let url: Option<PickedUrl> = server.signer.verify("video", &signed);
        let url = url.ok_or_else(|| refusal(StatusCode::FORBIDDEN))?;
        compose(server, faults, item(server, &url, None)?, Wanted::Video)
    };
    delivery.answer(request, find).await
}
