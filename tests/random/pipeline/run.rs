//! The filesystem and the model, step by step.

use super::*;

/// The filesystem, the model, and their connection.
pub(super) struct Run {
    world: World,
    reference: Reference,
    albums: [Ino; ALBUMS],
    titles: [String; ALBUMS],
    handles: Vec<Handle>,
    /// Bytes that strangers have added.
    strange: Vec<Vec<u8>>,
    /// How often a stranger has renamed an album.
    renamed: u32,
    /// Nothing has gone wrong and no stranger has come.
    calm: bool,
    /// The call that is held.
    barrier: Option<Barrier>,
    reading: Reading,
}

struct Handle {
    fh: Fh,
    ino: Ino,
    node: Node,
}

impl Run {
    pub(super) fn new(latency_ms: u64) -> Self {
        let world = World::new(latency_ms);
        let titles = ["one".to_owned(), "two".to_owned()];
        let albums = titles.each_ref().map(|title| world.mkdir(ROOT, title).unwrap());
        Self {
            world,
            reference: Reference::default(),
            albums,
            titles,
            handles: Vec::new(),
            strange: Vec::new(),
            renamed: 0,
            calm: true,
            barrier: None,
            reading: Reading::default(),
        }
    }

    pub(super) fn world(&self) -> &World {
        &self.world
    }

