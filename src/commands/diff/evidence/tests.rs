use proptest::prelude::*;

use super::*;
use crate::commands::diff::differences::differences;
use crate::commands::diff::facts::{Dimensions, Taken, Zone};
use crate::media::ContentHash;

const SIZES: [Level; 6] =
    [Level::Other, Level::Doubtful, Level::Unknown, Level::Near, Level::Explained, Level::Same];
const DIMENSIONS: [Level; 3] = [Level::Other, Level::Unknown, Level::Same];
const TIMES: [Level; 4] = [Level::Other, Level::Unknown, Level::Near, Level::Same];

/// Each combination that two files can have.
fn all() -> Vec<Levels> {
    let mut all = Vec::new();
    for size in SIZES {
        for dimensions in DIMENSIONS {
            for camera in DIMENSIONS {
                let with = |time| Levels { size, dimensions, camera, time };
                all.extend(TIMES.map(with));
            }
        }
    }
    all
}

/// The facts one by one, to change.
const FACTS: [fn(&mut Levels) -> &mut Level; 4] =
    [|it| &mut it.size, |it| &mut it.dimensions, |it| &mut it.camera, |it| &mut it.time];

#[test]
fn a_fact_that_agrees_never_lowers_the_grade() {
    for levels in all() {
        for fact in FACTS {
            for better in SIZES {
                let mut more = levels;
                if *fact(&mut more) < better {
                    *fact(&mut more) = better;
                    assert!(grade(&more) >= grade(&levels), "{levels:?} {more:?}");
                }
            }
        }
    }
}

#[test]
fn a_fact_unknown_on_one_side_never_turns_likely_into_different() {
    for levels in all().into_iter().filter(|it| grade(it) >= Some(Sure::Likely)) {
        for fact in FACTS {
            let mut less = levels;
            *fact(&mut less) = Level::Unknown;
            assert_ne!(grade(&less), None, "{levels:?}");
        }
    }
}

#[test]
fn equal_size_and_dimensions_are_at_least_likely() {
    for levels in all() {
        let same = levels.size >= Level::Explained && levels.dimensions == Level::Same;
        if same && levels.camera != Level::Other {
            assert!(grade(&levels) >= Some(Sure::Likely), "{levels:?}");
        }
    }
}

#[test]
fn a_picture_of_another_camera_never_counts_as_the_same() {
    for levels in all().into_iter().filter(|it| it.camera == Level::Other) {
        assert!(grade(&levels) <= Some(Sure::Unknown), "{levels:?}");
    }
}

#[test]
fn a_time_of_another_zone_needs_a_second_fact() {
    for levels in all().into_iter().filter(|it| it.time == Level::Near) {
        if levels.size < Level::Explained && levels.dimensions != Level::Same {
            assert!(grade(&levels) <= Some(Sure::Unknown), "{levels:?}");
        }
    }
}

#[test]
fn a_size_that_an_edit_would_have_never_counts_as_the_same() {
    for levels in all().into_iter().filter(|it| it.size < Level::Unknown) {
        assert!(grade(&levels) <= Some(Sure::Unknown), "{levels:?}");
    }
}

#[test]
fn a_size_that_may_be_the_same_adds_nothing_to_the_grade() {
    for levels in all().into_iter().filter(|it| it.size == Level::Near) {
        let without = Levels { size: Level::Unknown, ..levels };
        let (with, without) = (grade(&levels), grade(&without));
        assert!(with == without || (with, without) == (Some(Sure::Unknown), None), "{levels:?}");
        assert!(with < Some(Sure::AlmostCertain), "{levels:?}");
    }
}

#[test]
fn a_time_alone_never_makes_another_content() {
    for levels in all().into_iter().filter(|it| grade(it).is_none()) {
        let others = [levels.size, levels.dimensions, levels.camera];
        assert!(others.contains(&Level::Other), "{levels:?}");
    }
}

