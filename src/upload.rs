//! The upload pipeline: takes files when they are closed, and makes an item of each of them,
//! exactly once.
//!
//! It has two halves. [`Pipeline`] serves the kernel's requests: it spools, seals and waits. It uses
//! the network only to ask about arrived items (`unseen.rs`). The other half is one task,
//! [`worker`], which reads from the tables what there is to do. The database is the queue, so
//! nothing in memory grows with it, and recovery reads the tables as well.
//!
//! Between them stand the drafts (`draft.rs`, `drafts.rs`, `sealing.rs`): one for each file that is
//! being written or uploaded, with all facts about it that end with the process.

pub mod accept;
mod blocked;
mod blockers;
mod classify;
mod commit;
mod config;
mod copies;
mod cut_off;
mod draft;
mod drafts;
mod drain;
mod errors;
mod evidence;
mod jpeg;
mod just_closed;
mod local_names;
mod outcome;
mod pipeline;
mod planner;
mod preparing;
mod queue;
mod rate;
mod rejecting;
mod replay;
mod retry;
pub mod room;
mod room_wait;
mod sealed_bytes;
mod sealing;
mod shared;
mod shares;
mod shrinkers;
pub mod spool;
mod start;
mod state;
mod transfer;
mod unseen;
mod videos;
mod worker;

pub use crate::store::SyncScope;
pub use blocked::{Blocked, BlockedReason};
pub use classify::{CopyOutcome, would_upload};
pub use commit::CommitError;
pub use config::{AddToCache, Config};
pub use draft::{DraftFacts, InFlight, OpenVersion, Phase, Rejection};
pub use drafts::{Drafts, Writer};
pub use drain::{DrainError, Patience};
pub use errors::{Error, SealError};
pub use local_names::{HIDDEN, NameRules, TEMPORARY_NAMES, TemporaryName};
pub use pipeline::Pipeline;
pub use queue::{FailingFile, Queue};
pub use rate::{Rate, SentTotals};
pub use retry::{RetryError, retry};
pub use room::{Need, ShortWrite, SpoolFile};
pub use room_wait::{NoRoom, Space};
pub use sealing::{SealCause, SealOutcome};
pub use shared::Failure;
pub use spool::Spool;
pub use videos::{can_encode, has_video_tools};
