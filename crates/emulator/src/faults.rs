//! The fault switches: everything that can be made to go wrong, or be slower or smaller than usual.
//!
//! [`Faults`] is plain data, changed by [`crate::Emulator::faults`] or `PATCH /emulator/faults`. The
//! gate asks [`Switchboard::plan`] once per request what is to happen to it; the rest is read from a
//! copy of the switches where it applies.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::call::Call;

/// All switches. The default is a service without faults, latency or full quota.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Seed of the generator behind every `rate`; setting another one starts it anew.
    pub seed: u64,
    /// For each call that `calls` does not name.
    pub every_call: CallFaults,
    /// Per kind of call.
    pub calls: BTreeMap<Call, CallFaults>,

    /// Each page holds half of what was asked for.
    pub short_pages: bool,
    /// Each page is preceded by an empty one with a token.
    pub empty_pages: bool,
    /// Each page begins with the last entry of the page before.
    pub overlapping_pages: bool,
    /// A listing ends with an empty page.
    pub trailing_page: bool,

    /// Lifetime of access tokens given from now on, in seconds.
    pub access_token_life_s: u64,
    /// Lifetime of grants given from now on, announced as `refresh_token_expires_in`; `None` is a
    /// published application, 604799 one in testing.
    pub refresh_token_life_s: Option<u64>,
    /// Lifetime of upload tokens, in seconds.
    pub upload_token_life_s: u64,
    /// Lifetime of base URLs given from now on, in seconds.
    pub base_url_life_s: u64,
    /// Refuse every upload token in batchCreate.
    pub upload_tokens_refused: bool,

    /// How long a new item stays out of filtered searches, in milliseconds.
    pub filtered_delay_ms: u64,
    /// The time zone of date filters, in seconds east of UTC (the reference does not know it).
    pub date_filter_offset_s: i64,
    /// How long an added item stays out of its album's listing, in milliseconds.
    pub album_delay_ms: u64,
    /// How long an added item stays out of `mediaItemsCount`, in milliseconds.
    pub count_delay_ms: u64,
    /// How long a new video is being processed, in milliseconds.
    pub video_processing_ms: u64,
    /// Processing ends in `FAILED` rather than `READY`.
    pub videos_fail: bool,

    /// So many of the next items are created, reported as a success and never seen again.
    pub lost_items: u32,
    /// A lost item can at least be got by its id.
    pub lost_items_resolve: bool,
    /// Items that fail in batchCreate.
    pub item_failures: Vec<ItemFailure>,
    /// Instead of the name that was asked for.
    pub odd_filenames: Option<OddFilename>,
    /// Whether an item that was in the library before and that an upload of ours matched can be read
    /// (reference §11.2c knows neither).
    pub matched_items_visible: bool,

    /// Bytes of storage in the account; `Some(0)` is full.
    pub storage_bytes: Option<u64>,
    /// API requests a day.
    pub daily_requests: u64,
    /// Requests for media bytes a day.
    pub daily_media_requests: u64,
    /// Items an album may hold.
    pub album_items_max: usize,
    /// Bytes a photo may have.
    pub photo_bytes_max: u64,
    /// Bytes a video may have.
    pub video_bytes_max: u64,

    /// Answer `Range` on `=d` with 206.
    pub photo_ranges: bool,
    /// Answer `Range` on `=dv` with 206.
    pub video_ranges: bool,
    /// What every `HEAD` of a download tells as its length; `None` is the truth.
    pub head_bytes: Option<u64>,
    /// Give out photos and videos as encoded anew, which are longer.
    pub encoded_anew: bool,
}

impl Default for Faults {
    fn default() -> Faults {
        Faults {
            seed: 1,
            every_call: CallFaults::default(),
            calls: BTreeMap::new(),
            short_pages: false,
            empty_pages: false,
            overlapping_pages: false,
            trailing_page: false,
            access_token_life_s: 3599,
            refresh_token_life_s: None,
            upload_token_life_s: 24 * 3600,
            base_url_life_s: 3600,
            upload_tokens_refused: false,
            filtered_delay_ms: 0,
            date_filter_offset_s: 0,
            album_delay_ms: 0,
            count_delay_ms: 0,
            video_processing_ms: 0,
            videos_fail: false,
            lost_items: 0,
            lost_items_resolve: false,
            item_failures: Vec::new(),
            odd_filenames: None,
            matched_items_visible: false,
            storage_bytes: None,
            daily_requests: 10_000,
            daily_media_requests: 75_000,
            album_items_max: 20_000,
            photo_bytes_max: 200 * 1000 * 1000,
            video_bytes_max: 20 * 1000 * 1000 * 1000,
            photo_ranges: true,
            video_ranges: false,
            head_bytes: None,
            encoded_anew: false,
        }
    }
}

