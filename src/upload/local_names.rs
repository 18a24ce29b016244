//! Which names keep a file or directory on this machine. Pure.
//!
//! The name alone decides, so the order in which a folder is copied does not matter.

mod temporary;

use std::sync::Arc;

use crate::media::EntryName;
use crate::media::name_pattern::NamePattern;
use crate::store::LocalReason;

pub use temporary::{HIDDEN, TEMPORARY_NAMES, TemporaryName};

/// Names that systems, storage devices and photo programs leave in folders.
const JUNK: [&str; 42] = [
    // macOS
    ".appledouble",
    ".appledb",
    ".appledesktop",
    ".apdisk",
    ".documentrevisions-v100",
    ".ds_store",
    ".fseventsd",
    ".localized",
    ".spotlight-v100",
    ".temporaryitems",
    ".trashes",
    ".volumeicon.icns",
    "__macosx",
    "icon\r",
    "network trash folder",
    "temporary items",
    // Windows
    "$recycle.bin",
    "desktop.ini",
    "ehthumbs.db",
    "ehthumbs_vista.db",
    "system volume information",
    "thumbs.db",
    "thumbs.db:encryptable",
    // Linux desktops
    ".directory",
    ".hidden",
    ".thumbnails",
    ".trash",
    "lost+found",
    // Synology, QNAP and others
    "#recycle",
    "#snapshot",
    ".@__thumb",
    "@eadir",
    "@recently-snapshot",
    "@recycle",
    "@tmp",
    // photo programs, cameras and phones
    ".comments",
    ".nomedia",
    ".picasa.ini",
    ".picasaoriginals",
    "picasa.ini",
    "zbthumbnail.info",
    "sonarray.dat",
];

/// Endings of files that stand beside a photo or video and belong to it.
const SIDECAR_SUFFIXES: [&str; 23] = [
    ".aae",        // Apple Photos: edits
    ".acr",        // Adobe Camera Raw: masks
    ".arp",        // ART
    ".cos",        // Capture One
    ".cot",        // Capture One: thumbnails
    ".dop",        // DxO PhotoLab
    ".dr4",        // Canon Digital Photo Professional
    ".exv",        // Exiv2
    ".lrf",        // DJI: small copy of a video
    ".lrv",        // GoPro, Insta360: small copy of a video
    ".modd",       // Sony PlayMemories
    ".moff",       // Sony PlayMemories
    ".nksc",       // Nikon NX Studio
    ".on1",        // ON1 Photo RAW
    ".onphoto",    // ON1 Photo RAW
    ".pp3",        // RawTherapee
    ".rrdata",     // RAW Power
    ".srt",        // DJI: flight data as subtitles
    ".thm",        // cameras: thumbnail of a video
    ".vrd",        // Canon Digital Photo Professional
    ".xmp",        // Adobe and others: metadata
    "m01.xml",     // Sony: metadata of a video
    ".photo-edit", // Adobe Photoshop Elements
];

/// The ending of Takeout's metadata since 2024. Takeout cuts it off where a name would be too long.
const TAKEOUT_ENDING: &str = "supplemental-metadata";
/// Takeout cuts a name of metadata off after so many characters, before `.json`.
const TAKEOUT_CHARS: usize = 46;
/// Metadata that Takeout writes for an album.
const TAKEOUT_ALBUM: [&str; 4] =
    ["metadata", "print-subscriptions", "shared_album_comments", "user-generated-memory-titles"];

/// Endings of photos and videos, for names of metadata such as `IMG_1.jpg.json`.
const MEDIA_EXTENSIONS: [&str; 30] = [
    "3gp", "arw", "avi", "avif", "bmp", "cr2", "cr3", "dng", "gif", "heic", "heif", "jpeg", "jpg",
    "m2ts", "m4v", "mkv", "mov", "mp", "mp4", "mpg", "mts", "nef", "orf", "png", "raf", "rw2",
    "tif", "tiff", "webp", "wmv",
];

/// The rules for names, as the user has set them.
#[derive(Clone, Debug)]
pub struct NameRules {
    /// Sidecars of photos stay here. Otherwise they are classified by their content, as any file.
    pub keep_sidecars: bool,
    /// Names of files and directories that are not complete, beside those of [`TEMPORARY_NAMES`].
    pub temporary: Arc<[NamePattern]>,
}

impl Default for NameRules {
    fn default() -> Self {
        Self { keep_sidecars: true, temporary: Arc::default() }
    }
}

impl NameRules {
    /// Why a file of this name stays here, if the name says so.
    pub fn of_file(&self, name: &EntryName) -> Option<LocalReason> {
        let name = name.to_text().to_lowercase();
        match () {
            () if is_junk(&name) => Some(LocalReason::Junk),
            () if self.is_temporary(&name) => Some(LocalReason::Temporary),
            () if self.keep_sidecars && is_sidecar(&name) => Some(LocalReason::Sidecar),
            () => None,
        }
    }

