//! The Picker API and its page (picker reference). Its requests come in by `api`, as those of the
//! Library API do, and its bytes go out by `media`.
//!
//! A session lives in `state`, so it survives a restart. `desk` holds the part that need not: the ticks
//! on the page and the times of the polls.

pub(crate) mod choice;
pub(crate) mod desk;
mod html;
pub(crate) mod items;
pub(crate) mod page;
pub(crate) mod sessions;
mod wire;
