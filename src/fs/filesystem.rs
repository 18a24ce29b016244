//! The filesystem: its parts, and what all operations share.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use super::error::{Error, Result};
use super::handles::Handles;
use super::node::{Ino, Node};
use super::requests::Requests;
use crate::api;
use crate::content::Content;
use crate::library::Library;
use crate::media::{BadName, DirId, EntryName, FileId};
use crate::store::{FileInfo, Store, UploadState};
use crate::upload::{Pipeline, SyncScope};

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
    pub(super) config: Config,
    pub(super) store: Store,
    pub(super) library: Library,
    pub(super) pipeline: Pipeline,
    pub(super) content: Content,
    pub(super) client: api::Client,
    pub(super) handles: Handles,
    pub(super) began: SystemTime,
    pub(super) requests: Requests,
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
            handles: Handles::new(pipeline.drafts().clone()),
            pipeline,
            content,
            client,
            began: SystemTime::now(),
            requests: Requests::default(),
        })
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
        // Names that were taken away, also if waiting for the rest should fail.
        self.store.make_durable()?;
        let scope = match self.node(ino)? {
            Node::Dir(DirId::ROOT)
            | Node::Control
            | Node::Failed(_)
            | Node::Status
            | Node::Metrics => SyncScope::All,
            Node::Dir(dir) => SyncScope::Dir(dir),
            Node::File(file) => SyncScope::File(file),
            // Nothing is on its way there.
            Node::Library | Node::View(_) | Node::ReadOnlyFile(_) => return Ok(()),
        };
        Ok(self.pipeline.drain(scope).await?)
    }

    pub(super) fn node(&self, ino: Ino) -> Result<Node> {
        Node::of(ino).ok_or_else(|| Error::plain(libc::ESTALE))
    }

    /// What is known of a file, as a reader would find it now.
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

/// The name of an entry, as the kernel gives it.
pub(super) fn entry_name(name: &[u8]) -> Result<EntryName> {
    EntryName::new(name).map_err(|error| {
        Error::plain(match error {
            BadName::TooLong => libc::ENAMETOOLONG,
            BadName::Reserved => libc::EINVAL,
        })
    })
}
