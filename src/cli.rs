//! The command line: flags, environment and `config.toml` become typed settings, here only.
//!
//! A setting is a clap argument with an environment variable. These are also the keys that
//! `config.toml` in the profile's configuration directory may hold: its values become the
//! arguments' defaults, so clap itself sees to it that flag beats environment beats file, and one
//! parser per setting judges all three.

mod mount_helper;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use clap::builder::{BoolishValueParser, Resettable};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use toml::Spanned;
use url::Url;

use crate::commands;
use crate::profile::{Profile, ProfileName};

pub use mount_helper::{Called, called};

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
    Login(commands::login::LoginArgs),
    /// End that access, at Google and here
    Logout(commands::logout::LogoutArgs),
    /// Mount the library on a directory; returns when the mount is usable
    Mount(MountArgs),
    /// Wait until everything is uploaded, then unmount
    Umount(commands::umount::UmountArgs),
    /// Show login, queue, quota, cache and the last errors of a mount
    Status(commands::status::StatusArgs),
    /// Wait until Google has everything under a path
    Sync(commands::sync::SyncArgs),
    /// List a directory again from Google
    Refresh(commands::sync::RefreshArgs),
    /// Say which files differ between a local directory and an album; downloads no media
    Diff(commands::diff::DiffArgs),
    /// Know an album again that was copied from a local directory, so that nothing is sent twice
    Adopt(commands::adopt::AdoptArgs),
    /// Read items back from Google and say what has become of them: is this a backup?
    Verify(commands::verify::VerifyArgs),
    /// Make the small pictures that file managers show, so that these need not read the photos
    Thumbnails(commands::thumbnails::ThumbnailsArgs),
    /// List what Google refused, and why
    Failed(commands::failed::FailedArgs),
    /// Put what Google refused back in the queue
    Retry(commands::failed::RetryArgs),
    /// Check everything a mount depends on, and say what to do about what is wrong
    Doctor(commands::doctor::DoctorArgs),
    /// Run a local Google Photos to try everything against
    #[cfg(feature = "emulator")]
    Emulator(commands::emulator::EmulatorArgs),
    /// Print what completes commands and flags in a shell
    Completions(commands::man::CompletionsArgs),
    /// Print the manual page
    Man(commands::man::ManArgs),
}

/// `gphotosfs mount`.
#[derive(Debug, Args)]
pub struct MountArgs {
    /// An empty directory, or any with -o nonempty
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

    /// The child of a mount that detaches: answers its parent through stdout
    #[arg(long, hide = true)]
    pub detached: bool,

    /// Mount options as in fstab: ro, noexec, allow_other, nonempty, profile=NAME, and the settings below as
    /// commit=, sizes=, refresh=, cache_size=, spool_size=, passthrough=, uploads=, api_url=. An option beats the flag of that name
    #[arg(short = 'o', value_name = "OPT", value_delimiter = ',')]
    pub options: Vec<MountOption>,

    /// When close(2) of a written file returns: once it is safe on this disk, or once Google has it
    #[arg(long, value_enum, default_value_t = Commit::Background, env = "GPHOTOSFS_COMMIT")]
    pub commit: Commit,

    /// How file sizes are learnt: asked for when a directory is listed, or at the first open
    #[arg(long, value_enum, default_value_t = Sizes::Exact, env = "GPHOTOSFS_SIZES")]
    pub sizes: Sizes,

    /// How old the list of albums may become before it is asked for again
    #[arg(
        long,
        value_name = "DUR",
        default_value = "5m",
        value_parser = humantime::parse_duration,
        env = "GPHOTOSFS_REFRESH"
    )]
    pub refresh: Duration,

    /// How much disk files on their way to Google may take; when it is full, writers wait
    #[arg(long, value_name = "SIZE", default_value = "50G", env = "GPHOTOSFS_SPOOL_SIZE")]
    pub spool_size: ByteSize,

    /// Whether the kernel reads cached files by itself, in a read-only mount and in .gphotos/library: where it can and may, or never
    #[arg(long, value_enum, default_value_t = Passthrough::Auto, env = "GPHOTOSFS_PASSTHROUGH")]
    pub passthrough: Passthrough,

    /// What uploading needs.
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

    /// Let other users of this machine in (needs user_allow_other in /etc/fuse.conf unless root)
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
    /// How much disk the cache of downloaded and uploaded content may take
    #[arg(long, value_name = "SIZE", default_value = "10G", env = "GPHOTOSFS_CACHE_SIZE")]
    pub cache_size: ByteSize,

    /// How many files are sent at the same time at the most, 1 to 32; within that, as many as help
    #[arg(
        long,
        value_name = "N",
        default_value = "32",
        value_parser = clap::value_parser!(u8).range(1..=32),
        env = "GPHOTOSFS_UPLOADS"
    )]
    pub uploads: u8,

    /// For tests: every wait that is made for Google's sake is divided by this. May go at any time
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
    /// With the API that the global flag names.
    pub fn settings(self, api_url: Url) -> UploadSettings {
        UploadSettings {
            cache_size: self.cache_size.as_u64(),
            uploads: self.uploads,
            api_url,
            unstable_pace: self.unstable_pace,
        }
    }
}