    /// Why a directory of this name is no album and stays here, if the name says so.
    pub fn of_dir(&self, name: &EntryName) -> Option<LocalReason> {
        let name = name.to_text().to_lowercase();
        match () {
            () if is_junk(&name) => Some(LocalReason::Junk),
            () if name.starts_with('.') || self.is_temporary_dir(&name) => {
                Some(LocalReason::Temporary)
            }
            () => None,
        }
    }

    /// Why a file stays here, if its name or that of a directory above it says so. `dirs` are the
    /// directories from an album, or from the root, to the file. The first one that is only here
    /// decides.
    pub fn of_path(&self, dirs: &[EntryName], name: &EntryName) -> Option<LocalReason> {
        let local = dirs.iter().find(|dir| self.of_dir(dir).is_some());
        local.map(|dir| self.within(dir)).or_else(|| self.of_file(name))
    }

    /// Why files stay here that are in a directory of this name, which is only here. Tools move files
    /// out of the directories that they make for half-written ones. Files in any other one are left
    /// there.
    pub(super) fn within(&self, dir: &EntryName) -> LocalReason {
        let name = dir.to_text().to_lowercase();
        let is_of_tool = self.is_temporary_dir(&name) || name.starts_with(".rsync");
        if is_of_tool { LocalReason::Temporary } else { LocalReason::Junk }
    }

    /// Whether tools use such a name for a file that is not complete.
    fn is_temporary(&self, name: &str) -> bool {
        temporary::is_of_file(name) || self.is_of_user(name)
    }

    fn is_temporary_dir(&self, name: &str) -> bool {
        temporary::is_of_dir(name) || self.is_of_user(name)
    }

    fn is_of_user(&self, name: &str) -> bool {
        self.temporary.iter().any(|it| it.matches(name))
    }
}

fn is_junk(name: &str) -> bool {
    JUNK.contains(&name) || is_apple_double(name)
}

/// `._IMG_1.jpg`, where macOS keeps attributes of `IMG_1.jpg` on other filesystems. The temporary
/// file of rsync for `_DSC1.jpg` is `._DSC1.jpg.XXXXXX`.
fn is_apple_double(name: &str) -> bool {
    let of_rsync = name.rsplit_once('.').is_some_and(|(_, last)| {
        last.len() == 6 && last.bytes().all(|byte| byte.is_ascii_alphanumeric())
    });
    name.len() > 2 && name.starts_with("._") && !of_rsync
}

fn is_sidecar(name: &str) -> bool {
    let has_stem = |suffix: &&str| name.len() > suffix.len() && name.ends_with(*suffix);
    SIDECAR_SUFFIXES.iter().any(has_stem) || is_takeout_metadata(name)
}

/// `IMG_1.jpg.json`, `IMG_1.jpg.supplemental-metadata.json`, with a number for further photos of a
/// name, and cut off if the name is long.
fn is_takeout_metadata(name: &str) -> bool {
    let Some(stem) = name.strip_suffix(".json") else { return false };
    let stem = without_number(stem);
    let ending = stem.rsplit_once('.').map_or("", |(_, ending)| ending);
    TAKEOUT_ALBUM.contains(&stem)
        || stem.chars().count() == TAKEOUT_CHARS
        || !ending.is_empty()
            && (TAKEOUT_ENDING.starts_with(ending)
                || MEDIA_EXTENSIONS.contains(&without_number(ending)))
}

