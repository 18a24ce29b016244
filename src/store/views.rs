//! Views by date: the directories under `.gphotos/library`. A view shows the items of Google's list
//! or search, and the known items of that date, because searches by date lag (reference §7.3) and
//! leave out items without a date. A view says nothing about albums.

use std::time::SystemTime;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::database::Store;
use super::error::{Error, Result};
use super::items::{ListedItem, last_resort};
use super::listing::Pass;
use super::lookups;
use super::tables::{files, views};
use super::time::{from_millis, to_millis};
use super::tx::Tx;
use super::types::DirEntry;
use crate::media::{EntryName, FileId, MediaId, Period, Span, View};

/// How a view has been listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ViewState {
    /// When the last complete listing began; `None` if there has been none.
    pub listed_at: Option<SystemTime>,
    /// Requests that it took.
    pub requests: u32,
    /// Known items may be missing in the view, see [`Store::not_viewed`] and
    /// [`Store::show_arrived`].
    pub behind: bool,
}

/// A known item that a view should show and does not.
#[derive(Clone, Debug)]
pub struct NotViewed {
    /// The item here.
    pub file: FileId,
    /// And at Google.
    pub media: MediaId,
    /// Google's name for it.
    pub filename: String,
    /// The type. Empty if Google has not reported it.
    pub mime: String,
    created: i64,
}

impl Store {
    /// How a view has been listed.
    pub fn view(&self, view: View) -> Result<ViewState> {
        self.read(|db| {
            let state = db
                .prepare_cached(
                    "SELECT listed_at, requests, behind OR EXISTS (SELECT 1 FROM view_arrivals a WHERE a.view = v.view) AS behind \
                     FROM views v WHERE view = ?1",
                )?
                .query_row([view], |row| {
                    Ok(ViewState {
                        listed_at: row.get::<_, Option<i64>>("listed_at")?.map(from_millis),
                        requests: row.get("requests")?,
                        behind: row.get("behind")?,
                    })
                })
                .optional()?;
            Ok(state.unwrap_or_default())
        })
    }

    /// The file called `name` in a view.
    pub fn view_child(&self, view: View, name: &EntryName) -> Result<Option<FileId>> {
        self.read(|db| {
            Ok(db
                .prepare_cached("SELECT file FROM view_entries WHERE view = ?1 AND name = ?2")?
                .query_row(params![view, name], |row| row.get(0))
                .optional()?)
        })
    }

