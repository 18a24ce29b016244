//! The tree as the user sees it: directories and entries.

use std::ops::Range;
use std::time::SystemTime;

use rusqlite::{Connection, OptionalExtension, params};

use super::database::Store;
use super::error::{Error, Result};
use super::lookups::{
    check_album, check_free, child, dir_path, has_entry, is_committed, resolve_merged,
};
use super::naming::{add_entry, clear_desired, remove_entry, set_desired, touched};
use super::states::UploadState;
use super::tables::{dirs, entries, files, uploads};
use super::time::from_millis;
use super::types::{Child, DirEntry, TreeError, Unlinked};
use crate::media::{AlbumId, DirId, EntryName, FileId};

/// Cookies of files follow those of all directories, so that a listing shows directories first.
const FIRST_FILE_COOKIE: i64 = 1 << 26;

/// A directory of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dir {
    /// Itself.
    pub id: DirId,
    /// Its parent. The root is its own parent.
    pub parent: DirId,
    /// Its name there.
    pub name: EntryName,
    /// When a name in it last came or went, or its time was set, in nanoseconds since 1970. Each
    /// change has a later time.
    pub names_changed_ns: i64,
    /// The time that a program has set since.
    pub mtime_ns: Option<i64>,
    /// Its album at Google. `None` for the root, mere parents of albums and local directories.
    pub album: Option<AlbumState>,
    /// A local directory for temporary files. It has no album, and its files stay here.
    pub local: bool,
    /// The permission bits that its mode keeps from the group and from others.
    pub withheld: u16,
}

/// The facts about an album.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlbumState {
    /// Google's id. `None` while it is unknown whether a creation took effect.
    pub remote: Option<AlbumId>,
    /// The desired title, slashes included.
    pub title: String,
    /// The count of items that Google last reported: a hint.
    pub count_hint: u64,
    /// When Google last described the album.
    pub described_at: SystemTime,
    /// Listings and changes made here do not explain that count.
    pub count_mismatch: bool,
    /// Listings in a row that the count caused and that brought nothing new.
    pub useless_relists: u32,
    /// When the last complete listing began. `None` if there has been none.
    pub listed_at: Option<SystemTime>,
    /// The last complete list of the albums did not show it.
    pub missed: bool,
}

impl Store {
    /// The directory with this number.
    pub fn dir(&self, id: DirId) -> Result<Option<Dir>> {
        self.read(|db| {
            let row = db
                .prepare_cached(
                    "SELECT d.parent, d.name, d.names_changed_ns, d.mtime_ns, d.local, d.withheld, a.dir AS album, a.remote, \
                     coalesce(a.desired_title, a.title) AS title, a.count_hint, a.listed_at, a.described_at, \
                     a.count_mismatch, a.useless_relists, a.missed \
                     FROM dirs d LEFT JOIN albums a ON a.dir = d.id WHERE d.id = ?1",
                )?
                .query_row([id], |row| {
                    let album = match row.get::<_, Option<i64>>("album")? {
                        None => None,
                        Some(_) => Some(AlbumState {
                            remote: row.get("remote")?,
                            title: row.get("title")?,
                            count_hint: row.get("count_hint")?,
                            listed_at: row.get::<_, Option<i64>>("listed_at")?.map(from_millis),
                            described_at: from_millis(row.get("described_at")?),
                            count_mismatch: row.get("count_mismatch")?,
                            useless_relists: row.get("useless_relists")?,
                            missed: row.get("missed")?,
                        }),
                    };
                    // The root has no name.
                    let name: Vec<u8> = row.get("name")?;
                    let (local, withheld) = (row.get("local")?, row.get("withheld")?);
                    let times = (row.get("names_changed_ns")?, row.get("mtime_ns")?);
                    Ok((row.get("parent")?, name, times, album, local, withheld))
                })
                .optional()?;
            let Some((parent, name, (names_changed_ns, mtime_ns), album, local, withheld)) = row
            else {
                return Ok(None);
            };
            let name = if id == DirId::ROOT { b"root".to_vec() } else { name };
            let name = EntryName::new(name).map_err(|_| Error::Corrupt("directory name"))?;
            Ok(Some(Dir { id, parent, name, names_changed_ns, mtime_ns, album, local, withheld }))
        })
    }

    /// The entry `name` of `dir`.
    pub fn child(&self, dir: DirId, name: &EntryName) -> Result<Option<Child>> {
        self.read(|db| child(db, dir, name))
    }

    /// Up to `limit` entries of `dir` behind `cookie` (0: from the beginning), in cookie order.
    pub fn entries(&self, dir: DirId, cookie: i64, limit: u32) -> Result<Vec<DirEntry>> {
        self.read(|db| {
            let dirs = "SELECT id, name FROM shown_dirs WHERE parent = ?1 AND id > ?2 ORDER BY id LIMIT ?3";
            let files =
                "SELECT id, name, file FROM entries WHERE dir = ?1 AND id > ?2 ORDER BY id LIMIT ?3";
            in_cookie_order(db, (dirs, files), dir, cookie, limit)
        })
    }

