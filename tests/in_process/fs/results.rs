//! The results of single operations.

use super::*;

#[test]
fn an_album_renamed_at_google_keeps_its_inode_and_its_items() {
    let world = World::new(&[]);
    world.seed("A", 3);
    let album = world.at("A").unwrap();
    let listed = world.list(album).unwrap();
    world.edit(Edit::RenameAlbum { album: "A".into(), title: "A/B".into() });
    world.refresh(ROOT).unwrap();
    assert_eq!(world.at("A/B").unwrap(), album);
    assert_eq!(world.list(album).unwrap(), listed);
}

#[test]
fn a_read_only_open_that_truncates_is_sealed() {
    let world = World::new(&[]);
    let trip = world.mkdir(ROOT, "Trip").unwrap();
    let file = world.copy_in(trip, "a.jpg", &photo(1)).unwrap();
    world.sync(trip).unwrap();
    let fs = world.fs.clone();
    let opened =
        fs.open_now(file, Open { read: true, write: false, truncate: true }).unwrap().unwrap();
    world.wait(fs.flush(opened.fh, || false)).unwrap();
    fs.release(opened.fh).unwrap();
    assert_eq!(fs.getxattr_now(file, b"user.gphotos.state").unwrap().unwrap(), b"scratch");
}

#[test]
fn sync_reports_a_rejected_close_before_the_kernel_releases_the_file() {
    let world = World::new(&[]);
    let (trip, other) = (world.mkdir(ROOT, "Trip").unwrap(), world.mkdir(ROOT, "Other").unwrap());
    let fs = world.fs.clone();
    let (attr, opened) = fs.create(trip, b"a.jpg").unwrap();
    let write = |bytes: &[u8]| {
        world.wait(fs.write(opened.fh, Offset::At(0), bytes)).unwrap();
    };
    let flush = || world.wait(fs.flush(opened.fh, || false)).map_err(|error| error.errno());
    write(b"half");
    world.wait(fs.fsync(attr.ino, opened.fh)).unwrap();
    assert_eq!(world.sync(trip), Ok(()), "no close has been refused yet");
    assert_eq!(flush(), Err(Errno(libc::EMEDIUMTYPE)));
    for place in [trip, ROOT, attr.ino] {
        assert_eq!(world.sync(place), Err(Errno(libc::EIO)));
    }
    assert_eq!(world.sync(other), Ok(()));
    // A copy of the descriptor had been closed only.
    write(&photo(1));
    assert_eq!(world.sync(trip), Ok(()));
    assert_eq!(flush(), Ok(()));
    fs.release(opened.fh).unwrap();
    assert_eq!(world.sync(trip), Ok(()));
    assert_eq!(world.emulator.dump().items.len(), 1);
}

#[test]
fn the_control_directory_can_be_neither_replaced_nor_removed() {
    let world = World::new(&[]);
    world.mkdir(ROOT, "Trip").unwrap();
    let fs = world.fs.clone();
    let rename = fs.rename((ROOT, b"Trip"), (ROOT, b".gphotos"), Rename::Replace);
    assert_eq!(world.wait(rename).unwrap_err().errno(), Errno(libc::EPERM));
    let rmdir = fs.rmdir(ROOT, b".gphotos");
    assert_eq!(world.wait(rmdir).unwrap_err().errno(), Errno(libc::EPERM));
    let mkdir = fs.mkdir(ROOT, b".gphotos");
    assert_eq!(world.wait(mkdir).unwrap_err().errno(), Errno(libc::EEXIST));
    assert_eq!(world.names(ROOT), ["Trip"]);
}

#[test]
fn no_file_can_be_created_in_an_album_deleted_at_google() {
    let world = World::new(&[]);
    world.seed("Trip", 1);
    let trip = world.at("Trip").unwrap();
    world.list(trip).unwrap();
    world.edit(Edit::DeleteAlbum { album: "Trip".into() });
    world.refresh(ROOT).unwrap();
    assert_eq!(world.names(ROOT), [""; 0]);
    assert_eq!(world.lookup(trip, "IMG_000001.jpg"), Err(Errno(libc::ENOENT)));
    assert_eq!(world.fs.create(trip, b"a.jpg").unwrap_err().errno(), Errno(libc::ENOENT));
}

