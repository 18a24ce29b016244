//! The congestion window of all uploads together: how many of their bytes may be on the line at a
//! time. Pure.
//!
//! TCP fills whatever buffer a slow line has, in each connection anew. Then every call waits behind
//! seconds of uploads, and a break of the line loses many files' bytes. So bytes are handed to TCP
//! only as long as fewer are on their way than fill the line: the delivery rate times twice the base
//! delay, which is the shortest round trip, and some (as TCP BBR does). If the line carries more, the
//! rate grows with the window, and the window with the rate. Losses do not make it smaller.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::sockets::Connection;

/// A smaller window would not keep a slow line busy while this program is asleep.
const SIZE_MIN: u64 = 32 << 10;
/// Bytes for this time more than two base delays: for the time between two looks.
const SLACK: Duration = Duration::from_millis(40);
/// The rate is the best of so many measurements.
const RATES: usize = 40;
/// A rate is measured over so many bytes, because the peer acknowledges them in lumps, and over a
/// round trip at least.
const MEASURED_BYTES: u64 = 32 << 10;
/// But over no longer time.
const MEASURED_MAX: Duration = Duration::from_millis(250);
/// An older base delay may be another line's.
const BASE_FOR: Duration = Duration::from_secs(300);
/// A connection that delivers so many bytes between two looks carries bytes of files, and only
/// its round trip is of interest.
const BULK: u64 = 4 << 10;
/// Bytes take at most so long to TCP. Where they take longer, TCP has enough.
const ON_THE_WAY: Duration = Duration::from_millis(200);
/// A connection that moves nothing for so long does not fill the line.
const STUCK: Duration = Duration::from_secs(5);
/// The longest and the shortest time between two looks.
const LOOK_MAX: Duration = Duration::from_millis(100);
/// See [`LOOK_MAX`].
const LOOK_MIN: Duration = Duration::from_millis(5);
/// So many pieces fill the window.
const PIECES: u64 = 4;

/// The window, and the measurements that it follows from.
#[derive(Debug, Default)]
pub(super) struct UploadWindow {
    /// What the connections were last seen to have on the line.
    on_the_line: u64,
    /// Bytes that were handed over since, as far as TCP was not seen to have them.
    given: VecDeque<(u64, Instant)>,
    /// The connections at the last look.
    seen: HashMap<u32, Seen>,
    /// The measurement of the rate: since when, and how many bytes were delivered.
    measuring: Option<(Instant, u64)>,
    /// Bytes a second, the newest last.
    rates: VecDeque<f64>,
    /// The base delay, and when it was measured.
    base: Option<(Duration, Instant)>,
}

/// A connection at a look.
#[derive(Debug, Clone, Copy)]
struct Seen {
    /// Bytes that the peer had.
    delivered: u64,
    /// Bytes that TCP had taken, for the peer.
    taken: u64,
    /// When the peer was first seen to have as much.
    moved: Instant,
}

impl UploadWindow {
    /// How many bytes may be on their way.
    pub(super) fn size(&self) -> u64 {
        let delay = self.base.map_or(Duration::ZERO, |it| it.0) * 2 + SLACK;
        ((self.rate() * delay.as_secs_f64()) as u64).max(SIZE_MIN)
    }

    /// Whether the line's rate has been measured.
    pub(super) fn is_measured(&self) -> bool {
        !self.rates.is_empty()
    }

    /// Whether more bytes may go, beside those for which room is `reserved`.
    pub(super) fn has_room(&self, reserved: u64) -> bool {
        let given: u64 = self.given.iter().map(|it| it.0).sum();
        self.on_the_line + given + reserved < self.size()
    }

    /// How many bytes to hand over at a time.
    pub(super) fn piece(&self) -> u64 {
        self.size() / PIECES
    }

    /// How long after a look there may be room again.
    pub(super) fn look_after(&self) -> Duration {
        if !self.is_measured() {
            return LOOK_MIN;
        }
        let lasts = self.size() as f64 / self.rate().max(1.0);
        Duration::from_secs_f64(lasts / PIECES as f64).clamp(LOOK_MIN, LOOK_MAX)
    }

    /// So many bytes are handed over.
    pub(super) fn give(&mut self, bytes: u64, now: Instant) {
        self.given.push_back((bytes, now));
    }

    /// Looks at the connections.
    pub(super) fn look(&mut self, connections: &[Connection], now: Instant) {
        let before = std::mem::take(&mut self.seen);
        self.on_the_line = 0;
        let (mut delivered, mut taken) = (0, 0);
        for it in connections {
            // Without a look before, nobody knows when a connection's bytes went.
            let unknown = if before.is_empty() { it.delivered } else { 0 };
            let unknown = Seen { delivered: unknown, taken: unknown, moved: now };
            let old = before.get(&it.inode).copied().unwrap_or(unknown);
            let new = it.delivered.saturating_sub(old.delivered);
            let seen = Seen {
                delivered: it.delivered,
                taken: it.delivered + it.outstanding,
                moved: if new > 0 { now } else { old.moved },
            };
            self.seen.insert(it.inode, seen);
            delivered += new;
            taken += seen.taken.saturating_sub(old.taken);
            if new >= BULK {
                self.observe_delay(it.round_trip, now);
            }
            if now.duration_since(seen.moved) < STUCK {
                self.on_the_line += fills(it);
            }
        }
        self.forget_given(taken, now);
        self.observe_rate(delivered, now);
    }

