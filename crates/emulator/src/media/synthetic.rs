//! Made-up photos, whose bytes are computed at download so that large libraries cost no disk.

use std::ops::Range;

/// A JPEG of two by two pixels up to its image data; synthetic items begin with it.
#[rustfmt::skip] // one line for each segment
const SYNTHETIC_HEAD: &[u8] = &[
    0xff, 0xd8,
    0xff, 0xe0, 0, 16, b'J', b'F', b'I', b'F', 0, 1, 1, 0, 0, 1, 0, 1, 0, 0,
    0xff, 0xc0, 0, 11, 8, 0, 2, 0, 2, 1, 1, 0x11, 0,
    0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0,
];

/// Bytes of the smallest synthetic item.
pub(crate) const SYNTHETIC_BYTES_MIN: u64 = SYNTHETIC_HEAD.len() as u64 + 2;

/// Part `range` of the content of a synthetic item: made up, the same each time, any part at once.
pub fn synthetic_content(seed: u64, size: u64, range: Range<u64>) -> Vec<u8> {
    let byte = |at: u64| {
        if let Some(byte) = SYNTHETIC_HEAD.get(at as usize) {
            *byte
        } else if at + 2 >= size {
            [0xff, 0xd9][(at + 2 - size) as usize]
        } else {
            // Below 0x80, so that nothing looks like a marker.
            (mix(seed ^ (at / 8).wrapping_mul(0x9e37_79b9_7f4a_7c15)) >> (at % 8 * 8)) as u8 & 0x7f
        }
    };
    (range.start..range.end.min(size)).map(byte).collect()
}

/// The finaliser of splitmix64.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_synthetic_content_fit_the_whole() {
        let whole = synthetic_content(7, 1000, 0..1000);
        assert_eq!(whole.len(), 1000);
        assert_eq!(whole[333..777], synthetic_content(7, 1000, 333..777));
        assert!(whole.ends_with(&[0xff, 0xd9]));
        assert_ne!(whole, synthetic_content(8, 1000, 0..1000));
    }
}
