//! Named points between two durable steps, at which a test can kill the process.
//!
//! Without the feature `crash-points` they do nothing. With it, the environment variable
//! `GPHOTOSFS_CRASH_AT` names the point at which the process aborts. `NAME:N` aborts when the
//! process comes there for the N-th time.

/// The bytes are on disk, the journal does not know.
pub const SEAL_AFTER_SYNC: &str = "seal-after-sync";
/// The journal knows, `close` has not been answered.
pub const SEAL_AFTER_JOURNAL: &str = "seal-after-journal";
/// A smaller copy was made, and is not on disk.
pub const SHRINK_BEFORE_COPY: &str = "shrink-before-copy";
/// The smaller copy is on disk, the journal does not know.
pub const SHRINK_AFTER_COPY: &str = "shrink-after-copy";
/// The journal knows the smaller copy, no byte of it was sent.
pub const SHRINK_AFTER_JOURNAL: &str = "shrink-after-journal";
/// A resumable session exists, the journal does not know.
pub const UPLOAD_AFTER_START: &str = "upload-after-start";
/// The journal knows the session, no byte was sent.
pub const UPLOAD_AFTER_SESSION: &str = "upload-after-session";
/// Google has all bytes, the journal does not know the token.
pub const UPLOAD_AFTER_BYTES: &str = "upload-after-bytes";
/// The journal knows the token, nothing was created.
pub const UPLOAD_AFTER_TOKEN: &str = "upload-after-token";
/// The journal knows that a batch is to be created, Google was not asked.
pub const CREATE_BEFORE_CALL: &str = "create-before-call";
/// Google has answered, the journal does not know.
pub const CREATE_AFTER_CALL: &str = "create-after-call";
/// The journal knows the items, they are not confirmed.
pub const CREATE_AFTER_SETTLE: &str = "create-after-settle";
/// A listing has shown items whose bytes still lie in the spool.
pub const PASS_AFTER_PAGE: &str = "pass-after-page";
/// An item is confirmed, the journal still has the row.
pub const CONFIRM_AFTER_LOOK: &str = "confirm-after-look";
/// The cache and the spool have the bytes, the journal still has the row.
pub const CONFIRM_AFTER_KEEP: &str = "confirm-after-keep";
/// The row is gone, the spool file is not.
pub const CONFIRM_AFTER_JOURNAL: &str = "confirm-after-journal";
/// The journal knows that memberships are about to change, Google was not asked.
pub const MEMBERS_BEFORE_CALL: &str = "members-before-call";
/// Google has changed memberships, the journal does not know.
pub const MEMBERS_AFTER_CALL: &str = "members-after-call";

/// A migration has kept a copy of the old database, and changed nothing.
pub const MIGRATE_AFTER_COPY: &str = "migrate-after-copy";
/// A migration has changed all tables, and is not committed.
pub const MIGRATE_BEFORE_COMMIT: &str = "migrate-before-commit";
/// The tables are committed, the database is not open yet.
pub const MIGRATE_AFTER_COMMIT: &str = "migrate-after-commit";

/// The content of a restored backup is whole and on disk, and nothing of the profile has changed.
pub const REPLACE_BEFORE_DECISION: &str = "replace-before-decision";
/// It was decided that this content replaces the profile's own.
pub const REPLACE_AFTER_DECISION: &str = "replace-after-decision";
/// The old database was set aside.
pub const REPLACE_AFTER_OLD: &str = "replace-after-old";
/// The new spool is in the profile, the new database is not.
pub const REPLACE_AFTER_SPOOL: &str = "replace-after-spool";
/// The new database is in the profile, and the rest has to be tidied up.
pub const REPLACE_AFTER_DATABASE: &str = "replace-after-database";

/// All points on the way of a file, for tests that go through them one by one.
pub const ALL: [&str; 15] = [
    SEAL_AFTER_SYNC,
    SEAL_AFTER_JOURNAL,
    UPLOAD_AFTER_START,
    UPLOAD_AFTER_SESSION,
    UPLOAD_AFTER_BYTES,
    UPLOAD_AFTER_TOKEN,
    CREATE_BEFORE_CALL,
    CREATE_AFTER_CALL,
    CREATE_AFTER_SETTLE,
    PASS_AFTER_PAGE,
    CONFIRM_AFTER_LOOK,
    CONFIRM_AFTER_KEEP,
    CONFIRM_AFTER_JOURNAL,
    MEMBERS_BEFORE_CALL,
    MEMBERS_AFTER_CALL,
];

/// All points on the way of a smaller copy, likewise.
pub const OF_COPIES: [&str; 3] = [SHRINK_BEFORE_COPY, SHRINK_AFTER_COPY, SHRINK_AFTER_JOURNAL];

/// All points of a migration, likewise.
pub const OF_MIGRATIONS: [&str; 3] =
    [MIGRATE_AFTER_COPY, MIGRATE_BEFORE_COMMIT, MIGRATE_AFTER_COMMIT];

/// All points of a replacement of a profile's content, likewise.
pub const OF_REPLACEMENTS: [&str; 5] = [
    REPLACE_BEFORE_DECISION,
    REPLACE_AFTER_DECISION,
    REPLACE_AFTER_OLD,
    REPLACE_AFTER_SPOOL,
    REPLACE_AFTER_DATABASE,
];

/// Aborts the process if the test has named this point.
#[cfg(feature = "crash-points")]
#[allow(clippy::disallowed_methods)] // A switch for tests is no setting.
pub(crate) fn point(name: &str) {
    use std::sync::atomic::{AtomicU32, Ordering};
    static PASSED: AtomicU32 = AtomicU32::new(0);
    let Ok(wanted) = std::env::var("GPHOTOSFS_CRASH_AT") else { return };
    let (at, nth) = wanted.split_once(':').unwrap_or((&wanted, "1"));
    if at == name && nth.parse() == Ok(PASSED.fetch_add(1, Ordering::Relaxed) + 1) {
        std::process::abort();
    }
}

/// Does nothing.
#[cfg(not(feature = "crash-points"))]
pub(crate) fn point(_name: &str) {}
