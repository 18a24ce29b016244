//! Additions to albums and removals from them: sends the calls, and records their answers
//! (reference §6.5, §6.6).

use std::time::SystemTime;

use tokio::time::Instant;

use super::context::{Changed, MembersAnswer, Worker};
use crate::api::{self, Advice, FailureKind};
use crate::crash;
use crate::error_chain::chain;
use crate::media::{DirId, MediaId};
use crate::store::{self, MemberCall, PastFailures};
use crate::upload::blocked::BlockedReason;
use crate::upload::evidence::{Symptom, Trial, Verdict};
use crate::upload::planner::{self, Edit};

/// Google answers alike for an item in its bin, for one that it has deleted, and for one of another
/// program (reference §6.5, §11.2b).
const NOT_ADDED: &str = "Google does not put this photo into a further album: another program had uploaded it, or it is gone \
     or in Google's bin. Copy the original in again; if it is in the bin, restore it there, then retry";

impl Worker {
    /// Journals and sends a call that adds items or removes them. Returns whether there was one.
    pub(super) async fn start_members(
        &mut self,
        call: Option<(Edit, MemberCall)>,
    ) -> store::Result<bool> {
        let Some((edit, call)) = call else { return Ok(false) };
        let journalled = call.clone();
        self.shared.store.run(move |store| store.begin_members(&journalled)).await?;
        let client = self.shared.client.clone();
        let gone = self.album_gone(call.dir, call.album.clone());
        self.change_since = Instant::now();
        self.change.spawn(async move {
            crash::point(crash::MEMBERS_BEFORE_CALL);
            let items: Vec<MediaId> =
                call.members.iter().map(|member| member.media.clone()).collect();
            let outcome = match edit {
                Edit::Add => client.add_to_album(&call.album, &items).await,
                Edit::Remove => client.remove_from_album(&call.album, &items).await,
            };
            crash::point(crash::MEMBERS_AFTER_CALL);
            let album_gone = gone.judge(&outcome).await;
            Changed::Members(MembersAnswer { edit, call, album_gone, outcome })
        });
        Ok(true)
    }

    pub(super) async fn members_ended(&mut self, answer: MembersAnswer) {
        let MembersAnswer { edit, call, album_gone, outcome } = answer;
        let error = match outcome {
            Ok(()) => {
                for member in &call.members {
                    self.members_evidence.succeeded(member.file);
                }
                self.changed();
                self.may_edit();
                self.album_waits.ended(call.dir);
                self.shared.count_operations(call.members.len());
                return self.members_changed(edit, call).await;
            }
            Err(error) => error,
        };
        if !matches!(error.advice(), Advice::GiveUp) {
            let forbidden = error.kind() == FailureKind::ScopeMissing;
            if forbidden {
                // Google has answered, so any other outage is over.
                self.changed();
            }
            let before =
                if forbidden { &self.blockers.memberships } else { &self.blockers.changes };
            let Some(blocked) = self.read_blocked(&error, before.as_ref()) else { return };
            if forbidden {
                // Google has changed nothing, so nothing has to be undone later.
                self.store(move |store| match edit {
                    Edit::Add => store.removed(&call),
                    Edit::Remove => store.not_removed(&call),
                })
                .await;
                self.block_changes(blocked.of_permission());
            } else {
                // The rows say that the outcome is unknown: after the outage the worker asks again.
                self.block_changes(blocked);
            }
            return;
        }
        if edit == Edit::Add && error.kind() == FailureKind::AlbumMissing && !album_gone {
            // The row says that the outcome is unknown: the worker asks again.
            self.in_doubt(call.dir);
            return;
        }
        self.album_waits.ended(call.dir);
        if !self.members_refused(&call, &error) {
            // The row says that the outcome is unknown: the worker asks again.
            return;
        }
        self.changed();
        if call.members.len() > 1 && error.kind() != FailureKind::AlbumMissing {
            let MemberCall { dir, album, members } = call;
            let (first, second) = planner::halves(members);
            for members in [second, first] {
                let part = MemberCall { dir, album: album.clone(), members };
                self.member_parts.push_front((edit, part));
            }
            return;
        }
        match edit {
            // The row says that the outcome is unknown: the worker asks again after the removals.
            Edit::Add
                if error.kind() == FailureKind::AlbumFull
                    && self.has_pending_removals(call.dir).await =>
            {
                self.full = Some(call.dir);
            }
            Edit::Add => self.additions_refused(call, &error).await,
            Edit::Remove => {
                self.warn_of_withheld(&call).await;
                // The item is out of the album already, or the album is gone, or another client has
                // added the item.
                tracing::info!("nothing to remove from an album: {}", chain(&error));
                self.members_changed(edit, call).await;
            }
        }
    }

    /// Whether a refusal is believed. If it does not say what is wrong, the reason may lie in the
    /// service: then additions and removals wait, until others succeed.
    fn members_refused(&mut self, call: &MemberCall, error: &api::Error) -> bool {
        let is_clear = matches!(
            error.kind(),
            FailureKind::AlbumMissing
                | FailureKind::AlbumReadOnly
                | FailureKind::AlbumFull
                | FailureKind::InvalidItem
                | FailureKind::NotFound
        );
        let is_believed = match &call.members[..] {
            _ if is_clear => true,
            [member] => {
                let compared = self.members_evidence.failed(member.file, Symptom::Unclear, false);
                let (past, now) = (PastFailures::default(), SystemTime::now());
                let trial = Trial { alone: true, only: false, broken: false, past, now };
                compared.verdict(&trial) == Verdict::Refused
            }
            // It is split, to find the item at fault.
            _ => true,
        };
        if is_believed {
            return true;
        }
        self.members_fail_alike(error);
        false
    }

    /// The reason lies in the service: additions and removals wait.
    fn members_fail_alike(&mut self, error: &api::Error) {
        let before = self.blockers.memberships.as_ref();
        let blocked = self.outage(BlockedReason::ServerError, chain(error), before);
        self.blockers.block_memberships(blocked);
        self.publish_blockers();
    }

    /// Whether removals from an album are pending.
    async fn has_pending_removals(&mut self, dir: DirId) -> bool {
        self.store(move |store| store.has_pending_removals(dir)).await.unwrap_or(false)
    }

    async fn members_changed(&mut self, edit: Edit, call: MemberCall) {
        tracing::debug!(?edit, items = call.members.len(), "changed an album");
        self.store(move |store| match edit {
            Edit::Add => store.added(&call),
            Edit::Remove => store.removed(&call),
        })
        .await;
    }

    async fn additions_refused(&mut self, call: MemberCall, error: &api::Error) {
        let is_invalid = error.kind() == FailureKind::InvalidItem;
        let reason = if is_invalid { NOT_ADDED.to_owned() } else { chain(error) };
        let shared = self.shared.clone();
        self.store(move |store| {
            for member in &call.members {
                if is_invalid && store.is_withheld(member.file)? {
                    store.upload_into(call.dir, member.file)?;
                    shared.mark_dirty();
                    continue;
                }
                let path = shared.named_path(member.file);
                store.addition_refused(call.dir, member, &reason)?;
                if let Some(path) = path.filter(|_| member.file == member.item_of) {
                    tracing::warn!(
                        %path,
                        reason,
                        "an album refused an item; it is under .gphotos/failed"
                    );
                    shared.remember(path, reason.clone());
                }
            }
            Ok(())
        })
        .await;
    }
}
