//! `gphotosfs debug file`: all that is known about one file.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use super::journal::Entry;
use super::path::{FAILED, Target, find, in_library, path_of};
use super::{
    Lines, Live, VERSION, draft_facts, mount_line, open, shown_time, spool, spooled, timestamp,
};
use crate::app::engine::{content_dir, no_database, no_directory};
use crate::app::name::{Name, shown};
use crate::app::{CommandError, counted, json_text, print_coloured};
use crate::content::LocalCopy;
use crate::fs::node::Node;
use crate::media::FileId;
use crate::profile::Profile;
use crate::status::Draft;
use crate::store::{FileFacts, MemberRow, PathName};

/// Prints all that is known about the file at `path`: on the mount, or below the root of the library.
///
/// # Errors
/// If there is no such file, or the profile's files cannot be read.
pub fn run(path: &Path, as_json: bool, profile: &Profile) -> Result<(), CommandError> {
    let live = Live::of(profile)?;
    let below = in_library(path, live.mountpoint.as_deref())?;
    let facts = facts_at(path, &below, profile)?;
    let report = Report::new(&facts, &live, profile)?;
    print_coloured(if as_json { json_text(&report)? } else { report.text() })
}

fn facts_at(given: &Path, below: &Path, profile: &Profile) -> Result<FileFacts, CommandError> {
    let error = |what| CommandError::new(format!("{}: {what}", Name::from(given)));
    let unknown = || {
        error("the database has no such file").hint(
            "'gphotosfs refresh' lists a directory of the mount again; \
             'gphotosfs debug queue' names the files on their way",
        )
    };
    let Some(store) = open(profile)? else { return Err(unknown()) };
    let look = || match find(&store, below)? {
        Target::File(file) => Ok((true, store.file_facts(file)?)),
        Target::Dir => Ok((false, None)),
        // A refused file has left its album.
        Target::Nothing => match find(&store, &Path::new(FAILED).join(below))? {
            Target::File(file) => Ok((true, store.file_facts(file)?)),
            Target::Dir | Target::Nothing => Ok((true, None)),
        },
    };
    match look().map_err(|err| no_database("cannot read the database", err))? {
        (false, _) => {
            Err(error("the path is a directory").hint("name a file in it: debug file DIR/NAME"))
        }
        (true, facts) => facts.ok_or_else(unknown),
    }
}

/// The JSON, from which the text is made as well.
#[derive(Debug, Serialize)]
struct Report {
    version: u32,
    profile: String,
    mountpoint: Option<PathBuf>,
    file: i64,
    /// As stat(1) shows it.
    inode: u64,
    names: Vec<Name>,
    item: Option<String>,
    confirmed: bool,
    filename: Option<String>,
    mime: Option<String>,
    size: Option<u64>,
    rendition: Option<u64>,
    sha256: Option<String>,
    sha1: Option<String>,
    adopted: Option<String>,
    merged_into: Option<i64>,
    merged: Vec<i64>,
    journal: Option<Entry>,
    albums: Vec<Album>,
    failed: Vec<Refusal>,
    spool: Option<u64>,
    cache: Cache,
    phase: &'static str,
    draft: Option<Draft>,
}

/// The membership in an album.
#[derive(Debug, Serialize)]
struct Album {
    path: String,
    id: Option<String>,
    desired: bool,
    observed: &'static str,
    pending: Option<String>,
    since: Option<Timestamp>,
    missed: bool,
}

/// A name below `.gphotos/failed`.
#[derive(Debug, Serialize)]
struct Refusal {
    path: Name,
    reason: String,
    time: Option<Timestamp>,
}

/// The bytes in the content cache.
#[derive(Debug, Serialize)]
struct Cache {
    state: &'static str,
    bytes: u64,
}

impl From<LocalCopy> for Cache {
    fn from(copy: LocalCopy) -> Self {
        let (state, bytes) = match copy {
            LocalCopy::Original(bytes) => ("original", bytes),
            LocalCopy::Rendition(bytes) => ("rendition", bytes),
            LocalCopy::Pieces(bytes) => ("pieces", bytes),
            LocalCopy::Absent => ("absent", 0),
        };
        Self { state, bytes }
    }
}

impl From<&MemberRow> for Album {
    fn from(row: &MemberRow) -> Self {
        Self {
            path: row.dir_path.clone(),
            id: row.album.as_ref().map(ToString::to_string),
            desired: row.desired,
            observed: row.observed.as_str(),
            pending: row.pending.clone(),
            since: row.since.and_then(timestamp),
            missed: row.missed,
        }
    }
}

