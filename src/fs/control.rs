//! Fills in the [`Status`] for `/.gphotos/status.json` and `/.gphotos/metrics` from the parts
//! below.

use std::sync::Arc;
use std::time::SystemTime;

use jiff::Timestamp;

use super::error::{Error, Result};
use super::filesystem::Fs;
use super::handles::Fh;
use super::node::Node;
use super::snapshots::{Snapshot, SnapshotReader};
use crate::api::{
    self, API_REQUESTS_PER_DAY, FailureKind, LoginError, MEDIA_REQUESTS_PER_DAY,
    OTHERS_API_REQUESTS_MAX, SavedBudget, next_reset,
};
use crate::printable;
use crate::settings::{Commit, Sidecars, Sizes};
use crate::status::{
    BlockedBy, BlockedUploads, Bound, Cache, CutOff, Draft, FailingFile, Library, LimitUp, Login,
    LoginState, MountFacts, Phase, Pick, Problem, Progress, Queue, Quota, Refresh, Saved, Spool,
    Status, Stored, VERSION,
};
use crate::store::{self, Backlog, CutOffNames, KnownAlbums, PickSummary};
use crate::upload::{self, BlockedReason, DraftFacts};

impl Fs {
    /// The present status.
    pub(super) fn status(&self) -> Result<Status> {
        let queue = self.pipeline.queue()?;
        let space = self.pipeline.space()?;
        let (cached, limit) = self.content.usage();
        Ok(Status {
            version: VERSION,
            profile: self.config.profile.clone(),
            pid: Some(std::process::id()),
            mountpoint: Some(self.config.mountpoint.clone()),
            since: Some(timestamp(self.began)),
            busy: false,
            dead_mountpoint: None,
            unmounted: None,
            api_url: self.config.api_url.clone(),
            mount: Some(MountFacts {
                commit: if self.config.commit_at_close {
                    Commit::Close
                } else {
                    Commit::Background
                },
                sizes: if self.config.exact_sizes { Sizes::Exact } else { Sizes::Lazy },
                sidecars: if self.config.keep_sidecars { Sidecars::Keep } else { Sidecars::Refuse },
                temporary_names: self
                    .config
                    .temporary_names
                    .iter()
                    .map(|it| it.to_string())
                    .collect(),
                read_only: self.config.read_only,
                open_files: self.handles.open_files(),
                // Without /proc the field stays empty.
                kernel: std::fs::read_to_string("/proc/sys/kernel/osrelease")
                    .map_or_else(|_| String::new(), |it| it.trim().to_owned()),
            }),
            login: Login::from(self.client.login()),
            library: Library::from(self.store.album_titles(Library::TITLES)?),
            cut_off: CutOff::from(self.store.cut_off_names(CutOff::PATHS)?),
            progress: Some(Progress::from(&queue)),
            limit_up: Some(LimitUp {
                setting: self.client.upload_limit().to_string(),
                bytes_per_second: self.client.upload_rate_allowed(),
            }),
            blocked: queue.blocked.as_ref().map(BlockedUploads::from),
            outages: queue.outages.iter().map(BlockedUploads::from).collect(),
            drafts: queue.drafts.iter().map(Draft::from).collect(),
            refresh: self
                .library
                .refreshing()
                .map(|it| Refresh { albums: it.albums, listed: it.listed }),
            queue: Queue::from(&queue),
            saved: Saved::from(&queue.saved),
            can_shrink_videos: self.pipeline.can_shrink_videos(),
            stored: Stored::from(&self.store.stored()?),
            picks: self.store.pick_summaries()?.iter().map(Pick::from).collect(),
            quota: Quota::from(&self.client.budget().snapshot(Timestamp::now())),
            spool: Some(Spool {
                bytes: space.used,
                room: space.left,
                refused: space.refused,
                kept: space.kept,
            }),
            cache: Some(Cache { bytes: cached, limit }),
            fuse: self.requests.so_far(),
            errors: queue.failures.iter().map(Problem::from).collect(),
            failing: queue.failing.iter().map(FailingFile::from).collect(),
        })
    }
}

