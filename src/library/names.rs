//! Makes names of directory entries from Google's titles and file names. Pure.
//!
//! The result depends only on the item itself, never on the order of a listing.

use crate::media::{AlbumId, EntryName, MediaId};

/// The control directory at the mount's root. No album may have this name.
pub const CONTROL_DIR: &str = ".gphotos";

/// Whether this is the name of a trash directory at the root of a filesystem, by freedesktop.org's
/// Trash specification.
pub fn is_trash(name: &EntryName) -> bool {
    let uid = match name.as_bytes().strip_prefix(b".Trash") {
        None => return false,
        Some(b"") => return true,
        Some(rest) => rest.strip_prefix(b"-"),
    };
    uid.is_some_and(|uid| !uid.is_empty() && uid.iter().all(u8::is_ascii_digit))
}

/// The most directories that a title stands for.
const COMPONENTS_MAX: usize = 64;

/// How many characters of an id are appended to a name that is taken.
const ID_SUFFIX_CHARS: usize = 8;

/// The names that an item may get, best first: its own, then with a part of its id, then with all.
pub fn for_item(filename: &str, mime: &str, id: &MediaId) -> Vec<EntryName> {
    let last = filename.rsplit('/').next().unwrap_or_default();
    let clean = clean(last);
    let (stem, extension) = if is_reserved(&clean) {
        (clean_id(id.as_str()), extension_for(mime).to_owned())
    } else {
        let (stem, extension) = split_extension(&clean);
        (stem.to_owned(), extension.to_owned())
    };
    let id = clean_id(id.as_str());
    distinct(&stem, &extension, &id)
}

/// The names for each component of an album's title. The last component has alternatives. Each
/// component becomes a directory, so a title with too many of them keeps its rest in the last one.
pub fn for_album(title: &str, id: &AlbumId) -> Vec<Vec<EntryName>> {
    let id = clean_id(id.as_str());
    let mut components: Vec<String> = title.splitn(COMPONENTS_MAX, '/').map(clean).collect();
    if components.first().is_some_and(|first| first == CONTROL_DIR) {
        components[0] = format!("_{CONTROL_DIR}");
    }
    let last = components.len() - 1;
    components
        .iter()
        .enumerate()
        .map(|(at, component)| {
            let stem = match component.as_str() {
                "" if title.is_empty() => format!("untitled {}", suffix(&id)),
                reserved if is_reserved(reserved) => "_".to_owned(),
                name => name.to_owned(),
            };
            let mut names = distinct(&stem, "", &id);
            if at != last {
                names.truncate(1);
            }
            names
        })
        .collect()
}

fn distinct(stem: &str, extension: &str, id: &str) -> Vec<EntryName> {
    let suffixes = ["".to_owned(), format!(" {}", suffix(id)), format!(" {id}")];
    suffixes.iter().filter_map(|suffix| fit(stem, suffix, extension)).collect()
}

/// Joins the parts, and truncates the stem so that the name fits.
fn fit(stem: &str, suffix: &str, extension: &str) -> Option<EntryName> {
    let room = EntryName::MAX_BYTES.checked_sub(suffix.len() + extension.len())?;
    let mut end = room.min(stem.len());
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    EntryName::new(format!("{}{suffix}{extension}", &stem[..end])).ok()
}

/// Replaces characters that names cannot contain, or that would confuse a terminal.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || c == '/' { '_' } else { c }).collect()
}

/// Keeps only the characters of an id, because it comes from the network.
fn clean_id(id: &str) -> String {
    let clean: String = id
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        .take(128)
        .collect();
    if clean.is_empty() { "item".to_owned() } else { clean }
}

fn suffix(id: &str) -> &str {
    &id[id.len().saturating_sub(ID_SUFFIX_CHARS)..]
}

fn is_reserved(name: &str) -> bool {
    matches!(name, "" | "." | "..")
}

/// Splits off an extension with its dot, if it is short enough.
fn split_extension(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(at) if at > 0 && name.len() - at <= 16 => name.split_at(at),
        _ => (name, ""),
    }
}

