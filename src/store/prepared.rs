//! What goes to Google of a file, by the columns of its row.

use rusqlite::Row;

use crate::media::ContentHash;

/// The outcome of looking at a file's bytes for a quality.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// The quality, exactly.
    pub quality: String,
    /// What it has led to.
    pub made: Made,
}

/// What goes to Google.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// A smaller copy.
    Smaller(Sent),
    /// The file itself, for this reason: a word.
    Whole(String),
}

/// The bytes of a smaller copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// In bytes.
    pub size: u64,
    /// Their hash.
    pub sha256: ContentHash,
    /// The hash with which Google checks an upload.
    pub sha1: [u8; 20],
}

impl Prepared {
    /// Reads the columns of a file. `None` if nobody has looked at its bytes.
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Option<Self>> {
        let Some(quality) = row.get("quality")? else { return Ok(None) };
        let made = match row.get("sent_size")? {
            Some(size) => Made::Smaller(Sent {
                size,
                sha256: row.get("sent_sha256")?,
                sha1: row.get("sent_sha1")?,
            }),
            None => Made::Whole(row.get::<_, Option<String>>("whole")?.unwrap_or_default()),
        };
        Ok(Some(Self { quality, made }))
    }

    /// The bytes of the smaller copy, if there is one.
    pub fn sent(&self) -> Option<Sent> {
        match self.made {
            Made::Smaller(sent) => Some(sent),
            Made::Whole(_) => None,
        }
    }
}
