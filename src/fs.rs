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
pub mod place;
mod requests;
mod views;
mod xattrs;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::api;
use crate::content::Content;
use crate::library::names::CONTROL_DIR;
use crate::library::{Follower, Library};
use crate::media::{DirId, EntryName, FileId, View};
use crate::store::{Child, FileInfo, Stat, Store, UploadState, from_nanos};
use crate::upload::Pipeline;

pub use dirs::{Listed, Rename};
use error::{Error, Result};
pub use files::{Change, Offset, Open, Opened};
use handles::Handles;
pub use handles::{Fh, OpenFile};
pub use place::{Ino, Place};
pub use requests::Requests;
pub use xattrs::Demand;

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
            Found::Place(place) => Ok(match self.getattr_now(place.ino())? {
                Some(attr) => Some(self.named(parent, place, attr)?),
                None => None,
            }),
            Found::Unknown(_) => Ok(None),
            Found::Nothing => Err(Error::plain(libc::ENOENT)),
        }
    }

    /// Looks a name up, asking Google if need be.
    pub async fn lookup(&self, parent: Ino, name: &[u8]) -> Result<Attr> {
        let name = entry_name(name)?;
        loop {
            match self.find(parent, &name)? {
                Found::Place(place) => {
                    let attr = self.getattr_in(Some(self.place(parent)?), place.ino()).await?;
                    return self.named(parent, place, attr);
                }
                Found::Unknown(followers) => {
                    followers.iter().for_each(Follower::read_on);
                    dirs::any_progress(followers).await?;
                }
                Found::Nothing => return Err(Error::plain(libc::ENOENT)),
            }
        }
    }

    fn find(&self, parent: Ino, name: &EntryName) -> Result<Found> {
        let place = match self.place(parent)? {
            Place::Dir(DirId::ROOT) if name.as_bytes() == CONTROL_DIR.as_bytes() => Place::Control,
            Place::Dir(dir) => match self.store.child(dir, name)? {
                Some(child) => place_of(child),
                None => {
                    let followers = self.library.look(dir)?;
                    // A listing that has just ended may have brought it.
                    match self.store.child(dir, name)? {
                        Some(child) => place_of(child),
                        None if followers.is_empty() => return Ok(Found::Nothing),
                        None => return Ok(Found::Unknown(followers)),
                    }
                }
            },
            Place::Control => match name.as_bytes() {
                b"status.json" => Place::Status,
                b"metrics" => Place::Metrics,
                b"failed" => Place::Failed(DirId::ROOT),
                b"library" => Place::Library,
                _ => return Ok(Found::Nothing),
            },
            Place::Library => match views::called(name) {
                Some(view) => Place::View(view),
                None => return Ok(Found::Nothing),
            },
            Place::View(view) => return self.find_in_view(view, name),
            Place::Failed(dir) => match self.store.failed_child(dir, name)? {
                Some(Child::Dir(dir)) => Place::Failed(dir),
                Some(Child::File(file)) => Place::File(file),
                None => return Ok(Found::Nothing),
            },
            Place::File(_) | Place::Viewed(_) | Place::Status | Place::Metrics => {
                return Err(Error::plain(libc::ENOTDIR));
            }
        };
        Ok(Found::Place(place))
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
        Ok(Some(match self.place(ino)? {
            Place::Dir(id) => {
                let known = self.store.dir(id)?.ok_or_else(|| Error::plain(libc::ESTALE))?;
                dir(2 + self.store.subdir_count(id)?, dir_mode, from_nanos(known.names_changed_ns))
            }
            Place::Control => dir(4, 0o555, self.began),
            // 1 says that subdirectories are not counted.
            Place::Failed(_) | Place::View(View::By(_)) => dir(1, dir_mode, self.began),
            // As on a filesystem that is mounted read-only, modes do not tell that nothing can be changed: what
            // is copied from here can be changed there.
            Place::Library => dir(2 + View::FIXED.len() as u32, dir_mode, self.began),
            Place::View(_) => dir(2, dir_mode, self.began),
            Place::Status | Place::Metrics => {
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
            Place::File(file) | Place::Viewed(file) => {
                let info = self.shown(self.place(ino)?, file)?;
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
    async fn getattr_in(&self, parent: Option<Place>, ino: Ino) -> Result<Attr> {
        if let Some(attr) = self.getattr_now(ino)? {
            return Ok(attr);
        }
        let place = self.place(ino)?;
        let file = place.file().ok_or_else(|| Error::plain(libc::ESTALE))?;
        let info = self.file(file)?;
        if info.size.is_none() {
            if let Some(within) = parent.and_then(Place::within) {
                self.content.looked_up(within, info.id)?;
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
                let info = self.shown(place, file)?;
                let attr = self.file_attr(ino, &info.stat(), info.size.unwrap_or(0));
                Ok(Attr { valid: Duration::ZERO, ..attr })
            }
        }
    }

    /// Attributes of what a listing has told, as far as they are kept: what would take asking is good for no time, so
    /// that the kernel asks. `None` for what has gone meanwhile.
    fn attrs(&self, parent: Ino, listed: &[Listed]) -> Result<Vec<Option<Attr>>> {
        let parent = self.place(parent)?;
        let name_valid = match parent {
            Place::Dir(dir) => self.library.good_for(dir)?,
            _ => Duration::ZERO,
        };
        let files: Vec<_> =
            listed.iter().filter_map(|it| Place::of(it.ino).and_then(Place::file)).collect();
        let mut stats = self.store.stats(&files)?.into_iter();
        let attr = |it: &Listed| -> Result<Option<Attr>> {
            let found = match self.place(it.ino)? {
                place @ (Place::File(_) | Place::Viewed(_)) => {
                    let Some(stat) = stats.next().flatten() else { return Ok(None) };
                    self.attr_of_listed(place, stat)
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

    fn attr_of_listed(&self, place: Place, stat: Stat) -> Result<Option<Attr>> {
        // Of what is open the row does not tell all.
        let open = stat.upload == Some(UploadState::Open) || self.handles.opened(stat.id).is_some();
        if open && let Some(attr) = self.getattr_now(place.ino())? {
            return Ok(Some(attr));
        }
        let links = if place.is_in_views() { 1 } else { stat.links };
        let attr = self.file_attr(place.ino(), &Stat { links, ..stat }, stat.size.unwrap_or(0));
        let unknown = open || (stat.size.is_none() && self.config.exact_sizes);
        Ok(Some(Attr { valid: if unknown { Duration::ZERO } else { attr.valid }, ..attr }))
    }

    fn file_attr(&self, ino: Ino, stat: &Stat, size: u64) -> Attr {
        // What a writer changes only the spool file knows; and of what becomes of a file that has been merged into
        // another the kernel is told under the other's number.
        let told = stat.upload != Some(UploadState::Open)
            && Place::File(stat.id).ino() == ino
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
    fn named(&self, parent: Ino, place: Place, attr: Attr) -> Result<Attr> {
        let valid = match (self.place(parent)?, place) {
            (Place::Dir(dir), Place::Dir(_) | Place::File(_)) => self.library.good_for(dir)?,
            (Place::Dir(_), Place::Control) | (Place::Control, _) => VALID_MAX,
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
        let scope = match self.place(ino)? {
            Place::Dir(DirId::ROOT)
            | Place::Control
            | Place::Failed(_)
            | Place::Status
            | Place::Metrics => Scope::All,
            Place::Dir(dir) => Scope::Dir(dir),
            Place::File(file) => Scope::File(file),
            // Nothing is on its way there.
            Place::Library | Place::View(_) | Place::Viewed(_) => return Ok(()),
        };
        Ok(self.pipeline.drain(scope).await?)
    }

    fn place(&self, ino: Ino) -> Result<Place> {
        Place::of(ino).ok_or_else(|| Error::plain(libc::ESTALE))
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

enum Found {
    Place(Place),
    /// The directory has not been listed completely: only Google knows.
    Unknown(Vec<Follower>),
    Nothing,
}

fn place_of(child: Child) -> Place {
    match child {
        Child::Dir(dir) => Place::Dir(dir),
        Child::File(file) => Place::File(file),
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
