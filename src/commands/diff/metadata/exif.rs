//! EXIF, by kamadak-exif.

use std::io::{Read, Seek};

use exif::{Context, In, Reader, Tag, Value};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::commands::diff::facts::{Facts, Taken, Zone};
use crate::formats::source::Source;

/// A TIFF block has its directories within so many bytes. Most RAW files have them in front, so the
/// first number mostly suffices.
const TIFF_BYTES: [u64; 2] = [256 << 10, 16 << 20];

/// The tags that may have the capture time, with those of their zones.
const TIMES: [(u16, u16); 3] = [(0x9003, 0x9011), (0x9004, 0x9012), (0x0132, 0x9010)];

/// Adds the EXIF of a PNG or WebP file.
pub fn of_picture<R: Read + Seek>(source: &mut Source<R>, facts: &mut Facts) {
    let mut reader = Reader::new();
    let found = reader.continue_on_error(true).read_from_container(&mut source.rewound());
    add(found, facts);
}

/// Adds the EXIF of a TIFF block at an offset: a TIFF or RAW file, or a part of one. Some RAW
/// formats have another number than 42 in its header.
pub fn of_tiff<R: Read + Seek>(source: &mut Source<R>, at: u64, facts: &mut Facts) {
    for bytes in TIFF_BYTES {
        let Some(mut block) = source.up_to(at, bytes) else { return };
        let is_whole = u64::try_from(block.len()).is_ok_and(|it| it < bytes);
        if let Some(number) = block.get_mut(2..4) {
            let is_big_endian = number[0] == 0 || number == b"OR";
            number.copy_from_slice(if is_big_endian { &[0, 42] } else { &[42, 0] });
        }
        let found = Reader::new().continue_on_error(true).read_raw(block);
        // A part of the directories, or of the values, may lie behind.
        if found.is_ok() || is_whole || bytes == TIFF_BYTES[1] {
            return add(found, facts);
        }
    }
}

/// Adds the EXIF of a TIFF block.
pub fn of_block(block: Vec<u8>, facts: &mut Facts) {
    add(Reader::new().continue_on_error(true).read_raw(block), facts);
}

fn add(found: Result<exif::Exif, exif::Error>, facts: &mut Facts) {
    let Ok(exif) = found.or_else(|error| error.distill_partial_result(|_| ())) else { return };
    let text = |number| text(&exif, number);
    for (time, zone) in TIMES {
        if let Some(time) = text(time) {
            facts.taken.extend(taken(&time, text(zone).as_deref()));
        }
    }
    facts.taken.extend(gps_time(&exif));
    facts.add_model(text(0x0110));
    let gps = exif.fields().filter(|it| it.tag.context() == Context::Gps);
    let located = exif.get_field(Tag::GPSLatitude, In::PRIMARY).is_some();
    if located {
        // Its entry and its value; a rational number takes eight bytes.
        let bytes = |value: &Value| match value {
            Value::Rational(all) => 8 * all.len(),
            Value::Ascii(all) => all.iter().map(|it| it.len() + 1).sum(),
            Value::Undefined(all, _) | Value::Byte(all) => all.len(),
            _ => 4,
        };
        let place: usize = gps.map(|it| 12 + bytes(&it.value)).sum();
        facts.place = facts.place.max(u64::try_from(place).ok());
    }
}

/// A text in the first directory or in that of EXIF. A block may be only one of these.
fn text(exif: &exif::Exif, number: u16) -> Option<String> {
    let of = |context| exif.get_field(Tag(context, number), In::PRIMARY);
    match &of(Context::Exif).or_else(|| of(Context::Tiff))?.value {
        Value::Ascii(lines) => {
            let line = String::from_utf8_lossy(lines.first()?);
            Some(line.trim_matches(['\0', ' ']).to_owned()).filter(|it| !it.is_empty())
        }
        _ => None,
    }
}

