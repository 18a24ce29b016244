//! Waiting for a change that no event announces.

use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);
const PERIOD: Duration = Duration::from_millis(10);

/// Waits until a change has come about; panics if it does not.
pub fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "waiting for {what}");
        #[expect(clippy::disallowed_methods, reason = "there is no event to wait for")]
        std::thread::sleep(PERIOD);
    }
}

/// As [`wait_for`], in a task.
pub async fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "waiting for {what}");
        tokio::time::sleep(PERIOD).await;
    }
}
