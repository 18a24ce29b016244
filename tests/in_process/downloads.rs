//! Reading content from servers of each kind: with and without ranges, slow, wrong, and changing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use futures_util::future::join_all;
use gphotosfs::api::BaseUrls;
use gphotosfs::content::{Config, Content, Error, Reader, Waits};
use gphotosfs::fs::error::{Errno, Error as FsError};
use gphotosfs::media::{FileId, MediaId};
use gphotosfs::store::{FileInfo, Store};
use serde_json::json as js;
use tokio::runtime::Handle;

use crate::support::script::{Script, json};
use crate::support::{cached, eventually};

const MIB: u64 = 1 << 20;

/// More than is fetched whole.
const SIZE: u64 = 40 * MIB;

const READ: usize = 128 << 10;

static BYTES: LazyLock<Bytes> = LazyLock::new(|| {
    (0..SIZE).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 23) as u8).collect()
});

/// An address at which nothing listens.
const NOBODY: &str = "127.0.0.1:1";

/// A server, and the contents that are read from it.
struct World {
    server: Script,
    content: Content,
    dir: tempfile::TempDir,
    _login: tempfile::TempDir,
}

/// A request for media: how many came before it, and its first byte.
#[derive(Clone, Copy)]
struct Asked {
    nth: usize,
    from: u64,
}

impl World {
    async fn new(answer: impl Fn(Asked) -> Response + Clone + Send + Sync + 'static) -> Self {
        Self::with(1 << 40, answer).await
    }

    /// With a cache of so many bytes.
    async fn with(
        limit: u64,
        answer: impl Fn(Asked) -> Response + Clone + Send + Sync + 'static,
    ) -> Self {
        // Made before anybody waits for them: it takes longer than a client here waits.
        LazyLock::force(&BYTES);
        let media = Arc::new(AtomicU64::new(0));
        let server = Script::start(move |_, seen| {
            let (answer, media) = (answer.clone(), media.clone());
            async move {
                if seen.path.ends_with(":batchGet") {
                    let items = seen.query.split('&').map(|pair| {
                        let id = pair.split_once('=').unwrap().1;
                        let host = if id == "unreachable" { NOBODY } else { seen.header("host") };
                        let base_url = format!("http://{host}/media/{id}");
                        let status = if id == "processing" { "PROCESSING" } else { "READY" };
                        let kind = if id == "processing" { "video" } else { "photo" };
                        let metadata = js!({kind: {"status": status}});
                        js!({"mediaItem": {"id": id, "baseUrl": base_url, "mediaMetadata": metadata}})
                    });
                    return json(200, js!({"mediaItemResults": items.collect::<Vec<_>>()}));
                }
                let range = seen.header("range");
                let from = range.strip_prefix("bytes=").unwrap().strip_suffix('-').unwrap();
                let nth = media.fetch_add(1, Ordering::SeqCst) as usize;
                answer(Asked { nth, from: from.parse().unwrap() })
            }
        })
        .await;
        let (client, login) = server.client();
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("state")).unwrap();
        let content = Content::new(
            Config { dir: dir.path().join("cache"), limit, waits: Waits::default().paced(50) },
            Store::open(&dir.path().join("state")).unwrap(),
            client.clone(),
            Arc::new(BaseUrls::start(client, &Handle::current())),
            Handle::current(),
        )
        .unwrap();
        Self { server, content, dir, _login: login }
    }

    fn open(&self) -> Reader {
        self.content.open(&info("m", SIZE)).unwrap()
    }

    /// Where requests for media began.
    fn requests(&self) -> Vec<u64> {
        let seen = self.server.seen().into_iter().filter(|seen| seen.path.starts_with("/media"));
        seen.map(|seen| seen.header("range")[6..].trim_end_matches('-').parse().unwrap()).collect()
    }

    fn on_disk(&self) -> u64 {
        use std::os::unix::fs::MetadataExt;
        let entries = cached(&self.dir.path().join("cache"));
        entries.iter().map(|entry| entry.metadata().unwrap().blocks() * 512).sum()
    }

    /// Waits until nothing is in the cache's directory.
    async fn emptied(&self) {
        let cache = self.dir.path().join("cache");
        eventually("the cache to be emptied", || cached(&cache).is_empty()).await;
    }

    /// Waits until the whole file is in the cache: its last bytes are read before that.
    async fn kept(&self) {
        eventually("the file to be kept", || self.content.open_local(&info("m", SIZE)).is_some())
            .await;
    }
}

