//! In which quality photos are uploaded.

use std::fmt;
use std::str::FromStr;

/// In which quality photos are uploaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quality {
    /// Each file as it is.
    #[default]
    Original,
    /// A smaller JPEG of each photo that can be made smaller without harm.
    Saver(Saver),
}

/// In which quality videos are uploaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VideoQuality {
    /// Each video as it is.
    #[default]
    Original,
    /// A smaller copy of at most 1920 × 1080 pixels, made by the program ffmpeg.
    P1080,
}

impl VideoQuality {
    /// The word for it beside those of photos.
    pub const EXACT: &str = "video:1080p";
}

impl fmt::Display for VideoQuality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Original => "original",
            Self::P1080 => "1080p",
        })
    }
}

impl FromStr for VideoQuality {
    type Err = QualityError;

    fn from_str(text: &str) -> Result<Self, QualityError> {
        match text {
            "original" => Ok(Self::Original),
            "1080p" => Ok(Self::P1080),
            _ => Err(QualityError::Video),
        }
    }
}

/// In which qualities photos and videos are uploaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Qualities {
    /// Photos.
    pub photos: Quality,
    /// Videos.
    pub videos: VideoQuality,
}

impl Qualities {
    /// Whether some files may become smaller.
    pub fn has_copies(self) -> bool {
        self.photos.saver().is_some() || self.videos != VideoQuality::Original
    }

    /// The quality with all its parameters that a file of this type is to have, if a look at its
    /// bytes can make a difference.
    pub fn exact(self, mime: &str) -> Option<String> {
        if mime.starts_with("video/") && self.videos == VideoQuality::P1080 {
            return Some(VideoQuality::EXACT.to_owned());
        }
        self.photos.saver().map(|it| it.to_string())
    }
}

/// How small a photo becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Saver {
    /// Larger photos are resized to so many million pixels.
    pub megapixels: u16,
    /// The quality of the JPEG, on the scale of libjpeg.
    pub quality: u8,
}

impl Saver {
    /// The least number of megapixels that can be chosen: less is no copy, but a preview.
    pub const MEGAPIXELS_MIN: u16 = 2;
    /// The largest one. Google takes up to 200 megapixels.
    pub const MEGAPIXELS_MAX: u16 = 200;
    /// Below this quality, blocks show on smooth areas.
    pub const QUALITY_MIN: u8 = 70;
    /// Above this quality, files grow and nobody sees why.
    pub const QUALITY_MAX: u8 = 95;

    /// The number of pixels above which a photo is resized.
    pub fn pixels(self) -> u64 {
        u64::from(self.megapixels) * 1_000_000
    }
}

impl Default for Saver {
    fn default() -> Self {
        Self { megapixels: 16, quality: 90 }
    }
}

impl Quality {
    /// The parameters, if photos are made smaller.
    pub fn saver(self) -> Option<Saver> {
        match self {
            Self::Original => None,
            Self::Saver(saver) => Some(saver),
        }
    }

    /// The quality with all its parameters: another version may have other defaults.
    pub fn exact(self) -> String {
        match self {
            Self::Original => self.to_string(),
            Self::Saver(saver) => saver.to_string(),
        }
    }
}

impl fmt::Display for Saver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "saver:{}mp,q{}", self.megapixels, self.quality)
    }
}

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Original => f.write_str("original"),
            Self::Saver(saver) if *saver == Saver::default() => f.write_str("saver"),
            Self::Saver(saver) => saver.fmt(f),
        }
    }
}

/// Why a text names no quality.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QualityError {
    /// Neither of the two words.
    #[error("use 'original', 'saver', or 'saver:16mp,q90'")]
    Unknown,
    /// A number of megapixels that is out of bounds.
    #[error("give between {}mp and {}mp", Saver::MEGAPIXELS_MIN, Saver::MEGAPIXELS_MAX)]
    Megapixels,
    /// No quality of videos.
    #[error("use 'original' or '1080p'")]
    Video,
    /// A quality that is out of bounds.
    #[error("give a quality between q{} and q{}", Saver::QUALITY_MIN, Saver::QUALITY_MAX)]
    Quality,
    /// A parameter is given twice.
    #[error("give one size and one quality, as in 'saver:12mp,q85'")]
    Twice,
}

impl FromStr for Quality {
    type Err = QualityError;

    fn from_str(text: &str) -> Result<Self, QualityError> {
        let (word, parameters) = match text.split_once(':') {
            Some((word, parameters)) => (word, Some(parameters)),
            None => (text, None),
        };
        match (word, parameters) {
            ("original", None) => return Ok(Self::Original),
            ("saver", _) => {}
            _ => return Err(QualityError::Unknown),
        }
        let mut saver = Saver::default();
        // `mount -o` takes a comma for the end of the option.
        let (mut has_size, mut has_quality) = (false, false);
        for parameter in parameters.into_iter().flat_map(|it| it.split([',', ':'])) {
            let parameter = parameter.trim();
            if let Some(megapixels) = parameter.strip_suffix("mp") {
                if std::mem::replace(&mut has_size, true) {
                    return Err(QualityError::Twice);
                }
                saver.megapixels = megapixels.parse().map_err(|_| QualityError::Megapixels)?;
            } else if let Some(quality) = parameter.strip_prefix('q') {
                if std::mem::replace(&mut has_quality, true) {
                    return Err(QualityError::Twice);
                }
                saver.quality = quality.parse().map_err(|_| QualityError::Quality)?;
            } else {
                return Err(QualityError::Unknown);
            }
        }
        if !(Saver::MEGAPIXELS_MIN..=Saver::MEGAPIXELS_MAX).contains(&saver.megapixels) {
            return Err(QualityError::Megapixels);
        }
        if !(Saver::QUALITY_MIN..=Saver::QUALITY_MAX).contains(&saver.quality) {
            return Err(QualityError::Quality);
        }
        Ok(Self::Saver(saver))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_quality_is_read_as_it_is_written() {
        for (text, written) in [
            ("original", "original"),
            ("saver", "saver"),
            ("saver:16mp,q90", "saver"),
            ("saver:q90", "saver"),
            ("saver:12mp", "saver:12mp,q90"),
            ("saver:12mp, q80", "saver:12mp,q80"),
            ("saver:12mp:q80", "saver:12mp,q80"),
            ("saver:q92,200mp", "saver:200mp,q92"),
        ] {
            let quality: Quality = text.parse().unwrap();
            assert_eq!(quality.to_string(), written);
            assert_eq!(written.parse(), Ok(quality));
        }
    }

    #[test]
    fn parameters_have_bounds() {
        for (text, error) in [
            ("", QualityError::Unknown),
            ("Original", QualityError::Unknown),
            ("original:q80", QualityError::Unknown),
            ("saver:", QualityError::Unknown),
            ("saver:small", QualityError::Unknown),
            ("saver:1mp", QualityError::Megapixels),
            ("saver:201mp", QualityError::Megapixels),
            ("saver:-3mp", QualityError::Megapixels),
            ("saver:mp", QualityError::Megapixels),
            ("saver:q69", QualityError::Quality),
            ("saver:q96", QualityError::Quality),
            ("saver:q300", QualityError::Quality),
            ("saver:q", QualityError::Quality),
            ("saver:12mp,8mp", QualityError::Twice),
            ("saver:q80:q85", QualityError::Twice),
            ("saver:12mp,,q85", QualityError::Unknown),
            ("saver:99999999999mp", QualityError::Megapixels),
        ] {
            assert_eq!(text.parse::<Quality>(), Err(error), "{text}");
        }
    }
}
