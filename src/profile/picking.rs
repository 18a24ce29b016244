//! The lock of the commands that wait for a pick, beside each other and beside a mount.
//!
//! Each of them shares it. A command that has it alone knows that nobody waits for the sessions that
//! earlier commands have begun: they were killed.

use std::fs::File;
use std::io;
use std::path::Path;

use nix::fcntl::{FcntlArg, fcntl};

use super::lock::{open, take_alone, whole_file};

/// See the module. The kernel gives it back even if the process is killed.
#[derive(Debug)]
pub struct Picking {
    file: File,
    is_alone: bool,
}

impl Picking {
    pub(super) fn begin(path: &Path) -> io::Result<Self> {
        let file = open(path)?;
        let is_alone = take_alone(&file)?;
        let mut picking = Self { file, is_alone };
        if !is_alone {
            picking.share()?;
        }
        Ok(picking)
    }

    /// Whether no other command waits for a pick.
    pub fn is_alone(&self) -> bool {
        self.is_alone
    }

    /// Lets others wait beside this one. A command is alone for one transaction only, so this waits
    /// no longer than that.
    ///
    /// # Errors
    /// If the file system has no locks.
    pub fn share(&mut self) -> io::Result<()> {
        fcntl(&self.file, FcntlArg::F_OFD_SETLKW(&whole_file(libc::F_RDLCK)))?;
        self.is_alone = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_wait_beside_each_other_and_the_first_one_is_alone() {
        let dir = tempfile::tempdir().unwrap();
        let begin = || Picking::begin(&dir.path().join("picking")).unwrap();
        let mut first = begin();
        assert!(first.is_alone());
        first.share().unwrap();
        let second = begin();
        assert!(!first.is_alone() && !second.is_alone());
        drop(first);
        assert!(!begin().is_alone());
        drop(second);
        assert!(begin().is_alone());
    }
}
