//! `gphotosfs thumbnails`: fills the desktop's cache of thumbnails with pictures that Google makes.
//! A file manager that opens the album then reads no photos.
//!
//! GNOME, KDE, Xfce and others share the cache of the freedesktop.org Thumbnail Managing Standard.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{DirBuilder, File};
use std::io::{self, BufReader, BufWriter};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use image::{DynamicImage, RgbaImage};
use md5::{Digest, Md5};
use parking_lot::Mutex;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use rayon::prelude::*;

use super::diff;
use crate::app::name::Name;
use crate::app::{CommandError, counted, print, progress, running};
use crate::error_chain::without_number;
use crate::fs::VALUE_BYTES_MAX;
use crate::profile::Profile;
use crate::store::UploadState;

/// How many pictures are requested at the same time.
const AT_A_TIME: usize = 8;

/// The standard's sizes in pixels, and their directories. The mount returns pictures of the first
/// size.
const SIZES: [(u32, &str); 2] = [(256, "large"), (128, "normal")];

/// The keys by which a thumbnail names its file and that file's time. Readers compare them letter by
/// letter.
const URI_KEY: &str = "Thumb::URI";
const MTIME_KEY: &str = "Thumb::MTime";

/// The characters to encode in a file's URI. They are those of GLib, because file managers look for
/// the hash of GLib's URI.
const IN_URI: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b'-')
    .remove(b'.')
    .remove(b'/')
    .remove(b':')
    .remove(b';')
    .remove(b'=')
    .remove(b'@')
    .remove(b'_')
    .remove(b'~');

/// Google's pictures are smaller than this; a larger one would be hostile.
const PICTURE_PIXELS_MAX: u32 = 4096;

/// The outcomes of all files.
#[derive(Default)]
struct Tally {
    made: u64,
    there: u64,
    not_yet: u64,
    stays: u64,
    /// For each reason, the number of files and the name of one, because the reason is often the
    /// same.
    failed: BTreeMap<String, (u64, Name)>,
}

impl Tally {
    fn count(&mut self, name: &Path, outcome: io::Result<Outcome>) {
        match outcome {
            Ok(Outcome::Made) => self.made += 1,
            Ok(Outcome::There) => self.there += 1,
            Ok(Outcome::NotYet) => self.not_yet += 1,
            Ok(Outcome::Stays) => self.stays += 1,
            Err(err) => self.count_failed(name.into(), &err),
        }
    }

    fn count_failed(&mut self, name: Name, err: &io::Error) {
        let why = match running::meaning(err) {
            Some((words, _)) => words.to_owned(),
            None => without_number(&err.to_string()).to_owned(),
        };
        let (count, first) = self.failed.entry(why).or_insert((0, name.clone()));
        *count += 1;
        if name < *first {
            *first = name;
        }
    }

    fn why_failed(&self) -> String {
        let reasons = self.failed.iter().map(|(why, (count, first))| match count {
            1 => format!("{why} ({first})"),
            2 => format!("{why} ({first} and another)"),
            _ => format!("{why} ({first} and {} others)", count - 1),
        });
        reasons.collect::<Vec<_>>().join("; ")
    }
}

/// Makes the missing thumbnails below a directory.
///
/// # Errors
/// If the directory is not on a mount or the cache cannot be written.
pub fn run(dir: &Path, profile: &Profile) -> Result<(), CommandError> {
    diff::mount_of(dir, profile)?;
    let root = dir.canonicalize().map_err(|err| running::cannot_use(dir, err))?;
    let cache = Cache::open()
        .map_err(|err| CommandError::new("cannot use the desktop's thumbnails").because(err))?;
    let names = diff::names(&root)?;
    let bar = progress::bar(names.len(), "thumbnails");
    let threads = rayon::ThreadPoolBuilder::new().num_threads(AT_A_TIME).build();
    let threads = threads.map_err(|err| CommandError::new("cannot start threads").because(err))?;
    let tally = Mutex::new(Tally::default());
    let make = |name: &PathBuf| {
        let outcome = cache.complete(&root.join(name));
        tally.lock().count(name, outcome);
        bar.inc(1);
    };
    threads.install(|| names.par_iter().for_each(make));
    bar.finish_and_clear();
    let tally = tally.into_inner();
    let Tally { made, there, not_yet, stays, failed } = &tally;
    let failed: u64 = failed.values().map(|(count, _)| count).sum();
    print(format!(
        "{} = {} made + {there} there already + {not_yet} not at Google yet + {stays} only on this machine \
         + {failed} failed\n",
        counted(names.len(), "file"),
        counted(*made, "thumbnail")
    ))?;
    match failed {
        0 => Ok(()),
        _ => Err(CommandError::new("not all thumbnails could be made")
            .because(tally.why_failed())
            .hint("run this again later; the mount's log has the causes")),
    }
}

enum Outcome {
    Made,
    There,
    /// The file is not at Google yet, so file managers read the local copy.
    NotYet,
    /// A temporary or empty file, a sidecar or the like, which is not on its way to Google.
    Stays,
}

/// The desktop's cache.
struct Cache {
    root: PathBuf,
}