    /// TCP has taken so many more bytes.
    fn forget_given(&mut self, mut taken: u64, now: Instant) {
        while let Some((bytes, at)) = self.given.front_mut() {
            if *bytes > taken && now.duration_since(*at) < ON_THE_WAY {
                *bytes -= taken;
                return;
            }
            taken = taken.saturating_sub(*bytes);
            self.given.pop_front();
        }
    }

    fn rate(&self) -> f64 {
        self.rates.iter().copied().fold(0.0, f64::max)
    }

    fn observe_delay(&mut self, round_trip: Duration, now: Instant) {
        let is_over = |(known, at): (Duration, Instant)| {
            round_trip <= known || now.duration_since(at) > BASE_FOR
        };
        if self.base.is_none_or(is_over) {
            self.base = Some((round_trip, now));
        }
    }

    fn observe_rate(&mut self, carried: u64, now: Instant) {
        let Some((since, bytes)) = &mut self.measuring else {
            self.measuring = Some((now, 0));
            return;
        };
        *bytes += carried;
        let took = now.duration_since(*since);
        let least = self.base.map_or(LOOK_MIN, |it| it.0.max(LOOK_MIN)).min(MEASURED_MAX);
        if took < least || (*bytes < MEASURED_BYTES && took < MEASURED_MAX) {
            return;
        }
        if self.rates.len() >= RATES {
            self.rates.pop_front();
        }
        self.rates.push_back(*bytes as f64 / took.as_secs_f64());
        self.measuring = Some((now, 0));
    }
}

