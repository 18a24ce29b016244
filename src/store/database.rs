//! The connections and transactions of the database.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use parking_lot::{Mutex, MutexGuard};
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior};
use tempfile::TempDir;

use super::connections::{BUSY_DEADLINE, copy_database, open_to_read};
use super::error::{Error, Result};
use super::invalidation_queue;
use super::schema::{self, PRESENT, Schema};
use super::tables::meta;
use super::tx::{Tx, TxClock};
use crate::media::{Clock, DirId, EntryName};

/// The database in the profile's state directory.
pub(super) const FILE_NAME: &str = "gphotosfs.db";

/// Connections for reads: one for each thread that takes requests from the kernel.
const READERS: usize = 4;

/// The page cache of each of them. The kernel caches the rest.
const READER_CACHE_KIB: i64 = 1024;

/// Statements that a connection keeps prepared.
const STATEMENTS_MAX: usize = 128;

/// Checks for damage. This reads the whole database, which takes a second for a million files.
fn check(connection: &Connection) -> Result<()> {
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found == "ok" {
        return Ok(());
    }
    let damaged = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    Err(Error::Damaged(rusqlite::Error::SqliteFailure(damaged, Some(found))))
}

/// Connections that only read, so that reads do not wait for the disk writes of others.
#[derive(Default)]
struct Readers {
    connections: Vec<Mutex<Connection>>,
    /// What they read, if it is not the profile's own database.
    copy: Option<EarlierCopy>,
}

impl Readers {
    fn open(path: &Path) -> Result<Arc<Self>> {
        let open = |_| {
            let connection = open_to_read(path)?;
            connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
            connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
            Ok(Mutex::new(connection))
        };
        let connections = (0..READERS).map(open).collect::<Result<_>>()?;
        Ok(Arc::new(Self { connections, copy: None }))
    }

    /// The next free connection. `None` if there are none at all.
    fn turn(&self) -> Option<MutexGuard<'_, Connection>> {
        // If all are taken, the thread waits for the last one. The others stay available.
        let all = &self.connections;
        all.iter().find_map(Mutex::try_lock).or_else(|| all.last().map(Mutex::lock))
    }
}

/// A transaction that reads. Unlike rusqlite's, it begins and ends by prepared statements: most
/// reads take no longer than these.
struct Snapshot<'a>(&'a Connection);

impl<'a> Snapshot<'a> {
    fn of(connection: &'a Connection) -> Result<Self> {
        connection.prepare_cached("BEGIN")?.execute([])?;
        Ok(Self(connection))
    }
}

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        // Nothing can be lost, and a failure shows at the next BEGIN.
        let _ = self.0.prepare_cached("ROLLBACK").and_then(|mut end| end.execute([]));
    }
}

/// A copy of an earlier version's database, to be read.
struct EarlierCopy {
    /// Removed with the value.
    dir: TempDir,
    /// The version of the original.
    found: u32,
}

/// The database of one profile. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    // Closed before the connection that writes, which checkpoints the log as the last one.
    readers: Arc<Readers>,
    // Locked for one transaction, never across an await. It writes, and reads if there are no
    // readers.
    pub(super) connection: Arc<Mutex<Connection>>,
    pub(super) clock: Arc<TxClock>,
    // Set if invalidations are tracked.
    pub(super) signal: Arc<OnceLock<Arc<invalidation_queue::Signal>>>,
}

impl Store {
    /// Opens the database in `dir`, and creates it if necessary.
    ///
    /// # Errors
    /// If the file cannot be made, is damaged or comes from another version.
    pub fn open(dir: &Path) -> Result<Self> {
        Self::open_with_clock(dir, Clock::default())
    }

    /// As [`Store::open`], with the clock that gives each transaction its time.
    pub fn open_with_clock(dir: &Path, clock: Clock) -> Result<Self> {
        Self::open_as(&PRESENT, dir, clock)
    }

