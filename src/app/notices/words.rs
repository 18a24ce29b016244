//! The words of the notices. Pure.

use std::path::Path;

use super::facts::Facts;
use super::notice::Notice;
use crate::app::{counted, time_words};
use crate::media::local_time;
use crate::printable::escaped;

/// A notice in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Words {
    /// One line.
    pub(super) title: String,
    /// A few lines.
    pub(super) body: String,
}

/// Has no number: a copy may have just begun.
const WAITING: &str = "What you copy waits here.";

impl Notice {
    /// Its words, without characters that a desktop must not get.
    pub(super) fn words(&self) -> Words {
        let (title, body) = match self {
            Self::LoginEnded { why, .. } => (
                "The login to Google Photos has ended".to_owned(),
                format!("Uploads wait until you log in again. {}", sentence(why)),
            ),
            Self::LoginEnds { at, left_s } => (
                "The login to Google Photos ends soon".to_owned(),
                format!(
                    "Google ends it in {}, at {}. Log in again before that.",
                    time_words(*left_s),
                    local_time(*at)
                ),
            ),
            Self::QuotaUsedUp { until } => (
                "Google's quota of the day is used up".to_owned(),
                format!("{WAITING} Uploads go on at {}.", local_time(*until)),
            ),
            Self::StorageFull => (
                "The storage at Google is full".to_owned(),
                format!("{WAITING} Uploads go on once the account has room."),
            ),
            Self::Metered => (
                "Uploads wait: the connection is metered".to_owned(),
                format!("{WAITING} Uploads go on over another connection."),
            ),
            Self::Refused { count, examples, .. } => {
                let mut lines: Vec<String> =
                    examples.iter().map(|(path, why)| format!("{path}: {why}")).collect();
                let more = count.saturating_sub(examples.len() as u64);
                if more > 0 {
                    lines.push(format!("and {more} more"));
                }
                let were = if *count == 1 { "was" } else { "were" };
                (format!("{} {were} not uploaded", counted(*count, "file")), lines.join("\n"))
            }
            Self::Arrived { count, is_all } => {
                let all = if *is_all && *count > 1 { "All " } else { "" };
                let are = if *count == 1 { "is" } else { "are" };
                let others = if *is_all { "" } else { "Others were refused." };
                (format!("{all}{} {are} at Google", counted(*count, "file")), others.to_owned())
            }
            Self::MountFailed { why } => ("Google Photos is not mounted".to_owned(), sentence(why)),
        };
        let body = body.lines().map(|line| escaped(line).into_owned()).collect::<Vec<_>>();
        Words { title, body: body.join("\n") }
    }
}

/// Makes a sentence of a message.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let Some(first) = letters.next() else { return String::new() };
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{}{}{end}", first.to_uppercase(), letters.as_str())
}

/// The first part of the mount's state, for the service manager.
pub fn mounted_on(mountpoint: &Path) -> String {
    escaped(&format!("mounted on {}", mountpoint.display())).into_owned()
}

/// The state of the mount in one line, for the service manager.
pub(super) fn status_line(mountpoint: &Path, facts: &Facts) -> String {
    let mut parts = vec![mounted_on(mountpoint)];
    if facts.left > 0 {
        parts.push(format!("{} to send", counted(facts.left, "file")));
    }
    if let Some(why) = facts.login_ended.as_ref().or(facts.blocked.as_ref()) {
        parts.push(format!("uploads wait: {why}"));
    } else if let Some(until) = facts.quota_until {
        parts.push(format!("the day's quota is used up until {}", local_time(until)));
    }
    if facts.failed > 0 {
        let were = if facts.failed == 1 { "was" } else { "were" };
        parts.push(format!("{} {were} refused", counted(facts.failed, "file")));
    }
    escaped(&parts.join("; ")).into_owned()
}
