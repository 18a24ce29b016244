//! A row of the journal, for programs and for people.

use jiff::Timestamp;
use serde::Serialize;

use super::{shown_time, timestamp};
use crate::app::name::shown;
use crate::error_chain::without_number;
use crate::store::{JournalRow, LocalReason};

/// A row of the journal as JSON. It never holds the upload token or the address of the session:
/// either lets its reader write to the account.
#[derive(Debug, Serialize)]
pub(super) struct Entry {
    pub(super) state: &'static str,
    /// The state in the words for people.
    #[serde(skip)]
    pub(super) state_words: &'static str,
    pub(super) seq: Option<i64>,
    pub(super) attempts: u32,
    pub(super) isolate: bool,
    pub(super) lost: u32,
    pub(super) retry_at: Option<Timestamp>,
    pub(super) error: Option<String>,
    pub(super) call: Option<i64>,
    pub(super) first_call: Option<i64>,
    pub(super) made: Option<String>,
    pub(super) session: bool,
    pub(super) token_at: Option<Timestamp>,
    pub(super) base: Option<String>,
    pub(super) replaces: Option<i64>,
}

impl From<&JournalRow> for Entry {
    fn from(row: &JournalRow) -> Self {
        Self {
            state: row.state.as_str(),
            state_words: row.stays_here.map_or(row.state.as_str(), LocalReason::label),
            seq: row.seq,
            attempts: row.attempts,
            isolate: row.isolate,
            lost: row.lost,
            retry_at: row.retry_at.and_then(timestamp),
            error: row.error.clone(),
            call: row.call,
            first_call: row.first_call,
            made: row.made.as_ref().map(|id| id.as_str().to_owned()),
            session: row.has_session,
            token_at: row.token_at.and_then(timestamp),
            base: row.base.map(|hash| hash.to_string()),
            replaces: row.replaces.map(|file| file.0),
        }
    }
}

impl Entry {
    /// The attempts so far and the last error; empty if nothing has failed.
    pub(super) fn failures(&self) -> Vec<String> {
        let mut facts = Vec::new();
        if self.attempts > 0 {
            facts.push(format!("attempts {}", self.attempts));
        }
        if self.retry_at.is_some() {
            facts.push(format!("next attempt {}", shown_time(self.retry_at)));
        }
        if let Some(error) = &self.error {
            facts.push(format!("last error: {}", shown(without_number(error))));
        }
        facts
    }

    /// All facts but the failures.
    pub(super) fn facts(&self) -> Vec<String> {
        let mut facts = vec![self.state_words.to_owned()];
        let mut number = |name: &str, value: Option<i64>| {
            facts.extend(value.map(|value| format!("{name} {value}")));
        };
        number("seq", self.seq);
        number("call", self.call);
        number("first call without an answer", self.first_call);
        number("replaces file", self.replaces);
        number("times lost at Google", Some(i64::from(self.lost)).filter(|&lost| lost > 0));
        if let Some(made) = &self.made {
            facts.push(format!("answered with the known item {}", shown(made)));
        }
        if self.isolate {
            facts.push("needs a call of its own".to_owned());
        }
        if self.session {
            facts.push("has an upload session".to_owned());
        }
        if self.token_at.is_some() {
            facts.push(format!("upload token of {}", shown_time(self.token_at)));
        }
        if let Some(base) = &self.base {
            facts.push(format!("edit of sha256 {base}"));
        }
        facts
    }
}
