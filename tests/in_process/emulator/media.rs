//! Base URLs and downloads.

use super::*;

#[tokio::test]
async fn videos_are_processed_and_come_back_transcoded() {
    let api = Api::start().await;
    api.emulator.faults(|f| f.video_processing_ms = 60_000);
    let item = api.add(None, mp4(1), "clip.mp4").await;
    let status = async || {
        let (_, item) = api.get(&format!("/v1/mediaItems/{item}")).await;
        text(&item["mediaMetadata"]["video"]["status"])
    };
    assert_eq!(status().await, "PROCESSING");
    assert_eq!(api.download(&item, "=dv").await.status(), StatusCode::NOT_FOUND);
    api.emulator.advance_clock(Duration::from_secs(61));
    assert_eq!(status().await, "READY");
    let response = api.download(&item, "=dv").await;
    assert_eq!(response.headers()["content-type"], "video/mp4");
    assert_ne!(response.bytes().await.unwrap(), mp4(1));
    let still = api.download(&item, "=d").await;
    assert_eq!(still.headers()["content-type"], "image/png");
    api.emulator.faults(|f| f.videos_fail = true);
    assert_eq!(status().await, "FAILED");
}

#[tokio::test]
async fn base_urls_are_new_each_time_and_end_after_an_hour() {
    let api = Api::start().await;
    let item = api.add(None, small_photo(1), "a.jpg").await;
    let url = api.base_url(&item).await + "=d";
    assert_ne!(api.base_url(&item).await + "=d", url);
    let head = api.http.head(&url).send().await.unwrap();
    assert_eq!(head.headers()["content-length"], "5000");
    api.emulator.advance_clock(Duration::from_secs(3601));
    let response = api.http.get(&url).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    assert!(response.text().await.unwrap().contains("does not have permission to get URL"));
    let forged = api.http.get(format!("{}/lr/media/AAAA=d", api.emulator.url()));
    assert_eq!(forged.send().await.unwrap().status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn ranges_are_a_switch() {
    let api = Api::start().await;
    let item = api.add(None, small_photo(1), "a.jpg").await;
    let url = api.base_url(&item).await + "=d";
    let part = async |range: &str| {
        let response = api.http.get(&url).header("Range", range).send().await.unwrap();
        (response.status(), response.bytes().await.unwrap())
    };
    let whole = small_photo(1);
    assert_eq!(
        part("bytes=10-19").await,
        (StatusCode::PARTIAL_CONTENT, whole[10..20].to_vec().into())
    );
    assert_eq!(
        part("bytes=4990-").await,
        (StatusCode::PARTIAL_CONTENT, whole[4990..].to_vec().into())
    );
    assert_eq!(
        part("bytes=-5").await,
        (StatusCode::PARTIAL_CONTENT, whole[4995..].to_vec().into())
    );
    assert_eq!(part("bytes=5000-").await.0, StatusCode::RANGE_NOT_SATISFIABLE);
    api.emulator.faults(|f| f.photo_ranges = false);
    assert_eq!(part("bytes=10-19").await, (StatusCode::OK, whole.clone().into()));
}

/// A little JPEG with EXIF, and with a location if `gps`.
pub(super) fn jpeg_with_exif(gps: bool) -> Vec<u8> {
    use exif::{Field, In, Rational, Tag, Value};
    let field = |tag, value| Field { tag, ifd_num: In::PRIMARY, value };
    let ascii = |text: &str| Value::Ascii(vec![text.as_bytes().to_vec()]);
    let degrees = Value::Rational(vec![Rational { num: 48, denom: 1 }; 3]);
    let mut fields = vec![
        field(Tag::Make, ascii("Maker")),
        field(Tag::DateTimeOriginal, ascii("2019:05:03 12:34:56")),
        field(Tag::OffsetTimeOriginal, ascii("+02:00")),
        field(Tag::PhotographicSensitivity, Value::Short(vec![200])),
    ];
    if gps {
        fields.push(field(Tag::GPSLatitudeRef, ascii("N")));
        fields.push(field(Tag::GPSLatitude, degrees));
    }
    let mut writer = exif::experimental::Writer::new();
    for field in &fields {
        writer.push_field(field);
    }
    let mut tiff = std::io::Cursor::new(Vec::new());
    writer.write(&mut tiff, false).unwrap();
    let tiff = tiff.into_inner();
    let plain = small_photo(77);
    let mut out = plain[..2].to_vec();
    out.extend([0xff, 0xe1]);
    out.extend((tiff.len() as u16 + 8).to_be_bytes());
    out.extend(b"Exif\0\0");
    out.extend(tiff);
    out.extend(&plain[2..]);
    out
}

#[tokio::test]
async fn downloads_of_photos_keep_their_exif_but_for_the_location() {
    let api = Api::start().await;
    let original = jpeg_with_exif(true);
    let item = api.add(None, original.clone(), "a.jpg").await;
    let (_, body) = api.get(&format!("/v1/mediaItems/{item}")).await;
    let metadata = &body["mediaMetadata"];
    assert_eq!(metadata["creationTime"], "2019-05-03T10:34:56Z");
    assert_eq!(metadata["photo"], json!({"cameraMake": "Maker", "isoEquivalent": 200}));

    let bytes = api.download(&item, "=d").await.bytes().await.unwrap();
    assert_ne!(bytes.len(), original.len());
    let tags = |bytes: &[u8]| {
        let mut reader = std::io::Cursor::new(bytes);
        let exif = exif::Reader::new().read_from_container(&mut reader).unwrap();
        exif.fields().map(|field| field.tag.to_string()).collect::<Vec<_>>()
    };
    assert!(tags(&original).contains(&"GPSLatitude".to_owned()));
    let left = tags(&bytes);
    assert!(left.contains(&"Make".to_owned()), "{left:?}");
    assert!(!left.iter().any(|tag| tag.starts_with("GPS")), "{left:?}");

    let plain = jpeg_with_exif(false);
    let item = api.add(None, plain.clone(), "b.jpg").await;
    assert_eq!(api.download(&item, "=d").await.bytes().await.unwrap(), plain);
}

#[tokio::test]
async fn downloads_break_off_and_run_out_of_quota() {
    let api = Api::start().await;
    let item = api.add(None, small_photo(1), "a.jpg").await;
    api.emulator.faults(|f| {
        let cut = Injection { next: 1, at_byte: Some(100), ..Injection::new(Failure::Drop) };
        f.on(Call::Download).failures.push(cut);
    });
    let response = api.download(&item, "=d").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.bytes().await.is_err());
    api.emulator.faults(|f| f.fail_next(Call::Download, 1, Failure::Internal));
    let response = api.download(&item, "=d").await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    api.emulator.faults(|f| f.daily_media_requests = 2);
    assert_eq!(api.download(&item, "=d").await.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(api.emulator.stats().media_requests_today, 2);
}
