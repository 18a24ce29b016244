//! A storm of refusals and of lists that lack something, through a real mount: each photo arrives once, and nothing is
//! condemned.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use gphotosfs_emulator::{
    Call, CallFaults, Failure, Faults, Injection, ItemFailure, ListingFault, Omission,
};
use serde_json::Value;

use crate::support::wait::wait_within;
use crate::support::{World, camera_jpeg, jpeg, wait_for};

/// Waits made for Google's sake are shorter by this.
const PACE: (&str, &str) = ("GPHOTOSFS_UNSTABLE_PACE", "50");
const STORAGE: &str = "The remaining storage in the user's account is not enough.";
const QUOTA: &str = "Quota exceeded for quota metric 'Write requests'.";
/// So large that it is sent in a session.
const LARGE_BYTES: usize = 9 << 20;

/// An answer that Google gives to everybody for a while.
struct Gust {
    name: &'static str,
    /// The call that meets it, or any, and how often before the next one begins.
    call: Option<Call>,
    times: u64,
    begin: fn(&mut Faults),
}

fn always(failure: Failure) -> Injection {
    Injection { rate: 1.0, ..Injection::new(failure) }
}

fn item(code: i32, text: Option<&str>, rate: f64) -> ItemFailure {
    ItemFailure { rate, message: text.map(str::to_owned), ..ItemFailure::new(code) }
}

fn fail(faults: &mut Faults, call: Call, failure: Failure) {
    faults.on(call).failures.insert(0, always(failure));
}

fn fail_items(faults: &mut Faults, code: i32, text: Option<&str>) {
    faults.item_failures.insert(0, item(code, text, 1.0));
}

fn lie(faults: &mut Faults, call: Call, omission: Omission) {
    faults.listing_faults.push(ListingFault { call, album: None, passes: u32::MAX, omission });
}

const QUOTA_400: Failure = Failure::BareStatus { http: 400, code: 3 };
const CREATE: Call = Call::MediaItemsBatchCreate;

const GUSTS: [Gust; 13] = [
    Gust {
        name: "a page with 413",
        call: Some(Call::UploadRaw),
        times: 4,
        begin: |faults| fail(faults, Call::UploadRaw, Failure::HtmlPage { http: 413 }),
    },
    Gust {
        name: "a bare quota refusal of uploads",
        call: Some(Call::UploadRaw),
        times: 4,
        begin: |faults| fail(faults, Call::UploadRaw, QUOTA_400),
    },
    Gust {
        name: "a page with 404",
        call: Some(CREATE),
        times: 4,
        begin: |faults| fail(faults, CREATE, Failure::HtmlPage { http: 404 }),
    },
    Gust {
        name: "a bare quota refusal of creations",
        call: Some(CREATE),
        times: 4,
        begin: |faults| fail(faults, CREATE, QUOTA_400),
    },
    Gust {
        name: "an account that seems full",
        call: Some(CREATE),
        times: 3,
        begin: |faults| fail_items(faults, 3, Some(STORAGE)),
    },
    Gust {
        name: "items that nobody may make",
        call: Some(CREATE),
        times: 3,
        begin: |faults| fail_items(faults, 7, None),
    },
    Gust {
        name: "items of a login that seems refused",
        call: Some(CREATE),
        times: 3,
        begin: |faults| fail_items(faults, 16, None),
    },
    Gust {
        name: "a quota in the place of items",
        call: Some(CREATE),
        times: 4,
        begin: |faults| fail_items(faults, 3, Some(QUOTA)),
    },
    Gust {
        name: "a session elsewhere",
        call: Some(Call::UploadStart),
        times: 3,
        begin: |faults| faults.session_origin = Some("http://elsewhere.invalid:1".to_owned()),
    },
    Gust {
        name: "tokens with a line break",
        call: Some(CREATE),
        times: 2,
        begin: |faults| faults.line_break_in_upload_tokens = true,
    },
    Gust {
        name: "short lists of items with honest counts",
        call: Some(Call::MediaItemsSearch),
        times: 2,
        begin: |faults| lie(faults, Call::MediaItemsSearch, Omission::EndsAfter(0)),
    },
    Gust {
        name: "lists that forget the album",
        call: Some(Call::AlbumsList),
        times: 1,
        begin: |faults| lie(faults, Call::AlbumsList, Omission::Forgets("A".to_owned())),
    },
    Gust {
        name: "a page with 400 for everything",
        call: None,
        times: 4,
        begin: |faults| {
            faults.calls.clear();
            faults.every_call.failures = vec![always(Failure::HtmlPage { http: 400 })];
        },
    },
];

/// The same answers now and then, all the time.
fn drizzle(seed: u64) -> Faults {
    let mut faults = Faults { seed, ..Faults::default() };
    let some = |rate, failure| Injection { rate, ..Injection::new(failure) };
    let failures: Vec<_> = [
        some(0.03, QUOTA_400),
        some(0.03, Failure::HtmlPage { http: 400 }),
        some(0.03, Failure::HtmlPage { http: 404 }),
        some(0.03, Failure::HtmlPage { http: 413 }),
        some(0.02, Failure::Empty { http: 200 }),
        some(0.02, Failure::Drop),
    ]
    .into();
    for call in [Call::UploadRaw, CREATE, Call::MediaItemsBatchGet, Call::MediaItemsSearch] {
        faults
            .calls
            .insert(call, CallFaults { failures: failures.clone(), ..CallFaults::default() });
    }
    for (code, text) in
        [(13, None), (8, None), (7, None), (16, None), (3, Some(STORAGE)), (3, Some(QUOTA))]
    {
        faults.item_failures.push(item(code, text, 0.02));
    }
    faults
}

