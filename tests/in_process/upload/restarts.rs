//! Ends of the process at every stage of an upload, and the state directory that the next start finds.

use std::os::unix::fs::PermissionsExt;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_was_cut_off_is_kept_until_it_is_repeated() {
    let mut world = World::new().await;
    let dir = world.album("one").await;
    for cut_off in [1000, 2000] {
        let file = world.open(dir, "a.jpg", &small_photo(1)[..cut_off]);
        world.restart().await;
        assert_eq!(world.failed(dir), [("a.jpg".into(), file)]);
        assert_eq!(world.store.file(file).unwrap().unwrap().size, Some(cut_off as u64));
        assert!(matches!(world.drain().await, Err(DrainError::Failed { count: 1 })));
    }
    world.write(dir, "b.jpg", &small_photo(2));
    assert!(matches!(world.drain().await, Err(DrainError::Failed { count: 1 })));
    world.write(dir, "a.jpg", &small_photo(1));
    world.drain().await.unwrap();
    assert_eq!(world.failed(dir), []);
    assert_eq!(world.remote("one"), photos([2, 1]));
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_was_cut_off_before_its_first_byte_leaves_no_failed_file() {
    let mut world = World::new().await;
    let dir = world.album("one").await;
    world.open(dir, "a.jpg", &[]);
    world.restart().await;
    world.drain().await.unwrap();
    assert_eq!(world.failed(dir), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_in_any_state_loses_and_duplicates_nothing() {
    for (state, call, after_effect) in [
        (UploadState::Sealed, Call::UploadRaw, false),
        (UploadState::Sealed, Call::UploadRaw, true),
        (UploadState::Creating, Call::MediaItemsBatchCreate, false),
        (UploadState::Creating, Call::MediaItemsBatchCreate, true),
        (UploadState::Confirming, Call::MediaItemsSearch, false),
    ] {
        let mut world = World::new().await;
        let dir = world.album("one").await;
        world.emulator.faults(|faults| {
            let always =
                Injection { rate: 1.0, after_effect, ..Injection::new(Failure::Unavailable) };
            faults.on(call).failures.push(always);
        });
        for seed in 0..10 {
            world.write(dir, &format!("{seed}.jpg"), &small_photo(seed));
        }
        // Somebody waits, so no call waits for more.
        let draining = tokio::spawn({
            let pipeline = world.pipeline.clone();
            async move { pipeline.drain(SyncScope::All).await }
        });
        let stuck = world.in_state(state);
        world
            .until(|world| stuck(world) && world.pipeline.queue().unwrap().blocked.is_some())
            .await;
        world.restart().await;
        assert!(matches!(draining.await.unwrap(), Err(DrainError::ShuttingDown)));
        world.emulator.faults(|faults| faults.on(call).failures.clear());
        world.drain().await.unwrap();
        let (mut there, mut all) = (world.remote("one"), photos(0..10));
        there.sort_unstable();
        all.sort_unstable();
        assert_eq!(there, all, "{state:?}");
        assert_eq!(world.emulator.dump().items.len(), 10);
        assert_eq!(world.names(dir).len(), 10);
        world.assert_clean();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_being_written_is_kept_with_the_reason() {
    let mut world = World::new().await;
    let dir = world.album("one").await;
    let file = world.open(dir, "half.jpg", &small_photo(1)[..1000]);
    let edited = world.write(dir, "edited.jpg", &small_photo(2));
    world.drain().await.unwrap();
    world.rewrite(edited, &small_photo(3)[..1000]);
    world.restart().await;
    assert!(matches!(world.drain().await, Err(DrainError::Failed { count: 2 })));
    assert_eq!(world.names(dir), ["edited.jpg"], "the old version is back");
    assert_eq!(world.failed(dir), [("half.jpg".into(), file), ("edited.jpg".into(), edited)]);
    let reason = world.store.file(file).unwrap().unwrap().error.unwrap();
    assert!(reason.contains("being written"), "{reason}");
    assert_eq!(std::fs::read(world.pipeline.spool().path(file)).unwrap(), small_photo(1)[..1000]);
    assert_eq!(world.remote("one"), photos([2]));
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_spool_files_are_quarantined() {
    let mut world = World::new().await;
    let spool = world.dir.path().join("spool");
    std::fs::write(spool.join("4711"), b"whose?").unwrap();
    world.restart().await;
    assert_eq!(std::fs::read(spool.join("orphans/4711")).unwrap(), b"whose?");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_another_program_gets_no_name_of_ours_and_stays() {
    let mut world = World::new().await;
    let dir = world.album("one").await;
    let file = world.write(dir, "1.jpg", &small_photo(1));
    world.drain().await.unwrap();
    let spool = world.dir.path().join("spool");
    std::fs::write(spool.join(file.0.to_string()), b"theirs").unwrap();
    world.restart().await;
    assert_eq!(world.failed(dir), []);
    assert_eq!(std::fs::read(spool.join(format!("orphans/{}", file.0))).unwrap(), b"theirs");
    // One with the number of a file to come, while the mount runs.
    for next in 1..=9 {
        std::fs::write(spool.join((file.0 + next).to_string()), b"theirs, too").unwrap();
    }
    let written = world.write(dir, "2.jpg", &small_photo(2));
    assert!((1..=9).contains(&(written.0 - file.0)), "{written:?}");
    world.drain().await.unwrap();
    assert_eq!(world.remote("one"), photos([1, 2]));
    let kept = spool.join("orphans").join(written.0.to_string());
    assert_eq!(std::fs::read(kept).unwrap(), b"theirs, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spool_file_of_an_arrived_file_is_released_only_if_its_bytes_match() {
    let mut world = World::new().await;
    let dir = world.album("one").await;
    let [same, begun, nameless] =
        [1, 2, 3].map(|n| world.write(dir, &format!("{n}.jpg"), &small_photo(n)));
    world.drain().await.unwrap();
    world.remove(dir, "3.jpg");
    world.drain().await.unwrap();
    let spool = world.dir.path().join("spool");
    // The process has died before it deleted them, before an edit began with them, and after a later one had begun.
    for (name, bytes) in [
        (same.0.to_string(), &small_photo(1)[..]),
        (format!("{}.old", begun.0), &small_photo(2)[..1000]),
        (nameless.0.to_string(), &small_photo(4)),
    ] {
        std::fs::write(spool.join(&name), bytes).unwrap();
        std::fs::set_permissions(spool.join(name), PermissionsExt::from_mode(0o600)).unwrap();
    }
    world.restart().await;
    world.drain().await.unwrap();
    assert_eq!(world.names(dir), ["1.jpg", "2.jpg"]);
    let orphans = spool.join("orphans");
    assert_eq!(files_in(&spool), std::slice::from_ref(&orphans));
    assert_eq!(std::fs::read(orphans.join(nameless.0.to_string())).unwrap(), small_photo(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_database_does_not_release_a_newer_version() {
    for (state, call) in [
        (UploadState::Sealed, Call::UploadRaw),
        (UploadState::Creating, Call::MediaItemsBatchCreate),
        (UploadState::Confirming, Call::MediaItemsSearch),
    ] {
        let mut world = World::new().await;
        let dir = world.album("one").await;
        let fail = |world: &World, call| {
            world.emulator.faults(|faults| {
                let always = Injection { rate: 1.0, ..Injection::new(Failure::Unavailable) };
                faults.on(call).failures.push(always);
            });
        };
        fail(&world, call);
        let file = world.write(dir, "a.jpg", &small_photo(1));
        let stuck = world.in_state(state);
        world
            .until(|world| stuck(world) && world.pipeline.queue().unwrap().blocked.is_some())
            .await;
        let aside = world.save_database().await;
        world.emulator.faults(|faults| faults.on(call).failures.clear());
        world.restart().await;
        world.drain().await.unwrap();
        fail(&world, Call::UploadRaw);
        world.rewrite(file, &small_photo(2));
        world.close(file).unwrap();
        world = world.put_back(&aside).await;
        world.emulator.faults(|faults| faults.on(Call::UploadRaw).failures.clear());
        assert!(matches!(world.drain().await, Err(DrainError::Failed { count: 1 })), "{state:?}");
        assert_eq!(world.failed(dir), [("a.jpg".into(), file)], "{state:?}");
        assert_eq!(std::fs::read(world.pipeline.spool().path(file)).unwrap(), small_photo(2));
        let reason = world.store.file(file).unwrap().unwrap().error.unwrap();
        assert!(reason.contains("older copy"), "{reason}");
        assert_eq!(world.remote("one"), photos([1]), "{state:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_resume_from_a_restored_database_and_spool() {
    let mut world = World::new().await;
    let dir = world.album("one").await;
    world.emulator.faults(|faults| {
        let always = Injection { rate: 1.0, ..Injection::new(Failure::Unavailable) };
        faults.on(Call::MediaItemsSearch).failures.push(always);
    });
    let file = world.write(dir, "a.jpg", &small_photo(1));
    world.until(world.in_state(UploadState::Confirming)).await;
    let aside = world.save_database().await;
    // A copy has another time of change, at least.
    let path = world.pipeline.spool().path(file);
    let copy = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, copy).unwrap();
    world = world.put_back(&aside).await;
    world.emulator.faults(|faults| faults.on(Call::MediaItemsSearch).failures.clear());
    world.drain().await.unwrap();
    assert_eq!(world.remote("one"), photos([1]));
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn shutting_down_in_the_middle_of_everything_is_quick() {
    let mut world = World::new().await;
    let dir = world.album("one").await;
    world.emulator.faults(|faults| {
        faults
            .on(Call::UploadRaw)
            .failures
            .push(Injection { rate: 0.5, ..Injection::new(Failure::Stall) });
    });
    for seed in 0..10 {
        world.write(dir, &format!("{seed}.jpg"), &small_photo(seed));
    }
    let began = SystemTime::now();
    world.restart().await;
    assert!(began.elapsed().unwrap() < Duration::from_secs(5));
    world.emulator.faults(|faults| faults.on(Call::UploadRaw).failures.clear());
    world.drain().await.unwrap();
    assert_eq!(world.remote("one").len(), 10);
    world.assert_clean();
}
