//! Items that have arrived, and whose bytes stay here until a list of their album shows them.

use std::time::SystemTime;

use super::confirming::Absence;
use super::context::{Worker, common_end};
use crate::media::MediaItem;
use crate::store::{self, Claim};
use crate::upload::rejecting::IN_BIN;
use crate::upload::state::Confirming;

/// An album is listed for an arrived item after this many of the longest waits between attempts:
/// two hours.
const WAITS: u32 = 120;
/// Further listings are made for it at growing distances, the last after this many doublings.
const DOUBLINGS_MAX: u32 = 14;

impl Worker {
    /// Google answers a read of the item by its id. Its list may lag.
    pub(super) async fn unseen_shown(&mut self, claim: Claim, item: MediaItem) {
        let outcome = Confirming(claim).unseen_is_known(&self.shared.store, item).await;
        self.recorded(outcome);
    }

    /// A pass has not shown the item, or Google does not know its id.
    pub(super) async fn unseen_not_shown(&mut self, claim: Claim, absence: Absence) {
        if absence == Absence::Unknown {
            let shared = self.shared.clone();
            self.store(move |_| shared.reject_unseen(&claim, IN_BIN)).await;
            return;
        }
        self.unseen_waits(claim, true).await;
    }

    /// Google has not said whether it shows the item.
    pub(super) async fn unseen_not_answered(&mut self, claim: Claim) {
        self.unseen_waits(claim, false).await;
    }

    /// The next listing for the item comes later. If it is `missed`, it is asked for by its id.
    async fn unseen_waits(&mut self, claim: Claim, missed: bool) {
        let retry_at = self.unseen_until(claim.attempts + 1);
        let outcome = Confirming(claim).still_unseen(&self.shared.store, retry_at, missed).await;
        self.recorded(outcome);
    }

    /// When the album is listed again for an item that has arrived.
    pub(super) fn unseen_until(&self, attempts: u32) -> SystemTime {
        let waits = match attempts {
            0 => WAITS,
            _ => 1 << (2 * attempts).min(DOUBLINGS_MAX),
        };
        common_end(self.backoff().max * waits)
    }

    fn recorded(&mut self, outcome: store::Result<()>) {
        if let Err(error) = outcome {
            self.database_failed(&error);
        }
    }
}
