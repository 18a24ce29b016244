//! Items: list, search, get, create and describe.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::Client;
use super::call::{Call, get, patch, post};
use super::error::Error;
use super::failure::FailureKind;
use super::item_status::ItemStatus;
use super::page::{Page, next_page};
use super::refusal::Class;
use super::request::{
    DESCRIPTION_CHARS_MAX, DateFilter, FILE_NAME_CHARS_MAX, ITEMS_PER_PAGE, NewItem, limit_batch,
    limit_chars,
};
use super::wire;
use crate::media::{AlbumId, MediaId, MediaItem, PageToken, UploadToken};

const SEARCH: &str = "mediaItems.search";

impl Client {
    /// Lists one page of the items that this client created, without archived and binned ones.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_items(&self, page: Option<&PageToken>) -> Result<Page<MediaItem>, Error> {
        let mut query = vec![("pageSize", ITEMS_PER_PAGE.to_string())];
        query.extend(page.map(|it| ("pageToken", it.as_str().to_owned())));
        self.items(Call { query, ..get("mediaItems.list", ["mediaItems"]) }, page).await
    }

    /// Lists one page of an album's items, in album order.
    ///
    /// # Errors
    /// `FailureKind::AlbumMissing` and others.
    pub async fn list_album_items(
        &self,
        album: &AlbumId,
        page: Option<&PageToken>,
    ) -> Result<Page<MediaItem>, Error> {
        self.search(json!({"albumId": album}), page).await
    }

    /// Lists one page of the items taken at certain dates, newest first. The search lags behind new
    /// uploads (reference §7.3), so it suits views, but not membership.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn search_items(
        &self,
        dates: DateFilter,
        page: Option<&PageToken>,
    ) -> Result<Page<MediaItem>, Error> {
        let found = self.search(json!({"filters": {"dateFilter": dates.json()}}), page).await?;
        let is_outside =
            |item: &MediaItem| item.creation_time.is_some_and(|time| !dates.admits(time));
        if !found.items.is_empty() && found.items.iter().all(is_outside) {
            // To go on would mean to ask for each date there is.
            let why = "it does not keep to the dates that were asked for".to_owned();
            return Err(Error::Garbled { call: SEARCH, why });
        }
        Ok(found)
    }

    async fn search(
        &self,
        mut body: Value,
        page: Option<&PageToken>,
    ) -> Result<Page<MediaItem>, Error> {
        body["pageSize"] = ITEMS_PER_PAGE.into();
        if let Some(token) = page {
            body["pageToken"] = token.as_str().into();
        }
        // A POST, but a read.
        let call = Call { class: Class::Read, ..post(SEARCH, ["mediaItems:search"], body) };
        self.items(call, page).await
    }

    async fn items(&self, call: Call, page: Option<&PageToken>) -> Result<Page<MediaItem>, Error> {
        let answer: wire::ItemsPage = self.read(&call).await?;
        let items = answer.media_items.into_iter().filter_map(wire::MediaItem::into_item).collect();
        Ok(Page { items, next: next_page(call.name, page, answer.next_page_token)? })
    }

    /// Requests one item, with a fresh base URL.
    ///
    /// # Errors
    /// [`Error::is_not_found`] if it does not exist or another client created it.
    pub async fn get_item(&self, id: &MediaId) -> Result<MediaItem, Error> {
        let call = get("mediaItems.get", ["mediaItems", id.as_str()]);
        item(call.name, self.read(&call).await?)
    }

    /// Requests up to [`BATCH_MAX`](super::BATCH_MAX) different items with fresh base URLs, and
    /// returns them in the order of `ids`. If one item makes the whole call fail (reference §7.5),
    /// requests them one by one.
    ///
    /// # Errors
    /// Failures of the whole call. A failure of one item stands in its place in the list.
    pub async fn get_items(
        &self,
        ids: &[MediaId],
    ) -> Result<Vec<Result<MediaItem, ItemStatus>>, Error> {
        const NAME: &str = "mediaItems.batchGet";
        limit_batch(NAME, ids)?;
        let query = ids.iter().map(|it| ("mediaItemIds", it.as_str().to_owned())).collect();
        let call = Call { query, ..get(NAME, ["mediaItems:batchGet"]) };
        let answer: wire::GetResults = match self.read(&call).await {
            Err(error) if error.kind() == FailureKind::Internal && ids.len() > 1 => {
                return self.complete_items(ids, HashMap::new()).await;
            }
            answer => answer?,
        };
        let results: Vec<_> =
            answer.media_item_results.into_iter().map(wire::ItemResult::into_result).collect();
        if results.is_empty() {
            let why = format!("no results for {} items", ids.len());
            return Err(Error::Garbled { call: NAME, why });
        }
        let is_asked_for = |(result, id): (&Result<MediaItem, _>, &MediaId)| {
            result.as_ref().map_or(true, |item| item.id == *id)
        };
        if results.len() == ids.len() && results.iter().zip(ids).all(is_asked_for) {
            return Ok(results);
        }
        // An item carries its id, a refusal does not.
        tracing::info!("{NAME}: the results are not in the order of the request");
        let got = results.into_iter().flatten().map(|item| (item.id.clone(), item)).collect();
        self.complete_items(ids, got).await
    }

    /// Returns the requested items in their order. Requests those that are not in `got` one by one.
    async fn complete_items(
        &self,
        ids: &[MediaId],
        mut got: HashMap<MediaId, MediaItem>,
    ) -> Result<Vec<Result<MediaItem, ItemStatus>>, Error> {
        let mut results = Vec::with_capacity(ids.len());
        let mut server_errors = 0;
        for id in ids {
            let item = match got.remove(id) {
                Some(item) => Ok(item),
                None => self.get_item(id).await,
            };
            results.push(match item {
                Ok(item) => Ok(item),
                // Only the API itself knows of an item that it is not there.
                Err(Error::Refused(refusal)) if refusal.is_from_api() => match refusal.status {
                    404 => Err(ItemStatus::new(5, refusal.message())),
                    400 => Err(ItemStatus::new(3, refusal.message())),
                    500 => {
                        server_errors += 1;
                        if server_errors == ids.len() {
                            return Err(Error::Refused(refusal));
                        }
                        Err(ItemStatus::new(13, refusal.message()))
                    }
                    _ => return Err(Error::Refused(refusal)),
                },
                Err(error) => return Err(error),
            });
        }
        Ok(results)
    }

    /// Creates 1 to [`BATCH_MAX`](super::BATCH_MAX) items, in an album if one is given. Returns a
    /// result for each, in the given order. Repeating the call does no harm: for bytes that the
    /// library holds already, Google returns the existing item (reference §7.6).
    ///
    /// # Errors
    /// Failures of the whole call: `FailureKind::InvalidToken`, `FailureKind::AlbumMissing`,
    /// `FailureKind::StorageFull` and others.
    pub async fn create_items(
        &self,
        album: Option<&AlbumId>,
        items: &[NewItem],
    ) -> Result<Vec<Result<MediaItem, ItemStatus>>, Error> {
        const NAME: &str = "mediaItems.batchCreate";
        let tokens: Vec<&UploadToken> = items.iter().map(|it| &it.token).collect();
        limit_batch(NAME, &tokens)?;
        for item in items {
            limit_chars(NAME, "file name", &item.file_name, FILE_NAME_CHARS_MAX)?;
            limit_chars(
                NAME,
                "description",
                item.description.as_deref().unwrap_or(""),
                DESCRIPTION_CHARS_MAX,
            )?;
        }
        let new_media_items = items
            .iter()
            .map(|it| wire::NewMediaItem {
                description: it.description.as_deref(),
                simple_media_item: wire::SimpleMediaItem {
                    upload_token: &it.token,
                    file_name: &it.file_name,
                },
            })
            .collect();
        let body = serde_json::to_value(wire::BatchCreate { album_id: album, new_media_items })
            .map_err(|err| Error::Unfit { call: NAME, why: err.to_string() })?;
        let answer: wire::CreateResults =
            self.write(post(NAME, ["mediaItems:batchCreate"], body)).await?;
        Ok(wire::by_token(&tokens, answer.new_media_item_results))
    }

    /// Changes an item's description.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn describe_item(&self, id: &MediaId, description: &str) -> Result<MediaItem, Error> {
        const NAME: &str = "mediaItems.patch";
        limit_chars(NAME, "description", description, DESCRIPTION_CHARS_MAX)?;
        let call = patch(NAME, ["mediaItems", id.as_str()], "description", description);
        item(NAME, self.write_and_retry(call).await?)
    }
}

fn item(call: &'static str, answer: wire::MediaItem) -> Result<MediaItem, Error> {
    answer.into_item().ok_or_else(|| Error::Garbled { call, why: "the item has no id".into() })
}
