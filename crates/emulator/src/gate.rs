//! The one way into the API: routes a request, checks the token and the quota, applies the fault
//! switches, and runs the method. See [`answer`] for the order.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method, Response, StatusCode, header, request};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::call::{Call, SCOPE_PREFIX};
use crate::error::{ApiError, body_response, html_error, json_response};
use crate::faults::{Failure, Faults, Injection, Plan};
use crate::holds::Moment;
use crate::json::{Schema, apply_mask};
use crate::listener::Line;
use crate::server::Server;
use crate::stats::Allowance;
use crate::{albums, items, oauth, uploads};

/// Largest JSON body in bytes.
const BODY_BYTES_MAX: usize = 10 << 20;

/// A JSON request that has passed the gate.
pub(crate) struct ApiRequest {
    pub(crate) call: Call,
    pub(crate) user: String,
    /// The id in the path; empty if the method has none.
    pub(crate) id: String,
    /// Query parameters but for the standard ones.
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: Value,
    pub(crate) faults: Faults,
}

/// A method's answer and what it is made of.
pub(crate) struct ApiAnswer {
    pub(crate) http: StatusCode,
    pub(crate) value: Value,
    pub(crate) schema: &'static Schema,
}

impl ApiAnswer {
    pub(crate) fn ok(value: Value, schema: &'static Schema) -> ApiAnswer {
        ApiAnswer { http: StatusCode::OK, value, schema }
    }
}

/// Which method a path means, and the id in it.
fn route(method: &Method, path: &str) -> Option<(Call, String)> {
    let path = percent_decode_str(path).decode_utf8().ok()?;
    let path = path.strip_prefix("/v1/")?;
    let (collection, rest) = path.split_once('/').unwrap_or((path, ""));
    let (id, verb) = rest.split_once(':').unwrap_or((rest, ""));
    let call = match (method.as_str(), collection, id.is_empty(), verb) {
        ("GET", "albums", true, "") => Call::AlbumsList,
        ("POST", "albums", true, "") => Call::AlbumsCreate,
        ("GET", "albums", false, "") => Call::AlbumsGet,
        ("PATCH", "albums", false, "") => Call::AlbumsPatch,
        ("POST", "albums", false, "batchAddMediaItems") => Call::AlbumsBatchAdd,
        ("POST", "albums", false, "batchRemoveMediaItems") => Call::AlbumsBatchRemove,
        ("POST", "albums", false, "addEnrichment") => Call::AlbumsAddEnrichment,
        ("POST", "albums", false, "share" | "unshare") => Call::Sharing,
        ("GET", "sharedAlbums", _, "") => Call::Sharing,
        ("POST", "sharedAlbums:join" | "sharedAlbums:leave", true, "") => Call::Sharing,
        ("GET", "mediaItems", true, "") => Call::MediaItemsList,
        ("POST", "mediaItems:search", true, "") => Call::MediaItemsSearch,
        ("GET", "mediaItems:batchGet", true, "") => Call::MediaItemsBatchGet,
        ("POST", "mediaItems:batchCreate", true, "") => Call::MediaItemsBatchCreate,
        ("GET", "mediaItems", false, "") => Call::MediaItemsGet,
        ("PATCH", "mediaItems", false, "") => Call::MediaItemsPatch,
        _ => return None,
    };
    Some((call, id.to_owned()))
}