fn status(world: &World) -> Value {
    serde_json::from_slice(&world.run(&["status", "--json"]).stdout).unwrap()
}

/// Writes photos, a share of them for each gust.
fn take_photos(world: &World, files: u32, quality: &str) {
    let dir = world.dir.path().join("photo");
    fs::create_dir(&dir).unwrap();
    for at in 0..files {
        let photo = if quality == "saver" { camera_jpeg(at, (900, 700)) } else { jpeg(at, 5000) };
        let gust = at as usize % GUSTS.len();
        fs::write(dir.join(format!("{gust:02}-{at:04}.jpg")), photo).unwrap();
    }
}

/// How long a gust may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Copies a share of the photos into the mount in each gust.
fn copy_through_all_gusts(world: &World, files: u32, seed: u64) {
    for (at, gust) in GUSTS.iter().enumerate() {
        world.emulator.faults(|faults| {
            *faults = drizzle(seed + at as u64);
            (gust.begin)(faults);
        });
        let asked = || {
            let stats = world.emulator.stats();
            gust.call.map_or_else(|| stats.requests.values().sum(), |call| stats.requests(call))
        };
        let before = asked();
        world.sh(&format!("cp photo/{at:02}-*.jpg mnt/A/"));
        match gust.call {
            Some(Call::UploadStart) => {
                world.photo("photo/large.jpg", files, LARGE_BYTES);
                world.sh("cp photo/large.jpg mnt/A/");
            }
            // A refresh may fail: some lists are refused as well.
            Some(Call::MediaItemsSearch) => {
                drop(world.run(&["refresh", world.mnt.join("A").to_str().unwrap()]));
            }
            Some(Call::AlbumsList) => {
                let refresh = ["refresh", world.mnt.to_str().unwrap()];
                wait_for("a refresh", || world.run(&refresh).status.success());
                world.sh("mkdir -p mnt/A");
            }
            _ => {}
        }
        // Smaller copies are made at low priority, and this machine may be busy.
        wait_within(PATIENCE, || {
            let enough = asked() >= before + gust.times;
            enough.then_some(()).ok_or_else(|| format!("waiting for {}", gust.name))
        });
        let failed = status(world)["queue"]["failed"].clone();
        assert_eq!(failed, 0, "{}\n{}", gust.name, world.log());
    }
}

fn storm(files: u32, quality: &str, seed: u64, time: Duration) {
    let world = World::new();
    world.mount_with(&[PACE], &["--quality", quality]);
    world.sh("mkdir mnt/A");
    take_photos(&world, files, quality);
    world.emulator.reset_stats();
    copy_through_all_gusts(&world, files, seed);
    world.emulator.faults(|faults| *faults = drizzle(seed));
    // A refusal of the login or a full account ends a sync, because a person might have to act.
    let mut ended = 0;
    wait_within(time, || {
        let (done, said) = world.told(&["sync", world.mnt.to_str().unwrap()]);
        assert!(!said.contains("some files were refused"), "{said}\n{}", world.log());
        ended += u32::from(!done);
        if done { Ok(()) } else { Err(said) }
    });
    world.emulator.faults(|faults| *faults = Faults::default());

    let dump = world.emulator.dump();
    let mut times = BTreeMap::new();
    for item in &dump.items {
        *times.entry(item.sha256.clone()).or_insert(0) += 1;
    }
    assert_eq!((dump.items.len(), times.len()), (files as usize + 1, files as usize + 1));
    if quality == "saver" {
        // All but the large one, which has no picture of that size.
        let size =
            |name: &str| fs::metadata(world.dir.path().join("photo").join(name)).unwrap().len();
        let smaller = dump.items.iter().filter(|it| it.size * 100 <= size(&it.filename) * 85);
        assert_eq!(smaller.count(), files as usize);
    }
    let titles: Vec<_> = dump.albums.iter().map(|album| album.title.as_str()).collect();
    assert_eq!(titles, ["A"]);
    let mut there = world.remote("A");
    there.sort();
    let mut local: Vec<_> = world.sh("ls photo").lines().map(str::to_owned).collect();
    local.sort();
    assert_eq!(there, local);
    assert_eq!(world.names(".gphotos/failed"), [""; 0]);
    let [photos, album] =
        ["photo", "mnt/A"].map(|it| world.dir.path().join(it).display().to_string());
    let outcome = world.run(&["diff", &photos, &album]);
    assert_eq!(outcome.status.code(), Some(0), "{outcome:?}");
    assert_eq!(world.emulator.stats().violations, [""; 0]);
    let stats = world.emulator.stats();
    eprintln!(
        "{} files through a storm of refusals on a mount, {} requests, {ended} syncs that ended early; \
         lost 0, twice 0, condemned 0",
        files + 1,
        stats.requests.values().sum::<u64>(),
    );
}

#[test]
fn a_hundred_photos_get_through_a_storm_of_refusals() {
    storm(100, "original", 1, Duration::from_secs(120));
}

#[test]
fn smaller_copies_get_through_a_storm_of_refusals() {
    storm(13, "saver", 7, Duration::from_secs(120));
}

#[test]
#[ignore = "takes minutes"]
fn a_thousand_photos_get_through_a_storm_of_refusals() {
    for seed in 1..=3 {
        storm(1000, "original", seed * 100, Duration::from_secs(600));
    }
}

#[test]
#[ignore = "takes minutes"]
fn four_hundred_smaller_copies_get_through_a_storm_of_refusals() {
    for seed in 1..=2 {
        storm(400, "saver", seed * 100, Duration::from_secs(600));
    }
}
