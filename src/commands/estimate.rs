//! `gphotosfs estimate`: what a directory would take at Google with smaller copies, by a sample.

mod crops;
mod sums;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytesize::ByteSize;
use rayon::prelude::*;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

use self::sums::{Sizes, chosen, shares, spread};
use super::diff;
use crate::app::name::Name;
use crate::app::{CommandError, counted, json_text, local_file, print, progress, tell, time_words};
use crate::media::Saver;
use crate::shrink::Whole;
use crate::shrink::making::Maker;
use crate::upload::NameRules;

/// The arguments.
#[derive(Debug)]
pub struct Options {
    /// A directory on this machine.
    pub dir: PathBuf,
    /// How small photos would become.
    pub saver: Saver,
    /// So many photos are made smaller at most.
    pub sample: usize,
    /// Where crops of photos and copies are written.
    pub crops: Option<PathBuf>,
    /// Print the outcome as JSON.
    pub json: bool,
}

/// So many crops are written at most.
const CROPS_MAX: usize = 12;
/// So many copies are made at a time at most.
const THREADS_MAX: usize = 4;
/// How a JPEG begins.
const JPEG: [u8; 3] = [0xff, 0xd8, 0xff];
/// The version of the JSON's layout. Added fields do not change it.
const VERSION: u32 = 1;

/// The outcome.
#[derive(Debug, Default, Serialize)]
struct Estimate {
    version: u32,
    dir: Name,
    quality: String,
    /// Files that would be uploaded.
    files: usize,
    bytes: u64,
    jpegs: usize,
    jpeg_bytes: u64,
    /// How many JPEGs were tried, their bytes, and what would be sent of them.
    sampled: usize,
    sampled_bytes: u64,
    sampled_sent_bytes: u64,
    /// Of these, those that would become smaller.
    smaller: usize,
    /// The smallest, the middle and the largest share of bytes that such a photo keeps, in percent.
    percent: Option<[u64; 3]>,
    /// The others, by reason.
    whole: BTreeMap<&'static str, usize>,
    /// What would be sent of all files: an estimate, and the bounds that nearly all samples keep.
    sent_bytes: u64,
    sent_bytes_low: u64,
    sent_bytes_high: u64,
    /// The time of one core for a smaller copy, in seconds.
    seconds_for_copy: f64,
    /// Crops that were written.
    crops: Vec<Name>,
}

/// What one photo would become.
struct Tried {
    sizes: Sizes,
    /// Why it is left whole, if it is.
    whole: Option<Whole>,
    cpu: Duration,
    /// Crops of it and its copy, if some were asked for.
    crop: Option<Name>,
}

/// Tries a sample, and prints what all files would take.
///
/// # Errors
/// If the directory cannot be listed, or the crops cannot be written.
pub fn run(options: &Options) -> Result<(), CommandError> {
    let found = found(&options.dir)?;
    let jpegs: Vec<_> = found.iter().filter(|it| it.is_jpeg).collect();
    let sample: Vec<_> =
        chosen(jpegs.len(), options.sample).filter_map(|it| jpegs.get(it)).collect();
    let bytes = |files: &mut dyn Iterator<Item = &Found>| files.map(|it| it.bytes).sum();
    let mut estimate = Estimate {
        version: VERSION,
        dir: options.dir.as_path().into(),
        quality: options.saver.to_string(),
        files: found.len(),
        bytes: bytes(&mut found.iter()),
        jpegs: jpegs.len(),
        jpeg_bytes: bytes(&mut jpegs.iter().copied()),
        ..Estimate::default()
    };
    let crops = options.crops.as_deref();
    if let Some(crops) = crops {
        let cannot =
            |err| CommandError::new(format!("cannot make {}", crops.display())).because(err);
        fs::create_dir_all(crops).map_err(cannot)?;
    }
    let threads = rayon::current_num_threads().clamp(1, THREADS_MAX);
    let bar = progress::bar(sample.len(), "photos tried");
    let (mut sizes, mut smaller, mut cpu) = (Vec::new(), Vec::new(), Duration::ZERO);
    let maker = Maker::default();
    // Few at a time, so that each run shows the crops of the same photos.
    for some in sample.chunks(threads) {
        let crops_left = CROPS_MAX - estimate.crops.len();
        let tried: Vec<_> = some
            .par_iter()
            .enumerate()
            .map(|(at, it)| {
                let crops = crops.filter(|_| at < crops_left);
                let tried = tried(&maker, it, options.saver, crops);
                bar.inc(1);
                (it, tried)
            })
            .collect();
        for (found, tried) in tried {
            let tried = match tried {
                Ok(tried) => tried?,
                Err(err) => {
                    tell(format!("gphotosfs: {} is left out: {err}", found.path.display()));
                    continue;
                }
            };
            sizes.push(tried.sizes);
            if let Some(whole) = tried.whole {
                *estimate.whole.entry(whole.word()).or_default() += 1;
                continue;
            }
            smaller.push(tried.sizes);
            cpu += tried.cpu;
            estimate.crops.extend(tried.crop);
        }
    }
    bar.finish_and_clear();
    estimate.count(&sizes, &smaller, cpu);
    if options.json { print(json_text(&estimate)?) } else { print(estimate.text()) }
}