fn info(media: &str, size: u64) -> FileInfo {
    numbered(7, media, size)
}

fn numbered(id: i64, media: &str, size: u64) -> FileInfo {
    FileInfo {
        id: FileId(id),
        size: Some(size),
        rendition: Some(size),
        cut_off: false,
        mtime_ns: 0,
        atime_ns: 0,
        ctime_ns: 0,
        withheld: 0,
        sha256: None,
        adopted: None,
        picked: None,
        media: Some(MediaId::new(media)),
        confirmed: true,
        filename: None,
        mime: None,
        description: None,
        product_url: None,
        created: None,
        width: None,
        height: None,
        make: None,
        model: None,
        video: None,
        upload: None,
        error: None,
        links: 1,
        failed_at: None,
    }
}

/// > If only the host of one item's bytes cannot be reached, only items at that host fail.
#[tokio::test(flavor = "multi_thread")]
async fn one_unreachable_address_fails_no_other_download() {
    let world = World::new(|asked: Asked| part(asked.from)).await;
    let unreachable = numbered(8, "unreachable", SIZE);
    for _ in 0..2 {
        let error = world.content.open(&unreachable).unwrap().read(0, READ).await.unwrap_err();
        let error = FsError::from(error);
        assert_eq!(error.errno(), Errno(libc::EHOSTUNREACH), "{error}");
    }
    assert_eq!(world.open().read(0, READ).await.unwrap(), BYTES[..READ]);
}

fn whole() -> Response {
    BYTES.clone().into_response()
}

fn part(from: u64) -> Response {
    part_to(from, SIZE)
}

fn part_to(from: u64, to: u64) -> Response {
    let range = format!("bytes {from}-{}/{SIZE}", to - 1);
    let bytes = BYTES.slice(from as usize..to as usize);
    (StatusCode::PARTIAL_CONTENT, [(header::CONTENT_RANGE, range)], bytes).into_response()
}

/// An answer of which only the first `len` bytes come, and then nothing.
fn hanging(answer: Response, len: u64, ends: bool) -> Response {
    let (mut parts, body) = answer.into_parts();
    parts.headers.insert(header::CONTENT_LENGTH, SIZE.into());
    let body = body.into_data_stream().map(move |it| it.map(|it| it.slice(..len as usize)));
    let body =
        if ends { body.boxed() } else { body.chain(futures_util::stream::pending()).boxed() };
    Response::from_parts(parts, Body::from_stream(body))
}

fn expected(offset: u64, len: usize) -> Vec<u8> {
    let end = (offset as usize + len).min(SIZE as usize);
    BYTES[(offset as usize).min(end)..end].to_vec()
}

async fn read(reader: &Reader, offset: u64) -> Vec<u8> {
    let bytes = reader.read(offset, READ).await;
    bytes.unwrap_or_else(|error| panic!("at {offset}: {error}"))
}

/// Reads all there is, and compares it.
async fn read_all(reader: &Reader) {
    for offset in (0..SIZE).step_by(READ) {
        assert!(read(reader, offset).await == expected(offset, READ), "at {offset}");
    }
    assert_eq!(read(reader, SIZE).await, b"");
}

fn errno<T>(outcome: Result<T, Error>) -> Errno {
    let Err(error) = outcome else { panic!("it worked") };
    gphotosfs::fs::error::Error::from(error).errno()
}

#[tokio::test]
async fn a_read_at_the_end_asks_for_the_end_alone() {
    let world = World::new(|asked| part(asked.from)).await;
    let reader = world.open();
    let tail = SIZE - 1000;
    assert_eq!(read(&reader, tail).await, expected(tail, READ));
    assert_eq!(read(&reader, 0).await, expected(0, READ));
    assert_eq!(world.requests(), [tail, 0]);
    read_all(&reader).await;
    // Bytes that are here already are not requested again.
    assert_eq!(world.requests(), [tail, 0]);
    world.kept().await;
}

