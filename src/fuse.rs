//! The FUSE adapter: kernel request → call of the same name in `fs` → reply. Nothing else names
//! fuser.
//!
//! `adapter` has a method for each request. `dispatch` counts it and runs it. `reply` sends the
//! answer, and `trace` logs it. `modes` chooses how the kernel accesses an open file's bytes.
//! `authors` knows which program writes through a descriptor, and how it has ended.
//! `notify` invalidates the kernel's caches.

mod adapter;
mod authors;
mod dispatch;
mod interrupt;
mod mappings;
mod modes;
mod notify;
mod programs;
mod reply;
mod slots;
mod trace;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fuser::{Config, MountOption, SessionACL};
use tokio::runtime::Handle;

use crate::fs::Fs;
use crate::store;
use adapter::Adapter;
pub use dispatch::BLOCKING_THREADS;
use reply::Owner;

/// Threads that take requests from the kernel. They never wait for the network.
const THREADS: usize = 4;

/// A mounted filesystem.
pub struct Mount {
    session: fuser::BackgroundSession,
    mountpoint: PathBuf,
}

/// How a mount has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionEnd {
    /// Somebody has unmounted it.
    Unmounted,
    /// Somebody has aborted its connection to the kernel.
    Aborted,
}

impl Mount {
    /// Mounts; returns when the kernel has accepted the mount.
    ///
    /// # Errors
    /// If there is no `/dev/fuse`, no `fusermount3`, or the user does not own the mountpoint.
    pub fn new(
        fs: Arc<Fs>,
        mountpoint: &Path,
        options: &Options,
        runtime: Handle,
    ) -> std::io::Result<Self> {
        let owner = Owner::shown(options.uid, options.gid);
        let adapter = Adapter::new(fs, runtime, owner, options.passthrough);
        let session = fuser::spawn_mount(adapter, mountpoint, &config(options))?;
        Ok(Self { session, mountpoint: mountpoint.to_owned() })
    }

    /// Invalidates the kernel's caches as `changes` demand, from threads of its own.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub fn notify(&self, changes: Vec<store::InvalidationShard>) -> std::io::Result<()> {
        changes.into_iter().try_for_each(|shard| notify::start(self.session.notifier(), shard))
    }

    /// Blocks until the mount is unmounted, or its connection is aborted. Then it unmounts what is left.
    ///
    /// # Errors
    /// If the connection to the kernel broke.
    pub fn join(self) -> std::io::Result<SessionEnd> {
        let Self { session, mountpoint } = self;
        session.guard.join().map_err(|_| std::io::Error::other("a thread has panicked"))??;
        // The kernel tells both ends alike. But an aborted mount is still there, and answers nothing,
        // until fuser's object is dropped with the session.
        let answer = rustix::fs::statvfs(&mountpoint);
        Ok(match answer {
            Err(rustix::io::Errno::NOTCONN) => SessionEnd::Aborted,
            _ => SessionEnd::Unmounted,
        })
    }
}

/// The options of the mount itself.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The kernel refuses all changes.
    pub read_only: bool,
    /// Other users of this machine may use the mount.
    pub allow_other: bool,
    /// The kernel reads files on this disk by itself if it can.
    pub passthrough: bool,
    /// No file in the mount may be run as a program.
    pub no_exec: bool,
    /// The user to whom everything seems to belong, instead of the one who mounts.
    pub uid: Option<u32>,
    /// Likewise the group.
    pub gid: Option<u32>,
}

fn config(options: &Options) -> Config {
    let mut config = Config::default();
    config.mount_options = vec![
        MountOption::FSName("gphotosfs".into()),
        MountOption::Subtype("gphotosfs".into()),
        MountOption::DefaultPermissions,
        MountOption::NoDev,
        MountOption::NoSuid,
        if options.read_only { MountOption::RO } else { MountOption::RW },
    ];
    if options.no_exec {
        config.mount_options.push(MountOption::NoExec);
    }
    config.acl = if options.allow_other { SessionACL::All } else { SessionACL::Owner };
    config.n_threads = Some(THREADS);
    config.clone_fd = true;
    config
}
