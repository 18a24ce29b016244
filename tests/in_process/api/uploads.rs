//! Uploads in one piece and in sessions.

use super::*;

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

impl Session {
    /// Sends these bytes. The server has them in the end.
    async fn takes(&self, bytes: &[u8]) {
        let (client, _dir) = self.server.client();
        let payload = payload(bytes);
        let started = client.start_upload(&payload).await.unwrap();
        client.finish_upload(&started, &payload).await.unwrap();
        assert!(*self.received.lock() == bytes, "the bytes are not those that were sent");
    }
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
                command @ ("upload" | "upload, finalize") => {
                    let is_last = command != "upload";
                    assert_eq!(seen.header("x-goog-upload-offset"), kept.lock().len().to_string());
                    let (keep, answer) = upload(uploads.fetch_add(1, Ordering::SeqCst));
                    kept.lock().extend_from_slice(&seen.body[..keep.min(seen.body.len())]);
                    let (status, body) = if is_last { ("final", "CAIS") } else { ("active", "") };
                    let right = || ([("x-goog-upload-status", status)], body).into_response();
                    answer.unwrap_or_else(right)
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
async fn a_resumable_upload_resumes_at_the_servers_offset() {
    let bytes: Vec<u8> = (0..600_000u32).map(|it| it as u8).collect();
    let session = session("active", |nth| match nth {
        0 => (300_001, Some(refusal(503, ""))),
        1 => (7, Some(StatusCode::BAD_REQUEST.into_response())),
        _ => (usize::MAX, None),
    })
    .await;
    session.takes(&bytes).await;
    let up = "upload, finalize";
    assert_eq!(commands(&session.server), ["start", up, "query", up, "query", up]);
}

#[tokio::test]
async fn a_server_that_keeps_only_whole_requests_gets_smaller_ones() {
    let bytes: Vec<u8> = (0..2_000_000u32).map(|it| (it / 7) as u8).collect();
    // The first two break off, and nothing of them is kept.
    let session = session("active", |nth| match nth {
        0 | 1 => (0, Some(refusal(503, ""))),
        _ => (usize::MAX, None),
    })
    .await;
    session.takes(&bytes).await;
    let seen = session.server.seen();
    let parts: Vec<(&str, u64)> = seen
        .iter()
        .filter(|it| it.header("x-goog-upload-command").starts_with("upload"))
        .map(|it| (it.header("x-goog-upload-command"), it.body.len() as u64))
        .collect();
    let granule = 256 << 10;
    assert_eq!(
        parts,
        [
            ("upload, finalize", 2_000_000),
            ("upload", 3 * granule),
            ("upload", granule),
            ("upload", 2 * granule),
            ("upload", 4 * granule),
            ("upload, finalize", 2_000_000 - 7 * granule),
        ]
    );
    // The hash is that of all bytes, so it goes only with all of them.
    let hashed = seen.iter().filter(|it| !it.header("x-goog-hash").is_empty()).count();
    assert_eq!(hashed, 1);
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
async fn a_session_that_yields_no_token_is_gone() {
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
async fn an_upload_without_progress_returns_to_the_caller() {
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
async fn an_upload_with_a_wrong_checksum_is_not_resumed() {
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
async fn an_upload_to_a_server_that_does_not_read_times_out() {
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
