//! The journal of uploads: where each file is on its way to Google.
//!
//! Each sealing gets a number (`seq`) that is never reused. It orders the files and names the
//! version. An answer about an earlier version finds another number and changes nothing.

use std::time::SystemTime;

use rusqlite::{OptionalExtension, Row, params};

use super::copies::OfDirs;
use super::database::Store;
use super::error::Result;
use super::lookups::{has_item, is_current, names_of, upload_state, was_asked_for};
use super::prepared::{Prepared, Sent};
use super::states::{LocalReason, UploadState};
use super::tables::{failed, files, meta, uploads};
use super::time::{from_millis, to_millis};
use super::tx::Tx;
use super::write_error::WriteError;
use crate::media::{ContentHash, DirId, EntryName, FileId, Qualities, UploadToken, VideoQuality};

/// Whether a file may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reopened {
    /// The file may be written now. Its upload is void.
    Open,
    /// Google has the item, or was asked to make it. [`Store::fork_version`] must fork this version
    /// first.
    InFlight,
    /// The file is not being uploaded: it is an item, or Google has refused it for good.
    NotStaged,
}

/// Where a closed file belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// To Google, with the type by content and name.
    Upload(&'static str),
    /// On this machine, for now or for good.
    StaysHere(LocalReason),
}

impl Fate {
    fn mime(self) -> Option<&'static str> {
        match self {
            Self::Upload(mime) => Some(mime),
            Self::StaysHere(_) => None,
        }
    }

    fn local_reason(self) -> Option<LocalReason> {
        match self {
            Self::Upload(_) => None,
            Self::StaysHere(reason) => Some(reason),
        }
    }

    fn state(self) -> UploadState {
        match self {
            Self::Upload(_) => UploadState::Sealed,
            Self::StaysHere(_) => UploadState::Temporary,
        }
    }
}

/// Facts that sealing finds out about a file.
#[derive(Clone, Debug)]
pub struct SealedFacts {
    /// In bytes.
    pub size: u64,
    /// Nanoseconds since 1970.
    pub mtime_ns: i64,
    /// When bytes or times were last changed; nanoseconds since 1970.
    pub ctime_ns: i64,
    /// Whether it is to be uploaded.
    pub fate: Fate,
    /// The bytes that a file which stays here lacks.
    pub write_error: Option<WriteError>,
    /// Whether the bytes for Google look cut off.
    pub cut_off: bool,
}

/// The next step for a sealed file once its content is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hashed {
    /// Its bytes are to be uploaded.
    Upload,
    /// Another file with the same bytes is being uploaded or has arrived, or an edit has changed
    /// nothing. Nothing is to be uploaded for now.
    Duplicate,
    /// It has been written since.
    Outdated,
}

/// The failures of a version so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PastFailures {
    /// How many.
    pub attempts: u32,
    /// How many of them happened while other files succeeded.
    pub own: u32,
    /// When the first one was.
    pub since: Option<SystemTime>,
}

impl PastFailures {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let since: Option<i64> = row.get("failing_since")?;
        Ok(Self {
            attempts: row.get("attempts")?,
            own: row.get("own_failures")?,
            since: since.map(from_millis),
        })
    }
}

/// A file that fails again and again.
#[derive(Clone, Debug)]
pub struct FailingUpload {
    /// The file.
    pub file: FileId,
    /// Its failures.
    pub past: PastFailures,
    /// The last one, in words.
    pub error: String,
    /// When it is tried again; `None` if it need not wait.
    pub retry_at: Option<SystemTime>,
    /// Bytes that are still to be uploaded.
    pub bytes: u64,
}

/// A file counts as failing after so many failures. Every outage costs a file one. A failure that is
/// the file's own counts at once, and so does an answer of Google's that has the file tried alone.
const FAILURES_SHOWN: u32 = 2;

/// A sealed file that may be uploaded now.
#[derive(Clone, Debug)]
pub struct Startable {
    /// The file.
    pub file: FileId,
    /// Its version.
    pub seq: i64,
    /// In bytes.
    pub size: u64,
    /// Sniffed when it was sealed.
    pub mime: String,
    /// Of this version, if it was read before.
    pub sha1: Option<[u8; 20]>,
    /// A resumable session, if the store has one.
    pub session: Option<String>,
    /// The failures so far.
    pub past: PastFailures,
    /// The qualities that its album is to have.
    pub quality: Qualities,
    /// The outcome of looking at its bytes for a quality.
    pub prepared: Option<Prepared>,
    /// A call without an answer may have made an item of the bytes that were sent.
    pub asked: bool,
}

