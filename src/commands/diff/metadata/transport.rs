//! MPEG transport streams (MTS, M2T): the dimensions of their pictures.
//!
//! Each packet belongs to a stream. A table says where the program's table is, and that one names
//! the stream with the pictures.

use std::io::{Read, Seek};

use super::source::{Source, u16_be};
use super::{h264, riff};
use crate::commands::diff::facts::Facts;

/// The tables and the header of the pictures lie within so many bytes.
const BYTES_MAX: u64 = 1 << 20;
/// A packet's length. Camcorders write a time stamp of four bytes in front of each.
const PACKET_BYTES: usize = 188;
const STAMP_BYTES: usize = 4;
/// The first byte of each packet.
const SYNC: u8 = 0x47;

/// Whether a file may be one by its first bytes.
pub fn may_be(head: &[u8]) -> bool {
    head.first() == Some(&SYNC) || head.get(STAMP_BYTES) == Some(&SYNC)
}

/// Adds the dimensions. Pixels need not be square, so they are not firm.
pub fn add<R: Read + Seek>(source: &mut Source<R>, facts: &mut Facts) {
    let Some(head) = source.start(BYTES_MAX) else { return };
    let packets = packets(&head);
    facts.dimensions.any.extend(dimensions(&packets));
    facts.dimensions.firm = false;
}

/// A part of a stream.
struct Packet<'a> {
    /// The stream's number.
    stream: u16,
    /// Whether a table or a piece of the stream begins here.
    begins: bool,
    content: &'a [u8],
}

/// The packets up to the first one that is broken.
fn packets(bytes: &[u8]) -> Vec<Packet<'_>> {
    let in_step = |stamp| {
        let second = stamp + PACKET_BYTES + stamp;
        bytes.get(stamp) == Some(&SYNC) && bytes.get(second) == Some(&SYNC)
    };
    let Some(stamp) = [0, STAMP_BYTES].into_iter().find(|&it| in_step(it)) else {
        return Vec::new();
    };
    let all = bytes.chunks_exact(stamp + PACKET_BYTES);
    all.map_while(|it| packet(it.get(stamp..)?)).collect()
}

fn packet(bytes: &[u8]) -> Option<Packet<'_>> {
    let [SYNC, high, low, control, rest @ ..] = bytes else { return None };
    // Before the content, a field of any length may stand.
    let field = match control & 0x20 {
        0 => 0,
        _ => 1 + usize::from(*rest.first()?),
    };
    let has_content = control & 0x10 != 0;
    let content = rest.get(field..).filter(|_| has_content).unwrap_or_default();
    let stream = u16::from_be_bytes([high & 0x1f, *low]);
    Some(Packet { stream, begins: high & 0x40 != 0, content })
}

fn dimensions(packets: &[Packet<'_>]) -> Option<(u32, u32)> {
    let programs = table(packets, 0, 0)?;
    // The number 0 is that of a table of the network.
    let entry = programs.get(8..)?.chunks_exact(4).find(|it| it[..2] != [0, 0])?;
    let program = table(packets, u16_be(entry, 2)? & 0x1fff, 2)?;
    let (kind, number) = pictures(program)?;
    let stream = content(packets, number);
    match kind {
        0x1b => h264::dimensions(&stream),
        _ => riff::sequence_header(&stream),
    }
}

/// A table of a stream, without its checksum. Tables that do not fit into a packet are not read.
fn table<'a>(packets: &[Packet<'a>], stream: u16, id: u8) -> Option<&'a [u8]> {
    packets.iter().filter(|it| it.stream == stream && it.begins).find_map(|it| {
        let skipped = 1 + usize::from(*it.content.first()?);
        let table = it.content.get(skipped..).filter(|it| it.first() == Some(&id))?;
        let length = usize::from(u16_be(table, 1)? & 0xfff);
        table.get(..(3 + length).checked_sub(4)?)
    })
}

/// The kind and the number of the program's first stream that is MPEG-1, MPEG-2 or H.264.
fn pictures(program: &[u8]) -> Option<(u8, u16)> {
    let mut at = 12 + usize::from(u16_be(program, 10)? & 0xfff);
    loop {
        let kind = *program.get(at)?;
        let number = u16_be(program, at + 1)? & 0x1fff;
        if matches!(kind, 1 | 2 | 0x1b) {
            return Some((kind, number));
        }
        at += 5 + usize::from(u16_be(program, at + 3)? & 0xfff);
    }
}

/// The content of a stream, without the headers of its pieces.
fn content(packets: &[Packet<'_>], stream: u16) -> Vec<u8> {
    let mut all = Vec::new();
    for packet in packets.iter().filter(|it| it.stream == stream) {
        let header = match packet.content.get(8) {
            Some(&length) if packet.begins => 9 + usize::from(length),
            _ => 0,
        };
        all.extend_from_slice(packet.content.get(header..).unwrap_or_default());
    }
    all
}
