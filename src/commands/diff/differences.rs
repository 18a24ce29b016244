//! The facts by which two files differ, in words. Pure.

use std::fmt;

use bytesize::ByteSize;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::facts::{Facts, Level, Taken, Zone, set};
use super::levels::Levels;
use super::sizes::{self, Cause};

/// A fact by which two files differ.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Difference {
    /// `sha256`, `size`, `dimensions`, `camera` or `time`.
    pub fact: &'static str,
    /// The local file's.
    pub here: String,
    /// The item's.
    pub album: String,
    /// What may explain it: `place`, `metadata` or `zone`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub may_be: Option<&'static str>,
}

/// `other size: 2.1 MB here, 2.0 MB there: the place may be removed`
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fact, here, album, may_be } = self;
        match *fact {
            HASH => return f.write_str("other bytes, by their SHA-256"),
            SIZE => write!(f, "other size: {}", Sizes(here, album))?,
            _ => write!(f, "other {fact}: {here} here, {album} there")?,
        }
        f.write_str(match *may_be {
            Some(PLACE) => ": the place may be removed",
            Some(METADATA) => ": the metadata may be written anew",
            Some(ZONE) => ": it may be the zone",
            _ => "",
        })
    }
}

const HASH: &str = "sha256";
/// The fact that is a size.
pub const SIZE: &str = "size";
const DIMENSIONS: &str = "dimensions";
const CAMERA: &str = "camera";
const TIME: &str = "time";

const PLACE: &str = "place";
const METADATA: &str = "metadata";
const ZONE: &str = "zone";

impl Difference {
    /// Of two sizes in bytes.
    pub fn size(here: u64, album: u64) -> Self {
        Self { fact: SIZE, here: here.to_string(), album: album.to_string(), may_be: None }
    }

    /// Of two pairs of dimensions, as `640×480`.
    pub fn dimensions(here: String, album: String) -> Self {
        Self { fact: DIMENSIONS, here, album, may_be: None }
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

/// The facts that contradict each other, of two files that differ. A time is none of them: Google
/// shows the time of the upload for one that it cannot read, and the user may have changed it.
pub fn differences(here: &Facts, there: &Facts) -> Vec<Difference> {
    if let (Some(a), Some(b)) = (here.hash, there.known())
        && a != b
    {
        let (here, album) = (a.to_string(), b.to_string());
        return vec![Difference { fact: HASH, here, album, may_be: None }];
    }
    let levels = Levels::of(here, there);
    let level = |fact: &str| match fact {
        SIZE => levels.size,
        DIMENSIONS => levels.dimensions,
        CAMERA => levels.camera,
        _ => Level::Unknown,
    };
    let mut all = doubts(here, there);
    all.retain(|it| level(it.fact) == Level::Other);
    all
}

/// All facts that do not agree, of two files that may have the same content.
pub fn doubts(here: &Facts, there: &Facts) -> Vec<Difference> {
    let levels = Levels::of(here, there);
    let other = |level, fact, words: fn(&Facts) -> String| {
        let (here, album) = (words(here), words(there));
        (level == Level::Other).then_some(Difference { fact, here, album, may_be: None })
    };
    let sizes = here.size.zip(there.size).filter(|(a, b)| a != b);
    let size = sizes.map(|(a, b)| {
        let may_be = sizes::cause(here, there).map(|it| match it {
            Cause::Place => PLACE,
            Cause::Metadata => METADATA,
        });
        Difference { may_be, ..Difference::size(a, b) }
    });
    let dimensions = other(levels.dimensions, DIMENSIONS, |it| {
        let all: Vec<_> = it.dimensions.any.iter().map(|(x, y)| format!("{x}×{y}")).collect();
        all.join(" or ")
    });
    let camera = other(levels.camera, CAMERA, |it| it.models.join(" or "));
    [size, dimensions, camera, time(here, there, levels.time)].into_iter().flatten().collect()
}

/// The times that differ least.
fn time(here: &Facts, there: &Facts, level: Level) -> Option<Difference> {
    if !matches!(level, Level::Other | Level::Near) {
        return None;
    }
    let nearest = |named: bool| {
        let of_kind = set(&here.taken).filter(move |it| (it.zone == Zone::Name) == named);
        let pairs = of_kind.flat_map(|a| set(&there.taken).map(move |b| (a, b)));
        pairs.min_by_key(|(a, b)| a.seconds.abs_diff(b.seconds))
    };
    let (a, b) = nearest(false).or_else(|| nearest(true))?;
    let may_be = (level == Level::Near).then_some(ZONE);
    Some(Difference { fact: TIME, here: shown(a), album: shown(b), may_be })
}

/// `2019-04-28 09:00:05`
fn shown(taken: &Taken) -> String {
    let time = Timestamp::from_second(taken.seconds).map(|it| TimeZone::UTC.to_datetime(it));
    time.map_or_else(
        |_| taken.seconds.to_string(),
        |it| it.strftime("%Y-%m-%d %H:%M:%S").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::diff::facts::Dimensions;
    use crate::media::ContentHash;

    fn told(all: &[Difference]) -> String {
        all.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn differences_have_the_facts_of_both_sides() {
        let facts = |size, width, model: &str| Facts {
            size: Some(size),
            dimensions: Dimensions::firm(width, 30),
            models: vec![model.to_owned()],
            ..Facts::default()
        };
        let told = |here: &Facts, there: &Facts| told(&differences(here, there));
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

    #[test]
    fn doubts_say_what_may_explain_them() {
        let facts = |size, seconds| Facts {
            size: Some(size),
            taken: vec![Taken { seconds, zone: Zone::Local }],
            ..Facts::default()
        };
        let here =
            Facts { place: Some(200), header: Some(60_000), ..facts(2_052_000, 1_556_442_005) };
        let told = |there: &Facts| told(&doubts(&here, there));
        assert_eq!(told(&facts(2_052_000, 1_556_442_005)), "");
        assert_eq!(
            told(&facts(2_051_800, 1_556_445_605)),
            "other size: 2052000 bytes here, 2051800 there: the place may be removed; \
             other time: 2019-04-28 09:00:05 here, 2019-04-28 10:00:05 there: it may be the zone"
        );
        assert_eq!(
            told(&facts(2_000_000, 1_556_442_006)),
            "other size: 2.1 MB here, 2.0 MB there: the metadata may be written anew; \
             other time: 2019-04-28 09:00:05 here, 2019-04-28 09:00:06 there"
        );
        // The picture itself has more bytes.
        assert_eq!(told(&facts(1_900_000, 1_556_442_005)), "other size: 2.1 MB here, 1.9 MB there");
        // No clock was set here, so nothing is known.
        assert_eq!(told(&facts(2_052_000, 946_684_800)), "");
    }
}
