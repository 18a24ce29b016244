//! Code that the subcommands share: the parts of a running program, a running mount seen from
//! outside, progress, the log, and how a command ends.

pub mod attributes;
mod browser;
pub mod daemon;
pub mod engine;
mod error;
pub mod local_file;
pub mod log;
mod manager;
pub mod memory;
pub mod mounts;
pub mod name;
mod network;
pub mod notices;
mod output;
pub mod owner;
pub mod picked;
pub mod process;
pub mod progress;
pub mod running;
pub mod signals;
mod tell;
pub mod unmounted;
pub mod unseen;
mod words;

pub use browser::open_browser;
pub use error::{CommandError, Exit};
pub use manager::tell_manager;
pub use output::{json_line, json_text, print, print_coloured};
pub use tell::tell;
pub use words::{counted, time_words};
