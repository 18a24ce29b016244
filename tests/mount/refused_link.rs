//! The link in the root to refused files, for a person with nothing but a file manager.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{World, wait_for};

const LINK: &str = "Refused by Google";

/// A mount with the albums `A` and `B`, and a file that is no photo.
fn world() -> World {
    let world = World::mounted();
    world.photo("photo/1.jpg", 1, 20_000);
    world.sh("mkdir mnt/A mnt/B && cp photo/1.jpg mnt/A/ && echo text > notes.txt && sync mnt");
    world
}

fn refuse(world: &World, name: &str) {
    world.sh(&format!("! cp notes.txt mnt/A/{name} 2> said"));
    wait_for("the refused file", || world.names(".gphotos/failed/A").contains(&name.to_owned()));
}

fn link(world: &World) -> PathBuf {
    world.mnt.join(LINK)
}

fn is_link(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|it| it.is_symlink())
}

/// > While files are refused, the root has the link `Refused by Google` to `.gphotos/failed`, so that a
/// > file manager shows them. It goes with the last of them. Albums look as always.
#[test]
fn the_root_has_a_link_while_files_are_refused() {
    let world = world();
    assert_eq!(world.names("."), ["A", "B"]);
    assert!(!is_link(&link(&world)));
    refuse(&world, "notes.txt");
    assert_eq!(world.names("."), ["A", "B", LINK]);
    assert_eq!(fs::read_link(link(&world)).unwrap(), Path::new(".gphotos/failed"));
    assert_eq!(world.sh("cat 'mnt/Refused by Google/A/notes.txt'"), "text\n");
    assert_eq!(world.names("A"), ["1.jpg"]);
    // Neither walks into it nor copies what it leads to.
    world.sh("find mnt -type f > files && du -s mnt > used && tar cf out.tar mnt");
    assert_eq!(fs::read_to_string(world.dir.path().join("files")).unwrap(), "mnt/A/1.jpg\n");
    world.sh("rsync -rt mnt/ out/ && test ! -e 'out/Refused by Google' && rsync -a mnt/ all/");
    world.sh("cp -a mnt copy && test -L 'copy/Refused by Google' && ! test -e copy/.gphotos");
    world.umount();
    world.mount(&[]);
    assert_eq!(world.names("."), ["A", "B", LINK]);
    world.sh("rm 'mnt/Refused by Google/A/notes.txt'");
    wait_for("the link to go", || !is_link(&link(&world)));
    assert_eq!(world.names("."), ["A", "B"]);
    world.umount();
}

/// > `rm` of the link dismisses it until another file is refused. Nothing else can be done to it. An
/// > album of its name takes its place.
#[test]
fn the_link_can_be_dismissed_and_an_album_takes_its_place() {
    let world = world();
    refuse(&world, "1.txt");
    for script in [
        "mv 'mnt/Refused by Google' mnt/other",
        "ln -P 'mnt/Refused by Google' mnt/other",
        "mv -T mnt/B 'mnt/Refused by Google'",
        "mkdir 'mnt/Refused by Google'",
        "touch -h 'mnt/Refused by Google'",
        "rmdir 'mnt/Refused by Google'",
    ] {
        assert!(!world.sh_outcome(script).status.success(), "{script}");
        assert_eq!(world.names("."), ["A", "B", LINK], "{script}");
    }
    world.sh("rm 'mnt/Refused by Google' && test -e mnt/.gphotos/failed/A/1.txt");
    assert!(!is_link(&link(&world)));
    assert_eq!(world.names("."), ["A", "B"]);
    world.umount();
    world.mount(&[]);
    assert_eq!(world.names("."), ["A", "B"], "dismissed for good");
    refuse(&world, "2.txt");
    assert_eq!(world.names("."), ["A", "B", LINK]);
    world.sh("rm 'mnt/Refused by Google' && mkdir 'mnt/Refused by Google'");
    world.sh("cp photo/1.jpg 'mnt/Refused by Google/'");
    refuse(&world, "3.txt");
    assert!(link(&world).symlink_metadata().unwrap().is_dir());
    world.sh("sync 'mnt/Refused by Google'");
    assert_eq!(world.remote(LINK), ["1.jpg"]);
    world.umount();
}
