//! Makes the state of a profile with everything in it that the tables can say.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sha2::Digest;

use crate::media::{
    Album, AlbumId, Clock, ContentHash, DirId, FileId, ItemId, MediaId, MediaItem, PickerSessionId,
    UploadToken, VideoStatus, View,
};
use crate::store::tests::{item, name, told};
use crate::store::{
    Adoption, AlbumIntent, Child, CreateOutcome, Fate, ListedAlbum, LocalReason, Made, Pass,
    Prepared, SealedFacts, Sent, Store, WriteError,
};

/// A profile's state in the making. Its clock stands still.
struct Making {
    store: Store,
    spool: PathBuf,
    now: SystemTime,
}

/// The end of a JPEG.
const END: &[u8] = b"\xff\xd9";

/// Photos that differ by a number. Nobody looks further than at their ends.
fn photo(number: u8) -> Vec<u8> {
    [b"\xff\xd8\xff\xe0 photo ".as_slice(), &[b'0' + number], b" ", END].concat()
}

impl Making {
    fn begin(state: &Path) -> Self {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_793_000_000);
        let spool = state.join("spool");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&spool).unwrap();
        let store = Store::open_with_clock(state, Clock(Arc::new(move || now))).unwrap();
        Self { store, spool, now }
    }

    fn album(&self, title: &str) -> DirId {
        told(&self.store, title, 0, self.now)
    }

    fn pass(&self, listing: i64) -> Pass {
        Pass { listing, began: self.now, news: true, last: false }
    }

    /// A file that is being written.
    fn open(&self, dir: DirId, file_name: &str, bytes: &[u8]) -> FileId {
        let file = self.store.create_file_with(dir, &name(file_name), 1_556_400_000, 0o044);
        let file = file.unwrap().unwrap();
        self.spooled(file, bytes);
        file
    }

    fn spooled(&self, file: FileId, bytes: &[u8]) {
        fs::write(self.spool.join(file.0.to_string()), bytes).unwrap();
    }

    fn seal(&self, file: FileId, bytes: &[u8], fate: Fate, write_error: Option<WriteError>) {
        let (size, mtime_ns) = (bytes.len() as u64, 1_556_400_000_123_456_789);
        let cut_off = matches!(fate, Fate::Upload(_)) && !bytes.ends_with(END);
        let facts = SealedFacts { size, mtime_ns, ctime_ns: mtime_ns, fate, write_error, cut_off };
        self.store.seal(file, &facts).unwrap();
    }

    /// A closed photo, and its version.
    fn closed(&self, dir: DirId, file_name: &str, number: u8) -> (FileId, i64) {
        let file = self.open(dir, file_name, &photo(number));
        self.sealed(file, number)
    }

    fn sealed(&self, file: FileId, number: u8) -> (FileId, i64) {
        self.seal(file, &photo(number), Fate::Upload("image/jpeg"), None);
        let rows = self.store.journal().unwrap();
        let row = rows.iter().find(|it| it.file == file).unwrap();
        (file, row.seq.unwrap())
    }

    fn hashed(&self, (file, seq): (FileId, i64), number: u8) {
        let sha256 = ContentHash(sha2::Sha256::digest(photo(number)).into());
        let sha1 = sha1::Sha1::digest(photo(number)).into();
        self.store.hashed(file, seq, sha256, sha1).unwrap();
    }

    fn uploaded(&self, dir: DirId, file_name: &str, number: u8) -> (FileId, i64, UploadToken) {
        let (file, seq) = self.closed(dir, file_name, number);
        self.hashed((file, seq), number);
        (file, seq, self.token((file, seq)))
    }

    /// Google has got the bytes of a version.
    fn token(&self, (file, seq): (FileId, i64)) -> UploadToken {
        let token = UploadToken::new(format!("token {seq}"));
        self.store.uploaded(file, seq, &token, self.now).unwrap();
        token
    }

    /// Google has answered the creation with this item.
    fn created(&self, dir: DirId, file_name: &str, number: u8, id: &str) -> FileId {
        let (file, seq) = self.closed(dir, file_name, number);
        self.hashed((file, seq), number);
        self.create(dir, (file, seq), id);
        file
    }

    /// Google gets a version, and answers its creation with this item.
    fn create(&self, dir: DirId, version: (FileId, i64), id: &str) {
        let token = self.token(version);
        let call = self.store.begin_create(dir, &[version]).unwrap();
        let made = (token, CreateOutcome::Made(item(id).item));
        self.store.record_create_outcomes(call.call, &[made]).unwrap();
    }

    /// A listing shows the item.
    fn prove(&self, dir: DirId, id: &str) {
        let listing = self.store.next_listing().unwrap();
        self.store.items_listed(dir, &[item(id)], listing).unwrap();
        for claim in self.store.proved_claims(10).unwrap() {
            self.store.settle_claim(&claim).unwrap();
        }
    }

    /// A file that has arrived. The spool has its bytes no longer.
    fn arrived(&self, dir: DirId, file_name: &str, number: u8, id: &str) -> FileId {
        let file = self.created(dir, file_name, number, id);
        self.prove(dir, id);
        fs::remove_file(self.spool.join(file.0.to_string())).unwrap();
        assert_eq!(self.store.upload_state(file).unwrap(), None);
        file
    }

    /// Every album's life.
    fn albums(&self) {
        let store = &self.store;
        let [old, nested, gone] = ["Old title", "2019/Nested", "Gone"].map(|it| self.album(it));
        let hidden = self.album("Hidden");
        store.set_dir_withheld(nested, 0o055).unwrap();
        store.set_dir_mtime(nested, 1_556_445_600_123_456_789).unwrap();
        let root = DirId(1);
        store.remove_dir(root, &name("Hidden")).unwrap().unwrap();
        assert!(store.dir(hidden).unwrap().is_some());
        let intent = store.album_intended(root, &name("Unanswered"), "Unanswered").unwrap();
        assert!(matches!(intent, Ok(AlbumIntent::Fresh(_))));
        store.make_local_dir(root, &name("half.tmp")).unwrap().unwrap();
        for title in ["New title", "Newest title"] {
            let titles = [(old, title.to_owned())];
            store.move_intended(old, (root, &name(title)), &titles).unwrap().unwrap();
            if title == "New title" {
                let renames = store.pending_album_renames(1).unwrap();
                store.album_renamed(&renames[0]).unwrap();
            }
        }
        // The next list of albums shows all but this one.
        store.items_listed(gone, &[item("in gone")], 1).unwrap();
        let listing = store.next_listing().unwrap();
        for title in ["New title", "2019/Nested", "Hidden", "Trip", "Other"] {
            let path = title.split('/').map(|part| vec![name(part)]).collect();
            let album = Album {
                id: AlbumId::new(format!("id of {title}").replace("New", "Old")),
                title: title.to_owned(),
                items_count: 9,
                product_url: String::new(),
                is_writeable: true,
            };
            let listed = ListedAlbum { album, path };
            store.albums_listed(&[listed], listing, self.now).unwrap();
        }
        let missing = store.albums_complete(listing, 9).unwrap();
        for (dir, id) in missing {
            store.album_gone(dir, &id).unwrap();
        }
        store.set_albums_listed(self.now, 1).unwrap();
    }

    /// Items that Google showed.
    fn items(&self, trip: DirId, other: DirId) {
        let store = &self.store;
        let ids = ["a", "b", "c", "d", "e", "video"];
        let mut items = ids.map(item);
        items[5].item.video = Some(VideoStatus::Processing);
        items[0].item = MediaItem {
            description: "Ünïcode, \"quoted\"".into(),
            product_url: "https://photos.google.com/lr/photo/a".into(),
            creation_time: Some(self.now - Duration::from_secs(200_000_000)),
            width: 4000,
            height: 3000,
            camera_make: "FUJIFILM".into(),
            camera_model: "X-T5".into(),
            ..items[0].item.clone()
        };
        let listing = store.next_listing().unwrap();
        store.items_listed(trip, &items, listing).unwrap();
        let view = View::All;
        store.view_listed(view, &items[..2], listing).unwrap();
        store.view_complete(view, &self.pass(listing), 1).unwrap();
        let file = |id: &str| match store.child(trip, &name(&format!("{id}.jpg"))).unwrap() {
            Some(Child::File(file)) => file,
            found => panic!("{id}: {found:?}"),
        };
        store.set_rendition_size(&ItemId::Library(MediaId::new("a")), 4711).unwrap();
        store.set_times(file("a"), Some(5), Some(1_556_400_000_000_000_001)).unwrap();
        store.set_withheld(file("b"), 0o077).unwrap();
        let sha256 = ContentHash([7; 32]);
        store.adopt(file("b"), &Adoption { sha256, size: 99, mtime_ns: 8 }).unwrap();
        // Renamed here, a second name, one in another album, and one that was taken away.
        store
            .rename_file((trip, &name("c.jpg")), (trip, &name("ours.jpg")), false)
            .unwrap()
            .unwrap();
        store.link(file("d"), trip, &name("again.jpg")).unwrap().unwrap();
        store.link(file("d"), other, &name("d.jpg")).unwrap().unwrap();
        store.unlink(trip, &name("e.jpg")).unwrap().unwrap();
        // Google shows it no more.
        store.items_listed(trip, &[item("lost")], store.next_listing().unwrap()).unwrap();
        let lost = file("lost");
        let listing = store.next_listing().unwrap();
        store.items_listed(trip, &items, listing).unwrap();
        let told_of = |count| told(store, "Trip", count, self.now);
        assert_eq!(told_of(6), trip);
        store.items_complete(trip, &self.pass(listing)).unwrap();
        store.items_gone(trip, &[lost]).unwrap();
    }

    /// Files in every state of the journal.
    fn files(&self, trip: DirId, other: DirId) {
        let store = &self.store;
        self.open(trip, "open.jpg", b"half a photo");
        let temporary = self.open(trip, ".x.jpg.part", &photo(0));
        let lacks = WriteError::new(libc::ENOSPC, 4..9);
        let stays = |reason| Fate::StaysHere(reason);
        self.seal(temporary, &photo(0), stays(LocalReason::Temporary), lacks);
        for (file_name, bytes, reason) in [
            ("empty.jpg", b"".as_slice(), LocalReason::Empty),
            ("Thumbs.db", b"junk", LocalReason::Junk),
            ("a.jpg.xmp", b"<x:xmpmeta/>", LocalReason::Sidecar),
        ] {
            let file = self.open(trip, file_name, bytes);
            self.seal(file, bytes, stays(reason), None);
        }
        self.closed(trip, "sealed.jpg", 1);
        let begun = self.closed(trip, "begun.jpg", 2);
        self.hashed(begun, 2);
        store
            .set_session(begun.0, begun.1, Some("{\"url\":\"https://example.org/session\"}"))
            .unwrap();
        let failing = self.closed(trip, "failing.jpg", 3);
        self.hashed(failing, 3);
        store.attempt_failed(failing.0, failing.1, "the answer was lost", true, self.now).unwrap();
        let (file, seq) = self.closed(trip, "shrunk.jpg", 15);
        self.hashed((file, seq), 15);
        let sent = Sent { size: 7, sha256: ContentHash([15; 32]), sha1: [15; 20] };
        let quality = "saver:16mp,q90".to_owned();
        let copy = Prepared { quality: quality.clone(), made: Made::Smaller(sent) };
        store.set_prepared(file, seq, Some(&copy)).unwrap();
        let (file, seq) = self.closed(trip, "whole.jpg", 16);
        self.hashed((file, seq), 16);
        let whole = Prepared { quality, made: Made::Whole("small".to_owned()) };
        store.set_prepared(file, seq, Some(&whole)).unwrap();
        store.set_quality(other, "saver:12mp,q85".parse().ok()).unwrap();
        self.uploaded(trip, "uploaded.jpg", 4);
        let (file, seq, _) = self.uploaded(trip, "creating.jpg", 5);
        let call = store.begin_create(trip, &[(file, seq)]).unwrap();
        store.create_unanswered(call.call, self.now).unwrap();
        self.created(trip, "confirming.jpg", 6, "confirming");
        self.created(other, "known.jpg", 7, "a");
        let file = self.created(trip, "unseen.jpg", 8, "unseen");
        let claims = store.new_claims(self.now, trip, 10).unwrap();
        let claim = claims.iter().find(|it| it.file == file).unwrap();
        store.unseen(claim, &item("unseen").item, self.now).unwrap();
        let refused = self.closed(trip, "refused.jpg", 9);
        self.hashed(refused, 9);
        store.fail(refused.0, "Google cannot read it", None).unwrap();
        let half = self.open(other, "half.jpg", &photo(10));
        store.fail_unfinished(half, photo(10).len() as u64, "it was still being written").unwrap();
        self.arrived(trip, "arrived.jpg", 11, "arrived");
        // Google had the item: the file is another name of it.
        let merged = self.created(other, "merged.jpg", 14, "video");
        self.prove(other, "video");
        fs::remove_file(self.spool.join(merged.0.to_string())).unwrap();
        let duplicate = self.closed(other, "duplicate.jpg", 11);
        self.hashed(duplicate, 11);
        let edited = self.arrived(trip, "edited.jpg", 12, "edited");
        let base = store.file(edited).unwrap().unwrap().sha256;
        store.fork_version(edited, base, photo(13).len() as u64).unwrap();
        self.spooled(edited, &photo(13));
        let edit = self.sealed(edited, 13);
        self.hashed(edit, 13);
        let half = &photo(15)[..9];
        let cut_off = self.open(trip, "cut off.jpg", half);
        self.seal(cut_off, half, Fate::Upload("image/jpeg"), None);
        self.copies(trip);
    }

    /// Files that have arrived, one as a smaller copy and one as it is.
    fn copies(&self, trip: DirId) {
        let sent = Sent { size: 6, sha256: ContentHash([18; 32]), sha1: [18; 20] };
        for (number, id, made) in
            [(18, "smaller", Made::Smaller(sent)), (19, "lean", Made::Whole("lean".to_owned()))]
        {
            let (file, seq) = self.closed(trip, &format!("{id}.jpg"), number);
            self.hashed((file, seq), number);
            let prepared = Prepared { quality: "saver:16mp,q90".to_owned(), made };
            assert!(self.store.set_prepared(file, seq, Some(&prepared)).unwrap());
            self.create(trip, (file, seq), id);
            self.prove(trip, id);
            fs::remove_file(self.spool.join(file.0.to_string())).unwrap();
        }
    }

    /// A session of a pick that shows these items.
    fn session(&self, pick: &str, session: &str, ids: &[&str], anew: bool) -> PickerSessionId {
        let (remote, ends) =
            (PickerSessionId::new(session), self.now + Duration::from_secs(604_800));
        self.store.add_to_pick(&name(pick), &remote, ends, anew).unwrap();
        let items: Vec<_> = ids.iter().map(|id| item(id)).collect();
        self.store.picked_listed(&remote, &items).unwrap();
        remote
    }

    /// A pick with a session in every state, one that has none any more, and one of items that
    /// albums show, too.
    fn picks(&self) {
        let store = &self.store;
        self.session("Picked", "given up", &["picked before"], false);
        let listed = self.session("Picked", "listed", &["picked", "a"], true);
        store.session_listed(&listed).unwrap();
        store.set_rendition_size(&ItemId::Picked(MediaId::new("picked")), 4712).unwrap();
        self.session("Picked", "interrupted", &["picked later"], false);
        let ended = self.session("Names only", "ended", &["ended"], false);
        store.session_ended(&ended).unwrap();
    }
}

/// Makes the state of a profile.
pub(super) fn make(state: &Path) {
    let making = Making::begin(state);
    // The tests' listings before have the number 1.
    making.store.next_listing().unwrap();
    let [trip, other] = ["Trip", "Other"].map(|it| making.album(it));
    making.albums();
    making.items(trip, other);
    making.files(trip, other);
    making.picks();
    for (key, value) in [
        ("service", "\"stand-in\""),
        (
            "binding",
            r#"{"client_id":"frozen.apps.example.org","since":"2026-10-26T00:00:00Z","login":"00112233445566778899aabbccddeeff"}"#,
        ),
    ] {
        making.store.set_meta(key, value).unwrap();
    }
}