    /// The range of cookies after which new directories will follow.
    pub fn dir_cookies_to_come(&self) -> Result<Range<i64>> {
        self.read(|db| {
            let last = db
                .prepare_cached("SELECT coalesce(max(id), 0) FROM subdirs")?
                .query_row([], |row| row.get(0))?;
            Ok(last..FIRST_FILE_COOKIE)
        })
    }

    /// The range of cookies after which new names of files in `dir` will follow.
    pub fn file_cookies_to_come(&self, dir: DirId) -> Result<Range<i64>> {
        self.read(|db| {
            let last: Option<i64> = db
                .prepare_cached("SELECT max(id) FROM entries WHERE dir = ?1")?
                .query_row([dir], |row| row.get(0))?;
            Ok(last.map_or(0, |id| FIRST_FILE_COOKIE + id)..i64::MAX)
        })
    }

    /// The number of directories shown in `dir`, for its link count.
    pub fn subdir_count(&self, dir: DirId) -> Result<u32> {
        self.read(|db| {
            Ok(db
                .prepare_cached("SELECT count(*) FROM shown_dirs WHERE parent = ?1")?
                .query_row([dir], |row| row.get(0))?)
        })
    }

    /// The path of a directory from the root, for messages: `2019/Trip`.
    pub fn dir_path(&self, dir: DirId) -> Result<String> {
        self.read(|db| dir_path(db, dir))
    }

    /// Some path of a file, for messages; `None` if it has no name.
    pub fn file_path(&self, file: FileId) -> Result<Option<String>> {
        self.read(|db| {
            let found: Option<(DirId, EntryName)> = db
                .prepare_cached("SELECT dir, name FROM entries WHERE file = ?1 LIMIT 1")?
                .query_row([file], |row| Ok((row.get("dir")?, row.get("name")?)))
                .optional()?;
            if let Some((dir, name)) = found {
                return Ok(Some(format!("{}/{name}", dir_path(db, dir)?)));
            }
            let picked: Option<(EntryName, EntryName)> = db
                .prepare_cached(
                    "SELECT p.name AS pick, e.name FROM pick_entries e JOIN picks p ON p.id = e.pick
                     WHERE e.file = ?1 LIMIT 1",
                )?
                .query_row([file], |row| Ok((row.get("pick")?, row.get("name")?)))
                .optional()?;
            Ok(picked.map(|(pick, name)| format!(".gphotos/picked/{pick}/{name}")))
        })
    }

    /// Creates an empty file that is open for writing, under a free name of an album.
    ///
    /// # Errors
    /// [`TreeError::Exists`], [`TreeError::NotAlbum`].
    pub fn create_file(
        &self,
        dir: DirId,
        name: &EntryName,
        mtime_ns: i64,
    ) -> Result<Result<FileId, TreeError>> {
        self.create_file_with(dir, name, mtime_ns, 0)
    }

    /// Sets the permission bits that a directory's mode keeps from the group and from others.
    pub fn set_dir_withheld(&self, dir: DirId, bits: u16) -> Result<()> {
        self.write(|tx| dirs::set_withheld(tx, dir, bits))
    }

    /// Sets the time of a directory. The next change of its names voids it.
    pub fn set_dir_mtime(&self, dir: DirId, mtime_ns: i64) -> Result<()> {
        self.write(|tx| dirs::set_mtime(tx, dir, mtime_ns))
    }

    /// As [`Store::create_file`], with the permission bits that the file's mode keeps from the group
    /// and from others.
    pub fn create_file_with(
        &self,
        dir: DirId,
        name: &EntryName,
        mtime_ns: i64,
        withheld: u16,
    ) -> Result<Result<FileId, TreeError>> {
        self.write_asked(&[(dir, name)], |tx| {
            if let Err(refusal) = check_free(tx, dir, name)? {
                return Ok(Err(refusal));
            }
            files::insert(tx, mtime_ns, withheld)?;
            let file = FileId(tx.last_insert_rowid());
            uploads::insert(tx, file)?;
            add_entry(tx, dir, name, file)?;
            Ok(Ok(file))
        })
    }

