//! Uploads bytes by the raw or the resumable protocol (reference §8).

use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use futures_util::stream::unfold;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Body, Method, RequestBuilder};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use url::Url;

use super::Client;
use super::backoff::Backoff;
use super::error::Error;
use super::failure::{Advice, FailureKind};
use super::http::header;
use super::refusal::Class;
use super::transport::Answer;
use crate::error_chain::causes;
use crate::media::UploadToken;

/// The client sends files up to this size, in bytes, in one request. Larger ones go through a
/// session that can be resumed.
pub const RAW_UPLOAD_MAX: u64 = 8 << 20;

/// Bytes that go from the file to the network at a time. Few enough that a slow line, shared by
/// many uploads, takes them well before an upload counts as stalled.
const CHUNK_BYTES: u64 = 64 << 10;
/// After so many breaks in a row without progress, the caller gets the error.
const BREAKS_IN_A_ROW_MAX: u32 = 5;

const UPLOAD: &str = "uploads";

/// The bytes of one file to upload. They must not change meanwhile.
#[derive(Debug, Clone)]
pub struct Payload {
    /// The client reads it by position, never as a whole into memory.
    pub file: Arc<std::fs::File>,
    /// The file's length in bytes; at least 1.
    pub len: u64,
    /// The MIME type, for example `image/jpeg`.
    pub mime: String,
    /// The hash of all bytes. Google compares it with that of the received bytes.
    pub sha1: [u8; 20],
    /// Bytes handed to the network so far, for progress bars.
    pub sent: Arc<AtomicU64>,
}

/// An upload that has begun and can be resumed, also after a restart, for about a day.
#[derive(Clone, Serialize, Deserialize)]
pub struct UploadSession {
    url: Url,
    /// Whether bytes may have arrived already, so that the client must query the server. Not
    /// stored: after a restart it is unknown.
    #[serde(skip, default = "sent_into")]
    sent_into: Arc<AtomicBool>,
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
    /// Sends a whole file in one request, once. For files up to [`RAW_UPLOAD_MAX`].
    ///
    /// # Errors
    /// [`FailureKind::Checksum`], [`FailureKind::TooLarge`] and others.
    pub async fn upload_raw(&self, payload: &Payload) -> Result<UploadToken, Error> {
        let url = self.uploads_url();
        let request = |body| {
            self.bytes_request(&url)
                .header("X-Goog-Upload-Protocol", "raw")
                .header("X-Goog-Upload-Content-Type", &payload.mime)
                .header("X-Goog-Hash", hash_header(payload))
                .header(CONTENT_TYPE, "application/octet-stream")
                .header(CONTENT_LENGTH, payload.len)
                .body(body)
        };
        let answer = self.send_bytes(payload, 0, 1, request).await?;
        token(&answer)
            .ok_or(Error::Garbled { call: UPLOAD, why: "it holds no upload token".into() })
    }

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
        Ok(UploadSession { url, sent_into: Arc::default() })
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
        loop {
            let request = |body| {
                let request = self
                    .bytes_request(&session.url)
                    .header("X-Goog-Upload-Command", "upload, finalize")
                    .header("X-Goog-Upload-Offset", offset)
                    .header(CONTENT_LENGTH, payload.len.saturating_sub(offset));
                // For a part, the reference does not say whether the hash covers the part or the
                // whole.
                let request = match offset {
                    0 => request.header("X-Goog-Hash", hash_header(payload)),
                    _ => request,
                };
                request.body(body)
            };
            let error = match self.send_bytes(payload, offset, breaks_in_a_row + 1, request).await {
                Ok(answer) => match token(&answer) {
                    Some(token) => return Ok(token),
                    None => Error::Garbled { call: UPLOAD, why: "it holds no upload token".into() },
                },
                Err(error) => error,
            };
            let after = match error.advice() {
                // A longer wait is left to the caller, which has other files to upload.
                Advice::Retry { after }
                    if after <= Some(self.transport.config.deadlines.retries) =>
                {
                    after
                }
                // The bytes were damaged on the way, so resuming is of no use.
                Advice::GiveUp if error.kind() == FailureKind::Checksum => return Err(error.into()),
                // The offset is wrong or the session is lost. The query shows which.
                Advice::GiveUp
                    if error.refusal().is_some() && error.kind() != FailureKind::TooLarge =>
                {
                    None
                }
                _ => return Err(error.into()),
            };
            tracing::debug!(%error, offset, "the upload broke off");
            let backoff = Backoff {
                base: self.transport.config.retry_base,
                max: self.transport.config.deadlines.retries,
            };
            let wait = backoff.limit(breaks_in_a_row + 1).mul_f64(rand::random());
            tokio::time::sleep(after.unwrap_or_default() + wait).await;
            let confirmed = self.confirmed(session).await?;
            breaks_in_a_row = if confirmed > offset { 0 } else { breaks_in_a_row + 1 };
            if breaks_in_a_row >= BREAKS_IN_A_ROW_MAX {
                return Err(error.into());
            }
            offset = confirmed;
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
            let client = &self.transport.http.calls;
            let request = client.request(Method::POST, url.clone());
            let request = request.timeout(self.transport.config.deadlines.read);
            more(request.header("X-Goog-Upload-Command", command).header(CONTENT_LENGTH, 0))
        });
        answer.await.inspect_err(|error| self.transport.throttle.failed(error))
    }

    /// Sends the payload from `offset` on. Gives up when no byte moves for too long.
    async fn send_bytes(
        &self,
        payload: &Payload,
        offset: u64,
        attempt: u32,
        request: impl Fn(Body) -> RequestBuilder,
    ) -> Result<Answer, Error> {
        let deadlines = &self.transport.config.deadlines;
        let (moved, mut watcher) = watch::channel(offset);
        let moved = Arc::new(moved);
        let sending = self
            .transport
            .send(UPLOAD, Class::Upload, attempt, || request(payload.body(offset, moved.clone())));
        let stalled = async {
            loop {
                let all_handed_over = *watcher.borrow_and_update() >= payload.len;
                let timeout = if all_handed_over { deadlines.write } else { deadlines.stall };
                if !matches!(tokio::time::timeout(timeout, watcher.changed()).await, Ok(Ok(()))) {
                    return;
                }
            }
        };
        let answer = tokio::select! {
            answer = sending => answer,
            () = stalled => Err(Error::TimedOut { call: UPLOAD }),
        };
        answer.map_err(payload_error).inspect_err(|error| self.transport.throttle.failed(error))
    }

    /// A request that carries bytes.
    fn bytes_request(&self, url: &Url) -> RequestBuilder {
        self.transport.http.up.request(Method::POST, url.clone())
    }

    fn uploads_url(&self) -> Url {
        let mut url = self.transport.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["v1", "uploads"]);
        }
        url
    }
}

