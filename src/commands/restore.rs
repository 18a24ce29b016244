//! `gphotosfs restore`: puts the content of a backup into a profile.
//!
//! Everything is unpacked and checked beside the profile's own files first, and then replaces them in
//! one step.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::api::{ClientSecret, LoginError, OtherLibrary};
use crate::app::engine::{kept_service, no_database, no_directory, no_login};
use crate::app::owner::kept_binding;
use crate::app::running::in_use;
use crate::app::{CommandError, counted, print};
use crate::commands::backup::archive::{
    self, ArchiveError, DATABASE, Head, LOGIN, SETTINGS, SPOOL,
};
use crate::media::local_time;
use crate::profile::{BEFORE, Profile, Scratch, if_there, replace};
use crate::store::{self, Store};

/// How many ids of two libraries are compared.
const IDS_MAX: u32 = 10_000;

/// Puts the backup `file` into the profile. With `replace`, what the profile has is set aside.
///
/// # Errors
/// If the backup cannot be read, or belongs to another library or service; or if the profile is in
/// use, or has something and is not to be replaced. Nothing has changed then.
pub fn run(file: &Path, replace: bool, profile: &Profile) -> Result<(), CommandError> {
    let _lock = profile
        .lock()
        .map_err(|err| in_use("cannot restore into a profile that is in use", err))?;
    let state = profile.state_dir().map_err(no_directory)?;
    let present = Present::of(state)?;
    if !present.is_empty && !replace {
        return Err(CommandError::new(format!(
            "the profile {} has a library already",
            profile.name()
        ))
        .hint(
            "restore into another one (--profile NAME); or, with --replace, set aside what it has",
        ));
    }
    let before = state.join(BEFORE);
    if !present.is_empty && before.symlink_metadata().is_ok() {
        return Err(CommandError::new(format!(
            "{} exists from an earlier restore",
            before.display()
        ))
        .hint("look whether you need anything in it, then delete it"));
    }
    let staging = Scratch::new(state).map_err(no_directory)?;
    let (head, restored) = unpack(file, staging.path())?;
    check_library(profile, present.store.as_ref(), &restored)?;
    let read = |err| no_database("cannot read the database", err);
    let backlog = restored.backlog().map_err(read)?;
    let only_here = restored.only_here().map_err(read)?;
    // Their last connections leave no log behind.
    drop((present.store, restored));
    place(profile, staging.path(), !present.is_empty).map_err(|err| {
        CommandError::new("cannot put the backup into the profile")
            .because(err)
            .hint("if it has begun, the next mount or restore of the profile finishes it")
    })?;
    let made = local_time(head.created);
    let mut text = format!("Restored the profile {} from {made}.\n", head.profile);
    if !present.is_empty {
        text += &format!("What this profile had is in {}.\n", before.display());
    }
    if backlog.left() > 0 {
        let changes = counted(backlog.left(), "change");
        text +=
            &format!("The next mount, or 'gphotosfs sync', goes on with {changes} in the queue.\n");
    }
    if only_here > 0 && !head.has_files {
        text += &format!(
            "The backup lacks the bytes of {}. Those that were to be uploaded will be in .gphotos/failed.\n",
            counted(only_here, "file")
        );
    }
    print(text)
}

/// What the profile has.
struct Present {
    /// Its database, if there is one.
    store: Option<Store>,
    /// It knows no library, and has no bytes.
    is_empty: bool,
}

impl Present {
    fn of(state: &Path) -> Result<Self, CommandError> {
        let failed = |err| no_database("cannot read the profile's database", err);
        let spool = state.join(SPOOL);
        let has_bytes = match spool.is_dir() {
            true => fs::read_dir(&spool).map_err(no_directory)?.next().is_some(),
            false => false,
        };
        if !state.join(DATABASE).is_file() {
            return Ok(Self { store: None, is_empty: !has_bytes });
        }
        let store = Store::open(state).map_err(failed)?;
        let knows = |store: &Store| {
            Ok(!store.known_items(1)?.is_empty()
                || !store.known_albums(1)?.is_empty()
                || !store.journal()?.is_empty())
        };
        let is_empty = !has_bytes && !knows(&store).map_err(failed)?;
        Ok(Self { store: Some(store), is_empty })
    }
}

