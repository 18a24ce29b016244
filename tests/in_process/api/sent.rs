//! The requests as they are sent, and as they are logged.

use super::*;

/// Sent requests are spawned by everybody; this does not compile unless they may be.
#[test]
fn calls_may_be_made_from_any_thread() {
    fn sendable<T: Send>(_: impl FnOnce(Client, Payload) -> T) {}
    sendable(|client, _| async move { client.list_albums(None).await.map(drop) });
    sendable(|client, _| async move { client.create_album("x").await.map(drop) });
    sendable(|client, it| async move { client.upload_raw(&it).await.map(drop) });
    sendable(|client, _| async move { client.download("", MediaKind::Photo, 0).await.map(drop) });
    sendable(|client, it| async move {
        let session = client.start_upload(&it).await.unwrap();
        client.finish_upload(&session, &it).await.map(drop)
    });
}

#[tokio::test]
async fn requests_look_as_the_reference_says() {
    let server = Script::start(|_, _| async { json(200, js!({"id": "X"})) }).await;
    let (client, _dir) = server.client();
    let next = PageToken::new("p/+=");
    client.list_albums(Some(&next)).await.unwrap();
    client.list_items(None).await.unwrap();
    client.list_album_items(&album(), Some(&next)).await.unwrap();
    client.search_items(DateFilter::Month(2019, 4), None).await.unwrap();
    client.rename_album(&album(), "B/ä").await.unwrap();
    client.set_album_cover(&album(), &MediaId::new("i")).await.unwrap();
    client.add_to_album(&album(), &[MediaId::new("i"), MediaId::new("j")]).await.unwrap();
    client.remove_from_album(&album(), &[MediaId::new("i")]).await.unwrap();
    client.describe_item(&MediaId::new("i"), "words").await.unwrap();
    let text = Enrichment::Text("Day 2".into());
    client.add_enrichment(&album(), &text, &AlbumPosition::After(MediaId::new("i"))).await.unwrap();
    let plain =
        NewItem { token: UploadToken::new("t"), file_name: "ä.jpg".into(), description: None };
    client.create_items(Some(&album()), std::slice::from_ref(&plain)).await.unwrap();
    client.create_items(None, &[NewItem { description: Some("d".into()), ..plain }]).await.unwrap();

    let seen = server.seen();
    let lines: Vec<String> =
        seen.iter().map(|it| format!("{} {}?{}", it.method, it.path, it.query)).collect();
    assert_eq!(
        lines,
        [
            "GET /v1/albums?pageSize=50&pageToken=p%2F%2B%3D",
            "GET /v1/mediaItems?pageSize=100",
            "POST /v1/mediaItems:search?",
            "POST /v1/mediaItems:search?",
            "PATCH /v1/albums/A?updateMask=title",
            "PATCH /v1/albums/A?updateMask=coverPhotoMediaItemId",
            "POST /v1/albums/A:batchAddMediaItems?",
            "POST /v1/albums/A:batchRemoveMediaItems?",
            "PATCH /v1/mediaItems/i?updateMask=description",
            "POST /v1/albums/A:addEnrichment?",
            "POST /v1/mediaItems:batchCreate?",
            "POST /v1/mediaItems:batchCreate?",
        ]
    );
    let bodies: Vec<_> = seen[2..].iter().map(crate::support::script::Seen::json).collect();
    assert_eq!(bodies[0], js!({"albumId": "A", "pageSize": 100, "pageToken": "p/+="}));
    assert_eq!(
        bodies[1],
        js!({"filters": {"dateFilter": {"dates": [{"year": 2019, "month": 4}]}}, "pageSize": 100})
    );
    assert_eq!(bodies[2], js!({"title": "B/ä"}));
    assert_eq!(bodies[3], js!({"coverPhotoMediaItemId": "i"}));
    assert_eq!(bodies[4], js!({"mediaItemIds": ["i", "j"]}));
    assert_eq!(bodies[6], js!({"description": "words"}));
    assert_eq!(
        bodies[7],
        js!({"newEnrichmentItem": {"textEnrichment": {"text": "Day 2"}},
            "albumPosition": {"position": "AFTER_MEDIA_ITEM", "relativeMediaItemId": "i"}})
    );
    assert_eq!(
        bodies[8],
        js!({"albumId": "A", "newMediaItems": [{"simpleMediaItem": {"uploadToken": "t", "fileName": "ä.jpg"}}]})
    );
    assert_eq!(bodies[9]["newMediaItems"][0]["description"], "d");
    assert!(bodies[9].get("albumId").is_none());
    for it in seen {
        assert_eq!(it.header("authorization"), "Bearer token-1");
        let has_body = !it.body.is_empty();
        assert_eq!(
            it.header("content-type"),
            if has_body { "application/json" } else { "" },
            "{}",
            it.path
        );
    }
}

