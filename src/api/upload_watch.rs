//! Whether an upload still lives. Pure.
//!
//! It does while its bytes move. The kernel takes bytes long before the peer has them, so the bytes
//! that peers acknowledge count as well: a slow line that drains a buffer is alive, and the time for
//! the answer begins only when it has.

use std::time::{Duration, Instant};

/// While the line moves, an upload that does not may be waiting for its turn. It gets at least the
/// time that its bytes take at this rate, a second.
const SLOWEST: u64 = 2 << 10;
/// An upload that does not move is looked at so often.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// An upload of a part of a file.
pub(super) struct UploadWatch {
    begun: Instant,
    /// How long it may wait for its turn.
    in_turn: Duration,
    /// The last time when something moved.
    moved: Instant,
    /// Bytes of this upload that the kernel has.
    handed: u64,
    /// The most bytes of all uploads that peers were known to have.
    acknowledged: u64,
    answer: Duration,
    stall: Duration,
    len: u64,
}

impl UploadWatch {
    /// Of `len` bytes, of which the next may take `stall`, and the answer after the last `answer`.
    pub(super) fn new(len: u64, stall: Duration, answer: Duration, now: Instant) -> Self {
        Self {
            begun: now,
            in_turn: answer + Duration::from_secs(len / SLOWEST),
            moved: now,
            handed: 0,
            acknowledged: 0,
            answer,
            stall,
            len,
        }
    }

    /// The kernel has so many bytes of this upload.
    pub(super) fn handed(&mut self, bytes: u64, now: Instant) {
        if bytes > self.handed {
            (self.handed, self.moved) = (bytes, now);
        }
    }

    /// The peers have so many bytes of all uploads.
    pub(super) fn acknowledged(&mut self, bytes: u64, now: Instant) {
        if bytes > self.acknowledged {
            self.acknowledged = bytes;
            if now.duration_since(self.begun) < self.in_turn {
                self.moved = now;
            }
        }
    }

    /// How long to wait for the next move before another look. `None` if it has been too long.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        let timeout = if self.handed >= self.len { self.answer } else { self.stall };
        let left =
            timeout.checked_sub(now.duration_since(self.moved)).filter(|it| !it.is_zero())?;
        Some(left.min(timeout / 4).min(LOOK_EVERY))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STALL: Duration = Duration::from_secs(60);
    const ANSWER: Duration = Duration::from_secs(300);

    /// Runs an upload of `len` bytes by a clock of its own. After so many seconds, `at` says how
    /// many bytes were handed over, and how many all peers have. Returns when it was given up.
    fn run(len: u64, at: impl Fn(u64) -> (u64, u64)) -> Option<u64> {
        let start = Instant::now();
        let mut watch = UploadWatch::new(len, STALL, ANSWER, start);
        let mut elapsed = Duration::ZERO;
        while elapsed < Duration::from_secs(7200) {
            let (handed, acknowledged) = at(elapsed.as_secs());
            let now = start + elapsed;
            watch.handed(handed, now);
            watch.acknowledged(acknowledged, now);
            match watch.wait(now) {
                Some(wait) => elapsed += wait,
                None => return Some(elapsed.as_secs()),
            }
        }
        None
    }

    #[test]
    fn the_time_for_the_answer_begins_when_the_peer_has_the_last_byte() {
        // The kernel takes 4 MB at once, and 0.3 Mbit/s, shared by eight, drain them in 850 s.
        let len = 4_000_000;
        let given_up = run(len, |second| (len, (second * 37_500).min(8 * len)));
        let drained = 8 * len / 37_500;
        let after = given_up.unwrap() - drained;
        assert!((ANSWER.as_secs()..=ANSWER.as_secs() + 10).contains(&after), "{after}");
    }

    #[test]
    fn a_line_that_takes_nothing_is_given_up() {
        assert_eq!(run(4_000_000, |_| (1_000_000, 900_000)), Some(60));
        assert_eq!(run(4_000_000, |_| (4_000_000, 900_000)), Some(300));
        // Others may go on for ever, and this one has had its turn.
        let at_most = 300 + 4_000_000 / SLOWEST + 60 + 10;
        assert!(run(4_000_000, |second| (1_000_000, second * 1000)).unwrap() <= at_most);
    }

    #[test]
    fn bytes_that_move_slowly_keep_it_alive() {
        assert_eq!(run(u64::MAX, |second| (second / 50 * 1000, 0)), None);
    }
}
