//! The beginning and the end of a stream, as a file that can be read again. Metadata stand there.

use std::collections::VecDeque;
use std::io::{self, Read, Seek, SeekFrom};

/// How many bytes of each end stay in memory.
const BYTES: usize = 2 << 20;

/// Both ends of a stream of any length. Reading between them fails.
#[derive(Debug, Default)]
pub struct Ends {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    length: u64,
    position: u64,
}

impl Ends {
    /// Forgets everything, but not the memory.
    pub fn clear(&mut self) {
        self.head.clear();
        self.tail.clear();
        (self.length, self.position) = (0, 0);
    }

    /// Adds the next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        let (first, rest) = bytes.split_at(bytes.len().min(BYTES - self.head.len()));
        self.head.extend_from_slice(first);
        let rest = &rest[rest.len().saturating_sub(BYTES)..];
        self.tail.drain(..(self.tail.len() + rest.len()).saturating_sub(BYTES));
        self.tail.extend(rest);
    }
}

impl Read for Ends {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let tail_start = self.length - self.tail.len() as u64;
        let in_tail = usize::try_from(self.position.wrapping_sub(tail_start)).unwrap_or(usize::MAX);
        let part = match usize::try_from(self.position).ok().and_then(|at| self.head.get(at..)) {
            Some(rest) if !rest.is_empty() => rest,
            _ if self.position >= self.length => &[],
            _ if self.position < tail_start => {
                return Err(io::Error::other("these bytes have gone by"));
            }
            _ => {
                let (first, second) = self.tail.as_slices();
                let other = || second.get(in_tail.wrapping_sub(first.len())..);
                first.get(in_tail..).filter(|it| !it.is_empty()).or_else(other).unwrap_or_default()
            }
        };
        let count = part.len().min(into.len());
        into[..count].copy_from_slice(&part[..count]);
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for Ends {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ends: &mut Ends, from: u64, count: usize) -> io::Result<Vec<u8>> {
        let mut read = vec![0; count];
        ends.seek(SeekFrom::Start(from))?;
        ends.read_exact(&mut read).map(|()| read)
    }

    #[test]
    fn both_ends_can_be_read_and_the_middle_cannot() {
        let length = 2 * BYTES + 300_000;
        let content: Vec<u8> = (0..length).map(|at| (at / 7 % 251) as u8).collect();
        for step in [1 << 16, 70_001, length] {
            let mut ends = Ends::default();
            ends.push(b"of an earlier stream");
            ends.clear();
            content.chunks(step).for_each(|it| ends.push(it));
            assert_eq!(ends.seek(SeekFrom::End(0)).unwrap(), length as u64);
            for from in [0, 5, BYTES - 10, length - BYTES, length - 400_000, length - 10] {
                let read = at(&mut ends, from as u64, 10).unwrap();
                assert_eq!(read, content[from..from + 10], "{from} {step}");
            }
            assert!(at(&mut ends, BYTES as u64, 10).is_err());
            assert!(at(&mut ends, length as u64 - 5, 10).is_err());
            assert!(at(&mut ends, u64::MAX, 0).unwrap().is_empty());
            assert!(ends.seek(SeekFrom::End(i64::MIN)).is_err());
        }
    }

    #[test]
    fn a_short_stream_is_whole() {
        for length in [0, 10, BYTES, BYTES + 1, 2 * BYTES] {
            let content: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let mut ends = Ends::default();
            content.chunks(4000).for_each(|it| ends.push(it));
            assert_eq!(at(&mut ends, 0, length).unwrap(), content);
        }
    }
}