    pub(super) fn apply(&mut self, op: &Op) {
        self.meet(None);
        match op {
            Op::Put(spot, content) => self.put(*spot, *content),
            Op::Open(spot) => drop(self.open(*spot, false)),
            Op::Write(nth, content) => {
                let Some(at) = self.handle(*nth) else { return };
                self.write(at, self.bytes(*content));
            }
            Op::Append(nth) => {
                let Some(at) = self.handle(*nth) else { return };
                let Handle { fh, node, .. } = self.handles[at];
                let mut bytes = self.reference.nodes[node].bytes.clone();
                let outcome = self.world.write(fh, bytes.len() as u64, TAIL);
                bytes.extend_from_slice(TAIL);
                self.edited(node, bytes, outcome);
            }
            Op::Cut(nth) => {
                let Some(at) = self.handle(*nth) else { return };
                let Handle { fh, ino, node } = self.handles[at];
                let mut bytes = self.reference.nodes[node].bytes.clone();
                bytes.truncate(PHOTO_BYTES as usize);
                let outcome = self.world.resize(ino, fh, bytes.len());
                self.edited(node, bytes, outcome);
            }
            Op::Flush(nth) => {
                let Some(at) = self.handle(*nth) else { return };
                self.flush(at);
            }
            Op::Close(nth) => {
                let Some(at) = self.handle(*nth) else { return };
                self.close(at);
            }
            Op::Remove(nth) => {
                let Some((name, _)) = self.name(*nth) else { return };
                match self.world.unlink(self.albums[name.0], &name.1) {
                    Ok(()) => drop(self.reference.names.remove(&name)),
                    Err(error) => self.assert_gone(error, &[&name]),
                }
            }
            Op::Rename(nth, spot) => self.rename(*nth, *spot),
            Op::Exchange(a, b) => self.exchange(*a, *b),
            Op::Link(nth, spot) => self.link(*nth, *spot),
            Op::Pause(ms) => self.world.pause(Duration::from_millis((*ms).into())),
            Op::Hold(call, nth, moment) => {
                let barrier = self.world.emulator.barrier(*call, (*nth).into(), *moment);
                self.barrier = Some(barrier);
            }
            Op::Arrived => {
                let barrier = self.barrier.as_ref().expect("a call is held");
                self.world.emulator.wait(barrier.arrived());
            }
            Op::Release => self.barrier = None,
            Op::Drain => {
                // Otherwise the drain need not end.
                if self.calm && self.handles.is_empty() {
                    self.world.drain();
                    self.reference.drained();
                }
            }
            Op::Crash => self.crash(),
            Op::Restart => self.restart(),
            Op::Outage(begins) => {
                self.calm = false;
                self.world.outage(*begins);
            }
            Op::Fault(call, failure, after_effect, next) => {
                self.fault(*call, *failure, *after_effect, *next)
            }
            Op::ItemsFail(next, code, text) => {
                self.calm = false;
                let (next, message) = ((*next).into(), text.map(str::to_owned));
                let failure = ItemFailure { next, message, ..ItemFailure::new(*code) };
                self.world.emulator.faults(|faults| faults.item_failures.push(failure));
            }
            Op::ListsLack(album, lack, passes) => {
                let omission = match lack {
                    Lack::All => Omission::EndsAfter(0),
                    Lack::Newest(count) => Omission::LacksNewest((*count).into()),
                };
                let album = Some(self.titles[*album].clone());
                self.lie(Call::MediaItemsSearch, album, omission, *passes);
            }
            Op::AlbumForgotten(album, passes) => {
                let omission = Omission::Forgets(self.titles[*album].clone());
                self.lie(Call::AlbumsList, None, omission, *passes);
            }
            Op::AccessTokensExpire => self.world.emulator.expire_access_tokens(),
            Op::DayPasses => {
                self.calm = false;
                self.world.emulator.advance_clock(Duration::from_secs(25 * 3600));
            }
            Op::Quality(album, quality) => {
                let quality = if *quality { "saver" } else { "original" };
                self.world.set_xattr(self.albums[*album], "user.gphotos.quality", quality).unwrap();
            }
            Op::Refresh(album) => {
                let whole = self.world.lists_are_whole();
                let listed = self.world.refresh(self.albums[*album]);
                assert!(listed.is_ok() || !self.calm, "{listed:?}");
                if listed.is_ok() {
                    self.adopt(*album, false);
                    self.reference.seen(*album, whole);
                }
            }
            Op::StrangerAdds(album) => self.stranger_adds(*album),
            Op::StrangerRemoves(nth) => {
                let Some((album, id, hash)) = self.item_at_google(*nth) else { return };
                self.calm = false;
                let album_id = self.titles[album].clone();
                self.world.edit(Edit::RemoveFromAlbum { album: album_id, item: id });
                self.reference.taken(album..album + 1, &hash);
            }
            Op::StrangerDeletes(nth) => self.take(*nth, |item| Edit::DeleteItem { item }),
            Op::Bin(reading) => {
                self.reading = *reading;
                self.world.emulator.faults(|faults| {
                    faults.binned_items_resolve = reading.resolves;
                    faults.binned_bytes_make_new_items = reading.makes_new;
                });
            }
            Op::UserBins(nth) => self.take(*nth, |item| Edit::MoveToBin { item }),
            Op::UserRestores(nth) => {
                // Otherwise there would be two items of the same bytes.
                let dump = self.world.emulator.dump();
                let binned: Vec<_> = dump.items.iter().filter(|item| item.binned).collect();
                let at = usize::from(*nth).checked_rem(binned.len());
                if let Some(at) = at.filter(|_| !self.reading.makes_new) {
                    self.world.edit(Edit::RestoreFromBin { item: binned[at].id.clone() });
                }
            }
            Op::UserEmptiesBin => drop(self.world.edit(Edit::EmptyBin)),
            Op::StrangerRenames(album) => {
                self.renamed += 1;
                let title = format!("renamed {}", self.renamed);
                let before = std::mem::replace(&mut self.titles[*album], title.clone());
                self.world.edit(Edit::RenameAlbum { album: before, title });
            }
        }
    }

    fn put(&mut self, spot: Spot, content: Content) {
        let bytes = self.bytes(content);
        let Some((at, new)) = self.open(spot, true) else { return };
        let node = self.handles[at].node;
        self.write(at, bytes);
        let alone =
            !self.handles.iter().enumerate().any(|(n, handle)| n != at && handle.node == node);
        self.close(at);
        if new && alone && self.reference.nodes[node].offered {
            self.reference.took_turn(node);
        }
    }

