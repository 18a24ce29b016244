//! The API client against answers that a correct service does not give. `api_emulated.rs` has the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures_util::TryStreamExt;
use gphotosfs::api::{
    Advice, AlbumPosition, Client, DateFilter, Enrichment, Error, FailureKind, FinishError, Login,
    LoginError, NewItem, Payload, QuotaKind,
};
use gphotosfs::media::{AlbumId, MediaId, MediaKind, PageToken, UploadToken};
use gphotosfs::profile::Profile;
use serde_json::json as js;

use crate::support::payload;
use crate::support::script::{Script, json, refusal};

fn album() -> AlbumId {
    AlbumId::new("A")
}

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

// What is sent.

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

// Odd answers.

#[tokio::test]
async fn any_success_will_do() {
    for status in [200, 201, 202, 203, 207] {
        let body = js!({"albums": [{"id": "A", "mediaItemsCount": 3, "new": {}}, {"title": "no id"}], "nextPageToken": null});
        let server = Script::start(move |_, _| {
            let body = body.clone();
            async move { json(status, body) }
        })
        .await;
        let (client, _dir) = server.client();
        let page = client.list_albums(None).await.unwrap();
        assert_eq!(
            (page.items.len(), page.items[0].items_count, page.next.is_none()),
            (1, 3, true)
        );
    }
}

#[tokio::test]
async fn nothing_at_all_is_enough_where_nothing_is_told() {
    let server = Script::start(|_, _| async { StatusCode::NO_CONTENT.into_response() }).await;
    let (client, _dir) = server.client();
    client.add_to_album(&album(), &[MediaId::new("i")]).await.unwrap();
}

