//! Downloads bytes by base URL (reference §9): through redirects, from any offset. Only addresses of
//! the Picker API need the login, and no redirect ever gets it.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt, empty, try_unfold};
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, LOCATION, RANGE,
};
use reqwest::{Method, Response, StatusCode};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::auth::AccessToken;
use super::budget::Kind;
use super::connections::while_in_use;
use super::error::Error;
use super::http::{classify, header, whole_body};
use super::refusal::Class;
use super::request_log::RequestLog;
use super::transport::Transport;
use crate::media::MediaKind;

/// Redirects from a base URL to the bytes.
const REDIRECTS_MAX: usize = 5;

const DOWNLOAD: &str = "download";

/// A running download of an item's bytes.
pub struct Download {
    /// Where the stream begins: at the requested offset or before it, and at 0 if the server does
    /// not support ranges.
    pub starts_at: u64,
    /// Whether the server supports ranges, so that another request may begin elsewhere.
    pub ranged: bool,
    /// The length of the whole in bytes, if the server reports it.
    pub len: Option<u64>,
    /// The ETag of these bytes, if the server sends one.
    pub tag: Option<String>,
    /// The bytes from `starts_at` on. Ends early only with an error, or where the server ends a
    /// part.
    pub stream: BoxStream<'static, Result<Bytes, Error>>,
}

impl std::fmt::Debug for Download {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Download")
            .field("starts_at", &self.starts_at)
            .field("ranged", &self.ranged)
            .field("len", &self.len)
            .field("tag", &self.tag)
            .finish_non_exhaustive()
    }
}

impl Transport {
    /// See `Client::download`.
    pub(super) async fn download(
        &self,
        base_url: &str,
        kind: MediaKind,
        from: u64,
    ) -> Result<Download, Error> {
        let url = media_url(base_url, kind)?;
        let response = self.fetch(Method::GET, &url, Some(from)).await?;
        let headers = response.headers();
        let garbled = |why: &str| Error::Garbled { call: DOWNLOAD, why: why.into() };
        if header(headers, CONTENT_TYPE.as_str()).is_some_and(|it| it.starts_with("text/html")) {
            return Err(garbled("it is a web page, not a picture"));
        }
        let ranged = matches!(
            response.status(),
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE
        );
        let tag = header(headers, ETAG.as_str()).map(str::to_owned);
        let (starts_at, len) = match response.status() {
            StatusCode::PARTIAL_CONTENT => {
                content_range(headers).ok_or_else(|| garbled("it does not say which part it is"))?
            }
            StatusCode::RANGE_NOT_SATISFIABLE => {
                let len = content_range(headers).and_then(|it| it.1);
                if len == Some(0) {
                    return Err(empty_body());
                }
                if len.is_some_and(|len| len > from) {
                    return Err(garbled("it refuses a part that it has"));
                }
                return Ok(Download { starts_at: from, ranged, len, tag, stream: empty().boxed() });
            }
            _ => (0, response.content_length().filter(|len| *len > 0)),
        };
        if starts_at > from {
            return Err(garbled("it starts after the byte asked for"));
        }
        let stall = self.config.deadlines.stall;
        let over = self.http.now().over;
        // A server that begins elsewhere does not do ranges, whatever it calls the answer. To ask it
        // for another part would never bring that.
        let ranged = ranged && starts_at == from;
        Ok(Download { starts_at, ranged, len, tag, stream: body_stream(response, stall, over) })
    }

    /// See `Client::download_size`.
    pub(super) async fn download_size(
        &self,
        base_url: &str,
        kind: MediaKind,
    ) -> Result<Option<u64>, Error> {
        let url = media_url(base_url, kind)?;
        let response = self.fetch(Method::HEAD, &url, None).await?;
        // Not Response::content_length: it describes the body, and the answer to a HEAD has none.
        let reported = header(response.headers(), CONTENT_LENGTH.as_str());
        // No item is empty: some servers send 0 when they do not know.
        Ok(reported.and_then(|it| it.parse().ok()).filter(|len| *len > 0))
    }

    /// See `Client::thumbnail`.
    pub(super) async fn thumbnail(&self, base_url: &str, pixels: u32) -> Result<Bytes, Error> {
        let url = suffixed(base_url, &format!("=w{pixels}-h{pixels}"))?;
        let response = self.fetch(Method::GET, &url, None).await?;
        tokio::time::timeout(self.config.deadlines.stall, whole_body(DOWNLOAD, response))
            .await
            .map_err(|_| Error::TimedOut { call: DOWNLOAD })?
    }

    /// Makes a media request, and repeats it while that can help. Does not repeat it after a 429,
    /// because then all downloads have to wait.
    async fn fetch(&self, method: Method, url: &Url, from: Option<u64>) -> Result<Response, Error> {
        let attempt = async |nth| match self.fetch_once(method.clone(), url, from, nth).await {
            Err(error) if error.is_throttled() => Ok(Err(error)),
            outcome => outcome.map(Ok),
        };
        self.repeat(attempt).await?
    }

