//! Notices that the machine's clock was set back. Pure.
//!
//! The journal and the outages keep times of that clock, because they are shown to people and
//! outlive the process. After a step back, such a time may lie hours ahead.

use std::time::{Duration, Instant, SystemTime};

/// Smaller steps delay nothing for long.
const STEP_MIN: Duration = Duration::from_secs(5);

/// The machine's clock and one that nobody sets, at one moment.
pub(super) struct ClockSteps {
    clock: SystemTime,
    steady: Instant,
}

impl ClockSteps {
    pub(super) fn new(clock: SystemTime, steady: Instant) -> Self {
        Self { clock, steady }
    }

    /// Whether the machine's clock was set back since the last call.
    pub(super) fn was_set_back(&mut self, clock: SystemTime, steady: Instant) -> bool {
        let expected = self.clock + steady.saturating_duration_since(self.steady);
        *self = Self { clock, steady };
        expected.duration_since(clock).is_ok_and(|step| step >= STEP_MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_steps_back_are_noticed_and_each_once() {
        let (wall, start) =
            (SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000), Instant::now());
        let mut steps = ClockSteps::new(wall, start);
        // Seconds since the start by both clocks. A sleeping machine stops the steady one.
        for (clock, steady, is_back) in [
            (10_i64, 10, false),
            (9, 12, false),
            (-3590, 20, true),
            (-3580, 30, false),
            (9000, 31, false),
            (9060, 91, false),
            (9000, 92, true),
        ] {
            let clock = if clock < 0 {
                wall - Duration::from_secs(clock.unsigned_abs())
            } else {
                wall + Duration::from_secs(clock.unsigned_abs())
            };
            let steady = start + Duration::from_secs(steady);
            assert_eq!(steps.was_set_back(clock, steady), is_back, "{clock:?}");
        }
    }
}
