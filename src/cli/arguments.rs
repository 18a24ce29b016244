//! The arguments of the subcommands, as clap reads them.

use std::ffi::OsString;
#[cfg(feature = "emulator")]
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{ArgGroup, Args, Parser, Subcommand};
use clap_complete::Shell;
use url::Url;

use super::album_arguments::{
    AdoptArgs, DiffArgs, EstimateArgs, QualityArgs, ThumbnailsArgs, VerifyArgs,
};
use super::mount::{MountArgs, MountOption, UploadArgs};
#[cfg(feature = "emulator")]
use super::values::json;
use super::values::{duration, http_url};
#[cfg(feature = "emulator")]
use crate::commands::emulator::{self, Speed};
use crate::commands::{backup, status};
use crate::profile::ProfileName;
use crate::settings::Apis;

/// Mount Google Photos as a directory tree: albums are folders, copying a file in uploads it
#[derive(Debug, Parser)]
#[command(version, after_help = AFTER_HELP)]
pub struct Cli {
    /// The account to use: each profile has its own login, database and cache
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        default_value = "default",
        env = "GPHOTOSFS_PROFILE"
    )]
    pub profile: ProfileName,

    /// Print more on stderr; -vv and -vvv print still more
    #[arg(
        short,
        long,
        global = true,
        action = clap::ArgAction::Count,
        env = "GPHOTOSFS_VERBOSE"
    )]
    pub verbose: u8,

    /// The base URL of the Photos Library API; the emulator prints its own
    #[arg(
        long,
        global = true,
        value_name = "URL",
        default_value = "https://photoslibrary.googleapis.com",
        value_parser = http_url,
        env = "GPHOTOSFS_API_URL"
    )]
    pub api_url: Url,

    /// The base URL of the Photos Picker API; the emulator prints its own
    #[arg(
        long,
        global = true,
        value_name = "URL",
        default_value = "https://photospicker.googleapis.com",
        value_parser = http_url,
        env = "GPHOTOSFS_PICKER_URL"
    )]
    pub picker_url: Url,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const AFTER_HELP: &str = "\
Every setting that shows an environment variable is also a key in config.toml in the profile's \
configuration directory. A flag beats the environment, the environment beats the file.

Exit status: 0 done, 1 failed, 2 bad usage; diff, adopt and verify: 0 all is well, \
1 something differs, 2 trouble.";

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Give gphotosfs access to your Google Photos, through the browser
    Login(LoginArgs),
    /// End this access, at Google and on this machine
    Logout,
    /// Mount the library on a directory; returns when the mount is usable
    Mount(MountArgs),
    /// Wait until everything is uploaded, then unmount
    Umount(UmountArgs),
    /// Show login, queue, quota, cache and the last errors of a mount
    Status(StatusArgs),
    /// Wait until Google has everything under a path
    Sync(SyncArgs),
    /// List a directory again from Google
    Refresh(RefreshArgs),
    /// Pick photos from your whole Google Photos library, to compare with them or read them
    Pick(PickArgs),
    /// Say which files differ between a local directory and an album; downloads no media
    Diff(DiffArgs),
    /// Match an album's items to local files, so that nothing is uploaded twice
    Adopt(AdoptArgs),
    /// Show or choose in which quality the photos of a directory are uploaded
    Quality(QualityArgs),
    /// Show or change how many bytes of uploads a second may go, while mounted
    Limit(LimitArgs),
    /// Estimate by a sample what a local directory would take with smaller photos
    Estimate(EstimateArgs),
    /// Read items back from Google and compare them with the originals: is this a backup?
    Verify(VerifyArgs),
    /// Make thumbnails for file managers, so that they need not read the photos
    Thumbnails(ThumbnailsArgs),
    /// Show all attributes of a file or directory on a mount
    Info(InfoArgs),
    /// List the files that Google refused, and the reasons
    Failed(FailedArgs),
    /// Put refused files back in the queue
    Retry(RetryArgs),
    /// Write all that Google does not have of a profile into one file: names, times, hashes, queue
    Backup(BackupArgs),
    /// Put the content of a backup into a profile
    Restore(RestoreArgs),
    /// Show all that is known about a file or the queue, for a bug report
    Debug(DebugArgs),
    /// Check everything that a mount depends on, and name the remedy for each fault
    Doctor(DoctorArgs),
    /// Run a local Google Photos, to try gphotosfs without an account
    #[cfg(feature = "emulator")]
    Emulator(EmulatorArgs),
    /// Print a script that completes commands and flags in a shell
    Completions(CompletionsArgs),
    /// Print the manual page
    Man(ManArgs),
}

impl Cli {
    /// The addresses of the APIs.
    pub(super) fn apis(&self) -> Apis {
        Apis { library: self.api_url.clone(), picker: self.picker_url.clone() }
    }

