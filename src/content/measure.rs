//! How long a file of Google's can be. A server could send bytes without end.

use super::error::Error;
use super::fetch::Fetch;
use super::plan::WHOLE_MAX;
use crate::media::MediaKind;

/// Google takes photos of up to 200 MB (reference §8), and its copies are hardly larger.
const PHOTO_BYTES_MAX: u64 = 250_000_000;

/// Google takes videos of up to 20 GB.
const VIDEO_BYTES_MAX: u64 = 25_000_000_000;

/// Fails for a length that no file of this kind has.
pub(super) fn check_length(kind: MediaKind, bytes: u64) -> Result<u64, Error> {
    let max = match kind {
        MediaKind::Photo => PHOTO_BYTES_MAX,
        MediaKind::Video => VIDEO_BYTES_MAX,
    };
    if bytes > max { Err(Error::TooLong) } else { Ok(bytes) }
}

/// Fails if a download is kept whole because its server does not say the length, and there is no room
/// for it: it `is_beyond` the cache's limit, or memory is its only place.
pub(super) fn check_room(fetch: &Fetch, is_beyond: bool) -> Result<(), Error> {
    let is_kept = fetch.total().is_none() && fetch.bytes() > WHOLE_MAX;
    if is_kept && is_beyond { Err(Error::Unbounded) } else { Ok(()) }
}
