//! The half of the pipeline that the kernel's requests meet.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::blocked::Blocked;
use super::classify::{local_dir, stays_here};
use super::config::SHUTDOWN_TIMEOUT;
use super::drafts::Drafts;
use super::shared::Shared;
use super::spool::Spool;
use super::videos::has_video_tools;
use crate::media::{DirId, EntryName, FileId, Quality, UploadLimit, VideoQuality};
use crate::store;

/// The upload pipeline of one profile. Cheap to clone.
#[derive(Clone)]
pub struct Pipeline {
    pub(super) shared: Arc<Shared>,
}

impl Pipeline {
    /// The bytes of files that have not arrived yet. A caller that sets a spooled file's time of
    /// modification sets it there as well ([`Spool::set_mtime`]): sealing keeps what it finds.
    pub fn spool(&self) -> &Spool {
        &self.shared.spool
    }

    /// In which quality photos are uploaded whose directory says nothing.
    pub fn quality(&self) -> Quality {
        self.shared.config.quality.photos
    }

    /// Whether videos can be made smaller. `None` if that was not asked for.
    pub fn can_shrink_videos(&self) -> Option<bool> {
        let asked = self.shared.config.quality.videos != VideoQuality::Original;
        asked.then(has_video_tools)
    }

    /// The drafts of files that are open.
    pub fn drafts(&self) -> &Drafts {
        &self.shared.drafts
    }

    /// Whether a file of this name stays here: its name says so, or the directory is only here.
    ///
    /// # Errors
    /// If the database fails.
    pub fn stays_here(&self, dir: DirId, name: &EntryName) -> store::Result<bool> {
        let Shared { store, config, .. } = &*self.shared;
        Ok(stays_here(store, &config.names, dir, name)?.is_some())
    }

    /// Whether a directory of this name is only here, and no album.
    ///
    /// # Errors
    /// If the database fails.
    pub fn dir_stays_here(&self, parent: DirId, name: &EntryName) -> store::Result<bool> {
        let Shared { store, config, .. } = &*self.shared;
        let in_local_dir = local_dir(store, &config.names, parent)?;
        Ok(in_local_dir.or_else(|| config.names.of_dir(name)).is_some())
    }

    /// Removes a file that nobody names any more, unless somebody has it open: then the last close
    /// removes it.
    ///
    /// # Errors
    /// If the database fails.
    pub fn remove_if_orphan(&self, file: FileId) -> store::Result<()> {
        if self.shared.drafts.is_open(file) {
            return Ok(());
        }
        let draft = self.shared.drafts.lock(file);
        self.shared.remove_if_orphan(&draft)?;
        Ok(())
    }

    /// Names were added or taken away: there may be something to do.
    pub fn wake(&self) {
        self.shared.mark_dirty();
    }

    /// Whether Google would refuse to put items into albums and to take them out, as far as is
    /// known.
    pub fn lacks_edit(&self) -> bool {
        self.shared.lacks_edit()
    }

    /// Changes whenever something has arrived, failed or changed its place, or an outage has begun or
    /// ended.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.shared.progress.subscribe()
    }

    /// All outages, the one that blocks most first.
    pub fn outages(&self) -> Vec<Blocked> {
        self.shared.outages.lock().clone()
    }

    /// How many files have arrived, and memberships have changed, since the program began.
    pub fn arrived(&self) -> u64 {
        self.shared.arrived().0
    }

    /// Somebody may have helped: what waits for a person is tried again at once.
    pub fn try_now(&self) {
        self.shared.try_now.store(true, Ordering::Relaxed);
        self.shared.wake.notify_one();
    }

    /// Limits the bytes of all uploads, also of those under way.
    pub fn set_upload_limit(&self, limit: UploadLimit) {
        let shared = &self.shared;
        tracing::info!(%limit, "uploads are limited from now on");
        shared.client.set_upload_limit(limit);
        shared.rate.lock().begin_again(Instant::now(), shared.sent());
        shared.wake.notify_one();
        shared.moved_on();
    }

    /// Pauses uploads while the connection is metered.
    pub fn set_metered(&self, is_metered: bool) {
        if self.shared.metered.swap(is_metered, Ordering::Relaxed) != is_metered {
            self.shared.wake.notify_one();
        }
    }

    /// The network has changed, or the machine has slept: what has failed is tried again at once.
    pub fn network_changed(&self) {
        self.shared.network_changed.store(true, Ordering::Relaxed);
        self.shared.wake.notify_one();
    }

    /// Stops within a few seconds. What is left goes on with the next start.
    pub async fn shutdown(&self) {
        self.shared.stop.cancel();
        let timeout = SHUTDOWN_TIMEOUT + Duration::from_secs(1);
        if tokio::time::timeout(timeout, self.shared.stopped.cancelled()).await.is_err() {
            tracing::warn!(
                "the upload worker did not stop in time; it loses nothing by being cut off"
            );
        }
    }
}
