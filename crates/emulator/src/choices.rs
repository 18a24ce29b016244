//! The reference has gaps about the real service (§12 and §14). Each gap is closed here, once, so
//! that one place has to change when somebody finds out.
//!
//! Choices that are behaviour rather than a constant:
//! - an album item that is added again stays where it is, and the call succeeds;
//! - an upload token used again yields the item it made before;
//! - an empty album title is accepted;
//! - `mediaItems.list` runs from the newest `creationTime` to the oldest, like search;
//! - appendonly alone still allows `batchAddMediaItems`;
//! - a lone failing item gives 200, a mixture of success and failure 207;
//! - enrichments are not counted in `mediaItemsCount`;
//! - a page token may be used with another `pageSize`, and page tokens last six hours;
//! - no item ever has content categories, so an included category matches nothing;
//! - GPS is removed from JPEG only; other photos are served as they came;
//! - `openid` may be granted, but no `id_token` is issued;
//! - tokeninfo names the client and the scopes, and never the user;
//! - the daily quotas are counted for both OAuth clients together;
//! - bytes that came through one client are, to the other, in the library by another application;
//! - an item in the bin takes up storage, and stays in its albums unseen until it is restored;
//! - the Picker API refuses unknown fields and malformed ids with 400, as the Library API does;
//! - a session of another account or client is unknown, also by its base URLs;
//! - the search of the picker finds album titles, file names, and days by how they begin;
//! - a day of the picker is one of UTC;
//! - batchCreate with an `albumId` does not put an item of the bin into that album.

/// Listing picked items before the user is done: 400 `FAILED_PRECONDITION` with this text.
pub(crate) const NOT_PICKED_YET: &str = "The user has not finished picking media items.";

/// A session for an account without Google Photos: 400 `FAILED_PRECONDITION` with this text.
pub(crate) const NO_PHOTOS_ACCOUNT: &str =
    "The user does not have an active Google Photos account.";

/// A session too many: 429 with this text.
pub(crate) const TOO_MANY_PICK_SESSIONS: &str = "The user has too many open picking sessions.";

/// A session id that is no UUID: 400 with this text.
pub(crate) const MALFORMED_PICK_SESSION: &str = "Invalid session ID.";

/// The domain of the Picker API's own reasons.
pub(crate) const PICKER_DOMAIN: &str = "photos.googleapis.com";

/// The box of pixels of a picked item's base URL without options.
pub(crate) const BARE_PIXELS: u32 = 512;

/// HTTP status for a base URL of a session that is deleted or has expired.
pub(crate) const ENDED_SESSION_STATUS: u16 = 404;

/// Over-large `pageSize`: 400 with this text, the number being the limit.
pub(crate) fn page_size_too_large(limit: usize) -> String {
    format!("Page size must be less or equal to {limit}.")
}

/// A page token that is forged, stale or sent with other parameters: 400.
pub(crate) const PAGE_TOKEN: &str = "Invalid page token.";

/// Hours after which a page token is refused.
pub(crate) const PAGE_TOKEN_HOURS: i64 = 6;

/// An unknown item or album on get: 404.
pub(crate) const NOT_FOUND: &str = "Requested entity was not found.";

/// An unknown album named in batchCreate, batchAdd, batchRemove or search: 404.
pub(crate) const UNKNOWN_ALBUM: &str = "The provided ID does not match any albums.";

/// Removing an item that is not in the album, and adding one that is not the application's: 400.
pub(crate) const INVALID_ITEM: &str = "Request contains an invalid media item id.";

/// A malformed media item id.
pub(crate) const MALFORMED_ITEM: &str = "Invalid media item ID.";

/// A malformed album id.
pub(crate) const MALFORMED_ALBUM: &str = "Invalid album ID.";

/// An album that would grow beyond its limit: 400.
pub(crate) fn album_full(limit: usize) -> String {
    format!("The album cannot contain more than {limit} media items.")
}

/// The error for a refresh token that another client was given: 401.
pub(crate) const ANOTHER_CLIENTS_TOKEN: &str = "unauthorized_client";

/// The userinfo of a token that holds no scope for it: 403 with this text.
pub(crate) const USER_INFO_REFUSED: &str = "Request had insufficient authentication scopes.";

/// The text of a status without the envelope, unless a switch names another.
pub(crate) const BARE_STATUS: &str = "Quota exceeded for quota metric 'Write requests'.";

/// Granularity of resumable uploads in bytes; the customary value.
pub(crate) const CHUNK_GRANULARITY: u64 = 256 * 1024;

/// Days after which an upload session is gone (a sister service's value).
pub(crate) const SESSION_DAYS: i64 = 7;

/// HTTP status for `=dv` of a video that is still being processed.
pub(crate) const UNREADY_VIDEO_STATUS: u16 = 404;

/// Whether batchCreate's answer carries a `baseUrl`. Google's sample does not.
pub(crate) const BASE_URL_IN_BATCH_CREATE: bool = false;

/// Shortest padding of an upload token in bytes, giving some 1,400 characters.
pub(crate) const UPLOAD_TOKEN_BYTES: usize = 1024;

/// Shortest padding of a page token in bytes.
pub(crate) const PAGE_TOKEN_BYTES: usize = 240;
