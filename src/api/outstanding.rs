//! How many bytes of this process the peers have not acknowledged yet, as TCP counts them.
//!
//! The kernel takes megabytes long before a slow line has carried them. So bytes that were handed
//! to it prove little, and the counters of the sockets are in `/proc/net/tcp`: the HTTP library owns
//! the sockets, and shows none.

use std::collections::HashSet;
use std::fs;

/// Tables of sockets, by the version of IP.
const TABLES: [&str; 2] = ["/proc/self/net/tcp", "/proc/self/net/tcp6"];
/// The state of a socket that waits for connections: its queue has these.
const LISTENS: &str = "0A";

/// Bytes that all sockets of this process hold for their peers: not sent yet, or not acknowledged.
/// `None` without `/proc`. Blocking, for less than a millisecond.
pub(super) fn outstanding() -> Option<u64> {
    let own: HashSet<String> = fs::read_dir("/proc/self/fd")
        .ok()?
        .filter_map(|entry| inode(fs::read_link(entry.ok()?.path()).ok()?.to_str()?))
        .collect();
    let tables = TABLES.map(fs::read_to_string);
    // A kernel without IPv6 has only one.
    let readable = tables.into_iter().filter_map(Result::ok).collect::<Vec<_>>();
    (!readable.is_empty()).then(|| readable.iter().map(|table| queued(table, &own)).sum())
}

/// The number in `socket:[123]`.
fn inode(link: &str) -> Option<String> {
    Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
}

/// The bytes that wait in those sockets of a table that are ours.
fn queued(table: &str, own: &HashSet<String>) -> u64 {
    let of_row = |row: &str| {
        let fields: Vec<&str> = row.split_ascii_whitespace().collect();
        let [_, _, _, state, queues, _, _, _, _, inode, ..] = fields[..] else { return None };
        let sent = queues.split(':').next()?;
        let ours = state != LISTENS && own.contains(inode);
        u64::from_str_radix(sent, 16).ok().filter(|_| ours)
    };
    table.lines().filter_map(of_row).sum()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn only_sockets_of_this_process_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   \
             uid  timeout inode\n\
             0: 0100007F:9A79 00000000:0000 0A 00000005:00000000 00:00000000 00000000  0  0 11 1\n\
             1: 0100007F:9A79 0100007F:1234 01 00000100:00000007 00:00000000 00000000  0  0 12 1\n\
             2: 0100007F:9A79 0100007F:1234 01 00001000:00000007 00:00000000 00000000  0  0 13 1\n";
        let own = |inodes: &[&str]| inodes.iter().map(|it| (*it).to_owned()).collect();
        assert_eq!(queued(table, &own(&["11", "12"])), 0x100);
        assert_eq!(queued(table, &own(&["12", "13"])), 0x1100);
        assert_eq!(queued("", &own(&["12"])), 0);
        assert_eq!(inode("socket:[12]").as_deref(), Some("12"));
        assert_eq!(inode("/dev/null"), None);
    }

    #[test]
    fn bytes_that_a_peer_does_not_take_are_counted() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        client.set_nonblocking(true).unwrap();
        let mut written = 0;
        while let Ok(count) = client.write(&[7; 65_536]) {
            written += count;
        }
        // Some of them are in the peer's kernel. Other tests have sockets of their own.
        let waiting = outstanding().unwrap();
        assert!(waiting > 0, "{written} bytes were written");
        let mut taken = vec![0; written];
        server.read_exact(&mut taken).unwrap();
    }
}
