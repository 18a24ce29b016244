//! Makes smaller copies on threads of low priority, with bounded memory.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::formats::jpeg;
use crate::formats::source::Source;
use crate::media::Saver;
use crate::shrink::{self, Plan, Whole};

/// The memory for all copies that are being made at a time, in MiB. A machine with less than twice
/// as much spends half of its own.
const MEMORY_MAX_MIB: u32 = 1536;
/// On each machine, a photo of a telephone can be made smaller.
const MEMORY_MIN_MIB: u32 = 192;
/// Longer files are left whole: no camera writes such a JPEG.
const BYTES_MAX: u64 = 200_000_000;
/// How far the threads give way to others, as nice(1).
const NICENESS: i32 = 10;
/// How many bytes say of which format a file is.
const HEAD: usize = 2;

/// The memory that the makers of smaller copies share.
pub(super) struct Shrinkers {
    memory: Arc<Semaphore>,
    /// In MiB.
    memory_max: u32,
}

impl Default for Shrinkers {
    fn default() -> Self {
        let facts = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let memory_max = share(&facts);
        Self { memory: Arc::new(Semaphore::new(memory_max as usize)), memory_max }
    }
}

/// The MiB to spend on a machine that describes its memory so.
fn share(facts: &str) -> u32 {
    let total = facts.lines().find_map(|it| it.strip_prefix("MemTotal:"));
    let kib = total.and_then(|it| it.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    let half = kib.and_then(|it| u32::try_from(it / 2 / 1024).ok()).unwrap_or(MEMORY_MAX_MIB);
    half.clamp(MEMORY_MIN_MIB, MEMORY_MAX_MIB)
}

impl Shrinkers {
    /// Makes a smaller copy of a file. The inner error says why it is left whole.
    ///
    /// # Errors
    /// If the file cannot be read, or no thread be started.
    pub(super) async fn shrink(
        &self,
        file: Arc<File>,
        saver: Saver,
    ) -> io::Result<Result<Vec<u8>, Whole>> {
        let (of_head, memory_max) = (file.clone(), self.memory_max);
        let need = tokio::task::spawn_blocking(move || need(&of_head, saver, memory_max)).await;
        let need = match need.map_err(io::Error::other)?? {
            Ok(need) => need,
            Err(whole) => return Ok(Err(whole)),
        };
        let memory = self.memory.clone().acquire_many_owned(need).await;
        let memory = memory.map_err(io::Error::other)?;
        let (done, outcome) = oneshot::channel();
        // A thread of its own, because a thread cannot take its low priority back.
        std::thread::Builder::new().name("shrink".to_owned()).spawn(move || {
            // Without it, copies are made all the same.
            let _ = rustix::process::setpriority_process(None, NICENESS);
            // If nobody waits any more, a writer has opened the file.
            let _ = done.send(shrink(&file, saver, memory));
        })?;
        outcome.await.map_err(io::Error::other)?
    }
}

/// The MiB that a file takes.
fn need(file: &File, saver: Saver, memory_max: u32) -> io::Result<Result<u32, Whole>> {
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
    let need = (shrink::memory(width, height, saver) + bytes * 2).div_ceil(1 << 20);
    match u32::try_from(need) {
        Ok(need) if need <= memory_max => Ok(Ok(need)),
        _ => Ok(Err(Whole::Huge)),
    }
}

fn shrink(
    mut file: &File,
    saver: Saver,
    _memory: OwnedSemaphorePermit,
) -> io::Result<Result<Vec<u8>, Whole>> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(Plan::new(&bytes, saver).and_then(|plan| plan.run()))
}

#[cfg(test)]
mod tests {
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
}