#[tokio::test]
async fn without_ranges_the_end_is_read_from_the_one_answer_there_is() {
    let world = World::new(|_| whole()).await;
    let reader = world.open();
    let tail = SIZE - 1000;
    assert_eq!(read(&reader, tail).await, expected(tail, READ));
    assert_eq!(world.requests(), [tail]);
    read_all(&reader).await;
    assert_eq!(world.requests(), [tail]);
}

#[tokio::test]
async fn a_server_that_does_ranges_only_sometimes_gives_the_same_bytes() {
    let world = World::new(|asked| if asked.nth == 0 { part(asked.from) } else { whole() }).await;
    let reader = world.open();
    for offset in [0, SIZE / 2, SIZE - 1000] {
        assert_eq!(read(&reader, offset).await, expected(offset, READ));
    }
    read_all(&reader).await;
    assert!(world.requests().len() <= 3, "{:?}", world.requests());
}

#[tokio::test]
async fn parts_that_always_begin_at_the_front_cost_few_requests() {
    let world = World::new(|_| part(0)).await;
    let reading = (1..40).map(|at| {
        let reader = world.open();
        async move { assert!(read(&reader, at * MIB).await == expected(at * MIB, READ), "{at}") }
    });
    join_all(reading).await;
    assert!(world.requests().len() <= 4, "{:?}", world.requests().len());
}

#[tokio::test]
async fn parts_of_one_byte_end_with_an_error() {
    let world = World::new(|asked| part_to(asked.from, asked.from + 1)).await;
    for _ in 0..3 {
        assert_eq!(errno(world.open().read(0, READ).await), Errno(libc::EIO));
        assert_eq!(world.requests().len(), 100);
    }
}

#[tokio::test]
async fn parts_shorter_than_asked_for_are_gone_on_with() {
    let world = World::new(|asked| part_to(asked.from, (asked.from + 3 * MIB).min(SIZE))).await;
    read_all(&world.open()).await;
    assert_eq!(world.requests().len() as u64, SIZE.div_ceil(3 * MIB));
}

#[tokio::test]
async fn answers_that_break_off_are_gone_on_with() {
    for ranged in [true, false] {
        let world = World::new(move |asked| {
            let answer = if ranged { part(asked.from) } else { whole() };
            // Without ranges each answer has to come further than the one before.
            let came = if ranged { 5 * MIB } else { 15 * MIB * (asked.nth as u64 + 1) };
            if asked.from + came < SIZE && came < SIZE {
                hanging(answer, came, true)
            } else {
                answer
            }
        })
        .await;
        read_all(&world.open()).await;
    }
}

#[tokio::test]
async fn an_answer_that_always_breaks_off_at_one_place_ends_with_an_error() {
    let world = World::new(|_| hanging(whole(), 5 * MIB, true)).await;
    let reader = world.open();
    assert_eq!(read(&reader, MIB).await, expected(MIB, READ));
    assert_eq!(errno(reader.read(6 * MIB, READ).await), Errno(libc::ETIMEDOUT));
    assert!(world.requests().len() <= 4, "{:?}", world.requests());
    // Bytes that have come can be read.
    assert_eq!(read(&reader, MIB).await, expected(MIB, READ));
}

#[tokio::test]
async fn a_stalled_download_ends_in_time_and_is_not_tried_again_at_once() {
    let world = World::new(|asked| {
        let came = if asked.from == 0 { 1000 } else { 0 };
        hanging(part(asked.from), came, false)
    })
    .await;
    let reader = world.open();
    let begun = Instant::now();
    assert_eq!(errno(reader.read(0, READ).await), Errno(libc::ETIMEDOUT));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let before = world.requests().len();
    assert_eq!(errno(reader.read(0, READ).await), Errno(libc::ETIMEDOUT));
    assert_eq!(errno(world.open().read(0, READ).await), Errno(libc::ETIMEDOUT));
    assert_eq!(world.requests().len(), before);
    // Asked for by hand it is.
    world.content.clear_failures();
    reader.read(0, READ).await.unwrap_err();
    assert!(world.requests().len() > before);
}

