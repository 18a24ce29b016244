//! `login` and `logout`, in this process and as the built binary.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use axum::response::IntoResponse;
use gphotosfs::api::{ClientSecret, Grant, Scope};
use gphotosfs::commands::login::{Attempt, Error};
use serde_json::json as js;
use sha2::Digest;
use tokio::sync::mpsc;
use url::Url;

use crate::support::script::{Script, client_file, json, refusal};

const SOON: Duration = Duration::from_secs(10);

async fn google() -> Script {
    let server = Script::start(|_, _| async { json(200, js!({})) }).await;
    grants(
        &server,
        js!({"scope": Scope::LIBRARY.map(Scope::as_str).join(" "), "refresh_token": "1//refresh"}),
    );
    server
}

/// What the token endpoint says besides the access token.
fn grants(server: &Script, mut answer: serde_json::Value) {
    answer["access_token"] = "ya29.access".into();
    answer["token_type"] = "Bearer".into();
    answer["expires_in"] = 3599.into();
    *server.token_answer.lock() = Some((200, answer.to_string()));
}

async fn attempt(server: &Script) -> Attempt {
    let client =
        ClientSecret::parse(&client_file(&server.url, "installed", "http://localhost")).unwrap();
    Attempt::begin(client, &Scope::LIBRARY).await.unwrap()
}

fn query(url: &Url) -> HashMap<String, String> {
    url.query_pairs().into_owned().collect()
}

/// Where Google would send the browser, with this query besides the state.
fn answer(link: &Url, more: &str) -> String {
    let query = query(link);
    format!("{}/?state={}&{more}", query["redirect_uri"], query["state"])
}

/// Nobody pastes anything.
fn nothing_pasted() -> mpsc::Receiver<String> {
    mpsc::channel(1).1
}

async fn browse(address: String) -> (u16, String) {
    // As the browser: it is no business of the browser's whether we go on listening.
    let response = reqwest::get(address).await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap_or_default())
}

async fn finish(attempt: Attempt) -> Result<(ClientSecret, Grant), Error> {
    attempt.finish(&mut nothing_pasted(), SOON).await
}

#[tokio::test]
async fn link_asks_for_what_the_reference_says() {
    let server = google().await;
    let attempt = attempt(&server).await;
    let query = query(attempt.url());
    assert!(attempt.url().as_str().starts_with(&format!("{}/auth?", server.url)));
    for (name, value) in [
        ("client_id", "client-id"),
        ("response_type", "code"),
        ("access_type", "offline"),
        ("prompt", "consent"),
        ("code_challenge_method", "S256"),
        ("scope", &Scope::LIBRARY.map(Scope::as_str).join(" ")),
    ] {
        assert_eq!(query[name], value, "{name}");
    }
    assert!(query["redirect_uri"].starts_with("http://127.0.0.1:"));
    assert!(query["state"].len() >= 16 && query["code_challenge"].len() == 43);
    assert!(!query.contains_key("client_secret"));
}

#[tokio::test]
async fn code_from_the_browser_becomes_a_grant() {
    let server = google().await;
    let attempt = attempt(&server).await;
    let link = attempt.url().clone();
    let address = answer(&link, "code=4/0Ab&scope=x&authuser=0&hd=example.com");
    let (login, page) = tokio::join!(finish(attempt), browse(address));
    let (_, grant) = login.unwrap();
    assert_eq!(grant.scopes(), Scope::LIBRARY);
    assert!(page.0 == 200 && page.1.contains("Close this page"), "{page:?}");

    let (link, form) = (query(&link), &server.token_forms()[0]);
    for (name, value) in [
        ("grant_type", "authorization_code"),
        ("code", "4/0Ab"),
        ("client_id", "client-id"),
        ("client_secret", "GOCSPX-secret"),
        ("redirect_uri", &link["redirect_uri"]),
    ] {
        assert_eq!(form[name], value, "{name}");
    }
    use base64::Engine;
    let challenge = sha2::Sha256::digest(&form["code_verifier"]);
    assert_eq!(
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(challenge),
        link["code_challenge"]
    );
}

#[tokio::test]
async fn other_requests_and_forged_answers_are_passed_over() {
    let server = google().await;
    let attempt = attempt(&server).await;
    let link = attempt.url().clone();
    let browser = async {
        let home = query(&link)["redirect_uri"].clone();
        assert_eq!(browse(format!("{home}/favicon.ico")).await.0, 404);
        assert_eq!(browse(format!("{home}/")).await.0, 404);
        assert_eq!(browse(format!("{home}/?code=forged&state=guess")).await.0, 400);
        assert_eq!(browse(format!("{home}/?code=forged")).await.0, 400);
        browse(answer(&link, "code=real")).await
    };
    let (login, _) = tokio::join!(finish(attempt), browser);
    login.unwrap();
    assert_eq!(server.token_forms().len(), 1);
    assert_eq!(server.token_forms()[0]["code"], "real");
}

