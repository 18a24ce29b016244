//! A mount and the other users of the machine.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use crate::disk::run;
use crate::support::World;

/// The user for whom root mounts.
const FRIEND: u32 = 1001;

#[test]
fn a_mount_that_root_starts_for_a_user_gets_nothing_of_roots() {
    let world = World::new();
    let dir = fs::canonicalize(world.dir.path()).unwrap();
    fs::set_permissions(&dir, Permissions::from_mode(0o755)).unwrap();
    let home = dir.join("friend");
    let copy = |from: &str, to: &str| {
        fs::create_dir_all(home.join(to)).unwrap();
        run(Command::new("cp").arg("-r").arg(dir.join(from)).arg(home.join(to)));
    };
    copy("config/gphotosfs", ".config");
    fs::create_dir(home.join("photos")).unwrap();
    run(Command::new("chown").arg("-R").arg(format!("{FRIEND}:{FRIEND}")).arg(&home));
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let friend = format!("friend:x:{FRIEND}:{FRIEND}::{}:/bin/sh\n", home.display());
    fs::write(dir.join("passwd"), passwd + &friend).unwrap();
    fs::create_dir(dir.join("bin")).unwrap();
    fs::write(dir.join("bin/gphotosfs"), "").unwrap();
    symlink("gphotosfs", dir.join("bin/mount.gphotosfs")).unwrap();
    let script = format!(
        "mount --bind passwd /etc/passwd
         mknod fuse c 10 229 && chmod 666 fuse && mount --bind fuse /dev/fuse
         mount --bind {program} bin/gphotosfs
         umask 000
         export SECRET=of-root XDG_CONFIG_HOME=/root/none XDG_STATE_HOME=/root/none
         (cd friend && exec 9</etc/shadow && exec ../bin/mount.gphotosfs photos photos -o rw,setuid=friend,api_url={api})
         pid=$(sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/' friend/.local/state/gphotosfs/default/lock)
         echo \"cwd $(readlink /proc/$pid/cwd)\"
         grep -E '^(Umask|Uid|Groups)' /proc/$pid/status
         tr '\\0' '\\n' </proc/$pid/environ | sed 's/^/env /'
         ls -l /proc/$pid/fd | sed 's/.* -> /fd /'
         umount friend/photos
         timeout 60 tail --pid=$pid -f /dev/null",
        program = env!("CARGO_BIN_EXE_gphotosfs"),
        api = world.api_url,
    );
    let outcome = Command::new("timeout")
        .args(["120", "unshare", "--mount", "--propagation", "private", "bash", "-euc", &script])
        .current_dir(&dir)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&outcome.stdout).into_owned();
    let errors = String::from_utf8_lossy(&outcome.stderr).into_owned();
    assert!(outcome.status.success(), "{said}\n{errors}");
    assert!(said.contains("cwd /\n") && said.contains("Umask:\t0077"), "{said}");
    assert!(said.contains(&format!("Uid:\t{FRIEND}\t{FRIEND}\t{FRIEND}")), "{said}");
    let environment: Vec<_> = said.lines().filter_map(|line| line.strip_prefix("env ")).collect();
    let names = environment.iter().filter_map(|it| it.split_once('=')).map(|it| it.0);
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    assert!(
        names.iter().all(|it| ["HOME", "LOGNAME", "PATH", "SHELL", "USER"].contains(it)),
        "{said}"
    );
    assert!(environment.contains(&format!("HOME={}", home.display()).as_str()), "{said}");
    assert!(!said.contains("/etc/shadow") && !said.contains("of-root"), "{said}");
    assert!(!Path::new("/root/none").exists());
}
