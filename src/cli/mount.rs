//! The arguments of `gphotosfs mount`, its `-o` options, and the settings that they become.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};
use url::Url;

use super::values::{duration, http_url};
use crate::media::{Quality, QualityError, UploadLimit, UploadLimitError, VideoQuality};
use crate::profile::ProfileName;
use crate::settings::{
    Apis, Commit, Metered, MountSettings, NamePattern, Notify, Passthrough, Sidecars, Sizes,
    Thumbnails, UploadSettings,
};

/// `gphotosfs mount`.
#[derive(Debug, Args)]
pub struct MountArgs {
    /// An empty directory; with -o nonempty, any directory
    pub mountpoint: PathBuf,

    /// Stay in the foreground and log to stderr
    #[arg(
        short,
        long,
        env = "GPHOTOSFS_FOREGROUND",
        value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        default_value = "false", value_parser = BoolishValueParser::new(),
        hide_default_value = true, hide_possible_values = true
    )]
    pub foreground: bool,

    /// Move files that lie in the directory itself into the mount. They were copied there while
    /// nothing was mounted
    #[arg(long)]
    pub import: bool,

    /// Marks the child process of a mount that detaches; it reports to its parent through stdout
    #[arg(long, hide = true)]
    pub detached: bool,

    /// Mount options as in fstab: ro, noexec, allow_other, nonempty, umask=OCTAL, uid=N, gid=N,
    /// profile=NAME, and the settings below as commit=, sizes=, refresh=, cache_size=, spool_size=,
    /// sidecars=, passthrough=, thumbnails=, notify=, uploads=, quality=, quality_video=, limit_up=,
    /// metered=, api_url=, picker_url=. An option beats the flag of the same name
    #[arg(short = 'o', value_name = "OPT", value_delimiter = ',')]
    pub options: Vec<MountOption>,

    /// When close(2) of a written file returns: once the file is safe on this disk, or once Google
    /// has it
    #[arg(long, value_enum, default_value_t = Commit::Background, env = "GPHOTOSFS_COMMIT")]
    pub commit: Commit,

    /// When to request the size of an item that was not uploaded from here
    #[arg(long, value_enum, default_value_t = Sizes::Exact, env = "GPHOTOSFS_SIZES")]
    pub sizes: Sizes,

    /// How old the list of albums may become before an access requests it again
    #[arg(
        long,
        value_name = "DUR",
        default_value = "5m",
        value_parser = duration,
        env = "GPHOTOSFS_REFRESH"
    )]
    pub refresh: Duration,

    /// How much disk space files may take before they are uploaded; when it is full, writers wait.
    /// Refused files may take a tenth of it in addition, and so may sidecars
    #[arg(long, value_name = "SIZE", default_value = "50G", env = "GPHOTOSFS_SPOOL_SIZE")]
    pub spool_size: ByteSize,

    /// What becomes of sidecars of photos and videos, such as .xmp, .aae, .thm, .lrv and Takeout's
    /// .json
    #[arg(long, value_enum, default_value_t = Sidecars::Keep, env = "GPHOTOSFS_SIDECARS")]
    pub sidecars: Sidecars,

    /// Which process reads cached files in a read-only mount and in .gphotos/library
    #[arg(long, value_enum, default_value_t = Passthrough::Auto, env = "GPHOTOSFS_PASSTHROUGH")]
    pub passthrough: Passthrough,

    /// When to put small pictures made by Google into the desktop's cache of thumbnails, so that file
    /// managers need not read whole photos. Each costs a media request and some kilobytes
    #[arg(long, value_enum, default_value_t = Thumbnails::Auto, env = "GPHOTOSFS_THUMBNAILS")]
    pub thumbnails: Thumbnails,

    /// Whether notifications on the desktop tell that the login has ended, uploads wait for a person or
    /// another connection, files were refused, a long copy has arrived, or the mount has failed
    #[arg(long, value_enum, default_value_t = Notify::Auto, env = "GPHOTOSFS_NOTIFY")]
    pub notify: Notify,

    /// The settings of uploads.
    #[command(flatten)]
    pub upload: UploadArgs,

    /// Refuse every change
    #[arg(
        long,
        env = "GPHOTOSFS_READ_ONLY",
        value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        default_value = "false", value_parser = BoolishValueParser::new(),
        hide_default_value = true, hide_possible_values = true
    )]
    pub read_only: bool,

    /// Let other users of this machine use the mount (needs user_allow_other in /etc/fuse.conf,
    /// except for root)
    #[arg(
        long,
        env = "GPHOTOSFS_ALLOW_OTHER",
        value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        default_value = "false", value_parser = BoolishValueParser::new(),
        hide_default_value = true, hide_possible_values = true
    )]
    pub allow_other: bool,
}

