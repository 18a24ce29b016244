//! The fault switches: everything that can be made to go wrong, or be slower or smaller than usual.
//!
//! [`Faults`] is plain data, changed by [`crate::Emulator::faults`] or `PATCH /emulator/faults`. It
//! holds a table of [`CallFaults`] by kind of call. A handler asks [`Switchboard::plan`] once per
//! request what happens to it, and answers an injected failure by [`inject()`]. [`ListingFault`]s
//! make listings lie for some passes, [`FileFault`]s and [`ItemFailure`]s strike one file wherever it
//! turns up. The other switches are read from a copy where they apply.

mod file;
mod inject;
mod injection;
mod listing;
mod picker;
mod switchboard;
mod switches;

pub(crate) use file::UploadedFile;
pub use file::{FileFault, FileMatch, ItemFailure, Stage};
pub(crate) use inject::inject;
pub(crate) use injection::Plan;
pub use injection::{CallFaults, Failure, FilenameFault, Injection};
pub use listing::{ListingFault, Omission};
pub use picker::{PickOrder, PickedField, PickerFaults};
pub(crate) use switchboard::Switchboard;
pub use switches::Faults;
