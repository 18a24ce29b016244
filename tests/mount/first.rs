//! The first five minutes of a person at a terminal.

use crate::support::World;
use crate::support::terminal::Terminal;

#[test]
fn the_first_mount_says_three_things_and_the_second_none() {
    let world = World::new();
    for is_first in [true, false] {
        let mut mount = world.program();
        mount.arg("mount").arg(&world.mnt).current_dir(world.dir.path());
        let (status, shown) = Terminal::start(&mount).end();
        assert!(status.success(), "{shown}");
        for said in ["Three things to know", "A directory is an album", "gphotosfs sync"] {
            assert_eq!(shown.contains(said), is_first, "{said}: {shown}");
        }
        world.sh("mkdir -p mnt/A");
        let (done, said) = world.told(&["umount", world.mnt.to_str().unwrap()]);
        assert!(done, "{said}");
    }
}

#[test]
fn the_guide_ends_with_a_mount() {
    let world = World::new();
    let client = world.dir.path().join("client_secret.json");
    std::fs::remove_dir_all(world.dir.path().join("config")).unwrap();
    let mut login = world.program();
    login.args(["login", "--no-browser"]).current_dir(world.dir.path());
    let mut terminal = Terminal::start(&login);
    terminal.expect("Press Enter for Testing");
    terminal.type_in("\r");
    terminal.expect("Press Enter when it is done");
    // As a file manager writes it.
    terminal.type_in(&format!("'{}'\r", client.display()));
    terminal.consent();
    terminal.expect("Press Enter to mount");
    terminal.type_in(&format!("{}\r", world.mnt.display()));
    let (status, shown) = terminal.end();
    assert!(status.success() && shown.contains("Three things to know"), "{shown}");
    world.sh("mkdir mnt/A && rmdir mnt/A");
}
