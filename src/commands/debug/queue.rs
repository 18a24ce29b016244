//! `gphotosfs debug queue`: the journal, row by row.

use std::path::PathBuf;
use std::time::SystemTime;

use bytesize::ByteSize;
use serde::Serialize;

use super::journal::Entry;
use super::path::path_of;
use super::{Lines, Live, VERSION, draft_facts, mount_line, open, shown_time, spool, spooled};
use crate::app::engine::no_database;
use crate::app::name::{Name, shown};
use crate::app::{CommandError, counted, json_text, print_coloured};
use crate::profile::Profile;
use crate::status::{BlockedUploads, Draft, Phase};
use crate::store::{JournalRow, UploadState};

/// Prints the journal.
///
/// # Errors
/// If the profile's files cannot be read.
pub fn run(as_json: bool, profile: &Profile) -> Result<(), CommandError> {
    let live = Live::of(profile)?;
    let rows = match open(profile)? {
        Some(store) => {
            store.journal().map_err(|err| no_database("cannot read the database", err))?
        }
        None => Vec::new(),
    };
    let (spool, now) = (spool(profile)?, SystemTime::now());
    let report = Report {
        version: VERSION,
        profile: profile.name().to_string(),
        files: rows
            .iter()
            .map(|row| File::new(row, &live, spooled(&spool, row.file), now))
            .collect(),
        outages: live.status.map(|status| status.outages).unwrap_or_default(),
        mountpoint: live.mountpoint,
    };
    print_coloured(if as_json { json_text(&report)? } else { report.text() })
}

/// The JSON, from which the text is made as well.
#[derive(Debug, Serialize)]
struct Report {
    version: u32,
    profile: String,
    mountpoint: Option<PathBuf>,
    outages: Vec<BlockedUploads>,
    files: Vec<File>,
}

/// A row of the journal.
#[derive(Debug, Serialize)]
struct File {
    file: i64,
    path: Option<Name>,
    /// Of the spool file, else as the database knows it.
    size: Option<u64>,
    #[serde(flatten)]
    entry: Entry,
    waits_for: Vec<WaitsFor>,
    phase: &'static str,
    draft: Option<Draft>,
}

/// Why the worker does not go on with a file. An outage is not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum WaitsFor {
    /// A program has it open for writing.
    Writer,
    /// Its next attempt.
    Retry,
    /// A file with the same content, which is ahead of it or has arrived.
    Duplicate,
    /// The answer to the creation of its album.
    Album,
    /// A name in an album.
    Name,
}

impl WaitsFor {
    fn words(self) -> &'static str {
        match self {
            Self::Writer => "waits for its writer",
            Self::Retry => "waits for its next attempt",
            Self::Duplicate => "waits for a file with the same content",
            Self::Album => "waits for its album to be created",
            Self::Name => "waits for a name in an album",
        }
    }

    fn all_of(row: &JournalRow, draft: Option<&Draft>, now: SystemTime) -> Vec<Self> {
        // With `--commit close` a file is uploaded before its writers have gone.
        let has_writers =
            draft.is_some_and(|draft| draft.writers > 0 && draft.phase != Phase::InFlight);
        let is_ready = matches!(row.state, UploadState::Sealed | UploadState::Uploaded);
        let reasons = [
            (Self::Writer, is_ready && has_writers),
            (
                Self::Retry,
                row.state != UploadState::Failed && row.retry_at.is_some_and(|at| at > now),
            ),
            (Self::Duplicate, row.state == UploadState::Sealed && row.is_duplicate),
            (Self::Album, row.state == UploadState::Uploaded && row.is_album_missing),
            (Self::Name, is_ready && !row.is_wanted),
        ];
        reasons.into_iter().filter(|(_, holds)| *holds).map(|(reason, _)| reason).collect()
    }
}

impl File {
    fn new(row: &JournalRow, live: &Live, spooled: Option<u64>, now: SystemTime) -> Self {
        let draft = live.draft(row.file);
        Self {
            file: row.file.0,
            path: row.path.as_ref().map(|name| Name::from(path_of(name).as_path())),
            size: spooled.or(row.size),
            entry: Entry::from(row),
            waits_for: WaitsFor::all_of(row, draft, now),
            phase: live.phase(row.file),
            draft: draft.cloned(),
        }
    }

