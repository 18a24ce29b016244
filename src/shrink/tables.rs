//! The quality of a JPEG, by its quantisation tables.

/// The quantisation tables of a picture, in the order of the file.
pub(super) type Tables = Vec<[u16; 64]>;

/// The table for brightness in annex K of T.81, at quality 50, in zigzag order as files have it.
const BRIGHTNESS: [u16; 64] = [
    16, 11, 12, 14, 12, 10, 16, 14, 13, 14, 18, 17, 16, 19, 24, 40, 26, 24, 22, 22, 24, 49, 35, 37,
    29, 40, 58, 51, 61, 60, 57, 51, 56, 55, 64, 72, 92, 78, 64, 68, 87, 69, 55, 56, 80, 109, 81,
    87, 95, 98, 103, 104, 103, 62, 77, 113, 121, 112, 100, 120, 92, 101, 103, 99,
];

/// The quality whose table of annex K is as fine on the whole as this one, 1 to 100.
pub(super) fn quality(table: &[u16; 64]) -> u32 {
    let sum: u32 = table.iter().map(|it| u32::from(*it)).sum();
    let at_50: u32 = BRIGHTNESS.iter().map(|it| u32::from(*it)).sum();
    // In percent of the table at 50.
    let scale = (sum * 100).div_ceil(at_50).max(1);
    let quality = if scale <= 100 { (200 - scale) / 2 } else { 5000 / scale };
    quality.clamp(1, 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quality_of_a_scaled_table_is_found_again() {
        for wanted in [20, 50, 75, 80, 85, 90, 95, 100] {
            let scale = if wanted < 50 { 5000 / wanted } else { 200 - 2 * wanted };
            let table = BRIGHTNESS
                .map(|it| ((u32::from(it) * scale + 50) / 100).clamp(1, 255).try_into().unwrap());
            let found = quality(&table);
            assert!(found.abs_diff(wanted) <= 1, "{found} instead of {wanted}");
        }
    }
}
