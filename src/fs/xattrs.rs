//! Extended attributes: facts from Google and the journal, and a description that can be set.
//!
//! listxattr(2) returns none of them. A program that copies or restores attributes would otherwise
//! try to set or remove facts, and fail; or remove the description at Google. Virtual attributes of
//! kernel filesystems are not listed either. `gphotosfs info` shows all of them.

use std::time::{Duration, SystemTime};

use super::checks::check_owner;
use super::error::{Error, Result};
use super::filesystem::Fs;
use super::node::{Ino, Node};
use crate::api;
use crate::media::{ContentHash, DirId, FileId, Quality};
use crate::store::{Adoption, Dir, FileInfo, Made, Prepared};

const PREFIX: &str = "user.gphotos.";

/// The readable attributes of files and directories, without the prefix. Reading one of them waits
/// for nothing.
pub const ATTRIBUTES: [&str; 21] = [
    "state",
    "id",
    "title",
    "filename",
    "mime_type",
    "creation_time",
    "width",
    "height",
    "camera_make",
    "camera_model",
    "product_url",
    "description",
    "sha256",
    ADOPTED,
    "cut_off",
    QUALITY,
    "sent_size",
    "sent_sha256",
    "whole",
    "error",
    "error_time",
];

/// The only supported namespace. There is no `security.`, `system.` or the like.
const NAMESPACE: &[u8] = b"user.";

/// The local file that a user has matched to an item: its hash. A write also gives its size and
/// mtime.
const ADOPTED: &str = "adopted";

/// In which quality photos below a directory are uploaded, or a file was. Writable for directories.
const QUALITY: &str = "quality";

/// The user's limit of the bytes of uploads. Writable for the root.
const LIMIT_UP: &str = "limit_up";

/// The directories in which Google has not listed the file yet, each with the time since when it
/// should be there. It is not a property of the file itself.
const UNLISTED: &str = "unlisted";

/// The facts about the entries of a directory, behind the one whose number follows.
const CHILDREN: &str = "children.";
/// The size of the entry of a directory whose number follows.
const SIZE: &str = "size.";

/// The state of a directory that is a pick.
const PICK: &str = "pick";

/// Attributes whose reads wait for something, or cost requests. They belong to the owner of the
/// mount.
const SYNCED: &str = "synced";
const LISTED: &str = "listed";
const LOGIN: &str = "login";
const VERIFY: &str = "verify";
const THUMBNAIL: &str = "thumbnail";

/// The kernel's limit of a value: `XATTR_SIZE_MAX` in linux/limits.h.
pub const VALUE_BYTES_MAX: usize = 65536;

/// How long an operation waits until the kernel's caches are invalidated.
pub(super) const INVALIDATION_DEADLINE: Duration = Duration::from_secs(5);

