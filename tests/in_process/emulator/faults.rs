//! Faults, limits and barriers.

use super::*;

#[tokio::test]
async fn two_writes_of_one_user_at_once_are_refused_with_googles_words() {
    let api = Api::start().await;
    api.emulator.faults(|f| f.on(Call::AlbumsCreate).latency_ms = 300);
    let one = api.post("/v1/albums", json!({"album": {"title": "1"}}));
    let two = api.post("/v1/albums", json!({"album": {"title": "2"}}));
    let (one, two) = tokio::join!(one, two);
    let mut statuses = [one.0, two.0];
    statuses.sort();
    assert_eq!(statuses, [StatusCode::OK, StatusCode::TOO_MANY_REQUESTS]);
    let refused = if one.0 == StatusCode::OK { two.1 } else { one.1 };
    assert_eq!(
        refused["error"]["message"],
        "Quota exceeded for quota 'concurrent write request' of service \
         'photoslibrary.googleapis.com'."
    );
    let stats = api.emulator.stats();
    assert_eq!((stats.violations_total, stats.too_many_requests, stats.writes_peak), (1, 1, 2));
    assert_eq!(stats.requests(Call::AlbumsCreate), 2);
}

#[tokio::test]
async fn a_call_goes_on_when_its_client_has_given_up() {
    let api = Api::start().await;
    let creation = api.emulator.barrier(Call::AlbumsCreate, 1, Moment::Request);
    let request = api.request(Method::POST, "/v1/albums");
    tokio::select! {
        _ = request.json(&json!({"album": {"title": "late"}})).send() => panic!("it was answered"),
        () = creation.arrived() => {}
    }
    creation.release();
    eventually("the other task", || api.emulator.dump().album("late").is_some()).await;
}

#[tokio::test]
async fn failures_strike_before_or_after_the_effect() {
    let api = Api::start().await;
    let create = async |title: &str| {
        let request = api.request(Method::POST, "/v1/albums");
        request.json(&json!({"album": {"title": title}})).send().await
    };
    let exists = |title: &str| api.emulator.dump().album(title).is_some();

    api.emulator.faults(|f| f.fail_next(Call::AlbumsCreate, 1, Failure::Drop));
    assert!(create("lost").await.is_err());
    assert!(!exists("lost"));
    api.emulator.faults(|f| f.fail_next_after_effect(Call::AlbumsCreate, 1, Failure::Drop));
    assert!(create("made").await.is_err());
    assert!(exists("made"));

    for (failure, status) in [
        (Failure::Unauthenticated, 401),
        (Failure::PermissionDenied, 403),
        (Failure::NotFound, 404),
        (Failure::Aborted, 409),
        (Failure::WritesPerMinute, 429),
        (Failure::ConcurrentWrite, 429),
        (Failure::RequestsPerDay, 429),
        (Failure::Internal, 500),
        (Failure::BadGateway, 502),
        (Failure::Unavailable, 503),
        (Failure::DeadlineExceeded, 504),
        (Failure::Html, 502),
        (Failure::Garbage, 200),
    ] {
        api.emulator.faults(|f| f.fail_next(Call::AlbumsCreate, 1, failure));
        assert_eq!(create("x").await.unwrap().status(), status, "{failure:?}");
        assert!(!exists("x"));
    }
    assert_eq!(create("x").await.unwrap().status(), StatusCode::OK, "the counts are used up");

    api.emulator.faults(|f| {
        let retry = Injection {
            next: 1,
            skip: 1,
            retry_after_s: Some(7),
            ..Injection::new(Failure::Unavailable)
        };
        f.on(Call::AlbumsCreate).failures.push(retry);
    });
    assert_eq!(create("y").await.unwrap().status(), StatusCode::OK, "one is let through");
    let refused = create("y").await.unwrap();
    assert_eq!(refused.headers()["retry-after"], "7");
    api.assert_no_violations();

    api.emulator.faults(|f| f.fail_next(Call::AlbumsCreate, 1, Failure::Stall));
    let request = api.request(Method::POST, "/v1/albums").json(&json!({"album": {}}));
    let stalled = request.timeout(Duration::from_millis(100)).send().await;
    assert!(stalled.unwrap_err().is_timeout());
    assert_eq!(create("z").await.unwrap().status(), StatusCode::OK, "a stall holds no lock");
}

#[tokio::test]
async fn rates_repeat_with_their_seed() {
    let run = async || {
        let mut faults = Faults { seed: 42, ..Faults::default() };
        let half = Injection { rate: 0.5, ..Injection::new(Failure::Unavailable) };
        faults.on(Call::AlbumsList).failures.push(half);
        let api = Api::with(Config { faults, ..Config::default() }).await;
        let mut statuses = Vec::new();
        for _ in 0..20 {
            statuses.push(api.get("/v1/albums").await.0.as_u16());
        }
        statuses
    };
    let first = run().await;
    assert!(first.contains(&200) && first.contains(&503));
    assert_eq!(first, run().await);
}

