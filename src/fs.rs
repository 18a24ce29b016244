//! What each operation means. Knows nothing of the kernel's protocol: `fuse.rs` translates.
//!
//! A function is `async` exactly when it may wait for the network. Operations that can mostly be answered
//! from what is kept come in two steps: `…_now` answers or says `None`, and then the async twin of the
//! same name does what waiting it takes. Functions that are neither may touch the disk.
//!
//! LOCK ORDER: `handles.files` < `handles.handles`; an [`OpenFile`]'s `bytes` is taken with neither held, and
//! before anything of the store or the pipeline. No lock is held across an await.

pub mod control;
mod dirs;
pub mod error;
mod files;
pub mod handles;
pub mod node;
mod requests;
mod views;
mod xattrs;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::api;
use crate::content::Content;
use crate::library::names::CONTROL_DIR;
use crate::library::{Library, ListingHandle};
use crate::media::{DirId, EntryName, FileId, View};
use crate::store::{Child, FileInfo, Stat, Store, UploadState, from_nanos};
use crate::upload::Pipeline;

pub use dirs::{Listed, Rename};
use error::{Error, Result};
pub use files::{AttrChange, Offset, Open, Opened};
use handles::Handles;
pub use handles::{Fh, OpenFile};
pub use node::{Ino, Node};
pub use requests::{Operation, Requests};
pub use xattrs::SetXattrMode;

/// What the user chose.
#[derive(Clone, Debug)]
pub struct Config {
    /// Refuse every change.
    pub read_only: bool,
    /// Ask Google for the sizes of items that were not uploaded here; otherwise they show as 0 until opened.
    pub exact_sizes: bool,
    /// Other users of this machine are let in.
    pub shared: bool,
    /// A close returns when Google has the file, rather than when it is safe here.
    pub commit_at_close: bool,
    /// For `status.json`.
    pub profile: String,
    /// For `status.json`.
    pub mountpoint: PathBuf,
    /// For `status.json`.
    pub api_url: String,
}

/// Attributes of a file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attr {
    /// Stable across mounts.
    pub ino: Ino,
    /// Directory or regular file.
    pub is_dir: bool,
    /// Permission bits.
    pub mode: u16,
    /// Names, or for a directory 2 and its subdirectories.
    pub links: u32,
    /// Bytes.
    pub size: u64,
    /// What somebody has set, else `mtime`: reading does not change it.
    pub atime: SystemTime,
    /// Last change of the content, or what somebody has set instead.
    pub mtime: SystemTime,
    /// Last change of content, attributes or names.
    pub ctime: SystemTime,
    /// For how long the kernel may answer by itself. Of changes before that it is told.
    pub valid: Duration,
}

/// The kernel is told of every change: this bounds what a fault could do.
const VALID_MAX: Duration = Duration::from_secs(3600);

/// What is shown as a block: sizes of files are exact anyway.
const BLOCK_BYTES: u32 = 4096;

/// Space, as far as it limits what can be written here: in the spool, which empties as files arrive.
#[derive(Clone, Copy, Debug)]
pub struct Space {
    /// Bytes in a block.
    pub block_bytes: u32,
    /// All blocks that the spool may have.
    pub blocks: u64,
    /// Those that may be written now.
    pub free: u64,
}

/// The filesystem.
pub struct Fs {
    config: Config,
    store: Store,
    library: Library,
    pipeline: Pipeline,
    content: Content,
    client: api::Client,
    handles: Handles,
    began: SystemTime,
    requests: Requests,
}

impl Fs {
    /// Puts the parts together.
    pub fn new(
        config: Config,
        store: Store,
        library: Library,
        pipeline: Pipeline,
        content: Content,
        client: api::Client,
    ) -> Arc<Self> {
        Arc::new(Self {
            config,
            store,
            library,
            pipeline,
            content,
            client,
            handles: Handles::default(),
            began: SystemTime::now(),
            requests: Requests::default(),
        })
    }

    /// Looks a name up in what is kept; `None` if Google must be asked whether it exists.
    pub fn lookup_now(&self, parent: Ino, name: &[u8]) -> Result<Option<Attr>> {
        let name = entry_name(name)?;
        match self.find(parent, &name)? {
            Lookup::Node(node) => Ok(match self.getattr_now(node.ino())? {
                Some(attr) => Some(self.named(parent, node, attr)?),
                None => None,
            }),
            Lookup::Unknown(_) => Ok(None),
            Lookup::NotFound => Err(Error::plain(libc::ENOENT)),
        }
    }

