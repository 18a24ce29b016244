//! Programs that stand for `ffmpeg` and `ffprobe`, and films for them. They encode nothing, and each of their
//! copies is another one: only one that was kept can be sent twice.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::camera;

/// Answers as the programs do when they are only looked at.
const FFMPEG: &str = r#"#!/bin/sh
cd "$(dirname "$0")"
case "$*" in *-version | *lavfi*) exit 0 ;; esac
echo $$ >> encoders
for last; do :; done
"#;
/// Writes a film, and says that it has four pictures.
const ENCODE: &str = r#"
echo frame=4
{ cat head; cat /proc/sys/kernel/random/uuid; cat tail; } > "$last"
"#;
const FFPROBE: &str = r#"#!/bin/sh
for last; do :; done
case "$*" in *-version) exit 0 ;; esac
case $last in *.half) size='"width": 1920, "height": 1080' ;; *) size='"width": 3840, "height": 2160' ;; esac
cat <<END
{"streams": [{"codec_type": "video", $size, "pix_fmt": "yuv420p", "avg_frame_rate": "30/1", "nb_frames": "4"}],
 "format": {"format_name": "mov,mp4", "duration": "1.0"}}
END
"#;

/// The directory of the programs.
pub struct Encoder {
    dir: PathBuf,
}

impl Encoder {
    /// In a directory of a test.
    pub fn new(parent: &Path) -> Self {
        let dir = parent.join("encoder");
        fs::create_dir(&dir).unwrap();
        // The parts of a film before and behind its content.
        let mdat = [&45_u32.to_be_bytes()[..], b"mdat"].concat();
        let film = camera::movie(1, 1_556_445_600, (1920, 1080));
        let moov = film.windows(4).position(|it| it == b"moov").unwrap() - 4;
        let rest = film.windows(4).position(|it| it == b"mdat").unwrap() - 4;
        fs::write(dir.join("head"), [&film[..moov], &mdat].concat()).unwrap();
        fs::write(dir.join("tail"), &film[moov..rest]).unwrap();
        let encoder = Self { dir };
        encoder.script("ffprobe", FFPROBE);
        encoder.works();
        encoder
    }

    /// From now on the encoder makes copies.
    pub fn works(&self) {
        self.does(ENCODE);
    }

    /// What the encoder does from now on. `$last` is the file to write.
    pub fn does(&self, what: &str) {
        self.script("ffmpeg", &format!("{FFMPEG}{what}"));
    }

    fn script(&self, name: &str, text: &str) {
        // A program that runs cannot be overwritten.
        let path = self.dir.join("new");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(path, self.dir.join(name)).unwrap();
    }

    /// The environment's PATH with these programs before others.
    #[expect(clippy::disallowed_methods, reason = "the search path of tests is no setting")]
    pub fn path(&self) -> String {
        format!("{}:{}", self.dir.display(), std::env::var("PATH").unwrap())
    }

    /// The processes that have begun to encode so far.
    pub fn begun(&self) -> Vec<i32> {
        let begun = fs::read_to_string(self.dir.join("encoders")).unwrap_or_default();
        begun.lines().map(|it| it.parse().unwrap()).collect()
    }
}

/// An MP4 of some MB, without pictures, whose content depends on `seed`.
pub fn film(seed: u8) -> Vec<u8> {
    let length = 4_200_000_u32;
    let free = [&length.to_be_bytes()[..], b"free", &vec![seed; length as usize - 8]].concat();
    [camera::movie(seed, 1_556_445_600, (3840, 2160)), free].concat()
}
