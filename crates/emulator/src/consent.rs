//! The authorisation endpoint (reference §3.3, §3.4): the consent page, and the way back to the program
//! with a code.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Form, Query, State};
use axum::http::{HeaderValue, Response, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::call::{Call, SCOPE_PREFIX};
use crate::error::{body_response, escape};
use crate::oauth::CLIENT_ID;
use crate::server::{DEFAULT_USER, Server};
use crate::state::PROJECT;

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

/// Codes that have been given and not exchanged.
#[derive(Default)]
pub(crate) struct Codes {
    waiting: Mutex<HashMap<String, Code>>,
}

/// What an authorisation code stands for.
pub(crate) struct Code {
    pub(crate) request: AuthRequest,
    pub(crate) scopes: Vec<String>,
    expires_ms: i64,
}

impl Codes {
    /// Takes a code out, whatever comes of it: it is for one use. `None` if it was never given or has
    /// been waiting too long.
    pub(crate) fn take(&self, code: &str, now_ms: i64) -> Option<Code> {
        self.waiting.lock().remove(code).filter(|code| code.expires_ms > now_ms)
    }
}

/// The authorisation request (reference §3.3).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct AuthRequest {
    client_id: String,
    pub(crate) redirect_uri: String,
    response_type: String,
    scope: String,
    pub(crate) code_challenge: String,
    pub(crate) code_challenge_method: String,
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

    pub(crate) fn user(&self) -> &str {
        if self.login_hint.is_empty() { DEFAULT_USER } else { &self.login_hint }
    }
}

/// The scope of whole libraries that was taken away in 2025. It can still be granted, and opens
/// nothing (reference §4).
const OLD_SCOPE: &str = "https://www.googleapis.com/auth/photoslibrary";

/// The consent page, or straight back to the program if the emulator approves by itself.
pub(crate) async fn auth(
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
pub(crate) async fn decide(
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
