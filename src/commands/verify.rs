//! `gphotosfs verify`: reads items back from Google and compares them with the originals, to answer
//! "is this a backup?".

mod report;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use parking_lot::{Condvar, Mutex};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use self::report::{Report, Tested};
use self::verdict::{Verdict, classify};
use super::diff;
use super::diff::{Comparison, Remark};
use crate::app::name::Name;
use crate::app::running::{self, Mount};
use crate::app::{CommandError, Exit, local_file, picked, print_coloured, progress, tell};
use crate::content::{Copies, Fingerprint};
use crate::error_chain::without_number;
use crate::media::{ContentHash, Quality, Saver, VideoQuality};
use crate::profile::Profile;
use crate::shrink::Plan;

/// The arguments.
#[derive(Debug)]
pub struct Options {
    /// The album's directory on a mount.
    pub album: PathBuf,
    /// The directory with the originals.
    pub against: Option<PathBuf>,
    /// How many items to read back, chosen at random. `None` means all.
    pub sample: Option<usize>,
    /// Chooses the random items: the same number chooses the same items.
    pub seed: u64,
    /// How many requests to send at most.
    pub budget: u64,
    /// Print the findings as JSON.
    pub json: bool,
}

/// How many items are read back at the same time.
const AT_A_TIME: usize = 4;

/// The most requests that an item takes: its address and its bytes, each requested three times if
/// Google fails. Most items take one.
const COST_MAX: u64 = 6;

/// The mount's answers are smaller than this.
const ANSWER_BYTES_MAX: usize = 4096;

/// Refuses a pick: nothing in it was uploaded from here.
fn refuse_pick(album: &Path) -> Result<(), CommandError> {
    // Other paths are refused with their reasons afterwards.
    let Ok(mount) = Mount::holding(album) else { return Ok(()) };
    let why = "a pick has nothing to verify: it was not uploaded from here";
    picked::refuse(&mount, album, why, "name the directory of an album")
}

/// Reads items back and prints the findings. Returns whether all is well.
///
/// # Errors
/// If the album is not on a mount, or one side cannot be listed.
pub fn run(options: &Options, profile: &Profile) -> Result<Exit, CommandError> {
    refuse_pick(&options.album)?;
    let mut lacking = BTreeMap::new();
    let mut originals = BTreeMap::new();
    let mut unlisted = Vec::new();
    let mount = match &options.against {
        None => diff::mount_of(&options.album, profile)?,
        Some(local) => {
            let mount = diff::check(local, &options.album, profile)?;
            let found = diff::comparison(&mount, local, &options.album, profile)?;
            lacking = lacks(&found);
            let pairs = found.matches.into_iter().map(|it| (it.album, local.join(it.here)));
            originals = pairs.collect();
            unlisted = found.unlisted;
            mount
        }
    };
    let Listing { mut items, mut unfinished, mut local } = list(&options.album)?;
    // Refused files have left the album's directory.
    let failed = diff::failed_dir(&mount, &options.album)?;
    unfinished.extend(diff::refused(&failed)?.into_keys());
    unfinished.sort();
    unfinished.dedup();
    // Each name is reported once. These names have no item with the original's content.
    items.retain(|it| !lacking.contains_key(&it.name));
    for names in [&mut unfinished, &mut local] {
        names.retain(|it| !lacking.contains_key(it));
    }
    let chosen = choose(items, options.sample.unwrap_or(usize::MAX), options.seed);
    let limiter = RequestLimiter::new(&mount, options.budget)?;
    let bar = progress::bar(chosen.len(), "items read back");
    let threads = rayon::ThreadPoolBuilder::new().num_threads(AT_A_TIME).build();
    let threads = threads.map_err(|err| CommandError::new("cannot start threads").because(err))?;
    // Findings are printed at once: the run may take long, and be interrupted.
    let say = |what: String| bar.suspend(|| tell(format!("gphotosfs: {what}")));
    let said = |tested: Tested| {
        if tested.verdict.is_bad() {
            say(tested.line());
        }
        tested
    };
    let look = |name: &PathBuf| {
        let path = options.album.join(name);
        let original = originals.get(name).map(PathBuf::as_path);
        let tested = match limiter.run(|| tested(&path, original)) {
            Err(why) => Tested::unchecked(name, why),
            Ok(Err(err)) => match affects_all(&err) {
                Some((words, next)) => {
                    if limiter.close(words) {
                        say(format!("{words}; no more items are read back\n  -> {next}"));
                    }
                    Tested::unchecked(name, words)
                }
                None => said(Tested::unchecked(name, without_number(&err.to_string()))),
            },
            Ok(Ok((verdict, why))) => said(Tested { name: name.as_path().into(), verdict, why }),
        };
        bar.inc(1);
        tested
    };
    let mut items: Vec<_> = threads.install(|| chosen.par_iter().map(look).collect());
    bar.finish_and_clear();
    items.extend(lacking.into_values());
    let report = Report::new(options.seed, items, unfinished, local, unlisted, limiter.spent());
    print_coloured(if options.json { report.json(&options.album)? } else { report.text() })?;
    Ok(report.exit())
}

