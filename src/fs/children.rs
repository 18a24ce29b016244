//! The attributes of a directory that have the facts about the files in it, for `gphotosfs diff`. A
//! lookup of a file may ask Google for its size, and these ask for nothing but one size.

use std::collections::BTreeMap;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::error::{Error, Result};
use super::filesystem::Fs;
use super::xattrs::{VALUE_BYTES_MAX, of_file, rfc3339};
use crate::media::{DirId, EntryName};
use crate::store::{Child, DirEntry, ListingScope};

/// How many entries are read from the store at a time.
const ENTRIES_AT_A_TIME: u32 = 256;
/// A reason of a refusal is cut after so many letters, so that an entry fits into a value.
const TEXT_CHARS_MAX: usize = 2000;

/// The attributes of a file that `gphotosfs diff` compares by.
const ATTRIBUTES: [&str; 11] = [
    "state",
    "id",
    "mime_type",
    "creation_time",
    "width",
    "height",
    "camera_model",
    "sha256",
    "adopted",
    "cut_off",
    "error",
];

/// An entry, as a line of JSON.
#[derive(Serialize)]
struct Line<'a> {
    entry: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    /// The name in base64, if it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    name_base64: Option<String>,
    is_dir: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    /// The size of the smaller copy that went to Google instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_size: Option<u64>,
    /// Since when Google's list of this directory should have the file, if it lacks it.
    #[serde(skip_serializing_if = "Option::is_none")]
    unlisted: Option<String>,
    #[serde(flatten)]
    attributes: BTreeMap<&'static str, String>,
}

impl Fs {
    /// A line of JSON for each entry behind `entry`, as many as fit into an attribute's value. No
    /// line if there are none.
    pub(super) fn children(&self, scope: ListingScope, mut entry: i64) -> Result<Vec<u8>> {
        let mut lines = Vec::new();
        loop {
            let entries = self.entries_of(scope, entry, ENTRIES_AT_A_TIME)?;
            let Some(last) = entries.last() else { return Ok(lines) };
            entry = last.cookie;
            for it in &entries {
                let Some(line) = self.child_line(scope, it)? else { continue };
                if lines.len() + line.len() > VALUE_BYTES_MAX {
                    return Ok(lines);
                }
                lines.extend(line);
            }
        }
    }

    /// The size of the file with this entry, which may ask Google. A lookup would do so too, but take
    /// it for the beginning of a walk, and ask for the sizes of its neighbours.
    pub(super) async fn child_size(&self, scope: ListingScope, entry: i64) -> Result<Vec<u8>> {
        let unknown = || Error::plain(libc::ENODATA);
        let found = self.entries_of(scope, entry.saturating_sub(1), 1)?.into_iter().next();
        let Some(DirEntry { child: Child::File(file), .. }) = found.filter(|it| it.cookie == entry)
        else {
            return Err(unknown());
        };
        let info = self.file(file)?;
        let size = match info.size {
            Some(size) => size,
            None if self.config.exact_sizes => {
                self.content.fetch_size(&info).await.map_err(|_| unknown())?
            }
            None => return Err(unknown()),
        };
        Ok(size.to_string().into_bytes())
    }

    /// Up to `limit` entries of a directory of items behind an entry.
    fn entries_of(&self, scope: ListingScope, entry: i64, limit: u32) -> Result<Vec<DirEntry>> {
        Ok(match scope {
            ListingScope::Dir(dir) => self.store.entries(dir, entry, limit)?,
            ListingScope::View(view) => self.store.view_entries(view, entry, limit)?,
            ListingScope::Pick(pick) => self.store.pick_entries(pick, entry, limit)?,
        })
    }

    /// `None` if the file has gone meanwhile.
    fn child_line(&self, scope: ListingScope, it: &DirEntry) -> Result<Option<Vec<u8>>> {
        let (name, name_base64) = names(&it.name);
        let mut line = Line {
            entry: it.cookie,
            name,
            name_base64,
            is_dir: true,
            size: None,
            sent_size: None,
            unlisted: None,
            attributes: BTreeMap::new(),
        };
        if let Child::File(file) = it.child {
            let info = match self.file(file) {
                Ok(info) => info,
                Err(error) if error.errno().0 == libc::ESTALE => return Ok(None),
                Err(error) => return Err(error),
            };
            let original = self.content.has_original(&info);
            let value = |name| of_file(name, &info, original);
            let cut = |text: String| text.chars().take(TEXT_CHARS_MAX).collect();
            let found = ATTRIBUTES.iter().filter_map(|&name| Some((name, cut(value(name)?))));
            line.attributes = found.collect();
            // Most names are those at Google.
            let filename = value("filename").filter(|it| line.name != Some(it.as_str()));
            line.attributes.extend(filename.map(|it| ("filename", cut(it))));
            line.size = info.size;
            let prepared = self.store.prepared(info.id)?;
            line.sent_size = prepared.and_then(|it| it.sent()).map(|it| it.size);
            let unlisted = self.store.unlisted(info.id)?;
            let here = |it: &(DirId, SystemTime)| ListingScope::Dir(it.0) == scope;
            line.unlisted = unlisted.into_iter().find(here).map(|it| rfc3339(it.1));
            line.is_dir = false;
        }
        let mut line = serde_json::to_vec(&line)
            .map_err(|error| Error::because(libc::EIO, error.to_string()))?;
        line.push(b'\n');
        Ok(Some(line))
    }
}

/// A name as text, or in base64.
fn names(name: &EntryName) -> (Option<&str>, Option<String>) {
    match std::str::from_utf8(name.as_bytes()) {
        Ok(name) => (Some(name), None),
        Err(_) => (None, Some(STANDARD.encode(name.as_bytes()))),
    }
}
