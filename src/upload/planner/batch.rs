//! Which files are created together, and how a failed batch is split.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use crate::api::BATCH_MAX;
use crate::media::DirId;
use crate::store::{Coming, FAILURES_WITH_PLACE, Ready};

/// A batch that other files still join is sent at the latest this many windows after its first file
/// was ready.
const FILL_WINDOWS: u32 = 10;

/// The first batch of a copy begins with so many files, instead of waiting until it is full: the next
/// one fills meanwhile, and one more call costs less than the wait.
const OPENING: usize = 8;
/// But only of a copy of so many files, of which one more request is but a small part.
const OPENING_OF: usize = 2 * BATCH_MAX;

/// How batches are made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Most files in one call.
    pub(super) max: usize,
    /// How long a batch waits for more files, from the last one that joined.
    pub(super) batch_window: Duration,
    /// Nothing has been created for a while.
    pub(super) opening: bool,
    /// A caller waits: a batch is due as soon as no file is about to join.
    pub(super) impatient: bool,
    pub(super) now: SystemTime,
}

/// The next batch.
#[derive(Clone, Debug)]
pub(super) enum Next {
    /// Create these, in order.
    Now {
        /// The album.
        dir: DirId,
        /// The files.
        files: Vec<Ready>,
    },
    /// Look again then, or when something changes.
    At(SystemTime),
    /// There is nothing.
    Nothing,
}

/// Chooses the next batch: the files of one album in the order of closing, up to the first that is
/// still coming. Equal bytes never share a call, and an isolated file has a call of its own.
///
/// `ready` and `coming` are in the order of closing.
pub(super) fn next(ready: &[Ready], coming: &[Coming], rules: &Rules) -> Next {
    let mut seen = HashSet::new();
    let mut earliest: Option<SystemTime> = None;
    for dir in ready.iter().map(|file| file.dir).filter(|dir| seen.insert(*dir)) {
        let files = together(ready, coming, dir, rules.max);
        match due(&files, coming, dir, rules) {
            Some(at) if at <= rules.now => return Next::Now { dir, files },
            Some(at) => earliest = Some(earliest.map_or(at, |other| other.min(at))),
            None => {}
        }
    }
    earliest.map_or(Next::Nothing, Next::At)
}

fn together(ready: &[Ready], coming: &[Coming], dir: DirId, max: usize) -> Vec<Ready> {
    let first_coming = coming.iter().find(|file| file.dir == dir).map_or(i64::MAX, |file| file.seq);
    // A file that has failed twice has lost its place: it does not wait, and no file waits for it.
    let mut candidates = ready
        .iter()
        .filter(|file| {
            file.dir == dir && (file.seq < first_coming || file.attempts > FAILURES_WITH_PLACE)
        })
        .peekable();
    if let Some(first) = candidates.next_if(|file| file.isolate) {
        return vec![first.clone()];
    }
    let mut hashes = HashSet::new();
    candidates
        .filter(|file| !file.isolate && file.sha256.is_none_or(|hash| hashes.insert(hash)))
        .take(max)
        .cloned()
        .collect()
}

/// When a batch is to be sent; `None` if there is nothing in it.
fn due(files: &[Ready], coming: &[Coming], dir: DirId, rules: &Rules) -> Option<SystemTime> {
    let newest = files.iter().map(|file| file.since).max()?;
    let oldest = files.iter().map(|file| file.since).min()?;
    let joining = coming.iter().filter(|file| file.dir == dir).count();
    if files.len() >= rules.max || files[0].isolate || (rules.impatient && joining == 0) {
        return Some(rules.now);
    }
    if rules.opening && files.len() >= OPENING && files.len() + joining >= OPENING_OF {
        return Some(rules.now);
    }
    // The first files of a copy exist soon, on a slow line too.
    let windows = if rules.opening { 1 } else { FILL_WINDOWS };
    let full_at = oldest + rules.batch_window * windows;
    // If enough are coming to fill it, waiting costs no time: calls follow uploads anyway.
    Some(if files.len() + joining >= rules.max {
        full_at
    } else {
        full_at.min(newest + rules.batch_window)
    })
}

