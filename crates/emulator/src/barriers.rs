//! Barriers: calls wait at them until a test lets them go on, so that it can look at what a client
//! does meanwhile, or have something else happen at that very moment.
//!
//! There are two kinds. [`Barriers::hold`] holds every call of a kind. [`Barriers::set`] holds one
//! call, the n-th of its kind, and tells when it has arrived.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::call::Call;

/// Where a call is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Moment {
    /// It has arrived, and nothing has happened yet.
    Request,
    /// Everything has happened, and the client has not been told.
    Answer,
}

/// One call that is held until this is dropped.
#[must_use = "a barrier that is dropped holds nothing"]
pub struct Barrier {
    arrived: CancellationToken,
    _released: DropGuard,
}

impl Barrier {
    /// Waits until the call has come to the barrier.
    pub async fn arrived(&self) {
        self.arrived.cancelled().await;
    }

    /// Lets the call go on.
    pub fn release(self) {}
}

/// A call that will be held when it comes.
struct Expected {
    call: Call,
    moment: Moment,
    /// Calls of the kind that pass first.
    skip: usize,
    arrived: CancellationToken,
    released: CancellationToken,
}

/// All barriers.
#[derive(Default)]
pub(crate) struct Barriers {
    /// Kinds whose calls are all held, each with permits for the calls that may pass.
    closed: Mutex<HashMap<(Call, Moment), Arc<Semaphore>>>,
    /// Single calls.
    expected: Mutex<Vec<Expected>>,
}

impl Barriers {
    /// Holds every call of a kind.
    pub(crate) fn hold(&self, call: Call, moment: Moment) {
        self.closed.lock().entry((call, moment)).or_insert_with(|| Arc::new(Semaphore::new(0)));
    }

    /// Lets that many calls pass.
    pub(crate) fn let_pass(&self, call: Call, moment: Moment, calls: usize) {
        if let Some(permits) = self.closed.lock().get(&(call, moment)) {
            permits.add_permits(calls);
        }
    }

    /// Lets all calls of a kind pass, now and from now on.
    pub(crate) fn let_go(&self, call: Call, moment: Moment) {
        if let Some(permits) = self.closed.lock().remove(&(call, moment)) {
            permits.close();
        }
    }

    /// Holds the `nth` call of a kind, counted from now on: 1 is the next.
    pub(crate) fn set(&self, call: Call, nth: usize, moment: Moment) -> Barrier {
        let (arrived, released) = (CancellationToken::new(), CancellationToken::new());
        let barrier =
            Barrier { arrived: arrived.clone(), _released: released.clone().drop_guard() };
        let skip = nth.saturating_sub(1);
        self.expected.lock().push(Expected { call, moment, skip, arrived, released });
        barrier
    }

    /// Waits at the barriers of a call, if there are any.
    pub(crate) async fn pass(&self, call: Call, moment: Moment) {
        let permits = self.closed.lock().get(&(call, moment)).cloned();
        if let Some(permits) = permits
            // It is closed when all may pass.
            && let Ok(permit) = permits.acquire().await
        {
            permit.forget();
        }
        for Expected { arrived, released, .. } in self.arrive(call, moment) {
            arrived.cancel();
            released.cancelled().await;
        }
    }

    /// Counts a call, and takes out the barriers that expected this one.
    fn arrive(&self, call: Call, moment: Moment) -> Vec<Expected> {
        self.expected
            .lock()
            .extract_if(.., |expected| {
                let matches = expected.call == call && expected.moment == moment;
                let held = matches && expected.skip == 0;
                if matches && !held {
                    expected.skip -= 1;
                }
                held
            })
            .collect()
    }
}
