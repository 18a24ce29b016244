//! Kinds of requests. Statistics, fault switches, barriers and scope checks are keyed by [`Call`].

use serde::{Deserialize, Serialize};

/// The URL prefix of every scope the service knows.
pub const SCOPE_PREFIX: &str = "https://www.googleapis.com/auth/photoslibrary.";

/// The three scopes of an application since April 2025, without [`SCOPE_PREFIX`] (reference §4).
pub const SCOPES: [&str; 3] = ["appendonly", "readonly.appcreateddata", "edit.appcreateddata"];

/// The scope of the Picker API, in full.
pub const PICKER_SCOPE: &str = "https://www.googleapis.com/auth/photospicker.mediaitems.readonly";

/// The full name of a scope that is named as in [`SCOPES`], or in full already.
pub(crate) fn full_scope(scope: &str) -> String {
    if scope.contains("://") { scope.to_owned() } else { format!("{SCOPE_PREFIX}{scope}") }
}

/// One of the two services. Each has to be enabled in a project by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Library,
    Picker,
}

impl Service {
    /// Its host at Google.
    pub(crate) fn host(self) -> &'static str {
        match self {
            Service::Library => "photoslibrary.googleapis.com",
            Service::Picker => "photospicker.googleapis.com",
        }
    }

    /// Its name in the console.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Service::Library => "Photos Library API",
            Service::Picker => "Google Photos Picker API",
        }
    }

    /// The full name of one of its remote procedures.
    pub(crate) fn method(self, rpc: &str) -> String {
        match self {
            Service::Library => format!("google.photos.library.v1.PhotosLibrary.{rpc}"),
            Service::Picker => format!("google.photos.picker.v1.PhotosPicker.{rpc}"),
        }
    }
}

const APPEND: &str = SCOPES[0];
const READ: &str = SCOPES[1];
const EDIT: &str = SCOPES[2];

/// One kind of request, named as Google names the method where it is one of Google's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the serialised names say which method each one is")]
pub enum Call {
    #[serde(rename = "albums.list")]
    AlbumsList,
    #[serde(rename = "albums.get")]
    AlbumsGet,
    #[serde(rename = "albums.create")]
    AlbumsCreate,
    #[serde(rename = "albums.patch")]
    AlbumsPatch,
    #[serde(rename = "albums.batchAddMediaItems")]
    AlbumsBatchAdd,
    #[serde(rename = "albums.batchRemoveMediaItems")]
    AlbumsBatchRemove,
    #[serde(rename = "albums.addEnrichment")]
    AlbumsAddEnrichment,
    #[serde(rename = "mediaItems.list")]
    MediaItemsList,
    #[serde(rename = "mediaItems.search")]
    MediaItemsSearch,
    #[serde(rename = "mediaItems.get")]
    MediaItemsGet,
    #[serde(rename = "mediaItems.batchGet")]
    MediaItemsBatchGet,
    #[serde(rename = "mediaItems.batchCreate")]
    MediaItemsBatchCreate,
    #[serde(rename = "mediaItems.patch")]
    MediaItemsPatch,
    #[serde(rename = "sharedAlbums")]
    Sharing,
    #[serde(rename = "uploads.raw")]
    UploadRaw,
    #[serde(rename = "uploads.start")]
    UploadStart,
    #[serde(rename = "uploads.chunk")]
    UploadChunk,
    #[serde(rename = "uploads.query")]
    UploadQuery,
    #[serde(rename = "uploads.cancel")]
    UploadCancel,
    #[serde(rename = "media.download")]
    Download,
    #[serde(rename = "picker.sessions.create")]
    PickerSessionsCreate,
    #[serde(rename = "picker.sessions.get")]
    PickerSessionsGet,
    #[serde(rename = "picker.sessions.delete")]
    PickerSessionsDelete,
    #[serde(rename = "picker.mediaItems.list")]
    PickerItemsList,
    #[serde(rename = "picker.media.download")]
    PickerDownload,
    #[serde(rename = "picker.media.video")]
    PickerVideo,
    #[serde(rename = "oauth.auth")]
    OauthAuth,
    #[serde(rename = "oauth.token")]
    OauthToken,
    #[serde(rename = "oauth.revoke")]
    OauthRevoke,
    #[serde(rename = "oauth.tokeninfo")]
    OauthTokenInfo,
    #[serde(rename = "oauth.userinfo")]
    OauthUserInfo,
}

