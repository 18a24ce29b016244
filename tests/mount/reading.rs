//! Reading through a real mount: the requests it costs, how it is interrupted, and the cache after a crash.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gphotosfs_emulator::{Call, Edit, Failure, Injection};

use crate::support::{self, World, cached, wait_for};

const MIB: u64 = 1 << 20;

/// More than the program fetches whole.
const LARGE: u64 = 40 * MIB;

/// `count` made-up photos.
/// A world with photos, which are listed.
fn mounted(count: u64, size: u64) -> World {
    let world = World::new();
    world.emulator.seed_sized("Trip", count, size);
    world.mount(&[]);
    world.sh("ls -l mnt/Trip");
    world.emulator.reset_stats();
    world
}

fn photo(world: &World, number: u32) -> PathBuf {
    world.mnt.join(format!("Trip/IMG_{number:06}.jpg"))
}

fn cache(world: &World) -> PathBuf {
    world.dir.path().join("cache/gphotosfs/default/content")
}

/// The bytes that Google returns for an item, without a request.
fn original(world: &World, number: u32) -> Vec<u8> {
    let dump = world.emulator.dump();
    let name = format!("IMG_{number:06}.jpg");
    let at = dump.items.iter().position(|item| item.filename == name).unwrap();
    let size = dump.items[at].size;
    support::photo(at as u64 + 1, size)
}

fn cat(path: PathBuf) -> Child {
    Command::new("cat").arg(path).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The error of a failed read.
fn read_error(world: &World, number: u32) -> Option<i32> {
    fs::read(photo(world, number)).map(|bytes| bytes.len()).unwrap_err().raw_os_error()
}

/// The next download stalls after a while, and all others at once.
fn stall_downloads(world: &World) {
    let stall = |next, at_byte| {
        let rate = if next == 0 { 1.0 } else { 0.0 };
        Injection { next, rate, at_byte, ..Injection::new(Failure::Stall) }
    };
    world.emulator.faults(|faults| {
        faults.on(Call::Download).failures = vec![stall(1, Some(MIB)), stall(0, None)];
    });
}

/// > If many programs read a file at the same time, it is downloaded once.
#[test]
fn many_readers_of_a_photo_cost_one_request() {
    let world = mounted(1, 5_000_000);
    world.emulator.faults(|faults| faults.on(Call::Download).bytes_per_s = Some(5_000_000));
    let original = original(&world, 0);
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| assert!(fs::read(photo(&world, 0)).unwrap() == original));
        }
    });
    assert_eq!(world.emulator.stats().media_requests_today, 1);
    world.umount();
}

/// > A read far from the downloaded bytes asks Google for that part alone, if Google gives parts;
/// > otherwise it waits for everything before it. Files of up to 16 MiB are downloaded whole,
/// > because Google counts requests.
#[test]
fn seeking_costs_a_request_each_and_little_more_than_what_is_read() {
    let world = mounted(1, LARGE);
    let (file, original) = (File::open(photo(&world, 0)).unwrap(), original(&world, 0));
    let mut bytes = vec![0; 100_000];
    for offset in [0, LARGE - 100_000, LARGE / 2] {
        file.read_exact_at(&mut bytes, offset).unwrap();
        assert!(bytes == original[offset as usize..][..100_000], "at {offset}");
    }
    let stats = world.emulator.stats();
    // If the first stream has come near the last offset meanwhile, it serves that as well.
    let requests = stats.media_requests_today;
    assert!(requests <= 3, "{requests}");
    // Bytes in the buffers of sockets count as well.
    assert!(stats.download_bytes < LARGE * 2 / 3, "{}", stats.download_bytes);
    // A second program finds the bytes that the first has read.
    fs::File::open(photo(&world, 0)).unwrap().read_exact_at(&mut bytes, LARGE / 2).unwrap();
    assert_eq!(world.emulator.stats().media_requests_today, requests);
    drop(file);
    world.umount();
}

