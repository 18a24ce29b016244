//! The API client against the emulator: correct answers, and each failure that Google documents.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::TryStreamExt;
use futures_util::future::try_join_all;
use gphotosfs::api::{
    Advice, Client, ClientSecret, DateFilter, Error, FailureKind, FinishError, ItemVerdict, Login,
    LoginError, NewItem, Payload, QuotaKind, Scope,
};
use gphotosfs::commands::login::{Attempt, store};
use gphotosfs::media::{
    Album, AlbumId, MediaId, MediaItem, MediaKind, PageToken, UploadToken, VideoStatus,
};
use gphotosfs::profile::Profile;
use gphotosfs_emulator::{Call, Config, Edit, Emulator, Failure, Grant, Injection, ItemFailure};

use crate::support::wait::eventually_asking;
use crate::support::{self, Account, login, payload, sha256};

/// An emulator, and a client that is logged in.
struct World {
    emulator: Emulator,
    client: Client,
    profile: Profile,
    _dir: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let emulator = Emulator::start(Config::default()).await.unwrap();
        let grant = emulator.grant();
        Self::with(emulator, &grant)
    }

    fn with(emulator: Emulator, grant: &Grant) -> Self {
        let account = Account::granted(emulator, grant);
        let client = account.client(crate::support::script::impatient());
        let Account { emulator, profile, dir } = account;
        Self { emulator, client, profile, _dir: dir }
    }

    async fn album(&self) -> Album {
        self.client.create_album("Trip").await.unwrap()
    }

    async fn upload(&self, payload: &Payload) -> NewItem {
        let token = self.client.upload_raw(payload).await.unwrap();
        NewItem { token, file_name: "a.jpg".into(), description: None }
    }

    async fn create(&self, album: Option<&AlbumId>, seed: u64) -> MediaItem {
        let new = self.upload(&photo(seed, 5000)).await;
        self.client.create_items(album, &[new]).await.unwrap().remove(0).unwrap()
    }

    async fn download(&self, base_url: &str, from: u64) -> Result<Vec<u8>, Error> {
        let download = self.client.download(base_url, MediaKind::Photo, from).await?;
        let ahead = (from - download.starts_at) as usize;
        Ok(download.stream.try_collect::<Vec<_>>().await?.concat().split_off(ahead))
    }

    async fn base_url(&self, id: &MediaId) -> String {
        self.client.get_item(id).await.unwrap().base_url.unwrap()
    }

    /// Whether the emulator had nothing to complain about.
    fn assert_conduct(&self) {
        let stats = self.emulator.stats();
        assert_eq!(stats.violations, [] as [String; 0]);
        assert!(stats.writes_peak <= 1, "{}", stats.writes_peak);
    }
}

fn content(seed: u64, size: u64) -> Vec<u8> {
    support::photo(seed, size)
}

fn photo(seed: u64, size: u64) -> Payload {
    payload(&content(seed, size))
}

fn next(failure: Failure) -> Injection {
    Injection { next: 1, ..Injection::new(failure) }
}

/// Everything that a listing gives, page by page.
async fn all<T, F>(page: impl Fn(Option<PageToken>) -> F) -> Vec<T>
where
    F: Future<Output = Result<gphotosfs::api::Page<T>, Error>>,
{
    let (mut items, mut token) = (Vec::new(), None);
    loop {
        let page = page(token).await.unwrap();
        items.extend(page.items);
        token = page.next;
        if token.is_none() {
            return items;
        }
    }
}

