//! Sends bytes of files: all of one in a single request, or a part for a session (reference §8).

use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use futures_util::stream::unfold;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Body, Method, RequestBuilder};
use tokio::sync::watch;
use tokio::time::Instant;
use url::Url;

use super::Client;
use super::error::Error;
use super::http::header;
use super::refusal::Class;
use super::sockets::connections;
use super::transport::{Answer, Transport};
use super::upload_turns::UploadTurn;
use super::upload_watch::UploadWatch;
use crate::error_chain::causes;
use crate::media::{UploadLimit, UploadToken};

/// The client sends files up to this size, in bytes, in one request if the line is fast enough.
/// Larger ones go through a session that can be resumed.
pub const RAW_UPLOAD_MAX: u64 = 8 << 20;

pub(super) const UPLOAD: &str = "uploads";

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
    /// Its turn among all uploads; without one, the client waits for it.
    pub turn: Option<Arc<UploadTurn>>,
}

impl Client {
    /// Whether a file of this size is to go in one request, as fast as the line is known to be.
    pub fn fits_in_one_request(&self, len: u64) -> bool {
        let Transport { upload_speed, upload_turns, .. } = &*self.transport;
        len <= RAW_UPLOAD_MAX && upload_speed.fits_in_one_request(len, upload_turns.allowed())
    }

    /// The limit of all uploads, as the user gave it.
    pub fn upload_limit(&self) -> UploadLimit {
        self.transport.upload_turns.limit()
    }

    /// Changes it, also for uploads under way.
    pub fn set_upload_limit(&self, limit: UploadLimit) {
        self.transport.upload_turns.set_limit(limit);
        // Speeds under another limit say nothing about this one.
        self.transport.upload_speed.forget();
    }

    /// The bytes of uploads a second that may go at this time of the day. `None` is without a
    /// limit.
    pub fn upload_rate_allowed(&self) -> Option<u64> {
        self.transport.upload_turns.allowed()
    }

    /// Waits until an upload of `len` bytes may begin. Of two files, the one with the smaller `order`
    /// goes first.
    pub async fn upload_turn(&self, order: i64, len: u64) -> Arc<UploadTurn> {
        Arc::new(self.transport.upload_turns.begin(order, len > RAW_UPLOAD_MAX).await)
    }

    /// Sends a whole file in one request, once. For files up to [`RAW_UPLOAD_MAX`].
    ///
    /// # Errors
    /// `FailureKind::Checksum`, `FailureKind::TooLarge` and others.
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
        let answer = self.send_bytes(payload, 0..payload.len, 1, request).await?;
        token(&answer)
            .ok_or(Error::Garbled { call: UPLOAD, why: "it holds no upload token".into() })
    }

    /// Sends a part of the payload. Gives up when no byte moves for too long.
    pub(super) async fn send_bytes(
        &self,
        payload: &Payload,
        part: Range<u64>,
        attempt: u32,
        request: impl Fn(Body) -> RequestBuilder,
    ) -> Result<Answer, Error> {
        let turn = match &payload.turn {
            Some(turn) => turn.clone(),
            None => self.upload_turn(i64::MAX, payload.len).await,
        };
        let (moved, watcher) = watch::channel(part.start);
        let moved = Arc::new(moved);
        let body = || payload.body(part.clone(), &moved, &turn, &self.transport);
        let sending = self.transport.send(UPLOAD, Class::Upload, attempt, || request(body()));
        let begun = Instant::now();
        let answer = tokio::select! {
            answer = sending => answer,
            () = self.stalled(part.clone(), watcher) => Err(Error::TimedOut { call: UPLOAD }),
        };
        if answer.is_ok() {
            self.transport.upload_speed.arrived(part.end - part.start, begun.elapsed());
        }
        answer.map_err(payload_error).inspect_err(|error| self.transport.throttle.failed(error))
    }

    /// Returns when an upload has not moved for too long. `moved` is the place up to which its bytes
    /// were handed to the network.
    async fn stalled(&self, part: Range<u64>, mut moved: watch::Receiver<u64>) {
        let deadlines = &self.transport.config.deadlines;
        let now = || Instant::now().into_std();
        let begun = now();
        let len = part.end - part.start;
        let mut watch = UploadWatch::new(len, deadlines.stall, deadlines.write, begun);
        loop {
            let handed = *moved.borrow_and_update() - part.start;
            self.transport.upload_speed.under_way(handed, begun.elapsed());
            watch.handed(handed, now());
            let Some(wait) = watch.wait(now()) else { return };
            match tokio::time::timeout(wait, moved.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return,
                Err(_) => watch.acknowledged(self.acknowledged().await, now()),
            }
        }
    }

    /// Bytes of all uploads that the peers have, as far as this machine knows.
    async fn acknowledged(&self) -> u64 {
        let waiting = tokio::task::spawn_blocking(connections).await.ok().flatten();
        let waiting = waiting.map(|it| it.iter().map(|it| it.outstanding).sum::<u64>());
        let handed = self.transport.bytes_up.load(Ordering::Relaxed);
        handed.saturating_sub(waiting.unwrap_or_default())
    }

    /// A request that carries bytes.
    pub(super) fn bytes_request(&self, url: &Url) -> RequestBuilder {
        self.transport.http.now().up.request(Method::POST, url.clone())
    }

    pub(super) fn uploads_url(&self) -> Url {
        let mut url = self.transport.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["v1", "uploads"]);
        }
        url
    }
}

impl Payload {
    /// Streams a part of the bytes, as fast as the network takes them and the user's limit allows.
    fn body(
        &self,
        part: Range<u64>,
        moved: &Arc<watch::Sender<u64>>,
        turn: &Arc<UploadTurn>,
        transport: &Transport,
    ) -> Body {
        self.sent.store(part.start, Ordering::Relaxed);
        let (file, sent, moved) = (self.file.clone(), self.sent.clone(), moved.clone());
        let (all, turn) = (transport.bytes_up.clone(), turn.clone());
        Body::wrap_stream(unfold(part.start, move |at| {
            let (file, sent, moved) = (file.clone(), sent.clone(), moved.clone());
            let (all, turn) = (all.clone(), turn.clone());
            async move {
                let left = part.end.saturating_sub(at);
                if left == 0 {
                    return None;
                }
                let count = turn.take(left).await;
                let read = tokio::task::spawn_blocking(move || {
                    let mut chunk = vec![0; count as usize];
                    file.read_exact_at(&mut chunk, at).map(|()| Bytes::from(chunk))
                });
                let chunk = read.await.map_err(std::io::Error::other).flatten().map_err(ReadFailed);
                // Counted now: the length is known, so the network polls no more after the last
                // chunk.
                sent.store(at + count, Ordering::Relaxed);
                all.fetch_add(count, Ordering::Relaxed);
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

pub(super) fn hash_header(payload: &Payload) -> String {
    format!("sha1={}", BASE64.encode(payload.sha1))
}

/// The longest upload token. Google's have about 200 bytes.
const TOKEN_BYTES_MAX: usize = 8192;

/// The upload token in a finished upload's answer. Never empty (reference §8).
pub(super) fn token(answer: &Answer) -> Option<UploadToken> {
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
