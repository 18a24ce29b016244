//! The album methods (reference §6).

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::choices;
use crate::error::ApiError;
use crate::gate::{ApiAnswer, ApiRequest};
use crate::json::{camel, lenient_bool, lenient_float, lenient_int, parse, parse_query};
use crate::paging::{PageRequest, PageSize};
use crate::server::Server;
use crate::state::{ALBUM_ID_CHARS, Album, Change, Entry, ITEM_ID_CHARS, Item, ItemSeq, Library};
use crate::wire;

/// Characters in a title, at most.
const TITLE_CHARS_MAX: usize = 500;
/// Ids in one batchAdd, batchRemove or batchGet, at most.
const BATCH_MAX: usize = 50;

/// A message without fields, or query parameters where there are none.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[derive(Default)]
struct ListQuery {
    #[serde(deserialize_with = "lenient_int")]
    page_size: i64,
    page_token: String,
    /// Ignored with the scope that is left (reference §6.1).
    #[serde(deserialize_with = "lenient_bool", rename = "excludeNonAppCreatedData")]
    _own_only: bool,
}

pub(crate) fn list(server: &Server, request: ApiRequest) -> Result<ApiAnswer, ApiError> {
    let query: ListQuery = parse_query(request.query, &[])?;
    let page = PageRequest::new(
        server,
        request.call,
        &request.user,
        query.page_size,
        PageSize { default: 20, max: 50 },
        &query.page_token,
        (0, 0),
    )?;
    let mut world = server.world.lock();
    let library = world.library(&request.user);
    let albums = library.albums(page.cursor().1).map(|album| ((0, album.seq), album));
    let (albums, next) = page.take(server, &request.faults, albums, (0, u64::MAX));
    let albums: Vec<Value> = albums
        .into_iter()
        .map(|album| wire::album(server, &request.faults, &request.user, library, album))
        .collect();
    let answer = json!({ "albums": albums, "nextPageToken": next });
    Ok(ApiAnswer::ok(wire::omit_defaults(answer), &wire::ALBUM_PAGE))
}

