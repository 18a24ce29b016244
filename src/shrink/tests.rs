use image::ExtendedColorType::{L8, Rgb8};
use image::codecs::jpeg::JpegEncoder;
use mozjpeg_rs::{Encoder, Preset, Subsampling};
use proptest::prelude::*;
use ssimulacra2::{ColorPrimaries, Rgb, TransferCharacteristic, compute_frame_ssimulacra2};

use super::*;

/// Every copy is at least so near to its original by SSIMULACRA2: 70 is high quality, and at 90
/// nobody can tell two pictures apart that stand beside each other.
const SSIMULACRA2_MIN: f64 = 78.0;

/// Resizes what has more than a megapixel: larger pictures only take longer.
const SMALL: Saver = Saver { megapixels: 1, quality: 90 };
/// A picture that it resizes, and the size of the copy.
const LARGE: (u32, u32) = (1300, 1000);
const OF_COPY: (u32, u32) = (1140, 877);

/// A scene of gradients, edges and fine grain that is the same each time.
pub(super) fn pixels(width: u32, height: u32, channels: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity((width * height * channels) as usize);
    let mut grain = 0x9e37_79b9_u32;
    for y in 0..height {
        for x in 0..width {
            grain ^= grain << 13;
            grain ^= grain >> 17;
            grain ^= grain << 5;
            let edge = if (x / 37 + y / 53) % 5 == 0 { 90 } else { 0 };
            for channel in 0..channels {
                let slope = (x * (channel + 1) + y * 2) * 130 / (width * 3 + height * 2);
                bytes.push((slope + edge + 8 + grain % 9) as u8);
            }
        }
    }
    bytes
}

/// A photo as a camera stores it: fine tables, and no optimisation.
fn photo(width: u32, height: u32, subsampling: Subsampling) -> Vec<u8> {
    let pixels = pixels(width, height, 3);
    let encoder = Encoder::new(Preset::BaselineFastest).quality(97).subsampling(subsampling);
    encoder.encode_rgb(&pixels, width, height).unwrap()
}

fn usual() -> Vec<u8> {
    photo(1300, 1000, Subsampling::S420)
}

fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len() + 2).unwrap().to_be_bytes();
    [&[0xff, marker][..], &length, content].concat()
}

/// The photo with further segments behind its first marker.
fn with(photo: &[u8], segments: &[Vec<u8>]) -> Vec<u8> {
    [&photo[..2], &segments.concat(), &photo[2..]].concat()
}

/// EXIF with a maker note and the size of the picture, as `short` numbers or long ones.
fn exif(width: u32, height: u32, little: bool, short: bool) -> Vec<u8> {
    let u16 = |it: u16| if little { it.to_le_bytes() } else { it.to_be_bytes() };
    let u32 = |it: u32| if little { it.to_le_bytes() } else { it.to_be_bytes() };
    let value = |it: u32| {
        if short { [u16(u16::try_from(it).unwrap()), [7, 7]].concat() } else { u32(it).to_vec() }
    };
    let kind = if short { 3 } else { 4 };
    let entry = |tag, kind, count, value: Vec<u8>| {
        [u16(tag).to_vec(), u16(kind).to_vec(), u32(count).to_vec(), value].concat()
    };
    let head = if little { b"II*\0" } else { b"MM\0*" };
    segment(
        0xe1,
        &[
            b"Exif\0\0".to_vec(),
            head.to_vec(),
            u32(8).to_vec(),
            u16(1).to_vec(),
            entry(0x8769, 4, 1, u32(26).to_vec()),
            u32(0).to_vec(),
            u16(3).to_vec(),
            entry(0x927c, 7, 4, b"note".to_vec()),
            entry(0xa002, kind, 1, value(width)),
            entry(0xa003, kind, 1, value(height)),
            u32(0).to_vec(),
        ]
        .concat(),
    )
}

fn xmp(text: &str) -> Vec<u8> {
    segment(0xe1, &[b"http://ns.adobe.com/xap/1.0/\0", text.as_bytes()].concat())
}

fn shrunk(bytes: &[u8], saver: Saver) -> Result<Vec<u8>, Whole> {
    Plan::new(bytes, saver)?.run()
}

fn reason(bytes: &[u8]) -> Option<Whole> {
    shrunk(bytes, Saver::default()).err()
}

fn picture(bytes: &[u8]) -> Picture {
    decode(&structure::read(bytes).unwrap()).unwrap()
}

fn likeness(one: &Picture, other: &Picture) -> f64 {
    let frame = |it: &Picture| {
        let values = it.bytes.chunks(it.channels);
        let pixels = values.map(|it| [0, 1, 2].map(|at| f32::from(it[at % it.len()]) / 255.0));
        let side = |it: u32| it as usize;
        let (transfer, primaries) = (TransferCharacteristic::SRGB, ColorPrimaries::BT709);
        let (width, height) = (side(it.width), side(it.height));
        Rgb::new(pixels.collect(), width, height, transfer, primaries).unwrap()
    };
    compute_frame_ssimulacra2(frame(one), frame(other)).unwrap()
}

