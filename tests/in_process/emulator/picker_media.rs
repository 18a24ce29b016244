//! Bytes of picked items.

use gphotosfs_emulator::{Choice, MadeUpItem, PICKER_SCOPE, PickStep};

use super::media::jpeg_with_exif;
use super::*;

/// What an answer is: status, type of the body, and bytes.
async fn fetched(request: RequestBuilder) -> (u16, String, Vec<u8>) {
    let response = request.send().await.unwrap();
    let content_type = response.headers().get("content-type");
    let content_type = content_type.map_or(String::new(), |it| it.to_str().unwrap().to_owned());
    (response.status().as_u16(), content_type, response.bytes().await.unwrap().to_vec())
}

impl Api {
    /// The base URL of the only item of a session.
    async fn picked_url(&self, session: &Value) -> String {
        let items = self.picked_items(session).await;
        assert_eq!(items.len(), 1);
        text(&items[0]["mediaFile"]["baseUrl"])
    }

    fn with_token(&self, url: &str, options: &str) -> RequestBuilder {
        self.http.get(format!("{url}{options}")).bearer_auth(&self.token)
    }

    /// The address that a request is redirected to.
    async fn redirected(&self, request: RequestBuilder) -> String {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::FOUND);
        response.headers()["location"].to_str().unwrap().to_owned()
    }

    async fn put(&self, filename: &str, content: Vec<u8>) {
        let (album, foreign, filename) = (None, false, filename.to_owned());
        let edit = Edit::AddItem { album, filename, content, foreign };
        self.emulator.edit_as(Account::in_google_app(), edit).await.unwrap();
    }
}

#[track_caller]
fn assert_tile(answer: &(u16, String, Vec<u8>), status: u16) {
    let (code, content_type, body) = answer;
    assert_eq!((*code, content_type.as_str()), (status, "image/png"));
    assert!(body.starts_with(b"\x89PNG"));
}

#[tokio::test]
async fn photos_need_a_token_and_lose_their_location() {
    let mut api = Api::picking().await;
    let original = jpeg_with_exif(true);
    api.put("a.jpg", original.clone()).await;
    let url = api.picked_url(&api.picked(Choice::default()).await).await;
    assert!(url.starts_with(&format!("{}/ppa/", api.emulator.url())));
    let (status, content_type, bytes) = fetched(api.with_token(&url, "=d")).await;
    assert_eq!((status, content_type.as_str()), (200, "image/jpeg"));
    assert_ne!(bytes.len(), original.len(), "never the same bytes");
    let mut reader = std::io::Cursor::new(bytes);
    let exif = exif::Reader::new().read_from_container(&mut reader).unwrap();
    assert!(!exif.fields().any(|field| field.tag.to_string().starts_with("GPS")));
    api.assert_no_violations();

    assert_tile(&fetched(api.http.get(format!("{url}=d"))).await, 403);
    for grant in [
        api.emulator.grant(),
        api.emulator.grant_to(&Account::of("other@example.com"), &[PICKER_SCOPE]),
        api.emulator.grant_to(&Account::by_other_client(), &[PICKER_SCOPE]),
    ] {
        let request = api.http.get(format!("{url}=d")).bearer_auth(grant.access_token);
        assert_tile(&fetched(request).await, 403);
    }
    assert_tile(&fetched(api.with_token(&format!("{url}A"), "=d")).await, 403);
    assert_eq!(fetched(api.with_token(&url, "=d")).await.0, 200);
    api.emulator.expire_access_tokens();
    assert_tile(&fetched(api.with_token(&url, "=d")).await, 403);
    api.token = api.emulator.grant_scopes(&[PICKER_SCOPE]).access_token;
    assert_eq!(fetched(api.with_token(&url, "=d")).await.0, 200);
    assert_eq!(api.emulator.stats().media_requests_today, 0, "it has a quota of its own");
    api.assert_no_violations();
}

#[tokio::test]
async fn addresses_last_an_hour_and_not_longer_than_their_session() {
    let api = Api::picking().await;
    api.put("a.jpg", small_photo(1)).await;
    let session = api.picked(Choice::default()).await;
    let old = api.picked_url(&session).await;
    api.emulator.faults(|f| f.access_token_life_s = 1_000_000);
    let api = Api { token: api.emulator.grant_scopes(&[PICKER_SCOPE]).access_token, ..api };
    api.emulator.advance_clock(Duration::from_secs(3601));
    assert_tile(&fetched(api.with_token(&old, "=d")).await, 403);
    let url = api.picked_url(&session).await;
    assert_eq!(fetched(api.with_token(&url, "=d")).await.2, small_photo(1));
    api.emulator.faults(|f| {
        let cut = Injection { next: 1, at_byte: Some(100), ..Injection::new(Failure::Drop) };
        f.on(Call::PickerDownload).failures.push(cut);
    });
    let broken = api.with_token(&url, "=d").send().await.unwrap();
    assert_eq!(broken.status(), StatusCode::OK);
    assert!(broken.bytes().await.is_err());
    // The rest of a download that has begun before the session ended.
    let rest = || api.with_token(&url, "=d").header("Range", "bytes=100-");
    assert_eq!(fetched(rest()).await.0, 206);
    let id = Some(text(&session["id"]));
    api.emulator.pick(PickStep::Expire { session: id }).await.unwrap();
    assert_tile(&fetched(rest()).await, 404);
    api.assert_no_violations();
}

