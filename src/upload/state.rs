//! The states of an upload, as types.
//!
//! ```text
//! Sealed ──uploaded──► Uploaded ──creating──► Creating ──made──► Confirming ──seen──► an item
//!   ▲                     │                      │                   │
//!   └──── token too old ──┴──── token refused ───┴──── item lost ────┘      refused for good: failed
//! ```
//!
//! Each value stands for journal rows in that state. The one transaction that moves the rows on
//! consumes the value, so no call can be sent that is not journalled.

use std::time::SystemTime;

use crate::api;
use crate::media::{ContentHash, FileId, MediaItem, UploadToken};
use crate::store::{
    Claim, CreateCall, CreateOutcome, Hashed, Proved, Ready, Result, Startable, Store,
};

/// The bytes are durable here. Google has none or a part of them.
pub(super) struct Sealed(pub(super) Startable);

/// Google keeps the bytes of these files for a day. One call creates them.
pub(super) struct Uploaded {
    pub(super) dir: crate::media::DirId,
    pub(super) files: Vec<(FileId, i64)>,
}

/// The call is journalled: from here on its answer may be lost.
pub(super) struct Creating(CreateCall);

/// Google says that it has made the item, or that it has had the bytes before. No listing has shown
/// it since.
pub(super) struct Confirming(pub(super) Claim);

impl Sealed {
    /// Records the hashes. A duplicate does not have to be uploaded.
    pub(super) async fn hashed(
        self,
        store: &Store,
        sha256: ContentHash,
        sha1: [u8; 20],
    ) -> Result<(Hashed, Self)> {
        let (file, seq) = (self.0.file, self.0.seq);
        let next = store.run(move |store| store.hashed(file, seq, sha256, sha1)).await?;
        Ok((next, Self(Startable { sha1: Some(sha1), ..self.0 })))
    }

    /// Records the upload token. A version that was written meanwhile stays as it is.
    pub(super) async fn uploaded(self, store: &Store, token: UploadToken) -> Result<()> {
        let (file, seq, now) = (self.0.file, self.0.seq, SystemTime::now());
        store.run(move |store| store.uploaded(file, seq, &token, now)).await?;
        Ok(())
    }
}

impl Uploaded {
    pub(super) fn new(dir: crate::media::DirId, files: &[Ready]) -> Self {
        Self { dir, files: files.iter().map(|file| (file.file, file.seq)).collect() }
    }

    /// Journals the call. `None` if none of the files is to be in the album any more.
    pub(super) async fn creating(self, store: &Store) -> Result<Option<Creating>> {
        let call = store.run(move |store| store.begin_create(self.dir, &self.files)).await?;
        Ok(Some(Creating(call)).filter(|creating| !creating.0.items.is_empty()))
    }
}

impl Creating {
    /// A call whose answer was lost. It may be repeated: equal bytes give the same item
    /// (reference §7.6).
    pub(super) fn repeated(call: CreateCall) -> Self {
        Self(call)
    }

    pub(super) fn call(&self) -> &CreateCall {
        &self.0
    }

    /// The items of the request.
    pub(super) fn items(&self) -> Vec<api::NewItem> {
        let short = |text: &str, max| text.chars().take(max).collect();
        self.0
            .items
            .iter()
            .map(|item| api::NewItem {
                token: item.token.clone(),
                file_name: item.name.to_text().into_owned(),
                description: item
                    .description
                    .as_deref()
                    .filter(|text| !text.is_empty())
                    .map(|text| short(text, api::DESCRIPTION_CHARS_MAX)),
            })
            .collect()
    }

    /// Records the answer, for each file in order.
    pub(super) async fn settled(self, store: &Store, outcomes: Vec<CreateOutcome>) -> Result<()> {
        let CreateCall { call, items, .. } = self.0;
        let tokens = items.into_iter().map(|item| item.token);
        let outcomes: Vec<_> = tokens.zip(outcomes).collect();
        store.run(move |store| store.record_create_outcomes(call, &outcomes)).await
    }

