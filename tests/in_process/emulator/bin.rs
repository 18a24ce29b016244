//! The emulator's bin, and items whose metadata contradicts their type.

use super::uploads::Session;
use super::*;

async fn edit(api: &Api, edit: Edit) -> String {
    api.emulator.edit(edit).await.unwrap()
}

fn to_bin(item: &str) -> Edit {
    Edit::MoveToBin { item: item.into() }
}

fn restore(item: &str) -> Edit {
    Edit::RestoreFromBin { item: item.into() }
}

/// `mediaItemsCount` of an album; it is absent at zero.
async fn count(api: &Api, album: &str) -> Value {
    api.get(&format!("/v1/albums/{album}")).await.1["mediaItemsCount"].clone()
}

#[tokio::test]
async fn an_item_in_the_bin_is_in_no_listing_and_comes_back() {
    let api = Api::start().await;
    let album = api.album("A").await;
    let first = api.add(Some(&album), small_photo(1), "1.jpg").await;
    let second = api.add(Some(&album), small_photo(2), "2.jpg").await;
    assert_eq!(edit(&api, to_bin("1.jpg")).await, first);

    assert_eq!(api.listed().await, [&*second]);
    assert_eq!(api.search_all(json!({})).await.concat(), [&*second]);
    assert_eq!(api.album_items(&album, 10).await, [&*second]);
    assert_eq!(count(&api, &album).await, "1");
    let (_, head) = api.get(&format!("/v1/albums/{album}")).await;
    assert_eq!(head["coverPhotoMediaItemId"], second);
    assert_eq!(api.get(&format!("/v1/mediaItems/{first}")).await.0, StatusCode::NOT_FOUND);
    let batch = format!("/v1/mediaItems:batchGet?mediaItemIds={first}&mediaItemIds={second}");
    let (_, got) = api.get(&batch).await;
    assert_eq!(got["mediaItemResults"][0]["status"]["code"], 5);
    assert_eq!(got["mediaItemResults"][1]["mediaItem"]["id"], second);
    let other = api.album("B").await;
    for (target, verb) in [(&other, "batchAddMediaItems"), (&album, "batchRemoveMediaItems")] {
        let path = format!("/v1/albums/{target}:{verb}");
        let (status, body) = api.post(&path, json!({"mediaItemIds": [first]})).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert_eq!(body["error"]["message"], "Request contains an invalid media item id.");
    }
    let dump = api.emulator.dump();
    assert!(dump.item(&first).unwrap().binned && !dump.item(&second).unwrap().binned);
    assert_eq!(dump.album("A").unwrap().items, [&*second]);

    api.emulator.faults(|f| f.binned_items_resolve = true);
    assert_eq!(api.get(&format!("/v1/mediaItems/{first}")).await.0, StatusCode::OK);
    let (_, got) = api.get(&batch).await;
    assert_eq!(got["mediaItemResults"][0]["mediaItem"]["id"], first);
    assert_eq!(api.listed().await, [&*second], "listings do not follow that switch");

    edit(&api, restore("1.jpg")).await;
    assert_eq!(api.album_items(&album, 10).await, [&*first, &second]);
    assert_eq!(count(&api, &album).await, "2");
    assert_eq!(api.listed().await.len(), 2);
    api.assert_no_violations();
}

