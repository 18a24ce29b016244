//! The faults of one kind of call: delays, limited speed and failures.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The faults of one kind of call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CallFaults {
    /// Milliseconds before the call takes effect. A write holds the user's write lock meanwhile.
    pub latency_ms: u64,
    /// Further milliseconds for each item named in the request.
    pub item_latency_ms: u64,
    /// Bytes a second of an upload or a download, on one connection.
    pub bytes_per_s: Option<u64>,
    /// Failures; the first that strikes counts.
    pub failures: Vec<Injection>,
}

/// A failure, and how often it strikes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Injection {
    /// The symptom for the client.
    pub failure: Failure,
    /// Calls that pass before it strikes.
    #[serde(default)]
    pub skip: u32,
    /// Calls that it strikes then. It counts down, and is removed at zero.
    #[serde(default)]
    pub next: u32,
    /// It strikes this share of all calls, 0 to 1.
    #[serde(default)]
    pub rate: f64,
    /// The call does its work all the same.
    #[serde(default)]
    pub after_effect: bool,
    /// The byte of an upload or a download at which [`Failure::Drop`] or [`Failure::Stall`] strikes.
    #[serde(default)]
    pub at_byte: Option<u64>,
    /// Seconds for a `Retry-After` header.
    #[serde(default)]
    pub retry_after_s: Option<u64>,
    /// It strikes every call until then, by the service's clock in milliseconds of the Unix epoch,
    /// and is removed.
    #[serde(default)]
    pub until_ms: Option<i64>,
    /// It strikes no `uploads.chunk` but those that end the upload.
    #[serde(default)]
    pub only_finalize: bool,
    /// The text of [`Failure::HtmlPage`] and [`Failure::BareStatus`].
    #[serde(default)]
    pub message: Option<String>,
}

impl Injection {
    /// Whether it strikes in the middle of a body.
    pub(crate) fn is_in_body(&self) -> bool {
        self.at_byte.is_some() && matches!(self.failure, Failure::Drop | Failure::Stall)
    }

    /// `failure`, striking never; set `next` or `rate`.
    pub fn new(failure: Failure) -> Injection {
        Injection {
            failure,
            skip: 0,
            next: 0,
            rate: 0.0,
            after_effect: false,
            at_byte: None,
            retry_after_s: None,
            until_ms: None,
            only_finalize: false,
            message: None,
        }
    }
}

/// The symptom of a failure for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The connection ends without an answer.
    Drop,
    /// No answer ever comes.
    Stall,
    /// 401.
    Unauthenticated,
    /// 403.
    PermissionDenied,
    /// 403 of a project in which the API is not enabled.
    ServiceDisabled,
    /// 404.
    NotFound,
    /// 409 `ABORTED`.
    Aborted,
    /// 429 for writes per minute.
    WritesPerMinute,
    /// 429 for concurrent writes.
    ConcurrentWrite,
    /// 429 for requests per minute.
    RequestsPerMinute,
    /// 429 for requests per day.
    RequestsPerDay,
    /// 500.
    Internal,
    /// 502.
    BadGateway,
    /// 503.
    Unavailable,
    /// 504.
    DeadlineExceeded,
    /// 200 with half a JSON document.
    Garbage,
    /// 502 with a page of HTML.
    Html,
    /// A page of HTML with a chosen status.
    #[expect(missing_docs, reason = "the HTTP status")]
    HtmlPage { http: u16 },
    /// A google.rpc.Status, without the envelope that belongs around it.
    #[expect(missing_docs, reason = "the HTTP status and the gRPC code")]
    BareStatus { http: u16, code: i32 },
    /// A chosen status without a body.
    #[expect(missing_docs, reason = "the HTTP status")]
    Empty { http: u16 },
    /// 200 for an upload that has ended, without its token.
    NoToken,
}

/// Names the service may give an item instead of the wanted one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FilenameFault {
    /// No name at all.
    Missing,
    /// With a slash.
    Slash,
    /// With control characters.
    Control,
    /// Of 255 characters.
    Long,
    /// With emoji.
    Emoji,
}

impl FilenameFault {
    /// `filename` with this fault.
    pub(crate) fn apply(self, filename: &str) -> String {
        match self {
            FilenameFault::Missing => String::new(),
            FilenameFault::Slash => format!("from/{filename}"),
            FilenameFault::Control => format!("a\tb\n\u{1}{filename}"),
            FilenameFault::Long => {
                let padding = 255usize.saturating_sub(filename.chars().count());
                "x".repeat(padding) + filename
            }
            FilenameFault::Emoji => format!("👩‍👩‍👧 🏖️ {filename}"),
        }
    }
}

/// The decision about one request.
pub(crate) struct Plan {
    pub(crate) latency_ms: u64,
    pub(crate) item_latency_ms: u64,
    pub(crate) bytes_per_s: Option<u64>,
    pub(crate) injection: Option<Injection>,
}

impl Plan {
    /// The failure that takes the place of the call.
    pub(crate) fn before_effect(&self) -> Option<&Injection> {
        self.injection.as_ref().filter(|injection| !injection.after_effect)
    }

    /// The failure that takes the place of the answer.
    pub(crate) fn after_effect(&self) -> Option<&Injection> {
        self.injection.as_ref().filter(|injection| injection.after_effect)
    }

    pub(crate) fn latency(&self, items: usize) -> Duration {
        Duration::from_millis(self.latency_ms + self.item_latency_ms * items as u64)
    }
}
