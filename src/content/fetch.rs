//! One download into the cache, however many readers; it goes on where it broke off and stops when
//! nobody reads any more.

use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::watch;

use super::cache::Unfinished;
use super::{Content, Error, read_at};
use crate::api::{self, Source};
use crate::media::{FileId, MediaId, VideoStatus};

/// How often a download that makes no progress is begun again.
const ATTEMPTS_MAX: u32 = 3;

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(500);

/// How far a download is.
#[derive(Default)]
pub(super) struct State {
    /// Bytes that can be read.
    pub(super) have: u64,
    /// Set when there will be no more.
    pub(super) ended: Option<Result<(), Arc<Error>>>,
}

/// A download. Dropping the last reference stops it.
pub struct Fetch {
    into: Arc<Unfinished>,
    state: watch::Sender<State>,
}

impl Fetch {
    pub(super) fn new(into: Unfinished) -> Self {
        Self { into: Arc::new(into), state: watch::Sender::default() }
    }

    pub(super) fn progress(&self) -> watch::Sender<State> {
        self.state.clone()
    }

    pub(super) fn has_failed(&self) -> bool {
        matches!(self.state.borrow().ended, Some(Err(_)))
    }

    /// Waits until `end` bytes are there, or all there are.
    pub(super) async fn reach(&self, end: u64) -> Result<(), Error> {
        let mut follower = self.state.subscribe();
        let state = follower
            .wait_for(|state| state.have >= end || state.ended.is_some())
            .await
            .map_err(|_| crate::store::Error::ShuttingDown)?;
        match &state.ended {
            Some(Err(error)) if state.have < end => Err(Error::Shared(error.clone())),
            _ => Ok(()),
        }
    }

    /// Waits until the file is whole and in its place.
    pub(super) async fn complete(&self) -> Result<(), Error> {
        self.reach(u64::MAX).await
    }

    pub(super) fn read_now(&self, offset: u64, len: usize) -> Option<io::Result<Vec<u8>>> {
        let there = {
            let state = self.state.borrow();
            state.have >= offset.saturating_add(len as u64) || matches!(state.ended, Some(Ok(())))
        };
        there.then(|| self.read_at(offset, len))
    }

    pub(super) fn read_at(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        read_at(&self.into.file, offset, len)
    }
}

impl Content {
    /// Fills the file from front to back and puts it into the cache.
    pub(super) async fn download(
        &self,
        file: FileId,
        media: MediaId,
        fetch: &Weak<Fetch>,
        progress: &watch::Sender<State>,
    ) -> Result<(), Error> {
        let mut attempts = 0;
        let mut renewed = false;
        let mut total = None;
        loop {
            let before = progress.borrow().have;
            let outcome = self.pour(&media, fetch, progress, &mut total).await;
            if progress.borrow().have > before {
                (attempts, renewed) = (0, false);
            }
            match outcome {
                Ok(Some(into)) => return self.settle(file, &media, fetch, into).await,
                // Nobody reads it: nobody hears of it either.
                Ok(None) => return Err(Error::NowhereYet),
                Err(Error::Download(error)) if error.is_stale_url() && !renewed => {
                    self.urls.forget(&media);
                    renewed = true;
                }
                Err(error) => {
                    attempts += 1;
                    let worth_it = matches!(&error, Error::Download(error)
                        if matches!(error.advice(), api::Advice::Retry { .. }));
                    if !worth_it || attempts >= ATTEMPTS_MAX {
                        return Err(error);
                    }
                    tracing::debug!(%media, %error, "download broke off: going on");
                    tokio::time::sleep(PAUSE * attempts).await;
                }
            }
        }
    }

    /// Goes on until the file is whole; `None` if nobody reads it any more. `total` is the length that an
    /// earlier part was told to be of.
    async fn pour(
        &self,
        media: &MediaId,
        fetch: &Weak<Fetch>,
        progress: &watch::Sender<State>,
        total: &mut Option<u64>,
    ) -> Result<Option<Arc<Unfinished>>, Error> {
        let source = self.urls.get(media).await?;
        check_ready(&source)?;
        let mut have = progress.borrow().have;
        let mut download = self.client.download(&source.base_url, source.kind, have).await?;
        // Google may make the picture anew at any time: parts of two do not make one.
        if have > 0 && download.len != *total {
            return Err(Error::Changed);
        }
        *total = download.len;
        // Kept without keeping the fetch alive.
        let Some(into) = fetch.upgrade().map(|fetch| fetch.into.clone()) else { return Ok(None) };
        while let Some(chunk) = download.stream.next().await {
            let chunk = chunk?;
            let (out, cache) = (into.clone(), self.cache.clone());
            let len = chunk.len() as u64;
            let write = move || loop {
                match out.file.write_all_at(&chunk, have) {
                    Err(err) if err.kind() == io::ErrorKind::StorageFull && cache.make_room() => {}
                    done => return done,
                }
            };
            tokio::task::spawn_blocking(write)
                .await
                .map_err(|_| crate::store::Error::ShuttingDown)??;
            have += len;
            progress.send_modify(|state| state.have = have);
            if fetch.strong_count() == 0 {
                return Ok(None);
            }
        }
        if total.is_some_and(|total| total != have) {
            return Err(Error::Changed);
        }
        Ok(Some(into))
    }

    async fn settle(
        &self,
        file: FileId,
        media: &MediaId,
        fetch: &Weak<Fetch>,
        into: Arc<Unfinished>,
    ) -> Result<(), Error> {
        let (content, fetch) = (self.clone(), fetch.clone());
        let size = tokio::task::spawn_blocking(move || {
            into.file.sync_data()?;
            let running = content.running.lock();
            // Otherwise the file has got another content since: see `drop_local`.
            if running.get(&file).is_some_and(|running| running.ptr_eq(&fetch)) {
                content.cache.finish(file, &into)?;
            }
            drop(running);
            into.file.metadata().map(|meta| meta.len())
        })
        .await
        .map_err(|_| crate::store::Error::ShuttingDown)??;
        let media = media.clone();
        Ok(self.store.run(move |store| store.learn_item_size(&media, size)).await?)
    }
}

/// A video has no bytes to give before Google has processed it (reference §9).
pub(super) fn check_ready(source: &Source) -> Result<(), Error> {
    match source.video {
        Some(VideoStatus::Processing) => Err(Error::Processing),
        Some(VideoStatus::Failed) => Err(Error::ProcessingFailed),
        _ => Ok(()),
    }
}
