//! How an injected failure looks to the client.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode};
use serde_json::json;

use super::injection::{Failure, Injection};
use crate::call::Service;
use crate::choices;
use crate::connection::Connection;
use crate::error::ApiError;
use crate::http::{body_response, html_error, json_response};

/// Carries out an injected failure of a call of that service.
pub(crate) async fn inject(
    injection: &Injection,
    service: Service,
    connection: &Connection,
) -> Result<Response<Body>, ApiError> {
    let error = match injection.failure {
        Failure::Drop => {
            connection.cut();
            return Ok(Response::default());
        }
        Failure::Stall => {
            connection.ended().await;
            return Ok(Response::default());
        }
        Failure::Garbage => {
            let half = "{\n  \"mediaItems\": [\n    {\n      \"id\": \"ABdUx";
            return Ok(body_response(StatusCode::OK, "application/json; charset=UTF-8", half));
        }
        Failure::Html => {
            let text = "The server encountered a temporary error.";
            return Ok(html_error(StatusCode::BAD_GATEWAY, text));
        }
        Failure::HtmlPage { http } => {
            let text = injection.message.as_deref().unwrap_or("The server cannot serve this now.");
            return Ok(html_error(status(http), text));
        }
        Failure::BareStatus { http, code } => {
            let text = injection.message.as_deref().unwrap_or(choices::BARE_STATUS);
            let body = json!({ "code": code, "message": text });
            return Ok(json_response(status(http), &body, true));
        }
        Failure::Empty { http } => {
            let mut response = Response::default();
            *response.status_mut() = status(http);
            return Ok(response);
        }
        Failure::NoToken => {
            let mut response = Response::default();
            let headers = response.headers_mut();
            headers.insert("x-goog-upload-status", HeaderValue::from_static("final"));
            return Ok(response);
        }
        Failure::Unauthenticated => ApiError::unauthenticated(),
        Failure::PermissionDenied => {
            ApiError::permission_denied("The caller does not have permission")
        }
        Failure::ServiceDisabled => ApiError::service_disabled(service),
        Failure::NotFound => ApiError::not_found(choices::NOT_FOUND),
        Failure::Aborted => ApiError::aborted(),
        Failure::WritesPerMinute => ApiError::writes_per_minute(),
        Failure::ConcurrentWrite => ApiError::concurrent_write(),
        Failure::RequestsPerMinute => ApiError::requests_per_minute(service),
        Failure::RequestsPerDay => ApiError::daily_requests(),
        Failure::Internal => ApiError::internal(),
        Failure::BadGateway => ApiError::bad_gateway(),
        Failure::Unavailable => ApiError::unavailable(),
        Failure::DeadlineExceeded => ApiError::deadline_exceeded(),
    };
    Err(error.retry_after(injection.retry_after_s))
}

/// A status that a switch chose; one that HTTP does not have is a 500.
fn status(http: u16) -> StatusCode {
    StatusCode::from_u16(http).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
