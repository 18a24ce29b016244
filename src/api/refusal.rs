//! A negative answer of the service, read from any body that may come with it.

use std::time::Duration;

use serde::Deserialize;

use super::messages::Text;

/// Servers may say anything; more text than this is cut.
const QUOTE_CHARS_MAX: usize = 300;

/// A negative answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{call} was refused with {status}{}: {message}", .reason.as_deref().map(|it| format!(" {it}")).unwrap_or_default())]
pub struct Refusal {
    /// The call, as the reference names it.
    pub call: &'static str,
    /// What kind of call it was.
    pub class: Class,
    /// The HTTP status.
    pub status: u16,
    /// The machine-readable reason if there is one, e.g. `SERVICE_DISABLED`, else the status name.
    pub reason: Option<String>,
    /// The service's own words, cut; for answers that are not JSON a remark about them.
    pub message: String,
    /// Whether the service itself has answered, as far as the form tells; a proxy has its own pages.
    pub is_from_service: bool,
    /// From the `Retry-After` header.
    pub retry_after: Option<Duration>,
}

/// What a call does, which decides its deadline, its lock and its repetition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Looks only; may be repeated at will.
    Read,
    /// Changes the library; one at a time.
    Write,
    /// Sends bytes; in parallel.
    Upload,
    /// Fetches bytes by base URL, without a login.
    Media,
}

impl Refusal {
    /// Reads whatever came with a status that is no success. `body` need not be what the reference
    /// says: front ends answer in HTML, with pictures, or with nothing (reference §2.4).
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

    /// Whether this 429 is about the whole day rather than a short while (texts in reference §10.2).
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

/// The service says `{"error":{...}}`, its OAuth neighbours `{"error":"word"}`.
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

/// A remark on a body that is no error envelope. Pictures and the like are not quoted.
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

/// Cuts foreign text to one line of bearable length that cannot disturb a terminal, and hides what
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
