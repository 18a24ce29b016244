//! Answers that come late, and operations that are interrupted.

use super::*;

#[test]
fn a_size_that_comes_late_is_not_taken_for_that_of_a_new_version() {
    let world = World::new();
    world.seed("Trip", 1);
    let trip = world.dir("Trip");
    let file = world.list(trip)[0].ino;
    world.emulator().reset_stats();
    world.emulator().faults(|faults| faults.on(Call::Download).latency_ms = 600);
    let fs = world.fs();
    let asking = world.runtime.spawn(async move { fs.getattr(file).await.unwrap() });
    wait_for("the size to be asked for", || world.emulator().stats().requests(Call::Download) > 0);
    world.write(file, REWRITE, &photo(7));
    world.runtime.block_on(asking).unwrap();
    assert_eq!(world.size(file), photo(7).len() as u64);
    world.sync(trip);
    assert_eq!(world.size(file), photo(7).len() as u64);
}

#[test]
fn a_download_of_the_old_version_does_not_become_the_new_one() {
    let world = World::new();
    world.seed("Trip", 1);
    let trip = world.dir("Trip");
    let file = world.list(trip)[0].ino;
    // The length comes at once, and the bytes later.
    world.emulator().faults(|faults| faults.on(Call::Download).bytes_per_s = Some(8000));
    let fs = world.fs();
    let opened = world.runtime.block_on(fs.open(file, READ)).unwrap();
    let reader = fs.clone();
    let reading =
        world.runtime.spawn(async move { reader.read(opened.fh, 0, 9000).await.unwrap() });
    world.pause(200);
    world.write(file, REWRITE, &photo(7));
    assert_eq!(world.runtime.block_on(reading).unwrap().len(), 5000);
    fs.release(opened.fh).unwrap();
    assert_eq!(world.size(file), photo(7).len() as u64);
    let cached: Vec<_> =
        std::fs::read_dir(Profile::under(world.dir.path()).cache_dir().unwrap().join("content"))
            .unwrap()
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .collect();
    assert!(!cached.contains(&5000), "{cached:?}");
    world.sync(trip);
    assert_eq!(world.try_read(file).unwrap(), photo(7));
}

#[test]
fn a_download_that_fails_when_nobody_reads_any_more_leaves_nothing_behind() {
    let mut world = World::new();
    world.seed("Trip", 1);
    let file = world.list(world.dir("Trip"))[0].ino;
    world.restart();
    world.emulator().faults(|faults| {
        faults.on(Call::MediaItemsBatchGet).latency_ms = 600;
        let failure = Injection::new(Failure::NotFound);
        faults.on(Call::Download).failures.push(Injection { rate: 1.0, ..failure });
    });
    let fs = world.fs();
    world.interrupted(fs.open(file, READ));
    let cache = Profile::under(world.dir.path()).cache_dir().unwrap().join("content");
    wait_for("the unfinished file to go", || std::fs::read_dir(&cache).unwrap().count() == 0);
}

#[test]
fn an_interrupted_truncation_does_not_keep_the_file_open() {
    let world = World::new();
    world.seed("Trip", 1);
    let trip = world.dir("Trip");
    let file = world.list(trip)[0].ino;
    world.emulator().faults(|faults| faults.on(Call::Download).latency_ms = 5000);
    let fs = world.fs();
    world.interrupted(fs.setattr(
        file,
        None,
        AttrChange { size: Some(100), ..AttrChange::default() },
    ));
    world.write(file, REWRITE, &photo(3));
    world.sync(trip);
    assert_eq!(world.try_read(file).unwrap(), photo(3));
}

#[test]
fn an_interrupted_mkdir_that_is_repeated_makes_one_album() {
    let world = World::new();
    world.names(ROOT);
    world.emulator().faults(|faults| faults.on(Call::AlbumsCreate).latency_ms = 4000);
    let fs = world.fs();
    world.interrupted(fs.mkdir(ROOT, b"Trip"));
    assert_eq!(world.mkdir("Trip"), Err(errno(libc::EEXIST)));
    assert_eq!(world.emulator().dump().albums.len(), 1);
}
