//! Bytes on their way to disk: limits, speed, faults, and the token for received bytes.

use std::io;
use std::path::Path;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures_util::StreamExt;
use sha2::{Digest, Sha256};

use super::refusal::UploadError;
use super::token::UploadToken;
use crate::faults::{Failure, Stage, UploadedFile};
use crate::server::Server;

/// A request body on its way to disk.
pub(crate) struct Intake<'a> {
    server: &'a Server,
    body: BodyDataStream,
    bytes_per_s: Option<u64>,
    /// The byte at which a fault drops or stalls the connection.
    breaks_at: Option<u64>,
}

impl<'a> Intake<'a> {
    pub(crate) fn new(
        server: &'a Server,
        body: Body,
        bytes_per_s: Option<u64>,
        breaks_at: Option<u64>,
    ) -> Intake<'a> {
        Intake { server, body: body.into_data_stream(), bytes_per_s, breaks_at }
    }

    /// The next piece, `None` at the end. An error is a connection that broke.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, UploadError> {
        if self.breaks_at == Some(0) {
            return Err(UploadError::BrokenOff);
        }
        let Some(piece) = self.body.next().await else { return Ok(None) };
        let mut piece = piece.map_err(io::Error::other)?;
        if let Some(bytes_per_s) = self.bytes_per_s {
            let seconds = piece.len() as f64 / bytes_per_s.max(1) as f64;
            tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
        }
        if let Some(left) = &mut self.breaks_at {
            piece.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= piece.len() as u64;
        }
        self.server.meter.uploaded(piece.len() as u64);
        Ok(Some(piece))
    }
}

/// Largest upload of a declared type; any other type may be a video.
pub(crate) fn size_max(server: &Server, content_type: &str) -> u64 {
    let faults = server.switches.get();
    if content_type.starts_with("image/") { faults.photo_bytes_max } else { faults.video_bytes_max }
}

/// Moves whole received bytes to their place and gives a token for them, empty if a switch says so.
pub(crate) async fn keep(
    server: &Server,
    path: &Path,
    sha256: Sha256,
    size: u64,
    name: &str,
) -> Result<String, UploadError> {
    let sha256 = format!("{:x}", sha256.finalize());
    let file = UploadedFile { name, sha256: &sha256, size };
    let failure = server.switches.file_failure(Stage::Upload, &file);
    if let Some(failure) = failure.filter(|failure| *failure != Failure::NoToken) {
        return Err(UploadError::File(failure));
    }
    tokio::fs::rename(path, server.dir.blob(&sha256)).await?;
    if failure.is_some() {
        return Ok(String::new());
    }
    Ok(UploadToken::new(server, sha256, size, name).seal(server))
}
