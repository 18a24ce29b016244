//! The switches of the Picker API and its page.

use serde::{Deserialize, Serialize};

/// The switches of the Picker API and its page. Where the picker reference knows several behaviours,
/// the default is the one that a client can rely on least.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PickerFaults {
    /// The API is not enabled in the project.
    pub disabled: bool,
    /// The account has no Google Photos.
    pub no_account: bool,
    /// Milliseconds between two polls.
    pub poll_interval_ms: u64,
    /// How long polling makes sense after the session was made, in milliseconds.
    pub poll_timeout_ms: u64,
    /// Lifetime of sessions made from now on, in seconds.
    pub session_life_s: u64,
    /// Sessions that a user may have at a time.
    pub open_sessions_max: usize,
    /// Pressing Done has no effect if so many items or more are ticked.
    pub done_hangs_from: Option<usize>,
    /// `mediaItemsSet` is `false` before the user is done; otherwise it is missing.
    pub unset_is_false: bool,
    /// The order of the items in a listing.
    pub order: PickOrder,
    /// An item has the same id as in the Library API.
    pub library_ids: bool,
    /// Fields that no item has.
    pub absent: Vec<PickedField>,
    /// Digits behind the point of each `createTime`: 0, 3, 6 or 9.
    pub time_decimals: usize,
    /// Listing before the user is done tells the reason `PENDING_USER_ACTION`.
    pub pending_reason: bool,
    /// `=d` of a HEIF picture gives a JPEG.
    pub heif_as_jpeg: bool,
}

impl Default for PickerFaults {
    fn default() -> PickerFaults {
        PickerFaults {
            disabled: false,
            no_account: false,
            poll_interval_ms: 5000,
            poll_timeout_ms: 30 * 60_000,
            session_life_s: 7 * 24 * 3600,
            open_sessions_max: 50,
            done_hangs_from: None,
            unset_is_false: false,
            order: PickOrder::NewestFirst,
            library_ids: false,
            absent: Vec::new(),
            time_decimals: 0,
            pending_reason: false,
            heif_as_jpeg: false,
        }
    }
}

/// The order of the items in a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PickOrder {
    /// By capture time.
    NewestFirst,
    /// By capture time, the other way round.
    OldestFirst,
    /// In the order of the ticks.
    AsTicked,
}

/// A field that an item may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PickedField {
    /// `filename`.
    Filename,
    /// `createTime`.
    CreateTime,
    /// `width` and `height`.
    Size,
    /// `cameraMake` and `cameraModel`.
    Camera,
    /// The whole `mediaFileMetadata`.
    Metadata,
}
