//! Pixels: decodes, resizes and encodes them.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8, U8x3};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};
use mozjpeg_rs::{Encoder, Preset, Subsampling};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use super::reason::Whole;
use super::structure::Structure;

/// How many bytes encoding takes for each value of a channel, with the picture and its check.
pub(super) const ENCODER_BYTES_FOR_CHANNEL: u64 = 10;

/// A picture that is decoded.
pub(super) struct Picture {
    pub(super) width: u32,
    pub(super) height: u32,
    /// 1 or 3 bytes make a pixel.
    pub(super) channels: usize,
    /// Row by row.
    pub(super) bytes: Vec<u8>,
}

/// The size with the same ratio that has at most so many pixels. `None` if the present one has.
pub(super) fn fitting(width: u32, height: u32, pixels: u64) -> Option<(u32, u32)> {
    let present = u64::from(width) * u64::from(height);
    if present <= pixels {
        return None;
    }
    let scale = (pixels as f64 / present as f64).sqrt();
    let side = |side: u32| ((f64::from(side) * scale) as u32).max(1);
    Some((side(width), side(height)))
}

/// Decodes a whole picture. Damage that a viewer would overlook is an error.
pub(super) fn decode(structure: &Structure<'_>) -> Result<Picture, Whole> {
    let (frame, bare) = (&structure.frame, structure.bare());
    let channels = usize::try_from(frame.channels()).map_err(|_| Whole::Colours)?;
    let colours = if channels == 1 { ColorSpace::Luma } else { ColorSpace::RGB };
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_out_colorspace(colours);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bare.as_slice()), options);
    let bytes = decoder.decode().map_err(|_| Whole::Damaged)?;
    let picture = Picture { width: frame.width, height: frame.height, channels, bytes };
    let expected = frame.pixels() * frame.channels();
    if picture.bytes.len() as u64 == expected { Ok(picture) } else { Err(Whole::Unsure) }
}

/// A smaller picture, by a filter that keeps edges sharp.
pub(super) fn resize(picture: Picture, size: (u32, u32)) -> Result<Picture, Whole> {
    if picture.channels == 1 {
        resize_of::<U8>(picture, size)
    } else {
        resize_of::<U8x3>(picture, size)
    }
}

/// As [`resize`], for one kind of pixels. Code for the other kinds that the library knows would be
/// compiled in, and the compiler makes other instructions of some of it each time.
fn resize_of<P: PixelTrait>(
    picture: Picture,
    (width, height): (u32, u32),
) -> Result<Picture, Whole> {
    let source = TypedImageRef::<P>::from_buffer(picture.width, picture.height, &picture.bytes);
    let source = source.map_err(|_| Whole::Unsure)?;
    let mut bytes = vec![0; width as usize * height as usize * picture.channels];
    let mut resized =
        TypedImage::<P>::from_buffer(width, height, &mut bytes).map_err(|_| Whole::Unsure)?;
    let filter = ResizeAlg::Convolution(FilterType::Lanczos3);
    Resizer::new()
        .resize_typed(&source, &mut resized, &ResizeOptions::new().resize_alg(filter))
        .map_err(|_| Whole::Unsure)?;
    Ok(Picture { width, height, channels: picture.channels, bytes })
}

/// Encodes a picture as a progressive JPEG.
pub(super) fn encode(
    picture: &Picture,
    subsampling: Subsampling,
    quality: u8,
) -> Result<Vec<u8>, Whole> {
    let encoder =
        Encoder::new(Preset::ProgressiveBalanced).quality(quality).subsampling(subsampling);
    let (bytes, width, height) = (&picture.bytes, picture.width, picture.height);
    let encoded = if picture.channels == 1 {
        encoder.encode_gray(bytes, width, height)
    } else {
        encoder.encode_rgb(bytes, width, height)
    };
    encoded.map_err(|_| Whole::Unsure)
}
