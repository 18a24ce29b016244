//! The tables, each with one module that writes it. An operation composes their functions in one
//! transaction.

pub(super) mod albums;
pub(super) mod dirs;
pub(super) mod entries;
pub(super) mod failed;
pub(super) mod files;
pub(super) mod members;
pub(super) mod meta;
pub(super) mod picks;
pub(super) mod tombstones;
pub(super) mod uploads;
pub(super) mod views;

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::{Path, PathBuf};

    const TABLES: [&str; 17] = [
        "albums",
        "former_titles",
        "dirs",
        "entries",
        "failed",
        "files",
        "members",
        "meta",
        "tombstones",
        "album_tombstones",
        "uploads",
        "views",
        "view_entries",
        "view_arrivals",
        "picks",
        "picker_sessions",
        "pick_entries",
    ];

    fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|it| it == "rs") && !path.ends_with("tests.rs") {
                found.push(path);
            }
        }
    }

    #[test]
    fn one_file_writes_each_table() {
        let mut files = Vec::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
        let mut writers: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for path in files {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            let words: Vec<&str> = code
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .filter(|word| !word.is_empty())
                .collect();
            for table in TABLES {
                let writes = words.windows(4).any(|it| match *it {
                    ["INSERT", "INTO", name, _] | ["INSERT", "OR", _, name] => {
                        name == table || name == "INTO" && code.contains(&format!("INTO {table} "))
                    }
                    ["UPDATE", name, "SET", _] | ["DELETE", "FROM", name, _] => name == table,
                    ["UPDATE", "OR", _, name] => name == table,
                    _ => false,
                });
                if writes {
                    let file = path.file_name().unwrap().to_str().unwrap().to_owned();
                    writers.entry(table).or_default().insert(file);
                }
            }
        }
        for table in TABLES {
            let files = writers.get(table);
            assert_eq!(files.map_or(0, BTreeSet::len), 1, "{table} is written by {files:?}");
        }
    }
}
