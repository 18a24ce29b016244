//! The depth of the program: all that a mount has but the kernel, assembled in this process.

use clap::Parser;
use gphotosfs::cli::{Cli, Command};
use gphotosfs::commands::mount::{Parts, assemble};
use gphotosfs::profile::Profile;
use gphotosfs::settings::MountSettings;
use tokio::runtime::Handle;

/// The settings of `gphotosfs mount` with these options.
pub fn settings(url: &str, options: &[&str]) -> MountSettings {
    let words = ["gphotosfs", "mount", "/nowhere"].iter().chain(options);
    let Command::Mount(mount) = Cli::try_parse_from(words).unwrap().command else { panic!() };
    mount.settings(url.parse().unwrap())
}

/// Assembles the parts of `gphotosfs mount` with these options.
///
/// # Errors
/// The message of the program, if it would not mount.
pub fn start(
    profile: &Profile,
    url: &str,
    options: &[&str],
    runtime: &Handle,
) -> Result<Parts, String> {
    let settings = settings(url, options);
    let mountpoint = settings.mountpoint.clone();
    assemble(profile, &settings, &mountpoint, runtime).map_err(|error| error.to_string())
}
