//! Waits that end early, and commands that are killed: no session stays behind, and what was picked is kept.

use std::time::{Duration, Instant};

use gphotosfs_emulator::{Failure, Injection, Moment};
use rustix::process::{Pid, Signal, kill_process};

use super::*;

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(child.id() as i32).unwrap(), signal).unwrap();
}

fn open(world: &World) -> u64 {
    world.emulator.stats().open_pick_sessions
}

/// Picks in one of several sessions.
fn pick_in(world: &World, session: &str, choice: Choice) {
    let session = Some(session.to_owned());
    world.emulator.wait(world.emulator.pick(PickStep::Pick { session, choice })).unwrap();
}

fn sessions(world: &World) -> Vec<String> {
    world.emulator.pick_sessions().into_iter().map(|it| it.id).collect()
}

/// Items in the album `Trip`, more than a page of the list.
fn two_pages(world: &World) {
    let items = (0..150).map(|at| MadeUpItem {
        filename: format!("DSC_{at:04}.JPG"),
        captured_s: Some(1_556_409_600 + at),
        ..MadeUpItem::default()
    });
    elsewhere(world, Edit::AddMadeUp { album: Some("Trip".into()), items: items.collect() });
}

/// The time between two polls is far longer than the test may take.
const NEVER: u64 = 3_600_000;

#[test]
fn a_short_patience_and_an_interrupt_end_the_pause_between_two_polls() {
    let world = world();
    world.emulator.faults(|faults| faults.picker.poll_interval_ms = NEVER);
    let begun = Instant::now();
    let (code, out, err) = Waiting::begin(&world, &["Trip", "--timeout", "500ms"]).end();
    assert_eq!((code, out.as_str()), (1, ""), "{err}");
    assert!(err.contains("the wait is over") && begun.elapsed() >= Duration::from_millis(500));
    assert_eq!(open(&world), 0);
    let waiting = Waiting::begin(&world, &["Trip"]);
    send(&waiting.child, Signal::INT);
    let (code, _, err) = waiting.end();
    assert!(code == 1 && err.contains("stopped"), "{err}");
    assert_eq!((open(&world), list(&world)), (0, json!([])));
    assert_eq!(world.emulator.stats().violations, Vec::<String>::new());
}

#[test]
fn a_short_patience_ends_a_request_that_is_not_answered() {
    for call in [Call::PickerSessionsCreate, Call::PickerSessionsGet] {
        let world = world();
        world.emulator.faults(|faults| {
            let stalled = Injection { rate: 1.0, ..Injection::new(Failure::Stall) };
            faults.on(call).failures.push(stalled);
        });
        let begun = Instant::now();
        let (done, said) = world.told(&["pick", "Trip", "--no-browser", "--timeout", "1s"]);
        assert!(!done && said.contains("the wait is over"), "{said}");
        // The request itself has a deadline of half a minute, and is repeated.
        assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
    }
}

#[test]
fn the_session_of_a_killed_pick_is_ended_by_the_next_one_and_that_of_a_living_one_is_not() {
    let world = world();
    (0..4).for_each(|seed| photo(&world, seed));
    let mut killed = Waiting::begin(&world, &["Trip"]);
    killed.child.kill().unwrap();
    killed.child.wait().unwrap();
    let left = sessions(&world);
    assert_eq!(open(&world), 1);

    // Two of one name at once.
    let first = Waiting::begin(&world, &["Trip"]);
    let of_first = sessions(&world).into_iter().find(|it| !left.contains(it)).unwrap();
    assert_eq!(open(&world), 1, "only that of the first");
    let second = Waiting::begin(&world, &["Trip"]);
    let known: Vec<_> = left.iter().chain([&of_first]).cloned().collect();
    let of_second = sessions(&world).into_iter().find(|it| !known.contains(it)).unwrap();
    assert_eq!(open(&world), 2, "both wait");
    pick_in(&world, &of_second, some("Trip", 0, 2));
    let (code, out, err) = second.end();
    assert_eq!(out, "2 items picked, 2 of them new. Trip has 2 items now.\n", "{code} {err}");
    pick_in(&world, &of_first, some("Trip", 1, 3));
    let (code, out, err) = first.end();
    assert_eq!(out, "3 items picked, 2 of them new. Trip has 4 items now.\n", "{code} {err}");
    assert_eq!(world.emulator.stats().violations, Vec::<String>::new());
}

