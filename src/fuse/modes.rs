//! How the kernel gets at the bytes of an open file: through its page cache; by asking us for each read and write
//! (direct); or from a file on this disk, without asking us (passthrough).
//!
//! The first descriptor of an inode decides, and as long as one is open the others conform:
//! * Passthrough excludes the others: the kernel answers an open that would mix them with `EIO`. It is for inodes that
//!   nobody can open for writing: all of a mount that is read-only, and those of the views. Of others a descriptor opened
//!   for writing would have part in it as soon as somebody reads, and what it writes would not pass through us: through
//!   a mapping it may come after the last close, any write may fail, and we would upload what there is.
//! * Direct is for descriptors that can do nothing but write, to which the page cache is only one more copy. Pages
//!   that somebody reads meanwhile might miss what is written.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::sync::Arc;

use fuser::{
    BackingId, FileHandle, FopenFlags, INodeNo, InitFlags, KernelConfig, OpenAccMode, OpenFlags,
};
use parking_lot::Mutex;

use crate::fs::Opened;

/// Filesystems that may lie below us: none that is stacked itself, so that one may be stacked upon us.
const STACK_DEPTH: u32 = 1;

/// The modes of what is open. Bounded by what the kernel has open.
pub(super) struct Modes {
    /// Whether direct descriptors can be mapped, so that it does not matter to those that conform.
    direct: bool,
    // Held for a look-up, or while the kernel takes note of a file.
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
    /// Of the file that the kernel is to read instead.
    pub(super) backing: Option<Arc<BackingId>>,
}

impl Modes {
    /// `passthrough` says whether it is wanted.
    pub(super) fn new(passthrough: bool) -> Self {
        let table =
            Table { passthrough, inodes: HashMap::default(), descriptors: HashMap::default() };
        Self { direct: false, table: Mutex::new(table) }
    }

    /// Agrees with the kernel on what it can do.
    pub(super) fn negotiate(&mut self, config: &mut KernelConfig) {
        self.direct = config.add_capabilities(InitFlags::FUSE_DIRECT_IO_ALLOW_MMAP).is_ok();
        let table = self.table.get_mut();
        table.passthrough = table.passthrough
            && config.add_capabilities(InitFlags::FUSE_PASSTHROUGH).is_ok()
            && config.set_max_stack_depth(STACK_DEPTH).is_ok();
    }

    /// Chooses for a descriptor, and remembers it until [`Modes::release`]. `register` makes a file known to the
    /// kernel, which takes rights that we may lack.
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
            // It sets no example.
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
        // The disk below demands that such reads are aligned; we do not.
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

    /// The descriptor is closed for good.
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
    /// Has the kernel read from a file, if that can be.
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
                // It takes CAP_SYS_ADMIN, and a disk that is not stacked on others. Neither changes.
                tracing::info!(%error, "no passthrough: reads go through this program");
                self.passthrough = false;
                None
            }
        }
    }
}
