//! What is going: takes files as they are closed and sees them become items, each exactly once.
//!
//! [`Pipeline`] is the half that the kernel's requests meet: it spools, seals and waits. It never touches
//! the network. The other half is one task, [`worker`], which reads off the tables what there is to do. The
//! database is the queue, so nothing here grows with it, and recovery is to look at the tables.

pub mod accept;
mod batch;
mod classify;
mod commit;
mod config;
pub mod crash;
mod draft;
mod drafts;
mod drain;
mod errors;
mod level;
mod pace;
mod pipeline;
mod queue;
mod replay;
mod retry;
pub mod room;
mod room_wait;
mod sealing;
mod shared;
pub mod spool;
mod start;
mod state;
mod transfer;
mod trouble;
mod worker;

pub use crate::store::SyncScope;
pub use classify::would_upload;
pub use commit::CommitError;
pub use config::{Config, Keep};
pub use draft::{InFlight, Phase, Rejection};
pub use drafts::{Drafts, Writer};
pub use drain::DrainError;
pub use errors::{Error, SealError};
pub use pace::{Gone, Rate};
pub use pipeline::Pipeline;
pub use queue::Queue;
pub use retry::{RetryError, retry};
pub use room::{Need, SpoolFile};
pub use room_wait::NoRoom;
pub use sealing::{SealCause, SealOutcome};
pub use shared::Failure;
pub use spool::Spool;
pub use trouble::{Trouble, TroubleKind};