impl Cache {
    fn open() -> io::Result<Self> {
        let base = etcetera::base_strategy::Xdg::new().map_err(io::Error::other)?;
        let root = base.cache_dir().join("thumbnails");
        for (_, dir) in SIZES {
            DirBuilder::new().recursive(true).mode(0o700).create(root.join(dir))?;
        }
        Ok(Self { root })
    }

    /// Makes a file's thumbnails if they are missing or outdated.
    fn complete(&self, path: &Path) -> io::Result<Outcome> {
        let stamp = Stamp::of(path)?;
        if SIZES.iter().all(|(_, dir)| stamp.is_on(&self.root.join(dir).join(stamp.name()))) {
            return Ok(Outcome::There);
        }
        // The buffer has room for any value: asking for the size first would download it twice.
        let mut picture = vec![0; VALUE_BYTES_MAX];
        match rustix::fs::getxattr(path, "user.gphotos.thumbnail", &mut picture) {
            Ok(len) => picture.truncate(len),
            Err(rustix::io::Errno::NODATA) => {
                let state = diff::text(path, "state")?;
                let stays = state.as_deref() == Some(UploadState::Temporary.as_str());
                return Ok(if stays { Outcome::Stays } else { Outcome::NotYet });
            }
            Err(errno) => return Err(errno.into()),
        }
        let mut reader = image::ImageReader::new(io::Cursor::new(picture)).with_guessed_format()?;
        let mut limits = image::Limits::default();
        limits.max_image_width = Some(PICTURE_PIXELS_MAX);
        limits.max_image_height = Some(PICTURE_PIXELS_MAX);
        reader.limits(limits);
        let picture = reader.decode().map_err(io::Error::other)?;
        for (pixels, dir) in SIZES {
            stamp.save(&smaller(&picture, pixels), &self.root.join(dir))?;
        }
        Ok(Outcome::Made)
    }
}

/// Shrinks a picture to fit into a square. Never enlarges it.
fn smaller(picture: &DynamicImage, pixels: u32) -> RgbaImage {
    if picture.width() <= pixels && picture.height() <= pixels {
        return picture.to_rgba8();
    }
    picture.thumbnail(pixels, pixels).into_rgba8()
}

/// Identifies a file and its present content in a thumbnail.
struct Stamp {
    uri: String,
    mtime: String,
}

impl Stamp {
    fn of(path: &Path) -> io::Result<Self> {
        let uri = format!("file://{}", percent_encode(path.as_os_str().as_bytes(), IN_URI));
        Ok(Self { uri, mtime: path.metadata()?.mtime().to_string() })
    }

    fn name(&self) -> String {
        let digest = Md5::digest(&self.uri);
        digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + ".png"
    }

    /// Whether there is a thumbnail of this content.
    fn is_on(&self, thumbnail: &Path) -> bool {
        let Ok(file) = File::open(thumbnail) else { return false };
        let Ok(reader) = png::Decoder::new(BufReader::new(file)).read_info() else { return false };
        let says = |key: &str, value: &str| {
            let mut texts = reader.info().uncompressed_latin1_text.iter();
            texts.any(|it| it.keyword == key && it.text == value)
        };
        says(URI_KEY, &self.uri) && says(MTIME_KEY, &self.mtime)
    }

    /// Writes a thumbnail, and renames it to its name when it is complete, as the standard
    /// requires.
    fn save(&self, picture: &RgbaImage, dir: &Path) -> io::Result<()> {
        let file = tempfile::Builder::new()
            .prefix("gphotosfs-")
            .suffix(OsStr::new(".png"))
            .permissions(PermissionsExt::from_mode(0o600))
            .tempfile_in(dir)?;
        let mut encoder =
            png::Encoder::new(BufWriter::new(file.as_file()), picture.width(), picture.height());
        encoder.set_color(png::ColorType::Rgba);
        let texts =
            [(URI_KEY, &self.uri), (MTIME_KEY, &self.mtime), ("Software", &"gphotosfs".to_owned())];
        for (key, value) in texts {
            encoder.add_text_chunk(key.to_owned(), value.clone())?;
        }
        let mut writer = encoder.write_header()?;
        writer.write_image_data(picture.as_raw())?;
        writer.finish()?;
        file.persist(dir.join(self.name()))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_standard() {
        // The example of the Thumbnail Managing Standard.
        let stamp = Stamp { uri: "file:///home/jens/photos/me.png".into(), mtime: "0".into() };
        assert_eq!(stamp.name(), "c6ee772d9e49320e97ec29a7eb5b1697.png");
    }

    #[test]
    fn a_thumbnail_is_of_one_file_and_one_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("50 % ä (1).jpg");
        std::fs::write(&path, b"x").unwrap();
        let stamp = Stamp::of(&path).unwrap();
        assert!(stamp.uri.ends_with("/50%20%25%20%C3%A4%20(1).jpg"), "{}", stamp.uri);
        stamp.save(&RgbaImage::new(4, 3), dir.path()).unwrap();
        let made = dir.path().join(stamp.name());
        assert!(stamp.is_on(&made));
        assert_eq!(made.metadata().unwrap().mode() & 0o777, 0o600);
        let later = Stamp { mtime: "1".into(), ..stamp };
        assert!(!later.is_on(&made));
    }
}
