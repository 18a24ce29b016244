//! Directories of this program: other users cannot enter them, and files of other programs in them
//! are never removed.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{self, DirBuilder, DirEntry, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::process::geteuid;

/// The permission bits of the group and of others.
const OTHERS: u32 = 0o077;

/// How many strangers a message names.
const NAMED_MAX: usize = 5;

/// A new disk has this directory at its root.
const LOST_AND_FOUND: &str = "lost+found";

/// A file that shows that a directory belongs to this program.
#[derive(Clone, Copy, Debug)]
pub struct Marker {
    /// Its name.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
    /// The end of the name of a file that may become the marker. Names of the directory's own may
    /// have it too: they are removed at the next start.
    pub unfinished: &'static str,
}

/// Creates a directory with mode 0700. Closes an existing one to other users, and returns the mode
/// that it had.
///
/// # Errors
/// If the directory cannot be made, belongs to another user, or stays open to others.
pub fn make_private(path: &Path) -> io::Result<Option<u32>> {
    make(path)?;
    close_to_others(path)
}

fn make(path: &Path) -> io::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|err| {
        // The link may be a directory above.
        match path.ancestors().find(|it| it.is_symlink() && !it.exists()) {
            Some(link) => failed(&err, link, "is a link to a directory that does not exist"),
            None => err,
        }
    })
}

fn close_to_others(path: &Path) -> io::Result<Option<u32>> {
    let denied = io::Error::from(io::ErrorKind::PermissionDenied);
    let before = fs::metadata(path)?;
    if before.uid() != geteuid().as_raw() {
        return Err(failed(&denied, path, &format!("belongs to the user {}", before.uid())));
    }
    let mode = before.mode() & 0o7777;
    if mode & OTHERS == 0 {
        return Ok(None);
    }
    fs::set_permissions(path, Permissions::from_mode(mode & !OTHERS)).map_err(|err| {
        failed(&err, path, &format!("has the mode {mode:04o}, which others can use"))
    })?;
    match fs::metadata(path)?.mode() & OTHERS {
        0 => Ok(Some(mode)),
        // vfat, exfat and others take their modes from the options of the mount.
        _ => Err(failed(
            &denied,
            path,
            &format!(
                "keeps the mode {mode:04o}, which others can use: mount its disk with umask=077"
            ),
        )),
    }
}

fn failed(err: &io::Error, path: &Path, why: &str) -> io::Error {
    io::Error::new(err.kind(), format!("{path:?} {why}"))
}

/// As [`make_private`]. A link to a directory that holds files, but none of ours, is refused, and
/// nothing is changed there.
///
/// # Errors
/// As those of [`make_private`], and if it is such a link.
pub fn make_private_or_refuse(
    path: &Path,
    is_ours: impl Fn(&DirEntry) -> bool,
) -> io::Result<Option<u32>> {
    make(path)?;
    if path.is_symlink() {
        let strangers = Strangers::of(path, &is_ours)?;
        let mut entries = fs::read_dir(path)?;
        if strangers.count > 0 && !entries.any(|it| it.is_ok_and(|it| is_ours(&it))) {
            return Err(strangers.refusal(path));
        }
    }
    close_to_others(path)
}

/// Takes a directory for this program alone: creates it if it is missing, marks it, and closes it to
/// other users. `is_ours` says whether this program makes such entries. Everything else is a
/// stranger and stays. Returns the mode that it had, if others could enter it.
///
/// # Errors
/// If the directory has no marker and holds other entries, or cannot be used.
pub fn claim(
    path: &Path,
    marker: &Marker,
    is_ours: impl Fn(&DirEntry) -> bool,
) -> io::Result<(Option<u32>, Strangers)> {
    make(path)?;
    let marked = marker.is_in(path);
    let is_marker = |entry: &DirEntry| marked && entry.file_name() == OsStr::new(marker.name);
    let strangers = Strangers::of(path, |entry| is_ours(entry) || is_marker(entry))?;
    if strangers.count > 0 && !marked {
        return Err(strangers.refusal(path));
    }
    let mode = close_to_others(path)?;
    if !marked {
        marker.put_into(path)?;
    }
    Ok((mode, strangers))
}

