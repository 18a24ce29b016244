//! The Picker API: its own address, whose bytes need the login, and which no other host gets.

use gphotosfs::media::PickerSessionId;

use super::*;

/// A client whose Picker API is at another address of the same server.
async fn picker<R>(
    answer: impl Fn(usize, crate::support::script::Seen) -> R + Clone + Send + Sync + 'static,
) -> (Client, Script, tempfile::TempDir)
where
    R: Future<Output = Response> + Send + 'static,
{
    let server = Script::start(answer).await;
    let (client, dir) = server.client();
    let url = format!("{}/picker", server.url).parse().unwrap();
    (client.with_picker(&url), server, dir)
}

fn session() -> PickerSessionId {
    PickerSessionId::new("s/1")
}

async fn picked(client: &Client, url: String) -> Result<Vec<u8>, Error> {
    let download = client.picker().download(&url, MediaKind::Photo, 0).await?;
    let chunks: Vec<_> = download.stream.try_collect().await?;
    Ok(chunks.concat())
}

#[tokio::test]
async fn calls_go_to_its_own_address_and_cost_nothing_of_the_day() {
    let (client, server, _dir) = picker(|nth, _| async move {
        match nth {
            0 => {
                json(200, js!({"id": "s/1", "pickerUri": "http://127.0.0.1/p", "expireTime": "?"}))
            }
            1 => json(200, js!({"id": "s/1", "mediaItemsSet": true})),
            2 => json(200, js!({"mediaItems": [], "nextPageToken": "2"})),
            3 => json(200, js!({"mediaItems": [{"id": "a"}]})),
            4 => StatusCode::OK.into_response(),
            _ => refusal(404, "Requested entity was not found."),
        }
    })
    .await;
    let it = client.picker();
    let made = it.create_session().await.unwrap();
    assert_eq!((made.id, made.is_done, made.expires_at), (session(), false, None));
    assert!(it.session(&session()).await.unwrap().is_done);
    let page = it.list_picked(&session(), None).await.unwrap();
    let next = page.next.unwrap();
    let page = it.list_picked(&session(), Some(&next)).await.unwrap();
    assert_eq!((page.items.len(), page.next), (1, None));
    it.delete_session(&session()).await.unwrap();
    it.delete_session(&session()).await.unwrap();
    it.check().await.unwrap();
    let seen = server.seen();
    let sent: Vec<_> = seen.iter().map(|it| format!("{} {}", it.method, it.path)).collect();
    assert_eq!(
        sent,
        [
            "POST /picker/v1/sessions",
            "GET /picker/v1/sessions/s%2F1",
            "GET /picker/v1/mediaItems",
            "GET /picker/v1/mediaItems",
            "DELETE /picker/v1/sessions/s%2F1",
            "DELETE /picker/v1/sessions/s%2F1",
            "GET /picker/v1/sessions/00000000-0000-4000-8000-000000000000",
        ]
    );
    assert_eq!(seen[3].query, "sessionId=s%2F1&pageSize=100&pageToken=2");
    assert!(seen.iter().all(|it| it.header("authorization") == "Bearer token-1"));
    let spent = client.budget().snapshot(jiff::Timestamp::now());
    assert_eq!((spent.api, spent.media), (0, 0));
}

#[tokio::test]
async fn too_many_sessions_are_not_waited_for_and_a_busy_server_is() {
    let (client, server, _dir) = picker(|nth, _| async move {
        match nth {
            0 => refusal(503, "The service is currently unavailable."),
            _ => refusal(429, "Too many sessions."),
        }
    })
    .await;
    let error = client.picker().create_session().await.unwrap_err();
    assert!(error.is_throttled(), "{error}");
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn a_session_without_a_page_for_a_browser_is_refused() {
    for page in ["", "file:///etc/passwd", "http://example.org/"] {
        let (client, _server, _dir) =
            picker(move |_, _| async move { json(200, js!({"id": "s/1", "pickerUri": page})) })
                .await;
        let error = client.picker().create_session().await.unwrap_err();
        assert_eq!(error.kind(), FailureKind::Garbled, "{page}: {error}");
    }
}

#[tokio::test]
async fn the_token_goes_to_the_first_address_and_along_no_redirect() {
    let (client, server, _dir) = picker(|nth, seen| async move {
        match nth {
            0 => {
                let to = format!("http://{}/elsewhere", seen.header("host"));
                (StatusCode::FOUND, [("location", to)]).into_response()
            }
            _ => "bytes".into_response(),
        }
    })
    .await;
    let bytes = picked(&client, format!("{}/ppa/x", server.url)).await.unwrap();
    assert_eq!(bytes, b"bytes");
    let seen = server.seen();
    assert_eq!(
        (seen[0].path.as_str(), seen[0].header("authorization")),
        ("/ppa/x=d", "Bearer token-1")
    );
    assert_eq!((seen[1].path.as_str(), seen[1].header("authorization")), ("/elsewhere", ""));
}

#[tokio::test]
async fn a_picture_that_says_no_is_an_error_and_the_token_is_renewed() {
    let (client, server, _dir) = picker(|_, _| async {
        (StatusCode::FORBIDDEN, [("content-type", "image/png")], &b"\x89PNG\r\n"[..])
            .into_response()
    })
    .await;
    for token in ["Bearer token-1", "Bearer token-2"] {
        let error = picked(&client, format!("{}/ppa/x", server.url)).await.unwrap_err();
        assert_eq!(error.kind(), FailureKind::StaleUrl, "{error}");
        assert_eq!(server.seen().last().unwrap().header("authorization"), token);
    }
}

#[tokio::test]
async fn no_other_service_and_no_other_host_gets_the_token() {
    let (client, server, _dir) = picker(|_, _| async { "bytes".into_response() }).await;
    let error =
        picked(&client, "https://lh3.googleusercontent.com/x".to_owned()).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Request, "{error}");
    for url in ["https://photospicker.googleapis.com", "http://photospicker.googleapis.com"] {
        let foreign = client.clone().with_picker(&url.parse().unwrap());
        let error = foreign.picker().create_session().await.unwrap_err();
        assert_eq!(error.kind(), FailureKind::Request, "{error}");
    }
    // Without an address of its own, it is Google's.
    let (plain, _dir) = server.client();
    let error = plain.picker().check().await.unwrap_err().to_string();
    assert!(error.contains("--picker-url"), "{error}");
    assert!(server.seen().is_empty() && server.token_forms().is_empty());
}
