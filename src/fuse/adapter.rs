//! The kernel's requests, one method each: it translates the arguments and chooses how the
//! dispatcher answers.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{
    BsdFileFlags, FileHandle, Filesystem, INodeNo, InitFlags, KernelConfig, LockOwner, OpenAccMode,
    OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyDirectoryPlus,
    ReplyEmpty, ReplyEntry, ReplyLseek, ReplyOpen, ReplyStatfs, ReplyWrite, ReplyXattr, Request,
    TimeOrNow, WriteFlags,
};
use futures_util::FutureExt;
use tokio::runtime::Handle;

use super::authors::Authors;
use super::dispatch::{Call, Dispatcher};
use super::mappings;
use super::modes::Modes;
use super::reply::{CreateContext, Descriptors, KeepsListings, OpenContext, Owner, Room};
use super::trace::Operand;
use crate::fs::{AttrChange, Fh, Fs, Ino, Offset, Open, Operation, Rename, SetXattrMode};

/// Read-ahead requests that the kernel may have in flight. With its default of 16, so many stalled
/// downloads would block all other readers.
const READS_AHEAD_MAX: u16 = 512;

/// The largest write. Large writes take fewer context switches, but each thread has a buffer of
/// this size.
const WRITE_BYTES_MAX: u32 = 1 << 20;

/// Answers the requests of one mount.
pub(super) struct Adapter {
    dispatcher: Dispatcher,
    owner: Owner,
    modes: Arc<Modes>,
    authors: Arc<Authors>,
    keeps_listings: KeepsListings,
}

impl Adapter {
    /// `passthrough` says whether the kernel is to read local files by itself.
    pub(super) fn new(fs: Arc<Fs>, runtime: Handle, owner: Owner, passthrough: bool) -> Self {
        Self {
            dispatcher: Dispatcher::new(fs, runtime, owner.uid),
            owner,
            modes: Arc::new(Modes::new(passthrough)),
            authors: Arc::default(),
            keeps_listings: KeepsListings(false),
        }
    }

