//! The arguments of every subcommand, as clap reads them.

#[cfg(feature = "emulator")]
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use url::Url;

use super::mount::{MountArgs, MountOption, UploadArgs};
use super::values::http_url;
#[cfg(feature = "emulator")]
use super::values::json;
use crate::commands::adopt::{self, Min};
use crate::commands::diff::{self, Show};
#[cfg(feature = "emulator")]
use crate::commands::emulator::{self, Speed};
use crate::commands::{status, verify};
use crate::profile::ProfileName;

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

    /// Say more on stderr; -vv and -vvv say still more
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

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const AFTER_HELP: &str = "\
Every setting that shows an environment variable is also a key in config.toml in the profile's \
configuration directory. A flag beats the environment, the environment beats the file.

Exit status: 0 done, 1 failed, 2 bad usage; diff, adopt and verify: 0 all is well, 1 not all, 2 trouble.";

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Give gphotosfs access to your Google Photos, through the browser
    Login(LoginArgs),
    /// End that access, at Google and here
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
    /// Say which files differ between a local directory and an album; downloads no media
    Diff(DiffArgs),
    /// Know an album again that was copied from a local directory, so that nothing is sent twice
    Adopt(AdoptArgs),
    /// Read items back from Google and say what has become of them: is this a backup?
    Verify(VerifyArgs),
    /// Make the small pictures that file managers show, so that these need not read the photos
    Thumbnails(ThumbnailsArgs),
    /// List what Google refused, and why
    Failed(FailedArgs),
    /// Put what Google refused back in the queue
    Retry(RetryArgs),
    /// Show all that is known about a file or the queue, for a bug report
    Debug(DebugArgs),
    /// Check everything a mount depends on, and say what to do about what is wrong
    Doctor(DoctorArgs),
    /// Run a local Google Photos to try everything against
    #[cfg(feature = "emulator")]
    Emulator(EmulatorArgs),
    /// Print what completes commands and flags in a shell
    Completions(CompletionsArgs),
    /// Print the manual page
    Man(ManArgs),
}

impl Cli {
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
}

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
    /// The mount; without it, that of the profile
    pub mountpoint: Option<PathBuf>,

    /// Print JSON as in .gphotos/status.json; with --watch, an object on each line
    #[arg(long)]
    pub json: bool,

    /// Look again every second, until interrupted or unmounted
    #[arg(short, long)]
    pub watch: bool,
}

impl From<StatusArgs> for status::Options {
    fn from(it: StatusArgs) -> Self {
        Self { mountpoint: it.mountpoint, json: it.json, watch: it.watch }
    }
}

/// `gphotosfs sync`.
#[derive(Debug, Args)]
pub struct SyncArgs {
    /// A directory or file on a mount; without it, all of the profile, be it mounted or not
    pub path: Option<PathBuf>,

    /// For when there is no mount that sends it.
    #[command(flatten, next_help_heading = "Without a mount")]
    pub upload: UploadArgs,
}

/// `gphotosfs refresh`.
#[derive(Debug, Args)]
pub struct RefreshArgs {
    /// A directory on a mount, with the albums below it that have been looked into; without it, all of the profile's mount
    pub path: Option<PathBuf>,
}

/// `gphotosfs diff`.
#[derive(Debug, Args)]
#[command(after_help = DIFF_HELP)]
pub struct DiffArgs {
    /// A directory on this machine
    pub local: PathBuf,

    /// The album's directory on a mount
    pub album: PathBuf,

    /// Print the comparison as JSON
    #[arg(long)]
    pub json: bool,

    /// Print the shell commands that would copy what is only here into the album
    #[arg(long, conflicts_with = "json")]
    pub copy: bool,

    /// With --copy: copy, and wait until Google has it all
    #[arg(long, requires = "copy")]
    pub apply: bool,
}

impl From<DiffArgs> for diff::Options {
    fn from(it: DiffArgs) -> Self {
        let show = match (it.json, it.copy, it.apply) {
            (true, ..) => Show::Json,
            (_, _, true) => Show::Copying,
            (_, true, _) => Show::Script,
            _ => Show::Text,
        };
        Self { local: it.local, album: it.album, show }
    }
}

const DIFF_HELP: &str = "\
Files that were uploaded from here are compared by SHA-256; others by name, then by capture time, \
dimensions and size, and the answer says how sure it is. What was put into the album within ten minutes may be missing \
from Google's list: it is named, and counts as there. Exit status: 0 no differences, 1 differences, \
2 trouble, for example a local file that cannot be read.";

