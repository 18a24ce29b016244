//! Decides whether a local file and an item have the same content, and how sure that is. Pure.

use std::fmt;

use serde::Serialize;

use crate::media::ContentHash;

/// Time zones differ by multiples of this, in seconds.
const ZONE_GRAIN: i64 = 900;
/// The largest offset of a time zone from UTC, in seconds.
const ZONE_MAX: i64 = 14 * 3600;

/// How much the removal of the GPS position may change a picture's size, in bytes: EXIF fits into
/// one JPEG segment.
const LOCATION_BYTES_MAX: u64 = 65_536;

/// A capture time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Seconds since 1970. If the zone is not known, as if it were UTC.
    pub seconds: i64,
    /// Whether the zone is known. Most cameras do not record it.
    pub zoned: bool,
}

/// The facts about a local file, or about an item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The capture time.
    pub taken: Option<Taken>,
    /// Width and height in pixels, in either order: Google turns pictures upright.
    pub dimensions: Option<(u32, u32)>,
    /// The camera model.
    pub model: Option<String>,
    /// Whether it has a GPS position. Google removes that, which changes the size.
    pub located: bool,
    /// The size in bytes, if it is known.
    pub size: Option<u64>,
    /// The hash of its bytes, if it is known.
    pub hash: Option<ContentHash>,
    /// The hash of the local file that `gphotosfs adopt` has matched to this item.
    pub adopted: Option<ContentHash>,
}

impl Facts {
    /// The hash of its bytes, from a hash or a match.
    pub fn known(&self) -> Option<ContentHash> {
        self.hash.or(self.adopted)
    }
}

/// How sure it is that two files have the same content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sure {
    /// Only the names agree, and nothing contradicts.
    Unknown,
    /// Some of capture time, dimensions and size agree.
    Likely,
    /// Capture time, dimensions and size agree.
    AlmostCertain,
    /// `gphotosfs adopt` has matched this file to the item.
    Adopted,
    /// The hashes are equal.
    Identical,
}

/// How sure it is that two files have the same content, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Evidence {
    /// How sure.
    pub sure: Sure,
    /// The facts that agree, if it is not by hash.
    #[serde(skip)]
    agreed: Agreed,
}

/// The facts that agree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Agreed {
    time: bool,
    camera: bool,
    dimensions: bool,
    size: Size,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Size {
    #[default]
    OtherOrUnknown,
    /// The removal of the GPS position explains the difference.
    Near,
    Same,
}

impl Evidence {
    /// Evidence by hash, or by name only.
    pub fn of(sure: Sure) -> Self {
        Self { sure, agreed: Agreed::default() }
    }

    /// The same evidence, but not surer than `sure`.
    pub fn at_most(self, sure: Sure) -> Self {
        Self { sure: self.sure.min(sure), ..self }
    }
}

/// A remark to follow a pair of names. Empty if there is no doubt.
impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self.sure {
            Sure::Identical => return Ok(()),
            Sure::Adopted => return f.write_str(" (adopted)"),
            Sure::Unknown => return f.write_str(" (nothing is known about the content)"),
            Sure::AlmostCertain => "almost certain",
            Sure::Likely => "likely",
        };
        let Agreed { time, camera, dimensions, size } = self.agreed;
        let words = [
            (time, "time"),
            (camera, "camera"),
            (dimensions, "dimensions"),
            (size == Size::Same, "size"),
            (size == Size::Near, "nearly the size"),
        ];
        let mut words: Vec<_> = words.iter().filter(|it| it.0).map(|it| it.1).collect();
        let last = words.pop().unwrap_or("name");
        let rest = words.join(", ");
        let and = if rest.is_empty() { "" } else { " and " };
        write!(f, " ({how}: same {rest}{and}{last})")
    }
}

/// Compares the facts of two files. `None` if they contradict each other.
pub fn classify(here: &Facts, there: &Facts) -> Option<Evidence> {
    if let (Some(a), Some(b)) = (here.hash, there.known()) {
        let sure = if there.hash.is_some() { Sure::Identical } else { Sure::Adopted };
        return (a == b).then(|| Evidence::of(sure));
    }
    let taken = agree(here.taken.as_ref(), there.taken.as_ref(), same_time);
    let dimensions = agree(here.dimensions.as_ref(), there.dimensions.as_ref(), |a, b| {
        a == b || *a == (b.1, b.0)
    });
    let model = agree(here.model.as_ref(), there.model.as_ref(), |a, b| {
        a.trim().eq_ignore_ascii_case(b.trim())
    });
    if [taken, dimensions, model].contains(&Some(false)) {
        return None;
    }
    let size = agree(here.size.as_ref(), there.size.as_ref(), PartialEq::eq);
    let near = |a: &u64, b: &u64| here.located && a.abs_diff(*b) <= LOCATION_BYTES_MAX;
    let size_is_near = agree(here.size.as_ref(), there.size.as_ref(), near) == Some(true);
    let size_says_no = size == Some(false) && !here.located;
    let sure = match (taken.is_some(), dimensions.is_some(), size == Some(true)) {
        (true, _, true) => Sure::AlmostCertain,
        // With another size it may be an edited version of the same picture.
        (true, true, false) if size_is_near => Sure::AlmostCertain,
        // Many pictures have the same dimensions, so these do not outweigh another size.
        (false, _, false) if size_says_no => return None,
        (false, false, false) => Sure::Unknown,
        _ => Sure::Likely,
    };
    let agreed = Agreed {
        time: taken.is_some(),
        camera: model.is_some(),
        dimensions: dimensions.is_some(),
        size: match (size, size_is_near) {
            (Some(true), _) => Size::Same,
            (_, true) => Size::Near,
            _ => Size::OtherOrUnknown,
        },
    };
    Some(Evidence { sure, agreed })
}

