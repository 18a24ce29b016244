//! The album's side, asked of the mount by xattrs. No media is downloaded.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::ProgressBar;
use jiff::{SignedDuration, Timestamp};
use rayon::prelude::*;

use super::compare::{AlbumFile, Files, Stage};
use super::evidence::{Facts, Taken};
use crate::app::CommandError;
use crate::app::name::Name;
use crate::app::progress;
use crate::app::running::{self, Mount};
use crate::media::ContentHash;

/// How often the sign that something is going on moves.
const TICK: Duration = Duration::from_millis(100);

/// How long what was just sent may be late in Google's lists before it is worth a word.
const LATE_MAX: SignedDuration = SignedDuration::from_secs(30);

/// After such pauses the album is listed again while something in it is late.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];

/// The album's files, listed again from Google first. Sizes of what was not uploaded from here are left out.
///
/// # Errors
/// If Google cannot be asked, or the mount is gone.
pub fn files(root: &Path) -> Result<Files<AlbumFile>, CommandError> {
    let mut found = files_listed_now(root)?;
    for pause in PAUSES {
        let now = Timestamp::now();
        let is_late =
            |it: &AlbumFile| it.unlisted.is_some_and(|at| now.duration_since(at) < LATE_MAX);
        if !found.values().any(is_late) {
            break;
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "no event tells that Google's lists are right"
        )]
        std::thread::sleep(pause);
        found = files_listed_now(root)?;
    }
    Ok(found)
}

fn files_listed_now(root: &Path) -> Result<Files<AlbumFile>, CommandError> {
    let spinner = ProgressBar::new_spinner();
    spinner.set_message(format!("listing {} again from Google", Name::from(root)));
    // Drawn on a terminal only, as the bars are.
    spinner.enable_steady_tick(TICK);
    let listed = list_all_again(root);
    spinner.finish_and_clear();
    listed?;
    each(root, names(root)?, "files of the album looked at", file)
}

/// Adds the sizes of some files, as far as Google tells them.
///
/// # Errors
/// If the mount is gone.
pub fn add_sizes(
    root: &Path,
    files: &mut Files<AlbumFile>,
    names: Vec<PathBuf>,
) -> Result<(), CommandError> {
    for (name, size) in each(root, names, "sizes asked for", size)? {
        if let Some(file) = files.get_mut(&name) {
            file.facts.size = size;
        }
    }
    Ok(())
}

/// Looks at many files at a time. Those that have gone are left out: uploads and other programs go on meanwhile.
fn each<T: Send>(
    root: &Path,
    names: Vec<PathBuf>,
    done: &str,
    look: impl Fn(&Path) -> io::Result<T> + Sync,
) -> Result<Files<T>, CommandError> {
    let bar = progress::bar(names.len(), done);
    let found: Result<Vec<_>, _> = names
        .into_par_iter()
        .map(|name| {
            let path = root.join(&name);
            let found = look(&path);
            bar.inc(1);
            match found {
                Ok(found) => Ok(Some((name, found))),
                Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(err) => Err(running::cannot_use(&path, err)),
            }
        })
        .collect();
    bar.finish_and_clear();
    Ok(found?.into_iter().flatten().collect())
}

fn list_all_again(dir: &Path) -> Result<(), CommandError> {
    let cannot = |err: io::Error| {
        let offline = [libc::EHOSTUNREACH, libc::ETIMEDOUT, libc::ENETUNREACH]
            .contains(&err.raw_os_error().unwrap_or_default());
        let error = CommandError::new(format!("cannot list {} again from Google", dir.display()));
        let error = running::not_done(error, err);
        // Nothing of it is queued that would go on by itself.
        if offline { error.hint("try again when there is a network") } else { error }
    };
    running::list_again(dir).map_err(cannot)?;
    for entry in std::fs::read_dir(dir).map_err(cannot)? {
        let entry = entry.map_err(cannot)?;
        if entry.file_type().map_err(cannot)?.is_dir() {
            list_all_again(&entry.path())?;
        }
    }
    Ok(())
}

