//! Caches base URLs for most of their 60 minutes, and renews up to 50 at a time (reference §9,
//! §13).

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lru::LruCache;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::{BATCH_MAX, Client, Error, ItemStatus};
use crate::media::{Caller, MediaId, MediaItem, MediaKind, VideoStatus};

/// The greatest age of a URL in use. A base URL lives for 60 minutes from its answer, and a
/// download takes a while, too.
const AGE_MAX: Duration = Duration::from_secs(50 * 60);

/// How many URLs are kept: as many as an album has items. So downloads after a listing need no
/// second request for their addresses. At a few hundred bytes each that is up to 20 MB, within an
/// hour of such a listing.
const KEPT_MAX: NonZeroUsize = NonZeroUsize::new(20_000).unwrap();

/// How many callers may wait for the next request.
const WAITING_MAX: usize = 1024;

/// The current address of an item's bytes.
#[derive(Clone, Debug)]
pub struct Source {
    /// Needs the suffix for `kind`.
    pub base_url: String,
    /// Photo or video.
    pub kind: MediaKind,
    /// The status of a video. One that is not ready has no bytes yet.
    pub video: Option<VideoStatus>,
}

impl Source {
    /// The address in an item's description, if that has one.
    pub fn of(item: &MediaItem) -> Option<Self> {
        let base_url = item.base_url.clone()?;
        Some(Self { base_url, kind: item.kind(), video: item.video })
    }
}

/// Why there is no base URL.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SourceError {
    /// The request for it failed.
    #[error("asking Google for the download address failed")]
    Api(#[source] Arc<Error>),
    /// Google no longer knows the item, or does not show it.
    #[error("Google does not return the item: {}", .0.message)]
    Item(ItemStatus),
    /// Google returned the item without a base URL.
    #[error("Google gave no download address")]
    Missing,
    /// The program is shutting down.
    #[error("the program is shutting down")]
    ShuttingDown,
}

struct Request {
    id: MediaId,
    /// Items that are likely to be requested next.
    beside: Vec<MediaId>,
    caller: Caller,
    answer: oneshot::Sender<Result<Source, SourceError>>,
}

struct Known {
    sources: LruCache<MediaId, (Source, Instant)>,
    /// When the youngest refused URL arrived. Older ones have expired as well.
    refused: Option<Instant>,
}

/// Base URLs by the ids of their items, as long as they are good for some minutes at least.
// Held for one lookup or insert.
pub struct KnownUrls(Mutex<Known>);

impl Default for KnownUrls {
    fn default() -> Self {
        Self(Mutex::new(Known { sources: LruCache::new(KEPT_MAX), refused: None }))
    }
}

impl KnownUrls {
    /// Stores the URLs of an answer to a request that was sent at this time.
    pub fn remember<'a>(&self, items: impl IntoIterator<Item = &'a MediaItem>, at: Instant) {
        let mut known = self.0.lock();
        for (id, source) in items.into_iter().filter_map(|it| Some((&it.id, Source::of(it)?))) {
            known.sources.put(id.clone(), (source, at));
        }
    }

    /// The URL of an item.
    pub fn get(&self, id: &MediaId) -> Option<Source> {
        let known = &mut *self.0.lock();
        let refused = known.refused;
        let (source, at) = known.sources.get(id)?;
        let is_fresh = at.elapsed() < AGE_MAX
            && refused.is_none_or(|refused| *at > refused)
            // The status of a video may change within the hour.
            && !matches!(source.video, Some(VideoStatus::Processing));
        is_fresh.then(|| source.clone())
    }

    /// Drops a URL that Google has refused, and all that are as old.
    pub fn forget(&self, id: &MediaId) {
        let known = &mut *self.0.lock();
        if let Some((_, at)) = known.sources.pop(id) {
            known.refused = known.refused.max(Some(at));
        }
    }
}

/// The cache of base URLs.
pub struct BaseUrls {
    known: Arc<KnownUrls>,
    requests: mpsc::Sender<Request>,
}

