//! `gphotosfs diff`: which files differ between a local directory and an album.
//!
//! Local files are hashed; the album's side is asked for by xattr. No media is downloaded.

mod compare;

use std::fmt::{self, Display};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use walkdir::WalkDir;

use self::compare::{Comparison, Content, Files, Here, Remark, Stage, There, compare};
use super::running::{self, Mount};
use super::{CommandError, Exit, print};
use crate::media::ContentHash;

/// `gphotosfs diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// A directory on this machine
    local: PathBuf,

    /// The album's directory on a mount
    album: PathBuf,

    /// Print the comparison as JSON
    #[arg(long)]
    json: bool,
}

/// Compares, prints, and says whether there are differences.
///
/// # Errors
/// If one side cannot be read, or the album is not on a mount.
pub fn run(args: &DiffArgs) -> Result<Exit, CommandError> {
    let mount = Mount::holding(&args.album)?;
    if Mount::holding(&args.local).is_ok() {
        return Err(CommandError::usage(format!(
            "{} is on a gphotosfs mount; reading it would download every file",
            args.local.display()
        ))
        .hint("name the local directory first, then the album"));
    }
    let there = album_files(&args.album)?;
    let here = local_files(&args.local)?;
    let refused = refused_files(&mount, &args.album)?;
    let result = compare(&here, &there, &refused);
    print(if args.json { json(args, &result)? } else { Report(&result).to_string() })?;
    Ok(if result.differ() { Exit::Differ } else { Exit::Done })
}

/// The regular files below `root`, by their names relative to it. Links are followed, as cp does
/// with those it is given.
fn names(root: &Path) -> Result<Vec<PathBuf>, CommandError> {
    let cannot_list = |err: walkdir::Error| {
        let path = err.path().unwrap_or(root);
        let error = CommandError::new(format!("cannot list {}", path.display()));
        error.because(err.into_io_error().unwrap_or_else(|| {
            io::Error::other("a symbolic link leads back to a directory above it")
        }))
    };
    let mut names = Vec::new();
    for entry in WalkDir::new(root).follow_links(true) {
        let entry = entry.map_err(cannot_list)?;
        if entry.file_type().is_file() {
            let path = entry.path();
            names.push(path.strip_prefix(root).unwrap_or(path).to_owned());
        }
    }
    Ok(names)
}

fn local_files(root: &Path) -> Result<Files<Here>, CommandError> {
    let names = names(root)?;
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} local files hashed")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    // Drawn on a terminal only.
    let bar = ProgressBar::new(names.len() as u64).with_style(style);
    let files = names
        .into_par_iter()
        .map(|name| {
            let path = root.join(&name);
            let file = hash_file(&path).map_err(|err| running::cannot_use(&path, err))?;
            bar.inc(1);
            Ok((name, file))
        })
        .collect();
    bar.finish_and_clear();
    files
}

fn hash_file(path: &Path) -> io::Result<Here> {
    let mut hasher = Sha256::new();
    let size = io::copy(&mut File::open(path)?, &mut hasher)?;
    Ok(Here { size, hash: ContentHash(hasher.finalize().into()) })
}

/// The album's files, listed again from Google first.
fn album_files(root: &Path) -> Result<Files<There>, CommandError> {
    list_all_again(root)?;
    names(root)?
        .into_par_iter()
        .map(|name| {
            let path = root.join(&name);
            let file = album_file(&path).map_err(|err| running::cannot_use(&path, err))?;
            Ok((name, file))
        })
        .collect()
}

fn list_all_again(dir: &Path) -> Result<(), CommandError> {
    let cannot = |err: io::Error| {
        CommandError::new(format!("cannot list {} again from Google", dir.display())).because(err)
    };
    running::list_again(dir).map_err(cannot)?;
    for entry in std::fs::read_dir(dir).map_err(cannot)? {
        let entry = entry.map_err(cannot)?;
        if entry.file_type().map_err(cannot)?.is_dir() {
            list_all_again(&entry.path())?;
        }
    }
    Ok(())
}

