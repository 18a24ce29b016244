//! mediaItems.batchCreate (reference §7.6): from upload tokens to items.

use std::collections::HashSet;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::candidate::{Body, Candidate, candidate};
use super::checks::{Nothing, check_room, known_album};
use super::items::DESCRIPTION_CHARS_MAX;
use super::json::{parse, parse_query};
use super::position::AlbumPosition;
use super::request::{ApiAnswer, ApiRequest};
use super::wire;
use crate::account::Account;
use crate::choices;
use crate::error::ApiError;
use crate::faults::Faults;
use crate::server::Server;
use crate::state::{Change, Content, Entry, Item, ItemSeq, Library, World};

/// Items in one call, at most.
const ITEMS_MAX: usize = 50;
/// Characters in a file name, at most.
const FILENAME_CHARS_MAX: usize = 255;
/// The text after every reason for which an item is not created.
const CREATION_ERROR: &str = "There was an error while trying to create this media item.";

/// The outcome of an entry of the call.
enum Outcome {
    Created(ItemSeq),
    /// gRPC code and message.
    Failed(i32, String),
}

/// An item that is not created, in Google's words.
fn failed(code: i32, reason: &str) -> Outcome {
    Outcome::Failed(code, format!("{reason}: {CREATION_ERROR}"))
}

pub(crate) fn batch_create(server: &Server, request: ApiRequest) -> Result<ApiAnswer, ApiError> {
    let Nothing {} = parse_query(request.query, &[])?;
    let body: Body = parse(request.body)?;
    check_limits(&body)?;
    let (account, faults) = (request.account, request.faults);
    let Body { album_id, album_position, new_media_items } = body;
    let candidates = new_media_items
        .into_iter()
        .map(|wanted| candidate(server, &faults, wanted))
        .collect::<Result<Vec<_>, _>>()?;

    let mut world = server.world.lock();
    let library = world.library(&account);
    let place = place(library, &faults, &album_id, album_position.as_ref(), candidates.len())?;
    check_storage(library, &faults, &candidates)?;
    let mut batch = Batch { server, faults: &faults, account: &account, world: &mut world };
    let now_ms = server.now_ms();
    let outcomes = batch.create(&candidates, now_ms)?;
    if let Some((album, at)) = place {
        batch.add_to_album(album, at, &outcomes, now_ms)?;
    }
    Ok(batch.answer(&candidates, &outcomes))
}

/// The album that the new items go to, and the index in it.
fn place(
    library: &Library,
    faults: &Faults,
    album_id: &str,
    position: Option<&AlbumPosition>,
    items: usize,
) -> Result<Option<(u64, usize)>, ApiError> {
    if album_id.is_empty() {
        return Ok(None);
    }
    let album = known_album(library, album_id)?;
    let at = match position {
        Some(position) => position.index(library, album)?,
        None => album.entries.len(),
    };
    check_room(album.entries.len(), items, faults.album_items_max)?;
    Ok(Some((album.seq, at)))
}

/// Refuses the whole call if the account has no room for it (reference §10.4).
fn check_storage(
    library: &Library,
    faults: &Faults,
    candidates: &[Candidate],
) -> Result<(), ApiError> {
    let Some(storage) = faults.storage_bytes else { return Ok(()) };
    let is_new = |c: &&Candidate| library.item_by_sha256(&c.upload.sha256).is_none();
    let new: u64 = candidates.iter().filter(is_new).map(|c| c.upload.size).sum();
    if library.bytes() + new > storage {
        return Err(ApiError::invalid(
            "The remaining storage in the user's account is not enough to perform this operation.",
        ));
    }
    Ok(())
}

/// One batchCreate with the world locked.
struct Batch<'a> {
    server: &'a Server,
    faults: &'a Faults,
    account: &'a Account,
    world: &'a mut World,
}

