//! Files that go while they are on their way: no error, and no line in the log that alarms.

use gphotosfs_emulator::{Call, FileMatch, ItemFailure, Moment};
use serde_json::Value;

use crate::support::World;

/// Lines of the log that warn.
fn warnings(world: &World) -> Vec<String> {
    let is_warning = |line: &&str| line.contains("WARN") || line.contains("ERROR");
    world.log().lines().filter(is_warning).map(str::to_owned).collect()
}

/// > A file that is removed while it is on its way is no error: neither the log nor `gphotosfs status`
/// > calls it refused.
#[test]
fn a_copy_that_is_removed_at_once_is_no_error() {
    let world = World::new();
    world.mount_with(&[("GPHOTOSFS_UNSTABLE_PACE", "20")], &[]);
    for at in 0..40 {
        world.photo(&format!("photo/{at}.jpg"), at, 20_000);
    }
    world.sh("mkdir mnt/A");
    for script in [
        "cp photo/* mnt/A/ && rm mnt/A/*",
        "cp photo/* mnt/A/ && sync mnt/A & cp photo/* mnt/A/ && rm -f mnt/A/*; wait",
        "cp -r photo mnt/B && rm -r mnt/B",
    ] {
        world.sh(script);
    }
    // Google makes an item, or refuses the file, just after that.
    world.photo("late.jpg", 100, 20_000);
    world.photo("broken.jpg", 101, 20_000);
    world.emulator.faults(|faults| {
        let (file, message) = (FileMatch::name("broken.jpg"), Some("NOT_IMAGE".into()));
        faults.item_failures =
            vec![ItemFailure { rate: 1.0, file, message, ..ItemFailure::new(3) }];
    });
    for name in ["late.jpg", "broken.jpg"] {
        let barrier = world.emulator.barrier(Call::MediaItemsBatchCreate, 1, Moment::Answer);
        world.sh(&format!("cp {name} mnt/A/"));
        world.emulator.wait(barrier.arrived());
        world.sh(&format!("rm mnt/A/{name}"));
        barrier.release();
        world.sync();
    }
    assert_eq!(warnings(&world), [""; 0]);
    assert_eq!(world.names(".gphotos/failed"), [""; 0]);
    let status: Value = serde_json::from_slice(&world.run(&["status", "--json"]).stdout).unwrap();
    assert_eq!(status["errors"], Value::Array(vec![]), "{status}");
    world.umount();
}
