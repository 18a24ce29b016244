//! A zip of an export, read in place. Nothing is extracted, so no name in it is ever a path here.
//!
//! Each pass reads the list at the end of the zip again, so memory does not grow with the number of
//! files.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use zip::ZipReadOptions;
use zip::read::{Config, ZipFileEntry};
use zip::result::ZipError;
use zip::unstable::read::ZipIterable;

use super::opened::{Listed, Opened, reason};
use crate::app::CommandError;

/// Deflate cannot shrink anything further. A file that claims more is made to keep readers busy.
const RATIO_MAX: u64 = 1032;

/// The list is read in steps, because each file in it is sought anew.
const LIST_BUFFER: usize = 512;

/// The end record of a zip, with the longest comment.
const END_MAX: u64 = 22 + 0xffff;

const DAMAGED: &str = "download this part of the export again";

const NAME_ZIPS: &str = "name the zips of a Google Takeout export, or the directory of one";
const EXTRACT: &str = "extract all archives into one directory with 'tar -xzf', and name that; an export as .zip \
                       needs no extracting";

/// A zip.
pub struct Zipped {
    path: PathBuf,
    bytes: u64,
    list: ZipIterable<BufReader<File>>,
    content: BufReader<File>,
}

impl Zipped {
    /// Opens a zip.
    ///
    /// # Errors
    /// If it cannot be read, is no zip, or is not whole.
    pub fn open(path: &Path) -> Result<Self, CommandError> {
        let what = || format!("cannot read {}", path.display());
        let unreadable = |err: io::Error| CommandError::new(what()).because(err);
        let not_there = |err: io::Error| match err.kind() {
            io::ErrorKind::NotFound => unreadable(err).hint("check the file's name"),
            _ => unreadable(err),
        };
        // To open a pipe would wait for its writer.
        if !path.metadata().map_err(not_there)?.is_file() {
            let what = format!("{} is not a zip, and not even a file", path.display());
            return Err(CommandError::usage(what).hint(NAME_ZIPS));
        }
        let mut file = File::open(path).map_err(not_there)?;
        let bytes = file.metadata().map_err(unreadable)?.len();
        // Only the first piece begins as a zip, and only the last one ends as one.
        if is_piece_by_name(path) || is_piece(&mut file).map_err(unreadable)? {
            let what = format!("{} is a piece of a split zip", path.display());
            return Err(CommandError::usage(what).hint(how_to_join(path)));
        }
        file.rewind().map_err(unreadable)?;
        let mut magic = [0; 2];
        let is_zip = file.read_exact(&mut magic).is_ok() && &magic == b"PK";
        if !is_zip {
            return Err(CommandError::usage(format!("{} is not a zip", path.display()))
                .hint(if is_tar(path) { EXTRACT } else { NAME_ZIPS }));
        }
        file.rewind().map_err(unreadable)?;
        let content = BufReader::new(File::open(path).map_err(unreadable)?);
        let list = BufReader::with_capacity(LIST_BUFFER, file);
        let list = ZipIterable::try_new(list, Config::default()).map_err(|err| {
            let why = "it has no end: it was cut off, or is one of several pieces";
            damaged(path, &err, why).hint(format!("{DAMAGED}, or {}", how_to_join(path)))
        })?;
        Ok(Self { path: path.to_owned(), bytes, list, content })
    }

