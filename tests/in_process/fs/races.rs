//! Answers that come late, and operations that are interrupted.

use super::*;
use crate::support::{cached, eventually};

/// Waits until bytes or a size have been requested.
async fn requested(world: &World) {
    let requests = || world.emulator.stats().requests(Call::Download);
    eventually("the download to be requested", || requests() > 0).await;
}

#[test]
fn a_late_size_does_not_become_the_size_of_a_new_version() {
    let world = World::new(&[]);
    world.seed("Trip", 1);
    let trip = world.at("Trip").unwrap();
    let file = world.list(trip).unwrap()[0].ino;
    world.emulator.reset_stats();
    world.emulator.faults(|faults| faults.on(Call::Download).latency_ms = 600);
    let fs = world.fs.clone();
    let asking = world.runtime.spawn(async move { fs.getattr(file).await.unwrap() });
    world.wait(requested(&world));
    rewrite(&world, file, &photo(7));
    world.wait(asking).unwrap();
    assert_eq!(size(&world, file), photo(7).len() as u64);
    world.sync(trip).unwrap();
    assert_eq!(size(&world, file), photo(7).len() as u64);
}

#[test]
fn a_download_of_the_old_version_does_not_become_the_new_one() {
    let world = World::new(&[]);
    world.seed("Trip", 1);
    let trip = world.at("Trip").unwrap();
    let file = world.list(trip).unwrap()[0].ino;
    // The length comes at once, and the bytes later.
    world.emulator.faults(|faults| faults.on(Call::Download).bytes_per_s = Some(8000));
    let fs = world.fs.clone();
    let opened = world.wait(fs.open(file, READ)).unwrap();
    let mut reading = Box::pin(fs.read(opened.fh, 0, 9000));
    assert!(world.wait(async { futures_util::poll!(&mut reading) }).is_pending());
    rewrite(&world, file, &photo(7));
    assert_eq!(world.wait(reading).unwrap().len(), 5000);
    fs.release(opened.fh).unwrap();
    assert_eq!(size(&world, file), photo(7).len() as u64);
    let cached: Vec<_> =
        cached(&cache(&world)).iter().map(|entry| entry.metadata().unwrap().len()).collect();
    assert!(!cached.contains(&5000), "{cached:?}");
    world.sync(trip).unwrap();
    assert_eq!(world.read(file).unwrap(), photo(7));
}

#[test]
fn a_failed_download_without_readers_leaves_no_cache_file() {
    let mut world = World::new(&[]);
    world.seed("Trip", 1);
    let file = world.list(world.at("Trip").unwrap()).unwrap()[0].ino;
    world.restart();
    world.emulator.faults(|faults| {
        let failure = Injection::new(Failure::NotFound);
        faults.on(Call::Download).failures.push(Injection { rate: 1.0, ..failure });
    });
    let address = world.emulator.barrier(Call::MediaItemsBatchGet, 1, Moment::Request);
    world.interrupt(world.fs.open(file, READ), address.arrived());
    assert_eq!(cached(&cache(&world)).len(), 1);
    address.release();
    wait_for("the unfinished file to go", || cached(&cache(&world)).is_empty());
}

#[test]
fn an_interrupted_truncation_does_not_keep_the_file_open() {
    let world = World::new(&[]);
    world.seed("Trip", 1);
    let trip = world.at("Trip").unwrap();
    let file = world.list(trip).unwrap()[0].ino;
    world.emulator.reset_stats();
    world.emulator.faults(|faults| faults.on(Call::Download).latency_ms = 5000);
    let truncation = AttrChange { size: Some(100), ..AttrChange::default() };
    world.interrupt(world.fs.setattr(file, None, truncation), requested(&world));
    rewrite(&world, file, &photo(3));
    world.sync(trip).unwrap();
    assert_eq!(world.read(file).unwrap(), photo(3));
}

#[test]
fn an_interrupted_mkdir_that_is_repeated_makes_one_album() {
    let world = World::new(&[]);
    world.names(ROOT);
    let creation = world.emulator.barrier(Call::AlbumsCreate, 1, Moment::Request);
    world.interrupt(world.fs.mkdir(ROOT, b"Trip"), creation.arrived());
    let again = world.wait(async {
        let mut again = std::pin::pin!(world.fs.mkdir(ROOT, b"Trip"));
        assert!(futures_util::poll!(&mut again).is_pending());
        creation.release();
        again.await
    });
    assert_eq!(again.unwrap_err().errno(), Errno(libc::EEXIST));
    assert_eq!(world.emulator.dump().albums.len(), 1);
}
