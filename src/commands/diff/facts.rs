//! The facts about a local file or an item, and whether two of them agree. Pure.

use std::fmt;

use bytesize::ByteSize;
use serde::Serialize;

use crate::media::ContentHash;

/// Time zones differ by multiples of this, in seconds.
const ZONE_GRAIN: u64 = 900;
/// The largest offset of a time zone from UTC, in seconds.
const ZONE_MAX: u64 = 14 * 3600;

/// How much rewritten metadata may differ from their length in the file, in bytes.
const HEADER_SLACK: u64 = 8192;
/// EXIF takes no more bytes in a photo: a JPEG has it in one segment.
const EXIF_MAX: u64 = 65_536;
/// How much the size may differ from that without the place, in bytes. Google may leave its name.
const PLACE_SLACK: u64 = 64;

/// A capture time, as one place in a file has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Seconds since 1970. If the zone is not known, as if it were UTC.
    pub seconds: i64,
    /// How far it can be trusted.
    pub zone: Zone,
}

/// How far a capture time can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// It is in UTC.
    Utc,
    /// It is local time, or may be. Most cameras do not record the zone.
    Local,
    /// It is local time in the file's name, which says little.
    Name,
}

/// Width and height in pixels, in either order: Google turns pictures upright.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dimensions {
    /// Each pair that the file has. One of them is the picture's.
    pub any: Vec<(u32, u32)>,
    /// Whether no other pair is possible. Otherwise only agreement says something.
    pub firm: bool,
}

impl Dimensions {
    /// The only possible pair.
    pub fn firm(width: u32, height: u32) -> Self {
        Self { any: vec![(width, height)], firm: true }
    }
}

/// The facts about a local file, or about an item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The capture times. Any of them may be the one that Google has read.
    pub taken: Vec<Taken>,
    /// The dimensions.
    pub dimensions: Dimensions,
    /// The camera models. A file may have several parts with a model each.
    pub models: Vec<String>,
    /// How many bytes its place takes, if it has one. Google removes that.
    pub place: Option<u64>,
    /// How many bytes its EXIF takes, where the place is.
    pub exif: Option<u64>,
    /// How many bytes of metadata it has, any of which Google may write anew. `u64::MAX` if Google
    /// may give out another format.
    pub header: Option<u64>,
    /// The size in bytes, if it is known.
    pub size: Option<u64>,
    /// Whether the size follows from the dimensions, as that of an uncompressed picture does, or of
    /// one of a single colour. Another picture has the same size then.
    pub is_of_fixed_size: bool,
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

    /// Adds a camera model, unless it is empty or there already.
    pub fn add_model(&mut self, model: Option<impl AsRef<str>>) {
        let Some(model) = model else { return };
        let model = model.as_ref().trim();
        if !model.is_empty() && !self.models.iter().any(|it| it == model) {
            self.models.push(model.to_owned());
        }
    }

    /// Adds to the bytes of metadata that Google may write anew.
    pub fn add_header(&mut self, bytes: u64) {
        if bytes > 0 {
            self.header = Some(self.header.unwrap_or(0).saturating_add(bytes));
        }
    }
}

/// How well a fact agrees. A higher level is more evidence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The facts contradict each other.
    Other,
    /// Of a size: it differs by no more than the header, although Google had no reason to write
    /// that anew.
    Doubtful,
    /// One side does not have the fact, or it says nothing.
    #[default]
    Unknown,
    /// They may be the same, but the agreement says little. Of a size: Google may have removed the
    /// place and written the EXIF anew, or other pictures have this size, too. Of a time: they
    /// differ by a possible offset of a time zone.
    Near,
    /// Of a size: the removal of the place explains the difference.
    Explained,
    /// They are equal.
    Same,
}

/// How well the facts about two files agree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Levels {
    /// The sizes.
    pub size: Level,
    /// The dimensions.
    pub dimensions: Level,
    /// The camera models.
    pub camera: Level,
    /// The capture times.
    pub time: Level,
}

