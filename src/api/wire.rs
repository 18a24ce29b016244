//! The JSON of the service, and its conversion to our types (reference §2.2, §5 to §7).
//!
//! Parsing is lenient: a field that is missing, null or of another type counts as its default. So
//! one bad field never spoils a page. Texts have limits. A list with more entries than were asked
//! for is an error, because to drop some of them would pass off a part as the whole. Requests are
//! written strictly.

use std::time::SystemTime;

use serde::de::{DeserializeOwned, Deserializer, Error as _};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::item_status::ItemStatus;
use super::request::{
    ALBUMS_PER_PAGE, BATCH_MAX, DESCRIPTION_CHARS_MAX, ITEMS_PER_PAGE, TITLE_CHARS_MAX,
};
use crate::media;
use crate::media::{AlbumId, MediaId, MediaKind, PageToken, UploadToken, VideoStatus};

/// The longest id. Google's have up to about 200 bytes.
pub(super) const ID_BYTES_MAX: usize = 1024;
/// The longest address, and the longest page token.
pub(super) const ADDRESS_BYTES_MAX: usize = 8192;
/// The longest text of any other kind, in characters.
pub(super) const WORDS_CHARS_MAX: usize = 1024;

/// Parses any value that is not a `T` as `T`'s default.
pub(super) fn lenient<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    let value = Value::deserialize(deserializer)?;
    Ok(T::deserialize(value).unwrap_or_default())
}

/// Parses a list of at most `MAX` entries and skips the invalid ones. One of them must not make a
/// page look empty.
pub(super) fn entries<'de, D, T, const MAX: usize>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let entries = at_most::<D, MAX>(deserializer)?;
    Ok(entries.into_iter().filter_map(|entry| T::deserialize(entry).ok()).collect())
}

/// Parses the results of a batch, which may be told apart only by their position: an invalid one
/// makes the list empty.
fn results<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ItemResult>, D::Error> {
    let results = at_most::<D, BATCH_MAX>(deserializer)?;
    let results: Result<_, _> = results.into_iter().map(ItemResult::deserialize).collect();
    Ok(results.unwrap_or_default())
}

fn at_most<'de, D, const MAX: usize>(deserializer: D) -> Result<Vec<Value>, D::Error>
where
    D: Deserializer<'de>,
{
    let values: Vec<Value> = lenient(deserializer)?;
    if values.len() > MAX {
        let many = values.len();
        return Err(D::Error::custom(format!(
            "{many} entries, where at most {MAX} were asked for"
        )));
    }
    Ok(values)
}

/// The first characters of a text for people.
pub(super) fn cut(mut text: String, chars_max: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(chars_max) {
        text.truncate(end);
        text.shrink_to_fit();
    }
    text
}

/// An id or an address. A part of one would be useless, so a text that is too long becomes empty.
pub(super) fn whole(text: String, bytes_max: usize) -> String {
    if text.len() <= bytes_max { text } else { String::new() }
}

/// Parses an integer that is a number or, as int64 in proto3's JSON, a decimal string.
pub(super) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Number(number) => {
            number.as_i64().or(number.as_f64().map(|it| it as i64)).unwrap_or(0)
        }
        Value::String(text) => text.trim().parse().unwrap_or(0),
        _ => 0,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Album {
    #[serde(default, deserialize_with = "lenient")]
    id: String,
    #[serde(default, deserialize_with = "lenient")]
    title: String,
    #[serde(default, deserialize_with = "lenient")]
    product_url: String,
    #[serde(default, deserialize_with = "lenient")]
    is_writeable: bool,
    #[serde(default, deserialize_with = "number")]
    media_items_count: i64,
}

impl Album {
    /// `None` if it has no id. Without one it is of no use.
    pub(super) fn into_album(self) -> Option<media::Album> {
        let id = whole(self.id, ID_BYTES_MAX);
        (!id.is_empty()).then(|| media::Album {
            id: AlbumId::new(id),
            title: cut(self.title, TITLE_CHARS_MAX),
            items_count: self.media_items_count.try_into().unwrap_or(0),
            product_url: whole(self.product_url, ADDRESS_BYTES_MAX),
            is_writeable: self.is_writeable,
        })
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct MediaItem {
    #[serde(default, deserialize_with = "lenient")]
    id: String,
    #[serde(default, deserialize_with = "lenient")]
    description: String,
    #[serde(default, deserialize_with = "lenient")]
    product_url: String,
    #[serde(default, deserialize_with = "lenient")]
    base_url: String,
    #[serde(default, deserialize_with = "lenient")]
    mime_type: String,
    #[serde(default, deserialize_with = "lenient")]
    filename: String,
    #[serde(default, deserialize_with = "lenient")]
    media_metadata: Metadata,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default, deserialize_with = "lenient")]
    creation_time: String,
    #[serde(default, deserialize_with = "number")]
    width: i64,
    #[serde(default, deserialize_with = "number")]
    height: i64,
    #[serde(default, deserialize_with = "lenient")]
    photo: Option<Camera>,
    #[serde(default, deserialize_with = "lenient")]
    video: Option<Camera>,
}

/// The common fields of `photo` and `video`, and a video's status.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Camera {
    #[serde(default, deserialize_with = "lenient")]
    camera_make: String,
    #[serde(default, deserialize_with = "lenient")]
    camera_model: String,
    #[serde(default, deserialize_with = "lenient")]
    status: String,
}

