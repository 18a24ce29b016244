//! A service with errors, through a real mount: each copied file arrives once.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use gphotosfs::api::next_reset;
use gphotosfs_emulator::{Call, Failure, Faults, Injection, ItemFailure};

use crate::support::ledger::Ledger;
use crate::support::wait::let_pass;
use crate::support::{World, jpeg, wait_for};

/// Waits made for Google's sake are shorter by this.
const PACE: (&str, &str) = ("GPHOTOSFS_UNSTABLE_PACE", "20");

fn sometimes(failure: Failure, rate: f64) -> Injection {
    Injection { rate, ..Injection::new(failure) }
}

/// The failures of a week at Google, all at the same time.
fn unwell() -> Vec<Injection> {
    vec![
        sometimes(Failure::Unavailable, 0.05),
        Injection { after_effect: true, ..sometimes(Failure::Drop, 0.02) },
        Injection { after_effect: true, ..sometimes(Failure::Garbage, 0.01) },
    ]
}

/// Waits for the uploads however long it takes, within reason.
fn drain(world: &World) {
    let ended = (0..5).any(|_| world.sh_outcome("sync mnt").status.success());
    assert!(ended, "{}", world.log());
}

fn a_bad_day(files: u32) {
    let world = World::new();
    world.emulator.faults(|faults| {
        faults.every_call.latency_ms = 20;
        faults.every_call.failures = unwell();
        faults.item_failures = vec![ItemFailure { rate: 0.05, ..ItemFailure::new(13) }];
        faults.access_token_life_s = 3;
        faults.short_pages = true;
    });
    world.emulator.expire_access_tokens();
    world.mount_with(&[PACE], &[]);
    world.sh("mkdir mnt/A mnt/B");
    world.emulator.reset_stats();
    let begun = Instant::now();
    let mut ledger = Ledger::default();
    std::thread::scope(|scope| {
        let copy = scope.spawn(|| {
            for at in 0..files {
                let dir = if at % 3 == 0 { "B" } else { "A" };
                // Each tenth has the same bytes as an earlier one, in the same album or in the other.
                let seed = if at % 10 == 9 { at - at % 4 - 1 } else { at };
                let bytes = jpeg(seed, 5000 + seed as usize % 7 * 4000);
                ledger.write(&world.mnt, &format!("{dir}/{at:04}.jpg"), &bytes).unwrap();
                // Slow enough for the faults to come in the middle.
                let_pass(Duration::from_millis(6000 / u64::from(files)));
            }
        });
        let faults = |change: fn(&mut Faults)| world.emulator.faults(change);
        let_pass(Duration::from_secs(1));
        faults(|faults| faults.upload_tokens_refused = true);
        let_pass(Duration::from_secs(1));
        faults(|faults| faults.upload_tokens_refused = false);
        let_pass(Duration::from_secs(1));
        // Whatever was uploaded before is too old now: one such file spoils its whole batch.
        world.emulator.advance_clock(Duration::from_secs(25 * 3600));
        let_pass(Duration::from_secs(1));
        faults(|faults| faults.every_call.failures = vec![sometimes(Failure::Drop, 1.0)]);
        let_pass(Duration::from_secs(10));
        faults(|faults| faults.every_call.failures = unwell());
        copy.join().unwrap();
    });
    drain(&world);
    let (took, stats) = (begun.elapsed(), world.emulator.stats());
    // Listings in pieces and with failures are complete.
    let refreshed = || world.run(&["refresh", world.mnt.join("A").to_str().unwrap()]).status;
    assert!((0..5).any(|_| refreshed().success()), "{}", world.log());
    world.emulator.faults(|faults| *faults = Faults::default());
    ledger.audit(&world);
    eprintln!(
        "{files} files on a bad day in {took:.1?}, {:.2} requests a file; lost 0, duplicate items 0, \
         duplicate album entries 0, wrong bytes 0",
        stats.requests.values().sum::<u64>() as f64 / f64::from(files),
    );
    world.umount();
}

#[test]
fn two_hundred_files_arrive_once_on_a_bad_day() {
    a_bad_day(200);
}

#[test]
#[ignore = "takes minutes"]
fn a_thousand_files_arrive_once_on_a_bad_day() {
    a_bad_day(1000);
}