#[tokio::test]
async fn a_download_may_take_long_while_bytes_come() {
    // Longer in all than the patience, which is 1.2 s here.
    let world = World::new(|asked| {
        let bytes = BYTES.slice(asked.from as usize..asked.from as usize + 200_000);
        let slowly = futures_util::stream::iter(
            (0..20).map(move |at| bytes.slice(at * 10_000..(at + 1) * 10_000)),
        )
        .then(|bytes| async move {
            // The server is slow: its pace is the subject.
            tokio::time::sleep(Duration::from_millis(100)).await;
            Ok::<_, std::io::Error>(bytes)
        });
        let range = format!("bytes {}-{}/{SIZE}", asked.from, asked.from + 199_999);
        (StatusCode::PARTIAL_CONTENT, [(header::CONTENT_RANGE, range)], Body::from_stream(slowly))
            .into_response()
    })
    .await;
    let bytes = world.open().read(0, 200_000).await.unwrap();
    assert!(bytes == expected(0, 200_000));
    assert_eq!(world.requests()[0], 0);
}

#[tokio::test]
async fn parts_of_two_pictures_are_never_put_together() {
    for tagged in [true, false] {
        let world = World::new(move |asked| {
            let answer = part(asked.from);
            if tagged {
                let tag = if asked.nth == 0 { "\"one\"" } else { "\"two\"" };
                return ([(header::ETAG, tag)], answer).into_response();
            }
            if asked.nth == 0 {
                return answer;
            }
            let range = format!("bytes {}-{}/{}", asked.from, SIZE - 2, SIZE - 1);
            let bytes = BYTES.slice(asked.from as usize..SIZE as usize - 1);
            (StatusCode::PARTIAL_CONTENT, [(header::CONTENT_RANGE, range)], bytes).into_response()
        })
        .await;
        let reader = world.open();
        assert_eq!(read(&reader, 0).await, expected(0, READ));
        let far = SIZE / 2;
        assert!(matches!(reader.read(far, READ).await, Err(Error::Shared(_))));
        // Nothing of the old one is given out any more, and the new one is there at once.
        assert_eq!(errno(reader.read(0, READ).await), Errno(libc::EIO));
        let again = world.open();
        assert_eq!(read(&again, far).await, expected(far, READ));
        assert_eq!(world.requests(), [0, far, far]);
    }
}

#[tokio::test]
async fn an_address_that_expires_between_two_parts_is_renewed_once() {
    let world = World::new(|asked| match asked.nth {
        1 => StatusCode::FORBIDDEN.into_response(),
        _ => part(asked.from),
    })
    .await;
    let reader = world.open();
    assert_eq!(read(&reader, 0).await, expected(0, READ));
    let far = SIZE / 2;
    assert_eq!(read(&reader, far).await, expected(far, READ));
    assert_eq!(world.requests(), [0, far, far]);
    let renewed = world.server.seen().iter().filter(|it| it.path.ends_with(":batchGet")).count();
    assert_eq!(renewed, 2);
}

#[tokio::test]
async fn an_item_that_is_refused_costs_two_requests_and_then_none_for_a_while() {
    let world = World::new(|_| StatusCode::NOT_FOUND.into_response()).await;
    for _ in 0..10 {
        assert_eq!(errno(world.open().read(0, READ).await), Errno(libc::EIO));
    }
    assert_eq!(world.requests().len(), 2);
    world.emptied().await;
}

#[tokio::test]
async fn many_readers_share_what_is_downloaded() {
    let world = World::new(|asked| part(asked.from)).await;
    let readers: Vec<Reader> = (0..20).map(|_| world.open()).collect();
    join_all(readers.iter().map(read_all)).await;
    assert_eq!(world.requests(), [0]);
}

#[tokio::test]
async fn readers_all_over_a_file_come_to_their_end() {
    let world = World::new(|asked| part(asked.from)).await;
    let reading = (0..30u64).map(|at| {
        let reader = world.open();
        async move {
            for step in 0..8 {
                let offset = (at * 7 + step * 13) % 40 * MIB;
                assert!(read(&reader, offset).await == expected(offset, READ), "{offset}");
            }
        }
    });
    join_all(reading).await;
    assert!(world.requests().len() <= 40, "{:?}", world.requests());
}

