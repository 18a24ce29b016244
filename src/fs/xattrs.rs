//! Extended attributes: what Google and the journal know about a file; a description that can be set.

use std::time::{Duration, SystemTime};

use super::error::{Error, Result};
use super::filesystem::Fs;
use super::node::{Ino, Node};
use crate::api;
use crate::media::{ContentHash, FileId};
use crate::store::{Adoption, FileInfo};

const PREFIX: &str = "user.gphotos.";

/// Whatever stands outside it (`security.`, `system.`, ...) this filesystem does not have.
const NAMESPACE: &[u8] = b"user.";

/// The local file that an item is taken for: its hash, and when it is written its size and mtime too.
const ADOPTED: &str = "adopted";

/// In which directories Google has not shown the file yet, and since when it should be there: not listed, as it says
/// nothing of the file itself.
const UNLISTED: &str = "unlisted";

/// Attributes that are not listed and that wait when they are read.
const SYNCED: &str = "synced";
const LISTED: &str = "listed";
const LOGIN: &str = "login";
const VERIFY: &str = "verify";
const THUMBNAIL: &str = "thumbnail";

/// The kernel takes no larger value of an attribute: `XATTR_SIZE_MAX` in linux/limits.h.
const VALUE_BYTES_MAX: usize = 65536;

/// How long a new listing, or an open, waits for the kernel to take note of what is new.
pub(super) const INVALIDATION_DEADLINE: Duration = Duration::from_secs(5);

impl Fs {
    /// The names of a thing's attributes, for listxattr(2).
    pub fn listxattr(&self, ino: Ino) -> Result<Vec<String>> {
        let Some(file) = self.node(ino)?.file() else { return Ok(Vec::new()) };
        Ok(self
            .attributes(&self.file(file)?)
            .into_iter()
            .map(|(name, _)| format!("{PREFIX}{name}"))
            .collect())
    }

    /// The value of one attribute; `None` if reading it means to wait.
    pub fn getxattr_now(&self, ino: Ino, name: &[u8]) -> Result<Option<Vec<u8>>> {
        let absent = || Error::plain(libc::ENODATA);
        // Absent would be true, too, but then `ls -l` asks of each file again whether it has an access control list.
        if !name.starts_with(NAMESPACE) {
            return Err(Error::plain(libc::EOPNOTSUPP));
        }
        let name = own(name);
        let node = self.node(ino)?;
        match (name, node) {
            (Some(SYNCED | LISTED | LOGIN), _) if node.is_in_tree() => return Ok(None),
            (Some(LISTED), Node::View(_)) => return Ok(None),
            _ => {}
        }
        if let (Some(VERIFY | THUMBNAIL), Node::File(file)) = (name, node) {
            return if self.file(file)?.media.is_some() { Ok(None) } else { Err(absent()) };
        }
        if let (Some(UNLISTED), Node::File(file)) = (name, node) {
            let albums = self.store.unlisted(self.file(file)?.id)?;
            let line = |(dir, since)| format!("{} {}\n", Node::Dir(dir).ino().0, rfc3339(since));
            let lines: String = albums.into_iter().map(line).collect();
            return if lines.is_empty() { Err(absent()) } else { Ok(Some(lines.into_bytes())) };
        }
        let (Some(name), Some(file)) = (name, node.file()) else {
            return Err(absent());
        };
        let info = self.file(file)?;
        let found = self.attributes(&info).into_iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| Some(value.into_bytes())).ok_or_else(absent)
    }

    /// Reads an attribute that waits for something, on behalf of the other subcommands: `synced` as fsync(2)
    /// does, `listed` for a new listing of the directory, of which the kernel knows by then, `login` for what Google says to
    /// the login that is stored now, `verify` for what Google gives back of an item, `thumbnail` for a small picture of it. The kernel locks a directory for the time of an
    /// fsync or a setxattr, and nobody could list it meanwhile; for a getxattr it does not.
    pub async fn getxattr(&self, ino: Ino, name: &[u8]) -> Result<Vec<u8>> {
        match (own(name), self.node(ino)?) {
            (Some(SYNCED), _) => self.sync(ino).await?,
            (Some(LOGIN), _) => {
                let login = self.client.login();
                login.replaced().await;
                login.access_token().await.map_err(api::Error::from)?;
                self.content.forget_failures();
                self.pipeline.try_now();
            }
            (Some(LISTED), Node::Dir(dir)) => {
                self.content.forget_failures();
                self.library.refresh(dir).await?;
                self.wait_for_invalidations().await?;
            }
            (Some(LISTED), Node::View(view)) => {
                self.content.forget_failures();
                self.library.refresh_view(view).await?;
                self.wait_for_invalidations().await?;
            }
            (Some(VERIFY), Node::File(file)) => {
                let seen = self.content.look_again(&self.file(file)?).await?;
                return serde_json::to_vec(&seen)
                    .map_err(|error| Error::because(libc::EIO, error.to_string()));
            }
            (Some(THUMBNAIL), Node::File(file)) => {
                let picture = self.content.thumbnail(&self.file(file)?).await?;
                return match picture.len() <= VALUE_BYTES_MAX {
                    true => Ok(picture),
                    false => Err(Error::plain(libc::E2BIG)),
                };
            }
            _ => return Err(Error::plain(libc::ENODATA)),
        }
        Ok(b"1".to_vec())
    }

    /// Waits until the kernel's caches hold nothing that is no longer so, within reason.
    async fn wait_for_invalidations(&self) -> Result<()> {
        if !self.store.wait_invalidated(INVALIDATION_DEADLINE).await? {
            tracing::warn!(
                "somebody waits in a directory, so the kernel may show for a while what is no longer so"
            );
        }
        Ok(())
    }

    /// Sets a description at Google, or takes a local file for an item.
    pub async fn setxattr(
        &self,
        ino: Ino,
        name: &[u8],
        value: &[u8],
        mode: SetXattrMode,
    ) -> Result<()> {
        match (own(name), self.node(ino)?) {
            (_, node) if node.is_in_views() => Err(Error::plain(libc::EROFS)),
            (Some("description"), Node::File(file)) => self.describe(file, value, mode).await,
            (Some(ADOPTED), Node::File(file)) => self.adopt(file, value),
            (Some(_), _) => Err(Error::plain(libc::EPERM)),
            // There is nowhere to keep attributes of the user's own.
            (None, _) => Err(Error::plain(libc::EOPNOTSUPP)),
        }
    }

    /// Removes an attribute: only an adoption can be taken back.
    pub fn removexattr(&self, ino: Ino, name: &[u8]) -> Result<()> {
        let file = match (own(name), self.node(ino)?) {
            (_, node) if node.is_in_views() => return Err(Error::plain(libc::EROFS)),
            (Some(ADOPTED), Node::File(file)) => file,
            _ => return Err(Error::plain(libc::EPERM)),
        };
        self.check_writable()?;
        match self.store.disown(self.file(file)?.id)? {
            true => Ok(()),
            false => Err(Error::plain(libc::ENODATA)),
        }
    }

    /// Takes a local file for an item that was not sent from here, until a better word comes: see
    /// docs/SEMANTICS.md. `gphotosfs adopt` writes this.
    fn adopt(&self, file: FileId, value: &[u8]) -> Result<()> {
        self.check_writable()?;
        let adoption = adoption(value).ok_or_else(|| Error::plain(libc::EINVAL))?;
        let info = self.file(file)?;
        match (info.sha256, self.store.adopt(info.id, &adoption)?) {
            (_, true) => Ok(()),
            // What was sent from here is known better.
            (Some(_), false) if info.upload.is_none() => Err(Error::plain(libc::EEXIST)),
            (_, false) => Err(Error::plain(libc::EBUSY)),
        }
    }

    async fn describe(&self, file: FileId, text: &[u8], mode: SetXattrMode) -> Result<()> {
        self.check_writable()?;
        let text = std::str::from_utf8(text).map_err(|_| Error::plain(libc::EILSEQ))?;
        if text.chars().count() > api::DESCRIPTION_CHARS_MAX {
            return Err(Error::plain(libc::E2BIG));
        }
        let info = self.file(file)?;
        let there = info.description.as_ref().is_some_and(|text| !text.is_empty());
        match mode {
            SetXattrMode::Create if there => return Err(Error::plain(libc::EEXIST)),
            SetXattrMode::Replace if !there => return Err(Error::plain(libc::ENODATA)),
            _ => {}
        }
        // Only what is at Google has a description; until then it would be lost. The kernel makes EOPNOTSUPP of
        // EAGAIN, which would say never instead of not yet.
        let media = info.media.ok_or_else(|| Error::plain(libc::EBUSY))?;
        self.client.describe_item(&media, text).await?;
        Ok(self.store.set_description(info.id, text)?)
    }
}

