//! OAuth 2.0 for installed programs (reference §3): consent page, code, tokens.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, Form, Query, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use super::Grant;
use super::call::{Call, SCOPE_PREFIX};
use super::error::{ApiError, body_response, escape, json_response};
use super::gate::fail;
use super::listener::Line;
use super::server::{DEFAULT_USER, Server};
use super::state::{Change, Consent, PROJECT};

/// The one OAuth client, a desktop application.
pub(super) const CLIENT_ID: &str =
    "123456789012-gphotosfsemulator0123456789abcd.apps.googleusercontent.com";
pub(super) const CLIENT_SECRET: &str = "GOCSPX-not-a-secret-in-an-emulator";

/// How long an authorisation code is good for.
const CODE_LIFE_MS: i64 = 10 * 60_000;
/// Codes waiting to be exchanged, at most.
const CODES_MAX: usize = 1000;
/// Scopes that may be granted beside ours; all others are unknown here.
const PROFILE_SCOPES: [&str; 5] = [
    "openid",
    "email",
    "profile",
    "https://www.googleapis.com/auth/userinfo.email",
    "https://www.googleapis.com/auth/userinfo.profile",
];

/// A client secret file in Google's format, with this server's addresses.
pub(super) fn client_secret(url: &str) -> Value {
    json!({ "installed": {
        "client_id": CLIENT_ID,
        "project_id": PROJECT,
        "auth_uri": format!("{url}/o/oauth2/auth"),
        "token_uri": format!("{url}/token"),
        "auth_provider_x509_cert_url": format!("{url}/oauth2/v1/certs"),
        "client_secret": CLIENT_SECRET,
        "redirect_uris": ["http://localhost"],
    } })
}

/// The content of an access token.
#[derive(Serialize, Deserialize)]
struct AccessToken {
    refresh_token: String,
    generation: u64,
    expires_ms: i64,
    nonce: u64,
}

const ACCESS_PREFIX: &str = "ya29.";

/// What an access token that is still good stands for.
pub(super) fn consent_of_access_token(server: &Server, token: &str) -> Option<Consent> {
    let (token, consent) = open_access_token(server, token)?;
    let now_ms = server.now_ms();
    (token.expires_ms > now_ms && token.generation == consent.generation).then_some(consent)
}

fn open_access_token(server: &Server, token: &str) -> Option<(AccessToken, Consent)> {
    let token: AccessToken = server.sealer.open("access", token.strip_prefix(ACCESS_PREFIX)?)?;
    let consent = live_consent(server, &token.refresh_token)?;
    Some((token, consent))
}

fn live_consent(server: &Server, refresh_token: &str) -> Option<Consent> {
    let consent = server.world.lock().consent(refresh_token)?.clone();
    consent.expires_ms.is_none_or(|expires_ms| expires_ms > server.now_ms()).then_some(consent)
}

/// Records a user's consent.
pub(super) fn consent(
    server: &Server,
    user: &str,
    scopes: Vec<String>,
) -> Result<Consent, ApiError> {
    let life_s = server.switches.get().refresh_token_life_s;
    let now_ms = server.now_ms();
    let consent = Consent {
        refresh_token: format!("1//0g{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; 48]>())),
        user: user.to_owned(),
        scopes,
        granted_ms: now_ms,
        expires_ms: life_s.map(|s| now_ms.saturating_add_unsigned(s.saturating_mul(1000))),
        generation: 0,
    };
    server.record(&mut server.world.lock(), Change::Consent(consent.clone()))?;
    Ok(consent)
}

/// A new access token and all that goes with it.
pub(super) fn grant(server: &Server, consent: &Consent) -> Grant {
    let life_s = server.switches.get().access_token_life_s;
    let token = AccessToken {
        refresh_token: consent.refresh_token.clone(),
        generation: consent.generation,
        expires_ms: server.now_ms().saturating_add_unsigned(life_s.saturating_mul(1000)),
        nonce: rand::random(),
    };
    Grant {
        access_token: format!("{ACCESS_PREFIX}{}", server.sealer.seal("access", &token, 0)),
        refresh_token: consent.refresh_token.clone(),
        expires_in: life_s,
        scope: consent.scopes.join(" "),
    }
}

/// Ends all access tokens; refresh tokens stay good.
pub(super) fn expire_access_tokens(server: &Server) -> Result<(), ApiError> {
    let mut world = server.world.lock();
    for consent in world.consents() {
        let generation = consent.generation + 1;
        server.record(&mut world, Change::Consent(Consent { generation, ..consent }))?;
    }
    Ok(())
}

/// Ends all grants, as when the user removes the application's access.
pub(super) fn revoke_all(server: &Server) -> Result<(), ApiError> {
    let mut world = server.world.lock();
    for Consent { refresh_token, .. } in world.consents() {
        server.record(&mut world, Change::ConsentGone { refresh_token })?;
    }
    Ok(())
}

/// Codes that have been given and not exchanged.
#[derive(Default)]
pub(super) struct Codes {
    waiting: Mutex<HashMap<String, Code>>,
}

struct Code {
    request: AuthRequest,
    scopes: Vec<String>,
    expires_ms: i64,
}

/// The authorisation request (reference §3.3).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct AuthRequest {
    client_id: String,
    redirect_uri: String,
    response_type: String,
    scope: String,
    code_challenge: String,
    code_challenge_method: String,
    state: Option<String>,
    login_hint: String,
    prompt: String,
}

