//! The views by date under `.gphotos/library`, through a real mount. Each test quotes a sentence of docs/SEMANTICS.md.

use std::fs;
use std::io::Cursor;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use gphotosfs_emulator::{Call, Edit, Failure};
use rustix::fs::{CWD, FileType, Mode, RenameFlags, XattrFlags};
use rustix::io::Errno;

use crate::support::{World, jpeg};

const LIBRARY: &str = ".gphotos/library";

/// A photo that was taken at a time, `2019:04:28 10:00:00`.
fn taken(seed: u32, time: &str) -> Vec<u8> {
    let value = exif::Value::Ascii(vec![time.as_bytes().to_vec()]);
    let field = exif::Field { tag: exif::Tag::DateTimeOriginal, ifd_num: exif::In::PRIMARY, value };
    let mut writer = exif::experimental::Writer::new();
    writer.push_field(&field);
    let mut tiff = Cursor::new(Vec::new());
    writer.write(&mut tiff, false).unwrap();
    let (tiff, plain) = (tiff.into_inner(), jpeg(seed, 4000));
    let mut photo = plain[..2].to_vec();
    photo.extend([0xff, 0xe1]);
    photo.extend((tiff.len() as u16 + 8).to_be_bytes());
    photo.extend(b"Exif\0\0");
    photo.extend(tiff);
    photo.extend(&plain[2..]);
    photo
}

/// At Google: `a.jpg` and `b.jpg` of a day in April 2019, the first in the album `A`; `c.jpg` of New Year's Eve, and
/// `none.jpg` without a date, both in no album.
fn world() -> World {
    let world = World::new();
    world.edit(Edit::CreateAlbum { title: "A".into() });
    let add = |album: Option<&str>, filename: &str, content| {
        let (album, filename) = (album.map(str::to_owned), filename.to_owned());
        world.edit(Edit::AddItem { album, filename, content, foreign: false });
    };
    add(Some("A"), "a.jpg", taken(1, "2019:04:28 10:00:00"));
    add(None, "b.jpg", taken(2, "2019:04:28 11:00:00"));
    add(None, "c.jpg", taken(3, "2019:12:31 23:30:00"));
    add(None, "none.jpg", jpeg(4, 4000));
    world.mount(&[]);
    world
}

fn view(world: &World, path: &str) -> Vec<String> {
    world.names(&format!("{LIBRARY}/{path}"))
}

fn refresh(world: &World, path: &str) {
    let outcome = world.run(&["refresh", world.mnt.join(LIBRARY).join(path).to_str().unwrap()]);
    assert!(outcome.status.success(), "{outcome:?}");
}

fn today() -> String {
    jiff::Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::UTC).date().to_string()
}

/// > `all` shows every item, as `mediaItems.list` does. The others show the items that a search by
/// > date finds, and the items that are known here to have been created then, in UTC: searches lag
/// > behind, and do not find items without a capture date.
#[test]
fn views_show_what_google_finds_and_what_is_known_here() {
    let world = world();
    assert_eq!(view(&world, ""), ["all", "by-day", "by-month", "by-year"]);
    assert_eq!(view(&world, "by-day/2019-04-28"), ["a.jpg", "b.jpg"]);
    assert_eq!(view(&world, "by-month/2019-12"), ["c.jpg"]);
    assert_eq!(view(&world, "by-year/2019"), ["a.jpg", "b.jpg", "c.jpg"]);
    assert_eq!(view(&world, "all"), ["a.jpg", "b.jpg", "c.jpg", "none.jpg"]);
    assert_eq!(view(&world, &format!("by-day/{}", today())), ["none.jpg"]);
    // It has been looked at, and is shown there although no search finds it yet.
    world.emulator.faults(|faults| faults.filtered_delay_ms = 3_600_000);
    fs::write(world.dir.path().join("new.jpg"), taken(5, "2019:04:28 12:00:00")).unwrap();
    world.sh("cp new.jpg mnt/A/ && sync mnt");
    for path in ["by-day/2019-04-28", "by-month/2019-04", "by-year/2019", "all"] {
        let names = view(&world, path);
        assert!(names.contains(&"new.jpg".to_owned()), "{path}: {names:?}");
    }
    assert_eq!(view(&world, "by-month/2019-12"), ["c.jpg"]);
}

