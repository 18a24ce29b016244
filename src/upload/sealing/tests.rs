//! The transitions of a draft, with a real store and spool but without mount, worker and network.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;

use super::super::blocked::{Backoff, Blocked};
use super::super::config::Config;
use super::*;
use crate::api::{self, Budget, Client, Deadlines, Login};
use crate::media::{Qualities, UploadToken};
use crate::profile::Profile;
use crate::store::tests::{album, name};
use crate::store::{Child, Choice, Startable, Store};
use crate::upload::commit::CommitError;
use crate::upload::draft::InFlight;
use crate::upload::local_names::NameRules;
use crate::upload::rejecting::ATTEMPTS_MAX;
use crate::upload::room::Need;

const REAL: &str = "a.jpg";
const TEMPORARY: &str = "a.jpg.part";
const DAY: Duration = Duration::from_secs(86_400);

/// A client that no test uses.
fn client(dir: &Path) -> Client {
    let profile = Profile::under(dir);
    let url = "http://127.0.0.1:9/";
    let secret = serde_json::json!({"installed": {"client_id": "id", "client_secret": "secret",
        "auth_uri": url, "token_uri": url, "redirect_uris": ["http://localhost"]}});
    let token = serde_json::json!({"refresh_token": "token", "scope": "",
        "granted_at": "2026-01-01T00:00:00Z"});
    let config = profile.config_dir().unwrap();
    std::fs::write(config.join("client_secret.json"), secret.to_string()).unwrap();
    std::fs::write(config.join("token.json"), token.to_string()).unwrap();
    let login = Arc::new(Login::load(&profile, &url.parse().unwrap()).unwrap());
    let wait = Duration::from_secs(1);
    let deadlines = Deadlines {
        connect: wait,
        read: wait,
        write: wait,
        stall: wait,
        retries: wait,
        throttled: wait,
    };
    let config =
        api::Config { deadlines, retry_base: wait, write_pause: wait, ..api::Config::default() };
    Client::new(config, login, Arc::new(Budget::new(jiff::Timestamp::now()))).unwrap()
}

fn photo(seed: u8) -> Vec<u8> {
    [&b"\xff\xd8\xff\xe0\0\x10JFIF\0"[..], &[seed; 100]].concat()
}