impl Fs {
    /// The value of an attribute. `None` if its read must wait.
    pub fn getxattr_now(&self, ino: Ino, name: &[u8]) -> Result<Option<Vec<u8>>> {
        let absent = || Error::plain(libc::ENODATA);
        // ENODATA would be true too, but then `ls -l` asks for the access control list of each file
        // again.
        if !name.starts_with(NAMESPACE) {
            return Err(Error::plain(libc::EOPNOTSUPP));
        }
        let name = without_prefix(name);
        let node = self.node(ino)?;
        if let Some(SYNCED | LISTED | LOGIN | VERIFY | THUMBNAIL | LIMIT_UP) = name {
            check_owner()?;
        }
        match (name, node) {
            (Some(SYNCED | LISTED | LOGIN), _) if node.is_in_tree() => return Ok(None),
            (Some(LISTED), Node::View(_)) => return Ok(None),
            (Some("state"), Node::Pick(_)) => return Ok(Some(PICK.into())),
            (Some(name), Node::Dir(_) | Node::Pick(_))
                if [CHILDREN, SIZE].iter().any(|it| number_behind(it, name).is_some()) =>
            {
                return Ok(None);
            }
            _ => {}
        }
        if let (Some(VERIFY | THUMBNAIL), Node::File(file)) = (name, node) {
            return if self.file(file)?.media.is_some() { Ok(None) } else { Err(absent()) };
        }
        if let (Some(LIMIT_UP), Node::Dir(DirId::ROOT)) = (name, node) {
            return Ok(Some(self.client.upload_limit().to_string().into_bytes()));
        }
        if let (Some(UNLISTED), Node::File(file)) = (name, node) {
            let albums = self.store.unlisted(self.file(file)?.id)?;
            let line = |(dir, since)| format!("{} {}\n", Node::Dir(dir).ino().0, rfc3339(since));
            let lines: String = albums.into_iter().map(line).collect();
            return if lines.is_empty() { Err(absent()) } else { Ok(Some(lines.into_bytes())) };
        }
        let name = name.filter(|it| ATTRIBUTES.contains(it)).ok_or_else(absent)?;
        if let Some(value) = self.quality_attribute(name, node)? {
            return value.map(|it| Some(it.into_bytes())).ok_or_else(absent);
        }
        let value = match (node, node.file()) {
            (_, Some(file)) => {
                let info = self.file(file)?;
                of_file(name, &info, self.content.has_original(&info))
            }
            (Node::Dir(dir), _) => self.store.dir(dir)?.and_then(|dir| of_dir(name, &dir)),
            _ => None,
        };
        value.map(|it| Some(it.into_bytes())).ok_or_else(absent)
    }

