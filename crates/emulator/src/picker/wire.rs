//! How sessions and picked items look in answers (picker reference §2).

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::api::mask::Schema;
use crate::api::wire::omit_defaults;
use crate::faults::{PickedField, PickerFaults};
use crate::media::picked;
use crate::server::Server;
use crate::state::{ITEM_ID_CHARS, Item, Origin, Owned, PickSession, World};

static POLLING: Schema = Schema(&[("pollInterval", None), ("timeoutIn", None)]);
static PICKING: Schema = Schema(&[("maxItemCount", None)]);
/// A session.
pub(super) static SESSION: Schema = Schema(&[
    ("id", None),
    ("pickerUri", None),
    ("pollingConfig", Some(&POLLING)),
    ("expireTime", None),
    ("pickingConfig", Some(&PICKING)),
    ("mediaItemsSet", None),
]);
static PHOTO: Schema = Schema(&[
    ("focalLength", None),
    ("apertureFNumber", None),
    ("isoEquivalent", None),
    ("exposureTime", None),
]);
static VIDEO: Schema = Schema(&[("fps", None), ("processingStatus", None)]);
static METADATA: Schema = Schema(&[
    ("width", None),
    ("height", None),
    ("cameraMake", None),
    ("cameraModel", None),
    ("photoMetadata", Some(&PHOTO)),
    ("videoMetadata", Some(&VIDEO)),
]);
static FILE: Schema = Schema(&[
    ("baseUrl", None),
    ("mimeType", None),
    ("mediaFileMetadata", Some(&METADATA)),
    ("filename", None),
]);
static ITEM: Schema =
    Schema(&[("id", None), ("createTime", None), ("type", None), ("mediaFile", Some(&FILE))]);
/// The answer of mediaItems.list.
pub(super) static ITEM_PAGE: Schema =
    Schema(&[("mediaItems", Some(&ITEM)), ("nextPageToken", None)]);

/// Milliseconds as `5s` or `0.1s`.
fn duration(ms: u64) -> String {
    format!("{}s", ms as f64 / 1000.0)
}

/// How long polling still makes sense, in milliseconds.
pub(super) fn timeout_ms(session: &PickSession, switches: &PickerFaults, now_ms: i64) -> u64 {
    let ends_ms = session.created_ms.saturating_add_unsigned(switches.poll_timeout_ms);
    u64::try_from(ends_ms.min(session.expires_ms) - now_ms).unwrap_or(0)
}

pub(super) fn session(server: &Server, switches: &PickerFaults, session: &PickSession) -> Value {
    let timeout_ms = timeout_ms(session, switches, server.now_ms());
    let mut value = json!({
        "id": session.id,
        "pickerUri": server.picker_uri(&session.id),
        "expireTime": Timestamp::from_millisecond(session.expires_ms).unwrap_or_default(),
        "pickingConfig": { "maxItemCount": session.items_max.to_string() },
    });
    if session.picked.is_some() {
        value["mediaItemsSet"] = true.into();
        return value;
    }
    value["pollingConfig"] = json!({
        "pollInterval": duration(switches.poll_interval_ms),
        "timeoutIn": duration(timeout_ms),
    });
    if switches.unset_is_false {
        value["mediaItemsSet"] = false.into();
    }
    value
}

/// The id by which an application knows a picked item, the same in each session.
pub(crate) fn item_id(
    world: &mut World,
    switches: &PickerFaults,
    session: &PickSession,
    Owned { origin, item }: Owned<'_>,
) -> String {
    let library = world.library(&session.account);
    if switches.library_ids {
        return item.id.clone();
    }
    let Origin { client, item } = origin;
    library.id(&format!("picked from {}", client.project()), item, ITEM_ID_CHARS)
}

/// `createTime` with so many digits behind the point.
fn time(item: &Item, decimals: usize) -> String {
    let time = Timestamp::from_second(item.creation_time_s()).unwrap_or_default();
    match "123456789".get(..decimals) {
        Some(digits) if decimals > 0 => time.strftime(&format!("%FT%T.{digits}Z")).to_string(),
        _ => time.to_string(),
    }
}

pub(super) fn item(
    server: &Server,
    session: &PickSession,
    id: String,
    Owned { origin, item }: Owned<'_>,
) -> Value {
    let faults = server.switches.get();
    let has = |field: PickedField| !faults.picker.absent.contains(&field);
    let facts = &item.facts;
    let mut metadata = json!({});
    if has(PickedField::Size) {
        metadata["width"] = facts.width.into();
        metadata["height"] = facts.height.into();
    }
    if has(PickedField::Camera) {
        metadata["cameraMake"] = facts.camera_make.as_str().into();
        metadata["cameraModel"] = facts.camera_model.as_str().into();
    }
    if facts.video {
        let status = item.video_status(&faults, server.now_ms());
        metadata["videoMetadata"] = json!({ "processingStatus": status });
    } else {
        metadata["photoMetadata"] = json!({
            "focalLength": facts.focal_length,
            "apertureFNumber": facts.aperture,
            "isoEquivalent": facts.iso,
            "exposureTime": (facts.exposure_s > 0.0).then(|| format!("{}s", facts.exposure_s)),
        });
    }
    omit_defaults(json!({
        "id": id,
        "createTime": has(PickedField::CreateTime).then(|| time(item, faults.picker.time_decimals)),
        "type": if facts.video { "VIDEO" } else { "PHOTO" },
        "mediaFile": {
            "baseUrl": picked::base_url(server, session, origin, faults.base_url_life_s),
            "mimeType": facts.mime,
            "filename": has(PickedField::Filename).then_some(item.filename.as_str()),
            "mediaFileMetadata": has(PickedField::Metadata).then_some(metadata),
        },
    }))
}
