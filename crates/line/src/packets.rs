//! The line for packets: a real TCP on both sides meets its rate, queue, delay, losses and breaks.
//!
//! Both ends are this machine, in a network namespace with one TUN interface. The interface has the
//! address [`NEAR`]. A client connects to [`FAR`], where nobody is: its packets come out of the
//! interface. The line swaps their two addresses and puts them back, so they arrive at a server here,
//! which takes the client for somebody at [`FAR`]. A checksum covers both addresses alike, so it
//! stays right.

use std::collections::{HashSet, VecDeque};
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::Serialize;

use crate::segment::Segment;

/// The interface's own address, where the server listens.
pub const NEAR: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// The address to which clients connect.
pub const FAR: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

/// More than any packet of the interface.
const PACKET_MAX: usize = 65_536;

/// The nature of a line for packets.
#[derive(Debug, Clone, Copy)]
pub struct PacketShape {
    /// Bytes a second to the server, headers included; 0 is without a limit.
    pub up: u64,
    /// Bytes a second to the client; 0 is without a limit.
    pub down: u64,
    /// Bytes that wait at the narrow place, in each direction. Packets that come while it is full are lost.
    pub queue: usize,
    /// The way's own delay, in each direction.
    pub delay: Duration,
    /// The part of the packets that is lost, in each direction.
    pub loss: f64,
    /// Larger packets disappear without a word; 0 is without a limit.
    pub mtu: usize,
    /// So often the line breaks. After a break it knows no connection from before.
    pub break_every: Option<Duration>,
    /// For so long nothing passes then.
    pub break_for: Duration,
    /// Packets of a connection that the line has forgotten disappear, instead of being answered with
    /// a reset.
    pub silent: bool,
}

/// What the line has carried and lost.
#[derive(Debug, Clone, Copy, Default, Serialize, PartialEq, Eq)]
pub struct PacketCounts {
    /// Bytes to the server, without headers. What TCP sends again counts again.
    pub up: u64,
    /// Bytes to the client.
    pub down: u64,
    /// Connections that began.
    pub connections: u64,
    /// Breaks.
    pub breaks: u64,
    /// Packets that were lost at random.
    pub lost: u64,
    /// Packets that found the queue full.
    pub dropped: u64,
    /// Packets that were too large.
    pub too_large: u64,
}

/// What happens to a packet.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Lost,
    /// It arrives then.
    At(Instant),
    /// Its sender gets this.
    Answered(Vec<u8>),
}

/// One direction's narrow place.
struct Way {
    bytes_per_s: u64,
    free_at: Instant,
}

impl Way {
    /// When a packet has passed that comes now; `None` if the queue is full.
    fn pass(&mut self, bytes: usize, queue: usize, now: Instant) -> Option<Instant> {
        if self.bytes_per_s == 0 {
            return Some(now);
        }
        let takes = |bytes: f64| Duration::from_secs_f64(bytes / self.bytes_per_s as f64);
        let free_at = self.free_at.max(now);
        if free_at - now > takes(queue as f64) {
            return None;
        }
        self.free_at = free_at + takes(bytes as f64);
        Some(self.free_at)
    }
}

/// Decides about packets. It reads no clock.
struct Line {
    shape: PacketShape,
    /// The server's port.
    port: u16,
    up: Way,
    down: Way,
    /// The clients' ports of all connections that began since the last break.
    known: HashSet<u16>,
    next_break: Option<Instant>,
    counts: PacketCounts,
    random: StdRng,
}

impl Line {
    fn new(shape: PacketShape, port: u16, now: Instant) -> Self {
        let way = |bytes_per_s| Way { bytes_per_s, free_at: now };
        Self {
            shape,
            port,
            up: way(shape.up),
            down: way(shape.down),
            known: HashSet::new(),
            next_break: shape.break_every.map(|every| now + every),
            counts: PacketCounts::default(),
            // The same losses each time.
            random: StdRng::seed_from_u64(17),
        }
    }

