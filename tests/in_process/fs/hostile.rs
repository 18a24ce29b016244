//! A service whose answers are made to do harm: lists that do not end, and texts without measure.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use gphotosfs::profile::Profile;
use serde_json::{Value, json as js};

use super::*;
use crate::support::core::{Core, file_id, runtime};
use crate::support::script::{Script, Seen, json, write_login};

/// The program at a service of a test's own.
struct Attacked {
    // Ends before the service that it needs.
    core: Core,
    script: Script,
    _service: tokio::runtime::Runtime,
    dir: tempfile::TempDir,
}

impl Attacked {
    fn by(answer: impl Fn(&Seen) -> Value + Clone + Send + Sync + 'static) -> Self {
        Self::by_any(move |seen| json(200, answer(seen)))
    }

    fn by_any(answer: impl Fn(&Seen) -> Response + Clone + Send + Sync + 'static) -> Self {
        Self::with(&[], answer)
    }

    fn with(
        options: &[&str],
        answer: impl Fn(&Seen) -> Response + Clone + Send + Sync + 'static,
    ) -> Self {
        let service = runtime();
        let script = service.block_on(Script::start(move |_, seen| {
            let answer = answer(&seen);
            async move { answer }
        }));
        let dir = tempfile::tempdir().unwrap();
        let profile = Profile::under(dir.path());
        write_login(&profile, &script.url, "refresh-1");
        let core = Core::start(&profile, &script.url, options).unwrap();
        Self { core, script, _service: service, dir }
    }

    fn cache(&self) -> PathBuf {
        self.dir.path().join("cache")
    }

    /// How many requests had this in their path.
    fn requests(&self, path: &str) -> usize {
        self.script.seen().iter().filter(|it| it.path.contains(path)).count()
    }
}

fn files_below(dir: &Path) -> impl Iterator<Item = PathBuf> {
    let files = walkdir::WalkDir::new(dir).into_iter().map(Result::unwrap);
    files.filter(|it| it.file_type().is_file()).map(walkdir::DirEntry::into_path)
}

fn number_in(token: &Value) -> u64 {
    token.as_str().and_then(|it| it.parse().ok()).unwrap_or(0)
}

/// A page of a hundred items that no other page has, with a successor.
fn endless_page(seen: &Seen) -> Value {
    let page = number_in(&seen.json()["pageToken"]);
    let item = |at: u64| js!({"id": format!("item-{page}-{at}"), "filename": format!("{page}-{at}.jpg"), "mimeType": "image/jpeg"});
    let items: Vec<Value> = (0..100).map(item).collect();
    js!({"mediaItems": items, "nextPageToken": (page + 1).to_string()})
}

fn album(title: &str, count: u64) -> Value {
    js!({"id": "album-0123456789", "title": title, "isWriteable": true, "mediaItemsCount": count.to_string()})
}

#[test]
fn the_list_of_an_album_ends_where_its_count_or_the_limit_of_albums_is() {
    for (count, pages_max) in [(3, 2 * 12), (0, 205), (1_000_000, 205)] {
        let world = Attacked::by(move |seen| match seen.path.as_str() {
            "/v1/albums" => js!({"albums": [album("A", count)]}),
            "/v1/mediaItems:search" => endless_page(seen),
            _ => album("A", count),
        });
        let dir = world.core.at("A").unwrap();
        assert_eq!(world.core.list(dir).unwrap_err(), Errno(libc::EIO), "{count}");
        let pages = world.requests("search");
        // A list that fails while its reader is away begins once more.
        assert!(pages <= 2 * pages_max, "{count}: {pages} pages");
        world.core.stop();
    }
}

#[test]
fn a_list_of_the_same_items_ends() {
    let world = Attacked::by(|seen| match seen.path.as_str() {
        "/v1/albums" => js!({"albums": [album("A", 3)]}),
        "/v1/mediaItems:search" => {
            let page = number_in(&seen.json()["pageToken"]);
            let item = js!({"id": "the-same", "filename": "a.jpg", "mimeType": "image/jpeg"});
            js!({"mediaItems": [item], "nextPageToken": (page + 1).to_string()})
        }
        _ => album("A", 3),
    });
    let dir = world.core.at("A").unwrap();
    assert_eq!(world.core.list(dir).unwrap_err(), Errno(libc::EIO));
    let pages = world.requests("search");
    // A list that fails while its reader is away begins once more.
    assert!(pages <= 2 * 203, "{pages} pages");
    // It is not begun at each access, but if the user asks for it.
    for _ in 0..4 {
        assert_eq!(world.core.list(dir).unwrap_err(), Errno(libc::EIO));
    }
    assert_eq!(world.requests("search"), pages);
    world.core.stop();
}

