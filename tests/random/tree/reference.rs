//! The plain model of directories, names and bytes, with the errno values of Linux.

use std::collections::{BTreeMap, BTreeSet};

/// An album of the model, wherever it stands.
pub type Album = usize;
/// A file of the model, by its place in [`Reference::files`].
pub type Node = usize;

/// The bytes and the attributes of a file.
#[derive(Clone, Debug, Default)]
pub struct File {
    pub bytes: Vec<u8>,
    /// Seconds, if they were set since the last write.
    pub mtime: Option<i64>,
    pub description: String,
}

/// The kind of node at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Dir,
    File(Node),
}

/// The model. Paths have no slash at either end; the root's is empty.
#[derive(Debug, Default)]
pub struct Reference {
    /// Those that are shown, by path.
    pub albums: BTreeMap<String, Album>,
    /// Those that `mkdir` brings back, by path.
    pub hidden: BTreeMap<String, Album>,
    /// Hidden ones whose place another has got.
    pub displaced: BTreeSet<Album>,
    pub names: BTreeMap<String, Node>,
    pub files: Vec<File>,
}

/// The directory of a path, and its name there.
pub fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

pub fn join(dir: &str, name: &str) -> String {
    if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") }
}

/// Where `path` is when `from` has become `to`, if it is affected by that.
fn moved(path: &str, from: &str, to: &str) -> Option<String> {
    let rest = path.strip_prefix(from)?;
    (rest.is_empty() || rest.starts_with('/')).then(|| format!("{to}{rest}"))
}

impl Reference {
    pub fn kind(&self, path: &str) -> Option<Kind> {
        let inside = |album: &String| moved(album, path, "").is_some();
        if path.is_empty() || self.albums.keys().any(inside) {
            return Some(Kind::Dir);
        }
        self.names.get(path).map(|node| Kind::File(*node))
    }

    /// Where an album is shown.
    pub fn path_of(&self, album: Album) -> Option<String> {
        self.albums.iter().find(|(_, it)| **it == album).map(|(path, _)| path.clone())
    }

    /// All directories, the root included.
    pub fn dirs(&self) -> BTreeSet<String> {
        let mut dirs = BTreeSet::from([String::new()]);
        for album in self.albums.keys() {
            let mut path = album.as_str();
            while !path.is_empty() {
                dirs.insert(path.to_owned());
                path = split(path).0;
            }
        }
        dirs
    }

    pub fn names_of(&self, node: Node) -> Vec<&String> {
        self.names.iter().filter(|(_, it)| **it == node).map(|(name, _)| name).collect()
    }

    /// Whether a directory has anything in it.
    pub fn is_empty(&self, dir: &str) -> bool {
        let mut all = self.names.keys().chain(self.albums.keys());
        !all.any(|path| path != dir && moved(path, dir, "").is_some())
    }

    /// Whether a name can be made or moved there.
    fn parent(&self, path: &str) -> Result<(), i32> {
        match self.kind(split(path).0) {
            None => Err(libc::ENOENT),
            Some(Kind::File(_)) => Err(libc::ENOTDIR),
            Some(Kind::Dir) => Ok(()),
        }
    }

    fn existing(&self, path: &str) -> Result<Kind, i32> {
        self.parent(path)?;
        self.kind(path).ok_or(libc::ENOENT)
    }

    fn holds_files(&self, dir: &str) -> Result<(), i32> {
        if self.albums.contains_key(dir) { Ok(()) } else { Err(libc::EPERM) }
    }

    /// Returns the album that comes back, if one does.
    pub fn mkdir(&mut self, path: &str) -> Result<Option<Album>, i32> {
        self.parent(path)?;
        if self.kind(path).is_some() {
            return Err(libc::EEXIST);
        }
        Ok(self.hidden.remove(path))
    }

    pub fn rmdir(&mut self, path: &str) -> Result<(), i32> {
        match self.existing(path)? {
            Kind::File(_) => return Err(libc::ENOTDIR),
            Kind::Dir if !self.is_empty(path) => return Err(libc::ENOTEMPTY),
            Kind::Dir => {}
        }
        if let Some(album) = self.albums.remove(path) {
            self.hidden.insert(path.to_owned(), album);
        }
        Ok(())
    }

    pub fn unlink(&mut self, path: &str) -> Result<(), i32> {
        match self.existing(path)? {
            Kind::Dir => return Err(libc::EISDIR),
            Kind::File(_) => self.names.remove(path),
        };
        Ok(())
    }

    /// Opens the file there for writing, or a new one.
    pub fn open(&mut self, path: &str) -> Result<Node, i32> {
        self.parent(path)?;
        match self.kind(path) {
            Some(Kind::Dir) => Err(libc::EISDIR),
            Some(Kind::File(node)) => Ok(node),
            None => {
                self.holds_files(split(path).0)?;
                self.files.push(File::default());
                self.names.insert(path.to_owned(), self.files.len() - 1);
                Ok(self.files.len() - 1)
            }
        }
    }

