//! Reads the claims, and releases the bytes of those that are proved.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::claims::{Claims, READ_EVERY};
use super::context::Worker;
use crate::api::BATCH_MAX;
use crate::crash;
use crate::media::{FileId, MediaItem};
use crate::store::{self, Proved};
use crate::upload::shared::Shared;
use crate::upload::state::Confirming;

/// So many proved claims are read at a time.
const PROVED_MAX: usize = 2000;

impl Worker {
    /// Releases bytes whose claims are proved, some at a time, and reads the claims. Returns for how
    /// long there will be nothing to do.
    pub(super) async fn read_claims(&mut self, now: SystemTime) -> store::Result<Duration> {
        if !self.claims.proved.is_empty() {
            self.release_proved().await?;
            return Ok(Duration::ZERO);
        }
        if let Some(left) = self.claims.rest(now) {
            return Ok(left);
        }
        let began = Instant::now();
        let shared = self.shared.clone();
        let read = move |store: &store::Store| {
            forget_orphans(&shared)?;
            store.settle_needless_uploads()?;
            let proved = store.proved_claims(PROVED_MAX)?;
            let (albums, loose) = (store.claimed_albums(now)?, store.loose_claims(now, BATCH_MAX)?);
            Ok((albums, loose, proved, store.next_retry(now)?))
        };
        let (albums, loose, proved, retry) = self.shared.store.run(read).await?;
        let rest = if proved.is_empty() { READ_EVERY } else { Duration::ZERO };
        self.claims = Claims::read(albums, loose, proved, began, retry);
        Ok(rest)
    }

    async fn release_proved(&mut self) -> store::Result<()> {
        let some = self.claims.proved.len().min(BATCH_MAX);
        let claims: Vec<_> = self.claims.proved.drain(..some).collect();
        let shared = self.shared.clone();
        let work = move |_: &store::Store| {
            claims.into_iter().try_for_each(|claim| release(&shared, Confirming(claim)))
        };
        self.shared.store.run(work).await?;
        self.members_dirty = true;
        self.shared.moved_on();
        Ok(())
    }
}

/// Removes files that have lost all their names on the way, if Google has not made them.
fn forget_orphans(shared: &Shared) -> store::Result<()> {
    for orphan in shared.store.orphans(BATCH_MAX)? {
        shared.remove_if_orphan(&shared.drafts.lock(orphan))?;
    }
    Ok(())
}

/// Records that a file has arrived whose claim a listing has proved, adds its bytes to the cache and
/// removes them from the spool. If the database fails, they are in the spool still, where a writer
/// looks for them. Does nothing if the claim is void by now. Blocking.
fn release(shared: &Arc<Shared>, confirming: Confirming) -> store::Result<()> {
    let file = confirming.0.file;
    // Without the lock a writer could begin a new version of these bytes meanwhile.
    let draft = shared.drafts.lock(file);
    if !shared.store.is_claim_current(&confirming.0)? {
        return Ok(());
    }
    crash::point(crash::CONFIRM_AFTER_LOOK);
    if confirming.0.item_of == file
        && let Some(item) = shared.store.file(file)?
    {
        shared.add_to_cache(file, &item);
    }
    crash::point(crash::CONFIRM_AFTER_KEEP);
    let Some(proved) = confirming.proved(&shared.store)? else { return Ok(()) };
    crash::point(crash::CONFIRM_AFTER_JOURNAL);
    shared.spool.discard(match proved {
        Proved::Arrived => file,
        Proved::Unchanged(old) => {
            // No listing may have shown the old version: then the file keeps the same bytes here.
            if cache_as(shared, file, file)? { file } else { old }
        }
        Proved::Merged(item_of) => {
            cache_as(shared, file, item_of)?;
            file
        }
    });
    draft.set_committed();
    shared.count_operations(1);
    Ok(())
}

/// Adds the bytes of a spool file to the cache as those of an item, unless that has bytes in the
/// spool itself. Returns whether it has not.
fn cache_as(shared: &Shared, file: FileId, item_of: FileId) -> store::Result<bool> {
    let item = shared.store.file(item_of)?.filter(|item| item.upload.is_none());
    if let Some(item) = &item {
        shared.add_to_cache(file, item);
    }
    Ok(item.is_some())
}

/// As [`release`], for an item that a read by its id has shown, and that no album is wanted to have.
pub(super) fn release_by_id(
    shared: &Arc<Shared>,
    confirming: Confirming,
    item: &MediaItem,
) -> store::Result<()> {
    let file = confirming.0.file;
    let draft = shared.drafts.lock(file);
    if !confirming.shown_by_id(&shared.store, item)? {
        return Ok(());
    }
    if let Some(item) = shared.store.file(file)? {
        shared.add_to_cache(file, &item);
    }
    shared.spool.discard(file);
    draft.set_committed();
    shared.count_operations(1);
    Ok(())
}