#[test]
fn an_endless_list_of_albums_costs_its_requests_once() {
    let world = Attacked::by(|seen| match seen.path.as_str() {
        "/v1/albums" => {
            let token = seen.query.split('&').find_map(|it| it.strip_prefix("pageToken="));
            let page: u64 = token.map_or(0, |it| it.parse().unwrap());
            js!({"albums": [], "nextPageToken": (page + 1).to_string()})
        }
        _ => js!({}),
    });
    for _ in 0..4 {
        assert_eq!(world.core.list(ROOT).unwrap_err(), Errno(libc::EIO));
    }
    let pages = world.requests("/v1/albums");
    assert!(pages <= 2 * 201, "{pages} pages");
    world.core.stop();
}

#[test]
fn views_by_date_end_at_a_server_that_ignores_the_dates() {
    let world = Attacked::by(|seen| match seen.path.as_str() {
        "/v1/mediaItems:search" => {
            let metadata = js!({"creationTime": "2026-11-29T10:00:00Z"});
            let item = js!({"id": "I", "filename": "a.jpg", "mimeType": "image/jpeg", "mediaMetadata": metadata});
            js!({"mediaItems": [item], "nextPageToken": "more"})
        }
        _ => js!({}),
    });
    for view in ["by-year", "by-month", "by-day"] {
        let before = world.requests("search");
        let dir = world.core.at(&format!(".gphotos/library/{view}")).unwrap();
        assert_eq!(world.core.list(dir).unwrap_err(), Errno(libc::EIO), "{view}");
        let asked = world.requests("search") - before;
        // Two for each time that `list` begins it. There are ten thousand years.
        assert!(asked <= 20, "{view}: {asked} requests");
    }
    world.core.stop();
}

#[test]
fn views_by_date_end_although_there_is_an_item_on_each_day() {
    let world = Attacked::by(|seen| match seen.path.as_str() {
        "/v1/mediaItems:search" => {
            let asked = seen.json();
            let last = &asked["filters"]["dateFilter"]["ranges"][0]["endDate"];
            let (year, month, day) = (&last["year"], &last["month"], &last["day"]);
            let number = |it: &Value| it.as_i64().unwrap();
            let year = number(year).min(2026);
            let time = format!("{year:04}-{:02}-{:02}T12:00:00Z", number(month), number(day));
            let metadata = js!({"creationTime": time});
            let item = js!({"id": time, "filename": "a.jpg", "mimeType": "image/jpeg", "mediaMetadata": metadata});
            js!({"mediaItems": [item], "nextPageToken": "more"})
        }
        _ => js!({}),
    });
    let dir = world.core.at(".gphotos/library/by-year").unwrap();
    assert_eq!(world.core.list(dir).unwrap_err(), Errno(libc::EIO));
    let asked = world.requests("search");
    // As above.
    assert!((200..3 * 600).contains(&asked), "{asked} requests");
    world.core.stop();
}

/// A library of one photo or video, whose bytes do not end. Returns how many were sent, too.
fn endless_file(mime: &'static str, options: &[&str]) -> (Attacked, Arc<AtomicU64>) {
    let sent = Arc::new(AtomicU64::new(0));
    let counted = sent.clone();
    let kind = if mime.starts_with("video") { "video" } else { "photo" };
    let item = move |seen: &Seen| {
        let base_url = format!("http://{}/media", seen.header("host"));
        let metadata = js!({(kind): {"status": "READY"}});
        js!({"id": "I", "filename": "a", "mimeType": mime, "baseUrl": base_url, "mediaMetadata": metadata})
    };
    let answer = move |seen: &Seen| match seen.path.as_str() {
        "/v1/albums" => json(200, js!({"albums": [album("A", 1)]})),
        "/v1/mediaItems:search" => json(200, js!({"mediaItems": [item(seen)]})),
        "/v1/mediaItems:batchGet" => {
            json(200, js!({"mediaItemResults": [{"mediaItem": item(seen)}]}))
        }
        path if path.starts_with("/media") => {
            let (sent, piece) = (counted.clone(), Bytes::from(vec![7; 1 << 20]));
            let more = futures_util::stream::repeat_with(move || {
                sent.fetch_add(piece.len() as u64, Ordering::Relaxed);
                Ok::<_, std::io::Error>(piece.clone())
            });
            ([("content-type", mime)], Body::from_stream(more)).into_response()
        }
        _ => json(200, js!({})),
    };
    (Attacked::with(options, answer), sent)
}

