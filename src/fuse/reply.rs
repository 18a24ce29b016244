//! Encodes outcomes as the kernel's replies: attributes, entries, open files, extended attributes
//! and errors.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use fuser::{
    BackingId, Errno, FileAttr, FileHandle, FileType, FopenFlags, Generation, INodeNo, OpenAccMode,
    OpenFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty,
    ReplyEntry, ReplyLseek, ReplyOpen, ReplyStatfs, ReplyWrite, ReplyXattr,
};

use super::authors::Authors;
use super::modes::{Modes, OpenMode};
use super::trace::{Answer, Trace};
use crate::fs::error::{Error, Result};
use crate::fs::{Attr, Ino, Kind, Listed, Opened, Operation, Space};

/// Inode numbers are never reused, so there is only one generation.
const GENERATION: Generation = Generation(0);

/// The longest name in bytes, for statfs(2).
const NAME_BYTES_MAX: u32 = 255;

/// Answers a request with an error. Implemented for each reply of fuser, and for pairs of a reply
/// and the context that its value needs.
pub(super) trait Refuse: Send + 'static {
    /// Answers with an error.
    fn refuse(self, errno: Errno);
}

/// Answers a request with a value of type `T`.
pub(super) trait Reply<T>: Refuse {
    /// Answers with a value.
    fn value(self, value: T) -> Answer;
}

/// Answers a request. An operation's error is logged here and nowhere else, with all of its causes.
pub(super) fn send<T>(
    operation: Operation,
    trace: Trace,
    outcome: Result<T>,
    reply: impl Reply<T>,
) {
    match outcome {
        Ok(value) => trace.answered(reply.value(value)),
        Err(error) => {
            log(operation, &trace, &error);
            let errno = error.errno().0;
            reply.refuse(Errno::from_i32(errno));
            trace.answered(Answer::Refused(errno));
        }
    }
}

/// Plain refusals are everyday answers: the trace's own line says enough about them.
fn log(operation: Operation, trace: &Trace, error: &Error) {
    if !error.is_plain() {
        let op = operation.name();
        trace.span().in_scope(|| tracing::warn!(op, "{error}"));
    }
}

macro_rules! refuse {
    ($($reply:ty),*) => {
        $(impl Refuse for $reply {
            fn refuse(self, errno: Errno) {
                self.error(errno);
            }
        })*
    };
}

refuse!(
    ReplyAttr,
    ReplyCreate,
    ReplyData,
    ReplyDirectory,
    ReplyDirectoryPlus,
    ReplyEmpty,
    ReplyEntry,
    ReplyLseek,
    ReplyOpen,
    ReplyStatfs,
    ReplyWrite,
    ReplyXattr
);

impl<R: Refuse, C: Send + 'static> Refuse for (R, C) {
    fn refuse(self, errno: Errno) {
        self.0.refuse(errno);
    }
}

impl Reply<()> for ReplyEmpty {
    fn value(self, (): ()) -> Answer {
        self.ok();
        Answer::Done
    }
}

impl Reply<Vec<u8>> for ReplyData {
    fn value(self, bytes: Vec<u8>) -> Answer {
        self.data(&bytes);
        Answer::Bytes(bytes.len())
    }
}

impl Reply<u32> for ReplyWrite {
    fn value(self, written: u32) -> Answer {
        self.written(written);
        Answer::Bytes(written as usize)
    }
}

impl Reply<i64> for ReplyLseek {
    fn value(self, offset: i64) -> Answer {
        self.offset(offset);
        Answer::Offset(offset)
    }
}

impl Reply<Space> for ReplyStatfs {
    fn value(self, space: Space) -> Answer {
        let block = space.block_bytes;
        self.statfs(space.blocks, space.free, space.free, 0, 0, block, NAME_BYTES_MAX, block);
        Answer::Free(space.free)
    }
}

/// The owner shown for everything.
#[derive(Clone, Copy)]
pub(super) struct Owner {
    pub(super) uid: u32,
    gid: u32,
}

impl Owner {
    /// The user of this process, unless the options of the mount name another one.
    pub(super) fn shown(uid: Option<u32>, gid: Option<u32>) -> Self {
        Self {
            uid: uid.unwrap_or_else(|| rustix::process::getuid().as_raw()),
            gid: gid.unwrap_or_else(|| rustix::process::getgid().as_raw()),
        }
    }

    fn attr(self, attr: &Attr) -> FileAttr {
        FileAttr {
            ino: inode(attr.ino),
            size: attr.size,
            blocks: attr.size.div_ceil(512),
            atime: attr.atime,
            mtime: attr.mtime,
            ctime: attr.ctime,
            crtime: attr.mtime,
            kind: kind(attr.kind),
            perm: attr.mode,
            nlink: attr.links,
            uid: self.uid,
            gid: self.gid,
            rdev: 0,
            blksize: 1 << 17,
            flags: 0,
        }
    }
}

impl Reply<Attr> for (ReplyEntry, Owner) {
    fn value(self, attr: Attr) -> Answer {
        let (reply, owner) = self;
        reply.entry(&attr.ttl, &owner.attr(&attr), GENERATION);
        Answer::Node(attr.ino.0)
    }
}