#[tokio::test]
async fn the_bytes_of_an_item_in_the_bin_get_its_known_id_again() {
    let api = Api::start().await;
    let album = api.album("A").await;
    let item = api.add(None, small_photo(1), "1.jpg").await;
    edit(&api, to_bin(&item)).await;
    assert_eq!(api.add(Some(&album), small_photo(1), "again.jpg").await, item);
    assert!(api.listed().await.is_empty());
    assert!(api.album_items(&album, 10).await.is_empty());
    assert_eq!(count(&api, &album).await, Value::Null);
    edit(&api, restore(&item)).await;
    assert_eq!(api.listed().await, [&*item]);
    assert!(api.album_items(&album, 10).await.is_empty());

    edit(&api, to_bin(&item)).await;
    edit(&api, Edit::EmptyBin).await;
    assert!(api.emulator.dump().items.is_empty());
    let again = api.add(Some(&album), small_photo(1), "again.jpg").await;
    assert_ne!(again, item);
    assert_eq!(api.album_items(&album, 10).await, [&*again]);
    assert_eq!(api.get(&format!("/v1/mediaItems/{item}")).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_bytes_of_an_item_in_the_bin_may_make_a_new_item() {
    let api = Api::start().await;
    api.emulator.faults(|f| f.binned_bytes_make_new_items = true);
    let old = api.add(None, small_photo(1), "1.jpg").await;
    edit(&api, to_bin(&old)).await;
    let new = api.add(None, small_photo(1), "1.jpg").await;
    assert_ne!(new, old);
    assert_eq!(api.add(None, small_photo(1), "1.jpg").await, new, "the living one is known");
    assert_eq!(api.listed().await, [&*new]);
    edit(&api, Edit::EmptyBin).await;
    assert_eq!(api.add(None, small_photo(1), "1.jpg").await, new);
    assert_eq!(api.emulator.dump().items.len(), 1);
}

#[tokio::test]
async fn the_bin_survives_a_restart_and_is_steered_over_http() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { state: Some(dir.path().into()), ..Config::default() };
    let api = Api::with(config.clone()).await;
    let item = api.add(None, small_photo(1), "1.jpg").await;
    api.ok("/emulator/edit", json!({"op": "move_to_bin", "item": "1.jpg"})).await;
    api.emulator.stop().await;

    let api = Api::with(config).await;
    assert!(api.listed().await.is_empty());
    let (_, dump) = api.get("/emulator/dump").await;
    assert_eq!(dump["items"][0]["binned"], true);
    api.ok("/emulator/edit", json!({"op": "restore_from_bin", "item": "1.jpg"})).await;
    assert_eq!(api.listed().await, [&*item]);
    api.ok("/emulator/edit", json!({"op": "move_to_bin", "item": "1.jpg"})).await;
    api.ok("/emulator/edit", json!({"op": "empty_bin"})).await;
    let missing = json!({"op": "restore_from_bin", "item": "1.jpg"});
    assert_eq!(api.post("/emulator/edit", missing).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn metadata_may_contradict_the_type() {
    let api = Api::start().await;
    let photo = api.add(None, small_photo(1), "1.jpg").await;
    let video = api.add(None, mp4(1), "1.mp4").await;
    for item in [&photo, &video] {
        edit(&api, Edit::MismatchMetadata { item: item.clone(), mismatched: true }).await;
    }
    let (_, item) = api.get(&format!("/v1/mediaItems/{photo}")).await;
    assert_eq!(item["mimeType"], "image/jpeg");
    assert_eq!(item["mediaMetadata"]["video"]["status"], "READY");
    assert!(item["mediaMetadata"]["photo"].is_null());
    assert_eq!(api.download(&photo, "=dv").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(api.download(&photo, "=d").await.bytes().await.unwrap(), small_photo(1));

    let (_, item) = api.get(&format!("/v1/mediaItems/{video}")).await;
    assert_eq!(item["mimeType"], "video/mp4");
    assert!(item["mediaMetadata"]["photo"].is_object() && item["mediaMetadata"]["video"].is_null());
    assert_eq!(api.download(&video, "=dv").await.headers()["content-type"], "video/mp4");
    assert_eq!(api.download(&video, "=d").await.headers()["content-type"], "image/png");

    edit(&api, Edit::MismatchMetadata { item: photo.clone(), mismatched: false }).await;
    let (_, item) = api.get(&format!("/v1/mediaItems/{photo}")).await;
    assert!(item["mediaMetadata"]["photo"].is_object());
}

#[tokio::test]
async fn no_bytes_upload_and_make_no_item() {
    let api = Api::start().await;
    let raw = api.upload(Vec::new()).await;
    let session = Session::start(&api, 0).await;
    let answered = session.send("upload, finalize", 0, b"").await.unwrap();
    assert_eq!(answered.headers()["x-goog-upload-status"], "final");
    let resumable = answered.text().await.unwrap();
    for token in [&raw, &resumable, ""] {
        let (status, body) = api.create(None, &[(token, "empty.jpg")]).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert_eq!(body["error"]["message"], "Request must contain a valid upload token.");
    }
    assert_eq!(api.get("/v1/mediaItems").await.1, json!({}));
}
