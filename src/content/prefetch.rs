//! Size prefetch: detects a program that walks a directory, as `ls -l` and `find` do, and returns
//! how many sizes to fetch in advance. Such a program looks up one name after the other and opens
//! none. Pure.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use lru::LruCache;

use crate::media::FileId;
use crate::store::ListingScope;

/// Directories that are remembered.
const WALKS_MAX: NonZeroUsize = NonZeroUsize::new(32).unwrap();

/// How many sizes are prefetched at first, and at most. The number doubles with each consecutive
/// lookup.
const PREFETCH_MIN: u32 = 8;
const PREFETCH_MAX: u32 = 256;

/// So many lookups in a row start no prefetch if no program has listed the directory.
const SINGLE_LOOKUPS_MAX: u32 = 3;
/// So many do not if one has: a user may look at one file of a directory just listed.
const SINGLE_LOOKUPS_LISTED: u32 = 1;

/// How long after a listing a second lookup is likely to be one of many.
const LISTED_RECENTLY: Duration = Duration::from_secs(60);

/// The directories that programs are walking.
pub(super) struct Walks(LruCache<ListingScope, Walk>);

#[derive(Default)]
struct Walk {
    listed: Option<Instant>,
    /// The file of unknown size that was looked up last.
    last: Option<FileId>,
    /// How many such lookups were consecutive.
    in_a_row: u32,
}

impl Default for Walks {
    fn default() -> Self {
        Self(LruCache::new(WALKS_MAX))
    }
}

impl Walks {
    /// Records that a program lists a directory.
    pub(super) fn listed(&mut self, scope: ListingScope, now: Instant) {
        self.0.get_or_insert_mut(scope, Walk::default).listed = Some(now);
    }

    /// The file that was last looked up in a directory.
    pub(super) fn last(&self, scope: ListingScope) -> Option<FileId> {
        self.0.peek(&scope)?.last
    }

    /// Records the lookup of a file of unknown size. `follows`: whether the file stands close to
    /// the last one. Returns how many sizes behind it to prefetch.
    pub(super) fn looked_up(
        &mut self,
        scope: ListingScope,
        file: FileId,
        follows: bool,
        now: Instant,
    ) -> u32 {
        let walk = self.0.get_or_insert_mut(scope, Walk::default);
        walk.in_a_row = if follows { walk.in_a_row.saturating_add(1) } else { 1 };
        walk.last = Some(file);
        let listed = walk.listed.is_some_and(|at| now.duration_since(at) < LISTED_RECENTLY);
        let single = if listed { SINGLE_LOOKUPS_LISTED } else { SINGLE_LOOKUPS_MAX };
        match walk.in_a_row.saturating_sub(single) {
            0 => 0,
            counted => PREFETCH_MIN.saturating_mul(1 << (counted - 1).min(16)).min(PREFETCH_MAX),
        }
    }

    /// Records that a program opens a file. It has looked the file up in order to read it, so this
    /// is no walk.
    pub(super) fn opened(&mut self, file: FileId) {
        let read = self.0.iter().find(|(_, walk)| walk.last == Some(file)).map(|(it, _)| *it);
        if let Some(scope) = read {
            self.0.pop(&scope);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::DirId;

    const DIR: ListingScope = ListingScope::Dir(DirId(7));

    /// The prefetch counts of consecutive lookups.
    fn walk(walks: &mut Walks, count: i64, now: Instant) -> Vec<u32> {
        (0..count).map(|at| walks.looked_up(DIR, FileId(at), true, now)).collect()
    }

    #[test]
    fn prefetch_grows_with_consecutive_lookups() {
        let (mut walks, now) = (Walks::default(), Instant::now());
        assert_eq!(walk(&mut walks, 9, now), [0, 0, 0, 8, 16, 32, 64, 128, 256]);
        assert_eq!(walk(&mut walks, 40, now).last(), Some(&256));
    }

    #[test]
    fn after_a_recent_listing_the_second_lookup_starts_the_prefetch() {
        let (mut walks, now) = (Walks::default(), Instant::now());
        walks.listed(DIR, now);
        assert_eq!(walk(&mut walks, 4, now), [0, 8, 16, 32]);
        walks.listed(DIR, now);
        assert_eq!(walks.looked_up(DIR, FileId(90), false, now), 0);
        assert_eq!(walks.looked_up(DIR, FileId(91), true, now), 8);
        assert_eq!(walks.looked_up(DIR, FileId(92), true, now + LISTED_RECENTLY), 0);
    }

    #[test]
    fn a_program_that_opens_its_files_gets_no_prefetch() {
        let (mut walks, now) = (Walks::default(), Instant::now());
        walks.listed(DIR, now);
        assert_eq!(walks.looked_up(DIR, FileId(0), false, now), 0);
        assert_eq!(walks.looked_up(DIR, FileId(1), true, now), 8);
        walks.opened(FileId(1));
        for file in 2..20 {
            assert_eq!(walks.looked_up(DIR, FileId(file), true, now), 0);
            walks.opened(FileId(file));
        }
    }
}
