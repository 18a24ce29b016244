//! Downloads from servers of each kind.

use super::*;

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
async fn a_part_with_a_late_or_missing_start_is_an_error() {
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
async fn an_expired_base_url_is_distinguished_from_an_ended_login() {
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
