//! The metadata in local photos and videos: capture time, camera and dimensions.

use std::path::Path;

use nom_exif::{EntryValue, Exif, ExifTag, MediaKind, MediaParser, MediaSource, TrackInfoTag};
use rayon::prelude::*;

use super::compare::Files;
use super::evidence::{Facts, Taken};

/// Adds the metadata of the files below `root`. Leaves out metadata that cannot be parsed.
pub fn add_facts(root: &Path, files: &mut Files<Facts>) {
    files.par_iter_mut().for_each_init(MediaParser::new, |parser, (name, facts)| {
        let path = root.join(name);
        let Ok(source) = MediaSource::open(&path) else { return };
        match source.kind() {
            MediaKind::Image => {
                facts.dimensions = picture_size(&path);
                if let Ok(exif) = parser.parse_exif(source) {
                    add_exif(&exif.into(), facts);
                }
            }
            MediaKind::Track => {
                let Ok(track) = parser.parse_track(source) else { return };
                let number = |tag| track.get(tag)?.as_u32().filter(|&it| it > 0);
                facts.dimensions = number(TrackInfoTag::Width).zip(number(TrackInfoTag::Height));
                facts.model = text(track.get(TrackInfoTag::Model));
                facts.taken = taken(track.get(TrackInfoTag::CreateDate))
                    // The format says UTC, but many cameras write local time.
                    .map(|it| Taken { zoned: false, ..it });
            }
        }
    });
}

/// The dimensions of the picture itself: EXIF may still have those before an edit.
fn picture_size(path: &Path) -> Option<(u32, u32)> {
    let size = imagesize::size(path).ok()?;
    Some((u32::try_from(size.width).ok()?, u32::try_from(size.height).ok()?))
}

fn add_exif(exif: &Exif, facts: &mut Facts) {
    facts.taken = taken(exif.get(ExifTag::DateTimeOriginal));
    facts.model = text(exif.get(ExifTag::Model));
    facts.located = exif.get(ExifTag::GPSLatitude).is_some() || exif.gps_info().is_some();
}

fn text(value: Option<&EntryValue>) -> Option<String> {
    let text = value?.as_str()?.trim_matches(['\0', ' ']);
    (!text.is_empty()).then(|| text.to_owned())
}

/// `None` also for a time before 1970, which cameras and containers write for an unknown time.
fn taken(value: Option<&EntryValue>) -> Option<Taken> {
    let time = value?.as_datetime()?;
    let zone = time.aware().map(|it| it.timestamp());
    let seconds = zone.unwrap_or_else(|| time.into_naive().and_utc().timestamp());
    (seconds > 0).then_some(Taken { seconds, zoned: zone.is_some() })
}