/// What uploading needs to be told, wherever it happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadSettings {
    /// Limit of the content cache, in bytes.
    pub cache_size: u64,
    /// Most byte uploads at the same time, 1 to 32.
    pub uploads: u8,
    /// Base URL of the API.
    pub api_url: Url,
    /// Divides every wait that is made for Google's sake.
    pub unstable_pace: u32,
}

/// When close(2) of a written file returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Commit {
    /// Once the file is safe on this disk; it is uploaded behind it
    Background,
    /// Once Google has made an item of it, or with the errno of what went wrong
    Close,
}

/// How the sizes of files that were not uploaded from here are learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Sizes {
    /// Ask for each once, when its directory is listed
    Exact,
    /// Report 0 until the first open, which saves requests
    Lazy,
}

/// Who reads files whose bytes are on this disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Passthrough {
    /// The kernel, without asking, where that is possible: where nothing can be written, since Linux 6.9, as root
    Auto,
    /// This program, whenever the kernel asks
    Off,
}

/// What the mount is to do, merged from flags, `-o`, environment and file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountSettings {
    /// Where to mount, as given.
    pub mountpoint: PathBuf,
    /// Do not detach.
    pub foreground: bool,
    /// This process is the child of a mount that detaches.
    pub detached: bool,
    /// When close(2) returns.
    pub commit: Commit,
    /// How sizes are learnt.
    pub sizes: Sizes,
    /// How old the album list may become.
    pub refresh: Duration,
    /// Refuse every change.
    pub read_only: bool,
    /// Mount over what is in the directory.
    pub nonempty: bool,
    /// Let other users of this machine in.
    pub allow_other: bool,
    /// Nothing there may be run as a program.
    pub no_exec: bool,
    /// Limit of the spool, in bytes.
    pub spool_size: u64,
    /// Who reads what is on this disk.
    pub passthrough: Passthrough,
    /// What uploading needs.
    pub upload: UploadSettings,
}

