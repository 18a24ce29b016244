//! Whether the coded data of a picture are undamaged. A decoder makes a picture of nearly all data:
//! grey squares, other colours from a place on. A copy would keep that for ever, and hide the damage.
//!
//! It follows the codes as a decoder does, and computes no pixel: each must be one of the table, and
//! each scan must end where its last block does.

mod bits;
#[cfg(test)]
mod tests;

use super::structure::{Structure, marker_at, segment_at};
use crate::formats::jpeg::{EOI, SOS, is_bare};
use crate::formats::source::u16_be;
use bits::{Bits, Table, table};

const HUFFMAN: u8 = 0xc4;
const RESTART_INTERVAL: u8 = 0xdd;
const FIRST_RESTART: u8 = 0xd0;
/// The symbol for sixteen zeros.
const ZEROS: u8 = 0xf0;
const LAST: usize = 63;
/// More Huffman tables than any encoder makes. A few bytes can ask for a large one.
const TABLES_MAX: usize = 2000;
/// A sampling factor is no greater.
const FACTOR_MAX: usize = 4;
/// A difference of brightness has no more bits.
const SIZE_MAX: u8 = 15;
/// No bit of a coefficient stands higher.
const BIT_MAX: u8 = 13;

/// Whether the codes of all scans are valid and complete.
pub(super) fn is_undamaged(structure: &Structure<'_>) -> bool {
    walk(structure).is_some()
}

fn walk(structure: &Structure<'_>) -> Option<()> {
    let mut decoder = Decoder::new(structure)?;
    for segment in structure.coding() {
        decoder.tables(*segment.get(1)?, segment.get(4..)?)?;
    }
    let (bytes, mut at) = (structure.scans, 0);
    loop {
        let (marker, from) = marker_at(bytes, at)?;
        if marker == EOI {
            // A component that never came is grey.
            return decoder.components.iter().all(|it| it.has_come).then_some(());
        }
        if is_bare(marker) {
            // Some encoders close each interval, also the last one.
            at = from + 2;
            continue;
        }
        let segment = segment_at(bytes, from)?;
        at = from + segment.len();
        let content = segment.get(4..)?;
        match marker {
            SOS => at += decoder.scan(content, bytes.get(at..)?)?,
            marker => decoder.tables(marker, content)?,
        }
    }
}

struct Component {
    id: u8,
    horizontal: usize,
    vertical: usize,
    /// How many blocks a row has, with those that fill up the last unit.
    stride: usize,
    /// The blocks of the picture itself, across and down.
    blocks: (usize, usize),
    /// Of each block, which coefficients of a progressive picture have come.
    nonzero: Vec<u64>,
    /// Of each coefficient of a progressive picture, the lowest bit that has come.
    lowest: [Option<u8>; LAST + 1],
    has_come: bool,
}

struct Decoder {
    components: Vec<Component>,
    /// The units of all components, across and down.
    units: (usize, usize),
    is_progressive: bool,
    dc: [Table; 4],
    ac: [Table; 4],
    interval: usize,
    /// How many tables have come.
    count: usize,
}

impl Decoder {
    fn new(structure: &Structure<'_>) -> Option<Self> {
        let frame = &structure.frame;
        let factors = |it: u8| (usize::from(it >> 4), usize::from(it & 15));
        let all = frame.components.iter().map(|it| factors(it.1));
        if all.clone().any(|it| it.0.max(it.1) > FACTOR_MAX) {
            return None;
        }
        let (across, down) = all.fold((1, 1), |most, it| (most.0.max(it.0), most.1.max(it.1)));
        let (width, height) = (frame.width as usize, frame.height as usize);
        let units = (width.div_ceil(8 * across), height.div_ceil(8 * down));
        let components = frame.components.iter().map(|&(id, both)| {
            let (horizontal, vertical) = factors(both);
            let blocks =
                |side: usize, own: usize, most: usize| (side * own).div_ceil(most).div_ceil(8);
            let stride = units.0 * horizontal;
            let count = if frame.is_progressive { stride * units.1 * vertical } else { 0 };
            let blocks = (blocks(width, horizontal, across), blocks(height, vertical, down));
            let (nonzero, lowest) = (vec![0; count], [None; LAST + 1]);
            let has_come = false;
            Component { id, horizontal, vertical, stride, blocks, nonzero, lowest, has_come }
        });
        let (components, is_progressive) = (components.collect(), frame.is_progressive);
        let (dc, ac) = Default::default();
        Some(Self { components, units, is_progressive, dc, ac, interval: 0, count: 0 })
    }

