//! How the kernel accesses the bytes of an open file. There are three modes: through its page cache
//! (cached), by a request for each read and write (direct), or from a local file without a request
//! (passthrough).
//!
//! The first descriptor of an inode determines the mode. While it is open, further descriptors use
//! the same mode:
//! * Passthrough excludes the others: the kernel fails an open that would mix them with `EIO`. We
//!   use it only for inodes that nobody can open for writing: all inodes of a read-only mount, and
//!   those of the views. Elsewhere a writer would share the mode as soon as somebody reads, and its
//!   writes would bypass us. Writes through a mapping can come after the last close, and any write
//!   can fail; we would upload the file without knowing.
//! * Direct is for write-only descriptors: for them the page cache is one more copy. Pages that
//!   another descriptor reads meanwhile could miss the writes, so readers do not use it.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::sync::Arc;

use fuser::{
    BackingId, FileHandle, FopenFlags, INodeNo, InitFlags, KernelConfig, OpenAccMode, OpenFlags,
};
use parking_lot::Mutex;

use crate::fs::Opened;

/// The backing file's filesystem must not be stacked, so that another filesystem may be stacked on
/// ours.
const STACK_DEPTH: u32 = 1;

/// The modes of all open inodes. Bounded by the number of files that the kernel has open.
pub(super) struct Modes {
    /// Whether the kernel can map direct descriptors. Only then can readers share a writer's mode.
    direct: bool,
    // Held for a table access, or while the kernel registers a backing file.
    table: Mutex<Table>,
}

struct Table {
    /// Whether passthrough is wanted and has not been refused.
    passthrough: bool,
    inodes: HashMap<INodeNo, Inode>,
    descriptors: HashMap<FileHandle, INodeNo>,
}

struct Inode {
    mode: Mode,
    descriptors: usize,
}

#[derive(Clone)]
enum Mode {
    Cached,
    Direct,
    Passthrough(Arc<BackingId>),
}

/// How to answer an open.
pub(super) struct OpenMode {
    pub(super) flags: FopenFlags,
    /// The local file that the kernel reads instead.
    pub(super) backing: Option<Arc<BackingId>>,
}

impl Modes {
    /// `passthrough` says whether it is wanted.
    pub(super) fn new(passthrough: bool) -> Self {
        let table =
            Table { passthrough, inodes: HashMap::default(), descriptors: HashMap::default() };
        Self { direct: false, table: Mutex::new(table) }
    }

    /// Negotiates the modes that the kernel supports.
    pub(super) fn negotiate(&mut self, config: &mut KernelConfig) {
        self.direct = config.add_capabilities(InitFlags::FUSE_DIRECT_IO_ALLOW_MMAP).is_ok();
        let table = self.table.get_mut();
        table.passthrough = table.passthrough
            && config.add_capabilities(InitFlags::FUSE_PASSTHROUGH).is_ok()
            && config.set_max_stack_depth(STACK_DEPTH).is_ok();
    }

    /// Chooses the mode of a descriptor, and keeps it until [`Modes::release`]. `register`
    /// registers a backing file with the kernel, for which this process may lack the privilege.
    pub(super) fn open(
        &self,
        node: INodeNo,
        opened: &Opened,
        flags: OpenFlags,
        register: impl FnOnce(&File) -> io::Result<BackingId>,
    ) -> OpenMode {
        let fh = FileHandle(opened.fh.0);
        let mut table = self.table.lock();
        let mode = if let Some(inode) = table.inodes.get_mut(&node) {
            inode.descriptors += 1;
            let mode = inode.mode.clone();
            table.descriptors.insert(fh, node);
            mode
        } else if opened.direct {
            // Such a file is generated for each open: its mode does not bind others.
            Mode::Direct
        } else {
            let mode = if flags.acc_mode() == OpenAccMode::O_WRONLY && self.direct {
                Mode::Direct
            } else {
                let local = opened.local.as_deref();
                local.and_then(|file| table.back(file, register)).unwrap_or(Mode::Cached)
            };
            table.inodes.insert(node, Inode { mode: mode.clone(), descriptors: 1 });
            table.descriptors.insert(fh, node);
            mode
        };
        // The local filesystem requires aligned reads for O_DIRECT; we do not.
        let unaligned = opened.direct || flags.0 & libc::O_DIRECT != 0;
        let direct = FopenFlags::FOPEN_DIRECT_IO;
        match mode {
            Mode::Passthrough(id) if unaligned => OpenMode { flags: direct, backing: Some(id) },
            Mode::Passthrough(id) => OpenMode { flags: FopenFlags::empty(), backing: Some(id) },
            Mode::Cached if !opened.direct => {
                OpenMode { flags: FopenFlags::empty(), backing: None }
            }
            Mode::Cached | Mode::Direct => OpenMode { flags: direct, backing: None },
        }
    }

    /// Forgets a descriptor after its last close.
    pub(super) fn release(&self, fh: FileHandle) {
        let mut table = self.table.lock();
        let Some(node) = table.descriptors.remove(&fh) else { return };
        if let Some(inode) = table.inodes.get_mut(&node) {
            inode.descriptors -= 1;
            if inode.descriptors == 0 {
                table.inodes.remove(&node);
            }
        }
    }
}

impl Table {
    /// Registers a backing file, if the kernel permits that.
    fn back(
        &mut self,
        file: &File,
        register: impl FnOnce(&File) -> io::Result<BackingId>,
    ) -> Option<Mode> {
        if !self.passthrough {
            return None;
        }
        match register(file) {
            Ok(id) => {
                tracing::debug!("passthrough: the kernel reads a file by itself");
                Some(Mode::Passthrough(Arc::new(id)))
            }
            Err(error) => {
                // It takes CAP_SYS_ADMIN, and a filesystem that is not stacked. Neither changes.
                tracing::info!(%error, "no passthrough: reads go through this program");
                self.passthrough = false;
                None
            }
        }
    }
}
