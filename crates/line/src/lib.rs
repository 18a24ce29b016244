//! A line like the one between a home and Google: a rate in each direction, a queue, delay and
//! breaks, with a TLS front at its far end that speaks HTTP/2 as Google's does.
//!
//! ```text
//! client ──► Relay (rate, queue, delay, breaks) ──► Front (TLS, HTTP/2) ──► emulator
//! ```
//!
//! The relay works on the bytes of TCP connections, so it needs no privileges. It cannot drop
//! packets: the kernel would never know. [`Shape::connection`] has the effect of loss instead: no
//! single connection is faster than that.
//!
//! In a network namespace with a TUN interface, a [`PacketLine`] takes the relay's place. It carries
//! packets, so losses, a full queue and a hole for large packets are real to both ends.

mod authority;
mod front;
mod gate;
mod pace;
mod packets;
mod relay;
mod segment;

pub use authority::{Authority, Validity};
pub use front::{Front, Seen, Windows};
pub use gate::{Gate, Rule};
pub use packets::{FAR, NEAR, PacketCounts, PacketLine, PacketShape};
pub use relay::{Counts, Relay, Shape};
