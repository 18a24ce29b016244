//! A profile that is not mounted where it is meant to be.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where a profile is meant to be mounted and is not, or where files lie under its mountpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unmounted {
    /// The directory.
    pub mountpoint: PathBuf,
    /// The profile is meant to be mounted there.
    pub wanted: bool,
    /// The files that lie in the directory itself. They are on this machine only.
    pub left: Contents,
}

/// Files below a directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    /// How many there are. The count ends at a limit.
    pub files: u64,
    /// The count has ended before all were seen.
    pub more: bool,
    /// The path of one of them, relative to the directory.
    pub example: Option<String>,
}