#[tokio::test]
async fn the_daily_quota_ends_at_midnight_in_california() {
    let api = Api::start().await;
    api.emulator.faults(|f| f.daily_requests = 2);
    assert_eq!(api.get("/v1/albums").await.0, StatusCode::OK);
    assert_eq!(api.get("/v1/albums").await.0, StatusCode::OK);
    let (status, body) = api.get("/v1/albums").await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    assert!(text(&body["error"]["message"]).contains("'All requests per day'"));
    api.emulator.advance_clock(Duration::from_secs(24 * 3600));
    let api = Api { token: api.emulator.grant().access_token, ..api };
    assert_eq!(api.get("/v1/albums").await.0, StatusCode::OK);
}

#[tokio::test]
async fn items_fail_are_lost_or_get_odd_names_on_demand() {
    let api = Api::start().await;
    let album = api.album("A").await;
    api.emulator.faults(|f| {
        f.item_failures.push(ItemFailure { next: 1, ..ItemFailure::new(13) });
    });
    let (a, b) = (api.upload(small_photo(1)).await, api.upload(small_photo(2)).await);
    let (status, body) = api.create(Some(&album), &[(&a, "a.jpg"), (&b, "b.jpg")]).await;
    assert_eq!(status, StatusCode::MULTI_STATUS);
    assert_eq!(body["newMediaItemResults"][0]["status"]["code"], 13);
    assert_eq!(api.album_items(&album, 10).await.len(), 1);

    api.emulator.faults(|f| f.lost_items = 1);
    let lost = api.add(Some(&album), small_photo(3), "c.jpg").await;
    assert_eq!(api.album_items(&album, 10).await.len(), 1);
    assert_eq!(api.get(&format!("/v1/mediaItems/{lost}")).await.0, StatusCode::NOT_FOUND);
    api.emulator.faults(|f| f.lost_items_resolve = true);
    assert_eq!(api.get(&format!("/v1/mediaItems/{lost}")).await.0, StatusCode::OK);
    assert_ne!(api.add(Some(&album), small_photo(3), "c.jpg").await, lost);

    for (n, (odd, expected)) in [
        (FilenameFault::Missing, None),
        (FilenameFault::Slash, Some("from/x.jpg".to_owned())),
        (FilenameFault::Control, Some("a\tb\n\u{1}x.jpg".to_owned())),
        (FilenameFault::Long, Some("x".repeat(250) + "x.jpg")),
        (FilenameFault::Emoji, Some("👩‍👩‍👧 🏖️ x.jpg".to_owned())),
    ]
    .into_iter()
    .enumerate()
    {
        api.emulator.faults(|f| f.filename_fault = Some(odd));
        let item = api.add(None, small_photo(100 + n as u64), "x.jpg").await;
        let (_, item) = api.get(&format!("/v1/mediaItems/{item}")).await;
        assert_eq!(item.get("filename").map(text), expected);
    }
}

#[tokio::test]
async fn a_full_account_and_refused_tokens_create_nothing() {
    let api = Api::start().await;
    let token = api.upload(small_photo(1)).await;
    api.emulator.faults(|f| f.storage_bytes = Some(0));
    let (status, body) = api.create(None, &[(&token, "a.jpg")]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(text(&body["error"]["message"]).starts_with("The remaining storage"));
    api.emulator.faults(|f| {
        f.storage_bytes = None;
        f.upload_tokens_refused = true;
    });
    let (status, body) = api.create(None, &[(&token, "a.jpg")]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(body["error"]["message"], "Request must contain a valid upload token.");
    assert!(api.emulator.dump().items.is_empty());
}

#[tokio::test]
async fn a_barrier_holds_one_call_before_its_effect_or_before_its_answer() {
    let api = Api::start().await;
    let second = api.emulator.barrier(Call::AlbumsCreate, 2, Moment::Request);
    let third = api.emulator.barrier(Call::AlbumsCreate, 3, Moment::Answer);
    let titles = |api: &Api| -> Vec<String> {
        api.emulator.dump().albums.into_iter().map(|album| album.title).collect()
    };
    api.album("one").await;

    let (_, ()) = tokio::join!(api.album("two"), async {
        second.arrived().await;
        assert_eq!(titles(&api), ["one"], "the call has no effect yet");
        second.release();
    });
    let (_, ()) = tokio::join!(api.album("three"), async {
        third.arrived().await;
        assert_eq!(titles(&api), ["one", "two", "three"], "only the answer is missing");
        third.release();
    });
    api.album("four").await;
}

#[tokio::test]
async fn a_barrier_that_is_dropped_before_its_call_comes_holds_nothing() {
    let api = Api::start().await;
    drop(api.emulator.barrier(Call::AlbumsCreate, 1, Moment::Request));
    api.album("one").await;
}
