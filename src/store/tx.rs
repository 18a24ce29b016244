//! A transaction that writes, and its time.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;

use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, Transaction};

use super::time::{to_millis, to_nanos};
use crate::media::Clock;

/// A transaction that writes. All its changes happen at one time.
pub(super) struct Tx<'a> {
    tx: Transaction<'a>,
    /// The time of the transaction.
    pub(super) now: SystemTime,
}

impl Tx<'_> {
    /// The time of the transaction in milliseconds since 1970.
    pub(super) fn now_millis(&self) -> i64 {
        to_millis(self.now)
    }

    /// The time of the transaction in nanoseconds since 1970.
    pub(super) fn now_nanos(&self) -> i64 {
        to_nanos(self.now)
    }

    pub(super) fn commit(self) -> rusqlite::Result<()> {
        self.tx.commit()
    }
}

impl Deref for Tx<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.tx
    }
}

/// Gives each transaction of a connection its time, and the triggers the same through the function
/// `now_ns()`.
pub(super) struct TxClock {
    clock: Clock,
    // Written only with the connection's lock held.
    now_ns: Arc<AtomicI64>,
}

impl TxClock {
    /// Registers `now_ns()` with the connection that writes.
    pub(super) fn register(clock: Clock, connection: &Connection) -> rusqlite::Result<Self> {
        let now_ns = Arc::new(AtomicI64::new(to_nanos(clock.now())));
        let shared = now_ns.clone();
        connection.create_scalar_function("now_ns", 0, FunctionFlags::SQLITE_UTF8, move |_| {
            Ok(shared.load(Ordering::Relaxed))
        })?;
        Ok(Self { clock, now_ns })
    }

    /// The clock for a connection that only reads.
    pub(super) fn read_only() -> Self {
        Self { clock: Clock::default(), now_ns: Arc::default() }
    }

    pub(super) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// Begins a transaction, which is given the time of now.
    pub(super) fn begin<'a>(&self, tx: Transaction<'a>) -> Tx<'a> {
        let now = self.now();
        self.now_ns.store(to_nanos(now), Ordering::Relaxed);
        Tx { tx, now }
    }
}
