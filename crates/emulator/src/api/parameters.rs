//! The parameters that every method takes: the standard query parameters (reference §2.1) and a JSON body.

use axum::body::Body;
use axum::http::{Method, header, request};
use serde_json::{Value, json};

use crate::error::ApiError;

/// Largest JSON body in bytes.
const BODY_BYTES_MAX: usize = 10 << 20;

/// The standard query parameters (reference §2.1) that matter here.
pub(crate) struct Standard {
    pub(crate) fields: Option<String>,
    pub(crate) pretty: bool,
    pub(crate) access_token: Option<String>,
}

fn query_pairs(parts: &request::Parts) -> impl Iterator<Item = (String, String)> {
    url::form_urlencoded::parse(parts.uri.query().unwrap_or("").as_bytes()).into_owned()
}

pub(crate) fn standard_parameter(parts: &request::Parts, name: &str) -> Option<String> {
    query_pairs(parts).find(|(key, _)| key == name).map(|(_, value)| value)
}

pub(crate) fn split_query(
    parts: &request::Parts,
) -> Result<(Standard, Vec<(String, String)>), ApiError> {
    let mut standard = Standard { fields: None, pretty: true, access_token: None };
    let mut own = Vec::new();
    for (name, value) in query_pairs(parts) {
        match name.as_str() {
            "fields" | "$fields" => {
                standard.fields = Some(value).filter(|fields| !fields.is_empty())
            }
            "prettyPrint" | "$prettyPrint" => match value.as_str() {
                "true" => standard.pretty = true,
                "false" => standard.pretty = false,
                _ => return Err(ApiError::violation("Invalid value at 'prettyPrint'.")),
            },
            "alt" | "$alt" if value == "json" => {}
            "alt" | "$alt" => {
                return Err(ApiError::violation(format!("Invalid value \"{value}\" for \"alt\".")));
            }
            "quotaUser" if value.chars().count() > 40 => {
                return Err(ApiError::violation("quotaUser is longer than 40 characters."));
            }
            "$.xgafv" if !matches!(value.as_str(), "1" | "2") => {
                return Err(ApiError::violation("Invalid value at '$.xgafv'."));
            }
            "access_token" | "oauth_token" => standard.access_token = Some(value),
            "quotaUser" | "$.xgafv" | "key" | "callback" | "uploadType" | "upload_protocol" => {}
            _ => own.push((name, value)),
        }
    }
    Ok((standard, own))
}

/// The JSON object in the body of a request; empty if there is no body.
pub(crate) async fn read_body(parts: &request::Parts, body: Body) -> Result<Value, ApiError> {
    let bytes = axum::body::to_bytes(body, BODY_BYTES_MAX)
        .await
        .map_err(|_| ApiError::too_large("Request payload size exceeds the limit."))?;
    if parts.method == Method::GET {
        return if bytes.is_empty() {
            Ok(json!({}))
        } else {
            Err(ApiError::violation("A GET request carries no body."))
        };
    }
    if bytes.is_empty() {
        return Ok(json!({}));
    }
    let content_type =
        parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let mut pieces = content_type.split(';').map(str::trim);
    let charset_fits = |piece: &str| {
        !piece.to_ascii_lowercase().starts_with("charset=")
            || piece.to_ascii_lowercase().trim_end_matches('"').ends_with("utf-8")
    };
    if pieces.next() != Some("application/json") || !pieces.all(charset_fits) {
        return Err(ApiError::violation(format!(
            "Content-Type must be application/json, not \"{content_type}\"."
        )));
    }
    match serde_json::from_slice(&bytes) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(ApiError::violation("Invalid JSON payload received. Expected an object.")),
        Err(error) => Err(ApiError::violation(format!("Invalid JSON payload received. {error}"))),
    }
}
