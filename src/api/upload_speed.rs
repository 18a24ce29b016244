//! How fast one upload goes on this line, and how many bytes it should risk at a time. Pure.

use std::time::Duration;

use parking_lot::Mutex;

/// A file that would take longer than this in one request goes in a session, which can be resumed.
const ONE_REQUEST_MAX: Duration = Duration::from_secs(10);
/// A chunk of a session takes about so long. Longer ones would lose more when the line breaks,
/// shorter ones would use up the day's requests.
const CHUNK: Duration = Duration::from_secs(30);
/// Chunks are not made smaller than this before the line has broken: their requests count.
const CHUNK_BYTES_MIN: u64 = 1 << 20;
/// An upload that is shorter than this, and has fewer bytes, says more about the server than about
/// the line.
const TELLING: Duration = Duration::from_secs(2);
/// See [`TELLING`].
const TELLING_BYTES: u64 = 1 << 20;
/// The weight of the newest upload.
const NEWEST: f64 = 0.3;

/// The speed of single uploads, of late.
#[derive(Debug, Default)]
pub(super) struct UploadSpeed(Mutex<Option<f64>>);

impl UploadSpeed {
    /// So many bytes have arrived in this time.
    pub(super) fn arrived(&self, bytes: u64, took: Duration) {
        if took < TELLING && bytes < TELLING_BYTES {
            return;
        }
        let newest = per_second(bytes, took);
        let mut speed = self.0.lock();
        *speed = Some(speed.map_or(newest, |old| old + (newest - old) * NEWEST));
    }

    /// An upload has handed so many bytes to the network in this time, and goes on.
    pub(super) fn under_way(&self, bytes: u64, for_so_long: Duration) {
        if for_so_long < ONE_REQUEST_MAX {
            return;
        }
        let at_most = per_second(bytes, for_so_long);
        let mut speed = self.0.lock();
        *speed = Some(speed.map_or(at_most, |old| old.min(at_most)));
    }

    /// Forgets the measured speed.
    pub(super) fn forget(&self) {
        *self.0.lock() = None;
    }

    /// Whether so many bytes arrive soon enough in one request, as far as is known. Not faster than
    /// all uploads together are `allowed` to be.
    pub(super) fn fits_in_one_request(&self, bytes: u64, allowed: Option<u64>) -> bool {
        let speed = self.known(allowed);
        speed.is_none_or(|speed| bytes as f64 <= speed * ONE_REQUEST_MAX.as_secs_f64())
    }

    /// How many bytes to send in one chunk, a multiple of `granularity`. `None` for all of them.
    pub(super) fn chunk(&self, granularity: u64, allowed: Option<u64>) -> Option<u64> {
        let bytes = self.known(allowed)? * CHUNK.as_secs_f64();
        Some(multiple((bytes as u64).max(CHUNK_BYTES_MIN), granularity))
    }

    fn known(&self, allowed: Option<u64>) -> Option<f64> {
        let (speed, allowed) = (*self.0.lock(), allowed.map(|it| it as f64));
        speed.into_iter().chain(allowed).reduce(f64::min)
    }
}

/// The largest multiple of `granularity` up to `bytes`, but not 0.
pub(super) fn multiple(bytes: u64, granularity: u64) -> u64 {
    let granularity = granularity.max(1);
    (bytes / granularity).max(1).saturating_mul(granularity)
}

fn per_second(bytes: u64, took: Duration) -> f64 {
    bytes as f64 / took.as_secs_f64().max(1e-3)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const GRANULARITY: u64 = 256 << 10;

    #[test]
    fn an_unknown_line_gets_everything_at_once() {
        let speed = UploadSpeed::default();
        assert!(speed.fits_in_one_request(u64::MAX, None));
        assert_eq!(speed.chunk(GRANULARITY, None), None);
        speed.arrived(5000, SECOND);
        assert!(
            speed.fits_in_one_request(u64::MAX, None),
            "a small file says nothing about the line"
        );
    }

    #[test]
    fn a_slow_line_gets_chunks_of_a_size_that_it_carries() {
        let speed = UploadSpeed::default();
        speed.arrived(2_000_000, SECOND * 16);
        assert!(speed.fits_in_one_request(1_200_000, None));
        assert!(!speed.fits_in_one_request(1_300_000, None));
        assert_eq!(speed.chunk(GRANULARITY, None), Some(14 * GRANULARITY));
        speed.arrived(100_000, SECOND * 100);
        speed.arrived(100_000, SECOND * 100);
        for _ in 0..20 {
            speed.arrived(100_000, SECOND * 100);
        }
        assert_eq!(speed.chunk(GRANULARITY, None), Some(CHUNK_BYTES_MIN));
    }

    #[test]
    fn an_upload_that_takes_long_tells_before_it_has_ended() {
        let speed = UploadSpeed::default();
        speed.under_way(1_000_000, SECOND * 9);
        assert!(speed.fits_in_one_request(4_000_000, None));
        speed.under_way(1_000_000, SECOND * 10);
        assert!(!speed.fits_in_one_request(4_000_000, None));
    }

    #[test]
    fn no_upload_is_faster_than_all_may_be() {
        let speed = UploadSpeed::default();
        assert!(speed.fits_in_one_request(1_000_000, Some(100_000)));
        assert!(!speed.fits_in_one_request(1_000_001, Some(100_000)));
        assert_eq!(speed.chunk(GRANULARITY, Some(100_000)), Some(multiple(3_000_000, GRANULARITY)));
        speed.arrived(2_000_000, SECOND * 40);
        assert!(!speed.fits_in_one_request(1_000_000, Some(100_000)));
        speed.forget();
        assert_eq!(speed.chunk(GRANULARITY, None), None);
    }

    #[test]
    fn chunks_are_multiples_and_never_nothing() {
        assert_eq!(multiple(1, GRANULARITY), GRANULARITY);
        assert_eq!(multiple(3 * GRANULARITY - 1, GRANULARITY), 2 * GRANULARITY);
        assert_eq!(multiple(7, 0), 7);
    }
}
