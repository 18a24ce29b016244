//! Files that leave their albums, before and after they have arrived.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn removals_share_calls() {
    let world = World::new().await;
    let dir = world.album("one").await;
    for seed in 0..60 {
        world.write(dir, &format!("{seed}.jpg"), &small_photo(seed));
    }
    world.drain().await.unwrap();
    for seed in 0..60 {
        world.remove(dir, &format!("{seed}.jpg"));
    }
    world.drain().await.unwrap();
    assert_eq!(world.remote("one"), [] as [String; 0]);
    assert_eq!(world.emulator.dump().items.len(), 60);
    assert_eq!(world.emulator.stats().requests(Call::AlbumsBatchRemove), 2);
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_removed_during_its_creation_leaves_the_album() {
    let world = World::new().await;
    let dir = world.album("one").await;
    let creation = world.emulator.barrier(Call::MediaItemsBatchCreate, 1, Moment::Request);
    world.write(dir, "a.jpg", &small_photo(1));
    let draining = tokio::spawn({
        let pipeline = world.pipeline.clone();
        async move { pipeline.drain(SyncScope::All).await }
    });
    arrived(&creation).await;
    world.remove(dir, "a.jpg");
    creation.release();
    draining.await.unwrap().unwrap();
    world.drain().await.unwrap();
    assert_eq!(world.remote("one"), [] as [String; 0]);
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_ends_when_its_last_file_is_removed() {
    let world = World::new().await;
    let dir = world.album("one").await;
    world.emulator.faults(|faults| {
        let always = Injection { rate: 1.0, ..Injection::new(Failure::Unavailable) };
        faults.on(Call::UploadRaw).failures.push(always);
    });
    let file = world.write(dir, "a.jpg", &small_photo(1));
    let draining = tokio::spawn({
        let pipeline = world.pipeline.clone();
        async move { pipeline.drain(SyncScope::All).await }
    });
    world.until(|world| world.emulator.stats().requests(Call::UploadRaw) > 0).await;
    assert!(world.store.unlink(dir, &name("a.jpg")).unwrap().unwrap().orphan);
    assert!(world.store.forget_file(file).unwrap());
    world.pipeline.spool().remove(file).unwrap();
    world.pipeline.wake();
    tokio::time::timeout(DEADLINE, draining).await.unwrap().unwrap().unwrap();
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_a_removal_is_settled() {
    let world = World::new().await;
    let dir = world.album("one").await;
    for seed in 0..4 {
        world.write(dir, &format!("{seed}.jpg"), &small_photo(seed));
    }
    world.drain().await.unwrap();
    world.emulator.faults(|faults| {
        faults.fail_next_after_effect(Call::AlbumsBatchRemove, 1, Failure::Drop);
    });
    for seed in 0..3 {
        world.remove(dir, &format!("{seed}.jpg"));
    }
    world.drain().await.unwrap();
    assert_eq!(world.remote("one"), photos([3]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_of_unknown_outcome_leaves_the_album_with_its_file_or_old_version() {
    for rewrite in [false, true] {
        let world = World::new().await;
        let dir = world.album("one").await;
        world.emulator.faults(|faults| {
            let lost =
                Injection { rate: 1.0, after_effect: true, ..Injection::new(Failure::Unavailable) };
            faults.on(Call::MediaItemsBatchCreate).failures.push(lost);
        });
        let file = world.write(dir, "a.jpg", &small_photo(1));
        let set_aside = |world: &World| world.store.file(file).unwrap().unwrap().error.is_some();
        let draining = tokio::spawn({
            let pipeline = world.pipeline.clone();
            async move { pipeline.drain(SyncScope::All).await }
        });
        world.until(set_aside).await;
        if rewrite {
            world.rewrite(file, &small_photo(2));
            world.close(file).unwrap();
        } else {
            world.remove(dir, "a.jpg");
        }
        world.emulator.faults(|faults| faults.on(Call::MediaItemsBatchCreate).failures.clear());
        draining.await.unwrap().unwrap();
        world.drain().await.unwrap();
        assert_eq!(world.remote("one"), photos(rewrite.then_some(2)));
        world.assert_clean();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_garbled_answer_confirms_no_membership() {
    for call in [Call::AlbumsBatchRemove, Call::AlbumsBatchAdd] {
        let world = World::new().await;
        let (one, two) = (world.album("one").await, world.album("two").await);
        let file = world.write(one, "a.jpg", &small_photo(1));
        world.drain().await.unwrap();
        world.emulator.faults(|faults| faults.fail_next(call, 1, Failure::Garbage));
        world.store.link(file, two, &name("b.jpg")).unwrap().unwrap();
        world.remove(one, "a.jpg");
        world.drain().await.unwrap();
        assert_eq!((world.remote("one"), world.remote("two")), (photos([]), photos([1])));
        world.assert_clean();
    }
}
