use proptest::prelude::*;
use serde_json::json;

use super::*;

fn item(value: Value) -> Option<media::MediaItem> {
    serde_json::from_value::<MediaItem>(value).unwrap().into_item()
}

#[test]
fn an_item_as_the_reference_shows_it() {
    let item = item(json!({"id": "I", "productUrl": "https://photos.google.com/lr/photo/I", "baseUrl": "https://b/",
        "mimeType": "image/jpeg", "filename": "a.jpg", "description": "d", "mediaMetadata": {
            "creationTime": "2024-07-01T10:00:00Z", "width": "4032", "height": "3024",
            "photo": {"cameraMake": "Google", "cameraModel": "Pixel 8", "focalLength": 6.9}}}))
    .unwrap();
    assert_eq!((item.width, item.height, item.camera_model.as_str()), (4032, 3024, "Pixel 8"));
    let at = item.creation_time.unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(at.as_secs(), 1_719_828_000);
    assert_eq!(item.video, None);
}

#[test]
fn invalid_fields_count_as_missing() {
    let item = item(json!({"id": "I", "filename": null, "mimeType": 7, "surprise": {"x": 1}, "mediaMetadata": {
        "creationTime": "yesterday", "width": 640, "height": "-3", "video": {"status": "DREAMING", "fps": "x"}}}))
    .unwrap();
    assert_eq!((item.filename.as_str(), item.mime_type.as_str()), ("", ""));
    assert_eq!((item.width, item.height, item.creation_time), (640, 0, None));
    assert_eq!(item.video, Some(VideoStatus::Unspecified));
}

#[test]
fn nothing_without_an_id_is_an_item() {
    assert_eq!(item(json!({"filename": "a.jpg"})), None);
}

#[test]
fn counts_come_as_strings_numbers_or_not_at_all() {
    for (count, expected) in
        [(json!("137"), 137), (json!(137), 137), (json!(null), 0), (json!([]), 0)]
    {
        let album: Album =
            serde_json::from_value(json!({"id": "A", "mediaItemsCount": count})).unwrap();
        assert_eq!(album.into_album().unwrap().items_count, expected);
    }
    let bare: Album = serde_json::from_value(json!({"id": "A"})).unwrap();
    assert!(!bare.into_album().unwrap().is_writeable);
}

#[test]
fn empty_page_is_an_empty_object() {
    let page: ItemsPage = serde_json::from_value(json!({})).unwrap();
    assert!(page.media_items.is_empty());
    assert_eq!(page_token(page.next_page_token), Ok(None));
}

#[test]
fn an_invalid_entry_does_not_empty_a_page() {
    let page = json!({"mediaItems": [{"id": "a"}, null, 7, {"id": "b", "filename": null}]});
    let page: ItemsPage = serde_json::from_value(page).unwrap();
    assert_eq!(page.media_items.len(), 2);
}

#[test]
fn a_page_with_more_entries_than_were_asked_for_is_an_error() {
    let page = |count: usize| {
        let items = vec![json!({"id": "a"}); count];
        serde_json::from_value::<ItemsPage>(json!({"mediaItems": items})).map(|it| it.media_items)
    };
    assert_eq!(page(ITEMS_PER_PAGE).unwrap().len(), ITEMS_PER_PAGE);
    let error = page(ITEMS_PER_PAGE + 1).err().unwrap().to_string();
    assert!(error.contains("101 entries, where at most 100 were asked for"), "{error}");
    let albums = json!({"albums": vec![json!({}); 51]});
    assert!(serde_json::from_value::<AlbumsPage>(albums).is_err());
    let results = json!({"newMediaItemResults": vec![json!({}); 51]});
    assert!(serde_json::from_value::<CreateResults>(results).is_err());
    let results = json!({"mediaItemResults": vec![json!({}); 51]});
    assert!(serde_json::from_value::<GetResults>(results).is_err());
}

