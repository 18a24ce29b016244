//! Holds the direction of imports: the map in ARCHITECTURE.md as a table.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What each top-level module may name of ours. Nothing is said about a module naming itself.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("main", &[]),
    ("lib", &[]),
    ("cli", &["commands", "app", "settings", "profile"]),
    (
        "commands",
        &[
            "app",
            "fuse",
            "fs",
            "library",
            "upload",
            "content",
            "api",
            "store",
            "error_chain",
            "media",
            "profile",
            "settings",
            "status",
        ],
    ),
    (
        "app",
        &["fs", "upload", "content", "api", "store", "error_chain", "media", "profile", "settings"],
    ),
    ("fuse", &["fs", "store", "media", "profile"]),
    (
        "fs",
        &[
            "library",
            "upload",
            "content",
            "api",
            "store",
            "error_chain",
            "media",
            "profile",
            "settings",
            "status",
        ],
    ),
    ("library", &["api", "store", "media", "profile"]),
    ("upload", &["api", "store", "error_chain", "media", "profile"]),
    ("content", &["api", "store", "media", "profile"]),
    ("api", &["error_chain", "media", "profile"]),
    ("store", &["media", "profile"]),
    ("error_chain", &[]),
    ("media", &[]),
    ("profile", &[]),
    ("settings", &[]),
    ("status", &["media", "settings"]),
];

/// Which modules may name a library that belongs to one layer.
const BELONGS_TO: &[(&str, &[&str])] = &[
    ("fuser", &["fuse"]),
    ("rusqlite", &["store"]),
    ("reqwest", &["api"]),
    ("oauth2", &["api"]),
    ("axum", &["commands"]), // login listens for one redirect
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
];

#[test]
fn modules_import_downwards_only() {
    let mut wrong = Vec::new();
    for (file, module, text) in sources() {
        let allowed = MAY_IMPORT.iter().find(|it| it.0 == module);
        let allowed =
            allowed.unwrap_or_else(|| panic!("{file}: give module {module} a row in the table")).1;
        for import in our_imports(&text) {
            let fine = import == module
                || allowed.contains(&import.as_str())
                // An item of lib.rs itself would have no layer.
                || !MAY_IMPORT.iter().any(|it| it.0 == import);
            if !fine {
                wrong.push(format!("{file} imports crate::{import}"));
            }
        }
    }
    assert!(wrong.is_empty(), "against the direction of imports:\n{}", wrong.join("\n"));
}

#[test]
fn libraries_stay_in_their_layer() {
    let mut wrong = Vec::new();
    for (file, module, text) in sources() {
        for (library, owners) in BELONGS_TO {
            if names(&text, library) && !owners.contains(&module.as_str()) {
                wrong.push(format!("{file} names {library}, which belongs to {owners:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_row_of_the_table_is_a_module() {
    let modules: BTreeSet<_> = sources().into_iter().map(|it| it.1).collect();
    let rows: BTreeSet<_> = MAY_IMPORT.iter().map(|it| it.0.to_owned()).collect();
    assert_eq!(modules, rows);
}

#[test]
fn imports_are_found_in_every_form() {
    let text = "use crate::api::Client;\n\
        use crate::{\n    fs::{Fs, self},\n    media::AlbumId,\n};\n\
        fn f() -> crate::store::Store {}\n// use crate::upload;\n";
    let found: Vec<_> = our_imports(&code(text)).into_iter().collect();
    assert_eq!(found, ["api", "fs", "media", "store"]);
    assert!(names("let x = fuser::mount();", "fuser"));
    assert!(names("use fuser;", "fuser"));
    assert!(!names("let fuser_like = my_fuser::x;", "fuser"));
}

/// Every source file: path below `src`, top-level module, and its code without tests.
fn sources() -> Vec<(String, String, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&src, &mut files);
    assert!(files.len() > 10, "too few sources below {}", src.display());
    files
        .into_iter()
        .map(|path| {
            let file = path.strip_prefix(&src).unwrap().to_str().unwrap().to_owned();
            let module = file.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
            (file, module, code(&fs::read_to_string(&path).unwrap()))
        })
        .collect()
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|it| it == "rs") && !path.ends_with("tests.rs") {
            files.push(path);
        }
    }
}

/// Leaves out comments, and the unit tests that close a file: they may use what they like.
fn code(text: &str) -> String {
    let before_tests = text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text);
    let lines = before_tests.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.map(|line| format!("{line}\n")).collect()
}

/// The first path component after each `crate::`, also of a braced list.
fn our_imports(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, prefix) in code.match_indices("crate::") {
        let rest = &code[at + prefix.len()..];
        let Some(list) = rest.strip_prefix('{') else {
            found.insert(word(rest));
            continue;
        };
        let mut depth = 0;
        let mut item_begins = true;
        for (i, c) in list.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => item_begins = true,
                c if item_begins && c.is_alphabetic() => {
                    found.insert(word(&list[i..]));
                    item_begins = false;
                }
                _ => {}
            }
        }
    }
    found
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// Whether the code has the crate's name at the head of a path.
fn names(code: &str, library: &str) -> bool {
    code.match_indices(library).any(|(at, _)| {
        let inside = |c: char| c.is_alphanumeric() || c == '_';
        let starts = !code[..at].ends_with(|c| inside(c) || c == ':');
        let rest = &code[at + library.len()..];
        starts
            && (rest.starts_with("::") || code[..at].ends_with("use ") && !rest.starts_with(inside))
    })
}
