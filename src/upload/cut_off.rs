//! Whether a photo or video breaks off, as far as its structure shows. Cameras write such files too,
//! so this alone condemns none.

use std::io::{Read, Seek};

use super::jpeg;
use crate::formats::ends;
use crate::formats::source::Source;

/// The first bytes tell the kind.
const HEAD_BYTES: u64 = 64;

/// Whether the bytes are none, or break off. A file that its own end shows to be whole is not read;
/// others are read up to the end of their picture. `mime` is the type by content and name.
pub(super) fn is_cut_off(bytes: impl Read + Seek, mime: Option<&str>) -> bool {
    let mut source = Source::new(bytes);
    if source.len() == 0 {
        return true;
    }
    let Some(head) = source.start(HEAD_BYTES) else { return false };
    if !ends::is_jpeg(&head) {
        return ends::break_off(&head, &mut source, mime == Some("image/tiff"));
    }
    // A picture that is too large to be read here may be whole.
    !ends::is_ended_jpeg(&mut source) && jpeg::is_broken(source.rewound()).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::formats::damage::contents;

    fn cut_off(bytes: &[u8]) -> bool {
        is_cut_off(Cursor::new(bytes), None)
    }

    #[test]
    fn whole_files_of_all_kinds_do_not_break_off() {
        for (name, bytes) in contents() {
            assert!(!cut_off(&bytes), "{name}");
        }
    }

    #[test]
    fn halves_break_off() {
        let mut kinds = 0;
        for (name, bytes) in contents() {
            let kind = name.rsplit_once('.').map_or("", |(_, kind)| kind);
            // Zeros behind the picture fill a file up.
            let filled = bytes.iter().rev().take_while(|it| **it == 0).count();
            let bytes = &bytes[..bytes.len() - filled];
            if ["jpg", "png", "mp4", "mov", "heic", "avif"].contains(&kind) {
                kinds += 1;
                for length in [bytes.len() / 2, bytes.len() * 9 / 10, bytes.len() - 1] {
                    assert!(cut_off(&bytes[..length]), "{name}: {length} of {}", bytes.len());
                }
            }
        }
        assert!(kinds >= 4, "{kinds}");
        assert!(cut_off(b""), "nothing");
    }

    /// A motion photo: the picture, and a video behind it.
    #[test]
    fn data_may_follow_a_picture() {
        let files = contents();
        let (photo, video) = (&files["camera-1.jpg"], &files["clip.mp4"]);
        assert!(!cut_off(&[&photo[..], video].concat()));
        assert!(!cut_off(&[&photo[..], &video[..video.len() / 2]].concat()));
        assert!(!cut_off(&[&photo[..], &[0; 4096]].concat()));
        assert!(cut_off(&[&photo[..photo.len() / 2], &[0; 4096]].concat()));
    }
}
