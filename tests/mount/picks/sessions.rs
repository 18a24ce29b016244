//! The life of picks and of their sessions at Google.

use super::*;

#[test]
fn picks_add_up_begin_anew_and_are_forgotten() {
    let world = world();
    (0..5).for_each(|seed| photo(&world, seed));
    let open = || world.emulator.stats().open_pick_sessions;
    // No mount is needed.
    let (code, out, _) = pick(&world, &["Trip"], some("Trip", 0, 3));
    assert_eq!((code, out.as_str()), (0, "3 items picked, 3 of them new. Trip has 3 items now.\n"));
    world.mount(&[]);
    assert_eq!(world.names(".gphotos/picked/Trip").len(), 3);
    let (_, out, _) = pick(&world, &["Trip"], some("Trip", 2, 3));
    assert_eq!(out, "3 items picked, 2 of them new. Trip has 5 items now.\n");
    assert_eq!((world.names(".gphotos/picked/Trip").len(), open()), (5, 2));
    let listed = list(&world);
    assert_eq!((&listed[0]["name"], &listed[0]["items"]), (&json!("Trip"), &json!(5)));
    assert!(listed[0]["readable_until"].is_string() && listed[0]["partial"] == false, "{listed}");
    // A mount says the same.
    let status = String::from_utf8(world.run(&["status", "--json"]).stdout).unwrap();
    assert_eq!(schema::check("status", &status)["picks"], listed);
    let status = String::from_utf8(world.run(&["status"]).stdout).unwrap();
    assert!(status.contains("Trip: 5 items, readable until"), "{status}");

    // A pick that comes to nothing changes nothing.
    let (code, _, err) = pick_by(&world, &["Trip", "--new"], PickStep::Done { session: None });
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("nothing was picked"), "{err}");
    assert_eq!((world.names(".gphotos/picked/Trip").len(), open()), (5, 2));
    let (_, out, _) = pick(&world, &["Trip", "--new"], some("Trip", 4, 1));
    assert_eq!(out, "1 item picked, 1 of them new. Trip has 1 item now.\n");
    assert_eq!((world.names(".gphotos/picked/Trip"), open()), (vec!["DSC_0000.JPG".to_owned()], 1));

    let (done, said) = world.told(&["pick", "--forget", "Trip"]);
    assert!(done, "{said}");
    assert_eq!((world.names(".gphotos/picked"), open()), (vec![], 0));
    let (done, said) = world.told(&["pick", "--forget", "Trip"]);
    assert!(!done && said.contains("there is no pick Trip"), "{said}");
    assert_eq!(world.emulator.stats().violations, Vec::<String>::new());
}

#[test]
fn a_closed_tab_a_short_patience_and_an_interrupt_leave_no_session() {
    let world = world();
    photo(&world, 1);
    let (code, out, err) = {
        let waiting = Waiting::begin(&world, &["Trip", "--timeout", "300ms"]);
        world.emulator.wait(world.emulator.pick(PickStep::Close { session: None })).unwrap();
        waiting.end()
    };
    assert_eq!((code, out.as_str()), (1, ""), "{err}");
    assert!(err.contains("the wait is over"), "{err}");
    assert_eq!(world.emulator.stats().open_pick_sessions, 0);
    let waiting = Waiting::begin(&world, &["Trip", "--qr"]);
    let pid = rustix::process::Pid::from_raw(waiting.child.id() as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let (code, _, err) = waiting.end();
    assert_eq!(code, 1);
    assert!(err.contains("stopped") && err.contains('█'), "{err}");
    assert_eq!((world.emulator.stats().open_pick_sessions, list(&world)), (0, json!([])));
    assert_eq!(world.emulator.stats().violations, Vec::<String>::new());
}

/// > When Google has ended the session, the names stay, and the attributes. A read of bytes that are not
/// > in the cache is `ESTALE`.
#[test]
fn after_the_session_names_stay_and_bytes_do_not() {
    let world = picked(0..2);
    let read = |name: &str| fs::read(world.mnt.join(".gphotos/picked/Trip").join(name));
    read("DSC_0000.JPG").unwrap();
    let session = world.emulator.pick_sessions()[0].id.clone();
    world.emulator.wait(world.emulator.pick(PickStep::Expire { session: Some(session) })).unwrap();
    let error = read("DSC_0001.JPG").unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ESTALE), "{}", world.log());
    wait_for("the next step", || world.log().contains("pick it again with 'gphotosfs pick NAME'"));
    assert_eq!(
        read("DSC_0000.JPG").unwrap().len(),
        fs::metadata(world.dir.path().join("photo/DSC_0000.JPG")).unwrap().len() as usize
    );
    assert_eq!(world.names(".gphotos/picked/Trip").len(), 2);
    assert_eq!(diff(&world).0, 0);
    assert_eq!(list(&world)[0]["readable_until"], Value::Null);
}
