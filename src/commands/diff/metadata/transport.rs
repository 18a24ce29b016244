//! MPEG transport streams (MTS, M2T): the dimensions of their pictures.

use std::io::{Read, Seek};

use super::{h264, riff};
use crate::commands::diff::facts::Facts;
use crate::formats::source::Source;
use crate::formats::transport::{BYTES_MAX, Packet, content, packets, programs};

/// Adds the dimensions. Pixels need not be square, so they are not firm.
pub fn add<R: Read + Seek>(source: &mut Source<R>, facts: &mut Facts) {
    let Some(head) = source.start(BYTES_MAX) else { return };
    let packets = packets(&head);
    facts.dimensions.any.extend(dimensions(&packets));
    facts.dimensions.firm = false;
}

/// The dimensions of the first stream that is MPEG-1, MPEG-2 or H.264, of the first program.
fn dimensions(packets: &[Packet<'_>]) -> Option<(u32, u32)> {
    let streams = programs(packets).into_iter().next()?;
    let (kind, number) = streams.into_iter().find(|it| matches!(it.0, 1 | 2 | 0x1b))?;
    let stream = content(packets, number);
    match kind {
        0x1b => h264::dimensions(&stream),
        _ => riff::sequence_header(&stream),
    }
}