    fn tables(&mut self, marker: u8, mut content: &[u8]) -> Option<()> {
        if marker == RESTART_INTERVAL {
            self.interval = u16_be(content, 0)?.into();
        }
        if marker != HUFFMAN {
            return Some(());
        }
        while let [kind, rest @ ..] = content {
            let (counts, rest) = rest.split_at_checked(16)?;
            let count = counts.iter().map(|it| usize::from(*it)).sum();
            let (symbols, rest) = rest.split_at_checked(count)?;
            self.count += 1;
            if self.count > TABLES_MAX {
                return None;
            }
            let of = if kind >> 4 == 0 { &mut self.dc } else { &mut self.ac };
            *of.get_mut(usize::from(kind & 15))? = table(counts, symbols)?;
            content = rest;
        }
        Some(())
    }

    /// Follows a scan. Returns its length.
    fn scan(&mut self, header: &[u8], data: &[u8]) -> Option<usize> {
        let (count, rest) = header.split_first()?;
        let (chosen, rest) = rest.split_at_checked(usize::from(*count) * 2)?;
        let &[start, end, approximation] = rest else { return None };
        let band = Band {
            start: start.into(),
            end: end.into(),
            is_first: approximation >> 4 == 0,
            is_progressive: self.is_progressive,
        };
        let is_fit = match (band.is_progressive, start) {
            (false, _) => (start, end, approximation) == (0, 63, 0),
            (true, 0) => end == 0,
            (true, _) => start <= end && band.end <= LAST && *count == 1,
        };
        if !is_fit || *count == 0 {
            return None;
        }
        let mut parts = Vec::new();
        for chosen in chosen.chunks(2) {
            let index = self.components.iter().position(|it| it.id == chosen[0])?;
            if parts.iter().any(|it: &(usize, usize, usize)| it.0 == index) {
                return None;
            }
            self.components.get_mut(index)?.begin(&band, approximation)?;
            parts.push((index, usize::from(chosen[1] >> 4), usize::from(chosen[1] & 15)));
        }
        let alone = parts.len() == 1;
        let units = if alone { self.components.get(parts.first()?.0)?.blocks } else { self.units };
        let (mut bits, mut left) = (Bits::new(data), 0_u32);
        for unit in 0..units.0 * units.1 {
            if self.interval > 0 && unit > 0 && unit % self.interval == 0 {
                let restart = FIRST_RESTART + ((unit / self.interval - 1) % 8) as u8;
                if left > 0 {
                    return None;
                }
                bits.restart(restart)?;
            }
            let (x, y) = (unit % units.0, unit / units.0);
            for &(component, dc, ac) in &parts {
                let component = self.components.get_mut(component)?;
                let (dc, ac) = (self.dc.get(dc)?, self.ac.get(ac)?);
                let (across, down) =
                    if alone { (1, 1) } else { (component.horizontal, component.vertical) };
                for at in 0..across * down {
                    let (x, y) = (x * across + at % across, y * down + at / across);
                    let nonzero = component.nonzero.get_mut(y * component.stride + x);
                    band.block(&mut bits, (dc, ac), nonzero.unwrap_or(&mut 0), &mut left)?;
                }
            }
        }
        if left == 0 { bits.end() } else { None }
    }
}

