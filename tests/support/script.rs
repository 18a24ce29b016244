//! A web server that answers from a script: for answers that neither Google nor the emulator gives.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, Method};
use axum::response::{IntoResponse, Response};
use gphotosfs::api::{Budget, Client, Config, Deadlines, Login};
use gphotosfs::profile::Profile;
use parking_lot::Mutex;
use tokio::net::TcpListener;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: Method,
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Seen {
    /// A header's text, empty if it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |it| it.to_str().unwrap())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// The server, and the requests that have reached it. It answers token requests by itself and keeps them apart,
/// unless the script answers them.
#[derive(Clone)]
pub struct Script {
    pub url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    token_forms: Arc<Mutex<Vec<HashMap<String, String>>>>,
    /// Replaces the usual answer of the token endpoint.
    pub token_answer: Arc<Mutex<Option<(u16, String)>>>,
    /// The token endpoint's clock, as it stands in its `Date` header.
    pub token_date: Arc<Mutex<Option<String>>>,
}

impl Script {
    /// Starts a server. `answer` gets each request and how many came before it.
    pub async fn start<F, R>(answer: F) -> Self
    where
        F: Fn(usize, Seen) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Response> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let script = Self {
            url,
            seen: Arc::default(),
            token_forms: Arc::default(),
            token_answer: Arc::default(),
            token_date: Arc::default(),
        };
        let this = script.clone();
        let router = Router::new().fallback(async move |request: Request| {
            let (parts, body) = request.into_parts();
            let body = axum::body::to_bytes(body, 64 << 20).await.unwrap_or_default();
            if parts.uri.path() == "/token" {
                return this.token(&body);
            }
            let seen = Seen {
                method: parts.method,
                path: parts.uri.path().to_owned(),
                query: parts.uri.query().unwrap_or("").to_owned(),
                headers: parts.headers,
                body,
            };
            let before = {
                let mut all = this.seen.lock();
                all.push(seen.clone());
                all.len() - 1
            };
            answer(before, seen).await
        });
        tokio::spawn(async { axum::serve(listener, router).await });
        script
    }

    fn token(&self, form: &[u8]) -> Response {
        let mut forms = self.token_forms.lock();
        forms.push(url::form_urlencoded::parse(form).into_owned().collect());
        if let Some((status, body)) = self.token_answer.lock().clone() {
            let date = self.token_date.lock().clone().map(|it| [("date", it)]);
            let answer = (axum::http::StatusCode::from_u16(status).unwrap(), body).into_response();
            return match date {
                Some(date) => (date, answer).into_response(),
                None => answer,
            };
        }
        let token = format!("token-{}", forms.len());
        axum::Json(serde_json::json!({"access_token": token, "expires_in": 3599})).into_response()
    }

    /// The requests that have arrived so far, without those for tokens.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().clone()
    }

    /// The fields of each token request.
    pub fn token_forms(&self) -> Vec<HashMap<String, String>> {
        self.token_forms.lock().clone()
    }

    /// A client that is logged in at this server and has little patience.
    pub fn client(&self) -> (Client, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let profile = Profile::under(dir.path());
        write_login(&profile, &self.url, "refresh-1");
        let login = Arc::new(Login::load(&profile, &self.url.parse().unwrap()).unwrap());
        let budget = Arc::new(Budget::new(jiff::Timestamp::now()));
        (Client::new(impatient(), login, budget).unwrap(), dir)
    }
}

/// Settings with which failures come soon.
pub fn impatient() -> Config {
    Config {
        deadlines: Deadlines {
            connect: Duration::from_secs(1),
            read: Duration::from_millis(500),
            write: Duration::from_millis(500),
            stall: Duration::from_millis(300),
            retries: Duration::from_secs(2),
            throttled: Duration::from_secs(5),
        },
        retry_base: Duration::from_millis(2),
        write_pause: Duration::from_millis(200),
        ..Config::default()
    }
}

/// Puts a login into a profile, as `gphotosfs login` would.
pub fn write_login(profile: &Profile, url: &str, refresh_token: &str) {
    write_login_into(profile.config_dir().unwrap(), url, refresh_token);
}

/// As [`write_login`], into a profile's configuration directory.
pub fn write_login_into(dir: &std::path::Path, url: &str, refresh_token: &str) {
    let client = client_file(url, "installed", "http://localhost");
    let scope = gphotosfs::api::Scope::LIBRARY.map(|it| it.as_str()).join(" ");
    super::login::write(dir, &client, refresh_token, &scope);
}

/// Google's client file, for this server.
pub fn client_file(url: &str, kind: &str, redirect: &str) -> String {
    let fields = serde_json::json!({
        "client_id": "client-id",
        "client_secret": "GOCSPX-secret",
        "auth_uri": format!("{url}/auth"),
        "token_uri": format!("{url}/token"),
        "redirect_uris": [redirect],
    });
    serde_json::json!({kind: fields}).to_string()
}

/// A JSON answer.
pub fn json(status: u16, body: serde_json::Value) -> Response {
    (axum::http::StatusCode::from_u16(status).unwrap(), axum::Json(body)).into_response()
}

/// An error in the service's envelope.
pub fn refusal(status: u16, message: &str) -> Response {
    json(status, serde_json::json!({"error": {"code": status, "message": message}}))
}

/// Bytes, of which the last never come.
pub fn stalling(bytes: &'static [u8]) -> Response {
    use futures_util::StreamExt;
    let bytes = futures_util::stream::iter([Ok::<_, std::io::Error>(bytes)]);
    Response::new(Body::from_stream(bytes.chain(futures_util::stream::pending())))
}