#[test]
fn each_row_of_the_table_decides_something() {
    for (at, row) in TABLE.iter().enumerate() {
        let above = Levels { ..row.at_least };
        let first = TABLE.iter().position(|it| {
            let it = &it.at_least;
            above.size >= it.size
                && above.dimensions >= it.dimensions
                && above.camera >= it.camera
                && above.time >= it.time
        });
        assert_eq!(first, Some(at), "{row:?}");
    }
}

fn word(sure: Sure) -> String {
    serde_json::to_value(sure).unwrap().as_str().unwrap().to_owned()
}

fn size_word(level: Level) -> &'static str {
    match level {
        Level::Same => "the same",
        Level::Explained => "the same but for the place",
        Level::Near => "may be the same",
        Level::Unknown => "not other",
        Level::Doubtful => "not other, or off by less than the metadata",
        Level::Other => "any",
    }
}

fn fact_word(level: Level) -> &'static str {
    match level {
        Level::Same => "the same",
        Level::Near | Level::Explained => "the same but for the zone",
        Level::Unknown => "not other",
        Level::Other | Level::Doubtful => "any",
    }
}

/// The page must have the table of the code.
#[test]
fn the_table_stands_in_the_documents() {
    let line = |row: &Row| {
        let Levels { size, dimensions, camera, time } = row.at_least;
        let [dimensions, camera, time] = [dimensions, camera, time].map(fact_word);
        format!(
            "| `{}` | {} | {dimensions} | {camera} | {time} |\n",
            word(row.sure),
            size_word(size)
        )
    };
    let mut table: String = TABLE.iter().map(line).collect();
    table += "| different | in all other cases |||\n";
    let page = include_str!("../../../../docs/commands/diff.md");
    assert!(page.contains(&table), "docs/commands/diff.md lacks the table:\n{table}");
}

fn taken(seconds: i64) -> Vec<Taken> {
    vec![Taken { seconds, zone: Zone::Local }]
}

fn facts(seconds: Option<i64>, dimensions: Option<(u32, u32)>, size: u64) -> Facts {
    Facts {
        taken: seconds.map(taken).unwrap_or_default(),
        dimensions: dimensions.map(|(a, b)| Dimensions::firm(a, b)).unwrap_or_default(),
        size: Some(size),
        ..Facts::default()
    }
}

fn sure(here: &Facts, there: &Facts) -> Option<Sure> {
    classify(here, there).map(|it| it.sure)
}

#[test]
fn more_evidence_makes_it_surer() {
    let square = Some((40, 40));
    let there = facts(Some(5), square, 7);
    for (here, expected) in [
        (facts(Some(5), square, 7), Some(Sure::AlmostCertain)),
        (facts(Some(5), None, 7), Some(Sure::AlmostCertain)),
        (facts(Some(905), square, 7), Some(Sure::Likely)),
        (facts(Some(6), square, 7), Some(Sure::Likely)),
        (facts(None, square, 7), Some(Sure::Likely)),
        (facts(None, None, 7), Some(Sure::Likely)),
        (facts(Some(6), None, 7), Some(Sure::Unknown)),
        (facts(Some(5), square, 8), Some(Sure::Unknown)),
        (facts(None, square, 8), None),
        (facts(Some(5), Some((40, 41)), 7), Some(Sure::Unknown)),
        (facts(Some(5), Some((40, 41)), 8), None),
    ] {
        assert_eq!(sure(&here, &there), expected, "{here:?}");
    }
    let video = Facts { size: None, ..there };
    for (here, expected) in [
        (facts(Some(5), square, 7), Some(Sure::Likely)),
        (facts(Some(905), square, 7), Some(Sure::Likely)),
        (facts(Some(905), None, 7), Some(Sure::Unknown)),
        (facts(None, square, 7), Some(Sure::Unknown)),
        (facts(Some(6), square, 7), Some(Sure::Unknown)),
        (facts(Some(5), Some((40, 41)), 7), None),
    ] {
        assert_eq!(sure(&here, &video), expected, "{here:?}");
    }
    assert_eq!(sure(&Facts::default(), &Facts::default()), Some(Sure::Unknown));
}

