//! The bits of coded data, and the codes of Huffman in them.

/// A code's length and symbol, by the next 16 bits. A length of 0 is no code.
pub(super) type Table = Vec<(u8, u8)>;

/// The table of some symbols. `counts` says how many have a code of each length, and the codes are
/// numbered in this order.
pub(super) fn table(counts: &[u8], symbols: &[u8]) -> Option<Table> {
    let mut table = Vec::with_capacity(1 << 16);
    let mut symbols = symbols.iter();
    for (length, count) in (1_u8..).zip(counts) {
        let each = 1 << (16 - length);
        if table.len() + usize::from(*count) * each > 1 << 16 {
            return None;
        }
        for symbol in symbols.by_ref().take(usize::from(*count)) {
            table.extend(std::iter::repeat_n((length, *symbol), each));
        }
    }
    table.resize(1 << 16, (0, 0));
    Some(table)
}

/// The bits of coded data, up to the next marker.
pub(super) struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    /// The next bits, in the highest places.
    buffer: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0, buffer: 0, count: 0 }
    }

    fn fill(&mut self) {
        while self.count <= 56 {
            let Some(&byte) = self.data.get(self.at) else { return };
            if byte == 0xff {
                if self.data.get(self.at + 1) != Some(&0) {
                    return;
                }
                self.at += 1;
            }
            self.at += 1;
            self.buffer |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    /// The next bits, 16 at most.
    pub(super) fn take(&mut self, count: u32) -> Option<u32> {
        if count == 0 {
            return Some(0);
        }
        if self.count < count {
            self.fill();
        }
        self.count = self.count.checked_sub(count)?;
        let taken = (self.buffer >> (64 - count)) as u32;
        self.buffer <<= count;
        Some(taken)
    }

    /// Passes any number of bits.
    pub(super) fn skip(&mut self, count: u32) -> Option<()> {
        for from in (0..count).step_by(16) {
            self.take((count - from).min(16))?;
        }
        Some(())
    }

    /// The symbol of the next code.
    pub(super) fn symbol(&mut self, table: &Table) -> Option<u8> {
        if self.count < 16 {
            self.fill();
        }
        let (length, symbol) = *table.get((self.buffer >> 48) as usize)?;
        if length == 0 {
            return None;
        }
        self.take(length.into())?;
        Some(symbol)
    }

    /// The offset of the marker behind the last bits, which fill up a byte.
    pub(super) fn end(&mut self) -> Option<usize> {
        self.fill();
        let is_marker = self.data.get(self.at) == Some(&0xff);
        (self.count < 8 && is_marker).then_some(self.at)
    }

    /// Passes this marker and the bits that fill up the byte before it.
    pub(super) fn restart(&mut self, marker: u8) -> Option<()> {
        let from = self.end()?;
        let fill = self.data.get(from..)?.iter().take_while(|it| **it == 0xff).count();
        self.at = from + fill + 1;
        (self.buffer, self.count) = (0, 0);
        (self.data.get(from + fill) == Some(&marker)).then_some(())
    }
}
