//! Checks that several methods make on their parameters.

use std::collections::HashSet;

use serde::Deserialize;

use super::json::{camel, parse_query};
use super::request::ApiRequest;
use crate::choices;
use crate::error::ApiError;
use crate::server::Server;
use crate::state::{ALBUM_ID_CHARS, Album, ITEM_ID_CHARS, Item, ItemSeq, Library};

/// Ids in one batchAdd, batchRemove or batchGet, at most.
const BATCH_MAX: usize = 50;

/// A message without fields, or query parameters where there are none.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct PatchQuery {
    update_mask: String,
}

/// The fields a mask names, in camelCase, refusing any but `allowed` and an empty mask.
pub(crate) fn update_mask(
    query: Vec<(String, String)>,
    allowed: &[&str],
) -> Result<HashSet<String>, ApiError> {
    let PatchQuery { update_mask } = parse_query(query, &[])?;
    let fields: HashSet<String> =
        update_mask.split(',').map(|field| camel(field.trim())).filter(|f| !f.is_empty()).collect();
    if fields.is_empty() {
        return Err(ApiError::violation("Request must contain an update mask."));
    }
    match fields.iter().find(|field| !allowed.contains(&field.as_str())) {
        Some(field) => Err(ApiError::violation(format!("Invalid update mask: {field}."))),
        None => Ok(fields),
    }
}

/// The ids of a batch, 1 to 50 of them and none twice.
pub(crate) fn checked_batch(ids: Vec<String>) -> Result<Vec<String>, ApiError> {
    if ids.is_empty() {
        return Err(ApiError::violation("Request must contain at least one media item id."));
    }
    if ids.len() > BATCH_MAX {
        return Err(ApiError::violation("Request must have less than 50 items."));
    }
    if ids.iter().collect::<HashSet<_>>().len() < ids.len() {
        return Err(ApiError::violation("Request must not contain duplicated ids"));
    }
    Ok(ids)
}

/// The items behind the ids; all must be the application's own (reference §6.5).
pub(crate) fn own_items(library: &Library, ids: &[String]) -> Result<Vec<ItemSeq>, ApiError> {
    let own = |id: &String| {
        let item =
            library.item_by_id(id).filter(|item| !item.foreign && !item.lost && !item.binned);
        item.map(|item| item.seq).ok_or_else(|| {
            // A malformed id is the client's mistake, a deleted item is not.
            ApiError::invalid(choices::INVALID_ITEM).blame(!well_formed_item(id))
        })
    };
    ids.iter().map(own).collect()
}

/// Refuses to let an album grow beyond its limit.
pub(crate) fn check_room(now: usize, more: usize, max: usize) -> Result<(), ApiError> {
    if now + more > max { Err(ApiError::invalid(choices::album_full(max))) } else { Ok(()) }
}

/// The album behind an id; a malformed one is refused.
pub(crate) fn find_album<'a>(
    library: &'a Library,
    id: &str,
) -> Result<Option<&'a Album>, ApiError> {
    let well_formed = id.len() == ALBUM_ID_CHARS && id.bytes().all(is_id_byte);
    if !well_formed {
        return Err(ApiError::violation(choices::MALFORMED_ALBUM));
    }
    Ok(library.album_by_id(id))
}

/// The album that something is to be done with.
pub(crate) fn known_album<'a>(library: &'a Library, id: &str) -> Result<&'a Album, ApiError> {
    find_album(library, id)?.ok_or_else(|| ApiError::not_found(choices::UNKNOWN_ALBUM))
}

/// Whether `id` could be a media item's.
pub(crate) fn well_formed_item(id: &str) -> bool {
    id.len() == ITEM_ID_CHARS && id.bytes().all(is_id_byte)
}

fn is_id_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// The items of an album from index `from` on that its listing shows by now.
pub(crate) fn visible_entries<'a>(
    server: &Server,
    request: &'a ApiRequest,
    library: &'a Library,
    album: &'a Album,
    from: u64,
) -> impl Iterator<Item = ((i64, u64), &'a Item)> {
    let shown_ms = server.now_ms().saturating_sub_unsigned(request.faults.album_delay_ms);
    let from = usize::try_from(from).unwrap_or(usize::MAX).min(album.entries.len());
    album.entries[from..].iter().enumerate().filter_map(move |(offset, entry)| {
        let item = library.item(entry.item)?;
        let shown = entry.added_ms <= shown_ms && item.listed(&request.faults);
        shown.then_some(((0, (from + offset) as u64), item))
    })
}