    fn meet(&mut self, packet: &mut [u8], now: Instant) -> Fate {
        let Some(segment) = Segment::of(packet) else { return Fate::Lost };
        let goes_up = segment.to_port == self.port;
        if !goes_up && segment.from_port != self.port {
            return Fate::Lost;
        }
        if self.is_broken(now) {
            return Fate::Lost;
        }
        let client = if goes_up { segment.from_port } else { segment.to_port };
        if goes_up && segment.begins && self.known.insert(client) {
            self.counts.connections += 1;
        }
        if !self.known.contains(&client) {
            let reset = if self.shape.silent { None } else { segment.reset(packet) };
            return reset.map_or(Fate::Lost, Fate::Answered);
        }
        if self.shape.mtu > 0 && packet.len() > self.shape.mtu {
            self.counts.too_large += 1;
            return Fate::Lost;
        }
        if self.shape.loss > 0.0 && self.random.random_bool(self.shape.loss) {
            self.counts.lost += 1;
            return Fate::Lost;
        }
        let way = if goes_up { &mut self.up } else { &mut self.down };
        let Some(passed) = way.pass(packet.len(), self.shape.queue, now) else {
            self.counts.dropped += 1;
            return Fate::Lost;
        };
        let count = if goes_up { &mut self.counts.up } else { &mut self.counts.down };
        *count += segment.payload as u64;
        segment.swap_addresses(packet);
        Fate::At(passed + self.shape.delay)
    }

    /// Whether nothing passes now. A break forgets all connections.
    fn is_broken(&mut self, now: Instant) -> bool {
        let (Some(at), Some(every)) = (self.next_break, self.shape.break_every) else {
            return false;
        };
        if now < at {
            return false;
        }
        if now < at + self.shape.break_for {
            return true;
        }
        self.known.clear();
        self.counts.breaks += 1;
        self.next_break = Some(at + every);
        false
    }
}

/// Packets on their way, in the order of their arrival for each direction.
#[derive(Default)]
struct UnderWay {
    up: VecDeque<(Instant, Vec<u8>)>,
    down: VecDeque<(Instant, Vec<u8>)>,
}

impl UnderWay {
    fn next_at(&self) -> Option<Instant> {
        [&self.up, &self.down].into_iter().filter_map(|it| it.front()).map(|it| it.0).min()
    }

    fn take_due(&mut self, now: Instant) -> Option<Vec<u8>> {
        let due = |it: &VecDeque<(Instant, Vec<u8>)>| it.front().is_some_and(|it| it.0 <= now);
        let from = if due(&self.up) { &mut self.up } else { &mut self.down };
        if !due(from) {
            return None;
        }
        from.pop_front().map(|it| it.1)
    }
}

struct Shared {
    line: Mutex<Line>,
    under_way: Mutex<UnderWay>,
    changed: Condvar,
}

/// A running line for packets. It runs until the process ends: no read of the interface can be
/// interrupted.
pub struct PacketLine(Arc<Shared>);

impl PacketLine {
    /// Carries the packets of the TUN interface `tun` whose server listens at `port`.
    ///
    /// # Errors
    /// If there are no more threads or descriptors.
    pub fn start(tun: File, port: u16, shape: PacketShape) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            line: Mutex::new(Line::new(shape, port, Instant::now())),
            under_way: Mutex::default(),
            changed: Condvar::new(),
        });
        let (reader, taking) = (tun.try_clone()?, shared.clone());
        std::thread::Builder::new().name("take".into()).spawn(move || take(reader, &taking))?;
        let delivering = shared.clone();
        std::thread::Builder::new()
            .name("deliver".into())
            .spawn(move || deliver(tun, &delivering))?;
        Ok(Self(shared))
    }

    /// The packets and bytes that the line has carried and lost so far.
    pub fn counts(&self) -> PacketCounts {
        self.0.line.lock().counts
    }
}

fn take(mut tun: File, shared: &Shared) {
    let mut buffer = vec![0; PACKET_MAX];
    // The interface goes with its namespace.
    while let Ok(count) = tun.read(&mut buffer) {
        let packet = &mut buffer[..count];
        let (fate, goes_up) = {
            let mut line = shared.line.lock();
            let goes_up = Segment::of(packet).is_some_and(|it| it.to_port == line.port);
            (line.meet(packet, Instant::now()), goes_up)
        };
        let (at, packet) = match fate {
            Fate::Lost => continue,
            Fate::At(at) => (at, packet.to_vec()),
            Fate::Answered(answer) => (Instant::now(), answer),
        };
        let mut under_way = shared.under_way.lock();
        let queue = if goes_up { &mut under_way.up } else { &mut under_way.down };
        queue.push_back((at, packet));
        drop(under_way);
        shared.changed.notify_one();
    }
}

