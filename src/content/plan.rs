//! What of a file is here, what is on its way, and what is to be asked for next. Pure.
//!
//! A *stream* is one request for everything from some byte on. It runs ahead of whoever reads, and pauses when it is far
//! enough ahead: requests are what Google counts, so one is begun only where none comes by soon.

use std::ops::Range;

use rangemap::RangeSet;

/// Requests for one file that are under way at the same time.
const STREAMS_MAX: usize = 4;

/// A file up to this size, in bytes, is fetched front to back by one request: that is any photo but the largest.
pub(super) const WHOLE_MAX: u64 = 16 << 20;

/// How far a new stream runs ahead of its reader, in bytes; this doubles whenever half of it has been read.
const READ_AHEAD_MIN: u64 = 512 << 10;

/// How far it runs ahead at the most: most of a second on a fast line.
const READ_AHEAD_MAX: u64 = 16 << 20;

/// A stream that has at most so many bytes to go is waited for: another request would hardly be sooner.
const NEAR: u64 = 4 << 20;

/// How much behind a reader is kept where there is no room for all.
const BEHIND: u64 = 4 << 20;

/// Names a stream or a want within a plan.
pub(super) type Number = u64;

/// See the module. Offsets and lengths are in bytes.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pieces: RangeSet<u64>,
    bytes: u64,
    total: Option<u64>,
    /// What the length was told to be before anything was asked for.
    expected: Option<u64>,
    /// Whether the server does ranges, once it has shown it.
    ranged: Option<bool>,
    streams: Vec<Stream>,
    waiters: Vec<(Number, Range<u64>)>,
    numbers: Number,
}

#[derive(Debug)]
struct Stream {
    number: Number,
    /// The byte that comes next.
    at: u64,
    /// The furthest that was read of what it has brought, or is waited for.
    read: u64,
    /// How far it runs ahead of that.
    read_ahead: u64,
    /// Where it pauses.
    goal: u64,
}

/// What is to be done for whoever wants some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// They are here, or lie behind the end.
    There,
    /// They are on their way, or it is not their turn.
    Wait {
        /// A stream that had paused has to go on for them.
        resumes: bool,
    },
    /// A stream of this number is to be begun.
    Begin(Number),
}

/// What a stream is to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// Take in more.
    Go,
    /// Wait until somebody has read on.
    Pause,
    /// End: nobody needs it any more.
    Stop,
}

impl Plan {
    pub(super) fn new(expected: Option<u64>) -> Self {
        Self { expected, ..Self::default() }
    }

    /// Bytes that are here.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The length of the whole, once it is told.
    pub(super) fn total(&self) -> Option<u64> {
        self.total
    }

    pub(super) fn is_whole(&self) -> bool {
        self.total.is_some_and(|total| self.is_here(&(0..total)))
    }

    pub(super) fn is_streaming(&self) -> bool {
        !self.streams.is_empty()
    }

    /// Cuts a range to what the file has.
    pub(super) fn clip(&self, range: &Range<u64>) -> Range<u64> {
        let total = self.total.unwrap_or(u64::MAX);
        range.start.min(total)..range.end.min(total)
    }

    /// Whether all of a range that the file has is here.
    pub(super) fn is_here(&self, range: &Range<u64>) -> bool {
        self.first_missing(range).is_none()
    }

    fn first_missing(&self, range: &Range<u64>) -> Option<u64> {
        let range = self.clip(range);
        // An empty range has no gaps, and the set does not take one.
        if range.is_empty() { None } else { self.pieces.gaps(&range).next().map(|gap| gap.start) }
    }

    /// Somebody waits for these bytes, until [`Plan::cancel`].
    pub(super) fn add_waiter(&mut self, range: Range<u64>) -> Number {
        let number = self.number();
        self.waiters.push((number, range));
        number
    }

    pub(super) fn cancel(&mut self, waiter: Number) {
        self.waiters.retain(|(number, _)| *number != waiter);
    }

    fn number(&mut self) -> Number {
        self.numbers += 1;
        self.numbers
    }

    /// What is to be done for a want. To be asked again after each change.
    pub(super) fn step(&mut self, waiter: Number) -> Step {
        let Some(range) = self.waiters.iter().find(|(number, _)| *number == waiter) else {
            return Step::There;
        };
        let range = range.1.clone();
        let Some(missing) = self.first_missing(&range) else { return Step::There };
        if let Some(serving) = self.serving(missing) {
            return Step::Wait { resumes: self.streams[serving].reader_at(range.end) };
        }
        // Before the first answer nobody knows whether a second request is of use.
        let streams_max = if self.ranged == Some(true) { STREAMS_MAX } else { 1 };
        if self.streams.len() >= streams_max {
            match self.streams.iter().position(|stream| !self.is_needed(stream)) {
                Some(idle) => drop(self.streams.remove(idle)),
                None => return Step::Wait { resumes: false },
            }
        }
        let number = self.number();
        let at = if self.is_small() { self.piece_before(missing) } else { missing };
        let mut stream = Stream { number, at, read: 0, read_ahead: READ_AHEAD_MIN / 2, goal: at };
        stream.reader_at(range.end);
        if self.is_small() {
            stream.goal = u64::MAX;
        }
        self.streams.push(stream);
        Step::Begin(number)
    }

