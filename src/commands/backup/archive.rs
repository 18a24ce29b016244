//! The file of a backup: a tar archive, which docs/commands/backup.md describes.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::profile;

/// The first member.
const HEAD: &str = "gphotosfs-backup.json";
/// The last member. It ends the archive: without it, a part is missing.
const SUMS: &str = "SHA256SUMS";
/// The database.
pub const DATABASE: &str = "gphotosfs.db";
/// The directory of bytes that are not at Google.
pub const SPOOL: &str = "spool";
/// Its directory of bytes that no name belongs to.
const ORPHANS: &str = "spool/orphans";
/// The settings.
pub const SETTINGS: &str = "config.toml";
/// The files of a login.
pub const LOGIN: [&str; 2] = ["client_secret.json", "token.json"];

/// The version of the archive's layout.
const VERSION: u32 = 1;

/// The most that the first and the last member are read of.
const LIST_MAX: u64 = 256 << 20;

/// The first member: what the archive is.
#[derive(Debug, Serialize, Deserialize)]
pub struct Head {
    /// The version of the layout.
    version: u32,
    /// The version of the program.
    program: String,
    /// When the database was copied.
    pub created: Timestamp,
    /// The profile that it is of.
    pub profile: String,
    /// Whether it has the bytes that were not at Google.
    pub has_files: bool,
}

impl Head {
    /// The head of a backup made now.
    pub fn new(profile: String, has_files: bool) -> Self {
        let program = env!("CARGO_PKG_VERSION").to_owned();
        Self { version: VERSION, program, created: Timestamp::now(), profile, has_files }
    }
}

/// Why an archive cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It is another file.
    #[error("it is no backup made by gphotosfs")]
    NotABackup,
    /// A later version has made it.
    #[error("gphotosfs {0} has made it, in a way that this version does not know")]
    Newer(String),
    /// A part of it is missing.
    #[error("its end is missing, or a block in it is damaged")]
    Incomplete,
    /// A member is not as it was written.
    #[error("it is damaged: {0} is not as it was written")]
    Damaged(String),
    /// It cannot be read, or its content cannot be written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Writes an archive.
pub struct Writer<W: Write> {
    tar: tar::Builder<W>,
    sums: String,
}

/// Counts the hash of all bytes that pass.
struct Hashed<R> {
    from: R,
    hash: Sha256,
}

impl<R> Hashed<R> {
    fn new(from: R) -> Self {
        Self { from, hash: Sha256::new() }
    }

    fn hex(self) -> String {
        self.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.hash.update(&buffer[..read]);
        Ok(read)
    }
}

impl<W: Write> Writer<W> {
    /// Begins an archive.
    pub fn begin(to: W, head: &Head) -> io::Result<Self> {
        let mut writer = Self { tar: tar::Builder::new(to), sums: String::new() };
        let text = serde_json::to_vec_pretty(head)?;
        writer.add(HEAD, text.len() as u64, head.created.as_second(), text.as_slice())?;
        Ok(writer)
    }

    /// Adds a file. If somebody shortens it meanwhile, zeros follow its bytes.
    pub fn add_file(&mut self, name: &str, file: &File) -> io::Result<()> {
        let meta = file.metadata()?;
        let bytes = BufReader::with_capacity(1 << 18, file).chain(io::repeat(0));
        self.add(name, meta.len(), meta.mtime(), bytes.take(meta.len()))
    }

    fn add(&mut self, name: &str, size: u64, time: i64, bytes: impl Read) -> io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_size(size);
        header.set_mode(0o600);
        header.set_mtime(u64::try_from(time).unwrap_or_default());
        let mut bytes = Hashed::new(bytes);
        self.tar.append_data(&mut header, name, &mut bytes)?;
        self.sums += &format!("{}  {name}\n", bytes.hex());
        Ok(())
    }

    /// Ends the archive.
    pub fn finish(mut self) -> io::Result<W> {
        let sums = std::mem::take(&mut self.sums);
        self.add(SUMS, sums.len() as u64, Timestamp::now().as_second(), sums.as_bytes())?;
        self.tar.into_inner()
    }
}

