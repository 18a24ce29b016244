//! The emulator as a plain HTTP client sees it: refusals, state, and each fault.

mod accounts;
mod bin;
mod browser;
mod chromium;
mod faults;
mod library;
mod listings;
mod login;
mod media;
mod picker;
mod picker_browser;
mod picker_media;
mod picker_page;
mod picker_refusals;
mod refusals;
mod requests;
mod server;
mod uploads;
mod visitors;

use std::time::Duration;

use gphotosfs_emulator::{
    Account, Call, Config, Edit, Emulator, Failure, Faults, FilenameFault, Injection, ItemFailure,
    Moment, SCOPES,
};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::{eventually, jpeg, photo, small_photo};

/// A client with a token for one emulator.
struct Api {
    emulator: Emulator,
    http: Client,
    token: String,
}

impl Api {
    async fn start() -> Api {
        Api::with(Config::default()).await
    }

    async fn with(config: Config) -> Api {
        let emulator = Emulator::start(config).await.unwrap();
        // A second call does nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(20))
            .build()
            .unwrap();
        let token = emulator.grant().access_token;
        Api { emulator, http, token }
    }

    /// Goes on with a login of another account.
    fn log_in(&mut self, account: &Account) {
        self.token = self.emulator.grant_to(account, &SCOPES).access_token;
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.emulator.url());
        self.http.request(method, url).bearer_auth(&self.token)
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        answer(self.request(Method::GET, path)).await
    }

    async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        answer(self.request(Method::POST, path).json(&body)).await
    }

    async fn patch(&self, path: &str, body: Value) -> (StatusCode, Value) {
        answer(self.request(Method::PATCH, path).json(&body)).await
    }

    /// An answer that must be 200.
    async fn ok(&self, path: &str, body: Value) -> Value {
        let (status, value) = self.post(path, body).await;
        assert_eq!(status, StatusCode::OK, "{value:#}");
        value
    }

    fn raw_upload(&self, bytes: impl Into<reqwest::Body>) -> RequestBuilder {
        self.request(Method::POST, "/v1/uploads")
            .header("Content-Type", "application/octet-stream")
            .header("X-Goog-Upload-Content-Type", "image/jpeg")
            .header("X-Goog-Upload-Protocol", "raw")
            .body(bytes)
    }

    async fn upload(&self, bytes: impl Into<reqwest::Body>) -> String {
        let response = self.raw_upload(bytes).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        response.text().await.unwrap()
    }

    async fn create(&self, album: Option<&str>, items: &[(&str, &str)]) -> (StatusCode, Value) {
        let items: Vec<Value> = items
            .iter()
            .map(|(token, name)| json!({"simpleMediaItem": {"uploadToken": token, "fileName": name}}))
            .collect();
        let mut body = json!({ "newMediaItems": items });
        if let Some(album) = album {
            body["albumId"] = album.into();
        }
        self.post("/v1/mediaItems:batchCreate", body).await
    }

    /// Uploads one photo and makes it an item; returns its id.
    async fn add(&self, album: Option<&str>, bytes: Vec<u8>, name: &str) -> String {
        let token = self.upload(bytes).await;
        let (status, answer) = self.create(album, &[(&token, name)]).await;
        assert_eq!(status, StatusCode::OK, "{answer:#}");
        text(&answer["newMediaItemResults"][0]["mediaItem"]["id"])
    }

    async fn album(&self, title: &str) -> String {
        text(&self.ok("/v1/albums", json!({"album": {"title": title}})).await["id"])
    }

    /// Ids of all items of an album in order, all pages.
    async fn album_items(&self, album: &str, page_size: u32) -> Vec<String> {
        self.search_all(json!({ "albumId": album, "pageSize": page_size })).await.concat()
    }

    /// Ids found by a search, page by page.
    async fn search_all(&self, mut body: Value) -> Vec<Vec<String>> {
        let mut pages = Vec::new();
        loop {
            let page = self.ok("/v1/mediaItems:search", body.clone()).await;
            pages.push(
                page["mediaItems"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|i| text(&i["id"]))
                    .collect(),
            );
            if page["nextPageToken"].is_null() {
                return pages;
            }
            body["pageToken"] = page["nextPageToken"].clone();
        }
    }

    /// The ids that a listing of the library shows, with all its pages.
    async fn listed(&self) -> Vec<String> {
        self.pages("/v1/mediaItems", "mediaItems", "id").await.concat()
    }

    /// The titles that a listing of the albums shows, with all its pages.
    async fn titles(&self) -> Vec<String> {
        self.pages("/v1/albums", "albums", "title").await.concat()
    }

    /// A field of all that a listing shows, page by page, two to a page.
    async fn pages(&self, path: &str, list: &str, field: &str) -> Vec<Vec<String>> {
        let (mut pages, mut token) = (Vec::new(), String::new());
        loop {
            let (status, page) = self.get(&format!("{path}?pageSize=2&pageToken={token}")).await;
            assert_eq!(status, StatusCode::OK, "{page:#}");
            let entries = page[list].as_array().into_iter().flatten();
            pages.push(entries.map(|entry| text(&entry[field])).collect());
            match &page["nextPageToken"] {
                Value::Null => return pages,
                next => token = text(next),
            }
        }
    }

    async fn base_url(&self, item: &str) -> String {
        text(&self.get(&format!("/v1/mediaItems/{item}")).await.1["baseUrl"])
    }

    async fn download(&self, item: &str, options: &str) -> Response {
        self.http.get(self.base_url(item).await + options).send().await.unwrap()
    }

    #[track_caller]
    fn assert_no_violations(&self) {
        assert_eq!(self.emulator.stats().violations, Vec::<String>::new());
    }
}

async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.unwrap();
    let status = response.status();
    let body = response.text().await.unwrap();
    (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
}

#[track_caller]
fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a string: {value}")).to_owned()
}

fn mp4(n: u8) -> Vec<u8> {
    let mut bytes = b"\0\0\0\x18ftypisom\0\0\0\0isommp42".to_vec();
    bytes.extend([0, 0, 0, 12, b'm', b'd', b'a', b't', n, n, n, n]);
    bytes
}
