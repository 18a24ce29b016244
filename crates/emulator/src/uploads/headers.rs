//! The `X-Goog-…` headers of an upload.

use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::refusal::UploadError;
use crate::error::ApiError;

pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
}

pub(crate) fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    text(headers, name).parse().ok()
}

pub(crate) fn commands(headers: &HeaderMap) -> Vec<String> {
    text(headers, "x-goog-upload-command")
        .split(',')
        .map(|command| command.trim().to_ascii_lowercase())
        .filter(|command| !command.is_empty())
        .collect()
}

/// The digest of an `X-Goog-Hash: sha1=BASE64` header.
pub(crate) fn expected_sha1(headers: &HeaderMap) -> Result<Option<Vec<u8>>, UploadError> {
    let Some(value) = headers.get("x-goog-hash") else { return Ok(None) };
    let digest = value
        .to_str()
        .ok()
        .and_then(|text| text.strip_prefix("sha1="))
        .and_then(|text| STANDARD.decode(text).ok())
        .filter(|digest| digest.len() == 20);
    match digest {
        Some(digest) => Ok(Some(digest)),
        None => Err(ApiError::violation("Invalid X-Goog-Hash header.").into()),
    }
}
