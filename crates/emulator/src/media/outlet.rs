//! The body of a download on its way out, with its speed and its faults.

use std::io::{self, SeekFrom};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::time::Instant;

use super::rendition::{self, Segment};
use super::synthetic::synthetic_content;
use crate::connection::Connection;
use crate::faults::{Failure, Injection};
use crate::private::nonblocking;
use crate::server::Server;
use crate::stats::Running;

/// Bytes sent at a time.
const PIECE_BYTES: u64 = 64 * 1024;

/// A download that is late, because timers are coarse or the machine is busy, makes up for so much.
const CATCH_UP: Duration = Duration::from_millis(100);

/// A response body on its way out.
pub(crate) struct Outlet {
    server: Arc<Server>,
    connection: Connection,
    bytes_per_s: Option<u64>,
    /// The fault that drops or stalls the connection in the middle of the body.
    in_body: Option<Injection>,
    /// Segments still to be sent, last first.
    segments: Vec<Segment>,
    /// Open for the last segment.
    file: Option<File>,
    sent: u64,
    /// When the last piece was to be there, if the speed is limited.
    due: Option<Instant>,
    _running: Running,
}

impl Outlet {
    pub(crate) fn new(
        server: Arc<Server>,
        connection: Connection,
        bytes_per_s: Option<u64>,
        in_body: Option<Injection>,
        running: Running,
    ) -> Outlet {
        Outlet {
            server,
            connection,
            bytes_per_s,
            in_body,
            segments: Vec::new(),
            file: None,
            sent: 0,
            due: None,
            _running: running,
        }
    }

    /// A body of these segments.
    pub(crate) fn body(mut self, mut segments: Vec<Segment>) -> Body {
        segments.reverse();
        self.segments = segments;
        Body::from_stream(stream::try_unfold(self, async |mut outlet: Outlet| {
            Ok::<_, io::Error>(outlet.next_piece().await?.map(|piece| (piece, outlet)))
        }))
    }

    async fn next_piece(&mut self) -> io::Result<Option<Bytes>> {
        let until_break = self.bytes_until_break().await?;
        let Some(segment) = self.segments.pop() else { return Ok(None) };
        let length = segment.len().min(PIECE_BYTES).min(until_break);
        let piece = self.read(&segment, length).await?;
        if length < segment.len() {
            let segment_bytes = segment.len();
            self.segments.extend(rendition::slice(&[segment], length..segment_bytes));
        } else {
            self.file = None;
        }
        self.wait_for_speed(length).await;
        self.sent += length;
        self.server.meter.downloaded(length);
        Ok(Some(piece))
    }

    /// How many bytes may be sent before the injected failure; it strikes here if there are none.
    async fn bytes_until_break(&self) -> io::Result<u64> {
        let Some(injection) = &self.in_body else { return Ok(u64::MAX) };
        let left = injection.at_byte.unwrap_or(0).saturating_sub(self.sent);
        if left == 0 {
            if injection.failure == Failure::Stall {
                self.connection.ended().await;
            }
            // The server sends its buffer while it waits for a body, and drops it on error.
            tokio::task::yield_now().await;
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(left)
    }

    /// The first `length` bytes of a segment.
    async fn read(&mut self, segment: &Segment, length: u64) -> io::Result<Bytes> {
        Ok(match segment {
            Segment::Memory(bytes) => bytes.slice(..length as usize),
            Segment::Synthetic { seed, size, range } => {
                synthetic_content(*seed, *size, range.start..range.start + length).into()
            }
            Segment::File { path, range } => {
                let file = match &mut self.file {
                    Some(file) => file,
                    None => {
                        let mut file = nonblocking::open(path).await?;
                        file.seek(SeekFrom::Start(range.start)).await?;
                        self.file.insert(file)
                    }
                };
                let mut bytes = vec![0; length as usize];
                file.read_exact(&mut bytes).await?;
                bytes.into()
            }
        })
    }

    /// Waits until `length` more bytes may have been sent.
    async fn wait_for_speed(&mut self, length: u64) {
        let Some(bytes_per_s) = self.bytes_per_s else { return };
        let takes = Duration::from_secs_f64(length as f64 / bytes_per_s.max(1) as f64);
        let now = Instant::now();
        let due = self.due.map_or(now, |due| due.max(now - CATCH_UP)) + takes;
        self.due = Some(due);
        tokio::time::sleep_until(due).await;
    }
}