impl Startable {
    /// Whether a smaller copy must be made before anything is sent, or a reason found that it has
    /// none. Bytes that Google may have made an item of are sent again as they were.
    pub fn needs_preparing(&self) -> bool {
        let wanted = self.wanted();
        let is_prepared = wanted == self.prepared.as_ref().map(|it| it.quality.clone());
        wanted.is_some() && !is_prepared && !self.asked
    }

    /// The quality for which its bytes are to be looked at, exactly.
    pub fn wanted(&self) -> Option<String> {
        self.quality.exact(&self.mime)
    }

    /// Whether a smaller copy of a video is wanted. A video that stays whole is looked at like a photo.
    pub fn wants_film(&self) -> bool {
        self.wanted().is_some_and(|it| it == VideoQuality::EXACT)
    }

    /// The smaller copy that goes to Google instead of the file.
    pub fn copy(&self) -> Option<Sent> {
        self.prepared.as_ref().and_then(Prepared::sent)
    }

    /// How many bytes go to Google.
    pub fn sent_size(&self) -> u64 {
        self.copy().map_or(self.size, |it| it.size)
    }
}

/// What becomes of a sealed file in a selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// It is selected.
    Take,
    /// It is not.
    Skip,
    /// Neither it nor a later one.
    Stop,
}

/// Sealed files to upload now, in the order of closing.
pub(super) const STARTABLE: &str = "SELECT file, seq, size, mime, sha1, session, attempts, own_failures, failing_since, \
     first_call IS NOT NULL AS asked, quality, whole, sent_size, sent_sha256, sent_sha1 FROM upload_queue \
     WHERE state = ?1 AND coalesce(retry_at, 0) <= ?2 AND NOT is_duplicate AND is_wanted ORDER BY seq";

impl Store {
    /// The state of a file's upload. `None` if it has arrived or came from Google.
    pub fn upload_state(&self, file: FileId) -> Result<Option<UploadState>> {
        self.read(|db| upload_state(db, file))
    }

    /// Whether this version of a file is the current one.
    pub fn is_current_version(&self, file: FileId, seq: i64) -> Result<bool> {
        self.read(|db| {
            Ok(db
                .prepare_cached("SELECT 1 FROM uploads WHERE file = ?1 AND seq = ?2")?
                .exists(params![file, seq])?)
        })
    }

    /// The bytes that a temporary file lacks, if a write to it has failed.
    pub fn write_error(&self, file: FileId) -> Result<Option<WriteError>> {
        self.read(|db| {
            Ok(db
                .prepare_cached(
                    "SELECT write_errno, missing_from, missing_to FROM uploads WHERE file = ?1",
                )?
                .query_row([file], write_error)
                .optional()?
                .flatten())
        })
    }