fn agree<T>(a: Option<&T>, b: Option<&T>, same: impl Fn(&T, &T) -> bool) -> Option<bool> {
    a.zip(b).map(|(a, b)| same(a, b))
}

fn same_time(a: &Taken, b: &Taken) -> bool {
    let apart = (a.seconds - b.seconds).abs();
    apart == 0 || !(a.zoned && b.zoned) && apart <= ZONE_MAX && apart % ZONE_GRAIN == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sure(here: &Facts, there: &Facts) -> Option<Sure> {
        classify(here, there).map(|it| it.sure)
    }

    fn facts(taken: Option<i64>, dimensions: Option<(u32, u32)>, size: u64) -> Facts {
        let taken = taken.map(|seconds| Taken { seconds, zoned: false });
        Facts { taken, dimensions, size: Some(size), ..Facts::default() }
    }

    #[test]
    fn more_evidence_makes_it_surer() {
        let square = Some((40, 40));
        for (here, there, expected) in [
            (facts(Some(5), square, 7), facts(Some(5), square, 7), Some(Sure::AlmostCertain)),
            (facts(Some(5), square, 7), facts(Some(905), square, 7), Some(Sure::AlmostCertain)),
            (facts(Some(5), square, 7), facts(Some(6), square, 7), None),
            (facts(Some(5), square, 7), facts(Some(5), square, 8), Some(Sure::Likely)),
            (facts(None, square, 7), facts(Some(5), square, 7), Some(Sure::Likely)),
            (facts(None, square, 7), facts(Some(5), square, 8), None),
            (facts(None, Some((30, 40)), 7), facts(None, Some((40, 30)), 7), Some(Sure::Likely)),
            (facts(Some(5), square, 7), facts(Some(5), Some((40, 41)), 7), None),
            (facts(None, None, 7), facts(None, None, 7), Some(Sure::Likely)),
        ] {
            assert_eq!(sure(&here, &there), expected, "{here:?} {there:?}");
        }
        let located = Facts { located: true, ..facts(Some(5), square, 7) };
        assert_eq!(sure(&located, &facts(Some(5), square, 8)), Some(Sure::AlmostCertain));
        assert_eq!(sure(&located, &facts(Some(5), square, 700_000)), Some(Sure::Likely));
        let video = Facts { size: None, ..facts(Some(5), square, 7) };
        assert_eq!(sure(&facts(Some(5), square, 7), &video), Some(Sure::Likely));
        assert_eq!(sure(&Facts::default(), &Facts::default()), Some(Sure::Unknown));
    }

    #[test]
    fn only_what_agrees_is_told() {
        let told = |here: &Facts, there: &Facts| classify(here, there).unwrap().to_string();
        let (square, other) = (Some((40, 40)), None);
        let plain = facts(None, square, 7);
        assert_eq!(told(&plain, &plain), " (likely: same dimensions and size)");
        let taken = facts(Some(5), square, 7);
        assert_eq!(told(&plain, &taken), " (likely: same dimensions and size)");
        assert_eq!(told(&taken, &taken), " (almost certain: same time, dimensions and size)");
        assert_eq!(told(&taken, &facts(Some(5), other, 8)), " (likely: same time)");
        let located = Facts { located: true, ..taken.clone() };
        assert_eq!(
            told(&located, &facts(Some(5), square, 8)),
            " (almost certain: same time, dimensions and nearly the size)"
        );
        let nothing = Facts::default();
        assert_eq!(told(&nothing, &nothing), " (nothing is known about the content)");
    }

    #[test]
    fn hashes_settle_it() {
        let with = |hash| Facts { hash: Some(ContentHash([hash; 32])), ..facts(None, None, 7) };
        assert_eq!(sure(&with(1), &with(1)), Some(Sure::Identical));
        assert_eq!(sure(&with(1), &with(2)), None);
        let adopted = |hash| Facts { hash: None, adopted: with(hash).hash, ..with(hash) };
        assert_eq!(sure(&with(1), &adopted(1)), Some(Sure::Adopted));
        assert_eq!(sure(&with(1), &adopted(2)), None);
    }

    #[test]
    fn another_camera_is_another_picture() {
        let with = |model: &str| Facts { model: Some(model.into()), ..facts(Some(5), None, 7) };
        assert_eq!(sure(&with("D750 "), &with("d750")), Some(Sure::AlmostCertain));
        assert_eq!(sure(&with("D750"), &with("6D")), None);
    }
}
