//! `gphotosfs diff`: which files differ between a local directory and an album.
//!
//! It hashes local files. It reads the album's side from xattrs, or from an export, and downloads
//! no media.

mod album;
mod apart;
mod children;
mod clocks;
mod compare;
mod comparison;
mod copies;
mod copy;
mod differences;
mod evidence;
mod facts;
mod fates;
mod hashes;
mod levels;
mod local;
mod metadata;
mod namesakes;
mod neighbours;
mod pairs;
mod pick;
mod renames;
mod report;
mod sides;
mod sizes;
mod smaller;
mod takeout;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

pub(super) use self::album::{failed_dir, names, refused, text};
pub(super) use self::comparison::{Comparison, Different, Duplicate, Match, Remark};
pub(super) use self::copies::Candidate;
pub(super) use self::evidence::{Evidence, Sure};
pub(super) use self::fates::{by_path, is_taken, is_unfit};
pub(super) use self::local::names as local_names;
pub(super) use self::pick::is_pick;
pub(super) use self::report::{STAYS, UNLISTED, group, only_here};

use self::compare::compare;
use self::copy::Script;
use self::hashes::Hashes;
use self::local::Local;
use self::report::{Document, Source};
use self::sides::Sides;
use crate::app::picked;
use crate::app::running::Mount;
use crate::app::{CommandError, Exit, counted, json_text, print, print_coloured, tell, unmounted};
use crate::profile::Profile;
use crate::settings::Sidecars;
use crate::status::MountFacts;
use crate::upload::NameRules;

/// The arguments.
#[derive(Debug)]
pub struct Options {
    /// A directory on this machine.
    pub local: PathBuf,
    /// The album's directory on a mount, or the parts of an export.
    pub others: Vec<PathBuf>,
    /// The title of an album of the export.
    pub title: Option<String>,
    /// The kind of output.
    pub show: Show,
    /// As text, also name the files that are the same, as far as no hash says so.
    pub in_full: bool,
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
    let Options { local, others, title, show, in_full } = options;
    let album = match &others[..] {
        [one] if title.is_none() && !is_export(one) => one,
        _ => return run_with_export(options, profile),
    };
    check_is_any(local, album, profile)?;
    let mount = check(local, album, profile)?;
    picked::refuse_all(&mount, album)?;
    let result = comparison(&mount, local, album, profile)?;
    let source = if is_pick(album) { Source::Pick } else { Source::Album };
    if result.is_partial {
        pick::say_partial(album);
    }
    match show {
        Show::Script | Show::Copying if source == Source::Pick => {
            return copy_originals((local, album), *show, &mount, &result);
        }
        Show::Script | Show::Copying => return copy((local, album), *show, &mount, &result),
        Show::Json => print(json_text(&Document::new(source, local, album, &result))?)?,
        Show::Text => {
            print_coloured(report::text(source, &result, *in_full))?;
            if source == Source::Pick {
                print(format!("\n{}", report::OF_PICK))?;
            }
        }
    }
    Ok(result.exit())
}

fn is_export(path: &Path) -> bool {
    Mount::holding(path).is_err() && takeout::is_export(path)
}

fn run_with_export(options: &Options, profile: &Profile) -> Result<Exit, CommandError> {
    let Options { local, others, title, show, in_full } = options;
    check_local(local)?;
    if let Some(album) = others.iter().find(|it| Mount::holding(it).is_ok()) {
        let what = format!("{} is on a mount, and no part of an export", album.display());
        return Err(CommandError::usage(what).hint(
            "name one album's directory, or the parts of one Google Takeout export and --album TITLE",
        ));
    }
    if matches!(show, Show::Script | Show::Copying) {
        let what = "--copy needs the directory of an album on a mount";
        return Err(CommandError::usage(what).hint(
            "compare with the export first, then copy the files that it lacks into an album",
        ));
    }
    let (title, json) = (title.as_deref(), *show == Show::Json);
    let options = takeout::Options { local, export: others, album: title, json, in_full: *in_full };
    takeout::run(&options, profile)
}

/// Refuses a directory that is neither an album's nor an export. The error says what `diff` looked for.
fn check_is_any(local: &Path, other: &Path, profile: &Profile) -> Result<(), CommandError> {
    let Err(error) = Mount::holding(other) else { return Ok(()) };
    // Others are refused with a reason of their own.
    let is_plain = other.is_dir() && error.next_step().is_none() && Mount::holding(local).is_err();
    if !is_plain || unmounted::covering(other, profile).is_some() {
        return Ok(());
    }
    let what = format!(
        "{} is not on a gphotosfs mount of yours, and no export of Google Takeout: it has no zip, and no JSON file \
         that describes a photo or an album",
        other.display()
    );
    let album = match Mount::of_profile(profile) {
        Ok(Some(mount)) => format!(
            "an album's directory below {}, where profile {} is mounted",
            mount.root.display(),
            profile.name()
        ),
        _ => "an album's directory (after 'gphotosfs mount MOUNTPOINT')".to_owned(),
    };
    Err(CommandError::usage(what).hint(format!(
        "name {album}; or the zips of an export, or the directory into which they were extracted"
    )))
}

/// Refuses a local directory that is none, or that is on a mount.
fn check_local(local: &Path) -> Result<(), CommandError> {
    if Mount::holding(local).is_ok() {
        let what = format!("{} is on a gphotosfs mount", local.display());
        return Err(CommandError::usage(format!("{what}; reading it would download every file"))
            .hint("name the local directory first, then the album"));
    }
    check_directory(local)
}

