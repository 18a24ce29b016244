//! Tests that only root can run, because they mount disks or let the kernel read by itself.

#![allow(clippy::unwrap_used)] // In a test, a step that fails is the finding.

#[path = "../support/mod.rs"]
mod support;

mod aborted;
mod booted;
mod disk;
mod foreign_disk;
mod full_disk;
mod full_disk_copies;
mod handles;
mod login;
mod memory;
mod name_servers;
mod namespaces;
mod passthrough;
mod power_cuts;
mod systemd;
mod unmounted;
mod users;