#[tokio::test]
async fn no_is_taken_for_an_answer() {
    let server = google().await;
    for (error, words) in [
        ("access_denied", "test users"),
        ("admin_policy_enforced", "administrator"),
        ("x_y", "x_y"),
    ] {
        let attempt = attempt(&server).await;
        let address = answer(attempt.url(), &format!("error={error}"));
        let (login, page) = tokio::join!(finish(attempt), browse(address));
        let text = login.unwrap_err().to_string();
        assert!(text.contains(error) && text.contains(words), "{text}");
        assert!(page.1.contains("not granted"));
    }
    assert!(server.token_forms().is_empty());
}

#[tokio::test]
async fn address_may_be_pasted() {
    let server = google().await;
    let attempt = attempt(&server).await;
    let (paste, mut pasted) = mpsc::channel(4);
    let forged = answer(attempt.url(), "code=forged").replace("state=", "state=x");
    for line in
        ["what?".to_owned(), forged, format!("  {}\r", answer(attempt.url(), "code=4%2F0Ab"))]
    {
        paste.send(line).await.unwrap();
    }
    attempt.finish(&mut pasted, SOON).await.unwrap();
    assert_eq!(server.token_forms()[0]["code"], "4/0Ab");
}

#[tokio::test]
async fn waiting_ends() {
    let server = google().await;
    let attempt = attempt(&server).await;
    let ended = attempt.finish(&mut nothing_pasted(), Duration::from_millis(20)).await;
    assert!(matches!(ended, Err(Error::TimedOut)));
}

