//! The filesystem without a mount, against the emulator: the requests that operations cost, and their results when the
//! service is slow, wrong or unreachable.

mod absence;
mod accounts;
mod cost;
mod hostile;
mod machines;
mod outages;
mod races;
mod results;
mod saver;
mod strangers;
mod writes;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use gphotosfs::api::LoginError;
use gphotosfs::fs::error::Errno;
use gphotosfs::fs::{AttrChange, Fh, Ino, Listed, Offset, Open, Rename};
use gphotosfs_emulator::{Call, Edit, Failure, Injection, Moment};

use crate::support::core::{Outcome, READ, REWRITE, ROOT, World, errno, file_id};
use crate::support::{jpeg, photo as content, wait_for};

fn size(world: &World, file: Ino) -> u64 {
    world.wait(world.fs.getattr(file)).unwrap().size
}

fn stat_all(world: &World, listed: &[Listed]) -> u64 {
    listed.iter().map(|entry| size(world, entry.ino)).sum()
}

/// Has a file downloaded, and waits until it is kept.
fn download(world: &World, file: Ino) {
    let info = world.store.file(file_id(file)).unwrap().unwrap();
    world.wait(world.engine().content.whole(&info)).unwrap();
}

/// Gives a file other bytes.
fn rewrite(world: &World, file: Ino, bytes: &[u8]) {
    world.finish(world.open(file, REWRITE).unwrap(), bytes).unwrap();
}

/// The directory of the content cache.
fn cache(world: &World) -> PathBuf {
    world.profile.cache_dir().unwrap().join("content")
}

fn photo(seed: u32) -> Vec<u8> {
    jpeg(seed, 3000)
}

/// Runs something, and says how long it took.
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begun = Instant::now();
    (work(), begun.elapsed())
}
