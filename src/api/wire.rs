//! The JSON of the service, and how it becomes our values (reference §2.2, §5 to §7).
//!
//! What we read is read leniently: a field that is missing, null or of another type than expected
//! counts as its default, so one odd field never spoils a page. What we write is written strictly.

use std::time::SystemTime;

use serde::de::{DeserializeOwned, Deserializer};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::failure::ItemStatus;
use crate::media;
use crate::media::{AlbumId, MediaId, PageToken, UploadToken, VideoStatus};

/// Any value that is not a `T` is `T`'s default.
fn lenient<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    let value = Value::deserialize(deserializer)?;
    Ok(T::deserialize(value).unwrap_or_default())
}

/// A list whose odd entries are left out: one of them must not make a page look empty.
fn entries<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let entries: Vec<Value> = lenient(deserializer)?;
    Ok(entries.into_iter().filter_map(|entry| T::deserialize(entry).ok()).collect())
}

/// An integer that may come as a number or, as int64 does in proto3's JSON, as a decimal string.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
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
    /// `None` if it has no id, so that nothing can be done with it.
    pub(super) fn into_album(self) -> Option<media::Album> {
        (!self.id.is_empty()).then(|| media::Album {
            id: AlbumId::new(self.id),
            title: self.title,
            items_count: self.media_items_count.try_into().unwrap_or(0),
            product_url: self.product_url,
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

/// What `photo` and `video` have in common, and a video's status.
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
    /// `None` if it has no id, so that nothing can be done with it.
    pub(super) fn into_item(self) -> Option<media::MediaItem> {
        if self.id.is_empty() {
            return None;
        }
        let metadata = self.media_metadata;
        let video = metadata.video.as_ref().map(|it| match it.status.as_str() {
            "PROCESSING" => VideoStatus::Processing,
            "READY" => VideoStatus::Ready,
            "FAILED" => VideoStatus::Failed,
            _ => VideoStatus::Unspecified,
        });
        let (camera_make, camera_model) = metadata
            .video
            .or(metadata.photo)
            .map(|it| (it.camera_make, it.camera_model))
            .unwrap_or_default();
        let creation_time = metadata.creation_time.parse::<jiff::Timestamp>().ok();
        Some(media::MediaItem {
            id: MediaId::new(self.id),
            filename: self.filename,
            mime_type: self.mime_type,
            description: self.description,
            product_url: self.product_url,
            base_url: (!self.base_url.is_empty()).then_some(self.base_url),
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
    #[serde(default, deserialize_with = "entries")]
    pub albums: Vec<Album>,
    #[serde(default, deserialize_with = "lenient")]
    pub next_page_token: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ItemsPage {
    #[serde(default, deserialize_with = "entries")]
    pub media_items: Vec<MediaItem>,
    #[serde(default, deserialize_with = "lenient")]
    pub next_page_token: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GetResults {
    #[serde(default, deserialize_with = "lenient")]
    pub media_item_results: Vec<ItemResult>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateResults {
    #[serde(default, deserialize_with = "lenient")]
    pub new_media_item_results: Vec<ItemResult>,
}

/// One result of batchGet or batchCreate.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ItemResult {
    /// Only from batchCreate.
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
    /// Success is an item *and* no code (reference §7.6).
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

/// What stands for an item that the answer does not mention.
pub(super) fn unanswered() -> ItemStatus {
    ItemStatus::new(0, "the answer does not mention this item")
}

/// Puts batchCreate's results in the order of the tokens that were asked for: by token where it is
/// echoed, then by position if their number is right.
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

/// The cursor of the next page; the empty string is proto3's way to leave it out.
pub(super) fn page_token(text: String) -> Option<PageToken> {
    (!text.is_empty()).then(|| PageToken::new(text))
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
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn item(value: Value) -> Option<media::MediaItem> {
        serde_json::from_value::<MediaItem>(value).unwrap().into_item()
    }

    #[test]
    fn an_item_as_the_reference_shows_it() {
        let item = item(json!({"id": "I", "productUrl": "https://photos.google.com/lr/photo/I", "baseUrl": "https://b/",
            "mimeType": "image/jpeg", "filename": "a.jpg", "description": "d", "mediaMetadata": {
                "creationTime": "2024-07-01T10:00:00Z", "width": "4032", "height": "3024",
                "photo": {"cameraMake": "Google", "cameraModel": "Pixel 8", "focalLength": 6.9}}}))
        .unwrap();
        assert_eq!((item.width, item.height, item.camera_model.as_str()), (4032, 3024, "Pixel 8"));
        let at = item.creation_time.unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(at.as_secs(), 1_719_828_000);
        assert_eq!(item.video, None);
    }

    #[test]
    fn odd_fields_count_as_missing() {
        let item = item(json!({"id": "I", "filename": null, "mimeType": 7, "surprise": {"x": 1}, "mediaMetadata": {
            "creationTime": "yesterday", "width": 640, "height": "-3", "video": {"status": "DREAMING", "fps": "x"}}}))
        .unwrap();
        assert_eq!((item.filename.as_str(), item.mime_type.as_str()), ("", ""));
        assert_eq!((item.width, item.height, item.creation_time), (640, 0, None));
        assert_eq!(item.video, Some(VideoStatus::Unspecified));
    }

    #[test]
    fn nothing_without_an_id_is_an_item() {
        assert_eq!(item(json!({"filename": "a.jpg"})), None);
    }

    #[test]
    fn counts_come_as_strings_numbers_or_not_at_all() {
        for (count, expected) in
            [(json!("137"), 137), (json!(137), 137), (json!(null), 0), (json!([]), 0)]
        {
            let album: Album =
                serde_json::from_value(json!({"id": "A", "mediaItemsCount": count})).unwrap();
            assert_eq!(album.into_album().unwrap().items_count, expected);
        }
        let bare: Album = serde_json::from_value(json!({"id": "A"})).unwrap();
        assert!(!bare.into_album().unwrap().is_writeable);
    }

    #[test]
    fn empty_page_is_an_empty_object() {
        let page: ItemsPage = serde_json::from_value(json!({})).unwrap();
        assert!(page.media_items.is_empty() && page_token(page.next_page_token).is_none());
    }

    #[test]
    fn an_odd_entry_does_not_empty_a_page() {
        let odd = json!({"mediaItems": [{"id": "a"}, null, 7, {"id": "b", "filename": null}]});
        let page: ItemsPage = serde_json::from_value(odd).unwrap();
        assert_eq!(page.media_items.len(), 2);
    }

    #[test]
    fn created_items_are_matched_by_token_then_by_position() {
        let (a, b, c) = (UploadToken::new("a"), UploadToken::new("b"), UploadToken::new("c"));
        let check = |results: Value, expected: [&str; 3]| {
            let results: CreateResults =
                serde_json::from_value(json!({"newMediaItemResults": results})).unwrap();
            let got = by_token(&[&a, &b, &c], results.new_media_item_results);
            let got: Vec<_> =
                got.iter().map(|it| it.as_ref().map_or("-", |item| item.id.as_str())).collect();
            assert_eq!(got, expected);
        };
        let of = |token: &str, id: &str| json!({"uploadToken": token, "mediaItem": {"id": id}});
        let bad = json!({"uploadToken": "b", "status": {"code": "3", "message": "NOT_IMAGE"}});
        check(json!([of("a", "1"), bad, of("c", "3")]), ["1", "-", "3"]);
        check(json!([of("c", "3"), of("a", "1"), of("b", "2")]), ["1", "2", "3"]);
        check(json!([of("", "1"), of("", "2"), of("", "3")]), ["1", "2", "3"]);
        check(json!([of("", "1"), of("", "2")]), ["-", "-", "-"]);
        check(json!([of("b", "2")]), ["-", "2", "-"]);
        check(json!([of("a", "1"), of("stranger", "9"), of("c", "3")]), ["1", "-", "3"]);
        check(json!({"not": "a list"}), ["-", "-", "-"]);
    }

    #[test]
    fn an_item_with_a_code_is_no_success() {
        let result: ItemResult =
            serde_json::from_value(json!({"mediaItem": {"id": "I"}, "status": {"code": 13}}))
                .unwrap();
        assert_eq!(result.into_result().unwrap_err().code, 13);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((name(), inner), 0..6)
                    .prop_map(|it| Value::Object(it.into_iter().collect())),
            ]
        })
    }

    fn name() -> impl Strategy<Value = String> {
        let known = [
            "id",
            "mediaItem",
            "status",
            "code",
            "mediaMetadata",
            "width",
            "video",
            "photo",
            "creationTime",
        ];
        prop_oneof![prop::sample::select(known.to_vec()).prop_map(str::to_owned), "[a-z]{1,5}"]
    }

    proptest! {
        #[test]
        fn any_object_can_be_read(fields in prop::collection::vec((name(), any_json()), 0..8)) {
            let object = Value::Object(fields.into_iter().collect());
            let _ = serde_json::from_value::<MediaItem>(object.clone()).unwrap().into_item();
            let _ = serde_json::from_value::<ItemResult>(object.clone()).unwrap().into_result();
            let _ = serde_json::from_value::<Album>(object).unwrap().into_album();
        }
    }
}
