//! Uploads that can be resumed (reference §8.2): a session at the server, into which the bytes go in
//! one request or several.
//!
//! On a fast line a session takes two requests. On a slow one the bytes go in chunks, each as long as
//! the line carries in some seconds, so that a break loses no more than one. If the server keeps
//! nothing of a chunk that broke off, the next ones are smaller.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::header::CONTENT_LENGTH;
use reqwest::{Body, Method, RequestBuilder};
use serde::{Deserialize, Serialize};
use url::Url;

use super::Client;
use super::backoff::Backoff;
use super::bytes::{Payload, UPLOAD, hash_header, token};
use super::error::Error;
use super::failure::{Advice, FailureKind};
use super::http::header;
use super::refusal::Class;
use super::transport::Answer;
use super::upload_speed::multiple;
use crate::media::UploadToken;

/// After so many breaks in a row without progress, the caller gets the error.
const BREAKS_IN_A_ROW_MAX: u32 = 5;
/// The granularity of a server that does not say one.
const USUAL_GRANULARITY: u64 = 256 << 10;
/// A larger one is not believed.
const GRANULARITY_MAX: u64 = 64 << 20;

/// An upload that has begun and can be resumed, also after a restart, for about a day.
#[derive(Clone, Serialize, Deserialize)]
pub struct UploadSession {
    url: Url,
    /// Parts of the file are multiples of this, in bytes, except the last.
    #[serde(default = "usual_granularity")]
    granularity: u64,
    /// Whether bytes may have arrived already, so that the client must query the server. Not
    /// stored: after a restart it is unknown.
    #[serde(skip, default = "sent_into")]
    sent_into: Arc<AtomicBool>,
}

fn usual_granularity() -> u64 {
    USUAL_GRANULARITY
}

fn sent_into() -> Arc<AtomicBool> {
    Arc::new(AtomicBool::new(true))
}

impl std::fmt::Debug for UploadSession {
    /// The URL is a capability and stays out of logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UploadSession").finish_non_exhaustive()
    }
}

/// Why an upload session has returned no token.
#[derive(Debug, thiserror::Error)]
pub enum FinishError {
    /// The session is gone, or its token was lost with an answer. Start a new one.
    #[error("the upload session is gone")]
    Gone,
    /// Any failure of a call. The session may still be good.
    #[error(transparent)]
    Api(#[from] Error),
}

/// The status of a session, as the server reports it.
enum SessionStatus {
    Active { received: u64 },
    Final,
    Gone,
}

impl Client {
    /// Starts an upload that can be resumed.
    ///
    /// # Errors
    /// [`FailureKind::TooLarge`] and others.
    pub async fn start_upload(&self, payload: &Payload) -> Result<UploadSession, Error> {
        let url = self.uploads_url();
        let answer = self
            .command(&url, "start", 1, |request| {
                request
                    .header("X-Goog-Upload-Protocol", "resumable")
                    .header("X-Goog-Upload-Content-Type", &payload.mime)
                    .header("X-Goog-Upload-Raw-Size", payload.len)
            })
            .await?;
        let garbled = |why: String| Error::Garbled { call: UPLOAD, why };
        if header(&answer.headers, "x-goog-upload-status") == Some("final") {
            return Err(garbled("it refuses the session and does not say why".into()));
        }
        let session = header(&answer.headers, "x-goog-upload-url")
            .ok_or_else(|| garbled("it names no session".into()))?;
        let url =
            session.parse::<Url>().map_err(|err| garbled(format!("the session's URL: {err}")))?;
        if !self.transport.is_api_origin(&url) {
            // Each request of a session carries the bearer token.
            let host = url.host_str().unwrap_or("no host");
            return Err(garbled(format!("the session is at {host}, not at the API")));
        }
        let granularity = header(&answer.headers, "x-goog-upload-chunk-granularity")
            .and_then(|it| it.parse().ok())
            .filter(|it| (1..=GRANULARITY_MAX).contains(it))
            .unwrap_or(USUAL_GRANULARITY);
        Ok(UploadSession { url, granularity, sent_into: Arc::default() })
    }

    /// Sends the bytes that the server lacks, and returns the token. After a break, resumes at the
    /// offset that the server confirms, as long as there is progress.
    ///
    /// # Errors
    /// After [`FinishError::Gone`], start a new session. After any other error, the session can be
    /// tried again later.
    pub async fn finish_upload(
        &self,
        session: &UploadSession,
        payload: &Payload,
    ) -> Result<UploadToken, FinishError> {
        if !self.transport.is_api_origin(&session.url) {
            return Err(FinishError::Gone);
        }
        let sent_into = session.sent_into.swap(true, Ordering::Relaxed);
        let mut offset = if sent_into { self.confirmed(session).await? } else { 0 };
        let mut breaks_in_a_row = 0;
        // The largest chunk, once the line has shown that larger ones get lost.
        let mut at_most = u64::MAX;
        loop {
            let part = self.next_part(session, payload, offset, at_most);
            let is_last = part.end == payload.len;
            let request = |body| session_request(self, session, payload, &part, body);
            let error =
                match self.send_bytes(payload, part.clone(), breaks_in_a_row + 1, request).await {
                    Ok(answer) => match token(&answer) {
                        Some(token) => return Ok(token),
                        None if !is_last && is_active(&answer) => {
                            (offset, breaks_in_a_row) = (part.end, 0);
                            at_most = at_most.saturating_mul(2);
                            continue;
                        }
                        None => {
                            let why = "it holds no upload token".into();
                            Error::Garbled { call: UPLOAD, why }
                        }
                    },
                    Err(error) => error,
                };
            let Some(after) = self.wait_after(&error) else { return Err(error.into()) };
            let moved = payload.sent.load(Ordering::Relaxed).saturating_sub(part.start);
            tracing::debug!(%error, offset, moved, "the upload broke off");
            let backoff = Backoff {
                base: self.transport.config.retry_base,
                max: self.transport.config.deadlines.retries,
            };
            let wait = backoff.limit(breaks_in_a_row + 1).mul_f64(rand::random());
            tokio::time::sleep(after + wait).await;
            let confirmed = self.confirmed(session).await?;
            if confirmed > offset {
                breaks_in_a_row = 0;
            } else {
                breaks_in_a_row += 1;
                // The server has kept nothing of it.
                at_most = multiple(moved.min(at_most) / 2, session.granularity);
            }
            if breaks_in_a_row >= BREAKS_IN_A_ROW_MAX {
                return Err(error.into());
            }
            offset = confirmed;
        }
    }

