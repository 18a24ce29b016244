//! The requests that common programs cost, through a real mount.

use gphotosfs_emulator::{Call, Edit, Moment};

use crate::support::account::requests;
use crate::support::{World, wait_for};

/// Requests of all kinds since the last call of this, but those for a login.
fn spent(world: &World) -> Vec<(Call, u64)> {
    let spent = requests(&world.emulator).collect();
    world.emulator.reset_stats();
    spent
}

#[test]
fn each_command_costs_what_it_must_and_no_more() {
    let world = World::new();
    world.seed("Trip", 150);
    world.photo("a.jpg", 1, 5000);
    world.mount(&["--refresh", "1day"]);
    world.emulator.reset_stats();
    let steps: &[(&str, &[(Call, u64)])] = &[
        ("ls mnt", &[(Call::AlbumsList, 1)]),
        ("ls mnt/Trip", &[(Call::MediaItemsSearch, 2)]),
        ("ls mnt mnt/Trip", &[]),
        // The size of each is asked for once.
        ("ls -l mnt/Trip", &[(Call::Download, 150)]),
        ("ls -l mnt/Trip && stat mnt/Trip/IMG_000001.jpg && find mnt -size +1k", &[]),
        ("stat mnt/Trip/none.jpg || true", &[]),
        ("cat mnt/Trip/IMG_000001.jpg", &[(Call::Download, 1)]),
        ("cat mnt/Trip/IMG_000001.jpg", &[]),
        ("mkdir mnt/New", &[(Call::AlbumsCreate, 1)]),
        (
            "cp a.jpg mnt/New/ && sync mnt/New",
            &[(Call::MediaItemsSearch, 1), (Call::MediaItemsBatchCreate, 1), (Call::UploadRaw, 1)],
        ),
        ("cat mnt/New/a.jpg && ls -l mnt/New", &[]),
        // Nothing is sent, but the list must show that Google still has the photo.
        ("cp a.jpg mnt/New/ && sync mnt/New", &[(Call::MediaItemsSearch, 1)]),
        ("ln mnt/New/a.jpg mnt/Trip/b.jpg && sync mnt/Trip", &[(Call::AlbumsBatchAdd, 1)]),
        ("mv mnt/New/a.jpg mnt/New/c.jpg && sync mnt/New", &[]),
        ("mv mnt/New/c.jpg mnt/Trip/ && sync mnt/New", &[(Call::AlbumsBatchRemove, 1)]),
        ("rm mnt/Trip/IMG_00000* && sync mnt/Trip", &[(Call::AlbumsBatchRemove, 1)]),
        ("mv mnt/New mnt/Newer", &[(Call::AlbumsPatch, 1)]),
        ("rmdir mnt/Newer", &[]),
    ];
    let mut wrong = Vec::new();
    for (command, costs) in steps {
        world.sh(&format!("{{ {command}; }} >/dev/null"));
        let spent = spent(&world);
        if spent != *costs {
            wrong.push(format!("{command}: {spent:?}, not {costs:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    world.umount();
    world.mount(&["--refresh", "1day"]);
    world.sh("ls -l mnt mnt/Trip && cat mnt/Trip/IMG_000011.jpg mnt/Trip/b.jpg >/dev/null");
    // Names, sizes and the bytes of one photo are known. The base URL of the other one has to be fetched again.
    assert_eq!(spent(&world), [(Call::MediaItemsBatchGet, 1), (Call::Download, 1)]);
    assert!(world.run(&["refresh", world.mnt.join("Trip").to_str().unwrap()]).status.success());
    assert_eq!(spent(&world), [(Call::AlbumsList, 1), (Call::MediaItemsSearch, 2)]);
}

#[test]
fn the_first_batch_of_a_long_copy_does_not_wait_until_it_is_full() {
    const FILES: usize = 200;
    let world = World::mounted();
    for at in 0..FILES {
        world.photo(&format!("photo/{at:03}.jpg"), at as u32, 5000);
    }
    world.sh("mkdir mnt/A && ls mnt/A");
    spent(&world);
    world.emulator.hold(Call::UploadRaw, Moment::Request);
    world.sh("cp photo/*.jpg mnt/A/");
    world.emulator.let_pass(Call::UploadRaw, Moment::Request, 8);
    let batches = || world.emulator.stats().requests.get(&Call::MediaItemsBatchCreate).copied();
    wait_for("a batch of the files that are there", || batches() == Some(1));
    world.emulator.let_go(Call::UploadRaw, Moment::Request);
    world.sync();
    assert_eq!(world.remote("A").len(), FILES);
    // At most one call more than full batches take.
    assert!(batches() <= Some(5), "{:?} batches", batches());
    let spent: u64 = spent(&world).iter().map(|it| it.1).sum();
    assert!(spent * 100 <= FILES as u64 * 105, "{spent} requests for {FILES} files");
}

#[test]
fn looking_on_while_much_is_copied_costs_nothing() {
    let world = World::mounted();
    for at in 0..60 {
        world.photo(&format!("photo/{at}.jpg"), at, 5000);
    }
    world.sh("mkdir mnt/A && ls -l mnt mnt/A");
    spent(&world);
    world.sh("cp photo/*.jpg mnt/A/ & copy=$!
         while kill -0 $copy 2>/dev/null; do ls -l mnt mnt/A >/dev/null; done
         wait $copy
         while [ $(ls mnt/A | wc -l) != 60 ]; do :; done
         sync mnt/A && ls -l mnt mnt/A");
    let spent = spent(&world);
    let looks: Vec<_> = spent
        .iter()
        .filter(|(call, _)| matches!(call, Call::AlbumsList | Call::AlbumsGet | Call::Download))
        .collect();
    assert_eq!(looks, [] as [&(Call, u64); 0]);
    // The album is listed for the uploads: after fifty files, and at the end.
    let listed: u64 =
        spent.iter().filter(|it| it.0 == Call::MediaItemsSearch).map(|(_, count)| count).sum();
    assert!(listed <= 3, "{spent:?}");
}

/// Google keeps the items from this program, and it asks again and again: for all of them at a time.
#[test]
fn many_photos_of_another_program_cost_little_more_requests_than_one() {
    let world = World::new();
    let count = 40;
    for number in 0..count {
        let name = format!("{number}.jpg");
        world.photo(&name, number, 3000);
        let content = std::fs::read(world.dir.path().join(&name)).unwrap();
        world.edit(Edit::AddItem { album: None, filename: name, content, foreign: true });
    }
    world.emulator.faults(|faults| {
        faults.matched_items_visible = false;
        faults.matched_items_counted = true;
    });
    world.mount_with(&[("GPHOTOSFS_UNSTABLE_PACE", "10")], &[]);
    world.emulator.reset_stats();
    world.sh("mkdir mnt/A && cp *.jpg mnt/A/");
    world.sync();
    assert_eq!(world.remote("A").len(), count as usize);
    let spent = spent(&world);
    let uploads = |call: &Call| matches!(call, Call::UploadRaw | Call::MediaItemsBatchCreate);
    let asked: u64 = spent.iter().filter(|(call, _)| !uploads(call)).map(|it| it.1).sum();
    let sent: u64 = spent.iter().filter(|(call, _)| uploads(call)).map(|it| it.1).sum();
    // Each by itself, they took about 25 requests a photo.
    assert!(asked <= 2 * u64::from(count), "{spent:?}");
    assert!(sent <= 3 * u64::from(count), "{spent:?}");
}
