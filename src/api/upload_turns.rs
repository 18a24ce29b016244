//! Whose bytes go next.
//!
//! All uploads share one line. The file that was closed first goes first, and later ones get the room
//! that it leaves: while it waits for an answer, or while losses keep its connection slow. So the
//! first files arrive soon, and a line that breaks loses the bytes of few. Large files take every
//! other turn, because small ones must not wait for hours.
//!
//! An upload also waits for its turn before it begins. So there are as many requests as fill the line.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::sockets::connections;
use super::upload_limiter::UploadLimiter;
use super::upload_window::UploadWindow;
use crate::media::UploadLimit;

/// Room is kept for so long for an upload that will ask for its next bytes.
const PATIENCE: Duration = Duration::from_millis(50);
/// So many uploads are under way at a time where the kernel does not tell what is on the line.
const BLIND_MAX: usize = 4;
/// The most bytes that an upload hands over at a time. Few enough that a slow line, shared by many
/// uploads, takes them well before an upload counts as stalled.
const PIECE_MAX: u64 = 64 << 10;
/// Smaller pieces cost more than they help.
const PIECE_MIN: u64 = 4 << 10;

/// The place of an upload among the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    /// Files that were closed earlier have smaller ones.
    order: i64,
    is_large: bool,
    /// Makes them differ.
    number: u64,
}

/// The uploads of a client, and the line that they share.
pub(super) struct UploadTurns {
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    limiter: UploadLimiter,
    window: UploadWindow,
    /// When somebody last looked at the connections.
    looked: Option<Instant>,
    /// The kernel tells nothing about connections.
    is_blind: bool,
    /// Uploads that wait: to begin, or for their next bytes.
    waiting: BTreeSet<Place>,
    /// The next place's number.
    number: u64,
    /// Whether the last turn was a large file's.
    last_was_large: bool,
    /// Uploads that have begun, with the bytes for which each has room already: it is connecting.
    begun: BTreeMap<Place, u64>,
    /// Uploads with more bytes to hand over, and when each last did. They come again at once, unless
    /// their connections are full.
    sending: BTreeMap<Place, Instant>,
}

/// An upload that has begun. It ends when this is dropped.
pub struct UploadTurn {
    turns: Arc<UploadTurns>,
    place: Place,
}

impl std::fmt::Debug for UploadTurn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.place.fmt(f)
    }
}

impl Drop for UploadTurn {
    fn drop(&mut self) {
        {
            let mut state = self.turns.state.lock();
            state.begun.remove(&self.place);
            state.sending.remove(&self.place);
        }
        self.turns.changed.notify_waiters();
    }
}

/// An upload that waits. It no longer does when this is dropped.
struct Waiting<'a> {
    turns: &'a UploadTurns,
    place: Place,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.turns.state.lock().waiting.remove(&self.place);
        self.turns.changed.notify_waiters();
    }
}

/// What an upload waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// To begin.
    Begin,
    /// To hand over up to so many bytes.
    Take(u64),
}

/// What it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// Its turn, and room for so many bytes.
    Room(u64),
    /// Others come before it.
    Others,
    /// No room on the line. A look at the connections after this time may find some.
    FullLine(Duration),
    /// For so long the room is kept for an earlier upload.
    Kept(Duration),
    /// The user's limit allows no more for this time.
    Limit(Duration),
}

impl UploadTurns {
    pub(super) fn new(limit: UploadLimit) -> Self {
        let state = State {
            limiter: UploadLimiter::new(limit),
            window: UploadWindow::default(),
            looked: None,
            is_blind: false,
            waiting: BTreeSet::new(),
            number: 0,
            last_was_large: false,
            begun: BTreeMap::new(),
            sending: BTreeMap::new(),
        };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }

    /// The user's limit.
    pub(super) fn limit(&self) -> UploadLimit {
        self.state.lock().limiter.limit().clone()
    }

    /// Counts from now on, also for uploads under way.
    pub(super) fn set_limit(&self, limit: UploadLimit) {
        self.state.lock().limiter.set(limit);
        self.changed.notify_waiters();
    }

    /// The bytes a second that the user allows now.
    pub(super) fn allowed(&self) -> Option<u64> {
        self.state.lock().limiter.now()
    }

