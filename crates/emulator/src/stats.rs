//! Counters: requests by kind, their concurrency, bytes, and violations of the protocol.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;

use crate::call::Call;

/// Violations kept; further ones are only counted.
const VIOLATIONS_MAX: usize = 1000;

/// The counts since the start or the last reset.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Stats {
    /// Requests per kind, refused ones included.
    pub requests: BTreeMap<Call, u64>,
    /// Most requests of a kind in progress at once.
    pub concurrency_peak: BTreeMap<Call, u64>,
    /// Most library-changing calls in progress at once, refused ones included. Google allows one.
    pub writes_peak: u64,
    /// Bytes received by uploads.
    pub upload_bytes: u64,
    /// Of the downloads, `GET` of a small picture (`=w256-h256`).
    pub pictures: u64,
    /// Of the downloads, `GET` of the photo or video itself (`=d`, `=dv`), or a part of it.
    pub originals: u64,
    /// Bytes sent by downloads.
    pub download_bytes: u64,
    /// 429 answers.
    pub too_many_requests: u64,
    /// API requests that count against today's allowance.
    pub api_requests_today: u64,
    /// Media requests that count against today's allowance.
    pub media_requests_today: u64,
    /// Sessions of the Picker API that are neither deleted nor have expired.
    pub open_pick_sessions: u64,
    /// Protocol violations, the first thousand in words.
    pub violations: Vec<String>,
    /// Protocol violations in all.
    pub violations_total: u64,
}

impl Stats {
    /// Requests of one kind.
    pub fn requests(&self, call: Call) -> u64 {
        self.requests.get(&call).copied().unwrap_or(0)
    }

    /// Most requests of one kind in progress at once.
    pub fn peak(&self, call: Call) -> u64 {
        self.concurrency_peak.get(&call).copied().unwrap_or(0)
    }
}

/// Which daily allowance a request is taken from.
#[derive(Clone, Copy)]
pub(crate) enum Allowance {
    Api,
    Media,
}

#[derive(Default)]
struct Counters {
    stats: Stats,
    running: BTreeMap<Call, u64>,
    writes_running: u64,
    /// The day in California that the allowances are counted for.
    day: Option<jiff::civil::Date>,
}

/// The counters, shared by all connections.
#[derive(Clone, Default)]
pub(crate) struct Meter {
    counters: Arc<Mutex<Counters>>,
}

impl Meter {
    pub(crate) fn get(&self) -> Stats {
        self.counters.lock().stats.clone()
    }

    /// Sets all counters to zero, today's allowances included.
    pub(crate) fn reset(&self) {
        self.counters.lock().stats = Stats::default();
    }

    /// Counts a request, which runs until the guard is dropped.
    pub(crate) fn begin(&self, call: Call) -> Running {
        let counters = &mut *self.counters.lock();
        *counters.stats.requests.entry(call).or_default() += 1;
        let running = counters.running.entry(call).or_default();
        *running += 1;
        let peak = counters.stats.concurrency_peak.entry(call).or_default();
        *peak = (*peak).max(*running);
        if call.is_write() {
            counters.writes_running += 1;
            counters.stats.writes_peak = counters.stats.writes_peak.max(counters.writes_running);
        }
        Running { meter: self.clone(), call }
    }

    /// Takes one request from today's allowance of `limit`; false if it is used up.
    pub(crate) fn spend(&self, allowance: Allowance, limit: u64, day: jiff::civil::Date) -> bool {
        let counters = &mut *self.counters.lock();
        if counters.day != Some(day) {
            counters.day = Some(day);
            counters.stats.api_requests_today = 0;
            counters.stats.media_requests_today = 0;
        }
        let spent = match allowance {
            Allowance::Api => &mut counters.stats.api_requests_today,
            Allowance::Media => &mut counters.stats.media_requests_today,
        };
        if *spent >= limit {
            return false;
        }
        *spent += 1;
        true
    }

    pub(crate) fn violation(&self, what: impl Into<String>) {
        let stats = &mut self.counters.lock().stats;
        stats.violations_total += 1;
        if stats.violations.len() < VIOLATIONS_MAX {
            stats.violations.push(what.into());
        }
    }

    pub(crate) fn too_many_requests(&self) {
        self.counters.lock().stats.too_many_requests += 1;
    }

    pub(crate) fn uploaded(&self, bytes: u64) {
        self.counters.lock().stats.upload_bytes += bytes;
    }

    pub(crate) fn gave_out(&self, is_picture: bool) {
        let stats = &mut self.counters.lock().stats;
        let of_kind = if is_picture { &mut stats.pictures } else { &mut stats.originals };
        *of_kind += 1;
    }

    pub(crate) fn downloaded(&self, bytes: u64) {
        self.counters.lock().stats.download_bytes += bytes;
    }
}

/// A request in progress.
pub(crate) struct Running {
    meter: Meter,
    call: Call,
}

impl Drop for Running {
    fn drop(&mut self) {
        let counters = &mut *self.meter.counters.lock();
        if let Some(running) = counters.running.get_mut(&self.call) {
            *running -= 1;
        }
        if self.call.is_write() {
            counters.writes_running -= 1;
        }
    }
}
