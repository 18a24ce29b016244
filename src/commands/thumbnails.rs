//! `gphotosfs thumbnails`: fills the desktop's cache of thumbnails with pictures that Google makes.
//! A file manager that opens the album then reads no photos.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use rayon::prelude::*;

use super::diff;
use crate::app::name::Name;
use crate::app::{CommandError, counted, picked, print, progress, running};
use crate::error_chain::without_number;
use crate::fs::VALUE_BYTES_MAX;
use crate::profile::Profile;
use crate::store::UploadState;
use crate::thumbnails::{Cache, Stamp};

/// How many pictures are requested at the same time.
const AT_A_TIME: usize = 8;

/// The outcomes of all files.
#[derive(Default)]
struct Tally {
    made: u64,
    there: u64,
    not_yet: u64,
    stays: u64,
    /// For each reason, the number of files and the name of one, because the reason is often the
    /// same.
    failed: BTreeMap<String, (u64, Name)>,
}

impl Tally {
    fn count(&mut self, name: &Path, outcome: io::Result<Outcome>) {
        match outcome {
            Ok(Outcome::Made) => self.made += 1,
            Ok(Outcome::There) => self.there += 1,
            Ok(Outcome::NotYet) => self.not_yet += 1,
            Ok(Outcome::Stays) => self.stays += 1,
            Err(err) => self.count_failed(name.into(), &err),
        }
    }

    fn count_failed(&mut self, name: Name, err: &io::Error) {
        let why = match running::meaning(err) {
            Some((words, _)) => words.to_owned(),
            None => without_number(&err.to_string()).to_owned(),
        };
        let (count, first) = self.failed.entry(why).or_insert((0, name.clone()));
        *count += 1;
        if name < *first {
            *first = name;
        }
    }

    fn why_failed(&self) -> String {
        let reasons = self.failed.iter().map(|(why, (count, first))| match count {
            1 => format!("{why} ({first})"),
            2 => format!("{why} ({first} and another)"),
            _ => format!("{why} ({first} and {} others)", count - 1),
        });
        reasons.collect::<Vec<_>>().join("; ")
    }
}

/// Makes the missing thumbnails below a directory.
///
/// # Errors
/// If the directory is not on a mount or the cache cannot be written.
pub fn run(dir: &Path, profile: &Profile) -> Result<(), CommandError> {
    let mount = diff::mount_of(dir, profile)?;
    let why = "a pick has no thumbnails at Google";
    picked::refuse(&mount, dir, why, "name the directory of an album")?;
    let root = dir.canonicalize().map_err(|err| running::cannot_use(dir, err))?;
    let cache = Cache::of_user()
        .and_then(|cache| cache.make().map(|()| cache))
        .map_err(|err| CommandError::new("cannot use the desktop's thumbnails").because(err))?;
    let names = diff::names(&root)?;
    let bar = progress::bar(names.len(), "thumbnails");
    let threads = rayon::ThreadPoolBuilder::new().num_threads(AT_A_TIME).build();
    let threads = threads.map_err(|err| CommandError::new("cannot start threads").because(err))?;
    let tally = Mutex::new(Tally::default());
    let make = |name: &PathBuf| {
        let outcome = complete(&cache, &root.join(name));
        tally.lock().count(name, outcome);
        bar.inc(1);
    };
    threads.install(|| names.par_iter().for_each(make));
    bar.finish_and_clear();
    let tally = tally.into_inner();
    let Tally { made, there, not_yet, stays, failed } = &tally;
    let failed: u64 = failed.values().map(|(count, _)| count).sum();
    print(format!(
        "{} = {} made + {there} there already + {not_yet} not at Google yet + {stays} only on this machine \
         + {failed} failed\n",
        counted(names.len(), "file"),
        counted(*made, "thumbnail")
    ))?;
    match failed {
        0 => Ok(()),
        _ => Err(CommandError::new("not all thumbnails could be made")
            .because(tally.why_failed())
            .hint("run this again later; the mount's log has the causes")),
    }
}

enum Outcome {
    Made,
    There,
    /// The file is not at Google yet, so file managers read the local copy.
    NotYet,
    /// A temporary or empty file, a sidecar or the like, which is not on its way to Google.
    Stays,
}

/// Makes a file's thumbnails if they are missing or outdated.
fn complete(cache: &Cache, path: &Path) -> io::Result<Outcome> {
    let meta = path.metadata()?;
    let mtime_ns = meta.mtime().saturating_mul(1_000_000_000).saturating_add(meta.mtime_nsec());
    let stamp = Stamp::new(path, mtime_ns);
    if cache.has(&stamp) {
        return Ok(Outcome::There);
    }
    // The buffer has room for any value: asking for the size first would download it twice.
    let mut picture = vec![0; VALUE_BYTES_MAX];
    match rustix::fs::getxattr(path, "user.gphotos.thumbnail", &mut picture) {
        Ok(len) => picture.truncate(len),
        Err(rustix::io::Errno::NODATA) => {
            let state = diff::text(path, "state")?;
            let stays = state.as_deref() == Some(UploadState::Temporary.as_str());
            return Ok(if stays { Outcome::Stays } else { Outcome::NotYet });
        }
        Err(errno) => return Err(errno.into()),
    }
    cache.save(&stamp, &picture)?;
    Ok(Outcome::Made)
}
