//! Failures of the service, of the network and of single items.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn files_for_an_album_that_was_deleted_are_kept_with_the_reason() {
    let world = World::new().await;
    let dir = world.album("one").await;
    world.emulator.edit(Edit::DeleteAlbum { album: "one".into() }).await.unwrap();
    let file = world.write(dir, "a.jpg", &small_photo(1));
    assert!(matches!(world.drain().await, Err(DrainError::Failed { count: 1 })));
    assert_eq!(world.failed(dir), [("a.jpg".into(), file)]);
    let reason = world.store.file(file).unwrap().unwrap().error.unwrap();
    assert!(reason.contains("does not exist"), "{reason}");
    assert_eq!(std::fs::read(world.pipeline.spool().path(file)).unwrap(), small_photo(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_picture_does_not_block_the_others() {
    let world = World::new().await;
    let dir = world.album("one").await;
    world.write(dir, "1.jpg", &small_photo(1));
    let broken = world.write(dir, "2.jpg", b"\xff\xd8\xff\xe0 but nothing behind it");
    world.write(dir, "3.jpg", &small_photo(3));
    assert!(matches!(world.drain().await, Err(DrainError::Failed { count: 1 })));
    assert_eq!(world.remote("one"), photos([1, 3]));
    assert_eq!(world.failed(dir), [("2.jpg".into(), broken)]);
    assert_eq!(world.names(dir), ["1.jpg", "3.jpg"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn items_that_fail_for_now_are_tried_again() {
    let world = World::new().await;
    let dir = world.album("one").await;
    world.emulator.faults(|faults| {
        faults.item_failures.push(ItemFailure { skip: 2, next: 3, ..ItemFailure::new(13) });
        faults.item_failures.push(ItemFailure { skip: 12, next: 1, ..ItemFailure::new(3) });
    });
    for seed in 0..20 {
        world.write(dir, &format!("{seed}.jpg"), &small_photo(seed));
    }
    world.drain().await.unwrap();
    let (mut there, mut all) = (world.remote("one"), photos(0..20));
    there.sort_unstable();
    all.sort_unstable();
    assert_eq!(there, all);
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_duplicates_nothing() {
    for failure in [Failure::Drop, Failure::Garbage, Failure::Unavailable, Failure::Html] {
        let world = World::new().await;
        let dir = world.album("one").await;
        world.emulator.faults(|faults| {
            faults.fail_next_after_effect(Call::MediaItemsBatchCreate, 2, failure);
        });
        for seed in 0..10 {
            world.write(dir, &format!("{seed}.jpg"), &small_photo(seed));
        }
        world.drain().await.unwrap();
        assert_eq!(world.remote("one"), photos(0..10), "{failure:?}");
        assert_eq!(world.emulator.dump().items.len(), 10);
        world.assert_clean();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_and_outages_only_delay_uploads() {
    for failure in [
        Failure::ConcurrentWrite,
        Failure::WritesPerMinute,
        Failure::Aborted,
        Failure::Internal,
        Failure::Unavailable,
        Failure::Drop,
    ] {
        let world = World::new().await;
        let dir = world.album("one").await;
        world.emulator.faults(|faults| {
            faults.fail_next(Call::MediaItemsBatchCreate, 4, failure);
            faults.fail_next(Call::UploadRaw, 6, failure);
            // A limit on reading is taken at its word: half a minute.
            if !matches!(failure, Failure::ConcurrentWrite | Failure::WritesPerMinute) {
                faults.fail_next(Call::MediaItemsSearch, 1, failure);
            }
        });
        for seed in 0..10 {
            world.write(dir, &format!("{seed}.jpg"), &small_photo(seed));
        }
        world.drain().await.unwrap();
        let (mut there, mut all) = (world.remote("one"), photos(0..10));
        there.sort_unstable();
        all.sort_unstable();
        assert_eq!(there, all, "{failure:?}");
        assert!(world.pipeline.queue().unwrap().blocked.is_none());
        world.assert_clean();
    }
}

/// A cancelled upload is no answer from Google, so it does not end an outage.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_a_write_supersedes_does_not_end_an_outage() {
    let world = World::new().await;
    let dir = world.album("one").await;
    let size = 9 << 20;
    world.emulator.faults(|faults| {
        let cut = Injection { next: 1, at_byte: Some(5 << 20), ..Injection::new(Failure::Stall) };
        faults.on(Call::UploadChunk).failures.push(cut);
        faults.fail_next(Call::UploadRaw, 1000, Failure::Unavailable);
    });
    let big = world.write(dir, "big.jpg", &support::photo(7, size));
    world.until(|world| world.emulator.stats().upload_bytes >= 5 << 20).await;
    for seed in 0..3 {
        world.write(dir, &format!("{seed}.jpg"), &small_photo(seed));
    }
    world.until(|world| world.pipeline.queue().unwrap().blocked.is_some()).await;
    let outage = world.pipeline.queue().unwrap().blocked.unwrap();
    assert_eq!(outage.reason, BlockedReason::ServerError);

    let attempts = world.emulator.stats().requests(Call::UploadRaw);
    world.rewrite(big, &small_photo(9));
    world.until(|world| world.emulator.stats().requests(Call::UploadRaw) >= attempts + 4).await;
    let still = world.pipeline.queue().unwrap().blocked.expect("Google has not answered");
    assert_eq!(still.since, outage.since);

    world.emulator.faults(|faults| faults.on(Call::UploadRaw).failures.clear());
    world.close(big).unwrap();
    world.drain().await.unwrap();
    assert!(world.pipeline.queue().unwrap().blocked.is_none());
    assert_eq!(world.emulator.dump().items.len(), 4);
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_upload_tokens_are_replaced() {
    let world = World::new().await;
    let dir = world.album("one").await;
    world.emulator.faults(|faults| faults.upload_tokens_refused = true);
    for seed in 0..3 {
        world.write(dir, &format!("{seed}.jpg"), &small_photo(seed));
    }
    let draining = tokio::spawn({
        let pipeline = world.pipeline.clone();
        async move { pipeline.drain(SyncScope::All).await }
    });
    world.until(|world| world.emulator.stats().requests(Call::UploadRaw) >= 4).await;
    world.emulator.faults(|faults| faults.upload_tokens_refused = false);
    draining.await.unwrap().unwrap();
    assert_eq!(world.emulator.dump().album("one").unwrap().items.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_account_stops_the_queue_until_there_is_room() {
    let world = World::new().await;
    let dir = world.album("one").await;
    world.emulator.faults(|faults| faults.storage_bytes = Some(0));
    for seed in 0..3 {
        world.write(dir, &format!("{seed}.jpg"), &small_photo(seed));
    }
    // The drain fails at once: only a person can make room.
    let held_up = world.drain().await;
    assert!(
        matches!(&held_up, Err(DrainError::Blocked(it)) if it.reason == BlockedReason::StorageFull),
        "{held_up:?}"
    );
    assert!(world.pipeline.queue().unwrap().blocked.is_some());
    world.emulator.faults(|faults| faults.storage_bytes = None);
    world.drain().await.unwrap();
    assert_eq!(world.remote("one"), photos(0..3));
    assert!(world.pipeline.queue().unwrap().blocked.is_none());
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_item_is_uploaded_again_and_then_kept_as_failed() {
    let world = World::new().await;
    let dir = world.album("one").await;
    world.emulator.faults(|faults| faults.lost_items = 1000);
    let file = world.write(dir, "a.jpg", &small_photo(1));
    assert!(matches!(world.drain().await, Err(DrainError::Failed { count: 1 })));
    assert_eq!(world.emulator.stats().requests(Call::UploadRaw), 2);
    assert_eq!(std::fs::read(world.pipeline.spool().path(file)).unwrap(), small_photo(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_resume_after_an_outage_of_the_whole_service() {
    let state = tempfile::tempdir().unwrap();
    let config = Config { state: Some(state.path().into()), ..Config::default() };
    let mut world = World::with(Emulator::start(config.clone()).await.unwrap());
    let dir = world.album("one").await;
    let address = world.emulator.url().trim_start_matches("http://").parse().unwrap();
    // The place of the emulator that stops is taken by one that nobody talks to.
    let spare = Emulator::start(Config::default()).await.unwrap();
    std::mem::replace(&mut world.emulator, spare).stop().await;
    for seed in 0..5 {
        world.write(dir, &format!("{seed}.jpg"), &small_photo(seed));
    }
    let offline = |world: &World| {
        let blocked = world.pipeline.queue().unwrap().blocked;
        blocked.is_some_and(|it| it.reason == BlockedReason::Offline)
    };
    world.until(offline).await;
    let back = Config { listen: address, ..config };
    world.emulator = Emulator::start(back).await.unwrap();
    world.drain().await.unwrap();
    assert_eq!(world.remote("one"), photos(0..5));
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_connection_and_a_failing_service_lose_and_duplicate_nothing() {
    for seed in 1..=2 {
        let mut world = World::new().await;
        let (one, two) = (world.album("one").await, world.album("two").await);
        world.emulator.faults(|faults| {
            faults.seed = seed;
            faults.every_call.failures = vec![
                Injection { rate: 0.05, ..Injection::new(Failure::Unavailable) },
                Injection { rate: 0.03, after_effect: true, ..Injection::new(Failure::Drop) },
                Injection { rate: 0.02, after_effect: true, ..Injection::new(Failure::Garbage) },
                Injection { rate: 0.02, ..Injection::new(Failure::Aborted) },
            ];
            faults.item_failures.push(ItemFailure { rate: 0.05, ..ItemFailure::new(13) });
        });
        for n in 0..150 {
            // Some bytes come twice, in the same album and in the other one.
            world.write(one, &format!("{n}.jpg"), &small_photo(n % 140));
            world.write(two, &format!("{n}.jpg"), &small_photo(n + 100));
            if n == 75 {
                world.restart().await;
            }
        }
        for n in 0..20 {
            world.remove(two, &format!("{n}.jpg"));
        }
        world.drain().await.unwrap();
        for (title, expected) in [("one", photos(0..140)), ("two", photos(120..250))] {
            let (mut there, mut expected) = (world.remote(title), expected);
            there.sort_unstable();
            expected.sort_unstable();
            assert_eq!(there, expected, "{title}, seed {seed}");
        }
        assert_eq!((world.names(one).len(), world.names(two).len()), (150, 130));
        let mut items: Vec<_> =
            world.emulator.dump().items.into_iter().map(|item| item.sha256.unwrap()).collect();
        items.sort_unstable();
        items.dedup();
        assert_eq!(items.len(), world.emulator.dump().items.len());
        world.assert_clean();
    }
}
