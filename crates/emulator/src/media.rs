//! Bytes of photos and videos: recognising uploads, and composing downloads.

pub(crate) mod downloads;
mod gps;
mod jpeg;
mod movie;
mod outlet;
pub(crate) mod picked;
mod rendition;
pub(crate) mod sniff;
pub(crate) mod synthetic;
mod target;
