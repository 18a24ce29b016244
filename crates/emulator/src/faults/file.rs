//! Faults of files and of the items that they become, whatever request they are in.

use serde::{Deserialize, Serialize};

use super::injection::Failure;

/// A file, by all of its properties that are given; without any it is every file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FileMatch {
    /// The name that the client gives it. Many clients give it only in batchCreate.
    pub name: Option<String>,
    /// Of its bytes, in lower-case hexadecimal.
    pub sha256: Option<String>,
    /// Its bytes.
    pub size: Option<u64>,
}

impl FileMatch {
    /// The file with that name.
    pub fn name(name: &str) -> FileMatch {
        FileMatch { name: Some(name.to_owned()), ..FileMatch::default() }
    }

    /// The file with those bytes, by their hash.
    pub fn sha256(sha256: &str) -> FileMatch {
        FileMatch { sha256: Some(sha256.to_owned()), ..FileMatch::default() }
    }

    pub(crate) fn fits(&self, file: &UploadedFile<'_>) -> bool {
        self.name.as_deref().is_none_or(|name| name == file.name)
            && self.sha256.as_deref().is_none_or(|sha256| sha256 == file.sha256)
            && self.size.is_none_or(|size| size == file.size)
    }
}

/// The properties of a file in a request.
pub(crate) struct UploadedFile<'a> {
    pub(crate) name: &'a str,
    pub(crate) sha256: &'a str,
    pub(crate) size: u64,
}

/// A request with this file fails, each time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileFault {
    /// Which file.
    pub file: FileMatch,
    /// Which of its requests.
    pub at: Stage,
    /// The symptom for the client.
    pub failure: Failure,
}

/// A step of a file on its way into the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The end of the upload, once all bytes have arrived.
    Upload,
    /// The batchCreate that the file is in, as a whole and without an effect.
    Create,
}

/// An item of a batchCreate that fails on its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemFailure {
    /// gRPC code, 13 or 3 for instance.
    pub code: i32,
    /// Items that pass before it strikes.
    #[serde(default)]
    pub skip: u32,
    /// Items that it strikes then.
    #[serde(default)]
    pub next: u32,
    /// A share of all items, 0 to 1; 1 with a `file` is a file that fails each time.
    #[serde(default)]
    pub rate: f64,
    /// Instead of the text for items that are not created.
    #[serde(default)]
    pub message: Option<String>,
    /// The items that it strikes, passes and counts; without it all.
    #[serde(default)]
    pub file: FileMatch,
}

impl ItemFailure {
    /// A failure with this gRPC code, striking never; set `next` or `rate`.
    pub fn new(code: i32) -> ItemFailure {
        let (message, file) = (None, FileMatch::default());
        ItemFailure { code, skip: 0, next: 0, rate: 0.0, message, file }
    }
}
