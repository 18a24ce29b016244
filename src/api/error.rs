//! What can go wrong between us and Google, in the API's own words, and what to do about it.
//!
//! Pure. Knows no errno: the filesystem maps [`Advice`] and the predicates to numbers.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use super::auth::LoginError;
use crate::media::local_time;

/// A cause of any type, kept for the log.
pub(super) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// The least wait after a short-term 429 (reference §10.3).
const THROTTLED_MIN: Duration = Duration::from_secs(30);

/// Servers may say anything; more text than this is cut.
const QUOTE_CHARS_MAX: usize = 300;

/// Why a call to the service failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection came about, so nothing was sent.
    #[error("cannot connect for {call}")]
    Offline {
        /// The call, as the reference names it.
        call: &'static str,
        /// What the network said.
        #[source]
        source: Cause,
    },
    /// The deadline passed before the whole answer was there.
    #[error("no answer to {call} in time")]
    TimedOut {
        /// The call, as the reference names it.
        call: &'static str,
    },
    /// The connection broke; the request may have arrived all the same.
    #[error("the connection broke during {call}")]
    Broken {
        /// The call, as the reference names it.
        call: &'static str,
        /// What the network said.
        #[source]
        source: Cause,
    },
    /// The service answered, and the answer is no.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// The service said yes, but in a form that cannot be understood.
    #[error("the answer to {call} cannot be understood: {why}")]
    Garbled {
        /// The call, as the reference names it.
        call: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The day's allowance is used up; calls fail at once until it is renewed.
    #[error("Google's daily quota of {kind} requests is used up until {}", local_time(*.until))]
    QuotaExhausted {
        /// Which of the two allowances.
        kind: super::budget::Kind,
        /// When it is renewed.
        until: Timestamp,
    },
    /// There is no usable login.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The bytes to upload could not be read from this disk.
    #[error("cannot read the file to upload")]
    Payload(#[source] Cause),
    /// The call was not made because it would break a rule of the service or of ours.
    #[error("{call} was not sent: {why}")]
    Unfit {
        /// The call, as the reference names it.
        call: &'static str,
        /// The rule.
        why: String,
    },
}

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
    pub own: bool,
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

/// What to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// Try again with growing waits, and not before `after` if given.
    Retry {
        /// The service's own wish.
        after: Option<Duration>,
    },
    /// A short-term limit: no library-changing call for at least this long. The client itself
    /// holds its writers back for that time.
    PauseWrites {
        /// How long.
        at_least: Duration,
    },
    /// The daily allowance is used up.
    WaitForQuota {
        /// When it is renewed.
        until: Timestamp,
    },
    /// The login, its scopes, the Google Cloud project or the account must be put right by the user; no
    /// fault of the file at hand. The error's text says which.
    Reauthorise,
    /// The account's storage is full: nothing can be created until the user makes room.
    StorageFull,
    /// The same call will fail again.
    GiveUp,
}

impl Error {
    /// What to do about it (reference §10.3).
    pub fn advice(&self) -> Advice {
        match self {
            Self::Offline { .. } | Self::TimedOut { .. } | Self::Broken { .. } => {
                Advice::Retry { after: None }
            }
            Self::Garbled { .. } => Advice::Retry { after: None },
            Self::QuotaExhausted { until, .. } => Advice::WaitForQuota { until: *until },
            Self::Login(err) if err.is_passing() => Advice::Retry { after: None },
            Self::Login(_) => Advice::Reauthorise,
            Self::Refused(refusal) => refusal.advice(),
            Self::Payload(_) | Self::Unfit { .. } => Advice::GiveUp,
        }
    }

    /// Whether the call may have taken effect although it failed: the answer was lost, or came from
    /// something that does not know. Calls that are not idempotent must then be settled by looking.
    pub fn may_have_happened(&self) -> bool {
        match self {
            Self::TimedOut { .. } | Self::Broken { .. } | Self::Garbled { .. } => true,
            Self::Refused(refusal) => refusal.status >= 500 || matches!(refusal.status, 408 | 499),
            _ => false,
        }
    }

    /// Whether no connection could be made at all.
    pub fn is_offline(&self) -> bool {
        matches!(self, Self::Offline { .. } | Self::Login(LoginError::Offline(_)))
    }

    /// Whether Google limits calls for a short while; what was asked for has not been done.
    pub fn is_throttled(&self) -> bool {
        self.refusal().is_some_and(|it| it.status == 429 && !it.is_daily_quota())
    }