/// The files below a directory of the mount, from what readdir says of their kind: asking for their
/// attributes would ask Google for their sizes.
///
/// # Errors
/// If the mount is gone.
pub fn names(root: &Path) -> Result<Vec<PathBuf>, CommandError> {
    let mut names = Vec::new();
    let mut dirs = vec![PathBuf::new()];
    while let Some(dir) = dirs.pop() {
        let path = root.join(&dir);
        let cannot = |err| running::cannot_use(&path, err);
        for entry in std::fs::read_dir(&path).map_err(cannot)? {
            let entry = entry.map_err(cannot)?;
            let name = dir.join(entry.file_name());
            let is_dir = entry.file_type().map_err(cannot)?.is_dir();
            if is_dir { dirs.push(name) } else { names.push(name) }
        }
    }
    Ok(names)
}

fn file(path: &Path) -> io::Result<AlbumFile> {
    let stage = match text(path, "state")?.as_deref() {
        Some("committed" | "rendition") | None => Stage::Committed,
        Some("scratch") => Stage::Temporary,
        Some("failed") => Stage::Failed(reason(path)?),
        Some(state) => Stage::OnItsWay(state.to_owned()),
    };
    let hash =
        |name| Ok::<_, io::Error>(text(path, name)?.as_deref().and_then(ContentHash::from_hex));
    let mut facts = Facts { hash: hash("sha256")?, adopted: hash("adopted")?, ..Facts::default() };
    if facts.known().is_none() && stage == Stage::Committed {
        let taken = text(path, "creation_time")?.and_then(|it| it.parse::<Timestamp>().ok());
        facts.taken = taken.map(|it| Taken { seconds: it.as_second(), zoned: true });
        facts.dimensions = number(path, "width")?.zip(number(path, "height")?);
        facts.model = text(path, "camera_model")?;
    }
    let unlisted = if stage == Stage::Committed { unlisted(path)? } else { None };
    Ok(AlbumFile { stage, facts, id: text(path, "id")?, unlisted })
}

/// Of a file with names in several albums each has its own list, so the mount tells the directories concerned.
fn unlisted(path: &Path) -> io::Result<Option<Timestamp>> {
    let (Some(told), Some(dir)) = (text(path, "unlisted")?, path.parent()) else { return Ok(None) };
    let dir = dir.metadata()?.ino();
    let mut lines = told.lines().filter_map(|line| line.split_once(' '));
    let since = lines.find(|(number, _)| number.parse() == Ok(dir)).map(|(_, since)| since);
    // A time that is none is long ago: it should be there by now.
    Ok(since.map(|it| it.parse().unwrap_or(Timestamp::UNIX_EPOCH)))
}

/// `None` for a video, which Google encodes anew, and for a size that is not known, which shows as 0.
fn size(path: &Path) -> io::Result<Option<u64>> {
    if text(path, "mime_type")?.is_some_and(|it| it.starts_with("video/")) {
        return Ok(None);
    }
    Ok(Some(path.metadata()?.len()).filter(|&it| it > 0))
}

/// What Google refused of this album, with the reasons.
///
/// # Errors
/// If the mount is gone.
pub fn refused(mount: &Mount, album: &Path) -> Result<Files<String>, CommandError> {
    let album = album.canonicalize().map_err(|err| running::cannot_use(album, err))?;
    let root = mount.control("failed").join(album.strip_prefix(&mount.root).unwrap_or(&album));
    if !root.is_dir() {
        return Ok(Files::new());
    }
    let with_reason = |name: PathBuf| {
        let path = root.join(&name);
        let why = reason(&path).map_err(|err| running::cannot_use(&path, err))?;
        Ok((name, why))
    };
    names(&root)?.into_iter().map(with_reason).collect()
}

fn reason(path: &Path) -> io::Result<String> {
    Ok(text(path, "error")?.unwrap_or_else(|| "no reason recorded".to_owned()))
}

fn number(path: &Path, name: &str) -> io::Result<Option<u32>> {
    Ok(text(path, name)?.and_then(|it| it.parse().ok()))
}

/// An attribute of ours; `None` if the file does not have it.
///
/// # Errors
/// If the mount is gone, or the file.
pub fn text(path: &Path, name: &str) -> io::Result<Option<String>> {
    let value = xattr::get(path, format!("user.gphotos.{name}"))?;
    Ok(value.map(|it| String::from_utf8_lossy(&it).into_owned()))
}
