//! Which method of the API a URL means (reference §6, §7).

use axum::http::Method;
use percent_encoding::percent_decode_str;

use crate::call::Call;

/// Which method a path means, and the id in it.
pub(crate) fn route(method: &Method, path: &str) -> Option<(Call, String)> {
    let path = percent_decode_str(path).decode_utf8().ok()?;
    if let Some(path) = path.strip_prefix("/picker/v1/") {
        return route_of_picker(method, path);
    }
    let path = path.strip_prefix("/v1/")?;
    let (collection, rest) = path.split_once('/').unwrap_or((path, ""));
    let (id, verb) = rest.split_once(':').unwrap_or((rest, ""));
    let call = match (method.as_str(), collection, id.is_empty(), verb) {
        ("GET", "albums", true, "") => Call::AlbumsList,
        ("POST", "albums", true, "") => Call::AlbumsCreate,
        ("GET", "albums", false, "") => Call::AlbumsGet,
        ("PATCH", "albums", false, "") => Call::AlbumsPatch,
        ("POST", "albums", false, "batchAddMediaItems") => Call::AlbumsBatchAdd,
        ("POST", "albums", false, "batchRemoveMediaItems") => Call::AlbumsBatchRemove,
        ("POST", "albums", false, "addEnrichment") => Call::AlbumsAddEnrichment,
        ("POST", "albums", false, "share" | "unshare") => Call::Sharing,
        ("GET", "sharedAlbums", _, "") => Call::Sharing,
        ("POST", "sharedAlbums:join" | "sharedAlbums:leave", true, "") => Call::Sharing,
        ("GET", "mediaItems", true, "") => Call::MediaItemsList,
        ("POST", "mediaItems:search", true, "") => Call::MediaItemsSearch,
        ("GET", "mediaItems:batchGet", true, "") => Call::MediaItemsBatchGet,
        ("POST", "mediaItems:batchCreate", true, "") => Call::MediaItemsBatchCreate,
        ("GET", "mediaItems", false, "") => Call::MediaItemsGet,
        ("PATCH", "mediaItems", false, "") => Call::MediaItemsPatch,
        _ => return None,
    };
    Some((call, id.to_owned()))
}

/// The same for a path of the Picker API, which has four methods and no more.
fn route_of_picker(method: &Method, path: &str) -> Option<(Call, String)> {
    let (collection, id) = path.split_once('/').unwrap_or((path, ""));
    if id.contains('/') {
        return None;
    }
    let call = match (method.as_str(), collection, id.is_empty()) {
        ("POST", "sessions", true) => Call::PickerSessionsCreate,
        ("GET", "sessions", false) => Call::PickerSessionsGet,
        ("DELETE", "sessions", false) => Call::PickerSessionsDelete,
        ("GET", "mediaItems", true) => Call::PickerItemsList,
        _ => return None,
    };
    Some((call, id.to_owned()))
}
