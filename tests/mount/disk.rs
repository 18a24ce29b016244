//! Disks that are full, and power that fails.
//!
//! These tests mount filesystems, which takes root: without it they say so and end.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::support::ledger::{Ledger, close};
use crate::support::{World, jpeg, wait_for};
use gphotosfs_emulator::{Call, Edit, Faults, Moment, synthetic_content};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const PACE: (&str, &str) = ("GPHOTOSFS_UNSTABLE_PACE", "20");

/// Whether filesystems can be mounted; says so, past the test runner's capture, if they cannot.
fn can_mount(what: &str, needs: &[&str]) -> bool {
    let missing = needs.iter().find(|path| !Path::new(path).exists());
    let why = match missing {
        _ if !rustix::process::geteuid().is_root() => "only root can mount".to_owned(),
        Some(missing) => format!("{missing} is not there"),
        None => return true,
    };
    // In one piece, past the runner's capture and its own lines.
    io::stderr().write_all(format!("\nNOT RUN: {what}: {why}\n").as_bytes()).unwrap();
    false
}

/// A filesystem that is mounted for a test.
struct Disk {
    dir: PathBuf,
}

impl Disk {
    fn mount(dir: PathBuf, how: &[&str]) -> Self {
        fs::create_dir_all(&dir).unwrap();
        run(Command::new("mount").args(how).arg(&dir));
        Self { dir }
    }

    fn tmpfs(dir: PathBuf, options: &str) -> Self {
        Self::mount(dir, &["-t", "tmpfs", "-o", options, "tmpfs"])
    }

    /// Takes all space but so many bytes.
    fn fill(&self, leave: u64) {
        let stat = rustix::fs::statvfs(&self.dir).unwrap();
        let take = (stat.f_bavail * stat.f_frsize).saturating_sub(leave);
        let ballast = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.dir.join("ballast"))
            .unwrap();
        let from = ballast.metadata().unwrap().len();
        // Somebody else may have been faster.
        let none = rustix::fs::FallocateFlags::empty();
        let _ = rustix::fs::fallocate(&ballast, none, from, take.max(1));
    }

    fn free(&self) {
        fs::remove_file(self.dir.join("ballast")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.dir).status();
    }
}

fn run(command: &mut Command) {
    let outcome = command.output().unwrap();
    assert!(outcome.status.success(), "{command:?}: {}", String::from_utf8_lossy(&outcome.stderr));
}

fn pause(millis: u64) {
    #[expect(clippy::disallowed_methods, reason = "trouble has to last for some time")]
    std::thread::sleep(Duration::from_millis(millis));
}

fn slow(faults: &mut Faults) {
    faults.every_call.latency_ms = 20;
}

/// What has failed must have failed for lack of space; cp would leave such a file, and so does this.
fn out_of_space(world: &World, error: &io::Error) {
    assert_eq!(error.raw_os_error(), Some(libc::ENOSPC), "{error}\n{}", world.log());
}

/// Fills the disk of the state directory before, between and during copies.
fn fill_the_state(rounds: u32, seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let world = World::new();
    world.emulator.faults(slow);
    let disk = Disk::tmpfs(world.dir.path().join("state/gphotosfs"), "size=24m");
    let mnt = &world.mnt;
    let mut ledger = Ledger::default();
    // Detached: its log is on the full disk, too.
    world.mount_with(&[PACE], &[]);
    world.sh("mkdir mnt/A");
    let (mut refused, mut taken) = (0, 0);
    for round in 0..rounds {
        let leave = [0, 4096, 100_000, 300_000, 600_000, 1_200_000][round as usize % 6];
        // Half of the time in the middle of writing.
        let early = rng.random_bool(0.5);
        if early {
            disk.fill(leave);
        }
        for at in 0..6 {
            if !early && at == 2 {
                disk.fill(leave);
            }
            let bytes = jpeg(round * 10 + at, 50_000 + at as usize * 30_000);
            match ledger.write(mnt, &format!("A/{round}-{at}.jpg"), &bytes) {
                Ok(()) => taken += 1,
                Err(error) => {
                    out_of_space(&world, &error);
                    refused += 1;
                    ledger.refused();
                }
            }
        }
        let arrived = ledger.paths().first().cloned();
        if let Some(path) = arrived.filter(|_| round % 2 == 1)
            && let Err(error) = ledger.edit(mnt, &path, round)
        {
            out_of_space(&world, &error);
            refused += 1;
            ledger.refused();
        }
        // Let the uploads run into it as well.
        pause(rng.random_range(0..300));
        assert!(fs::metadata(mnt.join(".gphotos/status.json")).is_ok(), "{}", world.log());
        disk.free();
        ledger.settle_refused(mnt).unwrap();
        if round % 4 == 3 {
            ledger.audit(&world);
        }
    }
    ledger.write(mnt, "A/last.jpg", &jpeg(99_999, 100_000)).unwrap();
    ledger.audit(&world);
    assert!(refused > 0 && taken > 0, "{refused} refused, {taken} taken");
    eprintln!(
        "disk full, {rounds} rounds (seed {seed}): {taken} files taken, {refused} refused with ENOSPC; lost 0, wrong 0"
    );
    world.umount();
}

