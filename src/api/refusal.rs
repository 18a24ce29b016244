//! A negative answer of the service, parsed from any body.

use std::time::Duration;

use serde::Deserialize;

use super::messages::Text;

/// The longest quote of a server's text. The rest is cut off.
const QUOTE_CHARS_MAX: usize = 300;

/// A negative answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{call} was refused with {status}{}: {message}", .reason.as_deref().map(|it| format!(" {it}")).unwrap_or_default())]
pub struct Refusal {
    /// The name of the call in the reference.
    pub call: &'static str,
    /// The class of the call.
    pub class: Class,
    /// The HTTP status.
    pub status: u16,
    /// The machine-readable reason if there is one, e.g. `SERVICE_DISABLED`, else the status name.
    pub reason: Option<String>,
    /// The service's message, shortened. If the answer is not JSON, its text or a description.
    pub message: String,
    /// Whether the answer has the service's form. A proxy sends its own pages.
    pub is_from_service: bool,
    /// From the `Retry-After` header.
    pub retry_after: Option<Duration>,
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
        let envelope: Option<Envelope> =
            if is_json { serde_json::from_slice(body).ok() } else { None };
        let is_from_service = envelope.is_some();
        let (reason, message) = match envelope {
            Some(Envelope { error: ErrorBody::Full { message, status, details, errors } }) => {
                let reason = details.into_iter().chain(errors).find_map(|it| it.reason).or(status);
                (reason, message.unwrap_or_default())
            }
            Some(Envelope { error: ErrorBody::Short(word) }) => (Some(word), String::new()),
            None => (None, unstructured(body)),
        };
        let message =
            if message.is_empty() { "(no explanation)".to_owned() } else { quote(&message) };
        Self {
            call,
            class,
            status,
            reason: reason.map(|it| quote(&it)),
            message,
            is_from_service,
            retry_after,
        }
    }

    /// Whether this 429 is about the whole day rather than a short while (texts in reference
    /// §10.2).
    pub(super) fn is_daily_quota(&self) -> bool {
        self.status == 429 && (self.says(Text::DailyQuota) || self.reason_is("dailyLimitExceeded"))
    }

    /// Whether the message is about this.
    pub(super) fn says(&self, text: Text) -> bool {
        text.is_in(&self.message)
    }

    /// Whether this is the machine-readable reason.
    pub(super) fn reason_is(&self, reason: &str) -> bool {
        self.reason.as_deref() == Some(reason)
    }
}

#[derive(Deserialize)]
struct Envelope {
    error: ErrorBody,
}

/// The service sends `{"error":{...}}`, its OAuth neighbours send `{"error":"word"}`.
#[derive(Deserialize)]
#[serde(untagged)]
enum ErrorBody {
    Short(String),
    Full {
        #[serde(default)]
        message: Option<String>,
        #[serde(default)]
        status: Option<String>,
        #[serde(default)]
        details: Vec<Detail>,
        #[serde(default)]
        errors: Vec<Detail>,
    },
}

#[derive(Deserialize)]
struct Detail {
    #[serde(default)]
    reason: Option<String>,
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

/// Cuts a foreign text to one short line that cannot disturb a terminal, and hides anything that
/// looks like a token.
pub(super) fn quote(text: &str) -> String {
    let words = text.split_whitespace().map(|word| {
        if ["ya29.", "1//", "GOCSPX-"].iter().any(|it| word.contains(it)) {
            "(hidden)"
        } else {
            word
        }
    });
    let line = words.collect::<Vec<_>>().join(" ");
    let mut quoted: String =
        line.chars().filter(|c| !c.is_control()).take(QUOTE_CHARS_MAX).collect();
    if line.chars().count() > QUOTE_CHARS_MAX {
        quoted.push('…');
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_short_and_hold_no_tokens() {
        let text = format!("bad token ya29.secret and {}\u{1b}[31m", "x".repeat(5000));
        let quoted = quote(&text);
        assert!(quoted.chars().count() <= QUOTE_CHARS_MAX + 1);
        assert!(!quoted.contains("secret") && !quoted.contains('\u{1b}'));
    }
}