impl MountArgs {
    /// Merges `-o` over the flags; the later of two options wins, as in mount(8).
    pub fn settings(self, api_url: Url) -> MountSettings {
        let mut settings = MountSettings {
            mountpoint: self.mountpoint,
            foreground: self.foreground,
            detached: self.detached,
            commit: self.commit,
            sizes: self.sizes,
            refresh: self.refresh,
            read_only: self.read_only,
            nonempty: false,
            allow_other: self.allow_other,
            no_exec: false,
            spool_size: self.spool_size.as_u64(),
            passthrough: self.passthrough,
            upload: self.upload.settings(api_url),
        };
        for option in self.options {
            match option {
                MountOption::Profile(_) | MountOption::Ignored => {}
                MountOption::ReadOnly(it) => settings.read_only = it,
                MountOption::NonEmpty => settings.nonempty = true,
                MountOption::AllowOther => settings.allow_other = true,
                MountOption::NoExec(it) => settings.no_exec = it,
                MountOption::Commit(it) => settings.commit = it,
                MountOption::Sizes(it) => settings.sizes = it,
                MountOption::Refresh(it) => settings.refresh = it,
                MountOption::Passthrough(it) => settings.passthrough = it,
                MountOption::SpoolSize(it) => settings.spool_size = it.as_u64(),
                MountOption::CacheSize(it) => settings.upload.cache_size = it.as_u64(),
                MountOption::Uploads(it) => settings.upload.uploads = it,
                MountOption::ApiUrl(it) => settings.upload.api_url = it,
            }
        }
        settings
    }
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
    /// `passthrough=auto|off`.
    Passthrough(Passthrough),
    /// `uploads=N`.
    Uploads(u8),
    /// `api_url=URL`.
    ApiUrl(Url),
    /// Meant for mount(8), systemd or the kernel; nothing for us to do.
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
            ("commit", it) => Self::Commit(Commit::from_str(it, false).map_err(refused)?),
            ("sizes", it) => Self::Sizes(Sizes::from_str(it, false).map_err(refused)?),
            ("refresh", it) => Self::Refresh(
                humantime::parse_duration(it).map_err(|err| refused(err.to_string()))?,
            ),
            ("passthrough", it) => {
                Self::Passthrough(Passthrough::from_str(it, false).map_err(refused)?)
            }
            ("spool_size", it) => Self::SpoolSize(it.parse().map_err(refused)?),
            ("cache_size", it) => Self::CacheSize(it.parse().map_err(refused)?),
            ("uploads", it) => Self::Uploads(
                it.parse()
                    .ok()
                    .filter(|n| (1..=32).contains(n))
                    .ok_or_else(|| refused("use a number from 1 to 32".into()))?,
            ),
            ("api_url", it) => Self::ApiUrl(http_url(it).map_err(refused)?),
            _ => {
                return Err(refused(
                    "not known here; known are ro, rw, noexec, allow_other, nonempty, profile=, commit=, sizes=, \
                     refresh=, cache_size=, spool_size=, passthrough=, uploads= and api_url="
                        .into(),
                ));
            }
        })
    }
}

fn http_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|err| err.to_string())?;
    match url.scheme() {
        "http" | "https" if url.host().is_some() => Ok(url),
        _ => Err("use a URL that starts with https:// or http://".into()),
    }
}

/// Why there are no settings to run with.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// There are no arguments at all.
    #[error("no command is named")]
    Nothing,
    /// Help was asked for, or an argument or environment variable was refused.
    #[error(transparent)]
    Arguments(#[from] clap::Error),
    /// The profile's directories cannot be used.
    #[error("cannot use the profile's directories")]
    Profile(#[source] io::Error),
    /// The configuration file cannot be read or was refused.
    #[error("{}: {why}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Which key, which value, which rule.
        why: String,
    },
}

impl Cli {
    /// Reads arguments, this process's environment and the profile's `config.toml`.
    ///
    /// # Errors
    /// If any of them is refused; also to show help or the version.
    pub fn load(args: &[OsString]) -> Result<(Self, Profile), CliError> {
        // clap would look at the environment as well before it says so.
        if args.len() < 2 {
            return Err(CliError::Nothing);
        }
        let cli = Self::try_parse_from(args).map_err(|err| without_environment(err, args))?;
        let profile = Profile::locate(cli.profile_name().clone()).map_err(CliError::Profile)?;
        let path = profile.config_dir().map_err(CliError::Profile)?.join("config.toml");
        let over_file = match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse_over(&text, args),
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok((cli, profile)),
            Err(err) => Err(err.to_string()),
        };
        match over_file {
            Ok(over_file) => Ok((over_file, profile)),
            // It looks at the file by itself, and at the rest as well.
            Err(_) if matches!(cli.command, Command::Doctor(_)) => Ok((cli, profile)),
            Err(why) => Err(CliError::File { path, why }),
        }
    }

    fn profile_name(&self) -> &ProfileName {
        let Command::Mount(mount) = &self.command else { return &self.profile };
        let chosen = mount.options.iter().rev().find_map(|option| match option {
            MountOption::Profile(name) => Some(name),
            _ => None,
        });
        chosen.unwrap_or(&self.profile)
    }

    /// Parses `args`, which have been found good by themselves, with the values of `file` as
    /// defaults. An error is therefore about the file.
    fn parse_over(file: &str, args: &[OsString]) -> Result<Self, String> {
        let at_line = |at: usize, why: String| {
            format!("line {}: {why}", 1 + file.bytes().take(at).filter(|it| *it == b'\n').count())
        };
        let table: BTreeMap<Spanned<String>, toml::Value> =
            toml::from_str(file).map_err(|err| {
                at_line(err.span().map_or(0, |span| span.start), err.message().to_owned())
            })?;
        let mut command = Self::command();
        let parse = |command: clap::Command| {
            let parsed = command.try_get_matches_from(args);
            parsed.and_then(|it| Self::from_arg_matches(&it)).map_err(|err| what_is_wrong(&err))
        };
        for (key, value) in table {
            let refused = |why| at_line(key.span().start, why);
            let key = key.get_ref();
            let value = match value {
                toml::Value::String(it) => it,
                toml::Value::Integer(it) => it.to_string(),
                toml::Value::Boolean(it) => it.to_string(),
                other => {
                    return Err(refused(format!(
                        "{key}: use a string, a number or true/false, not {}",
                        other.type_str()
                    )));
                }
            };
            let known;
            (command, known) = set_default(command, key, &value);
            if !known {
                return Err(refused(format!("{key}: no setting has this name")));
            }
            // One after another, so that it is known which is refused.
            parse(command.clone()).map_err(refused)?;
        }
        parse(command)
    }
}

