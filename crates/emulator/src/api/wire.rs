//! How albums and items look in answers (reference §5), and the message types for field masks.

use serde_json::{Value, json};

use super::mask::Schema;
use crate::account::Account;
use crate::faults::Faults;
use crate::server::Server;
use crate::state::{Album, Entry, Item, Library};

/// An album, as albums.get answers.
pub(crate) static ALBUM: Schema = Schema(&[
    ("id", None),
    ("title", None),
    ("productUrl", None),
    ("isWriteable", None),
    ("mediaItemsCount", None),
    ("coverPhotoBaseUrl", None),
    ("coverPhotoMediaItemId", None),
    ("shareInfo", None),
]);
static PHOTO: Schema = Schema(&[
    ("cameraMake", None),
    ("cameraModel", None),
    ("focalLength", None),
    ("apertureFNumber", None),
    ("isoEquivalent", None),
    ("exposureTime", None),
]);
static VIDEO: Schema =
    Schema(&[("cameraMake", None), ("cameraModel", None), ("fps", None), ("status", None)]);
static METADATA: Schema = Schema(&[
    ("creationTime", None),
    ("width", None),
    ("height", None),
    ("photo", Some(&PHOTO)),
    ("video", Some(&VIDEO)),
]);
/// An item, as mediaItems.get answers.
pub(crate) static MEDIA_ITEM: Schema = Schema(&[
    ("id", None),
    ("description", None),
    ("productUrl", None),
    ("baseUrl", None),
    ("mimeType", None),
    ("mediaMetadata", Some(&METADATA)),
    ("contributorInfo", None),
    ("filename", None),
]);
static STATUS: Schema = Schema(&[("code", None), ("message", None), ("details", None)]);
static ITEM_RESULT: Schema = Schema(&[("status", Some(&STATUS)), ("mediaItem", Some(&MEDIA_ITEM))]);
static NEW_ITEM_RESULT: Schema =
    Schema(&[("uploadToken", None), ("status", Some(&STATUS)), ("mediaItem", Some(&MEDIA_ITEM))]);
static ENRICHMENT: Schema = Schema(&[("id", None)]);

/// The answer of albums.list.
pub(crate) static ALBUM_PAGE: Schema = Schema(&[("albums", Some(&ALBUM)), ("nextPageToken", None)]);
/// The answer of mediaItems.list and search.
pub(crate) static ITEM_PAGE: Schema =
    Schema(&[("mediaItems", Some(&MEDIA_ITEM)), ("nextPageToken", None)]);
/// The answer of batchGet.
pub(crate) static ITEM_RESULTS: Schema = Schema(&[("mediaItemResults", Some(&ITEM_RESULT))]);
/// The answer of batchCreate.
pub(crate) static NEW_ITEM_RESULTS: Schema =
    Schema(&[("newMediaItemResults", Some(&NEW_ITEM_RESULT))]);
/// The answer of addEnrichment.
pub(crate) static ENRICHMENT_ANSWER: Schema = Schema(&[("enrichmentItem", Some(&ENRICHMENT))]);
/// The answer of calls that answer nothing.
pub(crate) static EMPTY: Schema = Schema(&[]);

/// Leaves out fields at their default, as proto3 JSON does; empty messages stay.
pub(crate) fn omit_defaults(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (name, omit_defaults(value)))
            .filter(|(_, value)| match value {
                Value::Null | Value::Bool(false) => false,
                Value::Number(number) => number.as_f64() != Some(0.0),
                Value::String(text) => !text.is_empty(),
                Value::Array(list) => !list.is_empty(),
                _ => true,
            })
            .collect(),
        Value::Array(list) => list.into_iter().map(omit_defaults).collect(),
        scalar => scalar,
    }
}

/// An int64 in proto3 JSON.
fn int64(number: u64) -> Value {
    if number == 0 { Value::Null } else { Value::String(number.to_string()) }
}

/// `YYYY-MM-DDTHH:MM:SSZ`.
fn timestamp(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).unwrap_or_default().to_string()
}

pub(crate) fn media_item(
    server: &Server,
    faults: &Faults,
    account: &Account,
    item: &Item,
) -> Value {
    let mut value = media_item_without_url(server, faults, item);
    value["baseUrl"] = server.base_url(account, Some(item), faults.base_url_life_s).into();
    value
}

/// As in batchCreate's answer.
pub(crate) fn media_item_without_url(server: &Server, faults: &Faults, item: &Item) -> Value {
    let facts = &item.facts;
    let mut metadata = json!({
        "creationTime": timestamp(item.creation_time_s()),
        "width": int64(facts.width),
        "height": int64(facts.height),
    });
    if facts.video != item.mismatched {
        metadata["video"] = json!({
            "cameraMake": facts.camera_make,
            "cameraModel": facts.camera_model,
            "status": item.video_status(faults, server.now_ms()),
        });
    } else {
        metadata["photo"] = json!({
            "cameraMake": facts.camera_make,
            "cameraModel": facts.camera_model,
            "focalLength": facts.focal_length,
            "apertureFNumber": facts.aperture,
            "isoEquivalent": facts.iso,
            "exposureTime": (facts.exposure_s > 0.0).then(|| format!("{}s", facts.exposure_s)),
        });
    }
    omit_defaults(json!({
        "id": item.id,
        "description": item.description,
        "productUrl": format!("{}/lr/photo/{}", server.url, item.id),
        "mimeType": facts.mime,
        "mediaMetadata": metadata,
        "filename": item.filename,
    }))
}

pub(crate) fn album(
    server: &Server,
    faults: &Faults,
    account: &Account,
    library: &Library,
    album: &Album,
) -> Value {
    let counted_ms = server.now_ms().saturating_sub_unsigned(faults.count_delay_ms);
    let counts_all = faults.count_delay_ms == 0 && faults.matched_items_counted;
    let count = if counts_all {
        library.count(album)
    } else {
        let is_counted = |entry: &&Entry| {
            (faults.count_delay_ms == 0 || entry.added_ms <= counted_ms)
                && (faults.matched_items_counted
                    || library.item(entry.item).is_some_and(|item| !item.matched))
        };
        library.entries(album).filter(is_counted).count()
    };
    let cover = library.cover(album);
    omit_defaults(json!({
        "id": album.id,
        "title": album.title,
        "productUrl": format!("{}/lr/album/{}", server.url, album.id),
        "isWriteable": true,
        "mediaItemsCount": int64(count as u64),
        "coverPhotoBaseUrl": server.base_url(account, cover, faults.base_url_life_s),
        "coverPhotoMediaItemId": cover.map(|item| item.id.as_str()),
    }))
}
