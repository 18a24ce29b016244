//! Answers that are made to do harm: to take memory, to lead elsewhere, or never to end.

use super::*;

/// A server whose answer to everything is this text.
async fn saying(text: String) -> Script {
    let text = axum::body::Bytes::from(text);
    Script::start(move |_, _| {
        let text = text.clone();
        async move { ([("content-type", "application/json")], text).into_response() }
    })
    .await
}

/// A client that has time for large answers.
fn patient(server: &Script) -> (Client, tempfile::TempDir) {
    let (_, dir) = server.client();
    let login = Login::load(&Profile::under(dir.path()), &server.url.parse().unwrap()).unwrap();
    let budget = Arc::new(gphotosfs::api::Budget::new(jiff::Timestamp::now()));
    let mut config = crate::support::script::impatient();
    config.deadlines.read = Duration::from_secs(30);
    config.deadlines.write = Duration::from_secs(30);
    (Client::new(config, Arc::new(login), budget).unwrap(), dir)
}

fn is_garbled(error: &Error, why: &str) -> bool {
    matches!(error, Error::Garbled { .. }) && error.to_string().contains(why)
}

#[tokio::test]
async fn a_page_of_a_million_entries_is_refused_before_it_is_parsed() {
    let entries = "{},".repeat(1_000_000);
    let server = saying(format!("{{\"mediaItems\":[{entries}{{}}]}}")).await;
    let (client, _dir) = patient(&server);
    let error = client.list_items(None).await.unwrap_err();
    assert!(is_garbled(&error, "more than 50000 values"), "{error}");
    // A refusal is parsed, too.
    let entries = "{\"reason\":\"x\"},".repeat(1_000_000);
    let body = format!("{{\"error\":{{\"code\":403,\"details\":[{entries}{{}}]}}}}");
    let server = Script::start(move |_, _| {
        let body = body.clone();
        async move {
            (StatusCode::FORBIDDEN, [("content-type", "application/json")], body).into_response()
        }
    })
    .await;
    let (client, _dir) = patient(&server);
    let error = client.create_album("x").await.unwrap_err();
    assert!(!error.refusal().unwrap().is_from_api(), "{error}");
}

#[tokio::test]
async fn a_page_has_no_more_entries_than_were_asked_for() {
    let item = |at: usize| js!({"id": format!("i{at}")});
    for (count, fits) in [(100, true), (101, false), (5000, false)] {
        let items: Vec<_> = (0..count).map(item).collect();
        let server = saying(js!({"mediaItems": items, "nextPageToken": "p"}).to_string()).await;
        let (client, _dir) = server.client();
        match client.list_album_items(&album(), None).await {
            Ok(page) => assert!(fits && page.items.len() == count),
            Err(error) => assert!(!fits && is_garbled(&error, "at most 100"), "{error}"),
        }
    }
}

#[tokio::test]
async fn a_page_token_has_a_limit() {
    let server = saying(js!({"nextPageToken": "p".repeat(100_000)}).to_string()).await;
    let (client, _dir) = server.client();
    let error = client.list_albums(None).await.unwrap_err();
    assert!(is_garbled(&error, "page token is too long"), "{error}");
}

#[tokio::test]
async fn a_server_that_ignores_the_dates_is_noticed() {
    let item = |id: &str, time: &str| js!({"id": id, "mediaMetadata": {"creationTime": time}});
    let now = item("now", "2026-11-29T10:00:00Z");
    for (items, fits) in [
        (js!([now]), false),
        // Google may use the local time of an item.
        (js!([now, item("near", "2020-01-01T13:00:00Z")]), true),
        (js!([now, {"id": "no time"}]), true),
        (js!([]), true),
    ] {
        let server = saying(js!({"mediaItems": items}).to_string()).await;
        let (client, _dir) = server.client();
        match client.search_items(DateFilter::Year(2019), None).await {
            Ok(_) => assert!(fits, "{items}"),
            Err(error) => assert!(!fits && is_garbled(&error, "keep to the dates"), "{error}"),
        }
    }
}

#[tokio::test]
async fn a_download_is_not_led_to_this_machine_by_an_api_elsewhere() {
    let inside = Script::start(|_, _| async { "secret".into_response() }).await;
    let target = inside.url.clone();
    let server = Script::start(move |_, _| {
        let target = format!("{target}/admin");
        async move { (StatusCode::FOUND, [("location", target)]).into_response() }
    })
    .await;
    let (near, dir) = server.client();
    // With an API on this machine, other ports are no secret.
    assert_eq!(bytes(&near, &server, 0).await.unwrap(), b"secret");
    assert_eq!(inside.seen().len(), 1);

    // It leads here, but does not say so.
    let elsewhere = server.url.replace("127.0.0.1", "0.0.0.0");
    let login = Login::load(&Profile::under(dir.path()), &elsewhere.parse().unwrap()).unwrap();
    let budget = Arc::new(gphotosfs::api::Budget::new(jiff::Timestamp::now()));
    let config = crate::support::script::impatient();
    let far = Client::new(config, Arc::new(login), budget).unwrap();
    let base_url = format!("{elsewhere}/lr/x");
    let error = far.download(&base_url, MediaKind::Photo, 0).await.unwrap_err();
    assert!(matches!(error, Error::Unfit { .. }), "{error}");
    let error = far.thumbnail(&format!("{}/x", inside.url), 100).await.unwrap_err();
    assert!(matches!(error, Error::Unfit { .. }), "{error}");
    assert_eq!(inside.seen().len(), 1);
}

#[tokio::test]
async fn google_is_not_asked_without_encryption() {
    let dir = tempfile::tempdir().unwrap();
    let profile = Profile::under(dir.path());
    crate::support::script::write_login(&profile, "https://oauth2.googleapis.com", "refresh-1");
    for (url, fits) in [
        ("http://photoslibrary.googleapis.com", false),
        ("http://photoslibrary.googleapis.com.", false),
        ("https://photoslibrary.googleapis.com", true),
    ] {
        let login = Arc::new(Login::load(&profile, &url.parse().unwrap()).unwrap());
        let budget = Arc::new(gphotosfs::api::Budget::new(jiff::Timestamp::now()));
        let made = Client::new(crate::support::script::impatient(), login, budget);
        assert_eq!(made.is_ok(), fits, "{url}: {made:?}");
    }
}