    pub fn write(&mut self, node: Node, bytes: Vec<u8>) {
        let file = &mut self.files[node];
        (file.bytes, file.mtime) = (bytes, None);
    }

    /// All that was written has arrived: equal bytes are one file, as the one of the last writer.
    pub fn drained(&mut self, last: Option<Node>) {
        let Some(last) = last else { return };
        for node in 0..self.files.len() {
            if node != last && self.files[node].bytes == self.files[last].bytes {
                self.files[last].description = std::mem::take(&mut self.files[node].description);
                for value in self.names.values_mut().filter(|value| **value == node) {
                    *value = last;
                }
                self.files[node].bytes.clear();
            }
        }
    }

    pub fn link(&mut self, from: &str, to: &str) -> Result<(), i32> {
        let Kind::File(node) = self.existing(from)? else { return Err(libc::EPERM) };
        self.parent(to)?;
        if self.kind(to).is_some() {
            return Err(libc::EEXIST);
        }
        self.holds_files(split(to).0)?;
        self.names.insert(to.to_owned(), node);
        Ok(())
    }

    /// Returns the albums that have another title now.
    pub fn rename(&mut self, from: &str, to: &str, replace: bool) -> Result<BTreeSet<Album>, i32> {
        let source = self.existing(from)?;
        self.parent(to)?;
        // As the kernel: that the name is taken counts for more than where it is.
        if !replace && self.kind(to).is_some() {
            return Err(libc::EEXIST);
        }
        if source == Kind::Dir && from != to && moved(to, from, "").is_some() {
            return Err(libc::EINVAL);
        }
        if moved(from, to, "").is_some_and(|rest| !rest.is_empty()) {
            return Err(libc::ENOTEMPTY);
        }
        let target = self.kind(to);
        match (source, target) {
            _ if from == to => return Ok(BTreeSet::new()),
            (Kind::Dir, Some(Kind::File(_))) => return Err(libc::ENOTDIR),
            (Kind::File(_), Some(Kind::Dir)) => return Err(libc::EISDIR),
            (Kind::Dir, Some(Kind::Dir)) if !self.is_empty(to) => return Err(libc::ENOTEMPTY),
            (Kind::File(one), Some(Kind::File(two))) if one == two => return Ok(BTreeSet::new()),
            _ => {}
        }
        match source {
            Kind::File(node) => {
                self.holds_files(split(to).0)?;
                self.names.remove(from);
                self.names.insert(to.to_owned(), node);
                Ok(BTreeSet::new())
            }
            Kind::Dir => {
                self.displaced.extend(self.albums.remove(to).or(self.hidden.remove(to)));
                let within = self.albums.iter().chain(&self.hidden);
                let within = within.filter(|(path, _)| moved(path, from, "").is_some());
                let retitled = within.map(|(_, album)| *album).collect();
                move_all(&mut self.albums, from, to);
                move_all(&mut self.hidden, from, to);
                move_all(&mut self.names, from, to);
                Ok(retitled)
            }
        }
    }

    pub fn exchange(&mut self, a: &str, b: &str) -> Result<(), i32> {
        let (one, two) = (self.existing(a)?, self.existing(b)?);
        let (Kind::File(one), Kind::File(two)) = (one, two) else { return Err(libc::EOPNOTSUPP) };
        self.names.insert(a.to_owned(), two);
        self.names.insert(b.to_owned(), one);
        Ok(())
    }

    /// Google has another title for an album: it goes there alone, whatever is below stays.
    pub fn retitled(&mut self, album: Album, title: &str) {
        let hidden = self.hidden.iter().find(|(_, it)| **it == album);
        if let Some(path) = hidden.map(|(path, _)| path.clone()) {
            self.hidden.remove(&path);
            self.hidden.insert(title.to_owned(), album);
        } else if let Some(path) = self.path_of(album) {
            self.albums.remove(&path);
            self.albums.insert(title.to_owned(), album);
            for name in self.in_album(&path) {
                let node = self.names.remove(&name);
                self.names.extend(node.map(|node| (join(title, split(&name).1), node)));
            }
        }
    }

    /// Google does not have an album any more.
    pub fn deleted(&mut self, path: &str) {
        self.albums.remove(path);
        for name in self.in_album(path) {
            self.names.remove(&name);
        }
    }

    /// The paths of an album's files.
    pub fn in_album(&self, dir: &str) -> Vec<String> {
        self.names.keys().filter(|name| split(name).0 == dir).cloned().collect()
    }
}

fn move_all<T>(map: &mut BTreeMap<String, T>, from: &str, to: &str) {
    let all = std::mem::take(map);
    map.extend(all.into_iter().map(|(path, it)| (moved(&path, from, to).unwrap_or(path), it)));
}