/// > Google does not tell in which time zone it searches: an item taken near midnight may be in the
/// > views of two days.
#[test]
fn views_may_show_an_item_under_two_dates() {
    let world = world();
    world.emulator.faults(|faults| faults.date_filter_offset_s = 3600);
    assert_eq!(view(&world, "by-year/2020"), ["c.jpg"]);
    assert_eq!(view(&world, "by-day/2020-01-01"), ["c.jpg"]);
    assert_eq!(view(&world, "by-day/2019-12-31"), ["c.jpg"]);
    assert!(view(&world, "by-year").contains(&"2020".to_owned()));
}

/// > Every date has its directory, and a date that does not exist is `ENOENT`; `ls` shows the dates
/// > that have items.
#[test]
fn views_of_all_dates() {
    let world = world();
    let day = today();
    assert_eq!(view(&world, "by-year"), ["2019"]);
    assert_eq!(view(&world, "by-month"), ["2019-04", "2019-12"]);
    assert_eq!(view(&world, "by-day"), ["2019-04-28", "2019-12-31"]);
    assert_eq!(view(&world, "by-day/1999-01-01"), Vec::<String>::new());
    world.emulator.reset_stats();
    assert_eq!(view(&world, "by-day/1999-01-01"), Vec::<String>::new());
    assert_eq!(world.emulator.stats().requests(Call::MediaItemsSearch), 0, "known to be empty");
    for never in ["by-day/2019-02-30", "by-day/2019-04", "by-month/2019-13", "by-year/0", "x"] {
        let error = fs::read_dir(world.mnt.join(LIBRARY).join(never)).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{never}");
    }
    // Only the list of all knows the one without a date; then its day is known as well.
    view(&world, "all");
    assert_eq!(view(&world, "by-day"), ["2019-04-28", "2019-12-31", &day]);
    let found = world.sh(&format!("find mnt/{LIBRARY}/by-month -type f | sort"));
    let found: Vec<_> = found.lines().filter_map(|line| line.split("/by-month/").nth(1)).collect();
    let month = format!("{}/none.jpg", &day[..7]);
    assert_eq!(found, ["2019-04/a.jpg", "2019-04/b.jpg", "2019-12/c.jpg", &month]);
}

