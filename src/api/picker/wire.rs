//! The JSON of the Picker API, parsed as leniently as that of the Library API.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde::Deserialize;
use url::Url;

use super::session::PickerSession;
use crate::api::request::ITEMS_PER_PAGE;
use crate::api::wire::{
    ADDRESS_BYTES_MAX, ID_BYTES_MAX, WORDS_CHARS_MAX, cut, entries, lenient, number, whole,
};
use crate::media::{MediaId, MediaItem, MediaKind, PickerSessionId, VideoStatus};

/// How long to wait between two polls if the service does not say.
const POLL_INTERVAL: Duration = Duration::from_secs(5);
/// The shortest wait, whatever the service says.
const POLL_INTERVAL_MIN: Duration = Duration::from_millis(50);
/// A longer duration counts as this, so that adding it to a time does not overflow.
const DURATION_MAX: f64 = 400.0 * 24.0 * 3600.0;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Session {
    #[serde(default, deserialize_with = "lenient")]
    id: String,
    #[serde(default, deserialize_with = "lenient")]
    picker_uri: String,
    #[serde(default, deserialize_with = "lenient")]
    polling_config: Polling,
    #[serde(default, deserialize_with = "lenient")]
    expire_time: String,
    #[serde(default, deserialize_with = "lenient")]
    media_items_set: bool,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Polling {
    #[serde(default, deserialize_with = "lenient")]
    poll_interval: String,
    #[serde(default, deserialize_with = "lenient")]
    timeout_in: String,
}

impl Session {
    /// `None` if it has no id. Without one it is of no use.
    pub(super) fn into_session(self) -> Option<PickerSession> {
        let id = whole(self.id, ID_BYTES_MAX);
        let poll_interval = duration(&self.polling_config.poll_interval).unwrap_or(POLL_INTERVAL);
        (!id.is_empty()).then(|| PickerSession {
            id: PickerSessionId::new(id),
            page: Url::parse(&whole(self.picker_uri, ADDRESS_BYTES_MAX)).ok(),
            poll_interval: poll_interval.max(POLL_INTERVAL_MIN),
            wait: duration(&self.polling_config.timeout_in),
            expires_at: self.expire_time.parse::<Timestamp>().ok(),
            is_done: self.media_items_set,
        })
    }
}

/// A duration of proto3's JSON: seconds with up to nine decimals, and an `s`.
fn duration(text: &str) -> Option<Duration> {
    let seconds: f64 = text.strip_suffix('s')?.parse().ok()?;
    // `min` would make the maximum of NaN.
    let seconds = seconds.clamp(f64::NEG_INFINITY, DURATION_MAX);
    Duration::try_from_secs_f64(seconds).ok()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ItemsPage {
    #[serde(default, deserialize_with = "entries::<_, _, ITEMS_PER_PAGE>")]
    pub media_items: Vec<Item>,
    #[serde(default, deserialize_with = "lenient")]
    pub next_page_token: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Item {
    #[serde(default, deserialize_with = "lenient")]
    id: String,
    #[serde(default, deserialize_with = "lenient")]
    create_time: String,
    #[serde(default, rename = "type", deserialize_with = "lenient")]
    kind: String,
    #[serde(default, deserialize_with = "lenient")]
    media_file: MediaFile,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct MediaFile {
    #[serde(default, deserialize_with = "lenient")]
    base_url: String,
    #[serde(default, deserialize_with = "lenient")]
    mime_type: String,
    #[serde(default, deserialize_with = "lenient")]
    filename: String,
    #[serde(default, deserialize_with = "lenient")]
    media_file_metadata: Metadata,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default, deserialize_with = "number")]
    width: i64,
    #[serde(default, deserialize_with = "number")]
    height: i64,
    #[serde(default, deserialize_with = "lenient")]
    camera_make: String,
    #[serde(default, deserialize_with = "lenient")]
    camera_model: String,
    #[serde(default, deserialize_with = "lenient")]
    video_metadata: VideoMetadata,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct VideoMetadata {
    #[serde(default, deserialize_with = "lenient")]
    processing_status: String,
}

impl Item {
    /// `None` if it has no id. Without one it is of no use.
    pub(super) fn into_item(self) -> Option<MediaItem> {
        let id = whole(self.id, ID_BYTES_MAX);
        if id.is_empty() {
            return None;
        }
        let file = self.media_file;
        let mime_type = cut(file.mime_type, WORDS_CHARS_MAX);
        let base_url = whole(file.base_url, ADDRESS_BYTES_MAX);
        let metadata = file.media_file_metadata;
        let status = match metadata.video_metadata.processing_status.as_str() {
            "PROCESSING" => VideoStatus::Processing,
            "READY" => VideoStatus::Ready,
            "FAILED" => VideoStatus::Failed,
            _ => VideoStatus::Unspecified,
        };
        let is_video = match self.kind.as_str() {
            "VIDEO" => true,
            "PHOTO" => false,
            _ => MediaKind::of_mime(&mime_type) == MediaKind::Video,
        };
        let created = self.create_time.parse::<Timestamp>().ok();
        Some(MediaItem {
            id: MediaId::new(id),
            filename: cut(file.filename, WORDS_CHARS_MAX),
            mime_type,
            description: String::new(),
            product_url: String::new(),
            base_url: (!base_url.is_empty()).then_some(base_url),
            creation_time: created.and_then(|it| SystemTime::try_from(it).ok()),
            width: metadata.width.try_into().unwrap_or(0),
            height: metadata.height.try_into().unwrap_or(0),
            camera_make: cut(metadata.camera_make, WORDS_CHARS_MAX),
            camera_model: cut(metadata.camera_model, WORDS_CHARS_MAX),
            video: is_video.then_some(status),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn session(value: serde_json::Value) -> Option<PickerSession> {
        serde_json::from_value::<Session>(value).unwrap().into_session()
    }

    #[test]
    fn a_session_may_lack_every_field_but_its_id() {
        assert_eq!(session(json!({"pickerUri": "https://photos.google.com/x"})), None);
        let bare = session(json!({"id": "s"})).unwrap();
        assert_eq!(bare.poll_interval, POLL_INTERVAL);
        assert_eq!(
            (bare.page, bare.wait, bare.expires_at, bare.is_done),
            (None, None, None, false)
        );
        let full = session(json!({
            "id": "s", "pickerUri": "https://photos.google.com/x", "mediaItemsSet": true,
            "pollingConfig": {"pollInterval": "3.5s", "timeoutIn": "0s"},
            "expireTime": "2026-12-07T10:00:00.123456789Z", "pickingConfig": {"maxItemCount": "2000"},
        }))
        .unwrap();
        assert_eq!(full.poll_interval, Duration::from_millis(3500));
        assert_eq!((full.wait, full.is_done), (Some(Duration::ZERO), true));
        assert!(full.page.is_some() && full.expires_at.is_some());
    }

    #[test]
    fn durations_are_seconds_with_decimals_within_bounds() {
        for (text, millis) in [
            ("5s", Some(5000)),
            ("3.5s", Some(3500)),
            ("0.000000001s", Some(0)),
            ("1e300s", Some(400 * 24 * 3600 * 1000)),
            ("infs", Some(400 * 24 * 3600 * 1000)),
            ("-1s", None),
            ("NaNs", None),
            ("5", None),
            ("s", None),
            ("", None),
        ] {
            assert_eq!(duration(text).map(|it| it.as_millis()), millis, "{text}");
        }
        let told =
            |text: &str| session(json!({"id": "s", "pollingConfig": {"pollInterval": text}}));
        assert_eq!(told("0s").unwrap().poll_interval, POLL_INTERVAL_MIN);
    }

    #[test]
    fn numbers_may_be_texts_and_optional_fields_may_be_absent() {
        let items = |value: serde_json::Value| {
            let page: ItemsPage = serde_json::from_value(value).unwrap();
            page.media_items.into_iter().filter_map(Item::into_item).collect::<Vec<_>>()
        };
        let found = items(json!({"mediaItems": [
            {"id": "a", "type": "PHOTO", "createTime": "2019-04-28T10:00:00.5Z", "mediaFile": {
                "baseUrl": "https://x/", "mimeType": "image/jpeg", "filename": "a.jpg",
                "mediaFileMetadata": {"width": 40, "height": "30", "cameraMake": "M", "cameraModel": "D"}}},
            {"id": "b", "mediaFile": {"mimeType": "video/mp4"}},
            {"id": "c", "type": "VIDEO",
             "mediaFile": {"mediaFileMetadata": {"videoMetadata": {"processingStatus": "READY"}}}},
            {"type": "PHOTO"}, 7, {"id": "d", "mediaFile": 7},
        ]}));
        let ids: Vec<_> = found.iter().map(|it| it.id.as_str()).collect();
        assert_eq!(ids, ["a", "b", "c", "d"]);
        assert_eq!((found[0].width, found[0].height), (40, 30));
        assert_eq!((found[0].camera_model.as_str(), found[0].video), ("D", None));
        assert_eq!(found[1].video, Some(VideoStatus::Unspecified));
        assert_eq!(found[2].video, Some(VideoStatus::Ready));
        assert_eq!((found[3].filename.as_str(), found[3].base_url.clone()), ("", None));
        assert_eq!(items(json!({})), []);
    }
}