    /// Whether an album has `max` items. `file` and the file called `name` there do not count,
    /// because they need no further room. Temporary files do not count either.
    pub fn is_full(
        &self,
        dir: DirId,
        file: Option<FileId>,
        name: &EntryName,
        max: u64,
    ) -> Result<bool> {
        self.read(|db| {
            let names: u64 = db
                .prepare_cached("SELECT count(*) FROM entries WHERE dir = ?1")?
                .query_row([dir], |row| row.get(0))?;
            if names < max {
                return Ok(false);
            }
            let items: u64 = db
                .prepare_cached(
                    "SELECT count(DISTINCT e.file) FROM entries e LEFT JOIN uploads u ON u.file = e.file \
                     WHERE e.dir = ?1 AND e.name <> ?3 AND e.file IS NOT ?2 AND u.state IS NOT ?4",
                )?
                .query_row(params![dir, file, name, UploadState::Temporary], |row| row.get(0))?;
            Ok(items >= max)
        })
    }

    /// Gives a file another name.
    ///
    /// # Errors
    /// [`TreeError::Exists`], [`TreeError::NotAlbum`], [`TreeError::Missing`] if the file is gone.
    pub fn link(
        &self,
        file: FileId,
        dir: DirId,
        name: &EntryName,
    ) -> Result<Result<(), TreeError>> {
        self.write_durable_asked(&[(dir, name)], |tx| {
            let file = resolve_merged(tx, file)?;
            if let Err(refusal) = check_free(tx, dir, name)? {
                return Ok(Err(refusal));
            }
            // A committed item without a name may get one.
            if !has_entry(tx, file)? && !is_committed(tx, file)? {
                return Ok(Err(TreeError::Missing));
            }
            add_entry(tx, dir, name, file)?;
            touched(tx, file)?;
            Ok(Ok(()))
        })
    }

    /// Removes a name. The removal of the item from the album is then pending.
    ///
    /// # Errors
    /// [`TreeError::Missing`], [`TreeError::IsDir`].
    pub fn unlink(&self, dir: DirId, name: &EntryName) -> Result<Result<Unlinked, TreeError>> {
        self.write_asked(&[(dir, name)], |tx| match child(tx, dir, name)? {
            None => Ok(Err(TreeError::Missing)),
            Some(Child::Dir(_)) => Ok(Err(TreeError::IsDir)),
            Some(Child::File(file)) => remove_entry(tx, dir, name, file).map(Ok),
        })
    }

    /// Whether a file may get this name. With `replace` another file may have it.
    pub fn check_place(
        &self,
        (dir, name): (DirId, &EntryName),
        replace: bool,
    ) -> Result<Result<(), TreeError>> {
        self.read(|db| {
            if let Err(refusal) = check_album(db, dir)? {
                return Ok(Err(refusal));
            }
            Ok(match child(db, dir, name)? {
                Some(_) if !replace => Err(TreeError::Exists),
                Some(Child::Dir(_)) => Err(TreeError::IsDir),
                _ => Ok(()),
            })
        })
    }

    /// Moves a file's name to another place, replacing a file that has that name.
    ///
    /// Returns the replaced file, if there was one.
    ///
    /// # Errors
    /// [`TreeError`].
    pub fn rename_file(
        &self,
        from: (DirId, &EntryName),
        to: (DirId, &EntryName),
        replace: bool,
    ) -> Result<Result<Option<Unlinked>, TreeError>> {
        self.write_durable_asked(&[from, to], |tx| {
            let file = match child(tx, from.0, from.1)? {
                None => return Ok(Err(TreeError::Missing)),
                Some(Child::Dir(_)) => return Ok(Err(TreeError::IsDir)),
                Some(Child::File(file)) => file,
            };
            if let Err(refusal) = check_album(tx, to.0)? {
                return Ok(Err(refusal));
            }
            let replaced = match child(tx, to.0, to.1)? {
                None => None,
                Some(Child::Dir(_)) => return Ok(Err(TreeError::IsDir)),
                Some(Child::File(_)) if !replace => return Ok(Err(TreeError::Exists)),
                // POSIX: with two names of one file nothing happens.
                Some(Child::File(same)) if same == file => return Ok(Ok(None)),
                Some(Child::File(other)) => Some(remove_entry(tx, to.0, to.1, other)?),
            };
            entries::rename(tx, from.0, from.1, to.0, to.1)?;
            touched(tx, file)?;
            if from.0 != to.0 {
                set_desired(tx, to.0, file)?;
                clear_desired(tx, from.0, file)?;
            }
            Ok(Ok(replaced))
        })
    }

    /// Swaps the files of two names.
    ///
    /// # Errors
    /// [`TreeError::Missing`], [`TreeError::IsDir`].
    pub fn exchange_files(
        &self,
        a: (DirId, &EntryName),
        b: (DirId, &EntryName),
    ) -> Result<Result<(), TreeError>> {
        self.write_durable_asked(&[a, b], |tx| {
            let mut found = [FileId(0); 2];
            for (slot, (dir, name)) in found.iter_mut().zip([a, b]) {
                match child(tx, dir, name)? {
                    None => return Ok(Err(TreeError::Missing)),
                    Some(Child::Dir(_)) => return Ok(Err(TreeError::IsDir)),
                    Some(Child::File(file)) => *slot = file,
                }
            }
            for ((dir, name), file) in [a, b].into_iter().zip([found[1], found[0]]) {
                entries::set_file(tx, dir, name, file)?;
                touched(tx, file)?;
            }
            if a.0 != b.0 {
                set_desired(tx, b.0, found[0])?;
                clear_desired(tx, a.0, found[0])?;
                set_desired(tx, a.0, found[1])?;
                clear_desired(tx, b.0, found[1])?;
            }
            Ok(Ok(()))
        })
    }
}

