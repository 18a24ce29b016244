//! What goes wrong with picks, each with its message and the next step.

use gphotosfs_emulator::{Failure, Injection, Moment, PickedField};

use super::*;

#[test]
fn without_the_scope_or_the_api_it_says_the_next_step() {
    let world = World::new();
    let (done, said) = world.told(&["pick", "Trip", "--no-browser"]);
    assert!(!done && said.contains("run `gphotosfs login --picker` and tick all boxes"), "{said}");
    let (done, said) = world.log_in_with(&world.emulator.client_secret_json(), &["--picker"]);
    assert!(done, "{said}");
    world.emulator.faults(|faults| faults.picker.disabled = true);
    let (done, said) = world.told(&["pick", "Trip", "--no-browser"]);
    assert!(!done && said.contains("enable the \"Google Photos Picker API\""), "{said}");
    world
        .emulator
        .faults(|faults| (faults.picker.disabled, faults.picker.no_account) = (false, true));
    let (done, said) = world.told(&["pick", "Trip", "--no-browser"]);
    assert!(!done && said.contains("open https://photos.google.com once"), "{said}");
    world
        .emulator
        .faults(|faults| (faults.picker.no_account, faults.picker.open_sessions_max) = (false, 0));
    let (done, said) = world.told(&["pick", "Trip", "--no-browser"]);
    assert!(!done && said.contains("too many sessions"), "{said}");
}

/// Reads a picked file. Returns the error number.
fn errno_of(world: &World, name: &str) -> Option<i32> {
    fs::read(world.mnt.join(".gphotos/picked/Trip").join(name)).unwrap_err().raw_os_error()
}

/// The user has withdrawn the consent. The names and `diff` need none.
#[test]
fn after_a_withdrawn_consent_names_stay_and_everything_else_asks_for_a_login() {
    let world = picked(0..2);
    world.emulator.revoke_grants();
    assert_eq!(errno_of(&world, "DSC_0000.JPG"), Some(libc::EACCES), "{}", world.log());
    wait_for("the next step", || world.log().contains("gphotosfs login"));
    assert_eq!(world.names(".gphotos/picked/Trip").len(), 2);
    assert_eq!(diff(&world).0, 0);
    let (done, said) = world.told(&["pick", "Trip", "--no-browser"]);
    assert!(!done && said.contains("run `gphotosfs login"), "{said}");
    assert_eq!(list(&world)[0]["items"], 2);
}

/// A later login has no permission to read picks. Everything else goes on.
#[test]
fn a_pick_that_a_login_does_not_allow_to_read_is_told_with_the_next_step() {
    let world = picked(0..2);
    let scope = "https://www.googleapis.com/auth/photospicker.mediaitems.readonly";
    world.emulator.faults(|faults| faults.unticked_scopes = vec![scope.into()]);
    let (done, said) = world.log_in_with(&world.emulator.client_secret_json(), &[]);
    assert!(done, "{said}");
    assert_eq!(errno_of(&world, "DSC_0000.JPG"), Some(libc::EACCES), "{}", world.log());
    wait_for("the next step", || world.log().contains("gphotosfs login --picker"));
    world.emulator.faults(|faults| {
        faults.unticked_scopes.clear();
        faults.picker.disabled = true;
    });
    let (done, said) = world.log_in_with(&world.emulator.client_secret_json(), &["--picker"]);
    assert!(done, "{said}");
    assert_eq!(errno_of(&world, "DSC_0001.JPG"), Some(libc::EACCES), "{}", world.log());
    wait_for("the next step", || world.log().contains("enable the \"Google Photos Picker API\""));
    let log = world.log();
    assert!(!log.contains("403") && !log.contains("INSUFFICIENT"), "{log}");
    assert!(log.contains("reading .gphotos/picked/Trip/DSC_0000.JPG: "), "{log}");
    world.photo("a.jpg", 9, 5000);
    world.sh("mkdir mnt/A && cp a.jpg mnt/A/");
    world.sync();
}

/// Google refuses while the user is picking.
#[test]
fn a_refusal_during_the_wait_ends_the_pick_with_the_next_step() {
    for (failure, expected) in [
        (Failure::ServiceDisabled, "enable the \"Google Photos Picker API\""),
        (Failure::NotFound, "Google has ended the session"),
    ] {
        let world = world();
        world.emulator.faults(|faults| {
            let always = Injection { rate: 1.0, ..Injection::new(failure) };
            faults.on(Call::PickerSessionsGet).failures.push(always);
        });
        let (code, out, err) = Waiting::begin(&world, &["Trip"]).end();
        assert_eq!((code, out.as_str()), (1, ""), "{err}");
        assert!(err.contains(expected), "{err}");
        assert_eq!(list(&world), json!([]));
    }
}

/// The bytes are refused with a picture: it never stands for the photo.
#[test]
fn a_refusal_that_comes_as_a_picture_is_an_error_and_no_photo() {
    let world = picked([1]);
    world.emulator.faults(|faults| faults.base_url_life_s = 0);
    let error = errno_of(&world, "DSC_0001.JPG");
    assert_eq!(error, Some(libc::EIO), "{}", world.log());
    wait_for("the reason", || world.log().contains("403"));
    let downloads = world.emulator.stats().requests(Call::PickerDownload);
    assert!((1..=4).contains(&downloads), "{downloads} requests for bytes that are refused");
    // Nothing of the picture stays: later the photo itself comes.
    world.emulator.faults(|faults| faults.base_url_life_s = 3600);
    let original = fs::read(world.dir.path().join("photo/DSC_0001.JPG")).unwrap();
    let file = world.mnt.join(".gphotos/picked/Trip/DSC_0001.JPG");
    wait_for("the photo", || fs::read(&file).is_ok_and(|read| read == original));
}

