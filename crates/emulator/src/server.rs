//! The state that all request handlers share.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, header};
use jiff::fmt::rfc2822::DateTimePrinter;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::account::Account;
use crate::barriers::Barriers;
use crate::error::ApiError;
use crate::faults::Switchboard;
use crate::picker::desk::Desk;
use crate::signing::Signer;
use crate::state::{Change, Codes, Item, ItemSeq, Sessions, StateDir, World};
use crate::stats::{Meter, Stats};

/// One running service. The lock of `world` comes before the other locks. None is held across an
/// await.
pub(crate) struct Server {
    /// `http://127.0.0.1:PORT`.
    pub(crate) url: String,
    /// The origin that videos of picked items are redirected to; it wants no token.
    pub(crate) video_url: String,
    pub(crate) auto_approve: bool,
    pub(crate) dir: StateDir,
    pub(crate) signer: Signer,
    pub(crate) switches: Switchboard,
    pub(crate) barriers: Barriers,
    pub(crate) meter: Meter,
    pub(crate) world: Mutex<World>,
    pub(crate) codes: Codes,
    /// The user who is signed in to the browser.
    pub(crate) signed_in: Mutex<String>,
    pub(crate) sessions: Sessions,
    pub(crate) picker: Desk,
    /// Users with a library-changing call in progress.
    pub(crate) writing: Mutex<HashSet<String>>,
    /// Milliseconds that this service's clock is ahead of the machine's.
    pub(crate) clock_ahead_ms: AtomicI64,
}

impl Server {
    /// The service's time in milliseconds of the Unix epoch.
    pub(crate) fn now_ms(&self) -> i64 {
        jiff::Timestamp::now().as_millisecond() + self.clock_ahead_ms.load(Ordering::Relaxed)
    }

    /// Moves the service's clock forward.
    pub(crate) fn advance(&self, by: Duration) {
        let ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX / 4);
        self.clock_ahead_ms.fetch_add(ms, Ordering::Relaxed);
    }

    /// The `Date` header of an answer: the service's clock may differ from this machine's.
    pub(crate) fn date(&self) -> Option<(HeaderName, HeaderValue)> {
        let now = jiff::Timestamp::from_millisecond(self.now_ms()).ok()?;
        let text = DateTimePrinter::new().timestamp_to_rfc9110_string(&now).ok()?;
        Some((header::DATE, HeaderValue::from_str(&text).ok()?))
    }

    /// The address of the Picker API, to be followed by `/v1/…`.
    pub(crate) fn picker_url(&self) -> String {
        format!("{}/picker", self.url)
    }

    /// The page of a session of the Picker API.
    pub(crate) fn picker_uri(&self, session: &str) -> String {
        format!("{}/integration/picker/auth/{}", self.url, self.signer.sign("pick", &session, 0))
    }

    /// The counts since the start or the last reset, and the sessions that are open now.
    pub(crate) fn stats(&self) -> Stats {
        let now_ms = self.now_ms();
        let world = self.world.lock();
        let open = world.pick_sessions().filter(|session| now_ms < session.expires_ms).count();
        Stats { open_pick_sessions: open as u64, ..self.meter.get() }
    }

    /// The date in California, where the daily allowances begin anew (reference §10.1).
    pub(crate) fn quota_day(&self) -> jiff::civil::Date {
        let now = jiff::Timestamp::from_millisecond(self.now_ms()).unwrap_or_default();
        let pacific = jiff::tz::TimeZone::get("America/Los_Angeles")
            .unwrap_or(jiff::tz::TimeZone::fixed(jiff::tz::offset(-8)));
        now.to_zoned_datetime(pacific).date()
    }

    /// Records a change; the journal failing is the emulator's own 500.
    pub(crate) fn record(&self, world: &mut World, change: Change) -> Result<(), ApiError> {
        world.record(change).map_err(|error| {
            tracing::error!(%error, "cannot write the emulator's journal");
            ApiError::internal()
        })
    }

    /// A new base URL, valid for as long as the switches say (reference §9).
    pub(crate) fn base_url(&self, account: &Account, item: Option<&Item>, life_s: u64) -> String {
        let content = MediaUrl {
            account: account.clone(),
            item: item.map(|item| item.seq),
            expires_ms: self.now_ms() + i64::try_from(life_s * 1000).unwrap_or(i64::MAX / 2),
            nonce: rand::random(),
        };
        format!("{}/lr/media/{}", self.url, self.signer.sign("media", &content, 0))
    }

    /// Takes the user's write lock, or finds it taken.
    pub(crate) fn begin_write(self: &Arc<Self>, user: &str) -> Option<WriteLock> {
        let free = self.writing.lock().insert(user.to_owned());
        free.then(|| WriteLock { server: self.clone(), user: user.to_owned() })
    }
}

/// The content of a base URL.
#[derive(Serialize, Deserialize)]
pub(crate) struct MediaUrl {
    #[serde(flatten)]
    pub(crate) account: Account,
    /// `None` is the cover of an empty album.
    pub(crate) item: Option<ItemSeq>,
    pub(crate) expires_ms: i64,
    /// Makes each URL a new one.
    nonce: u32,
}

/// A user's write lock; one library-changing call at a time (reference §10.2).
pub(crate) struct WriteLock {
    server: Arc<Server>,
    user: String,
}

impl Drop for WriteLock {
    fn drop(&mut self) {
        self.server.writing.lock().remove(&self.user);
    }
}
