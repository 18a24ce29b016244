//! Programs that are killed while they write.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use image::codecs::jpeg::JpegEncoder;
use image::{Rgb, RgbImage};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{World, wait_for};

/// Signals that end a program: Ctrl-C, `kill`, the end of the terminal, and `kill -9`.
const ENDING: [Signal; 4] = [Signal::INT, Signal::TERM, Signal::HUP, Signal::KILL];

const HALF: usize = 100_000;

/// A photo of noise, whose half breaks off in the picture.
fn photo(path: &Path) {
    let picture = RgbImage::from_fn(640, 640, |x, y| {
        let noise = x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503).rotate_left(x % 31);
        Rgb([(noise >> 24) as u8, (noise >> 16) as u8, (noise >> 8) as u8])
    });
    JpegEncoder::new(fs::File::create(path).unwrap()).encode_image(&picture).unwrap();
    assert!(fs::metadata(path).unwrap().len() > HALF as u64 * 3 / 2);
}

fn world() -> World {
    let world = World::mounted();
    world.photo("old.jpg", 1, 150_000);
    photo(&world.dir.path().join("new.jpg"));
    world.sh("mkdir mnt/A");
    world
}

/// A program that has written the first half of `new.jpg` to a path below the mount, and waits for
/// the second half.
fn half_written(world: &World, path: &str) -> Child {
    let mut writer = Command::new("cp")
        .args(["/dev/stdin", &format!("mnt/{path}")])
        .current_dir(world.dir.path())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let new = fs::read(world.dir.path().join("new.jpg")).unwrap();
    writer.stdin.as_mut().unwrap().write_all(&new[..HALF]).unwrap();
    let written = world.mnt.join(path);
    let is_half = || fs::metadata(&written).is_ok_and(|it| it.len() == HALF as u64);
    wait_for("half of the file to be written", is_half);
    writer
}

fn kill(writer: &mut Child, signal: Signal) {
    use std::os::unix::process::ExitStatusExt;
    kill_process(Pid::from_child(writer), signal).unwrap();
    assert_eq!(writer.wait().unwrap().signal(), Some(signal.as_raw()));
}

fn wait_for_failed(failed: &Path) {
    wait_for("the half to be among the failed files", || failed.exists());
    let reason = xattr::get(failed, "user.gphotos.error").unwrap().unwrap();
    let reason = String::from_utf8_lossy(&reason);
    assert!(reason.contains("was killed before it had closed the file"), "{reason}");
    assert_eq!(fs::metadata(failed).unwrap().len(), HALF as u64);
}

/// > If a program is killed while it writes a file, by Ctrl-C, `kill`, or the end of its terminal,
/// > no half a photo gets into the album. What it has written goes to `.gphotos/failed`, and a photo
/// > that it was about to replace stays as it was. A sync reports it until a file is closed under the
/// > same name, or it is removed.
#[test]
fn a_writer_that_is_killed_leaves_no_half_a_photo() {
    let world = world();
    let failed = world.mnt.join(".gphotos/failed/A/x.jpg");
    for signal in ENDING {
        let mut writer = half_written(&world, "A/x.jpg");
        kill(&mut writer, signal);
        wait_for_failed(&failed);
        assert!(world.names("A").is_empty(), "{signal:?}: {:?}", world.names("A"));
        assert!(!world.sh_outcome("sync mnt/A").status.success(), "{signal:?}");
        fs::remove_file(&failed).unwrap();
    }
    assert!(world.remote("A").is_empty());

    world.sh("cp old.jpg mnt/A/x.jpg && sync mnt/A");
    for signal in ENDING {
        // The wait below is for the half of this writer.
        world.sh("rm -f mnt/.gphotos/failed/A/x.jpg");
        let mut writer = half_written(&world, "A/x.jpg");
        kill(&mut writer, signal);
        wait_for_failed(&failed);
        world.sh("cmp old.jpg mnt/A/x.jpg && ! sync mnt/A");
        assert_eq!(world.remote("A"), ["x.jpg"]);
    }
    world.sh("cp new.jpg mnt/A/x.jpg && sync mnt/A && cmp new.jpg mnt/A/x.jpg");
    assert!(!failed.exists(), "the whole file takes the place of the half");
    assert_eq!(world.remote("A"), ["x.jpg"]);
    assert!(world.emulator.stats().violations.is_empty());
}

