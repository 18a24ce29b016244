//! Requests to the OAuth endpoints (reference §3.3 to §3.7).

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse,
};
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, CsrfToken, EndpointNotSet, EndpointSet,
    HttpRequest, HttpResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RefreshToken,
    RequestTokenError, StandardRevocableToken, TokenUrl,
};
use parking_lot::Mutex;
use url::Url;

use super::client_file::ClientSecret;
use super::error::LoginError;
use super::grant::{Grant, Scope};
use super::token_answer::TokenAnswer;
use crate::api::connections::for_calls;
use crate::api::error::Error;
use crate::api::http::{classify, clock_skew, whole_body};
use crate::api::quote::quote;

pub(super) const CONNECT_DEADLINE: Duration = Duration::from_secs(20);
const DEADLINE: Duration = Duration::from_secs(30);
/// The longest answer of the token endpoint. Its tokens are kept, and sent with each request.
const TOKEN_ANSWER_MAX: usize = 64 << 10;

type Client = oauth2::Client<
    BasicErrorResponse,
    TokenAnswer,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// Makes the OAuth requests of one client.
#[derive(Debug)]
pub struct OAuth {
    client: ClientSecret,
    http: reqwest::Client,
    /// Server time minus ours, by the `Date` header of the last answer.
    skew: Mutex<Option<SignedDuration>>,
}

/// The state to keep from the link until its code arrives.
#[derive(Debug)]
pub struct Authorisation {
    /// The page for the user.
    pub url: Url,
    /// Must come back with the code. Otherwise the answer belongs to another login.
    pub state: String,
    redirect: String,
    scopes: &'static [Scope],
    verifier: PkceCodeVerifier,
}

impl OAuth {
    /// Prepares requests for a client.
    ///
    /// # Errors
    /// If the HTTP client cannot be made.
    pub fn open(client: ClientSecret) -> Result<Self, LoginError> {
        let http = for_calls(CONNECT_DEADLINE).map_err(|err| LoginError::Offline(Arc::new(err)))?;
        Ok(Self::new(client, http))
    }

    pub(super) fn new(client: ClientSecret, http: reqwest::Client) -> Self {
        Self { client, http, skew: Mutex::new(None) }
    }

    /// How far this machine's clock is behind Google's, by its last answer; off by a second or two.
    pub fn clock_skew(&self) -> Option<SignedDuration> {
        *self.skew.lock()
    }

    /// Returns the link that asks the user for these scopes. `redirect` is the address that
    /// awaits the answer. The exchange sends the same string again.
    ///
    /// # Errors
    /// If `redirect` is no URL.
    pub fn authorise(
        &self,
        redirect: &str,
        scopes: &'static [Scope],
    ) -> Result<Authorisation, LoginError> {
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let client = self.client(Some(redirect))?;
        let (url, state) = client
            .authorize_url(CsrfToken::new_random)
            .add_scopes(scopes.iter().map(|it| oauth2::Scope::new(it.as_str().to_owned())))
            .add_extra_param("access_type", "offline")
            // Without it, a second login returns no refresh token.
            .add_extra_param("prompt", "consent")
            .set_pkce_challenge(challenge)
            .url();
        Ok(Authorisation {
            url,
            state: state.into_secret(),
            redirect: redirect.to_owned(),
            scopes,
            verifier,
        })
    }

    /// Exchanges the code from the redirect for a grant; `None` if Google returned no refresh
    /// token.
    ///
    /// # Errors
    /// [`LoginError::Ended`] if Google refuses the code.
    pub async fn exchange(
        &self,
        authorisation: Authorisation,
        code: String,
    ) -> Result<Option<Grant>, LoginError> {
        let client = self.client(Some(&authorisation.redirect))?;
        let scopes = authorisation.scopes;
        let request = client
            .exchange_code(AuthorizationCode::new(code))
            .set_pkce_verifier(authorisation.verifier);
        let answer = request.request_async(self).await.map_err(token_error)?;
        Ok(Grant::new(&answer, scopes, Timestamp::now()))
    }

    /// Exchanges a refresh token for an access token.
    pub(super) async fn renew(&self, refresh_token: &str) -> Result<TokenAnswer, LoginError> {
        let client = self.client(None)?;
        let token = RefreshToken::new(refresh_token.to_owned());
        client.exchange_refresh_token(&token).request_async(self).await.map_err(token_error)
    }

