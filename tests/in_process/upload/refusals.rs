//! Whose fault a refusal is: the service's, for which files wait, or one file's own.

use gphotosfs_emulator::{FileFault, FileMatch, Stage};

use super::*;

const QUOTA: &str = "Quota exceeded for quota metric 'Write requests'.";
const STORAGE: &str = "The remaining storage in the user's account is not enough.";

/// Answers that do not come from the API.
const FOREIGN: [Failure; 6] = [
    Failure::BareStatus { http: 400, code: 3 },
    Failure::HtmlPage { http: 400 },
    Failure::HtmlPage { http: 404 },
    Failure::HtmlPage { http: 413 },
    Failure::Empty { http: 400 },
    Failure::Empty { http: 200 },
];

fn always(failure: Failure) -> Injection {
    Injection { rate: 1.0, ..Injection::new(failure) }
}

pub(super) fn poison(world: &World, file: FileMatch, at: Stage, failure: Failure) {
    world.emulator.faults(|faults| faults.file_faults = vec![FileFault { file, at, failure }]);
}

fn item_failure(code: i32, text: Option<&str>) -> ItemFailure {
    ItemFailure { rate: 1.0, message: text.map(str::to_owned), ..ItemFailure::new(code) }
}

impl World {
    fn write_all(&self, dir: DirId, seeds: std::ops::Range<u64>) {
        for seed in seeds {
            self.write(dir, &format!("{seed}.jpg"), &small_photo(seed));
        }
    }

    fn assert_all_there(&self, dir: DirId, title: &str, seeds: std::ops::Range<u64>) {
        let (mut there, mut all) = (self.remote(title), photos(seeds));
        there.sort_unstable();
        all.sort_unstable();
        assert_eq!(there, all);
        assert_eq!(self.failed(dir), []);
    }

    fn blocked(&self) -> Option<BlockedReason> {
        self.pipeline.queue().unwrap().blocked.map(|it| it.reason)
    }

    pub(super) fn failing(&self) -> Vec<String> {
        self.pipeline.queue().unwrap().failing.into_iter().map(|it| it.path).collect()
    }

