//! The endpoints for tokens (reference §3.5 to §3.8): from code to grant, refresh, revocation,
//! inspection.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::response::IntoResponse;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::tokens::{consent, consent_of_access_token, grant, live_consent, open_access_token};
use crate::account::{DEFAULT_USER, OauthClient};
use crate::call::Call;
use crate::choices;
use crate::connection::Connection;
use crate::error::ApiError;
use crate::faults::inject;
use crate::http::json_response;
use crate::server::Server;
use crate::state::{Change, Consent};

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
pub(crate) async fn token(
    State(server): State<Arc<Server>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    headers: HeaderMap,
    body: String,
) -> Response<Body> {
    let _running = server.meter.begin(Call::OauthToken);
    let plan = server.switches.plan(Call::OauthToken, false, server.now_ms());
    if let Some(injection) = plan.before_effect() {
        return inject(injection, Call::OauthToken.service(), &connection)
            .await
            .unwrap_or_else(|error| error.into_response(true));
    }
    tokio::time::sleep(plan.latency(0)).await;
    let answer = exchange(&server, &headers, &body);
    if let Some(injection) = plan.after_effect() {
        return inject(injection, Call::OauthToken.service(), &connection)
            .await
            .unwrap_or_else(|error| error.into_response(true));
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
    let client = checked_client(headers, field("client_id"), field("client_secret"))?;
    match field("grant_type") {
        Some("authorization_code") => exchange_code(server, client, &field),
        Some("refresh_token") => {
            let token = field("refresh_token").ok_or_else(|| {
                TokenError::bad("invalid_request", "Missing required parameter: refresh_token")
            })?;
            if !token.starts_with("1//") {
                return Err(TokenError::invalid_grant("Bad Request"));
            }
            let consent = live_consent(server, token)
                .ok_or_else(|| TokenError::invalid_grant("Token has been expired or revoked."))?;
            if consent.account.client != client {
                let error = choices::ANOTHER_CLIENTS_TOKEN;
                return Err(TokenError(StatusCode::UNAUTHORIZED, error, "Unauthorized".to_owned()));
            }
            Ok(token_answer(server, &consent, false))
        }
        other => {
            let text = format!("Invalid grant_type: {}", other.unwrap_or_default());
            Err(TokenError::bad("unsupported_grant_type", text))
        }
    }
}

/// The client whose id and secret stand in the form or in an `Authorization: Basic` header.
fn checked_client(
    headers: &HeaderMap,
    id: Option<&str>,
    secret: Option<&str>,
) -> Result<OauthClient, TokenError> {
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
    let Some(id) = id else {
        let text = "Could not determine client ID from request.";
        return Err(TokenError::bad("invalid_request", text));
    };
    match (OauthClient::with_id(id), secret) {
        (None, _) => unauthorized("The OAuth client was not found."),
        (_, None) => Err(TokenError::bad("invalid_request", "client_secret is missing.")),
        (Some(client), Some(secret)) if secret == client.secret() => Ok(client),
        _ => unauthorized("The provided client secret is invalid."),
    }
}

fn exchange_code<'a>(
    server: &Server,
    client: OauthClient,
    field: &impl Fn(&str) -> Option<&'a str>,
) -> Result<Value, TokenError> {
    let code = field("code")
        .and_then(|code| server.codes.take(code, server.now_ms()))
        .filter(|code| code.account.client == client)
        .ok_or_else(|| TokenError::invalid_grant("Malformed auth code."))?;
    if field("redirect_uri") != Some(code.redirect_uri.as_str()) {
        return Err(TokenError::bad("redirect_uri_mismatch", "Bad Request"));
    }
    let challenge = code.code_challenge.as_str();
    if !challenge.is_empty() {
        let verifier = field("code_verifier")
            .ok_or_else(|| TokenError::invalid_grant("Missing code verifier."))?;
        let long_enough = (43..=128).contains(&verifier.len());
        let answer = match code.code_challenge_method.as_str() {
            "S256" => URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)),
            _ => verifier.to_owned(),
        };
        if !long_enough || answer != challenge {
            return Err(TokenError::invalid_grant("Invalid code verifier."));
        }
    }
    let consent = consent(server, &code.account, code.scopes).map_err(|_| {
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
pub(crate) struct TokenQuery {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
}

/// Revokes an access or refresh token, and with it all the project's scopes (reference §3.7).
pub(crate) async fn revoke(
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
    let Some(Consent { account, .. }) = consent else {
        let text = "Token expired or revoked";
        return TokenError::bad("invalid_token", text).into_response();
    };
    let mut world = server.world.lock();
    for consent in world.consents().into_iter().filter(|consent| consent.account == account) {
        let refresh_token = consent.refresh_token;
        if let Err(error) = server.record(&mut world, Change::ConsentGone { refresh_token }) {
            return error.into_response(true);
        }
    }
    json_response(StatusCode::OK, &json!({}), true)
}

/// Describes an access token: the client and the scopes, not the user.
pub(crate) async fn token_info(
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
        "azp": consent.account.client.id(),
        "aud": consent.account.client.id(),
        "scope": consent.scopes.join(" "),
        "expires_in": left_s.to_string(),
        "access_type": "offline",
    });
    json_response(StatusCode::OK, &answer, true)
}

/// The user who consented, if the token holds a scope for it (reference §3.1).
pub(crate) async fn user_info(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
) -> Response<Body> {
    let _running = server.meter.begin(Call::OauthUserInfo);
    let consent = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
        .and_then(|token| consent_of_access_token(&server, token));
    let Some(consent) = consent else {
        return ApiError::unauthenticated().into_response(true);
    };
    let holds = |wanted: [&str; 2]| wanted.iter().any(|it| consent.scopes.iter().any(|s| s == it));
    let email = holds(["email", "https://www.googleapis.com/auth/userinfo.email"]);
    let profile = holds(["profile", "https://www.googleapis.com/auth/userinfo.profile"]);
    if !email && !profile && !consent.scopes.iter().any(|scope| scope == "openid") {
        return ApiError::permission_denied(choices::USER_INFO_REFUSED).into_response(true);
    }
    let user = consent.account.user;
    let mut answer = json!({ "sub": subject(&user) });
    if email {
        answer["email"] = user.into();
    }
    json_response(StatusCode::OK, &answer, true)
}

/// The number that stands for a user.
fn subject(user: &str) -> String {
    if user == DEFAULT_USER {
        return "100000000000000000001".to_owned();
    }
    let [a, b, c, d, ..] = Sha256::digest(user)[..] else { return String::new() };
    format!("1{:020}", u32::from_be_bytes([a, b, c, d]))
}

/// The addresses above, for programs that look them up.
pub(crate) async fn openid_configuration(State(server): State<Arc<Server>>) -> Response<Body> {
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
pub(crate) async fn device_code() -> Response<Body> {
    TokenError::bad("invalid_scope", "Invalid device flow scope").into_response()
}
