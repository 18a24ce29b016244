//! The desktop's cache of thumbnails, which GNOME, KDE, Xfce and others share. The freedesktop.org
//! Thumbnail Managing Standard describes it.

use std::ffi::OsStr;
use std::fs::{DirBuilder, File};
use std::io::{self, BufReader, BufWriter};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use image::{DynamicImage, RgbaImage};
use md5::{Digest, Md5};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use png::text_metadata::{TEXtChunk, ZTXtChunk};

/// The standard's sizes in pixels, and their directories. The pictures have the first size.
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

/// The desktop's cache of the user of this process. Its functions block.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// The cache below `$XDG_CACHE_HOME`, else `~/.cache`. Touches no disk.
    ///
    /// # Errors
    /// If there is no home directory.
    pub fn of_user() -> io::Result<Self> {
        let base = etcetera::base_strategy::Xdg::new().map_err(io::Error::other)?;
        Ok(Self { root: base.cache_dir().join("thumbnails") })
    }

    /// Makes the directories of the cache.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn make(&self) -> io::Result<()> {
        for (_, dir) in SIZES {
            DirBuilder::new().recursive(true).mode(0o700).create(self.root.join(dir))?;
        }
        Ok(())
    }

    /// Whether all thumbnails of a file's present content are there.
    pub fn has(&self, stamp: &Stamp) -> bool {
        SIZES.iter().all(|(_, dir)| stamp.is_on(&self.root.join(dir).join(stamp.name())))
    }

    /// Makes thumbnails of a picture, a JPEG or PNG file, in directories that are there.
    ///
    /// # Errors
    /// If it is no such picture, or the disk fails.
    pub fn save(&self, stamp: &Stamp, picture: &[u8]) -> io::Result<()> {
        let mut reader = image::ImageReader::new(io::Cursor::new(picture)).with_guessed_format()?;
        let mut limits = image::Limits::default();
        limits.max_image_width = Some(PICTURE_PIXELS_MAX);
        limits.max_image_height = Some(PICTURE_PIXELS_MAX);
        reader.limits(limits);
        let picture = reader.decode().map_err(io::Error::other)?;
        for (pixels, dir) in SIZES {
            stamp.save(&smaller(&picture, pixels), &self.root.join(dir))?;
        }
        Ok(())
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
#[derive(Clone, Debug)]
pub struct Stamp {
    uri: String,
    mtime: String,
    /// As tumbler, which Xfce uses, writes and expects it, if that differs: GLib and KDE expect a whole
    /// number. It goes into a compressed text before the other one. GLib does not read such texts,
    /// tumbler takes the first one of a key, and libfm and GNOME take it and ignore its fraction.
    exact_mtime: Option<String>,
}

impl Stamp {
    /// The stamp of the file at an absolute path, with its time of modification in nanoseconds.
    pub fn new(path: &Path, mtime_ns: i64) -> Self {
        let uri = format!("file://{}", percent_encode(path.as_os_str().as_bytes(), IN_URI));
        let (seconds, ns) =
            (mtime_ns.div_euclid(1_000_000_000), mtime_ns.rem_euclid(1_000_000_000));
        let micros = ns / 1000;
        let exact_mtime = (micros != 0).then(|| format!("{seconds}.{micros:06}"));
        Self { uri, mtime: seconds.to_string(), exact_mtime }
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
        let is_exact = self.exact_mtime.as_ref().is_none_or(|exact| {
            let texts = &reader.info().compressed_latin1_text;
            texts.iter().any(|it| it.get_text().is_ok_and(|text| text == *exact))
        });
        says(URI_KEY, &self.uri) && says(MTIME_KEY, &self.mtime) && is_exact
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
        let mut writer = encoder.write_header()?;
        if let Some(exact) = &self.exact_mtime {
            writer.write_text_chunk(&ZTXtChunk::new(MTIME_KEY, exact))?;
        }
        let texts = [
            (URI_KEY, self.uri.as_str()),
            (MTIME_KEY, self.mtime.as_str()),
            ("Software", "gphotosfs"),
        ];
        for (key, value) in texts {
            writer.write_text_chunk(&TEXtChunk::new(key, value))?;
        }
        writer.write_image_data(picture.as_raw())?;
        writer.finish()?;
        file.persist(dir.join(self.name()))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn names_are_those_of_the_standard() {
        // The example of the Thumbnail Managing Standard.
        let stamp = Stamp::new(Path::new("/home/jens/photos/me.png"), 0);
        assert_eq!(stamp.name(), "c6ee772d9e49320e97ec29a7eb5b1697.png");
    }

    #[test]
    fn a_thumbnail_is_of_one_file_and_one_time() {
        let dir = tempfile::tempdir().unwrap();
        let stamp = Stamp::new(Path::new("/A/50 % ä (1).jpg"), 7_000_000_000);
        assert_eq!(stamp.uri, "file:///A/50%20%25%20%C3%A4%20(1).jpg");
        stamp.save(&RgbaImage::new(4, 3), dir.path()).unwrap();
        let made = dir.path().join(stamp.name());
        assert!(stamp.is_on(&made));
        assert_eq!(made.metadata().unwrap().mode() & 0o777, 0o600);
        let later = Stamp { mtime: "8".into(), ..stamp.clone() };
        assert!(!later.is_on(&made));
        // A version of the same second. Its whole time must not stand first: tumbler reads one only.
        let path = Path::new("/A/50 % ä (1).jpg");
        let exact = Stamp::new(path, 7_012_345_678);
        assert!(!exact.is_on(&made));
        exact.save(&RgbaImage::new(4, 3), dir.path()).unwrap();
        assert!(exact.is_on(&made) && !Stamp::new(path, 7_012_346_678).is_on(&made));
        let bytes = std::fs::read(&made).unwrap();
        let place = |kind: &[u8]| bytes.windows(4).position(|it| it == kind).unwrap();
        assert!(place(b"zTXt") < place(b"tEXt") && place(b"tEXt") < place(b"IDAT"));
    }

    #[test]
    fn a_cache_has_a_thumbnail_when_it_has_all_sizes() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache { root: dir.path().join("thumbnails") };
        let stamp = Stamp::new(Path::new("/A/a.jpg"), 7_000_000_000);
        let mut picture = Vec::new();
        let pixels = DynamicImage::ImageRgb8(image::RgbImage::new(256, 100));
        pixels.write_to(&mut io::Cursor::new(&mut picture), image::ImageFormat::Jpeg).unwrap();
        cache.make().unwrap();
        assert!(!cache.has(&stamp));
        cache.save(&stamp, &picture).unwrap();
        assert!(cache.has(&stamp));
        std::fs::remove_file(cache.root.join("normal").join(stamp.name())).unwrap();
        assert!(!cache.has(&stamp));
        assert!(cache.save(&stamp, b"no picture").is_err());
    }
}
