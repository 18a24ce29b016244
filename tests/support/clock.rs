//! The clock of the programs of a world, set by the test (libfaketime).

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use gphotosfs::api::next_reset;

use super::World;

/// See the module.
pub struct Clock {
    file: PathBuf,
}

impl Clock {
    /// Gives the programs that the world starts from now on this clock. It shows the true time.
    pub fn of(world: &mut World) -> Self {
        // The library that puts itself before the clock is where faketime says.
        let preload =
            Command::new("faketime").args(["-f", "+0", "printenv", "LD_PRELOAD"]).output();
        let preload =
            String::from_utf8(preload.expect("scripts/test.sh installs faketime").stdout).unwrap();
        let clock = Self { file: world.dir.path().join("clock") };
        clock.set(0);
        world.env.extend([
            ("LD_PRELOAD", preload.trim().to_owned()),
            ("FAKETIME_TIMESTAMP_FILE", clock.file.to_str().unwrap().to_owned()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            // Deadlines and pauses go by the clock that nobody sets.
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]);
        clock
    }

    /// Steps to this many seconds from the true time.
    pub fn set(&self, seconds: i64) {
        // No program sees a half-written file.
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{seconds:+}")).unwrap();
        fs::rename(new, &self.file).unwrap();
    }
}

/// How far to step first, so that the quarter of an hour behind midnight in California is not now.
pub fn out_of_the_blur() -> Duration {
    let now = jiff::Timestamp::now();
    let is_blur = next_reset(now - jiff::SignedDuration::from_mins(20)) != next_reset(now);
    if is_blur { Duration::from_secs(3600) } else { Duration::ZERO }
}
