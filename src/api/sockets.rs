//! TCP's own counters of this process's connections.
//!
//! The kernel takes bytes long before the peer has them, so bytes that were handed to it prove
//! little. The HTTP library owns the sockets and shows none, but the kernel answers questions about
//! them (`sock_diag(7)`, as `ss` asks).

use std::collections::HashSet;
use std::fs;
use std::io;
use std::time::Duration;

use rustix::net::netlink::SOCK_DIAG;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with,
};

/// The kernel answers at once.
const ANSWER: Duration = Duration::from_secs(1);
/// The kernel's answers come in messages of at most this size.
const MESSAGE_MAX: usize = 32 << 10;

// From linux/netlink.h, linux/sock_diag.h and linux/inet_diag.h.
const HEADER: usize = 16;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const BY_FAMILY: u16 = 20;
const REQUEST_DUMP: u16 = 0x301;
const INFO: u16 = 2;
const DIAG_MESSAGE: usize = 72;
const TCP: u8 = 6;
const LISTENS: u8 = 10;

/// A connection of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Connection {
    /// The socket's number.
    pub(super) inode: u32,
    /// Bytes that the peer has, also those behind a gap.
    pub(super) delivered: u64,
    /// Bytes that were sent and are on the line now, as far as TCP knows.
    pub(super) on_the_line: u64,
    /// Bytes that were not sent yet.
    pub(super) unsent: u64,
    /// Bytes that the kernel holds for the peer: not sent, or not acknowledged.
    pub(super) outstanding: u64,
    /// The peer takes no more for now: its buffer is full.
    pub(super) peer_is_full: bool,
    /// The shortest round trip of late.
    pub(super) round_trip: Duration,
}

/// All connections that this process has made. `None` where the kernel tells nothing. Blocking, for
/// less than a millisecond.
pub(super) fn connections() -> Option<Vec<Connection>> {
    let own: HashSet<u32> = fs::read_dir("/proc/self/fd")
        .ok()?
        .filter_map(|entry| inode(fs::read_link(entry.ok()?.path()).ok()?.to_str()?))
        .collect();
    let sockets = [AddressFamily::INET, AddressFamily::INET6].map(dump);
    // A kernel without IPv6 has only one.
    let known = sockets.into_iter().filter_map(Result::ok).collect::<Vec<_>>();
    let mut sockets = (!known.is_empty()).then(|| known.concat())?;
    sockets.retain(|socket| own.contains(&socket.connection.inode));
    let served: HashSet<u16> =
        sockets.iter().filter(|it| it.state == LISTENS).map(|it| it.port).collect();
    sockets.retain(|socket| !served.contains(&socket.port));
    Some(sockets.into_iter().map(|socket| socket.connection).collect())
}

/// A socket of this machine.
#[derive(Debug, Clone, Copy)]
struct Socket {
    state: u8,
    /// This machine's port.
    port: u16,
    connection: Connection,
}

/// The number in `socket:[123]`.
fn inode(link: &str) -> Option<u32> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// All sockets of TCP that have a peer or wait for one.
fn dump(family: AddressFamily) -> io::Result<Vec<Socket>> {
    let netlink = socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        Some(SOCK_DIAG),
    )?;
    set_socket_timeout(&netlink, Timeout::Recv, Some(ANSWER))?;
    send(&netlink, &question(family), SendFlags::empty())?;
    let mut sockets = Vec::new();
    let mut buffer = vec![0; MESSAGE_MAX];
    loop {
        let (count, _) = recv(&netlink, &mut buffer[..], RecvFlags::empty())?;
        if !read_messages(&buffer[..count], &mut sockets)? {
            return Ok(sockets);
        }
    }
}

/// An `inet_diag_req_v2` for all sockets that are connected, closing or listening.
fn question(family: AddressFamily) -> Vec<u8> {
    const STATES: u32 = 0xfff & !(1 << 6); // Not those in TIME_WAIT, which are nobody's.
    const ADDRESSES: [u8; 48] = [0; 48];
    let mut question = Vec::with_capacity(HEADER + 56);
    question.extend(((HEADER + 56) as u32).to_ne_bytes());
    question.extend(BY_FAMILY.to_ne_bytes());
    question.extend(REQUEST_DUMP.to_ne_bytes());
    question.extend([0; 8]);
    question.extend([family.as_raw() as u8, TCP, 1 << (INFO - 1), 0]);
    question.extend(STATES.to_ne_bytes());
    question.extend(ADDRESSES);
    question
}

