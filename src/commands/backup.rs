//! `gphotosfs backup`: writes a file with everything of a profile that Google does not have.
//!
//! It may run beside a mount: the database is copied as it is at one instant, and links keep the
//! bytes that belong to it.

pub mod archive;
mod snapshot;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use bytesize::ByteSize;

use self::archive::{DATABASE, Head, LOGIN, SETTINGS, SPOOL, Writer};
use self::snapshot::Snapshot;
use crate::app::engine::{no_database, no_directory};
use crate::app::{CommandError, counted, print, progress};
use crate::profile::Profile;
use crate::store::Store;

/// What to write.
#[derive(Debug)]
pub struct Options {
    /// The new file.
    pub file: PathBuf,
    /// The client file and the login, too.
    pub with_login: bool,
    /// Not the bytes that are not at Google.
    pub without_files: bool,
}

/// Writes the backup.
///
/// # Errors
/// If there is nothing to write, or it cannot be read or written.
pub fn run(options: &Options, profile: &Profile) -> Result<(), CommandError> {
    let file = &options.file;
    let failed = |err: io::Error| {
        CommandError::new(format!("cannot write the backup {}", file.display())).because(err)
    };
    if file.symlink_metadata().is_ok() {
        return Err(CommandError::new(format!("{} exists already", file.display()))
            .hint("name a file that does not exist, or delete this one"));
    }
    let state = profile.state_dir().map_err(no_directory)?;
    if !state.join(DATABASE).is_file() {
        let name = profile.name();
        return Err(CommandError::new(format!("the profile {name} has nothing to back up"))
            .hint("it was never mounted; --profile NAME names another one"));
    }
    let snapshot = Snapshot::take(state, !options.without_files)?;
    let dir = file.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // It has mode 0600, and no name until it is whole.
    let unfinished =
        tempfile::Builder::new().prefix(".gphotosfs-backup-").tempfile_in(dir).map_err(failed)?;
    let database = snapshot.dir().join(DATABASE).metadata().map_or(0, |it| it.len());
    let bar = progress::byte_bar(database + snapshot.bytes(), "written");
    let mut archive = bar.wrap_write(BufWriter::new(unfinished.as_file()));
    let has_login = write(&mut archive, options, profile, &snapshot).map_err(failed)?;
    archive.flush().map_err(failed)?;
    drop(archive);
    bar.finish_and_clear();
    unfinished.as_file().sync_all().map_err(failed)?;
    unfinished.persist_noclobber(file).map_err(|err| failed(err.error))?;
    File::open(dir).and_then(|it| it.sync_all()).map_err(failed)?;
    let facts = |store: Store| Ok((store.only_here()?, store.backlog()?.open));
    let (only_here, open) = Store::open_read_only(snapshot.dir())
        .and_then(|store| store.map(facts).transpose())
        .map_err(|err| no_database("cannot read the copy of the database", err))?
        .unwrap_or_default();
    print(summary(options, &snapshot, (only_here, open), has_login))
}

/// Returns whether a login is in it.
fn write(
    to: &mut impl Write,
    options: &Options,
    profile: &Profile,
    snapshot: &Snapshot,
) -> io::Result<bool> {
    let head = Head::new(profile.name().to_string(), !options.without_files);
    let mut archive = Writer::begin(to, &head)?;
    archive.add_file(DATABASE, &File::open(snapshot.dir().join(DATABASE))?)?;
    let config = profile.config_dir()?;
    let mut add_if_there = |name: &str| match File::open(config.join(name)) {
        Ok(file) => archive.add_file(name, &file).map(|()| true),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(err) => Err(err),
    };
    add_if_there(SETTINGS)?;
    let mut has_login = false;
    for name in LOGIN.iter().filter(|_| options.with_login) {
        has_login |= add_if_there(name)?;
    }
    for name in snapshot.files() {
        let file = File::open(snapshot.dir().join(SPOOL).join(name))?;
        archive.add_file(&format!("{SPOOL}/{name}"), &file)?;
    }
    archive.finish()?;
    Ok(has_login)
}

/// The outcome in words.
fn summary(
    options: &Options,
    snapshot: &Snapshot,
    (only_here, open): (u64, u64),
    has_login: bool,
) -> String {
    let file = options.file.display();
    let mut text = format!("{file}: names, times and hashes of the library, and the settings.\n");
    let files = |count: u64| counted(count, "file");
    if options.without_files {
        if only_here > 0 {
            text += &format!(
                "Not in it: the bytes of {} that Google does not have. 'gphotosfs sync' sends those in the queue.\n",
                files(only_here)
            );
        }
    } else {
        let (count, bytes) = (snapshot.files().len() as u64, ByteSize(snapshot.bytes()));
        text += &format!("In it: {} that Google does not have, {bytes}.\n", files(count));
    }
    if open > 0 && !options.without_files {
        text += &format!("Of {}, being written now, as much as was there.\n", files(open));
    }
    if snapshot.lacking() > 0 {
        let lacking = files(snapshot.lacking());
        text += &format!(
            "The bytes of {lacking} are missing in the spool; 'gphotosfs debug queue' names them.\n"
        );
    }
    text + match (has_login, options.with_login) {
        (true, _) => "The login is in it: a reader of the file can use your library.\n",
        (false, true) => "No login is in it, because the profile has none.\n",
        (false, false) => "The login is not in it.\n",
    }
}
