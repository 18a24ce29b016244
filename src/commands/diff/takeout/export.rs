//! All parts of an export: its folders, and which of them are albums.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::document::Document;
use super::folder::{Content, Folder, Member, Paper, Place};
use super::naming;
use super::part::{Part, is_document, read_document};
use super::zip_name::{OF_MISSING_PART, named};
use crate::app::name::shown;
use crate::app::{CommandError, counted, progress};
use crate::library::names;
use crate::media::AlbumId;

/// More files than any export has. Each takes about 500 bytes of memory.
const FILES_MAX: usize = 2_000_000;

/// A longer path is no name of a photo.
const PATH_BYTES_MAX: usize = 4096;

/// A message names so many albums at most.
const NAMED_MAX: usize = 20;

/// The usual extensions of photos and videos.
const PICTURES: [&str; 12] =
    ["3gp", "avi", "dng", "gif", "heic", "jpeg", "jpg", "m4v", "mov", "mp4", "png", "webp"];

const ALL_PARTS: &str = "name the zips of a Google Takeout export, or the directory of one";

/// An export.
pub struct Export {
    /// Zips and directories.
    pub parts: Vec<Part>,
    /// The folders with photos, by path.
    pub folders: Vec<Folder>,
    /// Whether a part beside these is still being downloaded.
    pub lacks_download: bool,
}

impl Export {
    /// Opens all parts, and finds the albums.
    ///
    /// # Errors
    /// If a part cannot be read, or none has photos of Google Photos.
    pub fn open(paths: &[PathBuf]) -> Result<Self, CommandError> {
        let (mut parts, mut bad) = (Vec::new(), Vec::new());
        let mut known = BTreeSet::new();
        for path in paths {
            for part in Part::open(path)? {
                let part = match part {
                    Ok(part) => part,
                    Err(error) => {
                        bad.push(error);
                        continue;
                    }
                };
                let real = part.path().canonicalize().unwrap_or_else(|_| part.path().to_owned());
                if known.insert(real) {
                    parts.push(part);
                }
            }
        }
        check_one_export(&parts)?;
        let folders = list(&mut parts, &mut bad);
        check_all_good(bad)?;
        let has_pictures = folders.iter().flat_map(|it| &it.files).any(|it| is_picture(&it.name));
        let mut export = Self { folders, parts, lacks_download: false };
        export.read_lonely()?;
        export.keep_photos();
        if export.folders.is_empty() {
            return Err(without_photos(paths, has_pictures));
        }
        Ok(export)
    }

    /// Reads the JSON files that belong to no file by their names. Among them are those of albums,
    /// whose names are in the user's language.
    fn read_lonely(&mut self) -> Result<(), CommandError> {
        let lonely = |(at, folder): (usize, &Folder)| {
            folder.pairing().lonely.into_iter().map(move |paper| (at, paper)).collect::<Vec<_>>()
        };
        let wanted = self.folders.iter().enumerate().flat_map(lonely).collect();
        self.read_papers(wanted)
    }

