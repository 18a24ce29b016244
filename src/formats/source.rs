//! A file to read pieces of, with a bound on all bytes read.

use std::io::{self, Read, Seek, SeekFrom};

/// How many bytes of one file are read at most, so that a damaged one costs neither time nor
/// memory.
const BYTES_MAX: u64 = 64 << 20;
/// A read counts as so many bytes at least, so that their number has a bound as well.
const READ_BYTES_MIN: u64 = 256;

/// A file to read pieces of.
pub struct Source<R> {
    inner: R,
    /// The file's length.
    length: u64,
    /// How many more bytes may be read.
    left: u64,
}

impl<R: Read + Seek> Source<R> {
    /// The file from its beginning.
    pub fn new(mut inner: R) -> Self {
        let length = inner.seek(SeekFrom::End(0)).unwrap_or(0);
        Self { inner, length, left: BYTES_MAX }
    }

    /// The beginning of a file whose rest is not known. It has no end, so a reader that needs more
    /// of it fails.
    pub fn beginning(inner: R) -> Self {
        Self { inner, length: u64::MAX, left: BYTES_MAX }
    }

    /// The file's length.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Up to so many bytes from the beginning.
    pub fn start(&mut self, bytes: u64) -> Option<Vec<u8>> {
        self.up_to(0, bytes)
    }

    /// Up to so many bytes from an offset on. `None` beyond the end, or if they cannot be read.
    pub fn up_to(&mut self, at: u64, bytes: u64) -> Option<Vec<u8>> {
        let bytes = bytes.min(self.length.checked_sub(at)?);
        self.exactly(at, bytes)
    }

    /// The bytes at an offset. `None` if not all of them are there.
    pub fn exactly(&mut self, at: u64, bytes: u64) -> Option<Vec<u8>> {
        if at.checked_add(bytes)? > self.length || bytes > self.left || self.left == 0 {
            return None;
        }
        self.left = self.left.saturating_sub(bytes.max(READ_BYTES_MIN));
        let mut read = vec![0; usize::try_from(bytes).ok()?];
        self.inner.seek(SeekFrom::Start(at)).ok()?;
        self.inner.read_exact(&mut read).ok()?;
        Some(read)
    }

    /// The whole file again, for a library.
    pub fn rewound(&mut self) -> io::BufReader<Bounded<'_, R>> {
        // A library that cannot start at the beginning finds nothing.
        let _ = self.inner.rewind();
        io::BufReader::new(Bounded { inner: &mut self.inner, left: self.left })
    }
}

/// A reader that fails once its bytes are used up.
pub struct Bounded<'a, R> {
    inner: &'a mut R,
    left: u64,
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        let used = u64::try_from(read).unwrap_or(u64::MAX);
        self.left = self
            .left
            .checked_sub(used)
            .ok_or_else(|| io::Error::other("too many bytes for metadata"))?;
        Ok(read)
    }
}

impl<R: Seek> Seek for Bounded<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

/// A 16-bit number at an offset.
pub fn u16_le(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(array(bytes, at)?))
}

/// A 32-bit number.
pub fn u32_le(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(array(bytes, at)?))
}

/// A 64-bit number.
pub fn u64_le(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(array(bytes, at)?))
}

/// A 16-bit number, the larger half first.
pub fn u16_be(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(array(bytes, at)?))
}

/// A 32-bit number, the larger half first.
pub fn u32_be(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(array(bytes, at)?))
}

/// A 64-bit number, the larger half first.
pub fn u64_be(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(array(bytes, at)?))
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}