/// What clap says of `args` when nothing is set by the environment, if that is an error, too. Otherwise its line on
/// usage shows what the environment has set as if it had to be given.
fn without_environment(err: clap::Error, args: &[OsString]) -> clap::Error {
    fn plain(command: clap::Command) -> clap::Command {
        command.mut_args(|arg| arg.env(Resettable::Reset)).mut_subcommands(plain)
    }
    // Help shows the environment.
    if !err.use_stderr() {
        return err;
    }
    plain(Cli::command()).try_get_matches_from(args).err().unwrap_or(err)
}

/// The first paragraph of a refusal: what follows is about the command line.
fn what_is_wrong(err: &clap::Error) -> String {
    let text = err.to_string();
    let first = text.split("\n\n").next().unwrap_or(&text);
    first.trim_start_matches("error: ").trim_end().to_owned()
}

/// What environment and `config.toml` say to a mount of the profile that is given no flags.
///
/// # Errors
/// Why the mount would refuse that, in one line.
pub fn mount_settings(profile: &Profile) -> Result<MountSettings, String> {
    let name = profile.name().to_string();
    let args = ["gphotosfs", "--profile", &name, "mount", "/"].map(OsString::from);
    let (cli, _) = Cli::load(&args).map_err(|err| match err {
        CliError::Arguments(err) => what_is_wrong(&err),
        err => err.to_string(),
    })?;
    match cli.command {
        Command::Mount(mount) => Ok(mount.settings(cli.api_url)),
        other => Err(format!("this was taken for another command: {other:?}")),
    }
}

