//! How near a copy is to its photo, by SSIMULACRA2.
//!
//! The measure takes a hundred bytes for each pixel, so it judges some squares of the picture.

use ssimulacra2::{ColorPrimaries, Rgb, TransferCharacteristic, compute_frame_ssimulacra2};

use super::pixels::Picture;

/// The side of a square. The measure looks at structures of up to 32 pixels.
const SIDE: u32 = 256;
/// The measure needs so many pixels in each direction.
const SIDE_MIN: u32 = 8;
/// How many squares are judged.
const SQUARES: usize = 6;

/// How near a copy is: 70 is high quality, and at 90 nobody can tell the two apart that stand beside
/// each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Likeness {
    /// The mean of the squares.
    pub(super) mean: f64,
    /// The square that has suffered most.
    pub(super) worst: f64,
}

/// Where a square lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Square {
    left: u32,
    top: u32,
    width: u32,
    height: u32,
}

/// Compares two pictures of the same size. `None` if they are too narrow for the measure.
pub(super) fn likeness(picture: &Picture, copy: &Picture) -> Option<Likeness> {
    let mut scores = Vec::with_capacity(SQUARES);
    for square in chosen(picture, copy) {
        let (one, other) = (frame(picture, square)?, frame(copy, square)?);
        scores.push(compute_frame_ssimulacra2(one, other).ok()?);
    }
    let worst = scores.iter().copied().fold(f64::INFINITY, f64::min);
    let mean = scores.iter().sum::<f64>() / scores.len() as f64;
    mean.is_finite().then_some(Likeness { mean, worst })
}

/// Squares to judge: the one that has changed most, the one that has changed least, and some between.
fn chosen(picture: &Picture, copy: &Picture) -> Vec<Square> {
    let mut all: Vec<_> =
        squares(picture).into_iter().map(|it| (error(picture, copy, it), it)).collect();
    // By their places, too, so that each run chooses the same.
    all.sort_unstable_by(|one, other| other.cmp(one));
    let count = all.len().min(SQUARES);
    let steps = (count - 1).max(1);
    (0..count).filter_map(|it| all.get(it * (all.len() - 1) / steps)).map(|it| it.1).collect()
}

/// All squares of a picture. The last ones of a row and of a column overlap with those before.
fn squares(picture: &Picture) -> Vec<Square> {
    let starts = |length: u32| {
        let last = length.saturating_sub(SIDE);
        (0..length.div_ceil(SIDE)).map(move |it| (it * SIDE).min(last))
    };
    let (width, height) = (picture.width.min(SIDE), picture.height.min(SIDE));
    starts(picture.height)
        .flat_map(|top| starts(picture.width).map(move |left| Square { left, top, width, height }))
        .collect()
}

/// The values of a square, row by row.
fn rows(picture: &Picture, square: Square) -> impl Iterator<Item = &[u8]> {
    let at = |it: u32| it as usize;
    let channels = picture.channels;
    let (from, length) = (at(square.left) * channels, at(square.width) * channels);
    let rows = picture.bytes.chunks(at(picture.width) * channels);
    rows.skip(at(square.top))
        .take(at(square.height))
        .filter_map(move |it| it.get(from..from + length))
}

/// The sum of the squared differences.
fn error(picture: &Picture, copy: &Picture, square: Square) -> u64 {
    let of_row = |(one, other): (&[u8], &[u8])| -> u64 {
        let pairs = one.iter().zip(other);
        u64::from(pairs.map(|(one, other)| u32::from(one.abs_diff(*other)).pow(2)).sum::<u32>())
    };
    rows(picture, square).zip(rows(copy, square)).map(of_row).sum()
}

fn frame(picture: &Picture, square: Square) -> Option<Rgb> {
    if square.width.min(square.height) < SIDE_MIN {
        return None;
    }
    let value = |it: u8| f32::from(it) / 255.0;
    let pixels = rows(picture, square).flat_map(|row| {
        row.chunks(picture.channels).map(|pixel| match *pixel {
            [red, green, blue] => [red, green, blue].map(value),
            _ => [value(pixel[0]); 3],
        })
    });
    let (width, height) = (square.width as usize, square.height as usize);
    let (transfer, primaries) = (TransferCharacteristic::SRGB, ColorPrimaries::BT709);
    Rgb::new(pixels.collect(), width, height, transfer, primaries).ok()
}

#[cfg(test)]
mod tests {
    use super::super::tests::pixels;
    use super::*;

    fn picture(width: u32, height: u32, channels: usize) -> Picture {
        let bytes = pixels(width, height, u32::try_from(channels).unwrap());
        Picture { width, height, channels, bytes }
    }

    #[test]
    fn squares_cover_all_of_a_picture() {
        for (width, height) in [(1, 1), (256, 256), (257, 300), (600, 20), (1300, 1000)] {
            let all = squares(&picture(width, height, 1));
            let covers = |x: u32, y: u32| {
                all.iter().any(|it| {
                    (it.left..it.left + it.width).contains(&x)
                        && (it.top..it.top + it.height).contains(&y)
                })
            };
            for (x, y) in [(0, 0), (width - 1, height - 1), (width / 2, height / 2)] {
                assert!(covers(x, y), "{x}, {y} of {width} × {height}");
            }
            assert!(
                all.iter().all(|it| it.left + it.width <= width && it.top + it.height <= height)
            );
        }
    }

    #[test]
    fn the_square_that_has_suffered_most_is_found_among_many() {
        for channels in [1, 3] {
            let original = picture(2100, 1500, channels);
            let mut copy = picture(2100, 1500, channels);
            assert_eq!(likeness(&original, &copy), Some(Likeness { mean: 100.0, worst: 100.0 }));
            for y in 700..760 {
                for x in 1900..1960 {
                    copy.bytes[(y * 2100 + x) * channels] ^= 0x30;
                }
            }
            let found = likeness(&original, &copy).unwrap();
            assert!(found.worst < 70.0 && found.mean > found.worst, "{found:?}");
        }
    }

    #[test]
    fn a_picture_that_is_too_narrow_is_not_judged() {
        assert_eq!(likeness(&picture(7, 900, 3), &picture(7, 900, 3)), None);
        assert!(likeness(&picture(8, 900, 3), &picture(8, 900, 3)).is_some());
    }
}
