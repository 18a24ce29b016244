//! Bytes that another program has uploaded before. The reference does not know whether this client may read the item
//! (§11.2c), nor whether an album's count includes it (§11.10).

use gphotosfs::store::ListedItem;

use super::*;

const COUNTED: &str = "Google had these bytes from another program";
const NOT_COUNTED: &str = "Google has these bytes already, and does not show the item";

/// A reading of the API.
#[derive(Clone, Copy, Debug)]
struct Reading {
    /// The matched item can be read.
    visible: bool,
    /// An album's count includes it.
    counted: bool,
}

const READINGS: [Reading; 4] = [
    Reading { visible: false, counted: false },
    HIDDEN,
    Reading { visible: true, counted: false },
    Reading { visible: true, counted: true },
];
const HIDDEN: Reading = Reading { visible: false, counted: true };

impl Reading {
    fn arrives(self) -> bool {
        self.visible || self.counted
    }
}

/// The phone has uploaded photo 1 under this name.
async fn world(reading: Reading, filename: &str) -> World {
    let world = World::new().await;
    world.emulator.faults(|faults| {
        faults.matched_items_visible = reading.visible;
        faults.matched_items_counted = reading.counted;
    });
    add(&world, filename, true).await;
    world
}

/// Photo 1 comes into the library by another program, or by another machine.
async fn add(world: &World, filename: &str, foreign: bool) {
    let (filename, content) = (filename.to_owned(), small_photo(1));
    world.emulator.edit(Edit::AddItem { album: None, filename, content, foreign }).await.unwrap();
}

fn sent(world: &World) -> u64 {
    world.emulator.stats().requests(Call::UploadRaw)
}

fn error_of(world: &World, file: FileId) -> String {
    let journal = world.store.journal().unwrap();
    journal.into_iter().find(|row| row.file == file).unwrap().error.unwrap()
}

fn reason(world: &World) -> String {
    world.store.failed_names().unwrap()[0].reason.clone()
}

/// The bytes of photo 1 are here.
#[track_caller]
fn assert_kept(world: &World, file: FileId) {
    assert_eq!(std::fs::read(world.pipeline.spool().path(file)).unwrap(), small_photo(1));
}

/// > If another program had uploaded the same bytes, Google puts its item into the album. It may not let
/// > gphotosfs read that item: then the bytes stay here. The file has arrived if the album's count includes
/// > the item. Otherwise it goes to `.gphotos/failed`.
#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_another_program_had_uploaded_are_kept_until_google_shows_them() {
    for (reading, filename) in READINGS.iter().flat_map(|it| [(*it, "a.jpg"), (*it, "phone.jpg")]) {
        let world = world(reading, filename).await;
        let dir = world.album("one").await;
        let file = world.write(dir, "a.jpg", &small_photo(1));
        world.write(dir, "b.jpg", &small_photo(2));
        let drained = world.drain().await;
        assert_eq!(drained.is_ok(), reading.arrives(), "{reading:?} {filename}: {drained:?}");
        // Google has one item of them, in the album.
        let mut remote = world.remote("one");
        remote.sort();
        let mut expected = photos([1, 2]);
        expected.sort();
        assert_eq!(remote, expected, "{reading:?}");
        assert_eq!(world.emulator.dump().items.len(), 2);
        // Google may have lost a new item of the same name: only a second answer says that it had it.
        let twice = !reading.visible && filename == "a.jpg";
        assert_eq!(sent(&world), 2 + u64::from(twice), "{reading:?} {filename}");
        if reading.visible {
            assert_eq!(world.store.upload_state(file).unwrap(), None);
            world.assert_clean();
            continue;
        }
        assert_kept(&world, file);
        if reading.counted {
            assert_eq!(world.store.upload_state(file).unwrap(), Some(UploadState::Unseen));
            assert_eq!(world.names(dir), ["a.jpg", "b.jpg"]);
            let error = error_of(&world, file);
            assert!(error.starts_with(COUNTED), "{error}");
        } else {
            assert_eq!(world.failed(dir), [("a.jpg".to_owned(), file)]);
            assert!(reason(&world).starts_with(NOT_COUNTED), "{}", reason(&world));
        }
    }
}

/// > When a later list shows the item, its bytes may go.
#[tokio::test(flavor = "multi_thread")]
async fn a_withheld_item_arrives_when_a_list_shows_it() {
    let mut world = world(HIDDEN, "a.jpg").await;
    let dir = world.album("one").await;
    let file = world.write(dir, "a.jpg", &small_photo(1));
    world.drain().await.unwrap();
    world.restart().await;
    world.drain().await.unwrap();
    assert_kept(&world, file);
    // A later pass through the album changes nothing.
    world.write(dir, "b.jpg", &small_photo(2));
    world.drain().await.unwrap();
    assert!(error_of(&world, file).starts_with(COUNTED));
    world.emulator.faults(|faults| faults.matched_items_visible = true);
    let album = world.store.dir(dir).unwrap().unwrap().album.unwrap().remote.unwrap();
    let items = world.client.list_album_items(&album, None).await.unwrap().items;
    let listed: Vec<_> =
        items.into_iter().map(|item| ListedItem { item, names: vec![name("a.jpg")] }).collect();
    let listing = world.store.next_listing().unwrap();
    world.store.items_listed(dir, &listed, listing).unwrap();
    world.pipeline.wake();
    world.until(|world| world.store.upload_state(file).unwrap().is_none()).await;
    world.assert_clean();
}

