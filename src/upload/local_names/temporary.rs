//! The names that programs give to files which are not complete. This table is the only one:
//! docs/TEMPORARY_NAMES.md is made from it.

use crate::media::name_pattern;

/// Names of one form.
#[derive(Clone, Copy, Debug)]
pub struct TemporaryName {
    /// The form, as [`name_pattern`] reads it. In lower case.
    pub pattern: &'static str,
    /// The programs that use it.
    pub programs: &'static str,
    /// Whether programs make directories of such names, too.
    pub is_dir: bool,
}

const fn files(pattern: &'static str, programs: &'static str) -> TemporaryName {
    TemporaryName { pattern, programs, is_dir: false }
}

const fn files_and_dirs(pattern: &'static str, programs: &'static str) -> TemporaryName {
    TemporaryName { pattern, programs, is_dir: true }
}

/// All forms but that of [`HIDDEN`].
pub const TEMPORARY_NAMES: &[TemporaryName] = &[
    files_and_dirs(
        "*.part",
        "Firefox, KDE, yt-dlp, gallery-dl, JDownloader, Transmission; partial directories of rsync",
    ),
    files_and_dirs("*.partial", "rclone, rsync, OneDrive, Internet Explorer"),
    files_and_dirs("*.tmp", "Syncthing, Photoshop, LibreOffice, Samba clients and many others"),
    files_and_dirs("*.temp", "many programs"),
    files_and_dirs("*.crdownload", "Chrome, Chromium, Edge, Brave, Vivaldi"),
    files_and_dirs("*.filepart", "WinSCP"),
    files_and_dirs("*.download", "Safari, Qt WebEngine (Falkon, qutebrowser)"),
    files_and_dirs("*.opdownload", "Opera"),
    files_and_dirs("*.aria2", "aria2: the state of a download"),
    files_and_dirs("*.swp", "vim: changes that are not saved"),
    files_and_dirs("*.bak", "editors: the version before"),
    files_and_dirs("*~", "GIMP, ImageMagick, Emacs, vim: the version before; LibreOffice"),
    files_and_dirs("*_exiftool_tmp", "exiftool"),
    files_and_dirs("*.cyberducksegment", "Cyberduck, Mountain Duck"),
    files("*.aria2__temp", "aria2: while it writes `.aria2`"),
    files("*.ytdl", "yt-dlp: the state of a download"),
    files("*.part-frag*", "yt-dlp: a piece of a video"),
    files("*.st", "axel: the state of a download"),
    files("*.lftp-pget-status", "lftp: the state of a download"),
    files("*.wkdownload", "WebKitGTK (GNOME Web)"),
    files("*.crswap", "web pages in Chrome, Chromium and Edge that save a file"),
    files("*.dtapart", "DownThemAll"),
    files("*.fdmdownload", "Free Download Manager"),
    files("*.gstmp", "gsutil, gcloud storage"),
    files("*.downloading", "cloud programs for desktops"),
    files("*.incomplete", "programs that share files"),
    files("*.!qb", "qBittorrent"),
    files("*.!ut", "uTorrent, BitTorrent"),
    files("*.bc!", "BitComet"),
    files("*.!sync", "Resilio Sync"),
    files("*.xltd", "Xunlei"),
    files("*.td", "Xunlei, older versions"),
    files("*.mega", "MEGA"),
    files("*.sb-????????-??????", "macOS: while a program saves a file on a network drive"),
    files("tmpfile??????", "gphoto2: while it reads a file from a camera"),
    files("*.digikamtempfile.*", "digiKam"),
    files("*.exiv2", "Exiv2, older versions"),
    files("*.exiv2_temp", "Exiv2"),
    files("*.swo", "vim: changes that are not saved"),
    files("*.swx", "vim: while it tries the directory"),
    files("*.kate-swp", "Kate: changes that are not saved"),
    files("#*#", "Emacs: changes that are not saved"),
    files("~$*", "Microsoft Office: the user that has a file open"),
    files("*.lock", "Qt and KDE programs: the user that has a file open"),
];

/// Hidden names. A directory of such a name may be one of many kinds.
pub const HIDDEN: TemporaryName = files_and_dirs(
    ".*",
    "rsync (`.name.XXXXXX`), GNOME (`.goutputstream-XXXXXX`), lftp (`.in.name`), Syncthing, Unison, Nextcloud, Dropbox, \
     Android (`.pending-…`), LibreOffice (`.~lock.name#`)",
);

/// Whether programs give such a name to a file that is not complete. The name is in lower case.
pub(super) fn is_of_file(name: &str) -> bool {
    TEMPORARY_NAMES.iter().chain([&HIDDEN]).any(|it| name_pattern::matches(it.pattern, name))
}

/// Whether programs give such a name to a directory of files that are not complete. Hidden ones are
/// not among them.
pub(super) fn is_of_dir(name: &str) -> bool {
    let mut of_dirs = TEMPORARY_NAMES.iter().filter(|it| it.is_dir);
    of_dirs.any(|it| name_pattern::matches(it.pattern, name))
}
