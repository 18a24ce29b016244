//! `gphotosfs diff` and `adopt` on the photos and videos of tests/fixtures/media, which another machine has uploaded. The
//! service reads them as exiftool does: the table facts.json has its answers.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use gphotosfs_emulator::Edit;
use serde::Deserialize;
use serde_json::Value;

use crate::support::World;

#[derive(Clone, Deserialize)]
struct Facts {
    width: u64,
    height: u64,
    make: String,
    model: String,
    /// The capture time as it stands in the file, and with its zone.
    local: Option<i64>,
    utc: Option<i64>,
}

/// How the service reads and gives out photos. Which of these Google does is not known.
#[derive(Clone, Copy, Debug)]
struct Service {
    honours_zones: bool,
    header_growth: i64,
}

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/media")
}

fn table() -> BTreeMap<String, Facts> {
    serde_json::from_slice(&fs::read(fixtures().join("facts.json")).unwrap()).unwrap()
}

/// Two contents: the name and content here, and those in the album.
type Pair<'a> = ((&'a str, &'a str), (&'a str, &'a str));

/// An album with the fixtures, which another machine has uploaded, and a new mount of it. `pairs` are further files.
fn uploaded_elsewhere(service: Service, pairs: &[Pair<'_>]) -> World {
    let world = World::mounted();
    let photo = world.dir.path().join("photo");
    let elsewhere = world.dir.path().join("elsewhere");
    fs::create_dir_all(&photo).unwrap();
    fs::create_dir_all(&elsewhere).unwrap();
    let table = table();
    let mut facts = table.clone();
    for name in table.keys() {
        fs::copy(fixtures().join(name), photo.join(name)).unwrap();
        fs::copy(fixtures().join(name), elsewhere.join(name)).unwrap();
    }
    for ((name_here, here), (name_there, there)) in pairs {
        // The content of an item must not be in the library twice.
        for content in [here, there] {
            let _ = fs::remove_file(photo.join(content));
            let _ = fs::remove_file(elsewhere.join(content));
        }
        fs::copy(fixtures().join(here), photo.join(name_here)).unwrap();
        fs::copy(fixtures().join(there), elsewhere.join(name_there)).unwrap();
        facts.insert((*name_there).to_owned(), table[*there].clone());
    }
    world.sh("mkdir mnt/A && cp -p elsewhere/* mnt/A/ && sync mnt/A");
    for item in world.remote("A") {
        let Facts { width, height, make, model, local, utc } = facts[&item].clone();
        let captured_s = if service.honours_zones { utc } else { local };
        let (camera_make, camera_model) = (make, model);
        world.edit(Edit::SetFacts { item, captured_s, width, height, camera_make, camera_model });
    }
    world.emulator.faults(|faults| faults.header_growth = service.header_growth);
    world.umount();
    world.sh("rm -r state/gphotosfs cache/gphotosfs");
    world.mount(&[]);
    world
}

fn run_json(world: &World, args: &[&str]) -> Value {
    exit_and_json(world, args).1
}

fn exit_and_json(world: &World, args: &[&str]) -> (i32, Value) {
    let outcome = world.program().current_dir(world.dir.path()).args(args).output().unwrap();
    let text = String::from_utf8(outcome.stdout).unwrap();
    let said = serde_json::from_str(&text);
    let said = said.unwrap_or_else(|_| panic!("{text}{:?}", outcome.stderr));
    (outcome.status.code().unwrap(), said)
}

fn names_of(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect()
}

fn names(list: &Value) -> Vec<String> {
    let name = |it: &Value| it.as_str().or_else(|| it["here"].as_str()).unwrap().to_owned();
    list.as_array().unwrap().iter().map(name).collect()
}

/// Contents that have a fact or more in common, and the name that both have.
const PAIRS: &[(&str, &str, &str)] = &[
    ("burst.jpg", "burst-1.jpg", "burst-2.jpg"),
    ("DSC_0001.JPG", "camera-1.jpg", "camera-2.jpg"),
    ("edited.jpg", "exif.jpg", "exif-edited.jpg"),
    ("place-edited.jpg", "located.jpg", "located-edited.jpg"),
    ("cut.jpg", "rotated.jpg", "exif-cropped.jpg"),
    ("screen.bmp", "screen-1.bmp", "screen-2.bmp"),
    ("drawing.png", "drawing-1.png", "drawing-2.png"),
    ("MOV_0001.MP4", "take-1.mp4", "take-2.mp4"),
    // Two cameras, two days, and a place in each.
    ("DSC_0002.JPG", "wrapped-1.jpg", "wrapped-2.jpg"),
    // Uncompressed, so the size follows from the dimensions.
    ("scan.tif", "scan-1.tif", "scan-2.tif"),
    // A place in each, which takes more bytes than the sizes differ by.
    ("small.jpg", "small-1.jpg", "small-2.jpg"),
    // Filled up to one size: shots of one second, and of two cameras on two days.
    ("padded.jpg", "padded-1.jpg", "padded-2.jpg"),
    ("DSC_0003.JPG", "padded-3.jpg", "padded-4.jpg"),
    // The clock was never set.
    ("MOV_0002.MP4", "reset-1.mp4", "reset-2.mp4"),
];

/// Of these all facts agree that both sides have: name, second, camera, dimensions and size. They may be called likely, as
/// any RAW file or video of a single shot is, and never adopted.
const ALIKE: &[&str] = &["padded.jpg", "scan.tif"];

/// Contents of one moment, each under a name of its own: no rename.
const NEIGHBOURS: &[Pair<'_>] = &[
    (("IMG_0001.jpg", "near-1.jpg"), ("IMG_0002.jpg", "near-2.jpg")),
    (("IMG_0003.tif", "scan-1.tif"), ("IMG_0004.tif", "scan-2.tif")),
    (("IMG_0005.jpg", "padded-1.jpg"), ("IMG_0006.jpg", "padded-2.jpg")),
    (("MOV_0001.mp4", "take-1.mp4"), ("MOV_0002.mp4", "clip.mp4")),
];

const SERVICES: [Service; 4] = [
    Service { honours_zones: false, header_growth: 0 },
    Service { honours_zones: true, header_growth: 0 },
    Service { honours_zones: true, header_growth: 1500 },
    Service { honours_zones: false, header_growth: -700 },
];

#[test]
fn equal_files_of_every_kind_are_never_called_different() {
    let kinds = table().len();
    assert!(kinds >= 60, "{kinds}");
    for service in SERVICES {
        let world = uploaded_elsewhere(service, &[]);
        let said = run_json(&world, &["diff", "--json", "photo", "mnt/A"]);
        for none in ["different", "only_here", "only_in_album", "failed", "on_its_way", "renamed"] {
            assert_eq!(said[none], serde_json::json!([]), "{none} {service:?} {said}");
        }
        let same = &said["same"];
        let almost = same["almost_certain"].as_u64().unwrap();
        println!(
            "{service:?}: {kinds} kinds, {almost} almost certain; likely: {:?}; unknown: {:?}",
            names(&same["likely"]),
            names(&same["unknown"])
        );
        let adopted = run_json(&world, &["adopt", "--dry-run", "--json", "photo", "mnt/A"]);
        assert_eq!(adopted["adopted"].as_array().unwrap().len() as u64, almost);
        assert_eq!(adopted["different"], serde_json::json!([]));
    }
}

#[test]
fn other_files_with_a_fact_in_common_are_never_called_the_same() {
    for service in SERVICES {
        let pairs: Vec<_> = PAIRS.iter().map(|&(name, a, b)| ((name, a), (name, b))).collect();
        let world = uploaded_elsewhere(service, &pairs);
        let (code, said) = exit_and_json(&world, &["diff", "--json", "photo", "mnt/A"]);
        assert_eq!(code, 1, "{service:?}");
        assert_eq!(said["renamed"], serde_json::json!([]), "{service:?}");
        let adopted = run_json(&world, &["adopt", "--dry-run", "--json", "photo", "mnt/A"]);
        let adopted = names(&adopted["adopted"]);
        let (different, likely) = (names(&said["different"]), names(&said["same"]["likely"]));
        for (name, ..) in PAIRS {
            assert!(!adopted.iter().any(|it| it == name), "{name} {service:?}");
            let grade = match () {
                () if different.iter().any(|it| it == name) => "different",
                () if likely.iter().any(|it| it == name) => "likely",
                () => "unknown",
            };
            println!("{service:?} {name}: {grade}");
            // A header that was written anew tells them apart.
            let is_alike = ALIKE.contains(name) && service.header_growth == 0;
            assert_eq!(grade == "likely", is_alike, "{name} {service:?}");
            // What does not agree is told. Two pairs have no facts but their dimensions.
            let told = names_of(&said["doubts"]).contains(name);
            let is_bare = ["screen.bmp", "MOV_0002.MP4"].contains(name);
            let is_unknown = grade == "unknown" && !is_bare;
            assert_eq!(told, is_unknown, "{name} {said}");
        }
        for it in said["different_by"].as_array().unwrap() {
            assert!(!it["by"].as_array().unwrap().is_empty(), "{it}");
        }
    }
}

#[test]
fn neighbours_of_a_burst_are_not_called_renamed() {
    for service in SERVICES {
        let world = uploaded_elsewhere(service, NEIGHBOURS);
        let said = run_json(&world, &["diff", "--json", "photo", "mnt/A"]);
        assert_eq!(said["renamed"], serde_json::json!([]), "{service:?}");
        let here: Vec<_> = NEIGHBOURS.iter().map(|it| it.0.0).collect();
        let there: Vec<_> = NEIGHBOURS.iter().map(|it| it.1.0).collect();
        assert_eq!(
            (names(&said["only_here"]), names(&said["only_in_album"])),
            (
                here.iter().map(ToString::to_string).collect(),
                there.iter().map(ToString::to_string).collect()
            )
        );
    }
}

/// The emulator reads them by itself: a service that knew only TIFF would refuse half of the makers.
#[test]
fn raw_files_of_all_makers_are_taken() {
    let world = World::mounted();
    let kinds = [
        "arw", "cr2", "cr3", "crw", "dng", "iiq", "mrw", "nef", "nrw", "orf", "pef", "raf", "rw2",
        "srw", "x3f",
    ];
    fs::create_dir(world.dir.path().join("photo")).unwrap();
    for kind in kinds {
        let name = format!("maker.{kind}");
        fs::copy(fixtures().join(&name), world.dir.path().join("photo").join(&name)).unwrap();
    }
    world.sh("mkdir mnt/A && cp -p photo/* mnt/A/ && sync mnt/A && ls mnt/A > /dev/null");
    assert!(!world.mnt.join(".gphotos/failed/A").exists());
    assert_eq!(world.remote("A").len(), kinds.len());
    let refreshed = world.run(&["refresh", world.mnt.join("A").to_str().unwrap()]);
    assert!(refreshed.status.success());
    for (kind, taken) in [
        ("orf", "2019-04-28T09:00:05Z"),
        ("rw2", "2019-04-28T09:00:05Z"),
        ("raf", "2019-04-28T09:00:05Z"),
        ("mrw", "2019-04-28T09:00:05Z"),
        ("cr3", "2019-04-28T07:00:05Z"),
    ] {
        let path = world.mnt.join(format!("A/maker.{kind}"));
        let time = xattr::get(path, "user.gphotos.creation_time").unwrap().unwrap();
        assert_eq!(String::from_utf8(time).unwrap(), taken, "{kind}");
    }
}
