//! Which files of a folder belong together, by their names. Pure.
//!
//! The document of `IMG_1.jpg` is `IMG_1.jpg.supplemental-metadata.json`, in older exports
//! `IMG_1.jpg.json`. Both names are truncated, each at a length of its own. The second file of a
//! name has a number, which moves: `IMG_1(1).jpg` and `IMG_1.jpg.supplemental-metadata(1).json`.

use std::collections::{BTreeMap, HashMap};

/// What stands between a file's name and `.json`.
const MIDDLE: &str = ".supplemental-metadata";

/// A document's name of fewer bytes, without number and extension, is not truncated.
const TRUNCATED_MIN: usize = 40;

/// So many files of a folder are looked at for each document, so that names made to be alike do
/// not take quadratic time.
const CANDIDATES_MAX: usize = 64;

/// So many dots of a document's name are looked at. Middle parts in other languages have one.
const DOTS_MAX: usize = 4;

/// The last rank of a candidate.
const RANK_BY_TITLE: usize = 5;

/// The extensions of the video in a motion photo, and of that beside a live photo.
const SHORT_VIDEOS: [&str; 4] = ["mp4", "mov", "mp", "m4v"];

/// A document: its name without `.json`, and the title in it, if it has been read.
#[derive(Clone, Copy, Debug)]
pub struct Document<'a> {
    /// The name.
    pub stem: &'a str,
    /// The full name of the file that it describes.
    pub title: Option<&'a str>,
}

/// A copy that Google has made beside a photo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beside {
    /// The photo, by its number among the files, and then among the described ones.
    pub of: usize,
    /// The part of the name behind the photo's stem: `-edited.jpg`, `.MP4`.
    pub suffix: String,
}

impl Beside {
    /// Whether a user's own file may have such a name. The video in a motion photo as Google calls it,
    /// `PXL_1.MP`, is always a copy.
    pub fn may_be_an_item(&self) -> bool {
        let extension = split(&self.suffix).1;
        let name = if extension.is_empty() { &self.suffix } else { extension };
        name.trim_start_matches('.').split('~').next() != Some("MP")
    }
}

/// Splits a name as `IMG_1(2).jpg` into `IMG_1.jpg` and 2. A name without a number has 0.
fn numbered(name: &str) -> (String, u32) {
    let (stem, extension) = split(name);
    let number = stem.strip_suffix(')').and_then(|it| {
        let (plain, number) = it.rsplit_once('(')?;
        let number = number.parse().ok().filter(|&it: &u32| it > 0)?;
        (!plain.is_empty()).then(|| (format!("{plain}{extension}"), number))
    });
    number.unwrap_or_else(|| (name.to_owned(), 0))
}

/// Splits a name before its last dot.
pub fn split(name: &str) -> (&str, &str) {
    name.split_at(name.rfind('.').filter(|&at| at > 0).unwrap_or(name.len()))
}

/// The number behind a document's name, and the rest of it.
pub fn number_behind(stem: &str) -> (&str, u32) {
    let found = stem.strip_suffix(')').and_then(|it| it.rsplit_once('('));
    let found = found.and_then(|(plain, number)| Some((plain, number.parse().ok()?)));
    found.unwrap_or((stem, 0))
}

/// The number behind a document's name, and the name of the file that it describes, without a
/// number. That of a document with a truncated name is truncated, too.
pub fn described(stem: &str) -> (&str, u32) {
    let (base, number) = number_behind(stem);
    let (plain, middle) = split(base);
    (if MIDDLE.starts_with(middle) { plain } else { base }, number)
}

/// Puts a number where Google puts that of a second file of one name.
pub fn with_number(name: &str, number: u32) -> String {
    let (stem, extension) = split(name);
    if number > 0 { format!("{stem}({number}){extension}") } else { name.to_owned() }
}

/// Whether a title may be that of a file of this name, which has no number.
fn is_title_of(title: &str, plain: &str) -> bool {
    // Google replaces characters that systems do not allow in names.
    let same = |a: char, b: char| a == b || (b == '_' && !a.is_alphanumeric());
    let begins = |title: &str, name: &str| {
        let mut title = title.chars();
        name.chars().all(|b| title.next().is_some_and(|a| same(a, b)))
    };
    let is = |title: &str, name: &str| {
        begins(title, name) && title.chars().count() == name.chars().count()
    };
    let ((stem, extension), (title_stem, title_extension)) = (split(plain), split(title));
    let is_truncated = stem.len() >= TRUNCATED_MIN
        && extension.eq_ignore_ascii_case(title_extension)
        && begins(title_stem, stem);
    is(title, plain) || is(title, stem) || is_truncated
}

/// The files of a folder, to find by the names of their documents.
struct Index<'a> {
    files: &'a [&'a str],
    /// Without their numbers.
    plain: Vec<String>,
    /// By the full name that the document would have.
    expected: BTreeMap<String, Vec<Expected>>,
    /// By the name without a number, with the number.
    by_plain: HashMap<String, Vec<(usize, u32)>>,
}

/// A file that expects a document.
struct Expected {
    file: usize,
    /// The number behind the document's name.
    number: u32,
    /// The name lacks the extension, as titles may. Only a title proves that it is meant.
    is_stem: bool,
}

