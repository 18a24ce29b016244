//! The loopback listener. Each connection can be cut from inside a request handler, which is how
//! the fault switches make a client see a connection that ends without an answer.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Accepts connections until the emulator stops; `stop` also cuts those still open.
pub(crate) struct Listener {
    inner: TcpListener,
    stop: CancellationToken,
}

impl Listener {
    /// Binds `address`, which must be a loopback address: the emulator lets everybody in.
    pub(crate) async fn bind(address: SocketAddr, stop: CancellationToken) -> io::Result<Listener> {
        if !address.ip().is_loopback() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "{address} is not a loopback address; the emulator serves this machine only"
                ),
            ));
        }
        Ok(Listener { inner: TcpListener::bind(address).await?, stop })
    }
}

impl axum::serve::Listener for Listener {
    type Io = CuttableStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (CuttableStream, SocketAddr) {
        loop {
            match self.inner.accept().await {
                Ok((stream, peer)) => {
                    // Best effort: without it small answers wait for the peer's delayed ack.
                    let _ = stream.set_nodelay(true);
                    let connection = Connection(self.stop.child_token());
                    let cut = Box::pin(connection.0.clone().cancelled_owned());
                    return (CuttableStream { stream, connection, cut }, peer);
                }
                // Out of descriptors or the peer went away: neither is a reason to stop serving.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}

/// A handle on the connection a request came in by.
#[derive(Clone)]
pub(crate) struct Connection(CancellationToken);

impl Connection {
    /// Ends the connection; unwritten bytes never arrive.
    pub(crate) fn cut(&self) {
        self.0.cancel();
    }

    /// Waits for the connection to end, from whichever side, or the emulator to stop.
    pub(crate) async fn ended(&self) {
        self.0.cancelled().await;
    }
}

impl Connected<IncomingStream<'_, Listener>> for Connection {
    fn connect_info(stream: IncomingStream<'_, Listener>) -> Connection {
        stream.io().connection.clone()
    }
}

/// A TCP stream that fails once its [`Connection`] is cut.
pub(crate) struct CuttableStream {
    stream: TcpStream,
    connection: Connection,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Drop for CuttableStream {
    /// Tells handlers that still hold the [`Connection`] that the client has gone.
    fn drop(&mut self) {
        self.connection.cut();
    }
}

impl CuttableStream {
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.cut.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionReset.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for CuttableStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for CuttableStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
