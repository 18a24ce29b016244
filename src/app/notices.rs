//! Announcements: the person at the desktop learns once that uploads stop, that files were refused,
//! or that a long copy has arrived.
//!
//! One task owns them. It looks at the `Facts` when the pipeline has moved, the `Planner` decides
//! which changes are due, and `Desktop` shows them. A notice that nobody could see, for want of a
//! desktop, stays due. The `Memory` outlives the process, so that a mount that starts again and
//! again announces each trouble once. The task never delays the mount: it only reads.

mod actions;
mod desktop;
mod facts;
mod failing;
mod memory;
mod notice;
mod planner;
mod watch;
mod words;

pub use failing::announce as announce_failure;
pub use watch::Notices;
pub use words::mounted_on;
