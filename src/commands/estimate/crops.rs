//! Crops of a photo and of its smaller copy, side by side, for people who want to see the loss.

use std::fs::OpenOptions;
use std::io::{self, Cursor, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use image::imageops::{self, FilterType};
use image::{DynamicImage, ImageFormat, RgbImage};
use rustix::fs::{AtFlags, CWD, linkat};

/// The side of a crop, in pixels of the original.
const SIDE: u32 = 400;
/// The white line between the two.
const GAP: u32 = 8;
/// So many places across and down are compared for detail.
const PLACES: u32 = 6;

/// Writes a new PNG: on the left the photo as it is, on the right the copy. It shows the place with
/// the most detail, pixel by pixel of the original.
///
/// # Errors
/// If a picture cannot be decoded, or the file exists or cannot be written.
pub(super) fn write(original: &[u8], copy: &[u8], path: &Path) -> io::Result<()> {
    let mut png = Cursor::new(Vec::new());
    let picture = side_by_side(original, copy)?;
    picture.write_to(&mut png, ImageFormat::Png).map_err(io::Error::other)?;
    let dir = path.parent().filter(|it| *it != Path::new("")).unwrap_or(Path::new("."));
    // The file has no name until it is whole, so that Ctrl-C leaves no half of a picture.
    let nameless = OpenOptions::new().write(true).custom_flags(libc::O_TMPFILE).open(dir);
    let Ok(mut file) = nameless else { return write_named(png.get_ref(), path) };
    file.write_all(png.get_ref())?;
    let by_number = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(linkat(CWD, by_number, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}

/// Writes a file where the file system has none without a name.
fn write_named(bytes: &[u8], path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    let outcome = file.write_all(bytes);
    if outcome.is_err() {
        // It is ours, and half of a picture helps nobody.
        std::fs::remove_file(path)?;
    }
    outcome
}

fn side_by_side(original: &[u8], copy: &[u8]) -> io::Result<RgbImage> {
    let decoded = |bytes| {
        let picture = image::load_from_memory_with_format(bytes, ImageFormat::Jpeg);
        picture.map(DynamicImage::into_rgb8).map_err(io::Error::other)
    };
    let original = decoded(original)?;
    let copy = decoded(copy)?;
    let (width, height) = original.dimensions();
    let side = (SIDE.min(width), SIDE.min(height));
    let (x, y) = place(&original, side);
    let left = imageops::crop_imm(&original, x, y, side.0, side.1).to_image();
    // The same place of a resized copy has fewer pixels.
    let scaled = |it: u32| (u64::from(it) * u64::from(copy.width()) / u64::from(width)) as u32;
    let within = imageops::crop_imm(&copy, scaled(x), scaled(y), scaled(side.0), scaled(side.1));
    let within = within.to_image();
    let right = match copy.dimensions() == original.dimensions() {
        true => within,
        false => imageops::resize(&within, side.0, side.1, FilterType::CatmullRom),
    };
    let mut both = RgbImage::from_pixel(side.0 * 2 + GAP, side.1, image::Rgb([255; 3]));
    imageops::replace(&mut both, &left, 0, 0);
    imageops::replace(&mut both, &right, i64::from(side.0 + GAP), 0);
    Ok(both)
}

/// The corner of the crop with the most detail.
fn place(picture: &RgbImage, side: (u32, u32)) -> (u32, u32) {
    let (right, below) = (picture.width() - side.0, picture.height() - side.1);
    let places = (0..PLACES).flat_map(|y| (0..PLACES).map(move |x| (x, y)));
    let corners = places.map(|(x, y)| (right * x / (PLACES - 1), below * y / (PLACES - 1)));
    corners.max_by_key(|&corner| detail(picture, corner, side)).unwrap_or_default()
}

/// How much neighbouring pixels differ.
fn detail(picture: &RgbImage, (x, y): (u32, u32), side: (u32, u32)) -> u64 {
    let green = |x, y| picture.get_pixel(x, y).0[1];
    let rows = (y..y + side.1).step_by(4);
    let steps = rows.flat_map(|y| (x + 1..x + side.0).map(move |x| (x, y)));
    steps.map(|(x, y)| u64::from(green(x, y).abs_diff(green(x - 1, y)))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jpeg(width: u32, height: u32) -> Vec<u8> {
        let picture = RgbImage::from_fn(width, height, |x, y| {
            // Only one corner has detail.
            let grain = if x > width / 2 && y > height / 2 { (x * 7 + y * 3) % 90 } else { 0 };
            image::Rgb([(60 + grain) as u8; 3])
        });
        let mut bytes = io::Cursor::new(Vec::new());
        picture.write_to(&mut bytes, ImageFormat::Jpeg).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn crops_stand_side_by_side_at_the_place_with_detail() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.png");
        write(&jpeg(1000, 900), &jpeg(800, 720), &path).unwrap();
        let both = image::open(&path).unwrap().into_rgb8();
        assert_eq!(both.dimensions(), (SIDE * 2 + GAP, SIDE));
        let varied = |x: u32| (0..50).any(|it| both.get_pixel(x + it, 300).0[1] > 100);
        assert!(varied(200) && varied(SIDE + GAP + 200));
        let error = write(&jpeg(1000, 900), &jpeg(800, 720), &path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        let error = write(b"no picture", b"nor this", &dir.path().join("b.png"));
        assert!(error.is_err() && !dir.path().join("b.png").exists());
    }

    #[test]
    fn a_small_photo_is_shown_whole() {
        let both = side_by_side(&jpeg(300, 200), &jpeg(300, 200)).unwrap();
        assert_eq!(both.dimensions(), (600 + GAP, 200));
    }
}