/// The settings of all commands that upload.
#[derive(Clone, Debug, Args)]
pub struct UploadArgs {
    /// How much disk space the cache of downloaded and uploaded files may take
    #[arg(long, value_name = "SIZE", default_value = "10G", env = "GPHOTOSFS_CACHE_SIZE")]
    pub cache_size: ByteSize,

    /// How many files to send at the same time at most, 1 to 32; gphotosfs adapts the number up to
    /// this limit
    #[arg(
        long,
        value_name = "N",
        default_value = "32",
        value_parser = clap::value_parser!(u8).range(1..=32),
        env = "GPHOTOSFS_UPLOADS"
    )]
    pub uploads: u8,

    /// How long after its last close a file's upload begins, because many programs save a photo
    /// twice. 'sync' does not wait for that, nor does a copy of many files
    #[arg(
        long,
        value_name = "DUR",
        default_value = "1s",
        value_parser = duration,
        env = "GPHOTOSFS_UPLOAD_DELAY"
    )]
    pub upload_delay: Duration,

    /// More names of files that are not complete, and stay here: patterns as in a shell, such as
    /// '*.wip'. docs/TEMPORARY_NAMES.md lists those that are known
    #[arg(long, value_name = "PATTERN", value_delimiter = ',', env = "GPHOTOSFS_TEMPORARY_NAMES")]
    pub temporary_names: Vec<NamePattern>,

    /// In which quality photos are uploaded: 'original', or 'saver' for a smaller JPEG wherever
    /// that loses nothing that people see. 'saver:12mp,q85' chooses the size above which a photo is
    /// resized (16mp) and the quality (q90). docs/QUALITY.md
    #[arg(long, value_name = "QUALITY", default_value = "original", env = "GPHOTOSFS_QUALITY")]
    pub quality: Quality,

    /// How many bytes of uploads a second may go: '500k' or '2M' bytes, '16Mbit' bits, or 'off'. Then
    /// FROM-TO=RATE for parts of the day, as in '500k 01:00-07:00=off'. 'gphotosfs limit' changes it
    /// while mounted
    #[arg(long, value_name = "RATE", default_value = "off", env = "GPHOTOSFS_LIMIT_UP")]
    pub limit_up: UploadLimit,
    /// What uploads do while NetworkManager calls the connection metered, as that of a phone
    #[arg(long, value_enum, default_value_t = Metered::Pause, env = "GPHOTOSFS_METERED")]
    pub metered: Metered,

    /// In which quality videos are uploaded: 'original', or '1080p' for smaller copies by the program
    /// ffmpeg, if it is installed. docs/QUALITY.md
    #[arg(
        long,
        value_name = "QUALITY",
        default_value = "original",
        env = "GPHOTOSFS_QUALITY_VIDEO"
    )]
    pub quality_video: VideoQuality,

    /// For tests: divides every wait for Google. May be removed at any time
    #[arg(
        long,
        hide = true,
        default_value = "1",
        value_parser = clap::value_parser!(u32).range(1..=1000),
        env = "GPHOTOSFS_UNSTABLE_PACE"
    )]
    pub unstable_pace: u32,
}

impl UploadArgs {
    /// The settings, with the APIs that the global flags name.
    pub fn settings(self, apis: Apis) -> UploadSettings {
        UploadSettings {
            cache_size: self.cache_size.as_u64(),
            uploads: self.uploads,
            upload_delay: self.upload_delay,
            temporary_names: self.temporary_names,
            quality: self.quality,
            limit_up: self.limit_up,
            quality_video: self.quality_video,
            metered: self.metered,
            apis,
            unstable_pace: self.unstable_pace,
        }
    }
}

