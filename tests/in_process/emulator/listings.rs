//! Listings of the emulator that lie or lag.

use gphotosfs_emulator::{ListingFault, Omission};

use super::*;

/// An album of five photos, and their ids in album order.
async fn album_of_five(api: &Api) -> (String, Vec<String>) {
    let album = api.album("A").await;
    let mut items = Vec::new();
    for n in 0..5 {
        items.push(api.add(Some(&album), small_photo(n), &format!("{n}.jpg")).await);
    }
    (album, items)
}

fn lie(api: &Api, call: Call, album: Option<&str>, passes: u32, omission: Omission) {
    let album = album.map(str::to_owned);
    api.emulator.faults(|f| f.listing_faults.push(ListingFault { call, album, passes, omission }));
}

#[tokio::test]
async fn a_listing_ends_early_and_the_count_is_true() {
    let api = Api::start().await;
    let (album, items) = album_of_five(&api).await;
    let other = api.album("B").await;
    let elsewhere = api.add(Some(&other), small_photo(9), "9.jpg").await;

    lie(&api, Call::MediaItemsSearch, Some("A"), 2, Omission::EndsAfter(1));
    assert_eq!(api.album_items(&other, 2).await, [elsewhere], "another album is whole");
    for _ in 0..2 {
        assert_eq!(api.album_items(&album, 2).await, items[..2]);
        assert_eq!(api.get(&format!("/v1/albums/{album}")).await.1["mediaItemsCount"], "5");
    }
    assert_eq!(api.album_items(&album, 2).await, items);

    lie(&api, Call::MediaItemsSearch, Some(&album), 1, Omission::EndsAfter(2));
    assert_eq!(api.album_items(&album, 2).await, items[..4]);
    lie(&api, Call::MediaItemsSearch, Some(&album), 1, Omission::EndsAfter(0));
    assert!(api.album_items(&album, 2).await.is_empty());
    assert_eq!(api.album_items(&album, 2).await, items);

    lie(&api, Call::MediaItemsList, None, 1, Omission::EndsAfter(1));
    assert_eq!((api.listed().await.len(), api.listed().await.len()), (2, 6));
    for title in ["C", "D"] {
        api.album(title).await;
    }
    lie(&api, Call::AlbumsList, None, 1, Omission::EndsAfter(1));
    assert_eq!(api.titles().await, ["A", "B"]);
    assert_eq!(api.titles().await, ["A", "B", "C", "D"]);
    api.assert_no_violations();
}

#[tokio::test]
async fn a_pass_keeps_its_lie_while_another_one_begins() {
    let api = Api::start().await;
    let (album, items) = album_of_five(&api).await;
    lie(&api, Call::MediaItemsSearch, None, 1, Omission::Forgets("3.jpg".into()));
    let page = async |token: &str| {
        let body = json!({"albumId": album, "pageSize": 2, "pageToken": token});
        let page = api.ok("/v1/mediaItems:search", body).await;
        let ids: Vec<String> =
            page["mediaItems"].as_array().unwrap().iter().map(|item| text(&item["id"])).collect();
        (ids, page["nextPageToken"].as_str().map(str::to_owned))
    };
    let (_, next) = page("").await;
    assert_eq!(api.album_items(&album, 2).await, items);
    let (second, next) = page(&next.unwrap()).await;
    assert_eq!(second, [&*items[2], &items[4]]);
    assert_eq!(next, None);
}

#[tokio::test]
async fn a_listing_forgets_an_album_or_lacks_the_newest() {
    let api = Api::start().await;
    let (album, items) = album_of_five(&api).await;
    api.album("B").await;
    lie(&api, Call::AlbumsList, None, 2, Omission::Forgets("A".into()));
    for _ in 0..2 {
        assert_eq!(api.titles().await, ["B"]);
        assert_eq!(api.get(&format!("/v1/albums/{album}")).await.1["title"], "A");
    }
    assert_eq!(api.titles().await, ["A", "B"]);

    lie(&api, Call::AlbumsList, None, 1, Omission::LacksNewest(1));
    lie(&api, Call::MediaItemsSearch, Some("A"), 1, Omission::LacksNewest(2));
    lie(&api, Call::MediaItemsList, None, 1, Omission::LacksNewest(2));
    assert_eq!(api.titles().await, ["A"]);
    assert_eq!(api.titles().await, ["A", "B"]);
    assert_eq!(api.album_items(&album, 2).await, items[..3]);
    assert_eq!(api.album_items(&album, 2).await, items);
    let mut listed = api.listed().await;
    listed.sort();
    let mut old = items[..3].to_vec();
    old.sort();
    assert_eq!(listed, old);
    assert_eq!(api.listed().await.len(), 5);
}

#[tokio::test]
async fn new_albums_and_items_may_lag() {
    let api = Api::start().await;
    api.emulator.faults(|f| {
        f.albums_delay_ms = 60_000;
        f.items_delay_ms = 60_000;
    });
    let album = api.album("A").await;
    let item = api.add(Some(&album), small_photo(1), "1.jpg").await;
    assert!(api.titles().await.is_empty() && api.listed().await.is_empty());
    assert!(api.search_all(json!({})).await.concat().is_empty());
    assert_eq!(api.album_items(&album, 2).await, [&*item], "that has a delay of its own");
    assert_eq!(api.get(&format!("/v1/albums/{album}")).await.1["mediaItemsCount"], "1");
    api.emulator.advance_clock(Duration::from_secs(61));
    assert_eq!(api.titles().await, ["A"]);
    assert_eq!(api.listed().await, [item]);
}

#[tokio::test]
async fn lies_are_set_over_http() {
    let api = Api::start().await;
    api.album("A").await;
    let patch = json!({"listing_faults": [
        {"call": "albums.list", "passes": 1, "omission": {"forgets": "A"}}
    ]});
    let (_, faults) = api.patch("/emulator/faults", patch).await;
    assert_eq!(faults["listing_faults"][0]["passes"], 1);
    assert!(api.titles().await.is_empty());
    assert_eq!(api.titles().await, ["A"]);
    let (_, faults) = api.get("/emulator/faults").await;
    assert_eq!(faults["listing_faults"], json!([]));
}