impl MediaItem {
    /// `None` if it has no id. Without one it is of no use.
    pub(super) fn into_item(self) -> Option<media::MediaItem> {
        let id = whole(self.id, ID_BYTES_MAX);
        if id.is_empty() {
            return None;
        }
        let mime_type = cut(self.mime_type, WORDS_CHARS_MAX);
        let base_url = whole(self.base_url, ADDRESS_BYTES_MAX);
        let metadata = self.media_metadata;
        let status = metadata.video.as_ref().map(|it| match it.status.as_str() {
            "PROCESSING" => VideoStatus::Processing,
            "READY" => VideoStatus::Ready,
            "FAILED" => VideoStatus::Failed,
            _ => VideoStatus::Unspecified,
        });
        // The metadata may contradict the MIME type, which decides how an item is downloaded
        // (reference §9).
        let video = match (mime_type.as_str(), MediaKind::of_mime(&mime_type)) {
            ("", _) => status,
            (_, MediaKind::Photo) => None,
            (_, MediaKind::Video) => Some(status.unwrap_or(VideoStatus::Unspecified)),
        };
        let (camera_make, camera_model) = metadata
            .video
            .or(metadata.photo)
            .map(|it| (cut(it.camera_make, WORDS_CHARS_MAX), cut(it.camera_model, WORDS_CHARS_MAX)))
            .unwrap_or_default();
        let creation_time = metadata.creation_time.parse::<jiff::Timestamp>().ok();
        Some(media::MediaItem {
            id: MediaId::new(id),
            filename: cut(self.filename, WORDS_CHARS_MAX),
            mime_type,
            description: cut(self.description, DESCRIPTION_CHARS_MAX),
            product_url: whole(self.product_url, ADDRESS_BYTES_MAX),
            base_url: (!base_url.is_empty()).then_some(base_url),
            creation_time: creation_time.and_then(|it| SystemTime::try_from(it).ok()),
            width: metadata.width.try_into().unwrap_or(0),
            height: metadata.height.try_into().unwrap_or(0),
            camera_make,
            camera_model,
            video,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AlbumsPage {
    #[serde(default, deserialize_with = "entries::<_, _, ALBUMS_PER_PAGE>")]
    pub albums: Vec<Album>,
    #[serde(default, deserialize_with = "lenient")]
    pub next_page_token: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ItemsPage {
    #[serde(default, deserialize_with = "entries::<_, _, ITEMS_PER_PAGE>")]
    pub media_items: Vec<MediaItem>,
    #[serde(default, deserialize_with = "lenient")]
    pub next_page_token: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GetResults {
    #[serde(default, deserialize_with = "results")]
    pub media_item_results: Vec<ItemResult>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateResults {
    #[serde(default, deserialize_with = "results")]
    pub new_media_item_results: Vec<ItemResult>,
}

/// One result of batchGet or batchCreate.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ItemResult {
    /// Only batchCreate returns it.
    #[serde(default, deserialize_with = "lenient")]
    pub upload_token: String,
    #[serde(default, deserialize_with = "lenient")]
    status: Status,
    #[serde(default, deserialize_with = "lenient")]
    pub media_item: Option<MediaItem>,
}

#[derive(Deserialize, Default)]
struct Status {
    #[serde(default, deserialize_with = "number")]
    code: i64,
    #[serde(default, deserialize_with = "lenient")]
    message: String,
}

impl ItemResult {
    /// A success has an item *and* no code (reference §7.6).
    pub(super) fn into_result(self) -> Result<media::MediaItem, ItemStatus> {
        let code = i32::try_from(self.status.code).unwrap_or(2);
        if code != 0 {
            return Err(ItemStatus::new(code, &self.status.message));
        }
        self.media_item
            .and_then(MediaItem::into_item)
            .ok_or_else(|| ItemStatus::new(0, "the service gave neither an item nor a reason"))
    }
}

/// The result of an item that the answer does not mention.
pub(super) fn unanswered() -> ItemStatus {
    ItemStatus::new(0, "the answer does not mention this item")
}

/// Puts the results of batchCreate in the order of the tokens. Matches them by token where Google
/// echoes it, else by position if the number of results is right.
pub(super) fn by_token(
    tokens: &[&UploadToken],
    results: Vec<ItemResult>,
) -> Vec<Result<media::MediaItem, ItemStatus>> {
    let in_order = results.len() == tokens.len();
    let mut results: Vec<Option<ItemResult>> = results.into_iter().map(Some).collect();
    let mut found: Vec<Option<ItemResult>> = tokens
        .iter()
        .map(|token| {
            results
                .iter_mut()
                .find(|it| it.as_ref().is_some_and(|it| it.upload_token == token.as_str()))?
                .take()
        })
        .collect();
    if in_order {
        for (slot, result) in found.iter_mut().zip(&mut results) {
            let nameless = result.as_ref().is_some_and(|it| it.upload_token.is_empty());
            if slot.is_none() && nameless {
                *slot = result.take();
            }
        }
    }
    found
        .into_iter()
        .map(|it| it.map_or_else(|| Err(unanswered()), ItemResult::into_result))
        .collect()
}

/// The token of the next page. In proto3, an empty string means that there is none.
///
/// # Errors
/// If it is too long. Without it a part of the list would pass for the whole.
pub(super) fn page_token(text: String) -> Result<Option<PageToken>, &'static str> {
    if text.len() > ADDRESS_BYTES_MAX {
        return Err("the page token is too long");
    }
    Ok((!text.is_empty()).then(|| PageToken::new(text)))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BatchCreate<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub album_id: Option<&'a AlbumId>,
    pub new_media_items: Vec<NewMediaItem<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewMediaItem<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<&'a str>,
    pub simple_media_item: SimpleMediaItem<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SimpleMediaItem<'a> {
    pub upload_token: &'a UploadToken,
    pub file_name: &'a str,
}

#[cfg(test)]
mod tests;
