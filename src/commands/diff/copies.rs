//! Recognises the smaller copies that gphotosfs makes of photos. Pure.

use super::evidence::Sure;
use super::facts::{Facts, Level, upright};
use super::levels::Levels;
use crate::media::Saver;
use crate::shrink;

/// Whether an item of the same name is the copy that `--quality saver` makes of the local file, and
/// how sure that is: the pixels are as many as it would have, the bytes as few, and the time agrees.
pub fn recognised(here: &Facts, there: &Facts, saver: Saver) -> Option<Sure> {
    let levels = Levels::of(here, there);
    // A hash that is known is another one.
    if there.known().is_some() || levels.camera == Level::Other {
        return None;
    }
    let few = there.size? * 100 <= here.size?.saturating_mul(shrink::PERCENT_MAX);
    let as_copy = |(x, y): (u32, u32)| shrink::size_of_copy(x, y, saver);
    let mut pairs = here.dimensions.beside(&there.dimensions);
    let same = pairs.any(|(a, b)| upright(as_copy(a)) == upright(b));
    let sure = match levels.time {
        Level::Same => Sure::AlmostCertain,
        Level::Near => Sure::Likely,
        _ => return None,
    };
    (few && same).then_some(sure)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::diff::facts::of_photo as facts;

    #[test]
    fn a_copy_of_ours_has_the_pixels_that_it_would_have() {
        let saver = Saver::default();
        let large = facts(12_000_000, (6000, 4000), 7);
        let (width, height) = shrink::size_of_copy(6000, 4000, saver);
        assert_eq!(
            recognised(&large, &facts(3_000_000, (width, height), 7), saver),
            Some(Sure::AlmostCertain)
        );
        assert_eq!(
            recognised(&large, &facts(3_000_000, (height, width), 7), saver),
            Some(Sure::AlmostCertain)
        );
        let later = facts(3_000_000, (width, height), 7 + 7200);
        assert_eq!(recognised(&large, &later, saver), Some(Sure::Likely));
        let small = facts(4_000_000, (4000, 3000), 7);
        assert_eq!(
            recognised(&small, &facts(2_000_000, (4000, 3000), 7), saver),
            Some(Sure::AlmostCertain)
        );
        for no in [
            facts(3_500_000, (4000, 3000), 7),
            facts(2_000_000, (3999, 3000), 7),
            facts(2_000_000, (4000, 3000), 8),
            Facts { taken: Vec::new(), ..facts(2_000_000, (4000, 3000), 7) },
            Facts { size: None, ..facts(2_000_000, (4000, 3000), 7) },
        ] {
            assert_eq!(recognised(&small, &no, saver), None, "{no:?}");
        }
    }
}
