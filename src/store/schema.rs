//! The versions of the tables, and the way from an older one to the present one.
//!
//! `schema.sql` has the tables of the present version. Once a version is released, its tables never
//! change. A change takes a step from that version to the next one, see CONTRIBUTING.md. The tests
//! compare both ways: a new database, and each frozen one with all its steps.
//!
//! A migration is one transaction: after any failure the old database is there, untouched.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rusqlite::{Connection, TransactionBehavior};

use super::connections::copy_database;
use super::error::{Error, Result};
use super::tx::TxClock;
use crate::crash;
use crate::media::Clock;

/// The version of the present tables.
pub const SCHEMA_VERSION: u32 = PRESENT.version();

/// The tables of the present version, and the steps that lead there.
pub(super) const PRESENT: Schema =
    Schema { tables: include_str!("schema.sql"), steps: &[SUMS_OF_COPIES] };

/// Version 2 keeps the sums of smaller copies in a table.
const SUMS_OF_COPIES: &str = "
    CREATE TABLE saved (
        outcome TEXT PRIMARY KEY,
        files   INTEGER NOT NULL,
        bytes   INTEGER NOT NULL,
        sent    INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    INSERT INTO saved (outcome, files, bytes, sent)
        SELECT coalesce(whole, 'smaller'), count(*), coalesce(sum(size), 0), coalesce(sum(sent_size), 0)
        FROM files WHERE quality IS NOT NULL AND media IS NOT NULL GROUP BY 1;
    DROP INDEX files_looked_at;";

/// Marks a database of this program: "gpfs". Databases from before the first release lack it.
const APPLICATION_ID: u32 = 0x6770_6673;

/// The end of the name of the copy that a migration makes.
const COPY_SUFFIX: &str = ".old";

/// How long the copy is kept. Later, a return to it would forget more than a new listing does.
const COPY_LIFE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Tables of one version.
pub(super) struct Schema {
    /// SQL that makes them, with their views and triggers.
    pub(super) tables: &'static str,
    /// SQL that leads from each earlier version to the next one, from version 1 on. A step changes
    /// tables, indexes and rows. It finds no views and no triggers: they are made anew after it.
    pub(super) steps: &'static [&'static str],
}

impl Schema {
    const fn version(&self) -> u32 {
        // A version for each line of a program's history: it fits.
        self.steps.len() as u32 + 1
    }

    /// Whether the database has these tables. False if it is empty.
    ///
    /// # Errors
    /// If it has others.
    pub(super) fn is_made(&self, connection: &Connection) -> Result<bool> {
        let known = self.version();
        match version_of(connection)? {
            None => Ok(false),
            Some(found) if found < known => Err(Error::Older { found, known }),
            Some(found) if found > known => Err(Error::Newer { found, known }),
            Some(_) => Ok(true),
        }
    }

    /// Makes the tables, or brings those of an earlier version up to date. First the earlier ones
    /// are copied to a file beside `database`.
    ///
    /// # Errors
    /// If that fails, or the tables are those of a later version. The database stays as it was.
    pub(super) fn settle(
        &self,
        connection: &mut Connection,
        database: Option<&Path>,
    ) -> Result<()> {
        // A step may make a table anew that others refer to. The end of it is checked instead.
        connection.pragma_update(None, "foreign_keys", false)?;
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        match self.is_made(&tx) {
            Ok(true) => self.renew_derived(&tx)?,
            Ok(false) => {
                tx.execute_batch(self.tables)?;
                tx.pragma_update(None, "application_id", APPLICATION_ID)?;
                tx.pragma_update(None, "user_version", self.version())?;
            }
            Err(Error::Older { found, known }) => {
                tracing::info!(found, known, "brings the database up to date");
                if let Some(database) = database {
                    // Others cannot write now, so the copy has what the steps begin with.
                    keep_copy(database)?;
                    crash::point(crash::MIGRATE_AFTER_COPY);
                }
                self.migrate(&tx, found)?;
                crash::point(crash::MIGRATE_BEFORE_COMMIT);
            }
            Err(error) => return Err(error),
        }
        tx.commit()?;
        crash::point(crash::MIGRATE_AFTER_COMMIT);
        connection.pragma_update(None, "foreign_keys", true)?;
        Ok(())
    }