#[test]
fn a_full_disk_is_told_to_the_writer_and_loses_nothing() {
    if can_mount("full disk", &[]) {
        fill_the_state(12, rand::random());
    }
}

#[test]
#[ignore = "takes minutes"]
fn a_disk_that_is_full_again_and_again_loses_nothing() {
    if can_mount("full disk", &[]) {
        fill_the_state(150, rand::random());
    }
}

#[test]
fn a_disk_without_room_for_another_file_leaves_no_name_behind() {
    if !can_mount("no inodes left", &[]) {
        return;
    }
    let world = World::new();
    let disk = Disk::tmpfs(world.dir.path().join("state/gphotosfs"), "size=24m,nr_inodes=40");
    world.mount_with(&[PACE], &[]);
    world.sh("mkdir mnt/A");
    let mut ledger = Ledger::default();
    let ballast: Vec<_> = (0..100)
        .map(|at| disk.dir.join(format!("ballast-{at}")))
        .take_while(|path| fs::write(path, "").is_ok())
        .collect();
    let error = ledger.write(&world.mnt, "A/1.jpg", &jpeg(1, 5000)).unwrap_err();
    out_of_space(&world, &error);
    assert_eq!(world.names("A"), [""; 0]);
    ledger.refused();
    ballast.iter().for_each(|path| fs::remove_file(path).unwrap());
    ledger.settle_refused(&world.mnt).unwrap();
    ledger.write(&world.mnt, "A/1.jpg", &jpeg(1, 5000)).unwrap();
    ledger.audit(&world);
    world.umount();
}

#[test]
fn photos_that_could_not_be_closed_go_on_when_there_is_room_again() {
    if !can_mount("full disk at close", &[]) {
        return;
    }
    let world = World::new();
    let disk = Disk::tmpfs(world.dir.path().join("state/gphotosfs"), "size=8m");
    world.mount_with(&[PACE], &[]);
    world.sh("mkdir mnt/A");
    let names: Vec<_> = (0..12).map(|at| format!("{at:02}.jpg")).collect();
    let open = names.iter().zip(0..).map(|(name, at)| {
        let file = fs::File::create(world.mnt.join("A").join(name)).unwrap();
        file.write_all_at(&jpeg(at, 50_000), 0).unwrap();
        (format!("A/{name}"), file)
    });
    let open: Vec<_> = open.collect();
    let status = || fs::read_to_string(world.mnt.join(".gphotos/status.json")).unwrap();
    let mut refused = Vec::new();
    for (path, file) in open {
        disk.fill(0);
        if let Err(error) = close(file) {
            out_of_space(&world, &error);
            refused.push(path);
        }
    }
    assert!(!refused.is_empty(), "the database had room in what it had set aside");
    // Not before the kernel has told of the last descriptor, and that has failed, too.
    wait_for("what is left over", || refused.iter().any(|path| status().contains(path)));
    disk.free();
    wait_for("all photos to arrive", || world.remote("A").len() == names.len());
    world.sync();
    world.umount();
}

