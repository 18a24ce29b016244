//! Programs that handle signals while they close their files.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use gphotosfs_emulator::{Call, Moment};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::wait::let_pass;
use crate::support::{World, wait_for};

/// Copies a photo under several names, and handles the signals that come meanwhile.
const PROGRAM: &str = r#"
import os, signal, sys
for number in (signal.SIGTERM, signal.SIGALRM):
    signal.signal(number, lambda *_: None)
    signal.siginterrupt(number, sys.argv[1] == 'interrupting')
data = open('1.jpg', 'rb').read()
print('ready', flush=True)
for name in sys.argv[2:]:
    fd = os.open(name, os.O_WRONLY | os.O_CREAT)
    os.write(fd, data + name.encode())
    os.close(fd)
# Python gives its handlers up at its own end.
os._exit(0)
"#;

/// A mount with the album `A`, and the program.
fn world(options: &[&str]) -> World {
    let world = World::new();
    world.mount(options);
    world.photo("1.jpg", 1, 20_000);
    fs::write(world.dir.path().join("program.py"), PROGRAM).unwrap();
    world.sh("mkdir mnt/A");
    world
}

/// The program, once it handles signals.
fn start(world: &World, way: &str, names: &[String]) -> Child {
    let mut program = Command::new("python3")
        .args(["program.py", way])
        .args(names)
        .current_dir(world.dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(program.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    program
}

fn ends_well(program: Child) {
    let outcome = program.wait_with_output().unwrap();
    assert!(outcome.status.success(), "{}", String::from_utf8_lossy(&outcome.stderr));
}

/// > A signal that a program handles does not end its close, with or without `SA_RESTART`. Nor does it
/// > count as the death of the program.
#[test]
fn a_handled_signal_does_not_end_a_close() {
    let world = world(&["--commit", "close"]);
    for way in ["restarting", "interrupting"] {
        let barrier = world.emulator.barrier(Call::MediaItemsBatchCreate, 1, Moment::Request);
        let program = start(&world, way, &[format!("mnt/A/{way}.jpg")]);
        world.emulator.wait(barrier.arrived());
        let pid = Pid::from_child(&program);
        kill_process(pid, Signal::TERM).unwrap();
        kill_process(pid, Signal::ALARM).unwrap();
        // Longer than the mount takes to notice a signal.
        let_pass(Duration::from_secs(1));
        barrier.release();
        ends_well(program);
    }
    assert_eq!(world.remote("A"), ["restarting.jpg", "interrupting.jpg"]);
    assert_eq!(world.emulator.dump().items.len(), 2);
    world.umount();
}

/// The same, if signals come at any instant.
#[test]
fn a_program_that_handles_many_signals_leaves_whole_photos() {
    const COUNT: usize = 60;
    let world = world(&[]);
    let names: Vec<_> = (0..COUNT).map(|at| format!("mnt/A/{at}.jpg")).collect();
    let mut program = start(&world, "restarting", &names);
    let pid = Pid::from_child(&program);
    wait_for("the end of the program", || {
        kill_process(pid, Signal::TERM).unwrap();
        program.try_wait().unwrap().is_some()
    });
    ends_well(program);
    assert_eq!(world.names("A").len(), COUNT);
    assert_eq!(world.names(".gphotos/failed"), [""; 0]);
    world.sync();
    assert_eq!(world.remote("A").len(), COUNT);
    world.umount();
}
