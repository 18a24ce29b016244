//! Error answers of the API: the JSON envelope of reference §2.4.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use crate::call::{Call, Service};
use crate::http::json_response;

/// A refusal, to be sent in Google's envelope.
#[derive(Debug)]
pub(crate) struct ApiError {
    pub(crate) http: StatusCode,
    status: &'static str,
    message: String,
    details: Vec<Value>,
    /// Set if only a client that breaks the protocol can get here; goes into the statistics.
    pub(crate) violation: bool,
    /// Seconds for a `Retry-After` header.
    retry_after_s: Option<u64>,
}

impl ApiError {
    fn new(http: StatusCode, status: &'static str, message: impl Into<String>) -> ApiError {
        ApiError {
            http,
            status,
            message: message.into(),
            details: Vec::new(),
            violation: false,
            retry_after_s: None,
        }
    }

    /// 400 for something a correct client can run into (an item the user has deleted, say).
    pub(crate) fn invalid(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", message)
    }

    /// 400 for something a correct client never sends.
    pub(crate) fn violation(message: impl Into<String>) -> ApiError {
        ApiError::invalid(message).blame(true)
    }

    /// The same answer, counted as the client's mistake if `blamed`.
    pub(crate) fn blame(self, blamed: bool) -> ApiError {
        ApiError { violation: blamed, ..self }
    }

    /// The same answer with a `Retry-After` header.
    pub(crate) fn retry_after(self, seconds: Option<u64>) -> ApiError {
        ApiError { retry_after_s: seconds, ..self }
    }

    pub(crate) fn not_found(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::NOT_FOUND, "NOT_FOUND", message)
    }

    pub(crate) fn permission_denied(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::FORBIDDEN, "PERMISSION_DENIED", message)
    }

    /// 403 of a project in which the API was never enabled (reference §3.8).
    pub(crate) fn service_disabled(service: Service) -> ApiError {
        let (title, host) = (service.title(), service.host());
        let mut error = ApiError::permission_denied(format!(
            "{title} has not been used in project 123456789012 before or it is disabled. Enable it \
             by visiting https://console.developers.google.com/apis/api/{host}/overview?\
             project=123456789012 then retry."
        ));
        error.details.push(json!({
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "SERVICE_DISABLED",
            "domain": "googleapis.com",
            "metadata": {
                "service": host,
                "consumer": "projects/123456789012",
            },
        }));
        error
    }

    /// 403 for a token without the scope that a call needs.
    pub(crate) fn scope_insufficient(call: Call) -> ApiError {
        let mut error =
            ApiError::permission_denied("Request had insufficient authentication scopes.");
        error.details.push(json!({
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
            "domain": "googleapis.com",
            "metadata": {
                "service": call.service().host(),
                "method": call.service().method(call.rpc()),
            },
        }));
        error
    }

    pub(crate) fn unauthenticated() -> ApiError {
        ApiError::new(
            StatusCode::UNAUTHORIZED,
            "UNAUTHENTICATED",
            "Request had invalid authentication credentials. Expected OAuth 2 access token, login \
             cookie or other valid authentication credential. See \
             https://developers.google.com/identity/sign-in/web/devconsole-project.",
        )
    }

    /// 401 for a request without a token, as the newer services answer it.
    pub(crate) fn credentials_missing(call: Call) -> ApiError {
        let mut error = ApiError::new(
            StatusCode::UNAUTHORIZED,
            "UNAUTHENTICATED",
            "Request is missing required authentication credential. Expected OAuth 2 access token, \
             login cookie or other valid authentication credential. See \
             https://developers.google.com/identity/sign-in/web/devconsole-project.",
        );
        error.details.push(json!({
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "CREDENTIALS_MISSING",
            "domain": "googleapis.com",
            "metadata": {
                "service": call.service().host(),
                "method": call.service().method(call.rpc()),
            },
        }));
        error
    }

    /// 400 for a call that comes too early, or for an account that cannot have it.
    pub(crate) fn failed_precondition(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::BAD_REQUEST, "FAILED_PRECONDITION", message)
    }

    /// The same answer with a reason in its details.
    pub(crate) fn reason(mut self, reason: &str, domain: &str) -> ApiError {
        self.details.push(json!({
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": reason,
            "domain": domain,
        }));
        self
    }

    pub(crate) fn exhausted(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::TOO_MANY_REQUESTS, "RESOURCE_EXHAUSTED", message)
    }

    pub(crate) fn daily_requests() -> ApiError {
        ApiError::exhausted(
            "Quota exceeded for quota metric 'All requests' and limit 'All requests per day' of \
             service 'photoslibrary.googleapis.com' for consumer 'project_number:123456789012'.",
        )
    }

    pub(crate) fn writes_per_minute() -> ApiError {
        ApiError::exhausted(
            "Quota exceeded for quota metric 'Write requests' and limit 'Write requests per minute \
             per user' of service 'photoslibrary.googleapis.com' for consumer \
             'project_number:123456789012'.",
        )
    }

    pub(crate) fn requests_per_minute(service: Service) -> ApiError {
        ApiError::exhausted(format!(
            "Quota exceeded for quota metric 'All requests' and limit 'All requests per minute' of \
             service '{}' for consumer 'project_number:123456789012'.",
            service.host()
        ))
    }

    pub(crate) fn concurrent_write() -> ApiError {
        ApiError::exhausted(
            "Quota exceeded for quota 'concurrent write request' of service \
             'photoslibrary.googleapis.com'.",
        )
    }

    pub(crate) fn aborted() -> ApiError {
        ApiError::new(StatusCode::CONFLICT, "ABORTED", "The operation was aborted.")
    }

    pub(crate) fn too_large(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "OUT_OF_RANGE", message)
    }

    pub(crate) fn internal() -> ApiError {
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", "Internal error encountered.")
    }

    pub(crate) fn unavailable() -> ApiError {
        ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "UNAVAILABLE",
            "The service is currently unavailable.",
        )
    }

    pub(crate) fn bad_gateway() -> ApiError {
        ApiError::new(StatusCode::BAD_GATEWAY, "UNAVAILABLE", "Bad Gateway")
    }

    pub(crate) fn deadline_exceeded() -> ApiError {
        ApiError::new(
            StatusCode::GATEWAY_TIMEOUT,
            "DEADLINE_EXCEEDED",
            "Deadline expired before operation could complete.",
        )
    }

    /// The cause, for the list of violations.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The answer, indented unless the request said `prettyPrint=false`.
    pub(crate) fn into_response(self, pretty: bool) -> Response<Body> {
        let mut error = json!({
            "code": self.http.as_u16(),
            "message": self.message,
            "status": self.status,
        });
        if !self.details.is_empty() {
            error["details"] = Value::Array(self.details);
        }
        let mut response = json_response(self.http, &json!({ "error": error }), pretty);
        if self.http == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static(
                    "Bearer realm=\"https://accounts.google.com/\", error=\"invalid_token\"",
                ),
            );
        }
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
