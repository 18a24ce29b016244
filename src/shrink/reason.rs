//! Why a file is left whole.

/// Why a file is left whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Whole {
    /// Another format: a video, a RAW file, HEIC, PNG and others.
    Format,
    /// It has few bytes, or few pixels.
    Small,
    /// It is compressed as much as the copy would be.
    Lean,
    /// The copy would not be clearly smaller.
    NotSmaller,
    /// Bytes follow the end of the picture.
    Trailing,
    /// Several pictures are in one file, and their offsets would break.
    MultiPicture,
    /// A video belongs to the photo.
    Motion,
    /// A gain map for bright displays belongs to the photo.
    GainMap,
    /// A panorama or a sphere, whose viewer needs the size of the picture.
    Panorama,
    /// A depth map, sound or a second picture is in its XMP.
    Depth,
    /// It carries a signature of its bytes, or other extensions of JPEG.
    Extended,
    /// Its colours are CMYK, or coded in an unusual way.
    Colours,
    /// It is coded in an unusual way: 12 bits, arithmetic, lossless, or in layers.
    Coding,
    /// It is damaged.
    Damaged,
    /// It would need more memory than one photo may have.
    Huge,
    /// The copy did not pass its check.
    Unsure,
    /// A person could see the loss in every copy: in one of pure grain, for example.
    Lossy,
    /// The disk had no room for the copy.
    NoRoom,
    /// It is a smaller copy that was made here before.
    Ours,
    /// A video with light or colours of HDR.
    Hdr,
    /// A video in slow motion, or with very many pictures a second.
    SlowMotion,
    /// A video with further tracks.
    Tracks,
    /// A video, and no program to make it smaller.
    NoTool,
}

impl Whole {
    /// All reasons, in the order in which they are shown.
    pub const ALL: [Self; 23] = [
        Self::Format,
        Self::Small,
        Self::Lean,
        Self::NotSmaller,
        Self::Trailing,
        Self::MultiPicture,
        Self::Motion,
        Self::GainMap,
        Self::Panorama,
        Self::Depth,
        Self::Extended,
        Self::Colours,
        Self::Coding,
        Self::Damaged,
        Self::Huge,
        Self::Unsure,
        Self::Lossy,
        Self::NoRoom,
        Self::Ours,
        Self::Hdr,
        Self::SlowMotion,
        Self::Tracks,
        Self::NoTool,
    ];

    /// The word for it in JSON and in the database.
    pub fn word(self) -> &'static str {
        match self {
            Self::Format => "format",
            Self::Small => "small",
            Self::Lean => "lean",
            Self::NotSmaller => "not-smaller",
            Self::Trailing => "trailing-bytes",
            Self::MultiPicture => "multi-picture",
            Self::Motion => "motion-photo",
            Self::GainMap => "gain-map",
            Self::Panorama => "panorama",
            Self::Depth => "depth",
            Self::Extended => "extended",
            Self::Colours => "colours",
            Self::Coding => "coding",
            Self::Damaged => "damaged",
            Self::Huge => "huge",
            Self::Unsure => "unsure",
            Self::Lossy => "lossy",
            Self::NoRoom => "no-room",
            Self::Ours => "made-here",
            Self::Hdr => "hdr",
            Self::SlowMotion => "slow-motion",
            Self::Tracks => "tracks",
            Self::NoTool => "no-ffmpeg",
        }
    }

    /// The reason of a word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.word() == word)
    }

    /// What such files are, for people: "31 motion photos".
    pub fn plural(self) -> &'static str {
        match self {
            Self::Format => "other formats than JPEG",
            Self::Small => "small files",
            Self::Lean => "already small",
            Self::NotSmaller => "would not become clearly smaller",
            Self::Trailing => "with bytes behind the picture",
            Self::MultiPicture => "multi-picture files",
            Self::Motion => "motion photos",
            Self::GainMap => "with a gain map (Ultra HDR)",
            Self::Panorama => "panoramas",
            Self::Depth => "with a depth map or sound",
            Self::Extended => "with a signature or extensions",
            Self::Colours => "in CMYK or unusual colours",
            Self::Coding => "in an unusual coding",
            Self::Damaged => "damaged files",
            Self::Huge => "too large for the memory",
            Self::Unsure => "whose copy did not pass its check",
            Self::Lossy => "would lose too much",
            Self::NoRoom => "for whose copy the disk had no room",
            Self::Ours => "smaller copies made here before",
            Self::Hdr => "videos in HDR",
            Self::SlowMotion => "videos in slow motion",
            Self::Tracks => "videos with further tracks",
            Self::NoTool => "videos without ffmpeg",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_reason_has_a_word_of_its_own() {
        let words: HashSet<_> = Whole::ALL.iter().map(|it| it.word()).collect();
        assert_eq!(words.len(), Whole::ALL.len());
        for reason in Whole::ALL {
            assert_eq!(Whole::of_word(reason.word()), Some(reason));
        }
        assert_eq!(Whole::of_word(""), None);
    }
}