#[tokio::test]
async fn every_call_works_on_an_honest_service() {
    let world = World::new().await;
    let client = &world.client;
    let album = world.album().await;
    let bytes = content(1, 5000);
    let new = NewItem { description: Some("first".into()), ..world.upload(&payload(&bytes)).await };
    let made = client.create_items(Some(&album.id), &[new]).await.unwrap().remove(0).unwrap();
    assert_eq!((made.filename.as_str(), made.description.as_str()), ("a.jpg", "first"));
    let second = world.create(None, 2).await;
    client.add_to_album(&album.id, std::slice::from_ref(&second.id)).await.unwrap();

    let listed = all(async |it| client.list_album_items(&album.id, it.as_ref()).await).await;
    assert_eq!(listed.iter().map(|it| &it.id).collect::<Vec<_>>(), [&made.id, &second.id]);
    assert_eq!(client.list_items(None).await.unwrap().items.len(), 2);
    assert_eq!(client.list_albums(None).await.unwrap().items[0].items_count, 2);
    let today = jiff::Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::UTC).date();
    for filter in [
        DateFilter::Day(today),
        DateFilter::Month(today.year(), today.month()),
        DateFilter::Year(today.year()),
        DateFilter::Range(today, today),
    ] {
        client.search_items(filter, None).await.unwrap();
    }

    let strangers = [made.id.clone(), MediaId::new("x".repeat(98))];
    let got = client.get_items(&strangers).await.unwrap();
    let base_url = got[0].as_ref().unwrap().base_url.clone().unwrap();
    assert!(got[1].is_err());
    assert_eq!(world.download(&base_url, 0).await.unwrap(), bytes);
    assert_eq!(world.download(&base_url, 4000).await.unwrap(), bytes[4000..]);
    assert_eq!(client.download_size(&base_url, MediaKind::Photo).await.unwrap(), Some(5000));

    assert_eq!(client.describe_item(&made.id, "second").await.unwrap().description, "second");
    assert_eq!(client.rename_album(&album.id, "Trip/2").await.unwrap().title, "Trip/2");
    client.set_album_cover(&album.id, &second.id).await.unwrap();
    client.remove_from_album(&album.id, &[made.id]).await.unwrap();
    let text = gphotosfs::api::Enrichment::Text("Day 1".into());
    client.add_enrichment(&album.id, &text, &gphotosfs::api::AlbumPosition::First).await.unwrap();
    assert_eq!(client.get_album(&album.id).await.unwrap().title, "Trip/2");
    world.assert_conduct();
}

#[tokio::test]
async fn listings_are_whole_however_the_pages_fall() {
    for kind in 0..4 {
        let world = World::new().await;
        let seed =
            Edit::Seed { album: Some("Big".into()), count: 230, size: 1000, prefix: "I".into() };
        world.emulator.edit(Edit::CreateAlbum { title: "Big".into() }).await.unwrap();
        world.emulator.edit(seed).await.unwrap();
        world.emulator.faults(|it| match kind {
            0 => it.short_pages = true,
            1 => it.empty_pages = true,
            2 => it.overlapping_pages = true,
            _ => it.trailing_page = true,
        });
        let album = world.client.list_albums(None).await.unwrap();
        let id = match album.items.first() {
            Some(album) => album.id.clone(),
            None => all(async |it| world.client.list_albums(it.as_ref()).await).await[0].id.clone(),
        };
        let in_album = all(async |it| world.client.list_album_items(&id, it.as_ref()).await).await;
        let in_library = all(async |it| world.client.list_items(it.as_ref()).await).await;
        for items in [in_album, in_library] {
            let ids: BTreeSet<_> = items.iter().map(|it| it.id.clone()).collect();
            assert_eq!(ids.len(), 230, "kind {kind}");
        }
        world.assert_conduct();
    }
}

#[tokio::test]
async fn reads_get_through_every_transient_failure() {
    let world = World::new().await;
    for failure in [
        Failure::Drop,
        Failure::Stall,
        Failure::Unauthenticated,
        Failure::Aborted,
        Failure::Internal,
        Failure::BadGateway,
        Failure::Unavailable,
        Failure::DeadlineExceeded,
        Failure::Garbage,
        Failure::Html,
    ] {
        world.emulator.faults(|it| it.fail_next(Call::AlbumsList, 1, failure));
        world.client.list_albums(None).await.unwrap_or_else(|error| panic!("{failure:?}: {error}"));
    }
}

#[tokio::test]
async fn writes_are_made_once_and_say_whether_they_may_have_happened() {
    let world = World::new().await;
    for (failure, ambiguous) in [
        (Failure::Drop, true),
        (Failure::Internal, true),
        (Failure::Unavailable, true),
        (Failure::Garbage, true),
        (Failure::Aborted, false),
        (Failure::NotFound, false),
    ] {
        world.emulator.reset_stats();
        world.emulator.faults(|it| it.fail_next(Call::AlbumsCreate, 1, failure));
        let error = world.client.create_album("x").await.unwrap_err();
        assert_eq!(error.may_have_happened(), ambiguous, "{failure:?}: {error}");
        assert_eq!(world.emulator.stats().requests(Call::AlbumsCreate), 1);
    }
}