    /// Returns which handle it is, and whether the file is new.
    fn open(&mut self, spot: Spot, truncate: bool) -> Option<(usize, bool)> {
        let name = (spot.album, NAMES[spot.name].to_owned());
        let known = self.reference.names.get(&name).copied();
        let (ino, fh, node) = match known {
            None => match self.world.create(self.albums[name.0], &name.1) {
                Ok((ino, fh)) => (ino, fh, self.reference.created(name)),
                Err(error) => {
                    let ino = self.world.lookup_now(self.albums[name.0], &name.1).unwrap();
                    assert!(
                        error == Errno(libc::EEXIST)
                            && (self.is_passing(ino) || self.is_strange(name.0, ino)),
                        "{name:?}: {error:?}"
                    );
                    return None;
                }
            },
            Some(node) => {
                let ino = self.world.lookup_now(self.albums[name.0], &name.1).unwrap();
                match self.world.open(ino, Open { read: false, write: true, truncate }) {
                    Ok(fh) => (ino, fh, node),
                    // How long the old content is may have to be asked for first.
                    Err(error) => {
                        assert!(!self.calm && !truncate, "{error:?}");
                        return None;
                    }
                }
            }
        };
        self.handles.push(Handle { fh, ino, node });
        if truncate && known.is_some() {
            self.edited(node, Vec::new(), Ok(()));
        }
        Some((self.handles.len() - 1, known.is_none()))
    }

    /// Whether this is an item of ours that a listing has shown before the answer to its making came:
    /// a file of its own until then.
    fn is_passing(&self, file: Ino) -> bool {
        self.world.identity(file).is_some_and(|hash| self.reference.was_written(&hash))
    }

    /// Whether this is an item of a stranger's that shows although its album was not refreshed: any look at an
    /// album has it listed when the number of its items has changed.
    fn is_strange(&self, album: usize, file: Ino) -> bool {
        let hash = self.world.identity(file);
        hash.is_some_and(|hash| self.reference.strange.contains(&(album, hash)))
    }

    fn write(&mut self, at: usize, bytes: Vec<u8>) {
        let Handle { fh, ino, node } = self.handles[at];
        if !self.reference.nodes[node].bytes.is_empty() {
            self.world.resize(ino, fh, 0).unwrap();
            self.edited(node, Vec::new(), Ok(()));
        }
        if !bytes.is_empty() {
            let outcome = self.world.write(fh, 0, &bytes);
            self.edited(self.handles[at].node, bytes, outcome);
        }
    }

    /// A file has been changed, or not: the old content may have to be had first.
    fn edited(&mut self, node: Node, bytes: Vec<u8>, outcome: Result<(), Errno>) {
        match outcome {
            Ok(()) => {
                let before = self.reference.nodes[node].bytes.clone();
                self.reference.written(node, bytes);
                self.meet(Some((node, before)));
            }
            Err(error) => assert!(!self.calm, "{error:?}"),
        }
    }

    fn flush(&mut self, at: usize) {
        let Handle { fh, node, .. } = self.handles[at];
        let file = &self.reference.nodes[node];
        let names = self.reference.names_of(node);
        let refused = file.unsealed
            && names.iter().any(|(_, name)| is_real(name))
            && !file.bytes.is_empty()
            && !is_photo(&file.bytes);
        match self.world.flush(fh) {
            Ok(()) if !refused => self.reference.sealed(node),
            // The flush before has failed already.
            Ok(()) => {}
            Err(Errno(libc::EMEDIUMTYPE)) if refused => {}
            Err(error) => panic!("{names:?}: {error:?}"),
        }
    }

    fn close(&mut self, at: usize) {
        self.flush(at);
        let Handle { fh, node, .. } = self.handles.swap_remove(at);
        // Its error is seen by nobody.
        let _ = self.world.release(fh);
        let last = !self.handles.iter().any(|handle| handle.node == node);
        if last && self.reference.nodes[node].unsealed && !self.reference.names_of(node).is_empty()
        {
            self.came_to_nothing(node, false);
        }
    }

    fn came_to_nothing(&mut self, node: Node, died: bool) {
        let Self { world, reference, albums, .. } = self;
        reference.came_to_nothing(node, died, |(album, name)| {
            let ino = world.lookup_now(albums[*album], name)?;
            Some(world.identity(ino).unwrap_or_default())
        });
    }

