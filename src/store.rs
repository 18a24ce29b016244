//! All state that outlives the process: one SQLite database per profile.
//!
//! Facts that change together change in one method and one transaction. Methods block for the time
//! of a small transaction: call them from a kernel-request thread, or through [`Store::run`] from
//! async code. Each method fails with [`Error`] if the database fails. No other module uses SQLite.
//!
//! `schema.sql` has the tables and the views that name the concepts, `schema.rs` the way to them from
//! earlier versions. `tables` has one module for
//! each table, which alone writes it. The operations compose these functions in one transaction.
//!
//! An ordinary transaction survives the death of the process at once, and a power cut after the
//! next durable one. A durable transaction is on disk when it returns.

mod absence;
mod albums;
mod claims;
mod connections;
mod copies;
mod creating;
mod database;
mod error;
mod failed;
mod files;
mod inspect;
mod invalidation_queue;
mod invalidations;
mod items;
mod journal;
mod known_ids;
mod listing;
mod lookups;
mod memberships;
mod moves;
mod naming;
mod outgoing;
mod picks;
mod places;
mod prepared;
#[cfg(test)]
mod query_plans;
mod reuploads;
mod schema;
mod states;
mod stored;
mod tables;
mod time;
mod tree;
mod tx;
mod types;
mod values;
mod versions;
mod views;
mod write_error;

pub use albums::*;
pub use claims::*;
pub use copies::Saved;
pub use creating::*;
pub use database::Store;
pub use error::{Error, Result};
pub use failed::{FailedName, LargeFile, NewlyRefused, REFUSED_LINK, SetAside};
pub use files::*;
pub use inspect::*;
pub use invalidation_queue::Invalidation;
pub use invalidations::InvalidationShard;
pub use items::*;
pub use journal::*;
pub use listing::*;
pub use memberships::*;
pub use moves::*;
pub use outgoing::*;
pub use picks::*;
pub use prepared::{Made, Prepared, Sent};
pub use schema::SCHEMA_VERSION;
pub use states::{LocalReason, Observed, UploadState};
pub use stored::Stored;
pub use time::*;
pub use tree::*;
pub use types::*;
pub use views::*;
pub use write_error::WriteError;

#[cfg(test)]
pub(crate) mod tests;