    fn on(&self, req: &Request, operation: Operation, node: INodeNo) -> Call<'_> {
        self.dispatcher.begin(req, operation, Operand::Node(node))
    }

    fn on_name(
        &self,
        req: &Request,
        operation: Operation,
        parent: INodeNo,
        name: &OsStr,
    ) -> Call<'_> {
        self.dispatcher.begin(req, operation, Operand::Name(parent, name))
    }

    /// What an open is to note about its descriptor.
    fn descriptors(&self, req: &Request) -> Descriptors {
        Descriptors { modes: self.modes.clone(), authors: self.authors.clone(), opener: req.pid() }
    }

    fn on_handle(
        &self,
        req: &Request,
        operation: Operation,
        node: INodeNo,
        fh: FileHandle,
    ) -> Call<'_> {
        self.dispatcher.begin(req, operation, Operand::Handle(node, fh))
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
        // Without it the kernel sends one look-up or listing at a time per directory. The next
        // caller waits in the kernel, where it cannot even be killed.
        if config.add_capabilities(InitFlags::FUSE_PARALLEL_DIROPS).is_err() {
            tracing::warn!(
                "the kernel's FUSE is old: a slow look-up delays others in its directory"
            );
        }
        self.keeps_listings =
            KeepsListings(config.add_capabilities(InitFlags::FUSE_AUTO_INVAL_DATA).is_ok());
        // A program that stats each entry, as `ls -l` does, then gets the attributes with the
        // names. Without it, each stat is a request.
        let _ = config
            .add_capabilities(InitFlags::FUSE_DO_READDIRPLUS | InitFlags::FUSE_READDIRPLUS_AUTO);
        // Handles of files, as servers of NFS give out, then outlive the kernel's memory of a file.
        let _ = config.add_capabilities(InitFlags::FUSE_EXPORT_SUPPORT);
        // A smaller limit than the requested one is sufficient.
        let _ = config.set_max_background(READS_AHEAD_MAX);
        let _ = config.set_max_write(WRITE_BYTES_MAX);
        if let Some(modes) = Arc::get_mut(&mut self.modes) {
            modes.negotiate(config);
        }
        Ok(())
    }

    fn lookup(&self, req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let call = self.on_name(req, Operation::Lookup, parent, name);
        let (parent, name) = (ino(parent), name.as_bytes().to_vec());
        call.attempt(|fs| fs.lookup_now(parent, &name))
            .or_wait(async move |fs| fs.lookup(parent, &name).await, (reply, self.owner));
    }

    // Inode numbers are row numbers, so there is no table from which to remove one.
    fn forget(&self, _req: &Request, _ino: INodeNo, _nlookup: u64) {}

    fn getattr(&self, req: &Request, node: INodeNo, _fh: Option<FileHandle>, reply: ReplyAttr) {
        let (call, node) = (self.on(req, Operation::Getattr, node), ino(node));
        call.attempt(|fs| fs.getattr_now(node))
            .or_wait(async move |fs| fs.getattr(node).await, (reply, self.owner));
    }

    fn setattr(
        &self,
        req: &Request,
        node: INodeNo,
        mode: Option<u32>,
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
        let now = SystemTime::now();
        let [atime, mtime] = [atime, mtime].map(|time| {
            time.map(|time| match time {
                TimeOrNow::SpecificTime(time) => as_sent(time),
                TimeOrNow::Now => now,
            })
        });
        let change = AttrChange { size, atime, mtime, mode };
        let call = self.on(req, Operation::Setattr, node);
        let call = match size {
            Some(size) => call.with(format_args!("size={size}")),
            None => call,
        };
        let (node, fh) = (ino(node), fh.map(handle));
        let work = async move |fs: Arc<Fs>| fs.setattr(node, fh, change).await;
        call.wait(work, (reply, self.owner));
    }

    fn readlink(&self, req: &Request, node: INodeNo, reply: ReplyData) {
        let (call, node) = (self.on(req, Operation::Readlink, node), ino(node));
        call.run(move |fs| fs.readlink(node), reply);
    }

    fn symlink(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        _target: &Path,
        reply: ReplyEntry,
    ) {
        let call = self.on_name(req, Operation::Symlink, parent, name);
        call.run(|fs| fs.refuse_special(ino(parent)), (reply, self.owner));
    }

    fn mknod(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        _rdev: u32,
        reply: ReplyEntry,
    ) {
        let call =
            self.on_name(req, Operation::Mknod, parent, name).with(format_args!("mode={mode:#o}"));
        let (parent, name) = (ino(parent), name.as_bytes().to_vec());
        if mode & libc::S_IFMT == libc::S_IFREG {
            call.run_blocking(
                move |fs| fs.mknod_with_mode(parent, &name, mode),
                (reply, self.owner),
            );
        } else {
            call.run(|fs| fs.refuse_special(parent), (reply, self.owner));
        }
    }

    fn mkdir(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        reply: ReplyEntry,
    ) {
        let call = self.on_name(req, Operation::Mkdir, parent, name);
        let (parent, name) = (ino(parent), name.as_bytes().to_vec());
        let work = async move |fs: Arc<Fs>| fs.mkdir_with_mode(parent, &name, mode).await;
        call.wait(work, (reply, self.owner));
    }

    fn unlink(&self, req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let call = self.on_name(req, Operation::Unlink, parent, name);
        let (parent, name) = (ino(parent), name.as_bytes().to_vec());
        // If that was the last name, this waits until nobody seals the file or begins a version.
        call.run_blocking(move |fs| fs.unlink(parent, &name), reply);
    }

    fn rmdir(&self, req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let call = self.on_name(req, Operation::Rmdir, parent, name);
        let (parent, name) = (ino(parent), name.as_bytes().to_vec());
        call.wait(async move |fs| fs.rmdir(parent, &name).await, reply);
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
        let call = self.on_name(req, Operation::Rename, parent, name).with(format_args!(
            "to={} newname={newname:?} flags={:#x}",
            newparent.0,
            flags.bits()
        ));
        let how = match flags {
            none if none.is_empty() => Rename::Replace,
            RenameFlags::RENAME_NOREPLACE => Rename::NoReplace,
            RenameFlags::RENAME_EXCHANGE => Rename::Exchange,
            _ => return call.refuse(libc::EINVAL, reply),
        };
        let (from, name) = (ino(parent), name.as_bytes().to_vec());
        let (to, newname) = (ino(newparent), newname.as_bytes().to_vec());
        let work = async move |fs: Arc<Fs>| fs.rename((from, &name), (to, &newname), how).await;
        call.wait(work, reply);
    }

    fn link(&self, req: &Request, node: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let call =
            self.on_name(req, Operation::Link, parent, name).with(format_args!("of={}", node.0));
        let (node, parent, name) = (ino(node), ino(parent), name.as_bytes().to_vec());
        // A real name makes an upload of a temporary file, which waits for the disk.
        let link = async move |fs: Arc<Fs>| {
            fs.link(node, parent, &name)?;
            fs.lookup(parent, &name).await
        };
        call.wait(link, (reply, self.owner));
    }

    fn open(&self, req: &Request, node: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let how = Open {
            read: flags.acc_mode() != OpenAccMode::O_WRONLY,
            write: flags.acc_mode() != OpenAccMode::O_RDONLY,
            truncate: flags.0 & libc::O_TRUNC != 0,
        };
        let call = self.on(req, Operation::Open, node).with(format_args!("flags={:#x}", flags.0));
        let context = OpenContext { descriptors: self.descriptors(req), node, flags };
        let node = ino(node);
        let open = async move |fs: Arc<Fs>| fs.open(node, how).await;
        if how.truncate {
            // It waits for reads and writes of the file that are under way, and for the disk.
            return call.wait(open, (reply, context));
        }
        // A reader gets the length of the file with the first bytes of the download.
        let call = if how.read { call.waits_as_read() } else { call };
        if how.read
            && !how.write
            && call.is_for_thumbnails()
            && let Some(wait) = call.fs().opened_for_thumbnail(node)
        {
            let fs = call.fs().clone();
            let before = async move {
                wait.await;
                fs.length_arrives(node, how).await
            };
            return call.wait_after(before, open, (reply, context));
        }
        let before = move |fs: Arc<Fs>| fs.length_arrives(node, how);
        call.attempt(|fs| fs.open_now(node, how)).or_wait_after(before, open, (reply, context));
    }

    fn create(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let call = self
            .on_name(req, Operation::Create, parent, name)
            .with(format_args!("flags={flags:#x}"));
        let (descriptors, flags) = (self.descriptors(req), OpenFlags(flags));
        let context = CreateContext { descriptors, flags, owner: self.owner };
        call.run(|fs| fs.create_with_mode(ino(parent), name.as_bytes(), mode), (reply, context));
    }

    fn read(
        &self,
        req: &Request,
        node: INodeNo,
        fh: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let call = self
            .on_handle(req, Operation::Read, node, fh)
            .with(format_args!("off={offset} len={size}"));
        let (fh, len) = (handle(fh), size as usize);
        call.attempt(|fs| fs.read_now(fh, offset, len)).or_wait_after(
            move |fs| fs.bytes_arrive(fh, offset, len),
            async move |fs| fs.read(fh, offset, len).await,
            reply,
        );
    }

    fn write(
        &self,
        req: &Request,
        node: INodeNo,
        fh: FileHandle,
        offset: u64,
        data: &[u8],
        write_flags: WriteFlags,
        flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let call = self
            .on_handle(req, Operation::Write, node, fh)
            .with(format_args!("off={offset} len={}", data.len()));
        // The kernel computes the offset of an append from its cached size, which is 0 while the
        // real size is unknown. Pages of a mapping are written back through any descriptor, at
        // their own offsets.
        let fh = handle(fh);
        let offset = if write_flags.contains(WriteFlags::FUSE_WRITE_CACHE) {
            Offset::OfPage(offset)
        } else if flags.0 & libc::O_APPEND != 0 {
            Offset::End
        } else {
            Offset::At(offset)
        };
        if !write_flags.contains(WriteFlags::FUSE_WRITE_CACHE) {
            self.authors.writes(fh, req.pid());
        }
        let attempt = call.attempt(|fs| fs.write_now(fh, offset, data));
        let data = if attempt.must_wait() { data.to_vec() } else { Vec::new() };
        attempt.or_wait(async move |fs| fs.write(fh, offset, &data).await, reply);
    }

    fn flush(
        &self,
        req: &Request,
        node: INodeNo,
        fh: FileHandle,
        _owner: LockOwner,
        reply: ReplyEmpty,
    ) {
        let (call, fh) = (self.on_handle(req, Operation::Flush, node, fh), handle(fh));
        let pid = req.pid();
        // A reader's close never waits behind those of writers.
        call.attempt(|fs| fs.flush_unwaiting(fh, || self.authors.death(fh, pid))).or_wait(
            async move |fs| fs.flush(fh, || mappings::has_writable(pid, node.0)).await,
            reply,
        );
    }

    fn release(
        &self,
        req: &Request,
        node: INodeNo,
        fh: FileHandle,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        self.modes.release(fh);
        let (call, fh) = (self.on_handle(req, Operation::Release, node, fh), handle(fh));
        self.authors.released(fh);
        call.run_blocking(move |fs| fs.release(fh), reply);
    }

    fn fsync(
        &self,
        req: &Request,
        node: INodeNo,
        fh: FileHandle,
        _datasync: bool,
        reply: ReplyEmpty,
    ) {
        let call = self.on_handle(req, Operation::Fsync, node, fh);
        let (node, fh) = (ino(node), handle(fh));
        call.wait(async move |fs| fs.fsync(node, fh).await, reply);
    }

    fn opendir(&self, req: &Request, node: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        let call = self.on(req, Operation::Opendir, node);
        if call.is_for_thumbnails()
            && let Some(wait) = call.fs().opened_for_thumbnails(ino(node))
        {
            let node = ino(node);
            return call.wait_after(
                wait.map(Ok),
                async move |fs| fs.opendir(node),
                (reply, self.keeps_listings),
            );
        }
        if call.is_own() {
            call.fs().viewed_by_user(ino(node));
        }
        call.run(|fs| fs.opendir(ino(node)), (reply, self.keeps_listings));
    }

    fn releasedir(
        &self,
        req: &Request,
        node: INodeNo,
        _fh: FileHandle,
        _flags: OpenFlags,
        reply: ReplyEmpty,
    ) {
        self.on(req, Operation::Releasedir, node).run(|_| Ok(()), reply);
    }

    fn readdir(
        &self,
        req: &Request,
        node: INodeNo,
        _fh: FileHandle,
        offset: u64,
        reply: ReplyDirectory,
    ) {
        let call = self.on(req, Operation::Readdir, node).with(format_args!("off={offset}"));
        let node = ino(node);
        call.attempt(|fs| fs.readdir_now(node, offset))
            .or_wait(async move |fs| fs.readdir(node, offset).await, reply);
    }

    fn readdirplus(
        &self,
        req: &Request,
        node: INodeNo,
        _fh: FileHandle,
        offset: u64,
        reply: ReplyDirectoryPlus,
    ) {
        let call = self.on(req, Operation::Readdirplus, node).with(format_args!("off={offset}"));
        let node = ino(node);
        call.attempt(|fs| fs.readdirplus_now(node, offset))
            .or_wait(async move |fs| fs.readdirplus(node, offset).await, (reply, self.owner));
    }

    fn fsyncdir(
        &self,
        req: &Request,
        node: INodeNo,
        _fh: FileHandle,
        _datasync: bool,
        reply: ReplyEmpty,
    ) {
        let (call, node) = (self.on(req, Operation::Fsyncdir, node), ino(node));
        call.wait(async move |fs| fs.sync_dir(node).await, reply);
    }

    fn statfs(&self, req: &Request, node: INodeNo, reply: ReplyStatfs) {
        self.on(req, Operation::Statfs, node).run(Fs::statfs, reply);
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
        let call = self
            .on_name(req, Operation::Setxattr, node, name)
            .with(format_args!("len={} flags={flags:#x}", value.len()));
        let mode = match flags {
            0 => SetXattrMode::Any,
            libc::XATTR_CREATE => SetXattrMode::Create,
            libc::XATTR_REPLACE => SetXattrMode::Replace,
            _ => return call.refuse(libc::EINVAL, reply),
        };
        let (node, name, value) = (ino(node), name.as_bytes().to_vec(), value.to_vec());
        let work = async move |fs: Arc<Fs>| fs.setxattr(node, &name, &value, mode).await;
        call.wait(work, reply);
    }

    fn getxattr(&self, req: &Request, node: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        let call =
            self.on_name(req, Operation::Getxattr, node, name).with(format_args!("room={size}"));
        let (node, name) = (ino(node), name.as_bytes().to_vec());
        call.attempt(|fs| fs.getxattr_now(node, &name))
            .or_wait(async move |fs| fs.getxattr(node, &name).await, (reply, Room(size)));
    }

    fn listxattr(&self, req: &Request, node: INodeNo, size: u32, reply: ReplyXattr) {
        let call = self.on(req, Operation::Listxattr, node).with(format_args!("room={size}"));
        // `fs/xattrs.rs` says why no attribute is listed.
        call.run(|_| Ok(Vec::new()), (reply, Room(size)));
    }

    fn removexattr(&self, req: &Request, node: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let call = self.on_name(req, Operation::Removexattr, node, name);
        call.run(|fs| fs.removexattr(ino(node), name.as_bytes()), reply);
    }

    fn fallocate(
        &self,
        req: &Request,
        node: INodeNo,
        fh: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        let call = self
            .on_handle(req, Operation::Fallocate, node, fh)
            .with(format_args!("off={offset} len={length} mode={mode:#x}"));
        let fh = handle(fh);
        call.wait(async move |fs| fs.fallocate(fh, offset, length, mode).await, reply);
    }

    fn lseek(
        &self,
        req: &Request,
        node: INodeNo,
        fh: FileHandle,
        offset: i64,
        whence: i32,
        reply: ReplyLseek,
    ) {
        let call = self
            .on_handle(req, Operation::Lseek, node, fh)
            .with(format_args!("off={offset} whence={whence}"));
        call.run(|fs| fs.lseek(handle(fh), offset, whence), reply);
    }
}

/// Corrects fuser's decoding of times before 1970. The kernel counts nanoseconds forwards from the
/// second; fuser counts them backwards.
fn as_sent(time: SystemTime) -> SystemTime {
    let nanos = match time.duration_since(UNIX_EPOCH) {
        Ok(_) => return time,
        Err(before) => before.duration().subsec_nanos(),
    };
    time + Duration::from_nanos(2 * u64::from(nanos))
}

fn ino(node: INodeNo) -> Ino {
    Ino(node.0)
}

fn handle(fh: FileHandle) -> Fh {
    Fh(fh.0)
}
