//! Files that are written again, before and after they have arrived.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_while_the_item_is_added_for_a_copy_leaves_the_copy_alone() {
    let world = World::new().await;
    let (one, two) = (world.album("one").await, world.album("two").await);
    let original = world.write(one, "a.jpg", &small_photo(1));
    world.drain().await.unwrap();
    let addition = world.emulator.barrier(Call::AlbumsBatchAdd, 1, Moment::Request);
    world.write(two, "b.jpg", &small_photo(1));
    arrived(&addition).await;
    world.rewrite(original, &small_photo(2));
    world.close(original).unwrap();
    addition.release();
    world.drain().await.unwrap();
    assert_eq!(world.remote("one"), photos([2]));
    assert_eq!(world.remote("two"), photos([1]));
    assert_ne!(world.store.child(two, &name("b.jpg")).unwrap(), Some(Child::File(original)));
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_taken_back_leaves_copies_that_were_made_meanwhile_in_their_albums() {
    let world = World::new().await;
    let (one, two) = (world.album("one").await, world.album("two").await);
    let edited = world.write(one, "a.jpg", &small_photo(1));
    world.drain().await.unwrap();
    world.rewrite(edited, &small_photo(2));
    world.write(two, "b.jpg", &small_photo(1));
    world.drain().await.unwrap();
    std::fs::write(world.pipeline.spool().path(edited), small_photo(1)).unwrap();
    world.close(edited).unwrap();
    world.drain().await.unwrap();
    assert_eq!((world.remote("one"), world.remote("two")), (photos([1]), photos([1])));
    let child = |dir, text| world.store.child(dir, &name(text)).unwrap();
    assert_eq!(child(one, "a.jpg"), child(two, "b.jpg"));
    world.remove(two, "b.jpg");
    world.drain().await.unwrap();
    assert_eq!((world.remote("one"), world.remote("two")), (photos([1]), photos([])));
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_is_cut_off_does_not_take_on_an_edit_of_a_copy() {
    let mut world = World::new().await;
    let (one, two) = (world.album("one").await, world.album("two").await);
    let edited = world.write(one, "a.jpg", &small_photo(1));
    world.drain().await.unwrap();
    world.rewrite(edited, &small_photo(2));
    world.write(two, "b.jpg", &small_photo(1));
    world.drain().await.unwrap();
    let Some(Child::File(copy)) = world.store.child(two, &name("b.jpg")).unwrap() else {
        panic!("no copy")
    };
    world.rewrite(copy, &small_photo(3));
    world.close(copy).unwrap();
    world.restart().await;
    assert!(matches!(world.drain().await, Err(DrainError::Failed { count: 1 })));
    assert_eq!((world.remote("one"), world.remote("two")), (photos([1]), photos([3])));
    assert_ne!(world.store.child(one, &name("a.jpg")).unwrap(), Some(Child::File(copy)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_edited_file_that_is_moved_away_leaves_nothing_in_the_album() {
    let world = World::new().await;
    let (one, two) = (world.album("one").await, world.album("two").await);
    let file = world.write(one, "a.jpg", &small_photo(1));
    world.drain().await.unwrap();
    world.rewrite(file, b"");
    assert_eq!(world.close(file).unwrap(), SealOutcome::Temporary);
    let (from, to) = ((one, &name("a.jpg")), (two, &name("a.jpg")));
    world.store.rename_file(from, to, false).unwrap().unwrap();
    world.pipeline.renamed(file).unwrap();
    world.drain().await.unwrap();
    assert_eq!((world.remote("one"), world.remote("two")), (photos([]), photos([])));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_edit_that_was_moved_gives_its_new_album_the_old_version() {
    let world = World::new().await;
    let (one, two) = (world.album("one").await, world.album("two").await);
    let file = world.write(one, "a.jpg", &small_photo(1));
    world.drain().await.unwrap();
    world.rewrite(file, b"only some words\n");
    let (from, to) = ((one, &name("a.jpg")), (two, &name("a.jpg")));
    world.store.rename_file(from, to, false).unwrap().unwrap();
    world.pipeline.renamed(file).unwrap();
    world.drain().await.unwrap();
    assert!(matches!(world.close(file), Err(SealError::Unsupported(_))));
    assert!(matches!(world.drain().await, Err(DrainError::Failed { count: 1 })));
    assert_eq!((world.remote("one"), world.remote("two")), (photos([]), photos([1])));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_replaces_the_item_in_its_album() {
    let world = World::new().await;
    let dir = world.album("one").await;
    let file = world.write(dir, "a.jpg", &small_photo(1));
    world.drain().await.unwrap();
    world.rewrite(file, &small_photo(2));
    world.close(file).unwrap();
    world.drain().await.unwrap();
    assert_eq!(world.remote("one"), photos([2]));
    assert_eq!(world.emulator.dump().items.len(), 2, "the old item stays in the library");
    assert_eq!(world.store.child(dir, &name("a.jpg")).unwrap(), Some(Child::File(file)));
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_during_the_upload_makes_only_the_new_version() {
    let world = World::new().await;
    let dir = world.album("one").await;
    let upload = world.emulator.barrier(Call::UploadRaw, 1, Moment::Request);
    let file = world.write(dir, "a.jpg", &small_photo(1));
    arrived(&upload).await;
    world.rewrite(file, &small_photo(2));
    world.close(file).unwrap();
    upload.release();
    world.drain().await.unwrap();
    assert_eq!(world.remote("one"), photos([2]));
    assert_eq!(world.emulator.dump().items.len(), 1);
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_during_the_creation_ends_with_the_new_version_alone() {
    let world = World::new().await;
    let dir = world.album("one").await;
    let creation = world.emulator.barrier(Call::MediaItemsBatchCreate, 1, Moment::Request);
    let file = world.write(dir, "a.jpg", &small_photo(1));
    let draining = tokio::spawn({
        let pipeline = world.pipeline.clone();
        async move { pipeline.drain(SyncScope::All).await }
    });
    arrived(&creation).await;
    world.rewrite(file, &small_photo(2));
    world.close(file).unwrap();
    creation.release();
    draining.await.unwrap().unwrap();
    world.drain().await.unwrap();
    assert_eq!(world.remote("one"), photos([2]));
    assert_eq!(world.names(dir), ["a.jpg"]);
    assert_eq!(world.kept.lock().get(&file), Some(&small_photo(2)));
    world.assert_clean();
}