/// Splits a call that failed as a whole in two, to find the item at fault.
pub(in crate::upload) fn halves<T>(mut files: Vec<T>) -> (Vec<T>, Vec<T>) {
    let second = files.split_off(files.len() / 2);
    (files, second)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::media::{ContentHash, FileId};

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn rules(impatient: bool, now: u64) -> Rules {
        let batch_window = Duration::from_secs(2);
        Rules { max: 50, batch_window, opening: false, impatient, now: at(now) }
    }

    fn ready(seq: i64, dir: i64) -> Ready {
        Ready {
            file: FileId(seq),
            seq,
            dir: DirId(dir),
            sha256: None,
            attempts: 0,
            isolate: false,
            since: at(100),
        }
    }

    fn coming(seq: i64, dir: i64) -> Coming {
        Coming { file: FileId(seq), seq, dir: DirId(dir) }
    }

    fn seqs(next: &Next) -> Vec<i64> {
        match next {
            Next::Now { files, .. } => files.iter().map(|file| file.seq).collect(),
            Next::At(_) | Next::Nothing => Vec::new(),
        }
    }

    #[test]
    fn no_file_overtakes_one_of_the_same_album_that_is_still_coming() {
        let ready = [ready(1, 1), ready(3, 1), ready(4, 2)];
        let next = next(&ready, &[coming(2, 1)], &rules(false, 1000));
        assert_eq!(seqs(&next), [1]);
    }

    #[test]
    fn a_file_that_has_failed_twice_does_not_wait() {
        let mut again = ready(3, 1);
        again.attempts = 1;
        let coming = [coming(2, 1)];
        assert_eq!(seqs(&next(&[again.clone()], &coming, &rules(false, 1000))), [] as [i64; 0]);
        again.attempts = 2;
        assert_eq!(seqs(&next(&[again], &coming, &rules(false, 1000))), [3]);
    }

    #[test]
    fn a_lone_file_waits_for_more_unless_a_caller_waits() {
        let files = [ready(1, 1)];
        assert!(matches!(next(&files, &[], &rules(false, 101)), Next::At(then) if then == at(102)));
        assert_eq!(seqs(&next(&files, &[], &rules(false, 102))), [1]);
        assert_eq!(seqs(&next(&files, &[], &rules(true, 101))), [1]);
        assert_eq!(seqs(&next(&files, &[coming(2, 1)], &rules(true, 101))), [] as [i64; 0]);
    }

    #[test]
    fn a_batch_that_will_be_full_is_waited_for_but_not_for_ever() {
        let some: Vec<_> = (0..30).map(|seq| ready(seq, 1)).collect();
        let more: Vec<_> = (30..60).map(|seq| coming(seq, 1)).collect();
        assert!(matches!(next(&some, &more, &rules(true, 110)), Next::At(then) if then == at(120)));
        assert_eq!(seqs(&next(&some, &more, &rules(true, 120))).len(), 30);
    }

    #[test]
    fn the_first_batch_of_a_long_copy_begins_with_a_few_files() {
        let opening = Rules { opening: true, ..rules(true, 101) };
        let ready: Vec<_> = (0..8).map(|seq| ready(seq, 1)).collect();
        let of = |count: i64| (8..count).map(|seq| coming(seq, 1)).collect::<Vec<_>>();
        assert_eq!(seqs(&next(&ready, &of(100), &opening)).len(), 8);
        assert_eq!(seqs(&next(&ready, &of(99), &opening)).len(), 0);
        assert_eq!(seqs(&next(&ready[..7], &of(100), &opening)).len(), 0);
        assert_eq!(seqs(&next(&ready, &of(100), &rules(true, 101))).len(), 0);
    }

    #[test]
    fn an_album_that_is_not_due_does_not_hold_up_another() {
        let full: Vec<_> = (2..60).map(|seq| ready(seq, 2)).collect();
        let all: Vec<_> = [ready(1, 1)].into_iter().chain(full).collect();
        let next = next(&all, &[], &rules(false, 101));
        assert_eq!(seqs(&next), (2..52).collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn batches_keep_their_promises(
            rows in prop::collection::vec((0..3i64, 0..4u8, any::<bool>(), 0..3u32, any::<bool>()), 0..200),
            impatient: bool,
            now in 100..200u64,
        ) {
            let mut all = (Vec::new(), Vec::new());
            for (seq, (dir, hash, uploaded, failed, isolate)) in rows.into_iter().enumerate() {
                let seq = seq as i64;
                if uploaded {
                    all.0.push(Ready {
                        sha256: Some(ContentHash([hash; 32])).filter(|_| hash > 0),
                        attempts: failed,
                        isolate,
                        ..ready(seq, dir)
                    });
                } else {
                    all.1.push(coming(seq, dir));
                }
            }
            let Next::Now { dir, files } = next(&all.0, &all.1, &rules(impatient, now)) else { return Ok(()) };
            prop_assert!((1..=50).contains(&files.len()));
            prop_assert!(files.iter().all(|file| file.dir == dir));
            prop_assert!(files.is_sorted_by_key(|file| file.seq));
            prop_assert!(files.len() == 1 || files.iter().all(|file| !file.isolate));
            let hashes: Vec<_> = files.iter().filter_map(|file| file.sha256).collect();
            prop_assert_eq!(hashes.iter().collect::<HashSet<_>>().len(), hashes.len());
            let held_up = |file: &Ready| all.1.iter().any(|other| other.dir == dir && other.seq < file.seq);
            prop_assert!(files.iter().all(|file| file.attempts > FAILURES_WITH_PLACE || !held_up(file)));
        }

        #[test]
        fn halving_loses_nothing_and_ends(count in 2..=50usize) {
            let files: Vec<_> = (0..count).collect();
            let (first, second) = halves(files.clone());
            prop_assert!(!first.is_empty() && !second.is_empty());
            prop_assert_eq!([first, second].concat(), files);
        }
    }
}
