//! The files that a test has put into albums through a mount, compared with Google's in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use gphotosfs::media::Saver;
use gphotosfs::shrink::Plan;

use super::{World, sha256, wait_for};

/// SHA-256 in hexadecimal, as the emulator's dump has it.
pub type Hash = String;

/// Paths below the mount with the hashes of the bytes that must be there.
#[derive(Debug, Default)]
pub struct Ledger {
    files: BTreeMap<String, Hash>,
    /// The bytes under these names if the last operation succeeds. It has not answered yet.
    doubt: BTreeMap<String, Option<Hash>>,
    /// The bytes under these names if a refused operation has taken effect all the same.
    refused: BTreeMap<String, Option<Hash>>,
    /// All bytes that anybody has ever written and closed, or tried to.
    ever: BTreeSet<Hash>,
    /// Smaller copies, each with the hash of the photo that it may stand for at Google.
    copies: BTreeMap<Hash, Hash>,
    /// Whether there may be such copies.
    saver: bool,
    /// Directories of which nothing may be left over.
    dirs: BTreeSet<String>,
    /// Answers that said yes.
    pub answered: usize,
}

impl Ledger {
    /// For mounts that may make smaller copies: each photo is once at Google, as it is or smaller.
    pub fn with_copies() -> Self {
        Self { saver: true, ..Self::default() }
    }

    /// Notes the smaller copy of a photo, if it has one.
    fn expect_copy(&mut self, photo: &[u8]) {
        let hash = sha256(photo);
        if !self.saver || self.ever.contains(&hash) {
            return;
        }
        let copy = Plan::new(photo, Saver::default()).and_then(|plan| plan.run());
        self.copies.extend(copy.map(|copy| (sha256(&copy), hash)));
    }

    /// The hash of the photo that an item of these bytes stands for.
    fn original(&self, item: Option<&Hash>) -> Hash {
        let hash = item.cloned().unwrap_or_default();
        self.copies.get(&hash).cloned().unwrap_or(hash)
    }