    /// Makes one media request and follows redirects, without the token there. Even a request for
    /// the whole is a range, because its answer shows whether the server supports ranges.
    async fn fetch_once(
        &self,
        method: Method,
        url: &Url,
        from: Option<u64>,
        attempt: u32,
    ) -> Result<Response, Error> {
        let mut token = self.token_for_bytes(url).await?;
        let mut url = url.clone();
        for _ in 0..=REDIRECTS_MAX {
            if !self.is_fit_for_media(&url) {
                return Err(Error::Unfit {
                    call: DOWNLOAD,
                    why: "the base URL leads to no public host with https".into(),
                });
            }
            self.charge(Kind::Media)?;
            // The length of compressed bytes would not be the item's.
            let connections = self.http.now();
            let client = if from.is_some() { &connections.down } else { &connections.calls };
            let mut request =
                client.request(method.clone(), url.clone()).header(ACCEPT_ENCODING, "identity");
            if let Some(from) = from {
                request = request.header(RANGE, format!("bytes={from}-"));
            }
            // Only the first address gets it.
            let sent = token.take();
            if let Some(token) = &sent {
                request = request.bearer_auth(token.secret());
            }
            let log = RequestLog::begin(DOWNLOAD, attempt);
            let sending = async {
                match tokio::time::timeout(self.config.deadlines.read, request.send()).await {
                    Ok(Ok(response)) => Ok(response),
                    Ok(Err(err)) => Err(classify(DOWNLOAD, err).await),
                    Err(_) => Err(Error::TimedOut { call: DOWNLOAD }),
                }
            };
            let response = while_in_use(&connections.over, DOWNLOAD, sending).await;
            log.end(response.as_ref().map(|it| (it.status(), it.content_length())));
            let response = response?;
            let status = response.status();
            let nothing_there = status == StatusCode::RANGE_NOT_SATISFIABLE && from.is_some();
            if status.is_success() || nothing_there {
                return Ok(response);
            }
            match header(response.headers(), LOCATION.as_str()).and_then(|it| url.join(it).ok()) {
                Some(next) if status.is_redirection() => url = next,
                _ => {
                    // The host of the bytes gives no reason. The token may have ended early.
                    if let (Some(token), 401 | 403) = (&sent, status.as_u16()) {
                        self.login.invalidate(token);
                    }
                    let headers = response.headers().clone();
                    let body = tokio::time::timeout(
                        self.config.deadlines.stall,
                        whole_body(DOWNLOAD, response),
                    );
                    // Only for the message.
                    let body = body.await.ok().and_then(Result::ok).unwrap_or_default();
                    return Err(self.refusal(
                        DOWNLOAD,
                        Class::Media,
                        Kind::Media,
                        status,
                        &headers,
                        &body,
                    ));
                }
            }
        }
        Err(Error::Garbled { call: DOWNLOAD, why: "it redirects without end".into() })
    }

    /// The token for the first request of an address, if it needs one.
    async fn token_for_bytes(&self, url: &Url) -> Result<Option<AccessToken>, Error> {
        if !self.bytes_need_login {
            return Ok(None);
        }
        if !self.is_fit_for_token(url) {
            let why = "the base URL leads to no host that may get the login".into();
            return Err(Error::Unfit { call: DOWNLOAD, why });
        }
        Ok(Some(self.access().await?.token))
    }
}

/// A base URL works only with a suffix (reference §9).
fn media_url(base_url: &str, kind: MediaKind) -> Result<Url, Error> {
    let suffix = match kind {
        MediaKind::Photo => "=d",
        MediaKind::Video => "=dv",
    };
    suffixed(base_url, suffix)
}

fn suffixed(base_url: &str, suffix: &str) -> Result<Url, Error> {
    format!("{base_url}{suffix}")
        .parse()
        .map_err(|err| Error::Unfit { call: DOWNLOAD, why: format!("the base URL: {err}") })
}

/// Start and total of `bytes 5-9/10`, `bytes 5-9/*` or `bytes */10`.
fn content_range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let (range, total) =
        header(headers, CONTENT_RANGE.as_str())?.strip_prefix("bytes")?.trim().split_once('/')?;
    let start = range.split_once('-').map_or(Some(0), |(start, _)| start.trim().parse().ok())?;
    Some((start, total.trim().parse().ok()))
}

/// Streams the body. Silence for `stall` is an error, and so is an empty body.
fn body_stream(
    response: Response,
    stall: Duration,
    over: CancellationToken,
) -> BoxStream<'static, Result<Bytes, Error>> {
    try_unfold((response, over, false), move |(mut response, over, has_bytes)| async move {
        let reading = async {
            match tokio::time::timeout(stall, response.chunk()).await {
                Err(_) => Err(Error::TimedOut { call: DOWNLOAD }),
                Ok(Err(err)) => Err(classify(DOWNLOAD, err).await),
                Ok(Ok(chunk)) => Ok(chunk),
            }
        };
        match while_in_use(&over, DOWNLOAD, reading).await? {
            None if !has_bytes => Err(empty_body()),
            chunk => Ok(chunk.map(|it| (it, (response, over, true)))),
        }
    })
    .boxed()
}

/// The error for an empty body: no item is empty.
fn empty_body() -> Error {
    Error::Garbled { call: DOWNLOAD, why: "it is empty".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read() {
        for (text, expected) in [
            ("bytes 5-9/10", Some((5, Some(10)))),
            ("bytes 5-9/*", Some((5, None))),
            ("bytes */10", Some((0, Some(10)))),
            ("items 1-2/3", None),
            ("bytes x-9/10", None),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_RANGE, text.parse().unwrap())]);
            assert_eq!(content_range(&headers), expected, "{text}");
        }
    }
}
