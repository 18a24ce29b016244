//! Wrong answers, and the requests that are repeated after them.

use super::*;

#[tokio::test]
async fn any_2xx_status_is_a_success() {
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
async fn an_empty_answer_suffices_where_no_field_is_needed() {
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
async fn endless_answers_are_cut_off() {
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
async fn a_page_token_that_repeats_is_an_error() {
    let server = Script::start(|_, _| async { json(200, js!({"nextPageToken": "p"})) }).await;
    let (client, _dir) = server.client();
    let first = client.list_items(None).await.unwrap();
    let error = client.list_items(first.next.as_ref()).await.unwrap_err();
    assert!(matches!(error, Error::Garbled { .. }), "{error}");
}

#[tokio::test]
async fn html_and_empty_errors_blame_nothing() {
    for (status, advice) in [
        (502, Advice::Retry { after: None }),
        (403, Advice::Retry { after: None }),
        (404, Advice::Retry { after: None }),
        (413, Advice::Retry { after: None }),
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
async fn a_failing_batch_get_is_split_into_single_gets() {
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
async fn items_of_a_batch_get_are_matched_by_their_ids() {
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

#[tokio::test]
async fn items_are_not_missing_because_a_page_says_404() {
    let server = Script::start(|_, seen| async move {
        match seen.path.as_str() {
            "/v1/mediaItems:batchGet" => refusal(500, "Internal error encountered."),
            "/v1/mediaItems/a" => json(200, js!({"id": "a"})),
            _ => (StatusCode::NOT_FOUND, [("content-type", "text/html")], "<html>").into_response(),
        }
    })
    .await;
    let (client, _dir) = server.client();
    let error = client.get_items(&["a", "b"].map(MediaId::new)).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Foreign, "{error}");
}

#[tokio::test]
async fn items_are_not_missing_because_the_service_fails() {
    let server = Script::start(|_, _| async { refusal(500, "Internal error encountered.") }).await;
    let (client, _dir) = server.client();
    let error = client.get_items(&["a", "b"].map(MediaId::new)).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Internal, "{error}");
}