    /// The line is another one: nothing that was measured counts any more.
    pub(super) fn line_changed(&self) {
        let mut state = self.state.lock();
        (state.window, state.looked) = (UploadWindow::default(), None);
    }

    /// Waits until an upload may begin. Of two files, the one with the smaller `order` goes first.
    pub(super) async fn begin(self: &Arc<Self>, order: i64, is_large: bool) -> UploadTurn {
        let waiting = self.enter(|number| Place { order, is_large, number });
        let bytes = self.wait(waiting.place, Step::Begin).await;
        let place = waiting.place;
        self.state.lock().begun.insert(place, bytes);
        UploadTurn { turns: self.clone(), place }
    }

    fn enter(&self, place: impl FnOnce(u64) -> Place) -> Waiting<'_> {
        let mut state = self.state.lock();
        state.number += 1;
        let place = place(state.number);
        state.waiting.insert(place);
        Waiting { turns: self, place }
    }

    /// Waits for a turn. Returns for how many bytes there is room.
    async fn wait(&self, place: Place, step: Step) -> u64 {
        loop {
            // Before the look, so that no change is missed.
            let changed = self.changed.notified();
            let found = self.state.lock().next(place, step, Instant::now());
            match found {
                Found::Room(bytes) => return bytes,
                Found::Others => changed.await,
                Found::Kept(time) | Found::Limit(time) => {
                    let _ = tokio::time::timeout(time, changed).await;
                }
                Found::FullLine(time) => {
                    tokio::time::sleep(time).await;
                    self.look().await;
                }
            }
        }
    }

    /// Looks at the connections.
    async fn look(&self) {
        self.state.lock().looked = Some(Instant::now());
        // Fails only if the program shuts down.
        let seen = tokio::task::spawn_blocking(connections).await.ok().flatten();
        let mut state = self.state.lock();
        match seen {
            Some(seen) => state.window.look(&seen, Instant::now()),
            None => state.is_blind = true,
        }
    }
}

impl UploadTurn {
    /// Waits until the upload may hand over bytes. Returns how many, up to `most`.
    pub(super) async fn take(&self, most: u64) -> u64 {
        let reserved = self.turns.state.lock().reserved(self.place, most, Instant::now());
        if let Some(bytes) = reserved {
            return bytes;
        }
        let waiting = self.turns.enter(|_| self.place);
        self.turns.wait(waiting.place, Step::Take(most)).await
    }
}

impl State {
    /// Takes the room that an upload has had since it began.
    fn reserved(&mut self, place: Place, most: u64, now: Instant) -> Option<u64> {
        let reserved = self.begun.get_mut(&place).map(std::mem::take)?;
        let bytes = reserved.min(most);
        if bytes == 0 {
            return None;
        }
        self.give(place, bytes, most, now);
        Some(bytes)
    }

    fn give(&mut self, place: Place, bytes: u64, most: u64, now: Instant) {
        self.window.give(bytes, now);
        if bytes < most {
            self.sending.insert(place, now);
        } else {
            self.sending.remove(&place);
        }
    }

    /// What the upload finds that waits at this place.
    fn next(&mut self, place: Place, step: Step, now: Instant) -> Found {
        let is_first = self.first() == Some(place);
        let may_go = match step {
            _ if !self.is_blind => is_first,
            Step::Begin => is_first && self.begun.len() < BLIND_MAX,
            Step::Take(_) => true,
        };
        if !may_go {
            return Found::Others;
        }
        if !self.is_blind {
            // On an unknown line one upload comes before the others: it measures the rate.
            let is_under_way =
                !self.sending.is_empty() || self.begun.values().any(|bytes| *bytes > 0);
            let is_early = step == Step::Begin && !self.window.is_measured() && is_under_way;
            if is_early || !self.window.has_room(self.begun.values().sum()) {
                let since =
                    self.looked.map_or(Duration::MAX, |it| now.saturating_duration_since(it));
                return Found::FullLine(self.window.look_after().saturating_sub(since));
            }
            if let Some(wait) = self.room_is_kept(place, now) {
                return Found::Kept(wait);
            }
        }
        let most = match step {
            Step::Begin => PIECE_MAX,
            Step::Take(most) => most.min(PIECE_MAX),
        };
        let window = if self.is_blind { PIECE_MAX } else { self.window.piece().max(PIECE_MIN) };
        let bytes = most.min(window).min(self.limiter.piece().unwrap_or(PIECE_MAX));
        let wait = self.limiter.take(bytes, now);
        if !wait.is_zero() {
            return Found::Limit(wait);
        }
        if let Step::Take(most) = step {
            self.give(place, bytes, most, now);
        }
        self.last_was_large = place.is_large;
        Found::Room(bytes)
    }

