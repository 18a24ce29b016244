//! Refusals of the emulator: of the service as a whole, and of one file.

use gphotosfs_emulator::{FileFault, FileMatch, Stage, synthetic_content};

use super::uploads::{GRANULE, Session};
use super::*;
use crate::support::sha256;

const QUOTA: &str = "Quota exceeded for quota metric 'Write requests'.";

/// Every request of an application once, with the call that it is.
async fn each_request(api: &Api) -> Vec<(Call, RequestBuilder)> {
    let album = api.album("A").await;
    let item = api.add(Some(&album), small_photo(1), "1.jpg").await;
    let token = api.upload(small_photo(2)).await;
    let session = Session::start(api, 5_000).await;
    let post = |path: &str, body: Value| api.request(Method::POST, path).json(&body);
    let ids = json!({ "mediaItemIds": [item] });
    let new = json!({"newMediaItems": [{"simpleMediaItem": {"uploadToken": token}}]});
    let upload = |command: &str| {
        let request = api.http.post(&session.url).bearer_auth(&api.token);
        request.header("X-Goog-Upload-Command", command).header("X-Goog-Upload-Offset", 0)
    };
    let start = api
        .request(Method::POST, "/v1/uploads")
        .header("X-Goog-Upload-Command", "start")
        .header("X-Goog-Upload-Protocol", "resumable");
    vec![
        (Call::UploadRaw, api.raw_upload(small_photo(3))),
        (Call::UploadStart, start),
        (Call::UploadChunk, upload("upload, finalize").body(small_photo(4))),
        (Call::UploadQuery, upload("query")),
        (Call::MediaItemsBatchCreate, post("/v1/mediaItems:batchCreate", new)),
        (Call::AlbumsCreate, post("/v1/albums", json!({"album": {"title": "B"}}))),
        (
            Call::AlbumsBatchAdd,
            post(&format!("/v1/albums/{album}:batchAddMediaItems"), ids.clone()),
        ),
        (Call::AlbumsBatchRemove, post(&format!("/v1/albums/{album}:batchRemoveMediaItems"), ids)),
        (Call::AlbumsList, api.request(Method::GET, "/v1/albums")),
        (Call::AlbumsGet, api.request(Method::GET, &format!("/v1/albums/{album}"))),
        (Call::MediaItemsList, api.request(Method::GET, "/v1/mediaItems")),
        (Call::MediaItemsSearch, post("/v1/mediaItems:search", json!({}))),
        (Call::MediaItemsGet, api.request(Method::GET, &format!("/v1/mediaItems/{item}"))),
    ]
}

