//! Puts thumbnails that Google makes into the desktop's cache, in the background. `seeding` says when.

mod browsing;
mod jobs;

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::error::Result;
use crate::api::{self, MEDIA_REQUESTS_PER_DAY};
use crate::content::{self, Content};
use crate::media::{DirId, FileId};
use crate::settings::Thumbnails;
use crate::store::{self, Child, FileInfo, Store};
use crate::thumbnails::{Cache, Stamp};
use browsing::Browsing;
use jobs::{Candidate, Jobs, Step};

/// Counts the files of a directory that are done. At the end of the work its sender is dropped.
pub(super) type Made = watch::Receiver<usize>;

/// How many pictures are requested at the same time.
const AT_A_TIME: usize = 32;

/// So many files of a directory get thumbnails at most.
const FILES_MAX: usize = 5000;

/// How many entries one query reads.
const ENTRIES_PER_QUERY: u32 = 512;

/// After so many media requests of a day, the rest is for reading photos.
const MEDIA_REQUESTS_MAX: u64 = MEDIA_REQUESTS_PER_DAY / 2;

/// Makes thumbnails in the background.
pub(super) struct Seeder {
    mode: Thumbnails,
    /// The names of the mountpoint: file managers address a photo by the one that they came by.
    roots: Vec<PathBuf>,
    cache: Cache,
    store: Store,
    content: Content,
    client: api::Client,
    runtime: Handle,
    work: Mutex<Work>,
    browsing: Mutex<Browsing>,
}

#[derive(Default)]
struct Work {
    jobs: Jobs,
    has_worker: bool,
}

/// The outcome of one step.
enum Done {
    Listed(DirId, VecDeque<Candidate>),
    Finished(DirId),
    /// Google gives out no pictures now.
    Unavailable,
}

impl Seeder {
    /// `None` if the mount makes no thumbnails.
    pub(super) fn new(
        mode: Thumbnails,
        roots: Vec<PathBuf>,
        (store, content, client): (Store, Content, api::Client),
    ) -> Option<Arc<Self>> {
        if mode == Thumbnails::Off {
            return None;
        }
        let cache = match Cache::of_user() {
            Ok(cache) => cache,
            Err(error) => {
                tracing::warn!(%error, "no thumbnails for file managers");
                return None;
            }
        };
        let (runtime, work) = (content.runtime().clone(), Mutex::default());
        let browsing = Mutex::default();
        Some(Arc::new(Self { mode, roots, cache, store, content, client, runtime, work, browsing }))
    }

    /// A file manager opens a directory. Returns whether a person may look at it.
    pub(super) fn is_view(&self, dir: DirId) -> bool {
        self.browsing.lock().opens(dir, Instant::now())
    }

    /// Whether each directory that the user lists gets thumbnails.
    pub(super) fn follows_listings(&self) -> bool {
        self.mode == Thumbnails::On
    }

    /// A program views a directory, and perhaps looks at one of its files. Returns the wait for its
    /// thumbnails, if it gets some.
    pub(super) fn view(self: &Arc<Self>, dir: DirId, at: Option<FileId>) -> Option<Made> {
        if !self.has_budget() {
            return None;
        }
        let mut work = self.work.lock();
        let made = work.jobs.view(dir, at, Instant::now())?;
        if !std::mem::replace(&mut work.has_worker, true) {
            drop(self.runtime.spawn(self.clone().work()));
        }
        Some(made)
    }

    fn has_budget(&self) -> bool {
        let today = self.client.budget().snapshot(Timestamp::now());
        today.media < MEDIA_REQUESTS_MAX && today.media_blocked_until.is_none()
    }

    /// Makes thumbnails until nothing is left to do.
    async fn work(self: Arc<Self>) {
        let mut steps = FuturesUnordered::new();
        loop {
            while steps.len() < AT_A_TIME {
                let mut work = self.work.lock();
                match work.jobs.next(Instant::now()) {
                    Some(step) => steps.push(self.clone().carry_out(step)),
                    None if steps.is_empty() => {
                        work.has_worker = false;
                        return;
                    }
                    None => break,
                }
            }
            let Some(done) = steps.next().await else { continue };
            let (now, jobs) = (Instant::now(), &mut self.work.lock().jobs);
            match done {
                Done::Listed(dir, files) => jobs.listed(dir, files, now),
                Done::Finished(dir) => jobs.finished(dir, now),
                Done::Unavailable => jobs.give_up(now),
            }
        }
    }