fn album_file(path: &Path) -> io::Result<There> {
    let stage = match xattr_text(path, "state")?.as_deref() {
        Some("committed") | None => Stage::Committed,
        Some("scratch") => Stage::Scratch,
        Some("failed") => Stage::Failed(reason(path)?),
        Some(state) => Stage::OnItsWay(state.to_owned()),
    };
    let content = match (xattr_text(path, "sha256")?, &stage) {
        (Some(text), _) => Content::Hash(parse_hash(&text)?),
        (None, Stage::Committed | Stage::Scratch) => Content::Size(path.metadata()?.len()),
        (None, _) => Content::Unknown,
    };
    Ok(There { stage, content, id: xattr_text(path, "id")? })
}

/// What Google refused of this album, with the reasons.
fn refused_files(mount: &Mount, album: &Path) -> Result<Files<String>, CommandError> {
    let album = album.canonicalize().map_err(|err| running::cannot_use(album, err))?;
    let root = mount.control("failed").join(album.strip_prefix(&mount.root).unwrap_or(&album));
    if !root.is_dir() {
        return Ok(Files::new());
    }
    let with_reason = |name: PathBuf| {
        let path = root.join(&name);
        let why = reason(&path).map_err(|err| running::cannot_use(&path, err))?;
        Ok((name, why))
    };
    names(&root)?.into_iter().map(with_reason).collect()
}

fn reason(path: &Path) -> io::Result<String> {
    Ok(xattr_text(path, "error")?.unwrap_or_else(|| "no reason recorded".to_owned()))
}

fn xattr_text(path: &Path, name: &str) -> io::Result<Option<String>> {
    let value = xattr::get(path, format!("user.gphotos.{name}"))?;
    Ok(value.map(|it| String::from_utf8_lossy(&it).into_owned()))
}

fn parse_hash(hex: &str) -> io::Result<ContentHash> {
    let bad = || io::Error::new(io::ErrorKind::InvalidData, format!("not a SHA-256: {hex:?}"));
    let digits = hex.as_bytes();
    let mut bytes = [0; 32];
    if digits.len() != 2 * bytes.len() {
        return Err(bad());
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let text = str::from_utf8(pair).map_err(|_| bad())?;
        *byte = u8::from_str_radix(text, 16).map_err(|_| bad())?;
    }
    Ok(ContentHash(bytes))
}

/// For people: the sum first, then each group that is not empty.
struct Report<'a>(&'a Comparison);

impl Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let it = self.0;
        writeln!(f, "{}", it.sum())?;
        group(f, "Only here", it.only_here.iter().map(|name| name.display()))?;
        group(f, "Only in the album", it.only_in_album.iter().map(|name| name.display()))?;
        group(
            f,
            "Different content under one name",
            it.different.iter().map(|name| name.display()),
        )?;
        group(f, "Still on its way ('gphotosfs sync' waits for it)", it.on_its_way.iter())?;
        group(f, "Failed", it.failed.iter())?;
        group(f, "Not uploaded (scratch name)", it.scratch.iter().map(|name| name.display()))?;
        let twins = it.twins.iter().map(|names| {
            names.iter().map(|it| it.display().to_string()).collect::<Vec<_>>().join(" = ")
        });
        group(f, "Same content under several names (no difference)", twins)
    }
}

impl Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name.display(), self.why)
    }
}

fn group(
    f: &mut fmt::Formatter<'_>,
    title: &str,
    mut lines: impl Iterator<Item: Display>,
) -> fmt::Result {
    let Some(first) = lines.next() else { return Ok(()) };
    writeln!(f, "\n{title}:\n  {first}")?;
    lines.try_for_each(|line| writeln!(f, "  {line}"))
}

fn json(args: &DiffArgs, result: &Comparison) -> Result<String, CommandError> {
    #[derive(serde::Serialize)]
    struct Document<'a> {
        version: u32,
        here: &'a Path,
        album: &'a Path,
        differ: bool,
        #[serde(flatten)]
        result: &'a Comparison,
    }
    let document = Document {
        version: 1,
        here: &args.local,
        album: &args.album,
        differ: result.differ(),
        result,
    };
    let text = serde_json::to_string_pretty(&document)
        .map_err(|err| CommandError::new("cannot write this comparison as JSON").because(err))?;
    Ok(text + "\n")
}