#[tokio::test]
async fn every_request_may_be_refused_with_a_page_a_bare_status_or_nothing() {
    let api = Api::start().await;
    for (call, request) in each_request(&api).await {
        for http in [400, 403, 404, 413, 500] {
            api.emulator.faults(|f| f.fail_next(call, 1, Failure::HtmlPage { http }));
            let response = request.try_clone().unwrap().send().await.unwrap();
            assert_eq!(response.status(), http, "{call:?}");
            assert_eq!(response.headers()["content-type"], "text/html; charset=UTF-8");
            assert!(response.text().await.unwrap().starts_with("<!DOCTYPE html>"));
        }
        api.emulator.faults(|f| f.fail_next(call, 1, Failure::BareStatus { http: 400, code: 3 }));
        let (status, body) = answer(request.try_clone().unwrap()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{call:?}");
        assert_eq!(body, json!({"code": 3, "message": QUOTA}));
        for http in [200, 503] {
            api.emulator.faults(|f| f.fail_next(call, 1, Failure::Empty { http }));
            let (status, body) = answer(request.try_clone().unwrap()).await;
            assert_eq!((status.as_u16(), body), (http, json!("")), "{call:?}");
        }
        let (status, body) = answer(request).await;
        assert_eq!(status, StatusCode::OK, "{call:?} {body}");
    }
    api.assert_no_violations();
}

#[tokio::test]
async fn a_refusal_may_last_for_a_time() {
    let api = Api::start().await;
    let until_ms = Some(api.emulator.now_ms() + 25_000);
    api.emulator.faults(|f| {
        let message = Some("closed & <locked>".to_owned());
        let page = Injection::new(Failure::HtmlPage { http: 404 });
        f.on(Call::AlbumsList).failures.push(Injection { until_ms, message, ..page });
    });
    for _ in 0..3 {
        let (status, body) = api.get("/v1/albums").await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert!(text(&body).contains("closed &amp; &lt;locked&gt;"));
    }
    assert_eq!(api.get("/v1/mediaItems").await.0, StatusCode::OK);
    api.emulator.advance_clock(Duration::from_secs(26));
    assert_eq!(api.get("/v1/albums").await.0, StatusCode::OK);
    let (_, faults) = api.get("/emulator/faults").await;
    assert_eq!(faults["calls"]["albums.list"]["failures"], json!([]));
}

#[tokio::test]
async fn only_the_end_of_an_upload_may_fail() {
    let api = Api::start().await;
    let patch = json!({"calls": {"uploads.chunk": {"failures": [{
        "failure": {"html_page": {"http": 413}}, "next": 1, "only_finalize": true,
    }]}}});
    assert_eq!(api.patch("/emulator/faults", patch).await.0, StatusCode::OK);
    let bytes = synthetic_content(1, 300_000, 0..300_000);
    let session = Session::start(&api, bytes.len()).await;
    let first = session.send("upload", 0, &bytes[..GRANULE]).await.unwrap();
    assert_eq!(first.status(), StatusCode::OK);
    let last = session.send("upload, finalize", GRANULE, &bytes[GRANULE..]).await.unwrap();
    assert_eq!(last.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let last = session.send("upload, finalize", GRANULE, &bytes[GRANULE..]).await.unwrap();
    assert_eq!(last.status(), StatusCode::OK);
}

#[tokio::test]
async fn items_fail_with_a_chosen_code_and_text_all_or_one_of_them() {
    let api = Api::start().await;
    let create = async |names: [&str; 2]| {
        let tokens = [api.upload(small_photo(1)).await, api.upload(small_photo(2)).await];
        let items = [(&*tokens[0], names[0]), (&*tokens[1], names[1])];
        let (status, body) = api.create(None, &items).await;
        let status_of = |n: usize| body["newMediaItemResults"][n]["status"].clone();
        (status, [status_of(0), status_of(1)])
    };
    let text = "The remaining storage in the user's account is not enough.";
    for code in [3, 7, 8, 13, 16] {
        let failure =
            ItemFailure { rate: 1.0, message: Some(text.into()), ..ItemFailure::new(code) };
        api.emulator.faults(|f| f.item_failures = vec![failure]);
        let failed = json!({"code": code, "message": text});
        let (status, statuses) = create(["1.jpg", "2.jpg"]).await;
        assert_eq!(status, StatusCode::OK, "a mixture only would be 207");
        assert_eq!(statuses, [failed.clone(), failed]);
    }
    assert!(api.emulator.dump().items.is_empty());

    let by_hash = FileMatch::sha256(&sha256(&small_photo(1)));
    for file in [FileMatch::name("poison.jpg"), by_hash] {
        let failure = ItemFailure { rate: 1.0, file, ..ItemFailure::new(13) };
        api.emulator.faults(|f| f.item_failures = vec![failure]);
        for _ in 0..2 {
            let (status, [poisoned, other]) = create(["poison.jpg", "2.jpg"]).await;
            assert_eq!(status, StatusCode::MULTI_STATUS);
            assert_eq!(poisoned["code"], 13);
            assert_eq!(other["message"], "Success");
        }
    }
    api.emulator.faults(|f| f.item_failures.clear());
    assert_eq!(create(["poison.jpg", "2.jpg"]).await.0, StatusCode::OK);
    api.assert_no_violations();
}

fn poison(api: &Api, at: Stage, failure: Failure) {
    let file = FileMatch::sha256(&sha256(&small_photo(1)));
    api.emulator.faults(|f| f.file_faults = vec![FileFault { file, at, failure }]);
}

#[tokio::test]
async fn one_file_never_gets_through_the_upload() {
    let api = Api::start().await;
    poison(&api, Stage::Upload, Failure::NoToken);
    for _ in 0..2 {
        let (status, body) = answer(api.raw_upload(small_photo(1))).await;
        assert_eq!((status, body), (StatusCode::OK, json!("")));
        let session = Session::start(&api, 5_000).await;
        let last = session.send("upload, finalize", 0, &small_photo(1)).await.unwrap();
        assert_eq!(last.status(), StatusCode::OK);
        assert_eq!(last.headers()["x-goog-upload-status"], "final");
        assert_eq!(last.text().await.unwrap(), "");
        assert_eq!(session.query().await, ("final".into(), "5000".into()));
        api.add(None, small_photo(2), "2.jpg").await;
    }

    poison(&api, Stage::Upload, Failure::Internal);
    let session = Session::start(&api, 5_000).await;
    let last = session.send("upload, finalize", 0, &small_photo(1)).await.unwrap();
    assert_eq!(last.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(session.query().await, ("active".into(), "5000".into()));
    let again = session.send("finalize", 5_000, b"").await.unwrap();
    assert_eq!(again.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer(api.raw_upload(small_photo(1))).await.0, StatusCode::INTERNAL_SERVER_ERROR);

    poison(&api, Stage::Upload, Failure::Drop);
    assert!(api.raw_upload(small_photo(1)).send().await.is_err());
    assert!(session.send("finalize", 5_000, b"").await.is_err());
    api.add(None, small_photo(3), "3.jpg").await;

    api.emulator.faults(|f| f.file_faults.clear());
    let token = session.send("finalize", 5_000, b"").await.unwrap().text().await.unwrap();
    assert_eq!(api.create(None, &[(&token, "1.jpg")]).await.0, StatusCode::OK);
    api.assert_no_violations();
}

#[tokio::test]
async fn a_file_is_known_by_its_size_too() {
    let api = Api::start().await;
    let patch = json!({"file_faults": [
        {"file": {"size": 6_000}, "at": "upload", "failure": "unavailable"}
    ]});
    assert_eq!(api.patch("/emulator/faults", patch).await.0, StatusCode::OK);
    let large = synthetic_content(1, 6_000, 0..6_000);
    assert_eq!(answer(api.raw_upload(large)).await.0, StatusCode::SERVICE_UNAVAILABLE);
    api.upload(small_photo(1)).await;
}

#[tokio::test]
async fn one_file_spoils_each_batch_that_it_is_in() {
    let api = Api::start().await;
    let (bad, good) = (api.upload(small_photo(1)).await, api.upload(small_photo(2)).await);
    let both = [(&*good, "2.jpg"), (&*bad, "1.jpg")];
    poison(&api, Stage::Create, Failure::Internal);
    assert_eq!(api.create(None, &both).await.0, StatusCode::INTERNAL_SERVER_ERROR);
    poison(&api, Stage::Create, Failure::Drop);
    let items = json!([{"simpleMediaItem": {"uploadToken": bad}}]);
    let create = api.request(Method::POST, "/v1/mediaItems:batchCreate");
    assert!(create.json(&json!({ "newMediaItems": items })).send().await.is_err());
    assert!(api.emulator.dump().items.is_empty(), "without an effect");
    assert_eq!(api.create(None, &both[..1]).await.0, StatusCode::OK);
    let file = FileMatch::name("1.jpg");
    let failure = Failure::BareStatus { http: 400, code: 3 };
    api.emulator.faults(|f| f.file_faults = vec![FileFault { file, at: Stage::Create, failure }]);
    assert_eq!(api.create(None, &both).await.1, json!({"code": 3, "message": QUOTA}));
    assert_eq!(api.create(None, &[(&bad, "another.jpg")]).await.0, StatusCode::OK);
    api.assert_no_violations();
}

#[tokio::test]
async fn a_session_may_lie_at_another_origin() {
    let api = Api::start().await;
    let origin = api.emulator.url().replace("127.0.0.1", "localhost");
    api.emulator.faults(|f| f.session_origin = Some(origin.clone()));
    let session = Session::start(&api, 5_000).await;
    assert!(session.url.starts_with(&format!("{origin}/v1/uploads?upload_id=")));
    let session = Session { url: session.url.replace("localhost", "127.0.0.1"), ..session };
    let last = session.send("upload, finalize", 0, &small_photo(1)).await.unwrap();
    let token = last.text().await.unwrap();
    assert_eq!(api.create(None, &[(&token, "1.jpg")]).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_token_with_a_line_break_counts_only_as_it_was_given() {
    let api = Api::start().await;
    api.emulator.faults(|f| f.line_break_in_upload_tokens = true);
    let token = api.upload(small_photo(1)).await;
    assert_eq!(token.lines().count(), 2);
    let mended = token.replace('\n', "");
    assert_eq!(api.create(None, &[(&mended, "1.jpg")]).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(api.create(None, &[(&token, "1.jpg")]).await.0, StatusCode::OK);
    api.emulator.faults(|f| f.line_break_in_upload_tokens = false);
    assert_eq!(api.upload(small_photo(1)).await.lines().count(), 1);
}
