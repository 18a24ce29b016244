//! An EXIF block, written by hand: a TIFF of big-endian directories (CIPA DC-008, TIFF 6.0).

/// The type of an entry, as TIFF numbers it.
const ASCII: u16 = 2;
const LONG: u16 = 4;
const RATIONAL: u16 = 5;

/// The bytes in front of the first directory: byte order, 42, and where that directory is.
const HEADER_BYTES: u32 = 8;

/// An entry of a directory.
pub struct Entry {
    tag: u16,
    kind: u16,
    count: u32,
    value: Vec<u8>,
}

impl Entry {
    pub fn text(tag: u16, text: &str) -> Self {
        let value = [text.as_bytes(), &[0]].concat();
        Self { tag, kind: ASCII, count: value.len() as u32, value }
    }

    /// Rational numbers with the denominator 1.
    pub fn whole_rationals(tag: u16, numbers: [u32; 3]) -> Self {
        let value = numbers.iter().flat_map(|it| [*it, 1]).flat_map(u32::to_be_bytes).collect();
        Self { tag, kind: RATIONAL, count: 3, value }
    }

    /// Where another directory is.
    fn pointer(tag: u16, at: u32) -> Self {
        Self { tag, kind: LONG, count: 1, value: at.to_be_bytes().to_vec() }
    }
}

/// The directories of a picture.
pub struct Exif {
    pub main: Vec<Entry>,
    pub photo: Vec<Entry>,
    /// Nothing if the camera does not know its place.
    pub gps: Vec<Entry>,
}

/// The segment of a JPEG that has the block, from its marker on.
pub fn segment(exif: Exif) -> Vec<u8> {
    let block = block(exif);
    let length = u16::try_from(2 + 6 + block.len()).expect("a few entries");
    [&[0xff, 0xe1][..], &length.to_be_bytes(), b"Exif\0\0", &block].concat()
}

fn block(exif: Exif) -> Vec<u8> {
    let Exif { mut main, photo, gps } = exif;
    let has_gps = !gps.is_empty();
    // The pointers have their length before they have their value.
    main.push(Entry::pointer(0x8769, 0));
    if has_gps {
        main.push(Entry::pointer(0x8825, 0));
    }
    let photo_at = HEADER_BYTES + directory(&main, HEADER_BYTES).len() as u32;
    let photo = directory(&photo, photo_at);
    let gps_at = photo_at + photo.len() as u32;
    for entry in &mut main {
        match entry.tag {
            0x8769 => *entry = Entry::pointer(0x8769, photo_at),
            0x8825 => *entry = Entry::pointer(0x8825, gps_at),
            _ => {}
        }
    }
    let gps = if has_gps { directory(&gps, gps_at) } else { Vec::new() };
    let header = [&b"MM\0\x2a"[..], &HEADER_BYTES.to_be_bytes()].concat();
    [header, directory(&main, HEADER_BYTES), photo, gps].concat()
}

/// A directory at this offset, with the values that do not fit into its entries behind it.
fn directory(entries: &[Entry], at: u32) -> Vec<u8> {
    let mut bytes = (entries.len() as u16).to_be_bytes().to_vec();
    let mut values = Vec::new();
    let values_at = at + 2 + 12 * entries.len() as u32 + 4;
    for entry in entries {
        bytes.extend(entry.tag.to_be_bytes());
        bytes.extend(entry.kind.to_be_bytes());
        bytes.extend(entry.count.to_be_bytes());
        if entry.value.len() <= 4 {
            let mut inline = entry.value.clone();
            inline.resize(4, 0);
            bytes.extend(inline);
        } else {
            bytes.extend((values_at + values.len() as u32).to_be_bytes());
            values.extend(&entry.value);
            // Offsets are even.
            values.resize(values.len().next_multiple_of(2), 0);
        }
    }
    // No other directory follows.
    bytes.extend([0; 4]);
    [bytes, values].concat()
}
