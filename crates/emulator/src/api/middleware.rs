//! The one way into the API: finds the method, checks the token and the quota, applies the fault
//! switches, and runs the method. See [`answer`] for the order.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method, Response, StatusCode, header, request};
use serde_json::Value;

use super::mask::apply_mask;
use super::parameters::{Standard, read_body, split_query, standard_parameter};
use super::request::{ApiAnswer, ApiRequest};
use super::route::route;
use super::{albums, candidate, create, enrichments, items};
use crate::account::Account;
use crate::auth::tokens;
use crate::barriers::Moment;
use crate::call::{Call, Service};
use crate::connection::Connection;
use crate::error::ApiError;
use crate::faults::{Injection, inject};
use crate::http::{html_error, json_response};
use crate::picker;
use crate::server::Server;
use crate::stats::Allowance;
use crate::uploads;

/// Answers anything under `/v1/` and `/picker/v1/`. The work runs as a task of its own: as on the real service, a
/// call goes on when its client has given up.
pub(crate) async fn api(
    State(server): State<Arc<Server>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let (call, id) = if parts.uri.path() == "/v1/uploads" && parts.method == Method::POST {
        match uploads::call(&parts) {
            Ok(call) => (call, String::new()),
            Err(response) => {
                server.meter.violation(format!("{}: bad upload headers", parts.uri.path()));
                return response;
            }
        }
    } else if let Some(found) = route(&parts.method, parts.uri.path()) {
        found
    } else {
        let what = format!("{} {}", parts.method, parts.uri.path());
        server.meter.violation(format!("{what}: no such method"));
        return html_error(
            StatusCode::NOT_FOUND,
            &format!("The requested URL {} was not found on this server.", parts.uri.path()),
        );
    };
    let task = tokio::spawn(async move {
        let _running = server.meter.begin(call);
        let pretty = standard_parameter(&parts, "prettyPrint") != Some("false".to_owned());
        server.barriers.pass(call, Moment::Request).await;
        let result = answer(&server, &connection, call, id, &parts, body).await;
        server.barriers.pass(call, Moment::Answer).await;
        if let Err(error) = &result
            && error.violation
        {
            server.meter.violation(format!("{}: {}", call.name(), error.message()));
        }
        let mut response = result.unwrap_or_else(|error| error.into_response(pretty));
        if response.status() == StatusCode::TOO_MANY_REQUESTS {
            server.meter.too_many_requests();
        }
        response.headers_mut().extend(server.date());
        response
    });
    task.await.unwrap_or_else(|_| ApiError::internal().into_response(true))
}

/// The order of things: parameters, token, scope, daily quota of the Library API, body, write lock, injected failure,
/// latency, effect, failure after the effect, field mask.
async fn answer(
    server: &Arc<Server>,
    connection: &Connection,
    call: Call,
    id: String,
    parts: &request::Parts,
    body: Body,
) -> Result<Response<Body>, ApiError> {
    let (standard, query) = split_query(parts)?;
    let account = authorise(server, call, &parts.headers, &standard)?;
    if call == Call::Sharing {
        return Err(ApiError::permission_denied("Request had insufficient authentication scopes."));
    }
    let faults = server.switches.get();
    if call.service() == Service::Picker && faults.picker.disabled {
        return Err(ApiError::service_disabled(Service::Picker));
    }
    if call.service() == Service::Library
        && !server.meter.spend(Allowance::Api, faults.daily_requests, server.quota_day())
    {
        return Err(ApiError::daily_requests());
    }
    let finalizes = uploads::finalizes(call, parts);
    let plan = server.switches.plan(call, finalizes, server.now_ms());
    if call.is_upload() {
        let upload = uploads::Upload { call, account, parts, query, plan };
        return uploads::answer(server, connection, upload, body).await;
    }
    let body = read_body(parts, body).await?;
    let write_lock = if call.is_write() {
        let lock = server.begin_write(&account.user);
        Some(lock.ok_or_else(|| ApiError::concurrent_write().blame(true))?)
    } else {
        None
    };
    if let Some(injection) = plan.before_effect() {
        drop(write_lock);
        return inject(injection, call.service(), connection).await;
    }
    tokio::time::sleep(plan.latency(items_named(&body))).await;
    if let Some(failure) = candidate::failure(server, call, &body) {
        drop(write_lock);
        return inject(&Injection::new(failure), call.service(), connection).await;
    }
    let request = ApiRequest { call, account, id, query, body, faults };
    let worker = server.clone();
    let done = tokio::task::spawn_blocking(move || run(&worker, request)).await;
    drop(write_lock);
    let answer = done.unwrap_or_else(|_| Err(ApiError::internal()))?;
    if let Some(injection) = plan.after_effect() {
        return inject(injection, call.service(), connection).await;
    }
    let pretty = standard.pretty;
    let value = match &standard.fields {
        Some(fields) => apply_mask(answer.value, fields, answer.schema)?,
        None => answer.value,
    };
    Ok(json_response(answer.http, &value, pretty))
}

fn run(server: &Server, request: ApiRequest) -> Result<ApiAnswer, ApiError> {
    match request.call {
        Call::AlbumsList => albums::list(server, request),
        Call::AlbumsGet => albums::get(server, request),
        Call::AlbumsCreate => albums::create(server, request),
        Call::AlbumsPatch => albums::patch(server, request),
        Call::AlbumsBatchAdd => albums::batch_add(server, request),
        Call::AlbumsBatchRemove => albums::batch_remove(server, request),
        Call::AlbumsAddEnrichment => enrichments::add(server, request),
        Call::MediaItemsList => items::list(server, request),
        Call::MediaItemsSearch => items::search(server, request),
        Call::MediaItemsGet => items::get(server, request),
        Call::MediaItemsBatchGet => items::batch_get(server, request),
        Call::MediaItemsBatchCreate => create::batch_create(server, request),
        Call::MediaItemsPatch => items::patch(server, request),
        Call::PickerSessionsCreate => picker::sessions::create(server, request),
        Call::PickerSessionsGet => picker::sessions::get(server, request),
        Call::PickerSessionsDelete => picker::sessions::delete(server, request),
        Call::PickerItemsList => picker::items::list(server, request),
        _ => Err(ApiError::internal()),
    }
}

/// The account behind the access token, if it is good and holds a scope the call needs.
fn authorise(
    server: &Server,
    call: Call,
    headers: &HeaderMap,
    standard: &Standard,
) -> Result<Account, ApiError> {
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    let token = bearer.or(standard.access_token.as_deref());
    if token.is_none() && call.service() == Service::Picker {
        return Err(ApiError::credentials_missing(call));
    }
    let consent = token
        .and_then(|token| tokens::consent_of_access_token(server, token))
        .ok_or_else(ApiError::unauthenticated)?;
    if !consent.opens(call) {
        return Err(ApiError::scope_insufficient(call));
    }
    Ok(consent.account)
}

/// How many items a request body names: the length of its longest list.
fn items_named(body: &Value) -> usize {
    let lists = body.as_object().into_iter().flat_map(|object| object.values());
    lists.filter_map(Value::as_array).map(Vec::len).max().unwrap_or(0)
}
