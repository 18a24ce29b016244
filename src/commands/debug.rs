//! `gphotosfs debug`: all that is known about a file or about the queue, for people who look for a
//! fault or report one.
//!
//! The tables and directories of the profile tell most, also beside a running mount. The mount's
//! `status.json` adds the facts that are in its memory only. Nothing here asks Google, or makes the
//! mount ask Google.

mod file;
mod journal;
mod path;
mod queue;

use std::path::{Path, PathBuf};

use console::Style;
use jiff::Timestamp;

use crate::app::engine::{no_database, no_directory};
use crate::app::running::Mount;
use crate::app::{CommandError, counted};
use crate::error_chain::without_number;
use crate::media::{FileId, local_time};
use crate::printable::escaped;
use crate::profile::Profile;
use crate::status::{Draft, Status};
use crate::store::Store;
use crate::upload::Spool;

pub use file::run as file;
pub use queue::run as queue;

/// The layout of the JSON; fields may be added without a new number.
const VERSION: u32 = 1;

/// The facts that only a running mount has.
struct Live {
    /// Where the profile is mounted.
    mountpoint: Option<PathBuf>,
    /// What the mount says about itself. `None` also if it does not answer.
    status: Option<Status>,
}

impl Live {
    /// Looks for the profile's mount. One that does not answer is named on stderr: then the tables
    /// are all that can be shown.
    fn of(profile: &Profile) -> Result<Self, CommandError> {
        let Some(mount) = Mount::of_profile(profile)? else {
            return Ok(Self { mountpoint: None, status: None });
        };
        let status = mount.status().map_err(|err| err.say(false)).ok();
        Ok(Self { mountpoint: Some(mount.root), status })
    }

    /// The file's draft, if it has one that says more than the journal.
    fn draft(&self, file: FileId) -> Option<&Draft> {
        self.status.as_ref()?.drafts.iter().find(|draft| draft.file == file.0)
    }

    /// The word for the phase of the file's draft.
    fn phase(&self, file: FileId) -> &'static str {
        match self.draft(file) {
            Some(draft) => draft.phase.as_str(),
            None if self.mountpoint.is_some() && self.status.is_none() => "unknown",
            None => "none",
        }
    }
}

/// The draft in words. Empty if the phase says it all.
fn draft_facts(draft: &Draft) -> Vec<String> {
    let mut facts = Vec::new();
    if draft.writers > 0 {
        facts.push(counted(draft.writers, "writer"));
    }
    if let Some(sent) = draft.bytes_sent {
        facts.push(format!("{} sent", counted(sent, "byte")));
    }
    match draft.blocked_writes {
        0 => {}
        1 => facts.push("1 write waits for room in the spool".to_owned()),
        writes => facts.push(format!("{writes} writes wait for room in the spool")),
    }
    if let Some(errno) = draft.write_error {
        let error = std::io::Error::from_raw_os_error(errno).to_string();
        facts.push(format!("a write failed: {}", without_number(&error)));
    }
    if draft.unsettled {
        facts.push("its last close failed, and is repeated".to_owned());
    }
    facts
}

/// The profile's database; `None` if nothing was ever kept.
fn open(profile: &Profile) -> Result<Option<Store>, CommandError> {
    Store::open_read_only(profile.state_dir().map_err(no_directory)?)
        .map_err(|err| no_database("cannot open the database", err))
}

fn spool(profile: &Profile) -> Result<Spool, CommandError> {
    Ok(Spool::existing(profile.state_dir().map_err(no_directory)?.join("spool")))
}

/// The length of a file's spool file, if there is one.
fn spooled(spool: &Spool, file: FileId) -> Option<u64> {
    spool.path(file).metadata().ok().map(|meta| meta.len())
}

/// Lines for people, each with its name in front.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn add(&mut self, name: &str, value: impl AsRef<str>) {
        let name = Style::new().bold().apply_to(format!("{name:9}"));
        self.0 += &format!("{name}{}\n", escaped(value.as_ref()));
    }

    /// A line for each value, the name only in the first.
    fn add_all(&mut self, name: &str, values: impl IntoIterator<Item = String>) {
        for (at, value) in values.into_iter().enumerate() {
            self.add(if at == 0 { name } else { "" }, value);
        }
    }
}

/// Times beyond the year 9999 are left out.
fn timestamp(time: std::time::SystemTime) -> Option<Timestamp> {
    Timestamp::try_from(time).ok()
}

fn shown_time(time: Option<Timestamp>) -> String {
    time.map_or_else(|| "?".to_owned(), local_time)
}

fn mount_line(mountpoint: Option<&Path>) -> String {
    mountpoint.map_or_else(|| "not mounted".to_owned(), |it| it.display().to_string())
}
