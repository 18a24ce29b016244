//! Real mounts by the built program, against the emulator. No test needs root.

#![allow(clippy::unwrap_used)] // In a test, a step that fails is the finding.

#[path = "../support/mod.rs"]
mod support;

mod acceptance;
mod accounts;
mod adopt;
mod backup;
mod basics;
mod bin;
mod commit_close;
mod copying;
mod corpus;
mod cut_off;
mod daemon;
mod debug;
mod diff;
mod dir_times;
mod doctor;
mod drain;
mod ending;
mod everyday;
mod failed;
mod faults;
mod first;
mod folders;
mod foreign;
mod info;
mod kernel_cache;
mod killed;
mod lengths;
mod limit;
mod limits;
mod line;
mod lives;
mod midnight;
mod network;
mod notices;
mod passthrough;
mod picks;
mod proxies;
mod reading;
mod refusals;
mod refused_link;
mod removed;
mod restore;
mod room;
mod saver;
mod saver_corpus;
mod saving;
mod semantics_files;
mod semantics_names;
mod services;
mod signals;
mod status;
mod storm;
mod thrift;
mod thumbnails;
mod tools;
mod unmounted;
mod verify;
mod videos;
mod views;
mod waiting;
mod week;