#[tokio::test]
async fn each_refusal_of_the_code_has_its_words() {
    let server = google().await;
    let long = format!("{{\"access_token\":\"{}\"}}", "a".repeat(100_000));
    for (status, body, words) in [
        (
            400,
            r#"{"error":"invalid_grant","error_description":"Malformed auth code."}"#,
            "run 'gphotosfs login' again",
        ),
        (401, r#"{"error":"invalid_client","error_description":"Unauthorized"}"#, "Add secret"),
        (401, r#"{"error":"deleted_client"}"#, "restore it"),
        (400, r#"{"error":"admin_policy_enforced"}"#, "administrator"),
        (400, r#"{"error":"org_internal"}"#, "External"),
        (503, "<html>", "login service failed"),
        (200, "<html>", "cannot be understood"),
        (200, &long, "too long"),
        (200, r#"{"access_token":"a","expires_in":"3599"}"#, "no refresh token"),
        (200, r#"{"access_token":"a","refresh_token":"r","scope":"openid"}"#, "tick all boxes"),
    ] {
        *server.token_answer.lock() = Some((status, body.to_owned()));
        let attempt = attempt(&server).await;
        let address = answer(attempt.url(), "code=c");
        let (login, _) = tokio::join!(finish(attempt), browse(address));
        let error = login.unwrap_err();
        let text = format!("{}", gphotosfs::app::CommandError::new("cannot log in").because(error));
        assert!(text.contains(words), "{body}: {text}");
        assert!(!text.contains("GOCSPX"), "{text}");
    }
}

#[tokio::test]
async fn web_client_uses_its_registered_port_or_says_who_has_it() {
    let server = google().await;
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let redirect = format!("http://localhost:{}/callback", taken.local_addr().unwrap().port());
    let client = ClientSecret::parse(&client_file(&server.url, "web", &redirect)).unwrap();
    let text = Attempt::begin(client.clone(), &Scope::LIBRARY).await.unwrap_err().to_string();
    assert!(text.contains("another program uses this port"), "{text}");
    drop(taken);
    let attempt = Attempt::begin(client, &Scope::LIBRARY).await.unwrap();
    assert_eq!(query(attempt.url())["redirect_uri"], redirect);

    let elsewhere = client_file(&server.url, "web", "https://example.com/callback");
    let error = Attempt::begin(ClientSecret::parse(&elsewhere).unwrap(), &Scope::LIBRARY)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("Desktop app"), "{error}");
}

// The binary.

/// A user with a home directory of their own.
struct User {
    home: tempfile::TempDir,
}

impl User {
    fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gphotosfs"));
        command.args(args).env_clear().env("HOME", self.home.path()).current_dir(self.home.path());
        command
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn profile_file(&self, name: &str) -> PathBuf {
        self.home.path().join(".config/gphotosfs/default").join(name)
    }

    /// Logs in by pasting the address. Gives the exit status and everything from stdout after the link.
    fn log_in(&self, more: &[&str], mut answer_to: impl FnMut(&Url) -> String) -> (Output, String) {
        let mut command = self.command(&[&["login", "--no-browser"], more].concat());
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut link = String::new();
        stdout.read_line(&mut link).unwrap();
        if let Ok(link) = Url::parse(link.trim()) {
            writeln!(child.stdin.take().unwrap(), "{}", answer_to(&link)).unwrap();
        }
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut stdout, &mut rest).unwrap();
        (child.wait_with_output().unwrap(), rest)
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn login_keeps_private_files_and_the_second_needs_no_argument() {
    let server = google().await;
    let user = User::new();
    let file =
        user.file("downloaded.json", &client_file(&server.url, "installed", "http://localhost"));
    let (output, report) =
        user.log_in(&["--client-secret", file.to_str().unwrap()], |link| answer(link, "code=c"));
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(report.starts_with("Logged in.") && report.contains("upload files"), "{report}");
    for name in ["client_secret.json", "token.json"] {
        assert_eq!(mode(&user.profile_file(name)), 0o600, "{name}");
    }
    std::fs::remove_file(file).unwrap();
    let (again, _) = user.log_in(&[], |link| answer(link, "code=c2"));
    assert!(again.status.success(), "{}", stderr(&again));
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_scopes_and_an_early_end_are_named() {
    let server = google().await;
    grants(
        &server,
        js!({"scope": Scope::AppendOnly.as_str(), "refresh_token": "r", "refresh_token_expires_in": 604799}),
    );
    let user = User::new();
    user.file("c.json", &client_file(&server.url, "installed", "http://localhost"));
    let (output, report) =
        user.log_in(&["--client-secret", "c.json"], |link| answer(link, "code=c"));
    assert!(output.status.success(), "{}", stderr(&output));
    for words in [
        "cannot:\n  - list albums",
        "remove photos from albums",
        "tick all boxes",
        "again before that",
        "seven days",
    ] {
        assert!(report.contains(words), "no {words:?} in {report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn picks_take_a_scope_that_a_later_login_asks_for_again() {
    let server = google().await;
    let user = User::new();
    user.file("c.json", &client_file(&server.url, "installed", "http://localhost"));
    let asked = |user: &User, args: &[&str]| {
        let mut scope = String::new();
        let (output, report) = user.log_in(args, |link| {
            scope = query(link)["scope"].clone();
            answer(link, "code=c")
        });
        assert!(output.status.success(), "{}", stderr(&output));
        (scope, report)
    };
    let (scope, _) = asked(&user, &["--client-secret", "c.json"]);
    assert_eq!(scope, Scope::LIBRARY.map(Scope::as_str).join(" "));
    // The user has left the box open.
    let all = Scope::WITH_PICKER.map(Scope::as_str).join(" ");
    let (scope, report) = asked(&user, &["--picker"]);
    assert_eq!(scope, all);
    assert!(report.contains("cannot:\n  - see the photos that you pick"), "{report}");
    assert!(report.contains("run `gphotosfs login --picker` and tick all boxes"), "{report}");
    grants(&server, js!({"scope": all, "refresh_token": "1//refresh"}));
    let (_, report) = asked(&user, &["--picker"]);
    assert!(report.contains("photospicker.mediaitems.readonly"), "{report}");
    assert!(!report.contains("cannot"), "{report}");
    assert_eq!(asked(&user, &[]).0, all, "a new grant replaces the old one");
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_login_leaves_the_earlier_one_alone() {
    let server = google().await;
    let user = User::new();
    user.file("c.json", &client_file(&server.url, "installed", "http://localhost"));
    user.log_in(&["--client-secret", "c.json"], |link| answer(link, "code=c"));
    let files = ["client_secret.json", "token.json"].map(|it| user.profile_file(it));
    let before = files.each_ref().map(|it| std::fs::read(it).unwrap());
    user.file(
        "d.json",
        &client_file(&server.url, "installed", "http://localhost").replace("client-id", "other"),
    );
    let (output, _) =
        user.log_in(&["--client-secret", "d.json"], |link| answer(link, "error=access_denied"));
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("access_denied"), "{}", stderr(&output));
    assert_eq!(files.each_ref().map(|it| std::fs::read(it).unwrap()), before);
}

#[test]
fn wrong_client_files_are_explained() {
    let user = User::new();
    for (text, words) in [
        ("<html>", "not JSON"),
        (r#"{"type":"service_account","private_key":"k"}"#, "service account"),
        (r#"{"api_key":"AIza"}"#, "API key"),
        (r#"{"installed":{"client_id":"c"}}"#, "incomplete"),
        ("{}", "Desktop app"),
    ] {
        user.file("c.json", text);
        let output =
            user.command(&["login", "--no-browser", "--client-secret", "c.json"]).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(words), "{text}: {}", stderr(&output));
        assert_eq!(stderr(&output).lines().count(), 1, "{}", stderr(&output));
    }
    let output = user.command(&["login", "--client-secret", "missing.json"]).output().unwrap();
    assert!(stderr(&output).contains("No such file"), "{}", stderr(&output));
    let output = user.command(&["login"]).output().unwrap();
    assert!(stderr(&output).contains("https://console.cloud.google.com"), "{}", stderr(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn logout_revokes_and_forgets_whatever_google_says() {
    for (status, body, words, complaint) in [
        (200, "{}", "Google has ended the login", ""),
        (400, r#"{"error":"invalid_token"}"#, "had ended before", ""),
        (503, "<html>", "removed from this machine", "myaccount.google.com"),
    ] {
        let server = Script::start(move |_, _| async move {
            (axum::http::StatusCode::from_u16(status).unwrap(), body).into_response()
        })
        .await;
        let user = User::new();
        write_login(&user, &server.url);
        let output = user.command(&["logout"]).output().unwrap();
        assert!(output.status.success());
        assert!(String::from_utf8_lossy(&output.stdout).contains(words), "{output:?}");
        assert!(stderr(&output).contains(complaint), "{output:?}");
        assert_eq!(&server.seen()[0].body[..], b"token=refresh-1");
        assert_eq!(server.seen()[0].path, "/revoke");
        assert!(!user.profile_file("token.json").exists());
        assert!(user.profile_file("client_secret.json").exists());

        let output = user.command(&["logout"]).output().unwrap();
        assert!(
            output.status.success()
                && String::from_utf8_lossy(&output.stdout).contains("not logged in")
        );
    }
}

#[test]
fn logout_works_without_a_network_and_with_a_broken_file() {
    let user = User::new();
    write_login(&user, "http://127.0.0.1:1");
    let output = user.command(&["logout"]).output().unwrap();
    assert!(output.status.success());
    assert_eq!(
        stderr(&output),
        "gphotosfs: could not end the login at Google: cannot reach Google's login service: no connection to 127.0.0.1: \
         Connection refused\n  \
         -> end it yourself at https://myaccount.google.com/connections\n"
    );
    assert!(!user.profile_file("token.json").exists());

    write_login(&user, "http://127.0.0.1:1");
    let output = user.command(&["-vv", "logout"]).output().unwrap();
    assert!(stderr(&output).contains("error sending request"), "{output:?}");

    write_login(&user, "http://127.0.0.1:1");
    std::fs::write(user.profile_file("token.json"), "half a fi").unwrap();
    let output = user.command(&["logout"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(!user.profile_file("token.json").exists());
}

fn write_login(user: &User, url: &str) {
    let dir = user.profile_file("");
    std::fs::create_dir_all(&dir).unwrap();
    crate::support::script::write_login_into(&dir, url, "refresh-1");
}

#[tokio::test]
async fn wrong_clock_is_named() {
    let server = google().await;
    let late = jiff::Timestamp::now() + Duration::from_secs(3600);
    let late =
        jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&late).unwrap();
    let body = r#"{"error":"invalid_grant","error_description":"Bad Request"}"#;
    *server.token_answer.lock() = Some((400, body.into()));
    *server.token_date.lock() = Some(late);
    let attempt = attempt(&server).await;
    let address = answer(attempt.url(), "code=c");
    let (login, _) = tokio::join!(finish(attempt), browse(address));
    let text = login.unwrap_err().to_string();
    assert!(text.contains("59 minutes behind") || text.contains("60 minutes behind"), "{text}");
}

#[tokio::test]
async fn refusals_in_the_envelope_of_the_api_are_server_errors() {
    let server = google().await;
    let body = axum::body::to_bytes(refusal(500, "x").into_body(), 1000).await.unwrap();
    *server.token_answer.lock() = Some((400, String::from_utf8(body.to_vec()).unwrap()));
    let attempt = attempt(&server).await;
    let address = answer(attempt.url(), "code=c");
    let (login, _) = tokio::join!(finish(attempt), browse(address));
    assert!(matches!(login, Err(Error::Token(error)) if error.is_passing()));
}