/// `x` of `x(2)`.
fn without_number(text: &str) -> &str {
    let open = text.strip_suffix(')').and_then(|it| it.rsplit_once('('));
    match open {
        Some((stem, number))
            if !number.is_empty() && number.bytes().all(|it| it.is_ascii_digit()) =>
        {
            stem
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(name: &str) -> Option<LocalReason> {
        NameRules::default().of_file(&EntryName::new(name).unwrap())
    }

    #[test]
    fn names_of_files_that_are_not_complete_are_temporary() {
        for temporary in [
            ".hidden.jpg",
            "a.jpg.part",
            "a.jpg.PARTIAL",
            "a.tmp",
            "x.crdownload",
            "b.filepart",
            "c.jpg.download",
            "a.jpg~",
            "a.jpg_exiftool_tmp",
            "a.jpg.aria2__temp",
            "a.mp4.part-Frag3",
            "a.jpg.!qB",
            "IMG_0001.jpg.sb-1a2b3c4d-XyZ012",
            "tmpfileXyZ012",
            "#a.jpg#",
            ".goutputstream-ABC123",
            ".a.jpg.Xy12Zw",
            "._DSC0001.JPG.Xy12Zw",
            "..DS_Store.Xy12Zw",
            ".a.xmp.Xy12Zw",
        ] {
            assert_eq!(reason(temporary), Some(LocalReason::Temporary), "{temporary}");
        }
        for real in [
            "a.jpg",
            "part.jpg",
            "tmp",
            "a.jpg.jpg",
            "ä ö.heic",
            "party",
            "tmpfile.jpg",
            "IMG #1",
            "lock.jpg",
            "_DSC0001.JPG",
            "thumbs.jpg",
            "desktop.jpg",
            "recycle",
            "notes.txt",
            "data.json",
            "xmp",
            "aae.jpg",
        ] {
            assert_eq!(reason(real), None, "{real}");
        }
    }

    #[test]
    fn directories_have_temporary_names_of_their_own() {
        let album = |name: &str| NameRules::default().of_dir(&EntryName::new(name).unwrap());
        for title in ["Mt.St", "Antelope.lock", "CD.td", "#1#"] {
            assert_eq!((album(title), reason(title)), (None, Some(LocalReason::Temporary)));
        }
        assert_eq!(album("a.jpg.cyberducksegment"), Some(LocalReason::Temporary));
    }

    #[test]
    fn a_user_adds_temporary_names() {
        let temporary = ["*.Unfertig", "neu-*"].map(|it| it.parse().unwrap());
        let rules = NameRules { temporary: temporary.into(), ..NameRules::default() };
        for name in ["a.jpg.unfertig", "NEU-1.jpg"] {
            let name = EntryName::new(name).unwrap();
            assert_eq!(rules.of_file(&name), Some(LocalReason::Temporary));
            assert_eq!(rules.of_dir(&name), Some(LocalReason::Temporary));
            assert_eq!(rules.within(&name), LocalReason::Temporary);
            assert_eq!(NameRules::default().of_file(&name), None);
        }
        assert_eq!(rules.of_file(&EntryName::new("a.jpg").unwrap()), None);
    }

    #[test]
    fn files_and_directories_that_systems_leave_are_junk() {
        for junk in [
            "@eaDir",
            "#recycle",
            "__MACOSX",
            ".Trashes",
            ".AppleDouble",
            ".Spotlight-V100",
            ".fseventsd",
            "$RECYCLE.BIN",
            "System Volume Information",
            "._IMG_0001.jpg",
            "Thumbs.db",
            "THUMBS.DB",
            "thumbs.db",
            "desktop.ini",
            ".DS_Store",
            ".picasa.ini",
            "Picasa.ini",
            ".nomedia",
        ] {
            let name = EntryName::new(junk).unwrap();
            assert_eq!(reason(junk), Some(LocalReason::Junk), "{junk}");
            assert_eq!(NameRules::default().of_dir(&name), Some(LocalReason::Junk), "{junk}");
        }
    }

    #[test]
    fn files_are_left_in_local_directories_unless_tools_move_them_out() {
        let reason = |name: &str| NameRules::default().within(&EntryName::new(name).unwrap());
        for junk in [".dtrash", ".git", ".stfolder", ".Old photos", "@eaDir", "#recycle"] {
            assert_eq!(reason(junk), LocalReason::Junk, "{junk}");
        }
        for temporary in [".~tmp~", ".rsync-partial", ".rsync-tmp", ".part", "x.part", ".x.tmp"] {
            assert_eq!(reason(temporary), LocalReason::Temporary, "{temporary}");
        }
    }

    #[test]
    fn sidecars_are_known_by_their_endings() {
        for sidecar in [
            "IMG_0001.xmp",
            "IMG_0001.CR2.xmp",
            "IMG_0001.AAE",
            "MVI_0001.THM",
            "GX010001.LRV",
            "a.nef.pp3",
            "a.jpg.out.pp3",
            "a.nef.dop",
            "C0001M01.XML",
            "IMG_0001.jpg.json",
            "IMG_0001.jpg(1).json",
            "IMG_0001.jpg.supplemental-metadata.json",
            "IMG_0001.jpg.supplemental-metadata(1).json",
            "Screenshot_2017-07-05-10-05-26.png.supplementa.json",
            "123456789123456789123456789123456789_DSCN0091.JP.supplemental-meta(1).json",
            "D7157814-D2D5-4A62-AFCE-9CF465CB7D66.jpeg.s.json",
            "Screenshot_20220207_102421_com.snapchat.androi.json",
            "metadata.json",
        ] {
            assert_eq!(reason(sidecar), Some(LocalReason::Sidecar), "{sidecar}");
            let name = EntryName::new(sidecar).unwrap();
            let refusing = NameRules { keep_sidecars: false, ..NameRules::default() };
            assert_eq!(refusing.of_file(&name), None, "{sidecar}");
            assert_eq!(refusing.of_dir(&name), None, "{sidecar}");
        }
        for other in [".xmp", "package.json", "a.b.json", "IMG_0001.jpg(x).json.jpg"] {
            assert_ne!(reason(other), Some(LocalReason::Sidecar), "{other}");
        }
    }
}
