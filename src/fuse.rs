//! The FUSE adapter: kernel request → call of the same name in `fs` → reply. Nothing else names fuser.
//!
//! Each method answers in one of three ways: at once, on the thread that took the request; [`Adapter::block`],
//! when the disk may take its time; [`Adapter::wait`], when the network may. The latter two run on threads of
//! tokio's blocking pool, which own the reply: a slow download keeps nobody else waiting. A reply that is
//! dropped unanswered sends `EIO`, so no caller hangs.

mod interrupt;
mod modes;
mod notify;

use std::ffi::OsStr;
use std::fs::File;
use std::future::Future;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{
    BsdFileFlags, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags,
    Generation, INodeNo, InitFlags, KernelConfig, LockOwner, MountOption, OpenAccMode, OpenFlags,
    RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty,
    ReplyEntry, ReplyLseek, ReplyOpen, ReplyStatfs, ReplyWrite, ReplyXattr, Request, SessionACL,
    TimeOrNow, WriteFlags,
};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::fs::error::{Error, Result};
use crate::fs::{Attr, AttrChange, Fh, Fs, Ino, Offset, Open, Opened, Rename, SetXattrMode};
use crate::store;
use modes::Modes;

/// Numbers of files and directories are never reused, so there is but one generation.
const GENERATION: Generation = Generation(0);

/// Threads that take requests from the kernel. They never wait for the network.
const THREADS: usize = 4;

/// Operations that wait at the same time; further ones wait for their turn without a thread. Much fewer than
/// tokio's blocking threads (512), because what they wait for needs such threads, too.
const WAITING_MAX: usize = 256;

/// Writes that wait at the same time, beside the other operations: these must go on while the spool is full,
/// since closing and deleting files makes room in it. Together they are fewer than the blocking threads, too.
const WAITING_WRITES_MAX: usize = 128;

/// Reads ahead that the kernel may have under way. With its default of 16, as many stalled downloads would keep
/// everybody from reading anything.
const READS_AHEAD_MAX: u16 = 512;

/// Large writes cost fewer switches; each thread keeps a buffer of this size.
const WRITE_BYTES_MAX: u32 = 1 << 20;

/// A mounted filesystem.
pub struct Mount {
    session: fuser::BackgroundSession,
}

impl Mount {
    /// Mounts; returns when the kernel has accepted the mount.
    ///
    /// # Errors
    /// If there is no `/dev/fuse`, no `fusermount3`, or the mount point is not a directory of ours.
    pub fn new(
        fs: Arc<Fs>,
        mountpoint: &Path,
        options: &Options,
        runtime: Handle,
    ) -> std::io::Result<Self> {
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
        let owner = Owner {
            uid: rustix::process::getuid().as_raw(),
            gid: rustix::process::getgid().as_raw(),
        };
        let turns = Arc::new(Semaphore::new(WAITING_MAX));
        let write_turns = Arc::new(Semaphore::new(WAITING_WRITES_MAX));
        let modes = Arc::new(Modes::new(options.passthrough));
        let keeps_listings = false;
        let adapter = Adapter { fs, runtime, turns, write_turns, owner, modes, keeps_listings };
        Ok(Self { session: fuser::spawn_mount(adapter, mountpoint, &config)? })
    }

    /// Tells the kernel what comes through `changes`, from threads of its own.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub fn notify(&self, changes: Vec<store::Changes>) -> std::io::Result<()> {
        changes.into_iter().try_for_each(|lane| notify::start(self.session.notifier(), lane))
    }

    /// Waits until somebody unmounts. Blocking.
    ///
    /// # Errors
    /// If the connection to the kernel broke.
    pub fn join(self) -> std::io::Result<()> {
        self.session.join()
    }
}

/// What the user chose about the mount as such.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The kernel refuses changes by itself.
    pub read_only: bool,
    /// Let other users of this machine in.
    pub allow_other: bool,
    /// Have the kernel read what is on this disk by itself, where it can.
    pub passthrough: bool,
    /// Nothing there may be run as a program.
    pub no_exec: bool,
}

struct Adapter {
    fs: Arc<Fs>,
    runtime: Handle,
    turns: Arc<Semaphore>,
    write_turns: Arc<Semaphore>,
    owner: Owner,
    modes: Arc<Modes>,
    /// The kernel notices by a directory's time that a listing which it keeps is old.
    keeps_listings: bool,
}