/// How many bytes of the line a connection takes.
fn fills(connection: &Connection) -> u64 {
    let Connection { on_the_line, unsent, .. } = *connection;
    // If the peer's buffer is full, the line is behind the peer, which is a proxy. Otherwise TCP
    // itself holds the unsent bytes back, because of losses: others may use the line meanwhile.
    on_the_line + if connection.peer_is_full { unsent } else { unsent.min(on_the_line / 2) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line with a buffer that never overflows. Each of its connections carries so many bytes a
    /// second at most, as losses have it.
    struct Line {
        rate: f64,
        round_trip: Duration,
        each: f64,
        connections: Vec<Carrying>,
        now: Instant,
    }

    /// A connection.
    #[derive(Clone, Default)]
    struct Carrying {
        unsent: f64,
        delivered: f64,
    }

    impl Line {
        fn new(rate: u64, round_trip_ms: u64) -> Self {
            let round_trip = Duration::from_millis(round_trip_ms);
            let (each, now) = (f64::MAX, Instant::now());
            Self { rate: rate as f64, round_trip, each, connections: Vec::new(), now }
        }

        /// Runs for so many milliseconds. Files have no end, and a new one begins where there is
        /// room that the others do not take. Returns the bytes carried, and the longest queue.
        fn run(&mut self, window: &mut UploadWindow, time_ms: u64) -> (f64, Duration) {
            let before = self.delivered();
            let (mut looked, mut longest) = (self.now, 0.0_f64);
            for _ in 0..time_ms {
                self.now += Duration::from_millis(1);
                self.carry();
                if self.now >= looked + window.look_after() {
                    looked = self.now;
                    window.look(&self.seen(), self.now);
                }
                while window.has_room(0) {
                    let piece = window.piece().max(4 << 10);
                    window.give(piece, self.now);
                    let most = 200_000.0 + self.each.min(1e12) * self.round_trip.as_secs_f64();
                    let taking = self.connections.iter().position(|it| it.unsent < most);
                    let at = taking.unwrap_or(self.connections.len());
                    self.connections.resize(self.connections.len().max(at + 1), <_>::default());
                    self.connections[at].unsent += piece as f64;
                }
                let queue = self.on_the_line().iter().sum::<f64>() / self.rate;
                longest = longest.max(queue - self.round_trip.as_secs_f64());
            }
            (self.delivered() - before, Duration::from_secs_f64(longest))
        }

        fn carry(&mut self) {
            let going = |it: &&mut Carrying| it.unsent > 0.0;
            let count = self.connections.iter_mut().filter(going).count();
            let each = (self.rate / count as f64).min(self.each) / 1000.0;
            for it in self.connections.iter_mut().filter(going) {
                let bytes = it.unsent.min(each);
                it.unsent -= bytes;
                it.delivered += bytes;
            }
        }

        fn delivered(&self) -> f64 {
            self.connections.iter().map(|it| it.delivered).sum()
        }

        fn on_the_line(&self) -> Vec<f64> {
            let most = self.each.min(1e12) * self.round_trip.as_secs_f64();
            self.connections.iter().map(|it| it.unsent.min(most)).collect()
        }

        fn seen(&self) -> Vec<Connection> {
            let connections = self.connections.iter().zip(self.on_the_line()).zip(0..);
            let connection = |((it, on_the_line), inode): ((&Carrying, f64), u32)| Connection {
                inode,
                delivered: it.delivered as u64,
                on_the_line: on_the_line as u64,
                unsent: (it.unsent - on_the_line) as u64,
                outstanding: it.unsent as u64,
                peer_is_full: false,
                round_trip: self.round_trip,
            };
            connections.map(connection).collect()
        }
    }

    #[test]
    fn slow_and_fast_lines_are_full_and_have_short_queues() {
        for (rate, round_trip) in
            [(37_500, 50), (125_000, 200), (625_000, 50), (2_500_000, 10), (12_500_000, 200)]
        {
            let (mut line, mut window) = (Line::new(rate, round_trip), UploadWindow::default());
            line.run(&mut window, 10_000);
            let (carried, queue) = line.run(&mut window, 20_000);
            assert!(carried >= 0.97 * 20.0 * line.rate, "{rate}, {round_trip}: {carried}");
            let most = line.round_trip * 2 + SLACK;
            // The last piece may be more than there was room for.
            let least = (SIZE_MIN + SIZE_MIN / PIECES) as f64 / line.rate;
            let most = most.max(Duration::from_secs_f64(least));
            assert!(queue <= most, "{rate}, {round_trip}: {queue:?}");
            assert!(line.connections.len() <= 2, "{rate}, {round_trip}");
        }
    }

    #[test]
    fn a_line_that_becomes_faster_is_filled_again() {
        let (mut line, mut window) = (Line::new(100_000, 100), UploadWindow::default());
        line.run(&mut window, 10_000);
        line.rate *= 20.0;
        line.run(&mut window, 5000);
        let (carried, _) = line.run(&mut window, 10_000);
        assert!(carried >= 0.97 * 10.0 * line.rate, "{carried}");
        line.rate /= 20.0;
        line.run(&mut window, 20_000);
        let (_, queue) = line.run(&mut window, 10_000);
        assert!(queue <= line.round_trip * 3 + SLACK, "{queue:?}");
    }

    #[test]
    fn losses_bring_more_connections() {
        let (mut line, mut window) = (Line::new(625_000, 200), UploadWindow::default());
        line.each = 63_000.0;
        line.run(&mut window, 10_000);
        let (carried, _) = line.run(&mut window, 10_000);
        assert!(carried >= 0.97 * 10.0 * line.rate, "{carried}");
    }

    #[test]
    fn a_connection_that_does_not_move_leaves_the_line_to_others() {
        let now = Instant::now();
        let stuck = Connection {
            inode: 1,
            delivered: 0,
            on_the_line: 100_000,
            unsent: 0,
            outstanding: 100_000,
            peer_is_full: false,
            round_trip: Duration::ZERO,
        };
        let mut window = UploadWindow::default();
        window.look(&[stuck], now);
        assert!(!window.has_room(0));
        window.look(&[stuck], now + STUCK);
        assert!(window.has_room(0));
    }

    #[test]
    fn a_proxy_that_is_full_fills_the_line() {
        let connection = |peer_is_full| Connection {
            inode: 1,
            delivered: 0,
            on_the_line: 0,
            unsent: SIZE_MIN,
            outstanding: SIZE_MIN,
            peer_is_full,
            round_trip: Duration::ZERO,
        };
        for (is_full, has_room) in [(false, true), (true, false)] {
            let mut window = UploadWindow::default();
            window.look(&[connection(is_full)], Instant::now());
            assert_eq!(window.has_room(0), has_room);
        }
    }

    #[test]
    fn room_is_taken_by_bytes_that_tcp_was_not_seen_to_have() {
        let (mut window, now) = (UploadWindow::default(), Instant::now());
        let connection = |outstanding| Connection {
            inode: 1,
            delivered: 0,
            on_the_line: 0,
            unsent: outstanding,
            outstanding,
            peer_is_full: false,
            round_trip: Duration::ZERO,
        };
        window.look(&[connection(0)], now);
        window.give(SIZE_MIN - 1, now);
        assert!(window.has_room(0) && !window.has_room(1));
        window.give(1, now);
        assert!(!window.has_room(0));
        window.look(&[connection(100)], now);
        assert!(window.has_room(99) && !window.has_room(100));
        // Its connection has broken, or holds it back.
        window.look(&[connection(100)], now + ON_THE_WAY);
        assert!(window.has_room(SIZE_MIN - 1));
    }
}
