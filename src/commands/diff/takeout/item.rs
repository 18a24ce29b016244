//! A photo, video or copy of an album in an export.

use std::path::PathBuf;

use super::naming;
use crate::commands::diff::facts::Facts;
use crate::library::names;
use crate::media::{ContentHash, MediaId};

/// See the module.
pub struct Item {
    /// The directory that corresponds to the folder.
    pub dir: PathBuf,
    /// The name of its file in the export, also if no part has that.
    pub own: String,
    /// The full name.
    pub name: String,
    /// The facts about it, or why it cannot be read.
    pub content: Result<Facts, String>,
    /// Whether a JSON file describes it.
    pub has_paper: bool,
    /// The name of the photo that this is a copy of, or seems to be.
    pub beside: Option<String>,
    /// Whether it may be an item of its own, whose description is missing.
    pub is_unsure: bool,
    /// Whether it is in the bin.
    pub is_binned: bool,
}

impl Item {
    /// Its path by the full name.
    pub fn path(&self) -> PathBuf {
        self.dir.join(&self.name)
    }

    /// Its path by the name in the export.
    pub fn own_path(&self) -> PathBuf {
        self.dir.join(&self.own)
    }

    /// The hash of its bytes, if they can be read.
    pub fn hash(&self) -> Option<ContentHash> {
        self.content.as_ref().ok()?.hash
    }
}

/// The name by a title, or the one in the export, as a mount would show it.
pub fn full_name(title: Option<&str>, own: &str) -> String {
    let title = title.filter(|it| !it.is_empty()).unwrap_or(own);
    let name = names::for_item(title, "", &MediaId::new(own)).into_iter().next();
    name.map_or_else(|| "item".to_owned(), |it| it.to_text().into_owned())
}

/// The name of the file that a JSON file describes, without and with its number. No part needs to
/// have the file.
pub fn described(paper: &str, title: &str) -> (String, String) {
    let (plain, number) = naming::described(naming::split(paper).0);
    let name = full_name(Some(title), plain);
    let own = naming::with_number(&name, number);
    (name, own)
}
