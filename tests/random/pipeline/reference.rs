//! The plain model of names and bytes, and the state of Google that follows from them.
//!
//! If more than one outcome is right, the model says so: [`Reference::may`], `loose` and `earlier`.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::sha256;

/// A file of the model, by its place in [`Reference::nodes`].
pub type Node = usize;
/// A name: the album, and the name within it.
pub type Name = (usize, String);

/// Bytes with a life.
#[derive(Clone, Debug, Default)]
pub struct File {
    pub bytes: Vec<u8>,
    /// Written, or new, since it was last closed.
    pub unsealed: bool,
    /// Closed with these bytes and a name that is uploaded.
    pub offered: bool,
    /// Its bytes at each close, oldest first, and whether they were offered for upload: some of these come
    /// back when a writer's version comes to nothing.
    pub earlier: Vec<(Vec<u8>, bool)>,
    /// The oldest of them is at Google, so one of them does come back.
    pub certain: bool,
    /// Made in one go and left alone ever since: its place in the order of closing.
    pub turn: Option<u64>,
    /// When it was last closed with new bytes, for each album that it has, or had, a name in.
    pub closed_at: BTreeMap<usize, u64>,
}

/// Bytes that were refused, or that a dead writer left.
#[derive(Debug)]
pub struct Kept {
    pub bytes: Vec<u8>,
    names: Vec<Name>,
    /// A dead writer's bytes go when files have been closed under all the names. Refused bytes stay.
    died: bool,
}

/// The model.
#[derive(Debug, Default)]
pub struct Reference {
    pub nodes: Vec<File>,
    pub names: BTreeMap<Name, Node>,
    /// What somebody else has taken out of an album, by hash: it may be there again or not, and its names may
    /// have gone, depending on who was first.
    pub loose: BTreeSet<(usize, String)>,
    /// What somebody else has put into an album and was not seen here yet.
    pub strange: BTreeSet<(usize, String)>,
    /// Bytes that must be found under `failed`.
    pub kept: Vec<Kept>,
    /// When somebody has last taken an item with these bytes away.
    taken_at: BTreeMap<String, u64>,
    /// Counts closes and takings.
    time: u64,
    /// How often bytes were written.
    uses: BTreeMap<String, u32>,
    turns: u64,
}

/// Whether such a name is uploaded.
pub fn is_real(name: &str) -> bool {
    !name.starts_with('.') && !name.ends_with(".part")
}

/// Whether Google takes such bytes.
pub fn is_photo(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\xff\xd8\xff")
}

impl Reference {
    /// A new, empty file.
    pub fn created(&mut self, name: Name) -> Node {
        self.nodes.push(File { unsealed: true, ..File::default() });
        self.names.insert(name, self.nodes.len() - 1);
        self.nodes.len() - 1
    }

    /// A file that somebody else has made.
    pub fn listed(&mut self, name: Name, bytes: Vec<u8>) {
        let earlier = vec![(bytes.clone(), true)];
        self.nodes.push(File { bytes, offered: true, earlier, certain: true, ..File::default() });
        self.names.insert(name, self.nodes.len() - 1);
    }

    pub fn written(&mut self, node: Node, bytes: Vec<u8>) {
        let hash = sha256(&bytes);
        // Whose name it gets depends on whether the listing or the upload comes first.
        self.loose.extend(self.strange.iter().filter(|it| it.1 == hash).cloned());
        *self.uses.entry(hash).or_default() += 1;
        let file = &mut self.nodes[node];
        file.turn = None;
        (file.bytes, file.unsealed, file.offered) = (bytes, true, false);
    }

    /// Whether such bytes were ever written here.
    pub fn was_written(&self, hash: &str) -> bool {
        self.uses.contains_key(hash)
    }

