//! The table of drafts: one [`Draft`] for each file that is open, or whose bytes are being
//! uploaded.
//!
//! Lock order: the table, then a draft's mutex. Both are held for a look only. A [`LockedDraft`] is
//! taken with neither held; the store and the spool are used while it is.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use parking_lot::Mutex;

use super::draft::{Draft, DraftFacts, InFlight, OpenVersion, Phase, WriterId};
use crate::media::{Death, FileId};
use crate::store::WriteError;

/// All drafts. Cheap to clone. Bounded by the files that are open and the uploads under way.
#[derive(Clone, Debug, Default)]
pub struct Drafts {
    table: Arc<Mutex<Table>>,
}

#[derive(Debug, Default)]
struct Table {
    drafts: HashMap<FileId, Arc<Draft>>,
    writers: u64,
    versions: u64,
    /// Bytes of uploads that have succeeded.
    uploaded: u64,
}

impl Table {
    fn draft(&mut self, file: FileId) -> Arc<Draft> {
        self.drafts.entry(file).or_insert_with(|| Arc::new(Draft::new(file))).clone()
    }

    fn drop_if_idle(&mut self, file: FileId) {
        if self.drafts.get(&file).is_some_and(|draft| draft.is_idle()) {
            self.drafts.remove(&file);
        }
    }
}

/// Bytes handed to the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sent {
    /// Of uploads that have succeeded.
    pub(super) uploaded: u64,
    /// Of uploads under way.
    pub(super) under_way: u64,
    /// How many uploads have begun.
    pub(super) uploads: u64,
}

impl Drafts {
    /// Somebody has opened the file: its draft stays, and the file's row and bytes with it, until
    /// [`Drafts::file_closed`].
    pub fn file_opened(&self, file: FileId) {
        self.table.lock().draft(file).opened();
    }

    /// The last descriptor of those that share an open file has gone.
    pub fn file_closed(&self, file: FileId) {
        let mut table = self.table.lock();
        table.draft(file).closed();
        table.drop_if_idle(file);
    }

    /// Opens the file for writing. Nothing of it is uploaded until the writer is released.
    pub fn open_writer(&self, file: FileId) -> Writer {
        let place = self.add_writer(file);
        Writer { drafts: self.clone(), place: Mutex::new(Some(place)) }
    }

    fn add_writer(&self, file: FileId) -> (Arc<Draft>, WriterId) {
        let mut table = self.table.lock();
        table.writers += 1;
        let (draft, id) = (table.draft(file), WriterId(table.writers));
        draft.add_writer(id);
        (draft, id)
    }

    /// How far a draft is; `None` if nobody has the file open and nothing of it is on its way.
    pub fn phase(&self, file: FileId) -> Option<Phase> {
        self.find(file).map(|draft| draft.phase())
    }

    /// Whether somebody has the file open, to read or to write. Never waits.
    pub(super) fn is_open(&self, file: FileId) -> bool {
        self.find(file).is_some_and(|draft| draft.is_open())
    }

    /// Whether somebody may go on writing the file: then it is not uploaded yet. Never waits.
    pub(super) fn is_being_written(&self, file: FileId) -> bool {
        self.find(file).is_some_and(|draft| draft.may_be_written())
    }

    /// An upload of the file begins. `None` if somebody may go on writing it.
    pub(super) fn begin_upload(&self, file: FileId) -> Option<InFlight> {
        let mut table = self.table.lock();
        let upload = table.draft(file).begin_upload();
        table.drop_if_idle(file);
        upload
    }

    /// An upload has ended. If it succeeded its bytes count as uploaded from now on, in one step.
    /// Returns whether the version is current: `false` if a writer has superseded it.
    pub(super) fn end_upload(&self, file: FileId, succeeded: bool) -> bool {
        let mut table = self.table.lock();
        let sent = table.drafts.get(&file).and_then(|draft| draft.end_upload());
        if succeeded {
            table.uploaded += sent.unwrap_or(0);
        }
        table.drop_if_idle(file);
        sent.is_some()
    }

    /// Forgets all uploads under way.
    pub(super) fn end_uploads(&self) {
        let mut table = self.table.lock();
        table.drafts.retain(|_, draft| {
            draft.end_upload();
            !draft.is_idle()
        });
    }

    /// Bytes handed to the network by now.
    pub(super) fn sent(&self) -> Sent {
        let table = self.table.lock();
        let mut sent = Sent { uploaded: table.uploaded, ..Sent::default() };
        for (bytes, has_begun) in table.drafts.values().filter_map(|draft| draft.bytes_sent()) {
            sent.under_way += bytes;
            sent.uploads += u64::from(has_begun);
        }
        sent
    }

    /// The drafts that say more than the rows of their files, in the order of these.
    pub(super) fn facts(&self) -> Vec<DraftFacts> {
        let table = self.table.lock();
        let mut facts: Vec<_> = table.drafts.values().filter_map(|draft| draft.facts()).collect();
        drop(table);
        facts.sort_unstable_by_key(|it| it.file);
        facts
    }

    /// Files that somebody may go on writing.
    pub(super) fn written(&self) -> Vec<FileId> {
        self.files(|draft| draft.has_writers() && draft.may_be_written())
    }

    /// Files that go to the failed ones with their last writers.
    pub(super) fn rejected(&self) -> Vec<FileId> {
        self.files(|draft| draft.rejection().is_some())
    }

    /// Files that could not be settled when their last writers went.
    pub(super) fn unsettled(&self) -> Vec<FileId> {
        self.files(Draft::is_unsettled)
    }

