//! The media item methods that read, and patch (reference §7).

use serde::Deserialize;
use serde_json::{Value, json};

use super::checks::{
    Nothing, checked_batch, known_album, update_mask, visible_entries, well_formed_item,
};
use super::filters::{Filters, Order};
use super::json::{lenient_int, parse, parse_query};
use super::omissions::{Listed, left_out};
use super::paging::{Cursor, PageRequest, PageSize};
use super::request::{ApiAnswer, ApiRequest};
use super::wire;
use crate::choices;
use crate::error::ApiError;
use crate::server::Server;
use crate::state::{Change, Item};

const PAGE_SIZE: PageSize = PageSize { default: 25, max: 100, lowers: false };
/// Characters in a description, at most.
pub(crate) const DESCRIPTION_CHARS_MAX: usize = 1000;

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct ListQuery {
    #[serde(deserialize_with = "lenient_int")]
    page_size: i64,
    page_token: String,
}

pub(crate) fn list(server: &Server, request: ApiRequest) -> Result<ApiAnswer, ApiError> {
    let query: ListQuery = parse_query(request.query.clone(), &[])?;
    let filters = Filters::default();
    walk(server, &request, query.page_size, &query.page_token, "", &filters, Order::NewestFirst)
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct SearchBody {
    album_id: String,
    #[serde(deserialize_with = "lenient_int")]
    page_size: i64,
    page_token: String,
    filters: Option<Value>,
    order_by: String,
}

pub(crate) fn search(server: &Server, request: ApiRequest) -> Result<ApiAnswer, ApiError> {
    let Nothing {} = parse_query(request.query.clone(), &[])?;
    let body: SearchBody = parse(request.body.clone())?;
    if !body.album_id.is_empty() {
        if body.filters.is_some() || !body.order_by.is_empty() {
            return Err(ApiError::violation(
                "The album ID cannot be set with filters or an order.",
            ));
        }
        return search_album(server, &request, &body);
    }
    let query = format!("{:?}{}", body.filters, body.order_by);
    let filters: Filters = match body.filters {
        Some(filters) => parse(filters)?,
        None => Filters::default(),
    };
    let order = filters.check(&body.order_by)?;
    walk(server, &request, body.page_size, &body.page_token, &query, &filters, order)
}

fn search_album(
    server: &Server,
    request: &ApiRequest,
    body: &SearchBody,
) -> Result<ApiAnswer, ApiError> {
    let query = format!("{:?}\0{}", request.account, body.album_id);
    let (size, token) = (body.page_size, body.page_token.as_str());
    let mut page = PageRequest::new(server, request.call, &query, size, PAGE_SIZE, token, (0, 0))?;
    let mut world = server.world.lock();
    let library = world.library(&request.account);
    let album = known_album(library, &body.album_id)?;
    page.begin(server, Some((&album.id, &album.title)));
    let all = || {
        library.entries(album).zip(0..).filter_map(|(entry, place)| {
            library.item(entry.item).map(|item| Listed::item(item, (entry.added_ms, place)))
        })
    };
    let left_out = left_out(page.omissions(), all);
    let entries = visible_entries(server, request, library, album, page.cursor().1)
        .filter(|(_, item)| !left_out.contains(&item.id));
    let (items, next) = page.take(server, &request.faults, entries, (0, u64::MAX));
    Ok(item_page(server, request, items, &next))
}

/// A page of the whole library in order of time.
fn walk(
    server: &Server,
    request: &ApiRequest,
    size: i64,
    token: &str,
    query: &str,
    filters: &Filters,
    order: Order,
) -> Result<ApiAnswer, ApiError> {
    const OLDEST: Cursor = (i64::MIN, 0);
    const NEWEST: Cursor = (i64::MAX, u64::MAX);
    let newest_first = order == Order::NewestFirst;
    let (first, end) = if newest_first { (NEWEST, OLDEST) } else { (OLDEST, NEWEST) };
    let query = format!("{:?}\0{query}", request.account);
    let mut page = PageRequest::new(server, request.call, &query, size, PAGE_SIZE, token, first)?;
    let now_ms = server.now_ms();
    let mut world = server.world.lock();
    let library = world.library(&request.account);
    page.begin(server, None);
    let all = || {
        let listed = library.items().into_iter().filter(|item| item.listed(&request.faults));
        listed.map(|item| Listed::item(item, (0, item.seq)))
    };
    let left_out = left_out(page.omissions(), all);
    let shown_ms = now_ms.saturating_sub_unsigned(request.faults.items_delay_ms);
    let items = library.items_by_time(page.cursor(), newest_first).filter(|(_, item)| {
        item.listed(&request.faults)
            && item.created_ms <= shown_ms
            && filters.admit(item, now_ms, &request.faults)
            && !left_out.contains(&item.id)
    });
    let (items, next) = page.take(server, &request.faults, items, end);
    Ok(item_page(server, request, items, &next))
}

fn item_page(server: &Server, request: &ApiRequest, items: Vec<&Item>, next: &str) -> ApiAnswer {
    let items: Vec<Value> = items
        .into_iter()
        .map(|item| wire::media_item(server, &request.faults, &request.account, item))
        .collect();
    let answer = json!({ "mediaItems": items, "nextPageToken": next });
    ApiAnswer::ok(wire::omit_defaults(answer), &wire::ITEM_PAGE)
}

pub(crate) fn get(server: &Server, request: ApiRequest) -> Result<ApiAnswer, ApiError> {
    let Nothing {} = parse_query(request.query, &[])?;
    if !well_formed_item(&request.id) {
        return Err(ApiError::violation(choices::MALFORMED_ITEM));
    }
    let mut world = server.world.lock();
    let library = world.library(&request.account);
    let item = library
        .item_by_id(&request.id)
        .filter(|item| item.resolves(&request.faults))
        .ok_or_else(|| ApiError::not_found(choices::NOT_FOUND))?;
    let answer = wire::media_item(server, &request.faults, &request.account, item);
    Ok(ApiAnswer::ok(answer, &wire::MEDIA_ITEM))
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct BatchGetQuery {
    media_item_ids: Vec<String>,
}

pub(crate) fn batch_get(server: &Server, request: ApiRequest) -> Result<ApiAnswer, ApiError> {
    let query: BatchGetQuery = parse_query(request.query, &["mediaItemIds"])?;
    let ids = checked_batch(query.media_item_ids)?;
    let mut world = server.world.lock();
    let library = world.library(&request.account);
    let results: Vec<Value> = ids
        .iter()
        .map(|id| {
            if !well_formed_item(id) {
                return json!({ "status": { "code": 3, "message": choices::MALFORMED_ITEM } });
            }
            match library.item_by_id(id).filter(|item| item.resolves(&request.faults)) {
                Some(item) => {
                    let item = wire::media_item(server, &request.faults, &request.account, item);
                    json!({ "mediaItem": item })
                }
                None => json!({ "status": { "code": 5, "message": choices::NOT_FOUND } }),
            }
        })
        .collect();
    Ok(ApiAnswer::ok(json!({ "mediaItemResults": results }), &wire::ITEM_RESULTS))
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct ItemMessage {
    description: String,
    // Output only; a client may send it back.
    #[serde(rename = "id")]
    _id: Value,
    #[serde(rename = "productUrl")]
    _product_url: Value,
    #[serde(rename = "baseUrl")]
    _base_url: Value,
    #[serde(rename = "mimeType")]
    _mime_type: Value,
    #[serde(rename = "mediaMetadata")]
    _media_metadata: Value,
    #[serde(rename = "contributorInfo")]
    _contributor_info: Value,
    #[serde(rename = "filename")]
    _filename: Value,
}

pub(crate) fn patch(server: &Server, request: ApiRequest) -> Result<ApiAnswer, ApiError> {
    update_mask(request.query, &["description"])?;
    let message: ItemMessage = parse(request.body)?;
    if message.description.chars().count() > DESCRIPTION_CHARS_MAX {
        return Err(ApiError::violation("Description must have less than 1000 characters."));
    }
    if !well_formed_item(&request.id) {
        return Err(ApiError::violation(choices::MALFORMED_ITEM));
    }
    let account = request.account;
    let mut world = server.world.lock();
    let mut item = world
        .library(&account)
        .item_by_id(&request.id)
        .filter(|item| item.resolves(&request.faults) && !item.foreign)
        .ok_or_else(|| ApiError::not_found(choices::NOT_FOUND))?
        .clone();
    item.description = message.description;
    let answer = wire::media_item(server, &request.faults, &account, &item);
    server.record(&mut world, Change::Item { account, item: Box::new(item) })?;
    Ok(ApiAnswer::ok(answer, &wire::MEDIA_ITEM))
}
