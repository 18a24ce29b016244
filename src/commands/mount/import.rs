//! `gphotosfs mount --import`: moves the files that lie under the mountpoint into the mount.
//!
//! They stay where they are until the mount has promised to keep them: a file goes only after the
//! `close` of its copy has returned 0. So an import that breaks off can be repeated. A file whose
//! name and content are in the mount already is not copied again.

use std::ffi::OsStr;
use std::fs::{self, File, FileTimes, Metadata, OpenOptions};
use std::io;
use std::os::fd::IntoRawFd;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::mountpoint::{Mountpoint, beneath, clean_up, unusable};
use crate::app::{CommandError, Exit, counted, progress, tell, unmounted};
use crate::commands::diff;
use crate::media::ContentHash;
use crate::settings::MountSettings;

/// How many names with another content are tried for a file.
const NAMES_MAX: u32 = 1000;
/// How many files that could not be moved are named.
const NAMED_MAX: usize = 5;
/// Bits of `open` flags: access that writes, and a directory.
const WRITES_OR_DIRECTORY: i32 = libc::O_WRONLY | libc::O_RDWR | libc::O_DIRECTORY;

/// Mounts by `mount`, and moves the files.
///
/// # Errors
/// If the mount fails, a program still writes below the directory, or a file cannot be moved.
pub(super) fn run(
    settings: &MountSettings,
    mount: impl FnOnce() -> Result<Exit, CommandError>,
) -> Result<Exit, CommandError> {
    let given = settings.mountpoint.as_path();
    clean_up(settings)?;
    let path = given.canonicalize().map_err(|err| unusable(given, err))?;
    check_unused(&path)?;
    // It must be open before the mount hides it.
    let place = Mountpoint::open(path, false).map_err(|err| unusable(given, err))?;
    match mount()? {
        Exit::Done => {}
        failed => return Ok(failed),
    }
    let source = beneath(place.dir());
    let bar = progress::bar(unmounted::contents(&source).files as usize, "files moved");
    let mut import = Import { step: || bar.inc(1), moved: 0, known: 0, left: Vec::new() };
    import.directory(&source, &place.path);
    bar.finish_and_clear();
    let Import { moved, known, left, .. } = import;
    let there = place.path.display();
    let known = if known > 0 { format!("; {known} were there already") } else { String::new() };
    tell(format!(
        "gphotosfs: moved {} into {there}{known}; 'gphotosfs sync {there}' waits for the uploads",
        counted(moved, "file")
    ));
    if left.is_empty() {
        place.close();
        return Ok(Exit::Done);
    }
    let mut named = left.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join("; ");
    if left.len() > NAMED_MAX {
        named += "; …";
    }
    let what = format!("could not move {}, which still lie under the mount", left.len());
    Err(CommandError::new(what)
        .because(named)
        .hint(format!("'gphotosfs umount {there}' shows them again; nothing is lost")))
}

struct Import<S> {
    /// Shows the progress.
    step: S,
    moved: u64,
    known: u64,
    /// What could not be moved, and why.
    left: Vec<String>,
}

impl<S: Fn()> Import<S> {
    /// Moves what a directory holds, in the order of its names.
    fn directory(&mut self, source: &Path, target: &Path) {
        let entries = fs::read_dir(source).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut entries = match entries {
            Ok(entries) => entries,
            Err(err) => return self.leave(target, &err),
        };
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let (source, target) = (entry.path(), target.join(entry.file_name()));
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => {
                    match fs::create_dir(&target) {
                        Err(err) if !target.is_dir() => self.leave(&target, &err),
                        _ => self.directory(&source, &target),
                    }
                    // It stays if something in it stays.
                    let _ = fs::remove_dir(&source);
                }
                Ok(kind) if kind.is_file() => {
                    match take(&source, &target) {
                        Ok(Taken::Moved) => self.moved += 1,
                        Ok(Taken::Known) => self.known += 1,
                        Err(err) => self.leave(&target, &err),
                    }
                    (self.step)();
                }
                Ok(_) => self.leave(&target, &io::Error::other("is no file")),
                Err(err) => self.leave(&target, &err),
            }
        }
    }

    fn leave(&mut self, target: &Path, err: &io::Error) {
        self.left.push(format!("{}: {err}", target.display()));
    }
}

enum Taken {
    Moved,
    /// It was in the mount already.
    Known,
}

/// Moves a file. A file of the same name and another content keeps its name.
fn take(source: &Path, target: &Path) -> io::Result<Taken> {
    let mut from = File::open(source)?;
    let before = from.metadata()?;
    let taken = match free_name(&mut from, &before, target)? {
        None => Taken::Known,
        Some(target) => {
            copy(&mut from, &before, &target)?;
            Taken::Moved
        }
    };
    let after = from.metadata()?;
    if (after.len(), after.modified()?) != (before.len(), before.modified()?) {
        return Err(io::Error::other("it has changed meanwhile"));
    }
    fs::remove_file(source)?;
    Ok(taken)
}

