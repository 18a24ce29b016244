//! The memory that a mount needs, under the kernel's own limit.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use gphotosfs_emulator::Edit;

use crate::support::{World, wait_for};

/// A control group with a limit of memory, in either version of the kernel's interface.
struct Group(PathBuf);

impl Group {
    /// Limits the group as a small machine, or a service with `MemoryMax=`, limits the mount. `None` if
    /// this machine has no such controller.
    fn new(name: &str, limit_bytes: &str) -> Option<Self> {
        let of_version_1 = Path::new("/sys/fs/cgroup/memory");
        let (root, limit) = match of_version_1.join("memory.limit_in_bytes").exists() {
            true => (of_version_1, "memory.limit_in_bytes"),
            false => (Path::new("/sys/fs/cgroup"), "memory.max"),
        };
        let group = Self(root.join(format!("gphotosfs-{name}-{}", std::process::id())));
        fs::create_dir(&group.0).ok()?;
        fs::write(group.0.join(limit), limit_bytes).ok()?;
        Some(group)
    }

    /// Starts a mount in the group.
    fn mount(&self, world: &World) -> Child {
        let program = world.program();
        let log = fs::File::create(world.dir.path().join("served.log")).unwrap();
        let child = Command::new("sh")
            .args(["-c", "echo $$ > \"$0\" && exec \"$@\""])
            .arg(self.0.join("cgroup.procs"))
            .arg(program.get_program())
            .args(["mount", "-f"])
            .arg(&world.mnt)
            .envs(program.get_envs().filter_map(|(key, value)| Some((key, value?))))
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        wait_for("the mount", || world.mnt.join(".gphotos").exists());
        child
    }

    /// How often the kernel has killed for want of memory.
    fn kills(&self) -> u64 {
        let texts = ["memory.oom_control", "memory.events"]
            .map(|name| fs::read_to_string(self.0.join(name)).unwrap_or_default());
        let lines = texts.iter().flat_map(|it| it.lines());
        lines.filter_map(|it| it.strip_prefix("oom_kill ")?.parse::<u64>().ok()).sum()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

/// > The buffers of all readers together have a bound: 150 programs that read photos at once, none of them
/// > here, fit into 48 MB.
#[test]
#[ignore = "its limit depends on the machine, as long as the program is not optimized"]
fn many_readers_fit_into_little_memory() {
    const READERS: u64 = 150;
    const SIZE: u64 = 2_000_000;
    let Some(group) = Group::new("readers", "48M") else {
        eprintln!("skipped: no control groups with a limit of memory");
        return;
    };
    let world = World::new();
    world.edit(Edit::CreateAlbum { title: "Trip".into() });
    let (album, prefix) = (Some("Trip".into()), "P_".into());
    world.edit(Edit::Seed { album, count: READERS, size: SIZE, prefix });
    let mut mount = group.mount(&world);
    world.sh("ls -l mnt/Trip > list");
    let read = |at| {
        let path = world.mnt.join(format!("Trip/P_{at:06}.jpg"));
        // wc by itself would ask for the length.
        let script = "set -o pipefail; cat \"$0\" | wc -c";
        Command::new("bash").args(["-c", script]).arg(path).stdout(Stdio::piped()).spawn().unwrap()
    };
    let readers: Vec<_> = (0..READERS).map(read).collect();
    for reader in readers {
        let outcome = reader.wait_with_output().unwrap();
        let said = String::from_utf8(outcome.stdout).unwrap();
        let log = || format!("{said}, killed {}\n{}", group.kills(), world.log());
        assert!(outcome.status.success() && said.trim() == SIZE.to_string(), "{}", log());
    }
    assert_eq!(group.kills(), 0, "{}", world.log());
    world.umount();
    assert!(mount.wait().unwrap().success());
}

/// > The buffers of all writers together have a bound: 150 programs that write photos at once fit into 80 MB.
#[test]
#[ignore = "its limit depends on the machine, as long as the program is not optimized"]
fn many_writers_fit_into_little_memory() {
    const WRITERS: u32 = 150;
    let Some(group) = Group::new("writers", "80M") else {
        eprintln!("skipped: no control groups with a limit of memory");
        return;
    };
    let world = World::new();
    for at in 0..WRITERS {
        world.photo(&format!("photo/{at}.jpg"), at, 1_000_000);
    }
    let mut mount = group.mount(&world);
    world.sh("mkdir mnt/A && ls photo | xargs -P 150 -I N cp photo/N mnt/A/N && sync mnt/A");
    assert_eq!(world.remote("A").len(), WRITERS as usize);
    assert_eq!(group.kills(), 0, "{}", world.log());
    world.umount();
    assert!(mount.wait().unwrap().success());
}