impl Payload {
    /// Streams the bytes from `offset` on, as fast as the network takes them.
    fn body(&self, offset: u64, moved: Arc<watch::Sender<u64>>) -> Body {
        self.sent.store(offset, Ordering::Relaxed);
        let (file, len, sent) = (self.file.clone(), self.len, self.sent.clone());
        Body::wrap_stream(unfold(offset, move |at| {
            let (file, sent, moved) = (file.clone(), sent.clone(), moved.clone());
            async move {
                let count = CHUNK_BYTES.min(len.saturating_sub(at));
                if count == 0 {
                    return None;
                }
                let read = tokio::task::spawn_blocking(move || {
                    let mut chunk = vec![0; count as usize];
                    file.read_exact_at(&mut chunk, at).map(|()| Bytes::from(chunk))
                });
                let chunk = read.await.map_err(std::io::Error::other).flatten().map_err(ReadFailed);
                // Counted now: the length is known, so the network polls no more after the last
                // chunk.
                sent.store(at + count, Ordering::Relaxed);
                moved.send_replace(at + count);
                Some((chunk, at + count))
            }
        }))
    }
}

/// Marks a failure of this disk inside an error of the network.
#[derive(Debug, thiserror::Error)]
#[error("reading the file")]
struct ReadFailed(#[source] std::io::Error);

/// Distinguishes a failure of this disk from one of the network.
fn payload_error(error: Error) -> Error {
    let ours = causes(&error as &(dyn std::error::Error + 'static)).any(|it| it.is::<ReadFailed>());
    if ours { Error::Payload(error.into()) } else { error }
}

fn hash_header(payload: &Payload) -> String {
    format!("sha1={}", BASE64.encode(payload.sha1))
}

/// The longest upload token. Google's have about 200 bytes.
const TOKEN_BYTES_MAX: usize = 8192;

/// The upload token in a finished upload's answer. Never empty (reference §8).
fn token(answer: &Answer) -> Option<UploadToken> {
    let status = header(&answer.headers, "x-goog-upload-status").unwrap_or("final");
    let text = std::str::from_utf8(&answer.body).ok()?.trim();
    // A web page is no token, nor is JSON. A token with a line break counts only as it was given.
    // An upload that the server calls active is not finished.
    let is_plain = |it: u8| match it {
        b'<' | b'{' | b'"' => false,
        b'\r' | b'\n' => true,
        _ => it.is_ascii_graphic(),
    };
    let plain = (1..=TOKEN_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_plain);
    (plain && status.eq_ignore_ascii_case("final")).then(|| UploadToken::new(text))
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;

    use super::*;

    #[test]
    fn tokens_are_plain_text_of_a_finished_upload() {
        let answer = |status: Option<&'static str>, body: &'static str| {
            let headers =
                status.map(|it| ("x-goog-upload-status".parse().unwrap(), it.parse().unwrap()));
            token(&Answer {
                status: reqwest::StatusCode::OK,
                headers: HeaderMap::from_iter(headers),
                body: Bytes::from_static(body.as_bytes()),
            })
        };
        assert_eq!(answer(Some("final"), " CAIS-_1\n").unwrap().as_str(), "CAIS-_1");
        assert!(answer(None, "CAIS").is_some());
        assert_eq!(answer(None, "CA\nIS\n").unwrap().as_str(), "CA\nIS");
        for (status, body) in [
            (Some("final"), " "),
            (Some("active"), "CAIS"),
            (None, "<html>"),
            (None, "a b"),
            (None, "{\"code\":3}"),
        ] {
            assert!(answer(status, body).is_none(), "{status:?} {body:?}");
        }
    }
}
