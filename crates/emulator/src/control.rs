//! `/emulator/…`: the same power over the service as the in-process handle has, for scripts.
//!
//! ```text
//! GET   /stats                  counts of requests, bytes and violations
//! POST  /stats/reset            sets them to zero
//! GET   /dump                   albums and items
//! GET   /faults                 the fault switches
//! PATCH /faults                 changes those that the body names
//! POST  /edit                   an edit by the user in the app, the bin included
//! GET   /pick                   the sessions of the Picker API
//! POST  /pick                   a step of their user: ticks, Done, a closed tab
//! POST  /sign_in                {"user": …}, the user of later logins
//! GET   /client_secret          a client secret file
//! POST  /grants/expire          ends all access tokens
//! POST  /grants/revoke          ends all grants
//! POST  /clock/advance          {"seconds": …}
//! ```
//!
//! `/dump` and `/edit` are for the default account; `?user=…` names another user and
//! `?client=other` the other OAuth client, `?client=google_app` Google's own app. `/client_secret` takes `?client=other` too.

mod bin;
pub(crate) mod dump;
pub(crate) mod edit;
pub(crate) mod editor;
pub(crate) mod pick;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{Response, StatusCode};
use axum::routing::{get, post};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::account::Account;
use crate::auth::{client, tokens};
use crate::error::ApiError;
use crate::http::json_response;
use crate::picker::choice;
use crate::server::Server;

use dump::Dump;

pub(crate) fn router() -> Router<Arc<Server>> {
    Router::new()
        .route("/stats", get(async |State(server): Shared| ok(&server.stats())))
        .route("/stats/reset", post(reset_stats))
        .route("/dump", get(dump))
        .route(
            "/faults",
            get(async |State(server): Shared| ok(&server.switches.get())).patch(patch),
        )
        .route("/edit", post(apply_edit))
        .route(
            "/pick",
            get(async |State(server): Shared| ok(&pick::sessions(&server))).post(take_step),
        )
        .route("/sign_in", post(sign_in))
        .route("/client_secret", get(client_secret))
        .route("/grants/expire", post(expire))
        .route("/grants/revoke", post(revoke))
        .route("/clock/advance", post(advance))
}

type Shared = State<Arc<Server>>;

fn ok(value: &impl serde::Serialize) -> Response<Body> {
    match serde_json::to_value(value) {
        Ok(value) => json_response(StatusCode::OK, &value, true),
        Err(_) => ApiError::internal().into_response(true),
    }
}

fn done(result: Result<(), ApiError>) -> Response<Body> {
    match result {
        Ok(()) => ok(&json!({})),
        Err(error) => error.into_response(true),
    }
}

#[expect(clippy::result_large_err, reason = "the error is the answer, sent at once")]
fn body<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, Response<Body>> {
    serde_json::from_slice(bytes)
        .map_err(|error| ApiError::invalid(error.to_string()).into_response(true))
}

async fn reset_stats(State(server): Shared) -> Response<Body> {
    server.meter.reset();
    done(Ok(()))
}

async fn patch(State(server): Shared, bytes: Bytes) -> Response<Body> {
    let patch: Value = match body(&bytes) {
        Ok(patch) => patch,
        Err(response) => return response,
    };
    match server.switches.patch(&patch) {
        Ok(faults) => ok(&faults),
        Err(error) => ApiError::invalid(error.to_string()).into_response(true),
    }
}

async fn dump(State(server): Shared, Query(account): Query<Account>) -> Response<Body> {
    ok(&Dump::of(&server, &account))
}

async fn client_secret(State(server): Shared, Query(account): Query<Account>) -> Response<Body> {
    ok(&client::secret_file(&server.url, account.client))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignIn {
    user: String,
}

async fn sign_in(State(server): Shared, bytes: Bytes) -> Response<Body> {
    match body(&bytes) {
        Ok(SignIn { user }) => {
            *server.signed_in.lock() = user;
            done(Ok(()))
        }
        Err(response) => response,
    }
}

async fn apply_edit(
    State(server): Shared,
    Query(account): Query<Account>,
    bytes: Bytes,
) -> Response<Body> {
    let wanted = match body(&bytes) {
        Ok(edit) => edit,
        Err(response) => return response,
    };
    match tokio::task::spawn_blocking(move || editor::apply(&server, account, wanted)).await {
        Ok(Ok(id)) => ok(&json!({ "id": id })),
        Ok(Err(error)) => ApiError::from(error).into_response(true),
        Err(_) => ApiError::internal().into_response(true),
    }
}

async fn take_step(State(server): Shared, bytes: Bytes) -> Response<Body> {
    let step = match body(&bytes) {
        Ok(step) => step,
        Err(response) => return response,
    };
    match tokio::task::spawn_blocking(move || choice::take_step(&server, step)).await {
        Ok(Ok(items)) => ok(&json!({ "items": items })),
        Ok(Err(error)) => error.into_response(true),
        Err(_) => ApiError::internal().into_response(true),
    }
}

async fn expire(State(server): Shared) -> Response<Body> {
    done(tokens::expire_access_tokens(&server))
}

async fn revoke(State(server): Shared) -> Response<Body> {
    done(tokens::revoke_all(&server))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    seconds: u64,
}

async fn advance(State(server): Shared, bytes: Bytes) -> Response<Body> {
    match body(&bytes) {
        Ok(Advance { seconds }) => {
            server.advance(Duration::from_secs(seconds));
            done(Ok(()))
        }
        Err(response) => response,
    }
}
