//! Translates the arguments that mount(8) gives to its helpers, `mount.gphotosfs` and
//! `mount.fuse.gphotosfs`, into those of `gphotosfs mount`. Pure.

use std::ffi::OsString;
use std::path::Path;

use clap::Parser;

use super::mount::MountOption;

/// The arguments that mount(8) gives to a helper.
#[derive(Debug, Parser)]
#[command(about = "Mount Google Photos; called by mount(8)", disable_version_flag = true)]
struct Helper {
    /// Ignored: -o profile=NAME chooses the profile
    source: OsString,

    /// Where to mount
    mountpoint: OsString,

    /// Mount options
    #[arg(short = 'o', value_name = "OPT", value_delimiter = ',')]
    options: Vec<String>,

    /// Leave out options that are not known
    #[arg(short = 's')]
    sloppy: bool,

    /// Do everything but mount
    #[arg(short = 'f')]
    fake: bool,

    /// Ignored: there is no /etc/mtab to write to
    #[arg(short = 'n')]
    _no_table: bool,

    /// Say more
    #[arg(short = 'v')]
    verbose: bool,

    /// Ignored: mount(8) names the type if one helper serves several types
    #[arg(short = 't', value_name = "TYPE")]
    _kind: Option<String>,
}

/// How the program goes on.
#[derive(Debug, PartialEq, Eq)]
pub enum Called {
    /// Go on with these arguments.
    As(Vec<OsString>),
    /// Root mounts for a user (`-o setuid=NAME`): become this user, then go on with these
    /// arguments.
    AsUser(String, Vec<OsString>),
    /// End: mount(8) only checks the options.
    ForNothing,
}

/// Translates the arguments if the program was called as a mount helper. Otherwise returns them
/// unchanged.
///
/// # Errors
/// Those of clap, for arguments that mount(8) never gives.
pub fn called(args: Vec<OsString>) -> Result<Called, clap::Error> {
    let name = args.first().map(Path::new).and_then(Path::file_name);
    if !name.is_some_and(|name| name.as_encoded_bytes().starts_with(b"mount.")) {
        return Ok(Called::As(args));
    }
    let mut helper = Helper::try_parse_from(&args)?;
    if helper.fake {
        return Ok(Called::ForNothing);
    }
    let user = helper.options.iter().rev().find_map(|word| word.strip_prefix("setuid="));
    let user = user.map(str::to_owned);
    helper.options.retain(|word| !word.starts_with("setuid="));
    if helper.sloppy {
        helper.options.retain(|word| word.parse::<MountOption>().is_ok());
    }
    let mut words: Vec<OsString> = vec!["gphotosfs".into(), "mount".into()];
    if helper.verbose {
        words.push("-v".into());
    }
    if !helper.options.is_empty() {
        words.extend(["-o".into(), helper.options.join(",").into()]);
    }
    words.push(helper.mountpoint);
    Ok(match user {
        Some(user) => Called::AsUser(user, words),
        None => Called::As(words),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn what_mount_says_becomes_the_mount_command() {
        for (said, meant) in [
            ("mount.gphotosfs src /m -o rw,profile=a", "gphotosfs mount -o rw,profile=a /m"),
            ("/sbin/mount.fuse.gphotosfs src /m", "gphotosfs mount /m"),
            (
                "mount.gphotosfs src /m -s -n -v -o ro,strange,sizes=lazy",
                "gphotosfs mount -v -o ro,sizes=lazy /m",
            ),
            ("/usr/bin/gphotosfs mount /m -o ro", "/usr/bin/gphotosfs mount /m -o ro"),
        ] {
            assert_eq!(called(words(said)).unwrap(), Called::As(words(meant)), "{said}");
        }
    }

    #[test]
    fn root_mounts_for_a_user() {
        let said = words("mount.gphotosfs src /m -o rw,setuid=me,allow_other");
        let meant = words("gphotosfs mount -o rw,allow_other /m");
        assert_eq!(called(said).unwrap(), Called::AsUser("me".into(), meant));
    }

    #[test]
    fn a_fake_mount_does_nothing() {
        assert_eq!(called(words("mount.gphotosfs src /m -f")).unwrap(), Called::ForNothing);
    }
}