/// `gphotosfs adopt`.
#[derive(Debug, Args)]
#[command(after_help = ADOPT_HELP)]
pub struct AdoptArgs {
    /// A directory on this machine
    pub local: PathBuf,

    /// The album's directory on a mount
    pub album: PathBuf,

    /// How sure it must be that an item is the local file
    #[arg(long, value_enum, value_name = "SURE", default_value_t = Min::AlmostCertain)]
    pub min: Min,

    /// Say what would be adopted, and change nothing
    #[arg(long)]
    pub dry_run: bool,

    /// Print what was done as JSON
    #[arg(long)]
    pub json: bool,
}

impl From<AdoptArgs> for adopt::Options {
    fn from(it: AdoptArgs) -> Self {
        let AdoptArgs { local, album, min, dry_run, json } = it;
        Self { local, album, min, dry_run, json }
    }
}

const ADOPT_HELP: &str = "\
From then on the album's files have the size, time and name of the local ones, and equal bytes are not sent \
again: 'cp -n' and 'rsync -rt' of the same directory have nothing to do. What is only likely is not adopted \
unless --min says so: were it another picture, yours would not be sent. 'gphotosfs diff' counts what was adopted, \
'setfattr -x user.gphotos.adopted FILE' takes one back. Exit status: 0 the album's files are known for all of \
yours, 1 some are left, 2 trouble.";

/// `gphotosfs verify`.
#[derive(Debug, Args)]
#[command(after_help = VERIFY_HELP)]
pub struct VerifyArgs {
    /// The album's directory on a mount
    pub album: PathBuf,

    /// The directory with the originals: more can be said, and missing files are named
    #[arg(long, value_name = "LOCAL_DIR")]
    pub against: Option<PathBuf>,

    /// How many items are read back, chosen at random
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub sample: usize,

    /// Read all of them back
    #[arg(long, conflicts_with = "sample")]
    pub all: bool,

    /// Another number chooses other items; the same one chooses the same
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,

    /// How many requests it may cost; an item takes one, and one more for each 50
    #[arg(long, value_name = "REQUESTS", default_value_t = 1000)]
    pub budget: u64,

    /// Print what was found as JSON
    #[arg(long)]
    pub json: bool,
}

impl From<VerifyArgs> for verify::Options {
    fn from(it: VerifyArgs) -> Self {
        Self {
            album: it.album,
            against: it.against,
            sample: (!it.all).then_some(it.sample),
            seed: it.seed,
            budget: it.budget,
            json: it.json,
        }
    }
}

const VERIFY_HELP: &str = "\
Photos are downloaded and compared by SHA-256, then by the compressed picture without its metadata, as far as the \
original is here: in the cache, or below --against. Of videos, which Google never gives back as they were, only \
the length is asked for. Exit status: 0 all is there, as well as Google gives anything back (identical, \
metadata_stripped, transcoded); 1 something is not; 2 trouble, or not all could be looked at.";

/// `gphotosfs thumbnails`.
#[derive(Debug, Args)]
#[command(after_help = THUMBNAILS_HELP)]
pub struct ThumbnailsArgs {
    /// A directory on a mount
    pub dir: PathBuf,
}

const THUMBNAILS_HELP: &str = "\
The pictures go where GNOME, KDE, Xfce and other desktops look for them (~/.cache/thumbnails). Each costs one download \
of some kilobytes; those that are there and up to date cost nothing.";

/// `gphotosfs failed`.
#[derive(Debug, Args)]
pub struct FailedArgs {
    /// Print a JSON array of objects with path, reason, time and size
    #[arg(long)]
    pub json: bool,
}

/// `gphotosfs retry`.
#[derive(Debug, Args)]
pub struct RetryArgs {
    /// Files or directories, as `failed` lists them or below .gphotos/failed; without any, all
    pub paths: Vec<PathBuf>,
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
    /// Print a JSON object with version, ok and checks: name, result (ok, warn or fail), text and remedy
    #[arg(long)]
    pub json: bool,
}

/// `gphotosfs emulator`.
#[cfg(feature = "emulator")]
#[derive(Debug, Args)]
pub struct EmulatorArgs {
    /// Loopback address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))]
    pub listen: SocketAddr,

    /// Keep albums, items and grants in this directory; without it they end with the emulator
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

    /// Fault switches to begin with, as JSON; see GET /emulator/faults
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
    /// Write the pages of all commands into this directory instead
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// `gphotosfs completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Which shell
    pub shell: Shell,
}
