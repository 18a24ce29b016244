//! Whether a program that closes a file goes on to write it through memory.

use std::sync::mpsc;
use std::time::Duration;

/// How long a look at a program's mappings may take. The kernel shows none of them while the program
/// starts another one, which may wait for the answer to this close. Then it has none.
const DEADLINE: Duration = Duration::from_millis(200);

/// Whether the process of a thread has mapped a file of this number to write to it. A file of the same
/// number in another FUSE filesystem counts as well: then the file is judged a little later.
pub(super) fn has_writable(thread: u32, ino: u64) -> bool {
    if thread == 0 {
        // A program outside our pid namespace.
        return false;
    }
    let (done, answer) = mpsc::channel();
    let look = move || done.send(std::fs::read_to_string(format!("/proc/{thread}/maps")));
    let looking = std::thread::Builder::new().name("mappings".into()).spawn(look);
    if looking.is_err() {
        return false;
    }
    let maps = answer.recv_timeout(DEADLINE).ok().and_then(Result::ok);
    maps.is_some_and(|maps| maps.lines().any(|line| is_writable(line, ino)))
}

/// `7f2c-7f2d rw-s 00000000 00:31 1234 /mnt/A/1.jpg`
fn is_writable(line: &str, ino: u64) -> bool {
    let mut words = line.split_ascii_whitespace().skip(1);
    let (rights, _, device) = (words.next(), words.next(), words.next());
    let found = words.next().and_then(|it| it.parse::<u64>().ok());
    let is_shared = rights.is_some_and(|it| it.contains('w') && it.ends_with('s'));
    // Filesystems without a disk have the major number 0.
    is_shared && device.is_some_and(|it| it.starts_with("00:")) && found == Some(ino)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_shared_writable_mappings_of_the_file_count() {
        let line = |rights: &str, device: &str, ino: u64| {
            is_writable(&format!("7f00-7f01 {rights} 00000000 {device} {ino}   /m/A/a b.jpg"), 7)
        };
        assert!(line("rw-s", "00:31", 7) && line("-w-s", "00:31", 7));
        assert!(!line("rw-p", "00:31", 7) && !line("r--s", "00:31", 7));
        assert!(!line("rw-s", "08:01", 7) && !line("rw-s", "00:31", 8));
        assert!(!is_writable("", 7) && !has_writable(0, 7));
        assert!(!has_writable(std::process::id(), u64::MAX));
    }
}