    /// Closing has succeeded.
    pub fn sealed(&mut self, node: Node) {
        if !self.nodes[node].unsealed || self.names_of(node).is_empty() {
            return;
        }
        self.time += 1;
        let albums = self.names_of(node).into_iter().map(|(album, _)| album);
        let closed_at = albums.map(|album| (album, self.time)).collect();
        let file = &mut self.nodes[node];
        file.closed_at = closed_at;
        file.unsealed = false;
        file.earlier.push((file.bytes.clone(), false));
        self.named(node);
    }

    /// A listing of an album has ended. If it was whole, all of it is there under a name from now on, or was removed
    /// here.
    pub fn seen(&mut self, album: usize, whole: bool) {
        let here = self.names.iter().filter(|((dir, _), _)| *dir == album);
        let named: BTreeSet<_> = here.map(|(_, node)| sha256(&self.nodes[*node].bytes)).collect();
        self.strange.retain(|(dir, hash)| *dir != album || !whole && !named.contains(hash));
    }

    /// Somebody takes an item with these bytes away, from an album or from all of them.
    pub fn taken(&mut self, albums: std::ops::Range<usize>, hash: &str) {
        self.loose.extend(albums.map(|album| (album, hash.to_owned())));
        self.time += 1;
        self.taken_at.insert(hash.to_owned(), self.time);
    }

    /// Whether the bytes were closed under a name in the album after somebody has last taken such an item away: they
    /// must be at Google or here.
    pub fn is_owed(&self, node: Node, album: usize) -> bool {
        let file = &self.nodes[node];
        let taken_at = self.taken_at.get(&sha256(&file.bytes)).copied().unwrap_or_default();
        let closed_at = file.closed_at.get(&album).copied().unwrap_or_default();
        file.offered && closed_at > taken_at
    }

    /// Made and closed in one go.
    pub fn took_turn(&mut self, node: Node) {
        self.turns += 1;
        self.nodes[node].turn = Some(self.turns);
    }

    /// It has got another name: that may make an upload of it.
    pub fn named(&mut self, node: Node) {
        let names = self.names_of(node);
        let real = names.iter().any(|(_, name)| is_real(name));
        let file = &mut self.nodes[node];
        file.turn = None;
        if let Some(closed_at) = file.closed_at.values().copied().max() {
            for (album, _) in &names {
                file.closed_at.entry(*album).or_insert(closed_at);
            }
        }
        if real && !file.unsealed && is_photo(&file.bytes) {
            file.offered = true;
            if let Some((_, offered)) = file.earlier.last_mut() {
                *offered = true;
            }
            self.supersede(&names);
        }
    }

    /// A whole file, or the remains of a later writer, take these names from a dead writer's bytes.
    fn supersede(&mut self, names: &[Name]) {
        self.kept.retain_mut(|kept| {
            if kept.died {
                kept.names.retain(|name| !names.contains(name));
            }
            !kept.names.is_empty()
        });
    }

    /// All that was closed has arrived.
    pub fn drained(&mut self) {
        for node in 0..self.nodes.len() {
            let real = self.names_of(node).iter().any(|(_, name)| is_real(name));
            let file = &mut self.nodes[node];
            if file.offered && real {
                (file.earlier, file.certain) = (vec![(file.bytes.clone(), true)], true);
            }
        }
    }

    /// Two turn out to be one: equal bytes are hard links.
    pub fn unite(&mut self, gone: Node, node: Node) {
        let other = std::mem::take(&mut self.nodes[gone]);
        let file = &mut self.nodes[node];
        file.turn = None;
        if !file.unsealed {
            // Copies in another album say nothing about this one.
            for (album, closed_at) in other.closed_at {
                let known = file.closed_at.entry(album).or_default();
                *known = closed_at.max(*known);
            }
            // Only files that Google has unite.
            (file.earlier, file.certain) = (vec![(file.bytes.clone(), true)], true);
            file.offered |= other.offered;
        }
        for value in self.names.values_mut().filter(|value| **value == gone) {
            *value = node;
        }
    }

