//! Bodies of answers: JSON, and the HTML pages of Google's front end.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use serde_json::Value;

/// A JSON answer.
pub(crate) fn json_response(http: StatusCode, value: &Value, pretty: bool) -> Response<Body> {
    let text = if pretty { format!("{value:#}\n") } else { value.to_string() };
    body_response(http, "application/json; charset=UTF-8", text)
}

/// The kind of page Google's front end answers with when it does not reach the service at all.
pub(crate) fn html_error(http: StatusCode, message: &str) -> Response<Body> {
    let code = http.as_u16();
    body_response(
        http,
        "text/html; charset=UTF-8",
        format!(
            "<!DOCTYPE html>\n<html lang=en>\n<meta charset=utf-8>\n\
             <title>Error {code}</title>\n<p><b>{code}.</b> <ins>That’s an error.</ins>\n\
             <p>{}\n",
            escape(message)
        ),
    )
}

/// An answer with one content type and a whole body.
pub(crate) fn body_response(
    http: StatusCode,
    content_type: &'static str,
    body: impl Into<Body>,
) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = http;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// `text` made safe for HTML, attributes included.
pub(crate) fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
        out
    })
}
