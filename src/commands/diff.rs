//! `gphotosfs diff`: which files differ between a local directory and an album.
//!
//! It hashes local files, and reads the album's side from xattrs. It downloads no media.

mod album;
mod children;
mod compare;
mod comparison;
mod copy;
mod evidence;
mod facts;
mod fates;
mod hashes;
mod local;
mod metadata;
mod pairs;
mod renames;
mod report;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

pub(super) use self::album::{failed_dir, names, refused, text};
pub(super) use self::comparison::{Comparison, Different, Duplicate, Match, Remark};
pub(super) use self::evidence::{Evidence, Sure};
pub(super) use self::fates::{by_path, is_unfit};
pub(super) use self::report::{STAYS, UNLISTED, group, only_here};

use self::compare::{Sides, compare};
use self::hashes::Hashes;
use self::local::Local;
use self::report::Source;
use crate::app::running::Mount;
use crate::app::{CommandError, Exit, counted, print, tell};
use crate::profile::Profile;
use crate::settings::Sidecars;

/// The arguments.
#[derive(Debug)]
pub struct Options {
    /// A directory on this machine.
    pub local: PathBuf,
    /// The album's directory on a mount.
    pub album: PathBuf,
    /// The kind of output.
    pub show: Show,
}

/// The kind of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// A report as text.
    Text,
    /// A report as JSON.
    Json,
    /// The shell commands that would copy the missing files into the album.
    Script,
    /// Copies the missing files, and waits until Google has them.
    Copying,
}

/// Compares and prints. Returns whether there are differences.
///
/// # Errors
/// If one side cannot be read, or the album is not on a mount.
pub fn run(options: &Options, profile: &Profile) -> Result<Exit, CommandError> {
    let mount = check(&options.local, &options.album, profile)?;
    let result = comparison(&mount, &options.local, &options.album, profile)?;
    match options.show {
        Show::Script | Show::Copying => return copy(options, &mount, &result),
        Show::Json => {
            print(report::json(Source::Album, &options.local, &options.album, &result)?)?;
        }
        Show::Text => print(report::text(&result))?,
    }
    Ok(exit(&result))
}

fn copy(options: &Options, mount: &Mount, result: &Comparison) -> Result<Exit, CommandError> {
    let names = copy::uploadable(result);
    let parts = [
        (result.different.len(), "with other content"),
        (result.same.unknown.len(), "unknown"),
        (result.failed.len(), "refused"),
        (result.temporary.iter().filter(|it| it.here).count(), "temporary or empty"),
        (result.unreadable.len(), "unreadable here"),
        (result.only_here.len() - names.len(), "that would not be uploaded"),
    ];
    let parts = parts.into_iter().filter(|it| it.0 > 0);
    let words: Vec<_> = parts.clone().map(|(count, what)| format!("{count} {what}")).collect();
    let left: usize = parts.map(|it| it.0).sum();
    if left > 0 {
        let are = if left == 1 { "is" } else { "are" };
        tell(format!(
            "gphotosfs: {} {are} left out: {}; 'gphotosfs diff' without --copy names them",
            counted(left, "file"),
            words.join(" + ")
        ));
    }
    if options.show == Show::Copying {
        let all_taken = copy::apply(mount, &options.local, &options.album, &names)?;
        return Ok(match (result.unreadable.is_empty(), left == 0 && all_taken) {
            (false, _) => Exit::Usage,
            (true, false) => Exit::Differ,
            (true, true) => Exit::Done,
        });
    }
    let script = copy::script(&options.local, &options.album, &names)?;
    // A shell gets the names as they are. A terminal must not execute them.
    if std::io::stdout().is_terminal() {
        print(String::from_utf8_lossy(&script))?;
        return Ok(exit(result));
    }
    let written = std::io::stdout().lock().write_all(&script);
    written.map_err(|err| CommandError::new("cannot write the output").because(err))?;
    Ok(exit(result))
}

fn exit(result: &Comparison) -> Exit {
    match (result.unreadable.is_empty(), result.differ()) {
        (false, _) => Exit::Usage,
        (true, true) => Exit::Differ,
        (true, false) => Exit::Done,
    }
}

/// Checks the arguments before any request to Google.
pub(super) fn check(local: &Path, album: &Path, profile: &Profile) -> Result<Mount, CommandError> {
    let local_on_mount = Mount::holding(local).is_ok();
    let mount = match local_on_mount {
        true => Mount::holding(album)
            .map_err(|err| err.hint("name the local directory first, then the album"))?,
        false => mount_of(album, profile)?,
    };
    if local_on_mount {
        let what = format!("{} is on a gphotosfs mount", local.display());
        return Err(CommandError::usage(format!("{what}; reading it would download every file"))
            .hint("name the local directory first, then the album"));
    }
    for path in [local, album] {
        if !path.is_dir() {
            return Err(CommandError::usage(format!("{} is not a directory", path.display()))
                .hint("name the directories that hold the files"));
        }
    }
    Ok(mount)
}

/// The mount that an album's directory is on.
pub(super) fn mount_of(album: &Path, profile: &Profile) -> Result<Mount, CommandError> {
    Mount::holding(album).map_err(|err| not_on_a_mount(err, album, profile))
}

/// Adds the next step if an album's directory is not on a mount.
fn not_on_a_mount(error: CommandError, album: &Path, profile: &Profile) -> CommandError {
    // The error is about a mount that has died.
    if error.next_step().is_some() {
        return error;
    }
    let mut above = album.ancestors().filter(|it| it.exists());
    if above.next().is_some_and(|it| Mount::holding(it).is_ok()) {
        return error.hint("check the album's name");
    }
    error.hint(match Mount::of_profile(profile) {
        Ok(Some(mount)) => format!(
            "name the album's directory below {}, where profile {} is mounted",
            mount.root.display(),
            profile.name()
        ),
        _ => "it is not mounted: run 'gphotosfs mount MOUNTPOINT' first".to_owned(),
    })
}

/// Lists the album again, and compares both sides.
pub(super) fn comparison(
    mount: &Mount,
    local: &Path,
    album: &Path,
    profile: &Profile,
) -> Result<Comparison, CommandError> {
    let mut there = album::files(album)?;
    let mut here = local::read(local, &Hashes::load(profile.cache_dir().ok()))?;
    if there.values().any(|it| it.facts.known().is_none()) {
        let wanted = compare::facts_wanted(&here.files, &there);
        metadata::add_facts(local, &mut here.files, &wanted);
        let wanted = compare::sizes_wanted(&here.files, &there);
        album::add_sizes(album, &mut there, wanted)?;
    }
    let failed = failed_dir(mount, album)?;
    let refused = refused(&failed)?;
    let mount = mount.status()?.mount;
    let keep_sidecars = mount.is_none_or(|it| it.sidecars == Sidecars::Keep);
    let Local { files, unreadable } = here;
    let mut result = compare(&Sides { here: files, unreadable, there, refused, keep_sidecars });
    fates::explain(local, keep_sidecars, &mut result);
    fates::find_unfit(&failed, keep_sidecars, &mut result);
    Ok(result)
}