    /// Up to `limit` items of a view behind `cookie` (0: from the beginning), in cookie order.
    pub fn view_entries(&self, view: View, cookie: i64, limit: u32) -> Result<Vec<DirEntry>> {
        self.read(|db| {
            Ok(db
                .prepare_cached(
                    "SELECT id, name, file FROM shown_view_entries \
                     WHERE view = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
                )?
                .query_map(params![view, cookie, limit], lookups::listed_file)?
                .collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Up to `limit` periods in which there are items, before `before`, the latest first.
    pub fn periods(&self, span: Span, before: Option<Period>, limit: usize) -> Result<Vec<Period>> {
        self.read(|db| {
            let mut found = Vec::new();
            let mut before = before;
            while found.len() < limit {
                let known = latest_known(db, span, before)?;
                let shown = latest_shown(db, span, before)?;
                let number = |period: &Period| View::Of(*period).number();
                let Some(latest) = known.into_iter().chain(shown).max_by_key(number) else { break };
                found.push(latest);
                before = Some(latest);
            }
            Ok(found)
        })
    }

    /// The cookie after which a view's new names will follow.
    pub fn last_view_cookie(&self, view: View) -> Result<i64> {
        self.read(|db| {
            Ok(db
                .prepare_cached("SELECT coalesce(max(id), 0) FROM view_entries WHERE view = ?1")?
                .query_row([view], |row| row.get(0))?)
        })
    }

    /// Reconciles one page of a view's listing. Returns whether it had an item that no page had
    /// before.
    pub fn view_listed(&self, view: View, page: &[ListedItem], listing: i64) -> Result<bool> {
        self.write(|tx| {
            let mut is_fresh = false;
            for listed in page {
                let file = files::upsert_item(tx, &listed.item)?;
                let seen: Option<i64> = tx
                    .prepare_cached(
                        "SELECT seen FROM shown_view_entries WHERE view = ?1 AND file = ?2",
                    )?
                    .query_row(params![view, file], |row| row.get(0))
                    .optional()?;
                is_fresh |= seen.is_none_or(|seen| seen < listing);
                match seen {
                    None => show(tx, view, file, &listed.names, listing)?,
                    Some(_) => {
                        views::set_seen(tx, view, file, listing)?;
                    }
                }
            }
            Ok(is_fresh)
        })
    }

    /// Ends a complete pass through a view, which took so many requests. It hides the items that
    /// neither this pass nor the last one of an earlier listing has shown. Returns whether others are
    /// missing: another pass must follow, and then Google's answers about their ids.
    pub fn view_complete(&self, view: View, pass: &Pass, requests: u32) -> Result<bool> {
        let listing = pass.listing;
        self.write(|tx| {
            let before: Option<i64> = tx
                .prepare_cached("SELECT listing FROM views WHERE view = ?1")?
                .query_row([view], |row| row.get(0))
                .optional()?;
            // The pass before the last one is no other listing.
            if let Some(before) = before.filter(|_| !pass.last) {
                views::hide_missing(tx, view, before)?;
            }
            let needs_confirmation = tx
                .prepare_cached(
                    "SELECT 1 FROM shown_view_entries WHERE view = ?1 AND seen > 0 AND seen < ?2",
                )?
                .exists(params![view, listing])?;
            if view == View::All {
                // The list of all items does not lag, so it counts for the other views, too. The
                // next pass must show the items that are only known here.
                views::delete_lost(tx, view)?;
                views::expect_known(tx, view, listing)?;
            }
            // The listing is complete, but due again.
            let due = needs_confirmation && !pass.last;
            let at = if due { SystemTime::UNIX_EPOCH } else { pass.began };
            views::set_listed(tx, view, to_millis(at), listing, requests)?;
            Ok(needs_confirmation)
        })
    }

    /// The next access to a view lists it again.
    pub fn set_view_due(&self, view: View) -> Result<()> {
        self.write(|tx| views::set_due(tx, view))
    }

    /// Up to `limit` items that the last complete listing of a view did not show and that the view
    /// still shows. They come in no order, so that each has its turn.
    pub fn missing_in_view(&self, view: View, limit: u32) -> Result<Vec<(FileId, MediaId)>> {
        self.read(|db| {
            Ok(db
                .prepare_cached(&format!(
                    "SELECT e.file, f.media {MISSING_IN_VIEW} ORDER BY random() LIMIT ?2"
                ))?
                .query_map(params![view, limit], |row| Ok((row.get("file")?, row.get("media")?)))?
                .collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Google does not know these items, and the last listing of the view did not show them. The
    /// view hides them, unless a listing has shown them meanwhile.
    pub fn gone_from_view(&self, view: View, items: &[FileId]) -> Result<()> {
        self.write(|tx| {
            for file in items {
                let is_missing = tx
                    .prepare_cached(&format!("SELECT 1 {MISSING_IN_VIEW} AND e.file = ?2"))?
                    .exists(params![view, file])?;
                if is_missing {
                    views::hide(tx, view, *file)?;
                }
            }
            if view == View::All {
                views::delete_lost(tx, view)?;
            }
            Ok(())
        })
    }

    /// Up to `limit` known items whose creation time lies in a view's period (in UTC) and which the
    /// view does not have. The search continues after the item `after`.
    pub fn not_viewed(
        &self,
        view: View,
        after: Option<&NotViewed>,
        limit: u32,
    ) -> Result<Vec<NotViewed>> {
        let (from, to) = match view {
            View::All => (i64::MIN, i64::MAX),
            View::By(_) => return Ok(Vec::new()),
            View::Of(period) => period.millis(),
        };
        let (from, id) = after.map_or((from, i64::MIN), |it| (it.created, it.file.0));
        self.read(|db| {
            Ok(db
                .prepare_cached(NOT_VIEWED)?
                .query_map(params![view, from, id, to, limit], not_viewed)?
                .collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Shows known items in a view.
    pub fn show_in_view(&self, view: View, items: &[(FileId, Vec<EntryName>)]) -> Result<()> {
        self.write(|tx| {
            for (file, names) in items {
                // Another thread may have shown it meanwhile.
                if !is_in_view(tx, view, *file)? {
                    show(tx, view, *file, names, 0)?;
                }
            }
            Ok(())
        })
    }

    /// Keeps that all known items have been gone through since the last complete listing.
    pub fn view_caught_up(&self, view: View) -> Result<()> {
        self.write(|tx| {
            views::set_caught_up(tx, view)?;
            Ok(())
        })
    }

    /// Shows up to `limit` items that have arrived since the view was first read. Returns whether
    /// there may be more.
    pub fn show_arrived(
        &self,
        view: View,
        names: impl Fn(&NotViewed) -> Vec<EntryName>,
        limit: u32,
    ) -> Result<bool> {
        self.write(|tx| {
            let arrived: Vec<FileId> = tx
                .prepare_cached(
                    "SELECT file FROM view_arrivals WHERE view = ?1 ORDER BY file LIMIT ?2",
                )?
                .query_map(params![view, limit], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            for file in &arrived {
                // The item may be gone again, or merged into another.
                let item = tx
                    .prepare_cached("SELECT id, media, filename, mime, created_at FROM library_items WHERE id = ?1")?
                    .query_row([file], not_viewed)
                    .optional()?;
                if let Some(item) = item
                    && !is_in_view(tx, view, *file)?
                {
                    show(tx, view, *file, &names(&item), 0)?;
                }
                views::delete_arrival(tx, view, *file)?;
            }
            Ok(arrived.len() == limit as usize)
        })
    }
}

/// The items that the last complete listing of a view did not show and that the view still shows.
const MISSING_IN_VIEW: &str = "FROM shown_view_entries e JOIN files f ON f.id = e.file JOIN views v ON v.view = e.view \
     WHERE e.view = ?1 AND e.seen > 0 AND e.seen < v.listing AND f.media IS NOT NULL";

/// The next items that a view should show and does not.
pub(super) const NOT_VIEWED: &str = "SELECT id, media, filename, mime, created_at FROM library_items f \
     WHERE (created_at, id) > (?2, ?3) AND created_at < ?4 \
     AND NOT EXISTS (SELECT 1 FROM view_entries WHERE file = f.id AND view = ?1) \
     ORDER BY created_at, id LIMIT ?5";

fn not_viewed(row: &Row<'_>) -> rusqlite::Result<NotViewed> {
    Ok(NotViewed {
        file: row.get("id")?,
        media: row.get("media")?,
        filename: row.get::<_, Option<String>>("filename")?.unwrap_or_default(),
        mime: row.get::<_, Option<String>>("mime")?.unwrap_or_default(),
        created: row.get::<_, Option<i64>>("created_at")?.unwrap_or(0),
    })
}

/// Whether a view shows an item, or has shown it.
fn is_in_view(tx: &Tx<'_>, view: View, file: FileId) -> Result<bool> {
    Ok(tx
        .prepare_cached("SELECT 1 FROM view_entries WHERE file = ?1 AND view = ?2")?
        .exists(params![file, view])?)
}

/// Gives an item a name in a view, the first of `names` that is free there.
fn show(tx: &Tx<'_>, view: View, file: FileId, names: &[EntryName], listing: i64) -> Result<()> {
    views::insert(tx, view)?;
    let mut taken =
        tx.prepare_cached("SELECT 1 FROM view_entries WHERE view = ?1 AND name = ?2")?;
    let mut free = None;
    for name in names {
        if !taken.exists(params![view, name])? {
            free = Some(name.clone());
            break;
        }
    }
    let name = free.map_or_else(|| last_resort(file), Ok)?;
    views::show(tx, view, file, &name, listing)?;
    Ok(())
}

/// When the latest known item before a time was created.
pub(super) const LATEST_KNOWN: &str =
    "SELECT created_at FROM library_items WHERE created_at < ?1 ORDER BY created_at DESC LIMIT 1";

/// The latest period, before another, in which a known item was created.
fn latest_known(db: &Connection, span: Span, before: Option<Period>) -> Result<Option<Period>> {
    let end = before.map_or(i64::MAX, |period| period.millis().0);
    let created: Option<i64> =
        db.prepare_cached(LATEST_KNOWN)?.query_row([end], |row| row.get(0)).optional()?;
    Ok(created.and_then(|millis| Period::at(span, from_millis(millis))))
}

/// The latest period, before another, whose view shows something.
fn latest_shown(db: &Connection, span: Span, before: Option<Period>) -> Result<Option<Period>> {
    let end = before.map_or(i64::MAX, |period| View::Of(period).number());
    let span = match span {
        Span::Year => "year",
        Span::Month => "month",
        Span::Day => "day",
    };
    let number: Option<i64> = db
        .prepare_cached(
            "SELECT view FROM views v WHERE view < ?1 AND span = ?2 AND EXISTS \
             (SELECT 1 FROM shown_view_entries WHERE view = v.view) ORDER BY view DESC LIMIT 1",
        )?
        .query_row(params![end, span], |row| row.get(0))
        .optional()?;
    match number.map(View::of_number) {
        None => Ok(None),
        Some(Some(View::Of(period))) => Ok(Some(period)),
        Some(_) => Err(Error::Corrupt("view")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tables::views::arrived;
    use crate::store::tests::{item, name, pass};

    fn names(store: &Store, view: View) -> Vec<String> {
        let entries = store.view_entries(view, 0, 100).unwrap();
        entries.iter().map(|entry| entry.name.to_string()).collect()
    }

    fn day(text: &str) -> View {
        View::Of(Period::called(Span::Day, text.as_bytes()).unwrap())
    }

    /// An item that was created at a time.
    fn created(id: &str, time: &str) -> ListedItem {
        let mut listed = item(id);
        let time: jiff::Timestamp = time.parse().unwrap();
        listed.item.creation_time = SystemTime::try_from(time).ok();
        listed
    }

    /// As the library does when a view is behind.
    fn catch_up(store: &Store, view: View) -> usize {
        let items: Vec<_> = store
            .not_viewed(view, None, 100)
            .unwrap()
            .into_iter()
            .map(|it| (it.file, vec![name(&it.filename)]))
            .collect();
        store.show_in_view(view, &items).unwrap();
        items.len()
    }

    /// Google does not know the items that the last listing missed.
    fn forget_missing(store: &Store, view: View) {
        let missing = store.missing_in_view(view, 9).unwrap().into_iter().map(|it| it.0);
        store.gone_from_view(view, &missing.collect::<Vec<_>>()).unwrap();
    }

    #[test]
    fn what_a_search_does_not_show_any_more_is_gone_and_may_come_back() {
        let store = Store::in_memory().unwrap();
        let view = day("2019-04-28");
        let [a, b] = ["a", "b"].map(|id| created(id, "2019-04-28T10:00:00Z"));
        store.view_listed(view, &[a.clone(), b.clone(), a.clone()], 1).unwrap();
        store.view_complete(view, &pass(1), 1).unwrap();
        assert_eq!(names(&store, view), ["a.jpg", "b.jpg"]);
        store.view_listed(view, std::slice::from_ref(&b), 2).unwrap();
        assert!(store.view_complete(view, &pass(2), 1).unwrap());
        forget_missing(&store, view);
        assert_eq!(names(&store, view), ["b.jpg"]);
        assert_eq!(catch_up(&store, view), 0, "Google has the last word");
        store.view_listed(view, &[a], 3).unwrap();
        assert_eq!(names(&store, view), ["a.jpg", "b.jpg"]);
    }

    #[test]
    fn a_late_page_of_an_older_listing_takes_nothing_from_what_a_newer_one_has_shown() {
        let store = Store::in_memory().unwrap();
        let items = ["a", "b"].map(item);
        store.view_listed(View::All, &items, 2).unwrap();
        assert!(!store.view_listed(View::All, &items[..1], 1).unwrap(), "seen before");
        store.view_complete(View::All, &pass(2), 1).unwrap();
        assert_eq!(names(&store, View::All), ["a.jpg", "b.jpg"]);
    }

    #[test]
    fn it_takes_two_listings_to_miss_an_item_that_google_knows() {
        let store = Store::in_memory().unwrap();
        let items = ["a", "b"].map(item);
        store.view_listed(View::All, &items, 1).unwrap();
        assert!(!store.view_complete(View::All, &pass(1), 2).unwrap());
        let mut shown = Vec::new();
        for (listing, last) in [(2, false), (3, true), (4, false)] {
            assert!(store.view_listed(View::All, &items[1..], listing).unwrap());
            assert!(!store.view_listed(View::All, &items[1..], listing).unwrap(), "seen before");
            let pass = Pass { last, ..pass(listing) };
            let needs_confirmation = store.view_complete(View::All, &pass, 2).unwrap();
            shown.push((names(&store, View::All).len(), needs_confirmation));
        }
        assert_eq!(shown, [(2, true), (2, true), (1, false)]);
    }

    #[test]
    fn what_is_known_to_be_of_a_date_is_shown_until_the_list_of_all_items_has_lost_it() {
        let store = Store::in_memory().unwrap();
        let view = day("2019-04-28");
        let known = created("a", "2019-04-28T23:59:59Z");
        store.items_seen(std::slice::from_ref(&known.item)).unwrap();
        store.items_seen(&[created("b", "2019-04-29T00:00:00Z").item]).unwrap();
        for listing in 1..3 {
            store.view_complete(view, &pass(listing), 1).unwrap();
            catch_up(&store, view);
            assert_eq!(names(&store, view), ["a.jpg"]);
        }
        store.view_listed(View::All, &[known], 3).unwrap();
        store.view_complete(View::All, &pass(3), 1).unwrap();
        assert_eq!(catch_up(&store, View::All), 1, "b");
        store.view_complete(View::All, &pass(4), 1).unwrap();
        assert_eq!(names(&store, View::All), ["a.jpg", "b.jpg"]);
        let missing = store.missing_in_view(View::All, 9).unwrap();
        let a = missing.iter().find(|it| it.1 == MediaId::new("a")).unwrap().0;
        store.gone_from_view(View::All, &[a]).unwrap();
        assert_eq!(names(&store, View::All), ["b.jpg"]);
        assert_eq!(names(&store, view), Vec::<String>::new());
        assert_eq!(catch_up(&store, view), 0);
        assert!(store.view_complete(View::All, &pass(5), 1).unwrap());
        assert!(!store.view_complete(View::All, &pass(6), 1).unwrap());
        assert_eq!(names(&store, View::All), Vec::<String>::new(), "not shown twice");
    }

    #[test]
    fn names_are_unique_in_a_view() {
        let store = Store::in_memory().unwrap();
        let [mut a, mut b] = ["a", "b"].map(item);
        a.names = vec![name("x.jpg"), name("x a.jpg")];
        b.names = vec![name("x.jpg"), name("x b.jpg")];
        store.view_listed(View::All, &[a, b], 1).unwrap();
        assert_eq!(names(&store, View::All), ["x.jpg", "x b.jpg"]);
    }

    #[test]
    fn two_who_catch_up_give_one_name() {
        let store = Store::in_memory().unwrap();
        let file = store.items_seen(&[created("a", "2019-04-28T10:00:00Z").item]).unwrap()[0];
        let items = [(file, vec![name("a.jpg"), name("a a.jpg")])];
        for _ in 0..2 {
            store.show_in_view(View::All, &items).unwrap();
        }
        assert_eq!(names(&store, View::All), ["a.jpg"]);
    }

    #[test]
    fn what_is_not_shown_is_found_piece_by_piece() {
        let store = Store::in_memory().unwrap();
        let time = "2019-04-28T10:00:00Z";
        let items: Vec<_> = (0..5).map(|at| created(&format!("{at}"), time).item).collect();
        store.items_seen(&items).unwrap();
        let (mut found, mut last) = (Vec::new(), None);
        loop {
            let piece = store.not_viewed(View::All, last.as_ref(), 2).unwrap();
            found.extend(piece.iter().map(|it| it.filename.clone()));
            let Some(end) = piece.into_iter().next_back() else { break };
            last = Some(end);
        }
        assert_eq!(found, ["0.jpg", "1.jpg", "2.jpg", "3.jpg", "4.jpg"]);
        let plan: Vec<String> = store
            .read(|db| {
                let mut plan = db.prepare(&format!("EXPLAIN QUERY PLAN {NOT_VIEWED}"))?;
                let steps = plan.query_map([1; 5], |row| row.get("detail"))?;
                Ok(steps.collect::<rusqlite::Result<_>>()?)
            })
            .unwrap();
        assert!(plan[0].contains("SEARCH f USING INDEX files_by_date"), "{plan:#?}");
    }

    #[test]
    fn what_has_arrived_is_shown_without_going_through_what_is_known() {
        let store = Store::in_memory().unwrap();
        let view = day("2019-04-28");
        let items = ["a", "b", "c"].map(|id| created(id, "2019-04-28T10:00:00Z").item);
        let files = store.items_seen(&items).unwrap();
        let arrive = |at: usize| {
            store.write(|tx| arrived(tx, files[at])).unwrap();
        };
        arrive(0);
        assert!(!store.view(view).unwrap().behind, "nobody has looked into it");
        store.view_complete(view, &pass(1), 1).unwrap();
        store.view_caught_up(view).unwrap();
        arrive(1);
        arrive(2);
        assert!(store.view(view).unwrap().behind);
        assert!(!store.view(View::All).unwrap().behind);
        let show = || store.show_arrived(view, |it| vec![name(&it.filename)], 1).unwrap();
        assert!(show() && show() && !show());
        assert_eq!(names(&store, view), ["b.jpg", "c.jpg"]);
        assert!(!store.view(view).unwrap().behind);
    }

    #[test]
    fn periods_come_latest_first_and_each_once() {
        let store = Store::in_memory().unwrap();
        let items = [
            ("a", "2019-04-28T10:00:00Z"),
            ("b", "2019-04-28T11:00:00Z"),
            ("c", "2019-12-31T23:00:00Z"),
            ("d", "1955-11-05T06:00:00Z"),
        ];
        let items = items.map(|(id, time)| created(id, time).item);
        store.items_seen(&items).unwrap();
        // By its local date, which only a search knows.
        let new_year = Period::called(Span::Day, b"2020-01-01").unwrap();
        store.view_listed(View::Of(new_year), &[created("c", "2019-12-31T23:00:00Z")], 1).unwrap();
        let found = |span, before| -> Vec<String> {
            let periods = store.periods(span, before, 10).unwrap();
            periods.into_iter().map(|it| View::Of(it).name()).collect()
        };
        assert_eq!(found(Span::Year, None), ["2019", "1955"]);
        assert_eq!(found(Span::Month, None), ["2019-12", "2019-04", "1955-11"]);
        let days = ["2020-01-01", "2019-12-31", "2019-04-28", "1955-11-05"];
        assert_eq!(found(Span::Day, None), days);
        assert_eq!(found(Span::Day, Some(new_year)), days[1..]);
    }
}