    /// Records that the answer is lost: the call is to be repeated.
    pub(super) async fn unanswered(self, store: &Store, retry_at: SystemTime) -> Result<()> {
        store.run(move |store| store.create_unanswered(self.0.call, retry_at)).await
    }

    /// The batch in two halves, as before the call.
    pub(super) fn halves(&self) -> [Uploaded; 2] {
        let files = self.0.items.iter().map(|item| (item.file, item.seq)).collect();
        let (first, second) = super::planner::halves(files);
        [first, second].map(|files| Uploaded { dir: self.0.dir, files })
    }
}

impl Confirming {
    /// A listing has shown the item: the bytes may be released. `None` if the claim is void.
    /// Blocking, with the draft locked.
    pub(super) fn proved(self, store: &Store) -> Result<Option<Proved>> {
        store.settle_claim(&self.0)
    }

    /// Google has the item, and no album is wanted to have it: the bytes may be released, if this
    /// returns `true`. Blocking, with the draft locked.
    pub(super) fn shown_by_id(self, store: &Store, item: &MediaItem) -> Result<bool> {
        store.settle_by_id(&self.0, item)
    }

    /// Google did not show the item: the worker looks again later.
    pub(super) async fn not_shown(
        self,
        store: &Store,
        error: String,
        retry_at: SystemTime,
    ) -> Result<()> {
        let Claim { file, seq, .. } = self.0;
        let Some(seq) = seq else { return Ok(()) };
        store.run(move |store| store.attempt_failed(file, seq, &error, false, retry_at)).await
    }

    /// Google did not say whether it shows the item: the worker asks again later.
    pub(super) async fn not_answered(self, store: &Store, retry_at: SystemTime) -> Result<()> {
        let Claim { file, seq, .. } = self.0;
        let Some(seq) = seq else { return Ok(()) };
        store.run(move |store| store.retry_later(file, seq, retry_at)).await
    }

    /// The item has arrived, but its album does not show it: the bytes stay here. See
    /// [`Store::unseen`].
    pub(super) async fn unseen(
        self,
        store: &Store,
        item: MediaItem,
        retry_at: SystemTime,
    ) -> Result<()> {
        store.run(move |store| store.unseen(&self.0, &item, retry_at)).await
    }

    /// Google counts the item in the album, and does not show it. See [`Store::withheld`].
    pub(super) async fn withheld(self, store: &Store, reason: &'static str) -> Result<bool> {
        store.run(move |store| store.withheld(&self.0, reason)).await
    }

    /// Google had the bytes before the call. See [`Store::had_before`].
    pub(super) async fn had_before(self, store: &Store, attempts: u32) -> Result<()> {
        store.run(move |store| store.had_before(&self.0, attempts)).await
    }

    /// Its album still does not show the arrived item. See [`Store::still_unseen`].
    pub(super) async fn still_unseen(
        self,
        store: &Store,
        retry_at: SystemTime,
        missed: bool,
    ) -> Result<()> {
        store.run(move |store| store.still_unseen(&self.0, Some(retry_at), missed)).await
    }

    /// Google knows the arrived item that its album does not show.
    pub(super) async fn unseen_is_known(self, store: &Store, item: MediaItem) -> Result<()> {
        store.run(move |store| store.unseen_is_known(&self.0, &item)).await
    }

    /// There is no such item: the worker uploads the bytes again.
    pub(super) async fn lost(self, store: &Store, error: String) -> Result<()> {
        store.run(move |store| store.item_lost(&self.0, &error)).await
    }

    /// Google does not show the item that the file is a duplicate of: the worker uploads the bytes.
    pub(super) async fn not_a_duplicate(self, store: &Store) -> Result<()> {
        store.run(move |store| store.not_a_duplicate(&self.0)).await
    }
}
