//! Smaller copies: the quality in which photos of a directory are uploaded, and the copies that go
//! to Google instead of them.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension};

use super::database::Store;
use super::error::Result;
use super::lookups::is_current;
use super::prepared::Prepared;
use super::states::UploadState;
use super::tables::{dirs, files, uploads};
use super::tx::Tx;
use crate::media::{ContentHash, DirId, FileId, Qualities, Quality};

/// The files that Google has, and that were uploaded while smaller copies were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// How many there are.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The bytes that went to Google.
    pub sent: u64,
    /// How many of them went as they are, for each reason.
    pub whole: Vec<(String, u64)>,
    /// The bytes of these.
    pub whole_bytes: u64,
}

/// Reads the sums of smaller copies. `status` and the metrics run it each time.
pub(super) const SAVED: &str =
    "SELECT outcome, files, bytes, sent FROM saved WHERE files > 0 ORDER BY files DESC, outcome";

/// The outcome of smaller copies in the table of sums.
const SMALLER: &str = "smaller";

/// The qualities of directories, as far as they have been asked for.
pub(super) struct OfDirs {
    default: Qualities,
    known: HashMap<DirId, Qualities>,
    /// No directory has a quality of its own.
    uniform: bool,
}

impl OfDirs {
    /// `default` is the quality of directories that say nothing, and whose parents say nothing.
    pub(super) fn new(db: &Connection, default: Qualities) -> Result<Self> {
        let any = "SELECT 1 FROM dirs WHERE quality IS NOT NULL LIMIT 1";
        let uniform = !db.prepare_cached(any)?.exists([])?;
        Ok(Self { default, known: HashMap::new(), uniform })
    }

    /// The quality of the album that a file is to be created in.
    pub(super) fn of_upload(&mut self, db: &Connection, file: FileId) -> Result<Qualities> {
        if self.uniform {
            return Ok(self.default);
        }
        let target: Option<DirId> = db
            .prepare_cached("SELECT target FROM upload_queue WHERE file = ?1")?
            .query_row([file], |row| row.get(0))
            .optional()?
            .flatten();
        target.map_or(Ok(self.default), |dir| self.of(db, dir))
    }

    /// The qualities of a directory. One whose photos stay as they are keeps its videos, too.
    fn of(&mut self, db: &Connection, dir: DirId) -> Result<Qualities> {
        if let Some(known) = self.known.get(&dir) {
            return Ok(*known);
        }
        let quality = match quality_of(db, dir)? {
            None => self.default,
            Some(Quality::Original) => Qualities::default(),
            Some(photos) => Qualities { photos, ..self.default },
        };
        self.known.insert(dir, quality);
        Ok(quality)
    }
}

/// The quality that a directory or one above it has of its own.
fn quality_of(db: &Connection, mut dir: DirId) -> Result<Option<Quality>> {
    loop {
        let found: Option<(DirId, Option<String>)> = db
            .prepare_cached("SELECT parent, quality FROM dirs WHERE id = ?1")?
            .query_row([dir], |row| Ok((row.get("parent")?, row.get("quality")?)))
            .optional()?;
        let Some((parent, quality)) = found else { return Ok(None) };
        // A later version may know words that this one does not.
        if let Some(quality) = quality.and_then(|it| it.parse().ok()) {
            return Ok(Some(quality));
        }
        if parent == dir {
            return Ok(None);
        }
        dir = parent;
    }
}

impl Store {
    /// The quality in which photos of a directory are uploaded, if it or one above it has one of
    /// its own.
    pub fn quality(&self, dir: DirId) -> Result<Option<Quality>> {
        self.read(|db| quality_of(db, dir))
    }

    /// Sets the quality in which photos below a directory are uploaded. `None`: that of its parent.
    /// Returns whether it had another one.
    pub fn set_quality(&self, dir: DirId, quality: Option<Quality>) -> Result<bool> {
        self.write_durable(|tx| Ok(dirs::set_quality(tx, dir, quality)? > 0))
    }

    /// Whether photos of some directory are made smaller, if the mount has this quality.
    pub fn has_savers(&self, mount: Qualities) -> Result<bool> {
        let any = "SELECT 1 FROM dirs WHERE quality IS NOT NULL AND quality LIKE 'saver%' LIMIT 1";
        Ok(mount.has_copies() || self.read(|db| Ok(db.prepare_cached(any)?.exists([])?))?)
    }