    /// For how long the room is an earlier upload's, which will ask for it.
    fn room_is_kept(&self, place: Place, now: Instant) -> Option<Duration> {
        let earlier = self.sending.range(..place).filter(|it| it.0.is_large == place.is_large);
        let last = *earlier.map(|it| it.1).max()?;
        PATIENCE.checked_sub(now.saturating_duration_since(last)).filter(|it| !it.is_zero())
    }

    /// The upload whose turn is next.
    fn first(&self) -> Option<Place> {
        let first = |is_large| self.waiting.iter().find(|it| it.is_large == is_large).copied();
        let (small, large) = (first(false), first(true));
        if self.last_was_large { small.or(large) } else { large.or(small) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns() -> Arc<UploadTurns> {
        Arc::new(UploadTurns::new(UploadLimit::default()))
    }

    fn place(order: i64, is_large: bool) -> Place {
        Place { order, is_large, number: order.unsigned_abs() }
    }

    /// A line on which others have as many bytes as it takes.
    fn full() -> State {
        let turns = Arc::try_unwrap(turns()).ok().unwrap();
        let mut state = turns.state.into_inner();
        state.window.give(state.window.size(), Instant::now());
        state
    }

    #[test]
    fn the_file_that_was_closed_first_goes_first() {
        let turns = turns();
        let mut state = turns.state.lock();
        let now = Instant::now();
        state.waiting = [3, 1, 2].map(|order| place(order, false)).into();
        assert_eq!(state.next(place(2, false), Step::Take(100), now), Found::Others);
        assert_eq!(state.next(place(3, false), Step::Begin, now), Found::Others);
        assert_eq!(state.next(place(1, false), Step::Take(100), now), Found::Room(100));
        state.waiting.remove(&place(1, false));
        assert_eq!(state.next(place(2, false), Step::Take(100), now), Found::Room(100));
    }

    #[test]
    fn large_files_have_every_other_turn() {
        let turns = turns();
        let mut state = turns.state.lock();
        let (small, large) = (place(1, false), place(2, true));
        state.waiting = [small, large].into();
        let mut given = Vec::new();
        for _ in 0..4 {
            let next = state.first().unwrap();
            assert_eq!(state.next(next, Step::Take(1), Instant::now()), Found::Room(1));
            given.push(next);
        }
        assert_eq!(given, [large, small, large, small]);
        state.waiting.remove(&small);
        assert_eq!(state.first(), Some(large));
    }

    #[test]
    fn room_is_kept_for_an_earlier_upload_that_is_about_to_ask() {
        let turns = turns();
        let mut state = turns.state.lock();
        let now = Instant::now();
        let (earlier, later) = (place(1, false), place(2, false));
        state.waiting.insert(earlier);
        assert_eq!(state.next(earlier, Step::Take(9000), now), Found::Room(8192));
        state.waiting = [later].into();
        assert_eq!(state.next(later, Step::Take(100), now), Found::Kept(PATIENCE));
        assert_eq!(state.next(later, Step::Take(100), now + PATIENCE), Found::Room(100));
        // The earlier one has handed over its last bytes, and waits for an answer.
        state.waiting.insert(earlier);
        assert_eq!(state.next(earlier, Step::Take(808), now), Found::Room(808));
        state.waiting = [later].into();
        assert_eq!(state.next(later, Step::Take(100), now), Found::Room(100));
    }

    #[test]
    fn nobody_begins_on_a_full_line() {
        let mut state = full();
        state.waiting.insert(place(1, false));
        let now = Instant::now();
        let found = |state: &mut State, step| state.next(place(1, false), step, now);
        assert_eq!(found(&mut state, Step::Begin), Found::FullLine(Duration::ZERO));
        state.looked = Some(now);
        let soon = Found::FullLine(state.window.look_after());
        assert_eq!(found(&mut state, Step::Begin), soon);
        // The connections have nothing on the line any more.
        let now = now + Duration::from_secs(1);
        state.window.look(&[], now);
        state.looked = Some(now);
        assert!(matches!(found(&mut state, Step::Begin), Found::Room(_)));
        // Room is kept for one that has begun, until its first bytes go.
        state.begun.insert(place(2, false), state.window.size());
        assert_eq!(found(&mut state, Step::Take(1000)), soon);
        assert_eq!(state.reserved(place(2, false), 1000, now), Some(1000));
        assert_eq!(state.reserved(place(2, false), 1000, now), None);
        assert_eq!(found(&mut state, Step::Take(1000)), Found::Room(1000));
        assert!(matches!(found(&mut state, Step::Begin), Found::Room(_)));
    }

    #[test]
    fn on_an_unknown_line_an_upload_begins_when_earlier_ones_have_handed_over_all() {
        let turns = turns();
        let mut state = turns.state.lock();
        let now = Instant::now();
        let (earlier, later) = (place(1, false), place(2, false));
        state.looked = Some(now);
        state.waiting.insert(later);
        let soon = Found::FullLine(state.window.look_after());
        state.begun.insert(earlier, 8192);
        assert_eq!(state.next(later, Step::Begin, now), soon);
        assert_eq!(state.reserved(earlier, 9000, now), Some(8192));
        assert_eq!(state.next(later, Step::Begin, now), soon);
        state.waiting.insert(earlier);
        assert_eq!(state.next(earlier, Step::Take(808), now), Found::Room(808));
        state.waiting.remove(&earlier);
        assert!(matches!(state.next(later, Step::Begin, now), Found::Room(_)));
    }

    #[test]
    fn without_counters_few_begin_and_none_of_them_waits() {
        let mut state = full();
        state.is_blind = true;
        let now = Instant::now();
        state.begun.extend((1..4).map(|order| (place(order, false), 0)));
        state.waiting = [4, 5].map(|order| place(order, false)).into();
        assert!(matches!(state.next(place(4, false), Step::Begin, now), Found::Room(_)));
        state.begun.insert(place(4, false), 0);
        assert_eq!(state.next(place(4, false), Step::Begin, now), Found::Others);
        assert_eq!(state.next(place(5, false), Step::Take(9), now), Found::Room(9));
    }

    #[tokio::test]
    async fn a_turn_that_ends_or_is_given_up_goes_to_the_next() {
        let turns = turns();
        turns.state.lock().is_blind = true;
        let mut begun = Vec::new();
        for order in 0..BLIND_MAX as i64 {
            begun.push(turns.begin(order, false).await);
        }
        let given_up = turns.begin(10, false);
        assert!(futures_util::FutureExt::now_or_never(given_up).is_none());
        let next = tokio::spawn({
            let turns = turns.clone();
            async move { turns.begin(11, false).await }
        });
        begun.pop();
        next.await.unwrap();
        assert!(turns.state.lock().waiting.is_empty());
    }

    #[tokio::test]
    async fn a_limit_that_goes_frees_all_who_wait() {
        let turns = turns();
        turns.set_limit("4k".parse().unwrap());
        let turn = turns.begin(1, false).await;
        turn.take(u64::MAX).await;
        // More than an hour's worth.
        turns.state.lock().limiter.take(4000 * 3600, Instant::now());
        let mut waiting = tokio::task::JoinSet::new();
        waiting.spawn(async move {
            turn.take(1024).await;
        });
        for order in 2..8 {
            let turns = turns.clone();
            waiting.spawn(async move {
                turns.begin(order, false).await.take(1024).await;
            });
        }
        tokio::task::yield_now().await;
        assert!(waiting.try_join_next().is_none());
        turns.set_limit(UploadLimit::default());
        while let Some(ended) = waiting.join_next().await {
            ended.unwrap();
        }
    }
}
