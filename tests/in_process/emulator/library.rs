//! Items, albums and listings.

use super::*;

#[tokio::test]
async fn an_uploaded_photo_is_listed_found_and_downloaded() {
    let api = Api::start().await;
    let album = api.album("Trip").await;
    let item = api.add(Some(&album), small_photo(1), "a.jpg").await;
    assert_eq!((album.len(), item.len()), (76, 98));

    let (_, albums) = api.get("/v1/albums").await;
    assert_eq!(albums["albums"][0]["mediaItemsCount"], "1");
    assert_eq!(albums["albums"][0]["coverPhotoMediaItemId"], item.as_str());
    assert_eq!(api.album_items(&album, 100).await, [item.as_str()]);
    let (_, list) = api.get("/v1/mediaItems?pageSize=100").await;
    assert_eq!(list["mediaItems"][0]["filename"], "a.jpg");
    assert_eq!(list["mediaItems"][0]["mediaMetadata"]["width"], "2");

    let response = api.download(&item, "=d").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.bytes().await.unwrap(), small_photo(1));
    let dump = api.emulator.dump();
    assert_eq!(dump.album("Trip").unwrap().items, [item.as_str()]);
    let sha256 = format!("{:x}", Sha256::digest(small_photo(1)));
    assert_eq!(dump.item(&item).unwrap().sha256, Some(sha256));
    api.assert_no_violations();
}

#[tokio::test]
async fn equal_bytes_are_one_item_and_the_first_name_stays() {
    let api = Api::start().await;
    let first = api.add(None, small_photo(1), "first.jpg").await;
    let again = api.add(None, small_photo(1), "again.jpg").await;
    assert_eq!(first, again);
    assert_eq!(api.get(&format!("/v1/mediaItems/{first}")).await.1["filename"], "first.jpg");
    api.assert_no_violations();

    let (a, b) = (api.upload(small_photo(2)).await, api.upload(small_photo(2)).await);
    let (status, body) = api.create(None, &[(&a, "a.jpg"), (&b, "b.jpg")]).await;
    assert_eq!(status, StatusCode::MULTI_STATUS);
    let results = &body["newMediaItemResults"];
    assert_eq!(results[0]["status"], json!({"message": "Success"}));
    assert_eq!(results[1]["status"]["code"], 6);
    assert_eq!(results[1]["uploadToken"], b.as_str());
    assert_eq!(api.emulator.stats().violations_total, 1);
}

#[tokio::test]
async fn an_upload_that_is_no_picture_fails_alone_with_a_status() {
    let api = Api::start().await;
    let good = api.upload(small_photo(1)).await;
    let note = api.upload("just text").await;
    let torn = api.upload(small_photo(2)[..4000].to_vec()).await;
    let magic = api.upload(vec![0xff, 0xd8, 0xff]).await;
    let items = [(&*good, "a.jpg"), (&*note, "notes.txt"), (&*torn, "b.jpg"), (&*magic, "c.jpg")];
    let (status, body) = api.create(None, &items).await;
    assert_eq!(status, StatusCode::MULTI_STATUS);
    let reason = |n: usize| body["newMediaItemResults"][n]["status"]["message"].clone();
    let tail = "There was an error while trying to create this media item.";
    assert_eq!(reason(0), "Success");
    assert_eq!(reason(1), format!("NOT_IMAGE: {tail}"));
    assert_eq!(reason(2), format!("BAD_IMAGE: {tail}"));
    assert_eq!(reason(3), format!("BAD_IMAGE: {tail}"));
    // A lone failure is a 200 all the same.
    let (status, body) = api.create(None, &[(&note, "notes.txt")]).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["newMediaItemResults"][0]["status"]["code"], 3);

    let empty = api.upload("").await;
    let (status, body) = api.create(None, &[(&empty, "empty.jpg"), (&good, "a.jpg")]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(body["error"]["message"], "Request must contain a valid upload token.");
}

