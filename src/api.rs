//! The Google Photos Library API: one method for each endpoint, and uploads and downloads.
//!
//! [`Client`] is this program's only way to Google Photos. It keeps the rules of the service: sizes
//! of batches and pages, one library-changing call at a time, and which origin gets the token. So
//! callers need not know them. The client repeats reads inside a call, within a bounded time. It
//! sends a write once: [`Error::advice`] and [`Error::may_have_happened`] tell the caller how to go
//! on. Cancelling a write does not stop it once it was sent.

mod albums;
mod auth;
mod backoff;
mod base_urls;
mod budget;
mod bytes;
mod call;
mod config;
mod connections;
mod download;
mod error;
mod failure;
mod guard;
mod http;
mod item_bytes;
mod item_status;
mod items;
mod json;
mod messages;
mod names;
mod no_roots;
mod owner;
mod page;
mod pager;
mod picker;
mod proxy;
mod proxy_answer;
mod quote;
mod refusal;
mod request;
mod request_log;
mod resumable;
mod retry;
mod service;
mod sockets;
mod throttle;
mod transport;
mod unreachable;
mod upload_limiter;
mod upload_speed;
mod upload_turns;
mod upload_watch;
mod upload_window;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use url::Url;

use call::Call;
use transport::Transport;

pub use auth::{
    AccessToken, Authorisation, Binding, ClientFileError, ClientKind, ClientSecret, Fingerprint,
    Grant, LOGIN_ENDS_SOON, Login, LoginError, OAuth, OtherLibrary, Scope, TESTING_LIFE,
};
pub use backoff::Backoff;
pub use base_urls::{BaseUrls, KnownUrls, Source, SourceError};
pub use budget::{
    API_REQUESTS_PER_DAY, Budget, Kind as QuotaKind, MEDIA_REQUESTS_PER_DAY,
    OTHERS_API_REQUESTS_MAX, Saved as SavedBudget, next_reset,
};
pub use bytes::{Payload, RAW_UPLOAD_MAX};
pub use config::{Config, Deadlines};
pub use download::Download;
pub use error::Error;
pub use failure::{Advice, FailureKind};
pub use item_status::{ItemStatus, ItemVerdict};
pub use owner::{Evidence, Owner};
pub use page::Page;
pub use pager::{Pager, Unending};
pub use picker::{ENABLE_PICKER, PICKED_ITEMS_MAX, PICKER_DISABLED, Picker, PickerSession};
pub use refusal::{Class, Refusal, RefusalBody};
pub use request::{
    ALBUM_ITEMS_MAX, AlbumPosition, BATCH_MAX, DESCRIPTION_CHARS_MAX, DateFilter, Enrichment,
    FILE_NAME_CHARS_MAX, ITEMS_PER_PAGE, Location, NewItem, TITLE_CHARS_MAX,
};
pub use resumable::{FinishError, UploadSession};
pub use service::{Foreign, Service};
pub use throttle::Throttle;
pub use upload_turns::UploadTurn;

/// The service. Cheap to clone: all clones share the login, the budget and the order of writes.
#[derive(Clone)]
pub struct Client {
    transport: Arc<Transport>,
    picker: Picker,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("api_url", &self.transport.login.api_url().as_str())
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Makes a client; sends nothing.
    ///
    /// # Errors
    /// [`Error::Unfit`] if the API URL is unusable or TLS cannot be set up.
    pub fn new(config: Config, login: Arc<Login>, budget: Arc<Budget>) -> Result<Self, Error> {
        let transport = Transport::new(config, login, budget)?;
        let picker = Picker::new(&transport, Picker::default_url());
        Ok(Self { transport: Arc::new(transport), picker })
    }

    /// The same client, with the Picker API at `url`, without `/v1`.
    #[must_use]
    pub fn with_picker(self, url: &Url) -> Self {
        let picker = Picker::new(&self.transport, url.clone());
        Self { picker, ..self }
    }

    /// The Picker API, with the same login.
    pub fn picker(&self) -> &Picker {
        &self.picker
    }

    /// The requests spent of the daily quotas.
    pub fn budget(&self) -> &Budget {
        &self.transport.budget
    }

    /// The login that authorises the requests.
    pub fn login(&self) -> &Login {
        &self.transport.login
    }

    /// How far this machine's clock is behind the service's, by its last answer; off by a second or
    /// two.
    pub fn clock_skew(&self) -> Option<SignedDuration> {
        self.transport.clock_skew()
    }

    /// The machine has another network, or has slept: requests under way end, and further ones make
    /// new connections.
    pub fn renew_connections(&self) {
        self.transport.http.renew();
        self.transport.upload_turns.line_changed();
    }

    /// How long library-changing calls still pause after a short-term 429.
    pub fn write_pause_left(&self) -> Option<Duration> {
        self.transport.throttle.left()
    }

    async fn read<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Error> {
        self.transport.read(call).await
    }

    async fn write<T: DeserializeOwned>(&self, call: Call) -> Result<T, Error> {
        let name = call.name;
        self.transport.write(call).await?.json(name)
    }

    /// As [`Client::write`], but sends the call again after a short-term 429, because no queue
    /// will.
    async fn write_and_retry<T: DeserializeOwned>(&self, call: Call) -> Result<T, Error> {
        let begun = Instant::now();
        loop {
            let answer = self.write(call.clone()).await;
            let wait = self.transport.throttle.left().unwrap_or_default();
            let in_time = begun.elapsed() + wait <= self.transport.config.deadlines.throttled;
            match answer {
                Err(error) if error.is_throttled() && in_time => {}
                answer => return answer,
            }
        }
    }
}