impl AuthRequest {
    /// What is wrong with it, as the title of Google's error page and a sentence.
    fn check(&self) -> Result<Url, (StatusCode, &'static str, &'static str)> {
        let bad = |error, text| Err((StatusCode::BAD_REQUEST, error, text));
        if self.client_id != CLIENT_ID {
            let text = "The OAuth client was not found.";
            return Err((StatusCode::UNAUTHORIZED, "invalid_client", text));
        }
        let Ok(redirect) = Url::parse(&self.redirect_uri) else {
            return bad("invalid_request", "Missing or invalid redirect_uri.");
        };
        let loopback = matches!(redirect.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
        if redirect.scheme() != "http" || !loopback {
            return bad("redirect_uri_mismatch", "A desktop client redirects to loopback only.");
        }
        if self.response_type != "code" {
            return bad("unsupported_response_type", "response_type must be code.");
        }
        if self.scopes().any(|scope| scope.contains("/auth/drive")) {
            let text = "This request contains scopes that cannot be requested together.";
            return bad("invalid_request", text);
        }
        let known = |scope: &str| {
            PROFILE_SCOPES.contains(&scope) || scope.starts_with(SCOPE_PREFIX) || scope == OLD_SCOPE
        };
        if self.scopes().count() == 0 || !self.scopes().all(known) {
            return bad("invalid_scope", "Some requested scopes are missing or unknown.");
        }
        let method = self.code_challenge_method.as_str();
        if !self.code_challenge.is_empty() && !matches!(method, "S256" | "plain" | "") {
            return bad("invalid_request", "Invalid code_challenge_method.");
        }
        Ok(redirect)
    }

    fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scope.split_whitespace()
    }

    fn user(&self) -> &str {
        if self.login_hint.is_empty() { DEFAULT_USER } else { &self.login_hint }
    }
}

/// The scope of whole libraries that was taken away in 2025. It can still be granted, and opens
/// nothing (reference §4).
const OLD_SCOPE: &str = "https://www.googleapis.com/auth/photoslibrary";

/// The consent page, or straight back to the program if the emulator approves by itself.
pub(super) async fn auth(
    State(server): State<Arc<Server>>,
    Query(request): Query<AuthRequest>,
) -> Response<Body> {
    let _running = server.meter.begin(Call::OauthAuth);
    let redirect = match request.check() {
        Ok(redirect) => redirect,
        Err((http, error, text)) => return error_page(http, error, text),
    };
    if request.code_challenge_method != "S256" || request.code_challenge.is_empty() {
        server.meter.violation("oauth.auth: no PKCE challenge with S256");
    }
    if server.auto_approve {
        let scopes = request.scopes().map(str::to_owned).collect();
        return approve(&server, redirect, request, scopes);
    }
    consent_page(&request)
}

fn error_page(http: StatusCode, error: &str, text: &str) -> Response<Body> {
    let code = http.as_u16();
    body_response(
        http,
        "text/html; charset=UTF-8",
        format!(
            "<!DOCTYPE html>\n<html lang=en>\n<meta charset=utf-8>\n\
             <title>Error {code}: {error}</title>\n<h1>Access blocked</h1>\n<p>{}\n\
             <p>Error {code}: {error}\n",
            escape(text)
        ),
    )
}