    /// Reads JSON files, each by the numbers of folder and file, unless that has been done.
    ///
    /// # Errors
    /// If a part cannot be read. A JSON file that is damaged is marked so.
    pub fn read_papers(&mut self, wanted: Vec<(usize, usize)>) -> Result<(), CommandError> {
        let Self { parts, folders, .. } = self;
        let mut places: BTreeMap<Place, (usize, usize)> = BTreeMap::new();
        for (folder, paper) in wanted {
            let it = &folders[folder].papers[paper];
            if it.content == Content::Unread {
                places.insert(it.file.place, (folder, paper));
            }
        }
        let bar = progress::bar(places.len(), "descriptions read");
        for (at, part) in parts.iter_mut().enumerate() {
            let here = places.keys().filter(|it| it.part == at).map(|it| it.number).collect();
            part.read(&here, &mut |number, opened| {
                bar.inc(1);
                let Some(&(folder, paper)) = places.get(&Place { part: at, number }) else {
                    return Ok(());
                };
                folders[folder].papers[paper].content = match opened {
                    Ok(file) => read_document(file).map_or_else(
                        || Content::Damaged("it is damaged, or no JSON of an export".to_owned()),
                        Content::Of,
                    ),
                    Err(why) => Content::Damaged(why),
                };
                Ok(())
            })?;
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// Whether a part seems to be missing, by the names of the zips or by what they have.
    pub fn lacks_part(&self) -> bool {
        let paths: Vec<_> = self.parts.iter().map(Part::path).collect();
        self.lacks_download || !oddities(&paths, self.missing()).is_empty()
    }

    /// How many photos that JSON files describe are not beside them.
    pub fn missing(&self) -> usize {
        self.folders.iter().map(|it| it.pairing().described.len()).sum()
    }

    /// Leaves out folders of other Google services: those with no JSON of a photo or an album in
    /// them, nor beside them.
    fn keep_photos(&mut self) {
        let above =
            |it: &Folder| it.path.rsplit_once('/').map_or(String::new(), |it| it.0.to_owned());
        let has_photos = |it: &&Folder| {
            let is_of_photos = |it: &Paper| {
                matches!(&it.content, Content::Of(Document::Album(_) | Document::Item(_)))
            };
            it.papers.iter().any(is_of_photos) || it.pairing().paper_of.iter().any(Option::is_some)
        };
        let roots: BTreeSet<_> = self.folders.iter().filter(has_photos).map(above).collect();
        let is_empty = |it: &Folder| it.files.is_empty() && it.title().is_none();
        self.folders.retain(|it| roots.contains(&above(it)) && (has_photos(&it) || !is_empty(it)));
    }

    /// The folders of the album with this title or path, and of the albums below it, each with the
    /// directory that corresponds to it.
    ///
    /// # Errors
    /// If there is no such album, or there are several.
    pub fn choose(&self, wanted: &str) -> Result<Vec<(PathBuf, usize)>, CommandError> {
        let all = || self.folders.iter().enumerate();
        let titled: Vec<_> = all().filter(|it| it.1.shown() == wanted).map(|it| it.0).collect();
        let of_path = || all().filter(|it| it.1.path == wanted).map(|it| it.0).collect();
        let found = if titled.is_empty() { of_path() } else { titled };
        let first = match found[..] {
            [] => return Err(self.unknown(wanted)),
            [one] => one,
            _ => return Err(self.ambiguous(wanted, &found)),
        };
        let mut chosen = vec![(PathBuf::new(), first)];
        let title = self.folders[first].shown();
        for (at, folder) in all() {
            let below = folder.title().and_then(|it| it.strip_prefix(title)?.strip_prefix('/'));
            if let Some(rest) = below.filter(|it| !it.is_empty()) {
                chosen.push((directory(rest), at));
            }
        }
        Ok(chosen)
    }

    fn unknown(&self, wanted: &str) -> CommandError {
        let titled = self.folders.iter().filter(|it| it.title().is_some());
        let titles: Vec<_> = titled.map(|it| format!("'{}'", it.shown())).collect();
        let error = CommandError::usage(format!("the export has no album '{wanted}'"));
        let some = titles.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
        error.hint(match titles.len() {
            0 => "no album's description is in these parts: name all parts of the export, or \
                  leave out --album to see its folders"
                .to_owned(),
            1..=NAMED_MAX => format!("it has {some}"),
            more => format!(
                "it has {some} and {} more; without --album, all are listed",
                more - NAMED_MAX
            ),
        })
    }

    fn ambiguous(&self, wanted: &str, found: &[usize]) -> CommandError {
        let each = found.iter().take(NAMED_MAX).map(|&at| {
            let folder = &self.folders[at];
            format!("'{}' ({})", folder.path, counted(folder.count().items, "item"))
        });
        let what = format!("the export has {} albums '{wanted}'", found.len());
        let each = each.collect::<Vec<_>>().join(" or ");
        CommandError::usage(what).hint(format!("say which by its folder: --album {each}"))
    }
}

/// The error for paths in which nothing describes a photo.
fn without_photos(paths: &[PathBuf], has_pictures: bool) -> CommandError {
    let all: Vec<_> = paths.iter().map(|it| it.display().to_string()).collect();
    let all = all.join(", ");
    if !has_pictures {
        let what = format!("no photos of Google Photos are in {all}");
        return CommandError::usage(what).hint(ALL_PARTS);
    }
    CommandError::usage(format!("photos are in {all}, but no descriptions of them (JSON files)"))
        .hint("name the other parts of the export, too: one of them has the descriptions")
}

/// Whether a file may be a photo or video, by its name.
fn is_picture(name: &str) -> bool {
    let extension = naming::split(name).1.trim_start_matches('.').to_ascii_lowercase();
    PICTURES.contains(&extension.as_str())
}

/// The directory of an album below another one, as a mount has it.
fn directory(title: &str) -> PathBuf {
    let parts = names::for_album(title, &AlbumId::new("album"));
    let first = parts.into_iter().filter_map(|it| it.into_iter().next());
    first.map(|it| PathBuf::from(it.to_text().into_owned())).collect()
}

/// Fails if some parts are bad, and names all of them.
fn check_all_good(mut bad: Vec<CommandError>) -> Result<(), CommandError> {
    let Some(last) = bad.pop() else { return Ok(()) };
    if bad.is_empty() {
        return Err(last);
    }
    bad.iter().chain([&last]).for_each(|it| it.say(false));
    let what = format!("{} parts of the export cannot be used", bad.len() + 1);
    Err(CommandError::usage(what).hint("mend all of them, then run this command again"))
}

/// Lists all parts. Those that cannot be listed are `bad`.
fn list(parts: &mut [Part], bad: &mut Vec<CommandError>) -> Vec<Folder> {
    let mut folders: HashMap<String, Folder> = HashMap::new();
    let mut left = FILES_MAX;
    for (part, it) in parts.iter_mut().enumerate() {
        let whose = it.path().to_owned();
        let listed = it.list(&mut |listed| {
            left = left.checked_sub(1).ok_or_else(|| too_many(&whose))?;
            let Some((path, name)) = split(listed.path) else { return Ok(()) };
            let place = Place { part, number: listed.number };
            let file = Member { name: name.into(), place, size: listed.size };
            let folder = match folders.get_mut(path.as_str()) {
                Some(folder) => folder,
                None => folders.entry(path.clone()).or_insert(Folder { path, ..Folder::default() }),
            };
            match is_document(Path::new(name)) {
                true => folder.papers.push(Paper { file, content: Content::Unread }),
                false => folder.files.push(file),
            }
            Ok(())
        });
        bad.extend(listed.err());
    }
    let mut folders: Vec<_> = folders.into_values().collect();
    folders.iter_mut().for_each(Folder::sort);
    folders.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    folders
}

fn too_many(path: &Path) -> CommandError {
    let what = format!("{} has more files than an export of photos", path.display());
    CommandError::new(what).hint(ALL_PARTS)
}

/// Splits a path into its last two folders, and the file's name. How much stands above them depends
/// on where a part was extracted.
fn split(path: &str) -> Option<(String, &str)> {
    if path.len() > PATH_BYTES_MAX {
        return None;
    }
    let mut backwards = path.rsplit('/').filter(|it| !it.is_empty() && *it != ".");
    let name = backwards.next()?;
    let folder = backwards.next()?;
    Some((backwards.next().map_or(folder.to_owned(), |above| format!("{above}/{folder}")), name))
}

/// Warnings about parts that seem to be missing, by the names of the zips. So many photos are `missing`
/// beside their descriptions.
pub fn oddities(paths: &[&Path], missing: usize) -> Vec<String> {
    let mut numbers: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
    for (first, _, number) in paths.iter().filter_map(|it| named(it)) {
        numbers.entry(first).or_default().insert(number);
    }
    let mut found = Vec::new();
    for (first, numbers) in &numbers {
        let last = numbers.last().copied().unwrap_or_default().min(9999);
        let missing: Vec<_> = (1..=last).filter(|it| !numbers.contains(it)).collect();
        if let Some(one) = missing.first() {
            found.push(format!(
                "{} missing, {}-{one:03}.zip for example; {OF_MISSING_PART}",
                match missing.len() {
                    1 => "a part of the export is".to_owned(),
                    more => format!("{more} parts of the export are"),
                },
                shown(first)
            ));
        }
    }
    if found.is_empty() && missing > 0 {
        let what = match missing {
            1 => "1 photo is not beside its description".to_owned(),
            more => format!("{more} photos are not beside their descriptions"),
        };
        found.push(format!("a part of the export seems to be missing: {what}; {OF_MISSING_PART}"));
    }
    found
}

/// Fails if the zips are of several exports. What was removed from an album before the latest one would
/// count as there.
fn check_one_export(parts: &[Part]) -> Result<(), CommandError> {
    let mut zips: BTreeMap<&str, Vec<&Path>> = BTreeMap::new();
    for path in parts.iter().map(Part::path) {
        if let Some((_, time, _)) = named(path) {
            zips.entry(time).or_default().push(path);
        }
    }
    if zips.len() < 2 {
        return Ok(());
    }
    let times: Vec<_> = zips.keys().map(|it| shown(it)).collect();
    let what = format!("the zips are of {} exports, made at {}", zips.len(), times.join(", "));
    let latest = zips.last_key_value().map(|it| &it.1[..]).unwrap_or_default();
    let some: Vec<_> = latest.iter().take(NAMED_MAX).map(|it| it.display().to_string()).collect();
    let error = CommandError::usage(what);
    Err(error.hint(format!("name the zips of one export only; the latest is {}", some.join(" "))))
}

#[cfg(test)]
mod tests;
