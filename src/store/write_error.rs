//! Bytes that a file lacks because a write failed. Pure.

use std::fmt;
use std::io;
use std::ops::Range;

/// A write failed, so a range of the file does not hold its writer's bytes.
///
/// One range stands for all writes that failed: it reaches from the first missing byte to the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteError {
    /// The error number of the last write that failed.
    pub errno: i32,
    /// The range. It is not empty.
    pub missing: Range<u64>,
}

impl WriteError {
    /// `None` if no byte is missing.
    pub fn new(errno: i32, missing: Range<u64>) -> Option<Self> {
        Some(Self { errno, missing }).filter(|it| !it.missing.is_empty())
    }

    /// Another write failed after `earlier` ones.
    #[must_use]
    pub fn after(self, earlier: Option<Self>) -> Self {
        let Some(earlier) = earlier else { return self };
        let start = self.missing.start.min(earlier.missing.start);
        let end = self.missing.end.max(earlier.missing.end);
        Self { missing: start..end, ..self }
    }

    /// The range `written` holds its writer's bytes now. A write in the middle of the missing range
    /// changes nothing, because there is only one range.
    #[must_use]
    pub fn filled(self, written: &Range<u64>) -> Option<Self> {
        let Range { mut start, mut end } = self.missing;
        if written.start <= start && written.end > start {
            start = written.end;
        }
        if written.end >= end && written.start < end {
            end = written.start;
        }
        Self::new(self.errno, start..end)
    }

    /// The file was cut off at `len`: bytes behind it are not missing any more.
    #[must_use]
    pub fn cut(self, len: u64) -> Option<Self> {
        Self::new(self.errno, self.missing.start..self.missing.end.min(len))
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = (self.missing.start, self.missing.end.saturating_sub(1));
        write!(f, "bytes {first} to {last} are missing: {}", io::Error::from(self))
    }
}

impl From<&WriteError> for io::Error {
    fn from(error: &WriteError) -> Self {
        Self::from_raw_os_error(error.errno)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ENOSPC: i32 = 28;

    fn missing(range: Range<u64>) -> Option<WriteError> {
        WriteError::new(ENOSPC, range)
    }

    #[test]
    fn a_write_shrinks_the_missing_range_only_from_an_edge() {
        let filled = |written: Range<u64>| missing(10..20).unwrap().filled(&written);
        assert_eq!(filled(0..10), missing(10..20));
        assert_eq!(filled(5..12), missing(12..20));
        assert_eq!(filled(12..15), missing(10..20));
        assert_eq!(filled(15..30), missing(10..15));
        assert_eq!(filled(20..30), missing(10..20));
        assert_eq!(filled(10..20), None);
        assert_eq!(filled(12..12), missing(10..20));
    }

    #[test]
    fn it_names_the_first_and_the_last_missing_byte() {
        let text = missing(10..20).unwrap().to_string();
        assert!(text.starts_with("bytes 10 to 19 are missing: No space left on device"), "{text}");
    }

    #[derive(Clone, Debug)]
    enum Step {
        Fail(Range<u64>),
        Write(Range<u64>),
        Cut(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let range = || (0..12u64, 0..12u64).prop_map(|(start, len)| start..start + len);
        prop_oneof![
            range().prop_map(Step::Fail),
            range().prop_map(Step::Write),
            (0..24u64).prop_map(Step::Cut),
        ]
    }

    proptest! {
        /// Each byte is missing from the write that failed until it is written or cut off.
        #[test]
        fn no_missing_byte_is_forgotten(steps in prop::collection::vec(step(), 1..20)) {
            let (mut bytes, mut error) = ([false; 32], None);
            for step in steps {
                match step {
                    Step::Fail(range) => {
                        range.clone().for_each(|at| bytes[at as usize] = true);
                        error = match WriteError::new(ENOSPC, range) {
                            Some(later) => Some(later.after(error)),
                            None => error,
                        };
                    }
                    Step::Write(range) => {
                        range.clone().for_each(|at| bytes[at as usize] = false);
                        error = error.and_then(|it| it.filled(&range));
                    }
                    Step::Cut(len) => {
                        bytes[len as usize..].fill(false);
                        error = error.and_then(|it| it.cut(len));
                    }
                }
                let covered = |at: usize| {
                    error.as_ref().is_some_and(|it| it.missing.contains(&(at as u64)))
                };
                prop_assert!((0..32).all(|at| !bytes[at] || covered(at)));
            }
        }
    }
}