/// One file in an album, created and open for writing.
struct World {
    pipeline: Pipeline,
    album: DirId,
    file: FileId,
    writers: Vec<Writer>,
    _dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        Self::with_spool(u64::MAX)
    }

    fn with_spool(spool_max: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let client = client(dir.path());
        let keep = Arc::new(|_, _, _: &Path| ());
        let config = Config { spool_max, ..Config::new(dir.path().join("spool"), keep) };
        let shared = Shared::new(config, Store::in_memory().unwrap(), client).unwrap();
        let album = album(&shared.store, "Trip");
        let file = shared.store.create_file(album, &name(REAL), 0).unwrap().unwrap();
        shared.spool.create(file).unwrap();
        let pipeline = Pipeline { shared: Arc::new(shared) };
        let mut world = Self { pipeline, album, file, writers: Vec::new(), _dir: dir };
        world.open();
        world.pipeline.begin_new(file);
        world
    }

    fn store(&self) -> &Store {
        &self.pipeline.shared.store
    }

    fn state(&self) -> Option<UploadState> {
        self.store().upload_state(self.file).unwrap()
    }

    fn open(&mut self) {
        self.writers.push(self.pipeline.drafts().open_writer(self.file));
    }

    /// Writes as the filesystem does; `false` if the file cannot be written.
    fn write(&self, bytes: &[u8]) -> bool {
        let Some(writer) = self.writers.last() else { return false };
        if writer.begin_write().is_none() && self.pipeline.unseal(self.file).is_err() {
            return false;
        }
        assert!(writer.begin_write().is_some());
        let spool = self.pipeline.spool().open(self.file).unwrap();
        let len = bytes.len() as u64;
        spool.set_len(len).unwrap();
        writer.truncated(len);
        spool.write_at(bytes, 0).unwrap();
        writer.wrote(&(0..len));
        true
    }

    /// The writer has written the beginning of a photo, and the rest fails.
    fn rest_fails(&self) {
        let (written, all) = (photo(0)[..20].len() as u64, photo(0).len() as u64);
        self.writers.last().unwrap().write_failed(libc::ENOSPC, written..all);
    }

    /// Writes this range of `bytes`, and leaves the others.
    fn add(&self, bytes: &[u8], range: Range<usize>) {
        let writer = self.writers.last().unwrap();
        if writer.begin_write().is_none() {
            self.pipeline.unseal(self.file).unwrap();
        }
        let spool = self.pipeline.spool().open(self.file).unwrap();
        spool.write_at(&bytes[range.clone()], range.start as u64).unwrap();
        writer.wrote(&(range.start as u64..range.end as u64));
    }

    fn write_fails(&self) {
        if self.write(&photo(0)[..20]) {
            self.rest_fails();
        }
    }

    fn close(&self) -> Result<SealOutcome, SealError> {
        let outcome = self.pipeline.seal(self.file, SealCause::Close);
        self.writers.last().inspect(|writer| _ = writer.closed());
        outcome
    }

    /// As a close with `--commit close`.
    fn commit_close(&self) {
        let is_sealed = self.close().is_ok();
        if is_sealed && self.writers.last().is_some_and(|writer| !writer.closed()) {
            self.pipeline.shared.begin_commit(self.file).unwrap();
        }
    }

    fn release(&mut self) {
        if let Some(writer) = self.writers.pop() {
            let _ = self.pipeline.seal(self.file, SealCause::Release);
            self.pipeline.release(&writer);
        }
    }

    fn rename(&self, to: &str) -> Result<(), SealError> {
        let from = if to == REAL { TEMPORARY } else { REAL };
        if self.store().child(self.album, &name(from)).unwrap() != Some(Child::File(self.file)) {
            return Ok(());
        }
        self.pipeline.check_name(self.file, self.album, &name(to))?;
        let (from, to) = ((self.album, &name(from)), (self.album, &name(to)));
        if self.store().rename_file(from, to, false).unwrap().is_err() {
            return Ok(());
        }
        self.pipeline.renamed(self.file)
    }

    /// What the worker does to begin an upload.
    fn begin_upload(&self) -> Option<Upload> {
        let drafts = self.pipeline.drafts();
        let choose = |it: &Startable| match it.file == self.file {
            true if !drafts.is_being_written(it.file) => Choice::Take,
            _ => Choice::Skip,
        };
        let (now, quality) = (SystemTime::now(), Qualities::default());
        let found = self.store().startable(now, 1, quality, choose).unwrap().pop()?;
        let in_flight = drafts.begin_upload(self.file)?;
        Some(Upload { seq: found.seq, in_flight })
    }

    fn spooled(&self) -> Vec<u8> {
        std::fs::read(self.pipeline.spool().path(self.file)).unwrap()
    }
}

/// An upload under way.
struct Upload {
    seq: i64,
    in_flight: InFlight,
}

impl Upload {
    fn is_cancelled(&self) -> bool {
        self.in_flight.cancel.is_cancelled()
    }
}

/// An open file may hold the spool file of an earlier version, which is in the cache now.
#[test]
fn each_version_that_is_written_has_a_name_of_its_own() {
    let world = World::new();
    let first = world.writers[0].begin_write();
    world.write(&photo(1));
    assert_eq!(world.writers[0].begin_write(), first);
    world.close().unwrap();
    assert_eq!(world.writers[0].begin_write(), None);
    world.write(&photo(2));
    let second = world.writers[0].begin_write();
    assert!(second.is_some() && second != first);
    let merged = world.store().create_file(world.album, &name("b.jpg"), 0).unwrap().unwrap();
    world.pipeline.begin_new(merged);
    world.writers[0].follow(merged);
    assert_ne!(world.writers[0].begin_write(), second);
}

