//! Items into further albums, and out of albums (reference §6.5, §6.6).

use std::time::{Duration, SystemTime};

use super::{Change, Earliest, Worker};
use crate::api::{self, Advice, BATCH_MAX};
use crate::media::MediaId;
use crate::store::{self, MemberCall};
use crate::upload::{batch, chain, crash};

/// `rm *` is one call for fifty names, if the names come one soon after the other.
const REMOVAL_LINGER: Duration = Duration::from_millis(500);
/// No removal waits longer than this many lingers for company.
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
        if let Some(part) = self.split_members.pop_front() {
            return Ok(Some(part));
        }
        // Additions first: what is added and removed at once was wanted by a file with the same bytes.
        if let Some(call) = self.shared.store.run(|store| store.additions(BATCH_MAX)).await? {
            return Ok(Some((Kind::Add, call)));
        }
        let Some(call) = self.shared.store.run(|store| store.removals(BATCH_MAX)).await? else {
            return Ok(None);
        };
        let times = || call.members.iter().map(|member| member.since);
        let linger = REMOVAL_LINGER.min(self.shared.config.linger);
        let due = times()
            .max()
            .zip(times().min())
            .map_or(now, |(newest, oldest)| (newest + linger).min(oldest + linger * LINGERS_MAX));
        if call.members.len() == BATCH_MAX || self.is_impatient() || due <= now {
            return Ok(Some((Kind::Remove, call)));
        }
        next.consider(due);
        Ok(None)
    }

    pub(super) async fn members_ended(&mut self, answer: Answer) {
        let Answer { kind, call, outcome } = answer;
        let error = match outcome {
            Ok(()) => {
                self.changed();
                return self.members_changed(kind, call).await;
            }
            Err(error) => error,
        };
        if !matches!(error.advice(), Advice::GiveUp) {
            // The rows say that the outcome is unknown: they are asked for again when the trouble is over.
            if let Some(trouble) = self.read_trouble(&error, self.write_trouble.as_ref()) {
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
            Kind::Add => self.additions_refused(call, &error).await,
            Kind::Remove => {
                // It is out of the album already, or the album is gone, or it was never ours to remove.
                tracing::info!("nothing to take out of an album: {}", chain(&error));
                self.members_changed(kind, call).await;
            }
        }
    }

    async fn members_changed(&mut self, kind: Kind, call: MemberCall) {
        tracing::debug!(?kind, items = call.members.len(), "changed an album");
        let settled = self
            .store(move |store| match kind {
                Kind::Add => store.added(&call),
                Kind::Remove => store.removed(&call).map(|()| store::Settled::default()),
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
                let changes = store.addition_refused(call.dir, member, &reason)?;
                if member.file == member.item_of {
                    tracing::warn!(%path, reason, "an item was refused by an album; it is under .gphotos/failed");
                    shared.remember(path, reason.clone());
                }
                shared.tell(changes);
            }
            Ok(())
        })
        .await;
    }
}
