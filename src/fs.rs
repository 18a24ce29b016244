//! What each operation means. Knows nothing of the kernel's protocol: `fuse.rs` translates.
//!
//! A function is `async` exactly when it may wait for the network. Operations that can mostly be answered
//! from what is kept come in two steps: `…_now` answers or says `None`, and then the async twin of the
//! same name does what waiting it takes. Functions that are neither may touch the disk.
//!
//! LOCK ORDER: an [`OpenFile`]'s `bytes`, then a draft's transition (`upload/drafts.rs`), then the store. The
//! tables of handles and drafts are locked for a look only, and nothing that waits is taken under them. No lock is
//! held across an await.

mod attr;
mod checks;
pub mod control;
mod dirs;
pub mod error;
mod files;
mod filesystem;
pub mod handles;
mod listing;
mod lookup;
pub mod node;
mod rename;
mod requests;
mod views;
mod xattrs;

pub use attr::Attr;
pub use files::{AttrChange, Offset, Open, Opened};
pub use filesystem::{Config, Fs, Space};
pub use handles::{Fh, OpenFile};
pub use listing::Listed;
pub use node::{Ino, Node};
pub use rename::Rename;
pub use requests::{Operation, Requests};
pub use xattrs::SetXattrMode;
