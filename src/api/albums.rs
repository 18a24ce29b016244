//! Albums: list, create, rename, and change their members.

use serde_json::{Value, json};

use super::Client;
use super::call::{Call, get, patch, post};
use super::error::Error;
use super::page::{Page, next_page};
use super::request::{
    ALBUMS_PER_PAGE, AlbumPosition, Enrichment, TITLE_CHARS_MAX, limit_batch, limit_chars,
};
use super::wire;
use crate::media::{Album, AlbumId, MediaId, PageToken};

impl Client {
    /// Lists one page of the albums that this client created, in no particular order.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_albums(&self, page: Option<&PageToken>) -> Result<Page<Album>, Error> {
        let mut query = vec![("pageSize", ALBUMS_PER_PAGE.to_string())];
        query.extend(page.map(|it| ("pageToken", it.as_str().to_owned())));
        let call = Call { query, ..get("albums.list", ["albums"]) };
        let answer: wire::AlbumsPage = self.read(&call).await?;
        let items = answer.albums.into_iter().filter_map(wire::Album::into_album).collect();
        Ok(Page { items, next: next_page(call.name, page, answer.next_page_token)? })
    }

    /// Requests one album.
    ///
    /// # Errors
    /// `FailureKind::AlbumMissing` if it does not exist or another client created it.
    pub async fn get_album(&self, id: &AlbumId) -> Result<Album, Error> {
        let call = get("albums.get", ["albums", id.as_str()]);
        album(call.name, self.read(&call).await?)
    }

    /// Creates an album. Titles need not be unique. So after an error that
    /// [`Error::may_have_happened`], look for the album before you try again.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn create_album(&self, title: &str) -> Result<Album, Error> {
        const NAME: &str = "albums.create";
        limit_chars(NAME, "title", title, TITLE_CHARS_MAX)?;
        let call = post(NAME, ["albums"], json!({"album": {"title": title}}));
        album(NAME, self.write_and_retry(call).await?)
    }

    /// Renames an album.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn rename_album(&self, id: &AlbumId, title: &str) -> Result<Album, Error> {
        limit_chars("albums.patch", "title", title, TITLE_CHARS_MAX)?;
        self.patch_album(id, "title", title).await
    }

    /// Makes one of an album's items its cover.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn set_album_cover(&self, id: &AlbumId, cover: &MediaId) -> Result<Album, Error> {
        self.patch_album(id, "coverPhotoMediaItemId", cover.as_str()).await
    }

    async fn patch_album(
        &self,
        id: &AlbumId,
        field: &'static str,
        value: &str,
    ) -> Result<Album, Error> {
        let call = patch("albums.patch", ["albums", id.as_str()], field, value);
        album(call.name, self.write_and_retry(call).await?)
    }

    /// Appends 1 to [`BATCH_MAX`](super::BATCH_MAX) different items to an album, in order. Google
    /// takes all or none.
    ///
    /// # Errors
    /// `FailureKind::InvalidItem`, `FailureKind::AlbumFull`, `FailureKind::AlbumMissing` and
    /// others.
    pub async fn add_to_album(&self, album: &AlbumId, items: &[MediaId]) -> Result<(), Error> {
        self.change_members("albums.batchAddMediaItems", "batchAddMediaItems", album, items).await
    }

    /// Removes 1 to [`BATCH_MAX`](super::BATCH_MAX) different items from an album. Google takes all
    /// or none. The items stay in the library. Do not repeat the call blindly: an item that has
    /// left the album already may fail the whole call (reference §10.3).
    ///
    /// # Errors
    /// `FailureKind::InvalidItem`, `FailureKind::AlbumMissing` and others.
    pub async fn remove_from_album(&self, album: &AlbumId, items: &[MediaId]) -> Result<(), Error> {
        self.change_members("albums.batchRemoveMediaItems", "batchRemoveMediaItems", album, items)
            .await
    }

    async fn change_members(
        &self,
        name: &'static str,
        verb: &str,
        album: &AlbumId,
        items: &[MediaId],
    ) -> Result<(), Error> {
        limit_batch(name, items)?;
        let path = ["albums", &format!("{album}:{verb}")];
        let answer = self.transport.write(post(name, path, json!({"mediaItemIds": items}))).await?;
        // Google answers {} or nothing. Any other body with a 200 is not from Google.
        if answer.body.is_empty() {
            return Ok(());
        }
        answer.json::<serde_json::Map<String, Value>>(name).map(drop)
    }

    /// Adds a text, place or map to an album. The API cannot remove it.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn add_enrichment(
        &self,
        album: &AlbumId,
        enrichment: &Enrichment,
        position: &AlbumPosition,
    ) -> Result<(), Error> {
        let body =
            json!({"newEnrichmentItem": enrichment.json(), "albumPosition": position.json()});
        let path = ["albums", &format!("{album}:addEnrichment")];
        self.transport.write(post("albums.addEnrichment", path, body)).await?;
        Ok(())
    }
}

fn album(call: &'static str, answer: wire::Album) -> Result<Album, Error> {
    answer.into_album().ok_or_else(|| Error::Garbled { call, why: "the album has no id".into() })
}
