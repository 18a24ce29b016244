//! A pick in the place of the album.

use std::path::Path;

use rustix::fs::{AtFlags, CWD, StatxFlags};

use super::album;
use super::comparison::Comparison;
use super::evidence::Sure;
use super::sides::{AlbumFile, Files};
use crate::app::name::Name;
use crate::app::{CommandError, running};

/// The state of a directory that is a pick.
const PICK: &[u8] = b"pick";

/// Whether this directory of a mount is a pick.
pub fn is_pick(dir: &Path) -> bool {
    let mut state = [0; 16];
    let length = rustix::fs::getxattr(dir, c"user.gphotos.state", &mut state);
    length.is_ok_and(|length| state.get(..length) == Some(PICK))
}

/// The items of a pick. Half of them would look like a smaller pick, so it must not change meanwhile.
///
/// # Errors
/// If the mount is gone, or the pick was changed or forgotten meanwhile.
pub fn files(dir: &Path) -> Result<Files<AlbumFile>, CommandError> {
    let changed = || {
        // The kernel's own answer may be that of an earlier moment.
        let facts = rustix::fs::statx(CWD, dir, AtFlags::STATX_FORCE_SYNC, StatxFlags::MTIME);
        facts
            .map(|it| (it.stx_mtime.tv_sec, it.stx_mtime.tv_nsec))
            .map_err(|err| running::cannot_use(dir, err.into()))
    };
    let before = changed()?;
    let files = album::files_known(dir)?;
    if changed()? == before {
        return Ok(files);
    }
    Err(CommandError::new(format!("{} has changed meanwhile", dir.display()))
        .hint("run this command again when 'gphotosfs pick' has ended"))
}

/// The local files that are the originals of picked items.
pub fn originals(result: &Comparison) -> Vec<Name> {
    let sure = result.matches.iter().filter(|it| it.evidence.sure > Sure::Unknown);
    sure.map(|it| Name::from(it.here.as_path())).collect()
}
