mod empty;

use proptest::prelude::*;

use super::*;
use crate::app::name::Name;
use crate::commands::diff::copy;
use crate::commands::diff::facts::{Dimensions, Taken, Zone};

fn hash(content: u8) -> ContentHash {
    ContentHash([content; 32])
}

fn known(content: u8) -> Facts {
    Facts { size: Some(content.into()), hash: Some(hash(content)), ..Facts::default() }
}

fn sized(size: u64) -> Facts {
    Facts { size: Some(size), ..Facts::default() }
}

fn taken(seconds: i64, facts: Facts) -> Facts {
    let taken = vec![Taken { seconds, zone: Zone::Utc }];
    Facts { taken, dimensions: Dimensions::firm(40, 30), ..facts }
}

fn on_its_way() -> Stage {
    Stage::OnItsWay("sealed".into())
}

fn sides(
    local: &[(&str, Facts)],
    remote: &[(&str, Facts, Stage)],
    refused: &[(&str, &str)],
) -> Sides {
    let there = |(name, facts, stage): &(&str, Facts, Stage)| {
        let it = AlbumFile {
            entry: 0,
            stage: stage.clone(),
            facts: facts.clone(),
            is_video: name.ends_with(".mp4"),
            id: None,
            filename: None,
            unlisted: None,
            cut_off: false,
            is_smaller: false,
            saver: None,
            is_nameless: false,
        };
        ((*name).into(), it)
    };
    Sides {
        here: local.iter().map(|(name, facts)| ((*name).into(), facts.clone())).collect(),
        unreadable: Files::new(),
        there: remote.iter().map(there).collect(),
        refused: refused.iter().map(|&(name, why)| (name.into(), why.into())).collect(),
        rules: NameRules::default(),
    }
}

#[track_caller]
fn check(sides: &Sides, local: &str, album: &str, differ: bool) -> Comparison {
    let result = compare(sides);
    assert_eq!(result.sum("in the album"), format!("{local}\n{album}"));
    assert_eq!(result.differ(), differ);
    adds_up(&result);
    result
}

/// Each sum is what it says it is made of.
#[track_caller]
fn adds_up(result: &Comparison) {
    for line in result.sum("in the album").lines() {
        // What is in brackets are names.
        let bare = line.split(" (").next().unwrap_or_default().to_owned()
            + line.rsplit_once(')').map_or("", |(_, rest)| rest);
        let numbers: Vec<usize> =
            bare.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        assert_eq!(numbers[0], numbers[1..].iter().sum::<usize>(), "{line}\n{result:#?}");
    }
}

