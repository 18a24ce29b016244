//! Invalidations of the kernel's caches, kept until the kernel has got them.
//!
//! Triggers (`invalidations.sql`) queue them in the transaction that changes a table, so no method
//! can forget one. The queue is a temporary table of the connection. It holds an invalidation once,
//! loses none, and takes no memory of the program.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use rusqlite::{Connection, params};

use super::database::Store;
use super::error::Result;
use super::invalidation_queue;
use super::invalidation_queue::{Invalidation, Kind, SHARDS, Signal};
use super::tx::{Tx, TxClock};
use crate::media::FileId;

/// The shard of invalidations that never wait: attributes and times.
const AT_ONCE: [usize; 1] = [0];

/// The pause after a failure of the database.
const PAUSE: Duration = Duration::from_secs(1);

/// The invalidations of one shard. A thread of its own sends them to the kernel.
pub struct InvalidationShard {
    shard: usize,
    connection: Weak<Mutex<Connection>>,
    signal: Arc<Signal>,
    clock: Arc<TxClock>,
}

impl InvalidationShard {
    /// Waits for the next invalidations. `None` when the store is closed.
    ///
    /// # Errors
    /// If the database fails. The pending invalidations are still there later.
    pub fn next(&self) -> Option<Result<Vec<Invalidation>>> {
        let shard = self.signal.shards.get(self.shard)?;
        loop {
            *shard.dirty.lock() = false;
            let connection = self.connection.upgrade()?;
            let taken = {
                let mut connection = connection.lock();
                let taken = invalidation_queue::take(&mut connection, self.shard, self.clock.now());
                // Under the connection's lock, as `Store::wait_drained` demands.
                if taken.as_ref().is_ok_and(|(changes, _)| changes.is_empty()) {
                    shard.drained.send_modify(|drained| *drained += 1);
                }
                taken
            };
            drop(connection);
            let due = match taken {
                Ok((changes, due)) if changes.is_empty() => due,
                Ok((changes, _)) => return Some(Ok(changes)),
                Err(error) => {
                    let mut dirty = shard.dirty.lock();
                    shard.wake.wait_until(&mut dirty, Instant::now() + PAUSE);
                    return Some(Err(error));
                }
            };
            let mut dirty = shard.dirty.lock();
            match due.map(|at| at.duration_since(self.clock.now()).unwrap_or_default()) {
                _ if *dirty => {}
                None => shard.wake.wait(&mut dirty),
                Some(left) => {
                    shard.wake.wait_until(&mut dirty, Instant::now() + left);
                }
            }
        }
    }
}

impl Store {
    /// Begins to queue invalidations. The caller runs one thread for each shard.
    pub fn track_invalidations(&self) -> Result<Vec<InvalidationShard>> {
        self.connection.lock().execute_batch(include_str!("invalidations.sql"))?;
        let signal = self.signal.get_or_init(Arc::default);
        let changes = |shard| InvalidationShard {
            shard,
            connection: Arc::downgrade(&self.connection),
            signal: signal.clone(),
            clock: self.clock.clone(),
        };
        Ok((0..SHARDS).map(changes).collect())
    }

    /// Waits until the kernel has got all invalidations queued so far. Returns whether that was so
    /// in time. A directory whose lock the kernel holds may take minutes.
    ///
    /// # Errors
    /// If the program is ending.
    pub async fn wait_invalidated(&self, within: Duration) -> Result<bool> {
        self.wait_drained(std::array::from_fn::<_, SHARDS, _>(|shard| shard), within).await
    }