    /// Writes one good file after the other, each after the one before has arrived, until one is
    /// refused.
    async fn write_until_one_is_refused(&self, dir: DirId) -> Vec<(String, FileId)> {
        // Somebody waits, so that batches are sent at once.
        let pipeline = self.pipeline.clone();
        let waiting = tokio::spawn(async move { pipeline.drain(SyncScope::All).await });
        for seed in 1000..1100 {
            self.write(dir, &format!("{seed}.jpg"), &small_photo(seed));
            let hash = sha256(&small_photo(seed));
            self.until(|world| world.remote("one").contains(&hash)).await;
            if !self.failed(dir).is_empty() {
                break;
            }
        }
        waiting.abort();
        self.failed(dir)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_not_the_apis_refuse_no_file() {
    for failure in FOREIGN {
        let world = World::new().await;
        let dir = world.album("one").await;
        let calls = [Call::UploadRaw, Call::MediaItemsBatchCreate];
        world.emulator.faults(|faults| {
            calls.iter().for_each(|call| faults.on(*call).failures.push(always(failure)));
        });
        world.write_all(dir, 0..6);
        for (call, attempts) in calls.into_iter().zip([12, 7]) {
            let many = |world: &World| world.emulator.stats().requests(call) >= attempts;
            world.until(many).await;
            world.until(|world| world.blocked() == Some(BlockedReason::ServerError)).await;
            world.emulator.faults(|faults| faults.on(call).failures.clear());
        }
        world.drain().await.unwrap();
        world.assert_all_there(dir, "one", 0..6);
        world.assert_clean();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn items_that_all_fail_alike_are_an_outage_whatever_the_code() {
    for (code, text, reason) in [
        (13, None, BlockedReason::ServerError),
        (8, None, BlockedReason::ServerError),
        (3, Some(QUOTA), BlockedReason::ServerError),
        (3, None, BlockedReason::ServerError),
        (9, None, BlockedReason::ServerError),
        (3, Some(STORAGE), BlockedReason::StorageFull),
        (7, None, BlockedReason::Login),
        (16, None, BlockedReason::Login),
    ] {
        let world = World::new().await;
        let dir = world.album("one").await;
        world.emulator.faults(|faults| faults.item_failures = vec![item_failure(code, text)]);
        world.write_all(dir, 0..6);
        let many =
            |world: &World| world.emulator.stats().requests(Call::MediaItemsBatchCreate) >= 12;
        world.until(many).await;
        assert_eq!(world.blocked(), Some(reason), "{code}");
        let outage = world.pipeline.queue().unwrap().blocked.unwrap();
        assert!(outage.text.contains("code"), "{outage:?}");
        world.emulator.faults(|faults| faults.item_failures.clear());
        world.until(|world| world.blocked().is_none()).await;
        world.drain().await.unwrap();
        world.assert_all_there(dir, "one", 0..6);
        world.assert_clean();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_file_that_fails_for_ever_is_refused_while_others_arrive() {
    let bytes = FileMatch::sha256(&sha256(&small_photo(1)));
    for (at, failure) in [
        (Stage::Upload, Failure::NoToken),
        (Stage::Upload, Failure::Drop),
        (Stage::Create, Failure::Internal),
        (Stage::Create, Failure::Drop),
    ] {
        let world = World::new().await;
        let dir = world.album("one").await;
        poison(&world, bytes.clone(), at, failure);
        let file = world.write(dir, "poison.jpg", &small_photo(1));
        let refused = world.write_until_one_is_refused(dir).await;
        assert_eq!(refused, [("poison.jpg".into(), file)], "{at:?} {failure:?}");
        assert_eq!(std::fs::read(world.pipeline.spool().path(file)).unwrap(), small_photo(1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_item_that_fails_for_ever_is_refused_while_others_arrive() {
    for (code, text) in
        [(13, None), (7, None), (8, Some(STORAGE)), (16, None), (3, Some(QUOTA)), (3, None)]
    {
        let world = World::new().await;
        let dir = world.album("one").await;
        let failure =
            ItemFailure { file: FileMatch::name("poison.jpg"), ..item_failure(code, text) };
        world.emulator.faults(|faults| faults.item_failures = vec![failure]);
        let file = world.write(dir, "poison.jpg", &small_photo(1));
        let refused = world.write_until_one_is_refused(dir).await;
        assert_eq!(refused, [("poison.jpg".into(), file)], "{code}");
        let reason = world.store.file(file).unwrap().unwrap().error.unwrap();
        assert!(reason.contains(&format!("code {code}")), "{reason}");
    }
}

/// > If Google refuses one photo of an answer for a full account or for the login, and takes others, the
/// > other photos go on. `status` names the one.
#[tokio::test(flavor = "multi_thread")]
async fn one_item_for_which_the_account_would_be_full_holds_up_no_other() {
    for (code, text) in [(8, Some(STORAGE)), (16, None), (7, None)] {
        let world = World::new().await;
        let dir = world.album("one").await;
        let failure =
            ItemFailure { file: FileMatch::name("poison.jpg"), ..item_failure(code, text) };
        world.emulator.faults(|faults| faults.item_failures = vec![failure]);
        world.write(dir, "poison.jpg", &small_photo(99));
        world.write_all(dir, 0..6);
        world
            .until(|world| {
                let queue = world.pipeline.queue().unwrap();
                queue.failing.first().is_some_and(|it| it.attempts >= 3)
            })
            .await;
        assert_eq!((world.failing(), world.blocked()), (vec!["one/poison.jpg".into()], None));
        world.assert_all_there(dir, "one", 0..6);
        // Nobody else succeeds meanwhile.
        let before = world.emulator.stats().requests(Call::MediaItemsBatchCreate);
        world
            .until(|world| {
                world.emulator.stats().requests(Call::MediaItemsBatchCreate) >= before + 2
            })
            .await;
        assert_eq!(world.blocked(), None, "{code}");
        world.write(dir, "later.jpg", &small_photo(6));
        world.until(|world| world.remote("one").len() == 7).await;
        assert_eq!(world.failed(dir), []);
        world.emulator.faults(|faults| faults.item_failures.clear());
        world.drain().await.unwrap();
        assert_eq!((world.remote("one").len(), world.failing()), (8, vec![]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_fails_alone_waits_and_is_named() {
    let bytes = FileMatch::sha256(&sha256(&small_photo(1)));
    for (at, failure) in [(Stage::Upload, Failure::NoToken), (Stage::Create, Failure::Internal)] {
        let world = World::new().await;
        let dir = world.album("one").await;
        poison(&world, bytes.clone(), at, failure);
        world.write(dir, "poison.jpg", &small_photo(1));
        world.until(|world| world.failing() == ["one/poison.jpg"]).await;
        let queue = world.pipeline.queue().unwrap();
        assert!(queue.failing[0].attempts >= 2 && !queue.failing[0].error.is_empty(), "{queue:?}");
        assert_eq!(queue.time_left, None);
        // A later file does not wait for it.
        world.write(dir, "good.jpg", &small_photo(2));
        world.until(|world| world.remote("one") == photos([2])).await;
        assert_eq!(world.failed(dir), []);
        world.emulator.faults(|faults| faults.file_faults.clear());
        world.drain().await.unwrap();
        world.assert_all_there(dir, "one", 1..3);
        assert_eq!(world.failing(), [""; 0]);
    }
}

const BROKEN: [&[u8]; 2] =
    [b"\xff\xd8\xff\xe0 but nothing behind it", b"\xff\xd8\xff\xe0 nor behind this one"];

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_picture_alone_is_refused() {
    let world = World::new().await;
    let dir = world.album("one").await;
    let broken = world.write(dir, "1.jpg", BROKEN[0]);
    assert!(matches!(world.drain().await, Err(DrainError::Failed { count: 1 })));
    assert_eq!(world.failed(dir), [("1.jpg".into(), broken)]);
}

/// > A JPEG that Google calls broken goes to `.gphotos/failed` at once if it lacks its picture or breaks
/// > off in it. Another file that Google calls broken goes there once it is alone in the queue or a file
/// > has arrived, and otherwise after a day.
#[tokio::test(flavor = "multi_thread")]
async fn broken_pictures_are_refused_although_nothing_else_arrives() {
    let world = World::new().await;
    let dir = world.album("one").await;
    for (at, bytes) in BROKEN.into_iter().enumerate() {
        world.write(dir, &format!("{at}.jpg"), bytes);
    }
    let whole = small_photo(1);
    world.write(dir, "cut.jpg", &whole[..whole.len() - 100]);
    assert!(matches!(world.drain().await, Err(DrainError::Failed { count: 3 })));
    assert_eq!(world.failed(dir).len(), 3);
    assert_eq!(world.blocked(), None);
    world.write(dir, "good.jpg", &whole);
    world.until(|world| world.remote("one") == photos([1])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_pictures_that_google_calls_broken_wait_for_a_good_one() {
    let world = World::new().await;
    let dir = world.album("one").await;
    let bad = |name: &str| ItemFailure {
        file: FileMatch::name(name),
        ..item_failure(3, Some("BAD_IMAGE: There was an error."))
    };
    world.emulator.faults(|faults| faults.item_failures = vec![bad("1.jpg"), bad("2.jpg")]);
    world.write_all(dir, 1..3);
    world.until(|world| world.blocked() == Some(BlockedReason::ServerError)).await;
    let many = |world: &World| world.emulator.stats().requests(Call::MediaItemsBatchCreate) >= 12;
    world.until(many).await;
    assert_eq!(world.failed(dir), []);
    world.write(dir, "good.jpg", &small_photo(3));
    assert!(matches!(world.drain().await, Err(DrainError::Failed { count: 2 })));
    assert_eq!((world.remote("one"), world.failed(dir).len()), (photos([3]), 2));
    assert_eq!(world.blocked(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_elsewhere_refuses_no_file() {
    let world = World::new().await;
    let dir = world.album("one").await;
    let elsewhere = Some("http://elsewhere.invalid:1".to_owned());
    world.emulator.faults(|faults| faults.session_origin = elsewhere);
    world.write(dir, "big.jpg", &support::photo(7, 9 << 20));
    world.until(|world| world.emulator.stats().requests(Call::UploadStart) >= 8).await;
    assert_eq!(world.failing(), ["one/big.jpg"]);
    world.emulator.faults(|faults| faults.session_origin = None);
    world.drain().await.unwrap();
    assert_eq!((world.remote("one").len(), world.failed(dir)), (1, vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_with_a_line_break_is_passed_on_as_it_came() {
    let world = World::new().await;
    let dir = world.album("one").await;
    world.emulator.faults(|faults| faults.line_break_in_upload_tokens = true);
    world.write_all(dir, 0..3);
    world.drain().await.unwrap();
    world.assert_all_there(dir, "one", 0..3);
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_google_never_takes_refuse_no_file() {
    let world = World::new().await;
    let dir = world.album("one").await;
    world.emulator.faults(|faults| faults.upload_tokens_refused = true);
    world.write_all(dir, 0..3);
    world.until(|world| world.emulator.stats().requests(Call::UploadRaw) >= 20).await;
    world.emulator.faults(|faults| faults.upload_tokens_refused = false);
    world.drain().await.unwrap();
    world.assert_all_there(dir, "one", 0..3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_addition_that_a_page_refuses_is_made_later() {
    let world = World::new().await;
    let (one, two) = (world.album("one").await, world.album("two").await);
    world.write_all(one, 0..3);
    world.drain().await.unwrap();
    world.emulator.faults(|faults| {
        faults.on(Call::AlbumsBatchAdd).failures.push(always(Failure::HtmlPage { http: 404 }));
    });
    world.write_all(two, 0..3);
    world.until(|world| world.emulator.stats().requests(Call::AlbumsBatchAdd) >= 8).await;
    world.emulator.faults(|faults| faults.on(Call::AlbumsBatchAdd).failures.clear());
    world.drain().await.unwrap();
    world.assert_all_there(two, "two", 0..3);
    assert_eq!(world.emulator.dump().items.len(), 3);
}

/// All of these answers at random, until the last file has arrived.
async fn storm(files: u64, seed: u64) {
    let world = World::new().await;
    let dir = world.album("one").await;
    world.emulator.faults(|faults| {
        faults.seed = seed;
        let some = |rate, failure| Injection { rate, ..Injection::new(failure) };
        for call in [
            Call::UploadRaw,
            Call::MediaItemsBatchCreate,
            Call::MediaItemsBatchGet,
            Call::MediaItemsGet,
        ] {
            let failures = &mut faults.on(call).failures;
            failures.extend(FOREIGN.map(|failure| some(0.05, failure)));
            failures.extend([Failure::Drop, Failure::Internal].map(|it| some(0.03, it)));
        }
        for (code, text) in
            [(13, None), (8, None), (7, None), (16, None), (3, Some(STORAGE)), (3, Some(QUOTA))]
        {
            let failure = ItemFailure { rate: 0.02, ..item_failure(code, text) };
            faults.item_failures.push(failure);
        }
    });
    world.write_all(dir, 0..files);
    world.until(|world| world.store.backlog().unwrap().left() == 0).await;
    world.assert_all_there(dir, "one", 0..files);
    assert_eq!(world.emulator.dump().items.len() as u64, files, "nothing is there twice");
    let requests: u64 = world.emulator.stats().requests.values().sum();
    eprintln!(
        "{files} files through a storm of refusals, {requests} requests; lost 0, twice 0, condemned 0"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_files_get_through_a_storm_of_refusals() {
    storm(100, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes"]
async fn a_thousand_files_get_through_a_storm_of_refusals() {
    for seed in 1..=3 {
        storm(1000, seed).await;
    }
}
