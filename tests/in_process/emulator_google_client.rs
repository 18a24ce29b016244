//! The emulator driven by Google's own generated client: every method, with types we did not write.

use google_photoslibrary1::api::{
    AddEnrichmentToAlbumRequest, Album, AlbumPosition, BatchAddMediaItemsToAlbumRequest,
    BatchCreateMediaItemsRequest, BatchRemoveMediaItemsFromAlbumRequest, CreateAlbumRequest,
    DateFilter, DateRange, Filters, MediaItem, NewEnrichmentItem, NewMediaItem,
    SearchMediaItemsRequest, ShareAlbumRequest, SimpleMediaItem, TextEnrichment,
};
use google_photoslibrary1::hyper_util::client::legacy::Client;
use google_photoslibrary1::hyper_util::client::legacy::connect::HttpConnector;
use google_photoslibrary1::hyper_util::rt::TokioExecutor;
use google_photoslibrary1::{Error, FieldMask, PhotosLibrary};
use gphotosfs_emulator::{Config, Emulator, Failure, synthetic_content};

type Hub = PhotosLibrary<HttpConnector>;

fn hub(emulator: &Emulator) -> Hub {
    let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
    let mut hub = PhotosLibrary::new(client, emulator.grant().access_token);
    hub.base_url(format!("{}/", emulator.url()));
    hub.root_url(format!("{}/", emulator.url()));
    hub
}

async fn album(hub: &Hub, title: &str) -> String {
    let album = Album { title: Some(title.to_owned()), ..Album::default() };
    let request = CreateAlbumRequest { album: Some(album) };
    hub.albums().create(request).doit().await.unwrap().1.id.unwrap()
}

/// Uploads bytes by plain HTTP, which the generated client leaves to others.
async fn upload(emulator: &Emulator, bytes: Vec<u8>) -> String {
    // A second call does nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let response = reqwest::Client::new()
        .post(format!("{}/v1/uploads", emulator.url()))
        .bearer_auth(emulator.grant().access_token)
        .header("Content-Type", "application/octet-stream")
        .header("X-Goog-Upload-Protocol", "raw")
        .body(bytes)
        .send()
        .await
        .unwrap();
    response.error_for_status().unwrap().text().await.unwrap()
}

async fn add(hub: &Hub, emulator: &Emulator, album_id: &str, n: u64) -> MediaItem {
    let token = upload(emulator, synthetic_content(n, 1000, 0..1000)).await;
    let item =
        SimpleMediaItem { upload_token: Some(token.clone()), file_name: Some(format!("{n}.jpg")) };
    let request = BatchCreateMediaItemsRequest {
        album_id: Some(album_id.to_owned()),
        album_position: None,
        new_media_items: Some(vec![NewMediaItem {
            description: Some("words".into()),
            simple_media_item: Some(item),
        }]),
    };
    let (_, answer) = hub.media_items().batch_create(request).doit().await.unwrap();
    let [result] = <[_; 1]>::try_from(answer.new_media_item_results.unwrap()).ok().unwrap();
    assert_eq!(result.upload_token, Some(token));
    let status = result.status.unwrap();
    assert_eq!((status.code, status.message.as_deref()), (None, Some("Success")));
    result.media_item.unwrap()
}

fn ids(items: Option<Vec<MediaItem>>) -> Vec<String> {
    items.unwrap_or_default().into_iter().map(|item| item.id.unwrap()).collect()
}