#[tokio::test]
async fn garbage_is_asked_for_again_when_reading_and_reported_when_writing() {
    let server = Script::start(|nth, _| async move {
        if nth == 0 { "{\"albums\": [{\"id\"".into_response() } else { json(200, js!({"id": "A"})) }
    })
    .await;
    let (client, _dir) = server.client();
    client.list_albums(None).await.unwrap();
    assert_eq!(server.seen().len(), 2);

    let server = Script::start(|_, _| async { "<html>welcome".into_response() }).await;
    let (client, _dir) = server.client();
    let error = client.create_album("x").await.unwrap_err();
    assert!(error.may_have_happened(), "{error}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn answers_without_end_are_cut() {
    let server = Script::start(|_, _| async {
        let chunk = || Ok::<_, std::io::Error>(vec![b' '; 1 << 20]);
        Response::new(axum::body::Body::from_stream(futures_util::stream::repeat_with(chunk)))
    })
    .await;
    let (client, _dir) = server.client();
    let error = client.create_album("x").await.unwrap_err();
    assert!(matches!(error, Error::Garbled { .. } | Error::TimedOut { .. }), "{error}");
}

#[tokio::test]
async fn page_that_follows_itself_is_an_error() {
    let server = Script::start(|_, _| async { json(200, js!({"nextPageToken": "p"})) }).await;
    let (client, _dir) = server.client();
    let first = client.list_items(None).await.unwrap();
    let error = client.list_items(first.next.as_ref()).await.unwrap_err();
    assert!(matches!(error, Error::Garbled { .. }), "{error}");
}

#[tokio::test]
async fn html_and_empty_errors_are_understood_by_their_status() {
    for (status, advice) in [
        (502, Advice::Retry { after: None }),
        (403, Advice::Retry { after: None }),
        (404, Advice::GiveUp),
        (413, Advice::GiveUp),
    ] {
        for body in ["<html><title>Error</title>", ""] {
            let server = Script::start(move |_, _| async move {
                (StatusCode::from_u16(status).unwrap(), [("content-type", "text/html")], body)
                    .into_response()
            })
            .await;
            let (client, _dir) = server.client();
            assert_eq!(client.create_album("x").await.unwrap_err().advice(), advice, "{status}");
        }
    }
}

// Repetition.

#[tokio::test]
async fn reads_are_repeated_and_writes_are_not() {
    let server = Script::start(|nth, _| async move {
        if nth < 2 { refusal(503, "") } else { json(200, js!({})) }
    })
    .await;
    let (client, _dir) = server.client();
    client.list_items(None).await.unwrap();
    assert_eq!(server.seen().len(), 3);

    let server = Script::start(|_, _| async { refusal(503, "") }).await;
    let (client, _dir) = server.client();
    assert!(client.create_album("x").await.unwrap_err().may_have_happened());
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn retry_after_is_kept_to() {
    let server = Script::start(|nth, _| async move {
        match nth {
            0 => (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "1")], "").into_response(),
            _ => json(200, js!({})),
        }
    })
    .await;
    let (client, _dir) = server.client();
    let begun = Instant::now();
    client.list_items(None).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn reads_give_up_in_bounded_time() {
    let server = Script::start(|_, _| async { refusal(503, "") }).await;
    let (client, _dir) = server.client();
    let begun = Instant::now();
    assert!(client.list_items(None).await.is_err());
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn silence_is_a_timeout_and_a_closed_port_is_offline() {
    let server = Script::start(|_, _| std::future::pending()).await;
    let (client, _dir) = server.client();
    let error = client.create_album("x").await.unwrap_err();
    assert!(
        error.kind() == FailureKind::TimedOut
            && error.may_have_happened()
            && error.kind() != FailureKind::Offline,
        "{error}"
    );

    let (client, dir) = server.client();
    drop(client);
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let nobody = format!("http://{nobody}").parse().unwrap();
    let login = Login::load(&Profile::under(dir.path()), &nobody).unwrap();
    let budget = Arc::new(gphotosfs::api::Budget::new(jiff::Timestamp::now()));
    let client = Client::new(crate::support::script::impatient(), Arc::new(login), budget).unwrap();
    let error = client.list_albums(None).await.unwrap_err();
    assert!(error.kind() == FailureKind::Offline && !error.may_have_happened(), "{error}");
}

#[tokio::test]
async fn poisoned_batch_get_is_taken_apart() {
    let server = Script::start(|_, seen| async move {
        match seen.path.as_str() {
            "/v1/mediaItems:batchGet" => refusal(500, "Internal error encountered."),
            "/v1/mediaItems/bad" => refusal(404, "Requested entity was not found."),
            path => json(200, js!({"id": path.rsplit('/').next()})),
        }
    })
    .await;
    let (client, _dir) = server.client();
    let got = client.get_items(&["a", "bad", "c"].map(MediaId::new)).await.unwrap();
    assert_eq!(got[0].as_ref().unwrap().id.as_str(), "a");
    assert_eq!(got[1].as_ref().unwrap_err().code, 5);
    assert_eq!(got[2].as_ref().unwrap().id.as_str(), "c");
}

#[tokio::test]
async fn got_items_are_told_apart_by_their_ids() {
    let server = Script::start(|_, seen| async move {
        match seen.path.as_str() {
            "/v1/mediaItems:batchGet" => {
                let item = |id| js!({"mediaItem": {"id": id}});
                json(
                    200,
                    js!({"mediaItemResults": [item("c"), {"status": {"code": 5}}, item("a")]}),
                )
            }
            "/v1/mediaItems/gone" => refusal(404, "Requested entity was not found."),
            path => json(200, js!({"id": path.rsplit('/').next()})),
        }
    })
    .await;
    let (client, _dir) = server.client();
    let got = client.get_items(&["a", "b", "c", "gone"].map(MediaId::new)).await.unwrap();
    let got: Vec<_> = got.iter().map(|it| it.as_ref().map(|item| item.id.as_str())).collect();
    assert_eq!(got[..3], [Ok("a"), Ok("b"), Ok("c")]);
    assert_eq!(got[3].unwrap_err().code, 5);
}

// The login.

#[tokio::test]
async fn one_renewal_serves_all_who_got_a_401() {
    let server = Script::start(|_, seen| async move {
        if seen.header("authorization") == "Bearer token-1" {
            return refusal(401, "Request had invalid authentication credentials.");
        }
        json(200, js!({}))
    })
    .await;
    let (client, _dir) = server.client();
    let calls = (0..20).map(|_| client.list_items(None));
    futures_util::future::try_join_all(calls).await.unwrap();
    assert_eq!(server.token_forms().len(), 2);
}

#[tokio::test]
async fn a_401_after_renewal_is_final() {
    let server = Script::start(|_, _| async { refusal(401, "no") }).await;
    let (client, _dir) = server.client();
    let error = client.list_items(None).await.unwrap_err();
    assert_eq!((error.advice(), server.seen().len()), (Advice::Reauthorise, 2));
}

#[tokio::test]
async fn dead_grant_is_asked_about_once_and_healed_by_a_new_login() {
    let server = Script::start(|_, _| async { json(200, js!({})) }).await;
    let dead =
        r#"{"error":"invalid_grant","error_description":"Token has been expired or revoked."}"#;
    *server.token_answer.lock() = Some((400, dead.into()));
    let (client, dir) = server.client();
    for _ in 0..3 {
        let error = client.list_items(None).await.unwrap_err();
        assert!(matches!(error, Error::Login(LoginError::Ended(_))), "{error}");
        assert_eq!(error.advice(), Advice::Reauthorise);
    }
    assert_eq!(server.token_forms().len(), 1);

    *server.token_answer.lock() = None;
    crate::support::script::write_login(&Profile::under(dir.path()), &server.url, "refresh-2");
    client.list_items(None).await.unwrap();
    assert_eq!(server.token_forms().len(), 2);
}

#[tokio::test]
async fn an_outage_of_the_token_endpoint_passes() {
    let server = Script::start(|_, _| async { json(200, js!({})) }).await;
    *server.token_answer.lock() = Some((503, "<html>".into()));
    let (client, _dir) = server.client();
    let error = client.create_album("x").await.unwrap_err();
    assert_eq!(error.advice(), Advice::Retry { after: None });
    assert!(!error.may_have_happened());
    *server.token_answer.lock() = None;
    client.list_items(None).await.unwrap();
}

#[tokio::test]
async fn scope_granted_in_another_terminal_is_used_at_once() {
    let server = Script::start(|_, seen| async move {
        if seen.header("authorization") == "Bearer token-1" {
            return refusal(403, "Request had insufficient authentication scopes.");
        }
        json(200, js!({"id": "A"}))
    })
    .await;
    let (client, dir) = server.client();
    let error = client.create_album("x").await.unwrap_err();
    assert!(
        error.kind() == FailureKind::ScopeMissing && error.advice() == Advice::Reauthorise,
        "{error}"
    );
    crate::support::script::write_login(&Profile::under(dir.path()), &server.url, "refresh-2");
    client.create_album("x").await.unwrap();
}

#[tokio::test]
async fn secrets_stay_out_of_errors_and_debug_output() {
    let server = Script::start(|_, _| async { refusal(403, "token ya29.secret1 is bad") }).await;
    let (client, dir) = server.client();
    let error = client.list_items(None).await.unwrap_err();
    let login = Login::load(&Profile::under(dir.path()), &server.url.parse().unwrap()).unwrap();
    let text = format!("{error} {error:?} {client:?} {login:?}");
    for secret in ["secret1", "token-1", "refresh-1"] {
        assert!(!text.contains(secret), "{text}");
    }
}

// The order of writers.

#[tokio::test]
async fn twenty_writers_go_one_at_a_time() {
    let running = Arc::new(AtomicUsize::new(0));
    let peak = Arc::new(AtomicUsize::new(0));
    let (r, p) = (running.clone(), peak.clone());
    let server = Script::start(move |_, _| {
        let (running, peak) = (r.clone(), p.clone());
        async move {
            peak.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(5)).await;
            running.fetch_sub(1, Ordering::SeqCst);
            json(200, js!({"id": "A"}))
        }
    })
    .await;
    let (client, _dir) = server.client();
    let item = [MediaId::new("i")];
    let writers = (0..20).map(|it| {
        let (client, item) = (client.clone(), &item);
        async move {
            match it % 4 {
                0 => client.create_album("x").await.map(drop),
                1 => client.rename_album(&album(), "y").await.map(drop),
                2 => client.add_to_album(&album(), item).await,
                _ => client.describe_item(&item[0], "z").await.map(drop),
            }
        }
    });
    futures_util::future::try_join_all(writers).await.unwrap();
    assert_eq!((peak.load(Ordering::SeqCst), server.seen().len()), (1, 20));
}

#[tokio::test]
async fn one_429_holds_all_writers_back_but_no_reader() {
    let server = Script::start(|nth, seen| async move {
        if nth == 0 {
            return refusal(
                429,
                "Quota exceeded for quota 'concurrent write request' of service 'x'.",
            );
        }
        json(200, js!({"id": seen.path}))
    })
    .await;
    let (client, _dir) = server.client();
    let items = [MediaId::new("a")];
    let error = client.add_to_album(&AlbumId::new("A"), &items).await.unwrap_err();
    assert!(matches!(error.advice(), Advice::PauseWrites { .. }) && !error.may_have_happened());
    assert!(client.write_pause_left().is_some());
    let begun = Instant::now();
    client.list_items(None).await.unwrap();
    assert!(client.write_pause_left().is_some(), "the read waited, too: {:?}", begun.elapsed());
    client.create_album("x").await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(150), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn next_writer_waits_for_a_write_whose_caller_has_left() {
    let arrived = Arc::new(tokio::sync::Notify::new());
    let let_go = Arc::new(tokio::sync::Notify::new());
    let (a, l) = (arrived.clone(), let_go.clone());
    let server = Script::start(move |nth, _| {
        let (arrived, let_go) = (a.clone(), l.clone());
        async move {
            if nth == 0 {
                arrived.notify_one();
                let_go.notified().await;
            }
            json(200, js!({"id": "A"}))
        }
    })
    .await;
    let (client, _dir) = server.client();
    tokio::select! {
        _ = client.create_album("left alone") => panic!("it was answered"),
        () = arrived.notified() => {}
    }
    let mut second = std::pin::pin!(client.create_album("next"));
    let early = tokio::time::timeout(Duration::from_millis(100), &mut second).await;
    assert!(early.is_err() && server.seen().len() == 1, "it did not wait");
    let_go.notify_one();
    second.await.unwrap();
}

// The budget.

#[tokio::test]
async fn a_short_term_429_is_waited_out_by_who_cannot_come_back() {
    let server = Script::start(|nth, _| async move {
        if nth % 2 == 0 { refusal(429, "Quota exceeded.") } else { json(200, js!({"id": "a"})) }
    })
    .await;
    let (client, _dir) = server.client();
    client.list_albums(None).await.unwrap();
    client.create_album("A").await.unwrap();
    client.rename_album(&AlbumId::new("a"), "B").await.unwrap();
    client.describe_item(&MediaId::new("a"), "It is so.").await.unwrap();
    assert_eq!(server.seen().len(), 8);
}

#[tokio::test]
async fn requests_are_counted_and_a_daily_429_stops_them() {
    let daily = "Quota exceeded for quota metric 'All requests' and limit 'All requests per day' of service 'x'";
    let server = Script::start(move |nth, _| async move {
        if nth < 3 { json(200, js!({})) } else { refusal(429, daily) }
    })
    .await;
    let (client, _dir) = server.client();
    for _ in 0..3 {
        client.list_items(None).await.unwrap();
    }
    assert_eq!(client.budget().snapshot(jiff::Timestamp::now()).api, 3);
    let error = client.list_items(None).await.unwrap_err();
    assert!(matches!(error, Error::QuotaExhausted { kind: QuotaKind::Api, .. }), "{error}");
    let Advice::WaitForQuota { until } = error.advice() else { panic!("{error}") };
    assert!(until > jiff::Timestamp::now());
    assert!(matches!(client.create_album("x").await, Err(Error::QuotaExhausted { .. })));
    assert_eq!(server.seen().len(), 4);
}

// Where the token goes.

#[tokio::test]
async fn redirects_of_the_api_are_not_followed() {
    let server = Script::start(|_, _| async {
        (StatusCode::FOUND, [("location", "http://127.0.0.1:1/elsewhere")]).into_response()
    })
    .await;
    let (client, _dir) = server.client();
    let error = client.create_album("x").await.unwrap_err();
    assert_eq!(error.refusal().unwrap().status, 302);
}

#[tokio::test]
async fn session_on_another_host_is_refused() {
    for url in ["https://evil.example/v1/uploads?upload_id=1", "http://127.0.0.1:1/up", "nonsense"]
    {
        let server = Script::start(move |_, _| async move {
            ([("x-goog-upload-url", url), ("x-goog-upload-status", "active")], "").into_response()
        })
        .await;
        let (client, _dir) = server.client();
        assert!(client.start_upload(&payload(b"x")).await.is_err(), "{url}");
    }
}

#[tokio::test]
async fn downloads_carry_no_token_not_even_through_redirects() {
    let server = Script::start(|_, seen| async move {
        match seen.path.as_str() {
            "/lr/x=d" => (StatusCode::FOUND, [("location", "/moved")]).into_response(),
            _ => "bytes".into_response(),
        }
    })
    .await;
    let (client, _dir) = server.client();
    client.list_items(None).await.ok(); // there is a token that could leak
    assert_eq!(bytes(&client, &server, 0).await.unwrap(), b"bytes");
    for it in server.seen().iter().skip_while(|it| !it.path.starts_with("/lr")) {
        assert_eq!(it.header("authorization"), "", "{}", it.path);
    }
    assert_eq!(client.budget().snapshot(jiff::Timestamp::now()).media, 2);
}

#[tokio::test]
async fn plain_http_is_fetched_from_nowhere_but_here() {
    let server = Script::start(|_, _| async { "".into_response() }).await;
    let (client, _dir) = server.client();
    for url in ["http://lh3.googleusercontent.com/lr/x", "file:///etc/passwd", "no url"] {
        let error = client.download(url, MediaKind::Photo, 0).await.unwrap_err();
        assert!(matches!(error, Error::Unfit { .. }), "{url}: {error}");
    }
}

// Downloads.

async fn bytes(client: &Client, server: &Script, from: u64) -> Result<Vec<u8>, Error> {
    let download = client.download(&format!("{}/lr/x", server.url), MediaKind::Photo, from).await?;
    let ahead = (from - download.starts_at) as usize;
    let chunks: Vec<_> = download.stream.try_collect().await?;
    Ok(chunks.concat().split_off(ahead))
}

#[tokio::test]
async fn bytes_from_an_offset_come_right_whatever_the_server_does_about_ranges() {
    for kind in 0..4 {
        let server = Script::start(move |_, seen| async move {
            assert_eq!(seen.header("range"), "bytes=3-");
            let part = StatusCode::PARTIAL_CONTENT;
            match kind {
                0 => "0123456789".into_response(),
                1 => (part, [("content-range", "bytes 3-9/10")], "3456789").into_response(),
                2 => (part, [("content-range", "bytes 2-9/10")], "23456789").into_response(),
                _ => (StatusCode::RANGE_NOT_SATISFIABLE, [("content-range", "bytes */3")], "")
                    .into_response(),
            }
        })
        .await;
        let (client, _dir) = server.client();
        let expected: &[u8] = if kind < 3 { b"3456789" } else { b"" };
        assert_eq!(bytes(&client, &server, 3).await.unwrap(), expected, "{kind}");
    }
}

#[tokio::test]
async fn part_that_begins_too_late_or_does_not_say_where_is_refused() {
    for range in ["bytes 4-9/10", "bytes", "x"] {
        let server = Script::start(move |_, _| async move {
            (StatusCode::PARTIAL_CONTENT, [("content-range", range)], "456789").into_response()
        })
        .await;
        let (client, _dir) = server.client();
        assert!(matches!(bytes(&client, &server, 3).await, Err(Error::Garbled { .. })), "{range}");
    }
}

#[tokio::test]
async fn expired_base_url_is_told_from_a_lost_login() {
    for status in [403, 404, 410] {
        let server = Script::start(move |_, _| async move {
            (
                StatusCode::from_u16(status).unwrap(),
                [("content-type", "text/html")],
                "<html>Your client",
            )
                .into_response()
        })
        .await;
        let (client, _dir) = server.client();
        let error = bytes(&client, &server, 0).await.unwrap_err();
        assert!(
            error.kind() == FailureKind::StaleUrl && error.advice() == Advice::GiveUp,
            "{error}"
        );
        assert_eq!(server.seen().len(), 1);
    }
}

#[tokio::test]
async fn web_page_is_never_served_as_a_picture() {
    let server =
        Script::start(|_, _| async { axum::response::Html("please log in").into_response() }).await;
    let (client, _dir) = server.client();
    assert!(matches!(bytes(&client, &server, 0).await, Err(Error::Garbled { .. })));
}

#[tokio::test]
async fn stalled_download_ends_with_an_error() {
    let server = Script::start(|_, _| async { crate::support::script::stalling(b"half") }).await;
    let (client, _dir) = server.client();
    let error = bytes(&client, &server, 0).await.unwrap_err();
    assert!(error.kind() == FailureKind::TimedOut, "{error}");
}

#[tokio::test]
async fn size_comes_from_head_and_may_be_unknown() {
    let server = Script::start(|nth, seen| async move {
        assert_eq!((seen.method.as_str(), seen.path.as_str()), ("HEAD", "/lr/x=dv"));
        match nth {
            0 => vec![0; 4711].into_response(),
            // No item has no bytes: some servers say so when they do not know.
            1 => ([("content-length", "0")], "").into_response(),
            _ => crate::support::script::stalling(b""),
        }
    })
    .await;
    let (client, _dir) = server.client();
    let url = format!("{}/lr/x", server.url);
    assert_eq!(client.download_size(&url, MediaKind::Video).await.unwrap(), Some(4711));
    for _ in 0..2 {
        assert_eq!(client.download_size(&url, MediaKind::Video).await.unwrap(), None);
    }
}

// Uploads.

#[tokio::test]
async fn unreadable_file_is_no_fault_of_the_network() {
    let server = Script::start(|_, _| async { "token".into_response() }).await;
    let (client, _dir) = server.client();
    let mut payload = payload(b"short");
    payload.len = 500_000; // the file was truncated behind our back
    let error = client.upload_raw(&payload).await.unwrap_err();
    assert!(matches!(error, Error::Payload(_)), "{error}");
}

#[tokio::test]
async fn finished_upload_without_a_token_is_no_success() {
    for body in ["", " \n", "<html>hello</html>"] {
        let server = Script::start(move |_, _| async move { body.into_response() }).await;
        let (client, _dir) = server.client();
        let error = client.upload_raw(&payload(b"x")).await.unwrap_err();
        assert!(matches!(error, Error::Garbled { .. }), "{body:?}: {error}");
    }
}

/// A server of the resumable protocol that loses its mind in the ways a test says.
struct Session {
    received: Arc<parking_lot::Mutex<Vec<u8>>>,
    server: Script,
}

/// `upload` gets the count of uploads before this one and says how many bytes are kept and what is answered;
/// `None` is the right answer. `status` is what a query says.
async fn session(
    status: &'static str,
    upload: impl Fn(usize) -> (usize, Option<Response>) + Clone + Send + Sync + 'static,
) -> Session {
    let received = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let uploads = Arc::new(AtomicUsize::new(0));
    let url = Arc::new(std::sync::OnceLock::<String>::new());
    let (kept, base) = (received.clone(), url.clone());
    let server = Script::start(move |_, seen| {
        let (kept, uploads, upload) = (kept.clone(), uploads.clone(), upload.clone());
        let session = format!("{}/v1/uploads?upload_id=1", base.get().unwrap());
        async move {
            match seen.header("x-goog-upload-command") {
                "start" => (
                    [("x-goog-upload-url", session.as_str()), ("x-goog-upload-status", "active")],
                    "",
                )
                    .into_response(),
                "query" if status == "404" => StatusCode::NOT_FOUND.into_response(),
                "query" => {
                    let size = kept.lock().len().to_string();
                    ([("x-goog-upload-status", status), ("x-goog-upload-size-received", &size)], "")
                        .into_response()
                }
                "upload, finalize" => {
                    assert_eq!(seen.header("x-goog-upload-offset"), kept.lock().len().to_string());
                    let (keep, answer) = upload(uploads.fetch_add(1, Ordering::SeqCst));
                    kept.lock().extend_from_slice(&seen.body[..keep.min(seen.body.len())]);
                    let token = || ([("x-goog-upload-status", "final")], "CAIS").into_response();
                    answer.unwrap_or_else(token)
                }
                other => panic!("{other}"),
            }
        }
    })
    .await;
    url.set(server.url.clone()).unwrap();
    Session { received, server }
}

fn commands(server: &Script) -> Vec<String> {
    server.seen().iter().map(|it| it.header("x-goog-upload-command").to_owned()).collect()
}

#[tokio::test]
async fn resumable_upload_without_failures_takes_two_requests() {
    let session = session("active", |_| (usize::MAX, None)).await;
    let (client, _dir) = session.server.client();
    let payload = payload(&[7; 600_000]);
    let started = client.start_upload(&payload).await.unwrap();
    assert_eq!(client.finish_upload(&started, &payload).await.unwrap().as_str(), "CAIS");
    assert_eq!(session.received.lock().len(), 600_000);
    let seen = session.server.seen();
    assert_eq!(seen.len(), 2);
    for (name, value) in [
        ("content-length", "0"),
        ("x-goog-upload-protocol", "resumable"),
        ("x-goog-upload-content-type", "image/jpeg"),
        ("x-goog-upload-raw-size", "600000"),
    ] {
        assert_eq!(seen[0].header(name), value, "{name}");
    }
    assert_eq!(
        (seen[1].header("content-length"), seen[1].header("authorization")),
        ("600000", "Bearer token-1")
    );
}

#[tokio::test]
async fn resumable_upload_goes_on_where_the_server_says() {
    let bytes: Vec<u8> = (0..600_000u32).map(|it| it as u8).collect();
    let session = session("active", |nth| match nth {
        0 => (300_001, Some(refusal(503, ""))),
        1 => (7, Some(StatusCode::BAD_REQUEST.into_response())),
        _ => (usize::MAX, None),
    })
    .await;
    let (client, _dir) = session.server.client();
    let payload = payload(&bytes);
    let started = client.start_upload(&payload).await.unwrap();
    client.finish_upload(&started, &payload).await.unwrap();
    assert!(*session.received.lock() == bytes, "the bytes are not those that were sent");
    let up = "upload, finalize";
    assert_eq!(commands(&session.server), ["start", up, "query", up, "query", up]);
}

#[tokio::test]
async fn session_survives_a_restart() {
    let session = session("active", |_| (usize::MAX, None)).await;
    let (client, _dir) = session.server.client();
    let payload = payload(b"0123456789");
    let started = client.start_upload(&payload).await.unwrap();
    session.received.lock().extend_from_slice(b"0123");
    let kept = serde_json::to_string(&started).unwrap();
    let again = serde_json::from_str(&kept).unwrap();
    client.finish_upload(&again, &payload).await.unwrap();
    assert_eq!(*session.received.lock(), b"0123456789");
    assert_eq!(commands(&session.server), ["start", "query", "upload, finalize"]);
}

#[tokio::test]
async fn session_that_gives_no_token_any_more_is_gone() {
    for status in ["final", "cancelled", "canceled", "404"] {
        let session = session(status, |_| (usize::MAX, Some(refusal(503, "")))).await;
        let (client, _dir) = session.server.client();
        let payload = payload(b"0123456789");
        let started = client.start_upload(&payload).await.unwrap();
        let error = client.finish_upload(&started, &payload).await.unwrap_err();
        assert!(matches!(error, FinishError::Gone), "{status}: {error}");
    }
}

#[tokio::test]
async fn upload_without_progress_is_given_back_to_the_caller() {
    let session = session("active", |_| (0, Some(refusal(503, "")))).await;
    let (client, _dir) = session.server.client();
    let payload = payload(b"0123456789");
    let started = client.start_upload(&payload).await.unwrap();
    let error = client.finish_upload(&started, &payload).await.unwrap_err();
    assert!(
        matches!(&error, FinishError::Api(it) if it.advice() == Advice::Retry { after: None }),
        "{error}"
    );
}

#[tokio::test]
async fn spoilt_bytes_are_not_gone_on_with() {
    let text = "User-provided checksum does not match received payload content.";
    let session = session("active", move |_| (3, Some(refusal(400, text)))).await;
    let (client, _dir) = session.server.client();
    let payload = payload(b"0123456789");
    let started = client.start_upload(&payload).await.unwrap();
    let error = client.finish_upload(&started, &payload).await.unwrap_err();
    assert!(
        matches!(&error, FinishError::Api(it) if it.kind() == FailureKind::Checksum),
        "{error}"
    );
    assert_eq!(commands(&session.server), ["start", "upload, finalize"]);
}

#[tokio::test]
async fn upload_that_nobody_takes_in_is_given_up() {
    // Accepts connections and reads nothing.
    let deaf = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Script::start(|_, _| async { json(200, js!({})) }).await;
    let dir = tempfile::tempdir().unwrap();
    let profile = Profile::under(dir.path());
    crate::support::script::write_login(&profile, &server.url, "refresh-1");
    let url = format!("http://{}", deaf.local_addr().unwrap()).parse().unwrap();
    let login = Arc::new(Login::load(&profile, &url).unwrap());
    let budget = Arc::new(gphotosfs::api::Budget::new(jiff::Timestamp::now()));
    let client = Client::new(crate::support::script::impatient(), login, budget).unwrap();
    let error = client.upload_raw(&payload(&vec![0; 32 << 20])).await.unwrap_err();
    assert!(error.kind() == FailureKind::TimedOut, "{error}");
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
