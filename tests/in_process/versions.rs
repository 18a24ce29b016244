//! The program starts with the profile of each version, and finds all names and bytes in it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use gphotosfs::media::DirId;
use gphotosfs::profile::Profile;
use gphotosfs::store::{Child, SCHEMA_VERSION, Store};

use crate::support::core::Core;
use crate::support::files::copy_tree;

/// Nobody listens there, as the client file of the frozen profiles says, too.
const NOWHERE: &str = "http://127.0.0.1:9";

/// Paths of all names, with the numbers of their files; the picked and the refused ones without.
fn names(store: &Store) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut dirs = vec![(DirId::ROOT, String::new())];
    while let Some((dir, path)) = dirs.pop() {
        for entry in store.entries(dir, 0, 1000).unwrap() {
            let path = format!("{path}/{}", entry.name);
            match entry.child {
                Child::Dir(dir) => dirs.push((dir, path)),
                Child::File(file) => drop(found.insert(format!("{path} {}", file.0))),
            }
        }
    }
    for pick in store.picks(0, 1000).unwrap() {
        for entry in store.pick_entries(pick.id, 0, 1000).unwrap() {
            found.insert(format!("picked/{}/{}", pick.name, entry.name));
        }
    }
    let failed = store.failed_names().unwrap();
    found.extend(failed.iter().map(|it| format!("failed/{}/{}", it.dir_path, it.name)));
    found
}

/// The bytes of all files in the spool.
fn spooled(dir: &Path) -> BTreeSet<Vec<u8>> {
    let files = walkdir::WalkDir::new(dir.join("spool")).into_iter().map(Result::unwrap);
    files.filter(|it| it.file_type().is_file()).map(|it| fs::read(it.path()).unwrap()).collect()
}

#[test]
fn each_version_starts_with_all_names_and_bytes() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/versions");
    for version in 1..=SCHEMA_VERSION {
        let dir = tempfile::tempdir().unwrap();
        copy_tree(&root.join(version.to_string()), dir.path());
        let state = dir.path().join("state");
        let bytes = spooled(&state);
        assert!(bytes.len() > 10, "{version}");
        let mut before = names(&Store::open(&state).unwrap());
        let core = Core::start(&Profile::under(dir.path()), NOWHERE, &[]).unwrap();
        let after = names(&core.store);
        // Nobody had closed it.
        let count = before.len();
        before.retain(|it| !it.starts_with("/Trip/open.jpg "));
        let open = count - before.len();
        assert_eq!(open, 1);
        before.insert("failed/Trip/open.jpg".into());
        assert_eq!(after, before, "{version}");
        core.stop();
        assert_eq!(spooled(&state), bytes, "{version}");
        assert_eq!(names(&Store::open(&state).unwrap()), after, "{version}");
    }
}
