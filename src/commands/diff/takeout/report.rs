//! The albums of an export, and a comparison with one of them, as text and JSON.

use std::path::{Path, PathBuf};

use bytesize::ByteSize;
use console::Style;
use serde::Serialize;

use super::album::Album;
use super::export::Export;
use super::folder::{Content, Count, Folder};
use crate::app::name::{Name, shown};
use crate::app::{CommandError, counted, json_text};
use crate::commands::diff::comparison::Comparison;
use crate::commands::diff::report::{self, Document, Source};

/// An album or another folder of an export.
#[derive(Debug, Serialize)]
struct Row<'a> {
    title: &'a str,
    folder: &'a str,
    #[serde(flatten)]
    count: Count,
}

impl<'a> Row<'a> {
    fn of(folder: &'a Folder) -> Self {
        Self { title: folder.shown(), folder: &folder.path, count: folder.count() }
    }

    /// `Trip: 3281 items, 3290 files of 12.1 GB`
    fn line(&self, with_folder: bool) -> String {
        let Count { items, files, missing, bytes } = self.count;
        let mut line = shown(self.title);
        if with_folder {
            line += &format!(" (in {})", shown(self.folder));
        }
        line += &format!(
            ": {}, {} of {}",
            counted(items, "item"),
            counted(files, "file"),
            ByteSize(bytes).display().si()
        );
        if missing > 0 {
            line += &format!("; {} in none of these parts", counted(missing, "item"));
        }
        line
    }
}

/// The albums, and the folders without an album's description.
struct Rows<'a> {
    albums: Vec<Row<'a>>,
    folders: Vec<Row<'a>>,
}

impl<'a> Rows<'a> {
    fn of(export: &'a Export) -> Self {
        let (albums, folders): (Vec<_>, Vec<_>) =
            export.folders.iter().partition(|it| it.title().is_some());
        let rows = |all: Vec<&'a Folder>| all.into_iter().map(Row::of).collect();
        Self { albums: rows(albums), folders: rows(folders) }
    }
}

/// JSON files that cannot be read, with the reasons. One of them may describe an album.
pub fn damaged(export: &Export) -> Vec<String> {
    let of_folder = |folder: &Folder| {
        let damaged = folder.papers.iter().filter_map(|it| match &it.content {
            Content::Damaged(why) => {
                Some(format!("{}/{}: {why}", shown(&folder.path), shown(&it.file.name)))
            }
            _ => None,
        });
        damaged.collect::<Vec<_>>()
    };
    export.folders.iter().flat_map(of_folder).collect()
}

/// The albums as text.
pub fn albums_text(export: &Export) -> String {
    let rows = Rows::of(export);
    let sum = format!(
        "{}, and {} without an album's description\n",
        counted(rows.albums.len(), "album"),
        counted(rows.folders.len(), "folder")
    );
    let mut out = Style::new().bold().apply_to(sum).to_string();
    let plain = Style::new();
    let several = |row: &Row<'_>| rows.albums.iter().filter(|it| it.title == row.title).count() > 1;
    let albums = rows.albums.iter().map(|it| it.line(several(it))).collect();
    report::group(&mut out, "Albums (--album TITLE compares with one)", &plain, albums);
    let folders = rows.folders.iter().map(|it| it.line(false)).collect();
    report::group(
        &mut out,
        "Other folders: years, and albums described in another part",
        &plain,
        folders,
    );
    report::group(&mut out, "Damaged in the export", &Style::new().red(), damaged(export));
    out
}

/// The albums as JSON.
///
/// # Errors
/// If it cannot be serialised.
pub fn albums_json(export: &Export, paths: &[PathBuf]) -> Result<String, CommandError> {
    #[derive(Serialize)]
    struct Albums<'a> {
        version: u32,
        source: Source,
        export: Vec<Name>,
        albums: Vec<Row<'a>>,
        folders: Vec<Row<'a>>,
        damaged: Vec<String>,
    }
    let Rows { albums, folders } = Rows::of(export);
    json_text(&Albums {
        version: report::VERSION,
        source: Source::Takeout,
        export: names(paths),
        albums,
        folders,
        damaged: damaged(export),
    })
}

/// A comparison with an album as text.
pub fn text(result: &Comparison, album: &Album, in_full: bool) -> String {
    let mut out = report::text(Source::Takeout, result, in_full);
    let (odd, good) = (Style::new().yellow(), Style::new().dim());
    let lines = |paths: &[PathBuf]| paths.iter().map(|it| line(it)).collect();
    report::group(&mut out, MISSING, &odd, lines(&album.missing));
    report::group(&mut out, NAMELESS, &good, lines(&album.nameless));
    let besides = album.besides.iter().map(|(copy, of)| format!("{} of {}", line(copy), line(of)));
    report::group(&mut out, BINNED, &odd, lines(&album.binned));
    report::group(&mut out, BESIDES, &good, besides.collect());
    out
}

const MISSING: &str =
    "In the album, but in none of these parts: compared by name and capture time only";
const NAMELESS: &str = "Without a description in these parts: compared by the name in the export";
const BINNED: &str = "In the bin at Google, so not in the album";
const BESIDES: &str = "Copies that Google has made, not counted (no difference)";

/// A comparison with an album as JSON.
///
/// # Errors
/// If it cannot be serialised.
pub fn json(
    (here, paths, title): (&Path, &[PathBuf], &str),
    result: &Comparison,
    album: &Album,
) -> Result<String, CommandError> {
    #[derive(Serialize)]
    struct Copy {
        name: Name,
        of: Name,
    }
    #[derive(Serialize)]
    struct Takeout<'a> {
        #[serde(flatten)]
        comparison: Document<'a>,
        export: Vec<Name>,
        missing: Vec<Name>,
        undescribed: Vec<Name>,
        copies: Vec<Copy>,
        binned: Vec<Name>,
    }
    let copy = |(name, of): &(PathBuf, PathBuf)| Copy {
        name: name.as_path().into(),
        of: of.as_path().into(),
    };
    json_text(&Takeout {
        comparison: Document::new(Source::Takeout, here, Path::new(title), result),
        export: names(paths),
        missing: names(&album.missing),
        undescribed: names(&album.nameless),
        copies: album.besides.iter().map(copy).collect(),
        binned: names(&album.binned),
    })
}

fn names(paths: &[PathBuf]) -> Vec<Name> {
    paths.iter().map(|it| it.as_path().into()).collect()
}

fn line(path: &Path) -> String {
    Name::from(path).to_string()
}
