//! Files that are copied in: each arrives once, in order, with few requests.

use super::*;
use crate::support::files::SMALL;

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_arrives_once_in_order_with_few_requests() {
    let world = World::new().await;
    let titles = ["one", "two", "three"];
    let mut dirs = Vec::new();
    for title in titles {
        dirs.push(world.album(title).await);
    }
    world.emulator.reset_stats();
    let mut files = Vec::new();
    for seed in 0..120 {
        let (dir, file_name) = (dirs[seed as usize / 40], format!("img {seed}.jpg"));
        files.push(world.write(dir, &file_name, &small_photo(seed)));
    }
    world.pipeline.drain(SyncScope::File(files[0])).await.unwrap();
    assert_eq!(world.store.upload_state(files[0]).unwrap(), None);
    world.pipeline.drain(SyncScope::Dir(dirs[0])).await.unwrap();
    assert!(files[..40].iter().all(|file| world.store.upload_state(*file).unwrap().is_none()));
    world.pipeline.drain(SyncScope::Dir(DirId::ROOT)).await.unwrap();
    assert_eq!(world.store.backlog().unwrap(), Backlog::default());
    world.drain().await.unwrap();
    for (at, title) in titles.iter().enumerate() {
        let first = at as u64 * 40;
        assert_eq!(world.remote(title), photos(first..first + 40));
    }
    let stats = world.emulator.stats();
    assert_eq!(world.emulator.dump().items.len(), 120);
    assert!(stats.api_requests_today * 100 <= 120 * 105, "{:?}", stats.requests);
    assert!(stats.peak(Call::UploadRaw) > 1, "uploads run in parallel");
    for (seed, file) in files.iter().enumerate() {
        assert_eq!(world.kept.lock().get(file), Some(&small_photo(seed as u64)));
        let info = world.store.file(*file).unwrap().unwrap();
        assert!(info.confirmed && info.upload.is_none());
        assert_eq!(info.filename.unwrap(), format!("img {seed}.jpg"));
    }
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_bytes_are_one_item_with_two_names() {
    let world = World::new().await;
    let (one, two) = (world.album("one").await, world.album("two").await);
    // Files that are hashed at the very same moment are all uploaded. A file that comes later waits for the first.
    let upload = world.emulator.barrier(Call::UploadRaw, 1, Moment::Request);
    world.write(one, "a.jpg", &small_photo(1));
    arrived(&upload).await;
    world.write(one, "b.jpg", &small_photo(1));
    world.write(two, "c.jpg", &small_photo(1));
    upload.release();
    world.drain().await.unwrap();
    assert_eq!(world.remote("one"), photos([1]));
    assert_eq!(world.remote("two"), photos([1]));
    assert_eq!(world.names(one), ["a.jpg", "b.jpg"]);
    let child = |dir, text| world.store.child(dir, &name(text)).unwrap();
    assert_eq!(child(one, "a.jpg"), child(one, "b.jpg"));
    assert_eq!(child(one, "a.jpg"), child(two, "c.jpg"));
    assert_eq!(world.emulator.stats().requests(Call::UploadRaw), 1);
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_copy_twice_costs_no_upload() {
    let world = World::new().await;
    let dir = world.album("one").await;
    let files: Vec<_> =
        (0..300).map(|n| world.write(dir, &format!("{n}.jpg"), &small_photo(n))).collect();
    world.drain().await.unwrap();
    world.emulator.reset_stats();
    world.kept.lock().clear();
    for (seed, file) in files.iter().enumerate() {
        world.rewrite(*file, &small_photo(seed as u64));
        world.close(*file).unwrap();
    }
    world.drain().await.unwrap();
    let kept = |world: &World| world.kept.lock().len() == files.len();
    world.until(kept).await;
    for (seed, file) in files.iter().enumerate() {
        assert_eq!(world.kept.lock().get(file), Some(&small_photo(seed as u64)));
    }
    // Whether Google still has them is read from its list of the album: three pages, for a hundred and fifty
    // files or more at a time, and for the rest.
    let stats = world.emulator.stats();
    let listed = stats.requests(Call::MediaItemsSearch);
    println!("{listed} pages");
    assert!((3..=9).contains(&listed), "{stats:?}");
    assert_eq!(stats.api_requests_today, listed);
    assert_eq!(world.remote("one").len(), 300);
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn deduplicated_bytes_are_not_counted_as_left() {
    let world = World::new().await;
    let (one, two) = (world.album("one").await, world.album("two").await);
    world.write(one, "a.jpg", &small_photo(1));
    world.drain().await.unwrap();
    // The album is listed first, to see whether the item is still there, and this is not answered.
    world.emulator.faults(|faults| {
        let always = Injection { rate: 1.0, ..Injection::new(Failure::Unavailable) };
        faults.on(Call::MediaItemsSearch).failures.push(always);
    });
    world.write(two, "a.jpg", &small_photo(1));
    world.until(|world| world.pipeline.queue().unwrap().sent.deduplicated == SMALL).await;
    let queue = world.pipeline.queue().unwrap();
    assert_eq!((queue.backlog.sealed, queue.bytes_left, queue.sent.bytes), (1, 0, SMALL));

    let open = world.open(two, "b.jpg", &small_photo(2));
    world.pipeline.seal(open, SealCause::Close).unwrap();
    let queue = world.pipeline.queue().unwrap();
    assert_eq!((queue.backlog.sealed, queue.held, queue.bytes_left), (2, 1, SMALL));
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_the_user_has_deleted_at_google_are_uploaded_again() {
    let world = World::new().await;
    let dir = world.album("one").await;
    world.write(dir, "a.jpg", &small_photo(1));
    world.drain().await.unwrap();
    world.emulator.edit(Edit::DeleteItem { item: "a.jpg".into() }).await.unwrap();
    world.write(dir, "b.jpg", &small_photo(1));
    world.drain().await.unwrap();
    assert_eq!(world.remote("one"), photos([1]));
    assert_eq!(world.emulator.stats().requests(Call::UploadRaw), 2);
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_into_another_album_adds_the_item_there() {
    let world = World::new().await;
    let (one, two) = (world.album("one").await, world.album("two").await);
    let file = world.write(one, "a.jpg", &small_photo(1));
    world.store.link(file, two, &name("b.jpg")).unwrap().unwrap();
    world.pipeline.renamed(file).unwrap();
    world.drain().await.unwrap();
    assert_eq!(world.remote("one"), photos([1]));
    assert_eq!(world.remote("two"), photos([1]));
    assert_eq!(world.emulator.stats().requests(Call::UploadRaw), 1);
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn large_files_resume_where_they_were_interrupted() {
    let mut world = World::new().await;
    let dir = world.album("one").await;
    let size = 9 << 20;
    let content = support::photo(7, size);
    world.emulator.faults(|faults| {
        let cut = Injection { next: 1, at_byte: Some(5 << 20), ..Injection::new(Failure::Stall) };
        faults.on(Call::UploadChunk).failures.push(cut);
    });
    let file = world.write(dir, "big.jpg", &content);
    world.until(|world| world.emulator.stats().upload_bytes >= 5 << 20).await;
    world.restart().await;
    world.drain().await.unwrap();
    assert_eq!(world.remote("one"), [sha256(&content)]);
    assert_eq!(world.emulator.stats().requests(Call::UploadStart), 1);
    assert_eq!(world.kept.lock().get(&file), Some(&content));
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn temporary_and_empty_files_stay_local_until_they_are_complete() {
    let world = World::new().await;
    let dir = world.album("one").await;
    let temp = world.open(dir, ".a.jpg.Xy12Zw", &small_photo(1));
    assert_eq!(world.close(temp).unwrap(), SealOutcome::Temporary);
    let empty = world.open(dir, "b.jpg", b"");
    assert_eq!(world.close(empty).unwrap(), SealOutcome::Temporary);
    world.drain().await.unwrap();
    assert_eq!(world.remote("one"), [] as [String; 0]);
    world.pipeline.check_name(temp, dir, &name("a.jpg")).unwrap();
    world
        .store
        .rename_file((dir, &name(".a.jpg.Xy12Zw")), (dir, &name("a.jpg")), false)
        .unwrap()
        .unwrap();
    world.pipeline.renamed(temp).unwrap();
    world.rewrite(empty, &small_photo(2));
    world.close(empty).unwrap();
    world.drain().await.unwrap();
    assert_eq!(world.remote("one"), photos([1, 2]));
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_photo_is_rejected_at_close_and_kept() {
    let world = World::new().await;
    let dir = world.album("one").await;
    let file = world.open(dir, "notes.txt", b"some words\n");
    assert!(matches!(world.close(file), Err(SealError::Unsupported(_))));
    assert_eq!(world.names(dir), [] as [String; 0]);
    assert_eq!(world.failed(dir), [("notes.txt".into(), file)]);
    assert_eq!(std::fs::read(world.pipeline.spool().path(file)).unwrap(), b"some words\n");
    assert!(matches!(world.drain().await, Err(DrainError::Failed { count: 1 })));
    assert_eq!(world.emulator.stats().requests(Call::UploadRaw), 0);
}