#[test]
fn a_hash_says_more_than_a_name() {
    let there = |name: &'static str, content| (name, known(content), Stage::Committed);
    // The item has the name of another local file.
    let found = check(
        &sides(&[("A.jpg", known(0)), ("B.jpg", known(1))], &[there("A.jpg", 1)], &[]),
        "2 local = 0 in the album + 1 under another name + 1 only here",
        "1 in the album = 0 here + 1 under another name",
        true,
    );
    assert_eq!(found.only_here, [name("A.jpg")]);
    // The names are shifted by one.
    let names = ["I0", "I1", "I2", "I3", "I4", "I5"];
    let local: Vec<_> = names.iter().zip(0..).map(|(name, at)| (*name, known(at))).collect();
    let items: Vec<_> = names[..5].iter().zip(1..).map(|(name, at)| there(name, at)).collect();
    let found = check(
        &sides(&local, &items, &[]),
        "6 local = 0 in the album + 5 under another name + 1 only here",
        "5 in the album = 0 here + 5 under another name",
        true,
    );
    assert_eq!(found.only_here, [name("I0")]);
    // Two files have each other's names, and nothing is missing.
    let local = [("A.jpg", known(1)), ("B.jpg", known(0))];
    check(
        &sides(&local, &[there("A.jpg", 0), there("B.jpg", 1)], &[]),
        "2 local = 0 in the album + 2 under another name",
        "2 in the album = 0 here + 2 under another name",
        false,
    );
    // The item's content is here twice.
    let local = [("A.jpg", known(5)), ("A2.jpg", known(0)), ("Acopy.jpg", known(0))];
    let found = check(
        &sides(&local, &[there("A.jpg", 0)], &[]),
        "3 local = 0 in the album + 1 under another name + 1 duplicate (Acopy.jpg = A2.jpg) + 1 only here",
        "1 in the album = 0 here + 1 under another name",
        true,
    );
    assert_eq!(found.only_here, [name("A.jpg")]);
    // A copy would replace the item of that name.
    assert!(copy::uploadable(&found).is_empty());
    assert_eq!(copy::contested(&found).into_iter().collect::<Vec<_>>(), [&name("A.jpg")]);
    // An item without a known hash keeps its name, unless another item has the bytes.
    let unknown = || ("A.jpg", taken(7, sized(3)), Stage::Committed);
    let local = |more: &[(&'static str, Facts)]| [&[("A.jpg", taken(7, known(3)))], more].concat();
    let found = compare(&sides(&local(&[]), &[unknown(), there("B.jpg", 3)], &[]));
    assert_eq!((found.renamed.len(), &found.only_in_album[..]), (1, &[name("A.jpg")][..]));
    let both = local(&[("B.jpg", known(3))]);
    let found = compare(&sides(&both, &[unknown(), there("B.jpg", 3)], &[]));
    assert!(found.only_in_album.is_empty() && found.only_here.is_empty(), "{found:#?}");
    // In another directory, it is another album.
    let found =
        compare(&sides(&[("A.jpg", known(0)), ("x/B.jpg", known(1))], &[there("A.jpg", 1)], &[]));
    assert_eq!(found.different, [name("A.jpg")]);
}

fn name(text: &str) -> Name {
    Path::new(text).into()
}

fn some_facts() -> impl Strategy<Value = Facts> {
    let maybe = |of| prop::option::of(of);
    let hash = || maybe(0..3_u8).prop_map(|it| it.map(hash));
    (hash(), hash(), maybe(0..3_u8), maybe(0..2_u8)).prop_map(|(hash, adopted, size, second)| {
        let facts = Facts { size: size.map(u64::from), hash, adopted, ..Facts::default() };
        second.map_or(facts.clone(), |it| taken(i64::from(it), facts))
    })
}

fn something_there() -> impl Strategy<Value = AlbumFile> {
    let stage = prop_oneof![
        3 => Just(Stage::Committed),
        1 => Just(on_its_way()),
        1 => Just(Stage::Temporary),
        1 => Just(Stage::Failed("too large".into())),
    ];
    let id = prop::option::of(prop::sample::select(vec!["x", "y"]));
    let filename = prop::option::of(prop::sample::select(vec!["a.jpg", "b.jpg"]));
    (stage, some_facts(), id, filename).prop_map(|(stage, facts, id, filename)| AlbumFile {
        filename: filename.map(str::to_owned),
        unlisted: None,
        cut_off: false,
        is_smaller: false,
        saver: None,
        is_nameless: false,
        is_video: false,
        entry: 0,
        stage,
        facts,
        id: id.map(str::to_owned),
    })
}

/// For some names of a few, in two directories.
fn files<T: std::fmt::Debug>(of: impl Strategy<Value = T>) -> impl Strategy<Value = Files<T>> {
    let names = ["a.jpg", "b.jpg", "c.jpg", "d.mp4", "sub/a.jpg", "sub/e.jpg", "a.xmp"];
    let names = names.map(PathBuf::from);
    prop::collection::btree_map(prop::sample::select(names.to_vec()), of, 0..=6)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sums_add_up_whatever_there_is(
        here in files(some_facts()),
        unreadable in files(Just("Permission denied".to_owned())),
        there in files(something_there()),
        refused in files(Just("too large".to_owned())),
    ) {
        let unreadable: Files<_> =
            unreadable.into_iter().filter(|(name, _)| !here.contains_key(name)).collect();
        let counts = (here.len() + unreadable.len(), there.len());
        let result = compare(&Sides { here, unreadable, there, refused, rules: NameRules::default() });
        prop_assert_eq!((result.files_here, result.files_in_album), counts);
        adds_up(&result);
    }
}

fn names(found: &[Name]) -> Vec<String> {
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn nothing_is_the_same_as_nothing() {
    let nothing = ["0 local = 0 in the album", "0 in the album = 0 here"];
    check(&Sides::default(), nothing[0], nothing[1], false);
}

#[test]
fn same_names_are_compared_by_hash_or_else_by_what_is_known() {
    let local = [("a", known(1)), ("b", known(2)), ("c", known(3)), ("d", known(4))];
    let remote = [("a", known(1)), ("b", known(9)), ("c", sized(3)), ("d", sized(9))];
    let remote = remote.map(|(name, facts)| (name, facts, Stage::Committed));
    let result = check(
        &sides(&local, &remote, &[]),
        "4 local = 2 in the album + 2 with other content",
        "4 in the album = 2 here + 2 with other content",
        true,
    );
    assert_eq!(names(&result.different), ["b", "d"]);
    assert_eq!((result.same.identical, names(&result.same.likely)), (1, vec!["c".to_owned()]));
}

#[test]
fn names_with_two_contents_are_given_with_the_fact() {
    let local = [("a", known(1)), ("b", sized(2_100_000))];
    let remote = [("a", known(2)), ("b", sized(3_400_000))];
    let remote = remote.map(|(name, facts)| (name, facts, Stage::Committed));
    let result = compare(&sides(&local, &remote, &[]));
    let told: Vec<_> = result.different_by.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        ["a: other bytes, by their SHA-256", "b: other size: 2.1 MB here, 3.4 MB there"]
    );
    assert_eq!(names(&result.different), ["a", "b"]);
}

#[test]
fn missing_files_are_named_on_either_side() {
    let remote = [("a", known(1), Stage::Committed), ("z", known(26), Stage::Committed)];
    let result = check(
        &sides(&[("a", known(1)), ("b", known(2))], &remote, &[]),
        "2 local = 1 in the album + 1 only here",
        "2 in the album = 1 here + 1 only in the album",
        true,
    );
    assert_eq!(
        (names(&result.only_here), names(&result.only_in_album)),
        (vec!["b".into()], vec!["z".into()])
    );
}

#[test]
fn twins_and_renamed_files_are_no_difference() {
    let local = [("a", known(1)), ("a (1)", known(1)), ("old", known(2))];
    let remote = [("a", known(1), Stage::Committed), ("new", known(2), Stage::Committed)];
    check(
        &sides(&local, &remote, &[]),
        "3 local = 1 in the album + 1 under another name + 1 duplicate (a (1) = a)",
        "2 in the album = 1 here + 1 under another name",
        false,
    );
}

#[test]
fn two_names_of_one_item_are_twins_on_both_sides() {
    let local = [("a", known(1)), ("b", known(1))];
    let remote = [("a", sized(1), Stage::Committed), ("b", sized(1), Stage::Committed)];
    let mut both = sides(&local, &remote, &[]);
    both.there.values_mut().for_each(|it| it.id = Some("item".into()));
    check(
        &both,
        "2 local = 1 in the album + 1 duplicate (b = a)",
        "2 in the album = 1 here + 1 duplicate (b = a)",
        false,
    );
}

#[test]
fn content_in_another_album_does_not_count() {
    let remote = [("A/a", known(1), Stage::Committed)];
    check(
        &sides(&[("A/a", known(1)), ("B/a", known(1))], &remote, &[]),
        "2 local = 1 in the album + 1 only here",
        "1 in the album = 1 here",
        true,
    );
}

#[test]
fn renamed_pictures_are_found_by_moment_and_size_if_only_one_can_be_meant() {
    let fixed = |it| Facts { is_of_fixed_size: true, ..it };
    let located = |it| Facts { place: Some(200), header: Some(300), ..it };
    let local = [
        // Other clips may begin in the same second.
        ("clip.mp4", taken(4, known(5))),
        // The next shots of bursts.
        ("cut.jpg", taken(3, known(4))),
        ("here.jpg", located(taken(6, known(6)))),
        ("old.jpg", taken(5, known(1))),
        ("scan.tif", fixed(taken(8, known(7)))),
        ("x.jpg", taken(7, known(2))),
        ("y.jpg", taken(7, known(3))),
    ];
    let remote = [
        ("film.mp4", taken(4, Facts::default())),
        ("new.JPG", taken(5, sized(1))),
        ("next.tif", taken(8, sized(7))),
        ("there.jpg", taken(6, sized(66))),
        ("whole.jpg", taken(3, sized(99))),
        ("z.jpg", taken(7, sized(2))),
    ];
    let remote = remote.map(|(name, facts)| (name, facts, Stage::Committed));
    let result = check(
        &sides(&local, &remote, &[]),
        "7 local = 0 in the album + 1 under another name + 6 only here",
        "6 in the album = 0 here + 1 under another name + 5 only in the album",
        true,
    );
    let found: Vec<_> =
        result.renamed.iter().map(|it| (it.here.to_string(), it.evidence.sure)).collect();
    // By its size a file of another name is never almost certain.
    assert_eq!(found, [("old.jpg".to_owned(), Sure::Likely)]);
}

#[test]
fn sizes_are_asked_for_only_where_they_tell_something() {
    let unsized_ = |seconds| taken(seconds, Facts::default());
    let remote = [
        ("a.jpg", unsized_(1), Stage::Committed),
        ("known.jpg", known(2), Stage::Committed),
        ("moved.jpg", unsized_(3), Stage::Committed),
        ("other.jpg", unsized_(4), Stage::Committed),
        ("scratch.jpg", Facts::default(), Stage::Temporary),
        ("sub/elsewhere.jpg", unsized_(3), Stage::Committed),
        ("z.jpg", Facts::default(), Stage::Committed),
    ];
    let local = ["a.jpg", "known.jpg", "scratch.jpg"].map(|name| (name, known(9)));
    let wanted = |local: &[(&str, Facts)], remote: &[(&str, Facts, Stage)]| {
        let both = sides(local, remote, &[]);
        sizes_wanted(&both.here, &both.there)
    };
    assert!(wanted(&[], &remote).is_empty());
    assert_eq!(wanted(&local, &remote), [Path::new("a.jpg")]);
    let video = [("a.mp4", unsized_(1), Stage::Committed)];
    assert!(wanted(&[("a.mp4", known(9))], &video).is_empty());
    let old = [("old.jpg", taken(3, known(8))), ("old.mp4", taken(4, known(7)))];
    assert_eq!(wanted(&old, &remote), [Path::new("moved.jpg")]);
    // One of two items may be the file, so the sizes would not tell which.
    let second = [("second.jpg", unsized_(3), Stage::Committed)];
    assert!(wanted(&old, &[&remote[..], &second].concat()).is_empty());
    // The album has the content of the file: it has its name, or is a duplicate.
    let named = [("known.jpg", taken(3, known(2)))];
    assert!(wanted(&named, &remote).is_empty());
    let duplicate = [("copy.jpg", taken(3, known(2)))];
    assert!(wanted(&duplicate, &remote).is_empty());
}

#[test]
fn metadata_are_read_only_where_they_tell_something() {
    let local = ["known.jpg", "unknown.jpg", "new.jpg"].map(|name| (name, known(1)));
    let remote = [
        ("known.jpg", known(1), Stage::Committed),
        ("unknown.jpg", Facts::default(), Stage::Committed),
    ];
    let both = sides(&local, &remote, &[]);
    let wanted = |both: &Sides| -> Vec<_> {
        facts_wanted(&both.here, &both.there).iter().map(|it| it.display().to_string()).collect()
    };
    assert_eq!(wanted(&both), ["unknown.jpg"]);
    let stranger = [("other.jpg", Facts::default(), Stage::Committed)];
    let remote = [&remote[..], &stranger].concat();
    assert_eq!(wanted(&sides(&local, &remote, &[])), ["new.jpg", "unknown.jpg"]);
}

#[test]
fn what_google_does_not_have_yet_is_a_difference() {
    let local =
        [("a", known(1)), ("b", known(2)), ("c", known(3)), (".d", known(4)), ("edited", known(5))];
    let remote = [
        ("a", known(1), on_its_way()),
        ("b", Facts::default(), Stage::OnItsWay("open".into())),
        (".d", sized(4), Stage::Temporary),
        ("edited", known(6), on_its_way()),
        ("new", known(7), on_its_way()),
    ];
    let result = check(
        &sides(&local, &remote, &[("c", "not a photo or video"), ("elsewhere", "too large")]),
        "5 local = 0 in the album + 1 with other content + 2 on the way + 1 refused + 1 temporary",
        "5 in the album = 0 here + 1 with other content + 3 on the way + 1 temporary",
        true,
    );
    let failed: Vec<_> = result.failed.iter().map(|it| it.why.as_str()).collect();
    assert_eq!(failed, ["not a photo or video", "too large"]);
}

#[test]
fn files_that_belong_to_this_machine_are_no_difference() {
    let empty = Facts { size: Some(0), ..Facts::default() };
    let local = [
        ("a.xmp", known(1)),
        ("b.xmp", known(2)),
        ("@eaDir/c.jpg", known(3)),
        ("empty.jpg", known(0)),
    ];
    let remote = [
        ("a.xmp", sized(1), Stage::Temporary),
        ("Thumbs.db", sized(9), Stage::Temporary),
        ("empty.jpg", empty, Stage::Temporary),
    ];
    let result = check(
        &sides(&local, &remote, &[]),
        "4 local = 0 in the album + 1 empty + 3 only on this machine",
        "3 in the album = 0 here + 1 empty + 2 only on this machine",
        true,
    );
    assert_eq!(result.temporary[0].why, "it is empty");
    check(
        &sides(&local[..3], &remote[..2], &[]),
        "3 local = 0 in the album + 3 only on this machine",
        "2 in the album = 0 here + 2 only on this machine",
        false,
    );
    let refuse = Sides {
        rules: NameRules { keep_sidecars: false, ..NameRules::default() },
        ..sides(&local[1..2], &[], &[])
    };
    check(&refuse, "1 local = 0 in the album + 1 only here", "0 in the album = 0 here", true);
}

#[test]
fn file_on_its_way_does_not_stand_for_its_twin() {
    check(
        &sides(&[("a", known(1)), ("b", known(1))], &[("a", known(1), on_its_way())], &[]),
        "2 local = 0 in the album + 1 on the way + 1 only here",
        "1 in the album = 0 here + 1 on the way",
        true,
    );
}

#[test]
fn what_cannot_be_read_is_counted_on_both_sides() {
    let mut both = sides(&[], &[("a", known(1), Stage::Committed)], &[]);
    both.unreadable.insert("a".into(), "Permission denied".into());
    both.unreadable.insert("link".into(), "a symbolic link to nothing".into());
    check(
        &both,
        "2 local = 0 in the album + 2 unreadable here",
        "1 in the album = 0 here + 1 unreadable here",
        false,
    );
}

#[test]
fn what_cannot_be_read_here_is_counted_once_where_the_album_has_not_got_it_yet() {
    let remote = [
        ("foo.part", sized(3), Stage::Temporary),
        ("way", known(1), on_its_way()),
        ("bad", known(2), Stage::Failed("too large".into())),
    ];
    let mut both = sides(&[], &remote, &[]);
    for name in ["foo.part", "way", "bad"] {
        both.unreadable.insert(name.into(), "a symbolic link to nothing".into());
    }
    check(
        &both,
        "3 local = 0 in the album + 3 unreadable here",
        "3 in the album = 0 here + 1 on the way + 1 refused + 1 temporary",
        true,
    );
}

#[test]
fn an_item_whose_local_file_cannot_be_read_is_no_other_file() {
    // Google's filename is that of another local file, of the same size and time.
    let (here, there) = (taken(7, known(1)), taken(7, sized(1)));
    let mut both = sides(&[("b.jpg", here)], &[("d.jpg", there, Stage::Committed)], &[]);
    for item in both.there.values_mut() {
        item.filename = Some("b.jpg".into());
    }
    assert_eq!(compare(&both).renamed.len(), 1);
    both.unreadable.insert("d.jpg".into(), "Permission denied".into());
    check(
        &both,
        "2 local = 0 in the album + 1 unreadable here + 1 only here",
        "1 in the album = 0 here + 1 unreadable here",
        true,
    );
}

#[test]
fn raw_and_jpeg_are_pairs_and_so_are_photo_and_short_video() {
    let found = ["IMG_1.CR2", "IMG_1.JPG", "IMG_2.HEIC", "IMG_2.MOV", "IMG_3.JPG", "A/IMG_3.CR2"];
    let found: Vec<_> = found.iter().map(PathBuf::from).collect();
    let words: Vec<_> = pairs(found.iter()).iter().map(|(a, b)| format!("{a} {b}")).collect();
    assert_eq!(words, ["IMG_1.JPG IMG_1.CR2", "IMG_2.HEIC IMG_2.MOV"]);
}