#[test]
fn a_photo_cut_short_by_a_full_disk_is_refused_and_kept() {
    if !can_mount("full spool", &[]) {
        return;
    }
    let world = World::new();
    // The database has room, the bytes have not.
    let _spool = Disk::tmpfs(world.dir.path().join("state/gphotosfs/default/spool"), "size=400k");
    world.mount_with(&[PACE], &[]);
    world.photo("long.jpg", 1, 600_000);
    world.photo("short.jpg", 2, 200_000);
    let outcome = world.sh_outcome("mkdir mnt/A && cp long.jpg mnt/A/");
    let said = String::from_utf8_lossy(&outcome.stderr).into_owned();
    assert!(!outcome.status.success() && said.contains("No space left"), "{said}");
    world.sh("until test -f mnt/.gphotos/failed/A/long.jpg; do sleep 0.02; done");
    let why =
        world.sh("getfattr --only-values -n user.gphotos.error mnt/.gphotos/failed/A/long.jpg");
    assert!(why.contains("not all of it could be written"), "{why}");
    assert!(!world.sh_outcome("sync mnt").status.success(), "sync tells of it");
    world.sh("rm mnt/.gphotos/failed/A/long.jpg && cp short.jpg mnt/A/ && sync mnt");
    assert_eq!(world.remote("A"), ["short.jpg"]);
    assert_eq!(world.emulator.dump().items.len(), 1);
    world.umount();
}

