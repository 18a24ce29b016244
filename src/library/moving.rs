//! Moves directories: in the database in one step, then at Google title by title.

use super::error::Error;
use super::state::Library;
use crate::api::{self, Advice};
use crate::error_chain::chain;
use crate::media::{DirId, EntryName};
use crate::store::{self, AlbumRename, Child, Store};

/// How many albums can be moved at once. Each costs a request, and the caller waits for all.
const MOVED_MAX: u32 = 200;

const RENAMED_LATER: &str = "an album was moved here; its new title will be sent to Google later";

impl Library {
    /// Moves an album, or a directory of albums, with all albums in it.
    ///
    /// If Google refuses the first new title, or cannot be reached, nothing changes. Once it has
    /// accepted one, the move stands. The other titles are sent in the background, also after a
    /// crash. Continues after the caller has stopped waiting.
    ///
    /// # Errors
    /// If the new name is taken, Google does not accept a title, there are too many albums, or a
    /// request fails.
    pub async fn move_dir(&self, dir: DirId, parent: DirId, name: EntryName) -> Result<(), Error> {
        let turn = self.making.clone().acquire_owned().await;
        let library = self.clone();
        let moving = self.runtime.spawn(async move {
            let moved = library.move_with_turn(dir, parent, name).await;
            drop(turn);
            moved
        });
        moving.await.map_err(|_| store::Error::ShuttingDown)?
    }

    async fn move_with_turn(
        &self,
        dir: DirId,
        parent: DirId,
        name: EntryName,
    ) -> Result<(), Error> {
        self.complete(parent).await?;
        // Only Google knows whether an album of the new name is empty.
        let target = name.clone();
        let in_the_way = self.store.run(move |store| store.child(parent, &target)).await?;
        if let Some(Child::Dir(other)) = in_the_way {
            self.complete(other).await?;
        }
        let title = self.title(parent, &name).await?;
        let (old, moved) = self
            .store
            .run(move |store| {
                let depth = depth(store, dir)?;
                let old = store.titles_in(dir)?;
                let new = match new_titles(&old, &title, depth) {
                    Ok(new) => new,
                    Err(error) => return Ok(Err(error)),
                };
                let moved = store.move_intended(dir, (parent, &name), &new)?;
                Ok(moved.map(|moved| (old, moved)).map_err(Error::Tree))
            })
            .await??;
        let mut renames = moved.renames.iter();
        if let Some(first) = renames.next() {
            match self.client.rename_album(&first.album, &first.title).await {
                Ok(_) => self.rename_sent(first.clone()).await?,
                Err(error) if error.may_have_happened() => {
                    tracing::warn!(title = first.title, %error, "{RENAMED_LATER}");
                }
                Err(error) => {
                    self.store.run(move |store| store.move_undone(&moved, &old)).await?;
                    return Err(error.into());
                }
            }
        }
        Ok(self.send_album_renames(renames.cloned().collect()).await?)
    }

    /// Sends pending titles to Google, in the background.
    pub(super) fn send_album_renames_later(&self) {
        let Ok(turn) = self.making.clone().try_acquire_owned() else { return };
        let library = self.clone();
        self.runtime.spawn(async move {
            let todo = library.store.run(|store| store.pending_album_renames(MOVED_MAX)).await;
            let outcome = match todo {
                Ok(todo) => library.send_album_renames(todo).await,
                Err(error) => Err(error),
            };
            if let Err(error) = outcome {
                tracing::warn!(error = chain(&error), "{RENAMED_LATER}");
            }
            drop(turn);
        });
    }

    /// Sends titles to Google, until a request fails that may succeed later.
    async fn send_album_renames(&self, todo: Vec<AlbumRename>) -> Result<(), store::Error> {
        for rename in todo {
            match self.client.rename_album(&rename.album, &rename.title).await {
                Ok(_) => self.rename_sent(rename).await?,
                // Such a title, of a deleted album for example, must not block the others.
                Err(error) if matches!(error.advice(), Advice::GiveUp) => {
                    tracing::warn!(title = rename.title, %error, "Google refuses the new title of an album");
                    self.store.run(move |store| store.album_rename_refused(&rename)).await?;
                }
                Err(error) => {
                    tracing::warn!(title = rename.title, %error, "{RENAMED_LATER}");
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    async fn rename_sent(&self, done: AlbumRename) -> Result<(), store::Error> {
        self.store.run(move |store| store.album_renamed(&done)).await
    }
}

/// The depth of a directory below the root, which is the number of components of its title.
fn depth(store: &Store, mut dir: DirId) -> Result<usize, store::Error> {
    let mut depth = 0;
    while dir != DirId::ROOT {
        depth += 1;
        dir = store.dir(dir)?.map_or(DirId::ROOT, |dir| dir.parent);
    }
    Ok(depth)
}

/// The titles of albums after the first `depth` components of the `old` ones become `title`. Pure.
fn new_titles(
    old: &[(DirId, String)],
    title: &str,
    depth: usize,
) -> Result<Vec<(DirId, String)>, Error> {
    if old.len() > MOVED_MAX as usize {
        return Err(Error::TooManyBelow { albums: old.len(), max: MOVED_MAX });
    }
    old.iter()
        .map(|(dir, old)| {
            let below: Vec<&str> = old.split('/').skip(depth).collect();
            let new = if below.is_empty() {
                title.to_owned()
            } else {
                format!("{title}/{}", below.join("/"))
            };
            if new.chars().count() > api::TITLE_CHARS_MAX {
                return Err(Error::BadTitle("it is longer than 500 characters"));
            }
            Ok((*dir, new))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_below_keep_their_end() {
        let old = [(DirId(2), "A/B".into()), (DirId(3), "A/B/C/D".into())];
        let new = new_titles(&old, "X", 2).unwrap();
        assert_eq!(new, [(DirId(2), "X".into()), (DirId(3), "X/C/D".into())]);
    }

    #[test]
    fn no_title_is_truncated_and_the_number_of_albums_is_limited() {
        let deep = [(DirId(2), "A".into()), (DirId(3), format!("A/{}", "b".repeat(498)))];
        assert!(matches!(new_titles(&deep, "CC", 1), Err(Error::BadTitle(_))));
        let many: Vec<_> = (0..201).map(|at| (DirId(at), format!("A/{at}"))).collect();
        assert!(matches!(new_titles(&many, "B", 1), Err(Error::TooManyBelow { albums: 201, .. })));
    }
}
