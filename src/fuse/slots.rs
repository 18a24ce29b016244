//! Slots for operations that wait. Further operations queue without a thread.
//!
//! Operations of one class share a limit. The owner of the mount and other users have slots of
//! their own, so that no reader stops the owner's work. Each other user has a part of theirs. The
//! kernel locks a directory while another user looks a name up or lists: those do not queue at all.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::fs::Operation;
use crate::fs::error::{Error, Result};
use crate::media::Caller;

/// Other users are told apart by so many groups of numbers, which bounds the memory for them.
const GROUPS: usize = 16;

/// What an operation may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WaitClass {
    /// Everything else. Such an operation ends in bounded time.
    General,
    /// Reads and opens of files wait for downloads before they take a slot. Their bytes are in memory
    /// while they have one.
    Read,
    /// Listings, look-ups and sizes of files wait for pages of albums and for hosts of bytes.
    Look,
    /// Writes may wait until the spool has room. They must not keep the general operations from
    /// running: closing and deleting files is what makes room.
    Write,
    /// With `--commit close`, a close waits for Google.
    Close,
    /// These wait for all uploads below a path.
    Sync,
    /// Attributes wait for what `gphotosfs` commands ask for. That may take as long as an outage.
    Control,
    /// Look-ups and listings of other users, for which the kernel locks the directory. If they
    /// queued behind other work of these users, the owner could not use the directory meanwhile.
    OthersDirectory,
}

/// How many operations of a class wait at the same time.
struct Limits {
    owner: usize,
    /// All other users.
    others: usize,
    /// Each of them.
    other: usize,
}

impl WaitClass {
    const ALL: [Self; 8] = [
        Self::General,
        Self::Read,
        Self::Look,
        Self::Write,
        Self::Close,
        Self::Sync,
        Self::Control,
        Self::OthersDirectory,
    ];

    /// All limits together must stay well below the number of blocking threads, because the work
    /// that the operations wait for needs such threads too.
    fn limits(self) -> Limits {
        match self {
            Self::General => Limits { owner: 64, others: 16, other: 4 },
            Self::Read => Limits { owner: 32, others: 16, other: 4 },
            Self::Look => Limits { owner: 96, others: 24, other: 6 },
            Self::Write => Limits { owner: 96, others: 24, other: 6 },
            Self::Close => Limits { owner: 96, others: 16, other: 4 },
            Self::Sync => Limits { owner: 32, others: 8, other: 4 },
            Self::Control => Limits { owner: 32, others: 8, other: 4 },
            Self::OthersDirectory => Limits { owner: 0, others: 32, other: 8 },
        }
    }

    pub(super) fn of(operation: Operation, caller: Caller) -> Self {
        match operation {
            Operation::Lookup | Operation::Readdir | Operation::Readdirplus
                if !caller.is_owner() =>
            {
                Self::OthersDirectory
            }
            Operation::Write | Operation::Fallocate => Self::Write,
            Operation::Read => Self::Read,
            Operation::Lookup
            | Operation::Getattr
            | Operation::Readdir
            | Operation::Readdirplus => Self::Look,
            Operation::Flush => Self::Close,
            Operation::Fsync | Operation::Fsyncdir => Self::Sync,
            Operation::Getxattr | Operation::Setxattr => Self::Control,
            _ => Self::General,
        }
    }
}

/// The free slots of all classes.
pub(super) struct Slots([ClassSlots; WaitClass::ALL.len()]);

struct ClassSlots {
    owner: Arc<Semaphore>,
    others: Arc<Semaphore>,
    groups: [Arc<Semaphore>; GROUPS],
}

