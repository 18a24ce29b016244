//! The process: its switches over HTTP, its pages, and its state on disk.

use super::uploads::{GRANULE, Session, large_jpeg};
use super::*;

#[tokio::test]
async fn switches_and_edits_work_over_http_too() {
    let api = Api::start().await;
    let patch =
        json!({"calls": {"albums.list": {"failures": [{"failure": "unavailable", "next": 1}]}}});
    let (status, faults) = api.patch("/emulator/faults", patch).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(faults["daily_requests"], 10_000, "what is not named stays");
    assert_eq!(api.get("/v1/albums").await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(api.get("/v1/albums").await.0, StatusCode::OK);
    for bad in [json!({"latency": 1}), json!({"calls": {"albums.destroy": {}}})] {
        assert_eq!(api.patch("/emulator/faults", bad).await.0, StatusCode::BAD_REQUEST);
    }
    api.ok("/emulator/edit", json!({"op": "create_album", "title": "A"})).await;
    api.ok("/emulator/edit", json!({"op": "seed", "album": "A", "count": 2})).await;
    let remove = json!({"op": "remove_from_album", "album": "A", "item": "IMG_000000.jpg"});
    api.ok("/emulator/edit", remove.clone()).await;
    assert_eq!(api.post("/emulator/edit", remove).await.0, StatusCode::NOT_FOUND);
    let (_, dump) = api.get("/emulator/dump").await;
    assert_eq!(dump["albums"][0]["items"].as_array().unwrap().len(), 1);
    assert_eq!(dump["items"].as_array().unwrap().len(), 2);
    let (_, stats) = api.get("/emulator/stats").await;
    assert_eq!(stats["requests"]["albums.list"], 2);
    api.ok("/emulator/stats/reset", json!({})).await;
    assert_eq!(api.get("/emulator/stats").await.1["requests"], json!({}));
    api.ok("/emulator/clock/advance", json!({"seconds": 10})).await;
    api.ok("/emulator/grants/expire", json!({})).await;
    assert_eq!(api.get("/v1/albums").await.0, StatusCode::UNAUTHORIZED);
    api.ok("/emulator/grants/revoke", json!({})).await;
}

#[tokio::test]
async fn pages_show_what_arrived_and_escape_it() {
    let api = Api::start().await;
    let album = api.album("<b>Trip</b>").await;
    let item = api.add(Some(&album), small_photo(1), "\"a\".jpg").await;
    let (_, body) = api.get(&format!("/v1/albums/{album}")).await;
    let page = async |url: String| api.http.get(url).send().await.unwrap().text().await.unwrap();
    let home = page(api.emulator.url()).await;
    assert!(home.contains("&lt;b&gt;Trip&lt;/b&gt; (1)") && !home.contains("<b>Trip"));
    assert!(page(text(&body["productUrl"])).await.contains("&quot;a&quot;.jpg"));
    let (_, body) = api.get(&format!("/v1/mediaItems/{item}")).await;
    assert!(page(text(&body["productUrl"])).await.contains("5000 bytes"));
}

#[tokio::test]
async fn only_loopback_is_served() {
    let listen = "0.0.0.0:0".parse().unwrap();
    let error = Emulator::start(Config { listen, ..Config::default() }).await.err().unwrap();
    assert!(error.to_string().contains("not a loopback address"), "{error}");
}

#[tokio::test]
async fn state_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let config = || Config { state: Some(dir.path().to_owned()), ..Config::default() };
    let api = Api::with(config()).await;
    let taken = Emulator::start(config()).await.err().unwrap();
    assert!(taken.to_string().contains("another emulator"), "{taken}");

    let album = api.album("A").await;
    let a = api.add(Some(&album), small_photo(1), "a.jpg").await;
    let gone = api.add(Some(&album), small_photo(2), "b.jpg").await;
    api.emulator.edit(Edit::DeleteItem { item: gone.clone() }).await.unwrap();
    let unused = api.upload(small_photo(3)).await;
    let bytes = large_jpeg();
    let session = Session::start(&api, bytes.len()).await;
    session.send("upload", 0, &bytes[..GRANULE]).await.unwrap();
    let session_path = session.url.trim_start_matches(&api.emulator.url()).to_owned();
    let Api { emulator, token, .. } = api;
    emulator.stop().await;

    let api = Api { token, ..Api::with(config()).await };
    assert_eq!(api.album_items(&album, 10).await, [&*a]);
    assert_eq!(api.download(&a, "=d").await.bytes().await.unwrap(), small_photo(1));
    let (_, created) = api.create(None, &[(&unused, "c.jpg")]).await;
    let new = text(&created["newMediaItemResults"][0]["mediaItem"]["id"]);
    assert_ne!(new, gone, "ids are never given twice");
    let session = Session { api: &api, url: api.emulator.url() + &session_path };
    assert_eq!(session.query().await, ("active".into(), GRANULE.to_string()));
    let last = session.send("upload, finalize", GRANULE, &bytes[GRANULE..]).await.unwrap();
    api.create(None, &[(&last.text().await.unwrap(), "large.jpg")]).await;
    let sha256 = format!("{:x}", Sha256::digest(&bytes));
    assert!(api.emulator.dump().items.iter().any(|i| i.sha256.as_ref() == Some(&sha256)));
}

/// A process that does not survive the test.
struct Killed(std::process::Child);

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[tokio::test]
async fn answered_changes_survive_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = Killed(
        std::process::Command::new(env!("CARGO_BIN_EXE_gphotosfs"))
            .args(["emulator", "--auto-approve", "--state"])
            .arg(dir.path())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut lines =
        std::io::BufRead::lines(std::io::BufReader::new(child.0.stdout.take().unwrap()));
    let first = lines.next().unwrap().unwrap();
    let url = first.strip_prefix("listening on ").unwrap();
    let second = lines.next().unwrap().unwrap();
    let secret = std::fs::read_to_string(second.strip_prefix("client secret file: ").unwrap());
    assert!(secret.unwrap().contains(&format!("\"token_uri\": \"{url}/token\"")));

    let api = Api::start().await;
    let edits = [
        json!({"op": "create_album", "title": "A"}),
        json!({"op": "seed", "album": "A", "count": 100}),
    ];
    for edit in edits {
        let answer = api.http.post(format!("{url}/emulator/edit")).json(&edit).send().await;
        assert_eq!(answer.unwrap().status(), StatusCode::OK);
    }
    drop(child);
    // A line that was being written at that moment is not counted.
    let mut journal =
        std::fs::OpenOptions::new().append(true).open(dir.path().join("journal.jsonl")).unwrap();
    std::io::Write::write_all(&mut journal, b"{\"Item\":{\"user\":\"us").unwrap();

    let config = Config { state: Some(dir.path().to_owned()), ..Config::default() };
    let emulator = Emulator::start(config).await.unwrap();
    assert_eq!(emulator.dump().album("A").unwrap().items.len(), 100);
}
