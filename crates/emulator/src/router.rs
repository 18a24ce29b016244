//! Which handler answers which URL.

use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, Uri};
use axum::routing::{any, get, post};

use crate::auth::{consent, endpoints};
use crate::http::html_error;
use crate::server::Server;
use crate::{api, control, media, pages, picker, visitors};

/// Most bytes of a body that is held in memory.
const BODY_BYTES_MAX: usize = 16 << 20;

pub(crate) fn router(server: Arc<Server>) -> Router {
    Router::new()
        .route("/", get(pages::home))
        .route("/album/{id}", get(pages::album))
        .route("/lr/album/{id}", get(pages::album))
        .route("/lr/photo/{id}", get(pages::photo))
        .route("/lr/media/{*rest}", get(media::downloads::media))
        .route("/picker/v1/{*rest}", any(api::api))
        .route("/ppa/{*rest}", get(media::picked::media))
        .nest("/integration/picker/auth", picker::page::router())
        .route("/v1/userinfo", get(endpoints::user_info))
        .route("/v1/{*rest}", any(api::api))
        .route("/o/oauth2/auth", get(consent::auth))
        .route("/o/oauth2/v2/auth", get(consent::auth))
        .route("/o/oauth2/approve", post(consent::decide))
        .route("/token", post(endpoints::token))
        .route("/revoke", post(endpoints::revoke))
        .route("/tokeninfo", get(endpoints::token_info))
        .route("/device/code", post(endpoints::device_code))
        .route("/.well-known/openid-configuration", get(endpoints::openid_configuration))
        .nest("/emulator", control::router())
        .fallback(async |uri: Uri| {
            let text = format!("The requested URL {} was not found on this server.", uri.path());
            html_error(StatusCode::NOT_FOUND, &text)
        })
        // Uploads of any size go to disk, past this limit.
        .layer(axum::extract::DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(axum::middleware::from_fn(visitors::check))
        .with_state(server)
}