fn consent_page(request: &AuthRequest) -> Response<Body> {
    let boxes: String = request
        .scopes()
        .map(|scope| {
            let scope = escape(scope);
            format!(
                "<p><label><input type=checkbox name=granted value=\"{scope}\" checked> \
                 {scope}</label>\n"
            )
        })
        .collect();
    let fields = serde_json::to_value(request).unwrap_or_default();
    let hidden: String = fields
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| {
            let value = escape(value.as_str()?);
            Some(format!("<input type=hidden name={name} value=\"{value}\">\n"))
        })
        .collect();
    body_response(
        StatusCode::OK,
        "text/html; charset=UTF-8",
        format!(
            "<!DOCTYPE html>\n<html lang=en>\n<meta charset=utf-8>\n\
             <title>Sign in with the emulator</title>\n\
             <h1>{PROJECT} wants access to the account {}</h1>\n\
             <form method=post action=\"/o/oauth2/approve\">\n{hidden}{boxes}\
             <button name=decision value=allow>Continue</button>\n\
             <button name=decision value=deny>Deny</button>\n</form>\n",
            escape(request.user())
        ),
    )
}

/// The form behind the consent page. Fields come in pairs because `granted` is repeated.
pub(super) async fn decide(
    State(server): State<Arc<Server>>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> Response<Body> {
    let one =
        |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let request = AuthRequest {
        client_id: one("client_id").unwrap_or_default(),
        redirect_uri: one("redirect_uri").unwrap_or_default(),
        response_type: one("response_type").unwrap_or_default(),
        scope: one("scope").unwrap_or_default(),
        code_challenge: one("code_challenge").unwrap_or_default(),
        code_challenge_method: one("code_challenge_method").unwrap_or_default(),
        state: one("state"),
        login_hint: one("login_hint").unwrap_or_default(),
        prompt: one("prompt").unwrap_or_default(),
    };
    let mut redirect = match request.check() {
        Ok(redirect) => redirect,
        Err((http, error, text)) => return error_page(http, error, text),
    };
    let granted: Vec<String> = pairs
        .iter()
        .filter(|(key, scope)| key == "granted" && request.scopes().any(|asked| asked == scope))
        .map(|(_, scope)| scope.clone())
        .collect();
    if one("decision").as_deref() == Some("allow") && !granted.is_empty() {
        return approve(&server, redirect, request, granted);
    }
    redirect.query_pairs_mut().append_pair("error", "access_denied");
    back_to_program(redirect, request.state.as_deref())
}

fn approve(
    server: &Server,
    mut redirect: Url,
    request: AuthRequest,
    scopes: Vec<String>,
) -> Response<Body> {
    let code = format!("4/0Ab{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()));
    let state = request.state.clone();
    redirect.query_pairs_mut().append_pair("code", &code).append_pair("scope", &scopes.join(" "));
    let now_ms = server.now_ms();
    let mut waiting = server.codes.waiting.lock();
    waiting.retain(|_, code| code.expires_ms > now_ms);
    if waiting.len() < CODES_MAX {
        waiting.insert(code, Code { request, scopes, expires_ms: now_ms + CODE_LIFE_MS });
    }
    back_to_program(redirect, state.as_deref())
}

fn back_to_program(mut redirect: Url, state: Option<&str>) -> Response<Body> {
    if let Some(state) = state {
        redirect.query_pairs_mut().append_pair("state", state);
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::FOUND;
    if let Ok(location) = HeaderValue::from_str(redirect.as_str()) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// A refusal of the token endpoint.
struct TokenError(StatusCode, &'static str, String);

impl TokenError {
    fn bad(error: &'static str, description: impl Into<String>) -> TokenError {
        TokenError(StatusCode::BAD_REQUEST, error, description.into())
    }

    fn invalid_grant(description: &str) -> TokenError {
        TokenError::bad("invalid_grant", description)
    }
}

impl IntoResponse for TokenError {
    fn into_response(self) -> Response<Body> {
        let body = json!({ "error": self.1, "error_description": self.2 });
        json_response(self.0, &body, true)
    }
}

/// The token endpoint: code exchange and refresh.
pub(super) async fn token(
    State(server): State<Arc<Server>>,
    ConnectInfo(line): ConnectInfo<Line>,
    headers: HeaderMap,
    body: String,
) -> Response<Body> {
    let _running = server.meter.begin(Call::OauthToken);
    let plan = server.switches.plan(Call::OauthToken);
    if let Some(injection) = plan.before_effect() {
        return fail(injection, &line).await.unwrap_or_else(|error| error.into_response(true));
    }
    tokio::time::sleep(plan.latency(0)).await;
    let answer = exchange(&server, &headers, &body);
    if let Some(injection) = plan.after_effect() {
        return fail(injection, &line).await.unwrap_or_else(|error| error.into_response(true));
    }
    match answer {
        Ok(value) => json_response(StatusCode::OK, &value, true),
        Err(error) => {
            if error.1 != "invalid_grant" {
                server.meter.violation(format!("oauth.token: {} {}", error.1, error.2));
            }
            error.into_response()
        }
    }
}

fn form(headers: &HeaderMap, body: &str) -> Result<HashMap<String, String>, TokenError> {
    let content_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    if !content_type.starts_with("application/x-www-form-urlencoded") {
        return Err(TokenError::bad("invalid_request", "Bad content type."));
    }
    Ok(url::form_urlencoded::parse(body.as_bytes()).into_owned().collect())
}

fn exchange(server: &Server, headers: &HeaderMap, body: &str) -> Result<Value, TokenError> {
    let form = form(headers, body)?;
    let field = |name: &str| form.get(name).map(String::as_str);
    check_client(headers, field("client_id"), field("client_secret"))?;
    match field("grant_type") {
        Some("authorization_code") => exchange_code(server, &field),
        Some("refresh_token") => {
            let token = field("refresh_token").ok_or_else(|| {
                TokenError::bad("invalid_request", "Missing required parameter: refresh_token")
            })?;
            if !token.starts_with("1//") {
                return Err(TokenError::invalid_grant("Bad Request"));
            }
            let consent = live_consent(server, token)
                .ok_or_else(|| TokenError::invalid_grant("Token has been expired or revoked."))?;
            Ok(token_answer(server, &consent, false))
        }
        other => {
            let text = format!("Invalid grant_type: {}", other.unwrap_or_default());
            Err(TokenError::bad("unsupported_grant_type", text))
        }
    }
}

/// The client's id and secret, from the form or an `Authorization: Basic` header.
fn check_client(
    headers: &HeaderMap,
    id: Option<&str>,
    secret: Option<&str>,
) -> Result<(), TokenError> {
    let basic = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Basic "))
        .and_then(|text| String::from_utf8(STANDARD.decode(text).ok()?).ok());
    let basic = basic.as_deref().and_then(|text| text.split_once(':'));
    let (id, secret) = match basic {
        Some((id, secret)) => (Some(id), Some(secret)),
        None => (id, secret),
    };
    let unauthorized =
        |text: &str| Err(TokenError(StatusCode::UNAUTHORIZED, "invalid_client", text.to_owned()));
    match (id, secret) {
        (None, _) => {
            Err(TokenError::bad("invalid_request", "Could not determine client ID from request."))
        }
        (Some(id), _) if id != CLIENT_ID => unauthorized("The OAuth client was not found."),
        (_, None) => Err(TokenError::bad("invalid_request", "client_secret is missing.")),
        (_, Some(CLIENT_SECRET)) => Ok(()),
        _ => unauthorized("The provided client secret is invalid."),
    }
}

fn exchange_code<'a>(
    server: &Server,
    field: &impl Fn(&str) -> Option<&'a str>,
) -> Result<Value, TokenError> {
    // Taken out first: a code is for one use, whatever comes of it.
    let code = field("code").and_then(|code| server.codes.waiting.lock().remove(code));
    let code = code
        .filter(|code| code.expires_ms > server.now_ms())
        .ok_or_else(|| TokenError::invalid_grant("Malformed auth code."))?;
    if field("redirect_uri") != Some(code.request.redirect_uri.as_str()) {
        return Err(TokenError::bad("redirect_uri_mismatch", "Bad Request"));
    }
    let challenge = code.request.code_challenge.as_str();
    if !challenge.is_empty() {
        let verifier = field("code_verifier")
            .ok_or_else(|| TokenError::invalid_grant("Missing code verifier."))?;
        let long_enough = (43..=128).contains(&verifier.len());
        let answer = match code.request.code_challenge_method.as_str() {
            "S256" => URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)),
            _ => verifier.to_owned(),
        };
        if !long_enough || answer != challenge {
            return Err(TokenError::invalid_grant("Invalid code verifier."));
        }
    }
    let consent = consent(server, code.request.user(), code.scopes).map_err(|_| {
        TokenError(StatusCode::INTERNAL_SERVER_ERROR, "internal_failure", String::new())
    })?;
    Ok(token_answer(server, &consent, true))
}

fn token_answer(server: &Server, consent: &Consent, first: bool) -> Value {
    let grant = grant(server, consent);
    let mut answer = json!({
        "access_token": grant.access_token,
        "expires_in": grant.expires_in,
        "scope": grant.scope,
        "token_type": "Bearer",
    });
    if first {
        answer["refresh_token"] = grant.refresh_token.into();
        if let Some(expires_ms) = consent.expires_ms {
            answer["refresh_token_expires_in"] = ((expires_ms - consent.granted_ms) / 1000).into();
        }
    }
    answer
}

#[derive(Deserialize)]
pub(super) struct TokenQuery {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
}

/// Revokes an access or refresh token, and with it all the project's scopes (reference §3.7).
pub(super) async fn revoke(
    State(server): State<Arc<Server>>,
    Query(query): Query<TokenQuery>,
    headers: HeaderMap,
    body: String,
) -> Response<Body> {
    let _running = server.meter.begin(Call::OauthRevoke);
    let in_body = form(&headers, &body).ok().and_then(|mut form| form.remove("token"));
    let token = in_body.unwrap_or(query.token);
    let consent = live_consent(&server, &token)
        .or_else(|| open_access_token(&server, &token).map(|(_, consent)| consent));
    let Some(Consent { user, .. }) = consent else {
        let text = "Token expired or revoked";
        return TokenError::bad("invalid_token", text).into_response();
    };
    let mut world = server.world.lock();
    for consent in world.consents().into_iter().filter(|consent| consent.user == user) {
        let refresh_token = consent.refresh_token;
        if let Err(error) = server.record(&mut world, Change::ConsentGone { refresh_token }) {
            return error.into_response(true);
        }
    }
    json_response(StatusCode::OK, &json!({}), true)
}

/// Describes an access token.
pub(super) async fn token_info(
    State(server): State<Arc<Server>>,
    Query(query): Query<TokenQuery>,
) -> Response<Body> {
    let _running = server.meter.begin(Call::OauthTokenInfo);
    let found = open_access_token(&server, &query.access_token)
        .filter(|(token, consent)| token.generation == consent.generation)
        .map(|(token, consent)| ((token.expires_ms - server.now_ms()) / 1000, consent))
        .filter(|(left_s, _)| *left_s > 0);
    let Some((left_s, consent)) = found else {
        return TokenError::bad("invalid_token", "Invalid Value").into_response();
    };
    let answer = json!({
        "azp": CLIENT_ID,
        "aud": CLIENT_ID,
        "scope": consent.scopes.join(" "),
        "expires_in": left_s.to_string(),
        "access_type": "offline",
    });
    json_response(StatusCode::OK, &answer, true)
}

/// Who consented.
pub(super) async fn user_info(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
) -> Response<Body> {
    let consent = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
        .and_then(|token| consent_of_access_token(&server, token));
    match consent {
        Some(consent) => {
            let answer = json!({ "sub": "100000000000000000001", "email": consent.user });
            json_response(StatusCode::OK, &answer, true)
        }
        None => ApiError::unauthenticated().into_response(true),
    }
}

/// The addresses above, for programs that look them up.
pub(super) async fn openid_configuration(State(server): State<Arc<Server>>) -> Response<Body> {
    let url = &server.url;
    let answer = json!({
        "issuer": url,
        "authorization_endpoint": format!("{url}/o/oauth2/v2/auth"),
        "token_endpoint": format!("{url}/token"),
        "revocation_endpoint": format!("{url}/revoke"),
        "userinfo_endpoint": format!("{url}/v1/userinfo"),
    });
    json_response(StatusCode::OK, &answer, true)
}

/// No Photos scope is on the list of the device flow.
pub(super) async fn device_code() -> Response<Body> {
    TokenError::bad("invalid_scope", "Invalid device flow scope").into_response()
}
