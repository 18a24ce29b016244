//! The album's side, from the mount's xattrs. Downloads no media.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::ProgressBar;
use jiff::{SignedDuration, Timestamp};
use rayon::prelude::*;

use super::children::{self, Child, children};
use super::facts::{Dimensions, Facts, Taken, Zone};
use super::sides::{AlbumFile, Files, Stage};
use crate::app::name::Name;
use crate::app::progress;
use crate::app::running::{self, Mount};
use crate::app::{CommandError, attributes};
use crate::media::{ContentHash, Quality, Saver};

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
    let listed = list_again(root);
    spinner.finish_and_clear();
    listed?;
    files_known(root)
}

/// The files that the mount knows below a directory, without their sizes.
///
/// # Errors
/// If the mount is gone.
pub fn files_known(root: &Path) -> Result<Files<AlbumFile>, CommandError> {
    let mut found = Files::new();
    let mut dirs = vec![PathBuf::new()];
    while let Some(dir) = dirs.pop() {
        let path = root.join(&dir);
        let cannot = |err| running::cannot_use(&path, err);
        // An album that has never been listed is listed by this.
        std::fs::read_dir(&path)
            .and_then(|mut entries| entries.try_for_each(|it| it.map(drop)))
            .map_err(cannot)?;
        let found_here = children(&path).map_err(cannot)?;
        let saver = saver_of(&path).map_err(cannot)?;
        let bar = progress::bar(found_here.len(), "files of the album read");
        for child in found_here {
            bar.inc(1);
            let name = dir.join(child.name());
            if child.is_dir {
                dirs.push(name);
            } else {
                found.insert(name, AlbumFile { saver, ..file(&child) });
            }
        }
        bar.finish_and_clear();
    }
    Ok(found)
}

/// How small photos become that are uploaded into a directory.
fn saver_of(dir: &Path) -> std::io::Result<Option<Saver>> {
    let quality = text(dir, "quality")?.and_then(|it| it.parse::<Quality>().ok());
    Ok(quality.and_then(Quality::saver))
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
    let bar = progress::bar(names.len(), "sizes requested");
    let ask = |name: PathBuf| {
        let Some(entry) = files.get(&name).map(|it| it.entry) else { return Ok(None) };
        let dir = root.join(name.parent().unwrap_or(Path::new("")));
        let size = children::size(&dir, entry);
        bar.inc(1);
        size.map(|size| Some((name, size))).map_err(|err| running::cannot_use(&dir, err))
    };
    let found: Result<Vec<_>, _> = names.into_par_iter().map(ask).collect();
    bar.finish_and_clear();
    for (name, size) in found?.into_iter().flatten() {
        if let Some(file) = files.get_mut(&name) {
            file.facts.size = size;
        }
    }
    Ok(())
}

/// Lists an album again, and those below it that have been listed before.
fn list_again(dir: &Path) -> Result<(), CommandError> {
    running::list_again(dir).map_err(|err| {
        let offline = [libc::EHOSTUNREACH, libc::ETIMEDOUT, libc::ENETUNREACH]
            .contains(&err.raw_os_error().unwrap_or_default());
        let error = CommandError::new(format!("cannot list {} again from Google", dir.display()));
        let error = running::not_done(error, err);
        // The other hint speaks of the queue, which does not matter here.
        if offline { error.hint("try again when there is a network") } else { error }
    })
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

fn file(it: &Child) -> AlbumFile {
    let stage = match it.state.as_deref() {
        // An unseen item has arrived, but no list of the album has shown it.
        Some("committed" | "rendition" | "picked" | "unseen") | None => Stage::Committed,
        Some("scratch") => Stage::Temporary,
        Some("failed") => Stage::Failed(it.error.clone().unwrap_or_else(no_reason)),
        Some(state) => Stage::OnItsWay(state.to_owned()),
    };
    let hash = |text: &Option<String>| text.as_deref().and_then(ContentHash::from_hex);
    let mut facts =
        Facts { hash: hash(&it.sha256), adopted: hash(&it.adopted), ..Facts::default() };
    if stage == Stage::Temporary {
        facts.size = it.size;
    }
    if facts.known().is_none() && stage == Stage::Committed {
        let utc = |it: Timestamp| Taken { seconds: it.as_second(), zone: Zone::Utc };
        facts.taken = it.creation_time.map(utc).into_iter().collect();
        let number = |text: &Option<String>| text.as_deref().and_then(|it| it.parse().ok());
        let dimensions = number(&it.width).zip(number(&it.height));
        facts.dimensions = dimensions.map(|(x, y)| Dimensions::firm(x, y)).unwrap_or_default();
        facts.add_model(it.camera_model.as_ref());
    }
    let late = it.unlisted.as_ref().filter(|_| stage == Stage::Committed);
    // A time that cannot be parsed counts as long ago: the item should be listed by now.
    let unlisted = late.map(|it| it.parse().unwrap_or(Timestamp::UNIX_EPOCH));
    let is_video = it.mime_type.as_deref().is_some_and(|it| it.starts_with("video/"));
    AlbumFile {
        entry: it.entry,
        stage,
        facts,
        is_video,
        id: it.id.clone(),
        filename: it.filename.clone(),
        unlisted,
        cut_off: it.cut_off.is_some(),
        is_smaller: it.sent_size.is_some(),
        saver: None,
        is_nameless: false,
    }
}

/// The directory of the files of this album that Google refused. There may be none.
///
/// # Errors
/// If the mount is gone.
pub fn failed_dir(mount: &Mount, album: &Path) -> Result<PathBuf, CommandError> {
    let album = album.canonicalize().map_err(|err| running::cannot_use(album, err))?;
    Ok(mount.control("failed").join(album.strip_prefix(&mount.root).unwrap_or(&album)))
}

/// The files that Google refused in such a directory, with the reasons.
///
/// # Errors
/// If the mount is gone.
pub fn refused(root: &Path) -> Result<Files<String>, CommandError> {
    if !root.is_dir() {
        return Ok(Files::new());
    }
    let with_reason = |name: PathBuf| {
        let path = root.join(&name);
        let why = reason(&path).map_err(|err| running::cannot_use(&path, err))?;
        Ok((name, why))
    };
    names(root)?.into_iter().map(with_reason).collect()
}

fn reason(path: &Path) -> io::Result<String> {
    Ok(text(path, "error")?.unwrap_or_else(no_reason))
}

fn no_reason() -> String {
    "no reason recorded".to_owned()
}

/// A `user.gphotos.` attribute. `None` if the file does not have it.
///
/// # Errors
/// If the mount or the file is gone.
pub fn text(path: &Path, name: &str) -> io::Result<Option<String>> {
    let value = attributes::get(path, name)?;
    Ok(value.map(|it| String::from_utf8_lossy(&it).into_owned()))
}
