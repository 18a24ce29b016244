//! A file's life on its way, as types.
//!
//! ```text
//! Sealed ──uploaded──► Uploaded ──creating──► Creating ──made──► Confirming ──seen──► an item
//!   ▲                     │                      │                   │
//!   └──── token too old ──┴──── token refused ───┴──── item lost ────┘      refused for good: failed
//! ```
//!
//! Each value stands for rows of the journal in that state, and is used up by the one transaction that
//! moves them on. Nobody can ask for items of files that are not journalled as asked for.

use std::time::SystemTime;

use crate::api;
use crate::media::{ContentHash, FileId, MediaItem, UploadToken};
use crate::store::{
    CreateCall, CreateOutcome, Hashed, MergedFiles, Ready, Result, Startable, Store, Unconfirmed,
};

/// Durable here; Google has nothing, or a part of the bytes.
pub(super) struct Sealed(pub(super) Startable);

/// Google has the bytes of these, for a day; they are to be created together.
pub(super) struct Uploaded {
    pub(super) dir: crate::media::DirId,
    pub(super) files: Vec<(FileId, i64)>,
}

/// Asked for, or about to be: from here on the answer may be lost.
pub(super) struct Creating(CreateCall);

/// An item, says Google, but it has not been seen since.
#[derive(Clone)]
pub(super) struct Confirming(pub(super) Unconfirmed);

impl Sealed {
    /// The content is known now; it may not have to be uploaded.
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

    /// Google has the bytes. What was written in the meantime stays as it is.
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

    /// Journals the intent. `None` if nobody wants any of them there any more.
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

    /// What goes over the wire.
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

    /// The answer is known, for each file in order.
    pub(super) async fn settled(
        self,
        store: &Store,
        outcomes: Vec<CreateOutcome>,
    ) -> Result<MergedFiles> {
        let CreateCall { call, items, .. } = self.0;
        let tokens = items.into_iter().map(|item| item.token);
        let outcomes: Vec<_> = tokens.zip(outcomes).collect();
        store.run(move |store| store.record_create_outcomes(call, &outcomes)).await
    }

    /// The answer is lost: the files stay asked for.
    pub(super) async fn unanswered(self, store: &Store, retry_at: SystemTime) -> Result<()> {
        store.run(move |store| store.create_unanswered(self.0.call, retry_at)).await
    }

    /// The batch in two, as it was before it was asked for.
    pub(super) fn halves(&self) -> [Uploaded; 2] {
        let files = self.0.items.iter().map(|item| (item.file, item.seq)).collect();
        let (first, second) = super::planner::halves(files);
        [first, second].map(|files| Uploaded { dir: self.0.dir, files })
    }
}

impl Confirming {
    /// It is there: the bytes may be let go. Blocking, with the file's lock held.
    pub(super) fn seen(self, store: &Store, item: &MediaItem) -> Result<()> {
        store.confirmed(self.0.file, item)
    }

    /// It was not there: it is looked for again later.
    pub(super) async fn not_seen(
        self,
        store: &Store,
        error: String,
        retry_at: SystemTime,
    ) -> Result<()> {
        let Unconfirmed { file, seq, .. } = self.0;
        store.run(move |store| store.attempt_failed(file, seq, &error, retry_at)).await
    }

    /// Google will never show it to us, because it had the bytes before us. They stay here.
    pub(super) async fn unseen(self, store: &Store) -> Result<()> {
        store.run(move |store| store.unseen(self.0.file)).await
    }

    /// There is no such item: the bytes are uploaded again.
    pub(super) async fn lost(self, store: &Store, error: String) -> Result<()> {
        store.run(move |store| store.item_lost(self.0.file, &error)).await
    }
}
