//! The authorisation endpoint (reference §3.3, §3.4): the consent page, and the way back to the program
//! with a code.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Form, Query, State};
use axum::http::{HeaderValue, Response, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use url::Url;

use super::request::AuthRequest;
use crate::account::Account;
use crate::call::Call;
use crate::http::{body_response, escape};
use crate::server::Server;
use crate::state::Code;

/// The consent page, or straight back to the program if the emulator approves by itself.
pub(crate) async fn auth(
    State(server): State<Arc<Server>>,
    Query(request): Query<AuthRequest>,
) -> Response<Body> {
    let _running = server.meter.begin(Call::OauthAuth);
    let (client, redirect) = match request.check() {
        Ok(checked) => checked,
        Err((http, error, text)) => return error_page(http, error, text),
    };
    if request.code_challenge_method != "S256" || request.code_challenge.is_empty() {
        server.meter.violation("oauth.auth: no PKCE challenge with S256");
    }
    let account = request.account(client, &server.signed_in.lock());
    let unticked = server.switches.get().unticked_scopes;
    if !server.auto_approve {
        return consent_page(&request, &account, &unticked);
    }
    let ticked = request.scopes().filter(|scope| !unticked.iter().any(|it| it == scope));
    match ticked.map(str::to_owned).collect::<Vec<String>>() {
        scopes if scopes.is_empty() => deny(redirect, &request),
        scopes => approve(&server, account, redirect, request, scopes),
    }
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

/// The page with a field for the account and a tick box for each scope.
fn consent_page(request: &AuthRequest, account: &Account, unticked: &[String]) -> Response<Body> {
    let boxes: String = request
        .scopes()
        .map(|scope| {
            let checked = if unticked.iter().any(|it| it == scope) { "" } else { " checked" };
            let scope = escape(scope);
            format!(
                "<p><label><input type=checkbox name=granted value=\"{scope}\"{checked}> \
                 {scope}</label>\n"
            )
        })
        .collect();
    let fields = serde_json::to_value(request).unwrap_or_default();
    let hidden: String = fields
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| *name != "login_hint")
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
             <h1>{} wants access to an account</h1>\n\
             <form method=post action=\"/o/oauth2/approve\">\n{hidden}\
             <p><label>Account <input name=login_hint value=\"{}\"></label>\n{boxes}\
             <button name=decision value=allow>Continue</button>\n\
             <button name=decision value=deny>Deny</button>\n</form>\n",
            account.client.project(),
            escape(&account.user)
        ),
    )
}

/// The form behind the consent page. Fields come in pairs because `granted` is repeated.
pub(crate) async fn decide(
    State(server): State<Arc<Server>>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> Response<Body> {
    let request = AuthRequest::from_form(&pairs);
    let (client, redirect) = match request.check() {
        Ok(checked) => checked,
        Err((http, error, text)) => return error_page(http, error, text),
    };
    let granted: Vec<String> = pairs
        .iter()
        .filter(|(key, scope)| key == "granted" && request.scopes().any(|asked| asked == scope))
        .map(|(_, scope)| scope.clone())
        .collect();
    let allowed = pairs.iter().any(|(key, value)| key == "decision" && value == "allow");
    if allowed && !granted.is_empty() {
        let account = request.account(client, &server.signed_in.lock());
        return approve(&server, account, redirect, request, granted);
    }
    deny(redirect, &request)
}

fn deny(mut redirect: Url, request: &AuthRequest) -> Response<Body> {
    redirect.query_pairs_mut().append_pair("error", "access_denied");
    back_to_program(redirect, request.state.as_deref())
}

fn approve(
    server: &Server,
    account: Account,
    mut redirect: Url,
    request: AuthRequest,
    scopes: Vec<String>,
) -> Response<Body> {
    let code = format!("4/0Ab{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()));
    redirect.query_pairs_mut().append_pair("code", &code).append_pair("scope", &scopes.join(" "));
    let AuthRequest { redirect_uri, code_challenge, code_challenge_method, state, .. } = request;
    let waiting = Code { account, scopes, redirect_uri, code_challenge, code_challenge_method };
    server.codes.put(code, waiting, server.now_ms());
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