/// Returns when the mount has promised to keep the copy.
fn copy(from: &mut File, meta: &Metadata, target: &Path) -> io::Result<()> {
    let mut to = OpenOptions::new().write(true).create_new(true).open(target)?;
    let times = FileTimes::new().set_modified(meta.modified()?);
    let copied = io::copy(from, &mut to).and_then(|_| to.set_times(times));
    if let Err(err) = copied {
        // Half a file must not be uploaded.
        fs::remove_file(target)?;
        return Err(err);
    }
    // Dropping a file hides the error of its close, which is the answer that counts.
    nix::unistd::close(to.into_raw_fd()).map_err(io::Error::from)
}

/// The name under which a file can be written. `None` if its content is there already.
fn free_name(from: &mut File, meta: &Metadata, target: &Path) -> io::Result<Option<PathBuf>> {
    let mut hash = None;
    for number in 1..=NAMES_MAX {
        let name = numbered(target, number);
        let there = match name.symlink_metadata() {
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Some(name)),
            Err(err) => return Err(err),
            Ok(there) => there,
        };
        if hash.is_none() {
            hash = Some(hash_of(from)?);
        }
        let known = diff::text(&name, "sha256").ok().flatten();
        let known = known.and_then(|it| ContentHash::from_hex(&it));
        let same = match &known {
            Some(known) => Some(known) == hash.as_ref(),
            None => there.len() == meta.len() && Some(hash_of(&mut File::open(&name)?)?) == hash,
        };
        if same {
            return Ok(None);
        }
    }
    Err(io::Error::from(io::ErrorKind::AlreadyExists))
}

/// `IMG_1.jpg`, `IMG_1 (2).jpg`, and so on.
fn numbered(path: &Path, number: u32) -> PathBuf {
    let (Some(stem), true) = (path.file_stem(), number > 1) else { return path.to_owned() };
    let mut name = stem.to_owned();
    name.push(format!(" ({number})"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// The hash. The file is at its beginning afterwards.
fn hash_of(file: &mut File) -> io::Result<ContentHash> {
    use io::Seek;
    file.rewind()?;
    let mut hasher = Sha256::new();
    io::copy(file, &mut hasher)?;
    file.rewind()?;
    Ok(ContentHash(hasher.finalize().into()))
}

/// Fails if a program writes a file below the directory, or copies into it: its files would go
/// before they are whole.
fn check_unused(dir: &Path) -> Result<(), CommandError> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let is_number = |name: &OsStr| name.to_str().is_some_and(|it| it.parse::<u32>().is_ok());
    for process in processes.filter(|it| is_number(&it.file_name())).map(|it| it.path()) {
        // Processes of other users cannot be looked into.
        let open = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
        for fd in open {
            let file = fs::read_link(fd.path()).unwrap_or_default();
            if !file.starts_with(dir) || !may_write(&process, &fd.file_name()) {
                continue;
            }
            let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
            let pid = process.file_name().unwrap_or_default().display();
            let what = format!("{} (process {pid}) uses {}", name.trim(), file.display());
            let hint = "wait for its end, then try again";
            return Err(CommandError::new("cannot import yet").because(what).hint(hint));
        }
    }
    Ok(())
}

/// Whether a descriptor can write, or is of a directory.
fn may_write(process: &Path, fd: &OsStr) -> bool {
    let info = fs::read_to_string(process.join("fdinfo").join(fd)).unwrap_or_default();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|it| i32::from_str_radix(it.trim(), 8).ok());
    flags.is_some_and(|flags| flags & WRITES_OR_DIRECTORY != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_before_the_extension() {
        for (number, name) in [(1, "/A/a.b.jpg"), (2, "/A/a.b (2).jpg"), (10, "/A/a.b (10).jpg")] {
            assert_eq!(numbered(Path::new("/A/a.b.jpg"), number), Path::new(name));
        }
        assert_eq!(numbered(Path::new("/A/x"), 3), Path::new("/A/x (3)"));
    }

    #[test]
    fn nothing_is_lost_or_doubled() {
        let dir = tempfile::tempdir().unwrap();
        let (source, target) = (dir.path().join("source"), dir.path().join("target"));
        let write = |path: &Path, text: &str| {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        for (name, text) in [("A/new.jpg", "1"), ("A/same.jpg", "2"), ("A/other.jpg", "3")] {
            write(&source.join(name), text);
        }
        write(&target.join("A/same.jpg"), "2");
        write(&target.join("A/other.jpg"), "4");
        std::os::unix::fs::symlink("x", source.join("A/link")).unwrap();
        let mut import = Import { step: || (), moved: 0, known: 0, left: Vec::new() };
        import.directory(&source, &target);
        assert_eq!((import.moved, import.known, import.left.len()), (2, 1, 1));
        let read = |name: &str| fs::read_to_string(target.join(name)).unwrap();
        assert_eq!([read("A/new.jpg"), read("A/same.jpg")], ["1", "2"]);
        assert_eq!([read("A/other.jpg"), read("A/other (2).jpg")], ["4", "3"]);
        let left: Vec<_> = fs::read_dir(source.join("A")).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }

    #[test]
    fn a_program_that_still_writes_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        assert!(check_unused(&dir).is_ok());
        let file = File::create(dir.join("a.jpg")).unwrap();
        let said = check_unused(&dir).unwrap_err().to_string();
        assert!(said.contains(&format!("(process {})", std::process::id())), "{said}");
        drop(file);
        let _reader = File::open(dir.join("a.jpg")).unwrap();
        assert!(check_unused(&dir).is_ok());
    }
}
