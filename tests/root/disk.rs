//! Disks that are made for a test.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use gphotosfs_emulator::Faults;

/// Shortens the waits that are made for Google's sake.
pub const PACE: (&str, &str) = ("GPHOTOSFS_UNSTABLE_PACE", "20");

/// A filesystem that is mounted for a test.
pub struct Disk {
    pub dir: PathBuf,
}

impl Disk {
    /// Mounts a disk with these arguments of mount(8).
    pub fn mount(dir: PathBuf, how: &[&str]) -> Self {
        assert!(rustix::process::geteuid().is_root(), "only root can mount a disk");
        fs::create_dir_all(&dir).unwrap();
        run(Command::new("mount").args(how).arg(&dir));
        Self { dir }
    }

    /// Mounts a disk in memory.
    pub fn tmpfs(dir: PathBuf, options: &str) -> Self {
        Self::mount(dir, &["-t", "tmpfs", "-o", options, "tmpfs"])
    }

    /// Takes all space but so many bytes.
    pub fn fill(&self, leave: u64) {
        let stat = rustix::fs::statvfs(&self.dir).unwrap();
        let take = (stat.f_bavail * stat.f_frsize).saturating_sub(leave);
        let ballast = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.dir.join("ballast"))
            .unwrap();
        let from = ballast.metadata().unwrap().len();
        // Somebody else may have been faster.
        let none = rustix::fs::FallocateFlags::empty();
        let _ = rustix::fs::fallocate(&ballast, none, from, take.max(1));
    }

    /// Gives back the space that [`Disk::fill`] took.
    pub fn free(&self) {
        fs::remove_file(self.dir.join("ballast")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.dir).status();
    }
}

/// Runs a command that must succeed.
pub fn run(command: &mut Command) {
    let outcome = command.output().unwrap();
    assert!(outcome.status.success(), "{command:?}: {}", String::from_utf8_lossy(&outcome.stderr));
}

/// A service that takes its time.
pub fn slow(faults: &mut Faults) {
    faults.every_call.latency_ms = 20;
}
