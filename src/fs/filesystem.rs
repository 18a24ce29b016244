//! The filesystem: its parts, and the helpers that all operations share.

use std::path::PathBuf;
use std::sync::{Arc, Once};
use std::time::SystemTime;

use tokio::sync::Semaphore;

use super::error::{Error, Result};
use super::handles::Handles;
use super::node::{Ino, Node};
use super::requests::Requests;
use super::seeder::Seeder;
use super::snapshots::Snapshots;
use crate::api;
use crate::content::Content;
use crate::library::Library;
use crate::media::name_pattern::NamePattern;
use crate::media::{BadName, Caller, DirId, EntryName, FileId};
use crate::settings::Thumbnails;
use crate::store::{FileInfo, Store, UploadState};
use crate::upload::{Patience, Pipeline, SyncScope};

/// The settings of the filesystem.
#[derive(Clone, Debug)]
pub struct Config {
    /// Refuse every change.
    pub read_only: bool,
    /// For a program that walks a directory, request sizes of items ahead that were not uploaded from
    /// here. Otherwise only those that it asks for.
    pub exact_sizes: bool,
    /// Other users of this machine may access the mount.
    pub shared: bool,
    /// The permission bits that no file and no directory has.
    pub umask: u16,
    /// close(2) returns when the file is uploaded, instead of when it is durable on this disk.
    pub commit_at_close: bool,
    /// Whether the mount puts thumbnails into the desktop's cache.
    pub thumbnails: Thumbnails,
    /// The mountpoint as the user has named it, an absolute path. A symlink may lead to it.
    pub named: PathBuf,
    /// For `status.json`: sidecars of photos stay here.
    pub keep_sidecars: bool,
    /// For `status.json`: names of files that are not complete, beside those that are known.
    pub temporary_names: Vec<NamePattern>,
    /// For `status.json`.
    pub profile: String,
    /// The mountpoint, without symlinks.
    pub mountpoint: PathBuf,
    /// For `status.json`.
    pub api_url: String,
}

/// The block size for statfs(2). Sizes of files are exact.
const BLOCK_BYTES: u32 = 4096;

/// How many downloads are begun at the same time. That takes a thread each, for a short time.
const BEGINNING_MAX: usize = 8;

/// The space in the spool, which limits writing. It becomes free as files are uploaded.
#[derive(Clone, Copy, Debug)]
pub struct Space {
    /// Bytes in a block.
    pub block_bytes: u32,
    /// The limit of the spool, in blocks.
    pub blocks: u64,
    /// Free blocks.
    pub free: u64,
}

/// The filesystem.
pub struct Fs {
    pub(super) config: Config,
    pub(super) store: Store,
    pub(super) library: Library,
    pub(super) pipeline: Pipeline,
    pub(super) content: Content,
    pub(super) client: api::Client,
    pub(super) handles: Handles,
    /// Turns to begin downloads.
    pub(super) beginning: Semaphore,
    pub(super) began: SystemTime,
    pub(super) requests: Requests,
    pub(super) snapshots: Snapshots,
    /// Makes thumbnails, unless the settings forbid it.
    pub(super) seeder: Option<Arc<Seeder>>,
    /// Set once the log says how picked items read.
    pub(super) told_of_renditions: Once,
}

impl Fs {
    /// Connects the parts.
    pub fn new(
        config: Config,
        store: Store,
        library: Library,
        pipeline: Pipeline,
        content: Content,
        client: api::Client,
    ) -> Arc<Self> {
        let mut roots = vec![config.mountpoint.clone()];
        roots.extend((config.named != config.mountpoint).then(|| config.named.clone()));
        let (thumbnails, parts) =
            (config.thumbnails, (store.clone(), content.clone(), client.clone()));
        Arc::new(Self {
            seeder: Seeder::new(thumbnails, roots, parts),
            config,
            store,
            library,
            handles: Handles::new(pipeline.drafts().clone()),
            beginning: Semaphore::new(BEGINNING_MAX),
            pipeline,
            content,
            client,
            began: SystemTime::now(),
            requests: Requests::default(),
            snapshots: Snapshots::default(),
            told_of_renditions: Once::new(),
        })
    }

    /// The counts of the kernel's requests.
    pub fn requests(&self) -> &Requests {
        &self.requests
    }

    /// The space in the spool.
    pub fn statfs(&self) -> Result<Space> {
        let space = self.pipeline.space()?;
        let (left, used) = (space.left, space.used.saturating_sub(space.refused + space.kept));
        let block = u64::from(BLOCK_BYTES);
        Ok(Space { block_bytes: BLOCK_BYTES, blocks: (used + left) / block, free: left / block })
    }

    /// Waits until all closed files at or below `ino` are uploaded. Changes of names are durable
    /// then.
    pub async fn sync(&self, ino: Ino) -> Result<()> {
        self.sync_with(ino, Patience::Unbounded).await
    }

    /// As [`Fs::sync`], for fsync(2) of a directory. The kernel locks the directory meanwhile: other
    /// programs that change it cannot even be killed. So this does not wait for the end of an
    /// outage.
    pub async fn sync_dir(&self, ino: Ino) -> Result<()> {
        self.sync_with(ino, Patience::Bounded).await
    }

    async fn sync_with(&self, ino: Ino, patience: Patience) -> Result<()> {
        // Removed names become durable even if the wait for uploads fails.
        self.store.make_durable()?;
        let scope = match self.node(ino)? {
            Node::Dir(DirId::ROOT)
            | Node::Control
            | Node::Failed(_)
            | Node::Status
            | Node::Metrics
            | Node::RefusedLink => SyncScope::All,
            Node::Dir(dir) => SyncScope::Dir(dir),
            Node::File(file) => SyncScope::File(file),
            // Nothing is uploaded from there.
            Node::Library | Node::View(_) | Node::Picks | Node::Pick(_) | Node::ReadOnlyFile(_) => {
                return Ok(());
            }
        };
        // The kernel locks the file or directory for the time of an fsync: another user who waits
        // here would keep the owner out.
        if Caller::current().is_owner() {
            return Ok(self.pipeline.drain_with(scope, patience).await?);
        }
        match self.pipeline.is_drained(scope).await? {
            true => Ok(()),
            false => Err(Error::owners_only()),
        }
    }

    pub(super) fn node(&self, ino: Ino) -> Result<Node> {
        Node::of(ino).ok_or_else(|| Error::plain(libc::ESTALE))
    }

    /// A file as a reader sees it now.
    pub(super) fn file(&self, file: FileId) -> Result<FileInfo> {
        let mut info = self.store.file(file)?.ok_or_else(|| Error::plain(libc::ESTALE))?;
        if info.upload == Some(UploadState::Open) {
            self.pipeline.spool().update(&mut info)?;
        }
        Ok(info)
    }

    pub(super) fn check_writable(&self) -> Result<()> {
        if self.config.read_only { Err(Error::plain(libc::EROFS)) } else { Ok(()) }
    }
}

/// Parses a name from the kernel.
pub(super) fn entry_name(name: &[u8]) -> Result<EntryName> {
    EntryName::new(name).map_err(|error| {
        Error::plain(match error {
            BadName::TooLong => libc::ENAMETOOLONG,
            BadName::Reserved => libc::EINVAL,
        })
    })
}
