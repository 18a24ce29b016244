//! Commands about albums that a pick is given to.

use super::*;

#[test]
fn commands_about_albums_say_what_a_pick_lacks() {
    let world = world();
    photo(&world, 1);
    world.mount(&[]);
    let mnt = world.mnt.display();
    let refused = |args: &[&str]| {
        let mut program = world.program();
        let outcome = program.current_dir(world.dir.path()).args(args).output().unwrap();
        assert_eq!((outcome.status.code(), outcome.stdout.len()), (Some(2), 0), "{args:?}");
        String::from_utf8(outcome.stderr).unwrap()
    };
    let all = format!("{mnt}/.gphotos/picked");
    let said = refused(&["diff", "photo", &all]);
    let none = format!(
        "gphotosfs: {all} holds all picks\n  -> there is none: 'gphotosfs pick NAME' makes one\n"
    );
    assert_eq!(said, none);
    pick(&world, &["Trip"], Choice::album("Trip"));
    let said = refused(&["diff", "photo", &all]);
    assert!(said.ends_with(&format!(" picks\n  -> name one pick: {all}/Trip\n")), "{said}");
    for path in [all.clone(), format!("{all}/Trip"), format!("{all}/Trip/DSC_0001.JPG")] {
        for (command, why) in [
            (
                "verify",
                "a pick has nothing to verify: it was not uploaded from here\n  -> name the",
            ),
            (
                "thumbnails",
                "a pick has no thumbnails at Google\n  -> name the directory of an album",
            ),
            ("sync", "a pick has nothing to upload\n  -> name the directory of an album, or none"),
            (
                "refresh",
                "a pick has nothing to list again: it stays as it was picked\n  -> 'gphotosfs",
            ),
        ] {
            let said = refused(&[command, &path]);
            let expected = format!("gphotosfs: cannot use {path}: {why}");
            assert!(said.starts_with(&expected), "{command}: {said}");
        }
    }
    let said = refused(&["adopt", "photo", &all]);
    assert!(said.contains("is a pick, whose items are not this program's"), "{said}");
    let said = refused(&["verify", &format!("{all}/Trip"), "--against", "photo"]);
    assert!(said.contains("a pick has nothing to verify"), "{said}");
}

#[test]
fn an_empty_file_is_no_picked_item() {
    let world = picked([1]);
    fs::write(world.dir.path().join("photo/DSC_0001.JPG"), "").unwrap();
    let (text, _) = diff_text(&world);
    let sums = "1 local = 0 picked + 1 empty\n1 picked = 0 here + 1 only picked\n";
    assert!(text.starts_with(sums), "{text}");
    assert!(text.contains("another name or content:\n  DSC_0001.JPG: it is empty\n"), "{text}");
    let (code, said) = diff(&world);
    assert_eq!((code, &said["same"]["unknown"]), (1, &json!([])), "{said}");
}
