"""Makes the containers that no tool makes, from parts that scripts/fixtures.sh has made; and facts.json from exiftool's
answer (--facts). The odd ones for the tests of acceptance are made from the others (--odd)."""

import calendar
import json
import struct
import sys
import time
from pathlib import Path


def box(kind, *content):
    body = b"".join(content)
    return struct.pack(">I", len(body) + 8) + kind + body


def boxes(data):
    at = 0
    while at + 8 <= len(data):
        size = struct.unpack(">I", data[at : at + 4])[0] or len(data) - at
        yield data[at + 4 : at + 8], data[at : at + size]
        at += size


def parts(data):
    return dict(boxes(data))


def moved_offsets(meta, by):
    """`iloc` of version 0 or 1 with offsets of four bytes, as libheif writes it, moved by so many bytes."""
    at = meta.index(b"iloc") + 4
    version, sizes = meta[at], struct.unpack(">H", meta[at + 4 : at + 6])[0]
    offset, length, base = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index = sizes & 15 if version else 0
    out = bytearray(meta)
    count = struct.unpack(">H", meta[at + 6 : at + 8])[0]
    at += 8
    for _ in range(count):
        at += 4 if not version else 6
        if version and struct.unpack(">H", meta[at - 4 : at - 2])[0] & 15:
            raise SystemExit("unexpected construction method")
        if base:
            start = int.from_bytes(meta[at : at + base], "big")
            out[at : at + base] = (start + by).to_bytes(base, "big")
        at += base
        extents = struct.unpack(">H", meta[at : at + 2])[0]
        at += 2
        for _ in range(extents):
            at += index
            if offset and not base:
                start = int.from_bytes(meta[at : at + offset], "big")
                out[at : at + offset] = (start + by).to_bytes(offset, "big")
            at += offset + length
    return bytes(out)


def heif(to):
    whole = parts((to / "exif.heic").read_bytes())
    ftyp, meta, mdat = whole[b"ftyp"], whole[b"meta"], whole[b"mdat"]
    (to / "meta-last.heic").write_bytes(ftyp + mdat + moved_offsets(meta, -len(meta)))
    unknown = ftyp[:8] + b"MiHE" + ftyp[12:]
    (to / "unknown-brand.heic").write_bytes(unknown + meta + mdat)


def begun_by(first, movie):
    """A movie with other boxes in the place of `ftyp`. The places of its samples move with them."""
    found = list(boxes(movie))
    movie = b"".join(it for kind, it in found if kind != b"ftyp")
    by = len(first) + len(movie) - sum(len(it) for _, it in found)
    at = movie.index(b"stco") + 8
    count = struct.unpack(">I", movie[at : at + 4])[0]
    out = bytearray(movie)
    for n in range(count):
        place = at + 4 + 4 * n
        out[place : place + 4] = struct.pack(">I", struct.unpack(">I", movie[place : place + 4])[0] + by)
    return first + bytes(out)


def quicktime(to):
    movie = (to / "wide.mov").read_bytes()
    for kind in (b"free", b"skip", b"junk", b"pnot", b"udta", b"uuid", b"PICT"):
        first = box(kind, b"\0" * 16)
        (to / f"first-{kind.decode().lower()}.mov").write_bytes(begun_by(first, movie))


def odd(media, to):
    """Files of a brand that nobody knows, with boxes of no meaning in front of those with one."""
    ftyp = box(b"ftyp", b"zzzz\0\0\0\1yyyy")
    front = [box(kind, b"\x5a" * 64) for kind in (b"free", b"skip", b"uuid")] + [box(b"wide")]
    movie = (media / "clip.mp4").read_bytes()
    (to / "unknown-brand.mp4").write_bytes(begun_by(ftyp + b"".join(front), movie))
    # The list of tracks stands behind the first 4096 bytes.
    far = box(b"skip", b"\x5a" * 6000)
    (to / "unknown-brand-far.mov").write_bytes(begun_by(ftyp + far, (media / "wide.mov").read_bytes()))
    whole = parts((media / "exif.heic").read_bytes())
    by = len(ftyp) - len(whole[b"ftyp"]) + len(front[0])
    picture = ftyp + front[0] + moved_offsets(whole[b"meta"], by) + whole[b"mdat"]
    (to / "unknown-brand.heic").write_bytes(picture)


