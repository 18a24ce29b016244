//! Why an upload does not end in an answer of the protocol.

use std::io;

use axum::body::Body;
use axum::http::{Response, StatusCode};

use crate::error::ApiError;
use crate::faults::Failure;
use crate::http::html_error;
use crate::server::Server;

/// Why an upload does not end in an answer of the protocol.
pub(crate) enum UploadError {
    Refused(ApiError),
    /// The client went away, or the state directory failed.
    Io(io::Error),
    /// A fault switch says so.
    BrokenOff,
    /// A fault switch for this file says so.
    File(Failure),
}

impl From<io::Error> for UploadError {
    fn from(error: io::Error) -> UploadError {
        UploadError::Io(error)
    }
}

impl From<ApiError> for UploadError {
    fn from(error: ApiError) -> UploadError {
        UploadError::Refused(error)
    }
}

/// 400 with HTML for a request against the protocol (reference §8.2, rule 5).
pub(crate) fn refuse(server: &Server, what: &str) -> Response<Body> {
    server.meter.violation(format!("uploads: {what}"));
    bad_request(what)
}

/// The page of Google's front end.
pub(crate) fn bad_request(message: &str) -> Response<Body> {
    html_error(StatusCode::BAD_REQUEST, message)
}

pub(crate) fn too_large() -> UploadError {
    ApiError::too_large("The uploaded file is too large.").into()
}

pub(crate) fn checksum_mismatch() -> UploadError {
    ApiError::violation("Checksum from header does not match received payload content.").into()
}
