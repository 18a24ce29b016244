//! The local side: which files there are, their hashes, and what they say about themselves.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use exif::{In, Tag, Value};
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;
use walkdir::WalkDir;

use super::compare::Files;
use super::evidence::{Facts, Taken};
use super::hashes::Hashes;
use crate::commands::CommandError;

/// Local files: those that could be read, and why others could not.
#[derive(Debug, Default)]
pub struct Local {
    /// By name.
    pub files: Files<Facts>,
    /// Why not.
    pub unreadable: Files<String>,
}

/// Hashes all files below `root`. Links are followed, as cp does with those it is given.
///
/// # Errors
/// If `root` itself cannot be listed.
pub fn read(root: &Path, hashes: &Hashes) -> Result<Local, CommandError> {
    let mut local = Local::default();
    let names = names(root, &mut local.unreadable)?;
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} local files hashed")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    // Drawn on a terminal only.
    let bar = ProgressBar::new(names.len() as u64).with_style(style);
    let read: Vec<_> = names
        .into_par_iter()
        .map(|name| {
            let hashed = hashes.of(&root.join(&name));
            bar.inc(1);
            (name, hashed)
        })
        .collect();
    bar.finish_and_clear();
    for (name, hashed) in read {
        match hashed {
            Ok((size, hash)) => {
                let facts = Facts { size: Some(size), hash: Some(hash), ..Facts::default() };
                local.files.insert(name, facts);
            }
            Err(error) => {
                local.unreadable.insert(name, plain(&error));
            }
        }
    }
    Ok(local)
}

fn names(root: &Path, unreadable: &mut Files<String>) -> Result<Vec<PathBuf>, CommandError> {
    let mut names = Vec::new();
    let relative = |path: &Path| path.strip_prefix(root).unwrap_or(path).to_owned();
    for entry in WalkDir::new(root).follow_links(true) {
        match entry {
            Ok(entry) if entry.file_type().is_file() => names.push(relative(entry.path())),
            Ok(entry) if entry.file_type().is_dir() => {}
            Ok(entry) => {
                // A pipe would be waited for for ever.
                let why = "neither a file nor a directory".to_owned();
                unreadable.insert(relative(entry.path()), why);
            }
            Err(err) => {
                let path = err.path().unwrap_or(root).to_owned();
                let depth = err.depth();
                let link = "a symbolic link leads back to a directory above it";
                let cause = err.into_io_error().unwrap_or_else(|| io::Error::other(link));
                if depth == 0 {
                    let error = CommandError::new(format!("cannot list {}", path.display()));
                    return Err(error.because(cause));
                }
                let dangling = path.is_symlink() && cause.kind() == io::ErrorKind::NotFound;
                let why =
                    if dangling { "a symbolic link to nothing".to_owned() } else { plain(&cause) };
                unreadable.insert(relative(&path), why);
            }
        }
    }
    Ok(names)
}

/// Without the number that only programmers read.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

/// Adds what the files say about themselves: capture time, dimensions, camera.
pub fn add_facts(root: &Path, files: &mut Files<Facts>) {
    files.par_iter_mut().for_each(|(name, facts)| {
        let path = root.join(name);
        let size = imagesize::size(&path).ok();
        facts.dimensions = size
            .and_then(|it| Some((u32::try_from(it.width).ok()?, u32::try_from(it.height).ok()?)));
        let Ok(file) = File::open(&path) else { return };
        let Ok(exif) = exif::Reader::new().read_from_container(&mut BufReader::new(file)) else {
            return;
        };
        let text = |tag| text(exif.get_field(tag, In::PRIMARY)?);
        facts.taken = text(Tag::DateTimeOriginal)
            .and_then(|time| taken(&time, text(Tag::OffsetTimeOriginal).as_deref()));
        facts.model = text(Tag::Model);
        facts.located = exif.get_field(Tag::GPSLatitude, In::PRIMARY).is_some();
    });
}

fn text(field: &exif::Field) -> Option<String> {
    let Value::Ascii(parts) = &field.value else { return None };
    let text = String::from_utf8_lossy(parts.first()?);
    let text = text.trim_matches(['\0', ' ']).to_owned();
    (!text.is_empty()).then_some(text)
}

/// EXIF's `2019:04:28 12:00:00` and `+02:00`.
fn taken(time: &str, offset: Option<&str>) -> Option<Taken> {
    let local: jiff::civil::DateTime =
        jiff::civil::DateTime::strptime("%Y:%m:%d %H:%M:%S", time).ok()?;
    let zone = offset.and_then(|it| {
        let text = format!("{time} {it}");
        jiff::Timestamp::strptime("%Y:%m:%d %H:%M:%S %:z", text).ok()
    });
    let utc = jiff::tz::TimeZone::UTC.to_timestamp(local).ok()?;
    Some(Taken { seconds: zone.unwrap_or(utc).as_second(), zoned: zone.is_some() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_without_a_zone_is_taken_as_if_it_were_utc() {
        let at = |offset| taken("1970:01:02 00:00:00", offset);
        assert_eq!(at(None), Some(Taken { seconds: 86_400, zoned: false }));
        assert_eq!(at(Some("+02:00")), Some(Taken { seconds: 79_200, zoned: true }));
        assert_eq!(at(Some("  :  ")), Some(Taken { seconds: 86_400, zoned: false }));
        assert_eq!(taken("0000:00:00 00:00:00", None), None);
    }
}