impl Component {
    /// Notes what a scan brings. The bits of each coefficient come from the highest to the lowest.
    fn begin(&mut self, band: &Band, approximation: u8) -> Option<()> {
        let (before, lowest) = (approximation >> 4, approximation & 15);
        let expected = if band.is_first { None } else { Some(before) };
        let is_next = band.is_first || before == lowest + 1;
        let is_late = band.start > 0 && !self.has_come;
        let coefficients = self.lowest.get_mut(band.start..=band.end)?;
        let is_fit = lowest <= BIT_MAX && is_next && !is_late;
        if band.is_progressive && !(is_fit && coefficients.iter().all(|it| *it == expected)) {
            return None;
        }
        coefficients.fill(Some(lowest));
        self.has_come = true;
        Some(())
    }
}

/// The coefficients of a scan.
struct Band {
    start: usize,
    end: usize,
    /// The first bits of these coefficients, not a further one.
    is_first: bool,
    is_progressive: bool,
}

impl Band {
    /// Follows a block. `left` blocks more have nothing new in this band.
    fn block(
        &self,
        bits: &mut Bits<'_>,
        (dc, ac): (&Table, &Table),
        nonzero: &mut u64,
        left: &mut u32,
    ) -> Option<()> {
        if self.start == 0 && self.is_first {
            let size = bits.symbol(dc)?;
            if size > SIZE_MAX {
                return None;
            }
            bits.take(size.into())?;
        } else if self.start == 0 {
            bits.take(1)?;
        }
        match (self.is_progressive, self.start) {
            (false, _) => self.first(bits, ac, 1, nonzero, left),
            (true, 0) => Some(()),
            (true, _) if self.is_first => self.first(bits, ac, self.start, nonzero, left),
            (true, _) => self.further(bits, ac, nonzero, left),
        }
    }

    fn first(
        &self,
        bits: &mut Bits<'_>,
        ac: &Table,
        mut at: usize,
        nonzero: &mut u64,
        left: &mut u32,
    ) -> Option<()> {
        if *left > 0 {
            *left -= 1;
            return Some(());
        }
        while at <= self.end {
            let symbol = bits.symbol(ac)?;
            let (run, size) = (symbol >> 4, symbol & 15);
            if symbol == ZEROS {
                at += 16;
            } else if size == 0 {
                // A baseline picture has no more than the end of one block.
                if run > 0 && !self.is_progressive {
                    return None;
                }
                *left = (1 << run) - 1 + bits.take(run.into())?;
                return Some(());
            } else {
                at += usize::from(run);
                bits.take(size.into())?;
                if at > self.end {
                    return None;
                }
                *nonzero |= 1 << at;
                at += 1;
            }
        }
        (at == self.end + 1).then_some(())
    }

    /// A further bit of each coefficient that has come, and coefficients that are new.
    fn further(
        &self,
        bits: &mut Bits<'_>,
        ac: &Table,
        nonzero: &mut u64,
        left: &mut u32,
    ) -> Option<()> {
        let mut at = self.start;
        while *left == 0 && at <= self.end {
            let symbol = bits.symbol(ac)?;
            let (mut run, size) = (symbol >> 4, symbol & 15);
            match size {
                0 if symbol != ZEROS => {
                    *left = (1 << run) + bits.take(run.into())?;
                    break;
                }
                0 => {}
                1 => drop(bits.take(1)?),
                _ => return None,
            }
            while at <= self.end {
                if *nonzero >> at & 1 == 1 {
                    bits.take(1)?;
                } else if run == 0 {
                    break;
                } else {
                    run -= 1;
                }
                at += 1;
            }
            if size == 1 {
                if at > self.end {
                    return None;
                }
                *nonzero |= 1 << at;
            }
            at += 1;
        }
        if *left > 0 {
            // None is left if the code came with the last of the band.
            let band = u64::MAX.checked_shl(at as u32)? & u64::MAX >> (LAST - self.end);
            bits.skip((*nonzero & band).count_ones())?;
            *left -= 1;
        }
        Some(())
    }
}