#[test]
fn a_write_cancels_the_upload_of_the_version_before() {
    let mut world = World::new();
    world.write(&photo(1));
    assert_eq!(world.close().unwrap(), SealOutcome::Queued);
    assert!(world.begin_upload().is_none(), "while a writer may go on writing");
    world.release();
    let upload = world.begin_upload().unwrap();
    world.open();
    assert!(!upload.is_cancelled(), "opening changes nothing");
    assert!(world.write(&photo(2)));
    assert!(upload.is_cancelled());
    assert!(!world.pipeline.drafts().end_upload(world.file, true), "superseded");
    assert_eq!(world.pipeline.drafts().sent().uploaded, 0);
}

#[test]
fn a_failure_of_an_upload_that_a_writer_has_superseded_rejects_nothing() {
    let mut world = World::new();
    world.write(&photo(1));
    world.release();
    let upload = world.begin_upload().unwrap();
    world.open();
    world.write(&photo(2));
    let version = (world.file, upload.seq);
    let shared = &world.pipeline.shared;
    shared.reject_version(version, Rejection::TooLarge, "too large").unwrap();
    let last_attempt = (world.file, upload.seq, ATTEMPTS_MAX);
    shared.read_failed(last_attempt, "fails", SystemTime::now()).unwrap();
    assert_eq!(world.state(), Some(UploadState::Open));
    world.release();
    assert_eq!(world.state(), Some(UploadState::Sealed));
}

#[test]
fn a_write_to_a_version_that_google_may_have_forks_it() {
    let mut world = World::new();
    world.write(&photo(1));
    world.release();
    let upload = world.begin_upload().unwrap();
    let token = UploadToken::new("token");
    world.store().uploaded(world.file, upload.seq, &token, SystemTime::now()).unwrap();
    assert!(world.pipeline.drafts().end_upload(world.file, true));
    world.store().begin_create(world.album, &[(world.file, upload.seq)]).unwrap();
    world.open();
    assert!(world.write(&photo(2)));
    let old = world.store().replaced_by(world.file).unwrap().unwrap();
    assert_eq!(std::fs::read(world.pipeline.spool().path(old)).unwrap(), photo(1));
    assert_eq!(world.spooled(), photo(2));
}

#[test]
fn a_full_album_rejects_no_version_but_the_one_that_it_was_asked_for() {
    let mut world = World::new();
    world.write(&photo(1));
    world.release();
    let upload = world.begin_upload().unwrap();
    let (token, version) = (UploadToken::new("token"), (world.file, upload.seq));
    world.store().uploaded(world.file, upload.seq, &token, SystemTime::now()).unwrap();
    world.pipeline.drafts().end_upload(world.file, true);
    world.store().begin_create(world.album, &[version]).unwrap();
    world.open();
    let shared = &world.pipeline.shared;
    shared.note_rejection(version, Rejection::AlbumFull).unwrap();
    assert_eq!(shared.drafts.rejected(), [world.file]);
    world.write(&photo(2));
    shared.note_rejection(version, Rejection::AlbumFull).unwrap();
    assert!(shared.drafts.rejected().is_empty());
    assert!(matches!(shared.drafts.phase(world.file), Some(Phase::Writing)));
}

#[test]
fn a_write_error_rejects_the_version_until_the_file_is_emptied() {
    let mut world = World::new();
    world.write_fails();
    assert!(matches!(world.close(), Err(SealError::Incomplete(_))));
    assert_eq!(world.pipeline.drafts().rejected(), [world.file]);
    world.write(&[]);
    world.write(&photo(1));
    assert_eq!(world.close().unwrap(), SealOutcome::Queued);
    world.release();
    assert_eq!(world.state(), Some(UploadState::Sealed));
}