#[test]
fn done_that_hangs_ends_with_the_wait_and_says_how_to_pick_less() {
    let world = world();
    (0..3).for_each(|seed| photo(&world, seed));
    world.emulator.faults(|faults| faults.picker.done_hangs_from = Some(3));
    let step = PickStep::Pick { session: None, choice: Choice::album("Trip") };
    let (code, out, err) = pick_by(&world, &["Trip", "--timeout", "400ms"], step);
    assert_eq!((code, out.as_str()), (1, ""), "{err}");
    assert!(err.contains("the wait is over"), "{err}");
    assert!(err.contains("If \"Done\" did nothing, pick parts of some hundred photos"), "{err}");
    assert_eq!((world.emulator.stats().open_pick_sessions, list(&world)), (0, json!([])));
    let (code, out, err) = pick(&world, &["Trip"], some("Trip", 0, 2));
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(world.emulator.stats().violations, Vec::<String>::new());
}

/// Google's page takes 2,000 ticks, and refuses the next one.
#[test]
fn the_most_that_can_be_ticked_is_said_with_the_next_step() {
    let world = world();
    let items = (0..2001).map(|at| MadeUpItem {
        filename: format!("DSC_{at:04}.JPG"),
        captured_s: Some(1_556_409_600 + at),
        ..MadeUpItem::default()
    });
    elsewhere(&world, Edit::AddMadeUp { album: Some("Trip".into()), items: items.collect() });
    let waiting = Waiting::begin(&world, &["Trip"]);
    let tick = PickStep::Tick { session: None, choice: Choice::album("Trip") };
    let refused = world.emulator.wait(world.emulator.pick(tick)).unwrap_err();
    assert!(refused.to_string().contains("2000"), "{refused}");
    let choice = some("Trip", 0, 2000);
    world.emulator.wait(world.emulator.pick(PickStep::Pick { session: None, choice })).unwrap();
    let (code, out, err) = waiting.end();
    assert_eq!(code, 0, "{err}");
    assert_eq!(out, "2000 items picked, 2000 of them new. Trip has 2000 items now.\n");
    assert!(
        err.contains("Google lets you pick no more at a time. Run this command again"),
        "{err}"
    );
    let (_, out, _) = pick(&world, &["Trip"], some("Trip", 2000, 1));
    assert_eq!(out, "1 item picked, 1 of them new. Trip has 2001 items now.\n");
}

/// Google may not tell the name of an item.
#[test]
fn items_without_a_name_get_their_ids_and_are_counted() {
    let world = world();
    (0..2).for_each(|seed| photo(&world, seed));
    world.emulator.faults(|faults| faults.picker.absent = vec![PickedField::Filename]);
    world.mount(&[]);
    let (code, _, err) = pick(&world, &["Trip"], Choice::album("Trip"));
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("2 items without a name at Google got the id as a name"), "{err}");
    let names = world.names(".gphotos/picked/Trip");
    assert!(
        names.len() == 2 && names.iter().all(|it| it.len() > 60 && it.ends_with(".jpg")),
        "{names:?}"
    );
    assert_eq!(list(&world)[0]["nameless"], 2);
    // Time and dimensions are not proof enough, but enough to be named.
    let (code, said) = diff(&world);
    assert_eq!(code, 1, "{said}");
    assert_eq!(said["renamed"].as_array().unwrap().len(), 2, "{said}");
    assert!(fs::read(world.mnt.join(".gphotos/picked/Trip").join(&names[0])).is_ok());
}

/// Each wait takes as many polls as the service has time for, and one list for each hundred items.
#[test]
fn polls_and_requests_are_those_that_are_needed() {
    let world = world();
    (0..3).for_each(|seed| photo(&world, seed));
    world.emulator.reset_stats();
    // The third poll is under way when the user presses Done.
    let barrier = world.emulator.barrier(Call::PickerSessionsGet, 3, Moment::Request);
    let waiting = Waiting::begin(&world, &["Trip"]);
    world.emulator.wait(barrier.arrived());
    let step = PickStep::Pick { session: None, choice: Choice::album("Trip") };
    world.emulator.wait(world.emulator.pick(step)).unwrap();
    drop(barrier);
    let (code, _, err) = waiting.end();
    assert_eq!(code, 0, "{err}");
    let stats = world.emulator.stats();
    let requests = [
        (Call::PickerSessionsCreate, 1),
        (Call::PickerSessionsGet, 3),
        (Call::PickerItemsList, 1),
        (Call::PickerSessionsDelete, 0),
        (Call::PickerDownload, 0),
    ];
    for (call, expected) in requests {
        assert_eq!(stats.requests(call), expected, "{call:?}");
    }
    assert_eq!((stats.api_requests_today, stats.media_requests_today), (0, 0));
    assert_eq!(stats.violations, Vec::<String>::new());
}
