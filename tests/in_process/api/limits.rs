//! The order of writers, and the limits of a minute and of a day.

use super::*;

#[tokio::test]
async fn twenty_writers_go_one_at_a_time() {
    let running = Arc::new(AtomicUsize::new(0));
    let peak = Arc::new(AtomicUsize::new(0));
    let (r, p) = (running.clone(), peak.clone());
    let server = Script::start(move |_, _| {
        let (running, peak) = (r.clone(), p.clone());
        async move {
            peak.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            // The server takes its time, so that calls could meet.
            tokio::time::sleep(Duration::from_millis(5)).await;
            running.fetch_sub(1, Ordering::SeqCst);
            json(200, js!({"id": "A"}))
        }
    })
    .await;
    let (client, _dir) = server.client();
    let item = [MediaId::new("i")];
    let writers = (0..20).map(|it| {
        let (client, item) = (client.clone(), &item);
        async move {
            match it % 4 {
                0 => client.create_album("x").await.map(drop),
                1 => client.rename_album(&album(), "y").await.map(drop),
                2 => client.add_to_album(&album(), item).await,
                _ => client.describe_item(&item[0], "z").await.map(drop),
            }
        }
    });
    futures_util::future::try_join_all(writers).await.unwrap();
    assert_eq!((peak.load(Ordering::SeqCst), server.seen().len()), (1, 20));
}

#[tokio::test]
async fn one_429_holds_all_writers_back_but_no_reader() {
    let server = Script::start(|nth, seen| async move {
        if nth == 0 {
            return refusal(
                429,
                "Quota exceeded for quota 'concurrent write request' of service 'x'.",
            );
        }
        json(200, js!({"id": seen.path}))
    })
    .await;
    let (client, _dir) = server.client();
    let items = [MediaId::new("a")];
    let error = client.add_to_album(&AlbumId::new("A"), &items).await.unwrap_err();
    assert!(matches!(error.advice(), Advice::PauseWrites { .. }) && !error.may_have_happened());
    assert!(client.write_pause_left().is_some());
    let begun = Instant::now();
    client.list_items(None).await.unwrap();
    assert!(client.write_pause_left().is_some(), "the read waited, too: {:?}", begun.elapsed());
    client.create_album("x").await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(150), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn the_next_write_waits_for_a_write_whose_caller_was_cancelled() {
    let arrived = Arc::new(tokio::sync::Notify::new());
    let let_go = Arc::new(tokio::sync::Notify::new());
    let (a, l) = (arrived.clone(), let_go.clone());
    let server = Script::start(move |nth, _| {
        let (arrived, let_go) = (a.clone(), l.clone());
        async move {
            if nth == 0 {
                arrived.notify_one();
                let_go.notified().await;
            }
            json(200, js!({"id": "A"}))
        }
    })
    .await;
    let (client, _dir) = server.client();
    tokio::select! {
        _ = client.create_album("left alone") => panic!("it was answered"),
        () = arrived.notified() => {}
    }
    let mut second = std::pin::pin!(client.create_album("next"));
    let early = tokio::time::timeout(Duration::from_millis(100), &mut second).await;
    assert!(early.is_err() && server.seen().len() == 1, "it did not wait");
    let_go.notify_one();
    second.await.unwrap();
}

#[tokio::test]
async fn calls_that_nobody_repeats_wait_out_a_short_term_429() {
    let server = Script::start(|nth, _| async move {
        if nth % 2 == 0 { refusal(429, "Quota exceeded.") } else { json(200, js!({"id": "a"})) }
    })
    .await;
    let (client, _dir) = server.client();
    client.list_albums(None).await.unwrap();
    client.create_album("A").await.unwrap();
    client.rename_album(&AlbumId::new("a"), "B").await.unwrap();
    client.describe_item(&MediaId::new("a"), "It is so.").await.unwrap();
    assert_eq!(server.seen().len(), 8);
}

#[tokio::test]
async fn requests_are_counted_and_a_daily_429_stops_them() {
    let daily = "Quota exceeded for quota metric 'All requests' and limit 'All requests per day' of service 'x'";
    let server = Script::start(move |nth, _| async move {
        if nth < 3 { json(200, js!({})) } else { refusal(429, daily) }
    })
    .await;
    let (client, _dir) = server.client();
    for _ in 0..3 {
        client.list_items(None).await.unwrap();
    }
    assert_eq!(client.budget().snapshot(jiff::Timestamp::now()).api, 3);
    let error = client.list_items(None).await.unwrap_err();
    assert!(matches!(error, Error::QuotaExhausted { kind: QuotaKind::Api, .. }), "{error}");
    let Advice::WaitForQuota { until } = error.advice() else { panic!("{error}") };
    assert!(until > jiff::Timestamp::now());
    assert!(matches!(client.create_album("x").await, Err(Error::QuotaExhausted { .. })));
    assert_eq!(server.seen().len(), 4);
}