    /// Looks a name up, asking Google if need be.
    pub async fn lookup(&self, parent: Ino, name: &[u8]) -> Result<Attr> {
        let name = entry_name(name)?;
        loop {
            match self.find(parent, &name)? {
                Lookup::Node(node) => {
                    let attr = self.getattr_in(Some(self.node(parent)?), node.ino()).await?;
                    return self.named(parent, node, attr);
                }
                Lookup::Unknown(listings) => {
                    listings.iter().for_each(ListingHandle::read_on);
                    dirs::any_progress(listings).await?;
                }
                Lookup::NotFound => return Err(Error::plain(libc::ENOENT)),
            }
        }
    }

    fn find(&self, parent: Ino, name: &EntryName) -> Result<Lookup> {
        let node = match self.node(parent)? {
            Node::Dir(DirId::ROOT) if name.as_bytes() == CONTROL_DIR.as_bytes() => Node::Control,
            Node::Dir(dir) => match self.store.child(dir, name)? {
                Some(child) => node_of_child(child),
                None => {
                    let listings = self.library.refresh_if_due(dir)?;
                    // A listing that has just ended may have brought it.
                    match self.store.child(dir, name)? {
                        Some(child) => node_of_child(child),
                        None if listings.is_empty() => return Ok(Lookup::NotFound),
                        None => return Ok(Lookup::Unknown(listings)),
                    }
                }
            },
            Node::Control => match name.as_bytes() {
                b"status.json" => Node::Status,
                b"metrics" => Node::Metrics,
                b"failed" => Node::Failed(DirId::ROOT),
                b"library" => Node::Library,
                _ => return Ok(Lookup::NotFound),
            },
            Node::Library => match views::called(name) {
                Some(view) => Node::View(view),
                None => return Ok(Lookup::NotFound),
            },
            Node::View(view) => return self.find_in_view(view, name),
            Node::Failed(dir) => match self.store.failed_child(dir, name)? {
                Some(Child::Dir(dir)) => Node::Failed(dir),
                Some(Child::File(file)) => Node::File(file),
                None => return Ok(Lookup::NotFound),
            },
            Node::File(_) | Node::ReadOnlyFile(_) | Node::Status | Node::Metrics => {
                return Err(Error::plain(libc::ENOTDIR));
            }
        };
        Ok(Lookup::Node(node))
    }

    /// Attributes from what is kept; `None` if Google must be asked for the size, or the content is about to change.
    pub fn getattr_now(&self, ino: Ino) -> Result<Option<Attr>> {
        let dir = |links, mode, mtime| Attr {
            ino,
            is_dir: true,
            mode,
            links,
            size: 0,
            atime: mtime,
            mtime,
            ctime: mtime,
            valid: VALID_MAX,
        };
        let dir_mode = if self.config.read_only { 0o555 } else { 0o755 };
        Ok(Some(match self.node(ino)? {
            Node::Dir(id) => {
                let known = self.store.dir(id)?.ok_or_else(|| Error::plain(libc::ESTALE))?;
                dir(2 + self.store.subdir_count(id)?, dir_mode, from_nanos(known.names_changed_ns))
            }
            Node::Control => dir(4, 0o555, self.began),
            // 1 says that subdirectories are not counted.
            Node::Failed(_) | Node::View(View::By(_)) => dir(1, dir_mode, self.began),
            // As on a filesystem that is mounted read-only, modes do not tell that nothing can be changed: what
            // is copied from here can be changed there.
            Node::Library => dir(2 + View::FIXED.len() as u32, dir_mode, self.began),
            Node::View(_) => dir(2, dir_mode, self.began),
            Node::Status | Node::Metrics => {
                let now = SystemTime::now();
                Attr {
                    ino,
                    is_dir: false,
                    mode: 0o444,
                    links: 1,
                    // Made when it is opened, and then read to its end whatever this says.
                    size: 0,
                    atime: now,
                    mtime: now,
                    ctime: now,
                    valid: Duration::ZERO,
                }
            }
            Node::File(file) | Node::ReadOnlyFile(file) => {
                let info = self.shown(self.node(ino)?, file)?;
                let Some(length) = self.length(&info) else { return Ok(None) };
                match length.shown(&info) {
                    Some(size) => self.file_attr(ino, &info.stat(), size),
                    None if self.config.exact_sizes => return Ok(None),
                    // When it is learnt, the kernel is told.
                    None => self.file_attr(ino, &info.stat(), 0),
                }
            }
        }))
    }