#[tokio::test]
async fn albums_keep_their_order_and_change_all_or_nothing() {
    let api = Api::start().await;
    let album = api.album("A").await;
    let mut ids = Vec::new();
    for n in 0..4 {
        ids.push(api.add(None, small_photo(n), &format!("{n}.jpg")).await);
    }
    let add = format!("/v1/albums/{album}:batchAddMediaItems");
    let remove = format!("/v1/albums/{album}:batchRemoveMediaItems");
    api.ok(&add, json!({"mediaItemIds": [ids[2], ids[0]]})).await;
    // Items that are there already keep their places.
    api.ok(&add, json!({"mediaItemIds": [ids[1], ids[2]]})).await;
    assert_eq!(api.album_items(&album, 2).await, [&*ids[2], &ids[0], &ids[1]]);

    let unknown = "x".repeat(98);
    for path in [&add, &remove] {
        let (status, _) = api.post(path, json!({"mediaItemIds": [ids[0], unknown]})).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
    }
    let (status, _) = api.post(&remove, json!({"mediaItemIds": [ids[0], ids[3]]})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "one of them is not in the album");
    assert_eq!(api.album_items(&album, 100).await.len(), 3);
    api.ok(&remove, json!({"mediaItemIds": [ids[0]]})).await;
    assert_eq!(api.album_items(&album, 100).await, [&*ids[2], &ids[1]]);

    let token = api.upload(small_photo(9)).await;
    let body = json!({
        "albumId": album,
        "albumPosition": {"position": "AFTER_MEDIA_ITEM", "relativeMediaItemId": ids[2]},
        "newMediaItems": [{"simpleMediaItem": {"uploadToken": token, "fileName": "9.jpg"}}],
    });
    api.ok("/v1/mediaItems:batchCreate", body).await;
    assert_eq!(api.album_items(&album, 100).await[0], ids[2]);
    assert_eq!(api.album_items(&album, 100).await[2], ids[1]);

    let patch = format!("/v1/albums/{album}?updateMask=title,cover_photo_media_item_id");
    let (status, body) =
        api.patch(&patch, json!({"title": "B", "coverPhotoMediaItemId": ids[1]})).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!((&body["title"], &body["coverPhotoMediaItemId"]), (&json!("B"), &json!(ids[1])));
    let (status, _) = api.patch(&patch, json!({"coverPhotoMediaItemId": ids[3]})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "a cover must be in the album");

    api.emulator.faults(|f| f.album_items_max = 4);
    assert_eq!(api.post(&add, json!({"mediaItemIds": [ids[3]]})).await.0, StatusCode::OK);
    assert_eq!(
        api.post(&add, json!({"mediaItemIds": [ids[0]]})).await.0,
        StatusCode::BAD_REQUEST,
        "the album is full"
    );
}

