//! Makes copies of files in bounded memory.

use std::fs::File;
use std::io::{self, Read, Seek};

use parking_lot::{Condvar, Mutex};

use super::{Plan, Whole, memory};
use crate::formats::jpeg;
use crate::formats::source::Source;
use crate::media::Saver;

/// The memory for all copies that are being made at a time, in MiB. A machine with less than twice
/// as much spends half of its own.
const MEMORY_MAX_MIB: u32 = 1536;
/// On each machine, a photo of a telephone can be made smaller.
const MEMORY_MIN_MIB: u32 = 192;
/// Longer files are left whole: no camera writes such a JPEG.
const BYTES_MAX: u64 = 200_000_000;
/// How many bytes say of which format a file is.
const HEAD: usize = 2;

/// The MiB that this machine spends on copies.
pub fn memory_of_machine() -> u32 {
    share(&std::fs::read_to_string("/proc/meminfo").unwrap_or_default())
}

/// The MiB to spend on a machine that describes its memory so.
fn share(facts: &str) -> u32 {
    let total = facts.lines().find_map(|it| it.strip_prefix("MemTotal:"));
    let kib = total.and_then(|it| it.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    let half = kib.and_then(|it| u32::try_from(it / 2 / 1024).ok()).unwrap_or(MEMORY_MAX_MIB);
    half.clamp(MEMORY_MIN_MIB, MEMORY_MAX_MIB)
}

/// The MiB that a file takes. The inner error says why it is left whole.
///
/// # Errors
/// If the file cannot be read.
pub fn need(file: &File, saver: Saver, memory_max: u32) -> io::Result<Result<u32, Whole>> {
    let bytes = file.metadata()?.len();
    let mut head = [0; HEAD];
    let mut from = file;
    from.rewind()?;
    if from.read_exact(&mut head).is_err() || head != [0xff, jpeg::SOI] {
        return Ok(Err(Whole::Format));
    }
    if bytes > BYTES_MAX {
        return Ok(Err(Whole::Huge));
    }
    let Some((width, height)) = jpeg::dimensions(&mut Source::new(file)) else {
        return Ok(Err(Whole::Damaged));
    };
    // The bytes of the file are in memory twice: as they are, and for the decoder.
    let need = (memory(width, height, saver) + bytes * 2).div_ceil(1 << 20);
    match u32::try_from(need) {
        Ok(need) if need <= memory_max => Ok(Ok(need)),
        _ => Ok(Err(Whole::Huge)),
    }
}

/// A smaller copy, or why a file is left whole.
pub type Made = Result<Vec<u8>, Whole>;

/// Reads a file, and makes a copy of it. Returns the file's bytes, too.
///
/// # Errors
/// If the file cannot be read.
pub fn make(mut file: &File, saver: Saver) -> io::Result<(Vec<u8>, Made)> {
    let mut bytes = Vec::new();
    file.rewind()?;
    // A file that grows meanwhile must not take more memory than was reserved for it.
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    let copy = Plan::new(&bytes, saver).and_then(|plan| plan.run());
    Ok((bytes, copy))
}

/// Makes copies on the threads of its callers, which share a bounded memory.
pub struct Maker {
    /// One caller after the other waits for memory, so that none is overtaken for ever.
    turn: Mutex<()>,
    /// The MiB that are free.
    free: Mutex<u32>,
    released: Condvar,
    memory_max: u32,
}

impl Default for Maker {
    fn default() -> Self {
        Self::with_memory(memory_of_machine())
    }
}

impl Maker {
    fn with_memory(memory_max: u32) -> Self {
        let (turn, free, released) = (Mutex::new(()), Mutex::new(memory_max), Condvar::new());
        Self { turn, free, released, memory_max }
    }

    /// Makes a copy of a file, and passes it to `then` with the bytes of the file. The copy is an
    /// error if the file is left whole. Both count as memory in use until `then` returns.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn make<T>(
        &self,
        file: &File,
        saver: Saver,
        then: impl FnOnce(&[u8], Made) -> T,
    ) -> io::Result<T> {
        let need = match need(file, saver, self.memory_max)? {
            Ok(need) => need,
            Err(whole) => return Ok(then(&[], Err(whole))),
        };
        let _memory = self.reserve(need);
        let (bytes, copy) = make(file, saver)?;
        Ok(then(&bytes, copy))
    }

    fn reserve(&self, need: u32) -> Reserved<'_> {
        let _turn = self.turn.lock();
        let mut free = self.free.lock();
        self.released.wait_while(&mut free, |free| *free < need);
        *free -= need;
        Reserved { of: self, need }
    }
}

/// Memory that a caller uses.
struct Reserved<'a> {
    of: &'a Maker,
    need: u32,
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        *self.of.free.lock() += self.need;
        self.of.released.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn a_small_machine_spends_half_of_its_memory() {
        for (facts, expected) in [
            ("MemTotal:        1000000 kB\nMemFree: 1 kB\n", 488),
            ("MemTotal: 100000 kB\n", MEMORY_MIN_MIB),
            ("MemTotal:       65000000 kB\n", MEMORY_MAX_MIB),
            ("MemTotal: much", MEMORY_MAX_MIB),
            ("", MEMORY_MAX_MIB),
        ] {
            assert_eq!(share(facts), expected, "{facts}");
        }
    }

    #[test]
    fn callers_never_use_more_than_the_memory_for_all() {
        let maker = Maker::with_memory(10);
        let used = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for at in 0..8 {
                let (maker, used) = (&maker, &used);
                scope.spawn(move || {
                    for round in 0..50 {
                        // Also those that need it all come to their turn.
                        let need = if (at + round) % 5 == 0 { 10 } else { 3 };
                        let reserved = maker.reserve(need);
                        assert!(used.fetch_add(need, Ordering::SeqCst) + need <= 10);
                        std::thread::yield_now();
                        used.fetch_sub(need, Ordering::SeqCst);
                        drop(reserved);
                    }
                });
            }
        });
        assert_eq!(*maker.free.lock(), 10);
    }

    #[test]
    fn files_that_are_left_whole_are_not_read() {
        let maker = Maker::with_memory(1);
        let mut file = tempfile::tempfile().unwrap();
        let mut reason = |bytes: &[u8]| {
            io::Write::write_all(&mut file, bytes).unwrap();
            let whole = maker.make(&file, Saver::default(), |bytes, copy| {
                assert_eq!(bytes, b"");
                copy.err()
            });
            whole.unwrap()
        };
        assert_eq!(reason(b""), Some(Whole::Format));
        assert_eq!(reason(b"\xff\xd8\xff"), Some(Whole::Damaged));
        // 65,535 pixels in both directions.
        let frame =
            b"\xff\xd8\xff\xc0\0\x11\x08\xff\xff\xff\xff\x03\x01\x22\0\x02\x11\x01\x03\x11\x01";
        assert_eq!(reason(&frame[3..]), Some(Whole::Huge));
    }
}
