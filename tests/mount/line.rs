//! Lines as homes have them: slow ones, and ones that break. Asserted is what they carry, never how
//! long that takes.

use gphotosfs_line::Shape;

use crate::support::{Way, World, wait_for};

#[test]
fn bytes_of_files_share_no_connection_with_calls() {
    let mut world = World::new();
    let way = Way::of(&mut world, Shape::default());
    world.mount(&[]);
    for n in 0..6 {
        world.photo(&format!("photos/{n}.jpg"), n, 50_000);
    }
    world.sh("mkdir mnt/A && cp photos/* mnt/A/");
    world.sync();
    assert_eq!(world.remote("A").len(), 6);
    let seen = way.front.seen();
    assert_eq!((seen.http2_uploads, seen.http1_uploads), (0, 6), "{seen:?}");
    assert_eq!(seen.http2, 1, "all calls share a connection: {seen:?}");
}

#[test]
fn a_call_does_not_wait_behind_the_bytes_that_a_connection_has_taken() {
    let mut world = World::new();
    let shape = Shape { up: 50_000, queue: 16 << 10, backlog: 1 << 20, ..Shape::default() };
    let way = Way::of(&mut world, shape);
    world.mount(&[]);
    world.photo("large.jpg", 1, 3_000_000);
    world.sh("mkdir mnt/A && cp large.jpg mnt/A/");
    // By then the kernel holds as much of it as it takes.
    wait_for("the upload to be under way", || way.relay.counts().up > 200_000);
    let before = way.relay.counts().up;
    world.sh("mkdir mnt/B");
    let meanwhile = way.relay.counts().up - before;
    assert!(meanwhile < 700_000, "{meanwhile} bytes went before the call");
}

#[test]
fn bytes_that_arrived_before_a_break_are_not_sent_again() {
    let mut world = World::new();
    let way = Way::of(&mut world, Shape { up: 600_000, ..Shape::default() });
    world.mount(&[]);
    world.photo("large.jpg", 1, 3_000_000);
    world.sh("mkdir mnt/A && cp large.jpg mnt/A/");
    // The first attempt, in one request, is lost. The second one breaks off, too, and goes on.
    for break_at in [1_000_000, 2_500_000] {
        wait_for("the upload to be under way", || way.relay.counts().up > break_at);
        way.relay.cut();
    }
    world.sync();
    assert_eq!(world.remote("A"), ["large.jpg"]);
    let carried = way.relay.counts().up;
    assert!(carried < 4_700_000, "{carried} bytes for 3,000,000 and a break after 1,000,000");
}

#[test]
fn a_line_that_breaks_again_and_again_carries_a_copy() {
    let mut world = World::new();
    let way = Way::of(&mut world, Shape { up: 1_000_000, ..Shape::default() });
    world.mount(&[]);
    let (files, size) = (12, 400_000);
    for n in 0..files {
        world.photo(&format!("photos/{n}.jpg"), n, size);
    }
    world.sh("mkdir mnt/A && cp photos/* mnt/A/");
    for break_at in [1_000_000, 2_500_000, 4_000_000] {
        wait_for("the line to carry more", || way.relay.counts().up > break_at);
        way.relay.cut();
    }
    world.sync();
    assert_eq!(world.remote("A").len(), files as usize);
    // Each break loses at most what is under way: the first eight files, and later fewer.
    let (carried, bytes) = (way.relay.counts().up, u64::from(files) * size as u64);
    assert!(carried < bytes + 3 * 8 * size as u64, "{carried} bytes for {bytes}");
}
