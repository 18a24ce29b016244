//! All switches in one plain value, which can be written as JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::file::{FileFault, ItemFailure};
use super::injection::{CallFaults, Failure, FilenameFault, Injection};
use super::listing::ListingFault;
use super::picker::PickerFaults;
use crate::call::Call;

/// All switches. The default is a service without faults, latency or full quota.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Seed of the generator behind every `rate`; setting another one starts it anew.
    pub seed: u64,
    /// For each call that `calls` does not name.
    pub every_call: CallFaults,
    /// Per kind of call.
    pub calls: BTreeMap<Call, CallFaults>,

    /// Each page holds half of the requested number.
    pub short_pages: bool,
    /// Each page is preceded by an empty one with a token.
    pub empty_pages: bool,
    /// Each page begins with the last entry of the page before.
    pub overlapping_pages: bool,
    /// A listing ends with an empty page.
    pub trailing_page: bool,

    /// Listings that show less than there is.
    pub listing_faults: Vec<ListingFault>,
    /// How long a new album stays out of `albums.list`, in milliseconds.
    pub albums_delay_ms: u64,
    /// How long a new item stays out of `mediaItems.list` and of searches without an album, in
    /// milliseconds.
    pub items_delay_ms: u64,

    /// Lifetime of access tokens given from now on, in seconds.
    pub access_token_life_s: u64,
    /// Lifetime of grants given from now on, announced as `refresh_token_expires_in`; `None` is a
    /// published application, 604799 one in testing.
    pub refresh_token_life_s: Option<u64>,
    /// Lifetime of upload tokens, in seconds.
    pub upload_token_life_s: u64,
    /// Lifetime of base URLs given from now on, in seconds.
    pub base_url_life_s: u64,
    /// Refuse every upload token in batchCreate.
    pub upload_tokens_refused: bool,
    /// Put a line break into upload tokens given from now on.
    pub line_break_in_upload_tokens: bool,
    /// The origin in the URLs of upload sessions started from now on, as in `http://HOST:PORT`;
    /// `None` is the emulator's own.
    pub session_origin: Option<String>,

    /// Scopes, by their full names, that the user unticks on the consent page.
    pub unticked_scopes: Vec<String>,
    /// Of the Picker API and its page.
    pub picker: PickerFaults,

    /// How long a new item stays out of filtered searches, in milliseconds.
    pub filtered_delay_ms: u64,
    /// The time zone of date filters, in seconds east of UTC (the reference does not know it).
    pub date_filter_offset_s: i64,
    /// How long an added item stays out of its album's listing, in milliseconds.
    pub album_delay_ms: u64,
    /// How long an added item stays out of `mediaItemsCount`, in milliseconds.
    pub count_delay_ms: u64,
    /// How long a new video is being processed, in milliseconds.
    pub video_processing_ms: u64,
    /// Processing ends in `FAILED` rather than `READY`.
    pub videos_fail: bool,

    /// Items that are created next, reported as a success, and never seen again.
    pub lost_items: u32,
    /// A lost item can at least be got by its id.
    pub lost_items_resolve: bool,
    /// Items that fail in batchCreate.
    pub item_failures: Vec<ItemFailure>,
    /// Files whose requests fail.
    pub file_faults: Vec<FileFault>,
    /// Instead of the name that was asked for.
    #[serde(rename = "odd_filenames")]
    pub filename_fault: Option<FilenameFault>,
    /// Whether an item that was in the library before and that an upload of ours matched can be read
    /// (reference §11.2c knows neither).
    pub matched_items_visible: bool,
    /// Whether an album's count includes items of other applications that uploads of ours matched. The
    /// reference (§11.10) does not know.
    pub matched_items_counted: bool,
    /// Whether an item in the bin can still be got by its id. The reference (§11.18) says no.
    pub binned_items_resolve: bool,
    /// Whether batchCreate with the bytes of an item in the bin makes a new item. Otherwise it
    /// answers the known id, and the item stays in the bin. The reference does not know.
    pub binned_bytes_make_new_items: bool,

    /// Bytes of storage in the account; `Some(0)` is full.
    pub storage_bytes: Option<u64>,
    /// API requests a day.
    pub daily_requests: u64,
    /// Requests for media bytes a day.
    pub daily_media_requests: u64,
    /// Items an album may hold.
    pub album_items_max: usize,
    /// Bytes a photo may have.
    pub photo_bytes_max: u64,
    /// Bytes a video may have.
    pub video_bytes_max: u64,

    /// Answer `Range` on `=d` with 206.
    pub photo_ranges: bool,
    /// Answer `Range` on `=dv` with 206.
    pub video_ranges: bool,
    /// The length in the answer to every `HEAD` of a download; `None` is the true one.
    pub head_bytes: Option<u64>,
    /// Give out photos and videos as encoded anew, which are longer.
    pub encoded_anew: bool,
    /// By how many bytes the download of a photo from a camera is longer or shorter, because its
    /// header is written anew (the reference does not know how).
    pub header_growth: i64,
}

