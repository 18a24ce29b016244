//! The capture time in a file's name, as phones write it. Pure.

use std::path::Path;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::commands::diff::facts::{Taken, Zone};

/// The time in a name as `IMG_20190428_090005.jpg`.
pub fn taken(name: &Path) -> Option<Taken> {
    let stem = name.file_stem()?.to_str()?;
    let starts = stem.char_indices().filter(|(_, it)| it.is_ascii_digit()).map(|(at, _)| at);
    starts.filter_map(|at| time(stem.get(at..)?)).next()
}

/// The time at the beginning of a text.
fn time(text: &str) -> Option<Taken> {
    let is_number = |it: &str| it.bytes().all(|byte| byte.is_ascii_digit());
    let (day, rest) = text.split_at_checked(8)?;
    let rest = rest.strip_prefix(['_', '-', 'T', ' ']).unwrap_or(rest);
    let clock = rest.get(..6)?;
    if !is_number(day) || !is_number(clock) {
        return None;
    }
    let time = DateTime::strptime("%Y%m%d%H%M%S", format!("{day}{clock}")).ok()?;
    // A number of other digits may look like a time.
    if !(1900..2100).contains(&time.year()) {
        return None;
    }
    let seconds = TimeZone::UTC.to_timestamp(time).ok()?.as_second();
    Some(Taken { seconds, zone: Zone::Name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phones_write_the_time_into_names() {
        let expected = Some(Taken { seconds: 1_556_442_005, zone: Zone::Name });
        for name in [
            "IMG_20190428_090005.jpg",
            "sub/PXL_20190428_090005123.MP.jpg",
            "20190428090005.mp4",
            "VID-20190428T090005-é.mp4",
        ] {
            assert_eq!(taken(Path::new(name)), expected, "{name}");
        }
        for name in ["IMG_0001.jpg", "20191328_090005.jpg", "99999999999999.jpg", "é.jpg", ""] {
            assert_eq!(taken(Path::new(name)), None, "{name}");
        }
    }
}
