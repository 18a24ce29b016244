//! Waiting with a deadline, also for a change that no event announces.

use std::time::{Duration, Instant};

use gphotosfs_emulator::Barrier;

/// Nothing takes longer, or it hangs.
pub const DEADLINE: Duration = Duration::from_secs(60);
const PERIOD: Duration = Duration::from_millis(10);

/// Waits until a change has come about; panics if it does not.
pub fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    wait_within(DEADLINE, || if done() { Ok(()) } else { Err(format!("waiting for {what}")) });
}

/// Looks again and again until there is a result; panics with the last reason after `time`.
pub fn wait_within<T>(time: Duration, mut look: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + time;
    loop {
        match look() {
            Ok(found) => return found,
            Err(why) => assert!(Instant::now() < deadline, "{why}"),
        }
        #[expect(clippy::disallowed_methods, reason = "there is no event to wait for")]
        std::thread::sleep(PERIOD);
    }
}

/// As [`wait_for`], in a task.
pub async fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    eventually_asking(what, async || done()).await;
}

/// As [`eventually`], if asking takes a call.
pub async fn eventually_asking(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !done().await {
        assert!(Instant::now() < deadline, "waiting for {what}");
        tokio::time::sleep(PERIOD).await;
    }
}

/// Waits until a call has come to a barrier of the emulator.
pub async fn arrived(barrier: &Barrier) {
    tokio::time::timeout(DEADLINE, barrier.arrived()).await.expect("the call comes in time");
}

/// Lets a condition last for some time: only for tests of the absence of an event, and of
/// conditions that last.
pub fn let_pass(time: Duration) {
    #[expect(clippy::disallowed_methods, reason = "an absence has no event to wait for")]
    std::thread::sleep(time);
}