    /// Attributes, asking Google for the size if need be.
    pub async fn getattr(&self, ino: Ino) -> Result<Attr> {
        self.getattr_in(None, ino).await
    }

    /// As [`Fs::getattr`], for who has looked it up in a directory.
    async fn getattr_in(&self, parent: Option<Node>, ino: Ino) -> Result<Attr> {
        if let Some(attr) = self.getattr_now(ino)? {
            return Ok(attr);
        }
        let node = self.node(ino)?;
        let file = node.file().ok_or_else(|| Error::plain(libc::ESTALE))?;
        let info = self.file(file)?;
        if info.size.is_none() {
            if let Some(scope) = parent.and_then(Node::listing_scope) {
                self.content.looked_up(scope, info.id)?;
            }
            if let Err(error) = self.content.learn_size(&info).await {
                // A listing must not fail because one size is not to be had.
                let error = &error as &(dyn std::error::Error + 'static);
                tracing::debug!(file = file.0, error, "size not known: shown as 0");
            }
        } else if let Some(open) = self.handles.opened(info.id) {
            // Until its content has changed.
            drop(open.bytes.read());
        }
        // It took its time: whatever was known before may be different now.
        match self.getattr_now(ino)? {
            Some(attr) => Ok(attr),
            None => {
                let info = self.shown(node, file)?;
                let attr = self.file_attr(ino, &info.stat(), info.size.unwrap_or(0));
                Ok(Attr { valid: Duration::ZERO, ..attr })
            }
        }
    }

    /// Attributes of what a listing has told, as far as they are kept: what would take asking is good for no time, so
    /// that the kernel asks. `None` for what has gone meanwhile.
    fn attrs(&self, parent: Ino, listed: &[Listed]) -> Result<Vec<Option<Attr>>> {
        let parent = self.node(parent)?;
        let name_valid = match parent {
            Node::Dir(dir) => self.library.names_ttl(dir)?,
            _ => Duration::ZERO,
        };
        let files: Vec<_> =
            listed.iter().filter_map(|it| Node::of(it.ino).and_then(Node::file)).collect();
        let mut stats = self.store.stats(&files)?.into_iter();
        let attr = |it: &Listed| -> Result<Option<Attr>> {
            let found = match self.node(it.ino)? {
                node @ (Node::File(_) | Node::ReadOnlyFile(_)) => {
                    let Some(stat) = stats.next().flatten() else { return Ok(None) };
                    self.attr_of_listed(node, stat)
                }
                _ => self.getattr_now(it.ino),
            };
            match found {
                Ok(attr) => Ok(attr.map(|it| Attr { valid: it.valid.min(name_valid), ..it })),
                Err(error) if error.errno() == error::Errno(libc::ESTALE) => Ok(None),
                Err(error) => Err(error),
            }
        };
        listed.iter().map(attr).collect()
    }

    fn attr_of_listed(&self, node: Node, stat: Stat) -> Result<Option<Attr>> {
        // Of what is open the row does not tell all.
        let open = stat.upload == Some(UploadState::Open) || self.handles.opened(stat.id).is_some();
        if open && let Some(attr) = self.getattr_now(node.ino())? {
            return Ok(Some(attr));
        }
        let links = if node.is_in_views() { 1 } else { stat.links };
        let attr = self.file_attr(node.ino(), &Stat { links, ..stat }, stat.size.unwrap_or(0));
        let unknown = open || (stat.size.is_none() && self.config.exact_sizes);
        Ok(Some(Attr { valid: if unknown { Duration::ZERO } else { attr.valid }, ..attr }))
    }

    fn file_attr(&self, ino: Ino, stat: &Stat, size: u64) -> Attr {
        // What a writer changes only the spool file knows; and of what becomes of a file that has been merged into
        // another the kernel is told under the other's number.
        let told = stat.upload != Some(UploadState::Open)
            && Node::File(stat.id).ino() == ino
            // Whoever has it open is shown another size, as long as it is open.
            && stat.size.is_none_or(|kept| kept == size);
        let mode = if self.config.read_only { 0o444 } else { 0o644 };
        // tar does not open what is empty and can be read by all, and would put it away as empty. Nobody else gets in here.
        let hidden = if stat.size.is_none() && !self.config.shared { 0o004 } else { 0 };
        Attr {
            ino,
            is_dir: false,
            mode: mode & !hidden,
            // A name among the failed ones is not counted as one in an album.
            links: stat.links.max(u32::from(stat.failed)),
            size,
            atime: from_nanos(stat.atime_ns),
            mtime: from_nanos(stat.mtime_ns),
            ctime: from_nanos(stat.ctime_ns),
            valid: if told { VALID_MAX } else { Duration::ZERO },
        }
    }

    /// Attributes of something that was found by its name. The name is good until somebody must look whether it still
    /// is at Google: then the kernel has to ask, so that somebody does.
    fn named(&self, parent: Ino, node: Node, attr: Attr) -> Result<Attr> {
        let valid = match (self.node(parent)?, node) {
            (Node::Dir(dir), Node::Dir(_) | Node::File(_)) => self.library.names_ttl(dir)?,
            (Node::Dir(_), Node::Control) | (Node::Control, _) => VALID_MAX,
            // Elsewhere names come and go without notice.
            _ => Duration::ZERO,
        };
        Ok(Attr { valid: attr.valid.min(valid), ..attr })
    }

    /// How often the kernel has asked for what.
    pub fn requests(&self) -> &Requests {
        &self.requests
    }

    /// What limits writing: the room in the spool.
    pub fn statfs(&self) -> Result<Space> {
        let (used, left) = self.pipeline.space()?;
        let block = u64::from(BLOCK_BYTES);
        Ok(Space { block_bytes: BLOCK_BYTES, blocks: (used + left) / block, free: left / block })
    }

    /// Waits until all that was closed under `ino` has arrived at Google; changes of names are on this disk then.
    pub async fn sync(&self, ino: Ino) -> Result<()> {
        use crate::upload::Scope;
        // Names that were taken away, also if waiting for the rest should fail.
        self.store.make_durable()?;
        let scope = match self.node(ino)? {
            Node::Dir(DirId::ROOT)
            | Node::Control
            | Node::Failed(_)
            | Node::Status
            | Node::Metrics => Scope::All,
            Node::Dir(dir) => Scope::Dir(dir),
            Node::File(file) => Scope::File(file),
            // Nothing is on its way there.
            Node::Library | Node::View(_) | Node::ReadOnlyFile(_) => return Ok(()),
        };
        Ok(self.pipeline.drain(scope).await?)
    }

    fn node(&self, ino: Ino) -> Result<Node> {
        Node::of(ino).ok_or_else(|| Error::plain(libc::ESTALE))
    }

    /// What is known of a file, as a reader would find it now.
    fn file(&self, file: FileId) -> Result<FileInfo> {
        let mut info = self.store.file(file)?.ok_or_else(|| Error::plain(libc::ESTALE))?;
        if info.upload == Some(UploadState::Open) {
            self.pipeline.spool().update(&mut info)?;
        }
        Ok(info)
    }

    fn check_writable(&self) -> Result<()> {
        if self.config.read_only { Err(Error::plain(libc::EROFS)) } else { Ok(()) }
    }
}

enum Lookup {
    Node(Node),
    /// The directory has not been listed completely: only Google knows.
    Unknown(Vec<ListingHandle>),
    NotFound,
}

fn node_of_child(child: Child) -> Node {
    match child {
        Child::Dir(dir) => Node::Dir(dir),
        Child::File(file) => Node::File(file),
    }
}

fn entry_name(name: &[u8]) -> Result<EntryName> {
    EntryName::new(name).map_err(|error| {
        Error::plain(match error {
            crate::media::BadName::TooLong => libc::ENAMETOOLONG,
            crate::media::BadName::Reserved => libc::EINVAL,
        })
    })
}