#[tokio::test]
async fn an_address_needs_options_and_knows_some() {
    let api = Api::picking().await;
    api.put("a.jpg", jpeg(1, 50_000)).await;
    let url = api.picked_url(&api.picked(Choice::default()).await).await;
    let whole = fetched(api.with_token(&url, "=d")).await.2;
    let width = |bytes: &[u8]| image::load_from_memory(bytes).unwrap().width();
    let (status, _, small) = fetched(api.with_token(&url, "=w16-h16")).await;
    assert_eq!((status, width(&small) <= 16), (200, true));
    api.assert_no_violations();
    let (status, content_type, bare) = fetched(api.with_token(&url, "")).await;
    assert_eq!((status, content_type.as_str()), (200, "image/jpeg"));
    assert!(width(&bare) <= 512 && bare != whole);
    assert_eq!(fetched(api.with_token(&url, "=colour")).await.0, 400);
    assert_eq!(fetched(api.with_token(&url, "=dv")).await.0, 404, "it is no video");
    let violations = api.emulator.stats().violations;
    assert_eq!(violations.len(), 2, "{violations:?}");
}

#[tokio::test]
async fn videos_come_from_another_origin_which_wants_no_token() {
    let api = Api::picking().await;
    api.emulator.faults(|f| f.video_processing_ms = 60_000);
    api.put("clip.mp4", mp4(1)).await;
    let session = api.picked(Choice::default()).await;
    let url = api.picked_url(&session).await;
    let status = async || {
        let items = api.picked_items(&session).await;
        text(&items[0]["mediaFile"]["mediaFileMetadata"]["videoMetadata"]["processingStatus"])
    };
    assert_eq!(status().await, "PROCESSING");
    assert_eq!(fetched(api.with_token(&url, "=dv")).await.0, 404);
    api.emulator.advance_clock(Duration::from_secs(61));
    assert_eq!(status().await, "READY");
    let still = fetched(api.with_token(&url, "=w100-h100-no")).await;
    assert!(still.1.starts_with("image/"), "{}", still.1);
    let video = api.redirected(api.with_token(&url, "=dv")).await;
    let origin = url::Url::parse(&video).unwrap().origin();
    assert_ne!(origin, url::Url::parse(&url).unwrap().origin());
    let whole = fetched(api.http.get(&video)).await;
    assert_eq!((whole.0, whole.1.as_str()), (200, "video/mp4"));
    assert_ne!(whole.2, mp4(1), "it is transcoded");
    assert_eq!(fetched(api.http.get(&video).header("Range", "bytes=5-")).await, whole);
    assert_tile(&fetched(api.http.get(format!("{video}A"))).await, 403);
    let strange = api.http.get(&video).header("Host", "evil.test");
    assert_eq!(fetched(strange).await.0, 403);
    api.assert_no_violations();
    assert_eq!(fetched(api.with_token(&video, "")).await.0, 200);
    let violations = api.emulator.stats().violations;
    assert!(violations[0].contains("a bearer token was sent along a redirect"), "{violations:?}");
    api.emulator.faults(|f| f.videos_fail = true);
    assert_eq!(status().await, "FAILED");
}

#[tokio::test]
async fn heif_pictures_come_as_they_are_or_as_jpeg() {
    let api = Api::picking().await;
    let heif = MadeUpItem { mime_type: "image/heif".into(), ..MadeUpItem::default() };
    api.made_up("Phone", vec![MadeUpItem { filename: "a.heic".into(), ..heif }]).await;
    let url = api.picked_url(&api.picked(Choice::default()).await).await;
    assert_eq!(fetched(api.with_token(&url, "=d")).await.1, "image/heif");
    api.emulator.faults(|f| f.picker.heif_as_jpeg = true);
    let (status, content_type, bytes) = fetched(api.with_token(&url, "=d")).await;
    assert_eq!((status, content_type.as_str()), (200, "image/jpeg"));
    assert!(bytes.starts_with(&[0xff, 0xd8]));
}