/// > If the login lacks the permission to edit (`edit.appcreateddata`), operations that add items
/// > to an album or remove them fail with `EACCES`, and the log says what to do: `rm`, `ln`, `mv`
/// > and edits. Files that are not at Google yet can be removed and moved, and names within an
/// > album can be changed.
#[test]
fn without_the_permission_to_edit_albums_keep_their_items() {
    let world = World::granted(&["appendonly", "readonly.appcreateddata"], &[]);
    let (one, two) = (world.mkdir(ROOT, "One").unwrap(), world.mkdir(ROOT, "Two").unwrap());
    let photo = |seed| content(seed, 5000);
    let item = world.copy_in(one, "a.jpg", &photo(1)).unwrap();
    world.copy_in(one, "b.jpg", &photo(2)).unwrap();
    world.sync(ROOT).unwrap();
    let fs = world.fs.clone();
    let rename = |from: (Ino, &str), to: (Ino, &str)| {
        let (from, to) = ((from.0, from.1.as_bytes()), (to.0, to.1.as_bytes()));
        world.wait(fs.rename(from, to, Rename::Replace)).map_err(|it| it.to_string())
    };
    let refused = |outcome: Result<(), String>| {
        let said = outcome.unwrap_err();
        assert!(
            said.starts_with("Permission denied") && said.contains("gphotosfs login"),
            "{said}"
        );
    };
    refused(fs.unlink(one, b"a.jpg").map_err(|it| it.to_string()));
    refused(fs.link(item, two, b"a.jpg").map(|_| ()).map_err(|it| it.to_string()));
    refused(rename((one, "a.jpg"), (two, "a.jpg")));
    refused(rename((one, "a.jpg"), (one, "b.jpg")));
    let opened = world.wait(fs.open(item, REWRITE));
    refused(opened.map(|_| ()).map_err(|it| it.to_string()));
    let names = |dir| world.names(dir);
    assert_eq!((names(one), names(two)), (vec!["a.jpg".to_owned(), "b.jpg".to_owned()], vec![]));

    rename((one, "a.jpg"), (one, "c.jpg")).unwrap();
    fs.link(item, one, b"d.jpg").unwrap();
    fs.unlink(one, b"c.jpg").unwrap();
    world.copy_in(one, ".new.jpg", &photo(3)).unwrap();
    rename((one, ".new.jpg"), (two, "e.jpg")).unwrap();
    world.copy_in(one, ".old.jpg", &photo(4)).unwrap();
    fs.unlink(one, b".old.jpg").unwrap();
    world.sync(ROOT).unwrap();
    assert_eq!(names(two), ["e.jpg"]);
}

#[test]
fn a_mount_notices_that_its_login_was_removed() {
    let world = World::new(&[]);
    world.mkdir(ROOT, "One").unwrap();
    let fs = world.fs.clone();
    let trouble = || world.engine().client.login().failure();
    assert!(trouble().is_none());
    std::fs::remove_file(world.dir.path().join("config/token.json")).unwrap();
    let told = world.wait(fs.getxattr(ROOT, b"user.gphotos.login"));
    assert_eq!(told.unwrap_err().errno(), Errno(libc::EACCES));
    assert!(matches!(trouble(), Some(LoginError::NotLoggedIn)), "{:?}", trouble());
    assert_eq!(world.mkdir(ROOT, "Two").unwrap_err(), Errno(libc::EACCES));
}

/// > If the mount is killed, files that were being written are in `.gphotos/failed` afterwards,
/// > unless they were empty. A sync reports them until a file is closed under the same name, or
/// > they are removed.
#[test]
fn files_cut_off_by_a_kill_are_kept_until_they_are_copied_again() {
    let mut world = World::new(&[]);
    let one = world.mkdir(ROOT, "One").unwrap();
    let photo = content(1, 5000);
    for (name, bytes) in [("a.jpg", &photo[..3000]), ("b.jpg", &photo[..2000]), ("c.jpg", &[])] {
        let (_, opened) = world.fs.create(one, name.as_bytes()).unwrap();
        world.wait(world.fs.write(opened.fh, Offset::At(0), bytes)).unwrap();
    }
    world.restart();
    let failed = world.at(".gphotos/failed/One").unwrap();
    assert_eq!(
        (world.names(one), world.names(failed)),
        (vec!["c.jpg".to_owned()], vec!["a.jpg".to_owned(), "b.jpg".to_owned()])
    );
    let size = |name| {
        let cut_off = world.lookup(failed, name).unwrap();
        world.wait(world.fs.getattr(cut_off)).unwrap().size
    };
    assert_eq!((size("a.jpg"), size("b.jpg")), (3000, 2000));
    world.copy_in(one, "a.jpg", &photo).unwrap();
    assert_eq!(world.sync(one).unwrap_err(), Errno(libc::EIO));
    assert_eq!(world.names(failed), ["b.jpg"]);
    world.fs.unlink(failed, b"b.jpg").unwrap();
    world.sync(one).unwrap();
}
