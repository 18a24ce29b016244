//! A page of another site in a real browser, which does what it can to an emulator on the machine.

use std::process::Command;

use axum::Router;
use axum::response::Html;
use axum::routing::get;

use super::login::{Dance, all_scopes};
use super::*;

/// What the page at an address looks like once its script has run. `evil.test` leads to this
/// machine, as after a DNS rebinding.
fn page(address: &str) -> String {
    let home = tempfile::tempdir().unwrap();
    let output = Command::new("timeout")
        .args(["90", "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"])
        .args(["--disable-quic", "--host-resolver-rules=MAP evil.test 127.0.0.1"])
        .arg(format!("--user-data-dir={}", home.path().display()))
        .args(["--virtual-time-budget=15000", "--dump-dom", address])
        .env("HOME", home.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// A page that sends all it can, and shows the answers that it may read.
fn attack(emulator: &str, form: &str) -> String {
    format!(
        r#"<!doctype html><title>evil</title><iframe name=hidden></iframe>
        <form id=form method=post target=hidden action="{emulator}/o/oauth2/approve">{form}</form>
        <pre id=out></pre><script>
        (async () => {{
            const seen = [];
            const send = async (path, options) => {{
                try {{
                    const answer = await fetch("{emulator}" + path, options);
                    seen.push(path + " " + answer.type + " " + (await answer.text()));
                }} catch (error) {{ seen.push(path + " failed"); }}
            }};
            const post = body => ({{method: "POST", mode: "no-cors", body}});
            await send("/emulator/grants/revoke", post(""));
            await send("/emulator/stats/reset", post(""));
            await send("/emulator/edit", post('{{"op": "create_album", "title": "Evil"}}'));
            await send("/emulator/dump", {{}});
            await send("/emulator/client_secret", {{}});
            await send("/emulator/faults", {{method: "PATCH", body: "{{}}"}});
            document.getElementById("form").submit();
            await new Promise(done => setTimeout(done, 3000));
            document.getElementById("out").textContent = "done " + seen.join("\n");
        }})();
        </script>"#
    )
}

/// Serves a page under another origin. Returns its port.
async fn serve(html: String) -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let router = Router::new().fallback(get(async move || Html(html.clone())));
    tokio::spawn(async { axum::serve(listener, router).await });
    port
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: scripts/test.sh --long has it"]
async fn a_page_of_another_site_reads_nothing_and_changes_nothing() {
    let api = Api::with(Config { auto_approve: false, ..Config::default() }).await;
    let emulator = api.emulator.url();
    api.ok("/emulator/edit", json!({"op": "create_album", "title": "Mine"})).await;
    let dance = Dance::new(&api);
    let mut fields: Vec<_> = dance.auth_url(&all_scopes()).query_pairs().into_owned().collect();
    fields.push(("decision".to_owned(), "allow".to_owned()));
    fields.push(("granted".to_owned(), all_scopes().split(' ').next().unwrap().to_owned()));
    let form: String = fields
        .iter()
        .map(|(name, value)| format!("<input type=hidden name=\"{name}\" value=\"{value}\">"))
        .collect();
    let port = serve(attack(&emulator, &form)).await;
    let calls = api.emulator.stats().requests;
    for host in ["127.0.0.1", "localhost", "evil.test"] {
        let shown = tokio::task::spawn_blocking(move || page(&format!("http://{host}:{port}/")));
        let shown = shown.await.unwrap();
        assert!(shown.contains("done "), "{shown}");
        assert!(!shown.contains("Mine") && !shown.contains("auth_uri"), "{shown}");
    }
    assert_eq!(api.get("/v1/albums").await.0, StatusCode::OK, "the grant is as it was");
    let titles: Vec<_> = api.emulator.dump().albums.into_iter().map(|it| it.title).collect();
    assert_eq!(titles, ["Mine"]);
    let after = api.emulator.stats().requests;
    assert_eq!(after.get(&Call::OauthAuth), calls.get(&Call::OauthAuth));

    // After a DNS rebinding the emulator has the page's own origin.
    let rebound = emulator.replace("127.0.0.1", "evil.test");
    for path in ["/emulator/dump", "/emulator/client_secret", "/"] {
        let address = format!("{rebound}{path}");
        let shown = tokio::task::spawn_blocking(move || page(&address)).await.unwrap();
        assert!(shown.contains("does not name this machine"), "{path}: {shown}");
    }
}
