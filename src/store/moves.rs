//! Directories moved by the user, with all albums in them. Google has only titles, one album at a
//! time. One transaction keeps the move and the desired titles, which are sent to Google
//! afterwards.

use rusqlite::{OptionalExtension, Row};

use super::albums::put_away;
use super::database::Store;
use super::error::{Error, Result};
use super::listing::ALBUMS_LISTED_AT;
use super::lookups::child;
use super::places::{has_shown_child, move_dir, show_or_hide};
use super::tables::{albums, dirs, meta};
use super::tx::Tx;
use super::types::{Child, TreeError};
use crate::media::{AlbumId, DirId, EntryName};

/// A pending rename of an album at Google.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlbumRename {
    /// Its directory.
    pub dir: DirId,
    /// Google's id.
    pub album: AlbumId,
    /// The desired title.
    pub title: String,
}

/// A directory that was moved, with the facts to undo that.
#[derive(Clone, Debug)]
pub struct Moved {
    dir: DirId,
    from: (DirId, EntryName),
    replaced: Option<(DirId, (DirId, EntryName))>,
    /// The renames to send to Google.
    pub renames: Vec<AlbumRename>,
}

impl Store {
    /// The albums in `dir`, itself included, with their desired titles.
    pub fn titles_in(&self, dir: DirId) -> Result<Vec<(DirId, String)>> {
        self.read(|db| {
            Ok(db
                .prepare_cached(
                    "WITH RECURSIVE inside (id) AS (SELECT ?1 UNION \
                     SELECT d.id FROM dirs d JOIN inside ON d.parent = inside.id) \
                     SELECT a.dir, coalesce(a.desired_title, a.title) AS title FROM inside JOIN albums a ON a.dir = inside.id \
                     ORDER BY a.dir",
                )?
                .query_map([dir], |row| Ok((row.get("dir")?, row.get("title")?)))?
                .collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Moves a directory with its content, and keeps the desired `titles` of its albums. An empty
    /// directory in its new place goes, as by `rmdir`.
    ///
    /// # Errors
    /// [`TreeError`].
    pub fn move_intended(
        &self,
        dir: DirId,
        to: (DirId, &EntryName),
        titles: &[(DirId, String)],
    ) -> Result<Result<Moved, TreeError>> {
        self.write_durable_asked(&[to], |tx| {
            let from = place(tx, dir)?;
            let replaced = match child(tx, to.0, to.1)? {
                None => None,
                Some(Child::File(_)) => return Ok(Err(TreeError::NotDir)),
                Some(Child::Dir(other)) => {
                    let occupied = tx
                        .prepare_cached("SELECT 1 FROM entries WHERE dir = ?1")?
                        .exists([other])?
                        || has_shown_child(tx, other)?;
                    if occupied {
                        return Ok(Err(TreeError::NotEmpty));
                    }
                    put_away(tx, other)?;
                    Some((other, place(tx, other)?))
                }
            };
            move_dir(tx, dir, from.clone(), to)?;
            let mut renames = Vec::new();
            for (album, title) in titles {
                set_desired_title(tx, *album, title)?;
                renames.extend(
                    tx.prepare_cached(&format!("{PENDING_RENAMES} AND dir = ?1"))?
                        .query_row([album], album_rename)
                        .optional()?,
                );
            }
            Ok(Ok(Moved { dir, from, replaced, renames }))
        })
    }

    /// Undoes a move, because Google has refused the first new title. `titles` are those from
    /// before.
    pub fn move_undone(&self, moved: &Moved, titles: &[(DirId, String)]) -> Result<()> {
        self.write_durable(|tx| {
            let new = place(tx, moved.dir)?;
            move_dir(tx, moved.dir, new.clone(), (moved.from.0, &moved.from.1))?;
            for (album, title) in titles {
                set_desired_title(tx, *album, title)?;
            }
            if let Some((other, (parent, name))) = &moved.replaced {
                albums::unhide(tx, *other)?;
                // A directory that was shown although it was empty and is no album was a local one.
                dirs::restore(tx, *other, *parent, name)?;
                show_or_hide(tx, *other)?;
            }
            Ok(())
        })
    }

    /// Up to `limit` albums that are to get another title.
    pub fn pending_album_renames(&self, limit: u32) -> Result<Vec<AlbumRename>> {
        self.read(|db| {
            Ok(db
                .prepare_cached(&format!("{PENDING_RENAMES} ORDER BY dir LIMIT ?1"))?
                .query_map([limit], album_rename)?
                .collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Google has taken the new title. Its lists may show the old one for a while
    /// ([`super::GRACE`]).
    pub fn album_renamed(&self, done: &AlbumRename) -> Result<()> {
        self.write_durable(|tx| {
            albums::keep_former_title(tx, done.dir, &done.title, tx.now)?;
            albums::set_title(tx, done.dir, &done.title)?;
            Ok(())
        })
    }

    /// Google will never take the title. The next listing puts the album back where its own title
    /// says.
    pub fn album_rename_refused(&self, refused: &AlbumRename) -> Result<()> {
        self.write(|tx| {
            // The kept title is void, so that the next listing brings a change of it.
            let changed = albums::refuse_title(tx, refused.dir, &refused.title)?;
            if changed > 0 {
                albums::forget_former_titles(tx, refused.dir)?;
                meta::delete(tx, ALBUMS_LISTED_AT)?;
            }
            Ok(())
        })
    }
}

const PENDING_RENAMES: &str = "SELECT dir, remote, desired_title FROM albums WHERE desired_title IS NOT NULL AND remote IS NOT NULL";

fn album_rename(row: &Row<'_>) -> rusqlite::Result<AlbumRename> {
    Ok(AlbumRename {
        dir: row.get("dir")?,
        album: row.get("remote")?,
        title: row.get("desired_title")?,
    })
}

fn place(tx: &Tx<'_>, dir: DirId) -> Result<(DirId, EntryName)> {
    tx.prepare_cached("SELECT parent, name FROM dirs WHERE id = ?1")?
        .query_row([dir], |row| Ok((row.get("parent")?, row.get("name")?)))
        .optional()?
        .ok_or(Error::Corrupt("a directory that is gone"))
}

fn set_desired_title(tx: &Tx<'_>, album: DirId, title: &str) -> Result<()> {
    albums::set_desired_title(tx, album, title)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Album;
    use crate::store::GRACE;
    use crate::store::ListedAlbum;
    use crate::store::tests::{album, name, names};
    use std::time::SystemTime;

    fn listed(id: &str, title: &str) -> ListedAlbum {
        let (id, title) = (AlbumId::new(id), title.to_owned());
        let path = title.split('/').map(|part| vec![name(part)]).collect();
        let product_url = String::new();
        let album = Album { id, title, items_count: 0, product_url, is_writeable: true };
        ListedAlbum { album, path }
    }

    fn moved(store: &Store, dir: DirId, to: &str) -> Moved {
        let titles = [(dir, to.to_owned())];
        store.move_intended(dir, (DirId::ROOT, &name(to)), &titles).unwrap().unwrap()
    }

    #[test]
    fn a_list_that_lags_behind_the_change_does_not_move_the_album_back() {
        let store = Store::in_memory().unwrap();
        let dir = album(&store, "A");
        let moved = moved(&store, dir, "Z");
        store.album_renamed(&moved.renames[0]).unwrap();
        let listing = store.next_listing().unwrap();
        store.album_listed(&listed("id of A", "A"), listing, SystemTime::now()).unwrap();
        assert_eq!(store.albums_complete(listing, 9).unwrap(), []);
        assert_eq!(names(&store, DirId::ROOT), ["Z"]);
        // Much later it is somebody's wish.
        let (listing, later) = (store.next_listing().unwrap(), SystemTime::now() + GRACE * 2);
        store.album_listed(&listed("id of A", "A"), listing, later).unwrap();
        assert_eq!(names(&store, DirId::ROOT), ["A"]);
    }

    #[test]
    fn a_title_that_somebody_else_gives_after_ours_is_followed_at_once() {
        let (store, now) = (Store::in_memory().unwrap(), SystemTime::now());
        let dir = album(&store, "A");
        for title in ["B", "C"] {
            store.album_renamed(&moved(&store, dir, title).renames[0]).unwrap();
        }
        for (shown, place) in [("A", "C"), ("B", "C"), ("r1", "r1"), ("B", "r1"), ("C", "C")] {
            let listing = store.next_listing().unwrap();
            store.album_listed(&listed("id of A", shown), listing, now).unwrap();
            assert_eq!(store.albums_complete(listing, 9).unwrap(), []);
            assert_eq!(names(&store, DirId::ROOT), [place], "{shown} is listed");
        }
    }

    #[test]
    fn a_list_that_lags_behind_a_change_without_an_answer_does_not_move_the_album_back() {
        let (store, now) = (Store::in_memory().unwrap(), SystemTime::now());
        let dir = album(&store, "A");
        moved(&store, dir, "Z");
        for shown in ["Z", "A"] {
            let listing = store.next_listing().unwrap();
            store.album_listed(&listed("id of A", shown), listing, now).unwrap();
            assert_eq!(names(&store, DirId::ROOT), ["Z"], "{shown} is listed");
        }
    }

    #[test]
    fn a_title_that_is_refused_brings_the_album_back_with_the_next_listing() {
        let store = Store::in_memory().unwrap();
        let dir = album(&store, "A");
        let moved = moved(&store, dir, "Z");
        assert_eq!(store.pending_album_renames(9).unwrap(), moved.renames);
        store.album_rename_refused(&moved.renames[0]).unwrap();
        assert_eq!(store.albums_listed_at().unwrap(), None, "it is asked for at the next look");
        let listing = store.next_listing().unwrap();
        store.album_listed(&listed("id of A", "A"), listing, SystemTime::now()).unwrap();
        assert_eq!(names(&store, DirId::ROOT), ["A"]);
    }

    #[test]
    fn what_was_only_here_is_so_again_when_nothing_takes_its_place() {
        let store = Store::in_memory().unwrap();
        let dir = album(&store, "A");
        let here = store.make_local_dir(DirId::ROOT, &name(".t")).unwrap().unwrap();
        let moved = moved(&store, dir, ".t");
        assert_eq!(names(&store, DirId::ROOT), [".t"]);
        assert!(!store.dir(here).unwrap().unwrap().local);
        store.move_undone(&moved, &[(dir, "A".into())]).unwrap();
        assert_eq!(names(&store, DirId::ROOT), ["A", ".t"]);
        store.create_file(here, &name("x"), 0).unwrap().unwrap();
    }

    #[test]
    fn what_moved_back_wants_nothing() {
        let store = Store::in_memory().unwrap();
        let dir = album(&store, "A");
        album(&store, "Empty");
        let moved = moved(&store, dir, "Empty");
        assert_eq!(names(&store, DirId::ROOT), ["Empty"]);
        store.move_undone(&moved, &[(dir, "A".into())]).unwrap();
        assert_eq!(names(&store, DirId::ROOT), ["A", "Empty"]);
        assert_eq!(store.pending_album_renames(9).unwrap(), []);
    }
}
