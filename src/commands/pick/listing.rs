//! Lists the picked items into the database, page by page.

use std::time::SystemTime;

use super::connection::{Connection, failed};
use super::failures;
use crate::api::{PICKED_ITEMS_MAX, Pager};
use crate::app::{CommandError, progress};
use crate::library::names;
use crate::media::{EntryName, MediaItem, PickerSessionId};
use crate::store::{ListedItem, Store};

/// The pick that a session is added to with its first item.
#[derive(Clone)]
pub(super) struct Addition {
    pub(super) name: EntryName,
    pub(super) expires_at: SystemTime,
    pub(super) anew: bool,
}

/// The outcome of a listing.
#[derive(Default)]
pub(super) struct Listed {
    /// How many items the session has.
    pub(super) items: u64,
    /// How many of them the pick did not have.
    pub(super) fresh: u64,
}

const CANNOT: &str = "cannot list the picked photos";

impl Connection {
    /// Lists a session. With an `addition`, the session is added to a pick first, if it has items.
    pub(super) async fn list(
        &self,
        session: &PickerSessionId,
        mut addition: Option<Addition>,
    ) -> Result<Listed, CommandError> {
        let (mut pager, mut listed) = (Pager::up_to(PICKED_ITEMS_MAX), Listed::default());
        let bar = progress::bar(PICKED_ITEMS_MAX as usize, "picked photos listed");
        loop {
            let page = match self.client.picker().list_picked(session, pager.token()).await {
                Ok(page) => page,
                Err(error) => {
                    pager.refused(error).map_err(|err| failures::explain(CANNOT, err))?;
                    continue;
                }
            };
            let unending = |err| CommandError::new(CANNOT).because(err);
            let (has_more, count) = (pager.advance(page.next).map_err(unending)?, page.items.len());
            if count > 0 {
                let (of, to) = (session.clone(), addition.take());
                let keep = move |store: &Store| keep(store, &of, to, page.items);
                listed.fresh += self.store.run(keep).await.map_err(failed)?;
            }
            pager.page_stored(count as u64).map_err(unending)?;
            listed.items += count as u64;
            bar.set_position(listed.items);
            if !has_more {
                break;
            }
        }
        bar.finish_and_clear();
        let of = session.clone();
        self.store.run(move |store| store.session_listed(&of)).await.map_err(failed)?;
        Ok(listed)
    }
}

/// Stores a page. Returns how many items are new.
fn keep(
    store: &Store,
    session: &PickerSessionId,
    addition: Option<Addition>,
    items: Vec<MediaItem>,
) -> crate::store::Result<u64> {
    if let Some(Addition { name, expires_at, anew }) = addition {
        store.add_to_pick(&name, session, expires_at, anew)?;
    }
    let named = |item: MediaItem| {
        let names = names::for_item(&item.filename, &item.mime_type, &item.id);
        ListedItem { item, names }
    };
    let page: Vec<_> = items.into_iter().map(named).collect();
    store.picked_listed(session, &page)
}