/// > Ctrl-C ends a read that waits for a download.
#[test]
fn a_download_that_stalls_is_ended_by_ctrl_c() {
    let world = mounted(2, LARGE);
    for number in 0..2 {
        stall_downloads(&world);
        let before = world.emulator.stats().requests(Call::Download);
        let mut cat = cat(photo(&world, number));
        wait_for("the download", || world.emulator.stats().requests(Call::Download) > before);
        let begun = Instant::now();
        let pid = rustix::process::Pid::from_child(&cat);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        let ended = cat.wait().unwrap();
        assert_eq!(ended.signal(), Some(libc::SIGINT), "{ended:?}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }
    // Nobody holds the files any more: the mount can end.
    world.umount();
}

/// > A download may take its time while bytes come. After a minute without bytes, the read is
/// > `ETIMEDOUT`. The next read then fails at once, for longer the more often that happens;
/// > `gphotosfs refresh` clears it.
#[test]
fn a_download_that_stalls_ends_with_an_error_in_time() {
    let world = World::new();
    world.emulator.seed_sized("Trip", 1, LARGE);
    world.mount_with(&[("GPHOTOSFS_UNSTABLE_PACE", "20")], &[]);
    world.sh("ls -l mnt/Trip");
    stall_downloads(&world);
    let begun = Instant::now();
    assert_eq!(read_error(&world, 0), Some(libc::ETIMEDOUT));
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    let requests = world.emulator.stats().requests(Call::Download);
    assert_eq!(read_error(&world, 0), Some(libc::ETIMEDOUT));
    assert_eq!(world.emulator.stats().requests(Call::Download), requests, "not again at once");
    world.emulator.faults(|faults| faults.on(Call::Download).failures.clear());
    let refreshed = world.run(&["refresh", world.mnt.join("Trip").to_str().unwrap()]);
    assert!(refreshed.status.success(), "{refreshed:?}");
    assert!(fs::read(photo(&world, 0)).unwrap() == original(&world, 0));
    world.umount();
}

/// > If Google limits downloads for a while, all reads wait together, each for at most five
/// > minutes. A read that would have to wait longer is `ETIMEDOUT`.
#[test]
fn googles_limit_of_a_minute_is_waited_for() {
    let world = World::new();
    world.emulator.seed_sized("Trip", 3, 5000);
    world.mount_with(&[("GPHOTOSFS_UNSTABLE_PACE", "20")], &[]);
    world.sh("ls -l mnt/Trip");
    world.emulator.reset_stats();
    world.emulator.faults(|faults| {
        faults.fail_next(Call::Download, 1, Failure::WritesPerMinute);
    });
    for number in 0..2 {
        assert!(fs::read(photo(&world, number)).unwrap() == original(&world, number));
    }
    assert_eq!(world.emulator.stats().requests(Call::Download), 3);
    world.emulator.faults(|faults| {
        faults.fail_next(Call::Download, 1000, Failure::WritesPerMinute);
    });
    assert_eq!(read_error(&world, 2), Some(libc::ETIMEDOUT));
    assert!(world.log().contains("Google limits downloads"), "{}", world.log());
    world.umount();
}

/// > The MIME type says whether an item is downloaded as a photo or as a video, also if Google's
/// > other facts contradict it.
#[test]
fn items_are_downloaded_as_their_type_says() {
    let world = World::new();
    let [photo, video] =
        [support::jpeg(1, 30_000), support::camera::movie(1, 1_556_442_000, (640, 360))];
    world.edit(Edit::CreateAlbum { title: "Trip".into() });
    for (name, content) in [("odd.jpg", &photo), ("odd.mp4", &video)] {
        let (album, filename) = (Some("Trip".to_owned()), name.to_owned());
        let content = content.clone();
        let item = world.edit(Edit::AddItem { album, filename, content, foreign: false });
        world.edit(Edit::MismatchMetadata { item, mismatched: true });
    }
    world.mount(&[]);
    let read = |name: &str| fs::read(world.mnt.join("Trip").join(name)).unwrap();
    assert!(read("odd.jpg") == photo);
    assert!(read("odd.mp4").starts_with(&video));
    let sizes = world.sh("stat -c %s mnt/Trip/odd.jpg");
    assert_eq!(sizes.trim(), photo.len().to_string());
}

/// > Reading a video that Google is still processing is `EBUSY`.
#[test]
fn a_video_that_google_is_processing_is_busy() {
    let world = World::new();
    world.emulator.faults(|faults| faults.video_processing_ms = 600_000);
    world.edit(Edit::CreateAlbum { title: "Trip".into() });
    let content = [&b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom"[..], &[0; 5000]].concat();
    let (album, filename) = (Some("Trip".to_owned()), "video.mp4".to_owned());
    world.edit(Edit::AddItem { album, filename, content: content.clone(), foreign: false });
    world.mount(&[]);
    let video = world.mnt.join("Trip/video.mp4");
    assert_eq!(fs::read(&video).map(|it| it.len()).unwrap_err().raw_os_error(), Some(libc::EBUSY));
    world.emulator.advance_clock(Duration::from_secs(700));
    let refreshed = world.run(&["refresh", world.mnt.join("Trip").to_str().unwrap()]);
    assert!(refreshed.status.success(), "{refreshed:?}");
    assert!(fs::read(&video).unwrap().starts_with(&content));
    world.umount();
}

/// > Without a network, reading a file that is not in the cache is `EHOSTUNREACH`: after a few
/// > attempts at first, and then at once.
#[test]
fn without_a_network_what_is_not_here_fails_at_once_and_again_at_once() {
    let mut world = mounted(30, 5000);
    fs::read(photo(&world, 0)).unwrap();
    world.stop_emulator();
    assert_eq!(fs::read(photo(&world, 0)).unwrap().len(), 5000);
    let begun = Instant::now();
    for number in 1..30 {
        assert_eq!(read_error(&world, number), Some(libc::EHOSTUNREACH));
    }
    // One of them waits for a few attempts; had each, this would take a minute.
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    world.start_emulator();
    wait_for("reading to work again", || fs::read(photo(&world, 1)).is_ok());
    world.umount();
}

/// > After a restart, a partly downloaded file is downloaded again; a whole one is not.
#[test]
fn a_mount_that_is_killed_while_it_downloads_leaves_nothing_but_whole_files() {
    // Just more than the program fetches whole.
    const SIZE: u64 = 20 * MIB;
    let world = World::new();
    world.emulator.seed_sized("Trip", 3, SIZE);
    let mut served = world.serve(&[]);
    assert!(served.is_ready());
    world.sh("ls -l mnt/Trip");
    assert!(fs::read(photo(&world, 0)).unwrap() == original(&world, 0));
    world.emulator.faults(|faults| faults.on(Call::Download).bytes_per_s = Some(2_000_000));
    let mut readers: Vec<Child> = (1..3).map(|number| cat(photo(&world, number))).collect();
    wait_for("parts", || {
        let parts =
            fs::read_dir(cache(&world)).unwrap().filter_map(|entry| entry.ok()?.metadata().ok());
        parts.filter(|part| part.len() > MIB).count() == 3
    });
    served.kill();
    for reader in &mut readers {
        reader.wait().unwrap();
    }
    world.emulator.faults(|faults| faults.on(Call::Download).bytes_per_s = None);
    let mut served = world.serve(&[]);
    assert!(served.is_ready());
    let kept = cached(&cache(&world));
    let kept: Vec<u64> = kept.iter().map(|it| it.metadata().unwrap().len()).collect();
    assert_eq!(kept, [SIZE]);
    for number in 0..3 {
        assert!(fs::read(photo(&world, number)).unwrap() == original(&world, number), "{number}");
    }
    world.umount();
    served.ended();
}

/// > Eviction takes the least recently used file from the cache; a program that has it open reads
/// > on.
#[test]
fn an_open_file_can_be_read_after_its_eviction() {
    let world = World::new();
    world.emulator.seed_sized("Trip", 6, 3_000_000);
    world.mount(&["--cache-size", "5M"]);
    world.sh("ls -l mnt/Trip");
    let files: Vec<File> =
        (0..6).map(|number| File::open(photo(&world, number)).unwrap()).collect();
    let mut bytes = vec![0; 1000];
    for round in 0..2 {
        for (number, file) in files.iter().enumerate() {
            let original = original(&world, number as u32);
            for offset in [0, 1_500_000, 2_999_000] {
                file.read_exact_at(&mut bytes, offset).unwrap();
                assert!(bytes == original[offset as usize..][..1000], "{round} {number} {offset}");
            }
        }
    }
    drop(files);
    wait_for("the cache to shrink", || {
        let kept =
            fs::read_dir(cache(&world)).unwrap().filter_map(|entry| entry.ok()?.metadata().ok());
        kept.map(|file| file.len()).sum::<u64>() <= 5_000_000
    });
    world.umount();
}

#[test]
fn reading_an_album_asks_for_addresses_fifty_at_a_time() {
    let world = World::new();
    world.emulator.seed_sized("Trip", 120, 5000);
    world.mount(&[]);
    world.sh("ls -l mnt/Trip >/dev/null");
    world.umount();
    // After a restart no address is known.
    world.mount(&[]);
    world.emulator.reset_stats();
    world.sh("cat mnt/Trip/* | wc -c");
    let stats = world.emulator.stats();
    assert_eq!(stats.requests(Call::MediaItemsBatchGet), 3);
    assert_eq!(stats.media_requests_today, 120);
    world.umount();
}

#[test]
fn reading_a_view_asks_for_addresses_fifty_at_a_time() {
    let world = World::new();
    world.edit(Edit::Seed { album: None, count: 120, size: 5000, prefix: "IMG_".to_owned() });
    world.mount(&[]);
    world.sh("ls -l mnt/.gphotos/library/all >/dev/null");
    world.umount();
    world.mount(&[]);
    world.emulator.reset_stats();
    world.sh("cat mnt/.gphotos/library/all/* | wc -c");
    let stats = world.emulator.stats();
    assert_eq!(stats.requests(Call::MediaItemsBatchGet), 3);
    assert_eq!(stats.media_requests_today, 120);
    world.umount();
}

#[test]
fn addresses_that_have_expired_cost_one_useless_request_for_a_whole_album() {
    let world = World::new();
    // Not their usual hour, which is that of a login, too.
    world.emulator.faults(|faults| faults.base_url_life_s = 600);
    world.emulator.seed_sized("Trip", 60, 5000);
    world.mount(&[]);
    world.sh("ls -l mnt/Trip");
    world.emulator.reset_stats();
    world.emulator.advance_clock(Duration::from_secs(700));
    world.sh("test $(cat mnt/Trip/* | wc -c) = 300000");
    let stats = world.emulator.stats();
    assert_eq!(stats.requests(Call::MediaItemsBatchGet), 2);
    assert_eq!(stats.media_requests_today, 61);
    world.umount();
}

/// > `user.gphotos.state` of an item is `committed` while the file is in the cache as it was
/// > written, and it reads back byte for byte. Otherwise it is `rendition`: reading gives Google's
/// > rendition, without the GPS position, and of a video another encoding.
#[test]
fn the_state_says_which_bytes_a_read_returns() {
    let world = World::new();
    world.emulator.seed_sized("Trip", 1, 5000);
    world.mount(&["--cache-size", "1M"]);
    world.photo("a.jpg", 1, 600_000);
    world.photo("b.jpg", 2, 600_000);
    let state = |path: &str| {
        let mut value = [0; 64];
        let path = world.mnt.join("Trip").join(path);
        let len = rustix::fs::getxattr(path, "user.gphotos.state", &mut value[..]).unwrap();
        String::from_utf8(value[..len].to_vec()).unwrap()
    };
    world.sh("ls mnt/Trip && cp a.jpg mnt/Trip/ && sync mnt/Trip");
    assert_eq!(state("a.jpg"), "committed");
    assert_eq!(state("IMG_000000.jpg"), "rendition");
    // A second one does not fit in beside the first.
    world.sh("cp b.jpg mnt/Trip/ && sync mnt/Trip");
    assert_eq!((state("a.jpg").as_str(), state("b.jpg").as_str()), ("rendition", "committed"));
    // Having been downloaded does not make it an original, in this mount or the next.
    world.sh("cat mnt/Trip/a.jpg >/dev/null");
    wait_for("the download to be kept", || {
        fs::read_dir(cache(&world))
            .unwrap()
            .any(|it| it.unwrap().file_name().to_string_lossy().ends_with(".google"))
    });
    world.umount();
    world.mount(&[]);
    assert_eq!(state("a.jpg"), "rendition");
    world.umount();
}

#[test]
fn a_login_that_was_dead_is_not_held_against_the_photos_that_were_asked_for_meanwhile() {
    let world = mounted(2, 5000);
    world.umount();
    world.mount(&[]);
    world.emulator.revoke_grants();
    for _ in 0..5 {
        let outcome = cat(photo(&world, 0)).wait_with_output().unwrap();
        assert!(String::from_utf8_lossy(&outcome.stderr).contains("Permission denied"));
    }
    world.login();
    wait_for("another photo to be read", || fs::read(photo(&world, 1)).is_ok());
    assert_eq!(fs::read(photo(&world, 0)).unwrap(), original(&world, 0));
}
