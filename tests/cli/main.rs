//! The built program without a mount, and rules that documents and sources keep.

#![allow(clippy::unwrap_used)] // In a test, a step that fails is the finding.

#[path = "../support/mod.rs"]
mod support;

mod backup;
mod docs;
mod estimate;
mod guide;
mod imports;
mod layers;
mod login;
mod pick;
mod program;
mod schemas;
mod semantics;
mod takeout;
