//! The authorisation request (reference §3.3).

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::account::{Account, OauthClient};
use crate::call::{PICKER_SCOPE, SCOPE_PREFIX};

/// Scopes that may be granted beside ours; all others are unknown here.
const PROFILE_SCOPES: [&str; 5] = [
    "openid",
    "email",
    "profile",
    "https://www.googleapis.com/auth/userinfo.email",
    "https://www.googleapis.com/auth/userinfo.profile",
];

/// The scope of whole libraries that was taken away in 2025. It can still be granted, and opens
/// nothing (reference §4).
const OLD_SCOPE: &str = "https://www.googleapis.com/auth/photoslibrary";

/// The authorisation request (reference §3.3).
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct AuthRequest {
    client_id: String,
    pub(crate) redirect_uri: String,
    response_type: String,
    scope: String,
    pub(crate) code_challenge: String,
    pub(crate) code_challenge_method: String,
    pub(crate) state: Option<String>,
    login_hint: String,
    prompt: String,
}

impl AuthRequest {
    /// The client and where to redirect to, or the title and the sentence of Google's error page.
    pub(crate) fn check(
        &self,
    ) -> Result<(OauthClient, Url), (StatusCode, &'static str, &'static str)> {
        let bad = |error, text| Err((StatusCode::BAD_REQUEST, error, text));
        let Some(client) = OauthClient::with_id(&self.client_id) else {
            let text = "The OAuth client was not found.";
            return Err((StatusCode::UNAUTHORIZED, "invalid_client", text));
        };
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
            PROFILE_SCOPES.contains(&scope)
                || scope.starts_with(SCOPE_PREFIX)
                || [OLD_SCOPE, PICKER_SCOPE].contains(&scope)
        };
        if self.scopes().count() == 0 || !self.scopes().all(known) {
            return bad("invalid_scope", "Some requested scopes are missing or unknown.");
        }
        let method = self.code_challenge_method.as_str();
        if !self.code_challenge.is_empty() && !matches!(method, "S256" | "plain" | "") {
            return bad("invalid_request", "Invalid code_challenge_method.");
        }
        Ok((client, redirect))
    }

    pub(crate) fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scope.split_whitespace()
    }

    /// The account that consents: that of `login_hint`, or else of the signed-in user.
    pub(crate) fn account(&self, client: OauthClient, signed_in: &str) -> Account {
        let user = if self.login_hint.is_empty() { signed_in } else { &self.login_hint };
        Account { user: user.to_owned(), client }
    }

    /// The request in the fields of the consent page's form.
    pub(crate) fn from_form(pairs: &[(String, String)]) -> AuthRequest {
        let one =
            |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let text = |name: &str| one(name).unwrap_or_default();
        AuthRequest {
            client_id: text("client_id"),
            redirect_uri: text("redirect_uri"),
            response_type: text("response_type"),
            scope: text("scope"),
            code_challenge: text("code_challenge"),
            code_challenge_method: text("code_challenge_method"),
            state: one("state"),
            login_hint: text("login_hint"),
            prompt: text("prompt"),
        }
    }
}
