//! The album methods (reference §6).

use serde::Deserialize;
use serde_json::{Value, json};

use super::checks::{
    Nothing, check_room, checked_batch, find_album, known_album, own_items, update_mask,
};
use super::json::{lenient_bool, lenient_int, parse, parse_query};
use super::omissions::{Listed, left_out};
use super::paging::{PageRequest, PageSize};
use super::request::{ApiAnswer, ApiRequest};
use super::wire;
use crate::account::Account;
use crate::choices;
use crate::error::ApiError;
use crate::faults::Faults;
use crate::server::Server;
use crate::state::{Album, Change, Entry, World};

/// Characters in a title, at most.
const TITLE_CHARS_MAX: usize = 500;

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
    let mut page = PageRequest::new(
        server,
        request.call,
        &format!("{:?}", request.account),
        query.page_size,
        PageSize { default: 20, max: 50, lowers: false },
        &query.page_token,
        (0, 0),
    )?;
    let mut world = server.world.lock();
    let library = world.library(&request.account);
    page.begin(server, None);
    let all = || library.albums(0).map(Listed::album);
    let left_out = left_out(page.omissions(), all);
    let shown_ms = server.now_ms().saturating_sub_unsigned(request.faults.albums_delay_ms);
    let albums = library
        .albums(page.cursor().1)
        .filter(|album| album.created_ms <= shown_ms && !left_out.contains(&album.id))
        .map(|album| ((0, album.seq), album));
    let (albums, next) = page.take(server, &request.faults, albums, (0, u64::MAX));
    let albums: Vec<Value> = albums
        .into_iter()
        .map(|album| wire::album(server, &request.faults, &request.account, library, album))
        .collect();
    let answer = json!({ "albums": albums, "nextPageToken": next });
    Ok(ApiAnswer::ok(wire::omit_defaults(answer), &wire::ALBUM_PAGE))
}

pub(crate) fn get(server: &Server, request: ApiRequest) -> Result<ApiAnswer, ApiError> {
    let Nothing {} = parse_query(request.query, &[])?;
    let mut world = server.world.lock();
    let library = world.library(&request.account);
    let album =
        find_album(library, &request.id)?.ok_or_else(|| ApiError::not_found(choices::NOT_FOUND))?;
    let answer = wire::album(server, &request.faults, &request.account, library, album);
    Ok(ApiAnswer::ok(answer, &wire::ALBUM))
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct AlbumMessage {
    title: Option<String>,
    cover_photo_media_item_id: String,
    // Output only; a client may send it back.
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
    let account = request.account;
    let mut world = server.world.lock();
    let album = world.library(&account).new_album(title, server.now_ms());
    put(server, &request.faults, &account, &mut world, album)
}

/// Records an album and answers with it.
fn put(
    server: &Server,
    faults: &Faults,
    account: &Account,
    world: &mut World,
    album: Album,
) -> Result<ApiAnswer, ApiError> {
    let seq = album.seq;
    server.record(world, Change::Album { account: account.clone(), album: Box::new(album) })?;
    let library = world.library(account);
    let album = library.album(seq).ok_or_else(ApiError::internal)?;
    let answer = wire::album(server, faults, account, library, album);
    Ok(ApiAnswer::ok(answer, &wire::ALBUM))
}

fn checked_title(title: String) -> Result<String, ApiError> {
    if title.chars().count() > TITLE_CHARS_MAX {
        return Err(ApiError::violation("Album title must have at most 500 characters."));
    }
    Ok(title)
}

pub(crate) fn patch(server: &Server, request: ApiRequest) -> Result<ApiAnswer, ApiError> {
    let mask = update_mask(request.query, &["title", "coverPhotoMediaItemId"])?;
    let message: AlbumMessage = parse(request.body)?;
    let account = request.account;
    let mut world = server.world.lock();
    let library = world.library(&account);
    let mut album = find_album(library, &request.id)?
        .ok_or_else(|| ApiError::not_found(choices::NOT_FOUND))?
        .clone();
    if mask.contains("title") {
        album.title = checked_title(message.title.unwrap_or_default())?;
    }
    if mask.contains("coverPhotoMediaItemId") {
        let cover = library.item_by_id(&message.cover_photo_media_item_id);
        album.cover = Some(
            cover
                .filter(|item| album.contains(item.seq) && !item.binned)
                .ok_or_else(|| ApiError::invalid(choices::INVALID_ITEM))?
                .seq,
        );
    }
    put(server, &request.faults, &account, &mut world, album)
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct ItemIds {
    media_item_ids: Vec<String>,
}

pub(crate) fn batch_add(server: &Server, request: ApiRequest) -> Result<ApiAnswer, ApiError> {
    let Nothing {} = parse_query(request.query, &[])?;
    let ItemIds { media_item_ids } = parse(request.body)?;
    let ids = checked_batch(media_item_ids)?;
    let added_ms = server.now_ms();
    let mut world = server.world.lock();
    let library = world.library(&request.account);
    let album = known_album(library, &request.id)?;
    let mut items = own_items(library, &ids)?;
    items.retain(|item| !album.contains(*item));
    let (album, at) = (album.seq, album.entries.len());
    check_room(at, items.len(), request.faults.album_items_max)?;
    if !items.is_empty() {
        let entries = items.into_iter().map(|item| Entry { item, added_ms }).collect();
        let account = request.account;
        server.record(&mut world, Change::Entries { account, album, at, entries })?;
    }
    Ok(ApiAnswer::ok(json!({}), &wire::EMPTY))
}

pub(crate) fn batch_remove(server: &Server, request: ApiRequest) -> Result<ApiAnswer, ApiError> {
    let Nothing {} = parse_query(request.query, &[])?;
    let ItemIds { media_item_ids } = parse(request.body)?;
    let ids = checked_batch(media_item_ids)?;
    let mut world = server.world.lock();
    let library = world.library(&request.account);
    let album = known_album(library, &request.id)?;
    let items = own_items(library, &ids)?;
    if items.iter().any(|item| !album.contains(*item)) {
        return Err(ApiError::invalid(choices::INVALID_ITEM));
    }
    let album = album.seq;
    server.record(&mut world, Change::EntriesGone { account: request.account, album, items })?;
    Ok(ApiAnswer::ok(json!({}), &wire::EMPTY))
}