/// The times of `2019:04:28 09:00:05` and `+02:00`. Google may or may not honour the zone, so it
/// is both the time as it stands there and the one in UTC.
pub fn taken(time: &str, zone: Option<&str>) -> Vec<Taken> {
    let Some(seconds) = seconds(time) else { return Vec::new() };
    let local = Taken { seconds, zone: Zone::Local };
    let utc = zone.and_then(offset).map(|it| Taken { seconds: seconds - it, zone: Zone::Utc });
    [Some(local), utc].into_iter().flatten().collect()
}

/// The times of `2019-04-28T09:00:05+0200`, in UTC as well if the zone is there.
pub fn zoned(text: &str) -> Vec<Taken> {
    let Some((time, rest)) = text.split_at_checked(19) else { return Vec::new() };
    // Fractions of the second may stand before the zone.
    let zone = rest.find(['+', '-', 'Z']).and_then(|at| rest.get(at..));
    taken(time, zone)
}

/// A time as if it were in UTC. Some programs write dashes for the colons, or fractions behind.
fn seconds(text: &str) -> Option<i64> {
    let text = text.get(..19)?;
    let time = ["%Y:%m:%d %H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S"];
    let time = time.iter().find_map(|format| DateTime::strptime(format, text).ok())?;
    Some(TimeZone::UTC.to_timestamp(time).ok()?.as_second())
}

/// The seconds of `+02:00` or `+0200`.
fn offset(text: &str) -> Option<i64> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        b'Z' => return Some(0),
        _ => return None,
    };
    let (hours, minutes) = match rest.split_once(':') {
        Some(parts) => parts,
        None => rest.split_at_checked(2).filter(|(_, minutes)| minutes.len() == 2)?,
    };
    let (hours, minutes): (u8, u8) = (hours.parse().ok()?, minutes.parse().ok()?);
    Some(sign * (i64::from(hours) * 3600 + i64::from(minutes) * 60))
}

/// The time of the satellites, which is UTC.
fn gps_time(exif: &exif::Exif) -> Option<Taken> {
    let field = |tag| exif.get_field(tag, In::PRIMARY).map(|it| &it.value);
    let Value::Ascii(date) = field(Tag::GPSDateStamp)? else { return None };
    let Value::Rational(clock) = field(Tag::GPSTimeStamp)? else { return None };
    let [hours, minutes, seconds] = clock.as_slice() else { return None };
    let whole = |it: &exif::Rational| it.num.checked_div(it.denom);
    let date = String::from_utf8_lossy(date.first()?).into_owned();
    let date = date.trim_matches(['\0', ' ']);
    let (hours, minutes, seconds) = (whole(hours)?, whole(minutes)?, whole(seconds)?);
    let text = format!("{date} {hours:02}:{minutes:02}:{seconds:02}");
    Some(Taken { seconds: self::seconds(&text)?, zone: Zone::Utc })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_zone_and_before_1970() {
        let of = |time, zone| -> Vec<_> {
            taken(time, zone).iter().map(|it| (it.seconds, it.zone)).collect()
        };
        assert_eq!(of("2019:04:28 09:00:05", None), [(1_556_442_005, Zone::Local)]);
        let zoned = [(1_556_442_005, Zone::Local), (1_556_422_205, Zone::Utc)];
        assert_eq!(of("2019:04:28 09:00:05", Some("+05:30")), zoned);
        assert_eq!(of("1969:12:31 23:59:50", None), [(-10, Zone::Local)]);
        assert_eq!(of("2019-04-28T09:00:05.123", None), [(1_556_442_005, Zone::Local)]);
        for nothing in ["0000:00:00 00:00:00", "    :  :     :  :  ", "", "2019:04:28"] {
            assert_eq!(of(nothing, Some("+02:00")), []);
        }
    }

    #[test]
    fn odd_zones_are_no_zones() {
        assert_eq!(offset("-03:30"), Some(-12_600));
        assert_eq!(offset("Z"), Some(0));
        assert_eq!(offset("+0530"), Some(19_800));
        for odd in ["", "+02", "+02000", "   :  ", "02:00", "+2", "+\u{e9}:00", "+99999:00"] {
            assert_eq!(offset(odd), None, "{odd}");
        }
    }
}
