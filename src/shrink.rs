//! A smaller JPEG of a photo, with all its metadata. Pure: bytes in, bytes out.
//!
//! [`Plan::new`] looks at the structure and says why a file must be left whole. [`Plan::run`] makes
//! the copy. The same bytes and parameters give the same copy on one machine, until an encoder
//! changes: so the pipeline keeps a copy until its item is confirmed.

mod check;
mod entropy;
mod exif;
mod likeness;
pub mod making;
pub mod moov;
mod ours;
mod pixels;
mod reason;
mod structure;
mod tables;
pub mod video;
mod xmp;

#[cfg(test)]
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::media::Saver;
use pixels::{Picture, decode, encode, resize};
use structure::Structure;

pub use reason::Whole;
pub use video::Probe;

/// A smaller copy has at most so many percent of the original's bytes.
pub const PERCENT_MAX: u64 = 85;
/// Shorter files are not worth it.
const BYTES_MIN: u64 = 300_000;
/// Narrower pictures are not worth it.
const SIDE_MIN: u32 = 256;
/// A picture with fewer bytes for each hundred pixels has been compressed well already.
const LEAN_BYTES_FOR_100_PIXELS: u64 = 25;
/// By SSIMULACRA2, a copy in the usual quality is at least so near to its photo, in the mean of the
/// squares that are judged: 70 is high quality, and at 90 nobody can tell the two apart that stand
/// beside each other. The whole picture may score a point less; the tests demand 78 of it. A lower
/// quality that somebody asks for lowers this by as many steps.
const LIKENESS_MIN: f64 = 80.0;
/// So near is each of its squares that is judged.
const WORST_MIN: f64 = 70.0;
/// The quality to which these two belong.
const USUAL_QUALITY: u8 = 90;
/// Channels of a colour picture.
const CHANNELS: u64 = 3;
/// The memory for one picture, in bytes.
pub const MEMORY_MAX: u64 = 1 << 30;

/// An upper bound of the memory that a photo of this size takes, beside the bytes of its file.
pub fn memory(width: u32, height: u32, saver: Saver) -> u64 {
    let pixels = u64::from(width) * u64::from(height);
    let copy = pixels.min(saver.pixels());
    // The decoder of a progressive photo keeps all coefficients.
    let decoding = pixels * (CHANNELS + CHANNELS * 2);
    let resizing = if copy < pixels { (pixels + copy * 2) * CHANNELS } else { 0 };
    decoding.max(resizing).max(copy * CHANNELS * pixels::ENCODER_BYTES_FOR_CHANNEL)
}

/// The size of the smaller copy of a picture.
pub fn size_of_copy(width: u32, height: u32, saver: Saver) -> (u32, u32) {
    pixels::fitting(width, height, saver.pixels()).unwrap_or((width, height))
}

/// The qualities to try, one after the other, until a copy is near enough.
fn qualities(wanted: u8) -> Vec<u8> {
    let mut tried = vec![wanted, wanted.midpoint(Saver::QUALITY_MAX), Saver::QUALITY_MAX];
    tried.dedup();
    tried
}

/// A photo that can be made smaller.
pub struct Plan<'a> {
    /// How many bytes the file has.
    length: u64,
    structure: Structure<'a>,
    saver: Saver,
    /// The size of the copy, if it differs.
    resized: Option<(u32, u32)>,
}

impl<'a> Plan<'a> {
    /// Looks at the structure of a file, and decodes nothing.
    ///
    /// # Errors
    /// If the file must be left whole: why.
    pub fn new(bytes: &'a [u8], saver: Saver) -> Result<Self, Whole> {
        let structure = structure::read(bytes)?;
        for xmp in structure.xmp() {
            xmp::check(xmp)?;
        }
        if let Some(whole) = structure.fixed {
            return Err(whole);
        }
        let (width, height) = (structure.frame.width, structure.frame.height);
        let (pixels, length) = (structure.frame.pixels(), bytes.len() as u64);
        if length < BYTES_MIN || width.min(height) < SIDE_MIN {
            return Err(Whole::Small);
        }
        let resized = pixels::fitting(width, height, saver.pixels());
        let is_lean = length * 100 < pixels * LEAN_BYTES_FOR_100_PIXELS
            || structure.quality() <= u32::from(saver.quality);
        if resized.is_none() && ours::is_ours(&structure) {
            return Err(Whole::Ours);
        }
        if resized.is_none() && is_lean {
            return Err(Whole::Lean);
        }
        if memory(width, height, saver) > MEMORY_MAX {
            return Err(Whole::Huge);
        }
        Ok(Self { length, structure, saver, resized })
    }

    /// Makes the smaller copy.
    ///
    /// # Errors
    /// If the file must be left whole: why.
    pub fn run(&self) -> Result<Vec<u8>, Whole> {
        // The libraries are written in safe Rust. A panic of theirs concerns this picture only.
        catch_unwind(AssertUnwindSafe(|| self.smaller())).unwrap_or(Err(Whole::Unsure))
    }

    fn smaller(&self) -> Result<Vec<u8>, Whole> {
        if !entropy::is_undamaged(&self.structure) {
            return Err(Whole::Damaged);
        }
        let mut picture = decode(&self.structure)?;
        if let Some(size) = self.resized {
            picture = resize(picture, size)?;
        }
        let mut outcome = Err(Whole::NotSmaller);
        for quality in qualities(self.saver.quality) {
            let encoded = encode(&picture, self.structure.frame.subsampling(), quality)?;
            let copy = self.with_metadata(&encoded)?;
            if copy.len() as u64 * 100 > self.length * PERCENT_MAX {
                return outcome;
            }
            if self.is_near(&encoded, &picture)? {
                return Ok(copy);
            }
            outcome = Err(Whole::Lossy);
        }
        outcome
    }

    /// Whether the copy looks as the picture. If it shows another one, that is an error: an encoder's
    /// mistake must not cost a photo.
    fn is_near(&self, encoded: &[u8], picture: &Picture) -> Result<bool, Whole> {
        let structure = structure::read(encoded).map_err(|_| Whole::Unsure)?;
        let copy = decode(&structure).map_err(|_| Whole::Unsure)?;
        if !check::is_same(picture, &copy) {
            return Err(Whole::Unsure);
        }
        // A picture that is too narrow to be judged is so by far: it was a panorama.
        let Some(found) = likeness::likeness(picture, &copy) else { return Ok(true) };
        let below = f64::from(USUAL_QUALITY.saturating_sub(self.saver.quality));
        Ok(found.mean >= LIKENESS_MIN - below && found.worst >= WORST_MIN - below)
    }

    /// The segments of the original about the picture, then those of the copy that are its data.
    fn with_metadata(&self, encoded: &[u8]) -> Result<Vec<u8>, Whole> {
        let copy = structure::read(encoded).map_err(|_| Whole::Unsure)?;
        let about = self.structure.about();
        let bytes: usize = about.iter().map(|it| it.len()).sum();
        let mut whole = Vec::with_capacity(bytes + encoded.len());
        whole.extend_from_slice(&structure::START);
        for segment in about {
            let from = whole.len();
            whole.extend_from_slice(segment);
            if let Some(size) = self.resized {
                let was = (self.structure.frame.width, self.structure.frame.height);
                exif::set_size(&mut whole[from..], was, size);
            }
        }
        for segment in copy.coding() {
            whole.extend_from_slice(segment);
        }
        whole.extend_from_slice(copy.scans);
        Ok(whole)
    }
}
