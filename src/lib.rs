//! gphotosfs mounts Google Photos as a directory tree: albums are folders, copying a file into a
//! folder uploads it, and once `sync` returns nothing has been lost, skipped or duplicated.
//!
//! The modules stand in the order in which they may call each other: downwards only.
//! ARCHITECTURE.md has the map, the invariants and the walks of close(2), `ls` and `cat`.

#![forbid(unsafe_code)]
// `app::print` and `app::tell` escape foreign names; these would not.
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod cli;

pub mod commands;

pub mod app;

pub mod fuse;

pub mod fs;

pub mod content;
pub mod library;
pub mod upload;

pub mod api;
pub mod store;

pub mod crash;
pub mod error_chain;
mod formats;
pub mod media;
pub mod printable;
pub mod profile;
pub mod settings;
pub mod shrink;
pub mod status;
pub mod thumbnails;
