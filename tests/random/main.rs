//! Random sequences of operations against plain models, and random damage.

#![allow(clippy::unwrap_used)] // In a test, a step that fails is the finding.

#[path = "../support/mod.rs"]
mod support;
mod world;

mod fuzz;
mod pipeline;
mod queues;
mod tree;
mod withheld;
