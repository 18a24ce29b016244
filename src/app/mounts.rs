//! This machine's gphotosfs mounts, and whether their processes are alive.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

/// The gphotosfs mountpoints that no later mount hides, from `/proc/self/mountinfo` (proc(5)).
///
/// # Errors
/// If the table cannot be read.
pub fn ours() -> io::Result<Vec<PathBuf>> {
    Ok(ours_in(&table()?).into_keys().collect())
}

/// The device number of the gphotosfs mount on this directory, as text. It differs from that of any
/// other mount. `None` if there is no such mount.
///
/// # Errors
/// If the table cannot be read.
pub fn device(mountpoint: &Path) -> io::Result<Option<String>> {
    Ok(ours_in(&table()?).remove(mountpoint))
}

/// Whether the filesystem of this device number is a gphotosfs mount that this user has made. A
/// memory card may have files that look like a mount's, and another user's program may answer as one.
///
/// # Errors
/// If the table cannot be read.
pub fn is_own_device(device: u64) -> io::Result<bool> {
    let user = rustix::process::geteuid().as_raw();
    Ok(is_owned(&table()?, &device_text(device), user))
}

/// Whether this user has made the gphotosfs mount on this directory. Does not enter it.
///
/// # Errors
/// If the table cannot be read.
pub fn is_own(mountpoint: &Path) -> io::Result<bool> {
    let (table, user) = (table()?, rustix::process::geteuid().as_raw());
    let device = ours_in(&table).remove(mountpoint);
    Ok(device.is_some_and(|device| is_owned(&table, &device, user)))
}

/// Whether any filesystem is mounted on this directory. Does not enter it.
///
/// # Errors
/// If the table cannot be read.
pub fn is_mountpoint(dir: &Path) -> io::Result<bool> {
    let place = dir.as_os_str().as_encoded_bytes();
    Ok(rows(&table()?).any(|row| row.place == place))
}

fn device_text(device: u64) -> String {
    format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device))
}

/// Whether the table has a gphotosfs mount of this device and user.
fn is_owned(table: &[u8], device: &str, user: u32) -> bool {
    let owner = format!("user_id={user}");
    rows(table).any(|row| {
        row.is_ours
            && row.device == device
            && row.options.split(|&byte| byte == b',').any(|it| it == owner.as_bytes())
    })
}

fn table() -> io::Result<Vec<u8>> {
    std::fs::read("/proc/self/mountinfo")
}

/// Whether the process behind a mount has died. Uses statvfs, because the kernel caches attributes
/// and names, but never its result. If the process is alive and stuck, this blocks.
pub fn is_dead(mountpoint: &Path) -> bool {
    rustix::fs::statvfs(mountpoint).is_err_and(|err| err == rustix::io::Errno::NOTCONN)
}

/// Whether there is a gphotosfs mount on this directory whose process has died. If nothing answers
/// before the deadline, a process is stuck, but has not died.
pub fn is_dead_mount(mountpoint: &Path, deadline: Duration) -> bool {
    if !ours().is_ok_and(|places| places.iter().any(|it| it == mountpoint)) {
        return false;
    }
    let (done, waiting) = mpsc::channel();
    let place = mountpoint.to_owned();
    std::thread::spawn(move || done.send(is_dead(&place)));
    waiting.recv_timeout(deadline).unwrap_or(false)
}

/// Whether `/etc/fuse.conf` lets ordinary users share their mounts (fusermount3(1)).
pub fn permits_allow_other(fuse_conf: &str) -> bool {
    fuse_conf.lines().any(|line| line.trim() == "user_allow_other")
}

/// The mountpoints, and the numbers of their devices.
fn ours_in(table: &[u8]) -> BTreeMap<PathBuf, String> {
    let mut by_place = BTreeMap::new();
    for row in rows(table) {
        // A later mount hides an earlier one on the same directory.
        let device = row.is_ours.then_some(row.device);
        by_place.insert(PathBuf::from(OsString::from_vec(row.place)), device);
    }
    by_place.into_iter().filter_map(|(place, device)| Some((place, device?))).collect()
}

/// A line of the table.
struct Row<'a> {
    device: String,
    place: Vec<u8>,
    /// By the name of its filesystem, which any FUSE program may choose.
    is_ours: bool,
    options: &'a [u8],
}

fn rows(table: &[u8]) -> impl Iterator<Item = Row<'_>> {
    table.split(|&byte| byte == b'\n').filter_map(|line| {
        let mut words = line.split(|&byte| byte == b' ');
        let device = String::from_utf8_lossy(words.nth(2)?).into_owned();
        let place = unescape(words.nth(1)?);
        let mut words = words.skip_while(|word| *word != b"-").skip(1);
        let (kind, source) = (words.next()?, words.next()?);
        let is_ours =
            kind == b"fuse.gphotosfs" || kind == b"fuse" && source.starts_with(b"gphotosfs");
        Some(Row { device, place, is_ours, options: words.next().unwrap_or_default() })
    })
}

/// The table has space, tab, newline and backslash as three octal digits.
fn unescape(word: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((&first, after)) = rest.split_first() {
        let code = || u8::from_str_radix(str::from_utf8(after.get(..3)?).ok()?, 8).ok();
        match (first == b'\\').then(code).flatten() {
            Some(byte) => {
                plain.push(byte);
                rest = &after[3..];
            }
            None => {
                plain.push(first);
                rest = after;
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] = b"22 1 0:20 / / rw shared:1 - ext4 /dev/sda1 rw\n\
        40 22 0:50 / /home/me/my\\040photos rw,nosuid - fuse.gphotosfs gphotosfs rw\n\
        41 22 0:51 / /m rw - fuse gphotosfs rw,user_id=0\n\
        42 22 0:52 / /s rw - fuse.sshfs host: rw\n\
        43 22 0:53 / /t rw - fuse.gphotosfs gphotosfs rw\n\
        44 43 0:54 / /t rw - tmpfs tmpfs rw\n";

    #[test]
    fn ours_are_told_by_type_and_hidden_ones_are_left_out() {
        let expected = [("/home/me/my photos", "0:50"), ("/m", "0:51")];
        let expected = expected.map(|(place, device)| (place.into(), device.to_owned()));
        assert_eq!(ours_in(TABLE), BTreeMap::from(expected));
        assert_eq!(ours_in(b""), BTreeMap::new());
    }

    #[test]
    fn a_mount_is_of_the_user_who_has_made_it() {
        assert!(is_owned(TABLE, "0:51", 0));
        for (device, user) in [("0:51", 1000), ("0:51", 10), ("0:52", 0), ("0:20", 0), ("", 0)] {
            assert!(!is_owned(TABLE, device, user), "{device} {user}");
        }
        let hidden = b"43 22 0:53 / /t rw - fuse.gphotosfs gphotosfs ro,user_id=7,group_id=7\n\
            44 43 0:54 / /t rw - tmpfs tmpfs rw,user_id=7\n";
        assert!(is_owned(hidden, "0:53", 7) && !is_owned(hidden, "0:54", 7));
    }
}
