//! The HTML of the picker's page.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use serde::Deserialize;

use super::choice::day;
use crate::account::Account;
use crate::http::{body_response, escape};
use crate::server::Server;
use crate::state::{Origin, Owned, PickSession};

/// Items on one page.
const ITEMS_PER_PAGE: usize = 500;

/// The search and the place in its result, in addresses and in forms.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct View {
    pub(super) q: String,
    pub(super) from: usize,
    /// The page was opened with `/autoclose`.
    pub(super) autoclose: bool,
}

/// What the page shows.
pub(super) struct Shown<'a> {
    pub(super) uri: &'a str,
    pub(super) view: &'a View,
    /// The result of the search, newest first.
    pub(super) found: &'a [Owned<'a>],
    pub(super) ticked: &'a [Origin],
    /// Why the last step had no effect.
    pub(super) notice: Option<String>,
}

const STYLE: &str = "body { font: 16px sans-serif; margin: 2em; }
    ul { display: flex; flex-wrap: wrap; gap: 1em; list-style: none; padding: 0; }
    li button { width: 190px; overflow-wrap: anywhere; background: none; border: 2px solid #ddd; }
    li button[value=false] { border-color: #06c; background: #def; }
    img { width: 180px; height: 135px; object-fit: cover; background: #ddd; }
    form { display: inline; } .notice { color: #b00; font-weight: bold; }";

fn document(title: &str, content: &str) -> Response<Body> {
    body_response(
        StatusCode::OK,
        "text/html; charset=UTF-8",
        format!(
            "<!DOCTYPE html>\n<html lang=en>\n<meta charset=utf-8>\n<title>{title}</title>\n\
             <style>{STYLE}</style>\n<h1>{title}</h1>\n{content}"
        ),
    )
}

/// The address of the page with a search and a place in its result.
pub(super) fn address(uri: &str, view: &View) -> String {
    let page = if view.autoclose { "/autoclose" } else { "" };
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("q", &view.q)
        .append_pair("from", &view.from.to_string())
        .finish();
    format!("{uri}{page}?{query}")
}

/// The hidden fields that bring the next page back to the same place.
fn place(view: &View) -> String {
    let View { q, from, autoclose } = view;
    format!(
        "<input type=hidden name=q value=\"{}\"><input type=hidden name=from value={from}>\
         <input type=hidden name=autoclose value={autoclose}>",
        escape(q)
    )
}

/// The page itself.
pub(super) fn page(server: &Server, session: &PickSession, shown: &Shown<'_>) -> Response<Body> {
    let Shown { uri, view, found, ticked, notice, .. } = shown;
    let search_page = if view.autoclose { format!("{uri}/autoclose") } else { (*uri).to_owned() };
    let notice = notice
        .as_ref()
        .map_or(String::new(), |text| format!("<p class=notice role=alert>{}\n", escape(text)));
    let next = View { from: view.from.saturating_add(ITEMS_PER_PAGE), ..(*view).clone() };
    let more = match next.from < found.len() {
        true => format!("<p><a id=more href=\"{}\">more</a>\n", escape(&address(uri, &next))),
        false => String::new(),
    };
    let content = format!(
        "<p>{} · <span id=count>{}</span> selected, at most {}\n{notice}\
         <form action=\"{search_page}\"><input type=search name=q value=\"{}\" \
         aria-label=Search placeholder=\"Search albums, names, days\"><button>Search</button></form>\n\
         <form method=post action=\"{uri}/done\">{}<button id=done>Done</button></form>\n\
         <p>{} found\n{}{more}",
        escape(&session.account.user),
        ticked.len(),
        session.items_max,
        escape(&view.q),
        place(view),
        found.len(),
        days(server, session, shown)
    );
    document("Select photos and videos", &content)
}

/// The items of this page, day by day.
fn days(server: &Server, session: &PickSession, shown: &Shown<'_>) -> String {
    let ticked: std::collections::HashSet<Origin> = shown.ticked.iter().copied().collect();
    let from = shown.view.from.min(shown.found.len());
    let to = from.saturating_add(ITEMS_PER_PAGE).min(shown.found.len());
    let by_day = shown.found[from..to].chunk_by(|a, b| day(a.item) == day(b.item));
    let day_of_page = |items: &[Owned<'_>]| {
        let Some(first) = items.first() else { return String::new() };
        let day = day(first.item);
        let all = items.iter().all(|it| ticked.contains(&it.origin));
        let tick = if all { "Deselect the day" } else { "Select the day" };
        let tiles: String = items
            .iter()
            .map(|it| tile(server, session, shown, it, ticked.contains(&it.origin)))
            .collect();
        format!(
            "<h2>{day} <form method=post action=\"{}/tick\">{}\
             <input type=hidden name=day value={day}>\
             <button name=on value={}>{tick}</button></form></h2>\n<ul>\n{tiles}</ul>\n",
            shown.uri,
            place(shown.view),
            !all
        )
    };
    by_day.map(day_of_page).collect()
}

/// An item with its tick.
fn tile(
    server: &Server,
    session: &PickSession,
    shown: &Shown<'_>,
    Owned { origin, item }: &Owned<'_>,
    is_ticked: bool,
) -> String {
    let owner = Account { client: origin.client, ..session.account.clone() };
    let picture = server.base_url(&owner, Some(item), 3600);
    let origin = serde_json::to_string(origin).unwrap_or_default();
    let name = if item.filename.is_empty() { "(no name)" } else { &item.filename };
    format!(
        "<li><form method=post action=\"{}/tick\">{}\
         <input type=hidden name=item value=\"{}\"><button name=on value={}>\
         <img src=\"{}=w180-h135-c\" alt=\"\" loading=lazy><br>{} {}</button></form>\n",
        shown.uri,
        place(shown.view),
        escape(&origin),
        !is_ticked,
        escape(&picture),
        if is_ticked { "☑" } else { "☐" },
        escape(name)
    )
}

/// The last screen. Where it was asked for, it closes the tab instead.
pub(super) fn goodbye(count: usize, autoclose: bool) -> Response<Body> {
    let close = if autoclose { "<script>window.close()</script>\n" } else { "" };
    let items = if count == 1 { "item" } else { "items" };
    let text =
        format!("<p>You have selected {count} {items}. Go back to the application.\n{close}");
    document("Done", &text)
}