#[test]
fn a_mount_on_a_full_disk_says_why_it_fails() {
    if !can_mount("mounting on a full disk", &[]) {
        return;
    }
    let world = World::new();
    let disk = Disk::tmpfs(world.dir.path().join("state/gphotosfs"), "size=8m");
    disk.fill(0);
    let outcome = world.program().arg("mount").arg(&world.mnt).output().unwrap();
    let said = String::from_utf8_lossy(&outcome.stderr).into_owned();
    assert_eq!(outcome.status.code(), Some(1), "{said}");
    assert!(said.contains("full") || said.contains("No space left"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    disk.free();
    world.mount(&[]);
    world.umount();
}

#[test]
fn a_full_cache_disk_holds_up_no_upload_and_no_reader() {
    if !can_mount("full cache", &[]) {
        return;
    }
    let world = World::new();
    let disk = Disk::tmpfs(world.dir.path().join("cache/gphotosfs"), "size=1m");
    let mut ledger = Ledger::default();
    world.mount_with(&[PACE], &[]);
    world.sh("mkdir mnt/A");
    for at in 0..30 {
        ledger.write(&world.mnt, &format!("A/{at}.jpg"), &jpeg(at, 200_000)).unwrap();
    }
    // Reads all of them: those for which there was no room are downloaded.
    ledger.audit(&world);
    disk.fill(0);
    for at in 30..40 {
        ledger.write(&world.mnt, &format!("A/{at}.jpg"), &jpeg(at, 200_000)).unwrap();
    }
    world.sync();
    disk.free();
    ledger.audit(&world);
    world.umount();
}

/// The disk of the state directory: an image whose copy is what is left after a power cut.
struct Image {
    path: PathBuf,
    disk: Disk,
}

impl Image {
    fn mount(path: PathBuf, dir: PathBuf) -> Self {
        let disk = Disk::mount(dir, &["-o", "loop", path.to_str().unwrap()]);
        Self { path, disk }
    }

    /// So often has the disk been written to.
    fn writes(&self) -> String {
        let source = Command::new("findmnt").args(["-no", "SOURCE"]).arg(&self.disk.dir).output();
        let source = String::from_utf8(source.unwrap().stdout).unwrap();
        let name = source.trim().rsplit('/').next().unwrap().to_owned();
        let stat = fs::read_to_string(format!("/sys/block/{name}/stat")).unwrap();
        // Writes completed (Documentation/block/stat.rst).
        stat.split_whitespace().nth(4).unwrap().to_owned()
    }

    /// What the disk holds at this instant. What lies in the kernel's cache for it is not there.
    fn copy(&self, to: &Path) {
        loop {
            let before = self.writes();
            fs::copy(&self.path, to).unwrap();
            // Written to meanwhile, it would be a picture of no instant.
            if self.writes() == before {
                return;
            }
        }
    }
}

/// The disk with a world's state and cache on it, and its power.
struct Power {
    dir: PathBuf,
    disk: Option<Image>,
    cuts: u32,
    /// How often what was not synced was gone.
    gone: u32,
}

impl Power {
    fn on(world: &World) -> Self {
        let dir = world.dir.path().to_owned();
        let mut power = Self { dir, disk: None, cuts: 0, gone: 0 };
        fs::File::create(power.image(0)).unwrap().set_len(96 << 20).unwrap();
        run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(power.image(0)));
        power.disk = Some(Image::mount(power.image(0), power.at("disk")));
        for name in ["state", "cache"] {
            let _ = fs::remove_dir_all(power.at(name));
            fs::create_dir(power.at("disk").join(name)).unwrap();
            std::os::unix::fs::symlink(power.at("disk").join(name), power.at(name)).unwrap();
        }
        run(Command::new("sync").arg("-f").arg(power.at("disk")));
        power
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn image(&self, nth: u32) -> PathBuf {
        self.at(&format!("image-{nth}"))
    }

    fn unsynced(&self) -> PathBuf {
        self.at("disk").join(format!("unsynced-{}", self.cuts))
    }

    /// Writes what a power cut is to take away.
    fn write_unsynced(&self) {
        fs::write(self.unsynced(), jpeg(self.cuts, 20_000)).unwrap();
    }

    /// The program is dead: this leaves what is on the disk.
    fn cut(&mut self) {
        let (old, new) = (self.image(self.cuts), self.image(self.cuts + 1));
        let disk = self.disk.take().unwrap();
        disk.copy(&new);
        drop(disk);
        fs::remove_file(old).unwrap();
        self.disk = Some(Image::mount(new, self.at("disk")));
        let unsynced = fs::read(self.unsynced()).ok();
        self.gone += u32::from(unsynced.as_deref() != Some(&jpeg(self.cuts, 20_000)));
        self.cuts += 1;
    }
}

fn cut_the_power(cuts: u32, seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let world = World::new();
    world.emulator.faults(slow);
    world.emulator.faults(|faults| faults.on(Call::MediaItemsBatchCreate).latency_ms = 60);
    let mut power = Power::on(&world);
    let mut ledger = Ledger::default();
    for round in 0..cuts {
        let mut served = world.serve(&[PACE]);
        assert!(served.is_ready(), "{}", world.log());
        ledger.settle(&world.mnt).unwrap();
        world.sh("mkdir -p mnt/A mnt/B");
        power.write_unsynced();
        let pid = rustix::process::Pid::from_raw(served.pid() as i32).unwrap();
        let instant = Duration::from_millis(rng.random_range(0..800));
        let killer = std::thread::spawn(move || {
            #[expect(clippy::disallowed_methods, reason = "the instant is the point")]
            std::thread::sleep(instant);
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        });
        let mut work = || -> io::Result<()> {
            for at in 0..12 {
                let dir = if at % 3 == 0 { "B" } else { "A" };
                // Every fourth is the twin of an earlier one.
                let seed = round * 100 + if at % 4 == 3 { at - 2 } else { at };
                let bytes = jpeg(seed, 4000 + at as usize * 4000);
                ledger.write(&world.mnt, &format!("{dir}/{round}-{at}.jpg"), &bytes)?;
            }
            let old = format!("A/{}-1.jpg", round.saturating_sub(1));
            if ledger.holds(&old) {
                ledger.edit(&world.mnt, &old, round)?;
            }
            let old = format!("A/{}-2.jpg", round.saturating_sub(1));
            if ledger.holds(&old) {
                ledger.write(&world.mnt, &old, &jpeg(round * 100 + 50, 9000))?;
            }
            Ok(())
        };
        // Fails with the mount; where it has stood is in the ledger.
        let _ = work();
        killer.join().unwrap();
        served.ended();
        power.cut();
    }
    let mut served = world.serve(&[PACE]);
    assert!(served.is_ready(), "{}", world.log());
    ledger.settle(&world.mnt).unwrap();
    ledger.audit(&world);
    assert!(power.gone > 0, "what was not synced has survived each time: these were no power cuts");
    eprintln!(
        "{cuts} power cuts (seed {seed}; what was not synced was gone {} times): {} closes answered; \
         lost 0, duplicate items 0, duplicate album entries 0, wrong bytes 0",
        power.gone, ledger.answered
    );
    world.sh("umount mnt");
    served.ended();
}

#[test]
fn what_a_full_disk_does_not_take_is_read_all_the_same() {
    if !can_mount("reading with a full cache disk", &[]) {
        return;
    }
    const LARGE: u64 = 40_000_000;
    let world = World::new();
    let disk = Disk::tmpfs(world.dir.path().join("cache/gphotosfs"), "size=10m");
    let album = || Some("A".to_owned());
    world.edit(Edit::CreateAlbum { title: "A".into() });
    world.edit(Edit::Seed { album: album(), count: 2, size: LARGE, prefix: "large".into() });
    let (filename, small) = ("small.jpg".to_owned(), jpeg(1, 3_000_000));
    world.edit(Edit::AddItem { album: album(), filename, content: small.clone(), foreign: false });
    world.mount(&[]);
    world.sh("ls -l mnt/A");
    let large = |number: u64| {
        let bytes = fs::read(world.mnt.join(format!("A/large{number:06}.jpg"))).unwrap();
        bytes == synthetic_content(number + 1, LARGE, 0..LARGE)
    };
    assert!(large(0) && large(1), "{}", world.log());
    disk.fill(0);
    assert!(fs::read(world.mnt.join("A/small.jpg")).unwrap() == small, "{}", world.log());
    assert!(large(0), "{}", world.log());
    disk.free();
    world.umount();
}

const FOR_POWER_CUTS: [&str; 2] = ["/dev/loop-control", "/usr/sbin/mkfs.ext4"];

/// Does one step after the other; after each the power fails, and then what is said of it must be so.
fn cut_after_each(steps: &[(&str, &str)]) {
    let world = World::new();
    let mut power = Power::on(&world);
    for at in 0..3 {
        world.photo(&format!("photo/{at}.jpg"), at, 9000);
    }
    // Nothing arrives, so that no answer has anything synced.
    world.emulator.hold(Call::UploadRaw, Moment::Request);
    for (step, then) in steps {
        let mut served = world.serve(&[PACE]);
        assert!(served.is_ready(), "{}", world.log());
        power.write_unsynced();
        world.sh(step);
        served.kill();
        power.cut();
        let mut served = world.serve(&[PACE]);
        assert!(served.is_ready(), "{}", world.log());
        let outcome = world.sh_outcome(then);
        assert!(outcome.status.success(), "after {step}: {then}: {outcome:?}");
        served.kill();
    }
    assert!(power.gone > 0, "what was not synced has survived each time: these were no power cuts");
}

/// > Closed files, `ln`, `mkdir`, `rmdir` and `mv` are on the disk when they return.
#[test]
fn what_has_returned_survives_a_power_cut() {
    if can_mount("power cuts after each operation", &FOR_POWER_CUTS) {
        cut_after_each(&[
            ("mkdir mnt/A mnt/B mnt/Empty", "test -d mnt/A -a -d mnt/B -a -d mnt/Empty"),
            ("cp photo/0.jpg mnt/A/", "cmp photo/0.jpg mnt/A/0.jpg"),
            ("cp photo/1.jpg mnt/A/1.part", "cmp photo/1.jpg mnt/A/1.part"),
            ("ln mnt/A/0.jpg mnt/B/", "test mnt/A/0.jpg -ef mnt/B/0.jpg"),
            (
                "mv mnt/A/1.part mnt/A/1.jpg",
                "cmp photo/1.jpg mnt/A/1.jpg && test ! -e mnt/A/1.part",
            ),
            ("mv mnt/A/1.jpg mnt/B/", "cmp photo/1.jpg mnt/B/1.jpg && test ! -e mnt/A/1.jpg"),
            ("mv mnt/A/0.jpg mnt/B/1.jpg", "cmp photo/0.jpg mnt/B/1.jpg && test ! -e mnt/A/0.jpg"),
            ("rmdir mnt/Empty", "test ! -e mnt/Empty"),
            ("mv mnt/B mnt/C", "cmp photo/0.jpg mnt/C/0.jpg && test ! -e mnt/B"),
        ]);
    }
}

/// > `rm` is when the directory is synced, or with the next of the others: a sync for each name would make `rm *` of an
/// > album take minutes.
#[test]
fn removals_survive_a_power_cut_after_a_sync() {
    if can_mount("power cuts after rm", &FOR_POWER_CUTS) {
        cut_after_each(&[
            (
                "mkdir mnt/A && touch mnt/A/1 mnt/A/2 && rm mnt/A/1 && sync mnt/A",
                "test ! -e mnt/A/1",
            ),
            ("rm mnt/A/2 && mkdir mnt/B", "test ! -e mnt/A/2 -a -d mnt/B"),
        ]);
    }
}

#[test]
fn nothing_that_was_closed_is_lost_when_the_power_fails() {
    if can_mount("power cuts", &FOR_POWER_CUTS) {
        cut_the_power(6, rand::random());
    }
}

#[test]
#[ignore = "takes minutes"]
fn nothing_that_was_closed_is_lost_when_the_power_fails_again_and_again() {
    if can_mount("power cuts", &FOR_POWER_CUTS) {
        cut_the_power(60, rand::random());
    }
}