def bitmaps(to):
    data = bytearray((to / "reserved.bmp").read_bytes())
    data[6:10] = b"\x07\0\x09\0"
    (to / "reserved.bmp").write_bytes(data)
    data = bytearray((to / "old.bmp").read_bytes())
    # The rows from top to bottom.
    height = struct.unpack("<i", data[22:26])[0]
    data[22:26] = struct.pack("<i", -height)
    (to / "old.bmp").write_bytes(data)


def dated(to):
    avi = bytearray((to / "dated.avi").read_bytes())
    stamp = b"Sun Apr 28 09:00:05 2019\n\0"
    chunk = b"IDIT" + struct.pack("<I", len(stamp)) + stamp
    at = avi.index(b"hdrl") - 8
    size = struct.unpack("<I", avi[at + 4 : at + 8])[0]
    end = at + 8 + size
    avi[at + 4 : at + 8] = struct.pack("<I", size + len(chunk))
    avi[end:end] = chunk
    avi[4:8] = struct.pack("<I", len(avi) - 8)
    (to / "dated.avi").write_bytes(avi)


def raw(to):
    block = (to / "block.tif").read_bytes()
    jpeg = (to / "within.jpg").read_bytes()
    assert block[:4] == b"II*\0"
    (to / "maker.rw2").write_bytes(b"IIU\0" + block[4:])
    (to / "maker.orf").write_bytes(b"IIRO" + block[4:])
    (to / "maker.cr2").write_bytes(canon_raw2(block))
    head = b"FUJIFILMCCD-RAW 0201FF383901" + b"Testmaker T1".ljust(32, b"\0") + b"0100" + b"\0" * 20
    head += struct.pack(">IIIIII", 160, len(jpeg), 0, 0, 0, 0)
    (to / "maker.raf").write_bytes(head.ljust(160, b"\0") + jpeg)
    size = struct.pack(">4sI", b"\0PRD", 24) + b"27730001" + struct.pack(">HHHHBBBBIHH", 64, 96, 64, 96, 12, 12, 89, 1, 0, 0, 0)[:16]
    blocks = size + struct.pack(">4sI", b"\0TTW", len(block)) + block
    (to / "maker.mrw").write_bytes(struct.pack(">4sI", b"\0MRM", len(blocks)) + blocks)
    (to / "maker.crw").write_bytes(canon_crw())
    (to / "maker.x3f").write_bytes(sigma())
    (to / "maker.cr3").write_bytes(canon_raw3())


def canon_raw2(block):
    """The TIFF with Canon's mark behind its header: all offsets move by eight bytes."""
    return b"II*\0\x10\0\0\0CR\x02\0\0\0\0\0" + tiff(16, EXIF_TIFF)


EXIF_TIFF = [
    (0x010F, b"Testmaker"),
    (0x0110, b"Testmaker CR"),
    (0x0132, b"2019:04:28 09:00:05"),
]
EXIF_IFD = [(0x9003, b"2019:04:28 09:00:05"), (0x9004, b"2019:04:28 09:00:05"), (0x9011, b"+02:00")]


def tiff(at, texts, sub=EXIF_IFD):
    """Directories of texts at an offset: the first one, and that of EXIF."""

    def directory(at, texts, more):
        count = len(texts) + len(more)
        values = at + 2 + 12 * count + 4
        entries, tail = [], b""
        for tag, text in texts:
            text += b"\0"
            entries.append((tag, struct.pack("<HHII", tag, 2, len(text), values + len(tail))))
            tail += text + b"\0" * (len(text) % 2)
        entries += [(tag, struct.pack("<HHII", tag, 4, 1, value)) for tag, value in more]
        return struct.pack("<H", count) + b"".join(it for _, it in sorted(entries)) + b"\0\0\0\0" + tail

    if not sub:
        return directory(at, texts, [])
    length = len(directory(at, texts, [(0x8769, 0)]))
    return directory(at, texts, [(0x8769, at + length)]) + directory(at + length, sub, [])