/// An occupied slot. It is free again when this is dropped.
pub(super) struct Slot(#[expect(dead_code, reason = "held")] Vec<OwnedSemaphorePermit>);

/// The right to a slot. All of the semaphores must have a permit.
pub(super) struct Turn {
    semaphores: Vec<Arc<Semaphore>>,
    queues: bool,
}

impl Slots {
    pub(super) fn new() -> Self {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Self(WaitClass::ALL.map(|class| {
            let Limits { owner, others, other } = class.limits();
            ClassSlots {
                owner: semaphore(owner),
                others: semaphore(others),
                groups: std::array::from_fn(|_| semaphore(other)),
            }
        }))
    }

    /// A turn for a slot of this class.
    pub(super) fn turn(&self, class: WaitClass, caller: Caller) -> Turn {
        let slots = &self.0[class as usize];
        let queues = class != WaitClass::OthersDirectory;
        let semaphores = match caller {
            Caller::Owner => vec![slots.owner.clone()],
            // In this order: a user whose own slots are taken takes none of the others'.
            Caller::Other(uid) => {
                vec![slots.groups[uid as usize % GROUPS].clone(), slots.others.clone()]
            }
        };
        Turn { semaphores, queues }
    }
}

impl Turn {
    /// Waits for the slot. `None` if the mount ends.
    ///
    /// # Errors
    /// `EBUSY` if there is no free slot, and the operation must not queue.
    pub(super) async fn slot(self) -> Result<Option<Slot>> {
        let mut permits = Vec::with_capacity(self.semaphores.len());
        for semaphore in self.semaphores {
            permits.push(if self.queues {
                let Ok(permit) = semaphore.acquire_owned().await else { return Ok(None) };
                permit
            } else {
                semaphore.try_acquire_owned().map_err(|_| Error::plain(libc::EBUSY))?
            });
        }
        Ok(Some(Slot(permits)))
    }

    /// One whose slot never comes.
    #[cfg(test)]
    pub(super) fn never() -> Self {
        Self { semaphores: vec![Arc::new(Semaphore::new(0))], queues: true }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn waiting_operations_leave_blocking_threads_for_what_they_wait_for() {
        let limits = WaitClass::ALL.map(WaitClass::limits);
        let all: usize = limits.iter().map(|it| it.owner + it.others).sum();
        assert!(all <= super::super::BLOCKING_THREADS * 3 / 4, "{all}");
        for (at, class) in WaitClass::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, at);
        }
    }

    #[test]
    fn neither_another_user_nor_all_of_them_take_the_slots_of_the_rest() {
        let slots = Slots::new();
        let take = |caller| {
            let slot = slots.turn(WaitClass::General, caller).slot().now_or_never();
            slot.and_then(Result::ok).flatten()
        };
        let limits = WaitClass::General.limits();
        let mut taken: Vec<_> = std::iter::from_fn(|| take(Caller::Other(1001))).collect();
        assert_eq!(taken.len(), limits.other);
        assert!(take(Caller::Other(1002)).is_some() && take(Caller::Owner).is_some());
        for uid in 2000..3000 {
            taken.extend(std::iter::from_fn(|| take(Caller::Other(uid))));
        }
        assert_eq!(taken.len(), limits.others);
        let owners: Vec<_> = std::iter::from_fn(|| take(Caller::Owner)).collect();
        assert_eq!(owners.len(), limits.owner);
        drop(taken);
        assert!(take(Caller::Other(1002)).is_some());
    }

    #[tokio::test]
    async fn a_directory_is_not_locked_while_another_user_has_no_free_slot() {
        let (slots, other) = (Slots::new(), Caller::Other(1001));
        let take = |operation| slots.turn(WaitClass::of(operation, other), other).slot();
        let reading: Vec<_> =
            std::iter::from_fn(|| take(Operation::Read).now_or_never()?.ok()).collect();
        let mut listing = Vec::new();
        for operation in [Operation::Lookup, Operation::Readdir, Operation::Readdirplus] {
            listing.push(take(operation).await.unwrap());
        }
        let refused = loop {
            match take(Operation::Lookup).await {
                Ok(slot) => listing.push(slot),
                Err(error) => break error,
            }
        };
        assert_eq!(refused.errno().0, libc::EBUSY);
        let limits = [WaitClass::Read, WaitClass::OthersDirectory].map(|it| it.limits().other);
        assert_eq!([reading.len(), listing.len()], limits);
        assert_eq!(WaitClass::of(Operation::Lookup, Caller::Owner), WaitClass::Look);
    }
}
