//! The kernel's routes, by its own messages: they tell that something has changed. What has changed
//! shows in the addresses from which packets would go. A connection lives on as long as its address
//! is this machine's.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};
use tokio::sync::mpsc;

use super::known::Event;

/// Addresses and routes of IPv4 and IPv6, from linux/rtnetlink.h.
const GROUPS: u32 = 0x10 | 0x40 | 0x100 | 0x400;
/// Messages come in bursts.
const SETTLE: Duration = Duration::from_millis(500);
/// Addresses for documentation (RFC 5737, RFC 3849): they lie behind the default route, and nothing
/// is sent to them.
const FAR: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
];
/// The port does not matter, but 0 is none.
const PORT: u16 = 443;

/// Tells of the addresses now, and after each change.
pub(super) async fn listen(events: mpsc::Sender<Event>) {
    // A kernel or a sandbox without these messages: NetworkManager may tell.
    if let Err(error) = follow(&events).await {
        tracing::debug!(%error, "changes of routes are not told");
    }
}

async fn follow(events: &mpsc::Sender<Event>) -> io::Result<()> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    // The first protocol is that of routes.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
    // Only the calls that all sockets have are used.
    let socket = tokio::net::UdpSocket::from_std(socket.into())?;
    // Those of the last time when there was a route.
    let mut last = Vec::new();
    loop {
        let from = addresses();
        let are_gone = !last.iter().all(|address| is_ours(*address));
        if !from.is_empty() {
            last.clone_from(&from);
        }
        if events.send(Event::Addresses { from, are_gone }).await.is_err() {
            return Ok(());
        }
        socket.readable().await?;
        tokio::time::sleep(SETTLE).await;
        drain(&socket);
    }
}

/// Takes all messages, which say less than the addresses. A queue that has overflowed says as much.
fn drain(socket: &tokio::net::UdpSocket) {
    let mut buffer = [0; 8192];
    // An overflow is an error of one call, and the queue is empty after it.
    while socket.try_recv(&mut buffer).is_ok() {}
}

fn is_ours(address: IpAddr) -> bool {
    UdpSocket::bind(SocketAddr::new(address, 0)).is_ok()
}

/// The addresses from which packets to the Internet would go.
fn addresses() -> Vec<IpAddr> {
    let from = |to: IpAddr| -> io::Result<IpAddr> {
        let any: IpAddr = match to {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
        socket.connect(SocketAddr::new(to, PORT))?;
        Ok(socket.local_addr()?.ip())
    };
    FAR.into_iter().filter_map(|to| from(to).ok()).collect()
}