#[test]
fn texts_have_limits() {
    let long = "ä".repeat(1_000_000);
    let camera = json!({"cameraMake": long, "cameraModel": long});
    let read = item(json!({"id": "I", "description": long, "filename": long, "mimeType": long,
        "productUrl": long, "baseUrl": long, "mediaMetadata": {"photo": camera}}))
    .unwrap();
    assert_eq!(read.description, "ä".repeat(DESCRIPTION_CHARS_MAX));
    for text in [&read.filename, &read.mime_type, &read.camera_make, &read.camera_model] {
        assert_eq!(*text, "ä".repeat(WORDS_CHARS_MAX));
    }
    // A part of an address leads nowhere.
    assert_eq!((read.product_url.as_str(), read.base_url), ("", None));
    assert_eq!(item(json!({"id": long})), None);
    let album = |json| serde_json::from_value::<Album>(json).unwrap().into_album();
    let album_read = album(json!({"id": "A", "title": long, "productUrl": long})).unwrap();
    assert_eq!(album_read.title.chars().count(), TITLE_CHARS_MAX);
    assert_eq!(album_read.product_url, "");
    assert_eq!(album(json!({"id": long})), None);
    assert!(page_token(long).is_err());
}

#[test]
fn created_items_are_matched_by_token_then_by_position() {
    let (a, b, c) = (UploadToken::new("a"), UploadToken::new("b"), UploadToken::new("c"));
    let check = |results: Value, expected: [&str; 3]| {
        let results: CreateResults =
            serde_json::from_value(json!({"newMediaItemResults": results})).unwrap();
        let got = by_token(&[&a, &b, &c], results.new_media_item_results);
        let got: Vec<_> =
            got.iter().map(|it| it.as_ref().map_or("-", |item| item.id.as_str())).collect();
        assert_eq!(got, expected);
    };
    let of = |token: &str, id: &str| json!({"uploadToken": token, "mediaItem": {"id": id}});
    let bad = json!({"uploadToken": "b", "status": {"code": "3", "message": "NOT_IMAGE"}});
    check(json!([of("a", "1"), bad, of("c", "3")]), ["1", "-", "3"]);
    check(json!([of("c", "3"), of("a", "1"), of("b", "2")]), ["1", "2", "3"]);
    check(json!([of("", "1"), of("", "2"), of("", "3")]), ["1", "2", "3"]);
    check(json!([of("", "1"), of("", "2")]), ["-", "-", "-"]);
    check(json!([of("b", "2")]), ["-", "2", "-"]);
    check(json!([of("a", "1"), of("stranger", "9"), of("c", "3")]), ["1", "-", "3"]);
    check(json!({"not": "a list"}), ["-", "-", "-"]);
}

#[test]
fn an_item_with_a_code_is_no_success() {
    let result: ItemResult =
        serde_json::from_value(json!({"mediaItem": {"id": "I"}, "status": {"code": 13}})).unwrap();
    assert_eq!(result.into_result().unwrap_err().code, 13);
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name(), inner), 0..6)
                .prop_map(|it| Value::Object(it.into_iter().collect())),
        ]
    })
}

fn name() -> impl Strategy<Value = String> {
    let known = [
        "id",
        "mediaItem",
        "status",
        "code",
        "mediaMetadata",
        "width",
        "video",
        "photo",
        "creationTime",
    ];
    prop_oneof![prop::sample::select(known.to_vec()).prop_map(str::to_owned), "[a-z]{1,5}"]
}

proptest! {
    #[test]
    fn any_object_can_be_read(fields in prop::collection::vec((name(), any_json()), 0..8)) {
        let object = Value::Object(fields.into_iter().collect());
        let _ = serde_json::from_value::<MediaItem>(object.clone()).unwrap().into_item();
        let _ = serde_json::from_value::<ItemResult>(object.clone()).unwrap().into_result();
        let _ = serde_json::from_value::<Album>(object).unwrap().into_album();
    }
}

#[test]
fn the_mime_type_says_whether_an_item_is_a_video() {
    let kind = |mime: &str, metadata: Value| {
        let item = item(json!({"id": "I", "mimeType": mime, "mediaMetadata": metadata})).unwrap();
        (item.kind(), item.video)
    };
    let (photo, video) = (json!({"photo": {}}), json!({"video": {"status": "PROCESSING"}}));
    assert_eq!(kind("image/jpeg", video.clone()), (MediaKind::Photo, None));
    let unspecified = Some(VideoStatus::Unspecified);
    assert_eq!(kind("video/mp4", photo.clone()), (MediaKind::Video, unspecified));
    // Without a type the metadata must do.
    assert_eq!(kind("", video), (MediaKind::Video, Some(VideoStatus::Processing)));
    assert_eq!(kind("", photo), (MediaKind::Photo, None));
}