    /// Whether a sealed file is still to be uploaded, and in a quality that may make it smaller.
    pub fn is_copy_wanted(&self, file: FileId, mount: Qualities) -> Result<bool> {
        self.read(|db| {
            let queued =
                "SELECT mime FROM upload_queue WHERE file = ?1 AND is_wanted AND NOT is_duplicate";
            let mime: Option<Option<String>> =
                db.prepare_cached(queued)?.query_row([file], |row| row.get(0)).optional()?;
            let Some(mime) = mime.flatten() else { return Ok(false) };
            Ok(OfDirs::new(db, mount)?.of_upload(db, file)?.exact(&mime).is_some())
        })
    }

    /// The outcome of looking at a file's bytes.
    pub fn prepared(&self, file: FileId) -> Result<Option<Prepared>> {
        self.read(|db| {
            Ok(db
                .prepare_cached(
                    "SELECT quality, whole, sent_size, sent_sha256, sent_sha1 FROM files WHERE id = ?1",
                )?
                .query_row([file], Prepared::read)
                .optional()?
                .flatten())
        })
    }

    /// Keeps the outcome of looking at the bytes of a sealed version, or that it goes as it is
    /// without a look. A smaller copy must be on the disk. Returns `false` if the version is no
    /// longer the current one.
    pub fn set_prepared(&self, file: FileId, seq: i64, copy: Option<&Prepared>) -> Result<bool> {
        self.write(|tx| {
            if !is_current(tx, file, seq, UploadState::Sealed)? {
                return Ok(false);
            }
            set_copy(tx, file, copy)?;
            // A session has begun with other bytes.
            uploads::set_session(tx, file, seq, None)?;
            Ok(true)
        })
    }

    /// Whether a smaller copy with these bytes was made here.
    pub fn is_copy(&self, sha256: ContentHash) -> Result<bool> {
        self.read(|db| {
            Ok(db.prepare_cached("SELECT 1 FROM files WHERE sent_sha256 = ?1")?.exists([sha256])?)
        })
    }

    /// What smaller copies have saved.
    pub fn saved(&self) -> Result<Saved> {
        self.read(|db| {
            let mut saved = Saved::default();
            let mut groups = db.prepare_cached(SAVED)?;
            let mut rows = groups.query([])?;
            while let Some(row) = rows.next()? {
                let (files, bytes): (u64, u64) = (row.get("files")?, row.get("bytes")?);
                let outcome: String = row.get("outcome")?;
                saved.files += files;
                saved.bytes += bytes;
                if outcome == SMALLER {
                    saved.sent += row.get::<_, u64>("sent")?;
                } else {
                    saved.whole.push((outcome, files));
                    saved.whole_bytes += bytes;
                    saved.sent += bytes;
                }
            }
            Ok(saved)
        })
    }
}