/// > Nothing can be changed in the views: `EROFS`.
#[test]
fn views_change_nothing() {
    let world = world();
    let library = world.mnt.join(LIBRARY);
    let day = library.join("by-day/2019-04-28");
    let (photo, album) = (day.join("a.jpg"), world.mnt.join("A"));
    let errno = |error: std::io::Error| Errno::from_io_error(&error).unwrap();
    let rename = |from: &PathBuf, to: &PathBuf, flags| {
        rustix::fs::renameat_with(CWD, from, CWD, to, flags).unwrap_err()
    };
    let replace = RenameFlags::empty();
    let options = || fs::OpenOptions::new();
    let refusals = [
        ("create", errno(fs::write(day.join("x.jpg"), b"x").unwrap_err())),
        ("create in the library", errno(fs::write(library.join("x"), b"x").unwrap_err())),
        ("create among dates", errno(fs::write(library.join("by-day/x"), b"x").unwrap_err())),
        ("write", errno(options().write(true).open(&photo).unwrap_err())),
        ("append", errno(options().append(true).open(&photo).unwrap_err())),
        ("empty", errno(options().write(true).truncate(true).open(&photo).unwrap_err())),
        ("unlink", errno(fs::remove_file(&photo).unwrap_err())),
        ("rename", rename(&photo, &day.join("x.jpg"), replace)),
        ("rename onto", rename(&photo, &day.join("b.jpg"), replace)),
        ("rename out", rename(&photo, &album.join("x.jpg"), replace)),
        ("rename in", rename(&album.join("a.jpg"), &day.join("x.jpg"), replace)),
        ("exchange", rename(&album.join("a.jpg"), &photo, RenameFlags::EXCHANGE)),
        ("rename a date", rename(&day, &library.join("by-day/2001-01-01"), replace)),
        ("move an album in", rename(&album, &library.join("by-day/x"), replace)),
        ("link in", errno(fs::hard_link(album.join("a.jpg"), day.join("x.jpg")).unwrap_err())),
        ("mkdir", errno(fs::create_dir(day.join("x")).unwrap_err())),
        ("mkdir of no date", errno(fs::create_dir(library.join("by-day/x")).unwrap_err())),
        ("rmdir", errno(fs::remove_dir(&day).unwrap_err())),
        ("symlink", errno(std::os::unix::fs::symlink("x", day.join("x")).unwrap_err())),
        ("mkfifo", fifo(&day.join("x"))),
        ("chmod", errno(fs::set_permissions(&photo, mode(0o600)).unwrap_err())),
        ("chmod of a date", errno(fs::set_permissions(&day, mode(0o700)).unwrap_err())),
        ("utimens", errno(set_time(&photo).unwrap_err())),
        ("setxattr", xattr_of(&photo, "user.gphotos.description")),
        ("setxattr of one's own", xattr_of(&photo, "user.mine")),
        ("removexattr", rustix::fs::removexattr(&photo, "user.gphotos.description").unwrap_err()),
    ];
    for (what, errno) in refusals {
        assert_eq!(errno, Errno::ROFS, "{what}");
    }
    let truncate = format!("import os; os.truncate({photo:?}, 1)");
    let outcome = world.sh_outcome(&format!("python3 -c '{truncate}'"));
    let said = String::from_utf8_lossy(&outcome.stderr).into_owned();
    assert!(said.contains("Read-only file system"), "{said}");
    assert_eq!(view(&world, "by-day/2019-04-28"), ["a.jpg", "b.jpg"]);
    assert_eq!(world.names("A"), ["a.jpg"]);
}

fn fifo(path: &PathBuf) -> Errno {
    rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).unwrap_err()
}

fn mode(mode: u32) -> fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(mode)
}

fn set_time(path: &PathBuf) -> std::io::Result<()> {
    fs::File::open(path)?.set_modified(std::time::SystemTime::UNIX_EPOCH)
}

fn xattr_of(path: &PathBuf, name: &str) -> Errno {
    rustix::fs::setxattr(path, name, b"text", XattrFlags::empty()).unwrap_err()
}

/// > Files in them can be read, and have the same sizes, times and attributes as in the albums.
#[test]
fn views_can_be_read() {
    let world = world();
    let there = world.mnt.join(LIBRARY).join("by-day/2019-04-28");
    for (name, seed, time) in
        [("a.jpg", 1, "2019:04:28 10:00:00"), ("b.jpg", 2, "2019:04:28 11:00:00")]
    {
        let photo = taken(seed, time);
        assert_eq!(fs::metadata(there.join(name)).unwrap().size(), photo.len() as u64);
        assert_eq!(fs::read(there.join(name)).unwrap(), photo);
    }
    let [viewed, filed] = [there.join("a.jpg"), world.mnt.join("A/a.jpg")];
    let attributes = |path: &PathBuf| {
        let said = world.run(&["info", "--json", path.to_str().unwrap()]).stdout;
        serde_json::from_slice::<serde_json::Value>(&said).unwrap()["attributes"].clone()
    };
    assert!(attributes(&viewed).as_object().unwrap().len() > 5);
    assert_eq!(attributes(&viewed), attributes(&filed));
    let facts = |path: &PathBuf| fs::metadata(path).map(|it| (it.mtime(), it.size())).unwrap();
    assert_eq!(facts(&viewed), facts(&filed));
    // Each size was asked for once, though both names were looked at.
    world.sh(&format!("ls -l mnt/A mnt/{LIBRARY}/by-day/2019-04-28 mnt/{LIBRARY}/all"));
    world.emulator.reset_stats();
    world.sh(&format!("ls -l mnt/A mnt/{LIBRARY}/by-day/2019-04-28 mnt/{LIBRARY}/all"));
    assert_eq!(world.emulator.stats().requests(Call::Download), 0);
}

