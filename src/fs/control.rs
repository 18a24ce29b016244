//! `/.gphotos/status.json` and `/.gphotos/metrics`: what the mount is doing, for people, for the other subcommands
//! and for whoever watches many machines. [`Status`] is the one description of it; fields may be added to the
//! JSON without a new version.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::time::SystemTime;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::{Error, Result};
use super::filesystem::Fs;
use crate::api::{
    self, API_REQUESTS_PER_DAY, FailureKind, LoginError, MEDIA_REQUESTS_PER_DAY, SavedBudget,
    Scope, next_reset,
};
use crate::store::Backlog;
use crate::upload;

/// The layout of `status.json`.
const VERSION: u32 = 1;

/// Everything there is to say about a profile at one moment. What is `None` is known to a running mount only.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Status {
    /// Of this layout.
    pub version: u32,
    /// Which account.
    pub profile: String,
    /// The mount's process.
    pub pid: Option<u32>,
    /// Where it is mounted.
    pub mountpoint: Option<PathBuf>,
    /// Since when.
    pub since: Option<Timestamp>,
    /// Without a mount: another process has the profile, such as `sync`.
    #[serde(default)]
    pub busy: bool,
    /// The API's base URL.
    pub api_url: String,
    /// How it is mounted.
    pub mount: Option<MountFacts>,
    /// Whether Google lets us in.
    pub login: Login,
    /// Files on their way, by state.
    pub queue: Queue,
    /// How fast they go.
    pub progress: Option<Progress>,
    /// What holds up the uploads now.
    pub trouble: Option<Trouble>,
    /// How far `gphotosfs refresh` is, if albums are listed again just now.
    pub refresh: Option<Refresh>,
    /// The day's allowance.
    pub quota: Quota,
    /// The bytes of files on their way.
    pub spool: Option<Spool>,
    /// The content cache.
    pub cache: Option<Cache>,
    /// How often the kernel has asked for what.
    #[serde(default)]
    pub fuse: BTreeMap<String, u64>,
    /// The last few things that went wrong, oldest first.
    #[serde(default)]
    pub errors: Vec<Problem>,
}

/// How it is mounted.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct MountFacts {
    /// `background` or `close`.
    pub commit: String,
    /// `exact` or `lazy`.
    pub sizes: String,
    /// Nothing can be changed.
    pub read_only: bool,
    /// Files that programs have open.
    pub open_files: usize,
    /// The release of the kernel.
    pub kernel: String,
}

/// Whether Google lets us in.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Login {
    /// `ok`, `missing`, `dead` or `offline`.
    pub state: String,
    /// What to do about it; empty if all is well.
    #[serde(default)]
    pub message: String,
    /// The OAuth client. The API tells no name of the account.
    pub client_id: Option<String>,
    /// When the user has logged in.
    pub granted_at: Option<Timestamp>,
    /// When Google will end it by itself, if it said so.
    pub ends_at: Option<Timestamp>,
    /// The short names of the scopes that were not granted.
    #[serde(default)]
    pub missing_scopes: Vec<String>,
}

/// Files on their way, by state.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[allow(missing_docs)] // The states are those of `upload/state.rs`.
pub struct Queue {
    pub open: u64,
    pub scratch: u64,
    pub sealed: u64,
    /// Of those, the ones that a program still has open for writing.
    #[serde(default)]
    pub held: u64,
    /// Of those, the ones whose bytes are under way.
    pub uploading: u64,
    pub uploaded: u64,
    pub creating: u64,
    pub confirming: u64,
    pub failed: u64,
    /// Items of the library to be put into an album.
    pub additions: u64,
    /// Items to be taken out of an album.
    pub removals: u64,
    /// Bytes that Google does not have yet.
    pub bytes_left: u64,
}

/// How fast files go; rates are those of the last minute.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Files that have arrived, and memberships that were changed, since the mount began.
    pub files_done: u64,
    /// Bytes handed to the network since then.
    pub bytes_sent: u64,
    /// Bytes.
    pub bytes_per_second: u64,
    /// Files.
    pub files_per_minute: f64,
    /// Until all has arrived; `null` if nothing moves.
    pub seconds_left: Option<u64>,
}