impl Fs {
    /// The current snapshot of a control file, or a new one.
    pub(super) fn snapshot(&self, node: Node) -> Result<Arc<Snapshot>> {
        let place = match node {
            Node::Metrics => &self.snapshots.metrics,
            _ => &self.snapshots.status,
        };
        if let Some(current) = place.lock().as_ref().filter(|it| it.is_current()) {
            return Ok(current.clone());
        }
        let status = self.status()?;
        let text = match node {
            Node::Metrics => status.metrics(),
            _ => json(&status)?,
        };
        let snapshot = Arc::new(Snapshot::new(text));
        *place.lock() = Some(snapshot.clone());
        Ok(snapshot)
    }

    /// Opens the current snapshot of a control file.
    pub(super) fn open_snapshot(&self, node: Node) -> Result<Fh> {
        Ok(self.handles.open_snapshot(SnapshotReader::new(self.snapshot(node)?)))
    }
}

/// The text of `status.json`.
pub(super) fn json(status: &Status) -> Result<Vec<u8>> {
    let text = serde_json::to_string_pretty(status)
        .map_err(|error| Error::because(libc::EIO, format!("writing status.json: {error}")))?;
    // `cat` may show it on a terminal.
    Ok(format!("{}\n", printable::escaped_json(&text)).into_bytes())
}

impl From<&api::Login> for Login {
    fn from(login: &api::Login) -> Self {
        let (state, message) = match login.failure() {
            None => (LoginState::Ok, String::new()),
            Some(error) => (state_of(&error), error.to_string()),
        };
        Self {
            state,
            message,
            client_id: Some(login.client_id()),
            bound: login.binding().as_ref().map(Bound::from),
            granted_at: Some(login.granted_at()),
            ends_at: login.ends_at(),
            missing_scopes: login
                .missing_scopes()
                .iter()
                .map(|it| it.short_name().to_owned())
                .collect(),
        }
    }
}

impl From<KnownAlbums> for Library {
    fn from(albums: KnownAlbums) -> Self {
        Self { albums: albums.count, titles: albums.titles }
    }
}

impl From<CutOffNames> for CutOff {
    fn from(names: CutOffNames) -> Self {
        Self { files: names.count, paths: names.paths }
    }
}

impl From<&api::Binding> for Bound {
    fn from(binding: &api::Binding) -> Self {
        Self { client_id: binding.client_id.clone(), since: binding.since }
    }
}

fn state_of(error: &LoginError) -> LoginState {
    if matches!(error, LoginError::OtherLibrary(_)) {
        return LoginState::Foreign;
    }
    match error.kind() {
        FailureKind::Offline | FailureKind::LoginBusy => LoginState::Offline,
        FailureKind::LoginRefused => LoginState::Dead,
        _ => LoginState::Missing,
    }
}

impl From<&upload::Queue> for Queue {
    fn from(queue: &upload::Queue) -> Self {
        let upload::Queue { held, shrinking, uploading, bytes_left, .. } = *queue;
        Self { held, shrinking, uploading, bytes_left, ..Self::from(&queue.backlog) }
    }
}

/// The queue as stored, without the uploads that are running.
impl From<&Backlog> for Queue {
    fn from(backlog: &Backlog) -> Self {
        Self {
            open: backlog.open,
            temporary: backlog.temporary,
            empty: backlog.empty,
            kept: backlog.kept,
            sealed: backlog.sealed,
            held: 0,
            shrinking: 0,
            uploading: 0,
            uploaded: backlog.uploaded,
            creating: backlog.creating,
            confirming: backlog.confirming,
            unseen: backlog.unseen,
            failed: backlog.failed,
            additions: backlog.additions,
            removals: backlog.removals,
            bytes_left: backlog.sealed_bytes,
        }
    }
}

impl From<&store::Stored> for Stored {
    fn from(stored: &store::Stored) -> Self {
        let since = stored.since.and_then(|it| it.try_into().ok());
        Self { since, bytes: stored.bytes, jpeg_bytes: stored.jpeg_bytes }
    }
}

