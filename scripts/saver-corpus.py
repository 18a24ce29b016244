"""Makes the JPEG files of scripts/saver-corpus.sh that no tool makes: with headers of cameras, further pictures, films, maps and
damage."""

import struct
import sys
from pathlib import Path


def segment(marker, content):
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def xmp(attributes):
    """A packet with namespaces and attributes."""
    text = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" {attributes}/></rdf:RDF></x:xmpmeta>'
    )
    return segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + text.encode())


def segments(photo):
    """The segments in front of the first scan, or of the end: marker, start and end."""
    at = 2
    while at + 4 <= len(photo) and photo[at + 1] != 0xDA:
        end = at + 2 + struct.unpack(">H", photo[at + 2 : at + 4])[0]
        yield photo[at + 1], at, end
        at = end


def without_xmp(photo):
    found = [photo[:2]]
    end = 2
    for marker, start, end in segments(photo):
        if not (marker == 0xE1 and photo[start + 4 :].startswith(b"http://ns.adobe.com/")):
            found.append(photo[start:end])
    return b"".join(found) + photo[end:]


def added(photo, *more):
    """The photo with segments behind those of EXIF and XMP, where cameras put them."""
    place = 2
    for marker, _, end in segments(photo):
        if marker in (0xE0, 0xE1):
            place = end
    return photo[:place] + b"".join(more) + photo[place:]


def header(of, photo):
    """The photo with the EXIF of a camera."""
    camera = of.read_bytes()
    found = [camera[start:end] for marker, start, end in segments(camera) if marker == 0xE1]
    exif = next(it for it in found if it[4:10] == b"Exif\0\0")
    picture = photo.read_bytes()
    return picture[:2] + exif + picture[2:]


def multi_picture(photo, others):
    """The photo with others behind it, and the index of CIPA DC-007 with their offsets."""

    def index(sizes, offsets):
        entries = b"".join(
            struct.pack("<IIIHH", 0x30000 if at == 0 else 0, size, offset, 0, 0)
            for at, (size, offset) in enumerate(zip(sizes, offsets))
        )
        fields = [
            struct.pack("<HHI4s", 0xB000, 7, 4, b"0100"),
            struct.pack("<HHII", 0xB001, 4, 1, len(sizes)),
            struct.pack("<HHII", 0xB002, 7, len(entries), 8 + 2 + 3 * 12 + 4),
        ]
        return b"MPF\0" + b"II*\0\x08\0\0\0" + struct.pack("<H", 3) + b"".join(fields) + b"\0\0\0\0" + entries

    count = len(others) + 1
    length = len(segment(0xE2, index([0] * count, [0] * count)))
    whole = added(photo, segment(0xE2, index([0] * count, [0] * count)))
    # Offsets count from the mark of the byte order.
    base = whole.index(b"MPF\0") + 4
    sizes, offsets, at = [len(whole)], [0], len(whole)
    for other in others:
        sizes.append(len(other))
        offsets.append(at - base)
        at += len(other)
    final = segment(0xE2, index(sizes, offsets))
    assert len(final) == length
    return added(photo, final) + b"".join(others)


CONTAINER = 'xmlns:Container="http://ns.google.com/photos/1.0/container/"'
CAMERA = 'xmlns:GCamera="http://ns.google.com/photos/1.0/camera/"'
HDR = 'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"'
PANORAMA = (
    'xmlns:GPano="http://ns.google.com/photos/1.0/panorama/" GPano:ProjectionType="equirectangular" '
    'GPano:FullPanoWidthPixels="1200" GPano:FullPanoHeightPixels="900"'
)
DEPTH = 'xmlns:GDepth="http://ns.google.com/photos/1.0/depthmap/" GDepth:Format="RangeInverse" GDepth:Data="AAAA"'
SOUND = 'xmlns:GAudio="http://ns.google.com/photos/1.0/audio/" GAudio:Mime="audio/mp4a-latm" GAudio:Data="AAAA"'
BESIDE = 'xmlns:GImage="http://ns.google.com/photos/1.0/image/" GImage:Mime="image/jpeg" GImage:Data="AAAA"'


