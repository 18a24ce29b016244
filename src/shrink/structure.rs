//! The parts of a JPEG, and whether it is of a kind that can be coded anew.

use mozjpeg_rs::Subsampling;

use super::reason::Whole;
use super::tables::{self, Tables};
use crate::formats::jpeg::{APP1, EOI, SOI, SOS, is_about, is_added, is_bare, is_frame};
use crate::formats::source::u16_be;

/// The marker at the start of a picture.
pub(super) const START: [u8; 2] = [0xff, SOI];

const BASELINE: u8 = 0xc0;
const EXTENDED: u8 = 0xc1;
const PROGRESSIVE: u8 = 0xc2;
const ARITHMETIC_TABLES: u8 = 0xcc;
const TABLES: u8 = 0xdb;
const NUMBER_OF_LINES: u8 = 0xdc;
const HIERARCHICAL: [u8; 2] = [0xde, 0xdf];
const APP2: u8 = 0xe2;
const APP11: u8 = 0xeb;
const APP14: u8 = 0xee;

const XMP: [&[u8]; 2] =
    [b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"];
const MULTI_PICTURE: &[u8] = b"MPF\0";
/// A gain map as ISO 21496-1 describes it. Its picture is another one in the file.
const ISO_GAIN_MAP: &[u8] = b"urn:iso:std:iso:ts:21496:-1\0";
/// The transformation of colours in Adobe's segment: brightness and two differences.
const ADOBE: &[u8] = b"Adobe";
const ADOBE_TRANSFORM_AT: usize = 11;
const YCBCR: u8 = 1;

/// More scans than any encoder makes take a decoder's time.
const SCANS_MAX: u64 = 200;
/// A decoder may go through so many pixels, once in each scan. A file of a few kilobytes can ask for
/// many more. Encoders make twenty scans at most.
const WORK_MAX: u64 = 4_000_000_000;
/// More quantisation tables than any encoder makes.
const TABLES_MAX: usize = 64;

/// The parts of a JPEG.
pub(super) struct Structure<'a> {
    /// The segments in front of the first scan, each with its marker.
    segments: Vec<(u8, &'a [u8])>,
    /// From the first scan to the end of the picture.
    pub(super) scans: &'a [u8],
    pub(super) frame: Frame,
    /// The quantisation tables.
    pub(super) tables: Tables,
    /// Why the bytes must stay where they are, if they must. XMP may say that in a better word.
    pub(super) fixed: Option<Whole>,
}

/// The frame of a picture.
pub(super) struct Frame {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) is_progressive: bool,
    /// The identifier and the sampling factors of each component.
    pub(super) components: Vec<(u8, u8)>,
}

impl Frame {
    pub(super) fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    pub(super) fn channels(&self) -> u64 {
        self.components.len() as u64
    }

    /// How the differences of colour are sampled. What has no name becomes the usual one.
    pub(super) fn subsampling(&self) -> Subsampling {
        match self.components[..] {
            [(_, 0x21), (_, 0x11), (_, 0x11)] => Subsampling::S422,
            // As above, and turned upright without loss.
            [(_, 0x12), (_, 0x11), (_, 0x11)] => Subsampling::S440,
            [(_, one), (_, other), (_, third)] if one == other && other == third => {
                Subsampling::S444
            }
            [_] => Subsampling::Gray,
            _ => Subsampling::S420,
        }
    }
}

/// The product of two sampling factors in one byte.
fn area(factors: u8) -> u64 {
    u64::from(factors >> 4) * u64::from(factors & 15)
}

