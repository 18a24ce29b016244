//! A login that may upload and read, but not change the contents of albums.

use super::*;

/// A world whose login may upload and read, but not change the contents of albums.
async fn without_the_permission_to_edit() -> World {
    let emulator = Emulator::start(Config::default()).await.unwrap();
    let grant = emulator.grant_scopes(&["appendonly", "readonly.appcreateddata"]);
    World::granted(emulator, &grant)
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_permission_to_edit_only_removals_and_additions_wait() {
    let world = without_the_permission_to_edit().await;
    let dir = world.album("one").await;
    world.write(dir, "a.jpg", &small_photo(1));
    world.drain().await.unwrap();
    world.remove(dir, "a.jpg");
    let held_up = world.drain().await;
    let permission = |it: &upload::Blocked| {
        it.reason == BlockedReason::Permission && it.text.contains("gphotosfs login")
    };
    assert!(matches!(&held_up, Err(DrainError::Blocked(it)) if permission(it)), "{held_up:?}");
    // The other uploads go on, and a drain of them ends.
    let file = world.write(dir, "b.jpg", &small_photo(2));
    world.pipeline.drain(SyncScope::File(file)).await.unwrap();
    assert_eq!(world.remote("one"), photos([1, 2]));
    assert!(world.pipeline.queue().unwrap().blocked.is_some_and(|it| permission(&it)));
    // Nothing is known to have been changed, so the name may come back.
    let again = world.write(dir, "a.jpg", &small_photo(1));
    world.pipeline.drain(SyncScope::File(again)).await.unwrap();
    world.drain().await.unwrap();
    assert_eq!(world.names(dir), ["b.jpg", "a.jpg"]);
    world.until(|world| world.pipeline.queue().unwrap().blocked.is_none()).await;
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_permission_to_edit_known_bytes_are_uploaded_again() {
    let world = without_the_permission_to_edit().await;
    let (one, two) = (world.album("one").await, world.album("two").await);
    world.write(one, "a.jpg", &small_photo(1));
    world.drain().await.unwrap();
    world.write(two, "b.jpg", &small_photo(1));
    world.drain().await.unwrap();
    // In the album that it is in already nothing need be sent.
    world.write(two, "c.jpg", &small_photo(1));
    world.drain().await.unwrap();
    let stats = world.emulator.stats();
    assert_eq!(stats.requests(Call::AlbumsBatchAdd), 0);
    assert_eq!(stats.requests(Call::UploadRaw), 2);
    assert_eq!(world.remote("two"), photos([1]));
    let child = |dir, text| world.store.child(dir, &name(text)).unwrap();
    assert_eq!(child(one, "a.jpg"), child(two, "b.jpg"));
    assert_eq!(child(one, "a.jpg"), child(two, "c.jpg"));
    let Some(Child::File(item)) = child(one, "a.jpg") else { panic!("no file") };
    assert!(world.store.file(item).unwrap().unwrap().sha256.is_some());
    world.assert_clean();
}
