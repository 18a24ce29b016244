//! Tests in this process, without a mount: the API client, the transfer of bytes, the upload pipeline and the
//! filesystem, against the emulator or a server that answers from a script.

#![allow(clippy::unwrap_used)] // In a test, a step that fails is the finding.

#[path = "../support/mod.rs"]
mod support;

mod api;
mod api_emulated;
mod downloads;
mod emulator;
mod emulator_google_client;
mod fs;
mod requests;
mod slow_line;
mod upload;
mod versions;