    fn rename(&mut self, nth: Nth, spot: Spot) {
        let Some((from, node)) = self.name(nth) else { return };
        let to = (spot.album, NAMES[spot.name].to_owned());
        let places = (self.albums[from.0], &*from.1);
        match self.world.rename(places, (self.albums[to.0], &to.1), Rename::Replace) {
            Ok(()) => {
                // Two names of one file: nothing happens.
                if self.reference.names.get(&to) != Some(&node) {
                    self.reference.names.remove(&from);
                    self.reference.names.insert(to, node);
                }
                self.reference.named(node);
            }
            Err(error @ Errno(libc::ENOENT)) => self.assert_gone(error, &[&from]),
            Err(error) => self.assert_refused(error, node, &to),
        }
    }

    fn link(&mut self, nth: Nth, spot: Spot) {
        let Some((from, node)) = self.name(nth) else { return };
        let to = (spot.album, NAMES[spot.name].to_owned());
        let Some(ino) = self.world.lookup_now(self.albums[from.0], &from.1) else {
            return self.assert_gone(Errno(libc::ENOENT), &[&from]);
        };
        match self.world.link(ino, self.albums[to.0], &to.1) {
            Ok(()) => {
                // The name was free, so an earlier file has lost it.
                if let Some(before) = self.reference.names.insert(to.clone(), node) {
                    self.assert_loose(&to, before);
                }
                self.reference.named(node);
            }
            Err(error @ Errno(libc::ENOENT)) => self.assert_gone(error, &[&from]),
            Err(Errno(libc::EEXIST)) => {
                let taken = self.world.lookup_now(self.albums[to.0], &to.1).unwrap();
                let is_known = self.reference.names.contains_key(&to) || self.is_passing(taken);
                assert!(is_known || self.is_strange(to.0, taken));
            }
            Err(error) => self.assert_refused(error, node, &to),
        }
    }

    fn exchange(&mut self, a: Nth, b: Nth) {
        let (Some((a, one)), Some((b, two))) = (self.name(a), self.name(b)) else { return };
        // Whether the other one may have its new name is seen only afterwards.
        let photo = |node: Node| is_photo(&self.reference.nodes[node].bytes);
        if one == two || !photo(one) || !photo(two) {
            return;
        }
        let places = ((self.albums[a.0], &*a.1), (self.albums[b.0], &*b.1));
        if let Err(error) = self.world.rename(places.0, places.1, Rename::Exchange) {
            return self.assert_gone(error, &[&a, &b]);
        }
        self.reference.names.insert(a, two);
        self.reference.names.insert(b, one);
        self.reference.named(one);
        self.reference.named(two);
    }

    /// A listing of its own, which any look may begin, has taken a name away just now.
    fn assert_gone(&mut self, error: Errno, names: &[&Name]) {
        assert_eq!(error, Errno(libc::ENOENT), "{names:?}");
        let is_gone = |name: &&&Name| self.world.lookup_now(self.albums[name.0], &name.1).is_none();
        let gone: Vec<_> = names.iter().filter(is_gone).collect();
        assert!(!gone.is_empty(), "{names:?} are there");
        for name in gone {
            let node = self.reference.names[*name];
            self.assert_loose(name, node);
            self.reference.names.remove(*name);
        }
    }

    /// A half-written file that is no photo does not get the name of one.
    fn assert_refused(&self, error: Errno, node: Node, to: &Name) {
        let file = &self.reference.nodes[node];
        assert_eq!(error, Errno(libc::EMEDIUMTYPE), "{to:?}");
        assert!(is_real(&to.1) && !is_photo(&file.bytes), "{to:?}");
    }

    fn crash(&mut self) {
        self.handles.clear();
        self.world.crash();
        for node in 0..self.reference.nodes.len() {
            if self.reference.nodes[node].unsealed {
                self.came_to_nothing(node, true);
            }
        }
    }

    fn restart(&mut self) {
        while !self.handles.is_empty() {
            self.close(0);
        }
        self.world.restart();
    }

    fn fault(&mut self, call: Call, failure: Failure, after_effect: bool, next: u8) {
        self.calm = false;
        let injection = Injection { next: next.into(), after_effect, ..Injection::new(failure) };
        self.world.emulator.faults(|faults| faults.on(call).failures.push(injection));
    }

