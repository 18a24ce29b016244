//! Size prefetch: detects a program that walks a directory, as `ls -l` and `find` do, and says how many
//! sizes to fetch with the next one. Such a program looks up one name after the other and opens none. Pure.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use lru::LruCache;

use crate::media::FileId;
use crate::store::ListingScope;

/// Directories that are remembered.
const WALKS_MAX: NonZeroUsize = NonZeroUsize::new(32).unwrap();

/// How many sizes are prefetched at first, and at most. The number doubles with each look-up in order.
const PREFETCH_MIN: u32 = 8;
const PREFETCH_MAX: u32 = 256;

/// Look-ups that may be for these files alone, where nobody has listed the directory.
const SINGLE_LOOKUPS_MAX: u32 = 3;

/// How long a listing makes it likely that its names are looked up.
const LISTED_RECENTLY: Duration = Duration::from_secs(60);

/// The walks that are going on.
pub(super) struct Walks(LruCache<ListingScope, Walk>);

#[derive(Default)]
struct Walk {
    listed: Option<Instant>,
    /// The file of unknown size that was looked up last.
    last: Option<FileId>,
    /// How many such look-ups have followed each other.
    in_a_row: u32,
}

impl Default for Walks {
    fn default() -> Self {
        Self(LruCache::new(WALKS_MAX))
    }
}

impl Walks {
    /// A program is about to list a directory.
    pub(super) fn listed(&mut self, scope: ListingScope, now: Instant) {
        self.0.get_or_insert_mut(scope, Walk::default).listed = Some(now);
    }

    /// Where a directory was looked at last.
    pub(super) fn last(&self, scope: ListingScope) -> Option<FileId> {
        self.0.peek(&scope)?.last
    }

    /// A file whose size is not known is looked up; `follows` says whether it stands close to the last one. Says how
    /// many sizes behind it are to be learnt with its own.
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
        match walk.in_a_row.saturating_sub(if listed { 0 } else { SINGLE_LOOKUPS_MAX }) {
            0 => 0,
            counted => PREFETCH_MIN.saturating_mul(1 << (counted - 1).min(16)).min(PREFETCH_MAX),
        }
    }

    /// A file is opened: whoever has looked it up did so to read it.
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

    /// What is learnt ahead of look-ups one behind the other.
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
    fn a_recent_listing_starts_the_prefetch_at_once() {
        let (mut walks, now) = (Walks::default(), Instant::now());
        walks.listed(DIR, now);
        assert_eq!(walk(&mut walks, 3, now), [8, 16, 32]);
        walks.listed(DIR, now);
        assert_eq!(walks.looked_up(DIR, FileId(90), false, now), 8);
        assert_eq!(walks.looked_up(DIR, FileId(50), false, now + LISTED_RECENTLY), 0);
    }

    #[test]
    fn a_program_that_opens_its_files_gets_no_prefetch() {
        let (mut walks, now) = (Walks::default(), Instant::now());
        walks.listed(DIR, now);
        assert_eq!(walks.looked_up(DIR, FileId(1), false, now), 8);
        walks.opened(FileId(1));
        for file in 2..20 {
            assert_eq!(walks.looked_up(DIR, FileId(file), true, now), 0);
            walks.opened(FileId(file));
        }
    }
}