    /// Reads an attribute that waits for something. These are the requests of the other
    /// subcommands:
    /// * `synced` waits as fsync(2) does.
    /// * `listed` waits for a new listing of the directory, and until the kernel's caches are
    ///   invalidated.
    /// * `children.N` has the facts about the entries behind the N-th. It waits for nothing, but
    ///   reads much.
    /// * `size.N` has the size of the N-th entry. It may ask Google.
    /// * `login` has Google check the stored login.
    /// * `verify` describes the bytes that Google returns for an item.
    /// * `thumbnail` is a small picture of an item.
    ///
    /// The kernel locks a directory during an fsync or a setxattr, so nobody could list it
    /// meanwhile. It does not lock it during a getxattr.
    pub async fn getxattr(&self, ino: Ino, name: &[u8]) -> Result<Vec<u8>> {
        check_owner()?;
        if let (Some(of), Some(scope)) = (without_prefix(name), self.node(ino)?.listing_scope()) {
            if let Some(entry) = number_behind(CHILDREN, of) {
                return self.children(scope, entry);
            }
            if let Some(entry) = number_behind(SIZE, of) {
                return self.child_size(scope, entry).await;
            }
        }
        match (without_prefix(name), self.node(ino)?) {
            (Some(SYNCED), _) => self.sync(ino).await?,
            (Some(LOGIN), _) => {
                self.client.login().replaced().await;
                self.client.authorise().await?;
                self.content.clear_failures();
                self.pipeline.try_now();
            }
            (Some(LISTED), Node::Dir(dir)) => {
                self.content.clear_failures();
                self.library.refresh(dir).await?;
                // The user may have deleted them meanwhile.
                self.pipeline.ask_for_unseen(dir).await?;
                self.wait_for_invalidations().await?;
            }
            (Some(LISTED), Node::View(view)) => {
                self.content.clear_failures();
                self.library.refresh_view(view).await?;
                self.wait_for_invalidations().await?;
            }
            (Some(VERIFY), Node::File(file)) => {
                let copies = self.content.fetch_copies(&self.file(file)?).await?;
                return serde_json::to_vec(&copies)
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

    /// Waits until the kernel's caches are invalidated, up to a deadline.
    async fn wait_for_invalidations(&self) -> Result<()> {
        if !self.store.wait_invalidated(INVALIDATION_DEADLINE).await? {
            tracing::warn!(
                "a program waits in a directory, so the kernel may show outdated names for a while"
            );
        }
        Ok(())
    }

    /// Sets the description at Google, matches a local file to an item, or changes how gphotosfs
    /// uploads.
    pub async fn setxattr(
        &self,
        ino: Ino,
        name: &[u8],
        value: &[u8],
        mode: SetXattrMode,
    ) -> Result<()> {
        match (without_prefix(name), self.node(ino)?) {
            (_, node) if node.is_read_only() => Err(Error::plain(libc::EROFS)),
            (Some("description"), Node::File(file)) => self.describe(file, value, mode).await,
            (Some(ADOPTED), Node::File(file)) => self.adopt(file, value),
            (Some(QUALITY), Node::Dir(dir)) => self.set_quality(dir, value),
            (Some(LIMIT_UP), Node::Dir(DirId::ROOT)) => self.set_upload_limit(value),
            (Some(_), _) => Err(Error::plain(libc::EPERM)),
            // Attributes of the user's own cannot be stored.
            (None, _) => Err(Error::plain(libc::EOPNOTSUPP)),
        }
    }

    /// Removes an attribute: the match of a local file, or the quality of a directory. No other one
    /// is removable.
    pub fn removexattr(&self, ino: Ino, name: &[u8]) -> Result<()> {
        let node = self.node(ino)?;
        if node.is_read_only() {
            return Err(Error::plain(libc::EROFS));
        }
        let was_there = match (without_prefix(name), node) {
            (Some(ADOPTED), Node::File(file)) => {
                self.check_writable()?;
                self.store.disown(self.file(file)?.id)?
            }
            (Some(QUALITY), Node::Dir(dir)) => {
                self.check_writable()?;
                self.store.set_quality(dir, None)?
            }
            _ => return Err(Error::plain(libc::EPERM)),
        };
        if was_there { Ok(()) } else { Err(Error::plain(libc::ENODATA)) }
    }

    /// Chooses the quality in which photos below a directory are uploaded from now on.
    fn set_quality(&self, dir: DirId, value: &[u8]) -> Result<()> {
        self.check_writable()?;
        let quality = std::str::from_utf8(value).ok().and_then(|it| it.parse().ok());
        self.store.set_quality(dir, Some(quality.ok_or_else(|| Error::plain(libc::EINVAL))?))?;
        Ok(())
    }

    /// Limits the bytes of uploads until the mount ends. `gphotosfs limit` writes this attribute.
    fn set_upload_limit(&self, value: &[u8]) -> Result<()> {
        check_owner()?;
        let limit = std::str::from_utf8(value).ok().and_then(|it| it.parse().ok());
        self.pipeline.set_upload_limit(limit.ok_or_else(|| Error::plain(libc::EINVAL))?);
        Ok(())
    }

    /// An attribute about the quality of uploads, if it is one: its value, if it has one.
    fn quality_attribute(&self, name: &str, node: Node) -> Result<Option<Option<String>>> {
        if ![QUALITY, "sent_size", "sent_sha256", "whole"].contains(&name) {
            return Ok(None);
        }
        if let (QUALITY, Node::Dir(dir)) = (name, node) {
            let own = self.store.quality(dir)?;
            return Ok(Some(Some(own.unwrap_or(self.pipeline.quality()).to_string())));
        }
        let Some(file) = node.file() else { return Ok(Some(None)) };
        let info = self.file(file)?;
        let prepared = self.store.prepared(info.id)?;
        Ok(Some(of_upload(name, &info, prepared.as_ref())))
    }

    /// Matches a local file to an item that was not uploaded from here; see docs/SEMANTICS.md.
    /// `gphotosfs adopt` writes this attribute.
    fn adopt(&self, file: FileId, value: &[u8]) -> Result<()> {
        self.check_writable()?;
        let adoption = adoption(value).ok_or_else(|| Error::plain(libc::EINVAL))?;
        let info = self.file(file)?;
        match (info.sha256, self.store.adopt(info.id, &adoption)?) {
            (_, true) => Ok(()),
            // The hash of an uploaded file is certain.
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
        // The description belongs to the item; without one it would be lost. The kernel turns
        // EAGAIN into EOPNOTSUPP, which would mean "never" instead of "not yet".
        let media = info.media.ok_or_else(|| Error::plain(libc::EBUSY))?;
        self.client.describe_item(&media, text).await?;
        Ok(self.store.set_description(info.id, text)?)
    }
}

/// The flags of setxattr(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetXattrMode {
    /// Create it or replace it.
    Any,
    /// Fail if it exists: `XATTR_CREATE`.
    Create,
    /// Fail if it does not exist: `XATTR_REPLACE`.
    Replace,
}

/// An attribute's name without our prefix.
fn without_prefix(name: &[u8]) -> Option<&str> {
    std::str::from_utf8(name).ok()?.strip_prefix(PREFIX)
}

/// The number of an entry in the name of an attribute.
fn number_behind(prefix: &str, name: &str) -> Option<i64> {
    name.strip_prefix(prefix)?.parse().ok().filter(|&it| it >= 0)
}

/// Parses `SHA256 SIZE MTIME_NS`.
fn adoption(value: &[u8]) -> Option<Adoption> {
    let words: Vec<_> = std::str::from_utf8(value).ok()?.split(' ').collect();
    let [sha256, size, mtime_ns] = words[..] else { return None };
    Some(Adoption {
        sha256: ContentHash::from_hex(sha256)?,
        size: size.parse().ok().filter(|&it| it > 0 && it <= i64::MAX as u64)?,
        mtime_ns: mtime_ns.parse().ok()?,
    })
}

/// An attribute of a file. `original`: the cache has the bytes as they were written here.
pub(super) fn of_file(name: &str, info: &FileInfo, original: bool) -> Option<String> {
    let text = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
    let number = |value: Option<u32>| value.filter(|&n| n > 0).map(|n| n.to_string());
    match name {
        "state" => Some(match info.upload {
            Some(state) => state.as_str().to_owned(),
            None if info.picked.is_some() => "picked".to_owned(),
            None if original => "committed".to_owned(),
            // Uploaded or not, only Google has it now, and reads return Google's rendition.
            None => "rendition".to_owned(),
        }),
        "id" => info.item().map(|it| it.to_string()),
        "filename" => text(&info.filename),
        "mime_type" => text(&info.mime),
        "creation_time" => info.created.map(rfc3339),
        "width" => number(info.width),
        "height" => number(info.height),
        "camera_make" => text(&info.make),
        "camera_model" => text(&info.model),
        "product_url" => text(&info.product_url),
        "description" => text(&info.description),
        "sha256" => info.sha256.map(|hash| hash.to_string()),
        ADOPTED => info.adopted.map(|hash| hash.to_string()),
        "cut_off" => info.cut_off.then(|| "yes".to_owned()),
        "error" => text(&info.error),
        "error_time" => info.failed_at.map(rfc3339),
        _ => None,
    }
}

/// What of a file went to Google, or goes there.
fn of_upload(name: &str, info: &FileInfo, prepared: Option<&Prepared>) -> Option<String> {
    let sent = prepared.and_then(Prepared::sent);
    match (name, prepared.map(|it| &it.made)) {
        ("whole", Some(Made::Whole(reason))) => Some(reason.clone()),
        (QUALITY, _) => info.sha256.map(|_| match (prepared, sent) {
            (Some(prepared), Some(_)) => prepared.quality.clone(),
            _ => Quality::Original.to_string(),
        }),
        ("sent_size", _) => {
            let own = info.size.filter(|_| info.sha256.is_some());
            sent.map(|it| it.size).or(own).map(|it| it.to_string())
        }
        ("sent_sha256", _) => sent.map(|it| it.sha256).or(info.sha256).map(|it| it.to_string()),
        _ => None,
    }
}

/// An attribute of a directory.
fn of_dir(name: &str, dir: &Dir) -> Option<String> {
    match (name, &dir.album) {
        ("state", Some(_)) => Some("album".to_owned()),
        ("state", None) => Some(if dir.local { "local" } else { "parent" }.to_owned()),
        ("id", Some(album)) => album.remote.as_ref().map(ToString::to_string),
        ("title", Some(album)) => Some(album.title.clone()),
        _ => None,
    }
}

pub(super) fn rfc3339(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time).map_or_else(|_| String::new(), |time| time.to_string())
}
