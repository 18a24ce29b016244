//! What is there: albums, items, directory entries, and how fresh that knowledge is.
//!
//! Answers come from the store; this module sees to it that the store holds what Google says, lazily
//! and page by page, and makes, renames and looks for albums. It knows nothing of uploads.

mod albums;
mod error;
mod freshness;
mod listing;
mod listing_handle;
mod memory;
mod moving;
pub mod names;
mod pager;
mod refresh;
mod refreshes;
mod state;
mod views;

pub use error::Error;
pub use listing_handle::{ListingHandle, any_progress};
pub use refreshes::Refreshing;
pub use state::{Clock, Config, Library};