#[tokio::test]
async fn lost_answer_can_be_settled() {
    let world = World::new().await;
    world.emulator.faults(|it| {
        it.fail_next_after_effect(Call::AlbumsCreate, 1, Failure::Drop);
        it.fail_next_after_effect(Call::MediaItemsBatchCreate, 1, Failure::Stall);
    });
    assert!(world.client.create_album("Trip").await.unwrap_err().may_have_happened());
    let albums = world.client.list_albums(None).await.unwrap().items;
    assert_eq!(albums.iter().map(|it| it.title.as_str()).collect::<Vec<_>>(), ["Trip"]);

    let new = [world.upload(&photo(1, 5000)).await];
    let error = world.client.create_items(Some(&albums[0].id), &new).await.unwrap_err();
    assert!(error.kind() == FailureKind::TimedOut && error.may_have_happened(), "{error}");
    world.client.create_items(Some(&albums[0].id), &new).await.unwrap().remove(0).unwrap();
    let dump = world.emulator.dump();
    assert_eq!((dump.items.len(), dump.albums[0].items.len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_writers_never_meet() {
    let world = World::new().await;
    let album = world.album().await.id;
    world.emulator.faults(|it| it.every_call.latency_ms = 5);
    let item = [world.create(Some(&album), 1).await.id];
    let writers = (0..20).map(|nth| {
        let (client, album, item) = (world.client.clone(), album.clone(), item.clone());
        tokio::spawn(async move {
            match nth % 4 {
                0 => client.create_album("x").await.map(drop),
                1 => client.rename_album(&album, "y").await.map(drop),
                2 => client.add_to_album(&album, &item).await,
                _ => client.describe_item(&item[0], "z").await.map(drop),
            }
        })
    });
    for result in try_join_all(writers).await.unwrap() {
        result.unwrap();
    }
    let stats = world.emulator.stats();
    assert_eq!((stats.writes_peak, stats.too_many_requests), (1, 0));
    world.assert_conduct();
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_token_is_renewed_once_for_everybody() {
    let world = World::new().await;
    world.client.list_albums(None).await.unwrap();
    world.emulator.expire_access_tokens();
    world.emulator.reset_stats();
    let readers = (0..30).map(|_| {
        let client = world.client.clone();
        tokio::spawn(async move { client.list_items(None).await.map(drop) })
    });
    for result in try_join_all(readers).await.unwrap() {
        result.unwrap();
    }
    assert_eq!(world.emulator.stats().requests(Call::OauthToken), 1);
}

#[tokio::test]
async fn token_is_renewed_ahead_of_its_end() {
    let world = World::new().await;
    world.emulator.faults(|it| it.access_token_life_s = 2);
    world.client.list_albums(None).await.unwrap();
    // Nothing but time makes the token old.
    let mut calls = 1;
    let renewed = async || {
        world.client.list_albums(None).await.unwrap();
        calls += 1;
        world.emulator.stats().requests(Call::OauthToken) == 2
    };
    eventually_asking("the token to be renewed", renewed).await;
    let stats = world.emulator.stats();
    assert_eq!(stats.requests(Call::AlbumsList), calls, "a call was refused");
}

#[tokio::test]
async fn revoked_grant_is_final_until_the_next_login() {
    let world = World::new().await;
    world.client.list_albums(None).await.unwrap();
    world.emulator.revoke_grants();
    let error = world.client.list_albums(None).await.unwrap_err();
    assert!(matches!(error, Error::Login(LoginError::Ended(_))), "{error}");
    login::write_grant(
        world.profile.config_dir().unwrap(),
        &world.emulator,
        &world.emulator.grant(),
    );
    world.client.list_albums(None).await.unwrap();
}

#[tokio::test]
async fn missing_scopes_are_known_and_named() {
    let emulator = Emulator::start(Config::default()).await.unwrap();
    let grant = emulator.grant_scopes(&["appendonly"]);
    let world = World::with(emulator, &grant);
    world.client.create_album("x").await.unwrap();
    let error = world.client.list_albums(None).await.unwrap_err();
    assert!(
        error.kind() == FailureKind::ScopeMissing && error.advice() == Advice::Reauthorise,
        "{error}"
    );
    let login = Login::load(&world.profile, &world.emulator.url().parse().unwrap()).unwrap();
    assert_eq!(login.missing_scopes(), [Scope::ReadAppCreated, Scope::EditAppCreated]);
}

#[tokio::test]
async fn login_and_logout_as_with_a_browser() {
    let emulator = Emulator::start(Config::default()).await.unwrap();
    let url = emulator.url().parse().unwrap();
    let client = ClientSecret::parse(&emulator.client_secret_json()).unwrap();
    let attempt = Attempt::begin(client.clone(), &Scope::LIBRARY).await.unwrap();
    let browser = reqwest::get(attempt.url().clone()); // the emulator approves and redirects
    let mut nothing = tokio::sync::mpsc::channel(1).1;
    let (login, page) =
        tokio::join!(attempt.finish(&mut nothing, Duration::from_secs(10)), browser);
    let (client, grant) = login.unwrap();
    assert!(page.unwrap().status().is_success());
    assert_eq!(grant.missing_scopes(), []);

    let dir = tempfile::tempdir().unwrap();
    let profile = Profile::under(dir.path());
    store(&client, &grant, profile.config_dir().unwrap()).unwrap();
    let login = Login::load(&profile, &url).unwrap();
    login.access_token().await.unwrap();
    assert_eq!(emulator.stats().violations, [] as [String; 0]);

    gphotosfs::commands::logout::run(&profile, false).await.unwrap();
    assert!(matches!(Login::load(&profile, &url), Err(LoginError::NotLoggedIn)));
    let oauth = gphotosfs::api::OAuth::open(client).unwrap();
    assert!(!oauth.revoke(&grant).await.unwrap(), "it was still good");
}

#[tokio::test]
async fn daily_quota_stops_calls_until_its_reset() {
    let world = World::new().await;
    world.emulator.faults(|it| it.daily_requests = 3);
    for _ in 0..3 {
        world.client.list_albums(None).await.unwrap();
    }
    for _ in 0..5 {
        let error = world.client.list_albums(None).await.unwrap_err();
        assert!(matches!(error.advice(), Advice::WaitForQuota { .. }), "{error}");
    }
    assert_eq!(world.emulator.stats().requests(Call::AlbumsList), 4);
    assert_eq!(world.client.budget().snapshot(jiff::Timestamp::now()).api, 4);
}

#[tokio::test]
async fn media_requests_have_an_allowance_of_their_own() {
    let world = World::new().await;
    let item = world.create(None, 1).await;
    let base_url = world.base_url(&item.id).await;
    let before = world.client.budget().snapshot(jiff::Timestamp::now());
    world.download(&base_url, 0).await.unwrap();
    world.client.download_size(&base_url, MediaKind::Photo).await.unwrap();
    let after = world.client.budget().snapshot(jiff::Timestamp::now());
    assert_eq!((after.media - before.media, after.api - before.api), (2, 0));
    world.emulator.faults(|it| it.daily_media_requests = 2);
    let error = world.download(&base_url, 0).await.unwrap_err();
    let daily = matches!(error, Error::QuotaExhausted { kind: QuotaKind::Media, .. });
    assert!(daily || matches!(error.advice(), Advice::Retry { after: Some(_) }), "{error}");
    world.client.list_albums(None).await.unwrap();
}

#[tokio::test]
async fn limits_of_the_service_are_told_apart() {
    let world = World::new().await;
    let album = world.album().await.id;
    let item = world.create(Some(&album), 1).await.id;

    let stranger = MediaId::new("x".repeat(98));
    let error = world.client.add_to_album(&album, &[stranger]).await.unwrap_err();
    assert!(error.kind() == FailureKind::InvalidItem, "{error}");

    let forged =
        NewItem { token: UploadToken::new("forged"), file_name: "a.jpg".into(), description: None };
    let error = world.client.create_items(Some(&album), &[forged]).await.unwrap_err();
    assert!(error.kind() == FailureKind::InvalidToken, "{error}");

    world.emulator.faults(|it| it.album_items_max = 1);
    let other = world.create(None, 2).await.id;
    let error = world.client.add_to_album(&album, &[other]).await.unwrap_err();
    assert!(error.kind() == FailureKind::AlbumFull, "{error}");

    world.emulator.faults(|it| it.storage_bytes = Some(0));
    let new = world.upload(&photo(3, 5000)).await;
    let error = world.client.create_items(None, &[new]).await.unwrap_err();
    assert_eq!(error.advice(), Advice::StorageFull, "{error}");

    world.emulator.faults(|it| it.photo_bytes_max = 1000);
    let error = world.client.upload_raw(&photo(4, 5000)).await.unwrap_err();
    assert!(error.kind() == FailureKind::TooLarge, "{error}");

    world.emulator.edit(Edit::DeleteAlbum { album: "Trip".into() }).await.unwrap();
    world.emulator.edit(Edit::DeleteItem { item: item.to_string() }).await.unwrap();
    assert!(world.client.get_album(&album).await.unwrap_err().kind() == FailureKind::AlbumMissing);
    assert!(
        world.client.list_album_items(&album, None).await.unwrap_err().kind()
            == FailureKind::AlbumMissing
    );
    assert!(world.client.get_item(&item).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn each_item_of_a_batch_has_its_own_fate() {
    let world = World::new().await;
    let same = photo(1, 5000);
    let new = [
        world.upload(&same).await,
        world.upload(&payload(b"just words, no picture")).await,
        world.upload(&same).await,
        world.upload(&photo(2, 5000)).await,
    ];
    world.emulator.faults(|it| {
        it.item_failures.push(ItemFailure { skip: 2, next: 1, ..ItemFailure::new(13) })
    });
    let made = world.client.create_items(None, &new).await.unwrap();
    let verdicts: Vec<_> = made.iter().map(|it| it.as_ref().err().map(|it| it.verdict())).collect();
    assert_eq!(
        verdicts,
        [
            None,
            Some(ItemVerdict::Content),
            Some(ItemVerdict::Duplicate),
            Some(ItemVerdict::Transient)
        ]
    );
}

#[tokio::test]
async fn fifty_items_go_in_one_call_and_come_back_in_order() {
    let world = World::new().await;
    let mut new = Vec::new();
    for nth in 0..50 {
        let item = world.upload(&photo(nth, 2000 + nth)).await;
        new.push(NewItem { file_name: format!("{nth}.jpg"), ..item });
    }
    let made = world.client.create_items(None, &new).await.unwrap();
    let names: Vec<_> = made.iter().map(|it| it.as_ref().unwrap().filename.clone()).collect();
    assert_eq!(names, (0..50).map(|it| format!("{it}.jpg")).collect::<Vec<_>>());
    world.assert_conduct();
}

// Uploads.

#[tokio::test]
async fn large_upload_gets_through_breaks_byte_for_byte() {
    let world = World::new().await;
    let bytes = content(1, 12 << 20);
    let payload = payload(&bytes);
    world.emulator.faults(|it| {
        let breaks = &mut it.on(Call::UploadChunk).failures;
        breaks.push(Injection { at_byte: Some(5_000_000), ..next(Failure::Drop) });
        breaks.push(Injection { at_byte: Some(3_000_000), ..next(Failure::Drop) });
        breaks.push(next(Failure::Unavailable));
        it.fail_next(Call::UploadQuery, 1, Failure::Html);
    });
    let session = world.client.start_upload(&payload).await.unwrap();
    let token = world.client.finish_upload(&session, &payload).await.unwrap();
    let new = NewItem { token, file_name: "big.jpg".into(), description: None };
    world.client.create_items(None, &[new]).await.unwrap().remove(0).unwrap();
    assert_eq!(world.emulator.dump().items[0].sha256.as_deref(), Some(sha256(&bytes).as_str()));
    let stats = world.emulator.stats();
    assert!(stats.upload_bytes < 2 * payload.len, "it began anew: {}", stats.upload_bytes);
    world.assert_conduct();
}

#[tokio::test]
async fn finished_session_whose_answer_was_lost_is_gone() {
    let world = World::new().await;
    world.emulator.faults(|it| it.fail_next_after_effect(Call::UploadChunk, 1, Failure::Drop));
    let payload = photo(1, 300_000);
    let session = world.client.start_upload(&payload).await.unwrap();
    let error = world.client.finish_upload(&session, &payload).await.unwrap_err();
    assert!(matches!(error, FinishError::Gone), "{error}");
}

#[tokio::test]
async fn wrong_hash_is_found_out_by_either_protocol() {
    let world = World::new().await;
    let payload = Payload { sha1: [0; 20], ..photo(1, 300_000) };
    assert!(world.client.upload_raw(&payload).await.unwrap_err().kind() == FailureKind::Checksum);
    let session = world.client.start_upload(&payload).await.unwrap();
    let error = world.client.finish_upload(&session, &payload).await.unwrap_err();
    assert!(
        matches!(&error, FinishError::Api(it) if it.kind() == FailureKind::Checksum),
        "{error}"
    );
}

#[tokio::test]
async fn broken_raw_upload_is_left_to_the_caller() {
    let world = World::new().await;
    world.emulator.faults(|it| {
        it.on(Call::UploadRaw)
            .failures
            .push(Injection { at_byte: Some(1000), ..next(Failure::Drop) });
    });
    let payload = photo(1, 2_000_000);
    let error = world.client.upload_raw(&payload).await.unwrap_err();
    assert_eq!(error.advice(), Advice::Retry { after: None }, "{error}");
    world.client.upload_raw(&payload).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_run_in_parallel_beside_a_write() {
    let world = World::new().await;
    world.emulator.faults(|it| {
        it.on(Call::AlbumsCreate).latency_ms = 300;
        it.on(Call::UploadRaw).latency_ms = 50;
    });
    let writing = world.client.create_album("x");
    let uploads = try_join_all((0..4).map(|seed| {
        let client = world.client.clone();
        async move { client.upload_raw(&photo(seed, 1000)).await }
    }));
    let (album, tokens) = tokio::join!(writing, uploads);
    album.unwrap();
    assert_eq!(tokens.unwrap().len(), 4);
    assert!(world.emulator.stats().peak(Call::UploadRaw) > 1);
}

// Downloads.

#[tokio::test]
async fn expired_base_url_is_recognised_and_a_new_one_works() {
    let world = World::new().await;
    let item = world.create(None, 1).await;
    let old = world.base_url(&item.id).await;
    world.emulator.advance_clock(Duration::from_secs(61 * 60));
    let error = world.download(&old, 0).await.unwrap_err();
    assert!(error.kind() == FailureKind::StaleUrl, "{error}");
    world.download(&world.base_url(&item.id).await, 0).await.unwrap();
}

#[tokio::test]
async fn broken_and_stalled_downloads_can_be_gone_on_with() {
    let world = World::new().await;
    let bytes = content(1, 2_000_000);
    let new = world.upload(&payload(&bytes)).await;
    let item = world.client.create_items(None, &[new]).await.unwrap().remove(0).unwrap();
    let base_url = world.base_url(&item.id).await;
    for failure in [Failure::Drop, Failure::Stall] {
        world.emulator.faults(|it| {
            it.on(Call::Download)
                .failures
                .push(Injection { at_byte: Some(1_000_000), ..next(failure) });
        });
        let mut got = Vec::new();
        let mut download = world.client.download(&base_url, MediaKind::Photo, 0).await.unwrap();
        let error = loop {
            match download.stream.try_next().await {
                Ok(chunk) => {
                    got.extend_from_slice(&chunk.expect("the stream ended as if it were whole"))
                }
                Err(error) => break error,
            }
        };
        assert_eq!(error.advice(), Advice::Retry { after: None }, "{failure:?}: {error}");
        got.extend(world.download(&base_url, got.len() as u64).await.unwrap());
        assert!(got == bytes, "{failure:?}");
    }
}

#[tokio::test]
async fn server_without_ranges_gives_the_same_bytes() {
    let world = World::new().await;
    let bytes = content(1, 100_000);
    let new = world.upload(&payload(&bytes)).await;
    let item = world.client.create_items(None, &[new]).await.unwrap().remove(0).unwrap();
    let base_url = world.base_url(&item.id).await;
    for ranges in [true, false] {
        world.emulator.faults(|it| it.photo_ranges = ranges);
        assert!(world.download(&base_url, 70_001).await.unwrap() == bytes[70_001..], "{ranges}");
    }
}

#[tokio::test]
async fn video_tells_whether_it_is_ready() {
    let world = World::new().await;
    world.emulator.faults(|it| it.video_processing_ms = 60_000);
    let video = [&b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom"[..], &[0; 5000]].concat();
    let new = NewItem { file_name: "v.mp4".into(), ..world.upload(&payload(&video)).await };
    let made = world.client.create_items(None, &[new]).await.unwrap().remove(0).unwrap();
    assert_eq!(made.video, Some(VideoStatus::Processing));
    let base_url = world.base_url(&made.id).await;
    assert!(world.client.download(&base_url, MediaKind::Video, 0).await.is_err());
    world.emulator.advance_clock(Duration::from_secs(61));
    let ready = world.client.get_item(&made.id).await.unwrap();
    assert_eq!(ready.video, Some(VideoStatus::Ready));
    world.client.download(&ready.base_url.unwrap(), MediaKind::Video, 0).await.unwrap();
    world.assert_conduct();
}