    /// Whether time ran out before there was an answer.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::TimedOut { .. })
    }

    /// Whether there was a connection and it broke. One may break again and again because of what is sent, so it does
    /// not tell that there is no network.
    pub fn is_broken(&self) -> bool {
        matches!(self, Self::Broken { .. })
    }

    /// Whether the thing named in the call does not exist (any more).
    pub fn is_not_found(&self) -> bool {
        self.refusal().is_some_and(|it| {
            it.class != Class::Media && (it.status == 404 || it.reason_is("NOT_FOUND"))
        }) || self.is_album_missing()
    }

    /// Whether the album does not exist (any more), or never did.
    pub fn is_album_missing(&self) -> bool {
        self.says("does not match any albums")
            || self.says("invalid album id")
            || self.refusal().is_some_and(|it| it.status == 404 && it.call.starts_with("albums."))
    }

    /// Whether the service found fault with what was asked, a page token that is too old for one.
    pub fn is_invalid_request(&self) -> bool {
        self.refusal().is_some_and(|it| it.status == 400)
    }

    /// Whether an id in the call names no item of ours. Fails a whole batch; which one is not told.
    pub fn is_invalid_item(&self) -> bool {
        self.says("invalid media item id")
    }

    /// Whether an upload token in the call is unknown or too old. Fails a whole batch; which one is not told.
    pub fn is_invalid_token(&self) -> bool {
        self.says("valid upload token")
    }

    /// Whether this program may not put items into the album.
    pub fn is_album_not_writeable(&self) -> bool {
        self.says("no permission to add media items")
    }

    /// Whether the album would pass its 20,000 items. The literal text is unknown (reference §6.5).
    pub fn is_album_full(&self) -> bool {
        self.says("album")
            && ["20000", "20,000", "limit", "maximum", "more than", "too many", "is full"]
                .iter()
                .any(|it| self.says(it))
    }

    /// Whether the bytes that arrived were not those that were sent.
    pub fn is_checksum_mismatch(&self) -> bool {
        self.refusal().is_some_and(|it| it.class == Class::Upload) && self.says("checksum")
    }

    /// Whether the file is larger than Google takes.
    pub fn is_too_large(&self) -> bool {
        self.refusal().is_some_and(|it| it.status == 413)
    }

    /// Whether the login lacks a scope that the call needs.
    pub fn is_scope_missing(&self) -> bool {
        self.refusal()
            .is_some_and(|it| it.status == 403 && it.reason_is("ACCESS_TOKEN_SCOPE_INSUFFICIENT"))
            || self.says("insufficient authentication scopes")
    }

    /// Whether the API was never enabled in the client's Google Cloud project, or was disabled (reference §3.8).
    pub fn is_service_disabled(&self) -> bool {
        self.refusal().is_some_and(|it| it.status == 403 && it.reason_is("SERVICE_DISABLED"))
            || self.says("has not been used in project")
    }

    /// Whether a base URL is no longer good: fetch the item anew and try once more (reference §9).
    pub fn is_stale_url(&self) -> bool {
        self.refusal().is_some_and(|it| {
            it.class == Class::Media && matches!(it.status, 401 | 403 | 404 | 410)
        })
    }

    /// The answer, if there was a negative one.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    fn says(&self, lower_case: &str) -> bool {
        self.refusal().is_some_and(|it| it.says(lower_case))
    }
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
        let own = envelope.is_some();
        let (reason, message) = match envelope {
            Some(Envelope { error: Complaint::Full { message, status, details, errors } }) => {
                let reason = details.into_iter().chain(errors).find_map(|it| it.reason).or(status);
                (reason, message.unwrap_or_default())
            }
            Some(Envelope { error: Complaint::Short(word) }) => (Some(word), String::new()),
            None => (None, unstructured(body)),
        };
        let message =
            if message.is_empty() { "(no explanation)".to_owned() } else { quote(&message) };
        Self { call, class, status, reason: reason.map(|it| quote(&it)), message, own, retry_after }
    }

    /// Whether this 429 is about the whole day rather than a short while (texts in reference §10.2).
    pub(super) fn is_daily_quota(&self) -> bool {
        self.status == 429
            && (self.says("per day") || self.says("perday") || self.reason_is("dailyLimitExceeded"))
    }

    fn advice(&self) -> Advice {
        match self.status {
            429 => match self.class {
                Class::Write | Class::Upload => {
                    let at_least = self.retry_after.unwrap_or(THROTTLED_MIN);
                    Advice::PauseWrites { at_least }
                }
                Class::Read | Class::Media => Advice::Retry { after: self.retry_after },
            },
            // 3xx: we follow no redirect with a token, so something stands between us and the service
            // for now; 499 is CANCELLED, 509 a front end's "bandwidth exceeded".
            300..=399 | 408 | 409 | 499 => Advice::Retry { after: self.retry_after },
            501 => Advice::GiveUp,
            500..=u16::MAX => Advice::Retry { after: self.retry_after },
            _ if self.says("remaining storage") => Advice::StorageFull,
            401 | 403 if self.class == Class::Media => Advice::GiveUp,
            403 if self.says("no permission to add media items") => Advice::GiveUp,
            // It is about the way to the service, not about the login.
            403 if !self.own => Advice::Retry { after: self.retry_after },
            401 | 403 => Advice::Reauthorise,
            _ => Advice::GiveUp,
        }
    }

    fn says(&self, lower_case: &str) -> bool {
        self.message.to_lowercase().contains(lower_case)
    }

    fn reason_is(&self, reason: &str) -> bool {
        self.reason.as_deref() == Some(reason)
    }
}

