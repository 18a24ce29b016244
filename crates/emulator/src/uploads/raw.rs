//! The raw protocol (reference §8.1): one request with all bytes.

use axum::body::Body;
use axum::http::{HeaderMap, Response, StatusCode, header};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use super::headers::{expected_sha1, number, text};
use super::intake::{Intake, keep, size_max};
use super::refusal::{UploadError, checksum_mismatch, refuse, too_large};
use crate::http::body_response;
use crate::private::nonblocking;
use crate::server::Server;

/// Receives the bytes and answers with an upload token.
pub(crate) async fn receive(
    server: &Server,
    headers: &HeaderMap,
    mut intake: Intake<'_>,
) -> Result<Response<Body>, UploadError> {
    // rclone sends none and is served.
    if !matches!(text(headers, "content-type"), "" | "application/octet-stream") {
        return Ok(refuse(server, "Content-Type must be application/octet-stream"));
    }
    let bytes_max = size_max(server, text(headers, "x-goog-upload-content-type"));
    if number(headers, header::CONTENT_LENGTH.as_str()).is_some_and(|size| size > bytes_max) {
        return Err(too_large());
    }
    let expected = expected_sha1(headers)?;
    let id = format!("{:032x}", rand::random::<u128>());
    let path = server.dir.session(&id, "part");
    let mut file = nonblocking::create(&path).await?;
    let (mut sha256, mut sha1, mut size) = (Sha256::new(), Sha1::new(), 0);
    let received = async {
        while let Some(piece) = intake.next().await? {
            size += piece.len() as u64;
            if size > bytes_max {
                return Err(too_large());
            }
            sha256.update(&piece);
            if expected.is_some() {
                sha1.update(&piece);
            }
            file.write_all(&piece).await?;
        }
        match &expected {
            Some(expected) if sha1.finalize()[..] != expected[..] => Err(checksum_mismatch()),
            _ => Ok(()),
        }
    };
    if let Err(error) = received.await {
        tokio::fs::remove_file(&path).await?;
        return Err(error);
    }
    file.flush().await?;
    drop(file);
    let name = text(headers, "x-goog-upload-file-name");
    let token = match keep(server, &path, sha256, size, name).await {
        Ok(token) => token,
        Err(error) => {
            tokio::fs::remove_file(&path).await?;
            return Err(error);
        }
    };
    Ok(body_response(StatusCode::OK, "text/plain; charset=UTF-8", token))
}
