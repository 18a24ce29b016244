//! Which parts of a file are downloaded, which are in flight, and which to request next. Pure.
//!
//! A *stream* is one request for everything from some offset on. It runs ahead of its readers, and
//! pauses when it is far enough ahead. Google counts requests, so the plan starts one only where no
//! running stream arrives soon.

use std::ops::Range;

use rangemap::RangeSet;

/// Concurrent requests for one file.
const STREAMS_MAX: usize = 4;

/// One request fetches a file up to this size, in bytes, from front to back. That is any photo but
/// the largest.
pub(super) const WHOLE_MAX: u64 = 16 << 20;

/// How far a new stream runs ahead of its reader, in bytes. It doubles whenever the reader has used
/// half of it.
const READ_AHEAD_MIN: u64 = 512 << 10;

/// How far a stream runs ahead at most: most of a second on a fast line.
const READ_AHEAD_MAX: u64 = 16 << 20;

/// A reader waits for a stream that is at most so many bytes away. Another request would hardly be
/// faster.
const NEAR: u64 = 4 << 20;

/// How many bytes behind a reader are kept when space is short.
const BEHIND: u64 = 4 << 20;

/// Identifies a stream or a waiter within a plan.
pub(super) type Number = u64;

/// The plan of one file. Offsets and lengths are in bytes.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pieces: RangeSet<u64>,
    bytes: u64,
    total: Option<u64>,
    /// The length that was known before the first request.
    expected: Option<u64>,
    /// Whether the server supports ranges, once an answer has shown it.
    ranged: Option<bool>,
    streams: Vec<Stream>,
    waiters: Vec<(Number, Range<u64>)>,
    numbers: Number,
}

#[derive(Debug)]
struct Stream {
    number: Number,
    /// The next byte to arrive.
    at: u64,
    /// The furthest byte of this stream that was read or is waited for.
    read: u64,
    /// How far it runs ahead of that.
    read_ahead: u64,
    /// Where it pauses.
    goal: u64,
}

/// The next step for a waiter.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The bytes are downloaded, or lie behind the end.
    There,
    /// A stream brings them, or they have to wait for their turn.
    Wait {
        /// Whether a paused stream has to continue for them.
        resumes: bool,
    },
    /// Start a stream of this number.
    Begin(Number),
}

/// The next step of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// Receive more.
    Go,
    /// Wait until a reader has advanced.
    Pause,
    /// End: no reader needs it.
    Stop,
}

impl Plan {
    pub(super) fn new(expected: Option<u64>) -> Self {
        Self { expected, ..Self::default() }
    }

    /// Downloaded bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The length of the whole, once it is known.
    pub(super) fn total(&self) -> Option<u64> {
        self.total
    }

    pub(super) fn is_whole(&self) -> bool {
        self.total.is_some_and(|total| self.is_here(&(0..total)))
    }

    pub(super) fn is_streaming(&self) -> bool {
        !self.streams.is_empty()
    }

    /// Clips a range to the length of the file.
    pub(super) fn clip(&self, range: &Range<u64>) -> Range<u64> {
        let total = self.total.unwrap_or(u64::MAX);
        range.start.min(total)..range.end.min(total)
    }

    /// Whether a range is downloaded, up to the end of the file.
    pub(super) fn is_here(&self, range: &Range<u64>) -> bool {
        self.first_missing(range).is_none()
    }

    fn first_missing(&self, range: &Range<u64>) -> Option<u64> {
        let range = self.clip(range);
        // An empty range has no gaps, and the set does not accept one.
        if range.is_empty() { None } else { self.pieces.gaps(&range).next().map(|gap| gap.start) }
    }

    /// Adds a waiter for these bytes, until [`Plan::cancel`].
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

    /// The next step for a waiter. Call this again after each change.
    pub(super) fn step(&mut self, waiter: Number) -> Step {
        let Some(range) = self.waiters.iter().find(|(number, _)| *number == waiter) else {
            return Step::There;
        };
        let range = range.1.clone();
        let Some(missing) = self.first_missing(&range) else { return Step::There };
        if let Some(serving) = self.serving(missing) {
            return Step::Wait { resumes: self.streams[serving].reader_at(range.end) };
        }
        // Before the first answer it is unknown whether a second request is of use.
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

    /// Records that a reader has read downloaded bytes, so that the stream ahead of it may run
    /// further. Returns whether a paused stream continues.
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

    /// The end of the last piece before a missing byte.
    fn piece_before(&self, missing: u64) -> u64 {
        self.pieces.iter().take_while(|piece| piece.end <= missing).last().map_or(0, |it| it.end)
    }

    /// The offset of a stream; `None` if it has been replaced.
    pub(super) fn at(&self, stream: Number) -> Option<u64> {
        self.stream(stream).map(|stream| stream.at)
    }

    fn stream(&self, number: Number) -> Option<&Stream> {
        self.streams.iter().find(|stream| stream.number == number)
    }

    /// Records the answer to a stream's request. Returns `false` if the answer is about another
    /// version than earlier ones.
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

    /// Records that a stream's bytes are in the file. Returns how many of them are new.
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

    /// Records the end of a stream whose server did not report the length.
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

    /// Records the end of a stream. Returns the waiters that it served.
    pub(super) fn stream_ended(&mut self, stream: Number) -> Vec<Number> {
        let served = self.served_by(stream).collect();
        self.streams.retain(|it| it.number != stream);
        served
    }

    /// Drops pieces that are not near any reader, to free space. Returns their ranges.
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

    /// Drops all pieces.
    pub(super) fn clear(&mut self) {
        self.pieces.clear();
        self.bytes = 0;
    }
}

impl Stream {
    /// Records that a reader is at `end`. Returns whether the stream was paused and continues.
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
