//! The dimensions in a stream of H.264: its sequence parameter set has them. Pure.

/// A parameter set is read up to so many bytes.
const SET_BYTES_MAX: usize = 1024;
/// The largest side of a picture that the levels of H.264 allow.
const SIDE_MAX: u32 = 16_888;
/// The profiles without a description of colours and scaling.
const PLAIN: [u32; 3] = [66, 77, 88];
/// The profiles whose parameter sets describe colours and scaling.
const HIGH: [u32; 13] = [44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244];

/// The dimensions in the first parameter set of a stream.
pub fn dimensions(stream: &[u8]) -> Option<(u32, u32)> {
    // A start code, and a unit of type 7 behind it.
    let at = stream.windows(4).position(|it| it[..3] == [0, 0, 1] && it[3] & 0x9f == 7)?;
    let rest = stream.get(at + 4..)?;
    let set = unescaped(rest.get(..SET_BYTES_MAX).unwrap_or(rest));
    parameter_set(&mut Bits { bytes: &set, at: 0 })
}

/// Leaves out the 3 of each 0, 0, 3, which keeps start codes out of the content.
fn unescaped(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(bytes.len());
    let mut zeros = 0;
    for &byte in bytes {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        plain.push(byte);
    }
    plain
}

/// The width and the height that are shown, which the set gives in blocks of 16 × 16 pixels, less
/// the lines and columns to cut off.
fn parameter_set(bits: &mut Bits<'_>) -> Option<(u32, u32)> {
    let profile = bits.number(8)?;
    bits.number(16)?;
    bits.golomb()?;
    let colour = match profile {
        _ if PLAIN.contains(&profile) => 1,
        _ if HIGH.contains(&profile) => colour(bits)?,
        // Its parameter set may have another layout.
        _ => return None,
    };
    bits.golomb()?;
    picture_order(bits)?;
    bits.golomb()?;
    bits.number(1)?;
    let (columns, rows) = (bits.golomb()?, bits.golomb()?);
    let fields = 2 - bits.number(1)?;
    if fields == 2 {
        bits.number(1)?;
    }
    bits.number(1)?;
    let width = columns.checked_add(1)?.checked_mul(16)?;
    let height = rows.checked_add(1)?.checked_mul(16 * fields)?;
    let (mut across, mut down) = (0, 0);
    if bits.number(1)? == 1 {
        // In units of the colours' samples, which may be coarser than pixels.
        let unit_x = 1 + u32::from(matches!(colour, 1 | 2));
        let unit_y = 1 + u32::from(colour == 1);
        across = bits.golomb()?.checked_add(bits.golomb()?)?.checked_mul(unit_x)?;
        down = bits.golomb()?.checked_add(bits.golomb()?)?.checked_mul(unit_y * fields)?;
    }
    let shown = (width.checked_sub(across)?, height.checked_sub(down)?);
    let sound = |side| (1..=SIDE_MAX).contains(&side);
    (sound(shown.0) && sound(shown.1)).then_some(shown)
}

