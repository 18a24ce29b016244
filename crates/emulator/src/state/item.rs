//! One photo or video (reference §5.2).

use serde::{Deserialize, Serialize};

use crate::faults::Faults;

/// Length of a media item id (reference §2.3).
pub(crate) const ITEM_ID_CHARS: usize = 98;

/// Number of an item within its library, in order of creation.
pub(crate) type ItemSeq = u64;
/// One photo or video.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Item {
    pub(crate) seq: ItemSeq,
    pub(crate) id: String,
    pub(crate) content: Content,
    pub(crate) size: u64,
    /// Empty if it has none, as happens in old libraries.
    pub(crate) filename: String,
    pub(crate) description: String,
    pub(crate) facts: Facts,
    /// When the bytes became an item, in milliseconds of the Unix epoch.
    pub(crate) created_ms: i64,
    /// Came by another application; ours has no rights to it (reference §11.2b).
    pub(crate) foreign: bool,
    /// A foreign item whose bytes our application uploaded too.
    pub(crate) matched: bool,
    /// A fault: the item was reported as created and is not to be seen.
    pub(crate) lost: bool,
    /// In the user's bin.
    #[serde(default)]
    pub(crate) binned: bool,
    /// A fault: the metadata of a photo says `video`, that of a video `photo`.
    #[serde(default)]
    pub(crate) mismatched: bool,
    pub(crate) archived: bool,
    pub(crate) favorite: bool,
}

/// Where an item's bytes come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Content {
    /// Received bytes, kept under their SHA-256 in lower-case hexadecimal.
    Stored(String),
    /// Made up from a seed on each download, so that large libraries cost no disk.
    Synthetic(u64),
}

/// The facts in an item's bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Facts {
    pub(crate) mime: String,
    pub(crate) video: bool,
    /// Zero if unknown.
    pub(crate) width: u64,
    pub(crate) height: u64,
    /// When it was taken, in seconds of the Unix epoch.
    pub(crate) captured_s: Option<i64>,
    pub(crate) camera_make: String,
    pub(crate) camera_model: String,
    pub(crate) focal_length: f64,
    pub(crate) aperture: f64,
    pub(crate) iso: u32,
    pub(crate) exposure_s: f64,
}

impl Item {
    /// `creationTime` in seconds: when it was taken, else when it was uploaded (reference §11.9).
    pub(crate) fn creation_time_s(&self) -> i64 {
        self.facts.captured_s.unwrap_or(self.created_ms.div_euclid(1000))
    }

    /// Key of the library's order by time.
    pub(crate) fn order(&self) -> (i64, ItemSeq) {
        (self.creation_time_s(), self.seq)
    }

    /// Whether get finds it.
    pub(crate) fn resolves(&self, faults: &Faults) -> bool {
        let ours = !self.foreign || (self.matched && faults.matched_items_visible);
        ours && (!self.lost || faults.lost_items_resolve)
            && (!self.binned || faults.binned_items_resolve)
    }

    /// Processing state of a video (reference §5.2).
    pub(crate) fn video_status(&self, faults: &Faults, now_ms: i64) -> &'static str {
        let ready_ms = self.created_ms.saturating_add_unsigned(faults.video_processing_ms);
        if now_ms < ready_ms {
            "PROCESSING"
        } else if faults.videos_fail {
            "FAILED"
        } else {
            "READY"
        }
    }

    /// Whether listings show it.
    pub(crate) fn listed(&self, faults: &Faults) -> bool {
        !self.lost && !self.binned && self.resolves(faults)
    }
}
