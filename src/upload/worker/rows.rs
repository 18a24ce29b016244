//! Reads the rows that the worker may act on.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::context::Worker;
use crate::api::BATCH_MAX;
use crate::media::{DirId, FileId, VideoQuality};
use crate::store::{self, Choice, Ready, Startable, Store};
use crate::upload::planner::{Room, Rows, TOKENS_MAX};
use crate::upload::shared::Shared;

/// Older tokens are not used (reference §13): Google keeps them for 24 hours, less a margin.
const TOKEN_LIFE: Duration = Duration::from_secs(20 * 3600);
/// So many files that are still coming are read: those in flight and the next ones.
const COMING_MAX: usize = 200;

/// During an outage, so many files are compared to find the one that has failed least.
const PROBES_COMPARED: usize = 64;

/// So many smaller copies are made ahead of their uploads at most: each takes room on the disk.
const COPIES_AHEAD: usize = 64;
/// So many files are passed over at most in search of others.
const PASSED_MAX: usize = 256;

/// What of the queue may begin: uploads, and smaller copies.
#[derive(Default)]
struct Stages {
    uploads: Room,
    copies: Slots,
    /// Copies that wait for their upload.
    ahead: usize,
    /// Files that were passed over.
    passed: usize,
}

/// How many more smaller copies may be begun. Photos do not wait for a video, which may take hours.
#[derive(Clone, Copy, Default)]
struct Slots {
    photos: usize,
    videos: usize,
}

impl Slots {
    fn is_empty(self) -> bool {
        self.photos == 0 && self.videos == 0
    }

    fn take(&mut self, is_video: bool) -> bool {
        let slots = if is_video { &mut self.videos } else { &mut self.photos };
        let is_free = *slots > 0;
        *slots -= usize::from(is_free);
        is_free
    }
}

impl Stages {
    /// For a file of which a copy must be made first: whether to go on, and whether that begins.
    fn unprepared(&mut self, is_video: bool) -> (Choice, bool) {
        if self.ahead < COPIES_AHEAD && self.copies.take(is_video) {
            return (Choice::Skip, true);
        }
        self.passed += 1;
        let is_over = self.uploads.all == 0 || self.passed > PASSED_MAX;
        (if is_over { Choice::Stop } else { Choice::Skip }, false)
    }

    /// For a file that can be sent now.
    fn startable(&mut self, file: &Startable, probing: bool) -> Choice {
        if self.uploads.all > 0 && (probing || self.uploads.take(file.sent_size())) {
            return Choice::Take;
        }
        self.ahead += usize::from(file.copy().is_some());
        self.passed += 1;
        let is_full = self.ahead >= COPIES_AHEAD || self.passed > PASSED_MAX;
        let is_over = self.uploads.all == 0 && (self.copies.is_empty() || is_full);
        if is_over { Choice::Stop } else { Choice::Skip }
    }
}

/// The rows to read, as the planner permits.
struct Wanted {
    now: SystemTime,
    uploads: Room,
    copies: Slots,
    /// Something is blocked: the file that has failed least finds out whether that is over.
    probing: bool,
    in_flight: Vec<FileId>,
    /// No change is in flight: one might be about to use a token that expires.
    expire_tokens: bool,
    changes: bool,
    batches: bool,
    memberships: bool,
    /// Albums whose creations and additions wait.
    waiting: Vec<DirId>,
    free_duplicates: bool,
}

impl Worker {
    /// Reads a bounded part of the queue. Rows that cannot have changed are not read again.
    pub(super) async fn read_rows(&mut self, now: SystemTime) -> store::Result<Rows> {
        let state = self.state(now);
        let wanted = Wanted {
            now,
            uploads: state.upload_room(),
            copies: self.free_slots(),
            probing: self.blockers.everything.is_some(),
            in_flight: self.uploads.keys().copied().collect(),
            expire_tokens: state.changing.is_none(),
            changes: state.may_change(),
            batches: !state.create_parts,
            memberships: state.may_edit() && self.members_dirty,
            waiting: self.album_waits.waiting(),
            free_duplicates: state.may_change() && self.members_dirty && self.shared.lacks_edit(),
        };
        let (memberships, confirmations) = (wanted.memberships, state.may_confirm());
        let shared = Arc::clone(&self.shared);
        let mut rows = self.shared.store.run(move |store| read(store, &shared, wanted)).await?;
        self.prefer_untried(&mut rows);
        if confirmations {
            (rows.claims, rows.loose) = (self.claims.albums.clone(), self.claims.loose.clone());
        }
        if memberships {
            self.members_dirty = rows.additions.is_some() || rows.removals.is_some();
            if rows.removals.is_none() {
                self.full = None;
            }
            if !self.members_dirty {
                self.may_edit();
            }
        }
        Ok(rows)
    }
}

