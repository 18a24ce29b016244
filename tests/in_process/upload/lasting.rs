//! Failures that last: how many bytes and requests they cost.

use std::time::Instant;

use gphotosfs_emulator::{FileMatch, Stage};

use super::refusals::poison;
use super::*;

/// A video of that size, as far as anybody sees who does not play it.
fn clip(size: usize) -> Vec<u8> {
    let mut bytes = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom".to_vec();
    bytes.resize(size, 0);
    bytes
}

/// The program's waits are shorter by this.
const PACE: u32 = 50;

/// With the waits of the program, but for the pace.
async fn paced() -> World {
    let mut world = World::new().await;
    world.pipeline.shutdown().await;
    world.store = Store::open(world.dir.path()).unwrap();
    let keep = Arc::new(|_, _, _: &Path| {});
    let config = upload::Config::new(world.dir.path().join("spool"), keep).paced(PACE);
    let (store, client) = (world.store.clone(), world.client.clone());
    let handle = tokio::runtime::Handle::current();
    world.pipeline = Pipeline::start(config, store, client, &handle).unwrap();
    world
}

fn lose_all_answers(world: &World, size: usize) {
    let file = FileMatch { size: Some(size as u64), ..FileMatch::default() };
    poison(world, file, Stage::Upload, Failure::NoToken);
}

/// Writes a photo, and waits until it has arrived.
async fn another_arrives(world: &World, dir: DirId, photos: &mut u64) {
    world.write(dir, &format!("{photos}.jpg"), &small_photo(*photos));
    let hash = sha256(&small_photo(*photos));
    world.until(|world| world.remote("one").contains(&hash)).await;
    *photos += 1;
}

/// How often all bytes of the clip were sent, beside those of so many small photos.
fn times_sent(world: &World, size: usize, photos: u64) -> u64 {
    (world.emulator.stats().upload_bytes - photos * support::files::SMALL) / size as u64
}

/// > The bytes of a file whose upload ends without a result are sent again ever more rarely: at most
/// > four times in the first 75 seconds, and in the end at most twice an hour.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_whose_answers_are_lost_is_sent_ever_more_rarely() {
    const SIZE: usize = 30 << 20;
    let world = paced().await;
    let dir = world.album("one").await;
    lose_all_answers(&world, SIZE);
    let begun = Instant::now();
    world.write(dir, "clip.mp4", &clip(SIZE));
    // Other files arrive meanwhile.
    let mut photos = 0;
    while begun.elapsed() < Duration::from_secs(75) / PACE {
        another_arrives(&world, dir, &mut photos).await;
    }
    let sent = times_sent(&world, SIZE, photos);
    assert!(sent <= 4, "{sent} times");
    world.until(|world| times_sent(world, SIZE, photos) >= 2).await;
    world.until(|world| world.failing() == ["one/clip.mp4"]).await;
    let failing = world.pipeline.queue().unwrap().failing;
    assert!(failing[0].since <= SystemTime::now() && !failing[0].error.is_empty(), "{failing:?}");
    assert_eq!(world.failed(dir), []);
    eprintln!("sent {sent} times, {photos} photos arrived meanwhile");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_whose_answers_are_always_lost_is_refused_after_thirty_failures() {
    const SIZE: usize = 9 << 20;
    let world = World::new().await;
    let dir = world.album("one").await;
    lose_all_answers(&world, SIZE);
    let file = world.write(dir, "clip.mp4", &clip(SIZE));
    // Somebody waits, so that batches are sent at once.
    let pipeline = world.pipeline.clone();
    let waiting = tokio::spawn(async move { pipeline.drain(SyncScope::All).await });
    let begun = Instant::now();
    let mut photos = 0;
    while world.failed(dir).is_empty() && begun.elapsed() < DEADLINE {
        another_arrives(&world, dir, &mut photos).await;
    }
    waiting.abort();
    let sent = times_sent(&world, SIZE, photos);
    let queue = world.pipeline.queue().unwrap().failing;
    assert_eq!(world.failed(dir), [("clip.mp4".into(), file)], "sent {sent} times: {queue:?}");
    assert_eq!(std::fs::metadata(world.pipeline.spool().path(file)).unwrap().len(), SIZE as u64);
    // A failure without the success of another file before it is not its own.
    assert!((30..=90).contains(&sent), "{sent} times");
}

/// The waits between the attempts grow, although each file has failed for itself.
#[tokio::test(flavor = "multi_thread")]
async fn items_that_all_fail_alike_cost_few_calls() {
    for code in [13, 8] {
        let world = paced().await;
        let dir = world.album("one").await;
        let failure = ItemFailure { rate: 1.0, ..ItemFailure::new(code) };
        world.emulator.faults(|faults| faults.item_failures = vec![failure]);
        let begun = Instant::now();
        for seed in 0..6 {
            world.write(dir, &format!("{seed}.jpg"), &small_photo(seed));
        }
        world.until(|_| begun.elapsed() >= Duration::from_secs(45) / PACE).await;
        let calls = world.emulator.stats().requests(Call::MediaItemsBatchCreate);
        eprintln!("code {code}: {calls} calls in 45 s");
        assert!((2..=15).contains(&calls), "{calls} calls");
        let blocked = world.pipeline.queue().unwrap().blocked.map(|it| it.reason);
        assert_eq!(blocked, Some(BlockedReason::ServerError));
        assert_eq!(world.failed(dir), []);
    }
}