    fn lie(&mut self, call: Call, album: Option<String>, omission: Omission, passes: u8) {
        self.calm = false;
        let lie = ListingFault { call, album, passes: passes.into(), omission };
        self.world.emulator.faults(|faults| faults.listing_faults.push(lie));
    }

    fn stranger_adds(&mut self, album: usize) {
        self.calm = false;
        let content = small_photo(100 + self.strange.len() as u64);
        self.world.edit(Edit::AddItem {
            album: Some(self.titles[album].clone()),
            filename: NAMES[self.strange.len() % 4].to_owned(),
            content: content.clone(),
            foreign: false,
        });
        self.reference.strange.insert((album, sha256(&content)));
        self.strange.push(content);
    }

    /// Takes over the changes by others that a listing of the album shows. Nothing is on its way if `at_rest`.
    fn adopt(&mut self, album: usize, at_rest: bool) {
        let names: BTreeSet<Name> = self
            .world
            .names_now(self.albums[album])
            .into_iter()
            .map(|name| (album, name))
            .collect();
        let known = self.reference.names.iter().filter(|(name, _)| name.0 == album);
        let gone =
            known.filter(|(name, node)| !names.contains(name) || self.has_passed(name, **node));
        for (gone, node) in gone.map(|(name, node)| (name.clone(), *node)).collect::<Vec<_>>() {
            self.assert_loose(&gone, node);
            self.reference.names.remove(&gone);
        }
        for name in names
            .into_iter()
            .filter(|name| !self.reference.names.contains_key(name))
            .collect::<Vec<_>>()
        {
            let found = self.world.lookup_now(self.albums[album], &name.1);
            let Some((ino, hash)) = found.and_then(|ino| Some((ino, self.world.identity(ino)?)))
            else {
                assert!(!at_rest, "{name:?} has come and gone");
                continue;
            };
            let strange = self.reference.strange.contains(&(album, hash.clone()))
                || self.reference.loose.contains(&(album, hash.clone()));
            assert!(strange || (!at_rest && self.is_passing(ino)), "{name:?} came from nowhere");
            let bytes = self.strange.iter().find(|bytes| sha256(bytes) == hash);
            let ours = (0..PHOTOS)
                .map(|seed| small_photo(seed.into()))
                .find(|bytes| sha256(bytes) == hash);
            let Some(bytes) = bytes.cloned().or(ours).filter(|_| strange) else { continue };
            self.reference.listed(name, bytes);
        }
        self.meet(None);
    }

    /// Finds out which names have become names of one file: equal bytes unite when Google has them.
    ///
    /// `edited` is a file that has just been written, and what it was before: what has united with it before
    /// the write has been written with it.
    fn meet(&mut self, edited: Option<(Node, Vec<u8>)>) {
        let mut inodes: BTreeMap<u64, Node> = BTreeMap::new();
        let mut pairs: Vec<(u64, Node)> = Vec::new();
        for (name, node) in self.reference.names.clone() {
            match self.world.lookup_now(self.albums[name.0], &name.1) {
                Some(ino) => pairs.push((ino.0, node)),
                None => {
                    self.assert_loose(&name, node);
                    self.reference.names.remove(&name);
                }
            }
        }
        pairs.extend(
            self.handles.iter().map(|handle| (self.world.survivor(handle.ino).0, handle.node)),
        );
        if let Some((node, _)) = &edited {
            // The edited one comes first, so that others unite with it.
            pairs.sort_by_key(|pair| pair.1 != *node);
        }
        for (ino, node) in pairs {
            let first = *inodes.entry(ino).or_insert(node);
            if first == node || self.reference.nodes[node].earlier.is_empty() {
                continue;
            }
            let expected = match &edited {
                Some((written, before)) if *written == first => before,
                _ => &self.reference.nodes[first].bytes,
            };
            let names = (self.reference.names_of(first), self.reference.names_of(node));
            assert_eq!(
                sha256(expected),
                sha256(&self.reference.nodes[node].bytes),
                "{names:?} have become one"
            );
            self.reference.unite(node, first);
            for handle in self.handles.iter_mut().filter(|handle| handle.node == node) {
                handle.node = first;
            }
        }
    }