impl<'a> Index<'a> {
    fn of(files: &'a [&'a str]) -> Self {
        let (mut plain_names, mut expected) = (Vec::new(), BTreeMap::<_, Vec<_>>::new());
        let mut by_plain = HashMap::<_, Vec<_>>::new();
        for (at, name) in files.iter().enumerate() {
            let (plain, number) = numbered(name);
            let mut add = |name: &str, number, is_stem| {
                let document = Expected { file: at, number, is_stem };
                expected.entry(format!("{name}{MIDDLE}")).or_default().push(document);
            };
            add(&plain, number, false);
            if number > 0 {
                // The user may have put the number there.
                add(name, 0, false);
            }
            add(split(&plain).0, number, true);
            by_plain.entry(plain.clone()).or_default().push((at, number));
            plain_names.push(plain);
        }
        Self { files, plain: plain_names, expected, by_plain }
    }

    /// The files that a document may belong to whose name has another middle part, such as one in
    /// the user's language. Only the title proves that.
    fn by_title(&self, document: Document<'_>) -> Vec<usize> {
        let (base, number) = number_behind(document.stem);
        let Some(title) = document.title else { return Vec::new() };
        let dots = base.rmatch_indices('.').take(DOTS_MAX);
        let plain = dots.map(|(dot, _)| &base[..dot]).filter(|it| is_title_of(title, it));
        let files = plain.filter_map(|it| self.by_plain.get(it)).flatten();
        files.filter(|it| it.1 == number).map(|it| it.0).take(CANDIDATES_MAX).collect()
    }

    /// The files that a document may belong to, with the rank of each: 0 is the best.
    fn candidates(&self, document: Document<'_>) -> Vec<(usize, usize)> {
        let (base, number) = number_behind(document.stem);
        let longer = self.expected.range(base.to_owned()..);
        let longer = longer
            .take_while(|it| it.0.starts_with(base))
            .flat_map(|(expected, all)| all.iter().map(move |it| (expected, it)));
        let found = longer.take(CANDIDATES_MAX).filter_map(|(expected, it)| {
            let at = it.file;
            let is_whole = base.len() + MIDDLE.len() >= expected.len();
            let same_number = number == it.number;
            let titled = document
                .title
                .map(|it| is_title_of(it, &self.plain[at]) || is_title_of(it, self.files[at]));
            if it.is_stem && titled != Some(true) {
                return None;
            }
            let rank = match (is_whole, same_number, titled) {
                (true, true, Some(true)) => 0,
                (_, true, Some(true)) if base.len() >= TRUNCATED_MIN => 1,
                (true, true, _) => 2,
                (_, false, Some(true)) if base.len() >= TRUNCATED_MIN => 3,
                (_, true, None) if base.len() >= TRUNCATED_MIN => 4,
                _ => return None,
            };
            Some((rank, at))
        });
        let by_title = self.by_title(document).into_iter().map(|at| (RANK_BY_TITLE, at));
        found.chain(by_title).collect()
    }
}

/// Finds the file of each document, by its number among the files.
pub fn pairs(files: &[&str], documents: &[Document<'_>]) -> Vec<Option<usize>> {
    let index = Index::of(files);
    let mut found: Vec<_> = Vec::new();
    for (document, it) in documents.iter().enumerate() {
        let candidates = index.candidates(*it).into_iter();
        found.extend(candidates.map(|(rank, file)| (rank, document, file)));
    }
    found.sort_unstable();
    let mut of_documents = vec![None; documents.len()];
    let mut is_taken = vec![false; files.len()];
    for (_, document, file) in found {
        if of_documents[document].is_none() && !is_taken[file] {
            of_documents[document] = Some(file);
            is_taken[file] = true;
        }
    }
    of_documents
}

/// Finds the copies among the files without a document: the edited version of a photo, whose name
/// ends with a word of the user's language, and the video of a motion photo. `described` are the
/// names of missing files that have a document.
pub fn besides(files: &[&str], has_document: &[bool], described: &[&str]) -> Vec<Option<Beside>> {
    let names: Vec<_> = files.iter().chain(described).map(|it| numbered(it)).collect();
    let has_document: Vec<_> =
        has_document.iter().copied().chain(described.iter().map(|_| true)).collect();
    let is_video = |at: usize| {
        let extension = split(&names[at].0).1.trim_start_matches('.').to_lowercase();
        SHORT_VIDEOS.contains(&extension.split('~').next().unwrap_or_default())
    };
    let mut photos: HashMap<(&str, u32), usize> = HashMap::new();
    for (at, (name, number)) in names.iter().enumerate() {
        if has_document[at] || !is_video(at) {
            let photo = photos.entry((split(name).0, *number)).or_insert(at);
            if has_document[at] && !has_document[*photo] {
                *photo = at;
            }
        }
    }
    let beside = |at: usize| {
        if has_document[at] {
            return None;
        }
        let (name, number) = &names[at];
        let stem = split(name).0;
        let photo_of = |stem: &str| {
            let photo = photos.get(&(stem, *number)).copied().filter(|&it| it != at);
            Some(Beside { of: photo?, suffix: name[stem.len()..].to_owned() })
        };
        if is_video(at) {
            // Also `PXL_1.MP` and `PXL_1.MP~2` beside `PXL_1.MP.jpg`.
            let first = name.split('~').next().unwrap_or_default();
            let of_motion = photo_of(stem).or_else(|| photo_of(first));
            if of_motion.is_some() {
                return of_motion;
            }
        }
        let (photo, word) = stem.rsplit_once('-')?;
        let is_word = !word.is_empty() && !word.chars().any(|it| it.is_ascii_digit());
        if is_word { photo_of(photo) } else { None }
    };
    (0..files.len()).map(beside).collect()
}

#[cfg(test)]
mod tests;
