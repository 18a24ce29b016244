//! Recognises the copies that Google makes of photos and videos in storage-saver quality. Pure.

use std::path::Path;

use super::comparison::{Comparison, Different};
use super::differences::Difference;
use super::facts::{Facts, Level, upright};
use super::levels::Levels;
use super::sides::Sides;

/// If both have the same pixels, the copy has so many percent of the bytes at most. An edit of the
/// metadata changes less.
const BYTES_PERCENT: u64 = 90;

/// Finds the items that are the local file in storage-saver quality, among those that differ.
pub fn find(sides: &Sides, result: &mut Comparison) {
    let smaller =
        |name: &Path| stored_smaller(sides.here.get(name)?, &sides.there.get(name)?.facts);
    for name in std::mem::take(&mut result.different) {
        match smaller(name.path()) {
            Some(by) => result.stored_smaller.push(Different { name, by }),
            None => result.different.push(name),
        }
    }
    let Comparison { different, different_by, .. } = result;
    different_by.retain(|it| different.contains(&it.name));
}

/// Whether an item of the same name is the local file with fewer pixels or fewer bytes, and by
/// which facts. The capture times must agree, and the shape must be the same. Without the item's size,
/// it must have fewer pixels.
pub fn stored_smaller(here: &Facts, there: &Facts) -> Option<Vec<Difference>> {
    let levels = Levels::of(here, there);
    if levels.time < Level::Near || levels.camera == Level::Other {
        return None;
    }
    let sizes = here.size.zip(there.size);
    let mut pairs = here.dimensions.beside(&there.dimensions);
    let (a, b) = pairs.find(|&(a, b)| {
        let few = |(here, there): (u64, u64)| there <= here.saturating_mul(BYTES_PERCENT) / 100;
        let same_pixels = upright(a) == upright(b);
        let fewer = sizes.is_none_or(|(here, there)| there < here);
        (same_pixels && sizes.is_some_and(few)) || (fewer && is_reduced(a, b))
    })?;
    let pixels = |it: (u32, u32)| format!("{}×{}", it.0, it.1);
    let other = (upright(a) != upright(b)).then(|| Difference::dimensions(pixels(a), pixels(b)));
    let size = sizes.map(|(here, there)| Difference::size(here, there));
    Some(other.into_iter().chain(size).collect())
}

/// Whether `b` has fewer pixels and the same shape, to a pixel.
fn is_reduced(a: (u32, u32), b: (u32, u32)) -> bool {
    let wide = |it| {
        let (x, y) = upright(it);
        (u64::from(x), u64::from(y))
    };
    let ((ax, ay), (bx, by)) = (wide(a), wide(b));
    bx < ax && by < ay && by > 0 && (ax * by).abs_diff(ay * bx) <= ax
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::diff::facts::of_photo as facts;

    #[test]
    fn a_copy_has_the_time_and_the_shape_and_less_of_the_rest() {
        let here = facts(12_000_000, (6000, 4000), 7);
        let of = |there: Facts| {
            let by = stored_smaller(&here, &there)?;
            Some(by.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
        };
        let size = "other size: 12.0 MB here, 3.0 MB there";
        let reduced = format!("other dimensions: 6000×4000 here, 4899×3266 there; {size}");
        assert_eq!(of(facts(3_000_000, (4899, 3266), 7)), Some(reduced));
        assert!(of(facts(3_000_000, (3266, 4899), 7)).is_some());
        let sizeless = Facts { size: None, ..facts(3_000_000, (4899, 3266), 7) };
        let pixels = "other dimensions: 6000×4000 here, 4899×3266 there";
        assert_eq!(of(sizeless).as_deref(), Some(pixels));
        assert_eq!(of(facts(3_000_000, (6000, 4000), 7)), Some(size.to_owned()));
        for no in [
            facts(11_500_000, (6000, 4000), 7),
            facts(12_000_001, (4899, 3266), 7),
            facts(3_000_000, (4899, 3270), 7),
            facts(3_000_000, (6001, 4001), 7),
            facts(3_000_000, (4899, 3266), 8),
            facts(3_000_000, (0, 0), 7),
            Facts { taken: Vec::new(), ..facts(3_000_000, (4899, 3266), 7) },
            Facts { size: None, ..facts(3_000_000, (6000, 4000), 7) },
            Facts { size: None, ..facts(3_000_000, (4899, 3266), 8) },
        ] {
            assert_eq!(of(no.clone()), None, "{no:?}");
        }
    }
}