/// The close of a copied descriptor has sealed the version before.
#[test]
fn a_write_that_fails_after_its_version_was_sealed_rejects_the_version() {
    for cause in [Some(SealCause::Close), Some(SealCause::Sync), None] {
        let mut world = World::new();
        world.write(&photo(1)[..20]);
        world.close().unwrap();
        world.rest_fails();
        if let Some(cause) = cause {
            let outcome = world.pipeline.seal(world.file, cause);
            assert!(matches!(outcome, Err(SealError::Incomplete(_))), "{outcome:?}");
        }
        assert!(world.pipeline.drafts().begin_upload(world.file).is_none());
        world.release();
        assert_eq!(world.state(), Some(UploadState::Failed));
        let missing = world.store().write_error(world.file).unwrap().unwrap().missing;
        assert_eq!(missing, 20..photo(1).len() as u64);
    }
}

#[test]
fn a_write_that_fails_before_it_changes_a_closed_photo_leaves_the_photo_alone() {
    let mut world = World::new();
    assert!(world.write(&photo(1)));
    world.close().unwrap();
    world.release();
    world.open();
    // The disk had no room to begin a version.
    world.rest_fails();
    world.close().unwrap();
    world.release();
    assert_eq!(world.state(), Some(UploadState::Sealed));
}

#[test]
fn a_failed_write_of_a_merged_file_is_that_of_the_other_file() {
    let world = World::new();
    world.write_fails();
    let merged = world.store().create_file(world.album, &name("b.jpg"), 0).unwrap().unwrap();
    world.writers[0].follow(merged);
    assert!(world.pipeline.drafts().find(merged).unwrap().write_error().is_some());
}

/// The program that wrote it has been told of the error, but may rename the file all the same.
#[test]
fn a_temporary_file_with_a_write_error_cannot_be_made_a_photo_by_renaming_it() {
    let mut world = World::new();
    world.rename(TEMPORARY).unwrap();
    world.write_fails();
    assert_eq!(world.close().unwrap(), SealOutcome::Temporary);
    world.release();
    assert!(matches!(world.rename(REAL), Err(SealError::Incomplete(_))));
    // Nor by a writer that adds less than is missing.
    world.open();
    world.add(&photo(0), 20..50);
    world.release();
    assert!(matches!(world.rename(REAL), Err(SealError::Incomplete(_))));
    world.open();
    world.add(&photo(0), 50..photo(0).len());
    world.release();
    world.rename(REAL).unwrap();
    assert_eq!(world.state(), Some(UploadState::Sealed));
}

/// One of its names is under the failed ones still; only a failed write may keep it from the other.
#[test]
fn a_temporary_file_that_was_rejected_before_may_be_made_a_photo_by_renaming_it() {
    let mut world = World::new();
    world.write(&photo(1));
    world.release();
    let (file, album) = (world.file, world.album);
    world.store().link(file, album, &name("b.jpg")).unwrap().unwrap();
    world.store().fail(file, "Google does not take it", None).unwrap();
    let fate = Fate::StaysHere(store::LocalReason::Temporary);
    let facts = world.pipeline.spool().stat(file).unwrap().facts(fate);
    let (from, to) = (name("b.jpg"), name(TEMPORARY));
    world.store().retry_failed((album, &from), (album, &to), false, &facts).unwrap().unwrap();
    assert_eq!(world.state(), Some(UploadState::Temporary));
    world.open();
    world.write(&photo(2));
    world.release();
    world.rename(REAL).unwrap();
    assert_eq!(world.state(), Some(UploadState::Sealed));
}

#[test]
fn a_rejected_version_fails_only_with_its_last_writer() {
    let mut world = World::new();
    world.open();
    world.write(b"words");
    assert!(matches!(world.close(), Err(SealError::Unsupported(_))));
    world.release();
    assert_eq!(world.state(), Some(UploadState::Open));
    // It was only the beginning.
    world.write(&photo(1));
    assert!(world.pipeline.drafts().rejected().is_empty());
    world.write(b"words");
    world.release();
    assert_eq!(world.state(), Some(UploadState::Failed));
}

