//! The facts about the files in a directory of the mount, from an attribute of the directory. To look
//! up each file would have the mount ask Google for its size.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Deserialize;

use crate::fs::VALUE_BYTES_MAX;

/// An entry of a directory.
#[derive(Clone, Debug, Deserialize)]
pub struct Child {
    /// Its number in the directory.
    pub entry: i64,
    #[serde(default)]
    name: String,
    name_base64: Option<String>,
    /// Whether it is a directory. The other facts are of files.
    pub is_dir: bool,
    /// The size, if it is known.
    pub size: Option<u64>,
    /// The size of the smaller copy that went to Google, if one did.
    pub sent_size: Option<u64>,
    /// Since when Google's list of the directory should have it, if the list lacks it.
    pub unlisted: Option<String>,
    /// The stage of its upload.
    pub state: Option<String>,
    /// The item's id at Google.
    pub id: Option<String>,
    /// Its name at Google, if that is another one.
    pub filename: Option<String>,
    /// The type.
    pub mime_type: Option<String>,
    /// Google's capture time.
    pub creation_time: Option<Timestamp>,
    /// In pixels.
    pub width: Option<String>,
    /// In pixels.
    pub height: Option<String>,
    /// The camera's model.
    pub camera_model: Option<String>,
    /// The hash of bytes written here.
    pub sha256: Option<String>,
    /// The hash of a local file that was matched to it.
    pub adopted: Option<String>,
    /// Whether the bytes written here look cut off.
    pub cut_off: Option<String>,
    /// Why Google has refused it.
    pub error: Option<String>,
}

impl Child {
    /// The name.
    pub fn name(&self) -> OsString {
        match self.name_base64.as_ref().and_then(|it| STANDARD.decode(it).ok()) {
            Some(bytes) => OsString::from_vec(bytes),
            None => self.name.clone().into(),
        }
    }
}

/// The entries of a directory that the mount knows now.
///
/// # Errors
/// If the mount is gone, or its answer cannot be parsed.
pub fn children(dir: &Path) -> io::Result<Vec<Child>> {
    let mut found: Vec<Child> = Vec::new();
    let mut value = vec![0; VALUE_BYTES_MAX];
    loop {
        let last = found.last().map_or(0, |it| it.entry);
        let name = format!("user.gphotos.children.{last}");
        let length = rustix::fs::getxattr(dir, name, &mut value)?;
        let lines = value.get(..length).unwrap_or_default();
        let page: Result<Vec<Child>, _> =
            serde_json::Deserializer::from_slice(lines).into_iter().collect();
        let page = page.map_err(io::Error::from)?;
        // A number that does not grow would never end.
        match page.first() {
            Some(first) if first.entry > last => found.extend(page),
            _ => return Ok(found),
        }
    }
}

/// The size of the file with this entry. `None` if Google does not say.
///
/// # Errors
/// If the mount is gone.
pub fn size(dir: &Path, entry: i64) -> io::Result<Option<u64>> {
    let mut value = [0; 24];
    let name = format!("user.gphotos.size.{entry}");
    match rustix::fs::getxattr(dir, name, &mut value) {
        Ok(length) => {
            let text = value.get(..length).and_then(|it| std::str::from_utf8(it).ok());
            Ok(text.and_then(|it| it.parse().ok()).filter(|&it| it > 0))
        }
        Err(rustix::io::Errno::NODATA) => Ok(None),
        Err(err) => Err(err.into()),
    }
}