#[test]
fn no_album_is_made_twice_when_answers_are_lost() {
    let world = World::new();
    world.emulator.faults(|faults| {
        let lost = Injection { after_effect: true, ..sometimes(Failure::Drop, 0.2) };
        faults.on(Call::AlbumsCreate).failures = vec![lost];
    });
    world.mount_with(&[PACE], &[]);
    for at in 0..30 {
        // As anybody would: once more if it fails.
        world.sh(&format!("mkdir mnt/{at} || mkdir mnt/{at} || test -d mnt/{at}"));
    }
    let titles: Vec<_> = world.emulator.dump().albums.into_iter().map(|it| it.title).collect();
    let once: BTreeSet<_> = titles.iter().cloned().collect();
    assert_eq!(once.len(), titles.len(), "duplicates among {titles:?}");
    assert_eq!(once, (0..30).map(|at: u32| at.to_string()).collect());
    let stats = world.emulator.stats();
    let (asked, listed) = (stats.requests(Call::AlbumsCreate), stats.requests(Call::AlbumsList));
    assert!(listed > 2, "no answer was lost");
    eprintln!("30 albums, {asked} albums.create, {listed} albums.list, duplicates 0");
    assert_eq!(world.names("").len(), 30);
    world.umount();
}

#[test]
fn files_beyond_the_limit_of_an_album_are_kept_and_the_rest_arrives() {
    let world = World::new();
    world.emulator.faults(|faults| faults.album_items_max = 10);
    world.mount_with(&[PACE], &[]);
    world.sh("mkdir mnt/A mnt/B");
    for at in 0..13 {
        world.photo(&format!("photo/{at:02}.jpg"), at, 5000);
    }
    world.photo("other.jpg", 99, 5000);
    let outcome = world.sh_outcome("cp photo/* mnt/A/ && cp other.jpg mnt/B/ && sync mnt");
    assert!(!outcome.status.success(), "sync tells of the three");
    assert_eq!(world.remote("A").len(), 10);
    assert_eq!(world.remote("B"), ["other.jpg"]);
    let failed = world.names(".gphotos/failed/A");
    assert_eq!((failed.len(), world.names("A").len()), (3, 10), "{failed:?}");
    for name in failed {
        world.sh(&format!("cmp photo/{name} mnt/.gphotos/failed/A/{name}"));
    }
}

#[test]
fn a_used_up_quota_stops_the_queue_until_the_reset() {
    let world = World::new();
    world.mount_with(&[PACE], &[]);
    world.sh("mkdir mnt/A");
    let spent = world.emulator.stats().api_requests_today;
    world.emulator.faults(|faults| faults.daily_requests = spent + 20);
    let mut ledger = Ledger::default();
    let mut write = |at: u32| {
        ledger.write(&world.mnt, &format!("A/{at}.jpg"), &jpeg(at, 20_000)).unwrap();
    };
    (0..40).for_each(&mut write);
    let status = || -> serde_json::Value {
        serde_json::from_slice(&fs::read(world.mnt.join(".gphotos/status.json")).unwrap()).unwrap()
    };
    wait_for("the queue to stop", || status()["trouble"]["kind"] == "quota");
    let now = jiff::Timestamp::now();
    let reset: jiff::Timestamp =
        status()["quota"]["blocked_until"].as_str().unwrap().parse().unwrap();
    // Shortly after midnight it is not clear whose day has ended: the next try is soon.
    let blur = jiff::SignedDuration::from_mins(15);
    let midnight_was_just_now = next_reset(now - blur) != next_reset(now);
    let soon = midnight_was_just_now && reset <= now + blur;
    assert!(soon || reset == next_reset(now), "{reset}");
    assert!(world.log().contains("uploads wait"), "{}", world.log());
    // Nothing is asked in vain meanwhile, and copying goes on.
    let requests = || world.emulator.stats().requests.values().sum::<u64>();
    let before = requests();
    (40..60).for_each(&mut write);
    let_pass(Duration::from_secs(1));
    assert_eq!(requests(), before);
    assert_eq!(status()["queue"]["failed"], 0);

    // Midnight passes while nothing is mounted: nobody can wait for it here.
    let left = world.run(&["umount", "--now", world.mnt.to_str().unwrap()]);
    assert!(left.status.success(), "{left:?}");
    let kept = rusqlite::Connection::open(world.dir.path().join(DATABASE)).unwrap();
    let changed = kept
        .execute(
            "UPDATE meta SET value = json_set(value, '$.api_blocked_until', '2020-01-01T08:00:00Z', \
             '$.day', '2020-01-01') WHERE key = 'budget' AND value LIKE ?1",
            [format!("%{reset}%")],
        )
        .unwrap();
    assert_eq!(changed, 1, "the block is kept across mounts");
    drop(kept);
    world.emulator.faults(|faults| faults.daily_requests = 10_000);
    world.mount_with(&[PACE], &[]);
    ledger.audit(&world);
    world.umount();
}

const DATABASE: &str = "state/gphotosfs/default/gphotosfs.db";