impl<'a> Structure<'a> {
    /// The contents of XMP segments.
    pub(super) fn xmp(&self) -> impl Iterator<Item = &'a [u8]> {
        let app1 = self.segments.iter().filter(|it| it.0 == APP1).map(|it| content(it.1));
        app1.filter(|it| XMP.iter().any(|head| it.starts_with(head)))
    }

    /// The segments about the picture, with their markers. The copy keeps them.
    pub(super) fn about(&self) -> Vec<&'a [u8]> {
        self.segments.iter().filter(|it| is_about(it.0)).map(|it| it.1).collect()
    }

    /// The segments that the coding of the picture needs.
    pub(super) fn coding(&self) -> impl Iterator<Item = &'a [u8]> {
        self.segments.iter().filter(|it| !is_about(it.0)).map(|it| it.1)
    }

    /// The picture without the segments about it: a decoder must not stumble over them.
    pub(super) fn bare(&self) -> Vec<u8> {
        let coding: Vec<_> = self.coding().collect();
        [&[&START[..]], &coding[..], &[self.scans]].concat().concat()
    }

    /// The quality by the finest table: the one with the smallest sum.
    pub(super) fn quality(&self) -> u32 {
        let sum = |table: &&[u16; 64]| table.iter().map(|it| u64::from(*it)).sum::<u64>();
        self.tables.iter().min_by_key(sum).map_or(1, tables::quality)
    }
}

/// The content of a segment behind its marker and length.
fn content(segment: &[u8]) -> &[u8] {
    segment.get(4..).unwrap_or_default()
}

/// Reads the parts of a JPEG.
///
/// # Errors
/// If it is of a kind that is left whole.
pub(super) fn read(bytes: &[u8]) -> Result<Structure<'_>, Whole> {
    if !bytes.starts_with(&START) || bytes.get(2) != Some(&0xff) {
        return Err(Whole::Format);
    }
    let (mut segments, mut tables, mut frame) = (Vec::new(), Tables::new(), None);
    let mut fixed = None;
    let mut at = START.len();
    let scans = loop {
        let (marker, from) = marker_at(bytes, at).ok_or(Whole::Damaged)?;
        if marker == SOS {
            break from;
        }
        if marker == EOI || marker == SOI || is_bare(marker) {
            return Err(Whole::Damaged);
        }
        let segment = segment_at(bytes, from).ok_or(Whole::Damaged)?;
        at = from + segment.len();
        check_coding(marker)?;
        // A gain map comes with an index of several pictures, and says more.
        fixed = match (fixed, fixing(marker, content(segment))) {
            (_, Some(Whole::GainMap)) => Some(Whole::GainMap),
            (before, found) => before.or(found),
        };
        if is_frame(marker) {
            let found = read_frame(marker, content(segment))?;
            if frame.replace(found).is_some() {
                return Err(Whole::Coding);
            }
        }
        if marker == TABLES {
            read_tables(content(segment), &mut tables).ok_or(Whole::Damaged)?;
        }
        segments.push((marker, segment));
    };
    let frame: Frame = frame.ok_or(Whole::Damaged)?;
    check_colours(&segments, &frame)?;
    let scans_max = (WORK_MAX / frame.pixels()).max(1);
    let end = end_of_scans(bytes, scans, &mut tables, scans_max)?;
    if end < bytes.len() {
        fixed = fixed.or(Some(Whole::Trailing));
    }
    Ok(Structure { segments, scans: &bytes[scans..end], frame, tables, fixed })
}

/// The marker at an offset, and the offset of its last 0xff: fill bytes may stand in front.
pub(super) fn marker_at(bytes: &[u8], at: usize) -> Option<(u8, usize)> {
    let rest = bytes.get(at..)?;
    let fill = rest.iter().take_while(|it| **it == 0xff).count();
    let marker = *rest.get(fill)?;
    (fill > 0 && marker != 0).then_some((marker, at + fill - 1))
}

/// A segment with its marker.
pub(super) fn segment_at(bytes: &[u8], from: usize) -> Option<&[u8]> {
    let length = usize::from(u16_be(bytes, from + 2)?);
    if length < 2 { None } else { bytes.get(from..from + 2 + length) }
}

/// Why a picture with this segment must stay as it is, byte by byte.
fn fixing(marker: u8, content: &[u8]) -> Option<Whole> {
    match marker {
        APP2 if content.starts_with(MULTI_PICTURE) => Some(Whole::MultiPicture),
        APP2 if content.starts_with(ISO_GAIN_MAP) => Some(Whole::GainMap),
        // Content credentials sign the bytes of the picture; JPEG XT has layers here.
        APP11 => Some(Whole::Extended),
        _ => None,
    }
}