#[test]
fn a_copy_is_much_smaller_and_looks_the_same() {
    for subsampling in [Subsampling::S420, Subsampling::S422, Subsampling::S440, Subsampling::S444]
    {
        let original = photo(1300, 1000, subsampling);
        let copy = shrunk(&original, Saver::default()).unwrap();
        assert!(copy.len() * 100 <= original.len() * 85);
        let structure = structure::read(&copy).unwrap();
        assert_eq!((structure.frame.width, structure.frame.height), (1300, 1000));
        assert_eq!(structure.frame.subsampling(), subsampling);
        let likeness = likeness(&picture(&original), &picture(&copy));
        assert!(likeness >= SSIMULACRA2_MIN, "{subsampling:?}: {likeness}");
    }
}

/// Grain in colours fills the picture: the hardest there is.
#[test]
fn a_copy_of_which_one_would_see_the_loss_is_made_better_or_not_at_all() {
    let mut grain = 0x9e37_79b9_u32;
    let mut value = |strength: u32| {
        grain ^= grain << 13;
        grain ^= grain >> 17;
        grain ^= grain << 5;
        (120 + grain % strength) as u8
    };
    for strength in [20, 60, 130] {
        let pixels: Vec<_> = (0..600 * 500 * 3).map(|_| value(strength)).collect();
        let encoder = Encoder::new(Preset::BaselineFastest).quality(98);
        let original =
            encoder.subsampling(Subsampling::S444).encode_rgb(&pixels, 600, 500).unwrap();
        match shrunk(&original, Saver::default()) {
            Ok(copy) => {
                let likeness = likeness(&picture(&original), &picture(&copy));
                assert!(likeness >= SSIMULACRA2_MIN, "{strength}: {likeness}");
            }
            Err(why) => assert!([Whole::Lossy, Whole::NotSmaller].contains(&why), "{why:?}"),
        }
    }
}

#[test]
fn a_quality_is_raised_in_few_steps() {
    assert_eq!(qualities(90), [90, 92, 95]);
    assert_eq!(qualities(70), [70, 82, 95]);
    assert_eq!(qualities(94), [94, 95]);
    assert_eq!(qualities(95), [95]);
}

#[test]
fn a_grey_picture_stays_grey() {
    let mut original = Vec::new();
    JpegEncoder::new_with_quality(&mut original, 98)
        .encode(&pixels(1300, 1000, 1), 1300, 1000, L8)
        .unwrap();
    let copy = picture(&shrunk(&original, Saver::default()).unwrap());
    assert_eq!(copy.channels, 1);
    assert!(likeness(&picture(&original), &copy) >= SSIMULACRA2_MIN);
}

#[test]
fn the_same_photo_gives_the_same_copy() {
    let original = usual();
    assert_eq!(shrunk(&original, SMALL), shrunk(&original, SMALL));
}

#[test]
fn a_large_photo_is_resized_and_its_two_fields_with_it() {
    let original = photo(LARGE.0, LARGE.1, Subsampling::S420);
    for (little, short) in [(true, true), (true, false), (false, true), (false, false)] {
        let about =
            [exif(LARGE.0, LARGE.1, little, short), xmp("<x/>"), segment(0xfe, b"made by a test")];
        let copy = shrunk(&with(&original, &about), SMALL).unwrap();
        let structure = structure::read(&copy).unwrap();
        let (width, height) = (structure.frame.width, structure.frame.height);
        assert_eq!((width, height), OF_COPY);
        let kept = structure.about();
        assert_eq!(kept[0], exif(width, height, little, short));
        assert_eq!(&kept[1..], [&about[1][..], &about[2][..], structure.about()[3]]);
    }
}

#[test]
fn a_resized_photo_looks_as_a_resized_original() {
    let original = photo(LARGE.0, LARGE.1, Subsampling::S420);
    let copy = picture(&shrunk(&original, SMALL).unwrap());
    let reference = resize(picture(&original), (copy.width, copy.height)).unwrap();
    assert!(likeness(&reference, &copy) >= SSIMULACRA2_MIN);
}

#[test]
fn a_field_that_told_another_size_stays() {
    let about = exif(4000, LARGE.1, true, true);
    let original = photo(LARGE.0, LARGE.1, Subsampling::S420);
    let copy = shrunk(&with(&original, &[about]), SMALL).unwrap();
    assert_eq!(structure::read(&copy).unwrap().about()[0], exif(4000, OF_COPY.1, true, true));
}

