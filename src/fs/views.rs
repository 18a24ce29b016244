//! `/.gphotos/library`: all items by date, read-only.

use super::attr::Kind;
use super::error::Result;
use super::filesystem::Fs;
use super::listing::{Listed, OFFSET_OF_FIRST, row};
use super::lookup::Lookup;
use super::node::Node;
use crate::media::{EntryName, Period, View};
use crate::store::Child;

/// Cookies of periods descend with their numbers from here: Google lists the latest period first.
const COOKIE_OF_NONE: i64 = 1 << 27;

impl Fs {
    pub(super) fn find_in_view(&self, view: View, name: &EntryName) -> Result<Lookup> {
        if let View::By(span) = view {
            // Every valid date has a directory, even an empty one.
            let period = Period::called(span, name.as_bytes());
            return Ok(period.map_or(Lookup::NotFound, |it| Lookup::Node(Node::View(View::Of(it)))));
        }
        let find = || -> Result<Option<Lookup>> {
            let file = self.store.view_child(view, name)?;
            Ok(file.map(|file| Lookup::Node(Node::ReadOnlyFile(file))))
        };
        if let Some(found) = find()? {
            return Ok(found);
        }
        let listings = self.library.refresh_view_if_due(view)?;
        // A listing that has just ended may have added it.
        Ok(match find()? {
            Some(found) => found,
            None if listings.is_empty() => Lookup::NotFound,
            None => Lookup::Unknown(listings),
        })
    }

    /// Up to `limit` entries of a view after a cookie.
    pub(super) fn view_entries(&self, view: View, cookie: i64, limit: u32) -> Result<Vec<Listed>> {
        let View::By(span) = view else {
            let entries = self.store.view_entries(view, cookie, limit)?;
            let node = |child| match child {
                Child::Dir(dir) => Node::Dir(dir),
                Child::File(file) => Node::ReadOnlyFile(file),
            };
            return Ok(entries.into_iter().map(|entry| row(entry, node)).collect());
        };
        let before = match View::of_number(COOKIE_OF_NONE - cookie) {
            Some(View::Of(period)) => Some(period),
            _ => None,
        };
        let periods = self.store.periods(span, before, limit as usize)?;
        Ok(periods
            .into_iter()
            .map(|period| {
                let view = View::Of(period);
                Listed {
                    ino: Node::View(view).ino(),
                    kind: Kind::Dir,
                    name: view.name().into_bytes(),
                    next: OFFSET_OF_FIRST + (COOKIE_OF_NONE - view.number()) as u64,
                }
            })
            .collect())
    }
}
