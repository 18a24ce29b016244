//! Common programs against a real mount: their exit status, the files in the album afterwards, and the items at Google.
//!
//! A row is a shell script. It runs in a directory of its own, with three photos in `photo/` and an empty album,
//! whose path is in `$A`. Afterwards the album must hold the files of the directory `want/`; without it, those of `photo/`.
//! `scripts/test.sh` installs the programs.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use gphotosfs_emulator::{Call, Dump, Moment};

use crate::support::{World, sha256};

/// A name for failures, and the script.
type Row = (&'static str, &'static str);

#[test]
fn copying_programs() {
    check(COPYING);
}

#[test]
fn editing_programs() {
    check(EDITING);
}

#[test]
fn naming_programs() {
    check(NAMING);
}

const COPYING: &[Row] = &[
    (
        "rsync",
        "rsync -rt photo/ $A/
         test -z \"$(rsync -rt --itemize-changes photo/ $A/ | grep -v '/$')\"",
    ),
    (
        "rsync-archive",
        "rsync -a photo/ $A/
         test -z \"$(rsync -a --itemize-changes photo/ $A/ | grep -v '/$')\"",
    ),
    (
        "rsync-inplace",
        "rsync -rt --inplace photo/ $A/
         cp photo/1.jpg changed.jpg && printf more >> changed.jpg
         mkdir want && cp photo/* want/ && cp changed.jpg want/1.jpg
         sync $A
         rsync -rt --inplace want/ $A/
         test -z \"$(rsync -rt --itemize-changes want/ $A/ | grep -v '/$')\"",
    ),
    ("rsync-partial", "rsync -rt --partial photo/ $A/ && rsync -rt --partial-dir=.part photo/ $A/"),
    (
        "rsync-delay-updates",
        "rsync -rt --delay-updates photo/ $A/ && test ! -e $A/.~tmp~
         test -z \"$(rsync -rt --delay-updates --itemize-changes photo/ $A/ | grep -v '/$')\"
         cp photo/1.jpg changed.jpg && printf more >> changed.jpg && mkdir want && cp -p photo/* want/
         cp changed.jpg want/1.jpg && sync $A && rsync -rt --delay-updates want/ $A/
         test -z \"$(rsync -rt --delay-updates --itemize-changes want/ $A/ | grep -v '/$')\"",
    ),
    // As an interrupted transfer leaves it.
    (
        "rsync-partial-dir",
        "mkdir $A/.rsync-partial && head -c 2000 photo/1.jpg > $A/.rsync-partial/1.jpg
         sync $A && rsync -rt --partial-dir=.rsync-partial photo/ $A/ && test ! -e $A/.rsync-partial
         test -z \"$(rsync -rt --partial-dir=.rsync-partial --itemize-changes photo/ $A/ | grep -v '/$')\"",
    ),
    (
        "rsync-temp-dir",
        "mkdir $A/.new && rsync -rt --temp-dir=.new photo/ $A/
         test -z \"$(rsync -rt --temp-dir=.new --itemize-changes photo/ $A/ | grep -v '/$')\" && rmdir $A/.new",
    ),
    (
        "rsync-delete",
        "rsync -rt photo/ $A/ && sync $A
         mkdir want && cp -p photo/2.jpg want/
         rsync -rt --delete want/ $A/",
    ),
    (
        "rsync-checksum",
        "rsync -rt photo/ $A/ && sync $A && touch photo/*
         test -z \"$(rsync -rc --itemize-changes photo/ $A/ | grep -v '/$')\"",
    ),
    ("cp", "cp photo/* $A/ && cp photo/* $A/"),
    ("cp-archive", "cp -a photo/. $A/ && test $(stat -c %Y photo/1.jpg) = $(stat -c %Y $A/1.jpg)"),
    ("cp-reflink", "cp --reflink=auto photo/* $A/"),
    ("cp-sparse", "cp --sparse=always photo/* $A/"),
    (
        "cp-within",
        "cp photo/* $A/ && cp $A/1.jpg $A/copy.jpg && mkdir want && cp photo/* want/ && cp photo/1.jpg want/copy.jpg",
    ),
    ("cp-backup", "cp photo/* $A/ && cp -b photo/2.jpg $A/1.jpg && mkdir want && cp photo/* want/
        cp photo/2.jpg want/1.jpg && cp photo/1.jpg want/1.jpg~"),
    ("tar", "tar -C photo -cf p.tar . && tar -C $A -xf p.tar && tar -C $A -xf p.tar"),
    ("tar-pipe", "tar -C photo -c . | tar -C $A -x --no-same-owner --unlink-first"),
    ("tar-out", "cp photo/* $A/ && mkdir want && tar -C $A -c . | tar -C want -x"),
    ("unzip", "(cd photo && zip -q ../p.zip *) && unzip -q p.zip -d $A && unzip -qo p.zip -d $A"),
    ("install", "install -m 644 -t $A photo/* && install -D -p photo/1.jpg $A/1.jpg"),
    ("dd", "for n in 1 2 3; do dd if=photo/$n.jpg of=$A/$n.jpg bs=1000 conv=fsync status=none; done"),
    ("cat", "for n in 1 2 3; do cat photo/$n.jpg > $A/$n.jpg; done"),
    ("tee", "for n in 1 2 3; do tee $A/$n.jpg < photo/$n.jpg >/dev/null; done"),
    ("head-then-rest", "for n in 1 2 3; do { head -c 1000; } < photo/$n.jpg > $A/$n.jpg
        tail -c +1001 photo/$n.jpg >> $A/$n.jpg; done"),
    // GIO writes beside the file that it replaces (.goutputstream-*), then renames.
    (
        "gio",
        "gio copy photo/1.jpg photo/2.jpg $A/ && gio copy photo/3.jpg $A/3.jpg
         gio save $A/1.jpg < photo/2.jpg && gio save $A/1.jpg < photo/1.jpg
         cp photo/2.jpg $A/new.jpg && gio rename $A/new.jpg newer.jpg && gio remove $A/newer.jpg",
    ),
    // KIO writes NAME.part, sets its time and renames; an upload that it finds half done it appends to.
    (
        "kio",
        "for n in 1 2 3; do
             head -c 1500 photo/$n.jpg > $A/$n.jpg.part
             tail -c +1501 photo/$n.jpg >> $A/$n.jpg.part
             chmod 644 $A/$n.jpg.part && touch -r photo/$n.jpg $A/$n.jpg.part && mv $A/$n.jpg.part $A/$n.jpg
         done",
    ),
];

const EDITING: &[Row] = &[
    ("touch", "cp photo/* $A/ && touch -d 2001-02-03 $A/* && sync $A && touch -d 2002-03-04T05:06:07Z $A/*
        test $(date -d @$(stat -c %Y $A/1.jpg) -u +%FT%T) = 2002-03-04T05:06:07"),
    ("touch-before-1970", "cp photo/* $A/ && touch -d 1969-07-20T20:17:40Z $A/*
        test $(stat -c %Y $A/1.jpg) = -14182940 && sync $A && test $(stat -c %Y $A/1.jpg) = -14182940"),
    ("chmod-chown", "cp photo/* $A/ && chmod 600 $A/* && chmod -R u+x $A && chown -R $(id -u):$(id -g) $A
        test $(stat -c %a $A/1.jpg) = 644"),
    (
        "exiftool",
        "exiftool -q -overwrite_original -Artist=A photo/1.jpg
         cp photo/* $A/ && sync $A
         exiftool -q -overwrite_original -Artist=Somebody $A/1.jpg
         cp -r photo want && exiftool -q -overwrite_original -Artist=Somebody want/1.jpg",
    ),
    (
        "exiftool-in-place",
        "cp photo/* $A/ && exiftool -q -overwrite_original_in_place -P -Artist=Somebody $A/1.jpg $A/2.jpg
         cp -r photo want && exiftool -q -overwrite_original -Artist=Somebody want/1.jpg want/2.jpg",
    ),
    (
        "mogrify",
        "cp photo/* $A/ && sync $A && mogrify -rotate 180 -strip $A/1.jpg
         cp -r photo want && mogrify -rotate 180 -strip want/1.jpg",
    ),
    (
        "jpegtran",
        "cp photo/* $A/ && jpegtran -copy all -rotate 90 -outfile $A/2.jpg photo/2.jpg
         cp -r photo want && jpegtran -copy all -rotate 90 photo/2.jpg > want/2.jpg",
    ),
    (
        "dd-notrunc",
        "cp photo/* $A/ && sync $A && printf XYZ | dd of=$A/1.jpg bs=1 seek=2000 conv=notrunc status=none
         cp -r photo want && printf XYZ | dd of=want/1.jpg bs=1 seek=2000 conv=notrunc status=none",
    ),
    (
        "truncate",
        "cp photo/* $A/ && sync $A && truncate -s +100 $A/1.jpg && truncate -s -50 $A/1.jpg && truncate -s +100 $A/2.jpg
         cp -r photo want && truncate -s +100 want/1.jpg && truncate -s -50 want/1.jpg && truncate -s +100 want/2.jpg",
    ),
    ("mmap", "cp photo/* $A/ && sync $A
         cat > map.py <<'E'
import mmap, sys
with open(sys.argv[1], 'r+b') as f:
    m = mmap.mmap(f.fileno(), 0)
    m[1000:1004] = b'mmap'
    m.flush()
    m[2000:2004] = b'late'
E
         python3 map.py $A/1.jpg && cp -r photo want && python3 map.py want/1.jpg"),
    (
        "sponge",
        "cp photo/* $A/ && sync $A && (cat $A/1.jpg; echo more) | sponge $A/1.jpg
         cp -r photo want && echo more >> want/1.jpg",
    ),
    ("append", "cp photo/* $A/ && sync $A && printf more >> $A/3.jpg && cp -r photo want && printf more >> want/3.jpg"),
    ("rewritten-with-the-same", "cp photo/* $A/ && sync $A && for n in 1 2 3; do cat photo/$n.jpg > $A/$n.jpg; done"),
    // Room is made, and synced, before there is anything in it that looks like a photo.
    ("preallocated", "cat > write.py <<'E'
import os, sys
with open(sys.argv[1], 'rb') as f: data = f.read()
fd = os.open(sys.argv[2], os.O_RDWR | os.O_CREAT)
os.posix_fallocate(fd, 0, len(data))
os.fsync(fd)
for at in range(len(data) // 1000 * 1000, -1, -1000):
    os.pwrite(fd, data[at:at + 1000], at)
    os.fsync(fd)
os.close(fd)
E
         for n in 1 2 3; do python3 write.py photo/$n.jpg $A/$n.jpg; done"),
    // sed writes sedXXXXXX beside the file, whatever it is, and renames.
    ("sed-in-place", "cp photo/* $A/ && LC_ALL=C sed -i '$ s/$/ /' $A/1.jpg
         cp -r photo want && LC_ALL=C sed -i '$ s/$/ /' want/1.jpg"),
    ("flock", "cp photo/* $A/ && flock $A/1.jpg true && flock -s $A/1.jpg flock -s -n $A/1.jpg true
         ! flock $A/1.jpg flock -n $A/1.jpg true && flock $A true"),
];

const NAMING: &[Row] = &[
    ("mv-in", "cp -r photo want && mv photo/* $A/"),
    ("mv-within", "cp photo/* $A/ && mv $A/1.jpg $A/9.jpg && mv $A/2.jpg $A/1.jpg && mv -n $A/9.jpg $A/1.jpg || true
         cp -r photo want && mv want/1.jpg want/9.jpg && mv want/2.jpg want/1.jpg"),
    ("mv-onto", "cp photo/* $A/ && sync $A && mv $A/1.jpg $A/2.jpg && cp -r photo want && mv want/1.jpg want/2.jpg"),
    ("mv-exchange", "cp photo/* $A/ && cat > x.py <<'E'
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
if libc.renameat2(-100, sys.argv[1].encode(), -100, sys.argv[2].encode(), 2): sys.exit(os.strerror(ctypes.get_errno()))
E
         python3 x.py $A/1.jpg $A/2.jpg && cp -r photo want && python3 x.py want/1.jpg want/2.jpg"),
    ("ln", "cp photo/* $A/ && ln $A/1.jpg $A/4.jpg && sync $A && ln $A/1.jpg $A/5.jpg && test $(stat -c %h $A/1.jpg) = 3
         cp -r photo want && cp want/1.jpg want/4.jpg && cp want/1.jpg want/5.jpg"),
    ("rm", "cp photo/* $A/ && rm $A/1.jpg && sync $A && rm $A/2.jpg && mkdir want && cp photo/3.jpg want/"),
    ("rm-recursive", "mkdir $A/sub $A/sub/sub && cp photo/* $A/ && cp photo/* $A/sub/ && cp photo/1.jpg $A/sub/sub/
         rm -r $A/sub && test ! -e $A/sub"),
    ("find-delete", "cp photo/* $A/ && sync $A && find $A -name '[12].jpg' -delete && mkdir want && cp photo/3.jpg want/"),
    ("git-annex", "mkdir $A/.annex-tmp 2>/dev/null || true
         for n in 1 2 3; do cp photo/$n.jpg $A/.annex-$n.tmp && chmod 444 $A/.annex-$n.tmp
         ln $A/.annex-$n.tmp $A/SHA-$n.jpg && rm -f $A/.annex-$n.tmp && mv $A/SHA-$n.jpg $A/$n.jpg; done
         rmdir $A/.annex-tmp 2>/dev/null || true"),
    ("ln-across", "mkdir $A-2 && cp photo/* $A-2/ && sync $A-2 && ln $A-2/*.jpg $A/ && rm $A-2/*.jpg"),
    ("mv-across", "mkdir $A-2 && cp photo/* $A-2/ && mv $A-2/1.jpg $A/ && sync $A-2 && mv $A-2/*.jpg $A/ && rmdir $A-2"),
    ("deleted-while-open", "exec 3> $A/gone.jpg && cat photo/1.jpg >&3 && rm $A/gone.jpg && cat photo/2.jpg >&3
         exec 3>&- && cp photo/* $A/"),
    ("replaced-while-open", "cp photo/1.jpg $A/1.jpg && exec 3< $A/1.jpg && cp photo/2.jpg $A/x.jpg && mv $A/x.jpg $A/1.jpg
         cmp photo/1.jpg /dev/fd/3 && exec 3>&- && cp photo/1.jpg $A/1.jpg && cp photo/[23].jpg $A/"),
];

/// Runs the rows on one mount, one after the other, and reports all that failed.
fn check(rows: &[Row]) {
    let world = World::mounted();
    let mut failures = Vec::new();
    for (at, (name, script)) in rows.iter().enumerate() {
        for photo in 1..=3 {
            // Different from those of all other rows: the same bytes would be one item.
            let seed = (at * 10 + photo) as u32;
            world.photo(&format!("{name}/photo/{photo}.jpg"), seed, 4000 + 500 * photo);
        }
        let outcome = world.sh_outcome(&format!(
            "mkdir mnt/{name} && cd {name} && A=../mnt/{name} && {script}\ncd .. && sync mnt/{name}"
        ));
        if !outcome.status.success() {
            let said = String::from_utf8_lossy(&outcome.stderr);
            failures.push(format!("{name}: {}: {said}", outcome.status));
            continue;
        }
        let own = world.dir.path().join(name);
        let want = if own.join("want").exists() { own.join("want") } else { own.join("photo") };
        let (want, shown) = (sums(&want), sums(&world.mnt.join(name)));
        if shown != want {
            failures.push(format!("{name}: shown {shown:#?}, wanted {want:#?}"));
        }
        // The tools' own files stay local.
        let mut want: Vec<_> =
            want.into_iter().filter(|(name, _)| !name.ends_with('~')).map(|(_, sum)| sum).collect();
        want.sort();
        want.dedup();
        let arrived = arrived(&world.emulator.dump(), name);
        if arrived != want {
            failures.push(format!("{name}: at Google {arrived:#?}, wanted {want:#?}"));
        }
    }
    // Nobody could delete them.
    let dump = world.emulator.dump();
    let odd: Vec<_> = dump.albums.iter().filter(|album| album.title.contains("/.")).collect();
    assert!(odd.is_empty(), "{odd:?}");
    let violations = world.emulator.stats().violations;
    assert!(violations.is_empty(), "{violations:?}");
    assert!(failures.is_empty(), "{}\n{}", failures.join("\n"), world.log());
}

#[test]
fn rsync_has_nothing_to_do_in_the_next_mount_with_a_network_or_without() {
    let mut world = World::new();
    for at in 0..6 {
        world.photo(&format!("photo/{at}.jpg"), at, 4000 + 100 * at as usize);
        world.photo(&format!("photo/day 2/{at}.jpg"), 100 + at, 4000);
    }
    // To the nanosecond, from before 1970, to come, and the same bytes twice.
    world.sh("touch -d '2019-04-28 10:11:12.123456789' photo/0.jpg && touch -d @-1.5 photo/1.jpg
        touch -d 2040-01-01 photo/2.jpg && cp -p photo/3.jpg 'photo/day 2/twin.jpg'");
    // The times of directories are not kept.
    let rsync = "rsync -rt --itemize-changes photo/ mnt/A/ | grep -v '/$' || true";
    world.mount(&[]);
    world.emulator.hold(Call::UploadRaw, Moment::Request);
    world.sh(&format!("mkdir mnt/A && {rsync}"));
    assert_eq!(world.sh(rsync), "");

    // On their way.
    world.run(&["umount", "--now", world.mnt.to_str().unwrap()]);
    world.emulator.let_go(Call::UploadRaw, Moment::Request);
    world.stop_emulator();
    world.mount(&[]);
    assert_eq!(world.sh(rsync), "");

    world.start_emulator();
    world.umount();
    world.mount(&[]);
    assert_eq!(world.sh(rsync), "");
    world.sync();
    let dump = world.emulator.dump();
    assert_eq!((arrived(&dump, "A").len(), arrived(&dump, "A/day 2").len()), (6, 7));
    assert_eq!(dump.items.len(), 12);

    // The file has arrived, and its bytes are not here any more.
    world.umount();
    world.stop_emulator();
    world.sh("rm -r cache");
    world.mount(&[]);
    assert_eq!(world.sh(rsync), "");
    world.start_emulator();
}

/// Names and hashes of the files in a directory.
fn sums(dir: &Path) -> BTreeMap<String, String> {
    fs::read_dir(dir)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let sum = match fs::read(entry.path()) {
                Ok(bytes) => sha256(&bytes),
                Err(error) => error.to_string(),
            };
            (entry.file_name().into_string().unwrap(), sum)
        })
        .collect()
}

/// Hashes of the items in an album at Google.
fn arrived(dump: &Dump, title: &str) -> Vec<String> {
    let album = dump.albums.iter().find(|album| album.title == title).unwrap();
    let mut sums: Vec<String> =
        album.items.iter().map(|id| dump.item(id).unwrap().sha256.clone().unwrap()).collect();
    sums.sort();
    sums
}