/// A per-item refusal inside an answer that is a success as a whole: a bare `google.rpc.Status`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} (code {code})")]
pub struct ItemStatus {
    /// The gRPC number, not the HTTP one.
    pub code: i32,
    /// The service's words, cut.
    pub message: String,
}

/// What a per-item refusal means (reference §7.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemVerdict {
    /// The same bytes twice in one call: exists, id unknown. Ask again in a call of its own.
    Duplicate,
    /// Try this item again later.
    Transient,
    /// May be an odd duplicate or a broken file: try once more alone, then give up.
    Doubtful,
    /// Will never work; the message says why.
    Refused,
    /// No such item (batchGet).
    NotFound,
}

impl ItemStatus {
    pub(super) fn new(code: i32, message: &str) -> Self {
        Self { code, message: quote(message) }
    }

    /// What it means for the item.
    pub fn verdict(&self) -> ItemVerdict {
        match self.code {
            6 => ItemVerdict::Duplicate,
            // 0 and 2: neither item nor reason was given, so nothing is known against the file.
            0 | 1 | 2 | 4 | 8 | 10 | 13 | 14 => ItemVerdict::Transient,
            3 if self.message.starts_with("Failed") => ItemVerdict::Doubtful,
            5 => ItemVerdict::NotFound,
            _ => ItemVerdict::Refused,
        }
    }
}

#[derive(Deserialize)]
struct Envelope {
    error: Complaint,
}

