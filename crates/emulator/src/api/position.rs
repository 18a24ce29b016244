//! Where in an album something goes (reference §5.3).

use serde::Deserialize;

use crate::choices;
use crate::error::ApiError;
use crate::state::{Album, ItemSeq, Library};

/// Where in an album something goes (reference §5.3).
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct AlbumPosition {
    position: String,
    relative_media_item_id: String,
    relative_enrichment_item_id: String,
}

impl AlbumPosition {
    /// The index in `album` this position means.
    pub(crate) fn index(&self, library: &Library, album: &Album) -> Result<usize, ApiError> {
        let after = |item: Option<ItemSeq>| {
            let place = album.entries.iter().position(|entry| Some(entry.item) == item);
            place.map(|place| place + 1)
        };
        match self.position.as_str() {
            "" | "POSITION_TYPE_UNSPECIFIED" | "LAST_IN_ALBUM" => Ok(album.entries.len()),
            "FIRST_IN_ALBUM" => Ok(0),
            "AFTER_MEDIA_ITEM" => {
                let item =
                    library.item_by_id(&self.relative_media_item_id).filter(|item| !item.binned);
                after(item.map(|item| item.seq))
                    .ok_or_else(|| ApiError::invalid(choices::INVALID_ITEM))
            }
            "AFTER_ENRICHMENT_ITEM" => {
                let mut enrichments = album.enrichments.iter();
                let anchor = enrichments
                    .find(|(id, _)| *id == self.relative_enrichment_item_id)
                    .ok_or_else(|| ApiError::invalid("Invalid enrichment item ID."))?;
                Ok(after(anchor.1).unwrap_or(0))
            }
            other => Err(ApiError::violation(format!(
                "Invalid value at 'album_position.position', \"{other}\""
            ))),
        }
    }
}
