//! The switches in use, and the decision about each request.

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

use super::file::{ItemFailure, Stage, UploadedFile};
use super::injection::{Failure, Plan};
use super::listing::Omission;
use super::switches::Faults;
use crate::call::Call;

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

    /// Changes the switches that `patch` names; see [`Faults::patched`].
    pub(crate) fn patch(&self, patch: &Value) -> Result<Faults, serde_json::Error> {
        let faults = self.get().patched(patch)?;
        self.change(|now| *now = faults.clone());
        Ok(faults)
    }

    /// Decides about a request, and counts down the failure that strikes. `finalizes` is an upload
    /// that ends with this request.
    pub(crate) fn plan(&self, call: Call, finalizes: bool, now_ms: i64) -> Plan {
        let (faults, rng) = &mut *self.state.lock();
        let switches = faults.calls.get_mut(&call).unwrap_or(&mut faults.every_call);
        let lasts = |until_ms: Option<i64>| until_ms.is_some_and(|until_ms| now_ms < until_ms);
        let injection =
            switches.failures.iter_mut().filter(|i| finalizes || !i.only_finalize).find_map(|i| {
                let rate = if lasts(i.until_ms) { 1.0 } else { i.rate };
                strikes(&mut i.skip, &mut i.next, rate, rng).then(|| i.clone())
            });
        switches.failures.retain(|i| i.next > 0 || i.rate > 0.0 || lasts(i.until_ms));
        Plan {
            latency_ms: switches.latency_ms,
            item_latency_ms: switches.item_latency_ms,
            bytes_per_s: switches.bytes_per_s,
            injection,
        }
    }

    /// The failure that strikes an item of a batchCreate.
    pub(crate) fn item_failure(&self, file: &UploadedFile<'_>) -> Option<ItemFailure> {
        let (faults, rng) = &mut *self.state.lock();
        let failure = faults
            .item_failures
            .iter_mut()
            .filter(|f| f.file.fits(file))
            .find_map(|f| strikes(&mut f.skip, &mut f.next, f.rate, rng).then(|| f.clone()));
        faults.item_failures.retain(|f| f.next > 0 || f.rate > 0.0);
        failure
    }

    /// The failure that strikes a request with this file.
    pub(crate) fn file_failure(&self, at: Stage, file: &UploadedFile<'_>) -> Option<Failure> {
        let (faults, _) = &*self.state.lock();
        let mut files = faults.file_faults.iter();
        files.find(|it| it.at == at && it.file.fits(file)).map(|it| it.failure)
    }

    /// The omissions of a new pass through a listing; `album` is the id and title of a searched one.
    pub(crate) fn new_pass(&self, call: Call, album: Option<(&str, &str)>) -> Vec<Omission> {
        let (faults, _) = &mut *self.state.lock();
        let mut omissions = Vec::new();
        for fault in faults.listing_faults.iter_mut().filter(|it| it.strikes(call, album)) {
            fault.passes -= 1;
            omissions.push(fault.omission.clone());
        }
        faults.listing_faults.retain(|fault| fault.passes > 0);
        omissions
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
