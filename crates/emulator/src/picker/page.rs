//! The picker's page (picker reference §3): newest first, a search, ticks at items and at days, Done.
//! It works without scripts; the ticks are kept here, so that they outlast a search.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Form, Path, Query, State};
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::routing::{get, post};
use serde::Deserialize;

use super::choice::{day, finish, in_albums, too_many};
use super::desk::TooMany;
use super::html::{self, Shown, View};
use crate::http::html_error;
use crate::server::Server;
use crate::state::{Origin, Owned, PickSession, Whole};

pub(crate) fn router() -> Router<Arc<Server>> {
    Router::new()
        .route("/{token}", get(show))
        .route("/{token}/autoclose", get(show_autoclose))
        .route("/{token}/tick", post(tick))
        .route("/{token}/done", post(done))
}

type Answer = Response<Body>;

/// The session behind the token of an address, if its page is alive for the signed-in user.
#[expect(clippy::result_large_err, reason = "the error is the answer, sent at once")]
fn session(server: &Server, token: &str) -> Result<PickSession, Answer> {
    let dead = || html_error(StatusCode::NOT_FOUND, "This link to pick photos is no longer good.");
    let id: String = server.signer.verify("pick", token).ok_or_else(dead)?;
    let now_ms = server.now_ms();
    let session = server.world.lock().pick_session(&id).cloned();
    let session = session.filter(|session| session.awaits_user(now_ms)).ok_or_else(dead)?;
    let signed_in = server.signed_in.lock().clone();
    if signed_in != session.account.user {
        let text = format!(
            "You are signed in as {signed_in}. Sign in as {}, whom the application asks to pick photos.",
            session.account.user
        );
        return Err(html_error(StatusCode::FORBIDDEN, &text));
    }
    Ok(session)
}

/// The items that a search finds: by the title of an album, by name, or by how the day begins.
fn search<'a>(whole: &Whole<'a>, q: &str) -> Vec<Owned<'a>> {
    let q = q.trim().to_lowercase();
    let of_albums = match q.as_str() {
        "" => Default::default(),
        q => in_albums(whole, |title| title.to_lowercase().contains(q)),
    };
    let fits = |it: &&Owned<'a>| {
        q.is_empty()
            || of_albums.contains(&it.origin)
            || it.item.filename.to_lowercase().contains(&q)
            || day(it.item).starts_with(&q)
    };
    whole.items().iter().filter(fits).copied().collect()
}

async fn show(
    State(server): State<Arc<Server>>,
    Path(token): Path<String>,
    Query(view): Query<View>,
) -> Answer {
    page(&server, &token, &view, None)
}

async fn show_autoclose(
    State(server): State<Arc<Server>>,
    Path(token): Path<String>,
    Query(view): Query<View>,
) -> Answer {
    page(&server, &token, &View { autoclose: true, ..view }, None)
}

fn page(server: &Server, token: &str, view: &View, notice: Option<String>) -> Answer {
    let session = match session(server, token) {
        Ok(session) => session,
        Err(answer) => return answer,
    };
    let world = server.world.lock();
    let found = search(&world.whole(&session.account.user), &view.q);
    html::page(
        server,
        &session,
        &Shown {
            uri: &server.picker_uri(&session.id),
            view,
            found: &found,
            ticked: &server.picker.ticked(&session.id),
            notice,
        },
    )
}

/// A tick at an item or at a day, or its removal. The first fields are those of a [`View`].
#[derive(Default, Deserialize)]
#[serde(default)]
struct Tick {
    q: String,
    from: usize,
    autoclose: bool,
    /// An item's origin in JSON.
    item: Option<String>,
    /// A day of the result of the search.
    day: Option<String>,
    on: bool,
}

async fn tick(
    State(server): State<Arc<Server>>,
    Path(token): Path<String>,
    Form(tick): Form<Tick>,
) -> Answer {
    let session = match session(&server, &token) {
        Ok(session) => session,
        Err(answer) => return answer,
    };
    let Tick { q, from, autoclose, item, day: wanted, on } = tick;
    let view = View { q, from, autoclose };
    let item: Option<Origin> = item.and_then(|item| serde_json::from_str(&item).ok());
    let meant = |it: &Owned<'_>| {
        item == Some(it.origin) || wanted.as_ref().is_some_and(|wanted| *wanted == day(it.item))
    };
    let items: Vec<Origin> = {
        let world = server.world.lock();
        let found = search(&world.whole(&session.account.user), &view.q);
        found.into_iter().filter(meant).map(|it| it.origin).collect()
    };
    if !on {
        server.picker.untick(&session.id, &items);
    } else if let Err(TooMany) = server.picker.tick(&session.id, &items, session.items_max) {
        return page(&server, &token, &view, Some(too_many(&session)));
    }
    back(&server.picker_uri(&session.id), &view)
}

/// Back to the page, so that reloading it repeats no step.
fn back(uri: &str, view: &View) -> Answer {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    if let Ok(location) = HeaderValue::from_str(&html::address(uri, view)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

async fn done(
    State(server): State<Arc<Server>>,
    Path(token): Path<String>,
    Form(view): Form<View>,
) -> Answer {
    let session = match session(&server, &token) {
        Ok(session) => session,
        Err(answer) => return answer,
    };
    if server.picker.ticked(&session.id).is_empty() {
        return page(&server, &token, &view, Some("Select at least one item.".to_owned()));
    }
    let uri = server.picker_uri(&session.id);
    let finishing = tokio::task::spawn_blocking(move || {
        let world = &mut server.world.lock();
        finish(&server, world, session)
    });
    match finishing.await {
        Ok(Ok(0)) => back(&uri, &view),
        Ok(Ok(count)) => html::goodbye(count, view.autoclose),
        Ok(Err(error)) => error.into_response(true),
        Err(_) => html_error(StatusCode::INTERNAL_SERVER_ERROR, "Internal error."),
    }
}