#[tokio::test]
async fn every_method_works_for_googles_client() {
    let emulator = Emulator::start(Config::default()).await.unwrap();
    let hub = hub(&emulator);
    let trip = album(&hub, "Trip").await;
    album(&hub, "Other").await;
    let a = add(&hub, &emulator, &trip, 1).await;
    let b = add(&hub, &emulator, &trip, 2).await;
    assert_eq!(a.filename.as_deref(), Some("1.jpg"));
    let metadata = a.media_metadata.unwrap();
    assert_eq!((metadata.width, metadata.height), (Some(2), Some(2)));
    assert!(metadata.creation_time.is_some() && metadata.photo.is_some());
    let (a, b) = (a.id.unwrap(), b.id.unwrap());

    let (_, got) = hub.albums().get(&trip).doit().await.unwrap();
    assert_eq!((got.media_items_count, got.is_writeable), (Some(2), Some(true)));
    assert_eq!(got.cover_photo_media_item_id.as_deref(), Some(&*a));
    let (_, first) = hub.albums().list().page_size(1).doit().await.unwrap();
    let token = first.next_page_token.unwrap();
    let (_, second) = hub.albums().list().page_token(&token).doit().await.unwrap();
    assert_eq!(second.albums.unwrap()[0].title.as_deref(), Some("Other"));
    assert_eq!(second.next_page_token, None);

    let new = Album {
        title: Some("Voyage".into()),
        cover_photo_media_item_id: Some(b.clone()),
        ..Album::default()
    };
    let mask = FieldMask::new(&["title", "cover_photo_media_item_id"]);
    let (_, patched) = hub.albums().patch(new, &trip).update_mask(mask).doit().await.unwrap();
    assert_eq!(patched.title.as_deref(), Some("Voyage"));
    assert_eq!(patched.cover_photo_media_item_id.as_deref(), Some(&*b));

    let enrichment = AddEnrichmentToAlbumRequest {
        album_position: Some(AlbumPosition {
            position: Some("AFTER_MEDIA_ITEM".into()),
            relative_media_item_id: Some(a.clone()),
            ..AlbumPosition::default()
        }),
        new_enrichment_item: Some(NewEnrichmentItem {
            text_enrichment: Some(TextEnrichment { text: Some("Day 2".into()) }),
            ..NewEnrichmentItem::default()
        }),
    };
    let (_, answer) = hub.albums().add_enrichment(enrichment, &trip).doit().await.unwrap();
    assert!(answer.enrichment_item.unwrap().id.is_some());

    let remove = BatchRemoveMediaItemsFromAlbumRequest { media_item_ids: Some(vec![a.clone()]) };
    hub.albums().batch_remove_media_items(remove, &trip).doit().await.unwrap();
    let add = BatchAddMediaItemsToAlbumRequest { media_item_ids: Some(vec![a.clone()]) };
    hub.albums().batch_add_media_items(add, &trip).doit().await.unwrap();
    let search = SearchMediaItemsRequest {
        album_id: Some(trip),
        page_size: Some(100),
        ..SearchMediaItemsRequest::default()
    };
    let (_, found) = hub.media_items().search(search).doit().await.unwrap();
    assert_eq!(ids(found.media_items), [&*b, &a]);

    let (_, listed) = hub.media_items().list().page_size(100).doit().await.unwrap();
    assert_eq!(ids(listed.media_items), [&*b, &a]);
    let (_, got) = hub.media_items().get(&a).doit().await.unwrap();
    assert!(got.base_url.is_some());
    let both = hub.media_items().batch_get().add_media_item_ids(&a).add_media_item_ids(&b);
    let results = both.doit().await.unwrap().1.media_item_results.unwrap();
    assert_eq!(results[1].media_item.as_ref().unwrap().id, Some(b));

    let new = MediaItem { description: Some("better".into()), ..MediaItem::default() };
    let mask = FieldMask::new(&["description"]);
    let (_, patched) = hub.media_items().patch(new, &a).update_mask(mask).doit().await.unwrap();
    assert_eq!(patched.description.as_deref(), Some("better"));
    assert_eq!(emulator.stats().violations, Vec::<String>::new());
}

#[tokio::test]
async fn filters_arrive_as_googles_client_sends_them() {
    use google_photoslibrary1::api::{Date, FeatureFilter, MediaTypeFilter};
    let emulator = Emulator::start(Config::default()).await.unwrap();
    let hub = hub(&emulator);
    let date = |year| Some(Date { year: Some(year), month: None, day: None });
    let filters = Filters {
        date_filter: Some(DateFilter {
            dates: None,
            ranges: Some(vec![DateRange { start_date: date(2019), end_date: date(2020) }]),
        }),
        media_type_filter: Some(MediaTypeFilter { media_types: Some(vec!["PHOTO".into()]) }),
        feature_filter: Some(FeatureFilter { included_features: Some(vec!["NONE".into()]) }),
        include_archived_media: Some(true),
        ..Filters::default()
    };
    let search =
        SearchMediaItemsRequest { filters: Some(filters), ..SearchMediaItemsRequest::default() };
    let (_, found) = hub.media_items().search(search).doit().await.unwrap();
    assert!(found.media_items.is_none());
    assert_eq!(emulator.stats().violations, Vec::<String>::new());
}

#[tokio::test]
async fn refusals_are_errors_to_googles_client() {
    let emulator = Emulator::start(Config::default()).await.unwrap();
    let hub = hub(&emulator);
    let trip = album(&hub, "Trip").await;
    let message = |error: Error| match error {
        Error::BadRequest(body) => body["error"]["status"].as_str().unwrap().to_owned(),
        other => panic!("{other}"),
    };
    let shared = hub.albums().share(ShareAlbumRequest::default(), &trip).doit().await;
    assert_eq!(message(shared.unwrap_err()), "PERMISSION_DENIED");
    let too_many = hub.albums().list().page_size(51).doit().await;
    assert_eq!(message(too_many.unwrap_err()), "INVALID_ARGUMENT");
    emulator.faults(|f| {
        f.fail_next(gphotosfs_emulator::Call::AlbumsGet, 1, Failure::RequestsPerDay);
    });
    let refused = hub.albums().get(&trip).doit().await;
    assert_eq!(message(refused.unwrap_err()), "RESOURCE_EXHAUSTED");
}
