//! Who may use the emulator: this user's programs, and pages of its own.

use std::os::unix::fs::PermissionsExt;

use super::login::{Dance, all_scopes};
use super::*;

async fn status(request: RequestBuilder) -> StatusCode {
    request.send().await.unwrap().status()
}

#[tokio::test]
async fn a_name_that_a_stranger_has_led_here_is_refused() {
    let api = Api::start().await;
    let port = url::Url::parse(&api.emulator.url()).unwrap().port().unwrap();
    for path in ["/", "/emulator/dump", "/emulator/client_secret", "/v1/albums", "/nowhere"] {
        for host in ["evil.test", "127.0.0.1.evil.test", "0.0.0.0"] {
            let host = format!("{host}:{port}");
            let request = api.request(Method::GET, path).header("host", host);
            assert_eq!(status(request).await, StatusCode::FORBIDDEN, "{path}");
        }
    }
    for host in [format!("localhost:{port}"), "localhost".to_owned(), format!("[::1]:{port}")] {
        let request = api.request(Method::GET, "/emulator/dump").header("host", &host);
        assert_eq!(status(request).await, StatusCode::OK, "{host}");
    }
}

#[tokio::test]
async fn a_page_of_another_site_changes_nothing() {
    let api = Api::start().await;
    let own = api.emulator.url();
    for origin in ["http://evil.test", "null", "http://127.0.0.1:1", &own.replace("http", "https")]
    {
        for path in ["/emulator/grants/revoke", "/emulator/stats/reset", "/emulator/edit"] {
            let request = api.request(Method::POST, path).header("origin", origin).body("{}");
            assert_eq!(status(request).await, StatusCode::FORBIDDEN, "{origin} {path}");
        }
    }
    assert_eq!(api.get("/v1/albums").await.0, StatusCode::OK, "the grant is as it was");
    let request = api.request(Method::POST, "/emulator/stats/reset").header("origin", &own);
    assert_eq!(status(request).await, StatusCode::OK);
}

#[tokio::test]
async fn consent_is_given_on_its_own_page() {
    let api = Api::with(Config { auto_approve: false, ..Config::default() }).await;
    let dance = Dance::new(&api);
    let link = dance.auth_url(&all_scopes());
    let page = api.http.get(link.clone()).send().await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    assert_eq!(page.headers()["x-frame-options"], "DENY");
    let mut form: Vec<(String, String)> = link.query_pairs().into_owned().collect();
    form.push(("decision".into(), "allow".into()));
    form.push(("granted".into(), all_scopes().split(' ').next().unwrap().to_owned()));
    let decide = |origin: &str| {
        let request = api.http.post(format!("{}/o/oauth2/approve", api.emulator.url()));
        status(request.header("origin", origin).form(&form))
    };
    assert_eq!(decide("http://evil.test").await, StatusCode::FORBIDDEN);
    assert_eq!(decide("null").await, StatusCode::FORBIDDEN);
    assert_eq!(decide(&api.emulator.url()).await, StatusCode::FOUND);
}

fn mode(path: &std::path::Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn the_state_is_for_its_user_alone() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("deep/state");
    std::fs::create_dir_all(&state).unwrap();
    std::fs::set_permissions(&state, PermissionsExt::from_mode(0o777)).unwrap();
    let api = Api::with(Config { state: Some(state.clone()), ..Config::default() }).await;
    api.add(None, small_photo(1), "a.jpg").await;
    api.emulator.write_client_secret(&state.join("client_secret.json")).unwrap();
    let mut seen = 0;
    for entry in walkdir::WalkDir::new(&state) {
        let entry = entry.unwrap();
        let wanted = if entry.file_type().is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(entry.path()), wanted, "{}", entry.path().display());
        seen += 1;
    }
    assert!(seen >= 8, "{seen} files and directories");
}

#[tokio::test]
async fn links_are_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let (real, link) = (dir.path().join("real"), dir.path().join("link"));
    std::fs::create_dir(&real).unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let start = |state: &std::path::Path| {
        Emulator::start(Config { state: Some(state.to_owned()), ..Config::default() })
    };
    let error = start(&link).await.err().unwrap();
    assert!(error.to_string().contains("is a link"), "{error}");

    let victim = dir.path().join("victim");
    std::fs::write(&victim, "precious").unwrap();
    for name in ["lock", "key", "journal.jsonl"] {
        let state = dir.path().join(format!("with {name}"));
        std::fs::create_dir(&state).unwrap();
        std::os::unix::fs::symlink(&victim, state.join(name)).unwrap();
        assert!(start(&state).await.is_err(), "{name}");
    }
    let emulator = start(&real).await.unwrap();
    let secret = real.join("client_secret.json");
    std::os::unix::fs::symlink(&victim, &secret).unwrap();
    emulator.write_client_secret(&secret).unwrap();
    assert!(std::fs::symlink_metadata(&secret).unwrap().is_file());
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
}