    /// Revokes a grant at Google, for all programs of the same project. Returns `false` if it had
    /// ended before.
    ///
    /// # Errors
    /// If Google does not confirm that it has ended.
    pub async fn revoke(&self, grant: &Grant) -> Result<bool, LoginError> {
        // The oauth2 crate insists on https, so it cannot revoke at an emulator.
        let request = self.http.post(self.client.revoke_uri.clone()).timeout(DEADLINE);
        let response = match request.form(&[("token", grant.refresh_token())]).send().await {
            Ok(response) => response,
            Err(err) => return Err(http_error(classify("revoke", err).await)),
        };
        let status = response.status();
        let body = whole_body("revoke", response).await.map_err(http_error)?;
        match status.as_u16() {
            200..300 => Ok(true),
            400..500 if body.windows(13).any(|it| it == b"invalid_token") => Ok(false),
            _ => Err(LoginError::Unavailable(format!(
                "{status}: {}",
                quote(&String::from_utf8_lossy(&body))
            ))),
        }
    }

    fn client(&self, redirect: Option<&str>) -> Result<Client, LoginError> {
        let mut client = oauth2::Client::new(ClientId::new(self.client.client_id.clone()))
            .set_client_secret(oauth2::ClientSecret::new(self.client.secret.clone()))
            .set_auth_type(AuthType::RequestBody)
            .set_auth_uri(AuthUrl::from_url(self.client.auth_uri.clone()))
            .set_token_uri(TokenUrl::from_url(self.client.token_uri.clone()));
        if let Some(redirect) = redirect {
            let url = RedirectUrl::new(redirect.to_owned());
            client = client
                .set_redirect_uri(url.map_err(|err| LoginError::Unavailable(err.to_string()))?);
        }
        Ok(client)
    }

    /// Sends one request of the oauth2 crate. Handles server errors itself, so that the crate sees
    /// only answers about this login.
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, LoginError> {
        const CALL: &str = "token";
        let mut request = reqwest::Request::try_from(request)
            .map_err(|err| LoginError::Unavailable(err.without_url().to_string()))?;
        *request.timeout_mut() = Some(DEADLINE);
        let response = match self.http.execute(request).await {
            Ok(response) => response,
            Err(err) => return Err(http_error(classify(CALL, err).await)),
        };
        let (status, headers) = (response.status(), response.headers().clone());
        if let Some(skew) = clock_skew(&headers) {
            *self.skew.lock() = Some(skew);
        }
        let body = whole_body(CALL, response).await.map_err(http_error)?;
        if body.len() > TOKEN_ANSWER_MAX {
            return Err(LoginError::Unavailable("its answer is too long".into()));
        }
        let is_object = body.trim_ascii_start().starts_with(b"{");
        let reply = match status.as_u16() {
            200..300 => HttpResponse::new(body.to_vec()),
            400..500 if is_object && !matches!(status.as_u16(), 408 | 429) => {
                let mut reply = HttpResponse::new(body.to_vec());
                *reply.status_mut() = status;
                reply
            }
            _ => return Err(LoginError::Unavailable(format!("it answered {status}"))),
        };
        Ok(reply)
    }
}

impl<'c> oauth2::AsyncHttpClient<'c> for OAuth {
    type Error = LoginError;
    type Future = BoxFuture<'c, Result<HttpResponse, LoginError>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

fn http_error(error: Error) -> LoginError {
    match error {
        Error::Offline { .. } | Error::TimedOut { .. } | Error::Broken { .. } => {
            LoginError::Offline(Arc::new(error))
        }
        other => LoginError::Unavailable(other.to_string()),
    }
}

/// Turns a failed token request into a login error. Quotes no body, because it may hold tokens.
fn token_error(error: RequestTokenError<LoginError, BasicErrorResponse>) -> LoginError {
    match error {
        RequestTokenError::Request(error) => error,
        RequestTokenError::ServerResponse(answer) => {
            let error = quote(answer.error().as_ref());
            let description = quote(answer.error_description().map_or("", |it| it));
            match error.as_str() {
                "invalid_grant" if description.is_empty() => LoginError::Ended(error),
                "invalid_grant" => LoginError::Ended(description),
                "temporarily_unavailable"
                | "server_error"
                | "internal_failure"
                | "rate_limit_exceeded" => LoginError::Unavailable(error),
                _ => LoginError::Refused { error, description },
            }
        }
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
            LoginError::Unavailable("its answer cannot be understood".into())
        }
    }
}
