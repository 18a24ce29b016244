//! The results of single operations.

use super::*;

#[test]
fn an_album_retitled_outside_keeps_its_number_and_what_is_in_it() {
    let world = World::new();
    world.seed("A", 3);
    let album = world.dir("A");
    let listed = world.list(album);
    world.edit(Edit::RenameAlbum { album: "A".into(), title: "A/B".into() });
    world.refresh(ROOT);
    assert_eq!(world.dir("A/B"), album);
    assert_eq!(world.list(album), listed);
}

#[test]
fn an_open_that_truncates_but_may_not_write_is_sealed_all_the_same() {
    let world = World::new();
    let trip = world.mkdir("Trip").unwrap();
    let file = world.create(trip, "a.jpg", &photo(1));
    world.sync(trip);
    let fs = world.fs();
    let opened =
        fs.open_now(file, Open { read: true, write: false, truncate: true }).unwrap().unwrap();
    world.runtime.block_on(fs.flush(opened.fh)).unwrap();
    fs.release(opened.fh).unwrap();
    assert_eq!(fs.getxattr_now(file, b"user.gphotos.state").unwrap().unwrap(), b"scratch");
}

#[test]
fn a_sync_tells_of_a_refused_close_before_the_kernel_has_let_go_of_the_file() {
    let world = World::new();
    let (trip, other) = (world.mkdir("Trip").unwrap(), world.mkdir("Other").unwrap());
    let fs = world.fs();
    let (attr, opened) = fs.create(trip, b"a.jpg").unwrap();
    let write = |bytes: &[u8]| {
        world.runtime.block_on(fs.write(opened.fh, Offset::At(0), bytes)).unwrap();
    };
    let flush = || world.runtime.block_on(fs.flush(opened.fh)).map_err(|error| error.errno());
    write(b"half");
    world.runtime.block_on(fs.fsync(attr.ino, opened.fh)).unwrap();
    assert_eq!(world.try_sync(trip), Ok(()), "no close has been refused yet");
    assert_eq!(flush(), Err(errno(libc::EMEDIUMTYPE)));
    for place in [trip, ROOT, attr.ino] {
        assert_eq!(world.try_sync(place), Err(errno(libc::EIO)));
    }
    assert_eq!(world.try_sync(other), Ok(()));
    // A copy of the descriptor had been closed only.
    write(&photo(1));
    assert_eq!(world.try_sync(trip), Ok(()));
    assert_eq!(flush(), Ok(()));
    fs.release(opened.fh).unwrap();
    assert_eq!(world.try_sync(trip), Ok(()));
    assert_eq!(world.emulator().dump().items.len(), 1);
}

#[test]
fn the_control_directory_can_be_neither_replaced_nor_removed() {
    let world = World::new();
    world.mkdir("Trip").unwrap();
    let fs = world.fs();
    let rename = fs.rename((ROOT, b"Trip"), (ROOT, b".gphotos"), Rename::Replace);
    assert_eq!(world.runtime.block_on(rename).unwrap_err().errno(), errno(libc::EPERM));
    let rmdir = fs.rmdir(ROOT, b".gphotos");
    assert_eq!(world.runtime.block_on(rmdir).unwrap_err().errno(), errno(libc::EPERM));
    let mkdir = fs.mkdir(ROOT, b".gphotos");
    assert_eq!(world.runtime.block_on(mkdir).unwrap_err().errno(), errno(libc::EEXIST));
    assert_eq!(world.names(ROOT), ["Trip"]);
}

#[test]
fn in_an_album_deleted_outside_nothing_can_be_made() {
    let world = World::new();
    world.seed("Trip", 1);
    let trip = world.dir("Trip");
    world.list(trip);
    world.edit(Edit::DeleteAlbum { album: "Trip".into() });
    world.refresh(ROOT);
    assert_eq!(world.names(ROOT), [""; 0]);
    assert_eq!(world.lookup(trip, "IMG_000001.jpg"), Err(errno(libc::ENOENT)));
    assert_eq!(world.fs().create(trip, b"a.jpg").unwrap_err().errno(), errno(libc::ENOENT));
}

