//! The filesystem under test, by paths: without a mount, and as a real mount.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use gphotosfs::fs::error::Errno;
use gphotosfs::fs::{Ino, Kind, Open, Rename};
use gphotosfs_emulator::{Dump, Edit, ListingFault};
use rustix::fs::{CWD, RenameFlags};

use super::reference::split;
use crate::support::core;
use crate::world::World;

/// The result of an operation: its errno if it fails.
pub type Outcome<T = ()> = Result<T, i32>;

/// The entry under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub ino: u64,
    pub is_dir: bool,
    pub links: u64,
    pub size: u64,
    /// Seconds since 1970.
    pub mtime: i64,
}

/// How a file is changed between an open and the close.
pub enum Writing<'a> {
    /// Made if need be, emptied and written.
    All(&'a [u8]),
    /// Appended to the old bytes.
    Behind(&'a [u8]),
    /// It gets this size.
    Cut(usize),
}

/// A filesystem. Paths are relative to its root, whose own is empty.
pub trait Subject {
    fn mkdir(&self, path: &str) -> Outcome;
    fn rmdir(&self, path: &str) -> Outcome;
    fn unlink(&self, path: &str) -> Outcome;
    fn link(&self, from: &str, to: &str) -> Outcome;
    fn rename(&self, from: &str, to: &str, how: Rename) -> Outcome;
    fn write(&self, path: &str, how: Writing<'_>) -> Outcome;
    fn touch(&self, path: &str, seconds: i64) -> Outcome;
    fn describe(&self, path: &str, text: &str) -> Outcome;
    fn description(&self, path: &str) -> String;
    fn read(&self, path: &str) -> Outcome<Vec<u8>>;
    fn list(&self, dir: &str) -> Outcome<BTreeMap<String, Found>>;
    /// Lists the albums and the items of these directories again.
    fn refresh(&self, dirs: &[String]);
    /// Waits until all has arrived.
    fn drain(&self);
    /// The process ends, well or not, and begins anew.
    fn restart(&mut self, well: bool);
    fn edit(&self, edit: Edit) -> String;
    /// Google's lists leave this out from now on.
    fn lie(&self, lies: &[ListingFault]);
    fn dump(&self) -> Dump;
    /// How long changes by others may take to show.
    fn patience(&self) -> Duration;
}

const DESCRIPTION: &str = "user.gphotos.description";

impl Subject for World {
    fn mkdir(&self, path: &str) -> Outcome {
        let (dir, name) = split(path);
        self.core().mkdir(self.node(dir)?, name).map(drop).map_err(number)
    }

    fn rmdir(&self, path: &str) -> Outcome {
        let (dir, name) = split(path);
        self.core().rmdir(self.node(dir)?, name).map_err(number)
    }

    fn unlink(&self, path: &str) -> Outcome {
        let (dir, name) = split(path);
        let dir = self.node(dir)?;
        // The kernel looks a name up before it has it removed.
        self.lookup(dir, name).map_err(number)?;
        self.core().unlink(dir, name).map_err(number)
    }

    fn link(&self, from: &str, to: &str) -> Outcome {
        let (dir, name) = split(to);
        self.core().link(self.node(from)?, self.node(dir)?, name).map_err(number)
    }

    fn rename(&self, from: &str, to: &str, how: Rename) -> Outcome {
        let ((from, old), (to, new)) = (split(from), split(to));
        self.core().rename((self.node(from)?, old), (self.node(to)?, new), how).map_err(number)
    }

    fn write(&self, path: &str, how: Writing<'_>) -> Outcome {
        let (dir, name) = split(path);
        let dir = self.node(dir)?;
        let (ino, fh) = match (self.lookup(dir, name), &how) {
            (Ok(ino), how) => {
                let truncate = matches!(how, Writing::All(_));
                let fh =
                    self.open(ino, Open { read: false, write: true, truncate }).map_err(number)?;
                (ino, fh)
            }
            (Err(errno), Writing::All(_)) if errno.0 == libc::ENOENT => {
                self.create(dir, name).map_err(number)?
            }
            (Err(errno), _) => return Err(errno.0),
        };
        let changed = match how {
            Writing::All([]) => Ok(()),
            Writing::All(bytes) => self.core().write(fh, 0, bytes),
            Writing::Behind(bytes) => self.core().write(fh, self.attr(ino).unwrap().size, bytes),
            Writing::Cut(size) => self.resize(ino, fh, size),
        };
        let closed = self.flush(fh);
        // Its error is seen by nobody.
        let _ = self.release(fh);
        changed.and(closed).map_err(number)
    }

    fn touch(&self, path: &str, seconds: i64) -> Outcome {
        let at = UNIX_EPOCH + Duration::from_secs(seconds as u64);
        self.set_mtime(self.node(path)?, at).map_err(number)
    }

    fn describe(&self, path: &str, text: &str) -> Outcome {
        self.set_xattr(self.node(path)?, DESCRIPTION, text).map_err(number)
    }

    fn description(&self, path: &str) -> String {
        let value = self.at(path).and_then(|it| self.xattr(it, DESCRIPTION));
        String::from_utf8(value.unwrap_or_default()).unwrap()
    }

    fn read(&self, path: &str) -> Outcome<Vec<u8>> {
        self.core().read(self.node(path)?).map_err(number)
    }

    fn list(&self, dir: &str) -> Outcome<BTreeMap<String, Found>> {
        let listed = self.core().list(self.node(dir)?).map_err(number)?;
        let found = listed.into_iter().map(|entry| {
            let (name, ino) = (String::from_utf8(entry.name).unwrap(), entry.ino);
            let attr = self.attr(ino).unwrap();
            let mtime = attr.mtime.duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
            let (is_dir, links, size) = (attr.kind == Kind::Dir, attr.links.into(), attr.size);
            (name, Found { ino: ino.0, is_dir, links, size, mtime })
        });
        let mut all = BTreeMap::new();
        for (name, found) in found {
            assert!(all.insert(name.clone(), found).is_none(), "{dir:?} lists {name:?} twice");
        }
        Ok(all)
    }

    fn refresh(&self, dirs: &[String]) {
        for dir in dirs {
            // It may have gone with the one before.
            if let Ok(dir) = self.at(dir) {
                self.core().refresh(dir).unwrap();
            }
        }
    }

    fn drain(&self) {
        self.drain();
    }

    fn restart(&mut self, well: bool) {
        let world: &mut core::World = self;
        if well { world.restart() } else { world.crash() }
    }

    fn edit(&self, edit: Edit) -> String {
        self.emulator.edit(edit)
    }

    fn lie(&self, lies: &[ListingFault]) {
        self.emulator.faults(|faults| faults.listing_faults = lies.to_vec());
    }

    fn dump(&self) -> Dump {
        self.emulator.dump()
    }

    fn patience(&self) -> Duration {
        Duration::ZERO
    }
}

impl World {
    /// The node at a path.
    fn node(&self, path: &str) -> Outcome<Ino> {
        self.at(path).map_err(number)
    }
}

fn number(errno: Errno) -> i32 {
    errno.0
}

/// A mount of the real program.
pub struct Mounted(pub crate::support::World);

impl Mounted {
    fn path(&self, path: &str) -> PathBuf {
        self.0.mnt.join(path)
    }
}

fn errno<T>(outcome: io::Result<T>) -> Outcome<T> {
    outcome.map_err(|error| error.raw_os_error().unwrap())
}

impl Subject for Mounted {
    fn mkdir(&self, path: &str) -> Outcome {
        errno(fs::create_dir(self.path(path)))
    }

    fn rmdir(&self, path: &str) -> Outcome {
        errno(fs::remove_dir(self.path(path)))
    }

    fn unlink(&self, path: &str) -> Outcome {
        errno(fs::remove_file(self.path(path)))
    }

    fn link(&self, from: &str, to: &str) -> Outcome {
        errno(fs::hard_link(self.path(from), self.path(to)))
    }

    fn rename(&self, from: &str, to: &str, how: Rename) -> Outcome {
        let flags = match how {
            Rename::Replace => RenameFlags::empty(),
            Rename::NoReplace => RenameFlags::NOREPLACE,
            Rename::Exchange => RenameFlags::EXCHANGE,
        };
        let outcome = rustix::fs::renameat_with(CWD, self.path(from), CWD, self.path(to), flags);
        outcome.map_err(|errno| errno.raw_os_error())
    }

    fn write(&self, path: &str, how: Writing<'_>) -> Outcome {
        let path = self.path(path);
        errno(match how {
            Writing::All(bytes) => fs::write(path, bytes),
            Writing::Behind(bytes) => OpenOptions::new()
                .append(true)
                .open(path)
                .and_then(|mut file| file.write_all(bytes)),
            Writing::Cut(size) => {
                OpenOptions::new().write(true).open(path).and_then(|it| it.set_len(size as u64))
            }
        })
    }

    fn touch(&self, path: &str, seconds: i64) -> Outcome {
        let at = UNIX_EPOCH + Duration::from_secs(seconds as u64);
        let file = OpenOptions::new().write(true).open(self.path(path));
        errno(file.and_then(|file| file.set_modified(at)))
    }

    fn describe(&self, path: &str, text: &str) -> Outcome {
        errno(xattr::set(self.path(path), DESCRIPTION, text.as_bytes()))
    }

    fn description(&self, path: &str) -> String {
        let value = xattr::get(self.path(path), DESCRIPTION).unwrap();
        String::from_utf8(value.unwrap_or_default()).unwrap()
    }

    fn read(&self, path: &str) -> Outcome<Vec<u8>> {
        errno(fs::read(self.path(path)))
    }

    fn list(&self, dir: &str) -> Outcome<BTreeMap<String, Found>> {
        let mut all = BTreeMap::new();
        for entry in errno(fs::read_dir(self.path(dir)))? {
            let entry = errno(entry)?;
            let name = String::from_utf8(entry.file_name().as_bytes().to_vec()).unwrap();
            let meta = errno(entry.metadata())?;
            let found = Found {
                ino: meta.ino(),
                is_dir: meta.is_dir(),
                links: meta.nlink(),
                size: meta.size(),
                mtime: meta.mtime(),
            };
            assert!(all.insert(name.clone(), found).is_none(), "{dir:?} lists {name:?} twice");
        }
        Ok(all)
    }

    fn refresh(&self, dirs: &[String]) {
        for dir in dirs {
            let path = self.path(dir);
            if path.exists() {
                let outcome = self.0.run(&["refresh", path.to_str().unwrap()]);
                assert!(outcome.status.success(), "{outcome:?}");
            }
        }
    }

    fn drain(&self) {
        self.0.sync();
    }

    fn restart(&mut self, well: bool) {
        if well {
            self.0.umount()
        } else {
            self.0.kill()
        }
        self.0.mount(&[]);
    }

    fn edit(&self, edit: Edit) -> String {
        self.0.edit(edit)
    }

    fn lie(&self, lies: &[ListingFault]) {
        self.0.emulator.faults(|faults| faults.listing_faults = lies.to_vec());
    }

    fn dump(&self) -> Dump {
        self.0.emulator.dump()
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(10)
    }
}
