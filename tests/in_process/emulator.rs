//! The emulator as a plain HTTP client sees it: refusals, state, and each fault.

use std::time::Duration;

use gphotosfs_emulator::{
    Call, Config, Edit, Emulator, Failure, Faults, FilenameFault, Injection, ItemFailure, Moment,
};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::{eventually, photo};

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

/// A different little JPEG for each `n`: two by two pixels as far as its headers go.
fn jpeg(n: u64) -> Vec<u8> {
    photo(n, 5_000)
}

#[tokio::test]
async fn an_uploaded_photo_is_listed_found_and_downloaded() {
    let api = Api::start().await;
    let album = api.album("Trip").await;
    let item = api.add(Some(&album), jpeg(1), "a.jpg").await;
    assert_eq!((album.len(), item.len()), (76, 98));

    let (_, albums) = api.get("/v1/albums").await;
    assert_eq!(albums["albums"][0]["mediaItemsCount"], "1");
    assert_eq!(albums["albums"][0]["coverPhotoMediaItemId"], item.as_str());
    assert_eq!(api.album_items(&album, 100).await, [item.as_str()]);
    let (_, list) = api.get("/v1/mediaItems?pageSize=100").await;
    assert_eq!(list["mediaItems"][0]["filename"], "a.jpg");
    assert_eq!(list["mediaItems"][0]["mediaMetadata"]["width"], "2");

    let response = api.download(&item, "=d").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.bytes().await.unwrap(), jpeg(1));
    let dump = api.emulator.dump();
    assert_eq!(dump.album("Trip").unwrap().items, [item.as_str()]);
    let sha256 = format!("{:x}", Sha256::digest(jpeg(1)));
    assert_eq!(dump.item(&item).unwrap().sha256, Some(sha256));
    api.assert_no_violations();
}