impl Worker {
    fn free_slots(&self) -> Slots {
        let making = self.uploads.values().filter(|it| it.preparing);
        let (videos, photos): (Vec<_>, Vec<_>) = making.partition(|it| it.film.is_some());
        let config = &self.shared.config;
        let has_videos = config.quality.videos != VideoQuality::Original;
        Slots {
            photos: config.shrinkers.saturating_sub(photos.len()),
            videos: usize::from(has_videos && videos.is_empty()),
        }
    }

    /// While all creations fail, a file that has not been tried finds out whether that is over.
    fn prefer_untried(&self, rows: &mut Rows) {
        let evidence = &self.creations_evidence;
        let is_untried = |file: &Ready| !evidence.is_failing(file.file);
        if evidence.is_outage() && rows.ready.iter().any(is_untried) {
            rows.ready.retain(is_untried);
        }
    }
}

fn read(store: &Store, shared: &Shared, wanted: Wanted) -> store::Result<Rows> {
    let drafts = &shared.drafts;
    let Wanted { now, in_flight, uploads, .. } = wanted;
    let quality = shared.config.quality;
    let copies = if store.has_savers(quality)? { wanted.copies } else { Slots::default() };
    let begins = uploads.all > 0 || !copies.is_empty();
    let mut rows = Rows::default();
    if wanted.expire_tokens {
        store.expire_tokens(now - TOKEN_LIFE)?;
    }
    if wanted.free_duplicates {
        // Creating an item that exists adds it to the album as well, without that permission.
        store.upload_duplicates_separately()?;
    }
    if begins {
        rows.uploaded = store.uploaded_count()?;
    }
    if begins && rows.uploaded < TOKENS_MAX {
        // A file that is not being written any more has been noted as just closed before.
        let may_start = |file: FileId| {
            !in_flight.contains(&file)
                && !drafts.is_being_written(file)
                && !shared.just_closed().files.contains(&file)
        };
        let mut unprepared = Vec::new();
        let mut stages = Stages { uploads, copies, ..Stages::default() };
        let limit = if wanted.probing { PROBES_COMPARED } else { usize::MAX };
        rows.sealed = store.startable(now, limit, quality, |file| {
            if !may_start(file.file) {
                return Choice::Skip;
            }
            if file.needs_preparing() {
                let (choice, begins) = stages.unprepared(file.wants_film());
                if begins {
                    unprepared.push(file.clone());
                }
                return choice;
            }
            stages.startable(file, wanted.probing)
        })?;
        rows.unprepared = unprepared;
        if wanted.probing {
            rows.sealed.sort_by_key(|file| file.past.attempts);
        }
    }
    rows.next_closed = shared.just_closed().next.map(|left| now + left);
    if wanted.changes {
        rows.unanswered = store.unanswered_create(now)?;
    }
    if wanted.changes && wanted.batches && rows.unanswered.is_none() {
        (rows.ready, rows.coming) = store.ready(now, TOKENS_MAX, COMING_MAX)?;
        rows.ready.retain(|it| !wanted.waiting.contains(&it.dir));
        // A file that is being written does not come soon.
        rows.coming.retain(|it| in_flight.contains(&it.file) || !drafts.is_being_written(it.file));
    }
    if wanted.memberships {
        rows.additions = store.additions(BATCH_MAX, &wanted.waiting)?;
        rows.removals = store.removals(BATCH_MAX)?;
    }
    rows.next_retry = store.next_retry(now)?;
    Ok(rows)
}
