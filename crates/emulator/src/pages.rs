//! Pages for people: the items that have arrived, album by album. `productUrl` leads here.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Response, StatusCode, header};
use serde::Deserialize;

use crate::account::{Account, DEFAULT_USER, OauthClient};
use crate::http::{body_response, escape, html_error};
use crate::server::Server;
use crate::state::{Content, Item};

/// Items on one page.
const ITEMS_PER_PAGE: usize = 200;

/// Which page of a long list, and whose library.
#[derive(Deserialize)]
pub(crate) struct PageQuery {
    #[serde(default)]
    from: usize,
    user: Option<String>,
    #[serde(default)]
    client: OauthClient,
}

impl PageQuery {
    fn account(&self) -> Account {
        let user = self.user.as_deref().unwrap_or(DEFAULT_USER).to_owned();
        Account { user, client: self.client }
    }
}

fn page(title: &str, content: &str) -> Response<Body> {
    let title = escape(title);
    body_response(
        StatusCode::OK,
        "text/html; charset=UTF-8",
        format!(
            "<!DOCTYPE html>\n<html lang=en>\n<meta charset=utf-8>\n<title>{title}</title>\n\
             <style>\n\
             body {{ font: 16px sans-serif; margin: 2em; }}\n\
             ul {{ display: flex; flex-wrap: wrap; gap: 1em; list-style: none; padding: 0; }}\n\
             li {{ width: 180px; overflow-wrap: anywhere; }}\n\
             img {{ width: 180px; height: 135px; object-fit: cover; background: #ddd; }}\n\
             </style>\n<h1>{title}</h1>\n{content}"
        ),
    )
}

fn check_no_bearer(server: &Server, headers: &HeaderMap) {
    if headers.contains_key(header::AUTHORIZATION) {
        server.meter.violation("a bearer token was sent to a page for people");
    }
}

/// A picture with a link and a caption.
fn tile(
    server: &Server,
    account: &Account,
    item: Option<&Item>,
    link: &str,
    caption: &str,
) -> String {
    let url = server.base_url(account, item, 3600);
    format!(
        "<li><a href=\"{}\"><img src=\"{}=w180-h135-c\" alt=\"\" loading=lazy><br>{}</a>\n",
        escape(link),
        escape(&url),
        escape(caption)
    )
}

fn name(item: &Item) -> &str {
    if item.filename.is_empty() { "(no name)" } else { &item.filename }
}

/// All albums, and the items of all.
pub(crate) async fn home(
    State(server): State<Arc<Server>>,
    Query(query): Query<PageQuery>,
    headers: HeaderMap,
) -> Response<Body> {
    check_no_bearer(&server, &headers);
    let account = &query.account();
    let mut world = server.world.lock();
    let library = world.library(account);
    let albums: String = library
        .albums(0)
        .map(|album| {
            let title = if album.title.is_empty() { "(no title)" } else { &album.title };
            let caption = format!("{title} ({})", library.count(album));
            let link = format!("/album/{}", album.id);
            tile(&server, account, library.cover(album), &link, &caption)
        })
        .collect();
    let items: Vec<&Item> = library.items().into_iter().filter(|item| !item.binned).collect();
    let photos = tiles(&server, account, items.iter().rev().copied(), items.len(), query.from);
    let content = format!(
        "<h2>Albums</h2>\n<ul>\n{albums}</ul>\n<h2>All items ({})</h2>\n{photos}",
        items.len()
    );
    page("Emulated Google Photos", &content)
}

fn tiles<'a>(
    server: &Server,
    account: &Account,
    items: impl Iterator<Item = &'a Item>,
    count: usize,
    from: usize,
) -> String {
    let tiles: String = items
        .skip(from)
        .take(ITEMS_PER_PAGE)
        .map(|item| {
            let link = format!("/lr/photo/{}", item.id);
            tile(server, account, Some(item), &link, name(item))
        })
        .collect();
    let next = from.saturating_add(ITEMS_PER_PAGE);
    let more = if next < count {
        format!("<p><a href=\"?from={next}\">more</a>\n")
    } else {
        String::new()
    };
    format!("<ul>\n{tiles}</ul>\n{more}")
}

/// One album in its order.
pub(crate) async fn album(
    State(server): State<Arc<Server>>,
    Path(id): Path<String>,
    Query(query): Query<PageQuery>,
    headers: HeaderMap,
) -> Response<Body> {
    check_no_bearer(&server, &headers);
    let account = &query.account();
    let mut world = server.world.lock();
    let library = world.library(account);
    let Some(album) = library.album_by_id(&id) else {
        return html_error(StatusCode::NOT_FOUND, "There is no such album.");
    };
    let count = library.count(album);
    let items = library.entries(album).filter_map(|entry| library.item(entry.item));
    let content = tiles(&server, account, items, count, query.from);
    page(&format!("{} ({count})", album.title), &content)
}

/// One item.
pub(crate) async fn photo(
    State(server): State<Arc<Server>>,
    Path(id): Path<String>,
    Query(query): Query<PageQuery>,
    headers: HeaderMap,
) -> Response<Body> {
    check_no_bearer(&server, &headers);
    let account = &query.account();
    let mut world = server.world.lock();
    let Some(item) = world.library(account).item_by_id(&id) else {
        return html_error(StatusCode::NOT_FOUND, "There is no such item.");
    };
    let sha256 = match &item.content {
        Content::Stored(sha256) => sha256.as_str(),
        Content::Synthetic(_) => "made up at download",
    };
    let url = escape(&server.base_url(account, Some(item), 3600));
    let download = if item.facts.video { "dv" } else { "d" };
    let content = format!(
        "<p><img src=\"{url}=w800-h600\" alt=\"\" style=\"width: auto; height: auto\">\n\
         <p>{} bytes, {}, {} × {}\n<p>SHA-256: {sha256}\n<p>{}\n\
         <p><a href=\"{url}={download}\">Download</a>\n",
        item.size,
        escape(&item.facts.mime),
        item.facts.width,
        item.facts.height,
        escape(&item.description)
    );
    page(name(item), &content)
}
