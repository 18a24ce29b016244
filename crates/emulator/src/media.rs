//! Bytes of photos and videos: what uploads are looked at for, and what downloads consist of.

pub(crate) mod downloads;
mod gps;
mod movie;
mod outlet;
mod rendition;
pub(crate) mod sniff;
pub(crate) mod synthetic;
mod target;
