//! What XMP says of a photo's parts: those that a smaller copy would lose, or whose offsets it would
//! break.

use super::reason::Whole;

/// Texts that only such XMP has, and what it means. A namespace that is named and not used counts
/// too: then a photo is left whole that need not be.
const MARKS: &[(&[u8], Whole)] = &[
    (b"http://ns.adobe.com/hdr-gain-map/", Whole::GainMap),
    (b"http://ns.apple.com/HDRGainMap/", Whole::GainMap),
    (b"MotionPhoto", Whole::Motion),
    (b"MicroVideo", Whole::Motion),
    (b"http://ns.google.com/photos/1.0/panorama/", Whole::Panorama),
    (b"http://ns.google.com/videos/1.0/spherical/", Whole::Panorama),
    (b"http://ns.google.com/photos/1.0/depthmap/", Whole::Depth),
    (b"http://ns.google.com/photos/1.0/image/", Whole::Depth),
    (b"http://ns.google.com/photos/1.0/audio/", Whole::Depth),
    (b"http://ns.google.com/photos/dd/1.0/", Whole::Depth),
    (b"http://ns.google.com/photos/1.0/container/", Whole::MultiPicture),
];

/// Looks for parts that must stay where they are.
///
/// # Errors
/// If there are such: the photo must be left whole.
pub(super) fn check(xmp: &[u8]) -> Result<(), Whole> {
    for (mark, reason) in MARKS {
        if xmp.windows(mark.len()).any(|it| it == *mark) {
            return Err(*reason);
        }
    }
    Ok(())
}