/// How the colours are sampled: 0 for none, 1 for a quarter, 2 for a half, and 3 for all pixels.
fn colour(bits: &mut Bits<'_>) -> Option<u32> {
    let colour = bits.golomb()?;
    let apart = colour == 3 && bits.number(1)? == 1;
    bits.golomb()?;
    bits.golomb()?;
    bits.number(1)?;
    if bits.number(1)? == 1 {
        for list in 0..if colour == 3 { 12 } else { 8 } {
            if bits.number(1)? == 1 {
                skip_scaling(bits, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Some(if apart { 0 } else { colour })
}

/// A list of differences. It ends early if the sum becomes a multiple of 256.
fn skip_scaling(bits: &mut Bits<'_>, length: u32) -> Option<()> {
    let mut last = 8_i64;
    for _ in 0..length {
        last = (last + bits.signed()?).rem_euclid(256);
        if last == 0 {
            break;
        }
    }
    Some(())
}

/// Skips the order of the pictures.
fn picture_order(bits: &mut Bits<'_>) -> Option<()> {
    match bits.golomb()? {
        0 => {
            bits.golomb()?;
        }
        1 => {
            bits.number(1)?;
            bits.golomb()?;
            bits.golomb()?;
            for _ in 0..bits.golomb()?.min(255) {
                bits.golomb()?;
            }
        }
        _ => {}
    }
    Some(())
}

/// Bytes to read bit by bit, the highest first.
struct Bits<'a> {
    bytes: &'a [u8],
    /// How many bits have been read.
    at: usize,
}

impl Bits<'_> {
    /// A number of so many bits, at most 32.
    fn number(&mut self, bits: u32) -> Option<u32> {
        let mut number = 0;
        for _ in 0..bits {
            let byte = self.bytes.get(self.at / 8)?;
            number = (number << 1) | u32::from((byte >> (7 - self.at % 8)) & 1);
            self.at += 1;
        }
        Some(number)
    }

    /// A number of unknown length: as many zeros stand in front as bits follow its first one.
    fn golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.number(1)? == 0 {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let rest = self.number(zeros)?;
        ((1_u32 << zeros) - 1).checked_add(rest)
    }

    /// The same for 0, 1, -1, 2, -2 and so on.
    fn signed(&mut self) -> Option<i64> {
        let number = i64::from(self.golomb()?);
        Some(if number % 2 == 1 { number / 2 + 1 } else { -(number / 2) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number as `golomb` reads it, in zeros and ones.
    fn golomb(number: u32) -> String {
        let bits = format!("{:b}", number + 1);
        "0".repeat(bits.len() - 1) + &bits
    }

    fn stream(set: &str) -> Vec<u8> {
        let whole = set.len().div_ceil(8) * 8;
        let bytes = format!("{set:0<whole$}");
        let bytes = bytes.as_bytes().chunks(8).map(|it| std::str::from_utf8(it).unwrap());
        let start = [0, 0, 0, 1, 0x09, 0xf0, 0, 0, 1, 0x67];
        start.into_iter().chain(bytes.map(|it| u8::from_str_radix(it, 2).unwrap())).collect()
    }

    /// 1920 × 1088 pixels in a profile with the colours of all pixels, three lists of scaling and an
    /// order of its own, and so many lines to cut off.
    fn parameter_set(cut_off: u32) -> String {
        // A whole list of 16, one that ends at its first number (8 and -8 is 0), and one of 64.
        let lists = format!("1{}1{}00001{}00000", "010".repeat(16), golomb(16), "1".repeat(64));
        let colours = [&golomb(3), "0", &golomb(0), &golomb(0), "0", "1", &lists].concat();
        let order = [&golomb(1), "0", &golomb(6), &golomb(3), &golomb(2), &golomb(9), &golomb(10)];
        let size = [&golomb(119), &golomb(67), "1", "1", "1"].concat();
        let cut = [0, 0, 0, cut_off].map(golomb).concat();
        let head = format!("11110100{:016}{}", 0, golomb(0));
        [&head, &colours, &golomb(0), &order.concat(), &golomb(4), "0", &size, &cut, "01"].concat()
    }

    #[test]
    fn lists_of_scaling_and_the_order_of_pictures_are_skipped() {
        assert_eq!(dimensions(&stream(&parameter_set(8))), Some((1920, 1080)));
    }

    #[test]
    fn parameter_sets_that_cannot_be_give_no_dimensions() {
        let cut_off_all = stream(&parameter_set(1088));
        let too_long = stream(&format!("{:08b}{:064}", 66, 0));
        let all_ones = [&[0, 0, 1, 0x67][..], &[0xff; 64]].concat();
        let ended = &stream(&parameter_set(8))[..30];
        for bytes in [&cut_off_all[..], &too_long, &all_ones, ended, &[]] {
            assert_eq!(dimensions(bytes), None, "{bytes:x?}");
        }
    }

    #[test]
    fn bytes_that_keep_start_codes_out_are_left_out() {
        assert_eq!(unescaped(&[0, 0, 3, 1, 3, 0, 0, 3, 0, 0, 3]), [0, 0, 1, 3, 0, 0, 0, 0]);
    }
}