/// The originals that the album lacks, and those that cannot be compared. Files that are still
/// being uploaded are among the album's names.
fn lacks(found: &Comparison) -> BTreeMap<PathBuf, Tested> {
    let here = |it: &&Remark| it.here;
    let one = |name: &Name, verdict, why: String| {
        (name.path().to_owned(), Tested { name: name.clone(), verdict, why })
    };
    let empty: BTreeSet<_> = found.empty_here().map(|it| &it.name).collect();
    let only_here = found.only_here.iter().map(|it| {
        let why = if empty.contains(&it) { "only here, and empty" } else { "only here" };
        one(it, Verdict::Missing, why.into())
    });
    let changed = "the album has other content under this name";
    let different = found
        .different_by
        .iter()
        .map(|it| one(&it.name, Verdict::Changed, format!("{changed}: {}", it.facts())));
    let refused = found.failed.iter().filter(here);
    let refused = refused.map(|it| one(&it.name, Verdict::Missing, format!("refused: {}", it.why)));
    let unreadable = found
        .unreadable
        .iter()
        .map(|it| one(&it.name, Verdict::Unchecked, format!("cannot be read here: {}", it.why)));
    only_here.chain(different).chain(refused).chain(unreadable).collect()
}

/// The files in an album's directory.
#[derive(Default)]
struct Listing {
    items: Vec<Item>,
    /// Names of files that are not at Google yet, or were refused.
    unfinished: Vec<PathBuf>,
    /// Names of files that stay on this machine.
    local: Vec<PathBuf>,
}

/// An item, once for each album that has it.
#[derive(Clone)]
struct Item {
    id: String,
    name: PathBuf,
}

fn list(album: &Path) -> Result<Listing, CommandError> {
    let (mut found, mut seen) = (Listing::default(), BTreeSet::new());
    let mut names = diff::names(album)?;
    names.sort();
    for name in names {
        let path = album.join(&name);
        let text = |what| diff::text(&path, what).map_err(|err| running::cannot_use(&path, err));
        match (text("state")?.as_deref(), text("id")?) {
            // An unseen item has arrived, but no list of the album has shown it.
            (Some("committed" | "rendition" | "unseen"), Some(id)) => {
                if seen.insert((name.parent().map(Path::to_owned), id.clone())) {
                    found.items.push(Item { id, name });
                }
            }
            (Some("scratch"), _) => found.local.push(name),
            _ => found.unfinished.push(name),
        }
    }
    Ok(found)
}

/// Chooses items by their ids. The choice is the same each time, and new items hardly change it.
fn choose(mut items: Vec<Item>, count: usize, seed: u64) -> Vec<PathBuf> {
    items.sort_by_cached_key(|it| <[u8; 32]>::from(Sha256::digest(format!("{seed} {}", it.id))));
    items.into_iter().take(count).map(|it| it.name).collect()
}

/// Reads an item back, and returns its verdict and a remark.
///
/// # Errors
/// Those of the mount.
fn tested(path: &Path, original: Option<&Path>) -> io::Result<(Verdict, String)> {
    let known = |name| {
        Ok::<_, io::Error>(diff::text(path, name)?.and_then(|it| ContentHash::from_hex(&it)))
    };
    let sent = match known("sha256")? {
        Some(hash) => Some(hash),
        None => known("adopted")?,
    };
    let mut answer = vec![0; ANSWER_BYTES_MAX];
    let len = rustix::fs::getxattr(path, "user.gphotos.verify", &mut answer)?;
    let seen: Copies = serde_json::from_slice(&answer[..len])?;
    if let Some(saver) = saver_of(path)? {
        let sent = known("sent_sha256")?;
        let copy = match original.or(seen.kept.as_ref().map(|_| path)) {
            Some(original) => copy_of(original, saver)?.filter(|it| Some(it.sha256) == sent),
            None => None,
        };
        let (verdict, why) = classify(sent, copy.as_ref(), &seen.google);
        return Ok((verdict.of_copy(), why));
    }
    if diff::text(path, "quality")?.as_deref() == Some(VideoQuality::EXACT) {
        let (verdict, why) = classify(known("sent_sha256")?, None, &seen.google);
        return Ok((verdict.of_copy(), why));
    }
    let original = match original.map(|it| local_file::open(it).and_then(|it| Fingerprint::of(&it)))
    {
        None => seen.kept,
        Some(Ok(original)) => Some(original),
        Some(Err(err)) => {
            let why = format!("cannot read the original: {}", without_number(&err.to_string()));
            return Ok((Verdict::Unchecked, why));
        }
    };
    Ok(classify(sent, original.as_ref(), &seen.google))
}

