//! Photos and videos with capture dates, as cameras make them.

use little_exif::exif_tag::ExifTag;
use little_exif::filetype::FileExtension;
use little_exif::metadata::Metadata;
use little_exif::rational::uR64;

/// A JPEG with EXIF: `taken` as `2019:04:28 09:00:05`, and perhaps where.
pub fn photo(seed: u32, taken: &str, located: bool) -> Vec<u8> {
    with_exif(super::jpeg(seed, 0), taken, located)
}

/// As [`photo`], and as large as photos are: about 400 kB.
pub fn large_photo(seed: u32, taken: &str, located: bool) -> Vec<u8> {
    let mut jpeg = photo(seed, taken, located);
    let end = jpeg.split_off(jpeg.len() - 2);
    let mut fill = seed;
    // Behind the picture and before its end. Decoders ignore it.
    jpeg.extend((0..400_000).map(|_| {
        fill = fill.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (fill >> 25) as u8
    }));
    [jpeg, end].concat()
}

/// As [`photo`], of this width and height.
pub fn sized_photo(seed: u32, taken: &str, dimensions: (u16, u16)) -> Vec<u8> {
    with_exif(super::picture(seed, dimensions), taken, false)
}

fn with_exif(mut jpeg: Vec<u8>, taken: &str, located: bool) -> Vec<u8> {
    let mut exif = Metadata::new();
    exif.set_tag(ExifTag::DateTimeOriginal(taken.into()));
    exif.set_tag(ExifTag::Make("NIKON CORPORATION".into()));
    exif.set_tag(ExifTag::Model("NIKON D750".into()));
    if located {
        let angle = |degrees| [degrees, 8, 14].map(|nominator| uR64 { nominator, denominator: 1 });
        exif.set_tag(ExifTag::GPSLatitudeRef("N".into()));
        exif.set_tag(ExifTag::GPSLatitude(angle(48).to_vec()));
        exif.set_tag(ExifTag::GPSLongitudeRef("E".into()));
        exif.set_tag(ExifTag::GPSLongitude(angle(11).to_vec()));
    }
    exif.write_to_vec(&mut jpeg, FileExtension::JPEG).unwrap();
    jpeg
}

/// An MP4 of one video track without pictures, taken at `created`, in seconds since 1970.
pub fn movie(seed: u8, created: u32, (width, height): (u16, u16)) -> Vec<u8> {
    let since_1904 = created.checked_add(2_082_844_800).unwrap().to_be_bytes();
    let mut mvhd = [0; 100];
    mvhd[4..8].copy_from_slice(&since_1904);
    mvhd[12..16].copy_from_slice(&1000_u32.to_be_bytes());
    let mut tkhd = [0; 84];
    tkhd[4..8].copy_from_slice(&since_1904);
    tkhd[76..78].copy_from_slice(&width.to_be_bytes());
    tkhd[80..82].copy_from_slice(&height.to_be_bytes());
    let mut hdlr = [0; 25];
    hdlr[8..12].copy_from_slice(b"vide");
    let mdia = atom(b"mdia", &[atom(b"hdlr", &[hdlr.to_vec()])]);
    let trak = atom(b"trak", &[atom(b"tkhd", &[tkhd.to_vec()]), mdia]);
    [
        atom(b"ftyp", &[b"isom\0\0\x02\0isommp42".to_vec()]),
        atom(b"moov", &[atom(b"mvhd", &[mvhd.to_vec()]), trak]),
        atom(b"mdat", &[vec![seed; 3000]]),
    ]
    .concat()
}

fn atom(kind: &[u8; 4], content: &[Vec<u8>]) -> Vec<u8> {
    let content = content.concat();
    [&(content.len() as u32 + 8).to_be_bytes()[..], kind, &content].concat()
}