    /// The version being written has come to nothing; names that are left stand for what `now` says, which is
    /// nothing if somebody has deleted the item. `died`: its writer did not close it.
    pub fn came_to_nothing(
        &mut self,
        node: Node,
        died: bool,
        now: impl Fn(&Name) -> Option<String>,
    ) {
        let File { bytes, earlier, certain, .. } = std::mem::take(&mut self.nodes[node]);
        let names = self.names_of(node);
        if !bytes.is_empty() && !names.is_empty() {
            if died {
                self.supersede(&names);
            }
            // The same bytes refused again under the same name are kept once.
            let is_kept =
                |it: &Kept| it.bytes == bytes && it.names.iter().any(|name| names.contains(name));
            if !self.kept.iter().any(is_kept) {
                self.kept.push(Kept { bytes: bytes.clone(), names: names.clone(), died });
            }
        }
        let mut back = None;
        for name in &names {
            let Some(hash) = now(name) else {
                assert!(!certain, "{name:?} is gone, though Google had a version of it");
                assert!(!bytes.is_empty(), "{name:?} is gone, though it was empty");
                self.names.remove(name);
                continue;
            };
            let empty = (bytes.clone(), false);
            let mut right = earlier.iter().chain(bytes.is_empty().then_some(&empty));
            let found = right.find(|(bytes, _)| {
                let right = sha256(bytes);
                hash == right || (hash.is_empty() && self.loose.contains(&(name.0, right)))
            });
            back = Some(
                found.unwrap_or_else(|| panic!("{name:?} has bytes that it never had")).clone(),
            );
        }
        if let Some((bytes, offered)) = back {
            let earlier = if offered { vec![(bytes.clone(), true)] } else { earlier };
            self.nodes[node] = File { bytes, offered, earlier, certain, ..File::default() };
        }
    }

    pub fn names_of(&self, node: Node) -> Vec<Name> {
        let of_node = self.names.iter().filter(|(_, value)| **value == node);
        of_node.map(|(name, _)| name.clone()).collect()
    }

    /// The hashes that an album must hold at Google.
    pub fn must(&self, album: usize) -> BTreeSet<String> {
        let names = self.names.iter().filter(|((dir, name), _)| *dir == album && is_real(name));
        let offered = names.map(|(_, node)| &self.nodes[*node]).filter(|file| file.offered);
        let strange = self.strange.iter().filter(|(dir, _)| *dir == album);
        let all = offered.map(|file| sha256(&file.bytes)).chain(strange.map(|it| it.1.clone()));
        all.filter(|hash| !self.loose.contains(&(album, hash.clone()))).collect()
    }

    /// The hashes that it may hold besides: of files that were uploaded before they got the name of a
    /// half-written one, and of versions whose successor is not one to be uploaded.
    pub fn may(&self, album: usize) -> BTreeSet<String> {
        let mut may: BTreeSet<_> =
            self.loose.iter().filter(|it| it.0 == album).map(|it| it.1.clone()).collect();
        for ((_, name), node) in self.names.iter().filter(|it| it.0.0 == album) {
            let file = &self.nodes[*node];
            let arrives =
                file.offered && self.names_of(*node).iter().any(|(_, name)| is_real(name));
            if !arrives {
                may.extend(file.earlier.iter().filter(|it| it.1).map(|it| sha256(&it.0)));
            } else if !is_real(name) {
                may.insert(sha256(&file.bytes));
            }
        }
        may
    }

    /// The files of an album that were made in one go from bytes used only once, in the order of closing.
    pub fn in_order(&self, album: usize) -> Vec<String> {
        let names = self.names.iter().filter(|((dir, _), _)| *dir == album);
        let mut turns: Vec<_> = names
            .filter_map(|(_, node)| {
                let file = &self.nodes[*node];
                let hash = sha256(&file.bytes);
                (file.offered && self.uses[&hash] == 1).then_some((file.turn?, hash))
            })
            .collect();
        turns.sort_unstable();
        turns.into_iter().map(|(_, hash)| hash).collect()
    }
}
