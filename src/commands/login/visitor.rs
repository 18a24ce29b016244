//! Which user a connection to our loopback port is from. Google's answer is taken only from a
//! process of this user: another one could consent with an account of his own, hand over its code,
//! and get this user's photos.

use std::io::{self, BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::serve::Listener;
use tokio::net::{TcpListener, TcpStream};

/// The wait after a failure to accept, for example because files are short.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The state of an open connection in the kernel's tables.
const ESTABLISHED: &str = "01";

/// Accepts connections of this user's processes only.
///
/// It listens on 127.0.0.1, as the link says. A program that listens on `[::1]` for a client whose
/// redirect is to `localhost` may get the code, but cannot exchange it: that takes the secret behind
/// the link's challenge (RFC 7636).
pub(super) struct OwnVisitors<F> {
    listener: TcpListener,
    /// Learns of refused connections, and of their user if that is known.
    refused: F,
}

impl<F: Fn(Option<u32>)> OwnVisitors<F> {
    pub(super) fn new(listener: TcpListener, refused: F) -> Self {
        Self { listener, refused }
    }
}

impl<F: Fn(Option<u32>) + Send + 'static> Listener for OwnVisitors<F> {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            let Ok((stream, visitor)) = self.listener.accept().await else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let Ok(ours) = stream.local_addr() else { continue };
            let user = tokio::task::spawn_blocking(move || user_of(visitor, ours)).await;
            let user = user.ok().and_then(Result::ok).flatten();
            if user.is_some_and(is_trusted) {
                return (stream, visitor);
            }
            (self.refused)(user);
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Root passes on connections from outside a container or a virtual machine, and can do anything.
fn is_trusted(user: u32) -> bool {
    user == 0 || user == rustix::process::geteuid().as_raw()
}

/// The user whose process is at the other end of an open connection (proc_net(5)). `None` if no
/// process has it any more.
fn user_of(visitor: SocketAddr, ours: SocketAddr) -> io::Result<Option<u32>> {
    // A program may use a socket of IPv6 for an address of IPv4.
    for (table, address) in
        [("/proc/net/tcp", of_ipv4 as fn(SocketAddr) -> _), ("/proc/net/tcp6", of_ipv6)]
    {
        let (Some(visitor), Some(ours)) = (address(visitor), address(ours)) else { continue };
        let file = match std::fs::File::open(table) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => continue, // no IPv6 here
            file => file?,
        };
        for line in BufReader::new(file).lines() {
            if let Some(user) = owner(&line?, &visitor, &ours) {
                return Ok(Some(user));
            }
        }
    }
    Ok(None)
}

/// The owner of the socket in a line of the table, if it has these addresses and a process. Without
/// a process, the kernel names root as the owner.
fn owner(line: &str, local: &str, remote: &str) -> Option<u32> {
    let words: Vec<&str> = line.split_whitespace().take(10).collect();
    let [_, at, to, state, _, _, _, user, _, inode] = words[..] else { return None };
    let is_it = at == local && to == remote && state == ESTABLISHED && inode != "0";
    if is_it { user.parse().ok() } else { None }
}

/// As the kernel prints it: the address as a number of this machine, although its bytes are in the
/// order of the network.
fn of_ipv4(address: SocketAddr) -> Option<String> {
    let IpAddr::V4(ip) = address.ip() else { return None };
    Some(format!("{:08X}:{:04X}", number(ip), address.port()))
}

/// As [`of_ipv4`], for the address of IPv4 in IPv6.
fn of_ipv6(address: SocketAddr) -> Option<String> {
    let IpAddr::V4(ip) = address.ip() else { return None };
    let prefix = u32::from_ne_bytes([0, 0, 0xff, 0xff]);
    Some(format!("{:016X}{prefix:08X}{:08X}:{:04X}", 0, number(ip), address.port()))
}

fn number(ip: Ipv4Addr) -> u32 {
    u32::from_ne_bytes(ip.octets())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_of_ours_is_known_by_both_kinds_of_sockets() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ours = listener.local_addr().unwrap();
        let us = rustix::process::geteuid().as_raw();
        let mapped = format!("[::ffff:127.0.0.1]:{}", ours.port());
        for address in [ours.to_string(), mapped] {
            let visitor = TcpStream::connect(&address).await.unwrap();
            let (_accepted, from) = listener.accept().await.unwrap();
            assert_eq!(user_of(from, ours).unwrap(), Some(us), "{address}");
            drop(visitor);
        }
    }

    #[tokio::test]
    async fn a_connection_that_its_process_has_left_is_nobodys() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ours = listener.local_addr().unwrap();
        drop(TcpStream::connect(ours).await.unwrap());
        let (_accepted, from) = listener.accept().await.unwrap();
        assert_eq!(user_of(from, ours).unwrap(), None);
    }

    #[test]
    fn the_owner_is_read_from_the_line_of_both_addresses() {
        let line = "  12: 0100007F:9C40 0100007F:1F95 01 00000000:00000000 00:00000000 00000000  1001        0 \
                    98765 1 0000000000000000 20 4 30 10 -1";
        let find = |line: &str| owner(line, "0100007F:9C40", "0100007F:1F95");
        assert_eq!(find(line), Some(1001));
        assert_eq!(owner(line, "0100007F:1F95", "0100007F:9C40"), None, "the other direction");
        assert_eq!(find(&line.replace(" 01 ", " 06 ")), None, "closed");
        assert_eq!(find(&line.replace("98765", "0")), None, "without a process");
        assert_eq!(find("  sl  local_address rem_address   st"), None);
    }
}