/// Gives the setting `key` a default wherever it occurs; tells whether it does.
fn set_default(command: clap::Command, key: &str, value: &str) -> (clap::Command, bool) {
    let mut known = false;
    let command = command.mut_args(|arg| {
        // The profile chooses the file; it cannot also be in it.
        if arg.get_id() == key && arg.get_env().is_some() && key != "profile" {
            known = true;
            arg.default_value(value.to_owned())
        } else {
            arg
        }
    });
    let command = command.mut_subcommands(|sub| {
        let (sub, here) = set_default(sub, key, value);
        known |= here;
        sub
    });
    (command, known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(words: &[&str]) -> Vec<OsString> {
        ["gphotosfs"].iter().chain(words).map(OsString::from).collect()
    }

    fn mount(file: &str, words: &[&str]) -> MountSettings {
        let cli = Cli::parse_over(file, &args(words)).unwrap();
        let Command::Mount(mount) = cli.command else { panic!("not a mount: {words:?}") };
        mount.settings(cli.api_url)
    }

    #[test]
    fn clap_finds_the_definition_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_environment_variable_is_named_after_its_key() {
        fn check(command: &clap::Command) {
            for arg in command.get_arguments() {
                let Some(env) = arg.get_env() else { continue };
                let expected = format!("GPHOTOSFS_{}", arg.get_id().as_str().to_uppercase());
                assert_eq!(env, expected.as_str(), "in {}", command.get_name());
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }

    #[test]
    fn file_replaces_defaults_and_flags_beat_the_file() {
        let file = "uploads = 7\nrefresh = '1h'\nread_only = true\napi_url = 'http://[::1]:8080'";
        let from_file = mount(file, &["mount", "/m"]);
        assert_eq!(from_file.upload.uploads, 7);
        assert_eq!(from_file.refresh, Duration::from_secs(3600));
        assert!(from_file.read_only);
        assert_eq!(from_file.upload.api_url.port(), Some(8080));

        let flags = ["mount", "/m", "--uploads", "2", "--read-only=false"];
        let from_flags = mount(file, &flags);
        assert_eq!((from_flags.upload.uploads, from_flags.read_only), (2, false));
    }

    #[test]
    fn settings_have_the_documented_defaults() {
        let it = mount("", &["mount", "/m"]);
        assert_eq!((it.commit, it.sizes), (Commit::Background, Sizes::Exact));
        assert_eq!(it.refresh, Duration::from_secs(300));
        assert_eq!((it.upload.cache_size, it.spool_size), (10_000_000_000, 50_000_000_000));
        assert_eq!(it.upload.api_url.as_str(), "https://photoslibrary.googleapis.com/");
        assert!(!it.foreground && !it.read_only && !it.allow_other && !it.detached);
    }

    #[test]
    fn fstab_options_beat_flags_and_the_last_one_wins() {
        let options =
            "rw,noauto,user,_netdev,x-systemd.automount,uploads=3,sizes=lazy,commit=close,ro";
        let it = mount(
            "",
            &["mount", "/m", "--uploads", "9", "-o", options, "-o", "allow_other,nonempty"],
        );
        assert_eq!((it.upload.uploads, it.sizes, it.read_only), (3, Sizes::Lazy, true));
        assert!(it.allow_other && it.nonempty && it.commit == Commit::Close);
    }

    #[test]
    fn profile_option_chooses_the_profile() {
        let words = args(&["--profile", "a", "mount", "/m", "-o", "ro,profile=b"]);
        assert_eq!(Cli::try_parse_from(words).unwrap().profile_name().to_string(), "b");
    }

    #[test]
    fn refused_arguments_name_flag_value_and_rule() {
        for (words, parts) in [
            (&["mount", "/m", "--uploads", "0"][..], &["--uploads", "'0'", "1..=32"][..]),
            (&["mount", "/m", "--refresh", "soon"], &["--refresh", "'soon'"]),
            (&["mount", "/m", "--cache-size", "big"], &["--cache-size", "'big'"]),
            (&["mount", "/m", "--commit", "later"], &["--commit", "background", "close"]),
            (&["mount", "/m", "-o", "ro,speed=9"], &["-o", "\"speed=9\"", "not known here"]),
            (&["mount", "/m", "-o", "uploads=33"], &["\"uploads=33\"", "1 to 32"]),
            (&["--profile", "../x", "mount", "/m"], &["--profile", "letters, digits"]),
            (&["--api-url", "ftp://x", "mount", "/m"], &["--api-url", "https://"]),
        ] {
            let message = Cli::try_parse_from(args(words)).unwrap_err().to_string();
            for part in parts {
                assert!(message.contains(part), "{words:?}: {part:?} not in {message:?}");
            }
        }
    }

    #[test]
    fn refused_file_values_name_key_and_rule() {
        for (file, part) in [
            ("uploads = 99", "'99' for '--uploads <N>'"),
            ("uploads = [1]", "uploads: use a string, a number or true/false, not array"),
            ("colour = 'red'", "colour: no setting has this name"),
            ("profile = 'x'", "profile: no setting has this name"),
            ("mountpoint = '/m'", "mountpoint: no setting has this name"),
            ("uploads 7", "="),
            ("uploads =", "value"),
            ("refresh = '2h'", "duplicate"),
        ] {
            let file = format!("refresh = '1h'\n# the next one\n{file}\n");
            let why = Cli::parse_over(&file, &args(&["mount", "/m"])).unwrap_err();
            assert!(why.starts_with("line 3: ") && why.contains(part), "{file:?}: {why:?}");
            assert!(!why.contains('\n'), "{why:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_in_the_file_is_taken_or_refused(
            text in "(\\PC|\n|(refresh|uploads|cache_size|api_url|profile|commit|mountpoint) *= *(-?[0-9]{1,20}|\"\\PC{0,9}\"|true|\\[1\\])\n){0,12}",
        ) {
            if let Err(why) = Cli::parse_over(&text, &args(&["mount", "/m"])) {
                proptest::prop_assert!(!why.is_empty());
            }
        }
    }
}