impl Call {
    /// Whether Google counts it as a write request: of these a user may have one at a time
    /// (reference §10.2). Byte uploads are not among them.
    pub fn is_write(self) -> bool {
        matches!(
            self,
            Call::AlbumsCreate
                | Call::AlbumsPatch
                | Call::AlbumsBatchAdd
                | Call::AlbumsBatchRemove
                | Call::AlbumsAddEnrichment
                | Call::MediaItemsBatchCreate
                | Call::MediaItemsPatch
        )
    }

    /// Whether it goes to the upload endpoint.
    pub(crate) fn is_upload(self) -> bool {
        matches!(
            self,
            Call::UploadRaw
                | Call::UploadStart
                | Call::UploadChunk
                | Call::UploadQuery
                | Call::UploadCancel
        )
    }

    /// The service that it belongs to, for error details.
    pub(crate) fn service(self) -> Service {
        match self {
            Call::PickerSessionsCreate
            | Call::PickerSessionsGet
            | Call::PickerSessionsDelete
            | Call::PickerItemsList
            | Call::PickerDownload
            | Call::PickerVideo => Service::Picker,
            _ => Service::Library,
        }
    }

    /// Its name in statistics.
    pub(crate) fn name(self) -> String {
        let name = serde_json::to_value(self).ok();
        name.and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// The token must hold one of these scopes (reference §4), named as in [`full_scope`].
    pub(crate) fn scopes(self) -> &'static [&'static str] {
        match self {
            Call::AlbumsList
            | Call::AlbumsGet
            | Call::MediaItemsList
            | Call::MediaItemsSearch
            | Call::MediaItemsGet
            | Call::MediaItemsBatchGet => &[READ],
            Call::AlbumsCreate
            | Call::MediaItemsBatchCreate
            | Call::UploadRaw
            | Call::UploadStart
            | Call::UploadChunk
            | Call::UploadQuery
            | Call::UploadCancel => &[APPEND],
            Call::AlbumsAddEnrichment | Call::AlbumsBatchAdd => &[APPEND, EDIT],
            Call::AlbumsPatch | Call::AlbumsBatchRemove | Call::MediaItemsPatch => &[EDIT],
            Call::PickerSessionsCreate
            | Call::PickerSessionsGet
            | Call::PickerSessionsDelete
            | Call::PickerItemsList
            | Call::PickerDownload => &[PICKER_SCOPE],
            Call::Sharing
            | Call::Download
            | Call::PickerVideo
            | Call::OauthAuth
            | Call::OauthToken
            | Call::OauthRevoke
            | Call::OauthTokenInfo
            | Call::OauthUserInfo => &[],
        }
    }

    /// Name of the remote procedure in error details (reference §2.4).
    pub(crate) fn rpc(self) -> &'static str {
        match self {
            Call::AlbumsList => "ListAlbums",
            Call::AlbumsGet => "GetAlbum",
            Call::AlbumsCreate => "CreateAlbum",
            Call::AlbumsPatch => "UpdateAlbum",
            Call::AlbumsBatchAdd => "BatchAddMediaItemsToAlbum",
            Call::AlbumsBatchRemove => "BatchRemoveMediaItemsFromAlbum",
            Call::AlbumsAddEnrichment => "AddEnrichmentToAlbum",
            Call::MediaItemsList => "ListMediaItems",
            Call::MediaItemsSearch => "SearchMediaItems",
            Call::MediaItemsGet => "GetMediaItem",
            Call::MediaItemsBatchGet => "BatchGetMediaItems",
            Call::MediaItemsBatchCreate => "BatchCreateMediaItems",
            Call::MediaItemsPatch => "UpdateMediaItem",
            Call::Sharing => "ShareAlbum",
            Call::PickerSessionsCreate => "CreateSession",
            Call::PickerSessionsGet => "GetSession",
            Call::PickerSessionsDelete => "DeleteSession",
            Call::PickerItemsList => "ListMediaItems",
            _ => "UploadMedia",
        }
    }
}
