//! `/.gphotos/status.json`: what the mount is doing, for people and for the other subcommands.

use jiff::Timestamp;
use serde_json::json;

use super::Fs;
use super::error::{Error, Result};
use super::xattrs::rfc3339;
use crate::api::{API_REQUESTS_PER_DAY, LoginError, MEDIA_REQUESTS_PER_DAY};

/// The layout of `status.json`; fields may be added without a new number.
const VERSION: u32 = 1;

impl Fs {
    /// A snapshot of everything, as JSON.
    pub(super) fn status_json(&self) -> Result<Vec<u8>> {
        let now = Timestamp::now();
        let queue = self.pipeline.queue()?;
        let spent = self.client.budget().snapshot(now);
        let (cached, limit) = self.content.usage();
        let (state, message) = match self.client.login().trouble() {
            None => ("ok", String::new()),
            Some(error) => (login_state(&error), error.to_string()),
        };
        let errors: Vec<_> = queue
            .failures
            .iter()
            .map(|failure| json!({"at": rfc3339(failure.at), "path": failure.path, "error": failure.text}))
            .collect();
        let trouble = queue.trouble.map(|trouble| {
            json!({
                "kind": trouble.kind.as_str(),
                "text": trouble.text,
                "since": rfc3339(trouble.since),
                "until": rfc3339(trouble.until),
            })
        });
        let status = json!({
            "version": VERSION,
            "profile": self.config.profile,
            "pid": std::process::id(),
            "mountpoint": self.config.mountpoint,
            "since": rfc3339(self.began),
            "api_url": self.config.api_url,
            "login": {"state": state, "message": message},
            "queue": {
                "open": queue.backlog.open,
                "scratch": queue.backlog.scratch,
                "sealed": queue.backlog.sealed,
                "uploading": queue.uploading,
                "uploaded": queue.backlog.uploaded,
                "creating": queue.backlog.creating,
                "confirming": queue.backlog.confirming,
                "failed": queue.backlog.failed,
                "additions": queue.backlog.additions,
                "removals": queue.backlog.removals,
                "bytes_left": queue.bytes_left,
            },
            "trouble": trouble,
            "quota": {
                "day": spent.day,
                "api_requests": spent.api,
                "api_limit": API_REQUESTS_PER_DAY,
                "media_requests": spent.media,
                "media_limit": MEDIA_REQUESTS_PER_DAY,
                "resets_at": crate::api::next_reset(now),
                "blocked_until": spent.api_blocked_until,
            },
            "cache": {"bytes": cached, "limit": limit},
            "errors": errors,
        });
        let mut text = serde_json::to_vec_pretty(&status)
            .map_err(|error| Error::because(libc::EIO, format!("writing status.json: {error}")))?;
        text.push(b'\n');
        Ok(text)
    }
}

fn login_state(error: &LoginError) -> &'static str {
    match error {
        LoginError::NotLoggedIn | LoginError::NoClient | LoginError::File { .. } => "missing",
        LoginError::Ended(_) | LoginError::Refused { .. } => "dead",
        LoginError::Offline(_) | LoginError::Unavailable(_) => "offline",
    }
}
