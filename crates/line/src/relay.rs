//! The line itself: copies the bytes of TCP connections, not faster than it may.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::pace::Pace;

/// Bytes that pass at a time, about one packet's.
const PIECE: usize = 1460;
/// The kernel's buffers on the way, as small as it makes them: the queues are the relay's own.
const SOCKET_BYTES: u32 = 4 << 10;

/// The nature of a line.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Bytes a second to the server; 0 is without a limit.
    pub up: u64,
    /// Bytes a second to the client; 0 is without a limit.
    pub down: u64,
    /// Bytes that wait at the narrow place, in each direction, such as a modem's buffer.
    pub queue: usize,
    /// Bytes of each connection that wait before the queue, as in the client's own kernel.
    pub backlog: usize,
    /// The way's own delay, in each direction.
    pub delay: Duration,
    /// The most bytes a second of a single connection, as loss has it; 0 is without a limit.
    pub connection: u64,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            up: 0,
            down: 0,
            queue: 64 << 10,
            backlog: PIECE,
            delay: Duration::ZERO,
            connection: 0,
        }
    }
}

/// What a line has carried.
#[derive(Debug, Clone, Copy, Default, Serialize, PartialEq, Eq)]
pub struct Counts {
    /// Bytes that have arrived at the server.
    pub up: u64,
    /// Bytes that have arrived at the client.
    pub down: u64,
    /// Connections that were made.
    pub connections: u64,
    /// Connections that the line has broken.
    pub broken: u64,
}

#[derive(Default)]
struct Totals {
    up: AtomicU64,
    down: AtomicU64,
    connections: AtomicU64,
    broken: AtomicU64,
}

/// One direction of the line, which all connections share.
struct Way {
    pace: Pace,
    queue: Arc<Semaphore>,
    /// Of each connection.
    backlog: usize,
    delay: Duration,
    /// Bytes a second of one connection.
    connection: u64,
    count: fn(&Totals) -> &AtomicU64,
}

struct Inner {
    to: SocketAddr,
    up: Way,
    down: Way,
    totals: Totals,
    /// Ends the connections that are open now.
    cut: Mutex<CancellationToken>,
}

/// A running line. It ends when it is dropped.
pub struct Relay {
    address: SocketAddr,
    inner: Arc<Inner>,
    stop: CancellationToken,
}

impl Relay {
    /// Begins to carry connections to `to`.
    ///
    /// # Errors
    /// If no port is free.
    pub async fn start(to: SocketAddr, shape: Shape) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(SOCKET_BYTES)?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let listener = socket.listen(1024)?;
        let address = listener.local_addr()?;
        let way = |rate, count| Way {
            pace: Pace::new(rate),
            queue: Arc::new(Semaphore::new(shape.queue.max(PIECE))),
            backlog: shape.backlog,
            delay: shape.delay,
            connection: shape.connection,
            count,
        };
        let inner = Arc::new(Inner {
            to,
            up: way(shape.up, |totals| &totals.up),
            down: way(shape.down, |totals| &totals.down),
            totals: Totals::default(),
            cut: Mutex::default(),
        });
        let stop = CancellationToken::new();
        tokio::spawn(stop.clone().run_until_cancelled_owned(accept(listener, inner.clone())));
        Ok(Self { address, inner, stop })
    }

    /// The client's end.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The bytes and connections that the relay has carried so far.
    pub fn counts(&self) -> Counts {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let totals = &self.inner.totals;
        Counts {
            up: of(&totals.up),
            down: of(&totals.down),
            connections: of(&totals.connections),
            broken: of(&totals.broken),
        }
    }

    /// Breaks all connections that are open. New ones are carried.
    pub fn cut(&self) {
        std::mem::take(&mut *self.inner.cut.lock()).cancel();
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.cancel();
        self.cut();
    }
}

