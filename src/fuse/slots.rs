//! Slots for operations that wait. Further operations queue without a thread.
//!
//! Operations of one class share a limit. The owner of the mount and other users have slots of
//! their own, so that no reader stops the owner's work. Each other user has a part of theirs.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::fs::Operation;
use crate::media::Caller;

/// Other users are told apart by so many groups of numbers, which bounds the memory for them.
const GROUPS: usize = 16;

/// What an operation may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WaitClass {
    /// Everything else. Such an operation ends in bounded time.
    General,
    /// Writes may wait until the spool has room. They must not keep the general operations from
    /// running: closing and deleting files is what makes room.
    Write,
    /// With `--commit close`, a close waits for Google.
    Close,
    /// These wait for all uploads below a path, or for what `gphotosfs` commands ask for. That may
    /// take as long as an outage.
    Unbounded,
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
    const ALL: [Self; 4] = [Self::General, Self::Write, Self::Close, Self::Unbounded];

    /// All limits together must stay well below the number of blocking threads, because the work
    /// that the operations wait for needs such threads too.
    fn limits(self) -> Limits {
        match self {
            Self::General => Limits { owner: 256, others: 64, other: 16 },
            Self::Write => Limits { owner: 128, others: 32, other: 8 },
            Self::Close => Limits { owner: 128, others: 16, other: 4 },
            Self::Unbounded => Limits { owner: 64, others: 16, other: 4 },
        }
    }

    pub(super) fn of(operation: Operation) -> Self {
        match operation {
            Operation::Write | Operation::Fallocate => Self::Write,
            Operation::Flush => Self::Close,
            Operation::Fsync | Operation::Fsyncdir | Operation::Getxattr => Self::Unbounded,
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

/// The right to queue for a slot. All of the semaphores must have a permit.
pub(super) struct Turn(Vec<Arc<Semaphore>>);

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
        Turn(match caller {
            Caller::Owner => vec![slots.owner.clone()],
            // In this order: a user whose own slots are taken takes none of the others'.
            Caller::Other(uid) => {
                vec![slots.groups[uid as usize % GROUPS].clone(), slots.others.clone()]
            }
        })
    }
}

impl Turn {
    /// Waits for the slot. `None` if the mount ends.
    pub(super) async fn slot(self) -> Option<Slot> {
        let mut permits = Vec::with_capacity(self.0.len());
        for semaphore in self.0 {
            permits.push(semaphore.acquire_owned().await.ok()?);
        }
        Some(Slot(permits))
    }

    /// One whose slot never comes.
    #[cfg(test)]
    pub(super) fn never() -> Self {
        Self(vec![Arc::new(Semaphore::new(0))])
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
        let take = |caller| slots.turn(WaitClass::General, caller).slot().now_or_never().flatten();
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
}