    /// The profile that `-o profile=` or the flag names.
    pub(super) fn profile_name(&self) -> &ProfileName {
        let Command::Mount(mount) = &self.command else { return &self.profile };
        let chosen = mount.options.iter().rev().find_map(|option| match option {
            MountOption::Profile(name) => Some(name),
            _ => None,
        });
        chosen.unwrap_or(&self.profile)
    }
}

/// `gphotosfs login`.
#[derive(Debug, Args)]
pub struct LoginArgs {
    /// The OAuth client file from the Google Cloud console; without it, the one used last
    #[arg(long, value_name = "FILE", env = "GPHOTOSFS_CLIENT_SECRET")]
    pub client_secret: Option<PathBuf>,

    /// Print the link instead of opening a browser
    #[arg(
        long,
        env = "GPHOTOSFS_NO_BROWSER",
        value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        default_value = "false", value_parser = BoolishValueParser::new(),
        hide_default_value = true, hide_possible_values = true
    )]
    pub no_browser: bool,

    /// Also ask for the permission to see the photos that you pick from your whole library
    #[arg(long)]
    pub picker: bool,

    /// Take the login although it shows nothing that the profile knows, because everything was
    /// deleted at Google
    #[arg(long)]
    pub same_account: bool,
}

/// `gphotosfs pick`.
#[derive(Debug, Args)]
#[command(after_help = PICK_HELP)]
#[command(group(ArgGroup::new("what").required(true).args(["name", "list", "forget"])))]
pub struct PickArgs {
    /// The pick's name: a directory under .gphotos/picked; a pick of this name gets the new items,
    /// too
    pub name: Option<OsString>,

    /// Begin again: forget what the pick had, once you have picked something
    #[arg(long, requires = "name", conflicts_with_all = ["list", "forget"])]
    pub new: bool,

    /// Print the address instead of opening a browser
    #[arg(
        long,
        env = "GPHOTOSFS_NO_BROWSER",
        value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        default_value = "false", value_parser = BoolishValueParser::new(),
        hide_default_value = true, hide_possible_values = true
    )]
    pub no_browser: bool,

    /// Also print a QR code of the address, to pick on a phone
    #[arg(long, requires = "name", conflicts_with_all = ["list", "forget"])]
    pub qr: bool,

    /// Wait no longer than this
    #[arg(
        long, value_name = "DUR", requires = "name", conflicts_with_all = ["list", "forget"],
        value_parser = duration
    )]
    pub timeout: Option<Duration>,

    /// List all picks, and when their sessions end
    #[arg(long)]
    pub list: bool,

    /// With --list: print JSON
    // The group makes NAME exclude --list, which would waive `requires`.
    #[arg(long, requires = "list", conflicts_with_all = ["name", "forget"])]
    pub json: bool,

    /// Forget this pick, and end its sessions at Google
    #[arg(long, value_name = "NAME")]
    pub forget: Option<OsString>,
}

const PICK_HELP: &str = "\
Google's page shows no albums: search the album's title there, and tick its days. One visit takes up to 2000 photos; \
repeat the command with the same name for more. The photos stand under .gphotos/picked/NAME of the mount, read-only. \
Exit status: 0 something was picked, 1 nothing was.";

/// `gphotosfs umount`.
#[derive(Debug, Args)]
pub struct UmountArgs {
    /// Where it is mounted
    pub mountpoint: PathBuf,

    /// Do not wait for uploads; the next mount goes on with them
    #[arg(long)]
    pub now: bool,
}

/// `gphotosfs status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// The mount to show; without it, the profile's mount
    pub mountpoint: Option<PathBuf>,

    /// Print JSON as in .gphotos/status.json; with --watch, an object on each line
    #[arg(long)]
    pub json: bool,

    /// Update every second, until interrupted or unmounted. A terminal rings when uploads begin to wait,
    /// or a file is refused
    #[arg(short, long)]
    pub watch: bool,

    /// Print nothing if the profile is mounted and needs nobody; else fail, and say why: for health
    /// checks
    #[arg(long, conflicts_with_all = ["mountpoint", "json", "watch"])]
    pub check: bool,
}

impl From<StatusArgs> for status::Options {
    fn from(it: StatusArgs) -> Self {
        Self { mountpoint: it.mountpoint, json: it.json, watch: it.watch, check: it.check }
    }
}

/// `gphotosfs sync`.
#[derive(Debug, Args)]
pub struct SyncArgs {
    /// A directory or file on a mount; without it, the profile's whole queue, also without a mount
    pub path: Option<PathBuf>,

    /// Used if the profile is not mounted, so that this command uploads the queue itself.
    #[command(flatten, next_help_heading = "Without a mount")]
    pub upload: UploadArgs,
}