/// The files and directories in a directory of ours that this program has not put there.
#[derive(Debug)]
pub struct Strangers {
    count: u64,
    /// The first of them.
    names: Vec<OsString>,
}

impl Strangers {
    /// Looks for them. `is_ours` says whether this program makes such entries.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn of(path: &Path, is_ours: impl Fn(&DirEntry) -> bool) -> io::Result<Self> {
        let mut found = Self { count: 0, names: Vec::new() };
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            if is_lost_and_found(&entry) || is_ours(&entry) {
                continue;
            }
            found.count += 1;
            if found.names.len() < NAMED_MAX {
                found.names.push(entry.file_name());
            }
        }
        Ok(found)
    }

    /// Why their directory is not used.
    fn refusal(&self, path: &Path) -> io::Error {
        io::Error::new(
            io::ErrorKind::DirectoryNotEmpty,
            format!(
                "{path:?} holds files that gphotosfs has not put there ({self}): move them away, or \
                 use an empty directory"
            ),
        )
    }

    /// Names them in the log, if there are any.
    pub fn log(&self, path: &Path) {
        if self.count > 0 {
            let names = self.to_string();
            tracing::warn!(
                ?path,
                names,
                "the directory holds files that gphotosfs has not put there; they stay"
            );
        }
    }
}