impl Estimate {
    fn count(&mut self, sizes: &[Sizes], smaller: &[Sizes], cpu: Duration) {
        self.sampled = sizes.len();
        self.sampled_bytes = sizes.iter().map(|it| it.0).sum();
        self.sampled_sent_bytes = sizes.iter().map(|it| it.1).sum();
        self.smaller = smaller.len();
        self.percent = shares(smaller);
        self.seconds_for_copy = match smaller.len() {
            0 => 0.0,
            count => cpu.as_secs_f64() / count as f64,
        };
        let others = self.bytes - self.jpeg_bytes;
        let of_jpegs = spread(sizes, self.jpegs, self.jpeg_bytes);
        self.sent_bytes = others + of_jpegs.middle;
        self.sent_bytes_low = others + of_jpegs.low;
        self.sent_bytes_high = others + of_jpegs.high;
    }

    fn text(&self) -> String {
        let mut text = format!(
            "{}, {}: {}, and {} other files, which go as they are\n",
            counted(self.files, "file"),
            ByteSize(self.bytes),
            counted(self.jpegs, "JPEG"),
            self.files - self.jpegs,
        );
        let tried = if self.sampled == self.jpegs { "Tried" } else { "A sample of" };
        let _ = write!(text, "{tried} {}: {} smaller", counted(self.sampled, "JPEG"), self.smaller);
        if let Some([least, middle, most]) = self.percent {
            let _ = write!(
                text,
                " ({least} to {most} % of the bytes stay, half keep at most {middle} %)"
            );
        }
        let mut reasons: Vec<_> = self.whole.iter().map(|(word, files)| (*files, *word)).collect();
        reasons.sort_by(|a, b| b.cmp(a));
        let left: usize = self.whole.values().sum();
        if left > 0 {
            let plural = |word| Whole::of_word(word).map_or(word, Whole::plural);
            let reasons: Vec<_> =
                reasons.iter().map(|(files, word)| format!("{files} {}", plural(word))).collect();
            let _ = write!(text, ", {left} left whole: {}", reasons.join(", "));
        }
        let (low, high) = (ByteSize(self.sent_bytes_low), ByteSize(self.sent_bytes_high));
        let middle = ByteSize(self.sent_bytes);
        let about = match self.sent_bytes_low == self.sent_bytes_high {
            true => format!("{middle}"),
            false => format!("about {middle} ({low} to {high})"),
        };
        let _ = write!(
            text,
            "\nWith '--quality {}': {about} instead of {}\n",
            self.quality,
            ByteSize(self.bytes)
        );
        if self.smaller > 0 {
            let share = self.smaller as f64 / self.sampled as f64;
            let all = self.seconds_for_copy * share * self.jpegs as f64;
            let _ = writeln!(
                text,
                "{:.1} s of one core for a smaller photo, {} for all",
                self.seconds_for_copy,
                time_words(all as u64)
            );
        }
        for crop in &self.crops {
            let _ = writeln!(text, "Crop (left: the photo, right: its copy): {crop}");
        }
        text
    }
}

/// A file that would be uploaded.
struct Found {
    path: PathBuf,
    bytes: u64,
    is_jpeg: bool,
}

/// The files below a directory that would be uploaded.
fn found(root: &Path) -> Result<Vec<Found>, CommandError> {
    let rules = NameRules::default();
    let mut found = Vec::new();
    for name in diff::local_names(root, &mut BTreeMap::new())? {
        let path = root.join(&name);
        if !diff::is_taken(root, &name, &rules) {
            continue;
        }
        let head = File::open(&path).and_then(|mut file| {
            let mut head = [0; JPEG.len()];
            file.read_exact(&mut head)?;
            Ok((head, file.metadata()?.len()))
        });
        if let Ok((head, bytes)) = head {
            found.push(Found { path, bytes, is_jpeg: head == JPEG });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Makes a smaller copy of a photo, as an upload would. The inner error is about the crop.
fn tried(
    maker: &Maker,
    found: &Found,
    saver: Saver,
    crops: Option<&Path>,
) -> io::Result<Result<Tried, CommandError>> {
    let file = local_file::open(&found.path)?;
    let here = file.metadata()?.len();
    let begun = cpu_time();
    maker.make(&file, saver, |bytes, copy| {
        let cpu = cpu_time().saturating_sub(begun);
        let sent = copy.as_ref().map_or(here, |it| it.len() as u64);
        let crop = match (crops, &copy) {
            (Some(dir), Ok(copy)) => Some(crop(dir, &found.path, (bytes, copy))?),
            _ => None,
        };
        Ok(Tried { sizes: (here, sent), whole: copy.err(), cpu, crop })
    })
}

/// The time that this thread has computed.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

/// Writes crops of a photo and of its copy into a directory.
fn crop(dir: &Path, photo: &Path, (bytes, copy): (&[u8], &[u8])) -> Result<Name, CommandError> {
    let stem = photo.file_stem().unwrap_or_default().to_string_lossy();
    let free = |it: &PathBuf| !it.exists();
    let numbered = (2..10_000).map(|it| dir.join(format!("{stem}-{it}.png")));
    let path = std::iter::once(dir.join(format!("{stem}.png"))).chain(numbered).find(free);
    let path = path.unwrap_or_else(|| dir.join("crop.png"));
    let cannot = |err| CommandError::new(format!("cannot write {}", path.display())).because(err);
    crops::write(bytes, copy, &path).map_err(cannot)?;
    Ok(path.as_path().into())
}
