//! A pick in the place of the album.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, StatxFlags};

use super::album;
use super::comparison::Comparison;
use super::evidence::Sure;
use super::sides::{AlbumFile, Files};
use crate::app::name::Name;
use crate::app::running::Mount;
use crate::app::{CommandError, running, tell};
use crate::library::names;
use crate::media::MediaId;

/// The state of a directory that is a pick.
const PICK: &[u8] = b"pick";

/// Whether this directory of a mount is a pick.
pub fn is_pick(dir: &Path) -> bool {
    let mut state = [0; 16];
    let length = rustix::fs::getxattr(dir, c"user.gphotos.state", &mut state);
    length.is_ok_and(|length| state.get(..length) == Some(PICK))
}

/// The items of a pick, and whether it was not listed to its end. Half of them would look like a
/// smaller pick, so it must not change meanwhile.
///
/// # Errors
/// If the mount is gone, or the pick was changed or forgotten meanwhile.
pub fn files(mount: &Mount, dir: &Path) -> Result<(Files<AlbumFile>, bool), CommandError> {
    let changed = || {
        // The kernel's own answer may be that of an earlier moment.
        let facts = rustix::fs::statx(CWD, dir, AtFlags::STATX_FORCE_SYNC, StatxFlags::MTIME);
        facts
            .map(|it| (it.stx_mtime.tv_sec, it.stx_mtime.tv_nsec))
            .map_err(|err| running::cannot_use(dir, err.into()))
    };
    let before = changed()?;
    let mut files = album::files_known(dir)?;
    let real = dir.canonicalize().map_err(|err| running::cannot_use(dir, err))?;
    let picks = mount.status()?.picks;
    let own = picks.iter().find(|it| real.file_name() == Some(OsStr::new(&it.name)));
    let is_partial = own.is_some_and(|it| it.partial);
    if changed()? == before {
        files.iter_mut().for_each(|(name, it)| it.is_nameless = is_nameless(name, it));
        return Ok((files, is_partial));
    }
    Err(CommandError::new(format!("{} has changed meanwhile", dir.display()))
        .hint("run this command again when 'gphotosfs pick' has ended"))
}

/// Whether an item has no name at Google. Its file has the id in the place of the name.
fn is_nameless(name: &Path, it: &AlbumFile) -> bool {
    let stem = name.file_stem().and_then(OsStr::to_str);
    let id = it.id.as_deref().filter(|_| it.filename.is_none());
    let by_id = id.and_then(|id| names::for_item("", "", &MediaId::new(id)).into_iter().next());
    by_id.is_some_and(|it| Some(&*it.to_text()) == stem)
}

/// Says that a pick was not listed to its end, with the next step.
pub fn say_partial(dir: &Path) {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    let quoted = shlex::try_quote(&name).unwrap_or(Cow::Borrowed("NAME"));
    tell(format!(
        "gphotosfs: this pick is not complete: its photos were not listed to the end, so some of them count as only \
         here\n  -> run 'gphotosfs pick {quoted}': it lists the rest first"
    ));
}

/// The local files that are the originals of picked items.
pub fn originals(result: &Comparison) -> Vec<Name> {
    let sure = result.matches.iter().filter(|it| it.evidence.sure > Sure::Unknown);
    sure.map(|it| Name::from(it.here.as_path())).collect()
}
