//! Which program has last written through a descriptor, and whether a signal has killed it.
//!
//! The kernel closes the files of a program that ends. Before Linux 6.2 that close has the number of
//! the program's thread; since then a thread of the kernel sends it, when the program may have gone.
//! So this module keeps the number of the program that wrote, and looks how it has ended.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::interrupt;
use crate::fs::Fh;
use crate::media::Death;

/// The line of `status` that marks a thread of the kernel.
const KTHREAD: &str = "Kthread:\t1";

/// The programs behind the descriptors that may write. Bounded by the number of files that the
/// kernel has open.
#[derive(Default)]
pub(super) struct Authors(Mutex<HashMap<Fh, Author>>);

/// The thread that wrote last, and its process.
#[derive(Clone, Copy)]
struct Author {
    thread: u32,
    process: u32,
}

impl Authors {
    /// The thread `thread` opens the descriptor to write, or writes through it.
    pub(super) fn writes(&self, fh: Fh, thread: u32) {
        let mut authors = self.0.lock();
        if authors.get(&fh).is_some_and(|it| it.thread == thread) {
            return;
        }
        match process_of(thread) {
            Some(process) => drop(authors.insert(fh, Author { thread, process })),
            // A program outside our pid namespace.
            None => drop(authors.remove(&fh)),
        }
    }

    /// Forgets a descriptor after its last close.
    pub(super) fn released(&self, fh: Fh) {
        self.0.lock().remove(&fh);
    }

    /// Whether a close that the thread `closer` sends comes from the death of the program that wrote
    /// through the descriptor. Reads only `status` of proc(5): its `stat` waits for the end of an
    /// execve(2), which may wait for this close.
    pub(super) fn death(&self, fh: Fh, closer: u32) -> Option<Death> {
        let author = *self.0.lock().get(&fh)?;
        match interrupt::status(author.process) {
            Some(status) => interrupt::is_dying(&status).then_some(Death::Certain),
            None => is_of_kernel(closer).then_some(Death::Possible),
        }
    }
}

/// Whether a thread of the kernel closes the file, in the place of a program that has ended.
fn is_of_kernel(thread: u32) -> bool {
    // It has no number in another pid namespace.
    thread == 0 || interrupt::status(thread).is_none_or(|it| it.lines().any(|it| it == KTHREAD))
}

/// The process that a thread belongs to.
fn process_of(thread: u32) -> Option<u32> {
    let status = interrupt::status(thread)?;
    interrupt::field(&status, "Tgid")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_living_program_closes_its_files_itself() {
        let authors = Authors::default();
        let (fh, own) = (Fh(1), std::process::id());
        assert_eq!(authors.death(fh, own), None);
        authors.writes(fh, own);
        assert_eq!(authors.death(fh, own), None);
        assert_eq!(authors.death(fh, 0), None, "its writer is alive");
        authors.released(fh);
        authors.writes(fh, 0);
        assert_eq!(authors.death(fh, 0), None, "its writer is not known");
    }

    #[test]
    fn the_end_of_a_program_that_has_gone_is_not_known() {
        let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let authors = Authors::default();
        authors.writes(Fh(1), child.id());
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(authors.death(Fh(1), 0), Some(Death::Possible));
        assert_eq!(authors.death(Fh(1), std::process::id()), None, "another program closes it");
    }
}