#[test]
fn metadata_is_kept_byte_for_byte() {
    let about = [
        segment(0xe0, b"JFIF\0\x01\x02\x01\x01\x2c\x01\x2c\0\0"),
        exif(1300, 1000, false, false),
        xmp("<x:xmpmeta/>"),
        segment(0xe1, b"http://ns.adobe.com/xmp/extension/\0 more"),
        segment(0xe2, b"ICC_PROFILE\0\x01\x02 first"),
        segment(0xe2, b"ICC_PROFILE\0\x02\x02 second"),
        segment(0xed, b"Photoshop 3.0\x008BIM"),
        segment(0xef, b"of a maker"),
        segment(0xfe, b"a comment"),
    ];
    let original = with(&usual(), &about);
    // The encoder's own segment stands behind them.
    let own = structure::read(&usual()).unwrap().about().concat();
    let copy = shrunk(&original, Saver::default()).unwrap();
    let kept = structure::read(&copy).unwrap().about().concat();
    assert_eq!(kept, [about.concat(), own].concat());
}

#[test]
fn files_that_would_lose_something_are_left_whole() {
    let usual = usual();
    let frame = usual.windows(2).position(|it| it == [0xff, 0xc0]).unwrap();
    let changed = |at: usize, value: u8| {
        let mut bytes = usual.clone();
        bytes[frame + at] = value;
        bytes
    };
    let added = |it: Vec<u8>| with(&usual, &[it]);
    for (bytes, expected) in [
        (b"\x89PNG\r\n\x1a\n".to_vec(), Whole::Format),
        (Vec::new(), Whole::Format),
        (photo(320, 200, Subsampling::S420), Whole::Small),
        ([&usual[..], b"\0"].concat(), Whole::Trailing),
        ([&usual[..], b"SEFT"].concat(), Whole::Trailing),
        ([&added(xmp("GCamera:MotionPhoto='1'"))[..], b"a clip"].concat(), Whole::Motion),
        (added(segment(0xe2, b"MPF\0II*\0")), Whole::MultiPicture),
        (added(segment(0xe2, b"urn:iso:std:iso:ts:21496:-1\0\0\0")), Whole::GainMap),
        (
            added(xmp("xmlns:Container='http://ns.google.com/photos/1.0/container/'")),
            Whole::MultiPicture,
        ),
        (added(xmp("GCamera:MicroVideo='1'")), Whole::Motion),
        (added(xmp("GCamera:MotionPhoto='1'")), Whole::Motion),
        (added(xmp("xmlns:hdrgm='http://ns.adobe.com/hdr-gain-map/1.0/'")), Whole::GainMap),
        (added(xmp("xmlns:GPano='http://ns.google.com/photos/1.0/panorama/'")), Whole::Panorama),
        (added(xmp("xmlns:GDepth='http://ns.google.com/photos/1.0/depthmap/'")), Whole::Depth),
        (added(segment(0xeb, b"JP\0\x01jumb")), Whole::Extended),
        (added(segment(0xee, b"Adobe\0\x64\0\0\0\0\0")), Whole::Colours),
        (changed(1, 0xc9), Whole::Coding),
        (changed(1, 0xc3), Whole::Coding),
        (changed(4, 12), Whole::Coding),
        (usual[..usual.len() - 2].to_vec(), Whole::Damaged),
        (usual[..usual.len() / 2].to_vec(), Whole::Damaged),
    ] {
        assert_eq!(reason(&bytes), Some(expected), "{:?}", expected.word());
    }
}

#[test]
fn cmyk_is_left_whole() {
    let cmyk = include_bytes!("../../tests/fixtures/media/cmyk.jpg");
    assert_eq!(reason(cmyk), Some(Whole::Colours));
}

#[test]
fn a_lean_photo_is_left_whole_unless_it_is_large() {
    let encoder = Encoder::new(Preset::BaselineFastest).quality(85);
    let lean = encoder.encode_rgb(&pixels(2200, 1600, 3), 2200, 1600).unwrap();
    assert_eq!(reason(&lean), Some(Whole::Lean));
    let saver = Saver { megapixels: 2, quality: 80 };
    assert!(shrunk(&lean, saver).is_ok());
}

