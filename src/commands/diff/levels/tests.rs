use super::*;

#[test]
fn any_pair_of_dimensions_may_agree_and_only_firm_ones_contradict() {
    let there = Dimensions::firm(30, 40);
    let here = |any: &[(u32, u32)], firm| Dimensions { any: any.to_vec(), firm };
    for (here, expected) in [
        (here(&[(40, 30)], true), Level::Same),
        (here(&[(1, 2), (30, 40)], false), Level::Same),
        (here(&[(31, 40)], true), Level::Other),
        (here(&[(31, 40)], false), Level::Unknown),
        (here(&[], true), Level::Unknown),
    ] {
        assert_eq!(dimensions(&here, &there), expected, "{here:?}");
    }
}

#[test]
fn any_time_may_agree_and_zones_are_quarter_hours() {
    let there = [Taken { seconds: -100, zone: Zone::Utc }];
    let of = |seconds, zone| time(&[Taken { seconds, zone }], &there);
    assert_eq!(of(-100, Zone::Utc), Level::Same);
    assert_eq!(of(-100, Zone::Local), Level::Same);
    assert_eq!(of(800, Zone::Local), Level::Near);
    assert_eq!(of(800, Zone::Utc), Level::Other);
    assert_eq!(of(801, Zone::Local), Level::Other);
    assert_eq!(of(15 * 3600 - 100, Zone::Local), Level::Other);
    assert_eq!(of(-100, Zone::Name), Level::Near);
    assert_eq!(of(-99, Zone::Name), Level::Unknown);
    assert_eq!(of(i64::MIN, Zone::Local), Level::Other);
    let both = [(7, Zone::Utc), (-100, Zone::Local)].map(|(seconds, zone)| Taken { seconds, zone });
    assert_eq!(time(&both, &there), Level::Same);
    assert_eq!(time(&[], &there), Level::Unknown);
}

#[test]
fn models_may_have_the_makers_name_and_any_may_agree() {
    let of = |here: &[&str], there: &str| {
        let here: Vec<_> = here.iter().map(ToString::to_string).collect();
        camera(&here, &[there.to_owned()])
    };
    assert_eq!(of(&["NIKON D750 "], "d750"), Level::Same);
    assert_eq!(of(&["D750"], "6D"), Level::Other);
    assert_eq!(of(&["D750", "6D"], "6D"), Level::Same);
    assert_eq!(of(&[" "], "6D"), Level::Unknown);
    assert_eq!(of(&[], "6D"), Level::Unknown);
    assert_eq!(of(&["D750"], ""), Level::Unknown);
}

#[test]
fn a_clock_that_was_never_set_says_nothing() {
    const NEVER_SET: i64 = 946_684_800;
    let of = |here: &[i64], there: i64| {
        let here: Vec<_> =
            here.iter().map(|&seconds| Taken { seconds, zone: Zone::Local }).collect();
        time(&here, &[Taken { seconds: there, zone: Zone::Utc }])
    };
    assert_eq!(of(&[NEVER_SET], NEVER_SET), Level::Unknown);
    assert_eq!(of(&[NEVER_SET], NEVER_SET - 7200), Level::Unknown);
    assert_eq!(of(&[NEVER_SET], 1_556_442_005), Level::Unknown);
    assert_eq!(of(&[NEVER_SET + 1], NEVER_SET + 1), Level::Same);
    assert_eq!(of(&[NEVER_SET, 1_556_442_005], 1_556_442_005), Level::Same);
    assert_eq!(of(&[NEVER_SET, 1_556_442_005], 1_556_442_006), Level::Other);
}