    /// Invalidates a file's attributes, because they differ from those of its row, and waits until
    /// the kernel has got that. Returns whether that was so in time.
    ///
    /// # Errors
    /// If the database fails, or the program is ending.
    pub async fn invalidate_attributes(&self, file: FileId, within: Duration) -> Result<bool> {
        if self.signal.get().is_none() {
            return Ok(true);
        }
        let note = move |tx: &Tx<'_>| {
            tx.prepare_cached(
                "INSERT OR IGNORE INTO temp.invalidations (kind, number) VALUES (?1, ?2)",
            )?
            .execute(params![Kind::Attributes, file])?;
            Ok(())
        };
        self.run(move |store| store.write(note)).await?;
        self.wait_drained(AT_ONCE, within).await
    }

    async fn wait_drained<const N: usize>(
        &self,
        shards: [usize; N],
        within: Duration,
    ) -> Result<bool> {
        let Some(signal) = self.signal.get().cloned() else { return Ok(true) };
        let subscribed = signal.clone();
        let drained: Vec<_> = self
            .run(move |store| {
                // A shard that drains after this lock was ours has sent all that was committed
                // before.
                let _lock = store.connection.lock();
                let shards = shards.iter().filter_map(|&shard| subscribed.shards.get(shard));
                Ok(shards.map(|shard| shard.drained.subscribe()).collect())
            })
            .await?;
        signal.wake(&shards);
        let all = async {
            for mut rest in drained {
                // The channel cannot close while we hold `signal`.
                let _ = rest.changed().await;
            }
        };
        Ok(tokio::time::timeout(within, all).await.is_ok())
    }

    /// The invalidations that are due now, for tests.
    #[cfg(test)]
    pub(crate) fn pending_invalidations(&self) -> Vec<Invalidation> {
        let now = self.clock.now();
        (0..SHARDS)
            .flat_map(|shard| {
                invalidation_queue::take(&mut self.connection.lock(), shard, now).unwrap().0
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::DirId;
    use crate::media::View;
    use crate::store::Child;
    use crate::store::Error;
    use crate::store::invalidation_queue::BATCH;
    use crate::store::invalidation_queue::take;
    use crate::store::tests::{album, item, name, pass};
    use std::time::SystemTime;

    fn watched() -> (Store, DirId) {
        let store = Store::in_memory().unwrap();
        let trip = album(&store, "Trip");
        store.track_invalidations().unwrap();
        (store, trip)
    }

    fn file(store: &Store, dir: DirId, text: &str) -> FileId {
        match store.child(dir, &name(text)).unwrap() {
            Some(Child::File(file)) => file,
            other => panic!("{other:?}"),
        }
    }

    fn changed(store: &Store, dir: DirId) -> i64 {
        store.dir(dir).unwrap().unwrap().names_changed_ns
    }

    #[test]
    fn none_is_lost_and_each_is_told_once() {
        let (store, trip) = watched();
        let names: Vec<_> = (0..3 * BATCH).map(|at| name(&format!("{at}.jpg"))).collect();
        for name in &names {
            store.create_file(trip, name, 0).unwrap().unwrap();
        }
        // Whoever asked for a name knows it, and nobody has the listing with which it came twice.
        assert_eq!(store.pending_invalidations(), [Invalidation::Dir(trip)]);
        store.write(|tx| Ok(tx.execute("DELETE FROM entries", [])?)).unwrap();
        let (mut told, mut entries) = (Vec::new(), 0);
        loop {
            let some = store.pending_invalidations();
            if some.is_empty() {
                break;
            }
            told.extend(some);
        }
        for name in names {
            entries +=
                told.iter().filter(|it| **it == Invalidation::Entry(trip, name.clone())).count();
        }
        assert_eq!(entries, 3 * BATCH as usize);
        assert_eq!(told.iter().filter(|it| **it == Invalidation::Dir(trip)).count(), 1);
    }

    #[test]
    fn whoever_waits_until_all_is_told_waits_for_what_is_being_told_as_well() {
        let (at_once, in_time) = (Duration::from_millis(20), Duration::from_secs(60));
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let told =
            |store: &Store, within| runtime.block_on(store.wait_invalidated(within)).unwrap();
        let store = Store::in_memory().unwrap();
        let trip = album(&store, "Trip");
        let gate = Arc::new(Mutex::new(()));
        for shard in store.track_invalidations().unwrap() {
            let gate = gate.clone();
            std::thread::spawn(move || {
                while let Some(batch) = shard.next() {
                    if batch.unwrap().iter().any(|change| matches!(change, Invalidation::Entry(..)))
                    {
                        // So the kernel makes us wait if somebody waits in the directory.
                        drop(gate.lock());
                    }
                }
            });
        }
        assert!(told(&store, in_time));
        store.create_file(trip, &name("a"), 0).unwrap().unwrap();
        let closed = gate.lock();
        store.write(|tx| Ok(tx.execute("DELETE FROM entries", [])?)).unwrap();
        assert!(!told(&store, at_once));
        drop(closed);
        assert!(told(&store, in_time));
        assert_eq!(store.pending_invalidations(), []);
    }

    #[test]
    fn a_transaction_that_fails_has_nothing_to_tell() {
        let (store, trip) = watched();
        let failed: Result<()> = store.write(|tx| {
            tx.execute("UPDATE dirs SET shown = 0 WHERE id = ?1", [trip])?;
            Err(Error::ShuttingDown)
        });
        assert!(failed.is_err());
        assert_eq!(store.pending_invalidations(), []);
    }

    #[test]
    fn what_the_kernel_asked_for_it_is_not_told_but_all_that_follows() {
        let (store, trip) = watched();
        let day = album(&store, "2019/Day");
        let Some(Child::Dir(year)) = store.child(DirId::ROOT, &name("2019")).unwrap() else {
            panic!("no parent")
        };
        store.pending_invalidations();
        store.remove_dir(year, &name("Day")).unwrap().unwrap();
        let told = store.pending_invalidations();
        assert!(told.contains(&Invalidation::Entry(DirId::ROOT, name("2019"))), "{told:?}");
        assert!(!told.contains(&Invalidation::Entry(year, name("Day"))), "{told:?} {day:?}");
        let a = store.create_file(trip, &name("a"), 0).unwrap().unwrap();
        store.link(a, trip, &name("b")).unwrap().unwrap();
        store.pending_invalidations();
        store.unlink(trip, &name("a")).unwrap().unwrap();
        assert_eq!(
            store.pending_invalidations(),
            [Invalidation::Attributes(a), Invalidation::Dir(trip)]
        );
    }

    #[test]
    fn attributes_are_told_once_more_when_no_older_answer_can_be_on_its_way() {
        let (store, trip) = watched();
        let a = store.create_file(trip, &name("a"), 0).unwrap().unwrap();
        store.pending_invalidations();
        store.set_times(a, None, Some(5)).unwrap();
        let now = SystemTime::now();
        let take = |at| take(&mut store.connection.lock(), 0, at).unwrap();
        assert_eq!(take(now).0, [Invalidation::Attributes(a)]);
        let (none, due) = take(now);
        assert!(none.is_empty());
        assert_eq!(take(due.unwrap()), (vec![Invalidation::Attributes(a)], None));
    }

    #[test]
    fn a_second_name_from_a_listing_changes_the_count_of_names() {
        let (store, trip) = watched();
        let other = album(&store, "Other");
        store.items_listed(trip, &[item("a")], 1).unwrap();
        store.pending_invalidations();
        store.items_listed(other, &[item("a")], 2).unwrap();
        let a = file(&store, trip, "a.jpg");
        assert_eq!(
            store.pending_invalidations(),
            [Invalidation::Attributes(a), Invalidation::Dir(other)]
        );
    }

    #[test]
    fn an_edit_that_comes_to_nothing_gives_back_the_old_bytes() {
        let (store, trip) = watched();
        store.items_listed(trip, &[item("a")], 1).unwrap();
        let a = file(&store, trip, "a.jpg");
        store.fork_version(a, None, 0).unwrap();
        store.pending_invalidations();
        assert!(store.revert_edit(a).unwrap());
        assert!(store.pending_invalidations().contains(&Invalidation::Bytes(a)));
    }

    #[test]
    fn names_that_go_from_views_are_told() {
        let store = Store::in_memory().unwrap();
        store.track_invalidations().unwrap();
        store.view_listed(View::All, &[item("a"), item("b")], 1).unwrap();
        store.pending_invalidations();
        store.view_listed(View::All, &[item("b")], 2).unwrap();
        assert_eq!(store.pending_invalidations(), []);
        store.view_complete(View::All, &pass(2), 1).unwrap();
        let missing = store.missing_in_view(View::All, 9).unwrap()[0].0;
        store.gone_from_view(View::All, &[missing]).unwrap();
        assert_eq!(
            store.pending_invalidations(),
            [Invalidation::ViewEntry(View::All, name("a.jpg"))]
        );
        let b = store.view_child(View::All, &name("b.jpg")).unwrap().unwrap();
        store.fork_version(b, None, 0).unwrap();
        assert!(
            store
                .pending_invalidations()
                .contains(&Invalidation::ViewEntry(View::All, name("b.jpg")))
        );
    }

    #[test]
    fn a_directory_has_a_later_time_with_each_change_of_its_names() {
        let (store, trip) = watched();
        let (mut last, mut root) = (changed(&store, trip), changed(&store, DirId::ROOT));
        let mut later = |what: &str| {
            let now = changed(&store, trip);
            assert!(now > last, "{what}");
            last = now;
        };
        store.items_listed(trip, &[item("a")], 1).unwrap();
        later("a listing brings a name");
        store.create_file(trip, &name("b"), 0).unwrap().unwrap();
        later("create");
        store.rename_file((trip, &name("b")), (trip, &name("c")), false).unwrap().unwrap();
        later("rename");
        store.exchange_files((trip, &name("a.jpg")), (trip, &name("c"))).unwrap().unwrap();
        later("exchange");
        store.unlink(trip, &name("c")).unwrap().unwrap();
        later("unlink");
        album(&store, "Trip/Day");
        later("a directory in it comes");
        store.remove_dir(trip, &name("Day")).unwrap().unwrap();
        later("a directory in it goes");
        assert_eq!(changed(&store, DirId::ROOT), root, "above it no name has changed");
        let title = [(trip, "Tour".to_owned())];
        store.move_intended(trip, (DirId::ROOT, &name("Tour")), &title).unwrap().unwrap();
        assert!(changed(&store, DirId::ROOT) > root);
        root = changed(&store, DirId::ROOT);
        store.items_listed(trip, &[item("a")], 2).unwrap();
        assert_eq!(changed(&store, DirId::ROOT), root);
    }
}