impl Adapter {
    /// For what may take the disk's time.
    fn block(&self, work: impl FnOnce(&Fs) + Send + 'static) {
        let fs = self.fs.clone();
        drop(self.runtime.spawn_blocking(move || work(&fs)));
    }

    /// For what may wait for the network: ends early, with `EINTR`, if the caller is being killed.
    fn wait<T, W>(
        &self,
        req: &Request,
        work: impl FnOnce(Arc<Fs>) -> W + Send + 'static,
        answer: impl FnOnce(Result<T>) + Send + 'static,
    ) where
        W: Future<Output = Result<T>>,
    {
        self.wait_turn(&self.turns, req, work, answer);
    }

    /// As [`Adapter::wait`], for what may wait for room in the spool.
    fn wait_to_write<T, W>(
        &self,
        req: &Request,
        work: impl FnOnce(Arc<Fs>) -> W + Send + 'static,
        answer: impl FnOnce(Result<T>) + Send + 'static,
    ) where
        W: Future<Output = Result<T>>,
    {
        self.wait_turn(&self.write_turns, req, work, answer);
    }

    fn wait_turn<T, W>(
        &self,
        turns: &Arc<Semaphore>,
        req: &Request,
        work: impl FnOnce(Arc<Fs>) -> W + Send + 'static,
        answer: impl FnOnce(Result<T>) + Send + 'static,
    ) where
        W: Future<Output = Result<T>>,
    {
        let (fs, runtime, pid) = (self.fs.clone(), self.runtime.clone(), req.pid());
        let turn = turns.clone();
        drop(self.runtime.spawn(async move {
            let turn = tokio::select! {
                turn = turn.acquire_owned() => turn,
                () = interrupt::killed(pid) => return answer(Err(Error::plain(libc::EINTR))),
            };
            let blocking = runtime.clone();
            drop(blocking.spawn_blocking(move || {
                answer(runtime.block_on(async {
                    tokio::select! {
                        outcome = work(fs) => outcome,
                        () = interrupt::killed(pid) => Err(Error::plain(libc::EINTR)),
                    }
                }));
                drop(turn);
            }));
        }));
    }
}

/// The owner shown for everything: whoever mounted.
#[derive(Clone, Copy)]
struct Owner {
    uid: u32,
    gid: u32,
}

impl Owner {
    fn attr(self, attr: &Attr) -> FileAttr {
        FileAttr {
            ino: inode(attr.ino),
            size: attr.size,
            blocks: attr.size.div_ceil(512),
            atime: attr.atime,
            mtime: attr.mtime,
            ctime: attr.ctime,
            crtime: attr.mtime,
            kind: kind(attr.is_dir),
            perm: attr.mode,
            nlink: attr.links,
            uid: self.uid,
            gid: self.gid,
            rdev: 0,
            blksize: 1 << 17,
            flags: 0,
        }
    }

    fn entry(self, op: &'static str, outcome: Result<Attr>, reply: ReplyEntry) {
        match outcome {
            Ok(attr) => reply.entry(&attr.valid, &self.attr(&attr), GENERATION),
            Err(error) => reply.error(errno(op, &error)),
        }
    }

    fn attributes(self, op: &'static str, outcome: Result<Attr>, reply: ReplyAttr) {
        match outcome {
            Ok(attr) => reply.attr(&attr.valid, &self.attr(&attr)),
            Err(error) => reply.error(errno(op, &error)),
        }
    }
}

impl Filesystem for Adapter {
    fn init(&mut self, _req: &Request, config: &mut KernelConfig) -> std::io::Result<()> {
        // Without it an open that truncates would first fetch the content.
        if config.add_capabilities(InitFlags::FUSE_ATOMIC_O_TRUNC).is_err() {
            return Err(std::io::Error::other(
                "the kernel's FUSE is too old: it lacks atomic O_TRUNC",
            ));
        }
        // Without it the kernel has one look-up or listing at a time in a directory, and whoever comes second
        // cannot even be killed.
        if config.add_capabilities(InitFlags::FUSE_PARALLEL_DIROPS).is_err() {
            tracing::warn!(
                "the kernel's FUSE is old: a slow look-up holds up others in its directory"
            );
        }
        self.keeps_listings = config.add_capabilities(InitFlags::FUSE_AUTO_INVAL_DATA).is_ok();
        // Whoever asks for the attributes of what it lists, as `ls -l` does, gets them with the names. Without it,
        // each is a request.
        let _ = config
            .add_capabilities(InitFlags::FUSE_DO_READDIRPLUS | InitFlags::FUSE_READDIRPLUS_AUTO);
        // A smaller limit than asked for is as good.
        let _ = config.set_max_background(READS_AHEAD_MAX);
        let _ = config.set_max_write(WRITE_BYTES_MAX);
        if let Some(modes) = Arc::get_mut(&mut self.modes) {
            modes.negotiate(config);
        }
        Ok(())
    }

