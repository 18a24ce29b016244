//! Asks Google about items and albums that a listing did not show.

use super::error::Error;
use super::state::Library;
use crate::api;
use crate::media::{AlbumId, DirId, FileId, MediaId, View};
use crate::store::Store;

/// How many missing items one listing asks about. The others stay in doubt until a later one.
const ITEMS_ASKED_MAX: u32 = 500;

/// How many missing albums one list asks about.
const ALBUMS_ASKED_MAX: u32 = 50;

/// After so many missing albums that do exist, the list has proved to be incomplete.
const ALBUMS_FOUND_MAX: u32 = 5;

/// After so many missing albums that Google does not tell about, the others have to wait. One that
/// it never tells about must not keep the others from going.
const ALBUMS_FAILED_MAX: u32 = 5;

impl Library {
    /// Asks about the items that two passes through an album have missed. Those that Google does
    /// not know are gone. The others stay until Google's count agrees.
    pub(super) async fn ask_for_missing_items(&self, dir: DirId) -> Result<(), Error> {
        let missing = move |store: &Store| store.missing_items(dir, ITEMS_ASKED_MAX);
        let missing = self.store.run(missing).await?;
        self.remove_unknown(dir, missing).await
    }

    /// Asks about the items that were put into an album lately and that its list does not show yet.
    pub(super) async fn ask_for_unlisted_items(&self, dir: DirId) -> Result<(), Error> {
        let unlisted = move |store: &Store| store.unlisted_items(dir, ITEMS_ASKED_MAX);
        let unlisted = self.store.run(unlisted).await?;
        self.remove_unknown(dir, unlisted).await
    }

    async fn remove_unknown(&self, dir: DirId, items: Vec<(FileId, MediaId)>) -> Result<(), Error> {
        let gone = self.unknown_of(items).await?;
        Ok(self.store.run(move |store| store.items_gone(dir, &gone)).await?)
    }

    /// As [`Library::ask_for_missing_items`], for a view.
    pub(super) async fn ask_for_missing_in_view(&self, view: View) -> Result<(), Error> {
        let missing = move |store: &Store| store.missing_in_view(view, ITEMS_ASKED_MAX);
        let gone = self.unknown_of(self.store.run(missing).await?).await?;
        Ok(self.store.run(move |store| store.gone_from_view(view, &gone)).await?)
    }

    /// The items that Google does not know.
    async fn unknown_of(&self, items: Vec<(FileId, MediaId)>) -> Result<Vec<FileId>, api::Error> {
        let (mut unknown, mut known) = (Vec::new(), 0);
        for batch in items.chunks(api::BATCH_MAX) {
            let ids: Vec<MediaId> = batch.iter().map(|(_, media)| media.clone()).collect();
            for ((file, _), found) in batch.iter().zip(self.client.get_items(&ids).await?) {
                match found {
                    Ok(item) => {
                        known += 1;
                        self.base_urls.remember(std::slice::from_ref(&item));
                    }
                    Err(status) if status.says_unknown() => unknown.push(*file),
                    Err(status) => tracing::debug!(%status, "it is unknown whether an item exists"),
                }
            }
        }
        if known > 0 {
            tracing::info!(
                known,
                unknown = unknown.len(),
                "a list of Google lacks items that exist"
            );
        }
        Ok(unknown)
    }

    /// Asks about albums that the list of albums did not show. Those that Google does not know are
    /// gone, and the others stay.
    ///
    /// # Errors
    /// If the database fails, or the caller has no share of today's requests. If a request fails
    /// otherwise, its album stays for now. If that concerns all requests, so do the remaining
    /// albums.
    pub(super) async fn ask_for_missing_albums(&self, listing: i64) -> Result<(), Error> {
        let missing = move |store: &Store| store.albums_complete(listing, ALBUMS_ASKED_MAX);
        let (mut found, mut failed) = (0, 0);
        for (dir, album) in self.store.run(missing).await? {
            match self.ask_for(dir, album, listing).await {
                Ok(true) => found += 1,
                Ok(false) => {}
                Err(error @ Error::Store(_)) => return Err(error),
                Err(error) if error.is_share_used_up() => return Err(error),
                Err(error) => {
                    tracing::info!(%error, "cannot ask about an album that the list lacks: it stays");
                    if error.is_of_service() {
                        return Ok(());
                    }
                    failed += 1;
                }
            }
            if found == ALBUMS_FOUND_MAX || failed == ALBUMS_FAILED_MAX {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Asks about one missing album. Returns whether it exists.
    async fn ask_for(&self, dir: DirId, album: AlbumId, listing: i64) -> Result<bool, Error> {
        let now = self.now();
        match self.client.get_album(&album).await {
            Ok(found) => {
                tracing::info!(
                    title = found.title,
                    "Google's list of albums lacks an album that exists"
                );
                let listed = super::listing::listed_album(found);
                self.store.run(move |store| store.album_listed(&listed, listing, now)).await?;
                Ok(true)
            }
            // A proxy's 404 does not count as one.
            Err(error) if error.is_not_found() => {
                let kept = self.store.run(move |store| store.album_gone(dir, &album)).await?;
                if kept > 0 {
                    tracing::warn!(
                        files = kept,
                        "an album was deleted at Google; files that were only here are under .gphotos/failed"
                    );
                }
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }
}
