//! Moving directories: noted here in one step, then told to Google title by title.

use super::error::Error;
use super::state::Library;
use crate::api::{self, Advice};
use crate::media::{DirId, EntryName};
use crate::store::{self, AlbumRename, Child, Store};

/// Most albums that are moved at once: each costs a request, and the caller waits for them.
const MOVED_MAX: u32 = 200;

const TOLD_LATER: &str = "an album was moved here; Google is told its new title later";

impl Library {
    /// Moves an album, or a directory of albums, with all albums in it.
    ///
    /// If Google refuses the first new title, or cannot be reached, nothing has changed. Once it has taken one, the
    /// move stands, and what is left of it is done in the background, also after a crash.
    /// Goes on when the caller has stopped waiting.
    ///
    /// # Errors
    /// The place is taken, the titles are not for Google, there are too many, or Google could not be asked.
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
        // Whether an album in the new place is empty is for Google to say.
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
        let mut retitles = moved.renames.iter();
        if let Some(first) = retitles.next() {
            match self.client.rename_album(&first.album, &first.title).await {
                Ok(_) => self.rename_sent(first.clone()).await?,
                Err(error) if error.may_have_happened() => {
                    tracing::warn!(title = first.title, %error, "{TOLD_LATER}");
                }
                Err(error) => {
                    self.store.run(move |store| store.move_undone(&moved, &old)).await?;
                    return Err(error.into());
                }
            }
        }
        Ok(self.send_album_renames(retitles.cloned().collect()).await?)
    }

    /// Tells Google the titles that are still to be told, in the background.
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
                let error = &error as &(dyn std::error::Error + 'static);
                tracing::warn!(error, "{TOLD_LATER}");
            }
            drop(turn);
        });
    }

    /// Tells Google titles; stops where it cannot be told now.
    async fn send_album_renames(&self, todo: Vec<AlbumRename>) -> Result<(), store::Error> {
        for retitle in todo {
            match self.client.rename_album(&retitle.album, &retitle.title).await {
                Ok(_) => self.rename_sent(retitle).await?,
                // One that is gone, say, must not hold up the others for ever.
                Err(error) if matches!(error.advice(), Advice::GiveUp) => {
                    tracing::warn!(title = retitle.title, %error, "Google does not take the new title of an album");
                    self.store.run(move |store| store.album_rename_refused(&retitle)).await?;
                }
                Err(error) => {
                    tracing::warn!(title = retitle.title, %error, "{TOLD_LATER}");
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

/// How many components the titles of albums directly in a directory's place have.
fn depth(store: &Store, mut dir: DirId) -> Result<usize, store::Error> {
    let mut depth = 0;
    while dir != DirId::ROOT {
        depth += 1;
        dir = store.dir(dir)?.map_or(DirId::ROOT, |dir| dir.parent);
    }
    Ok(depth)
}

/// The titles that albums get when the first `depth` components of theirs become `title`. Pure.
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
    fn what_stands_below_keeps_its_end() {
        let old = [(DirId(2), "A/B".into()), (DirId(3), "A/B/C/D".into())];
        let new = new_titles(&old, "X", 2).unwrap();
        assert_eq!(new, [(DirId(2), "X".into()), (DirId(3), "X/C/D".into())]);
    }

    #[test]
    fn no_title_is_cut_and_no_move_is_endless() {
        let deep = [(DirId(2), "A".into()), (DirId(3), format!("A/{}", "b".repeat(498)))];
        assert!(matches!(new_titles(&deep, "CC", 1), Err(Error::BadTitle(_))));
        let many: Vec<_> = (0..201).map(|at| (DirId(at), format!("A/{at}"))).collect();
        assert!(matches!(new_titles(&many, "B", 1), Err(Error::TooManyBelow { albums: 201, .. })));
    }
}
