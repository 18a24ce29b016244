//! A stream: successive requests for a file's bytes from some offset on. It renews a refused base
//! URL once, resumes where it broke off, and gives up when no bytes arrive for too long.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::SemaphorePermit;
use tokio::time::{Instant, timeout, timeout_at};

use super::cache::is_full;
use super::error::Error;
use super::fetch::Fetch;
use super::measure::{check_length, check_room};
use super::plan::{Flow, Number, WHOLE_MAX};
use super::{Content, limit};
use crate::api::{Download, FailureKind};
use crate::media::{Caller, ItemId, MediaKind};
use crate::store;

/// How many attempts in a row a stream makes without new bytes.
const ATTEMPTS_MAX: u32 = 3;

/// An answer with fewer new bytes than this is a small one.
const SMALL: u64 = 64 << 10;

/// How many small answers in a row a stream takes. Each is a request of the day's quota.
const SMALL_MAX: u32 = 100;

/// The wait between two attempts if the first brought nothing new. It grows.
const PAUSE: Duration = Duration::from_millis(500);

/// How many chunks of the network are written at a time.
const CHUNKS_MAX: usize = 32;

/// A running stream. However it ends, its waiters get the result.
struct Running {
    content: Content,
    fetch: Arc<Fetch>,
    number: Number,
    outcome: Result<(), Arc<Error>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.fetch.stream_ended(self.number, self.outcome.clone());
        self.content.tidy(&self.fetch);
    }
}

/// The right to make requests, until it is dropped.
struct Turn<'a> {
    _of_others: Option<SemaphorePermit<'a>>,
    _of_all: SemaphorePermit<'a>,
}

/// The progress of a stream.
struct StreamProgress {
    /// When bytes last arrived.
    last_received: Instant,
    /// How many new bytes have arrived since the last request.
    new_bytes: u64,
}

impl Content {
    /// Starts a stream that the plan needs.
    pub(super) fn begin_stream(&self, fetch: &Arc<Fetch>, number: Number) {
        let caller = if fetch.is_owners() { Caller::Owner } else { Caller::current() };
        let allowed = self.failures.check(fetch.file).and_then(|()| self.check_share(caller));
        if let Err(error) = allowed {
            return fetch.stream_ended(number, Err(Arc::new(error)));
        }
        let lost = Arc::new(store::Error::ShuttingDown.into());
        let (content, fetch) = (self.clone(), fetch.clone());
        let mut running = Running { content, fetch, number, outcome: Err(lost) };
        self.runtime.spawn(async move {
            let (content, fetch) = (running.content.clone(), running.fetch.clone());
            let outcome = tokio::select! {
                outcome = content.stream(&fetch, number, caller) => outcome,
                () = fetch.unwanted(number) => Ok(()),
            };
            running.outcome = outcome.map_err(Arc::new);
            match &running.outcome {
                Ok(()) if fetch.is_whole() => content.finish(&fetch).await,
                Err(error) if is_of_google(error) => content.failures.failed(fetch.file, error),
                _ => {}
            }
            // The next reader must find the failure.
            if let Err(error) = &running.outcome
                && matches!(**error, Error::TooLong | Error::Unbounded)
            {
                content.give_up(&fetch, error).await;
            }
        });
    }

    async fn stream(
        &self,
        fetch: &Arc<Fetch>,
        number: Number,
        caller: Caller,
    ) -> Result<(), Error> {
        let mut progress = StreamProgress { last_received: Instant::now(), new_bytes: 0 };
        let (mut attempts, mut small, mut renewed) = (0, 0, false);
        let mut limit_passes = self.waits.limit_passes();
        loop {
            let begun = Instant::now();
            let turn = self.turn(fetch, caller, limit_passes).await?;
            // No bytes can arrive while the stream waits for its turn.
            progress.last_received += begun.elapsed();
            let payer = if fetch.is_owners() { Caller::Owner } else { caller };
            let outcome = payer.run_async(self.receive(fetch, number, &mut progress)).await;
            drop(turn);
            let new_bytes = std::mem::take(&mut progress.new_bytes);
            small = if new_bytes < SMALL { small + 1 } else { 0 };
            if new_bytes > 0 {
                (attempts, renewed) = (0, false);
                limit_passes = self.waits.limit_passes();
            }
            // Small answers that break off do not shorten the pause after the file's next failure.
            if small == 0 || (new_bytes > 0 && outcome.is_ok()) {
                self.failures.succeeded(fetch.file);
            }
            match outcome {
                Ok(()) => return Ok(()),
                Err(Error::Download(error)) if error.is_throttled() => self.throttle.failed(&error),
                Err(Error::Download(error))
                    if error.kind() == FailureKind::StaleUrl && !renewed =>
                {
                    self.forget_source(&fetch.item);
                    renewed = true;
                }
                Err(error) => {
                    attempts += 1;
                    let passing =
                        matches!(error, Error::Interrupted(_) | Error::Short | Error::Stalled);
                    let late = progress.last_received.elapsed() >= self.waits.timeout;
                    let is_fruitless = attempts >= ATTEMPTS_MAX || small >= SMALL_MAX;
                    if !passing || late || is_fruitless {
                        return Err(error);
                    }
                    tracing::debug!(media = %fetch.item, %error, "the download broke off and continues");
                    tokio::time::sleep(PAUSE * (attempts - 1)).await;
                }
            }
        }
    }