#[test]
fn the_place_explains_a_little_and_the_header_nothing() {
    let there = facts(Some(5), Some((40, 40)), 1_000_000);
    let here =
        |size, place| Facts { place, header: Some(10_000), ..facts(Some(5), Some((40, 40)), size) };
    assert_eq!(sure(&here(1_000_200, Some(180)), &there), Some(Sure::AlmostCertain));
    assert_eq!(sure(&here(1_009_000, Some(180)), &there), Some(Sure::Unknown));
    assert_eq!(sure(&here(1_000_006, None), &there), Some(Sure::Likely));
    assert_eq!(sure(&here(1_009_000, None), &there), Some(Sure::Unknown));
    assert_eq!(sure(&here(1_100_000, Some(180)), &there), Some(Sure::Unknown));
    // The next photo of this name, after the camera's counter has begun anew.
    let next = |facts| Facts { taken: taken(500_000), ..facts };
    assert_eq!(sure(&next(here(1_000_200, Some(180))), &there), Some(Sure::Likely));
    assert_eq!(sure(&next(here(1_001_000, Some(180))), &there), Some(Sure::Unknown));
}

/// An edit keeps the moment, the camera, the dimensions, the place and the thumbnail.
#[test]
fn an_edited_photo_with_a_place_is_unknown() {
    let there = |size| facts(Some(5), Some((40, 40)), size);
    for (here, header, album) in
        [(111_343, 60_000, 73_523), (31_675, 400, 28_582), (4081, 400, 4050), (4081, 400, 4080)]
    {
        let here = Facts { place: Some(150), header: Some(header), ..there(here) };
        assert_eq!(sure(&here, &there(album)), Some(Sure::Unknown), "{here:?}");
    }
}

#[test]
fn clocks_that_were_never_set_are_no_evidence() {
    for seconds in [-2_082_844_800, 0, 315_532_800, 946_684_800, 1_199_145_600] {
        let video = |size| Facts { size, ..facts(Some(seconds), Some((40, 40)), 7) };
        assert_eq!(sure(&video(Some(7)), &video(None)), Some(Sure::Unknown), "{seconds}");
        assert_eq!(sure(&video(Some(7)), &video(Some(7))), Some(Sure::Likely), "{seconds}");
    }
}

#[test]
fn only_what_agrees_is_told() {
    let told = |here: &Facts, there: &Facts| classify(here, there).unwrap().to_string();
    let square = Some((40, 40));
    let plain = facts(None, square, 7);
    assert_eq!(told(&plain, &plain), " (likely: same dimensions and size)");
    let taken = facts(Some(5), square, 7);
    assert_eq!(told(&plain, &taken), " (likely: same dimensions and size)");
    assert_eq!(told(&taken, &taken), " (almost certain: same time, dimensions and size)");
    assert_eq!(
        told(&taken, &facts(Some(5), None, 8)),
        " (unknown: same time; other size: 7 B here, 8 B there)"
    );
    assert_eq!(
        told(&taken, &facts(Some(9), square, 7)),
        " (likely: same dimensions and size; \
         other time: 1970-01-01 00:00:05 here, 1970-01-01 00:00:09 there)"
    );
    assert_eq!(
        told(&taken, &facts(Some(905), square, 7)),
        " (likely: same dimensions and size; \
         other time: 1970-01-01 00:00:05 here, 1970-01-01 00:15:05 there: it may be the zone)"
    );
    let located = Facts { place: Some(100), ..facts(Some(5), square, 3_100_000) };
    assert_eq!(
        told(&located, &facts(Some(5), square, 3_099_900)),
        " (almost certain: same time and dimensions; \
         other size: 3100000 bytes here, 3099900 there: the place may be removed)"
    );
    let nothing = Facts::default();
    assert_eq!(told(&nothing, &nothing), " (nothing is known about the content)");
}