impl Batch<'_> {
    /// Makes the items, in the order of the call.
    fn create(&mut self, candidates: &[Candidate], now_ms: i64) -> Result<Vec<Outcome>, ApiError> {
        let mut seen = HashSet::new();
        let create = |candidate: &Candidate| {
            if !seen.insert(candidate.upload.sha256.clone()) {
                let text = "mediaItems.batchCreate: identical bytes twice in one call";
                self.server.meter.violation(text);
                return Ok(failed(6, "Failed"));
            }
            self.create_one(candidate, now_ms)
        };
        candidates.iter().map(create).collect()
    }

    fn create_one(&mut self, candidate: &Candidate, now_ms: i64) -> Result<Outcome, ApiError> {
        if let Some(failure) = self.server.switches.item_failure(&candidate.file()) {
            return Ok(match failure.message {
                Some(message) => Outcome::Failed(failure.code, message),
                None => failed(failure.code, "Failed"),
            });
        }
        if let Err((code, reason)) = candidate.facts {
            return Ok(failed(code, reason));
        }
        let sha256 = &candidate.upload.sha256;
        let counts = |item: &&Item| !(item.binned && self.faults.binned_bytes_make_new_items);
        let known = self.world.library(self.account).item_by_sha256(sha256).filter(counts).cloned();
        let elsewhere = self.world.item_of_another_client(self.account, sha256);
        let elsewhere = elsewhere.filter(counts).cloned();
        let (seq, id) = self.world.library(self.account).new_item_id();
        // The first name and description stay (reference §11.2).
        let item = match (known, elsewhere) {
            (Some(item), _) if item.foreign && !item.matched => Item { matched: true, ..item },
            (Some(item), _) => return Ok(Outcome::Created(item.seq)),
            (None, Some(item)) => Item { seq, id, foreign: true, matched: true, ..item },
            (None, None) => new_item(self.server, self.faults, (seq, id), candidate, now_ms),
        };
        let (seq, account) = (item.seq, self.account.clone());
        self.server.record(self.world, Change::Item { account, item: Box::new(item) })?;
        Ok(Outcome::Created(seq))
    }

    /// Puts the items that are not there yet into the album.
    fn add_to_album(
        &mut self,
        album: u64,
        at: usize,
        outcomes: &[Outcome],
        added_ms: i64,
    ) -> Result<(), ApiError> {
        let library = self.world.library(self.account);
        let enters = |item: ItemSeq| {
            let present = library.album(album).is_some_and(|album| album.contains(item));
            !present && library.item(item).is_some_and(|item| !item.binned)
        };
        let entries: Vec<Entry> = outcomes
            .iter()
            .filter_map(|outcome| match outcome {
                Outcome::Created(item) if enters(*item) => Some(Entry { item: *item, added_ms }),
                _ => None,
            })
            .collect();
        if entries.is_empty() {
            return Ok(());
        }
        let account = self.account.clone();
        self.server.record(self.world, Change::Entries { account, album, at, entries })
    }

    fn answer(&mut self, candidates: &[Candidate], outcomes: &[Outcome]) -> ApiAnswer {
        let (server, faults, account) = (self.server, self.faults, self.account);
        let library = self.world.library(account);
        let result = |(candidate, outcome): (&Candidate, &Outcome)| {
            let token = &candidate.wanted.simple_media_item.upload_token;
            match outcome {
                Outcome::Failed(code, message) => json!({
                    "uploadToken": token,
                    "status": { "code": code, "message": message },
                }),
                Outcome::Created(seq) => json!({
                    "uploadToken": token,
                    "status": { "message": "Success" },
                    "mediaItem": library.item(*seq).map(|item| created(server, faults, account, item)),
                }),
            }
        };
        let results: Vec<Value> = candidates.iter().zip(outcomes).map(result).collect();
        let failed = outcomes.iter().filter(|o| matches!(o, Outcome::Failed(..))).count();
        let mixed = failed > 0 && failed < outcomes.len();
        ApiAnswer {
            http: if mixed { StatusCode::MULTI_STATUS } else { StatusCode::OK },
            value: json!({ "newMediaItemResults": results }),
            schema: &wire::NEW_ITEM_RESULTS,
        }
    }
}

fn created(server: &Server, faults: &Faults, account: &Account, item: &Item) -> Value {
    if choices::BASE_URL_IN_BATCH_CREATE {
        wire::media_item(server, faults, account, item)
    } else {
        wire::media_item_without_url(server, faults, item)
    }
}

fn check_limits(body: &Body) -> Result<(), ApiError> {
    let items = &body.new_media_items;
    let too_long = |limit: usize, text: &str| text.chars().count() > limit;
    if items.is_empty() {
        return Err(ApiError::violation("Request must contain at least one new media item."));
    }
    if items.len() > ITEMS_MAX {
        return Err(ApiError::violation("Request must have less than 50 items."));
    }
    if body.album_id.is_empty() && body.album_position.is_some() {
        return Err(ApiError::violation("An album position needs an album ID."));
    }
    if items.iter().any(|item| too_long(DESCRIPTION_CHARS_MAX, &item.description)) {
        return Err(ApiError::violation("Description must have less than 1000 characters."));
    }
    if items.iter().any(|i| too_long(FILENAME_CHARS_MAX, &i.simple_media_item.file_name)) {
        return Err(ApiError::violation("File name must have at most 255 characters."));
    }
    Ok(())
}

fn new_item(
    server: &Server,
    faults: &Faults,
    (seq, id): (ItemSeq, String),
    candidate: &Candidate,
    now_ms: i64,
) -> Item {
    let facts = candidate.facts.clone().unwrap_or_default();
    let wanted = &candidate.wanted;
    let name = match candidate.file().name {
        "" => dated_name(now_ms, &facts.mime),
        name => name.to_owned(),
    };
    Item {
        seq,
        id,
        content: Content::Stored(candidate.upload.sha256.clone()),
        size: candidate.upload.size,
        filename: faults.filename_fault.map_or(name.clone(), |fault| fault.apply(&name)),
        description: wanted.description.clone(),
        facts,
        created_ms: now_ms,
        foreign: false,
        matched: false,
        lost: server.switches.next_item_lost(),
        binned: false,
        mismatched: false,
        archived: false,
        favorite: false,
    }
}

/// The name of an item for which none was given: the day of the upload (reference §8.1).
fn dated_name(now_ms: i64, mime: &str) -> String {
    let day = jiff::Timestamp::from_millisecond(now_ms)
        .unwrap_or_default()
        .to_zoned_datetime(jiff::tz::TimeZone::UTC)
        .date();
    let extension = match mime {
        "image/jpeg" => "jpg",
        "video/quicktime" => "mov",
        other => other.rsplit(['/', '-']).next().unwrap_or("bin"),
    };
    format!("{day}.{extension}")
}