#[tokio::test]
async fn page_tokens_go_with_their_parameters() {
    let api = Api::start().await;
    let (a, b) = (api.album("A").await, api.album("B").await);
    for n in 0..3 {
        api.add(Some(&a), small_photo(n), "x.jpg").await;
    }
    let page = api.ok("/v1/mediaItems:search", json!({"albumId": a, "pageSize": 2})).await;
    let token = text(&page["nextPageToken"]);
    for body in [
        json!({"albumId": b, "pageToken": token}),
        json!({"pageToken": token}),
        json!({"albumId": a, "pageToken": "nonsense"}),
    ] {
        let (status, body) = api.post("/v1/mediaItems:search", body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert_eq!(body["error"]["message"], "Invalid page token.");
    }
    api.ok("/v1/mediaItems:search", json!({"albumId": a, "pageToken": token, "pageSize": 1})).await;
    api.emulator.advance_clock(Duration::from_secs(7 * 3600));
    let api = Api { token: api.emulator.grant().access_token, ..api };
    let (status, _) =
        api.post("/v1/mediaItems:search", json!({"albumId": a, "pageToken": token})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "tokens grow old");
}

#[tokio::test]
async fn awkward_pages_still_list_everything() {
    let api = Api::start().await;
    let album = api.album("A").await;
    api.emulator.edit(Edit::CreateAlbum { title: "B".into() }).await.unwrap();
    let seed = Edit::Seed { album: Some("A".into()), count: 25, size: 100, prefix: "s".into() };
    api.emulator.edit(seed).await.unwrap();
    let body = json!({"albumId": album, "pageSize": 10});
    let pages = |faults: fn(&mut Faults)| {
        api.emulator.faults(|f| {
            *f = Faults::default();
            faults(f);
        });
        api.search_all(body.clone())
    };
    let whole: Vec<String> = pages(|_| {}).await.concat();
    assert_eq!(whole.len(), 25);
    let sizes = |pages: &[Vec<String>]| pages.iter().map(Vec::len).collect::<Vec<_>>();

    let short = pages(|f| f.short_pages = true).await;
    assert_eq!((sizes(&short), short.concat()), (vec![5; 5], whole.clone()));
    let empty = pages(|f| f.empty_pages = true).await;
    assert_eq!((sizes(&empty), empty.concat()), (vec![0, 10, 0, 10, 0, 5], whole.clone()));
    let trailing = pages(|f| f.trailing_page = true).await;
    assert_eq!((sizes(&trailing), trailing.concat()), (vec![10, 10, 5, 0], whole.clone()));
    let overlap = pages(|f| f.overlapping_pages = true).await;
    assert_eq!(sizes(&overlap), [10, 10, 7]);
    assert_eq!(overlap[0][9], overlap[1][0]);
    let mut all = overlap.concat();
    all.dedup();
    assert_eq!(all, whole);

    // The library as a whole, newest first.
    api.emulator.faults(|f| f.overlapping_pages = false);
    let mut library = api.search_all(json!({"pageSize": 10})).await.concat();
    library.reverse();
    assert_eq!(library, whole);
}

#[tokio::test]
async fn filters_follow_the_reference() {
    let api = Api::start().await;
    let edit = Edit::Seed { album: None, count: 3, size: 100, prefix: "s".into() };
    api.emulator.edit(edit).await.unwrap();
    let undated = api.add(None, small_photo(1), "undated.jpg").await;
    let video = api.add(None, mp4(1), "clip.mp4").await;
    let found = async |filters: Value| api.search_all(json!({"filters": filters})).await.concat();
    let seeded = json!({"dateFilter": {"ranges": [
        {"startDate": {"year": 2020, "month": 9}, "endDate": {"year": 2020, "month": 10}}]}});
    assert_eq!(found(seeded).await.len(), 3, "what has no capture date never matches");
    assert_eq!(found(json!({"mediaTypeFilter": {"mediaTypes": ["VIDEO"]}})).await, [&*video]);
    let photos = found(json!({"mediaTypeFilter": {"mediaTypes": ["PHOTO"]}})).await;
    assert_eq!((photos.len(), photos.contains(&undated)), (4, true));
    assert!(found(json!({"featureFilter": {"includedFeatures": ["FAVORITES"]}})).await.is_empty());
    api.emulator.edit(Edit::Favorite { item: undated.clone(), favorite: true }).await.unwrap();
    let favorites = found(json!({"featureFilter": {"includedFeatures": ["FAVORITES"]}})).await;
    assert_eq!(favorites, [&*undated]);
    api.emulator.edit(Edit::Archive { item: undated.clone(), archived: true }).await.unwrap();
    assert_eq!(found(json!({})).await.len(), 4);
    assert_eq!(found(json!({"includeArchivedMedia": true})).await.len(), 5);

    api.emulator.faults(|f| f.filtered_delay_ms = 3_600_000);
    assert!(found(json!({"mediaTypeFilter": {"mediaTypes": ["VIDEO"]}})).await.is_empty());
    assert_eq!(found(json!({"includeArchivedMedia": true})).await.len(), 5);
    api.assert_no_violations();
    let bad = json!({"filters": {"mediaTypeFilter": {"mediaTypes": ["PHOTO", "VIDEO"]}}});
    assert_eq!(api.post("/v1/mediaItems:search", bad).await.0, StatusCode::BAD_REQUEST);
    let bad = json!({"orderBy": "MediaMetadata.creation_time"});
    assert_eq!(api.post("/v1/mediaItems:search", bad).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn batch_get_keeps_the_order_and_reports_each_item() {
    let api = Api::start().await;
    let item = api.add(None, small_photo(1), "a.jpg").await;
    let gone = api.add(None, small_photo(2), "b.jpg").await;
    api.emulator.edit(Edit::DeleteItem { item: gone.clone() }).await.unwrap();
    let path =
        format!("/v1/mediaItems:batchGet?mediaItemIds=bad&mediaItemIds={item}&mediaItemIds={gone}");
    let (status, body) = api.get(&path).await;
    assert_eq!(status, StatusCode::OK);
    let results = &body["mediaItemResults"];
    assert_eq!(results[0]["status"]["message"], "Invalid media item ID.");
    assert_eq!(results[1]["mediaItem"]["id"], item.as_str());
    assert_eq!(results[2]["status"]["code"], 5);
    let (status, body) = api.get(&format!("/v1/mediaItems/{gone}")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(body["error"]["message"], "Requested entity was not found.");
    // Deleted bytes come back as another item.
    assert_ne!(api.add(None, small_photo(2), "b.jpg").await, gone);
}

#[tokio::test]
async fn bytes_of_another_application_enter_albums_only_when_created() {
    let api = Api::start().await;
    let album = api.album("A").await;
    let foreign = Edit::AddItem {
        album: None,
        filename: "PHONE.JPG".into(),
        content: small_photo(1),
        foreign: true,
    };
    let phone = api.emulator.edit(foreign).await.unwrap();
    assert_eq!(api.get(&format!("/v1/mediaItems/{phone}")).await.0, StatusCode::NOT_FOUND);
    let ours = api.add(Some(&album), small_photo(1), "ours.jpg").await;
    assert_eq!(ours, phone);
    assert_eq!(api.emulator.dump().album("A").unwrap().items, [&*phone]);
    for verb in ["batchAddMediaItems", "batchRemoveMediaItems"] {
        let path = format!("/v1/albums/{album}:{verb}");
        let (_, body) = api.post(&path, json!({"mediaItemIds": [phone]})).await;
        assert_eq!(body["error"]["message"], "Request contains an invalid media item id.");
    }
    // Whether it can be read is not known of the real service.
    assert!(api.album_items(&album, 100).await.is_empty());
    api.emulator.faults(|f| f.matched_items_visible = true);
    assert_eq!(api.album_items(&album, 100).await, [&*phone]);
    assert_eq!(api.get(&format!("/v1/mediaItems/{phone}")).await.1["filename"], "PHONE.JPG");
}

/// Google keeps equal bytes once in an account, also if another application uploads them.
#[tokio::test]
async fn another_application_makes_no_second_item_of_our_bytes() {
    let api = Api::start().await;
    let album = api.album("A").await;
    let ours = api.add(Some(&album), small_photo(1), "ours.jpg").await;
    let edit = |album: Option<&str>| Edit::AddItem {
        album: album.map(str::to_owned),
        filename: "PHONE.JPG".into(),
        content: small_photo(1),
        foreign: true,
    };
    assert_eq!(api.emulator.edit(edit(None)).await.unwrap(), ours);
    assert_eq!(api.emulator.edit(edit(Some("A"))).await.unwrap(), ours);
    let dump = api.emulator.dump();
    assert_eq!(dump.items.len(), 1);
    assert_eq!((&*dump.items[0].filename, dump.items[0].foreign), ("ours.jpg", false));
    assert_eq!(dump.album("A").unwrap().items, [&*ours]);
}

#[tokio::test]
async fn listings_and_counts_may_lag_behind() {
    let api = Api::start().await;
    let album = api.album("A").await;
    api.emulator.faults(|f| {
        f.album_delay_ms = 60_000;
        f.count_delay_ms = 120_000;
    });
    api.add(Some(&album), small_photo(1), "a.jpg").await;
    let count = async || {
        let (_, album) = api.get(&format!("/v1/albums/{album}")).await;
        album["mediaItemsCount"].clone()
    };
    assert!(api.album_items(&album, 10).await.is_empty());
    api.emulator.advance_clock(Duration::from_secs(61));
    assert_eq!(api.album_items(&album, 10).await.len(), 1);
    assert_eq!(count().await, Value::Null);
    api.emulator.advance_clock(Duration::from_secs(61));
    assert_eq!(count().await, "1");
}

#[tokio::test]
async fn the_user_changes_things_in_the_app() {
    let api = Api::start().await;
    let album = api.album("A").await;
    let a = api.add(Some(&album), small_photo(1), "a.jpg").await;
    let b = api.add(Some(&album), small_photo(2), "b.jpg").await;
    let edit = async |edit: Edit| api.emulator.edit(edit).await.unwrap();
    edit(Edit::ReorderAlbum { album: "A".into(), items: vec!["b.jpg".into(), "a.jpg".into()] })
        .await;
    assert_eq!(api.album_items(&album, 10).await, [&*b, &a]);
    edit(Edit::RemoveFromAlbum { album: "A".into(), item: "b.jpg".into() }).await;
    assert_eq!(api.album_items(&album, 10).await, [&*a]);
    edit(Edit::AddToAlbum { album: "A".into(), item: b.clone() }).await;
    assert_eq!(api.album_items(&album, 10).await, [&*a, &b]);
    edit(Edit::RenameAlbum { album: "A".into(), title: "Ä".into() }).await;
    edit(Edit::SetFilename { item: a.clone(), filename: String::new() }).await;
    assert_eq!(api.get(&format!("/v1/albums/{album}")).await.1["title"], "Ä");
    assert_eq!(api.get(&format!("/v1/mediaItems/{a}")).await.1.get("filename"), None);
    edit(Edit::DeleteAlbum { album: "Ä".into() }).await;
    let token = api.upload(small_photo(3)).await;
    let (status, body) = api.create(Some(&album), &[(&token, "c.jpg")]).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(body["error"]["message"], "The provided ID does not match any albums.");
    assert!(api.emulator.edit(Edit::DeleteItem { item: "nope".into() }).await.is_err());
}

#[tokio::test]
async fn a_hundred_thousand_items_list_by_the_page() {
    let api = Api::start().await;
    let album = api.album("Big").await;
    let seed = |album: Option<&str>, count| Edit::Seed {
        album: album.map(str::to_owned),
        count,
        size: 1_000_000,
        prefix: "IMG_".into(),
    };
    api.emulator.edit(seed(Some("Big"), 20_000)).await.unwrap();
    api.emulator.edit(seed(None, 80_000)).await.unwrap();
    let started = std::time::Instant::now();
    let ids = api.search_all(json!({"albumId": album, "pageSize": 100})).await;
    assert_eq!((ids.len(), ids.concat().len()), (200, 20_000));
    // A scan of the library for each page would take minutes.
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    let (_, list) = api.get("/v1/mediaItems?pageSize=100").await;
    assert_eq!(list["mediaItems"].as_array().unwrap().len(), 100);
    let last = api.download(&ids[199][99], "=d").await;
    assert_eq!(last.bytes().await.unwrap().len(), 1_000_000);
}
