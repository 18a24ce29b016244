//! Reads that do not show an item: nothing is condemned by a list that lags or ends early, nor by a refusal.

use gphotosfs_emulator::{ListingFault, Omission};

use super::*;

/// More reads than an item has attempts to be confirmed.
const READS: u32 = 8;

/// > No file fails because a list of Google lags or ends early.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_lags_or_ends_early_condemns_nothing() {
    let world = World::new().await;
    let (one, two) = (world.album("one").await, world.album("two").await);
    world.write(one, "a.jpg", &small_photo(1));
    world.drain().await.unwrap();
    world.emulator.faults(|faults| {
        let call = Call::MediaItemsSearch;
        let (album, omission) = (Some("two".to_owned()), Omission::EndsAfter(0));
        faults.listing_faults = vec![ListingFault { call, album, passes: READS, omission }];
    });
    world.write(two, "b.jpg", &small_photo(1));
    world.drain().await.unwrap();
    assert_eq!((world.failed(one), world.failed(two)), (vec![], vec![]));
    assert_eq!((world.remote("one"), world.remote("two")), (photos([1]), photos([1])));
    assert_eq!(world.emulator.stats().requests(Call::UploadRaw), 1);
    world.assert_clean();
}

/// > No file fails because Google refuses a read. A file goes to `.gphotos/failed` for its absence only
/// > if Google does not know the item's id, or if for ten minutes the list lacks it, and the album's
/// > count agrees or Google refuses to put the item into the album.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_read_condemns_nothing() {
    for failure in [Failure::BareStatus { http: 400, code: 3 }, Failure::HtmlPage { http: 404 }] {
        let world = World::new().await;
        let dir = world.album("one").await;
        world.emulator.faults(|faults| {
            for call in [Call::MediaItemsSearch, Call::MediaItemsBatchGet] {
                faults.fail_next(call, READS, failure);
            }
        });
        world.write(dir, "a.jpg", &small_photo(1));
        world.drain().await.unwrap();
        assert_eq!(world.failed(dir), []);
        assert_eq!(world.remote("one"), photos([1]));
        assert_eq!(world.emulator.stats().requests(Call::UploadRaw), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_answer_that_an_album_does_not_exist_condemns_nothing() {
    let world = World::new().await;
    let (one, two) = (world.album("one").await, world.album("two").await);
    for call in [Call::MediaItemsBatchCreate, Call::AlbumsBatchAdd] {
        world.emulator.faults(|faults| faults.fail_next(call, 1, Failure::NotFound));
    }
    for seed in 0..3 {
        world.write(one, &format!("{seed}.jpg"), &small_photo(seed));
    }
    world.drain().await.unwrap();
    world.write(two, "a.jpg", &small_photo(1));
    world.drain().await.unwrap();
    assert_eq!((world.failed(one), world.failed(two)), (vec![], vec![]));
    assert_eq!((world.remote("one").len(), world.remote("two")), (3, photos([1])));
    assert_eq!(world.emulator.stats().requests(Call::UploadRaw), 3);
    world.assert_clean();
}

/// An album of three pages, which never lists what is added to it, and a photo that has arrived in
/// it.
async fn unseen() -> (World, DirId, FileId) {
    let world = World::new().await;
    let (album, prefix) = (Some("large".to_owned()), "IMG_".to_owned());
    world.emulator.edit(Edit::CreateAlbum { title: "large".into() }).await.unwrap();
    world.emulator.edit(Edit::Seed { album, count: 300, size: 5000, prefix }).await.unwrap();
    world.emulator.advance_clock(Duration::from_secs(3600));
    world.emulator.faults(|faults| faults.album_delay_ms = 3_600_000);
    let album = world.client.list_albums(None).await.unwrap().items.remove(0);
    let listed = ListedAlbum { album, path: vec![vec![name("large")]] };
    let dir = world.store.album_listed(&listed, 1, SystemTime::now()).unwrap();
    let file = world.write(dir, "a.jpg", &small_photo(1));
    world.drain().await.unwrap();
    assert_eq!(world.store.upload_state(file).unwrap(), Some(UploadState::Unseen));
    (world, dir, file)
}

/// > Such a list is made for them after two hours at the latest. If it does not show the item, Google
/// > is asked for its id: an item that Google knows may still be listed.
#[tokio::test(flavor = "multi_thread")]
async fn an_arrived_item_that_no_list_shows_is_asked_for_and_stays() {
    let (world, dir, file) = unseen().await;
    // Again and again a pass of three pages that misses it, and then its id.
    let asked = || world.emulator.stats().requests(Call::MediaItemsBatchGet);
    let before = asked();
    world.until(|_| asked() >= before + 3).await;
    let pages = world.emulator.stats().requests(Call::MediaItemsSearch);
    assert!(pages >= 6, "{pages}");
    assert_eq!(world.store.upload_state(file).unwrap(), Some(UploadState::Unseen));
    assert_eq!((world.names(dir), world.failed(dir)), (vec!["a.jpg".to_owned()], vec![]));
    assert_eq!(std::fs::read(world.pipeline.spool().path(file)).unwrap(), small_photo(1));
}

/// > If Google does not know it any more, the file goes to `.gphotos/failed`.
#[tokio::test(flavor = "multi_thread")]
async fn an_arrived_item_that_google_does_not_know_any_more_fails() {
    let (world, dir, file) = unseen().await;
    world.emulator.edit(Edit::MoveToBin { item: "a.jpg".into() }).await.unwrap();
    world.until(|world| !world.failed(dir).is_empty()).await;
    assert_eq!((world.names(dir), world.failed(dir)), (vec![], vec![("a.jpg".to_owned(), file)]));
    assert_eq!(std::fs::read(world.pipeline.spool().path(file)).unwrap(), small_photo(1));
    let failed = world.store.failed_names().unwrap();
    assert!(failed[0].reason.starts_with("Google has this photo in its bin"), "{failed:?}");
    assert!(matches!(world.drain().await, Err(DrainError::Failed { count: 1 })));
}

/// An album that was made here, and counts as made just now for an hour.
async fn young_album(world: &World) -> DirId {
    let made = world.client.create_album("gone").await.unwrap();
    let intent = world.store.album_intended(DirId::ROOT, &name("gone"), "gone").unwrap();
    let Ok(AlbumIntent::Fresh(gone)) = intent else { panic!("{intent:?}") };
    world.store.album_created(gone, &made).unwrap();
    let database = rusqlite::Connection::open(world.dir.path().join("gphotosfs.db")).unwrap();
    database.execute("UPDATE albums SET made_at = made_at + 3600000", []).unwrap();
    gone
}

#[tokio::test(flavor = "multi_thread")]
async fn an_album_deleted_just_after_it_was_made_blocks_no_other_one() {
    let world = World::new().await;
    let gone = young_album(&world).await;
    let (two, three) = (world.album("two").await, world.album("three").await);
    world.emulator.edit(Edit::DeleteAlbum { album: "gone".into() }).await.unwrap();
    let waits = world.write(gone, "a.jpg", &small_photo(1));
    world.until(|world| !world.store.failing_uploads(9).unwrap().is_empty()).await;
    let file = world.write(two, "b.jpg", &small_photo(2));
    world.until(|world| world.remote("two") == photos([2])).await;
    // An addition to it waits, too.
    for (dir, other) in [(gone, "b.jpg"), (three, "c.jpg")] {
        world.store.link(file, dir, &name(other)).unwrap().unwrap();
        world.pipeline.renamed(file).unwrap();
    }
    world.until(|world| world.remote("three") == photos([2])).await;
    world.write(two, "d.jpg", &small_photo(3));
    world.until(|world| world.remote("two") == photos([2, 3])).await;
    // Its file is named, with the reason.
    let failing = world.store.failing_uploads(9).unwrap();
    assert_eq!((failing.len(), failing[0].file), (1, waits));
    assert!(failing[0].error.contains("does not match any albums"), "{failing:?}");
    assert_eq!(world.failed(gone), []);
}

/// > Until then, `gphotosfs status` and `gphotosfs sync` name the file and say why it waits.
#[tokio::test(flavor = "multi_thread")]
async fn an_item_in_the_bin_fails_although_the_count_never_agrees() {
    let world = World::new().await;
    let dir = world.album("one").await;
    // An item that lists hide from us, and that the count includes.
    let (album, filename) = (Some("one".to_owned()), "hidden.jpg".to_owned());
    let hidden = Edit::AddItem { album, filename, content: small_photo(9), foreign: true };
    world.emulator.edit(hidden).await.unwrap();
    world.emulator.faults(|faults| faults.binned_items_resolve = true);
    world.write(dir, "a.jpg", &small_photo(1));
    world.drain().await.unwrap();
    world.emulator.edit(Edit::MoveToBin { item: "a.jpg".into() }).await.unwrap();
    let file = world.write(dir, "b.jpg", &small_photo(1));
    let is_named = |world: &World| {
        let failing = world.store.failing_uploads(9).unwrap();
        failing.iter().any(|it| it.file == file && it.error.contains("may be in Google's bin"))
    };
    world.until(is_named).await;
    assert!(matches!(world.drain().await, Err(DrainError::Failed { count: 1 })));
    assert_eq!(world.failed(dir), [("b.jpg".to_owned(), file)]);
    let failed = world.store.failed_names().unwrap();
    assert!(failed[0].reason.starts_with("Google has this photo in its bin"), "{failed:?}");
    assert_eq!(std::fs::read(world.pipeline.spool().path(file)).unwrap(), small_photo(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_an_album_that_has_just_vanished_wait_together() {
    let world = World::new().await;
    let gone = young_album(&world).await;
    world.emulator.edit(Edit::DeleteAlbum { album: "gone".into() }).await.unwrap();
    world.write(gone, "0.jpg", &small_photo(0));
    world.until(|world| !world.store.failing_uploads(9).unwrap().is_empty()).await;
    let files = 40;
    for at in 1..files {
        world.write(gone, &format!("{at}.jpg"), &small_photo(at));
        let sent = || world.emulator.stats().requests(Call::UploadRaw);
        world.until(|_| sent() > at).await;
    }
    let calls = world.emulator.stats().requests(Call::MediaItemsBatchCreate);
    assert!(calls <= 12, "{calls} calls for {files} files");
    assert_eq!(world.failed(gone), []);
}