    fn lookup(&self, req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        self.fs.requests().lookup.up();
        let owner = self.owner;
        let (parent, name) = (ino(parent), name.as_bytes().to_vec());
        match self.fs.lookup_now(parent, &name).transpose() {
            Some(outcome) => owner.entry("lookup", outcome, reply),
            None => self.wait(
                req,
                move |fs| async move { fs.lookup(parent, &name).await },
                move |outcome| owner.entry("lookup", outcome, reply),
            ),
        }
    }

    // Inode numbers are row numbers: there is no table from which to forget.
    fn forget(&self, _req: &Request, _ino: INodeNo, _nlookup: u64) {}

    fn getattr(&self, req: &Request, node: INodeNo, _fh: Option<FileHandle>, reply: ReplyAttr) {
        self.fs.requests().getattr.up();
        let (owner, node) = (self.owner, ino(node));
        match self.fs.getattr_now(node).transpose() {
            Some(outcome) => owner.attributes("getattr", outcome, reply),
            None => self.wait(
                req,
                move |fs| async move { fs.getattr(node).await },
                move |outcome| owner.attributes("getattr", outcome, reply),
            ),
        }
    }

    fn setattr(
        &self,
        req: &Request,
        node: INodeNo,
        _mode: Option<u32>,
        _uid: Option<u32>,
        _gid: Option<u32>,
        size: Option<u64>,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        fh: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        self.fs.requests().setattr.up();
        let (owner, node, fh) = (self.owner, ino(node), fh.map(handle));
        let now = SystemTime::now();
        let [atime, mtime] = [atime, mtime].map(|time| {
            time.map(|time| match time {
                TimeOrNow::SpecificTime(time) => as_sent(time),
                TimeOrNow::Now => now,
            })
        });
        let change = AttrChange { size, atime, mtime };
        self.wait(
            req,
            move |fs| async move { fs.setattr(node, fh, change).await },
            move |outcome| owner.attributes("setattr", outcome, reply),
        );
    }

    fn symlink(
        &self,
        _req: &Request,
        parent: INodeNo,
        _name: &OsStr,
        _target: &Path,
        reply: ReplyEntry,
    ) {
        self.owner.entry("symlink", self.fs.refuse_special(ino(parent)), reply);
    }

    fn mknod(
        &self,
        _req: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        _rdev: u32,
        reply: ReplyEntry,
    ) {
        self.fs.requests().mknod.up();
        if mode & libc::S_IFMT != libc::S_IFREG {
            return self.owner.entry("mknod", self.fs.refuse_special(ino(parent)), reply);
        }
        let (owner, parent, name) = (self.owner, ino(parent), name.as_bytes().to_vec());
        self.block(move |fs| owner.entry("mknod", fs.mknod(parent, &name), reply));
    }

    fn mkdir(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        _mode: u32,
        _umask: u32,
        reply: ReplyEntry,
    ) {
        self.fs.requests().mkdir.up();
        let (owner, parent, name) = (self.owner, ino(parent), name.as_bytes().to_vec());
        self.wait(
            req,
            move |fs| async move { fs.mkdir(parent, &name).await },
            move |outcome| owner.entry("mkdir", outcome, reply),
        );
    }

    fn unlink(&self, _req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.fs.requests().unlink.up();
        empty("unlink", self.fs.unlink(ino(parent), name.as_bytes()), reply);
    }

    fn rmdir(&self, req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.fs.requests().rmdir.up();
        let (parent, name) = (ino(parent), name.as_bytes().to_vec());
        self.wait(
            req,
            move |fs| async move { fs.rmdir(parent, &name).await },
            move |outcome| empty("rmdir", outcome, reply),
        );
    }