#[test]
fn a_copy_is_not_made_smaller_again_in_any_quality() {
    // A comment makes up for what a larger picture would have.
    let long = |it: &[u8]| with(it, &vec![segment(0xfe, &[b'x'; 60_000]); 5]);
    let made = |channels, quality| {
        let (pixels, channels) = (pixels(400, 300, channels), channels as usize);
        let picture = Picture { width: 400, height: 300, channels, bytes: pixels };
        long(&encode(&picture, Subsampling::S420, quality).unwrap())
    };
    for channels in [1, 3] {
        for (quality, later) in [(70, 70), (90, 90), (90, 80), (95, 70)] {
            let again = shrunk(&made(channels, quality), Saver { quality: later, ..SMALL });
            assert_eq!(again.err(), Some(Whole::Ours), "{channels}: {quality}, {later}");
        }
        assert_ne!(reason(&made(channels, 96)), Some(Whole::Ours));
    }
    // Fewer pixels are another matter.
    let large = encode(&picture(&usual()), Subsampling::S420, 90).unwrap();
    assert_ne!(shrunk(&long(&large), SMALL).err(), Some(Whole::Ours));
}

#[test]
fn more_scans_than_a_decoder_should_go_through_are_left_whole() {
    let bomb = |width: u16, height: u16, scans: usize| {
        let (width, height) = (width.to_be_bytes(), height.to_be_bytes());
        let frame = [&[8][..], &height, &width, &[1, 1, 0x11, 0]].concat();
        let scan = [segment(0xda, &[1, 1, 0, 0, 63, 0]), vec![0; 100]].concat();
        let scans = scan.repeat(scans);
        [&[0xff, 0xd8][..], &segment(0xc2, &frame), &scans, &[0xff, 0xd9]].concat()
    };
    let refused = |it: &[u8]| structure::read(it).err();
    assert_eq!(refused(&bomb(10_000, 10_000, 20)), None);
    assert_eq!(refused(&bomb(10_000, 10_000, 41)), Some(Whole::Coding));
    assert_eq!(refused(&bomb(65_535, 65_535, 1)), None);
    assert_eq!(refused(&bomb(65_535, 65_535, 2)), Some(Whole::Coding));
    assert_eq!(refused(&bomb(1000, 1000, 200)), None);
    assert_eq!(refused(&bomb(1000, 1000, 201)), Some(Whole::Coding));
}

#[test]
fn too_many_pixels_for_the_memory_are_left_whole() {
    let mut huge = usual();
    let frame = huge.windows(2).position(|it| it == [0xff, 0xc0]).unwrap();
    huge[frame + 5..frame + 9].copy_from_slice(&[0xff; 4]);
    assert_eq!(reason(&huge), Some(Whole::Huge));
}

#[test]
fn a_copy_of_another_picture_is_noticed() {
    let picture = |bytes: Vec<u8>| Picture { width: 100, height: 60, channels: 3, bytes };
    let original = picture(pixels(100, 60, 3));
    assert!(check::is_same(&original, &picture(pixels(100, 60, 3))));
    for (x, y) in [(0, 0), (99, 59), (50, 30), (96, 0), (0, 59)] {
        let mut bytes = pixels(100, 60, 3);
        let (left, top) = (x / 16 * 16, y / 16 * 16);
        for y in top..(top + 16).min(60) {
            for x in left..(left + 16).min(100) {
                bytes[(y * 100 + x) * 3 + 1] ^= 0x40;
            }
        }
        assert!(!check::is_same(&original, &picture(bytes)), "a square at {x}, {y}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// A damaged photo is left whole, or its copy is whole: never a panic, never half a picture.
    #[test]
    fn damage_never_makes_half_a_copy(
        at in 0.0..1.0f64, value: u8, cut in proptest::option::of(0.0..1.0f64)
    ) {
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, 97)
            .encode(&pixels(700, 600, 3), 700, 600, Rgb8)
            .unwrap();
        let place = |share: f64, length: usize| (share * (length - 1) as f64) as usize;
        let length = bytes.len();
        bytes[place(at, length)] = value;
        if let Some(cut) = cut {
            bytes.truncate(place(cut, length));
        }
        if let Ok(copy) = shrunk(&bytes, Saver::default()) {
            let structure = structure::read(&copy).unwrap();
            let original = structure::read(&bytes).unwrap();
            prop_assert_eq!(structure.frame.pixels(), original.frame.pixels());
            prop_assert!(copy.len() * 100 <= bytes.len() * 85);
        }
    }

    /// The size fits, and keeps the ratio.
    #[test]
    fn a_resized_picture_fits(width in 1..65535u32, height in 1..65535u32, megapixels in 2..200u64) {
        let pixels = megapixels * 1_000_000;
        let present = u64::from(width) * u64::from(height);
        match pixels::fitting(width, height, pixels) {
            None => prop_assert!(present <= pixels),
            Some((w, h)) => {
                prop_assert!(present > pixels && u64::from(w) * u64::from(h) <= pixels);
                prop_assert!(w >= 1 && h >= 1 && w <= width && h <= height);
                let off = (f64::from(w) / f64::from(h)) / (f64::from(width) / f64::from(height));
                prop_assert!(w < 100 || h < 100 || (off - 1.0).abs() < 0.02, "{off}");
            }
        }
    }
}
