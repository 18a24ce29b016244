//! The subcommands, a file for each. They take plain values; `cli` parses the command line.

pub mod adopt;
pub mod backup;
pub mod debug;
pub mod diff;
pub mod doctor;
#[cfg(feature = "emulator")]
pub mod emulator;
pub mod estimate;
pub mod failed;
pub mod info;
pub mod limit;
pub mod login;
pub mod logout;
pub mod mount;
pub mod pick;
pub mod quality;
pub mod restore;
pub mod status;
pub mod sync;
pub mod thumbnails;
pub mod umount;
pub mod verify;