#[tokio::test]
async fn a_cache_of_nothing_holds_what_is_being_read_and_no_more() {
    let world = World::with(0, |asked| part(asked.from)).await;
    let reader = world.open();
    for offset in (0..SIZE).step_by(READ) {
        assert!(read(&reader, offset).await == expected(offset, READ), "at {offset}");
        assert!(world.on_disk() <= 24 * MIB, "{}", world.on_disk());
    }
    assert_eq!(world.requests(), [0]);
    // A second reader far behind the first has it downloaded again, and gets the same.
    let again = world.open();
    tokio::join!(read_all(&again), read_all(&reader));
    drop((reader, again));
    world.emptied().await;
    assert_eq!(world.content.usage(), (0, 0));
}

#[tokio::test]
async fn the_whole_of_a_file_can_be_had_without_a_cache() {
    use std::io::Read;
    let world = World::with(0, |asked| part(asked.from)).await;
    let reader = world.open();
    read(&reader, SIZE / 2).await;
    let mut file = world.content.whole(&info("m", SIZE)).await.unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    assert!(bytes == BYTES[..]);
    drop((reader, file));
    world.emptied().await;
}

#[tokio::test]
async fn a_video_that_is_being_processed_is_busy_and_costs_nothing_more_for_a_while() {
    let world = World::new(|_| panic!("asked for what is not there yet")).await;
    for _ in 0..5 {
        let reader = world.content.open(&info("processing", SIZE)).unwrap();
        assert_eq!(errno(reader.read(0, READ).await), Errno(libc::EBUSY));
    }
    assert_eq!(world.server.seen().len(), 1);
}

#[tokio::test]
async fn an_empty_download_is_an_error() {
    for kind in 0..3 {
        let world = World::new(move |_| match kind {
            0 => ().into_response(),
            1 => Body::from_stream(futures_util::stream::empty::<std::io::Result<Bytes>>())
                .into_response(),
            _ => (StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, "bytes */0")])
                .into_response(),
        })
        .await;
        assert_eq!(errno(world.open().read(0, READ).await), Errno(libc::EIO), "{kind}");
        world.content.clear_failures();
        assert_eq!(errno(world.open().fetch_length(0).await), Errno(libc::EIO), "{kind}");
        assert!(world.content.open_local(&info("m", SIZE)).is_none(), "{kind}");
    }
}

fn too_many() -> Response {
    (StatusCode::TOO_MANY_REQUESTS, "Quota exceeded for requests per minute.").into_response()
}

#[tokio::test]
async fn a_limit_is_waited_for_by_all_as_long_as_google_says() {
    // Half a minute is 0.6 s here, but the times that Google names are not scaled.
    for (told, pause) in [(None, 600), (Some("2"), 2000)] {
        let times = Arc::new(parking_lot::Mutex::new(Vec::new()));
        let asked_at = times.clone();
        let world = World::new(move |asked| {
            asked_at.lock().push(Instant::now());
            match (asked.nth, told) {
                (0, Some(told)) => ([(header::RETRY_AFTER, told)], too_many()).into_response(),
                (0, None) => too_many(),
                _ => part(asked.from),
            }
        })
        .await;
        let (one, info) = (world.open(), numbered(8, "n", SIZE));
        let other = world.content.open(&info).unwrap();
        let late = async {
            eventually("a request", || !world.requests().is_empty()).await;
            // A reader of a directory does not wait so long.
            assert_eq!(errno(world.content.fetch_size(&info).await), Errno(libc::ETIMEDOUT));
            read(&other, 0).await
        };
        let (one, other) = tokio::join!(read(&one, 0), late);
        assert!(one == expected(0, READ) && other == one);
        let times = times.lock();
        let waited = times[1..].iter().map(|it| *it - times[0]).min().unwrap();
        assert!(times.len() == 3 && waited >= Duration::from_millis(pause), "{waited:?} {times:?}");
    }
}

#[tokio::test]
async fn a_limit_that_lasts_too_long_ends_with_an_error_after_few_requests() {
    let world = World::new(|_| too_many()).await;
    assert_eq!(errno(world.open().read(0, READ).await), Errno(libc::ETIMEDOUT));
    assert!((2..=5).contains(&world.requests().len()), "{:?}", world.requests());
}
