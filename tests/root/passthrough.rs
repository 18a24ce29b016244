//! Passthrough (`src/fuse/modes.rs`): the kernel reads cached files without asking the mount's process.
//!
//! Needs Linux 6.9.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::passthrough::{all_of, read_write, same, world};
use crate::support::{World, jpeg, wait_for};

/// Stops the mount's process for as long as this lives.
struct Stopped(Pid);

impl Stopped {
    fn new(world: &World) -> Self {
        let status = fs::read(world.mnt.join(".gphotos/status.json")).unwrap();
        let status: serde_json::Value = serde_json::from_slice(&status).unwrap();
        let pid = Pid::from_raw(status["pid"].as_i64().unwrap() as i32).unwrap();
        kill_process(pid, Signal::STOP).unwrap();
        let stopped = Self(pid);
        wait_for("the process to stop", || {
            let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap();
            stat.rsplit_once(')').unwrap().1.starts_with(" T")
        });
        stopped
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        kill_process(self.0, Signal::CONT).unwrap();
    }
}

/// Whether a photo can be read while the mount's process is stopped, and so answers nobody.
fn is_read_by_the_kernel(world: &World, path: &Path) -> bool {
    let file = File::open(path).unwrap();
    let stopped = Stopped::new(world);
    let (sender, receiver) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        // Nothing but the bytes is asked for.
        let mut bytes = vec![0; 300_000];
        file.read_exact_at(&mut bytes, 0).unwrap();
        sender.send(bytes)
    });
    let bytes = receiver.recv_timeout(Duration::from_secs(20));
    drop(stopped);
    drop(reader.join().unwrap());
    if let Ok(bytes) = &bytes {
        same(bytes, &jpeg(1, 300_000), "by the kernel");
    }
    bytes.is_ok()
}

#[test]
fn the_kernel_reads_what_is_here_by_itself() {
    let (world, path) = world();
    world.umount();
    world.mount(&["--read-only"]);
    assert!(
        is_read_by_the_kernel(&world, &path),
        "the kernel waits for the process; passthrough needs root and Linux 6.9"
    );
}

#[test]
fn the_kernel_reads_by_itself_what_the_views_show_while_it_is_edited_in_its_album() {
    let (world, path) = world();
    let viewed = world.mnt.join(".gphotos/library/all/1.jpg");
    assert!(
        is_read_by_the_kernel(&world, &viewed),
        "the kernel waits for the process; passthrough needs root and Linux 6.9"
    );
    let (before, there) = (File::open(&viewed).unwrap(), File::open(&path).unwrap());
    read_write(&path).write_all_at(b"edited", 5000).unwrap();
    let mut wanted = jpeg(1, 300_000);
    same(&all_of(&before), &wanted, "what Google holds");
    wanted[5000..5006].copy_from_slice(b"edited");
    same(&all_of(&there), &wanted, "in the album");
    world.sh("sync mnt/A");
    same(&fs::read(&path).unwrap(), &wanted, "in the end");
}