    /// Whether closing some file would make an upload, which makes room in the spool when it has
    /// arrived.
    pub(super) fn any_may_be_closed(&self) -> bool {
        self.table.lock().drafts.values().any(|draft| draft.may_be_closed())
    }

    /// Whether a rejected file has been closed by all its writers, which have not gone yet.
    pub(super) fn any_closed_rejected(&self) -> bool {
        self.table.lock().drafts.values().any(|draft| draft.is_closed_rejected())
    }

    fn files(&self, such: impl Fn(&Draft) -> bool) -> Vec<FileId> {
        let table = self.table.lock();
        table.drafts.values().filter(|draft| such(draft)).map(|draft| draft.file()).collect()
    }

    pub(super) fn find(&self, file: FileId) -> Option<Arc<Draft>> {
        self.table.lock().drafts.get(&file).cloned()
    }

    /// Waits until no other transition of the file is under way, and keeps others out. Blocking.
    pub(super) fn lock(&self, file: FileId) -> LockedDraft {
        let draft = {
            let mut table = self.table.lock();
            let draft = table.draft(file);
            draft.begin_transition();
            draft
        };
        draft.lock();
        LockedDraft { drafts: self.clone(), draft }
    }
}

/// A draft whose transitions belong to the holder: nobody else seals, unseals or removes the file
/// meanwhile, and no write is granted.
pub(super) struct LockedDraft {
    drafts: Drafts,
    draft: Arc<Draft>,
}

impl LockedDraft {
    /// The row says `open`. An upload under way is void.
    pub(super) fn set_writing(&self) -> OpenVersion {
        let mut table = self.drafts.table.lock();
        table.versions += 1;
        let version = OpenVersion(table.versions);
        self.draft.set_writing(version);
        version
    }
}

impl std::ops::Deref for LockedDraft {
    type Target = Draft;

    fn deref(&self) -> &Draft {
        &self.draft
    }
}

impl Drop for LockedDraft {
    fn drop(&mut self) {
        let mut table = self.drafts.table.lock();
        self.draft.unlock();
        table.drop_if_idle(self.draft.file());
    }
}

/// A descriptor that may write. It has to be released with
/// [`Pipeline::release`](super::Pipeline::release), which settles the file when the last one goes.
#[derive(Debug)]
pub struct Writer {
    drafts: Drafts,
    /// `None` once released.
    place: Mutex<Option<(Arc<Draft>, WriterId)>>,
}

impl Writer {
    fn with<T>(&self, look: impl FnOnce(&Draft, WriterId) -> T) -> Option<T> {
        self.place.lock().as_ref().map(|(draft, id)| look(draft, *id))
    }

    /// The draft of the file that it writes.
    pub(super) fn draft(&self) -> Option<Arc<Draft>> {
        self.place.lock().as_ref().map(|(draft, _)| draft.clone())
    }

    /// The file that it writes.
    pub(super) fn file(&self) -> Option<FileId> {
        self.with(|draft, _| draft.file())
    }

    /// It is about to write. Returns the version that it may write: if there is none, it has to
    /// begin one first.
    pub fn begin_write(&self) -> Option<OpenVersion> {
        let version = self.with(|draft, id| {
            draft.writer_writes(id);
            draft.takes_writes()
        });
        version.flatten()
    }

    /// It, or a copy of its descriptor, has been closed. Returns whether another writer of the file
    /// has not been closed since it last wrote.
    pub fn closed(&self) -> bool {
        let others = self.with(|draft, id| {
            draft.writer_closed(id);
            draft.has_active_writers()
        });
        others == Some(true)
    }

    /// The program that wrote has ended, and so the kernel closes it.
    pub fn died(&self, death: Death) {
        self.with(|draft, id| draft.writer_died(id, death));
    }

    /// Whether the version is not sealed: it is being written, or was rejected, or a write has
    /// failed since.
    pub fn is_unsealed(&self) -> bool {
        let unsealed = self.with(|draft, _| {
            matches!(draft.phase(), Phase::Writing | Phase::Rejected(_))
                || draft.write_error().is_some()
        });
        unsealed == Some(true)
    }

    /// Whether the version was rejected, for its content or its size.
    pub fn is_rejected(&self) -> bool {
        self.with(|draft, _| draft.rejection().is_some()) == Some(true)
    }

    /// A write failed, with this error number. Until the missing range is written or cut off, the
    /// version is not uploaded.
    pub fn write_failed(&self, errno: i32, missing: Range<u64>) {
        if let Some(error) = WriteError::new(errno, missing) {
            self.with(|draft, _| draft.write_failed(error));
        }
    }

    /// It has written this range.
    pub fn wrote(&self, range: &Range<u64>) {
        self.with(|draft, _| draft.wrote(range));
    }

    /// It has cut the file off, or extended it, to this length.
    pub fn truncated(&self, len: u64) {
        self.with(|draft, _| draft.truncated(len));
    }

    /// The file lives on under another number, because it was merged into one with the same bytes.
    pub fn follow(&self, file: FileId) {
        let mut place = self.place.lock();
        let Some((draft, id)) = &*place else { return };
        if draft.file() == file {
            return;
        }
        let (old, lacks) = (draft.file(), draft.write_error());
        draft.remove_writer(*id);
        let (draft, id) = self.drafts.add_writer(file);
        if let Some(error) = lacks {
            draft.take_over(error);
        }
        *place = Some((draft, id));
        drop(place);
        self.drafts.table.lock().drop_if_idle(old);
    }

    /// Takes it from its draft. Returns whether it was the last writer. With the draft locked.
    pub(super) fn take(&self, draft: &LockedDraft) -> bool {
        match self.place.lock().take() {
            Some((_, id)) => draft.writer_gone(id),
            None => false,
        }
    }
}
