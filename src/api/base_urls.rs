//! Fresh base URLs: kept for most of their 60 minutes, renewed up to 50 at a time (reference §9, §13).

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lru::LruCache;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::{BATCH_MAX, Client, Error, ItemStatus};
use crate::media::{MediaId, MediaItem, MediaKind, VideoStatus};

/// A base URL lives for 60 minutes from the answer that carried it; a download takes a while, too.
const AGE_MAX: Duration = Duration::from_secs(50 * 60);

/// How many URLs are kept: about a megabyte.
const KEPT_MAX: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// How many may wait for the next request.
const WAITING_MAX: usize = 1024;

/// Where an item's bytes are to be had, for now.
#[derive(Clone, Debug)]
pub struct Source {
    /// To be completed by the suffix that suits `kind`.
    pub base_url: String,
    /// Photo or video.
    pub kind: MediaKind,
    /// A video that is not ready has no bytes yet.
    pub video: Option<VideoStatus>,
}

/// Why there is no base URL.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SourceError {
    /// The request for it failed.
    #[error("asking Google for the download address failed")]
    Api(#[source] Arc<Error>),
    /// Google does not know the item any more, or does not show it.
    #[error("Google does not give the item out: {}", .0.message)]
    Item(ItemStatus),
    /// The item came without one.
    #[error("Google gave no download address")]
    Missing,
    /// The program is shutting down.
    #[error("the program is shutting down")]
    ShuttingDown,
}

struct Ask {
    id: MediaId,
    answer: oneshot::Sender<Result<Source, SourceError>>,
}

/// The base URLs known now.
pub struct BaseUrls {
    // Held for one look-up or insert.
    known: Arc<Mutex<LruCache<MediaId, (Source, Instant)>>>,
    asks: mpsc::Sender<Ask>,
}

impl BaseUrls {
    /// Starts the task that renews.
    pub fn start(client: Client, runtime: &Handle) -> Self {
        let known = Arc::new(Mutex::new(LruCache::new(KEPT_MAX)));
        let (asks, waiting) = mpsc::channel(WAITING_MAX);
        runtime.spawn(renew(client, known.clone(), waiting));
        Self { known, asks }
    }

    /// Keeps the URLs that came with a listing.
    pub fn learn(&self, items: &[MediaItem]) {
        let mut known = self.known.lock();
        for item in items {
            if let Some(source) = source(item) {
                known.put(item.id.clone(), (source, Instant::now()));
            }
        }
    }

    /// A URL that is good for some minutes at least.
    ///
    /// # Errors
    /// If there is none to be had.
    pub async fn get(&self, id: &MediaId) -> Result<Source, SourceError> {
        if let Some((source, at)) = self.known.lock().get(id)
            && at.elapsed() < AGE_MAX
            // Whether a video is ready is not known for an hour.
            && !matches!(source.video, Some(VideoStatus::Processing))
        {
            return Ok(source.clone());
        }
        let (answer, answered) = oneshot::channel();
        let ask = Ask { id: id.clone(), answer };
        self.asks.send(ask).await.map_err(|_| SourceError::ShuttingDown)?;
        answered.await.unwrap_or(Err(SourceError::ShuttingDown))
    }

    /// A download with this URL was refused: it is asked for anew next time.
    pub fn forget(&self, id: &MediaId) {
        self.known.lock().pop(id);
    }
}

/// Whoever asks while a request is under way goes into the next one.
async fn renew(
    client: Client,
    known: Arc<Mutex<LruCache<MediaId, (Source, Instant)>>>,
    mut waiting: mpsc::Receiver<Ask>,
) {
    let mut asks = Vec::with_capacity(BATCH_MAX);
    while waiting.recv_many(&mut asks, BATCH_MAX).await > 0 {
        let mut ids: Vec<MediaId> = asks.iter().map(|ask| ask.id.clone()).collect();
        ids.sort();
        ids.dedup();
        let outcome = client.get_items(&ids).await.map_err(Arc::new);
        for ask in asks.drain(..) {
            let result = match &outcome {
                Err(error) => Err(SourceError::Api(error.clone())),
                Ok(results) => match ids.iter().zip(results).find(|(id, _)| **id == ask.id) {
                    Some((_, Ok(item))) => source(item).ok_or(SourceError::Missing),
                    Some((_, Err(status))) => Err(SourceError::Item(status.clone())),
                    None => Err(SourceError::Missing),
                },
            };
            if let Ok(source) = &result {
                known.lock().put(ask.id, (source.clone(), Instant::now()));
            }
            // Whoever asked may have been interrupted.
            let _ = ask.answer.send(result);
        }
    }
}

fn source(item: &MediaItem) -> Option<Source> {
    let base_url = item.base_url.clone()?;
    Some(Source { base_url, kind: item.kind(), video: item.video })
}