def canon_raw3():
    first = b"II*\0\x08\0\0\0" + tiff(8, EXIF_TIFF, None)
    second = b"II*\0\x08\0\0\0" + tiff(8, EXIF_IFD, None)
    uuid = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
    canon = box(b"uuid", uuid, box(b"CNCV", b"CanonCR3_001/00.09.00/00.00.00"), box(b"CMT1", first), box(b"CMT2", second))
    mvhd = box(b"mvhd", b"\0" * 100)
    hdlr = box(b"hdlr", b"\0" * 8 + b"vide" + b"\0" * 13)
    entry = box(b"CRAW", b"\0" * 24 + struct.pack(">HH", 96, 64) + b"\0" * 50)
    stsd = box(b"stsd", struct.pack(">II", 0, 1), entry)
    tkhd = box(b"tkhd", b"\0" * 76 + struct.pack(">II", 96 << 16, 64 << 16))
    trak = box(b"trak", tkhd, box(b"mdia", hdlr, box(b"minf", box(b"stbl", stsd))))
    ftyp = box(b"ftyp", b"crx \0\0\0\x01crx isom")
    return ftyp + box(b"moov", canon, mvhd, trak) + box(b"mdat", b"\x55" * 500)


def canon_crw():
    """A heap with the time of the shot (seconds since 1970) in a directory within."""
    values = struct.pack("<III", 1_556_442_005, 0, 0)
    inner = values + struct.pack("<HHII", 1, 0x180E, len(values), 0) + struct.pack("<I", len(values))
    heap = inner + struct.pack("<HHII", 1, 0x300A, len(inner), 0) + struct.pack("<I", len(inner))
    return b"II\x1a\0\0\0HEAPCCDR".ljust(26, b"\0") + heap


def sigma():
    """A header, a section of properties, and at the end the directory of sections, with its offset behind it."""
    head = struct.pack("<4sI16sIIII", b"FOVb", 0x20002, b"\0" * 16, 0, 96, 64, 0).ljust(400, b"\0")
    pairs = [("CAMMANUF", "Testmaker"), ("CAMMODEL", "Testmaker T1"), ("TIME", "1556442005")]
    table, texts = b"", b""
    for pair in pairs:
        for text in pair:
            table += struct.pack("<I", len(texts) // 2)
            texts += text.encode("utf-16-le") + b"\0\0"
    prop = struct.pack("<4sIIIII", b"SECp", 0x20000, len(pairs), 0, 0, len(texts) // 2) + table + texts
    directory = struct.pack("<4sII", b"SECd", 0x20000, 1) + struct.pack("<II4s", len(head), len(prop), b"PROP")
    return head + prop + directory + struct.pack("<I", len(head) + len(prop))


def seconds(text):
    """A time of exiftool as if it were in UTC. None if it is none."""
    try:
        return calendar.timegm(time.strptime(text[:19], "%Y:%m:%d %H:%M:%S"))
    except (TypeError, ValueError):
        return None


def offset(text):
    if not text or text[0] not in "+-":
        return 0
    sign = -1 if text[0] == "-" else 1
    return sign * (int(text[1:3]) * 3600 + int(text[4:6]) * 60)


def facts(path):
    table = {}
    for it in json.loads(Path(path).read_text()):
        is_video = str(it.get("MIMEType", "")).startswith("video/")
        if is_video:
            text = it.get("CreationDate") or it.get("DateTimeOriginal") or it.get("CreateDate")
            zone = text[19:] if text and it.get("CreationDate") else None
        else:
            text = it.get("DateTimeOriginal") or it.get("CreateDate") or it.get("ModifyDate") or it.get("GPSDateTime")
            zone = it.get("OffsetTimeOriginal")
        taken = seconds(text)
        if is_video and taken is not None and taken <= 0:
            taken = None
        table[Path(it["SourceFile"]).name] = {
            "width": it.get("ImageWidth", 0),
            "height": it.get("ImageHeight", 0),
            "make": str(it.get("Make", "")),
            "model": str(it.get("Model", "")),
            # As it stands in the file, and with the zone.
            "local": taken,
            "utc": None if taken is None else taken - offset(zone),
        }
    print(json.dumps(table, indent=1, sort_keys=True))


if __name__ == "__main__":
    if sys.argv[1] == "--facts":
        facts(sys.argv[2])
    elif sys.argv[1] == "--odd":
        odd(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        directory = Path(sys.argv[1])
        heif(directory)
        quicktime(directory)
        bitmaps(directory)
        dated(directory)
        raw(directory)