/// Lists by two queries, for directories and for files. Their parameters are the directory, the row
/// number to continue after, and a limit.
pub(super) fn in_cookie_order(
    db: &Connection,
    (dirs, files): (&str, &str),
    dir: DirId,
    cookie: i64,
    limit: u32,
) -> Result<Vec<DirEntry>> {
    let mut found = db
        .prepare_cached(dirs)?
        .query_map(params![dir, cookie, limit], |row| {
            Ok(DirEntry {
                cookie: row.get("id")?,
                name: row.get("name")?,
                child: Child::Dir(row.get("id")?),
            })
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let room = limit - u32::try_from(found.len()).unwrap_or(limit);
    let after = (cookie - FIRST_FILE_COOKIE).max(0);
    let files = db
        .prepare_cached(files)?
        .query_map(params![dir, after, room], |row| {
            Ok(DirEntry {
                cookie: FIRST_FILE_COOKIE + row.get::<_, i64>("id")?,
                name: row.get("name")?,
                child: Child::File(row.get("file")?),
            })
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    found.extend(files);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{album, name};

    #[test]
    fn a_created_file_is_listed_and_removed_again() {
        let store = Store::in_memory().unwrap();
        let trip = album(&store, "Trip");
        let file = store.create_file(trip, &name("a.jpg"), 5).unwrap().unwrap();
        assert_eq!(store.child(trip, &name("a.jpg")).unwrap(), Some(Child::File(file)));
        assert_eq!(store.entries(trip, 0, 10).unwrap().len(), 1);
        assert_eq!(store.create_file(trip, &name("a.jpg"), 5).unwrap(), Err(TreeError::Exists));
        let gone = store.unlink(trip, &name("a.jpg")).unwrap().unwrap();
        assert_eq!(gone, Unlinked { file, orphan: true });
        assert!(store.forget_file(file).unwrap());
        assert_eq!(store.file(file).unwrap(), None);
    }

    #[test]
    fn listing_goes_on_from_a_cookie_with_directories_first() {
        let store = Store::in_memory().unwrap();
        let trip = album(&store, "Trip");
        for file in ["a", "b", "c"] {
            store.create_file(trip, &name(file), 0).unwrap().unwrap();
        }
        album(&store, "Trip/Day 2");
        let all = store.entries(trip, 0, 10).unwrap();
        let names: Vec<_> = all.iter().map(|entry| entry.name.to_string()).collect();
        assert_eq!(names, ["Day 2", "a", "b", "c"]);
        for (at, entry) in all.iter().enumerate() {
            assert_eq!(store.entries(trip, entry.cookie, 10).unwrap(), all[at + 1..]);
        }
        assert_eq!(store.entries(trip, 0, 2).unwrap(), all[..2]);
    }

    #[test]
    fn a_file_with_two_names_survives_the_loss_of_one() {
        let store = Store::in_memory().unwrap();
        let trip = album(&store, "Trip");
        let file = store.create_file(trip, &name("a"), 0).unwrap().unwrap();
        store.link(file, trip, &name("b")).unwrap().unwrap();
        assert_eq!(store.file(file).unwrap().unwrap().links, 2);
        assert!(!store.unlink(trip, &name("a")).unwrap().unwrap().orphan);
        assert!(!store.forget_file(file).unwrap());
        assert!(store.unlink(trip, &name("b")).unwrap().unwrap().orphan);
    }

    #[test]
    fn rename_replaces_and_moves_between_albums() {
        let store = Store::in_memory().unwrap();
        let (here, there) = (album(&store, "Here"), album(&store, "There"));
        let new = store.create_file(here, &name("new"), 0).unwrap().unwrap();
        let old = store.create_file(there, &name("old"), 0).unwrap().unwrap();
        let (from, to) = ((here, &name("new")), (there, &name("old")));
        assert_eq!(store.rename_file(from, to, false).unwrap(), Err(TreeError::Exists));
        let replaced = store.rename_file(from, to, true).unwrap().unwrap();
        assert_eq!(replaced, Some(Unlinked { file: old, orphan: true }));
        assert_eq!(store.child(there, &name("old")).unwrap(), Some(Child::File(new)));
        assert_eq!(store.entries(here, 0, 9).unwrap(), []);
    }
}
