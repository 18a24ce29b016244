//! Holds the direction of imports: between modules the map in ARCHITECTURE.md as a table, between files
//! that there is no circle.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::imports::{circles, code, collect, graph, graph_of, shortest};

/// What each top-level module may name of ours. Nothing is said about a module naming itself.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("main", &[]),
    ("lib", &[]),
    ("cli", &["commands", "app", "media", "printable", "settings", "profile"]),
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
            "formats",
            "media",
            "printable",
            "profile",
            "settings",
            "shrink",
            "status",
            "thumbnails",
        ],
    ),
    (
        "app",
        &[
            "upload",
            "content",
            "api",
            "store",
            "error_chain",
            "media",
            "printable",
            "profile",
            "settings",
            "status",
        ],
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
            "printable",
            "profile",
            "settings",
            "status",
            "thumbnails",
        ],
    ),
    ("library", &["api", "store", "error_chain", "media", "profile"]),
    ("upload", &["api", "store", "crash", "error_chain", "formats", "media", "profile", "shrink"]),
    ("content", &["api", "store", "error_chain", "formats", "media", "profile"]),
    ("api", &["error_chain", "media", "printable", "profile"]),
    ("store", &["crash", "media", "profile"]),
    ("crash", &[]),
    ("error_chain", &[]),
    ("formats", &[]),
    ("media", &[]),
    ("printable", &[]),
    ("profile", &["crash"]),
    ("settings", &["media"]),
    ("shrink", &["formats", "media"]),
    ("status", &["media", "settings"]),
    ("thumbnails", &[]),
];

/// Which modules may name a library that belongs to one layer.
const BELONGS_TO: &[(&str, &[&str])] = &[
    ("fuser", &["fuse"]),
    ("rusqlite", &["store"]),
    ("reqwest", &["api"]),
    ("oauth2", &["api"]),
    ("zbus", &["app"]),
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
fn files_do_not_import_in_a_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = vec![root.join("src")];
    for member in fs::read_dir(root.join("crates")).unwrap() {
        sources.push(member.unwrap().path().join("src"));
    }
    let mut wrong = Vec::new();
    for src in sources {
        let graph = graph(&src);
        for group in circles(&graph) {
            let way = shortest(&graph, &group);
            wrong.push(format!("in {}: {way}\n    all of them: {group:?}", src.display()));
        }
    }
    assert!(wrong.is_empty(), "files import each other in a circle:\n{}", wrong.join("\n"));
}

#[test]
fn circles_are_found_through_every_form_of_import() {
    let circle = |files: &[(&str, &str)]| {
        let files = [("lib.rs", "")].iter().chain(files);
        let files = files.map(|it| (it.0.to_owned(), code(it.1)));
        let graph = graph_of(files);
        circles(&graph).iter().map(|it| shortest(&graph, it)).collect::<Vec<_>>()
    };
    let none: Vec<String> = Vec::new();
    // A module that passes names on is no part of a circle, a module that uses them is.
    let a = ("a.rs", "mod b;\nmod c;\npub use b::B;\npub use c::C;");
    let c = ("a/c.rs", "use super::B;\npub struct C(B);");
    assert_eq!(circle(&[a, ("a/b.rs", "pub struct B;"), c]), none);
    assert_eq!(
        circle(&[a, ("a/b.rs", "pub struct B(crate::a::C);"), c]),
        ["a/b.rs → a/c.rs → a/b.rs"]
    );
    let a = ("a.rs", "mod b;\npub use b::B;\npub struct A(B);");
    assert_eq!(circle(&[a, ("a/b.rs", "pub struct B;\n// super::A")]), none);
    assert_eq!(circle(&[a, ("a/b.rs", "use super::A;")]), ["a.rs → a/b.rs → a.rs"]);
    let a = ("a.rs", "use crate::{b::{self, c::C}, d as e};\nfn a() { b::f(); e::g() }");
    let b = ("b.rs", "pub mod c;\npub fn f() {}");
    assert_eq!(circle(&[a, b, ("b/c.rs", "use super::*;"), ("d.rs", "fn g() {}")]), none);
    let d = ("d.rs", "pub fn g() { crate::a::a() }");
    assert_eq!(circle(&[a, b, ("b/c.rs", ""), d]), ["a.rs → d.rs → a.rs"]);
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
