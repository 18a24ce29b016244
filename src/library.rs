//! Albums, items and directory entries, and how up to date they are.
//!
//! Answers come from the store. This module lists albums and items at Google, lazily and page by
//! page, and writes them to the store. It also creates and renames albums. It knows nothing of
//! uploads.
//!
//! `freshness` decides which listings are due, `listing` runs them, `api::Pager` follows their
//! pages, and `listing_handle` connects them with their readers. `names` is pure.

mod absence;
mod albums;
mod error;
mod freshness;
mod listing;
mod listing_handle;
mod memory;
mod moving;
pub mod names;
mod refresh;
mod refreshes;
mod state;
mod views;

pub use error::Error;
pub use listing_handle::{ListingHandle, any_progress};
pub use refreshes::Refreshing;
pub use state::{Config, Library};