    /// Whether a name has gone with its item and then come to one that a stranger has added, in one listing.
    fn has_passed(&self, name: &Name, node: Node) -> bool {
        let before = (name.0, sha256(&self.reference.nodes[node].bytes));
        let ino = self.world.lookup_now(self.albums[name.0], &name.1);
        let now = ino.and_then(|ino| self.world.identity(ino)).map(|hash| (name.0, hash));
        now.is_some_and(|now| now != before && self.reference.strange.contains(&now))
            && self.reference.loose.contains(&before)
    }

    /// A name may go by itself only if somebody has taken its item away, and then the bytes must be somewhere
    /// if they were closed later.
    fn assert_loose(&self, name: &Name, node: Node) {
        let bytes = &self.reference.nodes[node].bytes;
        let hash = sha256(bytes);
        let loose = self.reference.loose.contains(&(name.0, hash.clone()));
        assert!(loose, "{name:?} is gone; refused: {:?}", self.world.refusals());
        if self.reference.is_owed(node, name.0) && !self.world.failed().contains(bytes) {
            assert!(self.has_item(name.0, &hash), "{name:?} is lost");
        }
    }

    /// Whether an album has the item at Google.
    fn has_item(&self, album: usize, hash: &str) -> bool {
        let dump = self.world.emulator.dump();
        let there = &dump.album(&self.titles[album]).unwrap().items;
        there.iter().any(|id| dump.item(id).unwrap().sha256.as_deref() == Some(hash))
    }

    fn bytes(&self, content: Content) -> Vec<u8> {
        match content {
            Content::Photo(seed) => small_photo(seed.into()),
            Content::Strange(n) if self.strange.is_empty() => small_photo((n % PHOTOS).into()),
            Content::Strange(n) => self.strange[usize::from(n) % self.strange.len()].clone(),
            Content::Text => b"only some words\n".to_vec(),
            Content::Empty => Vec::new(),
        }
    }

    fn handle(&self, nth: Nth) -> Option<usize> {
        usize::from(nth).checked_rem(self.handles.len())
    }

    fn name(&self, nth: Nth) -> Option<(Name, Node)> {
        let names = &self.reference.names;
        let at = usize::from(nth).checked_rem(names.len())?;
        names.iter().nth(at).map(|(name, node)| (name.clone(), *node))
    }

    /// Takes an item out of the library.
    fn take(&mut self, nth: Nth, edit: impl FnOnce(String) -> Edit) {
        let Some((_, id, hash)) = self.item_at_google(nth) else { return };
        self.calm = false;
        self.world.edit(edit(id));
        self.reference.taken(0..ALBUMS, &hash);
    }

    fn item_at_google(&self, nth: Nth) -> Option<(usize, String, String)> {
        let dump = self.world.emulator.dump();
        let albums =
            self.titles.iter().enumerate().map(|(at, title)| (at, dump.album(title).unwrap()));
        let items: Vec<_> =
            albums.flat_map(|(at, album)| album.items.iter().map(move |id| (at, id))).collect();
        let (album, id) = *items.get(usize::from(nth).checked_rem(items.len())?)?;
        Some((album, id.clone(), dump.item(id)?.sha256.clone()?))
    }

    /// All becomes well again; then everything must be as the model says.
    pub(super) fn finish(mut self) {
        self.barrier = None;
        self.meet(None);
        self.world.end_faults();
        while !self.handles.is_empty() {
            self.close(0);
            self.meet(None);
        }
        self.world.drain();
        for album in 0..ALBUMS {
            self.world.refresh(self.albums[album]).unwrap();
            self.adopt(album, true);
            self.reference.seen(album, true);
        }
        self.world.drain();
        self.meet(None);
        for album in 0..ALBUMS {
            assert_eq!(self.world.album(&self.titles[album]), Some(self.albums[album]));
            self.check_tree(album);
            self.check_google(album);
        }
        let mut items = self.world.emulator.dump().items;
        items.retain(|item| !item.binned);
        let hashes: BTreeSet<_> = items.iter().map(|item| item.sha256.clone()).collect();
        assert_eq!(hashes.len(), items.len(), "the same bytes are several items");
        let mut failed = self.world.failed();
        for kept in &self.reference.kept {
            let found = failed.iter().position(|it| *it == kept.bytes);
            failed.swap_remove(found.expect("what was refused is kept"));
        }
        // The bytes of the last file go just after the queue has moved on.
        wait_within(Duration::from_secs(5), || match self.world.stray_spool_files() {
            stray if stray.is_empty() => Ok(()),
            stray => Err(format!("left in the spool: {stray:?}")),
        });
        assert_eq!(self.world.emulator.stats().violations, [] as [String; 0]);
    }