/// Unpacks the backup, and brings its database up to date.
fn unpack(file: &Path, to: &Path) -> Result<(Head, Store), CommandError> {
    let failed = |err: ArchiveError| {
        let hint = match &err {
            ArchiveError::Newer(_) => "install that version, or a later one",
            ArchiveError::NotABackup | ArchiveError::Io(_) => "name a file of 'gphotosfs backup'",
            ArchiveError::Incomplete | ArchiveError::Damaged(_) => {
                "use another copy of it; 'tar xf' takes out what there is"
            }
        };
        CommandError::new(format!("cannot use the backup {}", file.display()))
            .because(err)
            .hint(hint)
    };
    let archive = File::open(file).map_err(|err| failed(err.into()))?;
    let head = archive::unpack(&archive, to).map_err(failed)?;
    if !to.join(DATABASE).is_file() {
        return Err(failed(ArchiveError::Damaged(DATABASE.to_owned())));
    }
    let store =
        Store::open(to).map_err(|err| no_database("cannot use the database of the backup", err))?;
    Ok((head, store))
}

/// Fails if the backup is of another service, client or account than the profile.
fn check_library(
    profile: &Profile,
    present: Option<&Store>,
    restored: &Store,
) -> Result<(), CommandError> {
    let other = |what: String| {
        let name = profile.name();
        CommandError::new(format!("the backup is of {what} than the profile {name}"))
            .hint("restore it into another profile (--profile NAME)")
    };
    let read = |err| no_database("cannot read the database", err);
    let config = profile.config_dir().map_err(no_directory)?;
    let client =
        ClientSecret::stored(config).map_err(|err| no_login("cannot read the login", err))?;
    let service_of = |store: &Store| kept_service(store).map_err(read);
    let service = match present.map(service_of).transpose()?.flatten() {
        None => client.as_ref().map(ClientSecret::service),
        service => service,
    };
    if let (Some(theirs), Some(ours)) = (service_of(restored)?, service)
        && theirs != ours
    {
        return Err(other(format!("another service ({theirs}, not {ours})")));
    }
    let client_of = |store: &Store| Ok(kept_binding(store).map_err(read)?.map(|it| it.client_id));
    let bound = match present.map(client_of).transpose()?.flatten() {
        None => client.map(|it| it.client_id),
        bound => bound,
    };
    if let (Some(given), Some(bound)) = (client_of(restored)?, bound)
        && given != bound
    {
        let clients = LoginError::OtherLibrary(OtherLibrary::Client { bound, given });
        return Err(other("another OAuth client".to_owned()).because(clients));
    }
    match present.map(|it| is_same_account(it, restored)).transpose().map_err(read)? {
        Some(false) => Err(other("another account".to_owned())),
        _ => Ok(()),
    }
}

/// Whether one login has shown both libraries, or they have an album or item in common. An empty
/// one may be anybody's.
fn is_same_account(one: &Store, other: &Store) -> store::Result<bool> {
    let logins = [kept_binding(one)?, kept_binding(other)?].map(|it| it.map(|it| it.login));
    if let [Some(one), Some(other)] = &logins
        && one == other
    {
        return Ok(true);
    }
    let ids = |store: &Store| -> store::Result<HashSet<String>> {
        let albums = store.known_albums(IDS_MAX)?;
        let items = store.known_items(IDS_MAX)?;
        let albums = albums.iter().map(|it| it.as_str().to_owned());
        Ok(albums.chain(items.iter().map(|it| it.as_str().to_owned())).collect())
    };
    let (one, other) = (ids(one)?, ids(other)?);
    Ok(one.is_empty() || other.is_empty() || !one.is_disjoint(&other))
}

/// Moves what was unpacked into the profile. With `keep`, what the profile has is set aside.
fn place(profile: &Profile, from: &Path, keep: bool) -> io::Result<()> {
    let (state, config) = (profile.state_dir()?, profile.config_dir()?);
    // These need room on a disk, so they come before all renames.
    for name in [SETTINGS].iter().chain(&LOGIN) {
        if config.join(name).symlink_metadata().is_err() {
            move_to_other_disk(&from.join(name), &config.join(name))?;
        }
        // They are private, and not of the state directory.
        if_there(fs::remove_file(from.join(name)))?;
    }
    // An empty directory would only raise questions.
    let _ = fs::remove_dir(from.join(SPOOL).join("orphans"));
    replace(state, from, keep)
}

/// Moves a file, if it is there. The directories of settings and of the database may be on two disks.
fn move_to_other_disk(from: &Path, to: &Path) -> io::Result<()> {
    let Some(dir) = to.parent().filter(|_| from.exists()) else { return Ok(()) };
    // It has mode 0600.
    let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(dir)?;
    io::copy(&mut File::open(from)?, &mut file)?;
    file.as_file().sync_all()?;
    file.persist_noclobber(to).map_err(|err| err.error)?;
    File::open(dir)?.sync_all()
}
