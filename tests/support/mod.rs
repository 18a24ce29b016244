//! What the tests share. A test begins at the least depth that shows what it is about:
//!
//! | depth | has | module |
//! |---|---|---|
//! | store | an account at an emulator, to which a test adds a client, a store, a pipeline | [`account`] |
//! | program | all that a mount has but the kernel, in this process | [`program`] |
//! | mount | the built program, and mounts by the kernel | [`mount`] |

#![allow(dead_code, unused_imports)] // Each of the test programs uses a part of it.

pub mod account;
pub mod camera;
pub mod files;
pub mod ledger;
pub mod login;
pub mod mount;
pub mod passthrough;
pub mod program;
pub mod script;
pub mod wait;

pub use account::Account;
pub use files::{jpeg, payload, photo, sha256};
pub use mount::{Served, World, http};
pub use wait::{eventually, wait_for};
