//! A negative answer of the service, parsed from any body.

use std::time::Duration;

use serde::Deserialize;

use super::json;
use super::messages::Text;
use super::quote::quote;

/// A negative answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{call} was refused with {status}{body}")]
pub struct Refusal {
    /// The name of the call in the reference.
    pub call: &'static str,
    /// The class of the call.
    pub class: Class,
    /// The HTTP status.
    pub status: u16,
    /// The body, which says whose answer this is.
    pub body: RefusalBody,
    /// From the `Retry-After` header.
    pub retry_after: Option<Duration>,
}

/// The body of a negative answer.
#[derive(Debug, Clone)]
pub enum RefusalBody {
    /// The API's own answer about this call.
    Api(ErrorInfo),
    /// Anything else: a page of a front end or a proxy, a bare status, or nothing. Its text,
    /// shortened. It says nothing about the call or the objects in it.
    Foreign(String),
}

/// The content of the API's error envelope (reference §2.4). Only [`Refusal::read`] makes one, so
/// that nothing else can blame a call or a file.
#[derive(Debug, Clone)]
pub struct ErrorInfo {
    /// The machine-readable reason if there is one, e.g. `SERVICE_DISABLED`, else the status name.
    reason: Option<String>,
    /// The service's message, shortened.
    message: String,
}

impl ErrorInfo {
    /// Whether the message is about this.
    pub(super) fn says(&self, text: Text) -> bool {
        text.is_in(&self.message)
    }

    /// Whether this is the machine-readable reason.
    pub(super) fn reason_is(&self, reason: &str) -> bool {
        self.reason.as_deref() == Some(reason)
    }
}

impl std::fmt::Display for RefusalBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Api(ErrorInfo { reason: Some(reason), message }) => {
                write!(f, " {reason}: {message}")
            }
            Self::Api(ErrorInfo { reason: None, message }) => write!(f, ": {message}"),
            Self::Foreign(text) => {
                write!(f, " by a proxy, or something else that is not the API: {text}")
            }
        }
    }
}

/// The class of a call, which decides its deadline, lock and repetition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Only reads, and may be repeated at will.
    Read,
    /// Changes the library; one at a time.
    Write,
    /// Sends bytes; in parallel.
    Upload,
    /// Fetches bytes by base URL, without a login.
    Media,
}

impl Refusal {
    /// Parses the `body` of a status that is no success. It need not have the form of the
    /// reference: front ends answer in HTML, with pictures, or with nothing (reference §2.4).
    pub(super) fn read(
        call: &'static str,
        class: Class,
        status: u16,
        is_json: bool,
        body: &[u8],
        retry_after: Option<Duration>,
    ) -> Self {
        let envelope: Option<Envelope> = if is_json { json::parse(body).ok() } else { None };
        let body = match envelope.filter(|it| it.error.is_about(status)) {
            Some(Envelope { error }) => {
                let details = error.details.into_iter().chain(error.errors);
                let reason = details.into_iter().find_map(|it| it.reason).or(error.status);
                let message = explained(&error.message.unwrap_or_default());
                RefusalBody::Api(ErrorInfo { reason: reason.map(|it| quote(&it)), message })
            }
            None => RefusalBody::Foreign(explained(&unstructured(body))),
        };
        Self { call, class, status, body, retry_after }
    }

    /// The text of the answer, shortened. If it is not text, a description.
    pub fn message(&self) -> &str {
        match &self.body {
            RefusalBody::Api(info) => &info.message,
            RefusalBody::Foreign(text) => text,
        }
    }

    /// Whether the API itself has answered, rather than a front end or a proxy.
    pub fn is_from_api(&self) -> bool {
        matches!(self.body, RefusalBody::Api(_))
    }

    /// Whether this 429 is about the whole day rather than a short while (texts in reference
    /// §10.2).
    pub(super) fn is_daily_quota(&self) -> bool {
        let by_reason = match &self.body {
            RefusalBody::Api(info) => info.reason_is("dailyLimitExceeded"),
            RefusalBody::Foreign(_) => false,
        };
        self.status == 429 && (by_reason || Text::DailyQuota.is_in(self.message()))
    }
}

#[derive(Deserialize)]
struct Envelope {
    error: ErrorBody,
}

#[derive(Deserialize)]
struct ErrorBody {
    #[serde(default)]
    code: Option<u16>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    details: Vec<Detail>,
    #[serde(default)]
    errors: Vec<Detail>,
}

impl ErrorBody {
    /// Whether it says of which HTTP status it is the explanation, or at least names one.
    fn is_about(&self, http: u16) -> bool {
        match self.code {
            Some(code) => code == http,
            None => self.status.is_some(),
        }
    }
}

#[derive(Deserialize)]
struct Detail {
    #[serde(default)]
    reason: Option<String>,
}

fn explained(text: &str) -> String {
    if text.is_empty() { "(no explanation)".to_owned() } else { quote(text) }
}

/// Describes a body that is no error envelope. Does not quote pictures and the like.
fn unstructured(body: &[u8]) -> String {
    match std::str::from_utf8(body) {
        Ok(text) => text_of_html(text),
        Err(_) => format!("({} bytes that are no text)", body.len()),
    }
}

/// The words of an HTML page without its markup: good enough to find "checksum" or "per day" in it.
fn text_of_html(html: &str) -> String {
    let mut text = String::new();
    let mut in_tag = false;
    for c in html.chars().take(8 * 1024) {
        match c {
            '<' => in_tag = true,
            '>' => {
                in_tag = false;
                text.push(' ');
            }
            _ if !in_tag => text.push(c),
            _ => {}
        }
    }
    text
}

/// Refusals for tests of other modules.
#[cfg(test)]
impl Refusal {
    pub(crate) fn by_api(call: &'static str, class: Class, status: u16, message: &str) -> Self {
        let body = serde_json::json!({"error": {"code": status, "message": message}}).to_string();
        Self::read(call, class, status, true, body.as_bytes(), None)
    }

    pub(crate) fn by_a_page(call: &'static str, status: u16) -> Self {
        Self::read(call, Class::Write, status, false, b"<html>Sorry</html>", None)
    }
}
