//! Parts that all HTTP requests share: the client, whole bodies, headers, and failures below HTTP.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use jiff::{SignedDuration, Timestamp};
use reqwest::Response;
use reqwest::header::{DATE, HeaderMap};

use super::error::Error;
use crate::error_chain::{causes, lack_of_descriptors};

/// The largest JSON answer that the client accepts. A page of 100 items is about 200 kB.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Makes an HTTP client; no other function does. It follows no redirects, so that the token stays
/// with the API.
pub(super) fn http_client(connect: Duration) -> reqwest::Result<reqwest::Client> {
    // Fails only if a provider is installed already, and one is enough.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = || settings(connect);
    // Fails without root certificates on this machine. Plain http needs none.
    builder().build().or_else(|_| builder().tls_certs_only([]).build())
}

fn settings(connect: Duration) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("gphotosfs/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(connect)
        .tcp_keepalive(Duration::from_secs(30))
        .http2_keep_alive_interval(Duration::from_secs(30))
        .http2_keep_alive_timeout(Duration::from_secs(20))
}

/// Reads a body to its end, within bounds.
pub(super) async fn whole_body(call: &'static str, mut response: Response) -> Result<Bytes, Error> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|err| classify(call, err))? {
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

/// Classifies a failure below HTTP. Drops the URL, because some URLs are capabilities.
pub(super) fn classify(call: &'static str, err: reqwest::Error) -> Error {
    let host = err.url().and_then(|url| url.host_str()).unwrap_or("the server").to_owned();
    let err = err.without_url();
    if lack_of_descriptors(&err).is_some() {
        Error::OutOfFiles { call, source: err.into() }
    } else if is_untrusted(&err) {
        Error::Offline { host, source: Untrusted.into() }
    } else if err.is_connect() {
        Error::Offline { host, source: err.into() }
    } else if err.is_timeout() {
        Error::TimedOut { call }
    } else if err.is_builder() {
        Error::Unfit { call, why: err.to_string() }
    } else {
        Error::Broken { call, source: err.into() }
    }
}

/// No root certificate of this machine vouches for the server, most likely because there are none.
#[derive(Debug, thiserror::Error)]
#[error(
    "no authority that this machine knows vouches for the server: install ca-certificates, or name \
     a file of root certificates in SSL_CERT_FILE"
)]
struct Untrusted;

fn is_untrusted(err: &(dyn StdError + 'static)) -> bool {
    use rustls::{CertificateError, Error};
    causes(err).any(|it| {
        let it = within(it).downcast_ref();
        matches!(it, Some(Error::InvalidCertificate(CertificateError::UnknownIssuer)))
    })
}

/// The error in an I/O error, which skips it when it is asked for its source.
fn within<'a>(mut err: &'a (dyn StdError + 'static)) -> &'a (dyn StdError + 'static) {
    while let Some(inner) = err.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        err = inner;
    }
    err
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_unknown_issuer_is_untrusted() {
        let wrapped = |it| io::Error::other(io::Error::other(it));
        let of = |it| is_untrusted(&wrapped(rustls::Error::InvalidCertificate(it)));
        assert!(of(rustls::CertificateError::UnknownIssuer));
        assert!(!of(rustls::CertificateError::Expired));
        assert!(!is_untrusted(&io::Error::from(io::ErrorKind::ConnectionRefused)));
    }
}