#[test]
fn refused_bytes_are_kept_again_if_the_earlier_copy_is_gone() {
    let mut world = World::new();
    let mut refused = Vec::new();
    for _ in 0..4 {
        world.write(b"words");
        world.release();
        refused.push(world.file);
        let names = world.store().failed_names().unwrap();
        let kept: Vec<_> = names.iter().map(|it| it.file).collect();
        match refused[..] {
            [first] | [first, _] => assert_eq!(kept, [first]),
            // The copies of the second and the third one were no more needed.
            [first, _, third] | [first, _, third, _] => assert_eq!(kept, [first, third]),
            _ => unreachable!(),
        }
        if refused.len() == 2 {
            std::fs::remove_file(world.pipeline.spool().path(refused[0])).unwrap();
        }
        let store = world.store();
        let file = store.create_file(world.album, &name(REAL), 0).unwrap().unwrap();
        world.pipeline.spool().create(file).unwrap();
        world.file = file;
        world.open();
        world.pipeline.begin_new(file);
    }
}

#[test]
fn the_holes_of_a_refused_file_make_no_room() {
    let mut world = World::with_spool(100 << 20);
    world.write(b"words");
    let spool = world.pipeline.spool().open(world.file).unwrap();
    spool.set_len(1 << 30).unwrap();
    world.release();
    assert_eq!(world.state(), Some(UploadState::Failed));
    let room = world.pipeline.spool().room();
    let (refused, kept) = room.set_aside_bytes();
    assert_eq!((refused, kept), (room.used(), 0));
}

/// Only a version that a commit has sent may have been half a file.
#[test]
fn a_commit_takes_no_earlier_rejection_back() {
    let mut world = World::new();
    world.write_fails();
    world.release();
    assert_eq!(world.state(), Some(UploadState::Failed));
    world.open();
    world.pipeline.shared.begin_commit(world.file).unwrap();
    assert!(!world.write(&photo(1)));
    assert_eq!(world.state(), Some(UploadState::Failed));
}

#[test]
fn a_file_without_a_name_goes_with_its_last_descriptor() {
    let mut world = World::new();
    world.write(&photo(1));
    // Somebody reads it.
    world.pipeline.drafts().file_opened(world.file);
    world.store().unlink(world.album, &name(REAL)).unwrap().unwrap();
    world.pipeline.remove_if_orphan(world.file).unwrap();
    world.release();
    assert!(world.state().is_some(), "the reader keeps it");
    world.pipeline.drafts().file_closed(world.file);
    world.pipeline.remove_if_orphan(world.file).unwrap();
    assert_eq!(world.state(), None);
    assert!(!world.pipeline.spool().path(world.file).exists());
}

#[test]
fn a_file_that_cannot_be_settled_is_settled_later() {
    let mut world = World::new();
    world.write(&photo(1));
    let spool = world.pipeline.spool().path(world.file);
    let aside = spool.with_extension("aside");
    std::fs::rename(&spool, &aside).unwrap();
    world.release();
    assert_eq!(world.pipeline.drafts().unsettled(), [world.file]);
    std::fs::rename(&aside, &spool).unwrap();
    world.pipeline.shared.settle_left_over();
    assert!(world.pipeline.drafts().unsettled().is_empty());
    assert_eq!(world.state(), Some(UploadState::Sealed));
}

#[test]
fn a_file_without_a_name_is_removed_though_its_bytes_cannot_be_synced() {
    let mut world = World::new();
    world.write(&photo(1));
    world.store().unlink(world.album, &name(REAL)).unwrap().unwrap();
    std::fs::remove_file(world.pipeline.spool().path(world.file)).unwrap();
    world.release();
    assert_eq!(world.state(), None);
    assert!(world.pipeline.drafts().unsettled().is_empty());
}

/// A rejection changes the row first and the draft then.
#[test]
fn a_commit_learns_why_a_file_is_rejected() {
    let mut world = World::new();
    world.open();
    world.write(&photo(1));
    let (file, shared) = (world.file, &world.pipeline.shared);
    let draft = shared.drafts.lock(file);
    shared.store.fail(file, "too large", None).unwrap();
    let (answers, answered) = std::sync::mpsc::channel();
    let pipeline = &world.pipeline;
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().build().unwrap();
            answers.send(runtime.block_on(pipeline.commit(file))).unwrap();
        });
        let early = answered.recv_timeout(Duration::from_millis(300));
        draft.set_rejected(Rejection::TooLarge);
        drop(draft);
        let outcome = early.or_else(|_| answered.recv()).unwrap();
        assert!(
            matches!(outcome, Err(CommitError::Rejected { rejection: Rejection::TooLarge, .. })),
            "{outcome:?}"
        );
    });
}

