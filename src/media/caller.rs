//! The user on whose behalf an operation runs.
//!
//! With `--allow-other`, other users may read. What they do must not stop the owner's work, nor use
//! up the day's requests. So the dispatcher says for whom an operation runs, and the layers below
//! ask here. A task that an operation starts runs for the owner, unless it is told otherwise.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

tokio::task_local! {
    static CALLER: Running;
}

/// For whom the running task works.
enum Running {
    Of(Caller),
    Joint(JointCaller),
}

/// The user on whose behalf an operation runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The owner of the mount, root, or this program itself.
    Owner,
    /// Another user, with the number of the user.
    Other(u32),
}

impl Caller {
    /// The caller of the running operation.
    pub fn current() -> Self {
        let running = |running: &Running| match running {
            Running::Of(caller) => *caller,
            Running::Joint(joint) => joint.caller(),
        };
        CALLER.try_with(running).unwrap_or(Self::Owner)
    }

    /// Whether it is the owner of the mount, root, or this program itself.
    pub fn is_owner(self) -> bool {
        self == Self::Owner
    }

    /// Runs `work` for this caller.
    pub fn run<T>(self, work: impl FnOnce() -> T) -> T {
        CALLER.sync_scope(Running::Of(self), work)
    }

    /// Runs `work` for this caller.
    pub async fn run_async<F: Future>(self, work: F) -> F::Output {
        CALLER.scope(Running::Of(self), work).await
    }
}

/// The caller of a task that others may join. It is the owner's as soon as the owner has joined.
#[derive(Clone, Debug)]
pub struct JointCaller {
    first: Caller,
    has_owner: Arc<AtomicBool>,
}

impl JointCaller {
    /// The caller of a task that the running operation starts.
    pub fn current() -> Self {
        Self { first: Caller::current(), has_owner: Arc::default() }
    }

    /// Records that the running operation wants the task's result, too.
    pub fn join(&self) {
        if Caller::current().is_owner() {
            self.has_owner.store(true, Ordering::Relaxed);
        }
    }

    /// Runs `work` for those who have joined.
    pub async fn run_async<F: Future>(self, work: F) -> F::Output {
        CALLER.scope(Running::Joint(self), work).await
    }

    fn caller(&self) -> Caller {
        if self.has_owner.load(Ordering::Relaxed) { Caller::Owner } else { self.first }
    }
}

/// A close that comes from the end of the program that wrote, not from the program itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// A signal has killed the program.
    Certain,
    /// The program has gone, and how it has ended is not known.
    Possible,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_operation_knows_its_caller_and_a_task_of_its_own_is_the_owners() {
        assert!(Caller::current().is_owner());
        let other = Caller::Other(1001);
        other.run(|| assert_eq!(Caller::current(), other));
        let seen = other.run_async(async {
            tokio::task::yield_now().await;
            let task = tokio::spawn(async { Caller::current() });
            (Caller::current(), task.await.unwrap())
        });
        assert_eq!(seen.await, (other, Caller::Owner));
    }

    #[tokio::test]
    async fn a_joint_task_is_the_owners_from_the_moment_the_owner_joins() {
        let [other, another] = [1001, 1002].map(Caller::Other);
        let joint = other.run(JointCaller::current);
        let joins = joint.clone();
        let task = tokio::spawn(joint.run_async(async move {
            let before = Caller::current();
            another.run(|| joins.join());
            let between = Caller::current();
            Caller::Owner.run(|| joins.join());
            (before, between, Caller::current())
        }));
        assert_eq!(task.await.unwrap(), (other, other, Caller::Owner));
    }
}