    /// As [`Store::open_with_clock`], with the tables of this version.
    pub(super) fn open_as(schema: &Schema, dir: &Path, clock: Clock) -> Result<Self> {
        // If the process or the machine has died, SQLite leaves its log behind: check for damage.
        let died = dir.join(format!("{FILE_NAME}-wal")).exists();
        let path = dir.join(FILE_NAME);
        // SQLite would create it for everybody to read. Its other files get the same mode. If this
        // fails, the file exists or SQLite says why. An existing one must not be opened here: its
        // close would release SQLite's locks.
        drop(OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path));
        let connection = Connection::open(&path)?;
        if died {
            check(&connection)?;
        }
        schema::drop_old_copy(&path, clock.now());
        let store = Self::prepare(connection, clock, schema, Some(&path))?;
        Ok(Self { readers: Readers::open(&path)?, ..store })
    }

    /// Opens the database in `dir` for short transactions, beside a process that works with it. They
    /// must not change what that process keeps in memory, nor what its kernel may have cached.
    ///
    /// # Errors
    /// As [`Store::open`], if there is no database yet, and if it is one of an earlier version.
    pub fn open_beside(dir: &Path) -> Result<Self> {
        Self::open_beside_as(&PRESENT, dir)
    }

    /// As [`Store::open_beside`], with the tables of this version.
    pub(super) fn open_beside_as(schema: &Schema, dir: &Path) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(dir.join(FILE_NAME), flags)?;
        connection.busy_timeout(BUSY_DEADLINE)?;
        // The other process may be of that version: it must not lose its tables.
        schema.is_made(&connection)?;
        Self::prepare(connection, Clock::default(), schema, None)
    }

    /// Whether there is a database in `dir`, of any version. Reads only its version.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn is_made(dir: &Path) -> Result<bool> {
        let path = dir.join(FILE_NAME);
        if !path.is_file() {
            return Ok(false);
        }
        match PRESENT.is_made(&open_to_read(&path)?) {
            Err(Error::Older { .. } | Error::Newer { .. }) => Ok(true),
            outcome => outcome,
        }
    }

    /// Opens the database in `dir` for reading, beside a process that may write it. `None` if there
    /// is none yet. One of an earlier version stays as it is: a copy is brought up to date and read.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_read_only(dir: &Path) -> Result<Option<Self>> {
        Self::open_read_only_as(&PRESENT, dir)
    }

    /// As [`Store::open_read_only`], with the tables of this version.
    pub(super) fn open_read_only_as(schema: &Schema, dir: &Path) -> Result<Option<Self>> {
        let path = dir.join(FILE_NAME);
        if !path.is_file() {
            return Ok(None);
        }
        let connection = open_to_read(&path)?;
        let (connection, copy) = match schema.is_made(&connection) {
            Ok(true) => (connection, None),
            Ok(false) => return Ok(None),
            Err(Error::Older { found, .. }) => {
                let copy = EarlierCopy { dir: Self::migrated_copy(schema, dir)?, found };
                (open_to_read(&copy.dir.path().join(FILE_NAME))?, Some(copy))
            }
            Err(error) => return Err(error),
        };
        let (connection, signal) = (Arc::new(Mutex::new(connection)), Arc::default());
        let clock = Arc::new(TxClock::read_only());
        let readers = Arc::new(Readers { connections: Vec::new(), copy });
        Ok(Some(Self { readers, connection, clock, signal }))
    }

    /// A copy of an earlier version's database, brought up to date. Only its owner can read it.
    fn migrated_copy(schema: &Schema, dir: &Path) -> Result<TempDir> {
        let copy = TempDir::with_prefix("gphotosfs-").map_err(Error::Copy)?;
        Self::copy(dir, copy.path())?;
        let connection = Connection::open(copy.path().join(FILE_NAME))?;
        Self::prepare(connection, Clock::default(), schema, None)?;
        Ok(copy)
    }

    /// The version of the profile's database, if it is an earlier one and this reads a copy of it.
    pub fn earlier_version(&self) -> Option<u32> {
        self.readers.copy.as_ref().map(|it| it.found)
    }

    /// Copies the database in `from` into the directory `to`, as it is at one instant. Others may
    /// write it meanwhile.
    ///
    /// # Errors
    /// If it does not exist, or the copy cannot be written.
    pub fn copy(from: &Path, to: &Path) -> Result<()> {
        copy_database(&from.join(FILE_NAME), &to.join(FILE_NAME))
    }

    /// A database that lives as long as the value, for tests.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn in_memory() -> Result<Self> {
        Self::prepare(Connection::open_in_memory()?, Clock::default(), &PRESENT, None)
    }

    fn prepare(
        mut connection: Connection,
        clock: Clock,
        schema: &Schema,
        database: Option<&Path>,
    ) -> Result<Self> {
        let clock = Arc::new(TxClock::register(clock, &connection)?);
        connection.busy_timeout(BUSY_DEADLINE)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        schema.settle(&mut connection, database)?;
        let (connection, signal) = (Arc::new(Mutex::new(connection)), Arc::default());
        Ok(Self { readers: Arc::default(), connection, clock, signal })
    }

    /// Runs a blocking call of this store from async code, off the async workers.
    ///
    /// # Errors
    /// Those of `call`, and [`Error::ShuttingDown`].
    pub async fn run<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Store) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let store = self.clone();
        tokio::task::spawn_blocking(move || call(&store)).await.map_err(|_| Error::ShuttingDown)?
    }

    /// Runs a read, which sees one committed state of the database.
    pub(super) fn read<T>(&self, query: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        match self.readers.turn() {
            Some(reader) => query(Snapshot::of(&reader)?.0),
            None => query(Snapshot::of(&self.connection.lock())?.0),
        }
    }

    /// Runs one transaction. It survives the death of the process at once, and a power cut after
    /// the next durable one.
    pub(super) fn write<T>(&self, change: impl FnOnce(&Tx<'_>) -> Result<T>) -> Result<T> {
        self.write_asked(&[], change)
    }

    /// As [`Store::write`], for a request of the kernel, which needs no invalidation of these
    /// `names`.
    pub(super) fn write_asked<T>(
        &self,
        names: &[(DirId, &EntryName)],
        change: impl FnOnce(&Tx<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut connection = self.connection.lock();
        let outcome = self.transact(&mut connection, names, change);
        drop(connection);
        self.tell(outcome)
    }

    /// Runs one transaction. When this returns, it is on disk with all transactions before it.
    pub(super) fn write_durable<T>(&self, change: impl FnOnce(&Tx<'_>) -> Result<T>) -> Result<T> {
        self.write_durable_asked(&[], change)
    }

    /// As [`Store::write_durable`], for a request of the kernel, which needs no invalidation of
    /// these `names`.
    pub(super) fn write_durable_asked<T>(
        &self,
        names: &[(DirId, &EntryName)],
        change: impl FnOnce(&Tx<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut connection = self.connection.lock();
        // In WAL mode a commit under FULL syncs the log, and with it every earlier commit.
        connection.pragma_update(None, "synchronous", "FULL")?;
        let outcome = self.transact(&mut connection, names, change);
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        drop(connection);
        self.tell(outcome)
    }

    /// Returns the result of the transaction, and the shards that got invalidations.
    fn transact<T>(
        &self,
        connection: &mut Connection,
        known: &[(DirId, &EntryName)],
        change: impl FnOnce(&Tx<'_>) -> Result<T>,
    ) -> Result<(T, Vec<usize>)> {
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let tx = self.clock.begin(tx);
        let mark = self.signal.get().map(|_| invalidation_queue::mark(&tx)).transpose()?;
        let value = change(&tx)?;
        let shards = match mark {
            Some(mark) => invalidation_queue::since(&tx, &mark, known)?,
            None => Vec::new(),
        };
        tx.commit()?;
        Ok((value, shards))
    }

    fn tell<T>(&self, outcome: Result<(T, Vec<usize>)>) -> Result<T> {
        let (value, shards) = outcome?;
        if let Some(signal) = self.signal.get() {
            signal.wake(&shards);
        }
        Ok(value)
    }

    /// Writes all changes made so far to the disk. Some methods, such as `unlink`, return before
    /// their change is there.
    pub fn make_durable(&self) -> Result<()> {
        // A transaction that changes nothing would not be synced.
        self.write_durable(|tx| meta::set(tx, "durable", ""))
    }

    /// A value of the table of single values.
    pub fn meta(&self, key: &str) -> Result<Option<String>> {
        self.read(|db| {
            Ok(db
                .prepare_cached("SELECT value FROM meta WHERE key = ?1")?
                .query_row([key], |row| row.get(0))
                .optional()?)
        })
    }

    /// Sets a value of the table of single values.
    pub fn set_meta(&self, key: &str, value: &str) -> Result<()> {
        self.write(|tx| meta::set(tx, key, value))
    }
}
