//! Parts that all HTTP requests share: whole bodies, headers, and failures below HTTP.

use bytes::{Bytes, BytesMut};
use jiff::{SignedDuration, Timestamp};
use reqwest::Response;
use reqwest::header::{DATE, HeaderMap};

use super::error::Error;
use super::unreachable::Unreachable;
use crate::error_chain::{chain, lack_of_descriptors};

/// The largest JSON answer that the client accepts. A page of 100 items is about 200 kB.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Reads a body to its end, within bounds.
pub(super) async fn whole_body(call: &'static str, mut response: Response) -> Result<Bytes, Error> {
    let mut body = BytesMut::new();
    while let Some(chunk) = next_chunk(call, &mut response).await? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(Error::Garbled {
                call,
                why: format!("it is longer than {ANSWER_BYTES_MAX} bytes"),
            });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

async fn next_chunk(call: &'static str, response: &mut Response) -> Result<Option<Bytes>, Error> {
    match response.chunk().await {
        Ok(chunk) => Ok(chunk),
        Err(err) => Err(classify(call, err).await),
    }
}

/// Classifies a failure below HTTP. Drops the URL, because some URLs are capabilities.
pub(super) async fn classify(call: &'static str, err: reqwest::Error) -> Error {
    let host = err.url().and_then(|url| url.host_str()).unwrap_or("the server").to_owned();
    let scheme = err.url().map_or("https", |url| url.scheme()).to_owned();
    let port = err.url().and_then(|url| url.port_or_known_default()).unwrap_or(443);
    let err = err.without_url();
    if lack_of_descriptors(&err).is_some() {
        Error::OutOfFiles { call, source: err.into() }
    } else if let Some(why) = Unreachable::read(&err, &scheme, (&host, port)).await {
        tracing::debug!(host, error = chain(&err), "no connection");
        Error::Offline { host, source: why.into() }
    } else if err.is_timeout() {
        Error::TimedOut { call }
    } else if err.is_builder() {
        Error::Unfit { call, why: err.to_string() }
    } else {
        Error::Broken { call, source: err.into() }
    }
}

/// How far this machine's clock is behind the server's, by the answer's `Date`; off by a second or
/// two.
pub(super) fn clock_skew(headers: &HeaderMap) -> Option<SignedDuration> {
    let date = jiff::fmt::rfc2822::parse(header(headers, DATE.as_str())?).ok()?;
    Some(date.timestamp().duration_since(Timestamp::now()))
}

/// A header's text.
pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}
