//! Items into further albums, and out of albums (reference §6.5, §6.6).

use std::time::{Duration, SystemTime};

use super::{Change, Earliest, Worker};
use crate::api::{self, Advice, BATCH_MAX};
use crate::media::{DirId, MediaId};
use crate::store::{self, MemberCall};
use crate::upload::shared::chain;
use crate::upload::{batch, crash};

/// `rm *` is one call for fifty names, if the names come one soon after the other; so is a second copy
/// of photos that are in the library already.
const LINGER: Duration = Duration::from_millis(500);
/// The same while somebody waits for the outcome.
const LINGER_IMPATIENT: Duration = Duration::from_millis(100);
/// Nothing waits longer than this many lingers for company.
const LINGERS_MAX: u32 = 10;

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Add,
    Remove,
}

/// A call and its answer.
pub(super) struct Answer {
    kind: Kind,
    call: MemberCall,
    outcome: Result<(), api::Error>,
}

impl Worker {
    /// Adds or removes, if that is due. Says whether it does.
    pub(super) async fn start_members(
        &mut self,
        now: SystemTime,
        next: &mut Earliest,
    ) -> store::Result<bool> {
        let Some((kind, call)) = self.next_members(now, next).await? else { return Ok(false) };
        let journalled = call.clone();
        self.shared.store.run(move |store| store.begin_members(&journalled)).await?;
        let client = self.shared.client.clone();
        self.change.spawn(async move {
            crash::point(crash::MEMBERS_BEFORE_CALL);
            let items: Vec<MediaId> =
                call.members.iter().map(|member| member.media.clone()).collect();
            let outcome = match kind {
                Kind::Add => client.add_to_album(&call.album, &items).await,
                Kind::Remove => client.remove_from_album(&call.album, &items).await,
            };
            crash::point(crash::MEMBERS_AFTER_CALL);
            Change::Members(Answer { kind, call, outcome })
        });
        Ok(true)
    }

    async fn next_members(
        &mut self,
        now: SystemTime,
        next: &mut Earliest,
    ) -> store::Result<Option<(Kind, MemberCall)>> {
        if self.members_stirred && self.shared.lacks_edit() {
            // Creating an item that is there puts it into the album as well, and needs no such permission.
            let freed = self.shared.store.run(|store| store.upload_duplicates_separately()).await?;
            if freed > 0 {
                self.shared.wake.notify_one();
            }
        }
        if self.edit_trouble.as_ref().is_some_and(|trouble| trouble.until > now) {
            return Ok(None);
        }
        if let Some(part) = self.split_members.pop_front() {
            return Ok(Some(part));
        }
        if !self.members_stirred {
            return Ok(None);
        }
        // Additions first: what is added and removed at once was wanted by a file with the same bytes.
        let additions = self.shared.store.run(|store| store.additions(BATCH_MAX)).await?;
        let removals = self.shared.store.run(|store| store.removals(BATCH_MAX)).await?;
        self.members_stirred = additions.is_some() || removals.is_some();
        if removals.is_none() {
            self.full = None;
        }
        if !self.members_stirred {
            self.may_edit();
        }
        for (kind, call) in [(Kind::Add, additions), (Kind::Remove, removals)] {
            let Some(call) = call else { continue };
            if kind == Kind::Add && self.full == Some(call.dir) {
                continue;
            }
            let due = self.members_due(kind, &call, now);
            if due <= now {
                return Ok(Some((kind, call)));
            }
            next.consider(due);
        }
        Ok(None)
    }

    /// When a call is to be sent that may still be joined by others.
    fn members_due(&self, kind: Kind, call: &MemberCall, now: SystemTime) -> SystemTime {
        let times = || call.members.iter().map(|member| member.since);
        let (Some(oldest), Some(newest)) = (times().min(), times().max()) else { return now };
        if call.members.len() == BATCH_MAX {
            return now;
        }
        let linger = if self.is_impatient() { LINGER_IMPATIENT } else { LINGER };
        let linger = linger.min(self.shared.config.linger);
        let at_last = oldest + linger * LINGERS_MAX;
        match kind {
            // Whatever is being hashed may turn out to be an item already.
            Kind::Add if !self.in_flight.is_empty() => at_last,
            _ => at_last.min(newest + linger),
        }
    }

    pub(super) async fn members_ended(&mut self, answer: Answer) {
        let Answer { kind, call, outcome } = answer;
        let error = match outcome {
            Ok(()) => {
                self.changed();
                self.may_edit();
                self.shared.count_gone(call.members.len());
                return self.members_changed(kind, call).await;
            }
            Err(error) => error,
        };
        if !matches!(error.advice(), Advice::GiveUp) {
            let forbidden = error.is_scope_missing();
            if forbidden {
                // Whatever else was the trouble, it is over.
                self.changed();
            }
            let before = if forbidden { &self.edit_trouble } else { &self.write_trouble };
            let Some(trouble) = self.read_trouble(&error, before.as_ref()) else { return };
            if forbidden {
                // What was not done need not be undone if it is no longer wanted.
                self.store(move |store| match kind {
                    Kind::Add => store.removed(&call),
                    Kind::Remove => store.not_removed(&call),
                })
                .await;
                self.set_write_trouble(trouble.of_permission());
            } else {
                // The rows say that the outcome is unknown: they are asked for again when the trouble is over.
                self.set_write_trouble(trouble);
            }
            return;
        }
        self.changed();
        if call.members.len() > 1 && !error.is_album_missing() {
            let MemberCall { dir, album, members } = call;
            let (first, second) = batch::halves(members);
            for members in [second, first] {
                let part = MemberCall { dir, album: album.clone(), members };
                self.split_members.push_front((kind, part));
            }
            return;
        }
        match kind {
            // The rows say that it was asked for: it is asked for again.
            Kind::Add if error.is_album_full() && self.has_pending_removals(call.dir).await => {
                self.full = Some(call.dir);
            }
            Kind::Add => self.additions_refused(call, &error).await,
            Kind::Remove => {
                // It is out of the album already, or the album is gone, or it was never ours to remove.
                tracing::info!("nothing to take out of an album: {}", chain(&error));
                self.members_changed(kind, call).await;
            }
        }
    }

    /// Whether items are about to leave an album.
    async fn has_pending_removals(&mut self, dir: DirId) -> bool {
        self.store(move |store| store.has_pending_removals(dir)).await.unwrap_or(false)
    }

    async fn members_changed(&mut self, kind: Kind, call: MemberCall) {
        tracing::debug!(?kind, items = call.members.len(), "changed an album");
        let settled = self
            .store(move |store| match kind {
                Kind::Add => store.added(&call),
                Kind::Remove => store.removed(&call).map(|()| store::MergedFiles::default()),
            })
            .await;
        if let Some(settled) = settled {
            self.apply(settled).await;
        }
    }

    async fn additions_refused(&mut self, call: MemberCall, error: &api::Error) {
        let (shared, reason) = (self.shared.clone(), chain(error));
        self.store(move |store| {
            for member in &call.members {
                let path = shared.path_of(member.file);
                store.addition_refused(call.dir, member, &reason)?;
                if member.file == member.item_of {
                    tracing::warn!(%path, reason, "an item was refused by an album; it is under .gphotos/failed");
                    shared.remember(path, reason.clone());
                }
            }
            Ok(())
        })
        .await;
    }
}