    fn check_tree(&self, album: usize) {
        let names: BTreeSet<Name> = self
            .world
            .names_now(self.albums[album])
            .into_iter()
            .map(|name| (album, name))
            .collect();
        let known: BTreeSet<Name> =
            self.reference.names.keys().filter(|name| name.0 == album).cloned().collect();
        assert_eq!(names, known);
        for name in &known {
            let bytes = &self.reference.nodes[self.reference.names[name]].bytes;
            let hash = sha256(bytes);
            let ino = self.world.lookup_now(self.albums[album], &name.1).unwrap();
            match self.world.read(ino) {
                Ok(read) => {
                    let read = sha256(&read);
                    assert!(read == hash || self.is_reverted(name, &read), "{name:?}: {read}");
                }
                Err(error) => {
                    let loose = self.reference.loose.iter().any(|it| it.1 == hash);
                    let owed = self.reference.is_owed(self.reference.names[name], album);
                    assert!(loose && !owed, "{name:?}: {error:?}");
                }
            }
        }
    }

    /// Whether the name has an earlier version back, because the bytes of the last one lie in Google's bin. These are
    /// under `failed`.
    fn is_reverted(&self, name: &Name, read: &str) -> bool {
        let file = &self.reference.nodes[self.reference.names[name]];
        let hash = sha256(&file.bytes);
        let mut items = self.world.emulator.dump().items.into_iter();
        file.earlier.iter().any(|(bytes, _)| sha256(bytes) == read)
            && self.world.failed().contains(&file.bytes)
            && items.any(|it| it.binned && it.sha256.as_ref() == Some(&hash))
    }

    fn check_google(&self, album: usize) {
        let dump = self.world.emulator.dump();
        let there = &dump.album(&self.titles[album]).unwrap().items;
        let hashes: Vec<_> =
            there.iter().map(|id| dump.item(id).unwrap().sha256.clone().unwrap()).collect();
        let set: BTreeSet<_> = hashes.iter().cloned().collect();
        assert_eq!(set.len(), hashes.len(), "an album holds something twice");
        let (must, may) = (self.reference.must(album), self.reference.may(album));
        let missing: Vec<_> = must.difference(&set).collect();
        let names: Vec<_> = self.reference.names.iter().filter(|it| it.0.0 == album).collect();
        let is_reverted = |hash: &str| names.iter().any(|(name, _)| self.is_reverted(name, hash));
        let is_right =
            |hash: &String| must.contains(hash) || may.contains(hash) || is_reverted(hash);
        let too_many: Vec<_> = set.iter().filter(|hash| !is_right(hash)).collect();
        assert!(missing.is_empty(), "album {album} lacks {missing:?}; names: {names:?}");
        assert!(too_many.is_empty(), "album {album} has still {too_many:?}; names: {names:?}");
        for (name, node) in names {
            let bytes = &self.reference.nodes[*node].bytes;
            let is_safe = || {
                let file = self.world.lookup_now(self.albums[album], &name.1);
                file.is_some_and(|file| self.world.is_spooled(file))
                    || self.world.failed().contains(bytes)
            };
            if self.reference.is_owed(*node, album)
                && is_real(&name.1)
                && !set.contains(&sha256(bytes))
            {
                assert!(is_safe(), "{name:?} is only in the cache");
            }
        }
        if self.calm {
            let right = self.reference.in_order(album);
            let order: Vec<_> = hashes.into_iter().filter(|hash| right.contains(hash)).collect();
            assert_eq!(order, right, "not in the order of closing");
        }
    }
}