/// How a photo was made smaller, if a copy was uploaded instead of it.
fn saver_of(path: &Path) -> io::Result<Option<Saver>> {
    let quality = diff::text(path, "quality")?.and_then(|it| it.parse::<Quality>().ok());
    Ok(quality.and_then(Quality::saver))
}

/// Makes the smaller copy of a photo again: the same photo gives the same copy. `None` if it has none.
fn copy_of(original: &Path, saver: Saver) -> io::Result<Option<Fingerprint>> {
    let bytes = local_file::read(original)?;
    let Ok(copy) = Plan::new(&bytes, saver).and_then(|plan| plan.run()) else { return Ok(None) };
    let mut file = tempfile::tempfile()?;
    file.write_all(&copy)?;
    Fingerprint::of(&file).map(Some)
}

/// The message and the next step, if an error would affect all other items too.
fn affects_all(err: &io::Error) -> Option<(&'static str, &'static str)> {
    let of_all = [libc::EACCES, libc::EDQUOT, libc::EHOSTUNREACH];
    err.raw_os_error().filter(|it| of_all.contains(it))?;
    running::meaning(err)
}

/// Limits the number of requests. It counts all requests of the mount, also those of other
/// programs.
struct RequestLimiter<'a> {
    mount: &'a Mount,
    before: u64,
    budget: u64,
    /// How many items are being read back. Locked while the mount's count of requests is read.
    running: Mutex<u64>,
    /// Notified when an item is done.
    freed: Condvar,
    /// The reason why no more items are read back.
    closed: OnceLock<&'static str>,
}

/// The reason why an item is not read back.
const USED_UP: &str = "the budget of requests is used up";

impl<'a> RequestLimiter<'a> {
    fn new(mount: &'a Mount, budget: u64) -> Result<Self, CommandError> {
        let before = requests(mount)?;
        let (running, freed, closed) = (Mutex::new(0), Condvar::new(), OnceLock::new());
        Ok(Self { mount, before, budget, running, freed, closed })
    }

    /// Does `work` if the budget is sufficient; otherwise returns the reason. Running items may
    /// turn out cheaper than their maximum, so it waits for them first. They end in time, because
    /// the mount has deadlines.
    fn run<T>(&self, work: impl FnOnce() -> T) -> Result<T, &'static str> {
        {
            let mut running = self.running.lock();
            loop {
                if let Some(why) = self.closed.get() {
                    return Err(why);
                }
                if self.spent() + (*running + 1) * COST_MAX <= self.budget {
                    break;
                }
                if *running == 0 {
                    return Err(USED_UP);
                }
                self.freed.wait(&mut running);
            }
            *running += 1;
        }
        let outcome = work();
        *self.running.lock() -= 1;
        self.freed.notify_all();
        Ok(outcome)
    }

    /// Stops all further work. Returns whether it was still going on.
    fn close(&self, why: &'static str) -> bool {
        self.closed.set(why).is_ok()
    }

    fn spent(&self) -> u64 {
        // If the mount is gone, the next read of an item fails. At midnight the mount's count
        // restarts.
        requests(self.mount).map_or(0, |now| now.checked_sub(self.before).unwrap_or(now))
    }
}

fn requests(mount: &Mount) -> Result<u64, CommandError> {
    let quota = mount.status()?.quota;
    Ok(quota.api_requests + quota.media_requests)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_the_same_each_time_and_grows_with_the_album() {
        let item = |at: u32| Item { id: format!("id{at}"), name: format!("{at}.jpg").into() };
        let all: Vec<_> = (0..100).map(item).collect();
        let mut reversed = all.clone();
        reversed.reverse();
        let sample = choose(all.clone(), 10, 1);
        assert_eq!(sample.len(), 10);
        assert_eq!(choose(reversed, 10, 1), sample);
        assert_ne!(choose(all.clone(), 10, 2), sample);
        let more = (0..200).map(item).collect();
        let of_more = choose(more, 20, 1);
        assert!(of_more.iter().filter(|it| sample.contains(it)).count() > 3);
        assert_eq!(choose(all, usize::MAX, 1).len(), 100);
    }
}