/// Only removals from albums and additions wait for such a login.
#[test]
fn a_login_that_may_not_edit_albums_fails_no_commit() {
    let mut world = World::new();
    world.write(&photo(1));
    world.release();
    let backoff = Backoff { base: DAY, max: DAY };
    let error = api::Error::TimedOut { call: "removal" };
    let now = SystemTime::now();
    let blocked = Blocked::read(&error, None, backoff, None, now, 1.0).unwrap();
    world.pipeline.shared.outages.lock().push(blocked.of_permission());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let early = runtime.block_on(async {
        tokio::time::timeout(Duration::from_millis(300), world.pipeline.commit(world.file)).await
    });
    assert!(early.is_err(), "{early:?}");
}

/// Two files were merged, and a writer that has opened one under its old number writes the other.
#[test]
fn a_write_that_waits_for_room_blocks_the_file_that_it_writes() {
    let mut world = World::with_spool(8192);
    world.write(&photo(1));
    world.release();
    world.open();
    let merged = world.store().create_file(world.album, &name("b.jpg"), 0).unwrap().unwrap();
    let writer = &world.writers[0];
    writer.follow(merged);
    let need = Need { more: 8000, total: 8000 };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut waiting = std::pin::pin!(world.pipeline.wait_for_room(writer, need));
        assert!(futures_util::poll!(&mut waiting).is_pending());
        assert!(!world.pipeline.drafts().any_may_be_closed(), "its close would make room");
    });
    assert!(world.pipeline.drafts().any_may_be_closed());
}

/// What happens to the file.
#[derive(Clone, Copy, Debug)]
enum Step {
    Open,
    Write(u8),
    WriteWords,
    WriteFails,
    Empty,
    Close,
    Sync,
    Release,
    CommitClose,
    BeginUpload,
    EndUpload,
    FailUpload,
    RejectUpload,
    AskForItem,
    Rename(&'static str),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Open),
        4 => any::<u8>().prop_map(Step::Write),
        1 => Just(Step::WriteWords),
        1 => Just(Step::WriteFails),
        1 => Just(Step::Empty),
        3 => Just(Step::Close),
        1 => Just(Step::Sync),
        3 => Just(Step::Release),
        1 => Just(Step::CommitClose),
        4 => Just(Step::BeginUpload),
        2 => Just(Step::EndUpload),
        1 => Just(Step::FailUpload),
        1 => Just(Step::RejectUpload),
        1 => Just(Step::AskForItem),
        1 => Just(Step::Rename(TEMPORARY)),
        2 => Just(Step::Rename(REAL)),
    ]
}

/// What must be so, told by a simple account of the steps.
#[derive(Default)]
struct Reference {
    bytes: Vec<u8>,
    write_error: bool,
    /// Google, or a rename that was no good, has rejected the file: not only its last writer.
    rejected: bool,
    upload: Option<Upload>,
    /// The version whose token Google has given.
    uploaded: Option<(i64, Vec<u8>)>,
}

impl Reference {
    fn wrote(&mut self, bytes: Vec<u8>) {
        self.bytes = bytes;
        self.write_error = false;
        if let Some(upload) = self.upload.take() {
            assert!(upload.is_cancelled(), "a write to a version that is being uploaded");
        }
    }