/// What holds up the uploads.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Trouble {
    /// `offline`, `google-unwell`, `throttled`, `quota`, `login`, `storage-full` or `permission`.
    #[serde(default)]
    pub kind: String,
    /// For people.
    pub text: String,
    /// When it began.
    pub since: Timestamp,
    /// When they are tried again.
    pub until: Timestamp,
}

/// Albums that are listed again because somebody has asked for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Refresh {
    /// How many.
    pub albums: u64,
    /// Of those, the ones that have been.
    pub listed: u64,
}

/// The day's allowance.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Quota {
    /// The day in Google's time zone.
    pub day: String,
    /// Calls of the API so far.
    pub api_requests: u64,
    /// How many there may be.
    pub api_limit: u64,
    /// Downloads so far.
    pub media_requests: u64,
    /// How many there may be.
    pub media_limit: u64,
    /// When both begin again at 0.
    pub resets_at: Timestamp,
    /// Until when nothing is sent, if Google said so.
    pub blocked_until: Option<Timestamp>,
    /// Until when nothing is downloaded, if Google said so.
    pub media_blocked_until: Option<Timestamp>,
}

/// The bytes of files on their way.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Spool {
    /// What they take on the disk.
    pub bytes: u64,
    /// How many more there may be before writers wait.
    pub room: u64,
}

/// The content cache, in bytes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Cache {
    pub bytes: u64,
    pub limit: u64,
}

/// Something that went wrong.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Problem {
    pub at: Timestamp,
    pub path: String,
    pub error: String,
}

impl Fs {
    /// How everything is now.
    pub(super) fn status(&self) -> Result<Status> {
        let queue = self.pipeline.queue()?;
        let (spooled, room) = self.pipeline.space()?;
        let (cached, limit) = self.content.usage();
        Ok(Status {
            version: VERSION,
            profile: self.config.profile.clone(),
            pid: Some(std::process::id()),
            mountpoint: Some(self.config.mountpoint.clone()),
            since: Some(timestamp(self.began)),
            busy: false,
            api_url: self.config.api_url.clone(),
            mount: Some(MountFacts {
                commit: if self.config.commit_at_close { "close" } else { "background" }.to_owned(),
                sizes: if self.config.exact_sizes { "exact" } else { "lazy" }.to_owned(),
                read_only: self.config.read_only,
                open_files: self.handles.open_files(),
                // Without /proc it stays empty.
                kernel: std::fs::read_to_string("/proc/sys/kernel/osrelease")
                    .map_or_else(|_| String::new(), |it| it.trim().to_owned()),
            }),
            login: Login::of(self.client.login()),
            progress: Some(Progress::of(&queue)),
            trouble: queue.blocked.as_ref().map(Trouble::of),
            refresh: self
                .library
                .refreshing()
                .map(|it| Refresh { albums: it.albums, listed: it.listed }),
            queue: Queue::of(&queue),
            quota: Quota::of(&self.client.budget().snapshot(Timestamp::now())),
            spool: Some(Spool { bytes: spooled, room }),
            cache: Some(Cache { bytes: cached, limit }),
            fuse: self.requests.so_far(),
            errors: queue.failures.iter().map(Problem::of).collect(),
        })
    }
}

impl Status {
    /// Of a profile that is not mounted: what its files and tables say.
    pub fn unmounted(
        profile: String,
        api_url: String,
        backlog: &Backlog,
        spent: &SavedBudget,
    ) -> Self {
        Self {
            version: VERSION,
            profile,
            api_url,
            queue: Queue::kept(backlog),
            quota: Quota::of(spent),
            ..Self::default()
        }
    }

    /// For `status.json`.
    pub(super) fn json(&self) -> Result<Vec<u8>> {
        let mut text = serde_json::to_vec_pretty(self)
            .map_err(|error| Error::because(libc::EIO, format!("writing status.json: {error}")))?;
        text.push(b'\n');
        Ok(text)
    }

