//! The album's side, from the mount's xattrs. Downloads no media.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::ProgressBar;
use jiff::{SignedDuration, Timestamp};
use rayon::prelude::*;

use super::compare::{AlbumFile, Files, Stage};
use super::facts::{Dimensions, Facts, Taken, Zone};
use crate::app::CommandError;
use crate::app::name::Name;
use crate::app::progress;
use crate::app::running::{self, Mount};
use crate::media::ContentHash;

/// How often the spinner moves.
const TICK: Duration = Duration::from_millis(100);

/// How long a new item may be missing from Google's lists before it is reported.
const LATE_MAX: SignedDuration = SignedDuration::from_secs(30);

/// The pauses before the album is listed again, if a new item is missing.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];

/// Lists the album again from Google, and returns its files. Leaves out the sizes of items that
/// were not uploaded from here.
///
/// # Errors
/// If Google cannot be reached, or the mount is gone.
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
            reason = "Google sends no event when its lists are up to date"
        )]
        std::thread::sleep(pause);
        found = files_listed_now(root)?;
    }
    Ok(found)
}

fn files_listed_now(root: &Path) -> Result<Files<AlbumFile>, CommandError> {
    let spinner = ProgressBar::new_spinner();
    spinner.set_message(format!("listing {} again from Google", Name::from(root)));
    // It appears on a terminal only, as the bars do.
    spinner.enable_steady_tick(TICK);
    let listed = list_all_again(root);
    spinner.finish_and_clear();
    listed?;
    each(root, names(root)?, "files of the album read", file)
}

/// Adds the sizes of some files, as far as Google reports them.
///
/// # Errors
/// If the mount is gone.
pub fn add_sizes(
    root: &Path,
    files: &mut Files<AlbumFile>,
    names: Vec<PathBuf>,
) -> Result<(), CommandError> {
    for (name, size) in each(root, names, "sizes requested", size)? {
        if let Some(file) = files.get_mut(&name) {
            file.facts.size = size;
        }
    }
    Ok(())
}

/// Reads the facts of many files at the same time. Leaves out files that are gone: uploads and
/// other programs go on meanwhile.
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
        // The other hint speaks of the queue, which does not matter here.
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

/// The files below a directory of the mount. Uses only the file types of readdir, because a stat
/// may request the size from Google.
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
        // An unseen item has arrived, but no list of the album has shown it.
        Some("committed" | "rendition" | "unseen") | None => Stage::Committed,
        Some("scratch") => Stage::Temporary,
        Some("failed") => Stage::Failed(reason(path)?),
        Some(state) => Stage::OnItsWay(state.to_owned()),
    };
    let hash =
        |name| Ok::<_, io::Error>(text(path, name)?.as_deref().and_then(ContentHash::from_hex));
    let mut facts = Facts { hash: hash("sha256")?, adopted: hash("adopted")?, ..Facts::default() };
    if stage == Stage::Temporary {
        // Its bytes are here, so this takes no request.
        facts.size = Some(path.metadata()?.len());
    }
    if facts.known().is_none() && stage == Stage::Committed {
        let taken = text(path, "creation_time")?.and_then(|it| it.parse::<Timestamp>().ok());
        let utc = |it: Timestamp| Taken { seconds: it.as_second(), zone: Zone::Utc };
        facts.taken = taken.map(utc).into_iter().collect();
        let dimensions = number(path, "width")?.zip(number(path, "height")?);
        facts.dimensions = dimensions.map(|(x, y)| Dimensions::firm(x, y)).unwrap_or_default();
        facts.model = text(path, "camera_model")?;
    }
    let unlisted = if stage == Stage::Committed { unlisted(path)? } else { None };
    Ok(AlbumFile { stage, facts, id: text(path, "id")?, unlisted })
}

/// Since when the file should be in Google's list of this album. The attribute has a line for each
/// directory whose list lacks the file.
fn unlisted(path: &Path) -> io::Result<Option<Timestamp>> {
    let (Some(told), Some(dir)) = (text(path, "unlisted")?, path.parent()) else { return Ok(None) };
    let dir = dir.metadata()?.ino();
    let mut lines = told.lines().filter_map(|line| line.split_once(' '));
    let since = lines.find(|(number, _)| number.parse() == Ok(dir)).map(|(_, since)| since);
    // A time that cannot be parsed counts as long ago: the item should be listed by now.
    Ok(since.map(|it| it.parse().unwrap_or(Timestamp::UNIX_EPOCH)))
}

/// The size. `None` for a video, which Google encodes anew, and for 0, which means unknown.
fn size(path: &Path) -> io::Result<Option<u64>> {
    if text(path, "mime_type")?.is_some_and(|it| it.starts_with("video/")) {
        return Ok(None);
    }
    Ok(Some(path.metadata()?.len()).filter(|&it| it > 0))
}

/// The directory of the files of this album that Google refused. There may be none.
///
/// # Errors
/// If the mount is gone.
pub fn failed_dir(mount: &Mount, album: &Path) -> Result<PathBuf, CommandError> {
    let album = album.canonicalize().map_err(|err| running::cannot_use(album, err))?;
    Ok(mount.control("failed").join(album.strip_prefix(&mount.root).unwrap_or(&album)))
}

/// The files of this album that Google refused, with the reasons.
///
/// # Errors
/// If the mount is gone.
pub fn refused(mount: &Mount, album: &Path) -> Result<Files<String>, CommandError> {
    let root = failed_dir(mount, album)?;
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

/// A `user.gphotos.` attribute. `None` if the file does not have it.
///
/// # Errors
/// If the mount or the file is gone.
pub fn text(path: &Path, name: &str) -> io::Result<Option<String>> {
    let value = xattr::get(path, format!("user.gphotos.{name}"))?;
    Ok(value.map(|it| String::from_utf8_lossy(&it).into_owned()))
}