pub(crate) fn get(server: &Server, request: ApiRequest) -> Result<ApiAnswer, ApiError> {
    let Nothing {} = parse_query(request.query, &[])?;
    let mut world = server.world.lock();
    let library = world.library(&request.user);
    let album =
        find(library, &request.id)?.ok_or_else(|| ApiError::not_found(choices::NOT_FOUND))?;
    let answer = wire::album(server, &request.faults, &request.user, library, album);
    Ok(ApiAnswer::ok(answer, &wire::ALBUM))
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct AlbumMessage {
    title: Option<String>,
    cover_photo_media_item_id: String,
    // Output only; a client may send back what it got.
    #[serde(rename = "id")]
    _id: Value,
    #[serde(rename = "productUrl")]
    _product_url: Value,
    #[serde(rename = "isWriteable")]
    _is_writeable: Value,
    #[serde(rename = "mediaItemsCount")]
    _media_items_count: Value,
    #[serde(rename = "coverPhotoBaseUrl")]
    _cover_photo_base_url: Value,
    #[serde(rename = "shareInfo")]
    _share_info: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateBody {
    album: AlbumMessage,
}

pub(crate) fn create(server: &Server, request: ApiRequest) -> Result<ApiAnswer, ApiError> {
    let Nothing {} = parse_query(request.query, &[])?;
    let CreateBody { album } = parse(request.body)?;
    let title = checked_title(album.title.unwrap_or_default())?;
    let user = request.user;
    let mut world = server.world.lock();
    let album = new_album(world.library(&user), title);
    let seq = album.seq;
    server.record(&mut world, Change::Album { user: user.clone(), album: Box::new(album) })?;
    let library = world.library(&user);
    let album = library.album(seq).ok_or_else(ApiError::internal)?;
    let answer = wire::album(server, &request.faults, &user, library, album);
    Ok(ApiAnswer::ok(answer, &wire::ALBUM))
}

/// An empty album with the next free id.
pub(crate) fn new_album(library: &Library, title: String) -> Album {
    let (seq, id) = library.new_album_id();
    Album::new(seq, id, title)
}

fn checked_title(title: String) -> Result<String, ApiError> {
    if title.chars().count() > TITLE_CHARS_MAX {
        return Err(ApiError::violation("Album title must have at most 500 characters."));
    }
    Ok(title)
}

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

pub(crate) fn patch(server: &Server, request: ApiRequest) -> Result<ApiAnswer, ApiError> {
    let mask = update_mask(request.query, &["title", "coverPhotoMediaItemId"])?;
    let message: AlbumMessage = parse(request.body)?;
    let user = request.user;
    let mut world = server.world.lock();
    let library = world.library(&user);
    let mut album =
        find(library, &request.id)?.ok_or_else(|| ApiError::not_found(choices::NOT_FOUND))?.clone();
    if mask.contains("title") {
        album.title = checked_title(message.title.unwrap_or_default())?;
    }
    if mask.contains("coverPhotoMediaItemId") {
        let cover = library.item_by_id(&message.cover_photo_media_item_id);
        album.cover = Some(
            cover
                .filter(|item| album.contains(item.seq))
                .ok_or_else(|| ApiError::invalid(choices::INVALID_ITEM))?
                .seq,
        );
    }
    let seq = album.seq;
    server.record(&mut world, Change::Album { user: user.clone(), album: Box::new(album) })?;
    let library = world.library(&user);
    let album = library.album(seq).ok_or_else(ApiError::internal)?;
    let answer = wire::album(server, &request.faults, &user, library, album);
    Ok(ApiAnswer::ok(answer, &wire::ALBUM))
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct ItemIds {
    media_item_ids: Vec<String>,
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
fn own_items(library: &Library, ids: &[String]) -> Result<Vec<ItemSeq>, ApiError> {
    let own = |id: &String| {
        let item = library.item_by_id(id).filter(|item| !item.foreign && !item.lost);
        item.map(|item| item.seq).ok_or_else(|| {
            // An id nobody has ever been given is the client's mistake, a deleted item is not.
            ApiError::invalid(choices::INVALID_ITEM).blame(!well_formed_item(id))
        })
    };
    ids.iter().map(own).collect()
}

pub(crate) fn batch_add(server: &Server, request: ApiRequest) -> Result<ApiAnswer, ApiError> {
    let Nothing {} = parse_query(request.query, &[])?;
    let ItemIds { media_item_ids } = parse(request.body)?;
    let ids = checked_batch(media_item_ids)?;
    let added_ms = server.now_ms();
    let mut world = server.world.lock();
    let library = world.library(&request.user);
    let album = known(library, &request.id)?;
    let mut items = own_items(library, &ids)?;
    items.retain(|item| !album.contains(*item));
    let (album, at) = (album.seq, album.entries.len());
    check_room(at, items.len(), request.faults.album_items_max)?;
    if !items.is_empty() {
        let entries = items.into_iter().map(|item| Entry { item, added_ms }).collect();
        let user = request.user;
        server.record(&mut world, Change::Entries { user, album, at, entries })?;
    }
    Ok(ApiAnswer::ok(json!({}), &wire::EMPTY))
}

/// Refuses to let an album grow beyond its limit.
pub(crate) fn check_room(now: usize, more: usize, max: usize) -> Result<(), ApiError> {
    if now + more > max { Err(ApiError::invalid(choices::album_full(max))) } else { Ok(()) }
}

pub(crate) fn batch_remove(server: &Server, request: ApiRequest) -> Result<ApiAnswer, ApiError> {
    let Nothing {} = parse_query(request.query, &[])?;
    let ItemIds { media_item_ids } = parse(request.body)?;
    let ids = checked_batch(media_item_ids)?;
    let mut world = server.world.lock();
    let library = world.library(&request.user);
    let album = known(library, &request.id)?;
    let items = own_items(library, &ids)?;
    if items.iter().any(|item| !album.contains(*item)) {
        return Err(ApiError::invalid(choices::INVALID_ITEM));
    }
    let album = album.seq;
    server.record(&mut world, Change::EntriesGone { user: request.user, album, items })?;
    Ok(ApiAnswer::ok(json!({}), &wire::EMPTY))
}

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
                let item = library.item_by_id(&self.relative_media_item_id);
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

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct EnrichmentBody {
    new_enrichment_item: Option<NewEnrichment>,
    album_position: Option<AlbumPosition>,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct NewEnrichment {
    text_enrichment: Option<TextEnrichment>,
    location_enrichment: Option<LocationEnrichment>,
    map_enrichment: Option<MapEnrichment>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TextEnrichment {
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LocationEnrichment {
    location: Location,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MapEnrichment {
    origin: Location,
    destination: Location,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Location {
    #[serde(rename = "locationName")]
    _location_name: String,
    latlng: LatLng,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct LatLng {
    #[serde(deserialize_with = "lenient_float")]
    latitude: f64,
    #[serde(deserialize_with = "lenient_float")]
    longitude: f64,
}

impl Location {
    fn check(&self) -> Result<(), ApiError> {
        let LatLng { latitude, longitude } = self.latlng;
        if latitude.abs() <= 90.0 && longitude.abs() <= 180.0 {
            Ok(())
        } else {
            Err(ApiError::violation("Invalid latitude or longitude."))
        }
    }
}

pub(crate) fn add_enrichment(server: &Server, request: ApiRequest) -> Result<ApiAnswer, ApiError> {
    let Nothing {} = parse_query(request.query, &[])?;
    let body: EnrichmentBody = parse(request.body)?;
    let (Some(new), Some(position)) = (body.new_enrichment_item, body.album_position) else {
        let text = "Request must contain an enrichment item and an album position.";
        return Err(ApiError::violation(text));
    };
    match (new.text_enrichment, new.location_enrichment, new.map_enrichment) {
        (Some(text), None, None) if !text.text.is_empty() => {}
        (None, Some(place), None) => place.location.check()?,
        (None, None, Some(map)) => {
            map.origin.check()?;
            map.destination.check()?;
        }
        _ => return Err(ApiError::violation("Request must contain one enrichment.")),
    }
    let mut world = server.world.lock();
    let library = world.library(&request.user);
    let mut album = known(library, &request.id)?.clone();
    let at = position.index(library, &album)?;
    let anchor = at.checked_sub(1).and_then(|index| album.entries.get(index));
    let seq = (album.seq << 20) + album.enrichments.len() as u64;
    let id = library.id("enrichment", seq, ITEM_ID_CHARS);
    album.enrichments.push((id.clone(), anchor.map(|entry| entry.item)));
    server.record(&mut world, Change::Album { user: request.user, album: Box::new(album) })?;
    Ok(ApiAnswer::ok(json!({ "enrichmentItem": { "id": id } }), &wire::ENRICHMENT_ANSWER))
}

/// The album behind an id; a malformed one is refused.
fn find<'a>(library: &'a Library, id: &str) -> Result<Option<&'a Album>, ApiError> {
    let well_formed = id.len() == ALBUM_ID_CHARS && id.bytes().all(is_id_byte);
    if !well_formed {
        return Err(ApiError::violation(choices::MALFORMED_ALBUM));
    }
    Ok(library.album_by_id(id))
}

/// The album that something is to be done with.
pub(crate) fn known<'a>(library: &'a Library, id: &str) -> Result<&'a Album, ApiError> {
    find(library, id)?.ok_or_else(|| ApiError::not_found(choices::UNKNOWN_ALBUM))
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