impl Fs {
    fn attributes(&self, info: &FileInfo) -> Vec<(&'static str, String)> {
        attributes(info, self.content.has_original(info))
    }
}

/// What setxattr(2) demands of the attribute before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetXattrMode {
    /// It may be there or not.
    Any,
    /// It is new: `XATTR_CREATE`.
    Create,
    /// It is replaced: `XATTR_REPLACE`.
    Replace,
}

/// The part of an attribute's name that is ours.
fn own(name: &[u8]) -> Option<&str> {
    std::str::from_utf8(name).ok()?.strip_prefix(PREFIX)
}

/// `SHA256 SIZE MTIME_NS`, as `gphotosfs adopt` writes it.
fn adoption(value: &[u8]) -> Option<Adoption> {
    let words: Vec<_> = std::str::from_utf8(value).ok()?.split(' ').collect();
    let [sha256, size, mtime_ns] = words[..] else { return None };
    Some(Adoption {
        sha256: ContentHash::from_hex(sha256)?,
        size: size.parse().ok().filter(|&it| it > 0 && it <= i64::MAX as u64)?,
        mtime_ns: mtime_ns.parse().ok()?,
    })
}

/// All that is known, by name, in a fixed order.
fn attributes(info: &FileInfo, original: bool) -> Vec<(&'static str, String)> {
    let state = match info.upload {
        Some(state) => state.as_str(),
        None if original => "committed",
        // Google has it as well, but not here: it is read as Google gives it out.
        None => "rendition",
    };
    let text = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
    let number = |value: Option<u32>| value.filter(|&n| n > 0).map(|n| n.to_string());
    [
        ("id", info.media.as_ref().map(ToString::to_string)),
        ("filename", text(&info.filename)),
        ("mime_type", text(&info.mime)),
        ("creation_time", info.created.map(rfc3339)),
        ("width", number(info.width)),
        ("height", number(info.height)),
        ("camera_make", text(&info.make)),
        ("camera_model", text(&info.model)),
        ("product_url", text(&info.product_url)),
        ("description", text(&info.description)),
        ("state", Some(state.to_owned())),
        ("sha256", info.sha256.map(|hash| hash.to_string())),
        (ADOPTED, info.adopted.map(|hash| hash.to_string())),
        ("error", text(&info.error)),
        ("error_time", info.failed_at.map(rfc3339)),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect()
}

pub(super) fn rfc3339(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time).map_or_else(|_| String::new(), |time| time.to_string())
}