/// Whether a segment can stand in a picture that is coded anew.
fn check_coding(marker: u8) -> Result<(), Whole> {
    match marker {
        ARITHMETIC_TABLES | NUMBER_OF_LINES => Err(Whole::Coding),
        marker if HIERARCHICAL.contains(&marker) => Err(Whole::Coding),
        _ => Ok(()),
    }
}

fn read_frame(marker: u8, content: &[u8]) -> Result<Frame, Whole> {
    let &[depth, _, _, _, _, count, ref components @ ..] = content else {
        return Err(Whole::Damaged);
    };
    if !matches!(marker, BASELINE | EXTENDED | PROGRESSIVE) || depth != 8 {
        return Err(Whole::Coding);
    }
    if !matches!(count, 1 | 3) {
        return Err(Whole::Colours);
    }
    let components: Vec<_> = components.chunks_exact(3).map(|it| (it[0], it[1])).collect();
    let size = |at| u16_be(content, at).filter(|it| *it > 0).map(u32::from);
    let (Some(height), Some(width)) = (size(1), size(3)) else { return Err(Whole::Coding) };
    if components.len() != usize::from(count) || components.iter().any(|it| area(it.1) == 0) {
        return Err(Whole::Damaged);
    }
    let is_progressive = marker == PROGRESSIVE;
    Ok(Frame { width, height, is_progressive, components })
}

/// Whether the colours are brightness and two differences, as in nearly all photos.
fn check_colours(segments: &[(u8, &[u8])], frame: &Frame) -> Result<(), Whole> {
    let mut adobe = segments.iter().filter(|it| it.0 == APP14).map(|it| content(it.1));
    let transform = match adobe.find(|it| it.starts_with(ADOBE)) {
        Some(adobe) => Some(*adobe.get(ADOBE_TRANSFORM_AT).ok_or(Whole::Damaged)?),
        None => None,
    };
    let ids: Vec<_> = frame.components.iter().map(|it| it.0).collect();
    match (&ids[..], transform) {
        ([_], _) | ([_, _, _], Some(YCBCR)) | ([1, 2, 3] | [0, 1, 2], None) => Ok(()),
        _ => Err(Whole::Colours),
    }
}

fn read_tables(mut content: &[u8], tables: &mut Tables) -> Option<()> {
    while let [kind, rest @ ..] = content {
        let bytes = if kind >> 4 == 0 { 1 } else { 2 };
        let (table, rest) = rest.split_at_checked(64 * bytes)?;
        let mut values = [0; 64];
        for (value, bytes) in values.iter_mut().zip(table.chunks(bytes)) {
            *value = bytes.iter().fold(0, |value, byte| value << 8 | u16::from(*byte));
        }
        // Scans may each have their own. More than these are no photo's.
        if tables.len() == TABLES_MAX {
            return None;
        }
        tables.push(values);
        content = rest;
    }
    Some(())
}

/// The end of the picture, which begins with the first of its scans.
fn end_of_scans(
    bytes: &[u8],
    mut at: usize,
    tables: &mut Tables,
    scans_max: u64,
) -> Result<usize, Whole> {
    let mut scans = 0;
    loop {
        let (marker, from) = marker_at(bytes, at).ok_or(Whole::Damaged)?;
        if marker == EOI {
            return Ok(from + 2);
        }
        let segment = segment_at(bytes, from).ok_or(Whole::Damaged)?;
        at = from + segment.len();
        match marker {
            SOS => {
                scans += 1;
                at = end_of_scan(bytes, at).ok_or(Whole::Damaged)?;
            }
            TABLES => read_tables(content(segment), tables).ok_or(Whole::Damaged)?,
            // A copy would have to put it elsewhere.
            marker if is_added(marker) || is_frame(marker) => return Err(Whole::Coding),
            marker => check_coding(marker)?,
        }
        if scans > scans_max.min(SCANS_MAX) {
            return Err(Whole::Coding);
        }
    }
}

/// The offset of the first marker behind the data of a scan.
fn end_of_scan(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += bytes.get(at..)?.iter().position(|it| *it == 0xff)?;
        let (fill, next) = bytes.get(at..)?.iter().enumerate().find(|it| *it.1 != 0xff)?;
        if *next != 0 && !is_bare(*next) {
            return Some(at);
        }
        at += fill + 1;
    }
}