    /// All names of a file in albums.
    pub fn names_in_albums(&self, file: FileId) -> Result<Vec<EntryName>> {
        self.read(|db| {
            Ok(db
                .prepare_cached(
                    "SELECT e.name FROM entries e JOIN dirs d ON d.id = e.dir \
                     WHERE e.file = ?1 AND NOT d.local ORDER BY e.id",
                )?
                .query_map([file], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?)
        })
    }

    /// All names of a file, in albums and local directories, oldest first.
    pub fn names_of(&self, file: FileId) -> Result<Vec<(DirId, EntryName)>> {
        self.read(|db| names_of(db, file))
    }

    /// Voids the sealed version, because the file is about to be written.
    pub fn reopen(&self, file: FileId) -> Result<Reopened> {
        self.write(|tx| {
            Ok(match upload_state(tx, file)? {
                None | Some(UploadState::Failed) => Reopened::NotStaged,
                Some(UploadState::Creating | UploadState::Confirming | UploadState::Unseen) => {
                    Reopened::InFlight
                }
                Some(UploadState::Open) => Reopened::Open,
                Some(UploadState::Sealed | UploadState::Uploaded)
                    if was_asked_for(tx, file)? || has_item(tx, file)? =>
                {
                    Reopened::InFlight
                }
                Some(UploadState::Temporary | UploadState::Sealed | UploadState::Uploaded) => {
                    reopen(tx, file)?;
                    Reopened::Open
                }
            })
        })
    }

    /// Seals a file whose bytes are on disk. When this returns, the intent to upload them is on
    /// disk, too.
    pub fn seal(&self, file: FileId, facts: &SealedFacts) -> Result<()> {
        self.write_durable(|tx| {
            let (mime, state) = (facts.fate.mime(), facts.fate.state());
            let seq = mime.map(|_| meta::next_number(tx, "seq")).transpose()?;
            let times = (facts.mtime_ns, facts.ctime_ns);
            files::set_sealed(tx, file, mime, facts.size, times, facts.cut_off)?;
            uploads::set_sealed(tx, file, state, facts.fate.local_reason(), seq)?;
            uploads::set_write_error(tx, file, facts.write_error.as_ref())?;
            if state == UploadState::Sealed {
                failed::delete_unfinished(tx, file)?;
            }
            Ok(())
        })
    }

    /// Keeps the hashes of a version and returns the next step.
    pub fn hashed(
        &self,
        file: FileId,
        seq: i64,
        sha256: ContentHash,
        sha1: [u8; 20],
    ) -> Result<Hashed> {
        self.write(|tx| {
            if !is_current(tx, file, seq, UploadState::Sealed)? {
                return Ok(Hashed::Outdated);
            }
            files::set_hashes(tx, file, sha256, sha1)?;
            let duplicate = tx
                .prepare_cached("SELECT 1 FROM upload_queue WHERE file = ?1 AND is_duplicate")?
                .exists([file])?;
            Ok(if duplicate { Hashed::Duplicate } else { Hashed::Upload })
        })
    }

    /// Sealed files that may be uploaded now, in the order of closing. `choose` selects among them.
    /// `quality` is that of the mount.
    pub fn startable(
        &self,
        now: SystemTime,
        limit: usize,
        quality: Qualities,
        mut choose: impl FnMut(&Startable) -> Choice,
    ) -> Result<Vec<Startable>> {
        self.read(|db| {
            let mut qualities = OfDirs::new(db, quality)?;
            let mut statement = db.prepare_cached(STARTABLE)?;
            let mut rows = statement.query(params![UploadState::Sealed, to_millis(now)])?;
            let mut found = Vec::new();
            while found.len() < limit {
                let Some(row) = rows.next()? else { break };
                let startable = Startable {
                    file: row.get("file")?,
                    seq: row.get("seq")?,
                    size: row.get::<_, Option<u64>>("size")?.unwrap_or(0),
                    mime: row.get::<_, Option<String>>("mime")?.unwrap_or_default(),
                    sha1: row.get("sha1")?,
                    session: row.get("session")?,
                    past: PastFailures::read(row)?,
                    quality: qualities.of_upload(db, row.get("file")?)?,
                    prepared: Prepared::read(row)?,
                    asked: row.get("asked")?,
                };
                match choose(&startable) {
                    Choice::Take => found.push(startable),
                    Choice::Skip => {}
                    Choice::Stop => break,
                }
            }
            Ok(found)
        })
    }

    /// Keeps (or forgets) the resumable session of a version.
    pub fn set_session(&self, file: FileId, seq: i64, session: Option<&str>) -> Result<()> {
        self.write(|tx| {
            uploads::set_session(tx, file, seq, session)?;
            Ok(())
        })
    }

    /// Google has the bytes of this version. Returns `false` if it is no longer the current one.
    pub fn uploaded(
        &self,
        file: FileId,
        seq: i64,
        token: &UploadToken,
        at: SystemTime,
    ) -> Result<bool> {
        self.write(|tx| {
            if !is_current(tx, file, seq, UploadState::Sealed)? {
                return Ok(false);
            }
            uploads::set_uploaded(tx, file, token, to_millis(at))?;
            Ok(true)
        })
    }

    /// Ends all waits for another attempt.
    pub fn retry_now(&self) -> Result<()> {
        self.write(|tx| {
            uploads::retry_all_now(tx)?;
            Ok(())
        })
    }

    /// Counts a failure of this version and keeps the reason. The next attempt begins at
    /// `retry_at`. `own` says whether other files succeeded meanwhile.
    pub fn attempt_failed(
        &self,
        file: FileId,
        seq: i64,
        error: &str,
        own: bool,
        retry_at: SystemTime,
    ) -> Result<()> {
        self.write(|tx| {
            if uploads::set_retry_at(tx, file, seq, to_millis(retry_at))? {
                uploads::count_failure(tx, file, error, own)?;
            }
            Ok(())
        })
    }

    /// As [`Store::attempt_failed`], for a failure that says nothing of this version.
    pub fn retry_later(&self, file: FileId, seq: i64, retry_at: SystemTime) -> Result<()> {
        self.write(|tx| uploads::set_retry_at(tx, file, seq, to_millis(retry_at)).map(drop))
    }

    /// Whether no other file is on its way to become an item.
    pub fn is_only_upload(&self, file: FileId) -> Result<bool> {
        self.read(|db| {
            let mut others = db.prepare_cached(
                "SELECT 1 FROM pending_uploads WHERE file <> ?1 AND state <> 'confirming' LIMIT 1",
            )?;
            Ok(!others.exists([file])?)
        })
    }

    /// Up to `limit` files that have failed again and again, those that began first.
    pub fn failing_uploads(&self, limit: usize) -> Result<Vec<FailingUpload>> {
        self.read(|db| {
            Ok(db
                .prepare_cached(
                    "SELECT u.file, attempts, own_failures, failing_since, error, retry_at, \
                     CASE state WHEN 'sealed' THEN coalesce(sent_size, size, 0) ELSE 0 END AS bytes \
                     FROM uploads u JOIN files f ON f.id = u.file \
                     WHERE failing_since IS NOT NULL \
                     AND (attempts >= ?1 OR own_failures > 0 \
                          OR attempts > 0 AND isolate AND first_call IS NULL) \
                     AND state IN ('sealed', 'uploaded', 'creating', 'confirming') \
                     ORDER BY failing_since LIMIT ?2",
                )?
                .query_map(params![FAILURES_SHOWN, limit], |row| {
                    let retry_at: Option<i64> = row.get("retry_at")?;
                    Ok(FailingUpload {
                        file: row.get("file")?,
                        past: PastFailures::read(row)?,
                        error: row.get::<_, Option<String>>("error")?.unwrap_or_default(),
                        retry_at: retry_at.map(from_millis),
                        bytes: row.get("bytes")?,
                    })
                })?
                .collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Voids tokens older than `before`, so that their bytes are uploaded again. Returns how many
    /// there were.
    pub fn expire_tokens(&self, before: SystemTime) -> Result<usize> {
        self.write(|tx| uploads::expire_tokens(tx, to_millis(before)))
    }

    /// When the next waiting file may be tried again.
    pub fn next_retry(&self, now: SystemTime) -> Result<Option<SystemTime>> {
        self.read(|db| {
            let at: Option<i64> = db
                .prepare_cached(
                    "SELECT min(retry_at) FROM uploads WHERE retry_at > ?1 AND state <> ?2",
                )?
                .query_row(params![to_millis(now), UploadState::Failed], |row| row.get(0))?;
            Ok(at.map(from_millis))
        })
    }
}

/// The bytes that a file lacks, by its row of the journal.
pub(super) fn write_error(row: &Row<'_>) -> rusqlite::Result<Option<WriteError>> {
    let Some(errno) = row.get("write_errno")? else { return Ok(None) };
    Ok(WriteError::new(errno, row.get("missing_from")?..row.get("missing_to")?))
}

/// Opens a file for writing. Its upload is void.
pub(super) fn reopen(tx: &Tx<'_>, file: FileId) -> Result<()> {
    files::clear_hashes(tx, file)?;
    uploads::set_open(tx, file)?;
    Ok(())
}

/// Seals a refused file again, as if nothing had been tried yet.
pub(super) fn back_in_queue(tx: &Tx<'_>, file: FileId, facts: &SealedFacts) -> Result<()> {
    let (mime, state) = (facts.fate.mime(), facts.fate.state());
    let seq = mime.map(|_| meta::next_number(tx, "seq")).transpose()?;
    files::set_size_and_mime(tx, file, facts.size, mime)?;
    uploads::requeue(tx, file, state, facts.fate.local_reason(), seq)?;
    Ok(())
}