    fn rename(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        newparent: INodeNo,
        newname: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        self.fs.requests().rename.up();
        let how = match flags {
            none if none.is_empty() => Rename::Replace,
            RenameFlags::RENAME_NOREPLACE => Rename::NoReplace,
            RenameFlags::RENAME_EXCHANGE => Rename::Exchange,
            _ => return reply.error(Errno::EINVAL),
        };
        let (from, name) = (ino(parent), name.as_bytes().to_vec());
        let (to, newname) = (ino(newparent), newname.as_bytes().to_vec());
        self.wait(
            req,
            move |fs| async move { fs.rename((from, &name), (to, &newname), how).await },
            move |outcome| empty("rename", outcome, reply),
        );
    }

    fn link(&self, req: &Request, node: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        self.fs.requests().link.up();
        let (owner, parent, name) = (self.owner, ino(parent), name.as_bytes().to_vec());
        if let Err(error) = self.fs.link(ino(node), parent, &name) {
            return reply.error(errno("link", &error));
        }
        match self.fs.lookup_now(parent, &name).transpose() {
            Some(outcome) => owner.entry("link", outcome, reply),
            None => self.wait(
                req,
                move |fs| async move { fs.lookup(parent, &name).await },
                move |outcome| owner.entry("link", outcome, reply),
            ),
        }
    }

    fn open(&self, req: &Request, node: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        self.fs.requests().open.up();
        let how = Open {
            read: flags.acc_mode() != OpenAccMode::O_WRONLY,
            write: flags.acc_mode() != OpenAccMode::O_RDONLY,
            truncate: flags.0 & libc::O_TRUNC != 0,
        };
        let modes = self.modes.clone();
        let answer = move |outcome: Result<Opened>| match outcome {
            Ok(opened) => {
                let fh = FileHandle(opened.fh.0);
                let register = |file: &File| reply.open_backing(file);
                let answer = modes.open(node, &opened, flags, register);
                match answer.backing {
                    Some(id) => reply.opened_passthrough(fh, answer.flags, &id),
                    None => reply.opened(fh, answer.flags),
                }
            }
            Err(error) => reply.error(errno("open", &error)),
        };
        let place = ino(node);
        match self.fs.open_now(place, how).transpose() {
            Some(outcome) => answer(outcome),
            None => self.wait(req, move |fs| async move { fs.open(place, how).await }, answer),
        }
    }

    fn create(
        &self,
        _req: &Request,
        parent: INodeNo,
        name: &OsStr,
        _mode: u32,
        _umask: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        self.fs.requests().create.up();
        match self.fs.create(ino(parent), name.as_bytes()) {
            Ok((attr, opened)) => {
                let (node, fh) = (inode(attr.ino), FileHandle(opened.fh.0));
                let (ttl, shown) = (attr.valid, self.owner.attr(&attr));
                let register = |file: &File| reply.open_backing(file);
                let answer = self.modes.open(node, &opened, OpenFlags(flags), register);
                match answer.backing {
                    Some(id) => {
                        reply.created_passthrough(&ttl, &shown, GENERATION, fh, answer.flags, &id);
                    }
                    None => reply.created(&ttl, &shown, GENERATION, fh, answer.flags),
                }
            }
            Err(error) => reply.error(errno("create", &error)),
        }
    }

    fn read(
        &self,
        req: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        self.fs.requests().read.up();
        let (fh, len) = (handle(fh), size as usize);
        let answer = move |outcome: Result<Vec<u8>>| match outcome {
            Ok(bytes) => reply.data(&bytes),
            Err(error) => reply.error(errno("read", &error)),
        };
        match self.fs.read_now(fh, offset, len).transpose() {
            Some(outcome) => answer(outcome),
            None => self.wait(req, move |fs| async move { fs.read(fh, offset, len).await }, answer),
        }
    }

    fn write(
        &self,
        req: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        data: &[u8],
        write_flags: WriteFlags,
        flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        self.fs.requests().write.up();
        let fh = handle(fh);
        // The kernel puts the end where it believes it to be, and of a size that was never learnt that is 0.
        // Pages of a mapping are written back under any descriptor, and where they belong.
        let appends =
            flags.0 & libc::O_APPEND != 0 && !write_flags.contains(WriteFlags::FUSE_WRITE_CACHE);
        let offset = if appends { Offset::End } else { Offset::At(offset) };
        let answer = move |outcome: Result<u32>| match outcome {
            Ok(written) => reply.written(written),
            Err(error) => reply.error(errno("write", &error)),
        };
        match self.fs.write_now(fh, offset, data).transpose() {
            Some(outcome) => answer(outcome),
            None => {
                let data = data.to_vec();
                let write = move |fs: Arc<Fs>| async move { fs.write(fh, offset, &data).await };
                self.wait_to_write(req, write, answer);
            }
        }
    }