/// `gphotosfs refresh`.
#[derive(Debug, Args)]
pub struct RefreshArgs {
    /// A directory on a mount, with the albums below it that were read before; without it, the
    /// profile's whole mount
    pub path: Option<PathBuf>,
}

/// `gphotosfs info`.
#[derive(Debug, Args)]
pub struct InfoArgs {
    /// A file or directory on a mount
    #[arg(value_name = "FILE")]
    pub path: PathBuf,

    /// Print a JSON object
    #[arg(long)]
    pub json: bool,
}

/// `gphotosfs failed`.
#[derive(Debug, Args)]
pub struct FailedArgs {
    /// Print a JSON object with version and files: path, reason, time and size
    #[arg(long)]
    pub json: bool,
}

/// `gphotosfs retry`.
#[derive(Debug, Args)]
pub struct RetryArgs {
    /// Files or directories, as `failed` lists them or below .gphotos/failed; without any, all
    /// refused files
    pub paths: Vec<PathBuf>,
}

/// `gphotosfs limit`.
#[derive(Debug, Args)]
#[command(after_help = LIMIT_HELP)]
pub struct LimitArgs {
    /// The new limit: a rate, and FROM-TO=RATE for parts of the day; without it, show the present one
    #[arg(value_name = "RATE")]
    pub words: Vec<String>,
}

const LIMIT_HELP: &str = "\
A rate is in bytes a second (500k, 2M), in bits a second (16Mbit), or 'off'. Examples: 'gphotosfs limit 2M', \
'gphotosfs limit off', 'gphotosfs limit 500k 01:00-07:00=off'. The limit counts until the profile is unmounted; \
limit_up in config.toml counts for each mount.";

/// `gphotosfs backup`.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The new file, readable by you alone
    pub file: PathBuf,

    /// Put the client file and the login into it, too
    #[arg(long)]
    pub with_login: bool,

    /// Leave out the bytes of files that Google does not have
    #[arg(long)]
    pub without_files: bool,
}

impl From<BackupArgs> for backup::Options {
    fn from(it: BackupArgs) -> Self {
        Self { file: it.file, with_login: it.with_login, without_files: it.without_files }
    }
}

/// `gphotosfs restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// A file of `gphotosfs backup`
    pub file: PathBuf,

    /// Set aside what the profile has
    #[arg(long)]
    pub replace: bool,
}

/// `gphotosfs debug`.
#[derive(Debug, Args)]
#[command(after_help = DEBUG_HELP)]
pub struct DebugArgs {
    /// Print a JSON object
    #[arg(long, global = true)]
    pub json: bool,

    /// About what.
    #[command(subcommand)]
    pub about: DebugCommand,
}

/// The subcommands of `gphotosfs debug`.
#[derive(Debug, Subcommand)]
pub enum DebugCommand {
    /// Show what database, spool, cache and mount know about a file
    File {
        /// A file on the mount, or its path from the root of the library
        path: PathBuf,
    },
    /// Show the journal of uploads, row by row
    Queue,
}

const DEBUG_HELP: &str = "\
Works with or without a mount, and sends no request to Google. The output contains no secrets, but names of files \
and albums.";

/// `gphotosfs doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Print a JSON object with version, ok and checks: name, result (ok, warn or fail), text and
    /// remedy
    #[arg(long)]
    pub json: bool,
}

/// `gphotosfs emulator`.
#[cfg(feature = "emulator")]
#[derive(Debug, Args)]
pub struct EmulatorArgs {
    /// Loopback address to listen on; port 0 takes a free port
    #[arg(long, value_name = "ADDRESS", default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))]
    pub listen: SocketAddr,

    /// Keep albums, items and grants in this directory; without it, they are lost when the emulator
    /// ends
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,

    /// Write the client secret file here [default: DIR/client_secret.json with --state]
    #[arg(long, value_name = "FILE")]
    pub client_secret: Option<PathBuf>,

    /// Approve every login at once instead of showing the consent page
    #[arg(long)]
    pub auto_approve: bool,

    /// How fast the service is
    #[arg(long, value_enum, default_value_t = Speed::Instant)]
    pub speed: Speed,

    /// Faults that are on from the start, as JSON; see GET /emulator/faults
    #[arg(long, value_name = "JSON", value_parser = json)]
    pub faults: Option<serde_json::Value>,
}

#[cfg(feature = "emulator")]
impl From<EmulatorArgs> for emulator::Options {
    fn from(it: EmulatorArgs) -> Self {
        let EmulatorArgs { listen, state, client_secret, auto_approve, speed, faults } = it;
        Self { listen, state, client_secret, auto_approve, speed, faults }
    }
}

/// `gphotosfs man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write the pages of all commands into this directory, instead of printing one
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// `gphotosfs completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell to complete for
    pub shell: Shell,
}