/// > `ln` from a view into an album puts the item there, without an upload.
#[test]
fn views_lend_items_to_albums() {
    let world = world();
    world.sh("mkdir mnt/B");
    world.emulator.reset_stats();
    world.sh(&format!(
        "ln mnt/{LIBRARY}/by-day/2019-04-28/b.jpg mnt/B/mine.jpg
         cp -l mnt/{LIBRARY}/all/c.jpg mnt/{LIBRARY}/all/a.jpg mnt/B/ && sync mnt"
    ));
    assert_eq!(world.remote("B"), ["b.jpg", "c.jpg", "a.jpg"]);
    assert_eq!(world.names("B"), ["a.jpg", "c.jpg", "mine.jpg"]);
    let stats = world.emulator.stats();
    assert_eq!(stats.requests(Call::MediaItemsBatchCreate), 0);
    assert!(stats.requests(Call::AlbumsBatchAdd) >= 1);
    let numbers = |path: &str| fs::metadata(world.mnt.join(path)).map(|it| (it.ino(), it.nlink()));
    assert_eq!(numbers("A/a.jpg").unwrap(), numbers("B/a.jpg").unwrap());
    assert_eq!(numbers("A/a.jpg").unwrap().1, 2);
    world.umount();
    world.mount(&[]);
    assert_eq!(world.names("B"), ["a.jpg", "c.jpg", "mine.jpg"]);
    fs::write(world.mnt.join("B/mine.jpg"), taken(9, "2019:04:28 11:00:00")).unwrap();
    world.sync();
    assert_eq!(world.names("B"), ["a.jpg", "c.jpg", "mine.jpg"]);
    assert_eq!(fs::read(world.mnt.join("B/mine.jpg")).unwrap(), taken(9, "2019:04:28 11:00:00"));
}

/// > A view does not show files on their way to Google. It shows items that have left their album,
/// > and versions that an edit has replaced. An item that was deleted at Google goes when it is
/// > missing from a new listing of the view, or of `all`. An item that Google still knows goes when
/// > two listings lack it.
#[test]
fn views_hold_what_google_holds() {
    let world = world();
    view(&world, "all");
    world.emulator.faults(|faults| {
        faults.fail_next(Call::UploadRaw, 1000, Failure::Unavailable);
    });
    fs::write(world.dir.path().join("new.jpg"), taken(5, "2019:04:28 12:00:00")).unwrap();
    world.sh("cp new.jpg mnt/A/ && rm mnt/A/a.jpg");
    assert_eq!(world.names("A"), ["new.jpg"]);
    assert_eq!(view(&world, "by-day/2019-04-28"), ["a.jpg", "b.jpg"]);
    assert_eq!(view(&world, "all"), ["a.jpg", "b.jpg", "c.jpg", "none.jpg"]);
    world.emulator.faults(|faults| faults.on(Call::UploadRaw).failures.clear());
    world.umount();
    world.mount(&[]);
    assert_eq!(view(&world, "by-day/2019-04-28"), ["a.jpg", "b.jpg", "new.jpg"]);
    // An edit makes another item; Google keeps the one before.
    let old = fs::read(world.mnt.join("A/new.jpg")).unwrap();
    fs::write(world.mnt.join("A/new.jpg"), taken(6, "2019:04:28 12:00:00")).unwrap();
    let viewed = world.mnt.join(LIBRARY).join("by-day/2019-04-28/new.jpg");
    assert_eq!(fs::read(&viewed).unwrap(), old);
    world.sync();
    assert_eq!(fs::read(&viewed).unwrap(), old);
    assert_eq!(view(&world, "by-day/2019-04-28").len(), 4);

    for item in ["b.jpg", "none.jpg"] {
        world.edit(Edit::DeleteItem { item: item.into() });
    }
    refresh(&world, "by-day/2019-04-28");
    assert!(!view(&world, "by-day/2019-04-28").contains(&"b.jpg".to_owned()));
    let unseen = format!("by-day/{}", today());
    assert_eq!(view(&world, &unseen), ["none.jpg"], "no search has ever shown it");
    refresh(&world, "all");
    assert_eq!(view(&world, &unseen), Vec::<String>::new());
    assert!(!view(&world, "all").contains(&"b.jpg".to_owned()));
    // The list of all items leaves out archived ones.
    world.edit(Edit::Archive { item: "c.jpg".into(), archived: true });
    for is_shown in [true, false] {
        refresh(&world, "all");
        assert_eq!(view(&world, "all").contains(&"c.jpg".to_owned()), is_shown);
    }
}

