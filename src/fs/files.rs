//! Files: opening, reading, writing, closing.

mod arrival;
mod close;
mod descriptor;
mod open;
mod read;
mod setattr;
mod size;
mod write;

pub use open::{Open, Opened};
pub use setattr::AttrChange;
pub use write::Offset;
