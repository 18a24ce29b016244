//! The parts that the tests share. A test begins at the least depth that shows its subject:
//!
//! | depth | has | module |
//! |---|---|---|
//! | store | an account at an emulator, to which a test adds a client, a store, a pipeline | [`account`] |
//! | core | all that a mount has but the kernel, in this process | [`core`] |
//! | mount | the built program, and mounts by the kernel | [`mount`] |
//!
//! The service of the core and of mounts is in [`google`], bytes of photos in [`files`] and [`camera`], exports
//! of them in [`takeout`], encoders of videos in [`encoder`], logins in [`login`], the schemas of JSON in [`schema`], a person at a terminal in
//! [`terminal`], a service manager in [`manager`], NetworkManager in
//! [`network_manager`], a line to the service in [`way`], and all that waits without an
//! event in [`wait`], and the clock of programs in [`clock`].

#![allow(dead_code, unused_imports)] // Each of the test programs uses a part of it.

pub mod account;
pub mod camera;
pub mod clock;
pub mod core;
pub mod desktop;
pub mod encoder;
pub mod files;
pub mod google;
pub mod ledger;
pub mod login;
pub mod manager;
pub mod mount;
pub mod network_manager;
pub mod passthrough;
pub mod schema;
pub mod script;
pub mod takeout;
pub mod terminal;
pub mod wait;
pub mod way;

pub use account::Account;
pub use files::{cached, camera_jpeg, jpeg, payload, photo, picture, sha256, small_photo};
pub use google::Google;
pub use mount::{Served, World, http};
pub use wait::{DEADLINE, eventually, wait_for, wait_within};
pub use way::Way;