impl Report {
    fn new(facts: &FileFacts, live: &Live, profile: &Profile) -> Result<Self, CommandError> {
        let info = &facts.info;
        let copy = LocalCopy::of(info, &content_dir(profile)?).map_err(no_directory)?;
        let number = |file: &FileId| file.0;
        let name = |name: &PathName| Name::from(path_of(name).as_path());
        Ok(Self {
            version: VERSION,
            profile: profile.name().to_string(),
            mountpoint: live.mountpoint.clone(),
            file: info.id.0,
            inode: Node::File(info.id).ino().0,
            names: facts.names.iter().map(name).collect(),
            item: info.media.as_ref().map(ToString::to_string),
            confirmed: info.confirmed,
            filename: info.filename.clone(),
            mime: info.mime.clone(),
            size: facts.own_size,
            rendition: info.rendition,
            sha256: info.sha256.map(|hash| hash.to_string()),
            sha1: facts.sha1.map(hex),
            adopted: info.adopted.map(|hash| hash.to_string()),
            merged_into: facts.merged_into.as_ref().map(number),
            merged: facts.merged.iter().map(number).collect(),
            journal: facts.journal.as_ref().map(Entry::from),
            albums: facts.members.iter().map(Album::from).collect(),
            failed: refusals(facts),
            spool: spooled(&spool(profile)?, info.id),
            cache: copy.into(),
            phase: live.phase(info.id),
            draft: live.draft(info.id).cloned(),
        })
    }

    fn text(&self) -> String {
        let mut lines = Lines::default();
        lines.add("Mount", mount_line(self.mountpoint.as_deref()));
        lines.add("File", format!("{}, inode {}", self.file, self.inode));
        lines.add_all("Names", self.names.iter().map(ToString::to_string));
        lines.add("Item", self.item_line());
        lines.add("Content", self.content_line());
        for (name, hash) in
            [("SHA-256", &self.sha256), ("SHA-1", &self.sha1), ("Adopted", &self.adopted)]
        {
            lines.add_all(name, hash.clone());
        }
        let into = self.merged_into.map(|file| format!("into file {file}"));
        let of = self.merged.iter().map(|file| format!("with file {file}"));
        lines.add_all("Merged", into.into_iter().chain(of));
        match &self.journal {
            None => lines.add("Journal", "no row: nothing is on its way"),
            Some(entry) => {
                lines.add("Journal", entry.facts().join(", "));
                lines.add_all("", entry.failures());
            }
        }
        lines.add_all("Albums", self.albums.iter().map(Album::line));
        lines.add_all("Failed", self.failed.iter().map(Refusal::line));
        let spool = self.spool.map_or_else(|| "no file".to_owned(), |it| counted(it, "byte"));
        lines.add("Spool", spool);
        lines.add("Cache", self.cache.line());
        let phase = [self.phase.to_owned()].into_iter();
        let phase = phase.chain(self.draft.iter().flat_map(draft_facts)).collect::<Vec<_>>();
        lines.add("Phase", phase.join(", "));
        lines.0
    }

    fn item_line(&self) -> String {
        let Some(item) = &self.item else { return "none".to_owned() };
        let confirmed = if self.confirmed { "" } else { ", not confirmed" };
        let name = self.filename.as_ref().map(|name| format!(", named {} at Google", shown(name)));
        format!("{item}{confirmed}{}", name.unwrap_or_default())
    }

    fn content_line(&self) -> String {
        let bytes = |from: &str, size: Option<u64>| {
            size.map_or_else(
                || format!("{from}: not known"),
                |it| format!("{from}: {}", counted(it, "byte")),
            )
        };
        let mime = self.mime.as_deref().map_or_else(|| "type not known".to_owned(), shown);
        format!("{mime}, {}, {}", bytes("here", self.size), bytes("from Google", self.rendition))
    }
}

fn refusals(facts: &FileFacts) -> Vec<Refusal> {
    let refusal = |it: &crate::store::FailedName| {
        let name =
            PathName { is_failed: true, dir_path: it.dir_path.clone(), name: it.name.clone() };
        Refusal {
            path: Name::from(path_of(&name).as_path()),
            reason: it.reason.clone(),
            time: timestamp(it.at),
        }
    };
    facts.failed.iter().map(refusal).collect()
}

impl Album {
    fn line(&self) -> String {
        let path = shown(&self.path);
        let desired = if self.desired { "desired" } else { "not desired" };
        let since = match self.since {
            None => "as listed".to_owned(),
            since => format!("since {}", shown_time(since)),
        };
        let pending = self.pending.as_ref().map(|it| format!(", pending {it}")).unwrap_or_default();
        let missed = if self.missed { ", missed by the last listing" } else { "" };
        format!("{path}: {desired}, {} at Google {since}{pending}{missed}", self.observed)
    }
}

impl Refusal {
    fn line(&self) -> String {
        format!("{}: {} ({})", self.path, shown(&self.reason), shown_time(self.time))
    }
}

impl Cache {
    fn line(&self) -> String {
        match self.state {
            "absent" => "absent".to_owned(),
            "pieces" => format!("pieces of a download, {}", counted(self.bytes, "byte")),
            state => format!("complete ({state}), {}", counted(self.bytes, "byte")),
        }
    }
}

fn hex(bytes: [u8; 20]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
