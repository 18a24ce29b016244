//! Uploads in one piece and in sessions.

use super::*;

/// A resumable upload in progress.
pub(super) struct Session<'a> {
    pub(super) api: &'a Api,
    pub(super) url: String,
}

impl<'a> Session<'a> {
    pub(super) async fn start(api: &'a Api, size: usize) -> Session<'a> {
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

    pub(super) async fn send(
        &self,
        command: &str,
        offset: usize,
        bytes: &[u8],
    ) -> reqwest::Result<Response> {
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
    pub(super) async fn query(&self) -> (String, String) {
        let response = self.send("query", 0, b"").await.unwrap();
        let header = |name: &str| {
            response.headers().get(name).map_or("", |v| v.to_str().unwrap()).to_owned()
        };
        let answer = (header("x-goog-upload-status"), header("x-goog-upload-size-received"));
        assert_eq!(response.text().await.unwrap(), "", "a query never gives the token");
        answer
    }
}

pub(super) const GRANULE: usize = 262_144;

pub(super) fn large_jpeg() -> Vec<u8> {
    photo(3, 600_000)
}

#[tokio::test]
async fn resumable_uploads_resume_where_they_were_interrupted() {
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
    let good = api.raw_upload(small_photo(1)).header("X-Goog-Hash", hash(&small_photo(1)));
    assert_eq!(answer(good).await.0, StatusCode::OK);
    let bad = answer(api.raw_upload(small_photo(1)).header("X-Goog-Hash", hash(b"other"))).await;
    assert_eq!(bad.0, StatusCode::BAD_REQUEST);
    assert!(text(&bad.1["error"]["message"]).starts_with("Checksum from header"));

    let name = api.raw_upload(small_photo(1)).header("X-Goog-Upload-File-Name", "é.jpg");
    let (status, body) = answer(name).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(text(&body).starts_with("<!DOCTYPE html>"));

    api.emulator.faults(|f| f.photo_bytes_max = 4999);
    let large = answer(api.raw_upload(small_photo(1))).await;
    assert_eq!(large.0, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn upload_tokens_last_a_day_and_may_be_used_again() {
    let api = Api::start().await;
    let token = api.upload(small_photo(1)).await;
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
    let token = api.upload(small_photo(2)).await;
    let (_, body) = api.create(None, &[(&token, "")]).await;
    let name = text(&body["newMediaItemResults"][0]["mediaItem"]["filename"]);
    assert!(name.len() == "2023-10-23.jpg".len() && name.ends_with(".jpg"), "{name}");
}