impl fmt::Display for Strangers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, name) in self.names.iter().enumerate() {
            // Quoted, with escapes: the name may come from anywhere.
            write!(f, "{}{:?}", if at > 0 { ", " } else { "" }, name.to_string_lossy())?;
        }
        match self.count - self.names.len() as u64 {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// The log's words for a directory that other users could enter.
pub const TIGHTENED: &str = "other users could enter this directory; its mode is 0700 now";

impl Marker {
    fn is_in(&self, dir: &Path) -> bool {
        let path = dir.join(self.name);
        path.symlink_metadata().is_ok_and(|it| it.is_file())
            && fs::read(path).is_ok_and(|text| text == self.text.as_bytes())
    }

    fn put_into(&self, dir: &Path) -> io::Result<()> {
        let write = || {
            let mut file =
                tempfile::Builder::new().prefix("0.").suffix(self.unfinished).tempfile_in(dir)?;
            file.write_all(self.text.as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(dir.join(self.name)).map_err(|err| err.error)?;
            fs::File::open(dir)?.sync_all()
        };
        match write() {
            // The next start marks it: until then it holds names of ours only.
            Err(err)
                if matches!(
                    err.kind(),
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
                ) =>
            {
                tracing::warn!(path = ?dir, error = %err, "cannot mark the directory");
                Ok(())
            }
            outcome => outcome,
        }
    }
}

/// Whether it is a file, and no link to one.
pub fn is_plain(entry: &DirEntry) -> bool {
    entry.file_type().is_ok_and(|it| it.is_file())
}

fn is_lost_and_found(entry: &DirEntry) -> bool {
    entry.file_name() == OsStr::new(LOST_AND_FOUND) && entry.file_type().is_ok_and(|it| it.is_dir())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const MARKER: Marker = Marker { name: "TAG", text: "ours\n", unfinished: ".new" };

    fn claim_numbers(path: &Path) -> io::Result<()> {
        let is_number = |name: &str| name.parse::<u32>().is_ok();
        let is_ours =
            |it: &DirEntry| is_plain(it) && it.file_name().to_str().is_some_and(is_number);
        claim(path, &MARKER, is_ours).map(drop)
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn a_directory_of_somebody_else_is_refused_and_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let theirs = dir.path().join("pictures");
        fs::create_dir(&theirs).unwrap();
        fs::set_permissions(&theirs, Permissions::from_mode(0o755)).unwrap();
        fs::write(theirs.join("IMG_1.jpg"), "x").unwrap();
        let link = dir.path().join("cache");
        symlink(&theirs, &link).unwrap();
        let refused = claim_numbers(&link).unwrap_err();
        assert!(refused.to_string().contains("IMG_1.jpg"), "{refused}");
        assert_eq!(mode(&theirs), 0o755);
        assert_eq!(fs::read_dir(&theirs).unwrap().count(), 1);
        // A marker of another program is none of ours.
        fs::write(theirs.join("TAG"), "theirs\n").unwrap();
        claim_numbers(&link).unwrap_err();
        assert_eq!(fs::read(theirs.join("TAG")).unwrap(), b"theirs\n");
    }

    #[test]
    fn a_marked_directory_keeps_strangers() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cache");
        claim_numbers(&path).unwrap();
        fs::create_dir(path.join("sub")).unwrap();
        fs::create_dir(path.join("7")).unwrap();
        fs::write(path.join("note.txt"), "x").unwrap();
        claim_numbers(&path).unwrap();
        assert_eq!(fs::read_dir(&path).unwrap().count(), 4);
    }

    #[test]
    fn a_new_disk_can_be_used_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let (disk, link) = (dir.path().join("disk"), dir.path().join("cache"));
        fs::create_dir_all(disk.join(LOST_AND_FOUND)).unwrap();
        fs::set_permissions(&disk, Permissions::from_mode(0o755)).unwrap();
        symlink(&disk, &link).unwrap();
        claim_numbers(&link).unwrap();
        assert_eq!(mode(&disk), 0o700);
        claim_numbers(&link).unwrap();
        fs::remove_file(disk.join("TAG")).unwrap();
        fs::write(disk.join("7"), "x").unwrap();
        // A cleaner may delete the marker. Names of ours alone are no strangers.
        claim_numbers(&link).unwrap();
        assert!(disk.join("TAG").exists() && disk.join("7").exists());
    }

    #[test]
    fn a_link_to_a_directory_of_somebody_else_is_refused_before_its_mode_changes() {
        let dir = tempfile::tempdir().unwrap();
        let theirs = dir.path().join("pictures");
        fs::create_dir(&theirs).unwrap();
        fs::set_permissions(&theirs, Permissions::from_mode(0o755)).unwrap();
        let link = dir.path().join("state");
        symlink(&theirs, &link).unwrap();
        let is_ours = |it: &DirEntry| it.file_name() == "ours";
        fs::write(theirs.join("IMG_1.jpg"), "x").unwrap();
        let refused = make_private_or_refuse(&link, is_ours).unwrap_err();
        assert!(refused.to_string().contains("IMG_1.jpg"), "{refused}");
        assert_eq!(mode(&theirs), 0o755);
        // What was used before is used again, and so is an empty one.
        fs::write(theirs.join("ours"), "x").unwrap();
        assert_eq!(make_private_or_refuse(&link, is_ours).unwrap(), Some(0o755));
        for name in ["ours", "IMG_1.jpg"] {
            fs::remove_file(theirs.join(name)).unwrap();
        }
        make_private_or_refuse(&link, is_ours).unwrap();
    }

    #[test]
    fn a_link_to_nowhere_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("cache");
        symlink(dir.path().join("not mounted"), &link).unwrap();
        let refused = make_private(&link).unwrap_err().to_string();
        assert!(refused.contains("does not exist"), "{refused}");
        let refused = make_private(&link.join("default")).unwrap_err().to_string();
        assert_eq!(refused, format!("{link:?} is a link to a directory that does not exist"));
    }

    #[test]
    fn an_open_directory_is_closed_and_its_mode_returned() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        assert_eq!(make_private(&path).unwrap(), None);
        assert_eq!(mode(&path), 0o700);
        fs::set_permissions(&path, Permissions::from_mode(0o775)).unwrap();
        assert_eq!(make_private(&path).unwrap(), Some(0o775));
        assert_eq!(mode(&path), 0o700);
    }
}
