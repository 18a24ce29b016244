//! Albums that Google says do not exist.

use std::time::SystemTime;

use super::context::Worker;
use crate::api::{self, Client, FailureKind};
use crate::media::{AlbumId, DirId};
use crate::store::{CreateOutcome, FileFailure, Store};
use crate::upload::state::Creating;

/// Judges whether the album of a refused call is gone.
pub(super) struct AlbumGone {
    client: Client,
    store: Store,
    dir: DirId,
    album: AlbumId,
    made_before: SystemTime,
}

impl AlbumGone {
    /// Whether the call was refused because its album does not exist. One answer is no proof: Google
    /// must say the same if it is asked for the album, and a new album may not be known everywhere
    /// yet.
    pub(super) async fn judge<T>(self, outcome: &Result<T, api::Error>) -> bool {
        let Err(error) = outcome else { return false };
        if error.kind() != FailureKind::AlbumMissing {
            return false;
        }
        let (dir, before) = (self.dir, self.made_before);
        let is_old = self.store.run(move |store| store.is_album_made_before(dir, before)).await;
        is_old.unwrap_or(false)
            && self.client.get_album(&self.album).await.is_err_and(|it| it.is_not_found())
    }
}

impl Worker {
    /// Google says that the album of a creation does not exist, and that is not believed: its files
    /// wait together, and no others.
    pub(super) async fn created_in_doubt(&mut self, creating: Creating, text: &str) {
        let until = self.in_doubt(creating.call().dir);
        self.settle_all(creating, |_| CreateOutcome::Retry {
            isolate: false,
            error: Some(FileFailure { text: text.to_owned(), own: false }),
            retry_at: Some(until),
            maybe_made: false,
        })
        .await;
    }

    /// Makes the calls for this album wait, longer each time. Returns until when.
    pub(super) fn in_doubt(&mut self, dir: DirId) -> SystemTime {
        self.changed();
        let failures = self.album_waits.failed(dir);
        let until = self.retry_at(failures);
        self.album_waits.wait(dir, until);
        until
    }

    /// A judge of a call that names this album.
    pub(super) fn album_gone(&self, dir: DirId, album: AlbumId) -> AlbumGone {
        AlbumGone {
            client: self.shared.client.clone(),
            store: self.shared.store.clone(),
            dir,
            album,
            made_before: SystemTime::now() - self.grace(),
        }
    }
}
