//! Files that Google takes and that it does not, and damaged ones.

use std::cell::Cell;
use std::io::{self, SeekFrom};
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;
use crate::formats::damage::{contents, damaged};

/// To find the type of a file takes so many reads and bytes at most.
const READS_MAX: u32 = 20_000;
const READ_BYTES_MAX: usize = 8 << 20;

fn name(text: &str) -> EntryName {
    EntryName::new(text).unwrap()
}

/// A file of these bytes and no others.
fn sniffed(bytes: &[u8], name: &EntryName) -> Result<Accepted, String> {
    sniff(bytes, &mut Source::new(Cursor::new(bytes)), name)
}

#[test]
fn content_tells_the_type_whatever_the_name() {
    let mut transport = vec![0; 1024];
    for at in 0..5 {
        transport[at * 188] = 0x47;
    }
    let mut camcorder = vec![0; 1024];
    for at in 0..5 {
        camcorder[4 + at * 192] = 0x47;
    }
    for (head, mime) in [
        (&b"\xff\xd8\xff\xe0\0\x10JFIF\0"[..], "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "image/png"),
        (b"GIF89a\x01\0\x01\0", "image/gif"),
        (b"BM\x36\0\0\0\0\0\0\0\x36\0\0\0", "image/bmp"),
        (b"II*\0\x08\0\0\0\0\0\0\0", "image/tiff"),
        (b"II*\0\x40\0\0\0C\x07\x07\x07", "image/tiff"),
        (b"MM\0*\0\0\x01\0\x07R\x07\x07", "image/tiff"),
        (b"II*\0\x10\0\0\0CR\x02\0", "image/x-canon-cr2"),
        (b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0", "image/tiff"),
        (b"MM\0+\0\x08\0\0\0\0\0\0\0\0\0\x10", "image/tiff"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp"),
        (b"\0\0\x01\0\x01\0\x10\x10", "image/vnd.microsoft.icon"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "image/heic"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", "image/avif"),
        (b"\0\0\0\x1cftypavif\0\0\0\0mif1avifmiaf", "image/avif"),
        (b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom", "image/x-canon-cr3"),
        (b"\0\0\0\x18ftypisom\0\0\0\x01isommp42", "video/mp4"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "video/quicktime"),
        (b"\0\0\0\x08wide\0\0\x01\0mdat", "video/quicktime"),
        (b"\0\0\0\x08free\0\0\x01\0mdat", "video/quicktime"),
        (b"\0\0\x10\0skip", "video/quicktime"),
        (b"\0\0\0\x08junk\0\0\x01\0mdat", "video/quicktime"),
        (b"\0\0\0\x18uuid", "video/quicktime"),
        (b"\0\0\0\x20udta", "video/quicktime"),
        (b"\0\0\x08\0PICT", "video/quicktime"),
        (b"\0\0\0\x14pnot", "video/quicktime"),
        (b"BM\x36\0\0\0\x07\0\x09\0\x36\0\0\0\x28\0\0\0", "image/bmp"),
        (b"\0\0\0\x18ftypMiHE\0\0\0\0mif1heic", "image/heic"),
        (b"\0\0\0\x18ftyp1234\0\0\0\0xxxxavif", "image/avif"),
        (b"\0\0\0\x18ftyp1234\0\0\0\0xxxxmif1", "image/heif"),
        (b"\0\0\0\x10ftyp1234\0\0\0\0\0\0\x01\0meta", "image/heif"),
        (b"\0\0\0\x14ftyp1234\0\0\0\0mp42", "video/mp4"),
        (b"\0\0\0\x14ftyp1234\0\0\0\0qt  ", "video/quicktime"),
        (b"\0\0\0\x10ftyp1234\0\0\0\0\0\0\x01\0moov", "video/mp4"),
        (b"\0\0\0\x14ftyp3gp5\0\0\0\x013gp5", "video/3gpp"),
        (b"\0\0\0\x14ftyp3g2a\0\0\0\x013g2a", "video/3gpp2"),
        (b"RIFF\x10\0\0\0AVI LIST", "video/x-msvideo"),
        (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\0\xaa", "video/x-ms-wmv"),
        (b"\0\0\x01\xba\x44\0", "video/mpeg"),
        (&transport, "video/mp2t"),
        (&camcorder, "video/mp2t"),
    ] {
        assert_eq!(sniffed(head, &name("x")).unwrap().mime, mime);
    }
}

#[test]
fn name_decides_where_content_does_not() {
    assert_eq!(
        sniffed(b"II*\0\x08\0\0\0\0\0\0\0", &name("a.NEF")).unwrap().mime,
        "image/x-nikon-nef"
    );
    assert_eq!(sniffed(&[7; 64], &name("a.mmv")).unwrap().kind, MediaKind::Video);
    assert!(sniffed(&[7; 64], &name("a.jpg")).is_err());
}

#[test]
fn what_google_does_not_take_is_rejected_with_a_reason() {
    for (head, file) in [
        (&b"hello, world\n"[..], "notes.txt"),
        (b"just text", "fake.mts"),
        (b"BM is a text that begins like a bitmap", "a.bmp"),
        (b"%PDF-1.7\n%\xe2\xe3", "a.pdf"),
        (b"\0\0\0\x18ftypM4A \0\0\0\0M4A isom", "song.m4a"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", "song.m4a"),
        (b"\0\0\0\x14ftyp1234\0\0\0\x005678", "odd.bin"),
        (b"Be a free man", "words.mov"),
        (b"BM", "note.txt"),
        (b"GIF89a is an old format\n", "note.txt"),
        (b"GIF89a f\xfcr Anf\xe4nger\n", "latin1.gif"),
        ("GIF89a f\u{fc}r Anf\u{e4}nger\n".as_bytes(), "utf8.gif"),
        (b"The ftypisom mif1 heic moov", "note.mp4"),
        (b"IIRO is the beginning of some files", "note.orf"),
        (b"FOVb is that of others", "note.x3f"),
        (b"RIFF1234WEBP", "note.webp"),
        (b"RIFF1234AVI LIST", "note.avi"),
        (b"GIF89a\x01\0\x01\0\0\0\0is no block", "damaged.gif"),
        (b"BM\x36\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\0\0\0\0\0\0\0\0", "empty.bmp"),
        (b"BM\x05\x05\x05\x05\0\0\0\0\x05\x05\x05\x05\x05\x05\x05\x05\x05\x05", "odd.bmp"),
        (b"\x01\0\x10\0free\0\0", "beyond.mov"),
        (b"PK\x03\x04\x14\0", "a.zip"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0\0\0", "table.xls"),
    ] {
        let why = sniffed(head, &name(file)).unwrap_err();
        // It must not name a type that Google takes.
        assert!(!why.is_empty() && !why.contains("image/"), "{file}: {why}");
    }
}

/// Google names its fault, and the user gets the file back with that.
#[test]
fn a_broken_jpeg_is_no_text() {
    let head = b"\xff\xd8\xff\xe0 but nothing behind it";
    assert_eq!(sniffed(head, &name("a.jpg")).unwrap().mime, "image/jpeg");
}

#[test]
fn any_bytes_are_survived() {
    for length in 0..40 {
        for byte in [0, 0x47, 0xff, b'f'] {
            let _ = sniffed(&vec![byte; length], &name("a.jpg"));
        }
        let mut head = b"\xff\xff\xff\xffftypmif1".to_vec();
        head.resize(length.max(8), 0);
        let _ = sniffed(&head, &name("a.jpg"));
    }
}

#[test]
fn a_beginning_is_refused_only_if_nothing_behind_could_save_it() {
    let odd = b"\0\0\0\x10ftyp1234\0\0\0\0\0\0\xff\xfffree";
    assert!(sniffed(odd, &name("a.mp4")).is_err());
    for (head, refused) in [
        (&odd[..], false),
        (b"\x01\0\x10\0free\0\0", false),
        (b"\0\0\x01\xba\0\0\x01\xc0", false),
        (b"\xff\xd8\xff\xe0\0\x10", false),
        (b"\0\0\0\x10ftypM4A \0\0\0\0", true),
        (b"text", true),
        (b"word ftyp word", true),
        (b"%PDF-1.7\n%\xe2\xe3\0", true),
    ] {
        assert_eq!(is_refused(head, &name("a.jpg")), refused, "{head:?}");
    }
}

/// Photos and videos of real programs.
#[test]
fn every_fixture_is_taken() {
    let videos =
        ["mp4", "mov", "m4v", "3gp", "3g2", "avi", "wmv", "asf", "mkv", "mpg", "mts", "m2t"];
    for (file, content) in contents() {
        let extension = file.rsplit_once('.').unwrap().1;
        let kind = if videos.contains(&extension) { MediaKind::Video } else { MediaKind::Photo };
        // The name must not be needed, except to tell one RAW format from another.
        assert_eq!(sniffed(&content, &name("x")).unwrap().kind, kind, "{file}");
        assert_eq!(sniffed(&content, &name(&file)).unwrap().kind, kind, "{file}");
    }
}

/// Counts what is read of a file.
struct Counted<'a> {
    inner: Cursor<&'a [u8]>,
    reads: &'a Cell<u32>,
    bytes: &'a Cell<usize>,
}

impl Read for Counted<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        self.reads.set(self.reads.get() + 1);
        self.bytes.set(self.bytes.get() + read);
        Ok(read)
    }
}

impl Seek for Counted<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

fn sniff_counted(content: &[u8], file: &str) {
    let (reads, bytes) = (Cell::new(0), Cell::new(0));
    let inner = Counted { inner: Cursor::new(content), reads: &reads, bytes: &bytes };
    let head = &content[..content.len().min(HEAD_BYTES)];
    let _ = sniff(head, &mut Source::new(inner), &name(file));
    let _ = (is_refused(head, &name(file)), bytes_max(head));
    assert!(
        reads.get() <= READS_MAX && bytes.get() <= READ_BYTES_MAX,
        "{file}: {reads:?} {bytes:?}"
    );
}

/// Looks at damaged fixtures for a while. Nothing may panic, hang or read without a bound.
fn sniff_damaged(span: Duration, seed: u64) {
    let contents = contents();
    let mut random = StdRng::seed_from_u64(seed);
    let end = Instant::now() + span;
    let mut looks = 0;
    while Instant::now() < end {
        for (file, content) in &contents {
            sniff_counted(&damaged(content, &mut random), file);
            looks += 1;
        }
    }
    println!("{looks} damaged files");
}

#[test]
fn damaged_files_are_survived() {
    sniff_damaged(Duration::from_secs(2), 1);
}

#[test]
#[ignore = "takes five minutes"]
fn damaged_files_are_survived_for_long() {
    let seed = rand::random();
    println!("seed {seed}");
    sniff_damaged(Duration::from_secs(300), seed);
}

/// Boxes without an end, each as small as can be.
#[test]
fn many_small_boxes_cost_a_bounded_number_of_reads() {
    let small = b"\0\0\0\x08trak".repeat(200_000);
    let size = u32::try_from(small.len() + 8).unwrap().to_be_bytes();
    let moov = [&b"\0\0\0\x10ftyp1234\0\0\0\0"[..], &size, b"moov", &small].concat();
    sniff_counted(&moov, "a.mp4");
    let free = b"\0\0\0\x08free".repeat(200_000);
    sniff_counted(&[&b"\0\0\0\x10ftyp1234\0\0\0\0"[..], &free].concat(), "a.mp4");
    let tracks = [&b"\x16\x54\xae\x6b\x10\x10\0\0"[..], &b"\xec\x80".repeat(600_000)].concat();
    let header =
        b"\x1a\x45\xdf\xa3\x8b\x42\x82\x88matroska\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff";
    sniff_counted(&[&header[..], &tracks].concat(), "a.mkv");
}
