//! The login: its renewal, its end, and the places where its token may go.

use super::*;

#[tokio::test]
async fn one_token_renewal_serves_all_calls_with_a_401() {
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
async fn an_ended_grant_is_tried_once_and_a_new_login_replaces_it() {
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
async fn plain_http_is_fetched_from_loopback_only() {
    let server = Script::start(|_, _| async { "".into_response() }).await;
    let (client, _dir) = server.client();
    for url in ["http://lh3.googleusercontent.com/lr/x", "file:///etc/passwd", "no url"] {
        let error = client.download(url, MediaKind::Photo, 0).await.unwrap_err();
        assert!(matches!(error, Error::Unfit { .. }), "{url}: {error}");
    }
}
