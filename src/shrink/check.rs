//! Whether a copy shows the same picture.

use super::pixels::Picture;

/// The side of the squares that are compared. Compression keeps their mean colours.
const SIDE: usize = 16;
/// How far the mean of a square may differ, in steps of 256.
const DIFFERENCE_MAX: u64 = 12;

/// Whether both pictures have the same size, and each square the same mean colour.
pub(super) fn is_same(picture: &Picture, copy: &Picture) -> bool {
    if (picture.width, picture.height, picture.channels) != (copy.width, copy.height, copy.channels)
    {
        return false;
    }
    let row = picture.width as usize * picture.channels;
    picture.bytes.chunks(row * SIDE).zip(copy.bytes.chunks(row * SIDE)).all(|(one, other)| {
        let rows = one.len() / row;
        let (one, other) = (sums(one, row, picture.channels), sums(other, row, picture.channels));
        one.iter().zip(&other).enumerate().all(|(at, (one, other))| {
            let from = at / picture.channels * SIDE;
            let columns = SIDE.min(picture.width as usize - from);
            one.abs_diff(*other) <= DIFFERENCE_MAX * (rows * columns) as u64
        })
    })
}

/// The sums of the squares that stand beside each other, for each channel.
fn sums(band: &[u8], row: usize, channels: usize) -> Vec<u64> {
    let mut sums = vec![0; row.div_ceil(SIDE * channels) * channels];
    for row in band.chunks(row) {
        for (square, sums) in row.chunks(SIDE * channels).zip(sums.chunks_mut(channels)) {
            for pixel in square.chunks(channels) {
                for (value, sum) in pixel.iter().zip(sums.iter_mut()) {
                    *sum += u64::from(*value);
                }
            }
        }
    }
    sums
}