impl Levels {
    /// Compares a local file with an item.
    pub fn of(here: &Facts, there: &Facts) -> Self {
        Self {
            size: size(here, there),
            dimensions: dimensions(&here.dimensions, &there.dimensions),
            camera: camera(&here.models, &there.models),
            time: time(&here.taken, &there.taken),
        }
    }
}

fn size(here: &Facts, there: &Facts) -> Level {
    let Some((a, b)) = here.size.zip(there.size) else { return Level::Unknown };
    let apart = a.abs_diff(b);
    let is_within =
        |bytes: Option<u64>, slack: u64| bytes.is_some_and(|it| apart <= it.saturating_add(slack));
    let located = here.place.and(here.exif).map(|it| it.min(EXIF_MAX));
    let level = match () {
        () if apart == 0 => Level::Same,
        // The removal of a place does not make a file much longer.
        () if is_within(here.place, PLACE_SLACK) && b <= a.saturating_add(PLACE_SLACK) => {
            Level::Explained
        }
        () if is_within(located, HEADER_SLACK) => Level::Near,
        () if here.header.is_some() && apart <= PLACE_SLACK => Level::Unknown,
        () if is_within(here.header, HEADER_SLACK) => Level::Doubtful,
        () => Level::Other,
    };
    if here.is_of_fixed_size { level.min(Level::Near) } else { level }
}

fn dimensions(here: &Dimensions, there: &Dimensions) -> Level {
    let same = |a: &(u32, u32)| there.any.iter().any(|b| a == b || *a == (b.1, b.0));
    match () {
        () if here.any.is_empty() || there.any.is_empty() => Level::Unknown,
        () if here.any.iter().any(same) => Level::Same,
        () if here.firm && there.firm => Level::Other,
        () => Level::Unknown,
    }
}

/// Makers write the model with or without their name, so one may contain the other. Of several
/// models any may agree.
fn camera(here: &[String], there: &[String]) -> Level {
    let plain = |all: &[String]| -> Vec<_> {
        let all = all.iter().map(|it| it.trim().to_lowercase());
        all.filter(|it| !it.is_empty()).collect()
    };
    let (here, there) = (plain(here), plain(there));
    let same = |a: &String| there.iter().any(|b| a.contains(b) || b.contains(a));
    match () {
        () if here.is_empty() || there.is_empty() => Level::Unknown,
        () if here.iter().any(same) => Level::Same,
        () => Level::Other,
    }
}

fn time(here: &[Taken], there: &[Taken]) -> Level {
    let best = |named: bool| {
        let of_kind = here.iter().filter(move |it| (it.zone == Zone::Name) == named);
        of_kind.flat_map(|a| there.iter().map(move |b| same_time(a, b))).max()
    };
    // A name may have been given at any time, so it contradicts nothing.
    let by_name = best(true).filter(|it| *it != Level::Other);
    best(false).max(by_name).unwrap_or_default()
}

fn same_time(here: &Taken, there: &Taken) -> Level {
    let apart = here.seconds.abs_diff(there.seconds);
    match here.zone {
        Zone::Utc | Zone::Local if apart == 0 => Level::Same,
        Zone::Local | Zone::Name if apart <= ZONE_MAX && apart.is_multiple_of(ZONE_GRAIN) => {
            Level::Near
        }
        _ => Level::Other,
    }
}

/// A fact by which two files differ.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Difference {
    /// `sha256`, `size`, `dimensions` or `camera`.
    pub fact: &'static str,
    /// The local file's.
    pub here: String,
    /// The item's.
    pub album: String,
}

/// `other size: 2.1 MB here, 3.4 MB there`
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fact, here, album } = self;
        match *fact {
            HASH => f.write_str("other bytes, by their SHA-256"),
            SIZE => write!(f, "other size: {}", Sizes(here, album)),
            _ => write!(f, "other {fact}: {here} here, {album} there"),
        }
    }
}

const HASH: &str = "sha256";
const SIZE: &str = "size";
const DIMENSIONS: &str = "dimensions";