    fn take(&mut self, world: &mut World, step: Step) {
        let (file, drafts) = (world.file, world.pipeline.drafts().clone());
        let shared = world.pipeline.shared.clone();
        match step {
            Step::Open => world.open(),
            Step::Write(seed) if world.write(&photo(seed)) => self.wrote(photo(seed)),
            Step::WriteWords if world.write(b"words") => self.wrote(b"words".to_vec()),
            Step::WriteFails if world.write(&photo(0)[..20]) => {
                world.rest_fails();
                self.wrote(photo(0)[..20].to_vec());
                self.write_error = true;
            }
            Step::Empty if world.write(&[]) => {
                self.wrote(Vec::new());
            }
            Step::Close => _ = world.close(),
            Step::Sync => _ = world.pipeline.seal(file, SealCause::Sync),
            Step::Release => world.release(),
            Step::CommitClose => world.commit_close(),
            Step::BeginUpload if self.upload.is_none() => {
                self.upload = world.begin_upload();
                if self.upload.is_some() {
                    assert!(!drafts.is_being_written(file));
                    assert_eq!(world.state(), Some(UploadState::Sealed));
                }
            }
            Step::EndUpload => {
                let Some(upload) = self.upload.take() else { return };
                let (token, now) = (UploadToken::new("token"), SystemTime::now());
                let current = world.store().uploaded(file, upload.seq, &token, now).unwrap();
                assert_eq!(drafts.end_upload(file, current), !upload.is_cancelled());
                self.uploaded = current.then(|| (upload.seq, self.bytes.clone()));
            }
            Step::FailUpload | Step::RejectUpload => {
                let Some(upload) = self.upload.take() else { return };
                drafts.end_upload(file, false);
                let attempts = if matches!(step, Step::FailUpload) { 0 } else { ATTEMPTS_MAX };
                let version = (file, upload.seq, attempts);
                shared.read_failed(version, "fails", SystemTime::UNIX_EPOCH).unwrap();
                self.rejected |= attempts > 0 && !upload.is_cancelled();
            }
            Step::AskForItem if world.state() == Some(UploadState::Uploaded) => {
                let (seq, _) = self.uploaded.clone().unwrap();
                world.store().begin_create(world.album, &[(file, seq)]).unwrap();
            }
            Step::Rename(to) => self.rejected |= world.rename(to).is_err(),
            _ => {}
        }
    }

    fn check(&mut self, world: &World) {
        let (state, drafts) = (world.state(), world.pipeline.drafts());
        let phase = drafts.phase(world.file);
        let names = world.store().names_in_albums(world.file).unwrap();
        let real = names.iter().any(|name| NameRules::default().of_file(name).is_none());
        assert_eq!(world.spooled(), self.bytes);
        match state {
            Some(UploadState::Open) => {
                assert!(!world.writers.is_empty(), "open without a writer");
                assert!(!matches!(phase, Some(Phase::InFlight(_))), "in flight while open");
            }
            Some(UploadState::Sealed) => {
                assert!(real && !self.write_error, "sealed with a write error");
                assert!(self.bytes.starts_with(b"\xff\xd8\xff"), "no photo");
            }
            Some(UploadState::Failed) => {
                self.rejected |= world.writers.is_empty();
                assert!(self.rejected, "failed under its writer");
            }
            _ => {}
        }
        // A writer takes a rejection back if it was told of half a file.
        self.rejected &= state == Some(UploadState::Failed);
        if matches!(phase, Some(Phase::Writing)) {
            assert_eq!(state, Some(UploadState::Open));
        }
        if let Some(upload) = &self.upload {
            assert!(upload.is_cancelled() || matches!(phase, Some(Phase::InFlight(_))));
        }
        if let (Some(old), Some((_, bytes))) =
            (world.store().replaced_by(world.file).unwrap(), &self.uploaded)
        {
            assert_eq!(std::fs::read(world.pipeline.spool().path(old)).unwrap(), *bytes);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_sequence_of_steps_breaks_the_rules(steps in prop::collection::vec(step(), 1..40)) {
        let (mut world, mut reference) = (World::new(), Reference::default());
        for step in steps {
            reference.take(&mut world, step);
            reference.check(&world);
        }
        while !world.writers.is_empty() {
            reference.take(&mut world, Step::Release);
            reference.check(&world);
        }
        world.pipeline.drafts().end_uploads();
        prop_assert!(world.pipeline.drafts().find(world.file).is_none(), "a draft is left over");
    }
}