    /// Whether something must be under this name.
    pub fn holds(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    /// Everything that must be there.
    pub fn paths(&self) -> Vec<String> {
        self.files.keys().cloned().collect()
    }

    /// Creates or overwrites a file and closes it.
    pub fn write(&mut self, mnt: &Path, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.expect_copy(bytes);
        self.attempt([(path, Some(sha256(bytes)))], || {
            let file = fs::File::create(mnt.join(path))?;
            file.write_all_at(bytes, 0)?;
            close(file)
        })
    }

    /// Changes a few bytes in the middle of a photo of more than 2 kB.
    pub fn edit(&mut self, mnt: &Path, path: &str, seed: u32) -> io::Result<()> {
        let mut bytes = fs::read(mnt.join(path))?;
        let patch = seed.to_be_bytes();
        bytes[50..54].copy_from_slice(&patch);
        self.expect_copy(&bytes);
        self.attempt([(path, Some(sha256(&bytes)))], || {
            let file = fs::File::options().read(true).write(true).open(mnt.join(path))?;
            file.write_all_at(&patch, 50)?;
            close(file)
        })
    }

    /// mv within an album, or into another one.
    pub fn rename(&mut self, mnt: &Path, from: &str, to: &str) -> io::Result<()> {
        let hash = self.files[from].clone();
        let move_it = || fs::rename(mnt.join(from), mnt.join(to));
        self.attempt([(from, None), (to, Some(hash))], move_it)
    }

    /// rm.
    pub fn remove(&mut self, mnt: &Path, path: &str) -> io::Result<()> {
        self.attempt([(path, None)], || fs::remove_file(mnt.join(path)))
    }

    /// ln.
    pub fn link(&mut self, mnt: &Path, from: &str, to: &str) -> io::Result<()> {
        let hash = self.files[from].clone();
        self.attempt([(to, Some(hash))], || fs::hard_link(mnt.join(from), mnt.join(to)))
    }

    fn attempt<const N: usize>(
        &mut self,
        after: [(&str, Option<Hash>); N],
        work: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        assert!(self.doubt.is_empty(), "the last operation's outcome was not looked for");
        let dir = |path: &str| path.rsplit_once('/').unwrap().0.to_owned();
        self.dirs.extend(after.iter().map(|(path, _)| dir(path)));
        self.ever.extend(after.iter().filter_map(|(_, hash)| hash.clone()));
        self.doubt = after.map(|(path, hash)| (path.to_owned(), hash)).into();
        work()?;
        self.answered += 1;
        self.took_effect();
        Ok(())
    }

    fn took_effect(&mut self) {
        for (path, hash) in std::mem::take(&mut self.doubt) {
            match hash {
                Some(hash) => self.files.insert(path, hash),
                None => self.files.remove(&path),
            };
        }
    }

    /// An operation that had not answered when the mount died has happened or has not; nothing in between.
    ///
    /// # Errors
    /// If the mount dies again.
    pub fn settle(&mut self, mnt: &Path) -> io::Result<()> {
        let mut found = BTreeMap::new();
        for (path, wanted) in &self.doubt {
            let mut bytes = read(&mnt.join(path))?;
            // A file that was made and never written to; cp would be run again.
            if bytes.as_ref().is_some_and(Vec::is_empty) && !self.files.contains_key(path) {
                assert!(wanted.is_some(), "{path} was not to be there");
                fs::remove_file(mnt.join(path))?;
                bytes = None;
            }
            found.insert(path.clone(), bytes.map(|it| sha256(&it)));
        }
        for dir in &self.dirs {
            let failed = mnt.join(".gphotos/failed").join(dir);
            for name in names(&failed)? {
                let path = format!("{dir}/{name}");
                let doubted = self.doubt.contains_key(&path);
                assert!(doubted, "{path} was refused though its close had returned 0");
                // A file that was being written to, before or after it was closed for the first time; an
                // older version that had arrived has its name back.
                if found[&path].is_none() {
                    self.files.remove(&path);
                }
                fs::remove_file(failed.join(name))?;
            }
        }
        let before: BTreeMap<_, _> =
            self.doubt.keys().map(|path| (path.clone(), self.files.get(path).cloned())).collect();
        if found == self.doubt {
            self.took_effect();
        } else {
            assert_eq!(found, before, "neither done nor undone; done is {:?}", self.doubt);
            self.doubt.clear();
        }
        Ok(())
    }

    /// Notes that the last operation failed.
    pub fn refused(&mut self) {
        self.refused.append(&mut self.doubt);
    }

    /// What was refused may have happened or not; half of it may be left of new files only, and is deleted, as
    /// by anybody whose cp has failed.
    ///
    /// # Errors
    /// If the mount dies.
    pub fn settle_refused(&mut self, mnt: &Path) -> io::Result<()> {
        // The mount decides about a write that failed when the last writer has gone and the disk has room.
        wait_for("the mount to settle the files with failed writes", || {
            let status = fs::read(mnt.join(".gphotos/status.json")).unwrap();
            let status: serde_json::Value = serde_json::from_slice(&status).unwrap();
            let mut drafts = status["drafts"].as_array().unwrap().iter();
            drafts.all(|it| it["write_error"].is_null() && it["unsettled"] == false)
        });
        for (path, after) in std::mem::take(&mut self.refused) {
            let found = read(&mnt.join(&path))?.map(|it| sha256(&it));
            let before = self.files.get(&path).cloned();
            let mut moved = false;
            if found == after {
                self.doubt.insert(path.clone(), after);
                self.took_effect();
            } else if found != before {
                assert!(before.is_none(), "{path} is neither what it was nor what it was to be");
                match fs::remove_file(mnt.join(&path)) {
                    // Looked at once more behind our back, now that there is room, and refused for good.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => moved = true,
                    outcome => outcome?,
                }
            }
            let (dir, name) = path.rsplit_once('/').unwrap();
            let failed = mnt.join(".gphotos/failed").join(dir);
            if names(&failed)?.iter().any(|it| it == name) {
                fs::remove_file(failed.join(name))?;
            } else {
                assert!(!moved, "{path} is gone, and not among the failed");
            }
        }
        Ok(())
    }

    /// Waits until everything has arrived; then nothing may be lost, double or wrong.
    pub fn audit(&self, world: &World) {
        assert!(self.doubt.is_empty(), "the last operation's outcome was not looked for");
        world.sync();
        let mut wrong = Vec::new();
        let dump = world.emulator.dump();
        for dir in &self.dirs {
            let inside = |path: &str| path.rsplit_once('/').is_some_and(|(it, _)| it == dir);
            let here: BTreeMap<_, _> = self.files.iter().filter(|(path, _)| inside(path)).collect();
            let shown: BTreeSet<_> =
                world.names(dir).into_iter().map(|name| format!("{dir}/{name}")).collect();
            for path in shown.iter().filter(|path| !here.contains_key(path)) {
                wrong.push(format!("{path} is listed and should not be there"));
            }
            for (path, wanted) in &here {
                match fs::read(world.mnt.join(path)) {
                    Ok(bytes) if sha256(&bytes) == **wanted => {}
                    Ok(_) => wrong.push(format!("{path} has wrong bytes here")),
                    Err(error) => wrong.push(format!("{path} cannot be read: {error}")),
                }
            }
            let albums: Vec<_> = dump.albums.iter().filter(|it| it.title == *dir).collect();
            if albums.len() != 1 {
                wrong.push(format!("{} albums have the title {dir}", albums.len()));
                continue;
            }
            let mut there = BTreeMap::new();
            for item in &albums[0].items {
                let item = dump.item(item).unwrap();
                *there.entry(self.original(item.sha256.as_ref())).or_insert(0) += 1;
            }
            for (path, wanted) in here {
                if !there.contains_key(wanted) {
                    wrong.push(format!("{path} is lost: its bytes are not in the album"));
                }
            }
            for (hash, count) in there {
                if count > 1 {
                    wrong.push(format!("{count} entries of {hash} in {dir}"));
                }
                if !self.files.iter().any(|(path, wanted)| inside(path) && *wanted == hash) {
                    wrong.push(format!("an item that nobody wants in {dir}: {hash}"));
                }
            }
        }
        let mut items = BTreeSet::new();
        for item in &dump.items {
            let hash = self.original(item.sha256.as_ref());
            let is_ours = self.ever.contains(&hash);
            if !items.insert(hash) {
                wrong.push(format!("two items of the bytes of {}", item.filename));
            }
            if !is_ours {
                wrong.push(format!("{} has bytes that nobody has written", item.filename));
            }
        }
        let mut violations = world.emulator.stats().violations;
        // Google may still be handling a call of a dead process when the next process begins.
        violations
            .retain(|it| !it.starts_with("uploads: ") && !it.contains("concurrent write request"));
        assert!(wrong.is_empty(), "{wrong:#?}\n{}", world.log());
        assert!(violations.is_empty(), "{violations:#?}");
    }
}

/// The content of a file, `None` if there is none.
fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Names in a directory, none if it is not there.
fn names(dir: &Path) -> io::Result<Vec<String>> {
    match fs::read_dir(dir) {
        Ok(entries) => entries.map(|entry| Ok(entry?.file_name().into_string().unwrap())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// close(2) with its answer, which dropping a file throws away.
pub fn close(file: fs::File) -> io::Result<()> {
    Ok(nix::unistd::close(file)?)
}