impl Reply<Attr> for (ReplyAttr, Owner) {
    fn value(self, attr: Attr) -> Answer {
        let (reply, owner) = self;
        reply.attr(&attr.ttl, &owner.attr(&attr));
        Answer::Size(attr.size)
    }
}

impl Reply<Vec<Listed>> for ReplyDirectory {
    fn value(mut self, listed: Vec<Listed>) -> Answer {
        let mut count = 0;
        for entry in listed {
            let name = OsStr::from_bytes(&entry.name);
            if self.add(inode(entry.ino), entry.next, kind(entry.kind), name) {
                break;
            }
            count += 1;
        }
        self.ok();
        Answer::Entries(count)
    }
}

impl Reply<Vec<(Listed, Attr)>> for (ReplyDirectoryPlus, Owner) {
    fn value(self, listed: Vec<(Listed, Attr)>) -> Answer {
        let (mut reply, owner) = self;
        let mut count = 0;
        for (entry, attr) in listed {
            let (node, name) = (inode(attr.ino), OsStr::from_bytes(&entry.name));
            if reply.add(node, entry.next, name, &attr.ttl, &owner.attr(&attr), GENERATION) {
                break;
            }
            count += 1;
        }
        reply.ok();
        Answer::Entries(count)
    }
}

/// What an open notes about its descriptor.
pub(super) struct Descriptors {
    /// Chooses how the kernel accesses the bytes.
    pub(super) modes: Arc<Modes>,
    pub(super) authors: Arc<Authors>,
    /// The thread that opens.
    pub(super) opener: u32,
}

impl Descriptors {
    fn open(
        &self,
        node: INodeNo,
        opened: &Opened,
        flags: OpenFlags,
        register: impl FnOnce(&File) -> io::Result<BackingId>,
    ) -> OpenMode {
        if flags.acc_mode() != OpenAccMode::O_RDONLY {
            self.authors.writes(opened.fh, self.opener);
        }
        self.modes.open(node, opened, flags, register)
    }
}

/// The context of an open.
pub(super) struct OpenContext {
    pub(super) descriptors: Descriptors,
    pub(super) node: INodeNo,
    pub(super) flags: OpenFlags,
}

impl Reply<Opened> for (ReplyOpen, OpenContext) {
    fn value(self, opened: Opened) -> Answer {
        let (reply, OpenContext { descriptors, node, flags }) = self;
        let fh = FileHandle(opened.fh.0);
        let mode = descriptors.open(node, &opened, flags, |file: &File| reply.open_backing(file));
        match mode.backing {
            Some(id) => reply.opened_passthrough(fh, mode.flags, &id),
            None => reply.opened(fh, mode.flags),
        }
        Answer::Handle(fh.0)
    }
}

/// The context of a create, whose inode number is not known before.
pub(super) struct CreateContext {
    pub(super) descriptors: Descriptors,
    pub(super) flags: OpenFlags,
    pub(super) owner: Owner,
}

impl Reply<(Attr, Opened)> for (ReplyCreate, CreateContext) {
    fn value(self, (attr, opened): (Attr, Opened)) -> Answer {
        let (reply, CreateContext { descriptors, flags, owner }) = self;
        let (node, fh) = (inode(attr.ino), FileHandle(opened.fh.0));
        let (ttl, shown) = (attr.ttl, owner.attr(&attr));
        let mode = descriptors.open(node, &opened, flags, |file: &File| reply.open_backing(file));
        match mode.backing {
            Some(id) => {
                reply.created_passthrough(&ttl, &shown, GENERATION, fh, mode.flags, &id);
            }
            None => reply.created(&ttl, &shown, GENERATION, fh, mode.flags),
        }
        Answer::Created(attr.ino.0, fh.0)
    }
}

/// Whether the kernel compares a directory's time to detect that its cached listing is outdated.
#[derive(Clone, Copy)]
pub(super) struct KeepsListings(pub(super) bool);

/// The value says whether the kernel may cache the directory's listing.
impl Reply<bool> for (ReplyOpen, KeepsListings) {
    fn value(self, may_keep: bool) -> Answer {
        let (reply, KeepsListings(can_keep)) = self;
        let keep = FopenFlags::FOPEN_CACHE_DIR | FopenFlags::FOPEN_KEEP_CACHE;
        let flags = if may_keep && can_keep { keep } else { FopenFlags::empty() };
        reply.opened(FileHandle(0), flags);
        Answer::Done
    }
}

/// The size of the caller's buffer for an attribute; 0 if it only asks for the value's length.
#[derive(Clone, Copy)]
pub(super) struct Room(pub(super) u32);

impl Reply<Vec<u8>> for (ReplyXattr, Room) {
    fn value(self, value: Vec<u8>) -> Answer {
        let (reply, Room(room)) = self;
        match value.len() {
            len if room == 0 => reply.size(len as u32),
            len if len > room as usize => {
                reply.error(Errno::ERANGE);
                return Answer::Refused(libc::ERANGE);
            }
            _ => reply.data(&value),
        }
        Answer::Bytes(value.len())
    }
}

fn kind(kind: Kind) -> FileType {
    match kind {
        Kind::Dir => FileType::Directory,
        Kind::File => FileType::RegularFile,
        Kind::Link => FileType::Symlink,
    }
}

/// The kernel's type for an inode number of `fs`.
pub(super) fn inode(ino: Ino) -> INodeNo {
    INodeNo(ino.0)
}
