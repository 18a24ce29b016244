//! `--commit close`: when close(2) returns, and how it fails.

use std::time::{Duration, Instant};

use gphotosfs_emulator::{Call, Failure, Faults};

use crate::support::World;

/// A mount whose closes wait for Google, with the album `A` and `count` photos to be copied.
fn world(count: u32) -> World {
    let world = World::new();
    world.mount(&["--commit", "close"]);
    for at in 0..count {
        world.photo(&format!("photo/{at}.jpg"), at, 20_000);
    }
    world.sh("mkdir mnt/A");
    world
}

/// The message of `cp` for the one photo when its close fails, which takes a bounded time.
fn refused(world: &World) -> String {
    let begun = Instant::now();
    let outcome = world.sh_outcome("cp photo/0.jpg mnt/A/");
    assert!(!outcome.status.success(), "{}", world.log());
    assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
    String::from_utf8(outcome.stderr).unwrap()
}

#[test]
fn close_returns_when_google_has_the_file() {
    let world = world(1);
    world.emulator.faults(|faults| *faults = Faults::realistic());
    world.sh("cp -p photo/0.jpg mnt/A/");
    assert_eq!(world.remote("A"), ["0.jpg"]);
    world.sh("cmp photo/0.jpg mnt/A/0.jpg");
    // Neither reading, nor opening without a change, nor a half-written file waits for anything.
    world.emulator.reset_stats();
    world.sh("cat mnt/A/0.jpg > out && : >> mnt/A/0.jpg && cp photo/0.jpg mnt/A/x.part");
    assert_eq!(world.emulator.stats().requests(Call::MediaItemsBatchCreate), 0);
    world.sh("mv mnt/A/x.part mnt/A/x.jpg && sync mnt/A");
}

#[test]
fn closes_at_the_same_time_share_batches() {
    let world = world(24);
    world.emulator.faults(|faults| *faults = Faults::realistic());
    world.sh("ls photo | xargs -P 24 -I NAME cp photo/NAME mnt/A/");
    assert_eq!(world.remote("A").len(), 24);
    let calls = world.emulator.stats().requests(Call::MediaItemsBatchCreate);
    assert!(calls <= 12, "{calls} calls for 24 files");
}

#[test]
fn copies_of_a_descriptor_do_not_make_close_hang() {
    let world = world(2);
    let script = r#"
import os

def close(fd):
    # Half a photo is sent, and refused, because nobody can know that it is half a photo.
    try:
        os.close(fd)
    except OSError:
        pass

data = open('photo/0.jpg', 'rb').read()
half = len(data) // 2
fd = os.open('mnt/A/dup.jpg', os.O_WRONLY | os.O_CREAT)
copy = os.dup(fd)
os.write(fd, data[:half])
close(fd)
os.write(copy, data[half:])
os.close(copy)
fd = os.open('mnt/A/fork.jpg', os.O_WRONLY | os.O_CREAT)
data = open('photo/1.jpg', 'rb').read()
if os.fork() == 0:
    os.write(fd, data[:half])
    os._exit(0)
os.wait()
os.write(fd, data[half:])
os.close(fd)
one, two = (os.open('mnt/A/two.jpg', os.O_WRONLY | os.O_CREAT) for _ in range(2))
os.write(one, data)
os.write(one, b'one')
os.close(one)
os.write(two, data)
os.close(two)
"#;
    std::fs::write(world.dir.path().join("copies.py"), script).unwrap();
    world.sh("timeout 60 python3 copies.py && cmp photo/0.jpg mnt/A/dup.jpg && cmp photo/1.jpg mnt/A/fork.jpg");
    world.sync();
    assert_eq!(world.remote("A").len(), 3);
    assert!(world.names(".gphotos/failed").is_empty());
    world.sh("cmp -n 20000 photo/1.jpg mnt/A/two.jpg");
}

#[test]
fn a_file_that_google_refuses_fails_at_close_and_is_kept() {
    let world = world(1);
    world.sh("echo text > a.txt");
    let outcome = world.sh_outcome("cp a.txt mnt/A/");
    assert!(String::from_utf8_lossy(&outcome.stderr).contains("Wrong medium type"));
    world.emulator.faults(|faults| faults.photo_bytes_max = 1000);
    assert!(refused(&world).contains("File too large"));
    world.sh("cmp photo/0.jpg mnt/.gphotos/failed/A/0.jpg");
}

#[test]
fn a_full_album_fails_a_close_with_too_many_links() {
    let world = world(1);
    world.emulator.faults(|faults| faults.album_items_max = 0);
    let said = refused(&world);
    assert!(said.contains("Too many links"), "{said}\n{}", world.log());
}

#[test]
fn full_storage_fails_a_close_and_the_file_stays_queued() {
    let world = world(1);
    world.emulator.faults(|faults| faults.storage_bytes = Some(0));
    let said = refused(&world);
    assert!(said.contains("No space left on device"), "{said}\n{}", world.log());
    assert!(world.log().contains("stays queued"), "{}", world.log());
    assert_eq!(world.names("A"), ["0.jpg"]);
}

#[test]
fn a_dead_login_fails_a_close_with_permission_denied() {
    let world = world(1);
    world.emulator.revoke_grants();
    world.emulator.expire_access_tokens();
    let said = refused(&world);
    assert!(said.contains("Permission denied"), "{said}\n{}", world.log());
}

#[test]
fn a_used_up_quota_fails_a_close_with_quota_exceeded() {
    let world = world(1);
    world.emulator.faults(|faults| {
        faults.fail_next(Call::MediaItemsBatchCreate, 1000, Failure::RequestsPerDay);
    });
    let said = refused(&world);
    assert!(said.contains("quota exceeded"), "{said}\n{}", world.log());
}

#[test]
fn without_a_network_close_fails_in_bounded_time_and_the_file_arrives_later() {
    let mut world = world(1);
    world.stop_emulator();
    let said = refused(&world);
    assert!(said.contains("No route to host"), "{said}\n{}", world.log());
    world.start_emulator();
    world.sync();
    assert_eq!(world.remote("A"), ["0.jpg"]);
}
