use std::path::PathBuf;

use super::*;
use crate::commands::diff::evidence::classify;
use crate::commands::diff::facts::{Dimensions, Taken, Zone};
use crate::media::ContentHash;

fn shot(content: u8, size: Option<u64>) -> Facts {
    Facts {
        taken: vec![Taken { seconds: 1_556_442_005, zone: Zone::Local }],
        dimensions: Dimensions::firm(6000, 4000),
        size,
        hash: Some(ContentHash([content; 32])),
        place: Some(200),
        header: Some(900),
        ..Facts::default()
    }
}

fn item(facts: Facts) -> AlbumFile {
    AlbumFile {
        entry: 0,
        stage: Stage::Committed,
        is_video: false,
        id: None,
        unlisted: None,
        cut_off: false,
        filename: None,
        is_smaller: false,
        saver: None,
        is_nameless: false,
        facts: Facts { hash: None, place: None, header: None, ..facts },
    }
}

/// The evidence about `a`, which has other files beside it on the two sides.
fn weighed(
    kind: &str,
    (local, remote): (Facts, Facts),
    beside: &[(&str, Facts)],
    in_album: &[(&str, Facts)],
) -> Evidence {
    let a = PathBuf::from(format!("a.{kind}"));
    let mut here: Files<Facts> =
        beside.iter().map(|(name, it)| (name.into(), it.clone())).collect();
    let mut there: Files<AlbumFile> =
        in_album.iter().map(|(name, it)| (name.into(), item(it.clone()))).collect();
    here.insert(a.clone(), local);
    there.insert(a.clone(), item(remote));
    let found = classify(&here[&a], &there[&a].facts).unwrap();
    Neighbours::new(&here, &there).weigh(found, (&a, &here[&a]), (&a, &there[&a]))
}

#[test]
fn a_size_that_the_place_explains_is_at_most_likely_in_a_burst() {
    let pair = || (shot(1, Some(3_000_000)), shot(1, Some(2_999_900)));
    let alone = weighed("jpg", pair(), &[], &[]);
    assert_eq!((alone.sure, alone.shared_moment), (Sure::AlmostCertain, false));
    let next = shot(2, Some(2_500_000));
    for name in ["b.jpg", "b.JPEG"] {
        let burst = weighed("jpg", pair(), &[(name, next.clone())], &[]);
        assert_eq!((burst.sure, burst.shared_moment), (Sure::Likely, true), "{name}");
        let burst = weighed("jpg", pair(), &[], &[(name, next.clone())]);
        assert_eq!((burst.sure, burst.shared_moment), (Sure::Likely, true), "{name}");
    }
    assert_eq!(
        weighed("jpg", pair(), &[("b.jpg", next.clone())], &[]).to_string(),
        " (likely: same time and dimensions; so have other files; \
         other size: 3000000 bytes here, 2999900 there: the place may be removed)"
    );
    // The RAW of the photo, one in another folder, and a copy of the file itself.
    for (name, other) in [
        ("a.nef", next.clone()),
        ("sub/b.jpg", next),
        ("b.jpg", shot(1, Some(3_000_000))),
        ("b.jpg", Facts { models: vec!["6D".into()], ..shot(2, None) }),
    ] {
        let with_model = |it: Facts| Facts { models: vec!["D750".into()], ..it };
        let (local, remote) = pair();
        let pair = (with_model(local), with_model(remote));
        assert_eq!(weighed("jpg", pair, &[(name, other)], &[]).sure, Sure::AlmostCertain, "{name}");
    }
}

#[test]
fn an_equal_size_is_almost_certain_in_a_burst_unless_another_shot_has_it() {
    let pair = || (shot(1, Some(3_000_000)), shot(1, Some(3_000_000)));
    let beside = [("b.jpg", shot(2, Some(2_999_900)))];
    assert_eq!(weighed("jpg", pair(), &beside, &beside).sure, Sure::AlmostCertain);
    let in_album = [("b.jpg", shot(2, None))];
    assert_eq!(weighed("jpg", pair(), &[], &in_album).sure, Sure::AlmostCertain);
    let same = [("b.jpg", shot(2, Some(3_000_000)))];
    assert_eq!(weighed("jpg", pair(), &same, &[]).sure, Sure::Likely);
    assert_eq!(weighed("jpg", pair(), &[], &same).sure, Sure::Likely);
}

/// Most RAW files have no dimensions to compare, and sizes that all have.
#[test]
fn a_shared_time_alone_says_nothing() {
    let raw = |content| Facts {
        dimensions: Dimensions::default(),
        is_of_fixed_size: true,
        ..shot(content, Some(50_000_000))
    };
    assert_eq!(weighed("arw", (raw(1), raw(1)), &[], &[]).sure, Sure::Likely);
    let beside = [("b.arw", raw(2))];
    let found = weighed("arw", (raw(1), raw(1)), &beside, &[]);
    assert_eq!((found.sure, found.shared_moment), (Sure::Unknown, true));
    assert_eq!(found.to_string(), " (unknown: same time and size; so have other files)");
    // Two clips of one second have names of their own.
    let clip = |content| shot(content, None);
    let beside = [("b.mp4", clip(2))];
    assert_eq!(weighed("mp4", (clip(1), clip(1)), &beside, &beside).sure, Sure::Likely);
}
