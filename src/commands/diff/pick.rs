//! A pick in the place of the album.

use std::path::Path;

use super::comparison::Comparison;
use super::evidence::Sure;
use crate::app::name::Name;

/// The state of a directory that is a pick.
const PICK: &[u8] = b"pick";

/// Whether this directory of a mount is a pick.
pub fn is_pick(dir: &Path) -> bool {
    let mut state = [0; 16];
    let length = rustix::fs::getxattr(dir, c"user.gphotos.state", &mut state);
    length.is_ok_and(|length| state.get(..length) == Some(PICK))
}

/// The local files that are the originals of picked items.
pub fn originals(result: &Comparison) -> Vec<Name> {
    let sure = result.matches.iter().filter(|it| it.evidence.sure > Sure::Unknown);
    sure.map(|it| Name::from(it.here.as_path())).collect()
}
