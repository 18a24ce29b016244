//! The structure of media files, for the layers above that look into them.
//!
//! Each reader asks for pieces of a file and gets a bounded number of them. Damaged files are read
//! as far as they are whole.

pub mod asf;
pub mod boxes;
pub mod brands;
#[cfg(test)]
pub mod damage;
pub mod ebml;
pub mod ends;
pub mod jpeg;
pub mod riff;
pub mod source;
pub mod transport;