def whole(photo, thumbnail, clip):
    """Each file that is left whole, by its name."""
    bare = without_xmp(photo)
    data = next(end for marker, _, end in segments(photo) if marker == 0xC4)
    scan = photo.index(b"\xff\xda", data) + 14
    middle = (scan + len(photo)) // 2
    frame = next(start for marker, start, _ in segments(photo) if marker == 0xC0)
    trailer = b"\0\0\1\x0a\x0e\0\0\0Image_UTC_Data1556442005000"
    trailer += b"SEFH" + struct.pack("<III", 106, 1, 0) + struct.pack("<HHII", 0, 0x0A01, len(trailer), len(trailer))
    trailer += struct.pack("<I", 28) + b"SEFT"
    gain = added(thumbnail, xmp(f'{HDR} hdrgm:GainMapMax="1.5"'))
    jumb = struct.pack(">I4sI4s", 44, b"jumb", 36, b"jumd") + bytes.fromhex("63327061001100108000 00AA00389B71".replace(" ", ""))
    twelve = bytearray(photo)
    twelve[frame + 1], twelve[frame + 4] = 0xC1, 12
    yield "trailing-bytes/photo-samsung.jpg", photo + trailer
    yield "trailing-bytes/photo-clip.jpg", photo + clip
    yield "trailing-bytes/photo-zeros.jpg", photo + bytes(4096)
    yield "motion-photo/photo-motion.jpg", (
        added(bare, xmp(f'{CAMERA} {CONTAINER} GCamera:MotionPhoto="1" GCamera:MotionPhotoVersion="1"')) + clip
    )
    yield "motion-photo/photo-micro.jpg", (
        added(bare, xmp(f'{CAMERA} GCamera:MicroVideo="1" GCamera:MicroVideoOffset="{len(clip)}"')) + clip
    )
    yield "multi-picture/photo-mpf.jpg", multi_picture(photo, [thumbnail, gain])
    yield "multi-picture/photo-container.jpg", added(bare, xmp(CONTAINER)) + thumbnail
    yield "gain-map/photo-ultra-hdr.jpg", multi_picture(added(bare, xmp(f"{HDR} {CONTAINER}")), [gain])
    iso = segment(0xE2, b"urn:iso:std:iso:ts:21496:-1\0\0\0\0\0")
    yield "gain-map/photo-iso.jpg", multi_picture(added(photo, iso), [thumbnail])
    yield "panorama/photo-sphere.jpg", added(bare, xmp(PANORAMA))
    yield "depth/photo-depth.jpg", added(bare, xmp(DEPTH))
    yield "depth/photo-sound.jpg", added(bare, xmp(SOUND))
    yield "depth/photo-beside.jpg", added(bare, xmp(BESIDE))
    yield "extended/photo-credentials.jpg", added(photo, segment(0xEB, b"JP\0\x01\0\0\0\x01" + jumb))
    yield "coding/photo-12-bits.jpg", bytes(twelve)
    yield "damaged/photo-half.jpg", photo[:middle]
    yield "damaged/photo-without-end.jpg", photo[:-2]
    yield "damaged/photo-hole.jpg", photo[:middle] + bytes(5000) + photo[middle + 5000 :]
    yield "damaged/photo-missing.jpg", photo[:middle] + photo[middle + 3000 :]
    # Profiles that are split, and segments of makers: nothing of that must be lost.
    profile = bytes(range(256)) * 300
    parts = [profile[at : at + 40000] for at in range(0, len(profile), 40000)]
    split = [segment(0xE2, b"ICC_PROFILE\0" + bytes([at, len(parts)]) + it) for at, it in enumerate(parts, 1)]
    yield "smaller/meta-split-profile.jpg", added(bare, *split)
    makers = [segment(0xE0 + at, b"of a maker, number %d" % at) for at in (3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 15)]
    comments = [segment(0xFE, text) for text in (b"one", b"two", b"\xff\0 three")]
    yield "smaller/meta-segments.jpg", added(bare, *makers, *comments)


if __name__ == "__main__":
    if sys.argv[1] == "header":
        Path(sys.argv[4]).write_bytes(header(Path(sys.argv[2]), Path(sys.argv[3])))
    else:
        read = [Path(it).read_bytes() for it in sys.argv[2:5]]
        for name, content in whole(*read):
            (Path(sys.argv[5]) / name).write_bytes(content)
