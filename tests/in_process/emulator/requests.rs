//! Requests that the emulator refuses, and the form of its answers.

use super::*;

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
    let item = api.add(None, small_photo(1), "a.jpg").await;
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
    api.add(None, small_photo(1), "a.jpg").await;
    let fields = "fields=nextPageToken,mediaItems(filename,mediaMetadata/width)";
    let (_, body) = api.get(&format!("/v1/mediaItems?{fields}")).await;
    let expected = json!({"mediaItems": [{"filename": "a.jpg", "mediaMetadata": {"width": "2"}}]});
    assert_eq!(body, expected);
    let (status, _) = api.get("/v1/mediaItems?fields=mediaItems(size)").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn wrong_content_types_and_misplaced_tokens_are_violations() {
    let api = Api::start().await;
    let item = api.add(None, small_photo(1), "a.jpg").await;
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
