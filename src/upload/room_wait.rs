//! Waiting for room in the spool.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::draft::Draft;
use super::drafts::Writer;
use super::pipeline::Pipeline;
use super::room::Need;
use super::shared::{Shared, Waiter};
use crate::store::{self, PendingChanges, SyncScope};

/// A writer gives up when nothing has moved for this long.
const ROOM_TIMEOUT: Duration = Duration::from_secs(600);
/// A waiting writer looks this often: nothing notifies it of space that other programs free.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Why there is no room in the spool, and why waiting would not help.
#[derive(Debug, thiserror::Error)]
pub enum NoRoom {
    /// The file alone is too large.
    #[error("the file is larger than the spool may be ({max} bytes); see --spool-size")]
    TooLarge {
        /// In bytes.
        max: u64,
    },
    /// Nothing in the spool would make room by arriving at Google.
    #[error(
        "the spool is full, and nothing on its way to Google would make room; see --spool-size, \
         'gphotosfs failed' and the free space on its disk"
    )]
    Stuck,
    /// Refused files use up their share of the spool.
    #[error(
        "the refused files use up their share of the spool; 'gphotosfs failed' lists them, and rm \
         below .gphotos/failed makes room"
    )]
    RefusedFull,
    /// The whole queue is blocked.
    #[error("the spool is full, and uploads are waiting: {0}")]
    Blocked(String),
    /// Nothing has moved for a long time.
    #[error("the spool is full, and nothing has moved for ten minutes")]
    Still,
    /// The program ends.
    #[error("the spool is full, and the program is shutting down")]
    ShuttingDown,
    /// The spool's disk failed.
    #[error("the spool failed")]
    Io(#[from] io::Error),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// The bytes of the spool.
#[derive(Clone, Copy, Debug)]
pub struct Space {
    /// Those that it uses on the disk.
    pub used: u64,
    /// Those that fit before writers of photos wait.
    pub left: u64,
    /// Those of refused files.
    pub refused: u64,
    /// Those of files that stay here for good.
    pub kept: u64,
}

impl Pipeline {
    /// Reserves `bytes` for a write. Returns whether there was room.
    ///
    /// # Errors
    /// If spool or database fail.
    pub fn take_room(&self, bytes: u64) -> Result<bool, NoRoom> {
        let spool = &self.shared.spool;
        if bytes == 0 || spool.room().take(spool.dir(), bytes)? {
            return Ok(true);
        }
        // Files may have been refused since the last count.
        self.shared.count_set_aside()?;
        Ok(spool.room().take(spool.dir(), bytes)?)
    }

    /// The bytes of the spool.
    ///
    /// # Errors
    /// If spool or database fail.
    pub fn space(&self) -> Result<Space, NoRoom> {
        let spool = &self.shared.spool;
        self.shared.count_set_aside()?;
        let (refused, kept) = spool.room().set_aside_bytes();
        let (used, left) = (spool.room().used(), spool.room().left(spool.dir())?);
        Ok(Space { used, left, refused, kept })
    }

    /// Waits until there is room for what a file needs. May be dropped at any time.
    ///
    /// # Errors
    /// If waiting cannot help.
    pub async fn wait_for_room(&self, writer: &Writer, need: Need) -> Result<(), NoRoom> {
        let Need { more, total } = need;
        let shared = &self.shared;
        let spool = &shared.spool;
        if more == 0 || spool.room().left(spool.dir())? >= more {
            return Ok(());
        }
        if total > spool.room().max {
            return Err(NoRoom::TooLarge { max: spool.room().max });
        }
        let _blocked = BlockedWrite::new(shared, writer);
        let _waiter = Waiter::new(shared);
        let mut progress = shared.progress.subscribe();
        let state = || (spool.room().used(), shared.drafts.sent().under_way);
        let mut moved = (Instant::now(), state());
        loop {
            progress.borrow_and_update();
            if shared.has_room(more).await? {
                return Ok(());
            }
            let blocked = shared.blocked();
            if let Some(blocked) =
                blocked.filter(|it| it.stops_until_a_person_acts(PendingChanges::Files))
            {
                return Err(NoRoom::Blocked(blocked.text));
            }
            if more > spool.room().most(spool.dir())? {
                return Err(NoRoom::Stuck);
            }
            let may_move = shared.drafts.any_may_be_closed()
                || shared.store.run(|store| store.pending_changes(SyncScope::All)).await?
                    == PendingChanges::Files
                || shared.store.run(|store| store.has_untried_claims()).await?;
            let now = state();
            let still = moved.0.elapsed();
            if now != moved.1 {
                moved = (Instant::now(), now);
            } else if !may_move && still >= LOOK_EVERY {
                // A single look may fall between two writers.
                return Err(NoRoom::Stuck);
            } else if still > ROOM_TIMEOUT {
                return Err(NoRoom::Still);
            }
            tokio::select! {
                _ = progress.changed() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = shared.stop.cancelled() => return Err(NoRoom::ShuttingDown),
            }
        }
    }
}

impl Shared {
    async fn has_room(self: &Arc<Self>, bytes: u64) -> Result<bool, NoRoom> {
        let shared = self.clone();
        // Files may have been refused since the last count.
        self.store.run(move |_| shared.count_set_aside()).await?;
        Ok(bytes == 0 || self.spool.room().left(self.spool.dir())? >= bytes)
    }
}

/// Counts a write that waits for room, for as long as it waits.
struct BlockedWrite<'a> {
    shared: &'a Shared,
    draft: Option<Arc<Draft>>,
}

impl<'a> BlockedWrite<'a> {
    fn new(shared: &'a Shared, writer: &Writer) -> Self {
        shared.blocked_writes.fetch_add(1, Ordering::Relaxed);
        let draft = writer.draft();
        if let Some(draft) = &draft {
            draft.write_blocked();
        }
        Self { shared, draft }
    }
}

impl Drop for BlockedWrite<'_> {
    fn drop(&mut self) {
        self.shared.blocked_writes.fetch_sub(1, Ordering::Relaxed);
        if let Some(draft) = &self.draft {
            draft.write_unblocked();
        }
    }
}