fn set_copy(tx: &Tx<'_>, file: FileId, copy: Option<&Prepared>) -> Result<()> {
    match copy {
        Some(copy) => files::set_copy(tx, file, copy),
        None => files::forget_copy(tx, file),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::VideoQuality;
    use crate::store::prepared::{Made, Sent};
    use crate::store::tests::{album, name};

    fn quality(text: &str) -> Quality {
        text.parse().unwrap()
    }

    #[test]
    fn albums_below_inherit_the_quality() {
        let store = Store::in_memory().unwrap();
        let [trip, day, other] = ["Trip", "Trip/Day", "Other"].map(|it| album(&store, it));
        assert_eq!(store.quality(day).unwrap(), None);
        assert!(store.set_quality(trip, Some(quality("saver:12mp"))).unwrap());
        assert!(!store.set_quality(trip, Some(quality("saver:12mp"))).unwrap());
        assert_eq!(store.quality(day).unwrap(), Some(quality("saver:12mp")));
        assert_eq!(store.quality(other).unwrap(), None);
        store.set_quality(day, Some(Quality::Original)).unwrap();
        assert_eq!(store.quality(day).unwrap(), Some(Quality::Original));
        assert!(store.set_quality(day, None).unwrap());
        assert_eq!(store.quality(day).unwrap(), Some(quality("saver:12mp")));
    }

    #[test]
    fn the_directory_s_quality_counts_before_the_mount_s() {
        let store = Store::in_memory().unwrap();
        let [trip, other, small] = ["Trip", "Other", "Small"].map(|it| album(&store, it));
        store.set_quality(trip, Some(Quality::Original)).unwrap();
        store.set_quality(small, Some(quality("saver:2mp"))).unwrap();
        let found = store.read(|db| {
            let mount = Qualities { photos: quality("saver"), videos: VideoQuality::P1080 };
            let mut qualities = OfDirs::new(db, mount)?;
            Ok([trip, other, small].map(|dir| qualities.of(db, dir).unwrap()))
        });
        let both =
            |photos: &str| Qualities { photos: quality(photos), videos: VideoQuality::P1080 };
        let expected = [Qualities::default(), both("saver"), both("saver:2mp")];
        assert_eq!(found.unwrap(), expected);
    }

    #[test]
    fn a_later_write_forgets_the_copy() {
        let store = Store::in_memory().unwrap();
        let trip = album(&store, "Trip");
        let file = store.create_file(trip, &name("a.jpg"), 0).unwrap().unwrap();
        let facts = crate::store::SealedFacts {
            size: 100,
            mtime_ns: 0,
            ctime_ns: 0,
            fate: crate::store::Fate::Upload("image/jpeg"),
            write_error: None,
            cut_off: false,
        };
        store.seal(file, &facts).unwrap();
        let seq = store.read(|db| {
            Ok(db.query_row("SELECT seq FROM uploads", [], |row| row.get::<_, i64>(0))?)
        });
        let seq = seq.unwrap();
        let sent = Sent { size: 40, sha256: ContentHash([4; 32]), sha1: [4; 20] };
        let copy = Prepared { quality: "saver".into(), made: Made::Smaller(sent) };
        assert!(!store.set_prepared(file, seq + 1, Some(&copy)).unwrap());
        assert_eq!(store.prepared(file).unwrap(), None);
        assert!(store.set_prepared(file, seq, Some(&copy)).unwrap());
        assert_eq!(store.prepared(file).unwrap().as_ref(), Some(&copy));
        assert!(store.is_copy(sent.sha256).unwrap());
        store.reopen(file).unwrap();
        assert_eq!(store.prepared(file).unwrap(), None);
        assert_eq!(store.saved().unwrap(), Saved::default());
    }

    #[test]
    fn what_went_whole_is_a_part_of_what_was_sent() {
        let store = Store::in_memory().unwrap();
        let rows = [
            ("a", Some("a"), None, 1000, Some(400)),
            ("b", Some("b"), Some("motion-photo"), 300, None),
            ("c", Some("c"), Some("motion-photo"), 200, None),
            ("d", Some("d"), Some("lean"), 50, None),
            // Not at Google yet.
            ("e", None, None, 7000, Some(10)),
        ];
        store
            .write(|tx| {
                for (filename, media, whole, size, sent) in rows {
                    tx.execute(
                        "INSERT INTO files (filename, media, whole, size, sent_size, quality, mtime_ns) \
                         VALUES (?1, ?2, ?3, ?4, ?5, 'saver:16mp,q90', 0)",
                        rusqlite::params![filename, media, whole, size, sent],
                    )?;
                }
                Ok(())
            })
            .unwrap();
        let whole = vec![("motion-photo".to_owned(), 2), ("lean".to_owned(), 1)];
        let expected = Saved { files: 4, bytes: 1550, sent: 950, whole, whole_bytes: 550 };
        assert_eq!(store.saved().unwrap(), expected);
        // The sums follow each change of a row.
        for (sql, files, bytes, sent) in [
            ("UPDATE files SET media = 'e' WHERE filename = 'e'", 5, 8550, 960),
            ("UPDATE files SET size = 2000, sent_size = 500 WHERE filename = 'a'", 5, 9550, 1060),
            ("UPDATE files SET whole = NULL, sent_size = 20 WHERE filename = 'd'", 5, 9550, 1030),
            (
                "UPDATE files SET whole = 'lossy', sent_size = NULL WHERE filename = 'e'",
                5,
                9550,
                8020,
            ),
            ("UPDATE files SET description = 'none' WHERE filename = 'e'", 5, 9550, 8020),
            ("UPDATE files SET media = NULL WHERE filename = 'b'", 4, 9250, 7720),
            ("UPDATE files SET quality = NULL WHERE filename = 'c'", 3, 9050, 7520),
            ("DELETE FROM files WHERE filename = 'e'", 2, 2050, 520),
            ("DELETE FROM files", 0, 0, 0),
        ] {
            store.write(|tx| Ok(tx.execute(sql, [])?)).unwrap();
            let found = store.saved().unwrap();
            assert_eq!((found.files, found.bytes, found.sent), (files, bytes, sent), "{sql}");
            let whole: u64 = found.whole.iter().map(|it| it.1).sum();
            assert!(whole <= files, "{found:?}");
        }
    }
}