/// Unpacks an archive into the empty directory `dir`, and compares each member with its hash.
pub fn unpack(archive: &File, dir: &Path) -> Result<Head, ArchiveError> {
    for dir in [SPOOL, ORPHANS].map(|it| dir.join(it)) {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    let mut tar = tar::Archive::new(BufReader::with_capacity(1 << 18, archive));
    let mut members = tar.entries().map_err(|_| ArchiveError::NotABackup)?;
    let first = members.next().ok_or(ArchiveError::NotABackup)?;
    let (head, hash) = head(first.map_err(|_| ArchiveError::NotABackup)?)?;
    let mut found = BTreeMap::from([(HEAD.to_owned(), hash)]);
    for member in members {
        let mut member = member.map_err(cut_off)?;
        let name = String::from_utf8_lossy(&member.path_bytes()).into_owned();
        if name == SUMS {
            return compare(&found, member).map(|()| head);
        }
        if !is_ours(&name) || member.header().entry_type() != tar::EntryType::Regular {
            return Err(ArchiveError::Damaged(name));
        }
        let path = dir.join(&name);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        let mut bytes = Hashed::new(&mut member);
        let copied = io::copy(&mut bytes, &mut file).map_err(cut_off)?;
        found.insert(name, bytes.hex());
        if copied < member.size() {
            return Err(ArchiveError::Incomplete);
        }
        file.sync_all()?;
    }
    Err(ArchiveError::Incomplete)
}

fn head(member: tar::Entry<'_, impl Read>) -> Result<(Head, String), ArchiveError> {
    if *member.path_bytes() != *HEAD.as_bytes() {
        return Err(ArchiveError::NotABackup);
    }
    let mut bytes = Hashed::new(member.take(LIST_MAX));
    let mut text = String::new();
    bytes.read_to_string(&mut text).map_err(cut_off)?;
    // A later version may need other fields.
    #[derive(Deserialize)]
    struct Made {
        version: u32,
        program: String,
    }
    let made: Made = serde_json::from_str(&text).map_err(|_| ArchiveError::NotABackup)?;
    if made.version != VERSION {
        return Err(ArchiveError::Newer(made.program));
    }
    let head = serde_json::from_str(&text).map_err(|_| ArchiveError::Damaged(HEAD.into()))?;
    Ok((head, bytes.hex()))
}

/// Compares the hashes of the members with the list at the end.
fn compare(found: &BTreeMap<String, String>, sums: impl Read) -> Result<(), ArchiveError> {
    let mut text = String::new();
    sums.take(LIST_MAX).read_to_string(&mut text).map_err(cut_off)?;
    let listed: BTreeMap<&str, &str> =
        text.lines().filter_map(|line| line.split_once("  ")).map(|(sum, it)| (it, sum)).collect();
    let is_same = |name: &str| found.get(name).map(String::as_str) == listed.get(name).copied();
    let names = found.keys().map(String::as_str).chain(listed.keys().copied());
    match names.into_iter().find(|name| !is_same(name)) {
        Some(name) => Err(ArchiveError::Damaged(name.to_owned())),
        None => Ok(()),
    }
}

/// An end or a block that the reader does not expect is no fault of the disk.
fn cut_off(error: io::Error) -> ArchiveError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::Other | io::ErrorKind::InvalidData => {
            ArchiveError::Incomplete
        }
        _ => error.into(),
    }
}

/// Whether a backup has a member of this name. Nothing else is written to the disk.
fn is_ours(name: &str) -> bool {
    match name.strip_prefix("spool/") {
        Some(below) => is_spooled(below),
        None => name == DATABASE || name == SETTINGS || LOGIN.contains(&name),
    }
}

/// Whether a path below the spool's directory is that of bytes: `7`, `7.old`, `orphans/7.1`.
pub fn is_spooled(path: &str) -> bool {
    profile::is_spooled(path.strip_prefix("orphans/").unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(bytes: &[u8]) -> Vec<u8> {
        let mut writer = Writer::begin(Vec::new(), &Head::new("p".into(), true)).unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        for name in [DATABASE, "spool/7", "spool/7.old", "spool/orphans/7.1"] {
            io::Seek::rewind(&mut file).unwrap();
            writer.add_file(name, &file).unwrap();
        }
        writer.finish().unwrap()
    }

    fn unpacked(bytes: &[u8]) -> Result<tempfile::TempDir, ArchiveError> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        io::Seek::rewind(&mut file).unwrap();
        let dir = tempfile::tempdir().unwrap();
        unpack(&file, dir.path()).map(|_| dir)
    }

    #[test]
    fn what_was_packed_is_unpacked() {
        let dir = unpacked(&archive(b"bytes")).unwrap();
        for name in [DATABASE, "spool/7", "spool/7.old", "spool/orphans/7.1"] {
            let path = dir.path().join(name);
            assert_eq!(std::fs::read(&path).unwrap(), b"bytes");
            assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn an_archive_that_ends_early_or_has_another_byte_is_refused() {
        let whole = archive(b"some bytes");
        for len in [0, 1, 511, 512, 700, 1024, 1600, 2048, 3000, whole.len() - 2048] {
            let error = unpacked(&whole[..len]).expect_err(&format!("{len} bytes"));
            assert!(
                matches!(error, ArchiveError::Incomplete | ArchiveError::NotABackup),
                "{len}: {error:?}"
            );
        }
        let at = whole.windows(10).rposition(|it| it == b"some bytes").unwrap();
        let mut other = whole.clone();
        other[at] ^= 1;
        assert!(
            matches!(unpacked(&other), Err(ArchiveError::Damaged(name)) if name.ends_with("7.1"))
        );
        assert!(matches!(unpacked(b"{}"), Err(ArchiveError::NotABackup)));
        assert!(matches!(unpacked(&[7; 4096]), Err(ArchiveError::NotABackup)));
    }

    #[test]
    fn only_names_of_ours_are_written() {
        for name in
            [DATABASE, SETTINGS, "token.json", "spool/12", "spool/12.old", "spool/orphans/1.1"]
        {
            assert!(is_ours(name), "{name}");
        }
        for name in [
            "",
            "/etc/passwd",
            "../x",
            "spool/../x",
            "spool/orphans/../x",
            "spool/orphans/..",
            "spool/",
            "spool/x",
            "spool/1.jpg",
            "lock",
            "log",
            "spool/1/2",
            "./gphotosfs.db",
        ] {
            assert!(!is_ours(name), "{name}");
        }
        let mut writer = Writer::begin(Vec::new(), &Head::new("p".into(), true)).unwrap();
        writer.add("lock", 1, 0, b"x".as_slice()).unwrap();
        assert!(matches!(unpacked(&writer.finish().unwrap()), Err(ArchiveError::Damaged(_))));
    }

    #[test]
    fn a_later_layout_is_refused_by_its_name() {
        let head =
            Head { version: VERSION + 1, program: "9.9".into(), ..Head::new("p".into(), true) };
        let later = Writer::begin(Vec::new(), &head).unwrap().finish().unwrap();
        assert!(matches!(unpacked(&later), Err(ArchiveError::Newer(by)) if by == "9.9"));
    }
}