    /// Runs the steps from version `found` on. The caller commits.
    fn migrate(&self, connection: &Connection, found: u32) -> Result<()> {
        drop_derived(connection)?;
        for step in self.steps.iter().skip(found as usize - 1) {
            connection.execute_batch(step)?;
        }
        for sql in self.derived_sql()? {
            connection.execute_batch(&sql)?;
        }
        if connection.prepare("PRAGMA foreign_key_check")?.exists([])? {
            return Err(Error::Corrupt("a row refers to another one that does not exist"));
        }
        connection.pragma_update(None, "user_version", self.version())?;
        Ok(())
    }

    /// Makes views and triggers anew if they are not those of this program: they change without a
    /// new version.
    fn renew_derived(&self, connection: &Connection) -> Result<()> {
        let wanted = self.derived_sql()?;
        if derived_sql_of(connection)? != wanted {
            drop_derived(connection)?;
            for sql in wanted {
                connection.execute_batch(&sql)?;
            }
        }
        Ok(())
    }

    /// SQL that makes the views and triggers of this version.
    fn derived_sql(&self) -> Result<Vec<String>> {
        let model = Connection::open_in_memory()?;
        // The tables begin with a row that has a time.
        TxClock::register(Clock::default(), &model)?;
        model.execute_batch(self.tables)?;
        derived_sql_of(&model)
    }
}

/// SQL that makes the views and triggers of a database, in their order.
fn derived_sql_of(connection: &Connection) -> Result<Vec<String>> {
    let sql = format!("SELECT sql FROM sqlite_schema WHERE {DERIVED} ORDER BY rowid");
    let mut found = connection.prepare(&sql)?;
    let found = found.query_map([], |row| row.get(0))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

fn drop_derived(connection: &Connection) -> Result<()> {
    for (kind, name) in derived(connection)? {
        connection.execute_batch(&format!("DROP {kind} IF EXISTS \"{name}\""))?;
    }
    Ok(())
}

/// Views and triggers hold nothing of their own.
const DERIVED: &str = "type IN ('view', 'trigger')";

/// Kind and name of each view and trigger.
fn derived(connection: &Connection) -> Result<Vec<(String, String)>> {
    let sql = format!("SELECT type, name FROM sqlite_schema WHERE {DERIVED}");
    let mut found = connection.prepare(&sql)?;
    let found = found.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

/// The version of a database's tables. `None` if it is empty.
fn version_of(connection: &Connection) -> Result<Option<u32>> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, u32>(0));
    match (number("application_id")?, number("user_version")?) {
        (0, 0) => Ok(None),
        (APPLICATION_ID, version @ 1..) => Ok(Some(version)),
        _ => Err(Error::Unreleased),
    }
}

/// The copy of a database from before its last migration.
fn copy_path(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(COPY_SUFFIX);
    name.into()
}

/// Replaces the copy. At each instant there is the earlier one or the whole new one.
fn keep_copy(database: &Path) -> Result<()> {
    let copy = copy_path(database);
    let unfinished = copy.with_extension("old-new");
    let made = copy_database(database, &unfinished).and_then(|()| {
        let put = || {
            fs::rename(&unfinished, &copy)?;
            copy.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
        };
        put().map_err(Error::Copy)
    });
    if made.is_err() {
        // The failure is reported; the next attempt removes the file, too.
        let _ = fs::remove_file(&unfinished);
    }
    made
}

/// Removes the copy beside the database once it is too old to be of use.
pub(super) fn drop_old_copy(database: &Path, now: SystemTime) {
    let copy = copy_path(database);
    let made = match fs::metadata(&copy).and_then(|it| it.modified()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return,
        made => made,
    };
    let outcome = made.and_then(|made| match now.duration_since(made) {
        Ok(age) if age > COPY_LIFE => fs::remove_file(&copy),
        _ => Ok(()),
    });
    if let Err(error) = outcome {
        tracing::warn!(%error, path = %copy.display(), "cannot remove an old copy of the database");
    }
}

#[cfg(test)]
mod frozen;
#[cfg(test)]
mod tests;