fn extension_for(mime: &str) -> &'static str {
    match mime {
        "image/jpeg" => ".jpg",
        "image/png" => ".png",
        "image/gif" => ".gif",
        "image/webp" => ".webp",
        "image/heic" | "image/heif" => ".heic",
        "image/avif" => ".avif",
        "image/bmp" => ".bmp",
        "image/tiff" => ".tif",
        "video/mp4" => ".mp4",
        "video/quicktime" => ".mov",
        "video/x-matroska" => ".mkv",
        "video/3gpp" => ".3gp",
        "video/x-msvideo" => ".avi",
        "video/x-ms-wmv" => ".wmv",
        "video/mpeg" => ".mpg",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn first(filename: &str) -> String {
        for_item(filename, "image/jpeg", &MediaId::new("ABdUxB-id_0123456789"))[0].to_string()
    }

    #[test]
    fn item_names_are_made_safe() {
        for (filename, wanted) in [
            ("IMG_1.JPG", "IMG_1.JPG"),
            ("20190428/img_0699.jpg", "img_0699.jpg"),
            ("a\nb\u{7f}.jpg", "a_b_.jpg"),
            ("", "ABdUxB-id_0123456789.jpg"),
            (".", "ABdUxB-id_0123456789.jpg"),
            ("dir/..", "ABdUxB-id_0123456789.jpg"),
            ("dir/", "ABdUxB-id_0123456789.jpg"),
            ("Crème 🏖.jpeg", "Crème 🏖.jpeg"),
            (".hidden", ".hidden"),
        ] {
            assert_eq!(first(filename), wanted, "{filename:?}");
        }
    }

    #[test]
    fn long_names_keep_their_extension_and_whole_characters() {
        let name = first(&format!("{}.jpeg", "ä".repeat(300)));
        assert!(name.len() <= 255 && name.ends_with("ä.jpeg"), "{name}");
    }

    #[test]
    fn a_taken_name_gets_the_id_as_suffix() {
        let names = for_item("x.jpg", "", &MediaId::new("ABdUxB-id_0123456789"));
        let names: Vec<_> = names.iter().map(EntryName::to_string).collect();
        assert_eq!(names, ["x.jpg", "x 23456789.jpg", "x ABdUxB-id_0123456789.jpg"]);
    }

    #[test]
    fn titles_become_paths() {
        let path = |title: &str| -> Vec<String> {
            for_album(title, &AlbumId::new("0123456789"))
                .iter()
                .map(|names| names[0].to_string())
                .collect()
        };
        assert_eq!(path("Trip"), ["Trip"]);
        assert_eq!(path("2019/Trip"), ["2019", "Trip"]);
        assert_eq!(path("/x//y/"), ["_", "x", "_", "y", "_"]);
        assert_eq!(path("../etc"), ["_", "etc"]);
        assert_eq!(path(""), ["untitled 23456789"]);
        assert_eq!(path(".gphotos/failed"), ["_.gphotos", "failed"]);
    }

    #[test]
    fn a_title_stands_for_few_directories() {
        let path = for_album(&"a/".repeat(100_000), &AlbumId::new("0123456789"));
        assert_eq!(path.len(), COMPONENTS_MAX);
        let last = path.last().unwrap()[0].to_string();
        assert!(last.starts_with("a_a_a_") && last.len() == EntryName::MAX_BYTES, "{last}");
    }

    proptest! {
        #[test]
        fn names_stay_in_their_directory(
            text in "(\\PC|[\\x00-\\x1f./]|\\.\\./|\u{1f3d6}){0,400}",
            mime in "image/(jpeg|png)|",
            // For an id that is no longer than the suffix, both alternatives are equal.
            id in "[A-Za-z0-9_-]{9,200}",
        ) {
            let mut all = for_album(&text, &AlbumId::new(id.clone()));
            all.push(for_item(&text, &mime, &MediaId::new(id)));
            for names in all {
                for name in &names {
                    let bytes = name.as_bytes();
                    prop_assert!((1..=EntryName::MAX_BYTES).contains(&bytes.len()));
                    prop_assert!(bytes != b"." && bytes != b"..");
                    prop_assert!(!bytes.iter().any(|byte| *byte == b'/' || *byte < 0x20));
                    prop_assert!(std::str::from_utf8(bytes).is_ok());
                }
                // All differ, so a name that is taken has an alternative.
                let different: std::collections::HashSet<_> = names.iter().collect();
                prop_assert_eq!(different.len(), names.len());
            }
        }

        #[test]
        fn entry_names_are_those_that_a_directory_can_hold(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let fits = (1..=255).contains(&bytes.len())
                && bytes != b"." && bytes != b".." && !bytes.contains(&b'/') && !bytes.contains(&0);
            prop_assert_eq!(EntryName::new(bytes).is_ok(), fits);
        }

        #[test]
        fn any_input_has_names(filename in ".*", mime in ".*", id in ".*") {
            let names = for_item(&filename, &mime, &MediaId::new(id.clone()));
            prop_assert!(!names.is_empty());
            for names in for_album(&filename, &AlbumId::new(id)) {
                prop_assert!(!names.is_empty());
            }
        }
    }
}
