//! Bytes of photos, and their hashes.

use std::fs::DirEntry;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use gphotosfs::api::Payload;
use gphotosfs_emulator::synthetic_content;
use sha2::{Digest, Sha256};

/// A photo of exactly `len` bytes by its headers, in which no picture can be decoded. A different one
/// for each `seed`; it may be as short as 200 bytes.
pub fn photo(seed: u64, len: u64) -> Vec<u8> {
    synthetic_content(seed, len, 0..len)
}

/// The size of [`small_photo`] in bytes, and of the photos that a test seeds.
pub const SMALL: u64 = 5000;

/// As [`photo`], if the size does not matter.
pub fn small_photo(seed: u64) -> Vec<u8> {
    photo(seed, SMALL)
}

/// A hash as the emulator writes it.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The files in a content cache, without the marker of its directory.
pub fn cached(dir: &Path) -> Vec<DirEntry> {
    let entries = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
    entries.filter(|entry| entry.file_name() != "CACHEDIR.TAG").collect()
}

/// Bytes as the API client uploads them.
pub fn payload(bytes: &[u8]) -> Payload {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Payload {
        file: Arc::new(file),
        len: bytes.len() as u64,
        mime: "image/jpeg".into(),
        sha1: sha1::Sha1::digest(bytes).into(),
        sent: Arc::default(),
        turn: None,
    }
}

/// A real JPEG of this size, whose content depends on `seed`.
pub fn picture(seed: u32, (width, height): (u16, u16)) -> Vec<u8> {
    let pixels: Vec<u8> = (0..u32::from(width) * u32::from(height) * 3)
        .map(|at| {
            (at.wrapping_mul(2_654_435_761).wrapping_add(seed.wrapping_mul(40_503)) >> 13) as u8
        })
        .collect();
    let mut picture = Vec::new();
    image::codecs::jpeg::JpegEncoder::new(&mut picture)
        .encode(&pixels, width.into(), height.into(), image::ExtendedColorType::Rgb8)
        .unwrap();
    picture
}

/// A JPEG as a camera stores it, whose content depends on `seed`: it can be made much smaller.
pub fn camera_jpeg(seed: u32, (width, height): (u32, u32)) -> Vec<u8> {
    let mut grain = seed.wrapping_mul(2_654_435_761) | 1;
    let mut pixels = Vec::with_capacity((width * height * 3) as usize);
    for at in 0..width * height {
        grain ^= grain << 13;
        grain ^= grain >> 17;
        grain ^= grain << 5;
        let (x, y) = (at % width, at / width);
        for channel in 0..3 {
            let slope = (x * (channel + 1) + y * 2) * 160 / (width * 3 + height * 2);
            pixels.push((slope + 10 + grain % 13) as u8);
        }
    }
    let mut picture = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut picture, 98)
        .encode(&pixels, width, height, image::ExtendedColorType::Rgb8)
        .unwrap();
    picture
}

/// A real JPEG of about `len` bytes, at least 2 kB, whose content depends on `seed`.
pub fn jpeg(seed: u32, len: usize) -> Vec<u8> {
    let picture = picture(seed, (48, 32));
    // Comment segments make up the length; they come right behind the start marker.
    let mut bytes = picture[..2].to_vec();
    let mut left = len.saturating_sub(picture.len());
    let mut fill = seed;
    while left > 8 {
        let part = left.min(60_000);
        bytes.extend([0xff, 0xfe]);
        bytes.extend(u16::try_from(part - 2).unwrap().to_be_bytes());
        bytes.extend((4..part).map(|_| {
            fill = fill.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (fill >> 24) as u8
        }));
        left -= part;
    }
    bytes.extend(&picture[2..]);
    bytes
}

/// Copies a directory with all below it.
pub fn copy_tree(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.unwrap();
        let target = to.join(entry.path().strip_prefix(from).unwrap());
        if entry.file_type().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}