    /// The bytes from `offset` on that go in the next request.
    fn next_part(
        &self,
        session: &UploadSession,
        payload: &Payload,
        offset: u64,
        at_most: u64,
    ) -> Range<u64> {
        let allowed = self.transport.upload_turns.allowed();
        let chunk = self.transport.upload_speed.chunk(session.granularity, allowed);
        let chunk = chunk.unwrap_or(u64::MAX).min(at_most);
        let left = payload.len.saturating_sub(offset);
        // A server that confirms an odd offset keeps all that arrives, and chunks begin at multiples.
        let is_odd = !offset.is_multiple_of(session.granularity);
        // A short rest would cost a request of its own.
        if is_odd || (left <= chunk.saturating_add(chunk / 2) && at_most == u64::MAX) {
            return offset..payload.len;
        }
        offset..payload.len.min(offset.saturating_add(chunk))
    }

    /// How long to wait before the session is asked where it stands. `None` if that is of no use
    /// now.
    fn wait_after(&self, error: &Error) -> Option<Duration> {
        if error.is_busy() {
            return None;
        }
        match error.advice() {
            // A longer wait is left to the caller, which has other files to upload.
            Advice::Retry { after } if after <= Some(self.transport.config.deadlines.retries) => {
                Some(after.unwrap_or_default())
            }
            // The bytes were damaged on the way, so resuming is of no use.
            Advice::GiveUp if error.kind() == FailureKind::Checksum => None,
            // The offset is wrong or the session is lost. The query shows which.
            Advice::GiveUp
                if error.refusal().is_some() && error.kind() != FailureKind::TooLarge =>
            {
                Some(Duration::ZERO)
            }
            _ => None,
        }
    }

    /// Asks the server how many bytes of a session it has.
    async fn confirmed(&self, session: &UploadSession) -> Result<u64, FinishError> {
        let status = self.transport.repeat(|attempt| self.query(session, attempt)).await?;
        match status {
            SessionStatus::Active { received } => Ok(received),
            // The server has all bytes, but no request returns the token again (reference §8.2).
            SessionStatus::Final | SessionStatus::Gone => Err(FinishError::Gone),
        }
    }

    async fn query(&self, session: &UploadSession, attempt: u32) -> Result<SessionStatus, Error> {
        let answer = match self.command(&session.url, "query", attempt, |request| request).await {
            Err(Error::Refused(refusal)) if matches!(refusal.status, 400 | 404 | 410) => {
                return Ok(SessionStatus::Gone);
            }
            answer => answer?,
        };
        match header(&answer.headers, "x-goog-upload-status")
            .unwrap_or("")
            .to_ascii_lowercase()
            .as_str()
        {
            "active" => {
                let received = header(&answer.headers, "x-goog-upload-size-received")
                    .and_then(|it| it.parse().ok());
                received.map(|received| SessionStatus::Active { received }).ok_or_else(|| {
                    Error::Garbled {
                        call: UPLOAD,
                        why: "it does not say how much has arrived".into(),
                    }
                })
            }
            "final" => Ok(SessionStatus::Final),
            "cancelled" | "canceled" => Ok(SessionStatus::Gone),
            other => Err(Error::Garbled {
                call: UPLOAD,
                why: format!("unknown session status {other:?}"),
            }),
        }
    }

    /// Sends a command of the resumable protocol that carries no bytes.
    async fn command(
        &self,
        url: &Url,
        command: &'static str,
        attempt: u32,
        more: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Answer, Error> {
        let answer = self.transport.send(UPLOAD, Class::Upload, attempt, || {
            let client = self.transport.http.now().calls;
            let request = client.request(Method::POST, url.clone());
            let request = request.timeout(self.transport.config.deadlines.read);
            more(request.header("X-Goog-Upload-Command", command).header(CONTENT_LENGTH, 0))
        });
        answer.await.inspect_err(|error| self.transport.throttle.failed(error))
    }
}

/// The request that sends a part of the payload.
fn session_request(
    client: &Client,
    session: &UploadSession,
    payload: &Payload,
    part: &Range<u64>,
    body: Body,
) -> RequestBuilder {
    let is_last = part.end == payload.len;
    let command = if is_last { "upload, finalize" } else { "upload" };
    let request = client
        .bytes_request(&session.url)
        .header("X-Goog-Upload-Command", command)
        .header("X-Goog-Upload-Offset", part.start)
        .header(CONTENT_LENGTH, part.end - part.start);
    // For a part, the reference does not say whether the hash covers the part or the whole.
    let request = match part.start {
        0 if is_last => request.header("X-Goog-Hash", hash_header(payload)),
        _ => request,
    };
    request.body(body)
}

/// Whether the server waits for further parts.
fn is_active(answer: &Answer) -> bool {
    header(&answer.headers, "x-goog-upload-status")
        .is_some_and(|it| it.eq_ignore_ascii_case("active"))
}
