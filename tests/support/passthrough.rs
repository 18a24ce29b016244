//! The parts that the tests of passthrough share, with and without support by the kernel.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

use super::World;

/// An album with a photo that Google has and of which the bytes are here.
pub fn world() -> (World, PathBuf) {
    let world = World::mounted();
    world.photo("1.jpg", 1, 300_000);
    world.sh("mkdir mnt/A && cp 1.jpg mnt/A/ && sync mnt/A");
    let path = world.mnt.join("A/1.jpg");
    (world, path)
}

/// A file opened for reading and writing.
pub fn read_write(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).open(path).unwrap()
}

/// A file's bytes from its beginning.
pub fn all_of(mut file: &File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

/// Compares without printing the bytes.
pub fn same(actual: &[u8], wanted: &[u8], what: &str) {
    assert!(actual == wanted, "{what}: {} bytes, wanted {}", actual.len(), wanted.len());
}