fn check_directory(path: &Path) -> Result<(), CommandError> {
    if path.is_dir() {
        return Ok(());
    }
    Err(CommandError::usage(format!("{} is not a directory", path.display()))
        .hint("name the directories that hold the files"))
}

fn copy(
    (local, album): (&Path, &Path),
    show: Show,
    mount: &Mount,
    result: &Comparison,
) -> Result<Exit, CommandError> {
    let names = copy::uploadable(result);
    let contested = copy::contested(result).len();
    let parts = [
        (result.different.len() + contested, "with other content"),
        (result.same.unknown.len(), "unknown"),
        (result.failed.len(), "refused"),
        (result.temporary.iter().filter(|it| it.here).count(), "temporary or empty"),
        (result.unreadable.len(), "unreadable here"),
        (result.only_here.len() - names.len() - contested, "that would not be uploaded"),
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
    if show == Show::Copying {
        let all_taken = copy::apply(mount, local, album, &names)?;
        return Ok(match (result.unreadable.is_empty(), left == 0 && all_taken) {
            (false, _) => Exit::Usage,
            (true, false) => Exit::Differ,
            (true, true) => Exit::Done,
        });
    }
    print_script(&copy::script(local, album, &names)?)?;
    Ok(result.exit())
}

/// Copies the local originals of picked items into an album with the pick's name, or prints the
/// commands: Google recognises the bytes, and puts the picked items themselves into the album.
fn copy_originals(
    (local, pick): (&Path, &Path),
    show: Show,
    mount: &Mount,
    result: &Comparison,
) -> Result<Exit, CommandError> {
    let originals = pick::originals(result);
    let names: Vec<_> = originals.iter().collect();
    let left = result.files_in_album.saturating_sub(names.len());
    if left > 0 {
        tell(format!(
            "gphotosfs: {} of the pick left out, because no local file is known as the original; 'gphotosfs diff' \
             without --copy names them",
            counted(left, "item")
        ));
    }
    let album = mount.root.join(pick.file_name().unwrap_or_default());
    if show == Show::Copying {
        let all_taken = copy::apply(mount, local, &album, &names)?;
        return Ok(if left == 0 && all_taken && !result.is_partial {
            Exit::Done
        } else {
            Exit::Differ
        });
    }
    print_script(&copy::script(local, &album, &names)?)?;
    Ok(result.exit())
}

/// Prints shell commands. A shell gets the names as they are. A terminal must not execute them, and
/// a person may copy them from there.
fn print_script(script: &Script) -> Result<(), CommandError> {
    if std::io::stdout().is_terminal() {
        return print(script.shown()?);
    }
    let written = std::io::stdout().lock().write_all(&script.quoted()?);
    written.map_err(|err| CommandError::new("cannot write the output").because(err))
}

/// Checks the arguments before any request to Google.
pub(super) fn check(local: &Path, album: &Path, profile: &Profile) -> Result<Mount, CommandError> {
    let local_on_mount = Mount::holding(local).is_ok();
    let mount = match local_on_mount {
        true => Mount::holding(album)
            .map_err(|err| err.hint("name the local directory first, then the album"))?,
        false => mount_of(album, profile)?,
    };
    check_local(local)?;
    check_directory(album)?;
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
    if let Some(error) = unmounted::covering(album, profile) {
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

/// The rules for names that a mount has.
fn rules_of(mount: &MountFacts) -> NameRules {
    // Another version may know patterns that this one does not.
    let patterns = mount.temporary_names.iter().filter_map(|it| it.parse().ok());
    NameRules { keep_sidecars: mount.sidecars == Sidecars::Keep, temporary: patterns.collect() }
}

/// Lists the album again, and compares both sides.
pub(super) fn comparison(
    mount: &Mount,
    local: &Path,
    album: &Path,
    profile: &Profile,
) -> Result<Comparison, CommandError> {
    let is_pick = is_pick(album);
    let (mut there, is_partial) = match is_pick {
        true => pick::files(mount, album)?,
        false => (album::files(album)?, false),
    };
    let mut here = local::read(local, &Hashes::load(profile.cache_dir().ok()))?;
    if there.values().any(|it| it.facts.known().is_none()) {
        let wanted = compare::facts_wanted(&here.files, &there);
        metadata::add_facts(local, &mut here.files, &wanted);
        // Google gives out renditions of picked items, whose sizes say nothing.
        if !is_pick {
            let wanted = compare::sizes_wanted(&here.files, &there);
            album::add_sizes(album, &mut there, wanted)?;
        }
    }
    let failed = failed_dir(mount, album)?;
    let refused = refused(&failed)?;
    let mount = mount.status()?.mount;
    let rules = mount.as_ref().map(rules_of).unwrap_or_default();
    let cut_off = there.iter().filter(|(_, it)| it.cut_off);
    let cut_off = cut_off.map(|(name, _)| name.as_path().into()).collect();
    let Local { files, unreadable } = here;
    let sides = Sides { here: files, unreadable, there, refused, rules: rules.clone() };
    let mut result = compare(&sides);
    if is_pick {
        smaller::find(&sides, &mut result);
    }
    result.cut_off = cut_off;
    result.is_partial = is_partial;
    fates::explain(local, &rules, &mut result);
    fates::find_unfit(&failed, &rules, &mut result);
    Ok(result)
}