#[test]
fn hashes_settle_it() {
    let with = |hash| Facts { hash: Some(ContentHash([hash; 32])), ..facts(None, None, 7) };
    assert_eq!(sure(&with(1), &with(1)), Some(Sure::Identical));
    assert_eq!(sure(&with(1), &with(2)), None);
    let adopted = |hash| Facts { hash: None, adopted: with(hash).hash, ..with(hash) };
    assert_eq!(sure(&with(1), &adopted(1)), Some(Sure::Adopted));
    assert_eq!(sure(&with(1), &adopted(2)), None);
}

#[test]
fn another_camera_is_another_picture_unless_more_agrees() {
    let with =
        |model: &str, size| Facts { models: vec![model.into()], size, ..facts(Some(5), None, 7) };
    let (d750, d6) = (with("D750", Some(7)), with("6D", Some(7)));
    assert_eq!(sure(&with("D750 ", Some(7)), &d750), Some(Sure::AlmostCertain));
    assert_eq!(sure(&d750, &d6), Some(Sure::Unknown));
    assert_eq!(sure(&d750, &with("6D", None)), None);
}

fn some_facts() -> impl Strategy<Value = Facts> {
    let maybe = |of: std::ops::Range<u32>| prop::option::of(of);
    let zone = prop::sample::select(vec![Zone::Utc, Zone::Local, Zone::Name]);
    let taken = prop::collection::vec((-2000_i64..2000, zone), 0..3);
    let pair = (1..4_u32, 1..4_u32);
    let dimensions = (prop::collection::vec(pair, 0..3), any::<bool>());
    let sizes = (maybe(0..9), maybe(0..9), maybe(0..9));
    let model = (maybe(0..3), any::<bool>());
    let facts = (taken, dimensions, model, sizes);
    facts.prop_map(|(taken, (any, firm), (model, is_of_fixed_size), sizes)| Facts {
        taken: taken
            .into_iter()
            // Not about the turn of a year, where clocks begin.
            .map(|(seconds, zone)| Taken { seconds: 1_556_442_005 + seconds * 300, zone })
            .collect(),
        dimensions: Dimensions { any, firm },
        models: model.map(|it| format!("camera {it}")).into_iter().collect(),
        size: sizes.0.map(|it| 300_000 + u64::from(it) * 100),
        place: sizes.1.map(|it| u64::from(it) * 25),
        header: sizes.2.map(|it| u64::from(it) * 40_000),
        is_of_fixed_size,
        ..Facts::default()
    })
}

/// The item again with one fact less.
fn without(there: &Facts, fact: usize) -> Facts {
    let mut less = there.clone();
    match fact {
        0 => less.taken.clear(),
        1 => less.dimensions = Dimensions::default(),
        2 => less.models.clear(),
        _ => less.size = None,
    }
    less
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn what_differs_says_by_which_fact(here in some_facts(), there in some_facts()) {
        if classify(&here, &there).is_none() {
            prop_assert!(!differences(&here, &there).is_empty());
        }
    }

    #[test]
    fn a_fact_that_one_side_lacks_is_no_contradiction(
        here in some_facts(), there in some_facts(), fact in 0..4_usize
    ) {
        let less = sure(&here, &without(&there, fact));
        if sure(&here, &there) >= Some(Sure::Likely) {
            prop_assert_ne!(less, None);
        }
    }

    #[test]
    fn a_fact_taken_over_from_the_other_side_never_lowers_the_grade(
        here in some_facts(), there in some_facts(), fact in 0..4_usize
    ) {
        let mut more = there.clone();
        match fact {
            0 if !here.taken.is_empty() => more.taken.clone_from(&here.taken),
            1 if !here.dimensions.any.is_empty() => more.dimensions.clone_from(&here.dimensions),
            2 if !here.models.is_empty() => more.models.clone_from(&here.models),
            _ if here.size.is_some() => more.size = here.size,
            _ => {}
        }
        if !more.taken.iter().any(|it| it.zone == Zone::Name) {
            prop_assert!(sure(&here, &more) >= sure(&here, &there));
        }
    }
}