impl Faults {
    /// The switches of one kind of call, starting from those of every call.
    pub fn on(&mut self, call: Call) -> &mut CallFaults {
        let every = &self.every_call;
        self.calls.entry(call).or_insert_with(|| every.clone())
    }

    /// A service about as fast as Google: uploads 250 ms and 20 MB/s a connection, batchCreate
    /// 400 ms and 20 ms an item, everything else 150 ms.
    pub fn realistic() -> Faults {
        let mut faults = Faults::default();
        faults.every_call.latency_ms = 150;
        for call in [Call::UploadRaw, Call::UploadStart, Call::UploadChunk] {
            faults.on(call).latency_ms = 250;
        }
        for call in [Call::UploadRaw, Call::UploadChunk, Call::Download] {
            faults.on(call).bytes_per_s = Some(20_000_000);
        }
        faults.on(Call::MediaItemsBatchCreate).latency_ms = 400;
        faults.on(Call::MediaItemsBatchCreate).item_latency_ms = 20;
        faults
    }

    /// These switches with `patch` merged in as RFC 7396 says: objects by field, lists as a whole,
    /// null back to the default.
    ///
    /// # Errors
    /// If `patch` names a switch that does not exist or gives one a wrong type.
    pub fn patched(&self, patch: &Value) -> Result<Faults, serde_json::Error> {
        let mut merged = serde_json::to_value(self)?;
        merge(&mut merged, patch);
        serde_json::from_value(merged)
    }

    /// The next `n` calls fail without having any effect.
    pub fn fail_next(&mut self, call: Call, n: u32, failure: Failure) {
        self.on(call).failures.push(Injection { next: n, ..Injection::new(failure) });
    }

    /// The next `n` calls do their work, and the client is told otherwise.
    pub fn fail_next_after_effect(&mut self, call: Call, n: u32, failure: Failure) {
        let injection = Injection { next: n, after_effect: true, ..Injection::new(failure) };
        self.on(call).failures.push(injection);
    }
}

/// What happens to the calls of one kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CallFaults {
    /// Milliseconds before the call takes effect. A write holds the user's write lock meanwhile.
    pub latency_ms: u64,
    /// Further milliseconds for each item named in the request.
    pub item_latency_ms: u64,
    /// Bytes a second of an upload or a download, on one connection.
    pub bytes_per_s: Option<u64>,
    /// Failures; the first that strikes counts.
    pub failures: Vec<Injection>,
}

/// A failure, and how often it strikes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Injection {
    /// What the client sees.
    pub failure: Failure,
    /// So many calls pass first.
    #[serde(default)]
    pub skip: u32,
    /// It strikes the next so many calls, counts down, and is forgotten at zero.
    #[serde(default)]
    pub next: u32,
    /// It strikes this share of all calls, 0 to 1.
    #[serde(default)]
    pub rate: f64,
    /// The call does its work all the same.
    #[serde(default)]
    pub after_effect: bool,
    /// For [`Failure::Drop`] and [`Failure::Stall`] of an upload or a download: after so many bytes.
    #[serde(default)]
    pub at_byte: Option<u64>,
    /// Seconds for a `Retry-After` header.
    #[serde(default)]
    pub retry_after_s: Option<u64>,
}

impl Injection {
    /// `failure`, striking never; set `next` or `rate`.
    pub fn new(failure: Failure) -> Injection {
        Injection {
            failure,
            skip: 0,
            next: 0,
            rate: 0.0,
            after_effect: false,
            at_byte: None,
            retry_after_s: None,
        }
    }
}

/// What a client sees of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The connection ends without an answer.
    Drop,
    /// No answer ever comes.
    Stall,
    /// 401.
    Unauthenticated,
    /// 403.
    PermissionDenied,
    /// 403 of a project in which the API is not enabled.
    ServiceDisabled,
    /// 404.
    NotFound,
    /// 409 `ABORTED`.
    Aborted,
    /// 429 for writes per minute.
    WritesPerMinute,
    /// 429 for concurrent writes.
    ConcurrentWrite,
    /// 429 for requests per day.
    RequestsPerDay,
    /// 500.
    Internal,
    /// 502.
    BadGateway,
    /// 503.
    Unavailable,
    /// 504.
    DeadlineExceeded,
    /// 200 with half a JSON document.
    Garbage,
    /// 502 with a page of HTML.
    Html,
}