/// Reads messages of an answer. Returns whether more follow.
fn read_messages(mut bytes: &[u8], sockets: &mut Vec<Socket>) -> io::Result<bool> {
    while bytes.len() >= HEADER {
        let len = u32_at(bytes, 0) as usize;
        let Some(message) = bytes.get(HEADER..len) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        match u16::from_ne_bytes([bytes[4], bytes[5]]) {
            DONE => return Ok(false),
            ERROR => return Err(io::ErrorKind::Unsupported.into()),
            _ => sockets.extend(read_socket(message)),
        }
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(true)
}

/// Reads an `inet_diag_msg` and the `tcp_info` behind it.
fn read_socket(message: &[u8]) -> Option<Socket> {
    let (fixed, mut attributes) = message.split_at_checked(DIAG_MESSAGE)?;
    let mut info: &[u8] = &[];
    while let Some((len, kind)) = attributes
        .first_chunk::<4>()
        .map(|it| (u16::from_ne_bytes([it[0], it[1]]) as usize, u16::from_ne_bytes([it[2], it[3]])))
    {
        let value = attributes.get(4..len)?;
        if kind == INFO {
            info = value;
        }
        attributes = attributes.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    let outstanding = u64::from(u32_at(fixed, 60));
    let (segment, unsent) = (u64::from(u32_at(info, 16)), u64::from(u32_at(info, 144)));
    let [unacknowledged, selectively, lost, again] = [24, 28, 32, 36].map(|at| u32_at(info, at));
    let segments =
        unacknowledged.saturating_sub(selectively).saturating_sub(lost).saturating_add(again);
    let sent = outstanding.saturating_sub(unsent);
    // Older kernels do not tell how much the peer takes.
    let takes = (info.len() >= 232).then(|| u64::from(u32_at(info, 228)));
    Some(Socket {
        state: fixed[1],
        port: u16::from_be_bytes([fixed[4], fixed[5]]),
        connection: Connection {
            inode: u32_at(fixed, 68),
            delivered: u64_at(info, 120) + u64::from(selectively) * segment,
            on_the_line: sent.min(u64::from(segments) * segment),
            unsent,
            outstanding,
            peer_is_full: unsent > 0 && takes.is_some_and(|takes| takes < sent + segment),
            round_trip: Duration::from_micros(u32_at(info, 148).into()),
        },
    })
}

/// The number there; 0 where an older kernel has none.
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |it| u32::from_ne_bytes(*it))
}

/// See [`u32_at`].
fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |it| u64::from_ne_bytes(*it))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;

    use super::*;

    /// The connection of a socket of this process.
    fn of(stream: &TcpStream) -> Option<Connection> {
        let link = fs::read_link(format!("/proc/self/fd/{}", stream.as_raw_fd())).unwrap();
        let own = inode(link.to_str().unwrap()).unwrap();
        connections().unwrap().into_iter().find(|it| it.inode == own)
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
        let before = of(&client).unwrap();
        assert!(before.outstanding > 0 && before.unsent > 0, "{written}: {before:?}");
        assert!(before.on_the_line <= before.outstanding - before.unsent, "{before:?}");
        assert!(before.peer_is_full, "{before:?}");
        assert_eq!(of(&server), None, "only connections that this process has made");
        let mut taken = vec![0; written];
        server.read_exact(&mut taken).unwrap();
        let after = of(&client).unwrap();
        assert!(after.delivered > before.delivered, "{before:?} {after:?}");
    }

    #[test]
    fn other_links_and_broken_answers_are_no_sockets() {
        assert_eq!(inode("socket:[12]"), Some(12));
        assert_eq!(inode("/dev/null"), None);
        let mut sockets = Vec::new();
        assert!(read_messages(&[], &mut sockets).unwrap());
        let mut message = vec![0; HEADER];
        message[0] = 200;
        assert!(read_messages(&message, &mut sockets).is_err());
        assert!(read_socket(&[0; 71]).is_none());
        assert!(read_socket(&[0; 72]).is_some(), "a kernel that tells little");
        assert!(read_socket(&[&[0; 72][..], &[200, 0, 2, 0]].concat()).is_none());
    }
}