impl Difference {
    /// Of two sizes in bytes.
    pub fn size(here: u64, album: u64) -> Self {
        Self { fact: SIZE, here: here.to_string(), album: album.to_string() }
    }

    /// Of two pairs of dimensions, as `640×480`.
    pub fn dimensions(here: String, album: String) -> Self {
        Self { fact: DIMENSIONS, here, album }
    }
}

/// Two sizes, in bytes if they would look the same otherwise.
struct Sizes<'a>(&'a str, &'a str);

impl fmt::Display for Sizes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |bytes: &str| {
            bytes.parse().map_or(bytes.to_owned(), |it| ByteSize(it).display().si().to_string())
        };
        match (short(self.0), short(self.1)) {
            (here, there) if here == there => {
                write!(f, "{} bytes here, {} there", self.0, self.1)
            }
            (here, there) => write!(f, "{here} here, {there} there"),
        }
    }
}

/// The facts that contradict each other. A time is none of them: Google shows the time of the
/// upload for one that it cannot read, and the user may have changed it.
pub fn differences(here: &Facts, there: &Facts) -> Vec<Difference> {
    if let (Some(a), Some(b)) = (here.hash, there.known())
        && a != b
    {
        return vec![Difference { fact: HASH, here: a.to_string(), album: b.to_string() }];
    }
    let levels = Levels::of(here, there);
    let size = |it: &Facts| it.size.map_or_else(String::new, |it| it.to_string());
    let pixels = |it: &Facts| {
        let all: Vec<_> = it.dimensions.any.iter().map(|(x, y)| format!("{x}×{y}")).collect();
        all.join(" or ")
    };
    let model = |it: &Facts| it.models.join(" or ");
    let facts = [
        (SIZE, levels.size, size(here), size(there)),
        (DIMENSIONS, levels.dimensions, pixels(here), pixels(there)),
        ("camera", levels.camera, model(here), model(there)),
    ];
    let other = facts.into_iter().filter(|it| it.1 == Level::Other);
    other.map(|(fact, _, here, album)| Difference { fact, here, album }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sized(size: u64, place: Option<u64>, header: Option<u64>) -> Facts {
        Facts { size: Some(size), place, exif: header, header, ..Facts::default() }
    }

    #[test]
    fn sizes_may_differ_by_the_place_and_the_header() {
        let there = sized(1_000_000, None, None);
        let packet = |place| Facts { exif: Some(300), ..sized(1_000_000, place, Some(900_000)) };
        for (here, expected) in [
            (sized(1_000_000, None, None), Level::Same),
            (sized(1_000_001, None, None), Level::Other),
            (sized(1_000_001, None, Some(300)), Level::Unknown),
            (sized(1_004_000, None, Some(300)), Level::Doubtful),
            (sized(1_000_001, Some(200), Some(300)), Level::Explained),
            (sized(999_940, Some(200), Some(300)), Level::Explained),
            (sized(999_900, Some(200), Some(300)), Level::Near),
            (sized(1_004_000, Some(200), Some(300)), Level::Near),
            (sized(1_200_000, Some(200), Some(30_000)), Level::Other),
            (sized(9_000_000, None, Some(u64::MAX)), Level::Doubtful),
            (Facts::default(), Level::Unknown),
            // Only EXIF has the place: a long packet of XMP explains no more.
            (Facts { size: Some(1_008_000), ..packet(Some(200)) }, Level::Near),
            (Facts { size: Some(1_020_000), ..packet(Some(200)) }, Level::Doubtful),
            (sized(1_080_000, Some(200), Some(90_000)), Level::Doubtful),
        ] {
            assert_eq!(size(&here, &there), expected, "{here:?}");
        }
    }

    #[test]
    fn sizes_that_follow_from_the_dimensions_say_little() {
        let there = sized(1_000_000, None, None);
        let here = |size, place| Facts { is_of_fixed_size: true, ..sized(size, place, Some(300)) };
        assert_eq!(size(&here(1_000_000, None), &there), Level::Near);
        assert_eq!(size(&here(1_000_100, Some(200)), &there), Level::Near);
        assert_eq!(size(&here(1_000_001, None), &there), Level::Unknown);
        assert_eq!(size(&here(2_000_000, None), &there), Level::Other);
    }

    #[test]
    fn any_pair_of_dimensions_may_agree_and_only_firm_ones_contradict() {
        let there = Dimensions::firm(30, 40);
        let here = |any: &[(u32, u32)], firm| Dimensions { any: any.to_vec(), firm };
        for (here, expected) in [
            (here(&[(40, 30)], true), Level::Same),
            (here(&[(1, 2), (30, 40)], false), Level::Same),
            (here(&[(31, 40)], true), Level::Other),
            (here(&[(31, 40)], false), Level::Unknown),
            (here(&[], true), Level::Unknown),
        ] {
            assert_eq!(dimensions(&here, &there), expected, "{here:?}");
        }
    }

    #[test]
    fn any_time_may_agree_and_zones_are_quarter_hours() {
        let there = [Taken { seconds: -100, zone: Zone::Utc }];
        let of = |seconds, zone| time(&[Taken { seconds, zone }], &there);
        assert_eq!(of(-100, Zone::Utc), Level::Same);
        assert_eq!(of(-100, Zone::Local), Level::Same);
        assert_eq!(of(800, Zone::Local), Level::Near);
        assert_eq!(of(800, Zone::Utc), Level::Other);
        assert_eq!(of(801, Zone::Local), Level::Other);
        assert_eq!(of(15 * 3600 - 100, Zone::Local), Level::Other);
        assert_eq!(of(-100, Zone::Name), Level::Near);
        assert_eq!(of(-99, Zone::Name), Level::Unknown);
        assert_eq!(of(i64::MIN, Zone::Local), Level::Other);
        let both =
            [(7, Zone::Utc), (-100, Zone::Local)].map(|(seconds, zone)| Taken { seconds, zone });
        assert_eq!(time(&both, &there), Level::Same);
        assert_eq!(time(&[], &there), Level::Unknown);
    }

    #[test]
    fn models_may_have_the_makers_name_and_any_may_agree() {
        let of = |here: &[&str], there: &str| {
            let here: Vec<_> = here.iter().map(ToString::to_string).collect();
            camera(&here, &[there.to_owned()])
        };
        assert_eq!(of(&["NIKON D750 "], "d750"), Level::Same);
        assert_eq!(of(&["D750"], "6D"), Level::Other);
        assert_eq!(of(&["D750", "6D"], "6D"), Level::Same);
        assert_eq!(of(&[" "], "6D"), Level::Unknown);
        assert_eq!(of(&[], "6D"), Level::Unknown);
        assert_eq!(of(&["D750"], ""), Level::Unknown);
    }

    #[test]
    fn differences_have_the_facts_of_both_sides() {
        let facts = |size, width, model: &str| Facts {
            size: Some(size),
            dimensions: Dimensions::firm(width, 30),
            models: vec![model.to_owned()],
            ..Facts::default()
        };
        let told = |here: &Facts, there: &Facts| {
            let all: Vec<_> = differences(here, there).iter().map(ToString::to_string).collect();
            all.join("; ")
        };
        assert_eq!(
            told(&facts(2_100_000, 40, "D750"), &facts(3_400_000, 40, "6D")),
            "other size: 2.1 MB here, 3.4 MB there; other camera: D750 here, 6D there"
        );
        assert_eq!(
            told(&facts(3_400_001, 40, "D750"), &facts(3_400_000, 41, "D750")),
            "other size: 3400001 bytes here, 3400000 there; other dimensions: 40×30 here, 41×30 there"
        );
        let hashed = |of| Facts { hash: Some(ContentHash([of; 32])), ..facts(1, 1, "D750") };
        assert_eq!(told(&hashed(1), &hashed(2)), "other bytes, by their SHA-256");
    }
}
