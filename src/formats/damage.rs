//! The fixtures of tests/fixtures/media, whole and damaged, for the tests of readers.

use std::collections::BTreeMap;
use std::path::PathBuf;

use rand::RngExt;
use rand::rngs::StdRng;

/// The directory of the fixtures.
pub fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/media")
}

/// The fixtures by their names.
pub fn contents() -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(fixtures()).unwrap().map(|it| it.unwrap());
    let files = entries.map(|it| {
        let name = it.file_name().into_string().unwrap();
        (name, std::fs::read(it.path()).unwrap())
    });
    files.filter(|(name, _)| name != "facts.json").collect()
}

/// Damages a file: flips bytes, cuts it, or writes a large number into it.
pub fn damaged(content: &[u8], random: &mut StdRng) -> Vec<u8> {
    let mut damaged = content.to_vec();
    for _ in 0..random.random_range(1..8) {
        let at = random.random_range(0..damaged.len().max(1));
        match random.random_range(0..4) {
            0 => damaged.truncate(at.max(8)),
            1 => {
                let end = (at + 4).min(damaged.len());
                damaged[at.min(end)..end].fill(0xff);
            }
            _ => {
                if let Some(byte) = damaged.get_mut(at) {
                    *byte = random.random();
                }
            }
        }
    }
    damaged
}