impl Default for Faults {
    fn default() -> Faults {
        Faults {
            seed: 1,
            every_call: CallFaults::default(),
            calls: BTreeMap::new(),
            short_pages: false,
            empty_pages: false,
            overlapping_pages: false,
            trailing_page: false,
            listing_faults: Vec::new(),
            albums_delay_ms: 0,
            items_delay_ms: 0,
            access_token_life_s: 3599,
            refresh_token_life_s: None,
            upload_token_life_s: 24 * 3600,
            base_url_life_s: 3600,
            upload_tokens_refused: false,
            line_break_in_upload_tokens: false,
            session_origin: None,
            unticked_scopes: Vec::new(),
            picker: PickerFaults::default(),
            filtered_delay_ms: 0,
            date_filter_offset_s: 0,
            album_delay_ms: 0,
            count_delay_ms: 0,
            video_processing_ms: 0,
            videos_fail: false,
            lost_items: 0,
            lost_items_resolve: false,
            item_failures: Vec::new(),
            file_faults: Vec::new(),
            filename_fault: None,
            matched_items_visible: false,
            matched_items_counted: true,
            binned_items_resolve: false,
            binned_bytes_make_new_items: false,
            storage_bytes: None,
            daily_requests: 10_000,
            daily_media_requests: 75_000,
            album_items_max: 20_000,
            photo_bytes_max: 200 * 1000 * 1000,
            video_bytes_max: 20 * 1000 * 1000 * 1000,
            photo_ranges: true,
            video_ranges: false,
            head_bytes: None,
            encoded_anew: false,
            header_growth: 0,
        }
    }
}

impl Faults {
    /// The switches of one kind of call, starting from those of every call.
    pub fn on(&mut self, call: Call) -> &mut CallFaults {
        let every = &self.every_call;
        self.calls.entry(call).or_insert_with(|| every.clone())
    }

    /// A service about as fast as Google: uploads 250 ms and 20 MB/s a connection, batchCreate
    /// 400 ms and 20 ms an item, everything else 150 ms.
    pub fn realistic() -> Faults {
        let mut faults = Faults::default();
        faults.every_call.latency_ms = 150;
        for call in [Call::UploadRaw, Call::UploadStart, Call::UploadChunk] {
            faults.on(call).latency_ms = 250;
        }
        for call in [Call::UploadRaw, Call::UploadChunk, Call::Download] {
            faults.on(call).bytes_per_s = Some(20_000_000);
        }
        faults.on(Call::MediaItemsBatchCreate).latency_ms = 400;
        faults.on(Call::MediaItemsBatchCreate).item_latency_ms = 20;
        faults
    }

    /// These switches with `patch` merged in as RFC 7396 says: objects by field, lists as a whole,
    /// null back to the default.
    ///
    /// # Errors
    /// If `patch` names a switch that does not exist or gives one a wrong type.
    pub fn patched(&self, patch: &Value) -> Result<Faults, serde_json::Error> {
        let mut merged = serde_json::to_value(self)?;
        merge(&mut merged, patch);
        serde_json::from_value(merged)
    }

    /// The next `n` calls fail without having any effect.
    pub fn fail_next(&mut self, call: Call, n: u32, failure: Failure) {
        self.on(call).failures.push(Injection { next: n, ..Injection::new(failure) });
    }

    /// The next `n` calls do their work, and the client is told otherwise.
    pub fn fail_next_after_effect(&mut self, call: Call, n: u32, failure: Failure) {
        let injection = Injection { next: n, after_effect: true, ..Injection::new(failure) };
        self.on(call).failures.push(injection);
    }
}

fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Some(object) = target.as_object_mut() else { return };
    for (name, value) in fields {
        if value.is_null() {
            object.remove(name);
        } else {
            merge(object.entry(name).or_insert(Value::Null), value);
        }
    }
}