/// `gphotosfs retry` of such a file sends it once, and is refused with the same words until the album counts it.
#[tokio::test(flavor = "multi_thread")]
async fn a_retry_of_a_withheld_file_sends_it_once() {
    let world = world(Reading { visible: false, counted: false }, "a.jpg").await;
    let dir = world.album("one").await;
    let file = world.write(dir, "a.jpg", &small_photo(1));
    world.drain().await.unwrap_err();
    for counted in [false, true] {
        world.emulator.faults(|faults| faults.matched_items_counted = counted);
        let before = sent(&world);
        let name = name("a.jpg");
        world.pipeline.retry((dir, &name), (dir, &name), false).unwrap();
        assert_eq!(world.drain().await.is_ok(), counted);
        assert_eq!(sent(&world), before + 1);
        assert_kept(&world, file);
    }
    assert_eq!((world.names(dir), world.failed(dir)), (vec!["a.jpg".to_owned()], vec![]));
    assert_eq!((world.remote("one"), world.emulator.dump().items.len()), (photos([1]), 1));
}

/// A photo of this client's that lies in the bin and that this database does not know looks alike.
#[tokio::test(flavor = "multi_thread")]
async fn an_item_of_another_machine_in_the_bin_is_not_taken_for_arrived() {
    for filename in ["a.jpg", "other.jpg"] {
        let world = World::new().await;
        let dir = world.album("one").await;
        add(&world, filename, false).await;
        world.emulator.edit(Edit::MoveToBin { item: filename.into() }).await.unwrap();
        let file = world.write(dir, "a.jpg", &small_photo(1));
        world.write(dir, "b.jpg", &small_photo(2));
        world.drain().await.unwrap_err();
        assert_eq!(world.failed(dir), [("a.jpg".to_owned(), file)]);
        assert!(reason(&world).starts_with(NOT_COUNTED), "{}", reason(&world));
        assert_kept(&world, file);
        assert_eq!(world.remote("one"), photos([2]));
        assert!(sent(&world) <= 3);
    }
}

/// > A second name of such a file in another album is uploaded into it, since Google refuses to add the item.
#[tokio::test(flavor = "multi_thread")]
async fn copies_and_links_of_a_withheld_item_come_into_their_albums() {
    let world = world(HIDDEN, "a.jpg").await;
    let [one, two, three] =
        [world.album("one").await, world.album("two").await, world.album("three").await];
    let file = world.write(one, "a.jpg", &small_photo(1));
    world.drain().await.unwrap();
    world.write(one, "b.jpg", &small_photo(1));
    world.write(two, "c.jpg", &small_photo(1));
    world.drain().await.unwrap();
    world.store.link(file, three, &name("d.jpg")).unwrap().unwrap();
    world.pipeline.renamed(file).unwrap();
    world.drain().await.unwrap();
    for (title, dir, names) in [
        ("one", one, &["a.jpg", "b.jpg"][..]),
        ("two", two, &["c.jpg"]),
        ("three", three, &["d.jpg"]),
    ] {
        assert_eq!(
            (world.remote(title), world.names(dir)),
            (photos([1]), names.iter().map(|it| (*it).to_owned()).collect())
        );
        assert_eq!(world.failed(dir), []);
    }
    assert_eq!(world.emulator.dump().items.len(), 1);
    assert!(sent(&world) <= 5, "{}", sent(&world));
    assert_kept(&world, file);
}

/// > Google does not let gphotosfs take such an item out of an album either: `rm` removes its name here only, and the
/// > log says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_withheld_item_that_was_removed_here_can_be_copied_in_again() {
    let world = world(HIDDEN, "a.jpg").await;
    let dir = world.album("one").await;
    world.write(dir, "a.jpg", &small_photo(1));
    world.drain().await.unwrap();
    world.remove(dir, "a.jpg");
    world.drain().await.unwrap();
    world.until(|world| world.emulator.stats().requests(Call::AlbumsBatchRemove) == 1).await;
    assert_eq!((world.names(dir), world.remote("one")), (vec![], photos([1])));
    let again = world.write(dir, "again.jpg", &small_photo(1));
    world.drain().await.unwrap();
    assert_eq!(world.failed(dir), []);
    assert_eq!(
        (world.names(dir), world.remote("one")),
        (vec!["again.jpg".to_owned()], photos([1]))
    );
    assert_kept(&world, again);
}