/// An item of a batchCreate that fails on its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemFailure {
    /// gRPC code, 13 or 3 for instance.
    pub code: i32,
    /// So many items pass first.
    #[serde(default)]
    pub skip: u32,
    /// The next so many items.
    #[serde(default)]
    pub next: u32,
    /// A share of all items, 0 to 1.
    #[serde(default)]
    pub rate: f64,
}

/// Names the service may give an item instead of the wanted one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OddFilename {
    /// No name at all.
    Missing,
    /// With a slash.
    Slash,
    /// With control characters.
    Control,
    /// Of 255 characters.
    Long,
    /// With emoji.
    Emoji,
}

impl OddFilename {
    /// The odd version of `filename`.
    pub(crate) fn apply(self, filename: &str) -> String {
        match self {
            OddFilename::Missing => String::new(),
            OddFilename::Slash => format!("from/{filename}"),
            OddFilename::Control => format!("a\tb\n\u{1}{filename}"),
            OddFilename::Long => {
                let padding = 255usize.saturating_sub(filename.chars().count());
                "x".repeat(padding) + filename
            }
            OddFilename::Emoji => format!("👩‍👩‍👧 🏖️ {filename}"),
        }
    }
}

/// What is to happen to one request.
pub(crate) struct Plan {
    pub(crate) latency_ms: u64,
    pub(crate) item_latency_ms: u64,
    pub(crate) bytes_per_s: Option<u64>,
    pub(crate) injection: Option<Injection>,
}

/// The switches in use, and the generator behind their rates.
pub(crate) struct Switchboard {
    state: Mutex<(Faults, StdRng)>,
}

impl Switchboard {
    pub(crate) fn new(faults: Faults) -> Switchboard {
        let rng = StdRng::seed_from_u64(faults.seed);
        Switchboard { state: Mutex::new((faults, rng)) }
    }

    pub(crate) fn get(&self) -> Faults {
        self.state.lock().0.clone()
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Faults)) {
        let (faults, rng) = &mut *self.state.lock();
        let seed = faults.seed;
        change(faults);
        if faults.seed != seed {
            *rng = StdRng::seed_from_u64(faults.seed);
        }
    }

    /// Changes what `patch` names; see [`Faults::patched`].
    pub(crate) fn patch(&self, patch: &Value) -> Result<Faults, serde_json::Error> {
        let faults = self.get().patched(patch)?;
        self.change(|now| *now = faults.clone());
        Ok(faults)
    }

    /// Decides what happens to a request, counting down what strikes.
    pub(crate) fn plan(&self, call: Call) -> Plan {
        let (faults, rng) = &mut *self.state.lock();
        let switches = faults.calls.get_mut(&call).unwrap_or(&mut faults.every_call);
        let injection = switches
            .failures
            .iter_mut()
            .find_map(|i| strikes(&mut i.skip, &mut i.next, i.rate, rng).then(|| i.clone()));
        switches.failures.retain(|i| i.next > 0 || i.rate > 0.0);
        Plan {
            latency_ms: switches.latency_ms,
            item_latency_ms: switches.item_latency_ms,
            bytes_per_s: switches.bytes_per_s,
            injection,
        }
    }

    /// The gRPC code with which the next item of a batchCreate is to fail, if it is to.
    pub(crate) fn next_item_failure(&self) -> Option<i32> {
        let (faults, rng) = &mut *self.state.lock();
        let code = faults
            .item_failures
            .iter_mut()
            .find_map(|f| strikes(&mut f.skip, &mut f.next, f.rate, rng).then_some(f.code));
        faults.item_failures.retain(|f| f.next > 0 || f.rate > 0.0);
        code
    }

    /// Whether the next created item is to be lost.
    pub(crate) fn next_item_lost(&self) -> bool {
        let (faults, _) = &mut *self.state.lock();
        let lost = faults.lost_items > 0;
        faults.lost_items = faults.lost_items.saturating_sub(1);
        lost
    }
}

fn strikes(skip: &mut u32, next: &mut u32, rate: f64, rng: &mut StdRng) -> bool {
    if *skip > 0 {
        *skip -= 1;
        return false;
    }
    if *next > 0 {
        *next -= 1;
        return true;
    }
    rate > 0.0 && rng.random_bool(rate.min(1.0))
}

fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Some(object) = target.as_object_mut() else { return };
    for (name, value) in fields {
        if value.is_null() {
            object.remove(name);
        } else {
            merge(object.entry(name).or_insert(Value::Null), value);
        }
    }
}
