//! A pass through an album, page by page, which looks for the items of claims.

use std::collections::HashSet;

use crate::api::{self, Client, Pager, PagesRepeat};
use crate::media::{AlbumId, DirId, MediaId, MediaItem};
use crate::store::{self, Store};
use crate::upload::crash;

/// Why a pass has come to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum PassError {
    #[error("asking Google failed")]
    Api(#[from] api::Error),
    #[error(transparent)]
    Pages(#[from] PagesRepeat),
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The album does not exist any more.
    #[error("the album is gone")]
    NoAlbum,
}

/// Goes through the album, and writes to the store which of these items it shows. Ends early when
/// it has shown all of them. Returns those that it has not shown.
pub(super) async fn pass(
    client: &Client,
    store: &Store,
    dir: DirId,
    mut wanted: HashSet<MediaId>,
) -> Result<HashSet<MediaId>, PassError> {
    let (album, mut listing) = store.run(move |store| begin(store, dir)).await?;
    let album = album.ok_or(PassError::NoAlbum)?;
    let mut pager = Pager::default();
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
        let is_fresh = !page.items.is_empty();
        let shown: Vec<MediaItem> =
            page.items.into_iter().filter(|item| wanted.remove(&item.id)).collect();
        if !shown.is_empty() {
            store.run(move |store| store.claims_shown(dir, &shown, listing)).await?;
            crash::point(crash::PASS_AFTER_PAGE);
        }
        pager.page_stored(is_fresh)?;
        if !more || wanted.is_empty() {
            return Ok(wanted);
        }
    }
}

fn begin(store: &Store, dir: DirId) -> store::Result<(Option<AlbumId>, i64)> {
    let album = store.dir(dir)?.and_then(|dir| dir.album?.remote);
    Ok((album, store.next_listing()?))
}