/// > If the login lacks the permission to edit (`edit.appcreateddata`), operations that add items
/// > to an album or remove them fail with `EACCES`, and the log says what to do: `rm`, `ln`, `mv`
/// > and edits. Files that are not at Google yet can be removed and moved, and names within an
/// > album can be changed.
#[test]
fn without_the_right_to_edit_albums_keep_what_they_have() {
    let world = World::granted(&["appendonly", "readonly.appcreateddata"], &[]);
    let (one, two) = (world.mkdir("One").unwrap(), world.mkdir("Two").unwrap());
    let photo = |seed| content(seed, 5000);
    let item = world.create(one, "a.jpg", &photo(1));
    world.create(one, "b.jpg", &photo(2));
    world.sync(ROOT);
    let fs = world.fs();
    let rename = |from: (Ino, &str), to: (Ino, &str)| {
        let (from, to) = ((from.0, from.1.as_bytes()), (to.0, to.1.as_bytes()));
        world.runtime.block_on(fs.rename(from, to, Rename::Replace)).map_err(|it| it.to_string())
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
    let opened = world.runtime.block_on(fs.open(item, REWRITE));
    refused(opened.map(|_| ()).map_err(|it| it.to_string()));
    let names = |dir| world.names(dir);
    assert_eq!((names(one), names(two)), (vec!["a.jpg".to_owned(), "b.jpg".to_owned()], vec![]));

    rename((one, "a.jpg"), (one, "c.jpg")).unwrap();
    fs.link(item, one, b"d.jpg").unwrap();
    fs.unlink(one, b"c.jpg").unwrap();
    world.create(one, ".new.jpg", &photo(3));
    rename((one, ".new.jpg"), (two, "e.jpg")).unwrap();
    world.create(one, ".old.jpg", &photo(4));
    fs.unlink(one, b".old.jpg").unwrap();
    world.sync(ROOT);
    assert_eq!(names(two), ["e.jpg"]);
}

#[test]
fn a_mount_that_is_told_so_knows_that_there_is_no_login_any_more() {
    let world = World::new();
    world.mkdir("One").unwrap();
    let fs = world.fs();
    let trouble = || world.parts.as_ref().unwrap().engine.client.login().trouble();
    assert!(trouble().is_none());
    std::fs::remove_file(world.dir.path().join("config/token.json")).unwrap();
    let told = world.runtime.block_on(fs.getxattr(ROOT, b"user.gphotos.login"));
    assert_eq!(told.unwrap_err().errno(), errno(libc::EACCES));
    assert!(matches!(trouble(), Some(LoginError::NotLoggedIn)), "{:?}", trouble());
    assert_eq!(world.mkdir("Two").unwrap_err(), errno(libc::EACCES));
}

/// > If the mount is killed, files that were being written are in `.gphotos/failed` afterwards,
/// > unless they were empty. A sync reports them until a file is closed under the same name, or
/// > they are removed.
#[test]
fn what_was_cut_off_is_kept_until_the_copy_is_made_again() {
    let mut world = World::new();
    let one = world.mkdir("One").unwrap();
    let photo = content(1, 5000);
    for (name, bytes) in [("a.jpg", &photo[..3000]), ("b.jpg", &photo[..2000]), ("c.jpg", &[])] {
        let (_, opened) = world.fs().create(one, name.as_bytes()).unwrap();
        world.runtime.block_on(world.fs().write(opened.fh, Offset::At(0), bytes)).unwrap();
    }
    world.restart();
    let failed = world.dir(".gphotos/failed/One");
    assert_eq!(
        (world.names(one), world.names(failed)),
        (vec!["c.jpg".to_owned()], vec!["a.jpg".to_owned(), "b.jpg".to_owned()])
    );
    let size = |name| {
        let cut_off = world.lookup(failed, name).unwrap();
        world.runtime.block_on(world.fs().getattr(cut_off)).unwrap().size
    };
    assert_eq!((size("a.jpg"), size("b.jpg")), (3000, 2000));
    world.create(one, "a.jpg", &photo);
    assert_eq!(world.try_sync(one).unwrap_err(), errno(libc::EIO));
    assert_eq!(world.names(failed), ["b.jpg"]);
    world.fs().unlink(failed, b"b.jpg").unwrap();
    world.sync(one);
}