    /// For Prometheus, in its text format. Names keep their meaning; labels are few and of a fixed set of values.
    pub(super) fn metrics(&self) -> Vec<u8> {
        let mut out = String::new();
        let mut family = |name: &str, kind: &str, help: &str, values: &[(&str, f64)]| {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "# HELP gphotosfs_{name} {help}\n# TYPE gphotosfs_{name} {kind}");
            for (labels, value) in values {
                let _ = writeln!(out, "gphotosfs_{name}{labels} {value}");
            }
        };
        let mut gauge =
            |name: &str, help: &str, value: f64| family(name, "gauge", help, &[("", value)]);
        let flag = |it: bool| f64::from(u8::from(it));
        let (queue, quota) = (&self.queue, &self.quota);
        if let Some(since) = self.since {
            let seconds = since.as_millisecond() as f64 / 1000.0;
            gauge("start_time_seconds", "When the mount began, in seconds since 1970.", seconds);
        }
        gauge(
            "login_ok",
            "1 if Google accepts the login, as far as is known.",
            flag(self.login.state == "ok"),
        );
        gauge(
            "uploads_held_up",
            "1 if something holds up all uploads.",
            flag(self.trouble.is_some()),
        );
        gauge("queue_bytes", "Bytes that Google does not have yet.", queue.bytes_left as f64);
        gauge(
            "quota_api_requests",
            "API requests sent today, in Google's time zone.",
            quota.api_requests as f64,
        );
        gauge(
            "quota_api_requests_limit",
            "API requests there may be in a day.",
            quota.api_limit as f64,
        );
        gauge(
            "quota_media_requests",
            "Downloads today, in Google's time zone.",
            quota.media_requests as f64,
        );
        gauge(
            "quota_media_requests_limit",
            "Downloads there may be in a day.",
            quota.media_limit as f64,
        );
        if let Some(spool) = &self.spool {
            gauge("spool_bytes", "Disk that files on their way take.", spool.bytes as f64);
            gauge(
                "spool_room_bytes",
                "Disk they may still take before writers wait.",
                spool.room as f64,
            );
        }
        if let Some(cache) = &self.cache {
            gauge("cache_bytes", "Disk that the content cache takes.", cache.bytes as f64);
            gauge("cache_limit_bytes", "Disk it may take.", cache.limit as f64);
        }
        let states = [
            (r#"{state="open"}"#, queue.open as f64),
            (r#"{state="scratch"}"#, queue.scratch as f64),
            (r#"{state="sealed"}"#, queue.sealed as f64),
            (r#"{state="uploaded"}"#, queue.uploaded as f64),
            (r#"{state="creating"}"#, queue.creating as f64),
            (r#"{state="confirming"}"#, queue.confirming as f64),
            (r#"{state="failed"}"#, queue.failed as f64),
            (r#"{state="addition"}"#, queue.additions as f64),
            (r#"{state="removal"}"#, queue.removals as f64),
        ];
        family("queue_files", "gauge", "Files on their way, by state.", &states);
        if let Some(it) = &self.progress {
            let mut counter =
                |name, help, value: u64| family(name, "counter", help, &[("", value as f64)]);
            counter(
                "done_total",
                "Files that have arrived and memberships changed, since the mount began.",
                it.files_done,
            );
            counter(
                "sent_bytes_total",
                "Bytes handed to the network since the mount began.",
                it.bytes_sent,
            );
        }
        out.into_bytes()
    }
}

impl Login {
    fn of(login: &api::Login) -> Self {
        let (state, message) = match login.trouble() {
            None => ("ok", String::new()),
            Some(error) => (state_of(&error), error.to_string()),
        };
        Self {
            state: state.to_owned(),
            message,
            client_id: Some(login.client_id()),
            granted_at: Some(login.granted_at()),
            ends_at: login.ends_at(),
            missing_scopes: short_names(&login.missing_scopes()),
        }
    }

    /// As the profile's files have it, and with what Google last said if it has `refused` this grant; it was not asked
    /// now.
    pub fn kept(
        client: Option<&api::ClientSecret>,
        grant: Option<&api::Grant>,
        refused: Option<String>,
    ) -> Self {
        let (state, message) = match (client, grant, refused) {
            (Some(_), Some(_), None) => ("ok", String::new()),
            (Some(_), Some(_), Some(said)) => ("dead", said),
            (None, Some(_), _) => ("missing", LoginError::NoClient.to_string()),
            (_, None, _) => ("missing", LoginError::NotLoggedIn.to_string()),
        };
        Self {
            state: state.to_owned(),
            message,
            client_id: client.map(|it| it.client_id.clone()),
            granted_at: grant.map(|it| it.granted_at),
            ends_at: grant.and_then(|it| it.ends_at),
            missing_scopes: grant.map_or_else(Vec::new, |it| short_names(&it.missing_scopes())),
        }
    }
}

fn short_names(scopes: &[Scope]) -> Vec<String> {
    scopes.iter().map(|it| it.short_name().to_owned()).collect()
}

fn state_of(error: &LoginError) -> &'static str {
    match error.kind() {
        FailureKind::Offline | FailureKind::LoginBusy => "offline",
        FailureKind::LoginRefused => "dead",
        _ => "missing",
    }
}

impl Queue {
    /// As the pipeline has it.
    pub fn of(queue: &upload::Queue) -> Self {
        let upload::Queue { held, uploading, bytes_left, .. } = *queue;
        Self { held, uploading, bytes_left, ..Self::kept(&queue.backlog) }
    }

    /// As the tables have it, while nothing moves.
    fn kept(backlog: &Backlog) -> Self {
        Self {
            open: backlog.open,
            scratch: backlog.temporary,
            sealed: backlog.sealed,
            held: 0,
            uploading: 0,
            uploaded: backlog.uploaded,
            creating: backlog.creating,
            confirming: backlog.confirming,
            failed: backlog.failed,
            additions: backlog.additions,
            removals: backlog.removals,
            bytes_left: backlog.sealed_bytes,
        }
    }

    /// How many things Google has still to be told.
    pub fn left(&self) -> u64 {
        self.sealed
            + self.uploaded
            + self.creating
            + self.confirming
            + self.additions
            + self.removals
    }
}

impl Progress {
    /// As the pipeline has it.
    pub fn of(queue: &upload::Queue) -> Self {
        Self {
            files_done: queue.sent.operations,
            bytes_sent: queue.sent.bytes,
            bytes_per_second: queue.rate.bytes_per_s as u64,
            files_per_minute: (queue.rate.operations_per_s * 600.0).round() / 10.0,
            seconds_left: queue.time_left.map(|it| it.as_secs()),
        }
    }
}

impl Trouble {
    fn of(blocked: &upload::Blocked) -> Self {
        Self {
            kind: blocked.reason.as_str().to_owned(),
            text: blocked.text.clone(),
            since: timestamp(blocked.since),
            until: timestamp(blocked.until),
        }
    }
}

impl Quota {
    fn of(spent: &SavedBudget) -> Self {
        Self {
            day: spent.day.to_string(),
            api_requests: spent.api,
            api_limit: API_REQUESTS_PER_DAY,
            media_requests: spent.media,
            media_limit: MEDIA_REQUESTS_PER_DAY,
            resets_at: next_reset(Timestamp::now()),
            blocked_until: spent.api_blocked_until,
            media_blocked_until: spent.media_blocked_until,
        }
    }
}

impl Problem {
    fn of(failure: &upload::Failure) -> Self {
        Self { at: timestamp(failure.at), path: failure.path.clone(), error: failure.text.clone() }
    }
}

/// Times beyond the year 9999 become 1970.
fn timestamp(time: SystemTime) -> Timestamp {
    Timestamp::try_from(time).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_families_with_help_and_type_and_finite_values() {
        let backlog = Backlog { sealed: 3, sealed_bytes: 700, ..Backlog::default() };
        let spent = api::Budget::new(Timestamp::UNIX_EPOCH).snapshot(Timestamp::UNIX_EPOCH);
        let mut status = Status::unmounted("p".into(), "http://x/".into(), &backlog, &spent);
        status.progress =
            Some(Progress { files_done: 9, bytes_sent: 1 << 40, ..Progress::default() });
        let text = String::from_utf8(status.metrics()).unwrap();
        for line in [
            "gphotosfs_queue_files{state=\"sealed\"} 3",
            "gphotosfs_queue_bytes 700",
            "# TYPE gphotosfs_sent_bytes_total counter",
            "gphotosfs_sent_bytes_total 1099511627776",
        ] {
            assert!(text.lines().any(|it| it == line), "no {line:?} in:\n{text}");
        }
        let mut family = String::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                family = rest.split(' ').next().unwrap().to_owned();
            } else if !line.starts_with('#') {
                let (name, value) = line.rsplit_once(' ').unwrap();
                assert_eq!(name.split('{').next().unwrap(), family);
                assert!(value.parse::<f64>().unwrap().is_finite(), "{line}");
            }
        }
    }
}