/// The listing of a pick ends early: by a kill, or by Ctrl-C. The next pick of that name goes on.
#[test]
fn a_listing_that_was_cut_off_is_ended_by_the_next_pick() {
    for signal in [Signal::KILL, Signal::INT] {
        let world = world();
        two_pages(&world);
        world.mount(&[]);
        let barrier = world.emulator.barrier(Call::PickerItemsList, 2, Moment::Request);
        let waiting = Waiting::begin(&world, &["Trip"]);
        let step = PickStep::Pick { session: None, choice: Choice::album("Trip") };
        world.emulator.wait(world.emulator.pick(step)).unwrap();
        world.emulator.wait(barrier.arrived());
        send(&waiting.child, signal);
        if signal == Signal::INT {
            let (code, _, err) = waiting.end();
            assert!(code == 1 && err.contains("it lists the rest"), "{err}");
        } else {
            let mut waiting = waiting;
            waiting.child.wait().unwrap();
        }
        drop(barrier);
        assert_eq!(world.names(".gphotos/picked/Trip").len(), 100);
        assert_eq!(list(&world)[0]["partial"], true);
        // Half of a pick is no answer.
        fs::create_dir_all(world.dir.path().join("photo")).unwrap();
        let (code, said) = diff(&world);
        assert_eq!((code, &said["partial"], &said["differ"]), (1, &json!(true), &json!(true)));
        let said = diff_text(&world).1;
        assert!(
            said.contains("not complete") && said.contains("-> run 'gphotosfs pick Trip'"),
            "{said}"
        );
        let (code, out, err) = pick(&world, &["Trip"], some("Trip", 0, 1));
        assert_eq!(code, 0, "{err}");
        assert!(err.contains("not listed to its end: 50 items more"), "{err}");
        assert_eq!(out, "1 item picked, 0 of them new. Trip has 150 items now.\n");
        assert_eq!(
            (world.names(".gphotos/picked/Trip").len(), &list(&world)[0]["partial"]),
            (150, &json!(false))
        );
    }
}

/// Ctrl-C comes before the first page. What was promised is done, and nothing else is promised.
#[test]
fn a_listing_that_is_stopped_before_its_first_page_goes_on_or_changes_nothing() {
    let world = world();
    two_pages(&world);
    world.mount(&[]);
    let stop = |more: &[&str]| {
        let barrier = world.emulator.barrier(Call::PickerItemsList, 1, Moment::Request);
        let waiting = Waiting::begin(&world, more);
        let step = PickStep::Pick { session: None, choice: Choice::album("Trip") };
        world.emulator.wait(world.emulator.pick(step)).unwrap();
        world.emulator.wait(barrier.arrived());
        send(&waiting.child, Signal::INT);
        let (code, _, err) = waiting.end();
        assert_eq!(code, 1, "{err}");
        err
    };
    let err = stop(&["Trip"]);
    assert!(err.contains("it lists the rest"), "{err}");
    assert_eq!((&list(&world)[0]["items"], &list(&world)[0]["partial"]), (&json!(0), &json!(true)));
    fs::create_dir_all(world.dir.path().join("photo")).unwrap();
    assert_eq!(diff(&world).0, 1);
    let (code, out, err) = pick(&world, &["Trip"], some("Trip", 0, 1));
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("not listed to its end: 150 items more"), "{err}");
    assert_eq!(out, "1 item picked, 0 of them new. Trip has 150 items now.\n");
    // What a pick has is forgotten only for something new.
    let err = stop(&["Trip", "--new"]);
    assert!(err.contains("nothing has changed"), "{err}");
    assert_eq!(
        (&list(&world)[0]["items"], &list(&world)[0]["partial"]),
        (&json!(150), &json!(false))
    );
    assert_eq!(world.emulator.stats().violations, Vec::<String>::new());
}

#[test]
fn a_listing_that_google_ends_does_not_stop_later_picks() {
    let world = world();
    two_pages(&world);
    let barrier = world.emulator.barrier(Call::PickerItemsList, 2, Moment::Request);
    let mut waiting = Waiting::begin(&world, &["Trip"]);
    let step = PickStep::Pick { session: None, choice: Choice::album("Trip") };
    world.emulator.wait(world.emulator.pick(step)).unwrap();
    world.emulator.wait(barrier.arrived());
    waiting.child.kill().unwrap();
    waiting.child.wait().unwrap();
    drop(barrier);
    let session = sessions(&world).pop();
    world.emulator.wait(world.emulator.pick(PickStep::Expire { session })).unwrap();
    let (code, out, err) = pick(&world, &["Trip"], some("Trip", 0, 150));
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("Google has ended its session: what was listed stays"), "{err}");
    assert!(out.ends_with("Trip has 150 items now.\n"), "{out}");
}

/// Google does not answer while the user picks.
#[test]
fn an_outage_during_the_wait_is_waited_for() {
    let world = world();
    (0..2).for_each(|seed| photo(&world, seed));
    world.emulator.faults(|faults| {
        let down = Injection { next: 4, ..Injection::new(Failure::Unavailable) };
        faults.on(Call::PickerSessionsGet).failures.push(down);
    });
    let (code, out, err) = pick(&world, &["Trip"], Choice::album("Trip"));
    assert_eq!(
        (code, out.as_str()),
        (0, "2 items picked, 2 of them new. Trip has 2 items now.\n"),
        "{err}"
    );
}