    /// Somebody reads bytes that are here: whatever runs ahead of them may have to run further. Says whether
    /// a stream that has paused goes on.
    pub(super) fn read_on(&mut self, range: &Range<u64>) -> bool {
        let is_ahead = |stream: &&mut Stream| {
            stream.at >= range.end && stream.at - range.end <= stream.read_ahead.max(READ_AHEAD_MIN)
        };
        let Some(stream) = self.streams.iter_mut().filter(is_ahead).min_by_key(|stream| stream.at)
        else {
            return false;
        };
        stream.reader_at(range.end)
    }

    /// The stream that brings a byte soon enough.
    fn serving(&self, byte: u64) -> Option<usize> {
        let comes = |stream: &Stream| {
            stream.at <= byte
                && (byte - stream.at <= NEAR || self.is_small() || self.ranged == Some(false))
        };
        let served = self.streams.iter().enumerate().filter(|(_, stream)| comes(stream));
        served.max_by_key(|(_, stream)| stream.at).map(|(index, _)| index)
    }

    fn is_needed(&self, stream: &Stream) -> bool {
        self.served_by(stream.number).next().is_some()
    }

    fn served_by(&self, stream: Number) -> impl Iterator<Item = Number> {
        self.waiters.iter().filter_map(move |(waiter, range)| {
            let serving = self.serving(self.first_missing(range)?)?;
            (self.streams[serving].number == stream).then_some(*waiter)
        })
    }

    fn is_small(&self) -> bool {
        self.total.or(self.expected).is_some_and(|bytes| bytes <= WHOLE_MAX)
    }

    /// Where the last piece before a missing byte ends.
    fn piece_before(&self, missing: u64) -> u64 {
        self.pieces.iter().take_while(|piece| piece.end <= missing).last().map_or(0, |it| it.end)
    }

    /// Where a stream is; `None` if it has been replaced.
    pub(super) fn at(&self, stream: Number) -> Option<u64> {
        self.stream(stream).map(|stream| stream.at)
    }

    fn stream(&self, number: Number) -> Option<&Stream> {
        self.streams.iter().find(|stream| stream.number == number)
    }

    /// A stream's request has been answered. Says `false` if the answer is about another file than
    /// earlier ones were.
    pub(super) fn answered(
        &mut self,
        stream: Number,
        starts_at: u64,
        ranged: bool,
        total: Option<u64>,
    ) -> bool {
        if let (Some(before), Some(now)) = (self.total, total)
            && before != now
        {
            return false;
        }
        self.total = self.total.or(total);
        self.ranged = Some(ranged);
        let small = self.is_small();
        if let Some(stream) = self.streams.iter_mut().find(|it| it.number == stream) {
            stream.at = starts_at;
            if small {
                stream.goal = u64::MAX;
            }
        }
        true
    }

    /// A stream has brought bytes, and they are in the file. Says how many of them are new.
    pub(super) fn received(&mut self, stream: Number, len: u64) -> u64 {
        let Some(stream) = self.streams.iter_mut().find(|it| it.number == stream) else { return 0 };
        let received = stream.at..stream.at + len;
        stream.at = received.end;
        if received.is_empty() {
            return 0;
        }
        let new = self.pieces.gaps(&received).map(|gap| gap.end - gap.start).sum();
        self.pieces.insert(received);
        self.bytes += new;
        new
    }

    /// A stream whose server had not told the length has come to the end.
    pub(super) fn reached_end(&mut self, stream: Number) {
        self.total = self.total.or(self.at(stream));
    }

    pub(super) fn flow(&self, stream: Number) -> Flow {
        let Some(stream) = self.stream(stream) else { return Flow::Stop };
        let here = self.pieces.get(&stream.at).map_or(0, |piece| piece.end - stream.at);
        if self.is_whole()
            || self.total.is_some_and(|total| stream.at >= total)
            || (self.ranged == Some(true) && here > NEAR)
        {
            Flow::Stop
        } else if stream.at >= stream.goal {
            Flow::Pause
        } else {
            Flow::Go
        }
    }

    /// A stream has ended. Says which wants it was to serve.
    pub(super) fn stream_ended(&mut self, stream: Number) -> Vec<Number> {
        let served = self.served_by(stream).collect();
        self.streams.retain(|it| it.number != stream);
        served
    }

    /// Gives up what is not near to anybody who reads, for want of room. Says which ranges.
    pub(super) fn shrink(&mut self) -> Vec<Range<u64>> {
        if self.is_small() {
            return Vec::new();
        }
        let read = self.streams.iter().map(|it| it.read.saturating_sub(BEHIND)..it.at);
        let wanted = self.waiters.iter().map(|(_, range)| range.clone());
        let mut dropped = self.pieces.clone();
        for keep in read.chain(wanted).filter(|range| !range.is_empty()) {
            dropped.remove(keep);
        }
        let dropped: Vec<_> = dropped.into_iter().collect();
        for range in &dropped {
            self.bytes -= range.end - range.start;
            self.pieces.remove(range.clone());
        }
        dropped
    }

    /// Gives up everything.
    pub(super) fn clear(&mut self) {
        self.pieces.clear();
        self.bytes = 0;
    }
}

impl Stream {
    /// Whoever reads is at `end` now. Says whether the stream had paused and goes on.
    fn reader_at(&mut self, end: u64) -> bool {
        let paused = self.at >= self.goal;
        self.read = self.read.max(end);
        if end.saturating_add(self.read_ahead / 2) >= self.goal {
            self.read_ahead = (self.read_ahead * 2).min(READ_AHEAD_MAX);
            self.goal = self.goal.max(end.saturating_add(self.read_ahead));
        }
        paused && self.at < self.goal
    }
}

#[cfg(test)]
mod tests;
