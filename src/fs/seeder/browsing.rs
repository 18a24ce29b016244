//! Tells a person who looks at a directory from a file manager that counts its entries. Pure.

use std::time::{Duration, Instant};

use crate::media::DirId;

/// A file manager that counts the entries of many directories opens one after the other. A person
/// does not look at two of them within this time.
const COUNTING: Duration = Duration::from_secs(1);

/// The directory that file managers opened last.
#[derive(Debug, Default)]
pub(super) struct Browsing(Option<(DirId, Instant)>);

impl Browsing {
    /// A file manager opens a directory. Returns whether a person may look at it.
    pub(super) fn opens(&mut self, dir: DirId, now: Instant) -> bool {
        let before = self.0.replace((dir, now));
        before.is_none_or(|(last, at)| last == dir || now.duration_since(at) >= COUNTING)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_opens_one_directory_after_the_other_counts_them() {
        let mut browsing = Browsing::default();
        let begun = Instant::now();
        let mut opens = |dir, seconds: f64| {
            browsing.opens(DirId(dir), begun + Duration::from_secs_f64(seconds))
        };
        assert!(opens(1, 0.0) && opens(1, 0.1), "the same one again");
        assert!(!opens(2, 0.2) && !opens(3, 0.3) && !opens(4, 1.2));
        assert!(opens(2, 2.2));
    }
}