    fn flush(
        &self,
        req: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        _owner: LockOwner,
        reply: ReplyEmpty,
    ) {
        self.fs.requests().flush.up();
        let fh = handle(fh);
        self.wait(
            req,
            move |fs| async move { fs.flush(fh).await },
            move |outcome| empty("close", outcome, reply),
        );
    }

    fn release(
        &self,
        _req: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        self.fs.requests().release.up();
        self.modes.release(fh);
        self.block(move |fs| empty("release", fs.release(handle(fh)), reply));
    }

    fn fsync(
        &self,
        req: &Request,
        node: INodeNo,
        fh: FileHandle,
        _datasync: bool,
        reply: ReplyEmpty,
    ) {
        self.fs.requests().fsync.up();
        let (node, fh) = (ino(node), handle(fh));
        self.wait(
            req,
            move |fs| async move { fs.fsync(node, fh).await },
            move |outcome| empty("fsync", outcome, reply),
        );
    }

    fn opendir(&self, _req: &Request, node: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        self.fs.requests().opendir.up();
        match self.fs.opendir(ino(node)) {
            Ok(whole) => {
                let keep = FopenFlags::FOPEN_CACHE_DIR | FopenFlags::FOPEN_KEEP_CACHE;
                let keep = if whole && self.keeps_listings { keep } else { FopenFlags::empty() };
                reply.opened(FileHandle(0), keep);
            }
            Err(error) => reply.error(errno("opendir", &error)),
        }
    }

    fn releasedir(
        &self,
        _req: &Request,
        _ino: INodeNo,
        _fh: FileHandle,
        _flags: OpenFlags,
        reply: ReplyEmpty,
    ) {
        self.fs.requests().releasedir.up();
        reply.ok();
    }

    fn readdir(
        &self,
        req: &Request,
        node: INodeNo,
        _fh: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        self.fs.requests().readdir.up();
        let node = ino(node);
        let answer = move |outcome: Result<Vec<crate::fs::Listed>>| match outcome {
            Ok(listed) => {
                for entry in listed {
                    let name = OsStr::from_bytes(&entry.name);
                    if reply.add(inode(entry.ino), entry.next, kind(entry.is_dir), name) {
                        break;
                    }
                }
                reply.ok();
            }
            Err(error) => reply.error(errno("readdir", &error)),
        };
        match self.fs.readdir_now(node, offset).transpose() {
            Some(outcome) => answer(outcome),
            None => self.wait(req, move |fs| async move { fs.readdir(node, offset).await }, answer),
        }
    }

    fn readdirplus(
        &self,
        req: &Request,
        node: INodeNo,
        _fh: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        self.fs.requests().readdirplus.up();
        let (owner, node) = (self.owner, ino(node));
        let answer = move |outcome: Result<Vec<(crate::fs::Listed, Attr)>>| match outcome {
            Ok(listed) => {
                for (entry, attr) in listed {
                    let (node, name) = (inode(attr.ino), OsStr::from_bytes(&entry.name));
                    let shown = owner.attr(&attr);
                    if reply.add(node, entry.next, name, &attr.valid, &shown, GENERATION) {
                        break;
                    }
                }
                reply.ok();
            }
            Err(error) => reply.error(errno("readdirplus", &error)),
        };
        match self.fs.readdirplus_now(node, offset).transpose() {
            Some(outcome) => answer(outcome),
            None => {
                self.wait(req, move |fs| async move { fs.readdirplus(node, offset).await }, answer);
            }
        }
    }

    fn fsyncdir(
        &self,
        req: &Request,
        node: INodeNo,
        _fh: FileHandle,
        _datasync: bool,
        reply: ReplyEmpty,
    ) {
        self.fs.requests().fsyncdir.up();
        let node = ino(node);
        self.wait(
            req,
            move |fs| async move { fs.sync(node).await },
            move |outcome| empty("sync", outcome, reply),
        );
    }

    fn statfs(&self, _req: &Request, _ino: INodeNo, reply: ReplyStatfs) {
        self.fs.requests().statfs.up();
        match self.fs.statfs() {
            Ok(space) => {
                let block = space.block_bytes;
                reply.statfs(space.blocks, space.free, space.free, 0, 0, block, 255, block);
            }
            Err(error) => reply.error(errno("statfs", &error)),
        }
    }

