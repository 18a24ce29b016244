//! Writes JPEG files such as a camera does, for demonstrations and tests: real images of differing
//! content and size, with EXIF. The same arguments give the same bytes.
//!
//! `cargo run -p gphotosfs-photos -- DIR --count 200 --seed 1`

mod exif;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;
use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;
use jiff::civil::date;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use rayon::prelude::*;

use exif::{Entry, Exif};

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
    // Behind the marker of the beginning.
    jpeg.splice(2..2, exif::segment(facts(&mut random, n)));
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
fn facts(random: &mut StdRng, n: u32) -> Exif {
    let start = date(2019, 4, 28).at(9, 0, 0, 0);
    let taken = start + jiff::Span::new().seconds(i64::from(n) * 97);
    let (make, model) = CAMERAS[n as usize % CAMERAS.len()];
    let mut gps = Vec::new();
    if n.is_multiple_of(3) {
        let mut angle =
            |degrees: u32| [degrees, random.random_range(0..60), random.random_range(0..60)];
        let (latitude, longitude) = (angle(48), angle(11));
        gps = vec![
            Entry::text(1, "N"),
            Entry::whole_rationals(2, latitude),
            Entry::text(3, "E"),
            Entry::whole_rationals(4, longitude),
        ];
    }
    Exif {
        main: vec![Entry::text(0x010f, make), Entry::text(0x0110, model)],
        photo: vec![Entry::text(0x9003, &taken.strftime("%Y:%m:%d %H:%M:%S").to_string())],
        gps,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// exiftool judges; it says nothing of a warning if the block is sound.
    #[test]
    fn exiftool_reads_when_with_what_and_where() {
        let dir = std::env::temp_dir().join(format!("gphotosfs-photos.{}", std::process::id()));
        let args = Args { dir, count: 3, seed: 1, min_kb: 20, max_kb: 30, twins: false };
        fs::create_dir_all(&args.dir).unwrap();
        let read = |n: u32| {
            let path = args.dir.join(format!("{n}.jpg"));
            write_photo(&path, &args, n).unwrap();
            let tags = ["-DateTimeOriginal", "-Make", "-Model", "-GPSLatitude", "-Warning"];
            let mut exiftool = std::process::Command::new("exiftool");
            let output = exiftool.args(["-s3", "-n", "-validate"]).args(tags).arg(&path).output();
            String::from_utf8(output.unwrap().stdout).unwrap()
        };
        let (plain, located) = (read(1), read(3));
        fs::remove_dir_all(&args.dir).unwrap();
        assert!(plain.contains("2019:04:28 09:01:37\nNIKON CORPORATION\nNIKON D750\n"), "{plain}");
        assert!(located.contains("2019:04:28 09:04:51\nCanon\nCanon EOS 6D\n48."), "{located}");
        for read in [plain, located] {
            assert!(!read.to_lowercase().contains("error"), "{read}");
        }
    }
}