/// > Linux from 6.2 on may close the files of a killed program after it has gone. Then the file counts
/// > as half if it is empty, or a photo or video that breaks off.
#[test]
fn a_writer_that_is_killed_at_its_beginning_leaves_the_photo_as_it_was() {
    let world = world();
    world.sh("cp old.jpg mnt/A/x.jpg && sync mnt/A");
    let mut writer = Command::new("cp")
        .args(["/dev/stdin", "mnt/A/x.jpg"])
        .current_dir(world.dir.path())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let path = world.mnt.join("A/x.jpg");
    wait_for("the file to be cut off", || fs::metadata(&path).is_ok_and(|it| it.len() == 0));
    kill(&mut writer, Signal::KILL);
    wait_for("the photo to be back", || fs::metadata(&path).is_ok_and(|it| it.len() > 0));
    world.sh("cmp old.jpg mnt/A/x.jpg && sync mnt/A");
    assert_eq!(world.remote("A"), ["x.jpg"]);
}

/// > A file that the program has closed, or synced since its last write, or that a program leaves
/// > open when it exits by itself, is whole as far as can be told, and is uploaded.
#[test]
fn a_program_that_exits_by_itself_leaves_a_whole_file() {
    let world = world();
    // The other thread is killed by the exit, and may be the last to close the file.
    world.sh("python3 - <<'END'
import os, threading, time
data = open('new.jpg', 'rb').read()
for n in range(20):
    if (child := os.fork()) == 0:
        threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
        photo = os.open(f'mnt/A/{n}.jpg', os.O_WRONLY | os.O_CREAT)
        os.write(photo, data + bytes([n]))
        os._exit(1)
    os.waitpid(child, 0)
END
sync mnt/A");
    assert_eq!(world.remote("A").len(), 20);
    // Killed, but not before it has closed, or synced, the file.
    world.sh("python3 - <<'END'
import os, signal
data = open('new.jpg', 'rb').read()
for name, done in (('closed', os.close), ('synced', os.fsync)):
    if (child := os.fork()) == 0:
        photo = os.open(f'mnt/A/{name}.jpg', os.O_WRONLY | os.O_CREAT)
        os.write(photo, data + name.encode())
        done(photo)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
END
sync mnt/A");
    assert_eq!(world.remote("A").len(), 22);
}

/// > A temporary file of a killed program stays where it is.
#[test]
fn a_killed_download_can_be_continued() {
    let world = world();
    let mut writer = half_written(&world, "A/x.jpg.part");
    kill(&mut writer, Signal::TERM);
    world.sh(&format!(
        "tail -c +{} new.jpg >> mnt/A/x.jpg.part && mv mnt/A/x.jpg.part mnt/A/x.jpg && sync mnt/A",
        HALF + 1
    ));
    world.sh("cmp new.jpg mnt/A/x.jpg");
    assert_eq!(world.remote("A"), ["x.jpg"]);
}

/// The kernel lets nobody look at some facts about a program while it starts another one, and closes
/// files meanwhile.
#[test]
fn a_program_that_starts_another_one_closes_its_files() {
    let world = world();
    world.sh("timeout -s KILL 30 python3 - <<'END'
import os
photo = os.open('mnt/A/x.jpg', os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC)
os.write(photo, open('new.jpg', 'rb').read())
os.execvp('true', ['true'])
END
sync mnt/A; cmp new.jpg mnt/A/x.jpg");
    assert_eq!(world.remote("A"), ["x.jpg"]);
}

/// A copy of the descriptor outlives its first holder.
#[test]
fn a_later_close_by_another_program_counts() {
    let world = world();
    world.sh(
        "half='import os; os.write(1, open(\"new.jpg\", \"rb\").read(100000)); os.kill(os.getpid(), 9)'
         (python3 -c \"$half\" || tail -c +100001 new.jpg) > mnt/A/x.jpg
         sync mnt/A; cmp new.jpg mnt/A/x.jpg",
    );
    assert_eq!(world.remote("A"), ["x.jpg"]);
}
