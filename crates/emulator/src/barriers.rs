//! Calls that wait until a test lets them go on, so that it can look at what a client does meanwhile.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::call::Call;

/// Where a call is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Moment {
    /// It has arrived, and nothing has happened yet.
    Request,
    /// Everything has happened, and the client has not been told.
    Answer,
}

/// The gates that are shut.
#[derive(Default)]
pub(crate) struct Barriers {
    gates: Mutex<HashMap<(Call, Moment), Arc<Semaphore>>>,
}

impl Barriers {
    pub(crate) fn hold(&self, call: Call, moment: Moment) {
        self.gates.lock().entry((call, moment)).or_insert_with(|| Arc::new(Semaphore::new(0)));
    }

    pub(crate) fn let_pass(&self, call: Call, moment: Moment, calls: usize) {
        if let Some(gate) = self.gates.lock().get(&(call, moment)) {
            gate.add_permits(calls);
        }
    }

    pub(crate) fn let_go(&self, call: Call, moment: Moment) {
        if let Some(gate) = self.gates.lock().remove(&(call, moment)) {
            gate.close();
        }
    }

    /// Waits at a gate, if it is shut.
    pub(crate) async fn pass(&self, call: Call, moment: Moment) {
        let gate = self.gates.lock().get(&(call, moment)).cloned();
        if let Some(gate) = gate
            // It is closed when all may pass.
            && let Ok(permit) = gate.acquire().await
        {
            permit.forget();
        }
    }
}
