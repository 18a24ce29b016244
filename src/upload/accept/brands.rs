//! The types of the ISO base media family, by the brands at the beginning. Pure.

/// The major brand decides, or else the compatible ones, or else the next box. `None` if none of
/// them is known: guessing would allow the size of a video.
pub fn mime(head: &[u8]) -> Option<&'static str> {
    let length =
        head.get(..4).and_then(|it| it.try_into().ok()).map_or(0, u32::from_be_bytes) as usize;
    let brands = head.get(8..length.clamp(12, head.len().max(12)))?;
    let major = brands.get(..4)?;
    let compatible = || brands.get(8..).unwrap_or_default().chunks_exact(4);
    if is_refused(major) {
        return None;
    }
    match of_brand(major) {
        // A general brand: those of the pictures within say more.
        Some("image/heif") => {
            Some(compatible().filter_map(of_brand).find(is_coding).unwrap_or("image/heif"))
        }
        Some(mime) => Some(mime),
        None => {
            let known: Vec<_> = compatible().filter_map(of_brand).collect();
            let first = |is: &dyn Fn(&&'static str) -> bool| known.iter().copied().find(is);
            first(&is_coding)
                .or_else(|| first(&|it| it.starts_with("image/")))
                .or_else(|| first(&|_| true))
                .or_else(|| by_next_box(head.get(length..)?))
        }
    }
}

/// Sound, and pictures that Google does not take.
fn is_refused(major: &[u8]) -> bool {
    matches!(
        major,
        b"M4A " | b"M4B " | b"M4P " | b"F4A " | b"F4B " | b"jp2 " | b"jpx " | b"jpm " | b"jxl "
    )
}

/// Whether the type names a coding, unlike `image/heif`.
fn is_coding(mime: &&'static str) -> bool {
    matches!(*mime, "image/avif" | "image/heic")
}

fn of_brand(brand: &[u8]) -> Option<&'static str> {
    Some(match brand {
        b"avif" | b"avis" | b"avio" => "image/avif",
        b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"hevm" | b"hevs" => {
            "image/heic"
        }
        b"mif1" | b"mif2" | b"msf1" | b"miaf" => "image/heif",
        b"crx " => "image/x-canon-cr3",
        b"qt  " | b"mqt " => "video/quicktime",
        b"M4V " | b"M4VH" | b"M4VP" => "video/x-m4v",
        [b'3', b'g', b'2', _] => "video/3gpp2",
        [b'3', b'g', _, _] => "video/3gpp",
        b"isom" | b"avc1" | b"hvc1" | b"dash" | b"MSNV" | b"NDAS" | b"XAVC" | b"mmp4" | b"f4v "
        | b"F4V " | b"F4P " | b"vfj1" | b"dvr1" | b"pana" | b"caep" | b"niko" => "video/mp4",
        [b'i', b's', b'o', _] | [b'm', b'p', b'4' | b'7', _] => "video/mp4",
        _ => return None,
    })
}

/// Pictures have their `meta` box in front, movies a `moov` or their data.
fn by_next_box(rest: &[u8]) -> Option<&'static str> {
    match rest.get(4..8)? {
        b"meta" => Some("image/heif"),
        b"moov" | b"mdat" | b"moof" | b"wide" => Some("video/mp4"),
        _ => None,
    }
}
