//! MPEG transport streams (MTS, M2T).
//!
//! Each packet belongs to a stream. A table says where the program's table is, and that one names
//! its streams. Pure.

use super::source::u16_be;

/// The tables and the beginnings of the streams lie within so many bytes.
pub const BYTES_MAX: u64 = 1 << 20;
/// A packet's length. Camcorders write a time stamp of four bytes in front of each.
const PACKET_BYTES: usize = 188;
const STAMP_BYTES: usize = 4;
/// The first byte of each packet.
const SYNC: u8 = 0x47;

/// Whether a file may be one by its first bytes.
pub fn may_be(head: &[u8]) -> bool {
    head.first() == Some(&SYNC) || head.get(STAMP_BYTES) == Some(&SYNC)
}

/// Whether a file is one by three packets.
pub fn is_transport_stream(head: &[u8]) -> bool {
    let in_step = |stamp: usize| {
        (0..3).all(|at| head.get(stamp + at * (stamp + PACKET_BYTES)) == Some(&SYNC))
    };
    in_step(0) || in_step(STAMP_BYTES)
}

/// A part of a stream.
pub struct Packet<'a> {
    /// The stream's number.
    stream: u16,
    /// Whether a table or a piece of the stream begins here.
    begins: bool,
    content: &'a [u8],
}

/// The packets up to the first one that is broken.
pub fn packets(bytes: &[u8]) -> Vec<Packet<'_>> {
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

/// The programs: the kinds of the streams of each, and their numbers. A program whose table is not
/// found has none.
pub fn programs(packets: &[Packet<'_>]) -> Vec<Vec<(u8, u16)>> {
    let entries = table(packets, 0, 0).and_then(|it| it.get(8..)).unwrap_or_default();
    // The number 0 is that of a table of the network.
    let entries = entries.chunks_exact(4).filter(|it| it[..2] != [0, 0]);
    let of = |entry| Some(streams(table(packets, u16_be(entry, 2)? & 0x1fff, 2)?));
    entries.map(|entry| of(entry).unwrap_or_default()).collect()
}

/// The streams of a program.
fn streams(program: &[u8]) -> Vec<(u8, u16)> {
    let mut found = Vec::new();
    let Some(mut at) = u16_be(program, 10).map(|it| 12 + usize::from(it & 0xfff)) else {
        return found;
    };
    while let Some(&kind) = program.get(at)
        && let Some(number) = u16_be(program, at + 1)
        && let Some(length) = u16_be(program, at + 3)
    {
        found.push((kind, number & 0x1fff));
        at += 5 + usize::from(length & 0xfff);
    }
    found
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

/// The content of a stream, without the headers of its pieces.
pub fn content(packets: &[Packet<'_>], stream: u16) -> Vec<u8> {
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