#[test]
fn looking_costs_as_many_requests_as_there_are_pages() {
    let world = World::new();
    // From 13 September 2020, 12:26, a minute apart: a bit more than half of them on the first day.
    world.edit(Edit::Seed { album: None, count: 1250, size: 100, prefix: "IMG_".into() });
    world.mount(&[]);
    let stats = || {
        let stats = world.emulator.stats();
        world.emulator.reset_stats();
        (stats.requests(Call::MediaItemsList), stats.requests(Call::MediaItemsSearch))
    };
    stats();
    assert_eq!(view(&world, "all").len(), 1250);
    assert_eq!(stats(), (13, 0));
    let day = view(&world, "by-day/2020-09-13").len() as u64;
    assert!((600..800).contains(&day), "{day}");
    assert_eq!(stats(), (0, day.div_ceil(100)));
    // All on two days: found with the first page, and the first of what is before its day.
    assert_eq!(view(&world, "by-day"), ["2020-09-13", "2020-09-14"]);
    let (list, search) = stats();
    assert!(list == 0 && (1..=3).contains(&search), "{search}");
    assert_eq!(view(&world, "by-year"), ["2020"]);
    assert_eq!(stats(), (0, 2), "the latest, and whether there is anything before their year");
    for _ in 0..2 {
        assert_eq!(view(&world, "all").len(), 1250);
        assert_eq!(view(&world, "by-day/2020-09-13").len() as u64, day);
        view(&world, "by-day");
        world.umount();
        world.mount(&[]);
    }
    assert_eq!(stats(), (0, 0), "kept, across mounts, too");
}

#[test]
fn the_first_names_of_a_large_library_cost_a_page_or_two() {
    let world = World::new();
    world.edit(Edit::Seed { album: None, count: 20_000, size: 100, prefix: "IMG_".into() });
    world.mount(&[]);
    let all = fs::read_dir(world.mnt.join(LIBRARY).join("all")).unwrap();
    assert_eq!(all.take(10).filter_map(Result::ok).count(), 10);
    let asked = world.emulator.stats().requests(Call::MediaItemsList);
    assert!((1..=3).contains(&asked), "{asked}");
}

#[test]
fn names_in_a_view_are_distinct_and_offsets_last() {
    let world = World::new();
    for seed in 0..3 {
        let content = taken(seed, "2019:04:28 10:00:00");
        let filename = "IMG_1.jpg".to_owned();
        world.edit(Edit::AddItem { album: None, filename, content, foreign: false });
    }
    world.mount(&[]);
    let names = view(&world, "by-day/2019-04-28");
    assert_eq!(names.len(), 3);
    assert!(names.contains(&"IMG_1.jpg".to_owned()), "{names:?}");
    let distinct: std::collections::BTreeSet<_> = names
        .iter()
        .map(|it| fs::read(world.mnt.join(LIBRARY).join("by-day/2019-04-28").join(it)).unwrap())
        .collect();
    assert_eq!(distinct.len(), 3);
    refresh(&world, "by-day/2019-04-28");
    assert_eq!(view(&world, "by-day/2019-04-28"), names);
}

#[test]
fn a_second_mount_shows_the_views_offline() {
    let mut world = world();
    view(&world, "by-day/2019-04-28");
    view(&world, "by-year");
    world.umount();
    world.stop_emulator();
    world.mount(&[]);
    assert_eq!(view(&world, "by-day/2019-04-28"), ["a.jpg", "b.jpg"]);
    assert_eq!(view(&world, "by-year"), ["2019"]);
    let never = world.mnt.join(LIBRARY).join("by-month/2001-01");
    let names = fs::read_dir(never).unwrap();
    let failed = names.filter_map(Result::err).next().expect("it must not look empty");
    assert_eq!(failed.raw_os_error(), Some(libc::EHOSTUNREACH));
}