    /// Calls `each` with every file, in the order of the list.
    ///
    /// # Errors
    /// If the list is damaged, or `each` fails.
    pub fn list(
        &mut self,
        each: &mut dyn FnMut(Listed<'_>) -> Result<(), CommandError>,
    ) -> Result<(), CommandError> {
        let path = &self.path;
        let broken = |err| damaged(path, &err, "its list of files is damaged");
        let mut packed = 0_u64;
        for (number, entry) in self.list.files().map_err(broken)?.enumerate() {
            let entry = entry.map_err(broken)?;
            packed = packed.saturating_add(entry.compressed_size());
            if packed > self.bytes {
                let what = format!("{} claims more files than fit into it", path.display());
                return Err(CommandError::new(what).hint(DAMAGED));
            }
            if entry.encrypted() {
                let what = format!("{} is encrypted, so it cannot be compared", path.display());
                return Err(CommandError::new(what)
                    .hint("extract it with its password, and name the directory"));
            }
            if let Ok(name) = entry.name()
                && entry.is_file()
            {
                each(Listed { number, path: &name, size: entry.size() })?;
            }
        }
        Ok(())
    }

    /// Opens these files, in the order of the list.
    ///
    /// # Errors
    /// If the list is damaged, or `each` fails. A damaged file is given to `each` as such.
    pub fn read(
        &mut self,
        wanted: &BTreeSet<usize>,
        each: &mut dyn FnMut(usize, Opened<'_>) -> Result<(), CommandError>,
    ) -> Result<(), CommandError> {
        let path = &self.path;
        let broken = |err| damaged(path, &err, "its list of files is damaged");
        let Some(&last) = wanted.last() else { return Ok(()) };
        for (number, entry) in self.list.files().map_err(broken)?.enumerate().take(last + 1) {
            let entry = entry.map_err(broken)?;
            if wanted.contains(&number) {
                match open(entry, &mut self.content) {
                    Ok(mut file) => each(number, Ok(&mut file))?,
                    Err(why) => each(number, Err(why))?,
                }
            }
        }
        Ok(())
    }
}

/// Whether a name is that of the other kind of archive that Takeout offers.
fn is_tar(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    [".tgz", ".tar.gz", ".tar"].iter().any(|it| name.ends_with(it))
}

/// Whether a name is that of a piece but the last: `x.z01`.
fn is_piece_by_name(path: &Path) -> bool {
    let extension = path.extension().and_then(|it| it.to_str()).unwrap_or_default();
    let number = extension.strip_prefix(['z', 'Z']);
    number.is_some_and(|it| it.len() >= 2 && it.bytes().all(|it| it.is_ascii_digit()))
}

/// The next step with a piece. The last piece has the name that `zip` wants.
fn how_to_join(path: &Path) -> String {
    let last = path.with_extension("zip");
    let quoted = shlex::try_quote(&last.to_string_lossy()).map(std::borrow::Cow::into_owned);
    let last = quoted.unwrap_or_else(|_| "IN.zip".to_owned());
    format!("join the pieces with: zip -s 0 {last} --out OUT.zip")
}

/// Whether a file is one of several pieces of a zip. Google makes several whole zips instead.
fn is_piece(file: &mut File) -> io::Result<bool> {
    file.rewind()?;
    let mut first = [0; 4];
    file.read_exact(&mut first).or_else(|err| match err.kind() {
        io::ErrorKind::UnexpectedEof => Ok(()),
        _ => Err(err),
    })?;
    let length = file.metadata()?.len();
    file.seek(io::SeekFrom::Start(length.saturating_sub(END_MAX)))?;
    let mut tail = Vec::new();
    file.take(END_MAX).read_to_end(&mut tail)?;
    let end = tail.windows(6).rev().find(|it| it.starts_with(b"PK\x05\x06"));
    // A zip with 64-bit numbers may have them all set.
    let number = end.map_or(0, |end| u16::from_le_bytes([end[4], end[5]]));
    Ok(&first == b"PK\x07\x08" || (number != 0 && number != u16::MAX))
}

fn open<'a>(
    entry: ZipFileEntry<'a>,
    content: &'a mut BufReader<File>,
) -> Result<impl Read + use<'a>, String> {
    if entry.size() / RATIO_MAX > entry.compressed_size() {
        return Err("its size as the zip has it cannot be true".to_owned());
    }
    entry.with_reader(content, ZipReadOptions::new()).map_err(|err| match err {
        ZipError::Io(err) => reason(&err),
        ZipError::CompressionMethodNotSupported(_) => "its compression is not known".to_owned(),
        _ => "its bytes are damaged".to_owned(),
    })
}

fn damaged(path: &Path, err: &ZipError, why: &str) -> CommandError {
    match err {
        ZipError::Io(io) if io.raw_os_error().is_some() => {
            let kind = io::Error::new(io.kind(), io.to_string());
            CommandError::new(format!("cannot read {}", path.display())).because(kind)
        }
        _ => CommandError::new(format!("{} is damaged: {why}", path.display())).hint(DAMAGED),
    }
}