#[tokio::test]
async fn unknown_names_are_refused_and_counted() {
    let api = Api::start().await;
    let (status, body) = api.get("/v1/albums?pagesize=5").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(text(&body["error"]["message"]).contains("Unknown name \"pagesize\""));
    let (status, _) = api.post("/v1/albums", json!({"album": {"name": "x"}})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let (status, _) = api.patch("/v1/mediaItems/x", json!({"descripton": "x"})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(api.emulator.stats().violations_total, 3);
}

#[tokio::test]
async fn limits_of_the_reference_are_enforced() {
    let api = Api::start().await;
    let album = api.album("A").await;
    let item = api.add(None, jpeg(1), "a.jpg").await;
    let add = format!("/v1/albums/{album}:batchAddMediaItems");
    let many = |n: usize| vec![json!({"simpleMediaItem": {"uploadToken": "x"}}); n];
    let long_name = json!({"simpleMediaItem": {"uploadToken": "x", "fileName": "n".repeat(256)}});
    let cases = [
        (api.get("/v1/albums?pageSize=51").await, "Page size must be less or equal to 50."),
        (api.get("/v1/mediaItems?pageSize=101").await, "Page size must be less or equal to 100."),
        (api.post("/v1/albums", json!({"album": {"title": "t".repeat(501)}})).await, "Album title"),
        (
            api.post("/v1/mediaItems:batchCreate", json!({"newMediaItems": many(51)})).await,
            "Request must have less than 50 items.",
        ),
        (
            api.post("/v1/mediaItems:batchCreate", json!({"newMediaItems": [long_name]})).await,
            "File name",
        ),
        (
            api.post(&add, json!({"mediaItemIds": [item, item]})).await,
            "Request must not contain duplicated ids",
        ),
        (
            api.post(&add, json!({"mediaItemIds": ["x".repeat(98)]})).await,
            "Request contains an invalid media item id.",
        ),
        (api.get("/v1/albums/nonsense").await, "Invalid album ID."),
        (
            api.post("/v1/mediaItems:search", json!({"albumId": album, "filters": {}})).await,
            "The album ID cannot be set with filters",
        ),
        (
            api.patch(&format!("/v1/mediaItems/{item}?updateMask=filename"), json!({})).await,
            "Invalid update mask: filename.",
        ),
    ];
    for ((status, body), expected) in cases {
        assert_eq!(status, StatusCode::BAD_REQUEST, "{expected}: {body}");
        assert_eq!(body["error"]["status"], "INVALID_ARGUMENT");
        assert!(text(&body["error"]["message"]).starts_with(expected), "{expected}: {body}");
    }
}

#[tokio::test]
async fn numbers_may_be_strings_and_names_may_be_snake_case() {
    let api = Api::start().await;
    let album = api.album("A").await;
    api.ok("/v1/mediaItems:search", json!({"album_id": album, "pageSize": "100"})).await;
    assert_eq!(api.get("/v1/albums?page_size=3").await.0, StatusCode::OK);
    api.assert_no_violations();
}

#[tokio::test]
async fn defaults_are_left_out_and_answers_are_indented_unless_told() {
    let api = Api::start().await;
    let raw = async |path: &str| {
        api.request(Method::GET, path).send().await.unwrap().text().await.unwrap()
    };
    assert_eq!(raw("/v1/albums").await.trim(), "{}");
    let album = api.album("A").await;
    let (_, body) = api.get(&format!("/v1/albums/{album}")).await;
    let fields: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["coverPhotoBaseUrl", "id", "isWriteable", "productUrl", "title"]);
    assert!(raw("/v1/albums").await.contains("\n  \"albums\""));
    assert!(!raw("/v1/albums?prettyPrint=false").await.contains("\n "));
}

#[tokio::test]
async fn a_field_mask_thins_out_the_answer_and_may_not_name_what_is_not_there() {
    let api = Api::start().await;
    api.add(None, jpeg(1), "a.jpg").await;
    let fields = "fields=nextPageToken,mediaItems(filename,mediaMetadata/width)";
    let (_, body) = api.get(&format!("/v1/mediaItems?{fields}")).await;
    let expected = json!({"mediaItems": [{"filename": "a.jpg", "mediaMetadata": {"width": "2"}}]});
    assert_eq!(body, expected);
    let (status, _) = api.get("/v1/mediaItems?fields=mediaItems(size)").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn two_writes_of_one_user_at_once_are_refused_with_googles_words() {
    let api = Api::start().await;
    api.emulator.faults(|f| f.on(Call::AlbumsCreate).latency_ms = 300);
    let one = api.post("/v1/albums", json!({"album": {"title": "1"}}));
    let two = api.post("/v1/albums", json!({"album": {"title": "2"}}));
    let (one, two) = tokio::join!(one, two);
    let mut statuses = [one.0, two.0];
    statuses.sort();
    assert_eq!(statuses, [StatusCode::OK, StatusCode::TOO_MANY_REQUESTS]);
    let refused = if one.0 == StatusCode::OK { two.1 } else { one.1 };
    assert_eq!(
        refused["error"]["message"],
        "Quota exceeded for quota 'concurrent write request' of service \
         'photoslibrary.googleapis.com'."
    );
    let stats = api.emulator.stats();
    assert_eq!((stats.violations_total, stats.too_many_requests, stats.writes_peak), (1, 1, 2));
    assert_eq!(stats.requests(Call::AlbumsCreate), 2);
}

#[tokio::test]
async fn a_call_goes_on_when_its_client_has_given_up() {
    let api = Api::start().await;
    api.emulator.faults(|f| f.on(Call::AlbumsCreate).latency_ms = 200);
    let given_up = api
        .request(Method::POST, "/v1/albums")
        .json(&json!({"album": {"title": "late"}}))
        .timeout(Duration::from_millis(50))
        .send()
        .await;
    assert!(given_up.unwrap_err().is_timeout());
    eventually("the other task", || api.emulator.dump().album("late").is_some()).await;
}

#[tokio::test]
async fn wrong_content_types_and_misplaced_tokens_are_violations() {
    let api = Api::start().await;
    let item = api.add(None, jpeg(1), "a.jpg").await;
    let plain = api
        .request(Method::POST, "/v1/albums")
        .header("Content-Type", "text/plain")
        .body("{\"album\":{}}");
    assert_eq!(answer(plain).await.0, StatusCode::BAD_REQUEST);
    let with_body = api.request(Method::GET, "/v1/albums").json(&json!({}));
    assert_eq!(answer(with_body).await.0, StatusCode::BAD_REQUEST);
    let upload = api
        .request(Method::POST, "/v1/uploads")
        .header("Content-Type", "image/jpeg")
        .header("X-Goog-Upload-Protocol", "raw")
        .body("x");
    assert_eq!(answer(upload).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(api.emulator.stats().violations_total, 3);

    let url = api.base_url(&item).await;
    api.http.get(format!("{url}=d")).bearer_auth(&api.token).send().await.unwrap();
    api.request(Method::GET, "/").send().await.unwrap();
    assert_eq!(api.http.get(url).send().await.unwrap().status(), StatusCode::NOT_FOUND);
    assert_eq!(api.emulator.stats().violations_total, 6);
}

#[tokio::test]
async fn bad_tokens_and_missing_scopes_are_told_apart() {
    let mut api = Api::start().await;
    let good = std::mem::replace(&mut api.token, "ya29.nonsense".into());
    let response = api.request(Method::GET, "/v1/albums").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(response.headers()["www-authenticate"].to_str().unwrap().contains("invalid_token"));

    api.token = api.emulator.grant_scopes(&["readonly.appcreateddata"]).access_token;
    assert_eq!(api.get("/v1/albums").await.0, StatusCode::OK);
    let (status, body) = api.post("/v1/albums", json!({"album": {"title": "x"}})).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(body["error"]["message"], "Request had insufficient authentication scopes.");
    assert_eq!(body["error"]["details"][0]["reason"], "ACCESS_TOKEN_SCOPE_INSUFFICIENT");
    api.token = api.emulator.grant_scopes(&["sharing"]).access_token;
    assert_eq!(api.get("/v1/albums").await.0, StatusCode::FORBIDDEN);

    api.token = good;
    assert_eq!(api.get("/v1/albums").await.0, StatusCode::OK);
    api.emulator.expire_access_tokens();
    assert_eq!(api.get("/v1/albums").await.0, StatusCode::UNAUTHORIZED);
    api.token = api.emulator.grant().access_token;
    api.emulator.advance_clock(Duration::from_secs(3600));
    assert_eq!(api.get("/v1/albums").await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn sharing_is_dead_and_other_paths_are_html() {
    let api = Api::start().await;
    let album = api.album("A").await;
    for (method, path) in [
        (Method::POST, format!("/v1/albums/{album}:share")),
        (Method::POST, format!("/v1/albums/{album}:unshare")),
        (Method::GET, "/v1/sharedAlbums".to_owned()),
        (Method::GET, "/v1/sharedAlbums/token".to_owned()),
        (Method::POST, "/v1/sharedAlbums:join".to_owned()),
        (Method::POST, "/v1/sharedAlbums:leave".to_owned()),
    ] {
        let (status, body) = answer(api.request(method, &path)).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{path}");
        assert_eq!(body["error"]["status"], "PERMISSION_DENIED");
    }
    let delete = api.request(Method::DELETE, &format!("/v1/albums/{album}")).send().await.unwrap();
    assert_eq!(delete.status(), StatusCode::NOT_FOUND);
    assert!(delete.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
}

#[tokio::test]
async fn equal_bytes_are_one_item_and_the_first_name_stays() {
    let api = Api::start().await;
    let first = api.add(None, jpeg(1), "first.jpg").await;
    let again = api.add(None, jpeg(1), "again.jpg").await;
    assert_eq!(first, again);
    assert_eq!(api.get(&format!("/v1/mediaItems/{first}")).await.1["filename"], "first.jpg");
    api.assert_no_violations();

    let (a, b) = (api.upload(jpeg(2)).await, api.upload(jpeg(2)).await);
    let (status, body) = api.create(None, &[(&a, "a.jpg"), (&b, "b.jpg")]).await;
    assert_eq!(status, StatusCode::MULTI_STATUS);
    let results = &body["newMediaItemResults"];
    assert_eq!(results[0]["status"], json!({"message": "Success"}));
    assert_eq!(results[1]["status"]["code"], 6);
    assert_eq!(results[1]["uploadToken"], b.as_str());
    assert_eq!(api.emulator.stats().violations_total, 1);
}

#[tokio::test]
async fn what_is_no_picture_fails_alone_and_the_status_says_so() {
    let api = Api::start().await;
    let good = api.upload(jpeg(1)).await;
    let note = api.upload("just text").await;
    let torn = api.upload(jpeg(2)[..4000].to_vec()).await;
    let magic = api.upload(vec![0xff, 0xd8, 0xff]).await;
    let items = [(&*good, "a.jpg"), (&*note, "notes.txt"), (&*torn, "b.jpg"), (&*magic, "c.jpg")];
    let (status, body) = api.create(None, &items).await;
    assert_eq!(status, StatusCode::MULTI_STATUS);
    let reason = |n: usize| body["newMediaItemResults"][n]["status"]["message"].clone();
    let tail = "There was an error while trying to create this media item.";
    assert_eq!(reason(0), "Success");
    assert_eq!(reason(1), format!("NOT_IMAGE: {tail}"));
    assert_eq!(reason(2), format!("BAD_IMAGE: {tail}"));
    assert_eq!(reason(3), format!("BAD_IMAGE: {tail}"));
    // A lone failure is a 200 all the same.
    let (status, body) = api.create(None, &[(&note, "notes.txt")]).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["newMediaItemResults"][0]["status"]["code"], 3);

    let empty = api.upload("").await;
    let (status, body) = api.create(None, &[(&empty, "empty.jpg"), (&good, "a.jpg")]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(body["error"]["message"], "Request must contain a valid upload token.");
}

#[tokio::test]
async fn albums_keep_their_order_and_change_all_or_nothing() {
    let api = Api::start().await;
    let album = api.album("A").await;
    let mut ids = Vec::new();
    for n in 0..4 {
        ids.push(api.add(None, jpeg(n), &format!("{n}.jpg")).await);
    }
    let add = format!("/v1/albums/{album}:batchAddMediaItems");
    let remove = format!("/v1/albums/{album}:batchRemoveMediaItems");
    api.ok(&add, json!({"mediaItemIds": [ids[2], ids[0]]})).await;
    // What is there already stays where it is.
    api.ok(&add, json!({"mediaItemIds": [ids[1], ids[2]]})).await;
    assert_eq!(api.album_items(&album, 2).await, [&*ids[2], &ids[0], &ids[1]]);

    let unknown = "x".repeat(98);
    for path in [&add, &remove] {
        let (status, _) = api.post(path, json!({"mediaItemIds": [ids[0], unknown]})).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
    }
    let (status, _) = api.post(&remove, json!({"mediaItemIds": [ids[0], ids[3]]})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "one of them is not in the album");
    assert_eq!(api.album_items(&album, 100).await.len(), 3);
    api.ok(&remove, json!({"mediaItemIds": [ids[0]]})).await;
    assert_eq!(api.album_items(&album, 100).await, [&*ids[2], &ids[1]]);

    let token = api.upload(jpeg(9)).await;
    let body = json!({
        "albumId": album,
        "albumPosition": {"position": "AFTER_MEDIA_ITEM", "relativeMediaItemId": ids[2]},
        "newMediaItems": [{"simpleMediaItem": {"uploadToken": token, "fileName": "9.jpg"}}],
    });
    api.ok("/v1/mediaItems:batchCreate", body).await;
    assert_eq!(api.album_items(&album, 100).await[0], ids[2]);
    assert_eq!(api.album_items(&album, 100).await[2], ids[1]);

    let patch = format!("/v1/albums/{album}?updateMask=title,cover_photo_media_item_id");
    let (status, body) =
        api.patch(&patch, json!({"title": "B", "coverPhotoMediaItemId": ids[1]})).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!((&body["title"], &body["coverPhotoMediaItemId"]), (&json!("B"), &json!(ids[1])));
    let (status, _) = api.patch(&patch, json!({"coverPhotoMediaItemId": ids[3]})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "a cover must be in the album");

    api.emulator.faults(|f| f.album_items_max = 4);
    assert_eq!(api.post(&add, json!({"mediaItemIds": [ids[3]]})).await.0, StatusCode::OK);
    assert_eq!(
        api.post(&add, json!({"mediaItemIds": [ids[0]]})).await.0,
        StatusCode::BAD_REQUEST,
        "the album is full"
    );
}

#[tokio::test]
async fn page_tokens_go_with_their_parameters() {
    let api = Api::start().await;
    let (a, b) = (api.album("A").await, api.album("B").await);
    for n in 0..3 {
        api.add(Some(&a), jpeg(n), "x.jpg").await;
    }
    let page = api.ok("/v1/mediaItems:search", json!({"albumId": a, "pageSize": 2})).await;
    let token = text(&page["nextPageToken"]);
    for body in [
        json!({"albumId": b, "pageToken": token}),
        json!({"pageToken": token}),
        json!({"albumId": a, "pageToken": "nonsense"}),
    ] {
        let (status, body) = api.post("/v1/mediaItems:search", body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert_eq!(body["error"]["message"], "Invalid page token.");
    }
    api.ok("/v1/mediaItems:search", json!({"albumId": a, "pageToken": token, "pageSize": 1})).await;
    api.emulator.advance_clock(Duration::from_secs(7 * 3600));
    let api = Api { token: api.emulator.grant().access_token, ..api };
    let (status, _) =
        api.post("/v1/mediaItems:search", json!({"albumId": a, "pageToken": token})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "tokens grow old");
}

#[tokio::test]
async fn awkward_pages_still_list_everything() {
    let api = Api::start().await;
    let album = api.album("A").await;
    api.emulator.edit(Edit::CreateAlbum { title: "B".into() }).await.unwrap();
    let seed = Edit::Seed { album: Some("A".into()), count: 25, size: 100, prefix: "s".into() };
    api.emulator.edit(seed).await.unwrap();
    let body = json!({"albumId": album, "pageSize": 10});
    let pages = |faults: fn(&mut Faults)| {
        api.emulator.faults(|f| {
            *f = Faults::default();
            faults(f);
        });
        api.search_all(body.clone())
    };
    let whole: Vec<String> = pages(|_| {}).await.concat();
    assert_eq!(whole.len(), 25);
    let sizes = |pages: &[Vec<String>]| pages.iter().map(Vec::len).collect::<Vec<_>>();

    let short = pages(|f| f.short_pages = true).await;
    assert_eq!((sizes(&short), short.concat()), (vec![5; 5], whole.clone()));
    let empty = pages(|f| f.empty_pages = true).await;
    assert_eq!((sizes(&empty), empty.concat()), (vec![0, 10, 0, 10, 0, 5], whole.clone()));
    let trailing = pages(|f| f.trailing_page = true).await;
    assert_eq!((sizes(&trailing), trailing.concat()), (vec![10, 10, 5, 0], whole.clone()));
    let overlap = pages(|f| f.overlapping_pages = true).await;
    assert_eq!(sizes(&overlap), [10, 10, 7]);
    assert_eq!(overlap[0][9], overlap[1][0]);
    let mut all = overlap.concat();
    all.dedup();
    assert_eq!(all, whole);

    // The library as a whole, newest first.
    api.emulator.faults(|f| f.overlapping_pages = false);
    let mut library = api.search_all(json!({"pageSize": 10})).await.concat();
    library.reverse();
    assert_eq!(library, whole);
}

#[tokio::test]
async fn filters_follow_the_reference() {
    let api = Api::start().await;
    let edit = Edit::Seed { album: None, count: 3, size: 100, prefix: "s".into() };
    api.emulator.edit(edit).await.unwrap();
    let undated = api.add(None, jpeg(1), "undated.jpg").await;
    let video = api.add(None, mp4(1), "clip.mp4").await;
    let found = async |filters: Value| api.search_all(json!({"filters": filters})).await.concat();
    let seeded = json!({"dateFilter": {"ranges": [
        {"startDate": {"year": 2020, "month": 9}, "endDate": {"year": 2020, "month": 10}}]}});
    assert_eq!(found(seeded).await.len(), 3, "what has no capture date never matches");
    assert_eq!(found(json!({"mediaTypeFilter": {"mediaTypes": ["VIDEO"]}})).await, [&*video]);
    let photos = found(json!({"mediaTypeFilter": {"mediaTypes": ["PHOTO"]}})).await;
    assert_eq!((photos.len(), photos.contains(&undated)), (4, true));
    assert!(found(json!({"featureFilter": {"includedFeatures": ["FAVORITES"]}})).await.is_empty());
    api.emulator.edit(Edit::Favorite { item: undated.clone(), favorite: true }).await.unwrap();
    let favorites = found(json!({"featureFilter": {"includedFeatures": ["FAVORITES"]}})).await;
    assert_eq!(favorites, [&*undated]);
    api.emulator.edit(Edit::Archive { item: undated.clone(), archived: true }).await.unwrap();
    assert_eq!(found(json!({})).await.len(), 4);
    assert_eq!(found(json!({"includeArchivedMedia": true})).await.len(), 5);

    api.emulator.faults(|f| f.filtered_delay_ms = 3_600_000);
    assert!(found(json!({"mediaTypeFilter": {"mediaTypes": ["VIDEO"]}})).await.is_empty());
    assert_eq!(found(json!({"includeArchivedMedia": true})).await.len(), 5);
    api.assert_no_violations();
    let bad = json!({"filters": {"mediaTypeFilter": {"mediaTypes": ["PHOTO", "VIDEO"]}}});
    assert_eq!(api.post("/v1/mediaItems:search", bad).await.0, StatusCode::BAD_REQUEST);
    let bad = json!({"orderBy": "MediaMetadata.creation_time"});
    assert_eq!(api.post("/v1/mediaItems:search", bad).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn batch_get_keeps_the_order_and_reports_each_item() {
    let api = Api::start().await;
    let item = api.add(None, jpeg(1), "a.jpg").await;
    let gone = api.add(None, jpeg(2), "b.jpg").await;
    api.emulator.edit(Edit::DeleteItem { item: gone.clone() }).await.unwrap();
    let path =
        format!("/v1/mediaItems:batchGet?mediaItemIds=bad&mediaItemIds={item}&mediaItemIds={gone}");
    let (status, body) = api.get(&path).await;
    assert_eq!(status, StatusCode::OK);
    let results = &body["mediaItemResults"];
    assert_eq!(results[0]["status"]["message"], "Invalid media item ID.");
    assert_eq!(results[1]["mediaItem"]["id"], item.as_str());
    assert_eq!(results[2]["status"]["code"], 5);
    let (status, body) = api.get(&format!("/v1/mediaItems/{gone}")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(body["error"]["message"], "Requested entity was not found.");
    // Deleted bytes come back as another item.
    assert_ne!(api.add(None, jpeg(2), "b.jpg").await, gone);
}

#[tokio::test]
async fn bytes_of_another_application_enter_albums_only_when_created() {
    let api = Api::start().await;
    let album = api.album("A").await;
    let foreign = Edit::AddItem {
        album: None,
        filename: "PHONE.JPG".into(),
        content: jpeg(1),
        foreign: true,
    };
    let phone = api.emulator.edit(foreign).await.unwrap();
    assert_eq!(api.get(&format!("/v1/mediaItems/{phone}")).await.0, StatusCode::NOT_FOUND);
    let ours = api.add(Some(&album), jpeg(1), "ours.jpg").await;
    assert_eq!(ours, phone);
    assert_eq!(api.emulator.dump().album("A").unwrap().items, [&*phone]);
    for verb in ["batchAddMediaItems", "batchRemoveMediaItems"] {
        let path = format!("/v1/albums/{album}:{verb}");
        let (_, body) = api.post(&path, json!({"mediaItemIds": [phone]})).await;
        assert_eq!(body["error"]["message"], "Request contains an invalid media item id.");
    }
    // Whether it can be read is not known of the real service.
    assert!(api.album_items(&album, 100).await.is_empty());
    api.emulator.faults(|f| f.matched_items_visible = true);
    assert_eq!(api.album_items(&album, 100).await, [&*phone]);
    assert_eq!(api.get(&format!("/v1/mediaItems/{phone}")).await.1["filename"], "PHONE.JPG");
}

fn mp4(n: u8) -> Vec<u8> {
    let mut bytes = b"\0\0\0\x18ftypisom\0\0\0\0isommp42".to_vec();
    bytes.extend([0, 0, 0, 12, b'm', b'd', b'a', b't', n, n, n, n]);
    bytes
}

#[tokio::test]
async fn videos_are_processed_and_come_back_transcoded() {
    let api = Api::start().await;
    api.emulator.faults(|f| f.video_processing_ms = 60_000);
    let item = api.add(None, mp4(1), "clip.mp4").await;
    let status = async || {
        let (_, item) = api.get(&format!("/v1/mediaItems/{item}")).await;
        text(&item["mediaMetadata"]["video"]["status"])
    };
    assert_eq!(status().await, "PROCESSING");
    assert_eq!(api.download(&item, "=dv").await.status(), StatusCode::NOT_FOUND);
    api.emulator.advance_clock(Duration::from_secs(61));
    assert_eq!(status().await, "READY");
    let response = api.download(&item, "=dv").await;
    assert_eq!(response.headers()["content-type"], "video/mp4");
    assert_ne!(response.bytes().await.unwrap(), mp4(1));
    let still = api.download(&item, "=d").await;
    assert_eq!(still.headers()["content-type"], "image/png");
    api.emulator.faults(|f| f.videos_fail = true);
    assert_eq!(status().await, "FAILED");
}

#[tokio::test]
async fn base_urls_are_new_each_time_and_end_after_an_hour() {
    let api = Api::start().await;
    let item = api.add(None, jpeg(1), "a.jpg").await;
    let url = api.base_url(&item).await + "=d";
    assert_ne!(api.base_url(&item).await + "=d", url);
    let head = api.http.head(&url).send().await.unwrap();
    assert_eq!(head.headers()["content-length"], "5000");
    api.emulator.advance_clock(Duration::from_secs(3601));
    let response = api.http.get(&url).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    assert!(response.text().await.unwrap().contains("does not have permission to get URL"));
    let forged = api.http.get(format!("{}/lr/media/AAAA=d", api.emulator.url()));
    assert_eq!(forged.send().await.unwrap().status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn ranges_are_a_switch() {
    let api = Api::start().await;
    let item = api.add(None, jpeg(1), "a.jpg").await;
    let url = api.base_url(&item).await + "=d";
    let part = async |range: &str| {
        let response = api.http.get(&url).header("Range", range).send().await.unwrap();
        (response.status(), response.bytes().await.unwrap())
    };
    let whole = jpeg(1);
    assert_eq!(
        part("bytes=10-19").await,
        (StatusCode::PARTIAL_CONTENT, whole[10..20].to_vec().into())
    );
    assert_eq!(
        part("bytes=4990-").await,
        (StatusCode::PARTIAL_CONTENT, whole[4990..].to_vec().into())
    );
    assert_eq!(
        part("bytes=-5").await,
        (StatusCode::PARTIAL_CONTENT, whole[4995..].to_vec().into())
    );
    assert_eq!(part("bytes=5000-").await.0, StatusCode::RANGE_NOT_SATISFIABLE);
    api.emulator.faults(|f| f.photo_ranges = false);
    assert_eq!(part("bytes=10-19").await, (StatusCode::OK, whole.clone().into()));
}

/// A little JPEG with EXIF, and with a location if `gps`.
fn jpeg_with_exif(gps: bool) -> Vec<u8> {
    use exif::{Field, In, Rational, Tag, Value};
    let field = |tag, value| Field { tag, ifd_num: In::PRIMARY, value };
    let ascii = |text: &str| Value::Ascii(vec![text.as_bytes().to_vec()]);
    let degrees = Value::Rational(vec![Rational { num: 48, denom: 1 }; 3]);
    let mut fields = vec![
        field(Tag::Make, ascii("Maker")),
        field(Tag::DateTimeOriginal, ascii("2019:05:03 12:34:56")),
        field(Tag::OffsetTimeOriginal, ascii("+02:00")),
        field(Tag::PhotographicSensitivity, Value::Short(vec![200])),
    ];
    if gps {
        fields.push(field(Tag::GPSLatitudeRef, ascii("N")));
        fields.push(field(Tag::GPSLatitude, degrees));
    }
    let mut writer = exif::experimental::Writer::new();
    for field in &fields {
        writer.push_field(field);
    }
    let mut tiff = std::io::Cursor::new(Vec::new());
    writer.write(&mut tiff, false).unwrap();
    let tiff = tiff.into_inner();
    let plain = jpeg(77);
    let mut out = plain[..2].to_vec();
    out.extend([0xff, 0xe1]);
    out.extend((tiff.len() as u16 + 8).to_be_bytes());
    out.extend(b"Exif\0\0");
    out.extend(tiff);
    out.extend(&plain[2..]);
    out
}

#[tokio::test]
async fn downloads_of_photos_keep_their_exif_but_for_the_location() {
    let api = Api::start().await;
    let original = jpeg_with_exif(true);
    let item = api.add(None, original.clone(), "a.jpg").await;
    let (_, body) = api.get(&format!("/v1/mediaItems/{item}")).await;
    let metadata = &body["mediaMetadata"];
    assert_eq!(metadata["creationTime"], "2019-05-03T10:34:56Z");
    assert_eq!(metadata["photo"], json!({"cameraMake": "Maker", "isoEquivalent": 200}));

    let bytes = api.download(&item, "=d").await.bytes().await.unwrap();
    assert_ne!(bytes.len(), original.len());
    let tags = |bytes: &[u8]| {
        let mut reader = std::io::Cursor::new(bytes);
        let exif = exif::Reader::new().read_from_container(&mut reader).unwrap();
        exif.fields().map(|field| field.tag.to_string()).collect::<Vec<_>>()
    };
    assert!(tags(&original).contains(&"GPSLatitude".to_owned()));
    let left = tags(&bytes);
    assert!(left.contains(&"Make".to_owned()), "{left:?}");
    assert!(!left.iter().any(|tag| tag.starts_with("GPS")), "{left:?}");

    let plain = jpeg_with_exif(false);
    let item = api.add(None, plain.clone(), "b.jpg").await;
    assert_eq!(api.download(&item, "=d").await.bytes().await.unwrap(), plain);
}

/// A resumable upload in progress.
struct Session<'a> {
    api: &'a Api,
    url: String,
}

impl<'a> Session<'a> {
    async fn start(api: &'a Api, size: usize) -> Session<'a> {
        let response = api
            .request(Method::POST, "/v1/uploads")
            .header("X-Goog-Upload-Command", "start")
            .header("X-Goog-Upload-Protocol", "resumable")
            .header("X-Goog-Upload-Content-Type", "image/jpeg")
            .header("X-Goog-Upload-Raw-Size", size)
            .send()
            .await
            .unwrap();
        assert_eq!(response.headers()["x-goog-upload-status"], "active");
        assert_eq!(response.headers()["x-goog-upload-chunk-granularity"], "262144");
        let url = response.headers()["x-goog-upload-url"].to_str().unwrap().to_owned();
        Session { api, url }
    }

    async fn send(&self, command: &str, offset: usize, bytes: &[u8]) -> reqwest::Result<Response> {
        self.api
            .http
            .post(&self.url)
            .bearer_auth(&self.api.token)
            .header("X-Goog-Upload-Command", command)
            .header("X-Goog-Upload-Offset", offset)
            .body(bytes.to_vec())
            .send()
            .await
    }

    /// Status and bytes received.
    async fn query(&self) -> (String, String) {
        let response = self.send("query", 0, b"").await.unwrap();
        let header = |name: &str| {
            response.headers().get(name).map_or("", |v| v.to_str().unwrap()).to_owned()
        };
        let answer = (header("x-goog-upload-status"), header("x-goog-upload-size-received"));
        assert_eq!(response.text().await.unwrap(), "", "a query never gives the token");
        answer
    }
}

const GRANULE: usize = 262_144;

fn large_jpeg() -> Vec<u8> {
    photo(3, 600_000)
}

#[tokio::test]
async fn resumable_uploads_go_on_where_they_broke_off() {
    let api = Api::start().await;
    let bytes = large_jpeg();
    let session = Session::start(&api, bytes.len()).await;
    let first = session.send("upload", 0, &bytes[..GRANULE]).await.unwrap();
    assert_eq!(first.headers()["x-goog-upload-status"], "active");

    api.emulator.faults(|f| {
        let break_off = Injection { next: 1, at_byte: Some(1000), ..Injection::new(Failure::Drop) };
        f.on(Call::UploadChunk).failures.push(break_off);
    });
    let broken = session.send("upload, finalize", GRANULE, &bytes[GRANULE..]).await;
    assert!(broken.is_err());
    let received = GRANULE + 1000;
    assert_eq!(session.query().await, ("active".into(), received.to_string()));
    api.assert_no_violations();

    let wrong = session.send("upload, finalize", GRANULE, &bytes[GRANULE..]).await.unwrap();
    assert_eq!(wrong.status(), StatusCode::BAD_REQUEST);
    let odd = session.send("upload", received, &bytes[received..received + 10]).await.unwrap();
    assert_eq!(odd.status(), StatusCode::BAD_REQUEST, "no multiple of the granularity");
    assert_eq!(api.emulator.stats().violations_total, 2);

    let last = session.send("upload,finalize", received, &bytes[received..]).await.unwrap();
    assert_eq!(last.headers()["x-goog-upload-status"], "final");
    let token = last.text().await.unwrap();
    assert_eq!(session.query().await, ("final".into(), "600000".into()));
    let (status, _) = api.create(None, &[(&token, "large.jpg")]).await;
    assert_eq!(status, StatusCode::OK);
    let sha256 = format!("{:x}", Sha256::digest(&bytes));
    assert_eq!(api.emulator.dump().items[0].sha256, Some(sha256));
}

#[tokio::test]
async fn cancelled_and_unknown_sessions_are_gone() {
    let api = Api::start().await;
    let session = Session::start(&api, 10).await;
    let cancelled = session.send("cancel", 0, b"").await.unwrap();
    assert_eq!(cancelled.headers()["x-goog-upload-status"], "cancelled");
    assert_eq!(session.query().await.0, "cancelled");
    let late = session.send("upload, finalize", 0, &[0; 10]).await.unwrap();
    assert_eq!(late.status(), StatusCode::BAD_REQUEST);
    let unknown = Session { api: &api, url: session.url.replace("upload_id=", "upload_id=x") };
    assert_eq!(unknown.send("query", 0, b"").await.unwrap().status(), StatusCode::NOT_FOUND);
    let small = Session::start(&api, 10).await;
    let more = small.send("upload, finalize", 0, &[0; 11]).await.unwrap();
    assert_eq!(more.status(), StatusCode::BAD_REQUEST, "more than announced");
}

#[tokio::test]
async fn uploads_are_checked_for_hash_size_and_header() {
    use base64::Engine;
    let api = Api::start().await;
    let hash = |bytes: &[u8]| {
        let digest = <sha1::Sha1 as sha1::Digest>::digest(bytes);
        format!("sha1={}", base64::engine::general_purpose::STANDARD.encode(digest))
    };
    let good = api.raw_upload(jpeg(1)).header("X-Goog-Hash", hash(&jpeg(1)));
    assert_eq!(answer(good).await.0, StatusCode::OK);
    let bad = answer(api.raw_upload(jpeg(1)).header("X-Goog-Hash", hash(b"other"))).await;
    assert_eq!(bad.0, StatusCode::BAD_REQUEST);
    assert!(text(&bad.1["error"]["message"]).starts_with("Checksum from header"));

    let name = api.raw_upload(jpeg(1)).header("X-Goog-Upload-File-Name", "é.jpg");
    let (status, body) = answer(name).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(text(&body).starts_with("<!DOCTYPE html>"));

    api.emulator.faults(|f| f.photo_bytes_max = 4999);
    let large = answer(api.raw_upload(jpeg(1))).await;
    assert_eq!(large.0, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn upload_tokens_last_a_day_and_may_be_used_again() {
    let api = Api::start().await;
    let token = api.upload(jpeg(1)).await;
    assert!(token.starts_with("CAIS") && token.len() > 1000);
    let (_, first) = api.create(None, &[(&token, "a.jpg")]).await;
    let (_, again) = api.create(None, &[(&token, "a.jpg")]).await;
    let id = |body: &Value| text(&body["newMediaItemResults"][0]["mediaItem"]["id"]);
    assert_eq!(id(&first), id(&again));
    api.emulator.advance_clock(Duration::from_secs(24 * 3600 + 1));
    let api = Api { token: api.emulator.grant().access_token, ..api };
    let (status, body) = api.create(None, &[(&token, "a.jpg")]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(body["error"]["message"], "Request must contain a valid upload token.");
    // Without any name the day of the upload is the name.
    let token = api.upload(jpeg(2)).await;
    let (_, body) = api.create(None, &[(&token, "")]).await;
    let name = text(&body["newMediaItemResults"][0]["mediaItem"]["filename"]);
    assert!(name.len() == "2023-10-23.jpg".len() && name.ends_with(".jpg"), "{name}");
}

#[tokio::test]
async fn failures_strike_before_or_after_the_effect() {
    let api = Api::start().await;
    let create = async |title: &str| {
        let request = api.request(Method::POST, "/v1/albums");
        request.json(&json!({"album": {"title": title}})).send().await
    };
    let exists = |title: &str| api.emulator.dump().album(title).is_some();

    api.emulator.faults(|f| f.fail_next(Call::AlbumsCreate, 1, Failure::Drop));
    assert!(create("lost").await.is_err());
    assert!(!exists("lost"));
    api.emulator.faults(|f| f.fail_next_after_effect(Call::AlbumsCreate, 1, Failure::Drop));
    assert!(create("made").await.is_err());
    assert!(exists("made"));

    for (failure, status) in [
        (Failure::Unauthenticated, 401),
        (Failure::PermissionDenied, 403),
        (Failure::NotFound, 404),
        (Failure::Aborted, 409),
        (Failure::WritesPerMinute, 429),
        (Failure::ConcurrentWrite, 429),
        (Failure::RequestsPerDay, 429),
        (Failure::Internal, 500),
        (Failure::BadGateway, 502),
        (Failure::Unavailable, 503),
        (Failure::DeadlineExceeded, 504),
        (Failure::Html, 502),
        (Failure::Garbage, 200),
    ] {
        api.emulator.faults(|f| f.fail_next(Call::AlbumsCreate, 1, failure));
        assert_eq!(create("x").await.unwrap().status(), status, "{failure:?}");
        assert!(!exists("x"));
    }
    assert_eq!(create("x").await.unwrap().status(), StatusCode::OK, "the counts are used up");

    api.emulator.faults(|f| {
        let retry = Injection {
            next: 1,
            skip: 1,
            retry_after_s: Some(7),
            ..Injection::new(Failure::Unavailable)
        };
        f.on(Call::AlbumsCreate).failures.push(retry);
    });
    assert_eq!(create("y").await.unwrap().status(), StatusCode::OK, "one is let through");
    let refused = create("y").await.unwrap();
    assert_eq!(refused.headers()["retry-after"], "7");
    api.assert_no_violations();

    api.emulator.faults(|f| f.fail_next(Call::AlbumsCreate, 1, Failure::Stall));
    let request = api.request(Method::POST, "/v1/albums").json(&json!({"album": {}}));
    let stalled = request.timeout(Duration::from_millis(100)).send().await;
    assert!(stalled.unwrap_err().is_timeout());
    assert_eq!(create("z").await.unwrap().status(), StatusCode::OK, "a stall holds no lock");
}

#[tokio::test]
async fn rates_repeat_with_their_seed() {
    let run = async || {
        let mut faults = Faults { seed: 42, ..Faults::default() };
        let half = Injection { rate: 0.5, ..Injection::new(Failure::Unavailable) };
        faults.on(Call::AlbumsList).failures.push(half);
        let api = Api::with(Config { faults, ..Config::default() }).await;
        let mut statuses = Vec::new();
        for _ in 0..20 {
            statuses.push(api.get("/v1/albums").await.0.as_u16());
        }
        statuses
    };
    let first = run().await;
    assert!(first.contains(&200) && first.contains(&503));
    assert_eq!(first, run().await);
}

#[tokio::test]
async fn downloads_break_off_and_run_out_of_quota() {
    let api = Api::start().await;
    let item = api.add(None, jpeg(1), "a.jpg").await;
    api.emulator.faults(|f| {
        let cut = Injection { next: 1, at_byte: Some(100), ..Injection::new(Failure::Drop) };
        f.on(Call::Download).failures.push(cut);
    });
    let response = api.download(&item, "=d").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.bytes().await.is_err());
    api.emulator.faults(|f| f.fail_next(Call::Download, 1, Failure::Internal));
    let response = api.download(&item, "=d").await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    api.emulator.faults(|f| f.daily_media_requests = 2);
    assert_eq!(api.download(&item, "=d").await.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(api.emulator.stats().media_requests_today, 2);
}

#[tokio::test]
async fn the_daily_quota_ends_at_midnight_in_california() {
    let api = Api::start().await;
    api.emulator.faults(|f| f.daily_requests = 2);
    assert_eq!(api.get("/v1/albums").await.0, StatusCode::OK);
    assert_eq!(api.get("/v1/albums").await.0, StatusCode::OK);
    let (status, body) = api.get("/v1/albums").await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    assert!(text(&body["error"]["message"]).contains("'All requests per day'"));
    api.emulator.advance_clock(Duration::from_secs(24 * 3600));
    let api = Api { token: api.emulator.grant().access_token, ..api };
    assert_eq!(api.get("/v1/albums").await.0, StatusCode::OK);
}

#[tokio::test]
async fn items_fail_are_lost_or_get_odd_names_on_demand() {
    let api = Api::start().await;
    let album = api.album("A").await;
    api.emulator.faults(|f| {
        f.item_failures.push(ItemFailure { code: 13, skip: 0, next: 1, rate: 0.0 });
    });
    let (a, b) = (api.upload(jpeg(1)).await, api.upload(jpeg(2)).await);
    let (status, body) = api.create(Some(&album), &[(&a, "a.jpg"), (&b, "b.jpg")]).await;
    assert_eq!(status, StatusCode::MULTI_STATUS);
    assert_eq!(body["newMediaItemResults"][0]["status"]["code"], 13);
    assert_eq!(api.album_items(&album, 10).await.len(), 1);

    api.emulator.faults(|f| f.lost_items = 1);
    let lost = api.add(Some(&album), jpeg(3), "c.jpg").await;
    assert_eq!(api.album_items(&album, 10).await.len(), 1);
    assert_eq!(api.get(&format!("/v1/mediaItems/{lost}")).await.0, StatusCode::NOT_FOUND);
    api.emulator.faults(|f| f.lost_items_resolve = true);
    assert_eq!(api.get(&format!("/v1/mediaItems/{lost}")).await.0, StatusCode::OK);
    assert_ne!(api.add(Some(&album), jpeg(3), "c.jpg").await, lost);

    for (n, (odd, expected)) in [
        (FilenameFault::Missing, None),
        (FilenameFault::Slash, Some("from/x.jpg".to_owned())),
        (FilenameFault::Control, Some("a\tb\n\u{1}x.jpg".to_owned())),
        (FilenameFault::Long, Some("x".repeat(250) + "x.jpg")),
        (FilenameFault::Emoji, Some("👩‍👩‍👧 🏖️ x.jpg".to_owned())),
    ]
    .into_iter()
    .enumerate()
    {
        api.emulator.faults(|f| f.filename_fault = Some(odd));
        let item = api.add(None, jpeg(100 + n as u64), "x.jpg").await;
        let (_, item) = api.get(&format!("/v1/mediaItems/{item}")).await;
        assert_eq!(item.get("filename").map(text), expected);
    }
}

#[tokio::test]
async fn a_full_account_and_refused_tokens_create_nothing() {
    let api = Api::start().await;
    let token = api.upload(jpeg(1)).await;
    api.emulator.faults(|f| f.storage_bytes = Some(0));
    let (status, body) = api.create(None, &[(&token, "a.jpg")]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(text(&body["error"]["message"]).starts_with("The remaining storage"));
    api.emulator.faults(|f| {
        f.storage_bytes = None;
        f.upload_tokens_refused = true;
    });
    let (status, body) = api.create(None, &[(&token, "a.jpg")]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(body["error"]["message"], "Request must contain a valid upload token.");
    assert!(api.emulator.dump().items.is_empty());
}

#[tokio::test]
async fn listings_and_counts_may_lag_behind() {
    let api = Api::start().await;
    let album = api.album("A").await;
    api.emulator.faults(|f| {
        f.album_delay_ms = 60_000;
        f.count_delay_ms = 120_000;
    });
    api.add(Some(&album), jpeg(1), "a.jpg").await;
    let count = async || {
        let (_, album) = api.get(&format!("/v1/albums/{album}")).await;
        album["mediaItemsCount"].clone()
    };
    assert!(api.album_items(&album, 10).await.is_empty());
    api.emulator.advance_clock(Duration::from_secs(61));
    assert_eq!(api.album_items(&album, 10).await.len(), 1);
    assert_eq!(count().await, Value::Null);
    api.emulator.advance_clock(Duration::from_secs(61));
    assert_eq!(count().await, "1");
}

#[tokio::test]
async fn the_user_changes_things_in_the_app() {
    let api = Api::start().await;
    let album = api.album("A").await;
    let a = api.add(Some(&album), jpeg(1), "a.jpg").await;
    let b = api.add(Some(&album), jpeg(2), "b.jpg").await;
    let edit = async |edit: Edit| api.emulator.edit(edit).await.unwrap();
    edit(Edit::ReorderAlbum { album: "A".into(), items: vec!["b.jpg".into(), "a.jpg".into()] })
        .await;
    assert_eq!(api.album_items(&album, 10).await, [&*b, &a]);
    edit(Edit::RemoveFromAlbum { album: "A".into(), item: "b.jpg".into() }).await;
    assert_eq!(api.album_items(&album, 10).await, [&*a]);
    edit(Edit::AddToAlbum { album: "A".into(), item: b.clone() }).await;
    assert_eq!(api.album_items(&album, 10).await, [&*a, &b]);
    edit(Edit::RenameAlbum { album: "A".into(), title: "Ä".into() }).await;
    edit(Edit::SetFilename { item: a.clone(), filename: String::new() }).await;
    assert_eq!(api.get(&format!("/v1/albums/{album}")).await.1["title"], "Ä");
    assert_eq!(api.get(&format!("/v1/mediaItems/{a}")).await.1.get("filename"), None);
    edit(Edit::DeleteAlbum { album: "Ä".into() }).await;
    let token = api.upload(jpeg(3)).await;
    let (status, body) = api.create(Some(&album), &[(&token, "c.jpg")]).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(body["error"]["message"], "The provided ID does not match any albums.");
    assert!(api.emulator.edit(Edit::DeleteItem { item: "nope".into() }).await.is_err());
}

#[tokio::test]
async fn a_hundred_thousand_items_list_by_the_page() {
    let api = Api::start().await;
    let album = api.album("Big").await;
    let seed = |album: Option<&str>, count| Edit::Seed {
        album: album.map(str::to_owned),
        count,
        size: 1_000_000,
        prefix: "IMG_".into(),
    };
    api.emulator.edit(seed(Some("Big"), 20_000)).await.unwrap();
    api.emulator.edit(seed(None, 80_000)).await.unwrap();
    let started = std::time::Instant::now();
    let ids = api.search_all(json!({"albumId": album, "pageSize": 100})).await;
    assert_eq!((ids.len(), ids.concat().len()), (200, 20_000));
    // A scan of the library for each page would take minutes.
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    let (_, list) = api.get("/v1/mediaItems?pageSize=100").await;
    assert_eq!(list["mediaItems"].as_array().unwrap().len(), 100);
    let last = api.download(&ids[199][99], "=d").await;
    assert_eq!(last.bytes().await.unwrap().len(), 1_000_000);
}

/// The consent dance without a browser.
struct Dance<'a> {
    api: &'a Api,
    verifier: String,
    redirect: &'static str,
}

impl<'a> Dance<'a> {
    fn new(api: &'a Api) -> Dance<'a> {
        Dance { api, verifier: "v".repeat(43), redirect: "http://127.0.0.1:9/callback" }
    }

    fn client(&self) -> Value {
        let file: Value = serde_json::from_str(&self.api.emulator.client_secret_json()).unwrap();
        file["installed"].clone()
    }

    fn auth_url(&self, scopes: &str) -> url::Url {
        use base64::Engine;
        let client = self.client();
        let challenge =
            base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(Sha256::digest(&self.verifier));
        let query = [
            ("client_id", client["client_id"].as_str().unwrap()),
            ("redirect_uri", self.redirect),
            ("response_type", "code"),
            ("scope", scopes),
            ("state", "S"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        url::Url::parse_with_params(client["auth_uri"].as_str().unwrap(), query).unwrap()
    }

    async fn token(&self, fields: &[(&str, &str)]) -> (StatusCode, Value) {
        let client = self.client();
        let mut form = vec![
            ("client_id", client["client_id"].as_str().unwrap()),
            ("client_secret", client["client_secret"].as_str().unwrap()),
        ];
        form.extend_from_slice(fields);
        answer(self.api.http.post(client["token_uri"].as_str().unwrap()).form(&form)).await
    }

    async fn exchange(&self, code: &str, verifier: &str) -> (StatusCode, Value) {
        self.token(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", self.redirect),
            ("code_verifier", verifier),
        ])
        .await
    }

    async fn refresh(&self, token: &str) -> (StatusCode, Value) {
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }
}

/// The query of the address a response redirects to.
fn redirected(response: &Response) -> std::collections::HashMap<String, String> {
    assert_eq!(response.status(), StatusCode::FOUND);
    let location = response.headers()["location"].to_str().unwrap();
    url::Url::parse(location).unwrap().query_pairs().into_owned().collect()
}

fn all_scopes() -> String {
    gphotosfs_emulator::SCOPES
        .map(|scope| format!("{}{scope}", gphotosfs_emulator::SCOPE_PREFIX))
        .join(" ")
}

#[tokio::test]
async fn consent_code_refresh_and_revocation() {
    let api = Api::start().await;
    api.emulator.faults(|f| f.refresh_token_life_s = Some(604_799));
    let dance = Dance::new(&api);
    let code = async || {
        let response = api.http.get(dance.auth_url(&all_scopes())).send().await.unwrap();
        let query = redirected(&response);
        assert_eq!(query["state"], "S");
        query["code"].clone()
    };
    let (status, body) = dance.exchange(&code().await, &"w".repeat(43)).await;
    assert_eq!((status, &body["error"]), (StatusCode::BAD_REQUEST, &json!("invalid_grant")));
    assert_eq!(body["error_description"], "Invalid code verifier.");

    let good = code().await;
    let (status, granted) = dance.exchange(&good, &dance.verifier).await;
    assert_eq!(status, StatusCode::OK, "{granted}");
    assert_eq!((&granted["expires_in"], &granted["scope"]), (&json!(3599), &json!(all_scopes())));
    assert_eq!(granted["refresh_token_expires_in"], 604_799);
    let (_, again) = dance.exchange(&good, &dance.verifier).await;
    assert_eq!(again["error"], "invalid_grant", "a code is for one use");

    let refresh_token = text(&granted["refresh_token"]);
    let (status, refreshed) = dance.refresh(&refresh_token).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(refreshed.get("refresh_token"), None);
    let access_token = text(&refreshed["access_token"]);
    let info = format!("{}/tokeninfo?access_token={access_token}", api.emulator.url());
    assert_eq!(answer(api.http.get(info)).await.1["scope"], all_scopes());

    let revoke = format!("{}/revoke", api.emulator.url());
    let revoking = api.http.post(&revoke).form(&[("token", &access_token)]);
    assert_eq!(answer(revoking).await, (StatusCode::OK, json!({})));
    let (status, body) = dance.refresh(&refresh_token).await;
    assert_eq!((status, &body["error"]), (StatusCode::BAD_REQUEST, &json!("invalid_grant")));
    assert_eq!(body["error_description"], "Token has been expired or revoked.");
    let revoking = api.http.post(&revoke).form(&[("token", &access_token)]);
    assert_eq!(answer(revoking).await.1["error"], "invalid_token");
    assert_eq!(api.get("/v1/albums").await.0, StatusCode::UNAUTHORIZED, "all of the user's grants");
    api.assert_no_violations();

    let (status, body) = dance.token(&[("grant_type", "password")]).await;
    assert_eq!(
        (status, &body["error"]),
        (StatusCode::BAD_REQUEST, &json!("unsupported_grant_type"))
    );
}

#[tokio::test]
async fn testing_grants_die_after_their_days() {
    let api = Api::start().await;
    api.emulator.faults(|f| f.refresh_token_life_s = Some(604_799));
    let grant = api.emulator.grant();
    let dance = Dance::new(&api);
    assert_eq!(dance.refresh(&grant.refresh_token).await.0, StatusCode::OK);
    api.emulator.advance_clock(Duration::from_secs(7 * 24 * 3600));
    assert_eq!(dance.refresh(&grant.refresh_token).await.1["error"], "invalid_grant");
}

#[tokio::test]
async fn the_user_may_grant_less_or_nothing() {
    let api = Api::with(Config { auto_approve: false, ..Config::default() }).await;
    let dance = Dance::new(&api);
    let url = dance.auth_url(&all_scopes());
    let page = api.http.get(url.clone()).send().await.unwrap().text().await.unwrap();
    assert_eq!(page.matches("type=checkbox").count(), 3);
    let decide = async |decision: &str, scopes: &[&str]| {
        let mut form: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        form.push(("decision".into(), decision.into()));
        form.extend(scopes.iter().map(|scope| ("granted".into(), scope.to_string())));
        let approve = format!("{}/o/oauth2/approve", api.emulator.url());
        redirected(&api.http.post(approve).form(&form).send().await.unwrap())
    };
    let denied = decide("deny", &[]).await;
    assert_eq!((&*denied["error"], &*denied["state"]), ("access_denied", "S"));
    let scope = "https://www.googleapis.com/auth/photoslibrary.appendonly";
    let less = decide("allow", &[scope, "https://www.googleapis.com/auth/drive"]).await;
    let (_, granted) = dance.exchange(&less["code"], &dance.verifier).await;
    assert_eq!(granted["scope"], scope, "what was not asked for is not granted");

    let bad = url.as_str().replace("127.0.0.1%3A9", "example.com");
    let page = api.http.get(bad).send().await.unwrap();
    assert_eq!(page.status(), StatusCode::BAD_REQUEST);
    assert!(page.text().await.unwrap().contains("redirect_uri_mismatch"));
}

#[tokio::test]
async fn switches_and_edits_work_over_http_too() {
    let api = Api::start().await;
    let patch =
        json!({"calls": {"albums.list": {"failures": [{"failure": "unavailable", "next": 1}]}}});
    let (status, faults) = api.patch("/emulator/faults", patch).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(faults["daily_requests"], 10_000, "what is not named stays");
    assert_eq!(api.get("/v1/albums").await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(api.get("/v1/albums").await.0, StatusCode::OK);
    for bad in [json!({"latency": 1}), json!({"calls": {"albums.destroy": {}}})] {
        assert_eq!(api.patch("/emulator/faults", bad).await.0, StatusCode::BAD_REQUEST);
    }
    api.ok("/emulator/edit", json!({"op": "create_album", "title": "A"})).await;
    api.ok("/emulator/edit", json!({"op": "seed", "album": "A", "count": 2})).await;
    let remove = json!({"op": "remove_from_album", "album": "A", "item": "IMG_000000.jpg"});
    api.ok("/emulator/edit", remove.clone()).await;
    assert_eq!(api.post("/emulator/edit", remove).await.0, StatusCode::NOT_FOUND);
    let (_, dump) = api.get("/emulator/dump").await;
    assert_eq!(dump["albums"][0]["items"].as_array().unwrap().len(), 1);
    assert_eq!(dump["items"].as_array().unwrap().len(), 2);
    let (_, stats) = api.get("/emulator/stats").await;
    assert_eq!(stats["requests"]["albums.list"], 2);
    api.ok("/emulator/stats/reset", json!({})).await;
    assert_eq!(api.get("/emulator/stats").await.1["requests"], json!({}));
    api.ok("/emulator/clock/advance", json!({"seconds": 10})).await;
    api.ok("/emulator/grants/expire", json!({})).await;
    assert_eq!(api.get("/v1/albums").await.0, StatusCode::UNAUTHORIZED);
    api.ok("/emulator/grants/revoke", json!({})).await;
}

#[tokio::test]
async fn pages_show_what_arrived_and_escape_it() {
    let api = Api::start().await;
    let album = api.album("<b>Trip</b>").await;
    let item = api.add(Some(&album), jpeg(1), "\"a\".jpg").await;
    let (_, body) = api.get(&format!("/v1/albums/{album}")).await;
    let page = async |url: String| api.http.get(url).send().await.unwrap().text().await.unwrap();
    let home = page(api.emulator.url()).await;
    assert!(home.contains("&lt;b&gt;Trip&lt;/b&gt; (1)") && !home.contains("<b>Trip"));
    assert!(page(text(&body["productUrl"])).await.contains("&quot;a&quot;.jpg"));
    let (_, body) = api.get(&format!("/v1/mediaItems/{item}")).await;
    assert!(page(text(&body["productUrl"])).await.contains("5000 bytes"));
}

#[tokio::test]
async fn only_loopback_is_served() {
    let listen = "0.0.0.0:0".parse().unwrap();
    let error = Emulator::start(Config { listen, ..Config::default() }).await.err().unwrap();
    assert!(error.to_string().contains("not a loopback address"), "{error}");
}

#[tokio::test]
async fn state_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let config = || Config { state: Some(dir.path().to_owned()), ..Config::default() };
    let api = Api::with(config()).await;
    let taken = Emulator::start(config()).await.err().unwrap();
    assert!(taken.to_string().contains("another emulator"), "{taken}");

    let album = api.album("A").await;
    let a = api.add(Some(&album), jpeg(1), "a.jpg").await;
    let gone = api.add(Some(&album), jpeg(2), "b.jpg").await;
    api.emulator.edit(Edit::DeleteItem { item: gone.clone() }).await.unwrap();
    let unused = api.upload(jpeg(3)).await;
    let bytes = large_jpeg();
    let session = Session::start(&api, bytes.len()).await;
    session.send("upload", 0, &bytes[..GRANULE]).await.unwrap();
    let session_path = session.url.trim_start_matches(&api.emulator.url()).to_owned();
    let Api { emulator, token, .. } = api;
    emulator.stop().await;

    let api = Api { token, ..Api::with(config()).await };
    assert_eq!(api.album_items(&album, 10).await, [&*a]);
    assert_eq!(api.download(&a, "=d").await.bytes().await.unwrap(), jpeg(1));
    let (_, created) = api.create(None, &[(&unused, "c.jpg")]).await;
    let new = text(&created["newMediaItemResults"][0]["mediaItem"]["id"]);
    assert_ne!(new, gone, "ids are never given twice");
    let session = Session { api: &api, url: api.emulator.url() + &session_path };
    assert_eq!(session.query().await, ("active".into(), GRANULE.to_string()));
    let last = session.send("upload, finalize", GRANULE, &bytes[GRANULE..]).await.unwrap();
    api.create(None, &[(&last.text().await.unwrap(), "large.jpg")]).await;
    let sha256 = format!("{:x}", Sha256::digest(&bytes));
    assert!(api.emulator.dump().items.iter().any(|i| i.sha256.as_ref() == Some(&sha256)));
}

/// A process that does not survive the test.
struct Killed(std::process::Child);

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[tokio::test]
async fn what_was_answered_survives_a_sudden_death() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = Killed(
        std::process::Command::new(env!("CARGO_BIN_EXE_gphotosfs"))
            .args(["emulator", "--auto-approve", "--state"])
            .arg(dir.path())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut lines =
        std::io::BufRead::lines(std::io::BufReader::new(child.0.stdout.take().unwrap()));
    let first = lines.next().unwrap().unwrap();
    let url = first.strip_prefix("listening on ").unwrap();
    let second = lines.next().unwrap().unwrap();
    let secret = std::fs::read_to_string(second.strip_prefix("client secret file: ").unwrap());
    assert!(secret.unwrap().contains(&format!("\"token_uri\": \"{url}/token\"")));

    let api = Api::start().await;
    let edits = [
        json!({"op": "create_album", "title": "A"}),
        json!({"op": "seed", "album": "A", "count": 100}),
    ];
    for edit in edits {
        let answer = api.http.post(format!("{url}/emulator/edit")).json(&edit).send().await;
        assert_eq!(answer.unwrap().status(), StatusCode::OK);
    }
    drop(child);
    // A line that was being written at that moment is not counted.
    let mut journal =
        std::fs::OpenOptions::new().append(true).open(dir.path().join("journal.jsonl")).unwrap();
    std::io::Write::write_all(&mut journal, b"{\"Item\":{\"user\":\"us").unwrap();

    let config = Config { state: Some(dir.path().to_owned()), ..Config::default() };
    let emulator = Emulator::start(config).await.unwrap();
    assert_eq!(emulator.dump().album("A").unwrap().items.len(), 100);
}

#[tokio::test]
async fn a_barrier_holds_one_call_before_its_effect_or_before_its_answer() {
    let api = Api::start().await;
    let second = api.emulator.barrier(Call::AlbumsCreate, 2, Moment::Request);
    let third = api.emulator.barrier(Call::AlbumsCreate, 3, Moment::Answer);
    let titles = |api: &Api| -> Vec<String> {
        api.emulator.dump().albums.into_iter().map(|album| album.title).collect()
    };
    api.album("one").await;

    let (_, ()) = tokio::join!(api.album("two"), async {
        second.arrived().await;
        assert_eq!(titles(&api), ["one"], "the call has no effect yet");
        second.release();
    });
    let (_, ()) = tokio::join!(api.album("three"), async {
        third.arrived().await;
        assert_eq!(titles(&api), ["one", "two", "three"], "only the answer is missing");
        third.release();
    });
    api.album("four").await;
}

#[tokio::test]
async fn a_barrier_that_is_dropped_before_its_call_comes_holds_nothing() {
    let api = Api::start().await;
    drop(api.emulator.barrier(Call::AlbumsCreate, 1, Moment::Request));
    api.album("one").await;
}