    /// Waits until a request may be made. A stream that waits for the end of a limit leaves its
    /// turn to others.
    async fn turn(
        &self,
        fetch: &Fetch,
        caller: Caller,
        limit_passes: Instant,
    ) -> Result<Turn<'_>, Error> {
        loop {
            limit::wait(&self.throttle, limit_passes).await?;
            let turn = timeout(self.waits.timeout, self.free_turn(fetch, caller)).await;
            let turn = turn.map_err(|_| Error::Crowded)??;
            if self.throttle.until().is_none() {
                return Ok(turn);
            }
        }
    }

    async fn free_turn(&self, fetch: &Fetch, caller: Caller) -> Result<Turn<'_>, Error> {
        let of_others = match caller {
            Caller::Owner => None,
            Caller::Other(_) => tokio::select! {
                turn = self.others_turns.acquire() => {
                    Some(turn.map_err(|_| store::Error::ShuttingDown)?)
                }
                // The owner does not wait behind other users who wanted the same file earlier.
                () = fetch.wanted_by_owner() => None,
            },
        };
        let of_all = self.stream_turns.acquire().await.map_err(|_| store::Error::ShuttingDown)?;
        Ok(Turn { _of_others: of_others, _of_all: of_all })
    }

    /// Makes a request and receives its bytes until it ends or no reader needs it.
    async fn receive(
        &self,
        fetch: &Arc<Fetch>,
        number: Number,
        progress: &mut StreamProgress,
    ) -> Result<(), Error> {
        let Some(from) = fetch.at(number) else { return Ok(()) };
        let deadline = progress.last_received + self.waits.timeout;
        let connected = timeout_at(deadline, self.connect(fetch, from)).await;
        let (download, kind) = connected.map_err(|_| Error::Stalled)??;
        self.throttle.succeeded();
        check_length(kind, download.len.unwrap_or_default())?;
        if let Some(total) = fetch.answered(number, &download)? {
            self.store_length(fetch, total).await?;
        }
        let mut chunks = download.stream.ready_chunks(CHUNKS_MAX);
        let mut quiet_since = Instant::now();
        loop {
            match fetch.flow(number) {
                Flow::Go => {}
                Flow::Stop => return Ok(()),
                Flow::Pause if fetch.resumed(number).await => {
                    (progress.last_received, quiet_since) = (Instant::now(), Instant::now());
                    continue;
                }
                Flow::Pause => return Ok(()),
            }
            let stalled = quiet_since + self.waits.stall;
            let received = timeout_at(stalled, chunks.next()).await.map_err(|_| Error::Stalled)?;
            let Some(received) = received else { break };
            for chunk in received {
                let chunk = chunk.map_err(Error::Interrupted)?;
                let end = fetch.at(number).map_or(0, |at| at.saturating_add(chunk.len() as u64));
                check_length(kind, end)?;
                let new = self.write_chunk(fetch, number, chunk).await?;
                progress.new_bytes += new;
                (progress.last_received, quiet_since) = (Instant::now(), Instant::now());
            }
        }
        match fetch.total() {
            Some(_) if fetch.flow(number) == Flow::Stop => Ok(()),
            // The answer was shorter than the requested range. The next request asks for the rest.
            Some(_) => Err(Error::Short),
            None => {
                fetch.reached_end(number);
                match fetch.total() {
                    Some(total) => self.store_length(fetch, total).await,
                    None => Ok(()),
                }
            }
        }
    }

    async fn connect(&self, fetch: &Fetch, from: u64) -> Result<(Download, MediaKind), Error> {
        let source = self.source(fetch.file, &fetch.item).await?;
        let picker = self.client.picker();
        let request = async {
            Ok(match &fetch.item {
                ItemId::Library(_) => {
                    self.client.download(&source.base_url, source.kind, from).await?
                }
                ItemId::Picked(_) => picker.download(&source.base_url, source.kind, from).await?,
            })
        };
        let download =
            Self::at_host(&self.failures, &source.base_url, is_unreachable, request).await?;
        Ok((download, source.kind))
    }

    /// Writes a chunk at its offset. Returns how many of its bytes are new.
    async fn write_chunk(
        &self,
        fetch: &Arc<Fetch>,
        number: Number,
        chunk: bytes::Bytes,
    ) -> Result<u64, Error> {
        let Some(at) = fetch.at(number) else { return Ok(0) };
        let len = chunk.len() as u64;
        if fetch.total().is_some_and(|total| at + len > total) {
            return Err(Error::Changed);
        }
        let (content, fetch) = (self.clone(), fetch.clone());
        let write = move || -> Result<u64, Error> {
            let new = loop {
                match fetch.fill(number, &chunk, at) {
                    Ok(Some(new)) => break new,
                    // The download has moved to another file.
                    Ok(None) => {}
                    Err(error) if is_full(&error) => content.find_room(&fetch, error)?,
                    Err(error) => return Err(error.into()),
                }
            };
            let is_beyond = || {
                let in_memory = !fetch.part().is_on_disk() && fetch.bytes() > WHOLE_MAX;
                content.cache.count(&fetch) || in_memory
            };
            if is_beyond() {
                fetch.shrink();
                check_room(&fetch, is_beyond())?;
            }
            Ok(new)
        };
        tokio::task::spawn_blocking(write).await.map_err(|_| store::Error::ShuttingDown)?
    }

    /// Frees space on a full disk, or continues in memory. Blocking.
    fn find_room(&self, fetch: &Fetch, error: io::Error) -> io::Result<()> {
        if !fetch.part().is_on_disk() {
            return Err(error);
        }
        if !self.cache.make_room() && !fetch.shrink() {
            fetch.move_to(self.cache.in_memory()?);
            tracing::warn!("the disk is full: downloads are not cached");
        }
        Ok(())
    }

    pub(super) async fn store_length(&self, fetch: &Fetch, total: u64) -> Result<(), Error> {
        let item = fetch.item.clone();
        Ok(self.store.run(move |store| store.set_rendition_size(&item, total)).await?)
    }

    /// Frees the space of a file that cannot be downloaded. Its readers may stay for long.
    async fn give_up(&self, fetch: &Arc<Fetch>, error: &Arc<Error>) {
        fetch.finish(Err(error.clone()));
        let (content, fetch) = (self.clone(), fetch.clone());
        let drop_all = move || {
            fetch.drop_all();
            content.cache.count(&fetch);
        };
        // If it fails, this process ends.
        let _ = tokio::task::spawn_blocking(drop_all).await;
    }

    /// Moves a complete file into the cache.
    async fn finish(&self, fetch: &Arc<Fetch>) {
        let (content, finished) = (self.clone(), fetch.clone());
        let outcome = tokio::task::spawn_blocking(move || content.cache.finish(&finished)).await;
        fetch.finish(match outcome {
            Ok(outcome) => outcome.map_err(|error| Arc::new(error.into())),
            Err(_) => Err(Arc::new(store::Error::ShuttingDown.into())),
        });
    }
}

/// Whether an immediate second request would be useless. A changed item can be read again from its
/// beginning, and a limit has a wait of its own.
fn is_of_google(error: &Error) -> bool {
    !matches!(
        error,
        Error::Changed | Error::Limited | Error::Crowded | Error::Cache(_) | Error::Store(_)
    ) && !error.is_of_this_machine()
        && !error.is_share_used_up()
}

/// Whether no connection to the host can be made.
fn is_unreachable(error: &Error) -> bool {
    matches!(error, Error::Download(error) if error.kind() == FailureKind::Offline)
}