    fn setxattr(
        &self,
        req: &Request,
        node: INodeNo,
        name: &OsStr,
        value: &[u8],
        flags: i32,
        _position: u32,
        reply: ReplyEmpty,
    ) {
        self.fs.requests().setxattr.up();
        let mode = match flags {
            0 => SetXattrMode::Any,
            libc::XATTR_CREATE => SetXattrMode::Create,
            libc::XATTR_REPLACE => SetXattrMode::Replace,
            _ => return reply.error(Errno::EINVAL),
        };
        let (node, name, value) = (ino(node), name.as_bytes().to_vec(), value.to_vec());
        self.wait(
            req,
            move |fs| async move { fs.setxattr(node, &name, &value, mode).await },
            move |outcome| empty("setxattr", outcome, reply),
        );
    }

    fn getxattr(&self, req: &Request, node: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        self.fs.requests().getxattr.up();
        let (node, name) = (ino(node), name.as_bytes().to_vec());
        match self.fs.getxattr_now(node, &name).transpose() {
            Some(outcome) => xattr("getxattr", outcome, size, reply),
            None => self.wait(
                req,
                move |fs| async move { fs.getxattr(node, &name).await },
                move |outcome| xattr("getxattr", outcome, size, reply),
            ),
        }
    }

    fn listxattr(&self, _req: &Request, node: INodeNo, size: u32, reply: ReplyXattr) {
        self.fs.requests().listxattr.up();
        let names = self.fs.listxattr(ino(node)).map(|names| {
            names.into_iter().flat_map(|name| [name.into_bytes(), vec![0]].concat()).collect()
        });
        xattr("listxattr", names, size, reply);
    }

    fn removexattr(&self, _req: &Request, node: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        empty("removexattr", self.fs.removexattr(ino(node), name.as_bytes()), reply);
    }

    fn fallocate(
        &self,
        req: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        self.fs.requests().fallocate.up();
        let fh = handle(fh);
        self.wait_to_write(
            req,
            move |fs| async move { fs.fallocate(fh, offset, length, mode).await },
            move |outcome| empty("fallocate", outcome, reply),
        );
    }

    fn lseek(
        &self,
        _req: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        offset: i64,
        whence: i32,
        reply: ReplyLseek,
    ) {
        self.fs.requests().lseek.up();
        match self.fs.lseek(handle(fh), offset, whence) {
            Ok(found) => reply.offset(found),
            Err(error) => reply.error(errno("lseek", &error)),
        }
    }
}

fn empty(op: &'static str, outcome: Result<()>, reply: ReplyEmpty) {
    match outcome {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(errno(op, &error)),
    }
}

/// Answers with a value, or with its size if that is what was asked for.
fn xattr(op: &'static str, outcome: Result<Vec<u8>>, size: u32, reply: ReplyXattr) {
    match outcome {
        Ok(value) if size == 0 => reply.size(value.len() as u32),
        Ok(value) if value.len() > size as usize => reply.error(Errno::ERANGE),
        Ok(value) => reply.data(&value),
        Err(error) => reply.error(errno(op, &error)),
    }
}

/// The one place where an error is logged: at the moment it is answered, with its whole story.
fn errno(op: &'static str, error: &Error) -> Errno {
    if error.is_plain() {
        tracing::debug!(op, "{error}");
    } else {
        tracing::warn!(op, "{error}");
    }
    Errno::from_i32(error.errno().0)
}

/// Undoes fuser's reading of times before 1970: it counts the nanoseconds backwards, as it does the seconds, while the
/// kernel counts them forwards.
fn as_sent(time: SystemTime) -> SystemTime {
    let nanos = match time.duration_since(UNIX_EPOCH) {
        Ok(_) => return time,
        Err(before) => before.duration().subsec_nanos(),
    };
    time + Duration::from_nanos(2 * u64::from(nanos))
}

fn kind(is_dir: bool) -> FileType {
    if is_dir { FileType::Directory } else { FileType::RegularFile }
}

fn ino(node: INodeNo) -> Ino {
    Ino(node.0)
}

fn inode(ino: Ino) -> INodeNo {
    INodeNo(ino.0)
}

fn handle(fh: FileHandle) -> Fh {
    Fh(fh.0)
}