#[test]
fn verify_ends_although_the_body_does_not() {
    let (world, sent) = endless_file("image/jpeg", &[]);
    let dir = world.core.at("A").unwrap();
    let file = world.core.lookup(dir, &world.core.names(dir)[0]).unwrap();
    let verified = world.core.wait(world.core.fs.getxattr(file, b"user.gphotos.verify"));
    assert_eq!(errno(verified.map(drop)), Err(Errno(libc::EIO)));
    let sent = sent.load(Ordering::Relaxed);
    assert!(sent < 300 << 20, "{sent} bytes");
    // Nothing is left of it.
    assert_eq!(world.core.engine().content.usage().0, 0);
    world.core.stop();
}

#[test]
fn a_read_ends_although_the_body_does_not_and_frees_the_disk_at_once() {
    for (mime, options, sent_max) in [
        ("image/jpeg", &[][..], 300 << 20),
        ("image/jpeg", &["--cache-size=50M"], 100 << 20),
        ("video/mp4", &["--cache-size=50M"], 100 << 20),
    ] {
        let (world, sent) = endless_file(mime, options);
        let dir = world.core.at("A").unwrap();
        let file = world.core.lookup(dir, &world.core.names(dir)[0]).unwrap();
        let info = world.core.store.file(file_id(file)).unwrap().unwrap();
        let content = &world.core.engine().content;
        let reader = content.open(&info).unwrap();
        world.core.wait(reader.fetch_length(0)).unwrap_err();
        assert_eq!(world.core.read(file), Err(Errno(libc::EIO)), "{mime} {options:?}");
        let whole = sent.load(Ordering::Relaxed);
        assert!(whole < sent_max, "{mime} {options:?}: {whole} bytes");
        // The reader has not gone yet.
        assert_eq!(content.usage().0, 0, "{mime} {options:?}");
        let left: u64 = files_below(&world.cache()).map(|it| it.metadata().unwrap().len()).sum();
        assert!(left < 1 << 20, "{mime} {options:?}: {left} bytes are left");
        drop(reader);
        world.core.stop();
    }
}

#[test]
fn a_title_becomes_few_directories() {
    let title = "a/".repeat(100_000);
    let world = Attacked::by(move |seen| match seen.path.as_str() {
        "/v1/albums" => js!({"albums": [album(&title, 0)]}),
        _ => js!({}),
    });
    let (mut dir, mut depth) = (ROOT, 0);
    while let Some(name) = world.core.names(dir).first() {
        (dir, depth) = (world.core.lookup(dir, name).unwrap(), depth + 1);
    }
    assert_eq!(depth, 64);
    world.core.stop();
}

#[test]
fn long_texts_are_cut_and_read_back() {
    let long = "ä".repeat(1_000_000);
    let world = Attacked::by(move |seen| match seen.path.as_str() {
        "/v1/albums" => js!({"albums": [album("A", 1)]}),
        "/v1/mediaItems:search" => {
            let camera = js!({"photo": {"cameraMake": long, "cameraModel": long}});
            js!({"mediaItems": [{"id": "I", "filename": "a.jpg", "mimeType": "image/jpeg",
                "description": long, "productUrl": long, "mediaMetadata": camera}]})
        }
        _ => js!({}),
    });
    let dir = world.core.at("A").unwrap();
    assert_eq!(world.core.names(dir), ["a.jpg"]);
    let file = world.core.lookup(dir, "a.jpg").unwrap();
    let text = |name: &str| {
        let name = format!("user.gphotos.{name}");
        let value = errno(world.core.fs.getxattr_now(file, name.as_bytes())).map(Option::unwrap);
        value.map(|it| String::from_utf8(it).unwrap().chars().count())
    };
    assert_eq!(text("description"), Ok(999));
    assert_eq!(text("camera_make"), Ok(1024));
    assert_eq!(text("product_url"), Err(Errno(libc::ENODATA)));
    world.core.stop();
}