async fn accept(listener: TcpListener, inner: Arc<Inner>) {
    loop {
        let Ok((client, _)) = listener.accept().await else {
            // Out of descriptors, or the client has gone.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        inner.totals.connections.fetch_add(1, Ordering::Relaxed);
        let cut = inner.cut.lock().clone();
        let inner = inner.clone();
        tokio::spawn(async move {
            // What the client sees of a break is a reset, as it comes from a router that forgot it.
            let _ = client.set_zero_linger();
            let carried = cut.run_until_cancelled(carry(&inner, client)).await;
            if carried.is_none() {
                inner.totals.broken.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
}

async fn carry(inner: &Inner, client: TcpStream) -> io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(SOCKET_BYTES)?;
    let server = socket.connect(inner.to).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::try_join!(
        inner.up.carry(from_client, to_server, &inner.totals),
        inner.down.carry(from_server, to_client, &inner.totals),
    )?;
    Ok(())
}

/// Bytes on the line, and the room that they take where they wait.
struct Piece {
    bytes: Bytes,
    room: OwnedSemaphorePermit,
}

/// Reads bytes from the socket while `room` has permits for them.
async fn read(
    from: OwnedReadHalf,
    room: Arc<Semaphore>,
    to: mpsc::UnboundedSender<Piece>,
) -> io::Result<()> {
    let mut buffer = vec![0; PIECE];
    loop {
        from.readable().await?;
        let room = room.clone().acquire_many_owned(PIECE as u32).await;
        let mut room = room.map_err(io::Error::other)?;
        let count = match from.try_read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(err) if err.kind() == io::ErrorKind::WouldBlock => continue,
            Err(err) => return Err(err),
        };
        // Other connections need the permits that these bytes do not.
        drop(room.split(PIECE - count));
        let bytes = Bytes::copy_from_slice(&buffer[..count]);
        if to.send(Piece { bytes, room }).is_err() {
            return Ok(());
        }
    }
}

impl Way {
    async fn carry(
        &self,
        from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        totals: &Totals,
    ) -> io::Result<()> {
        let (backlog, mut waiting) = mpsc::unbounded_channel();
        let own_room = Arc::new(Semaphore::new(self.backlog.max(PIECE)));
        let (queue, mut queued) = mpsc::unbounded_channel::<(Piece, Instant)>();
        let own = Pace::new(self.connection);
        let enqueue = async move {
            while let Some(Piece { bytes, room }) = waiting.recv().await {
                sleep_until(own.book(bytes.len())).await;
                let place = self.queue.clone().acquire_many_owned(bytes.len() as u32).await;
                let place = place.map_err(io::Error::other)?;
                drop(room);
                let passed = self.pace.book(bytes.len());
                if queue.send((Piece { bytes, room: place }, passed)).is_err() {
                    break;
                }
            }
            Ok(())
        };
        let (delayed, mut due) = mpsc::unbounded_channel::<(Bytes, Instant)>();
        let pass = async move {
            while let Some((Piece { bytes, room }, passed)) = queued.recv().await {
                sleep_until(passed).await;
                drop(room);
                if delayed.send((bytes, passed + self.delay)).is_err() {
                    break;
                }
            }
            Ok(())
        };
        let deliver = async move {
            while let Some((bytes, at)) = due.recv().await {
                sleep_until(at).await;
                to.write_all(&bytes).await?;
                (self.count)(totals).fetch_add(bytes.len() as u64, Ordering::Relaxed);
            }
            to.shutdown().await
        };
        tokio::try_join!(read(from, own_room, backlog), enqueue, pass, deliver)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    async fn sink() -> (SocketAddr, mpsc::UnboundedReceiver<usize>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, received) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let sender = sender.clone();
                tokio::spawn(async move {
                    let mut all = Vec::new();
                    let _ = stream.read_to_end(&mut all).await;
                    let _ = sender.send(all.len());
                });
            }
        });
        (address, received)
    }

    #[tokio::test]
    async fn all_bytes_pass_not_sooner_than_the_rate_allows() {
        let (address, mut received) = sink().await;
        let shape = Shape { up: 1 << 20, ..Shape::default() };
        let relay = Relay::start(address, shape).await.unwrap();
        let begun = Instant::now();
        let mut client = TcpStream::connect(relay.address()).await.unwrap();
        client.write_all(&vec![7; 256 << 10]).await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(received.recv().await, Some(256 << 10));
        assert!(begun.elapsed() >= Duration::from_millis(240));
        let counts = relay.counts();
        assert_eq!((counts.up, counts.connections, counts.broken), (256 << 10, 1, 0));
    }

    #[tokio::test]
    async fn a_break_ends_what_is_open_and_nothing_else() {
        let (address, mut received) = sink().await;
        let relay = Relay::start(address, Shape::default()).await.unwrap();
        let mut client = TcpStream::connect(relay.address()).await.unwrap();
        client.write_all(b"abc").await.unwrap();
        while relay.counts().up < 3 {
            tokio::task::yield_now().await;
        }
        relay.cut();
        assert!(client.read_u8().await.is_err());
        let _ = received.recv().await;
        let mut client = TcpStream::connect(relay.address()).await.unwrap();
        client.write_all(b"abcd").await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(received.recv().await, Some(4));
        assert_eq!(relay.counts().broken, 1);
    }
}
