//! The entries of a batchCreate, and the bytes behind their tokens (reference §7.6).

use serde::Deserialize;
use serde_json::Value;

use super::json::parse;
use super::position::AlbumPosition;
use crate::call::Call;
use crate::error::ApiError;
use crate::faults::{Failure, Faults, Stage, UploadedFile};
use crate::media::sniff::{self, Refusal};
use crate::server::Server;
use crate::state::Facts;
use crate::uploads::UploadToken;

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Body {
    pub(super) album_id: String,
    pub(super) album_position: Option<AlbumPosition>,
    pub(super) new_media_items: Vec<NewItem>,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct NewItem {
    pub(super) description: String,
    pub(super) simple_media_item: SimpleItem,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct SimpleItem {
    pub(super) upload_token: String,
    pub(super) file_name: String,
}

impl NewItem {
    /// The properties of the file behind the token.
    fn file<'a>(&'a self, upload: &'a UploadToken) -> UploadedFile<'a> {
        let names = [&self.simple_media_item.file_name, &upload.name];
        let name = names.into_iter().find(|name| !name.is_empty());
        UploadedFile { name: name.map_or("", |it| it), sha256: &upload.sha256, size: upload.size }
    }
}

/// An entry of the call, checked without the library.
pub(super) struct Candidate {
    pub(super) upload: UploadToken,
    pub(super) wanted: NewItem,
    /// Facts of the bytes, or why they are refused: gRPC code and reason.
    pub(super) facts: Result<Facts, (i32, &'static str)>,
}

impl Candidate {
    /// The properties of the file.
    pub(super) fn file(&self) -> UploadedFile<'_> {
        self.wanted.file(&self.upload)
    }
}

/// Checks one entry's token and looks at the bytes behind it.
pub(super) fn candidate(
    server: &Server,
    faults: &Faults,
    wanted: NewItem,
) -> Result<Candidate, ApiError> {
    let token = &wanted.simple_media_item.upload_token;
    let refused = || ApiError::invalid("Request must contain a valid upload token.");
    let upload = UploadToken::open(server, token).ok_or_else(|| refused().blame(true))?;
    let path = server.dir.blob(&upload.sha256);
    if faults.upload_tokens_refused
        || server.now_ms() > upload.expires_ms
        || upload.size == 0
        || !path.exists()
    {
        return Err(refused());
    }
    let examined = sniff::examine(&path).map_err(|error| {
        tracing::error!(%error, "cannot read received bytes");
        ApiError::internal()
    })?;
    let facts = match examined {
        Err(Refusal::NotImage) => Err((3, "NOT_IMAGE")),
        Err(Refusal::BadImage) => Err((3, "BAD_IMAGE")),
        Ok(facts) if !facts.video && upload.size > faults.photo_bytes_max => Err((3, "Failed")),
        Ok(facts) => Ok(facts),
    };
    Ok(Candidate { upload, wanted, facts })
}

/// The failure that strikes a batchCreate because of a file in it.
pub(super) fn failure(server: &Server, call: Call, body: &Value) -> Option<Failure> {
    if call != Call::MediaItemsBatchCreate || server.switches.get().file_faults.is_empty() {
        return None;
    }
    let body: Body = parse(body.clone()).ok()?;
    body.new_media_items.iter().find_map(|wanted| {
        let upload = UploadToken::open(server, &wanted.simple_media_item.upload_token)?;
        server.switches.file_failure(Stage::Create, &wanted.file(&upload))
    })
}
