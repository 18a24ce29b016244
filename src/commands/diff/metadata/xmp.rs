//! The facts in XMP. Pure. This searches the text for the names of the properties instead of parsing
//! XML: a wrong time agrees with nothing, and contradicts nothing alone.

use super::exif;
use crate::commands::diff::facts::Facts;

const TIMES: [&str; 4] =
    ["exif:DateTimeOriginal", "exif:DateTimeDigitized", "photoshop:DateCreated", "xmp:CreateDate"];

/// A packet is read up to so many bytes.
pub const BYTES_MAX: u64 = 1 << 20;

/// Adds the facts in a packet of XMP.
pub fn add(packet: &[u8], facts: &mut Facts) {
    let text = String::from_utf8_lossy(packet);
    for name in TIMES {
        if let Some(value) = value(&text, name) {
            let zone = value
                .get(19..)
                .map(|it| it.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit()));
            let zone = zone.filter(|it| it.starts_with(['+', '-', 'Z']));
            facts.taken.extend(exif::taken(value, zone));
        }
    }
    facts.add_model(value(&text, "tiff:Model"));
}

/// The value of a property, as an attribute or as an element.
fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let rest = text.split_once(name)?.1.trim_start_matches(['=', '>', '"', '\'', ' ']);
    rest.split(['"', '\'', '<']).next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::diff::facts::Zone;

    #[test]
    fn attributes_and_elements_are_found() {
        for packet in [
            "<x exif:DateTimeOriginal=\"2019-04-28T09:00:05+02:00\" tiff:Model='T1'/>",
            "<exif:DateTimeOriginal>2019-04-28T09:00:05+02:00</exif:DateTimeOriginal>\
             <tiff:Model>T1</tiff:Model>",
        ] {
            let mut facts = Facts::default();
            add(packet.as_bytes(), &mut facts);
            let times: Vec<_> = facts.taken.iter().map(|it| (it.seconds, it.zone)).collect();
            assert_eq!(times, [(1_556_442_005, Zone::Local), (1_556_434_805, Zone::Utc)]);
            assert_eq!(facts.models, ["T1"]);
        }
        let mut nothing = Facts::default();
        add(b"exif:DateTimeOriginal", &mut nothing);
        add(b"tiff:Model=", &mut nothing);
        assert_eq!(nothing, Facts::default());
    }
}