fn deliver(mut tun: File, shared: &Shared) {
    let mut under_way = shared.under_way.lock();
    loop {
        let now = Instant::now();
        if let Some(packet) = under_way.take_due(now) {
            parking_lot::MutexGuard::unlocked(&mut under_way, || {
                // An interface that is down loses it.
                let _ = tun.write(&packet);
            });
            continue;
        }
        match under_way.next_at() {
            Some(at) => {
                shared.changed.wait_until(&mut under_way, at);
            }
            None => shared.changed.wait(&mut under_way),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::tests::tcp;

    const PORT: u16 = 443;
    const SHAPE: PacketShape = PacketShape {
        up: 150_000,
        down: 0,
        queue: 3000,
        delay: Duration::from_millis(25),
        loss: 0.0,
        mtu: 0,
        break_every: None,
        break_for: Duration::ZERO,
        silent: false,
    };

    fn line(shape: PacketShape) -> (Line, Instant) {
        let now = Instant::now();
        let mut line = Line::new(shape, PORT, now);
        assert!(matches!(line.meet(&mut tcp(1000, PORT, true, 0), now), Fate::At(_)));
        (line, now + Duration::from_secs(1))
    }

    #[test]
    fn packets_wait_in_a_queue_that_has_an_end() {
        let (mut line, now) = line(SHAPE);
        let mut meet = |now| line.meet(&mut tcp(1000, PORT, false, 1460), now);
        let each = Duration::from_millis(10);
        assert_eq!(meet(now), Fate::At(now + each + SHAPE.delay));
        assert_eq!(meet(now), Fate::At(now + each * 2 + SHAPE.delay));
        assert_eq!(meet(now), Fate::At(now + each * 3 + SHAPE.delay));
        assert_eq!(meet(now), Fate::Lost);
        let later = now + each * 3;
        assert_eq!(meet(later), Fate::At(later + each + SHAPE.delay));
        let counts = line.counts;
        assert_eq!((counts.up, counts.dropped, counts.connections), (4 * 1460, 1, 1));
    }

    #[test]
    fn a_part_of_the_packets_is_lost() {
        let (mut line, now) = line(PacketShape { loss: 0.0, ..SHAPE });
        line.shape.loss = 0.02;
        for n in 0..10_000 {
            line.meet(&mut tcp(1000, PORT, false, 0), now + Duration::from_millis(n));
        }
        assert!((100..300).contains(&line.counts.lost), "{:?}", line.counts);
    }

    #[test]
    fn large_packets_vanish_in_a_hole() {
        let (mut line, now) = line(PacketShape { mtu: 1400, ..SHAPE });
        assert_eq!(line.meet(&mut tcp(1000, PORT, false, 1400), now), Fate::Lost);
        assert!(matches!(line.meet(&mut tcp(1000, PORT, false, 1300), now), Fate::At(_)));
        assert_eq!(line.counts.too_large, 1);
    }

    #[test]
    fn after_a_break_connections_from_before_are_reset() {
        let every = Some(Duration::from_secs(30));
        let break_for = Duration::from_secs(2);
        let (mut line, now) = line(PacketShape { break_every: every, break_for, ..SHAPE });
        let at = |seconds| now + Duration::from_secs(seconds);
        assert!(matches!(line.meet(&mut tcp(1000, PORT, false, 9), at(1)), Fate::At(_)));
        assert_eq!(line.meet(&mut tcp(1000, PORT, false, 9), at(30)), Fate::Lost);
        assert!(matches!(line.meet(&mut tcp(1000, PORT, false, 9), at(32)), Fate::Answered(_)));
        assert!(matches!(line.meet(&mut tcp(PORT, 1000, false, 9), at(32)), Fate::Answered(_)));
        assert!(matches!(line.meet(&mut tcp(1001, PORT, true, 0), at(32)), Fate::At(_)));
        assert_eq!((line.counts.breaks, line.counts.connections), (1, 2));
        line.shape.silent = true;
        assert_eq!(line.meet(&mut tcp(1000, PORT, false, 9), at(33)), Fate::Lost);
    }

    #[test]
    fn both_directions_deliver_what_is_due_first() {
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        let mut under_way = UnderWay::default();
        under_way.up.push_back((later, vec![1]));
        under_way.down.push_back((now, vec![2]));
        assert_eq!(under_way.next_at(), Some(now));
        assert_eq!(under_way.take_due(now), Some(vec![2]));
        assert_eq!(under_way.take_due(now), None);
        assert_eq!(under_way.take_due(later), Some(vec![1]));
    }
}