impl MountArgs {
    /// Merges `-o` over the flags; the later of two options wins, as in mount(8).
    pub fn settings(self, apis: Apis) -> MountSettings {
        let mut settings = MountSettings {
            mountpoint: self.mountpoint,
            foreground: self.foreground,
            detached: self.detached,
            commit: self.commit,
            sizes: self.sizes,
            refresh: self.refresh,
            read_only: self.read_only,
            nonempty: false,
            import: self.import,
            allow_other: self.allow_other,
            no_exec: false,
            umask: UMASK,
            uid: None,
            gid: None,
            spool_size: self.spool_size.as_u64(),
            sidecars: self.sidecars,
            passthrough: self.passthrough,
            thumbnails: self.thumbnails,
            notify: self.notify,
            upload: self.upload.settings(apis),
        };
        for option in self.options {
            match option {
                MountOption::Profile(_) | MountOption::Ignored => {}
                MountOption::ReadOnly(it) => settings.read_only = it,
                MountOption::NonEmpty => settings.nonempty = true,
                MountOption::AllowOther => settings.allow_other = true,
                MountOption::NoExec(it) => settings.no_exec = it,
                MountOption::Umask(it) => settings.umask = it,
                MountOption::Uid(it) => settings.uid = Some(it),
                MountOption::Gid(it) => settings.gid = Some(it),
                MountOption::Commit(it) => settings.commit = it,
                MountOption::Sizes(it) => settings.sizes = it,
                MountOption::Refresh(it) => settings.refresh = it,
                MountOption::Passthrough(it) => settings.passthrough = it,
                MountOption::Thumbnails(it) => settings.thumbnails = it,
                MountOption::Notify(it) => settings.notify = it,
                MountOption::SpoolSize(it) => settings.spool_size = it.as_u64(),
                MountOption::Sidecars(it) => settings.sidecars = it,
                MountOption::CacheSize(it) => settings.upload.cache_size = it.as_u64(),
                MountOption::Uploads(it) => settings.upload.uploads = it,
                MountOption::Quality(it) => settings.upload.quality = it,
                MountOption::LimitUp(it) => settings.upload.limit_up = it,
                MountOption::QualityVideo(it) => settings.upload.quality_video = it,
                MountOption::Metered(it) => settings.upload.metered = it,
                MountOption::ApiUrl(it) => settings.upload.apis.library = it,
                MountOption::PickerUrl(it) => settings.upload.apis.picker = it,
            }
        }
        settings
    }
}

/// The permission bits that no file and no directory has, unless `-o umask=` says otherwise.
const UMASK: u16 = 0o022;

/// The number of a user or a group.
fn number(text: &str) -> Result<u32, String> {
    // The largest number means "no user" in system calls.
    let number = text.parse().ok().filter(|number| *number != u32::MAX);
    number.ok_or_else(|| "use the number of a user or group; 'id' shows yours".to_owned())
}

/// One word of `-o`, in the style of fstab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MountOption {
    /// `profile=NAME`.
    Profile(ProfileName),
    /// `ro` or `rw`.
    ReadOnly(bool),
    /// `nonempty`.
    NonEmpty,
    /// `allow_other`.
    AllowOther,
    /// `noexec` or `exec`.
    NoExec(bool),
    /// `umask=OCTAL`.
    Umask(u16),
    /// `uid=N`.
    Uid(u32),
    /// `gid=N`.
    Gid(u32),
    /// `commit=background|close`.
    Commit(Commit),
    /// `sizes=exact|lazy`.
    Sizes(Sizes),
    /// `refresh=DUR`.
    Refresh(Duration),
    /// `cache_size=SIZE`.
    CacheSize(ByteSize),
    /// `spool_size=SIZE`.
    SpoolSize(ByteSize),
    /// `sidecars=keep|refuse`.
    Sidecars(Sidecars),
    /// `passthrough=auto|off`.
    Passthrough(Passthrough),
    /// `thumbnails=auto|on|off`.
    Thumbnails(Thumbnails),
    /// `notify=auto|off`.
    Notify(Notify),
    /// `uploads=N`.
    Uploads(u8),
    /// `quality=QUALITY`, with `:` between its parts.
    Quality(Quality),
    /// `limit_up=RATE`, with spaces between its parts.
    LimitUp(UploadLimit),
    /// `quality_video=original|1080p`.
    QualityVideo(VideoQuality),
    /// `metered=pause|use`.
    Metered(Metered),
    /// `api_url=URL`.
    ApiUrl(Url),
    /// `picker_url=URL`.
    PickerUrl(Url),
    /// An option for mount(8), systemd or the kernel, which this program ignores.
    Ignored,
}