impl BaseUrls {
    /// Starts the task that renews URLs.
    pub fn start(client: Client, runtime: &Handle) -> Self {
        let known = Arc::new(KnownUrls::default());
        let (requests, waiting) = mpsc::channel(WAITING_MAX);
        runtime.spawn(renew(client, known.clone(), waiting));
        Self { known, requests }
    }

    /// Stores the URLs of a listing.
    pub fn remember(&self, items: &[MediaItem]) {
        self.known.remember(items, Instant::now());
    }

    /// Whether the cache has a URL that is good for some minutes at least.
    pub fn knows(&self, id: &MediaId) -> bool {
        self.known.get(id).is_some()
    }

    /// Returns a URL that is good for some minutes at least. If that needs a request to Google, the
    /// request includes items of `beside`, as many as fit.
    ///
    /// # Errors
    /// If Google returns none.
    pub async fn get(&self, id: &MediaId, beside: Vec<MediaId>) -> Result<Source, SourceError> {
        if let Some(source) = self.known.get(id) {
            return Ok(source);
        }
        let (answer, answered) = oneshot::channel();
        let caller = Caller::current();
        let request = Request { id: id.clone(), beside, caller, answer };
        self.requests.send(request).await.map_err(|_| SourceError::ShuttingDown)?;
        answered.await.unwrap_or(Err(SourceError::ShuttingDown))
    }

    /// Drops a URL that Google has refused, and all that are as old.
    pub fn forget(&self, id: &MediaId) {
        self.known.forget(id);
    }
}

/// Serves the waiting callers in batches. A caller that arrives during a request goes into the next
/// batch, unless the request brings its URL.
async fn renew(client: Client, known: Arc<KnownUrls>, mut waiting: mpsc::Receiver<Request>) {
    let mut requests = Vec::with_capacity(BATCH_MAX);
    while waiting.recv_many(&mut requests, BATCH_MAX).await > 0 {
        requests = unanswered(requests, &known);
        if requests.is_empty() {
            continue;
        }
        let ids = batch(&requests, &known);
        let began = Instant::now();
        let outcome = payer(&requests).run_async(client.get_items(&ids)).await.map_err(Arc::new);
        if let Ok(results) = &outcome {
            known.remember(results.iter().flatten(), began);
        }
        for request in requests.drain(..) {
            let result = match &outcome {
                Err(error) => Err(SourceError::Api(error.clone())),
                Ok(results) => match ids.iter().zip(results).find(|(id, _)| **id == request.id) {
                    Some((_, Ok(item))) => Source::of(item).ok_or(SourceError::Missing),
                    Some((_, Err(status))) => Err(SourceError::Item(status.clone())),
                    None => Err(SourceError::Missing),
                },
            };
            // The caller may have been interrupted.
            let _ = request.answer.send(result);
        }
    }
}

/// Answers the callers whose URLs have arrived meanwhile, and returns the others.
fn unanswered(requests: Vec<Request>, known: &KnownUrls) -> Vec<Request> {
    let mut left = Vec::with_capacity(BATCH_MAX);
    for request in requests {
        match known.get(&request.id) {
            Some(source) => {
                // The caller may have been interrupted.
                let _ = request.answer.send(Ok(source));
            }
            None => left.push(request),
        }
    }
    left
}

/// The caller who causes a batch: the owner, if one of the requests is the owner's.
fn payer(requests: &[Request]) -> Caller {
    match requests.iter().all(|request| !request.caller.is_owner()) {
        true => requests.first().map_or(Caller::Owner, |request| request.caller),
        false => Caller::Owner,
    }
}

/// The ids of a request: first the requested items, then their neighbours, as many as fit.
fn batch(requests: &[Request], known: &KnownUrls) -> Vec<MediaId> {
    let mut ids: Vec<MediaId> = requests.iter().map(|request| request.id.clone()).collect();
    ids.sort();
    ids.dedup();
    for beside in requests.iter().flat_map(|request| &request.beside) {
        if ids.len() == BATCH_MAX {
            break;
        }
        if !ids.contains(beside) && known.get(beside).is_none() {
            ids.push(beside.clone());
        }
    }
    ids
}