/// The service says `{"error":{...}}`, its OAuth neighbours `{"error":"word"}`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Complaint {
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

    fn refused(class: Class, status: u16, body: &str) -> Error {
        Error::Refused(Box::new(Refusal::read(
            "albums.create",
            class,
            status,
            true,
            body.as_bytes(),
            None,
        )))
    }

    fn message(class: Class, status: u16, message: &str) -> Error {
        refused(
            class,
            status,
            &serde_json::json!({"error": {"code": status, "message": message}}).to_string(),
        )
    }

    #[test]
    fn each_class_of_failure_has_its_advice() {
        let retry = Advice::Retry { after: None };
        for (status, class, text, advice) in [
            (500, Class::Write, "Internal error encountered.", retry),
            (503, Class::Read, "", retry),
            (509, Class::Read, "", retry),
            (409, Class::Write, "The operation was aborted.", retry),
            (302, Class::Read, "", retry),
            (400, Class::Write, "Request must contain a valid upload token.", Advice::GiveUp),
            (
                400,
                Class::Write,
                "The remaining storage in the user's account is not enough to perform this operation.",
                Advice::StorageFull,
            ),
            (
                403,
                Class::Write,
                "Request had insufficient authentication scopes.",
                Advice::Reauthorise,
            ),
            (403, Class::Write, "No permission to add media items to this album.", Advice::GiveUp),
            (403, Class::Media, "Your client does not have permission", Advice::GiveUp),
            (401, Class::Read, "", Advice::Reauthorise),
            (404, Class::Read, "", Advice::GiveUp),
            (
                429,
                Class::Write,
                "Quota exceeded for quota 'concurrent write request' of service 'x'.",
                Advice::PauseWrites { at_least: THROTTLED_MIN },
            ),
            (429, Class::Read, "", Advice::Retry { after: None }),
        ] {
            assert_eq!(message(class, status, text).advice(), advice, "{status} {text}");
        }
    }

    #[test]
    fn the_time_of_new_requests_is_told_as_every_other_time() {
        let until: Timestamp = "2026-11-24T08:00:00Z".parse().unwrap();
        let said =
            Error::QuotaExhausted { kind: super::super::budget::Kind::Api, until }.to_string();
        assert!(said.ends_with(&format!("is used up until {}", local_time(until))), "{said}");
        assert!(!said.contains('Z'), "{said}");
    }

    #[test]
    fn daily_quota_is_told_from_the_short_ones() {
        let daily = "Quota exceeded for quota metric 'All requests' and limit 'All requests per day' of service";
        assert!(message(Class::Read, 429, daily).refusal().unwrap().is_daily_quota());
        let minute = "Quota exceeded for quota metric 'Write requests' and limit 'Write requests per minute per user'";
        assert!(!message(Class::Write, 429, minute).refusal().unwrap().is_daily_quota());
    }

    #[test]
    fn odd_bodies_still_make_a_refusal() {
        for body in [
            "",
            "<html><body>Sorry",
            "null",
            "[]",
            "{\"error\":null}",
            "{\"error\":{\"message\":7}}",
            "\u{1}",
        ] {
            assert!(refused(Class::Read, 404, body).is_not_found(), "{body:?}");
        }
        let short = refused(Class::Read, 400, "{\"error\":\"invalid_grant\"}");
        assert_eq!(short.refusal().unwrap().reason.as_deref(), Some("invalid_grant"));
        let picture =
            Refusal::read("download", Class::Media, 404, false, &[0xff, 0xd8, 0xff], None);
        assert!(picture.message.contains("3 bytes"), "{}", picture.message);
    }

    #[test]
    fn what_a_proxy_forbids_is_no_verdict_on_the_login() {
        let page = "<html><h1>403 Forbidden</h1>Blocked by policy</html>";
        let read = |class, is_json| {
            let refusal = Refusal::read("x", class, 403, is_json, page.as_bytes(), None);
            Error::Refused(Box::new(refusal))
        };
        for class in [Class::Read, Class::Write, Class::Upload] {
            for is_json in [true, false] {
                let error = read(class, is_json);
                assert_eq!(error.advice(), Advice::Retry { after: None }, "{error}");
                assert!(!error.may_have_happened());
            }
        }
        assert_eq!(read(Class::Media, false).advice(), Advice::GiveUp);
    }

    #[test]
    fn reason_comes_from_the_details() {
        let body = r#"{"error":{"code":403,"message":"m","status":"PERMISSION_DENIED","details":[{"@type":"x"},
            {"reason":"ACCESS_TOKEN_SCOPE_INSUFFICIENT"}]}}"#;
        assert!(refused(Class::Write, 403, body).is_scope_missing());
        let disabled = body.replace("ACCESS_TOKEN_SCOPE_INSUFFICIENT", "SERVICE_DISABLED");
        assert!(refused(Class::Read, 403, &disabled).is_service_disabled());
        assert!(!refused(Class::Read, 403, body).is_service_disabled());
    }

    #[test]
    fn quotes_are_short_and_hold_no_tokens() {
        let text = format!("bad token ya29.secret and {}\u{1b}[31m", "x".repeat(5000));
        let quoted = quote(&text);
        assert!(quoted.chars().count() <= QUOTE_CHARS_MAX + 1);
        assert!(!quoted.contains("secret") && !quoted.contains('\u{1b}'));
    }

    #[test]
    fn per_item_codes_have_their_verdicts() {
        use ItemVerdict::*;
        for (code, text, verdict) in [
            (3, "NOT_IMAGE: There was an error while trying to create this media item.", Refused),
            (3, "BAD_IMAGE: There was an error", Refused),
            (3, "Failed: There was an error while trying to create this media item.", Doubtful),
            (6, "EXISTS: There was", Duplicate),
            (13, "Internal error", Transient),
            (5, "", NotFound),
            (7, "", Refused),
        ] {
            assert_eq!(ItemStatus::new(code, text).verdict(), verdict, "{code} {text}");
        }
    }
}