impl FromStr for MountOption {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let refused = |why: String| format!("option {word:?}: {why}");
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        Ok(match (key, value) {
            ("ro", "") => Self::ReadOnly(true),
            ("rw", "") => Self::ReadOnly(false),
            ("nonempty", "") => Self::NonEmpty,
            ("allow_other", "") => Self::AllowOther,
            ("noexec", "") => Self::NoExec(true),
            ("exec", "") => Self::NoExec(false),
            (
                "auto" | "noauto" | "users" | "nouser" | "owner" | "noowner" | "group" | "nogroup"
                | "defaults" | "nofail" | "_netdev" | "suid" | "nosuid" | "dev" | "nodev" | "async"
                | "atime" | "noatime" | "diratime" | "nodiratime" | "relatime" | "norelatime"
                | "strictatime" | "nostrictatime" | "lazytime" | "nolazytime" | "",
                "",
            )
            | ("user" | "uhelper" | "comment", _) => Self::Ignored,
            (key, _) if key.starts_with("x-") || key.starts_with("X-") => Self::Ignored,
            ("profile", name) => Self::Profile(name.parse().map_err(refused)?),
            ("umask", it) => Self::Umask(
                u16::from_str_radix(it, 8)
                    .ok()
                    .filter(|bits| *bits <= 0o777)
                    .ok_or_else(|| refused("use an octal number up to 777".into()))?,
            ),
            ("uid", it) => Self::Uid(number(it).map_err(refused)?),
            ("gid", it) => Self::Gid(number(it).map_err(refused)?),
            ("commit", it) => Self::Commit(Commit::from_str(it, false).map_err(refused)?),
            ("sizes", it) => Self::Sizes(Sizes::from_str(it, false).map_err(refused)?),
            ("refresh", it) => Self::Refresh(duration(it).map_err(refused)?),
            ("passthrough", it) => {
                Self::Passthrough(Passthrough::from_str(it, false).map_err(refused)?)
            }
            ("thumbnails", it) => {
                Self::Thumbnails(Thumbnails::from_str(it, false).map_err(refused)?)
            }
            ("notify", it) => Self::Notify(Notify::from_str(it, false).map_err(refused)?),
            ("spool_size", it) => Self::SpoolSize(it.parse().map_err(refused)?),
            ("sidecars", it) => Self::Sidecars(Sidecars::from_str(it, false).map_err(refused)?),
            ("cache_size", it) => Self::CacheSize(it.parse().map_err(refused)?),
            ("uploads", it) => Self::Uploads(
                it.parse()
                    .ok()
                    .filter(|n| (1..=32).contains(n))
                    .ok_or_else(|| refused("use a number from 1 to 32".into()))?,
            ),
            ("quality", it) => {
                Self::Quality(it.parse().map_err(|err: QualityError| refused(err.to_string()))?)
            }
            ("limit_up", it) => {
                Self::LimitUp(it.parse().map_err(|err: UploadLimitError| refused(err.to_string()))?)
            }
            ("quality_video", it) => Self::QualityVideo(
                it.parse().map_err(|err: QualityError| refused(err.to_string()))?,
            ),
            ("metered", it) => Self::Metered(Metered::from_str(it, false).map_err(refused)?),
            ("api_url", it) => Self::ApiUrl(http_url(it).map_err(refused)?),
            ("picker_url", it) => Self::PickerUrl(http_url(it).map_err(refused)?),
            _ => {
                return Err(refused(
                    "not known here; known are ro, rw, noexec, allow_other, nonempty, umask=, uid=, gid=, profile=, \
                     commit=, sizes=, refresh=, cache_size=, spool_size=, sidecars=, passthrough=, thumbnails=, notify=, \
                     uploads=, quality=, quality_video=, limit_up=, metered=, api_url= and picker_url="
                        .into(),
                ));
            }
        })
    }
}