impl From<&store::Saved> for Saved {
    fn from(saved: &store::Saved) -> Self {
        let store::Saved { files, bytes, sent, ref whole, whole_bytes } = *saved;
        Self { files, bytes, sent_bytes: sent, whole: whole.iter().cloned().collect(), whole_bytes }
    }
}

impl From<&upload::Queue> for Progress {
    fn from(queue: &upload::Queue) -> Self {
        Self {
            files_done: queue.sent.operations,
            bytes_sent: queue.sent.bytes,
            bytes_per_second: queue.rate.bytes_per_s as u64,
            files_per_minute: (queue.rate.operations_per_s * 600.0).round() / 10.0,
            seconds_left: queue.time_left.map(|it| it.as_secs()),
        }
    }
}

impl From<&upload::Blocked> for BlockedUploads {
    fn from(blocked: &upload::Blocked) -> Self {
        Self {
            kind: blocked.reason.into(),
            text: blocked.text.clone(),
            since: timestamp(blocked.since),
            until: timestamp(blocked.until),
        }
    }
}

impl From<BlockedReason> for BlockedBy {
    fn from(kind: BlockedReason) -> Self {
        match kind {
            BlockedReason::Offline => Self::Offline,
            BlockedReason::ServerError => Self::ServerError,
            BlockedReason::Throttled => Self::Throttled,
            BlockedReason::Quota => Self::Quota,
            BlockedReason::Login => Self::Login,
            BlockedReason::StorageFull => Self::StorageFull,
            BlockedReason::Permission => Self::Permission,
            BlockedReason::Metered => Self::Metered,
        }
    }
}

impl From<&upload::FailingFile> for FailingFile {
    fn from(file: &upload::FailingFile) -> Self {
        Self {
            path: file.path.clone(),
            error: file.error.clone(),
            since: timestamp(file.since),
            attempts: file.attempts,
            until: file.until.map(timestamp),
        }
    }
}

impl From<&DraftFacts> for Draft {
    fn from(facts: &DraftFacts) -> Self {
        Self {
            file: facts.file.0,
            phase: match facts.phase {
                upload::Phase::Writing => Phase::Writing,
                upload::Phase::Sealed => Phase::Sealed,
                upload::Phase::Rejected(_) => Phase::Rejected,
                upload::Phase::InFlight(_) => Phase::InFlight,
                upload::Phase::Committed => Phase::Committed,
            },
            writers: facts.writers,
            blocked_writes: facts.blocked_writes,
            write_error: facts.write_error,
            bytes_sent: facts.bytes_sent,
            unsettled: facts.is_unsettled,
        }
    }
}

impl From<&SavedBudget> for Quota {
    fn from(spent: &SavedBudget) -> Self {
        Self {
            day: spent.day.to_string(),
            api_requests: spent.api,
            api_limit: API_REQUESTS_PER_DAY,
            others_api_requests: spent.others_api,
            others_api_limit: OTHERS_API_REQUESTS_MAX,
            media_requests: spent.media,
            media_limit: MEDIA_REQUESTS_PER_DAY,
            resets_at: next_reset(Timestamp::now()),
            blocked_until: spent.api_blocked_until,
            media_blocked_until: spent.media_blocked_until,
        }
    }
}

impl From<&PickSummary> for Pick {
    fn from(it: &PickSummary) -> Self {
        let now = SystemTime::now();
        let readable_until = it.sessions_end.last().filter(|end| **end > now);
        Self {
            name: it.pick.name.to_text().into_owned(),
            items: it.items,
            nameless: it.nameless,
            processing: it.processing,
            readable_until: readable_until.map(|it| timestamp(*it)),
            partial: it.is_partial,
        }
    }
}

impl From<&upload::Failure> for Problem {
    fn from(failure: &upload::Failure) -> Self {
        Self { at: timestamp(failure.at), path: failure.path.clone(), error: failure.text.clone() }
    }
}

/// Times beyond the year 9999 become 1970.
fn timestamp(time: SystemTime) -> Timestamp {
    Timestamp::try_from(time).unwrap_or_default()
}
