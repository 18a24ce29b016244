//! Waiting for room in the spool.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::draft::Draft;
use super::drafts::Writer;
use super::pipeline::Pipeline;
use super::room::Need;
use super::shared::Waiter;
use crate::store::{self, PendingChanges, SyncScope};

/// A writer gives up when nothing has moved for this long.
const PATIENCE: Duration = Duration::from_secs(600);
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

impl Pipeline {
    /// Reserves `bytes` for a write. Returns whether there was room.
    ///
    /// # Errors
    /// If the spool's disk fails.
    pub fn take_room(&self, bytes: u64) -> io::Result<bool> {
        let spool = &self.shared.spool;
        Ok(bytes == 0 || spool.room().take(spool.dir(), bytes)?)
    }

    /// Bytes that the spool uses, and bytes that it may use in addition.
    ///
    /// # Errors
    /// If the spool's disk fails.
    pub fn space(&self) -> io::Result<(u64, u64)> {
        let spool = &self.shared.spool;
        Ok((spool.room().used(), spool.room().left(spool.dir())?))
    }

    /// Waits until there is room for what a file needs. May be dropped at any time.
    ///
    /// # Errors
    /// If waiting cannot help.
    pub async fn wait_for_room(&self, writer: &Writer, need: Need) -> Result<(), NoRoom> {
        let Need { more, total } = need;
        let shared = &self.shared;
        let spool = &shared.spool;
        let has_room = || Ok::<_, io::Error>(more == 0 || spool.room().left(spool.dir())? >= more);
        if has_room()? {
            return Ok(());
        }
        if total > spool.room().max {
            return Err(NoRoom::TooLarge { max: spool.room().max });
        }
        let _waiter = Waiter::new(shared);
        let _blocked = BlockedWrite::new(writer);
        let mut progress = shared.progress.subscribe();
        let state = || (spool.room().used(), shared.drafts.sent().under_way);
        let mut moved = (Instant::now(), state());
        loop {
            progress.borrow_and_update();
            if has_room()? {
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
                    == PendingChanges::Files;
            let now = state();
            let still = moved.0.elapsed();
            if now != moved.1 {
                moved = (Instant::now(), now);
            } else if !may_move && still >= LOOK_EVERY {
                // A single look may fall between two writers.
                return Err(NoRoom::Stuck);
            } else if still > PATIENCE {
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

/// Counts a write that waits for room, for as long as it waits.
struct BlockedWrite(Option<Arc<Draft>>);

impl BlockedWrite {
    fn new(writer: &Writer) -> Self {
        let draft = writer.draft();
        if let Some(draft) = &draft {
            draft.write_blocked();
        }
        Self(draft)
    }
}

impl Drop for BlockedWrite {
    fn drop(&mut self) {
        if let Some(draft) = &self.0 {
            draft.write_unblocked();
        }
    }
}