/// Answers anything under `/v1/`. The work runs as a task of its own: as on the real service, a
/// call goes on when its client has given up.
pub(crate) async fn api(
    State(server): State<Arc<Server>>,
    ConnectInfo(line): ConnectInfo<Line>,
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
        server.holds.pass(call, Moment::Request).await;
        let result = answer(&server, &line, call, id, &parts, body).await;
        server.holds.pass(call, Moment::Answer).await;
        if let Err(error) = &result
            && error.violation
        {
            server.meter.violation(format!("{}: {}", name(call), error.message()));
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

/// The order of things: parameters, token, scope, daily quota, body, write lock, injected failure,
/// latency, effect, failure after the effect, field mask.
async fn answer(
    server: &Arc<Server>,
    line: &Line,
    call: Call,
    id: String,
    parts: &request::Parts,
    body: Body,
) -> Result<Response<Body>, ApiError> {
    let (standard, query) = split_query(parts)?;
    let user = authorise(server, call, &parts.headers, &standard)?;
    if call == Call::Sharing {
        return Err(ApiError::permission_denied("Request had insufficient authentication scopes."));
    }
    let faults = server.switches.get();
    if !server.meter.spend(Allowance::Api, faults.daily_requests, server.quota_day()) {
        return Err(ApiError::daily_requests());
    }
    let plan = server.switches.plan(call);
    if matches!(
        call,
        Call::UploadRaw
            | Call::UploadStart
            | Call::UploadChunk
            | Call::UploadQuery
            | Call::UploadCancel
    ) {
        return uploads::answer(server, line, call, &user, parts, query, body, plan).await;
    }
    let body = read_body(parts, body).await?;
    let write_lock = if call.is_write() {
        let lock = server.begin_write(&user);
        Some(lock.ok_or_else(|| ApiError::concurrent_write().blame(true))?)
    } else {
        None
    };
    if let Some(injection) = plan.before_effect() {
        drop(write_lock);
        return fail(injection, line).await;
    }
    tokio::time::sleep(plan.latency(items_named(&body))).await;
    let request = ApiRequest { call, user, id, query, body, faults };
    let worker = server.clone();
    let done = tokio::task::spawn_blocking(move || run(&worker, request)).await;
    drop(write_lock);
    let answer = done.unwrap_or_else(|_| Err(ApiError::internal()))?;
    if let Some(injection) = plan.after_effect() {
        return fail(injection, line).await;
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
        Call::AlbumsAddEnrichment => albums::add_enrichment(server, request),
        Call::MediaItemsList => items::list(server, request),
        Call::MediaItemsSearch => items::search(server, request),
        Call::MediaItemsGet => items::get(server, request),
        Call::MediaItemsBatchGet => items::batch_get(server, request),
        Call::MediaItemsBatchCreate => crate::create::batch_create(server, request),
        Call::MediaItemsPatch => items::patch(server, request),
        _ => Err(ApiError::internal()),
    }
}

impl Plan {
    /// The failure that takes the place of the call.
    pub(crate) fn before_effect(&self) -> Option<&Injection> {
        self.injection.as_ref().filter(|injection| !injection.after_effect)
    }

    /// The failure that takes the place of the answer.
    pub(crate) fn after_effect(&self) -> Option<&Injection> {
        self.injection.as_ref().filter(|injection| injection.after_effect)
    }

    pub(crate) fn latency(&self, items: usize) -> Duration {
        Duration::from_millis(self.latency_ms + self.item_latency_ms * items as u64)
    }
}

/// Carries out an injected failure.
pub(crate) async fn fail(injection: &Injection, line: &Line) -> Result<Response<Body>, ApiError> {
    let error = match injection.failure {
        Failure::Drop => {
            line.cut();
            return Ok(Response::default());
        }
        Failure::Stall => {
            line.ended().await;
            return Ok(Response::default());
        }
        Failure::Garbage => {
            let half = "{\n  \"mediaItems\": [\n    {\n      \"id\": \"ABdUx";
            return Ok(body_response(StatusCode::OK, "application/json; charset=UTF-8", half));
        }
        Failure::Html => {
            let text = "The server encountered a temporary error.";
            return Ok(html_error(StatusCode::BAD_GATEWAY, text));
        }
        Failure::Unauthenticated => ApiError::unauthenticated(),
        Failure::PermissionDenied => {
            ApiError::permission_denied("The caller does not have permission")
        }
        Failure::ServiceDisabled => ApiError::service_disabled(),
        Failure::NotFound => ApiError::not_found(crate::choices::NOT_FOUND),
        Failure::Aborted => ApiError::aborted(),
        Failure::WritesPerMinute => ApiError::writes_per_minute(),
        Failure::ConcurrentWrite => ApiError::concurrent_write(),
        Failure::RequestsPerDay => ApiError::daily_requests(),
        Failure::Internal => ApiError::internal(),
        Failure::BadGateway => ApiError::bad_gateway(),
        Failure::Unavailable => ApiError::unavailable(),
        Failure::DeadlineExceeded => ApiError::deadline_exceeded(),
    };
    Err(error.retry_after(injection.retry_after_s))
}

/// The parameters every method has (reference §2.1), as far as they matter here.
struct Standard {
    fields: Option<String>,
    pretty: bool,
    access_token: Option<String>,
}

fn query_pairs(parts: &request::Parts) -> impl Iterator<Item = (String, String)> {
    url::form_urlencoded::parse(parts.uri.query().unwrap_or("").as_bytes()).into_owned()
}

fn standard_parameter(parts: &request::Parts, name: &str) -> Option<String> {
    query_pairs(parts).find(|(key, _)| key == name).map(|(_, value)| value)
}

fn split_query(parts: &request::Parts) -> Result<(Standard, Vec<(String, String)>), ApiError> {
    let mut standard = Standard { fields: None, pretty: true, access_token: None };
    let mut own = Vec::new();
    for (name, value) in query_pairs(parts) {
        match name.as_str() {
            "fields" | "$fields" => {
                standard.fields = Some(value).filter(|fields| !fields.is_empty())
            }
            "prettyPrint" | "$prettyPrint" => match value.as_str() {
                "true" => standard.pretty = true,
                "false" => standard.pretty = false,
                _ => return Err(ApiError::violation("Invalid value at 'prettyPrint'.")),
            },
            "alt" | "$alt" if value == "json" => {}
            "alt" | "$alt" => {
                return Err(ApiError::violation(format!("Invalid value \"{value}\" for \"alt\".")));
            }
            "quotaUser" if value.chars().count() > 40 => {
                return Err(ApiError::violation("quotaUser is longer than 40 characters."));
            }
            "$.xgafv" if !matches!(value.as_str(), "1" | "2") => {
                return Err(ApiError::violation("Invalid value at '$.xgafv'."));
            }
            "access_token" | "oauth_token" => standard.access_token = Some(value),
            "quotaUser" | "$.xgafv" | "key" | "callback" | "uploadType" | "upload_protocol" => {}
            _ => own.push((name, value)),
        }
    }
    Ok((standard, own))
}

/// The user behind the access token, if it is good and holds a scope the call needs.
fn authorise(
    server: &Server,
    call: Call,
    headers: &HeaderMap,
    standard: &Standard,
) -> Result<String, ApiError> {
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    let token = bearer.or(standard.access_token.as_deref());
    let consent = token
        .and_then(|token| oauth::consent_of_access_token(server, token))
        .ok_or_else(ApiError::unauthenticated)?;
    let holds = |scope: &str| {
        consent.scopes.iter().any(|held| held.strip_prefix(SCOPE_PREFIX) == Some(scope))
    };
    if !call.scopes().is_empty() && !call.scopes().iter().any(|scope| holds(scope)) {
        return Err(ApiError::scope_insufficient(call.rpc()));
    }
    Ok(consent.user)
}

async fn read_body(parts: &request::Parts, body: Body) -> Result<Value, ApiError> {
    let bytes = axum::body::to_bytes(body, BODY_BYTES_MAX)
        .await
        .map_err(|_| ApiError::too_large("Request payload size exceeds the limit."))?;
    if parts.method == Method::GET {
        return if bytes.is_empty() {
            Ok(json!({}))
        } else {
            Err(ApiError::violation("A GET request carries no body."))
        };
    }
    if bytes.is_empty() {
        return Ok(json!({}));
    }
    let content_type =
        parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let mut pieces = content_type.split(';').map(str::trim);
    let charset_fits = |piece: &str| {
        !piece.to_ascii_lowercase().starts_with("charset=")
            || piece.to_ascii_lowercase().trim_end_matches('"').ends_with("utf-8")
    };
    if pieces.next() != Some("application/json") || !pieces.all(charset_fits) {
        return Err(ApiError::violation(format!(
            "Content-Type must be application/json, not \"{content_type}\"."
        )));
    }
    match serde_json::from_slice(&bytes) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(ApiError::violation("Invalid JSON payload received. Expected an object.")),
        Err(error) => Err(ApiError::violation(format!("Invalid JSON payload received. {error}"))),
    }
}

/// How many items a request body names: the length of its longest list.
fn items_named(body: &Value) -> usize {
    let lists = body.as_object().into_iter().flat_map(|object| object.values());
    lists.filter_map(Value::as_array).map(Vec::len).max().unwrap_or(0)
}

/// A call as it is named in statistics.
pub(crate) fn name(call: Call) -> String {
    serde_json::to_value(call).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}