    async fn carry_out(self: Arc<Self>, step: Step) -> Done {
        match step {
            Step::List(dir) => {
                let seeder = self.clone();
                let files = tokio::task::spawn_blocking(move || seeder.candidates(dir)).await;
                let files = files.unwrap_or(Ok(VecDeque::new())).unwrap_or_else(|error| {
                    tracing::debug!(%error, "cannot list for thumbnails");
                    VecDeque::new()
                });
                Done::Listed(dir, files)
            }
            Step::Make(dir, candidate) => match self.make(dir, candidate).await {
                Ok(()) => Done::Finished(dir),
                Err(error) => {
                    tracing::debug!(
                        error = &error as &(dyn std::error::Error + 'static),
                        "no thumbnail for file managers"
                    );
                    if error.is_of_service() { Done::Unavailable } else { Done::Finished(dir) }
                }
            },
        }
    }

    /// The files of a directory in the order of their names, as file managers show them. Blocking.
    fn candidates(&self, dir: DirId) -> Result<VecDeque<Candidate>> {
        self.cache.make()?;
        let (mut files, mut cookie) = (Vec::new(), 0);
        while files.len() < FILES_MAX {
            let entries = self.store.entries(dir, cookie, ENTRIES_PER_QUERY)?;
            let Some(last) = entries.last() else { break };
            cookie = last.cookie;
            files.extend(entries.into_iter().filter_map(|entry| match entry.child {
                Child::File(file) => Some(Candidate { file, name: entry.name }),
                Child::Dir(_) => None,
            }));
        }
        files.truncate(FILES_MAX);
        files.sort_by(|one, other| one.name.as_bytes().cmp(other.name.as_bytes()));
        Ok(files.into())
    }

    /// Makes the thumbnails of a file if a program would read Google's bytes for them.
    async fn make(
        self: Arc<Self>,
        dir: DirId,
        candidate: Candidate,
    ) -> std::result::Result<(), content::Error> {
        let seeder = self.clone();
        let lacking = tokio::task::spawn_blocking(move || -> store::Result<_> {
            let Some(info) = seeder.store.file(candidate.file)? else { return Ok(None) };
            let stamps = seeder.lacking(&info, dir, candidate.name.as_bytes())?;
            Ok(if stamps.is_empty() { None } else { Some((info, stamps)) })
        });
        let lacking = lacking.await.map_err(|_| store::Error::ShuttingDown)?;
        let Some((info, stamps)) = lacking? else { return Ok(()) };
        if !self.has_budget() {
            return Ok(());
        }
        let picture = self.content.thumbnail(&info).await?;
        let cache = self.cache.clone();
        let saved = tokio::task::spawn_blocking(move || {
            stamps.iter().try_for_each(|stamp| cache.save(stamp, &picture))
        });
        Ok(saved.await.map_err(|_| store::Error::ShuttingDown)??)
    }

    /// The thumbnails that a file of Google's lacks. None if its bytes are on this machine, where
    /// programs make them without a request. Blocking.
    pub(super) fn lacking(
        &self,
        info: &FileInfo,
        dir: DirId,
        name: &[u8],
    ) -> store::Result<Vec<Stamp>> {
        if info.media.is_none() || info.upload.is_some() || self.content.is_local(info) {
            return Ok(Vec::new());
        }
        // Only albums have photos of Google's, and their names are text.
        let below = Path::new(&self.store.dir_path(dir)?).join(OsStr::from_bytes(name));
        let stamps = self.roots.iter().map(|root| Stamp::new(&root.join(&below), info.mtime_ns));
        Ok(stamps.filter(|stamp| !self.cache.has(stamp)).collect())
    }
}
