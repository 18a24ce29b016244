//! A pass through an album, page by page, which looks for the items of claims.

use std::collections::HashSet;

use crate::api::{
    self, ALBUM_ITEMS_MAX, BATCH_MAX, Client, FailureKind, ItemStatus, Pager, Unending,
};
use crate::crash;
use crate::media::{AlbumId, DirId, MediaId, MediaItem};
use crate::store::{self, Store};

/// Why a pass has come to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum PassError {
    #[error("asking Google failed")]
    Api(#[from] api::Error),
    #[error(transparent)]
    Pages(#[from] Unending),
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The album does not exist any more.
    #[error("the album is gone")]
    NoAlbum,
}

/// One pass tries to add so many items to the album. The others wait for the next one.
const ADDED_MAX: usize = 10;

/// The items about which a pass that does not show them may decide.
#[derive(Default)]
pub(super) struct Doubtful {
    pub(super) items: HashSet<MediaId>,
    /// Those of them that lists have lacked for so long that they cannot lag any more.
    pub(super) overdue: HashSet<MediaId>,
}

/// The wanted items that a complete pass has not shown.
#[derive(Default)]
pub(super) struct Missing {
    pub(super) items: HashSet<MediaId>,
    /// Those of the doubtful ones that Google does not know.
    pub(super) unknown: HashSet<MediaId>,
    /// Google counts as many items in the album as the pass has shown. Known for doubtful ones only.
    pub(super) count_agrees: bool,
    /// Google's count of the album includes these items too.
    pub(super) is_counted: bool,
    /// Those of the overdue ones that Google refuses to put into the album.
    pub(super) refused: HashSet<MediaId>,
}

/// Goes through the album, and writes to the store which of these items it shows. Ends early when
/// it has shown all of them. The list may lag or end early: if it lacks doubtful items, their ids,
/// the album's count and attempts to add them say more.
pub(super) async fn pass(
    client: &Client,
    store: &Store,
    dir: DirId,
    mut wanted: HashSet<MediaId>,
    doubtful: &Doubtful,
) -> Result<Missing, PassError> {
    let (album, mut listing) = store.run(move |store| begin(store, dir)).await?;
    let album = album.ok_or(PassError::NoAlbum)?;
    let (mut pager, mut listed) = (Pager::up_to(ALBUM_ITEMS_MAX), HashSet::new());
    loop {
        let page = match client.list_album_items(&album, pager.token()).await {
            Ok(page) => page,
            Err(error) => {
                pager.refused(error)?;
                listing = store.run(|store| store.next_listing()).await?;
                continue;
            }
        };
        let more = pager.advance(page.next)?;
        let before = listed.len();
        listed.extend(page.items.iter().map(|item| item.id.clone()));
        let fresh = listed.len() - before;
        let shown: Vec<MediaItem> =
            page.items.into_iter().filter(|item| wanted.remove(&item.id)).collect();
        if !shown.is_empty() {
            store.run(move |store| store.claims_shown(dir, &shown, listing)).await?;
            crash::point(crash::PASS_AFTER_PAGE);
        }
        pager.page_stored(fresh as u64)?;
        if !more || wanted.is_empty() {
            let ids: Vec<_> = wanted.intersection(&doubtful.items).cloned().collect();
            let missing = Missing { items: wanted, ..Missing::default() };
            let unshown = store.run(move |store| store.unshown_items(dir)).await?;
            let counts = (listed.len() as u64, unshown);
            let mut missing = ask(client, &album, counts, ids, missing).await;
            if !missing.count_agrees {
                try_to_add(client, &album, &doubtful.overdue, &mut missing).await;
            }
            return Ok(missing);
        }
    }
}

/// Asks about the doubtful items. An answer that fails says nothing of them. The album's list has
/// `listed` items, and it may have `unshown` others.
async fn ask(
    client: &Client,
    album: &AlbumId,
    (listed, unshown): (u64, u64),
    doubtful: Vec<MediaId>,
    mut missing: Missing,
) -> Missing {
    if doubtful.is_empty() {
        return missing;
    }
    match client.get_album(album).await {
        Ok(found) => {
            missing.count_agrees = found.items_count == listed;
            missing.is_counted = found.items_count >= listed + unshown;
        }
        Err(error) => tracing::debug!(%error, "cannot ask how many items an album has"),
    }
    for ids in doubtful.chunks(BATCH_MAX) {
        match client.get_items(ids).await {
            Ok(found) => {
                let is_unknown =
                    |it: &Result<MediaItem, ItemStatus>| matches!(it, Err(it) if it.says_unknown());
                let unknown = ids.iter().zip(found).filter(|(_, it)| is_unknown(it));
                missing.unknown.extend(unknown.map(|(id, _)| id.clone()));
            }
            Err(error) => tracing::debug!(%error, "cannot ask about items that an album lacks"),
        }
    }
    missing
}

/// Tries to add items that Google knows to the album. It refuses those in its bin (reference §6.5).
/// Its count may include them, or others that are hidden from us, so that it never agrees.
async fn try_to_add(
    client: &Client,
    album: &AlbumId,
    overdue: &HashSet<MediaId>,
    missing: &mut Missing,
) {
    let items: Vec<MediaId> = missing.items.intersection(overdue).cloned().collect();
    let known = items.into_iter().filter(|it| !missing.unknown.contains(it));
    for item in known.take(ADDED_MAX).collect::<Vec<_>>() {
        match client.add_to_album(album, std::slice::from_ref(&item)).await {
            Ok(()) => {}
            Err(error) if error.kind() == FailureKind::InvalidItem => {
                missing.refused.insert(item);
            }
            Err(error) => {
                tracing::debug!(%error, "cannot add an item that an album lacks");
                return;
            }
        }
    }
}

fn begin(store: &Store, dir: DirId) -> store::Result<(Option<AlbumId>, i64)> {
    let album = store.dir(dir)?.and_then(|dir| dir.album?.remote);
    Ok((album, store.next_listing()?))
}
