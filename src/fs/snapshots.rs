//! The texts of the control files `/.gphotos/status.json` and `/.gphotos/metrics`, which are
//! generated on request.
//!
//! Programs ask for a file's length, open it, ask again, and read so many bytes. All of these steps
//! must find the same text. But a program that reads the file twice must find the present one. So a
//! snapshot is current until it has been opened, and again while a descriptor of it is not closed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;

/// The longest time from a program's first look to its last read. A program that keeps a file open
/// does not keep the others from the present text for longer.
const AGE_MAX: Duration = Duration::from_secs(2);

/// The text of a control file at one time.
pub struct Snapshot {
    text: Vec<u8>,
    made: Instant,
    time: SystemTime,
    was_opened: AtomicBool,
    /// How many descriptors have not been closed.
    open: AtomicUsize,
}

/// One descriptor of a snapshot.
pub struct SnapshotReader {
    snapshot: Arc<Snapshot>,
    closed: AtomicBool,
}

/// The last snapshot of each control file.
#[derive(Default)]
pub(super) struct Snapshots {
    // Both are locked for a look only.
    pub(super) status: Mutex<Option<Arc<Snapshot>>>,
    pub(super) metrics: Mutex<Option<Arc<Snapshot>>>,
}

impl Snapshot {
    pub(super) fn new(text: Vec<u8>) -> Self {
        Self {
            text,
            made: Instant::now(),
            time: SystemTime::now(),
            was_opened: AtomicBool::new(false),
            open: AtomicUsize::new(0),
        }
    }

    /// Whether a program that looks or opens now gets it.
    pub(super) fn is_current(&self) -> bool {
        let is_spent =
            self.was_opened.load(Ordering::Relaxed) && self.open.load(Ordering::Relaxed) == 0;
        !is_spent && self.made.elapsed() < AGE_MAX
    }

    /// Its length in bytes.
    pub(super) fn len(&self) -> u64 {
        self.text.len() as u64
    }

    /// When it was made.
    pub(super) fn time(&self) -> SystemTime {
        self.time
    }
}

impl SnapshotReader {
    /// Another descriptor.
    pub(super) fn new(snapshot: Arc<Snapshot>) -> Self {
        snapshot.open.fetch_add(1, Ordering::Relaxed);
        snapshot.was_opened.store(true, Ordering::Relaxed);
        Self { snapshot, closed: AtomicBool::new(false) }
    }

    /// Up to `len` bytes from an offset.
    pub(super) fn read(&self, offset: u64, len: usize) -> Vec<u8> {
        let text = &self.snapshot.text;
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(text.len());
        text[start..start.saturating_add(len).min(text.len())].to_vec()
    }

    /// The program has closed it. The kernel reports that before close(2) returns.
    pub(super) fn closed(&self) {
        if !self.closed.swap(true, Ordering::Relaxed) {
            self.snapshot.open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for SnapshotReader {
    fn drop(&mut self) {
        self.closed();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_current_until_its_reader_has_closed_it() {
        let snapshot = Arc::new(Snapshot::new(b"text".to_vec()));
        assert!(snapshot.is_current());
        let [one, other] = [snapshot.clone(), snapshot.clone()].map(SnapshotReader::new);
        one.closed();
        one.closed();
        assert!(snapshot.is_current());
        assert_eq!(one.read(1, 2), b"ex");
        assert_eq!(one.read(3, 9), b"t");
        assert_eq!(one.read(u64::MAX, 9), b"");
        drop(one);
        assert!(snapshot.is_current());
        drop(other);
        assert!(!snapshot.is_current());
    }
}
