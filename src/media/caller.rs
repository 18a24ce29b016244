//! The user on whose behalf an operation runs.
//!
//! With `--allow-other`, other users may read. What they do must not stop the owner's work, nor use
//! up the day's requests. So the dispatcher says for whom an operation runs, and the layers below
//! ask here. A task that an operation starts runs for the owner, unless it is told otherwise.

use std::future::Future;

tokio::task_local! {
    static CALLER: Caller;
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
        CALLER.try_with(|caller| *caller).unwrap_or(Self::Owner)
    }

    /// Whether it is the owner of the mount, root, or this program itself.
    pub fn is_owner(self) -> bool {
        self == Self::Owner
    }

    /// Runs `work` for this caller.
    pub fn run<T>(self, work: impl FnOnce() -> T) -> T {
        CALLER.sync_scope(self, work)
    }

    /// Runs `work` for this caller.
    pub async fn run_async<F: Future>(self, work: F) -> F::Output {
        CALLER.scope(self, work).await
    }
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
}
