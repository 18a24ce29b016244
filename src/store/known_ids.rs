//! Ids of the library, by which a login shows that it is of the right account.

use rusqlite::{Row, params};

use super::database::Store;
use super::error::Result;
use crate::media::{AlbumId, MediaId};

impl Store {
    /// Up to `limit` items that a read has confirmed, one half the latest, the other the earliest:
    /// so they are not all of one album.
    pub fn known_items(&self, limit: u32) -> Result<Vec<MediaId>> {
        let known = "SELECT id, media FROM files WHERE media IS NOT NULL AND confirmed ORDER BY id";
        self.sample(known, limit, |row| row.get("media"))
    }

    /// Up to `limit` albums, chosen likewise.
    pub fn known_albums(&self, limit: u32) -> Result<Vec<AlbumId>> {
        let known = "SELECT dir, remote FROM albums WHERE remote IS NOT NULL ORDER BY dir";
        self.sample(known, limit, |row| row.get("remote"))
    }

    fn sample<T>(
        &self,
        known: &str,
        limit: u32,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        let sql =
            format!("SELECT * FROM ({known} DESC LIMIT ?1) UNION SELECT * FROM ({known} LIMIT ?2)");
        self.read(|db| {
            Ok(db
                .prepare(&sql)?
                .query_map(params![limit.div_ceil(2), limit / 2], |row| read(row))?
                .collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Whether one of these albums is known.
    pub fn knows_any_album(&self, albums: &[AlbumId]) -> Result<bool> {
        self.read(|db| {
            let mut is_known = db.prepare_cached("SELECT 1 FROM albums WHERE remote = ?1")?;
            for album in albums {
                if is_known.exists([album])? {
                    return Ok(true);
                }
            }
            Ok(false)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{album, item};
    use super::*;

    #[test]
    fn ids_come_sample_and_each_once() {
        let store = Store::in_memory().unwrap();
        assert!(
            store.known_items(4).unwrap().is_empty() && store.known_albums(4).unwrap().is_empty()
        );
        let dirs = ["A", "B", "C"].map(|title| album(&store, title));
        store.items_listed(dirs[0], &["a", "b", "c", "d", "e", "f"].map(item), 1).unwrap();
        let found = store.known_items(4).unwrap();
        let found: Vec<_> = found.iter().map(MediaId::as_str).collect();
        assert_eq!(found, ["a", "b", "e", "f"]);
        assert_eq!(store.known_items(50).unwrap().len(), 6);
        assert_eq!(
            store.known_albums(2).unwrap(),
            ["A", "C"].map(|it| AlbumId::new(format!("id of {it}")))
        );
        assert!(store.knows_any_album(&[AlbumId::new("x"), AlbumId::new("id of B")]).unwrap());
        assert!(!store.knows_any_album(&[AlbumId::new("x")]).unwrap());
    }
}
