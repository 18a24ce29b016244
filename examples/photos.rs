//! Writes JPEG files such as a camera does, for demonstrations and tests: real images of differing
//! content and size, with EXIF. The same arguments give the same bytes.
//!
//! `cargo run --example photos -- DIR --count 200 --seed 1`

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;
use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;
use jiff::civil::date;
use little_exif::exif_tag::ExifTag;
use little_exif::filetype::FileExtension;
use little_exif::metadata::Metadata;
use little_exif::rational::uR64;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use rayon::prelude::*;

/// Writes JPEG files such as a camera does.
#[derive(Parser)]
struct Args {
    /// Made if it is not there
    dir: PathBuf,

    /// How many files
    #[arg(long, default_value_t = 200)]
    count: u32,

    /// Another seed gives other pictures
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// The smallest size, about
    #[arg(long, default_value_t = 200)]
    min_kb: u32,

    /// The largest size, about
    #[arg(long, default_value_t = 4000)]
    max_kb: u32,

    /// Make the last file a copy of the first
    #[arg(long)]
    twins: bool,
}

type Failure = Box<dyn Error + Send + Sync>;

const CAMERAS: [(&str, &str); 3] =
    [("Canon", "Canon EOS 6D"), ("NIKON CORPORATION", "NIKON D750"), ("Apple", "iPhone 8")];

/// The frame takes this part of the width on each side, and of the height.
const FRAME: usize = 10;
/// Of the whole picture, at the quality used: measured.
const BYTES_PER_PIXEL: f64 = 2.6;

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    if args.min_kb == 0 || args.max_kb < args.min_kb {
        return Err("--min-kb must be at least 1 and --max-kb at least as much".into());
    }
    fs::create_dir_all(&args.dir)?;
    let path = |n: u32| args.dir.join(format!("IMG_{n:04}.jpg"));
    let different = if args.twins && args.count > 1 { args.count - 1 } else { args.count };
    (1..=different).into_par_iter().try_for_each(|n| write_photo(&path(n), &args, n))?;
    if different < args.count {
        fs::copy(path(1), path(args.count))?;
    }
    Ok(())
}

/// Writes the `n`-th photo.
fn write_photo(path: &Path, args: &Args, n: u32) -> Result<(), Failure> {
    let mut random =
        StdRng::seed_from_u64(args.seed.wrapping_mul(1_000_003).wrapping_add(n.into()));
    // Many small ones, few large ones.
    let part = random.random_range(0.0..=1.0_f64).powi(2);
    let bytes = 1024.0 * (f64::from(args.min_kb) + part * f64::from(args.max_kb - args.min_kb));
    let height = (bytes / BYTES_PER_PIXEL * 3.0 / 4.0).sqrt().max(16.0) as u32;
    let mut jpeg = Vec::with_capacity(bytes as usize);
    JpegEncoder::new_with_quality(&mut jpeg, 100).encode_image(&picture(
        &mut random,
        height / 3 * 4,
        height,
    ))?;
    exif(&mut random, n).write_to_vec(&mut jpeg, FileExtension::JPEG)?;
    fs::write(path, jpeg)?;
    Ok(())
}

/// Television snow in a frame of one colour. Whole rows at a time: an unoptimised build is fast too.
fn picture(random: &mut StdRng, width: u32, height: u32) -> RgbImage {
    let frame: [u8; 3] = random.random();
    let row = frame.repeat(width as usize);
    let edge = row.len() / FRAME / 3 * 3;
    let top = height as usize / FRAME;
    let mut pixels = Vec::with_capacity(row.len() * height as usize);
    for y in 0..height as usize {
        let begin = pixels.len();
        pixels.extend_from_slice(&row);
        if (top..height as usize - top).contains(&y) {
            random.fill_bytes(&mut pixels[begin + edge..begin + row.len() - edge]);
        }
    }
    RgbImage::from_raw(width, height, pixels).expect("as many bytes as the size says")
}

/// When, with what and sometimes where photo `n` was taken.
fn exif(random: &mut StdRng, n: u32) -> Metadata {
    let start = date(2019, 4, 28).at(9, 0, 0, 0);
    let taken = start + jiff::Span::new().seconds(i64::from(n) * 97);
    let (make, model) = CAMERAS[n as usize % CAMERAS.len()];
    let mut exif = Metadata::new();
    exif.set_tag(ExifTag::DateTimeOriginal(taken.strftime("%Y:%m:%d %H:%M:%S").to_string()));
    exif.set_tag(ExifTag::Make(make.into()));
    exif.set_tag(ExifTag::Model(model.into()));
    if n.is_multiple_of(3) {
        let mut angle = |degrees: u32| {
            [degrees, random.random_range(0..60), random.random_range(0..60)]
                .map(|nominator| uR64 { nominator, denominator: 1 })
                .to_vec()
        };
        let (latitude, longitude) = (angle(48), angle(11));
        exif.set_tag(ExifTag::GPSLatitudeRef("N".into()));
        exif.set_tag(ExifTag::GPSLatitude(latitude));
        exif.set_tag(ExifTag::GPSLongitudeRef("E".into()));
        exif.set_tag(ExifTag::GPSLongitude(longitude));
    }
    exif
}
