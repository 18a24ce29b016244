//! `POST /v1/uploads`: the raw and the resumable protocol (reference §8). Bytes go to disk as they
//! come and are hashed on the way; nothing is looked at before batchCreate.

mod headers;
mod intake;
mod raw;
mod refusal;
mod resumable;
mod token;

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderValue, Response, request};

use crate::account::Account;
use crate::call::Call;
use crate::connection::Connection;
use crate::error::ApiError;
use crate::faults::{Injection, Plan, inject};
use crate::server::Server;
use headers::{commands, text};
use intake::Intake;
use refusal::{UploadError, bad_request, refuse};

pub(crate) use token::UploadToken;

/// A request to the upload endpoint that the middleware has let in.
pub(crate) struct Upload<'a> {
    pub(crate) call: Call,
    pub(crate) account: Account,
    pub(crate) parts: &'a request::Parts,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) plan: Plan,
}

/// Which of the calls a request to the upload endpoint is; else the front end's page.
#[expect(clippy::result_large_err, reason = "the error is the answer, sent at once")]
pub(crate) fn call(parts: &request::Parts) -> Result<Call, Response<Body>> {
    let non_ascii = |value: &HeaderValue| value.as_bytes().iter().any(|byte| !byte.is_ascii());
    if parts.headers.values().any(non_ascii) {
        return Err(bad_request("A header is not ASCII."));
    }
    let protocol = text(&parts.headers, "x-goog-upload-protocol");
    let commands = commands(&parts.headers);
    if protocol.eq_ignore_ascii_case("raw") && commands.is_empty() {
        return Ok(Call::UploadRaw);
    }
    match commands.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["start"] if protocol.eq_ignore_ascii_case("resumable") => Ok(Call::UploadStart),
        ["upload"] | ["upload", "finalize"] | ["finalize"] => Ok(Call::UploadChunk),
        ["query"] => Ok(Call::UploadQuery),
        ["cancel"] => Ok(Call::UploadCancel),
        _ => Err(bad_request("Unknown upload protocol or command.")),
    }
}

/// Whether an upload ends with this request.
pub(crate) fn finalizes(call: Call, parts: &request::Parts) -> bool {
    let says_so = || commands(&parts.headers).iter().any(|command| command == "finalize");
    call == Call::UploadRaw || (call == Call::UploadChunk && says_so())
}

/// Answers an upload request.
pub(crate) async fn answer(
    server: &Arc<Server>,
    connection: &Connection,
    upload: Upload<'_>,
    body: Body,
) -> Result<Response<Body>, ApiError> {
    let Upload { call, account, parts, query, plan } = upload;
    let session_id = match &query[..] {
        [] if matches!(call, Call::UploadRaw | Call::UploadStart) => "",
        [(name, id)] if name == "upload_id" => id,
        _ => return Ok(refuse(server, "the query is neither empty nor an upload_id")),
    };
    let in_body = plan.before_effect().filter(|injection| injection.is_in_body()).cloned();
    if in_body.is_none()
        && let Some(injection) = plan.before_effect()
    {
        return inject(injection, call.service(), connection).await;
    }
    tokio::time::sleep(plan.latency(0)).await;
    let breaks_at = in_body.as_ref().and_then(|injection| injection.at_byte);
    let intake = Intake::new(server, body, plan.bytes_per_s, breaks_at);
    let session = resumable::Request { server, id: session_id, account: &account };
    let done = match call {
        Call::UploadRaw => raw::receive(server, &parts.headers, intake).await,
        Call::UploadStart => resumable::start(server, &account, &parts.headers).await,
        Call::UploadChunk => session.chunk(&parts.headers, intake).await,
        Call::UploadQuery => session.query().await,
        _ => session.cancel().await,
    };
    if let Some(injection) = plan.after_effect() {
        return inject(injection, call.service(), connection).await;
    }
    match (done, in_body) {
        (Err(UploadError::BrokenOff), Some(injection)) => {
            inject(&injection, call.service(), connection).await
        }
        (Err(UploadError::Refused(error)), _) => Err(error),
        (Err(UploadError::File(failure)), _) => {
            inject(&Injection::new(failure), call.service(), connection).await
        }
        (Err(UploadError::Io(error)), _) => {
            tracing::debug!(%error, "an upload broke off");
            Err(ApiError::internal())
        }
        (Err(UploadError::BrokenOff), None) => Err(ApiError::internal()),
        (Ok(response), _) => Ok(response),
    }
}
