//! How well two sizes agree, and what may explain a difference. Pure.

use super::facts::{Facts, Level};

/// How much the size may differ from that without the place, in bytes. Google may leave its name.
const PLACE_SLACK: u64 = 64;
/// How much rewritten metadata may differ from their length in the file, in bytes.
const HEADER_SLACK: u64 = 8192;

/// Sizes of one camera's pictures, and of edits of one, spread by a tenth or more. If an
/// explanation allows for so small a part of the picture, another picture is a coincidence of one
/// to some hundreds.
const PARTS_SURE: u64 = 1000;
/// As [`PARTS_SURE`], for one to some tens.
const PARTS_LIKELY: u64 = 200;

/// What may explain that two files of one content have different sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Google removes the place.
    Place,
    /// Google may have written the metadata anew.
    Metadata,
}

/// How well the sizes agree.
pub fn level(here: &Facts, there: &Facts) -> Level {
    let Some((a, b)) = here.size.zip(there.size) else { return Level::Unknown };
    let apart = a.abs_diff(b);
    let picture = picture(here, a);
    let is_small = |bytes: u64, parts: u64| bytes.saturating_mul(parts) <= picture;
    let level = match place(here, a, b) {
        _ if apart == 0 => Level::Same,
        Some(allowed) if is_small(allowed, PARTS_SURE) => Level::Explained,
        Some(allowed) if is_small(allowed, PARTS_LIKELY) => Level::Near,
        Some(_) => Level::Doubtful,
        None => match here.header {
            Some(_) if apart <= PLACE_SLACK && is_small(2 * PLACE_SLACK, PARTS_LIKELY) => {
                Level::Unknown
            }
            Some(bytes) if apart <= bytes.saturating_add(HEADER_SLACK) => Level::Doubtful,
            _ => Level::Other,
        },
    };
    if here.is_of_fixed_size { level.min(Level::Near) } else { level }
}

/// What may explain the difference of the sizes, if there is one.
pub fn cause(here: &Facts, there: &Facts) -> Option<Cause> {
    let (a, b) = here.size.zip(there.size).filter(|(a, b)| a != b)?;
    if place(here, a, b).is_some() {
        return Some(Cause::Place);
    }
    let header = here.header?;
    // Google leaves the compressed picture as it is.
    let without = a.saturating_sub(header).saturating_sub(PLACE_SLACK);
    (without..=a.saturating_add(HEADER_SLACK)).contains(&b).then_some(Cause::Metadata)
}

/// How many bytes the compressed picture takes, without the metadata.
fn picture(here: &Facts, size: u64) -> u64 {
    here.header.and_then(|it| size.checked_sub(it)).unwrap_or(size)
}

/// How many sizes the removal of the place would explain, if this is one of them. It does not make
/// a file much longer.
fn place(here: &Facts, a: u64, b: u64) -> Option<u64> {
    let place = here.place?;
    let without = a.saturating_sub(place).saturating_sub(PLACE_SLACK);
    let explained = without..=a.saturating_add(PLACE_SLACK);
    explained.contains(&b).then_some(place.saturating_add(2 * PLACE_SLACK))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sized(size: u64, place: Option<u64>, header: Option<u64>) -> Facts {
        Facts { size: Some(size), place, header, ..Facts::default() }
    }

    #[test]
    fn the_place_explains_what_few_other_pictures_would_match() {
        let there = sized(1_000_000, None, None);
        for (here, expected) in [
            (sized(1_000_000, None, None), Level::Same),
            (sized(1_000_001, None, None), Level::Other),
            (sized(1_000_001, None, Some(300)), Level::Unknown),
            (sized(1_004_000, None, Some(300)), Level::Doubtful),
            (sized(1_000_001, Some(200), Some(300)), Level::Explained),
            (sized(1_000_264, Some(200), Some(300)), Level::Explained),
            (sized(999_936, Some(200), Some(300)), Level::Explained),
            (sized(999_935, Some(200), Some(300)), Level::Doubtful),
            (sized(1_000_265, Some(200), Some(300)), Level::Doubtful),
            (sized(1_004_000, Some(200), Some(300)), Level::Doubtful),
            (sized(1_200_000, Some(200), Some(30_000)), Level::Other),
            (sized(9_000_000, None, Some(u64::MAX)), Level::Doubtful),
            // Most of the file are metadata, such as a large thumbnail.
            (sized(1_000_100, Some(200), Some(800_000)), Level::Near),
            (sized(1_000_100, Some(200), Some(990_000)), Level::Doubtful),
            (sized(1_000_001, None, Some(990_000)), Level::Doubtful),
            (Facts::default(), Level::Unknown),
        ] {
            assert_eq!(level(&here, &there), expected, "{here:?}");
        }
    }

    #[test]
    fn the_difference_of_a_small_picture_is_no_agreement() {
        // Two pictures of one second; and a photo with another comment.
        for (here, there) in
            [(sized(4081, Some(150), Some(400)), 4050), (sized(4081, None, Some(400)), 4080)]
        {
            assert_eq!(level(&here, &sized(there, None, None)), Level::Doubtful, "{here:?}");
        }
    }

    #[test]
    fn sizes_that_other_pictures_share_say_little() {
        let there = sized(1_000_000, None, None);
        let here = |size, place| Facts { is_of_fixed_size: true, ..sized(size, place, Some(300)) };
        assert_eq!(level(&here(1_000_000, None), &there), Level::Near);
        assert_eq!(level(&here(1_000_100, Some(200)), &there), Level::Near);
        assert_eq!(level(&here(1_000_001, None), &there), Level::Unknown);
        assert_eq!(level(&here(2_000_000, None), &there), Level::Other);
    }

    #[test]
    fn metadata_explain_no_more_than_their_length() {
        let there = sized(73_523, None, None);
        let of = |here: Facts| cause(&here, &there);
        assert_eq!(of(sized(73_523, Some(200), Some(60_000))), None);
        assert_eq!(of(sized(73_600, Some(200), Some(60_000))), Some(Cause::Place));
        assert_eq!(of(sized(111_343, Some(200), Some(60_000))), Some(Cause::Metadata));
        assert_eq!(of(sized(70_000, None, Some(300))), Some(Cause::Metadata));
        // The picture itself has more bytes.
        assert_eq!(of(sized(111_343, Some(200), Some(30_000))), None);
        assert_eq!(of(sized(74_000, None, None)), None);
    }
}