    /// The row, and its details in a line of their own.
    fn lines(&self) -> String {
        let seq = self.entry.seq.map_or_else(|| "-".to_owned(), |seq| seq.to_string());
        let size = self.size.map_or_else(|| "?".to_owned(), |size| ByteSize(size).to_string());
        let path = match &self.path {
            Some(path) => path.to_string(),
            None => format!("(file {} without a name)", self.file),
        };
        let mut text = format!("{seq:>6}  {:15}  {size:>10}  {path}\n", self.entry.state_words);
        let waits = self.waits_for.iter().map(|it| it.words().to_owned());
        let phase = self.draft.iter().map(|draft| draft.phase.as_str().to_owned());
        let details: Vec<String> = phase
            .chain(self.draft.iter().flat_map(draft_facts))
            .chain(waits)
            .chain(self.entry.failures())
            .collect();
        if !details.is_empty() {
            text += &format!("{:37}{}\n", "", details.join(", "));
        }
        text
    }
}

impl Report {
    fn text(&self) -> String {
        let mut lines = Lines::default();
        lines.add("Mount", mount_line(self.mountpoint.as_deref()));
        lines.add_all(
            "Blocked",
            self.outages.iter().map(|it| {
                let (since, until) = (shown_time(Some(it.since)), shown_time(Some(it.until)));
                format!("{} (since {since}, next attempt {until})", shown(&it.text))
            }),
        );
        let in_flight = self.files.iter().filter(|file| file.phase == "in-flight").count();
        let files = match self.files.len() {
            0 => "empty".to_owned(),
            count => format!("{}, {in_flight} in flight", counted(count, "file")),
        };
        lines.add("Journal", files);
        lines.0 + &self.files.iter().map(File::lines).collect::<String>()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::media::{EntryName, FileId};
    use crate::store::PathName;

    fn row(state: UploadState) -> JournalRow {
        JournalRow {
            file: FileId(7),
            path: Some(PathName {
                is_failed: false,
                dir_path: "A".to_owned(),
                name: EntryName::new("\u{1b}x.jpg").unwrap(),
            }),
            size: Some(2048),
            state,
            stays_here: None,
            seq: Some(12),
            attempts: 0,
            isolate: false,
            lost: 0,
            retry_at: None,
            error: None,
            call: None,
            first_call: None,
            made: None,
            has_session: false,
            token_at: None,
            base: None,
            replaces: None,
            is_duplicate: false,
            is_wanted: true,
            is_album_missing: false,
        }
    }

    fn draft() -> Draft {
        Draft {
            file: 7,
            phase: Phase::Sealed,
            writers: 1,
            blocked_writes: 0,
            write_error: Some(libc::ENOSPC),
            bytes_sent: None,
            unsettled: false,
        }
    }

    #[test]
    fn a_file_is_said_to_wait_only_while_it_could_go_on_otherwise() {
        let now = SystemTime::now();
        let mut row = row(UploadState::Sealed);
        assert_eq!(WaitsFor::all_of(&row, None, now), []);
        assert_eq!(WaitsFor::all_of(&row, Some(&draft()), now), [WaitsFor::Writer]);
        let in_flight = Draft { phase: Phase::InFlight, ..draft() };
        assert_eq!(WaitsFor::all_of(&row, Some(&in_flight), now), []);
        row.retry_at = Some(now + Duration::from_secs(1));
        (row.is_duplicate, row.is_wanted) = (true, false);
        let all = [WaitsFor::Retry, WaitsFor::Duplicate, WaitsFor::Name];
        assert_eq!(WaitsFor::all_of(&row, None, now), all);
        row.state = UploadState::Failed;
        assert_eq!(WaitsFor::all_of(&row, Some(&draft()), now), []);
    }

    #[test]
    fn a_row_has_a_line_and_its_details_another_one() {
        let live = Live { mountpoint: None, status: None };
        let file = File::new(&row(UploadState::Sealed), &live, Some(1024), SystemTime::now());
        assert_eq!(file.lines(), "    12  sealed              1.0 KiB  A/\\u{1b}x.jpg\n");
        let (phase, entry) = (Phase::Sealed.as_str(), Entry { attempts: 2, ..file.entry });
        let file = File {
            path: None,
            entry,
            phase,
            draft: Some(draft()),
            waits_for: vec![WaitsFor::Writer],
            ..file
        };
        assert_eq!(
            file.lines(),
            "    12  sealed              1.0 KiB  (file 7 without a name)\n                                     \
             sealed, 1 writer, a write failed: No space left on device, waits for its writer, attempts 2\n"
        );
    }
}
