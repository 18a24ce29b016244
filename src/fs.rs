//! Implements each filesystem operation. The kernel's protocol belongs to `fuse`.
//!
//! A function is `async` if and only if it may wait for the network. Operations that the database
//! or the disk can mostly answer have two functions. The one named `…_now` answers at once, or
//! returns `None`; then the async function of the same name waits for the answer. All other
//! functions may access the disk.
//!
//! LOCK ORDER: an [`OpenFile`]'s `bytes`, then a draft's transition (`upload/drafts.rs`), then the
//! store. The tables of handles and drafts are locked for a look only, and nothing that waits is
//! taken under them. No blocking lock is held across an await.

mod attr;
mod checks;
mod children;
mod control;
mod dirs;
pub mod error;
mod files;
mod filesystem;
pub mod handles;
mod listing;
mod lookup;
pub mod node;
mod picks;
mod refused_link;
mod rename;
mod requests;
mod seeder;
mod seeding;
mod snapshots;
mod views;
mod xattrs;

pub use attr::{Attr, Kind};
pub use files::{AttrChange, Offset, Open, Opened};
pub use filesystem::{Config, Fs, Space};
pub use handles::{Fh, OpenFile};
pub use listing::Listed;
pub use node::{Ino, Node};
pub use rename::Rename;
pub use requests::{Operation, Requests};
pub use xattrs::{ATTRIBUTES, SetXattrMode, VALUE_BYTES_MAX};