#[tokio::test]
async fn raw_upload_carries_type_length_and_hash() {
    let server = Script::start(|_, _| async { "CAIS-token\n".into_response() }).await;
    let (client, _dir) = server.client();
    let payload = payload(b"hello");
    assert_eq!(client.upload_raw(&payload).await.unwrap().as_str(), "CAIS-token");
    let seen = &server.seen()[0];
    assert_eq!(&seen.body[..], b"hello");
    for (name, value) in [
        ("content-length", "5"),
        ("content-type", "application/octet-stream"),
        ("x-goog-upload-protocol", "raw"),
        ("x-goog-upload-content-type", "image/jpeg"),
        ("x-goog-hash", "sha1=qvTGHdzF6KLavt4PO0gs2a6pQ00="),
        ("x-goog-upload-file-name", ""),
    ] {
        assert_eq!(seen.header(name), value, "{name}");
    }
    assert_eq!(payload.sent.load(Ordering::Relaxed), 5);
}

#[tokio::test]
async fn batches_that_google_would_refuse_are_not_sent() {
    let server = Script::start(|_, _| async { json(200, js!({})) }).await;
    let (client, _dir) = server.client();
    let many: Vec<MediaId> = (0..51).map(|it| MediaId::new(it.to_string())).collect();
    let twice = [MediaId::new("a"), MediaId::new("a")];
    for batch in [&many[..], &twice[..], &[]] {
        let error = client.add_to_album(&album(), batch).await.unwrap_err();
        assert!(matches!(error, Error::Unfit { .. }), "{error}");
        assert!(!error.may_have_happened());
    }
    assert!(client.create_album(&"x".repeat(501)).await.is_err());
    assert!(server.seen().is_empty());
}

/// A writer of log lines into memory.
#[derive(Clone, Default)]
struct Lines(Arc<parking_lot::Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn each_request_has_one_debug_line_without_secrets() {
    let server = Script::start(|nth, seen| async move {
        match nth {
            0 => refusal(503, "Try again."),
            _ if seen.path.starts_with("/secret") => "12345".into_response(),
            _ => json(200, js!({})),
        }
    })
    .await;
    let (client, _dir) = server.client();
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let logging = tracing::subscriber::set_default(subscriber);
    client.list_albums(None).await.unwrap();
    let url = format!("{}/secret", server.url);
    client.download(&url, MediaKind::Photo, 0).await.unwrap();
    drop(logging);
    let text = String::from_utf8(lines.0.lock().clone()).unwrap();
    let ours: Vec<_> = text.lines().filter(|it| it.contains("api::request_log: ")).collect();
    for (line, parts) in ours.iter().zip([
        ["call=\"albums.list\"", "status=503", "attempt=1", "took="],
        ["call=\"albums.list\" status=200", "bytes=2", "attempt=2", "took="],
        ["call=\"download\" status=200", "bytes=5", "attempt=1", "took="],
    ]) {
        assert!(parts.iter().all(|it| line.contains(it)), "{line}");
    }
    assert_eq!(ours.len(), 3, "{text}");
    for secret in ["token-1", "refresh-1", "GOCSPX", "/secret"] {
        assert!(!text.contains(secret), "{text}");
    }
}
