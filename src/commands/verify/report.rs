//! The findings, as text and as JSON.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use console::Style;
use serde::Serialize;

use super::verdict::Verdict;
use crate::app::name::Name;
use crate::app::{CommandError, Exit, counted, json_text};
use crate::commands::diff::{UNLISTED, group};

/// The version of the JSON's layout. Added fields do not change it.
const VERSION: u32 = 1;

/// The text names up to this many unchecked items for each reason.
const NAMED_MAX: usize = 5;

/// An item and its verdict.
#[derive(Clone, Debug, Serialize)]
pub struct Tested {
    /// Relative to the album's directory.
    pub name: Name,
    /// How it compares with the original.
    pub verdict: Verdict,
    /// A remark; may be empty.
    pub why: String,
}

impl Tested {
    /// An item that could not be read back.
    pub fn unchecked(name: &Path, why: &str) -> Self {
        Self { name: name.into(), verdict: Verdict::Unchecked, why: why.to_owned() }
    }

    /// The line of text output.
    pub fn line(&self) -> String {
        format!("{}: {}", self.name, self.verdict.words()) + &self.remark()
    }

    fn remark(&self) -> String {
        if self.why.is_empty() { String::new() } else { format!(" ({})", self.why) }
    }
}

/// Lists unchecked items, or counts them if there are many with the same reason.
fn unchecked(items: &[&Tested]) -> Vec<String> {
    let mut by_reason: BTreeMap<&str, Vec<&Tested>> = BTreeMap::new();
    items.iter().for_each(|it| by_reason.entry(&it.why).or_default().push(it));
    let lines = by_reason.into_iter().flat_map(|(why, of_it)| match of_it.len() {
        0..=NAMED_MAX => of_it.iter().map(|it| format!("{} ({why})", it.name)).collect(),
        count => vec![format!("{count} items ({why})")],
    });
    lines.collect()
}

/// All findings.
#[derive(Debug, Serialize)]
pub struct Report {
    version: u32,
    seed: u64,
    /// How many requests the mount has sent meanwhile.
    requests: u64,
    /// How many items have each verdict, zeros included.
    counts: BTreeMap<Verdict, usize>,
    items: Vec<Tested>,
    /// Names of files that are not at Google yet, or were refused.
    unfinished: Vec<Name>,
    /// Names of files that stay on this machine: empty and temporary ones, sidecars and the like.
    local: Vec<Name>,
    /// Names that count as in the album although Google's list, which may lag, lacks them. Google
    /// may still return them, because they are in the library.
    unlisted: Vec<Name>,
}

impl Report {
    /// Sorts and counts the findings.
    pub fn new(
        seed: u64,
        mut items: Vec<Tested>,
        unfinished: Vec<PathBuf>,
        local: Vec<PathBuf>,
        unlisted: Vec<Name>,
        requests: u64,
    ) -> Self {
        items.sort_by(|a, b| (a.verdict, &a.name).cmp(&(b.verdict, &b.name)));
        let names = |of: &[PathBuf]| of.iter().map(|it| it.as_path().into()).collect();
        let count = |of| items.iter().filter(|it| it.verdict == of).count();
        Self {
            version: VERSION,
            seed,
            requests,
            counts: Verdict::ALL.into_iter().map(|it| (it, count(it))).collect(),
            items,
            unfinished: names(&unfinished),
            local: names(&local),
            unlisted,
        }
    }

    /// 0: every item is as good as Google returns it; 1: an item is worse; 2: not all were checked.
    pub fn exit(&self) -> Exit {
        let any = |of: &dyn Fn(Verdict) -> bool| self.items.iter().any(|it| of(it.verdict));
        match () {
            () if any(&|it| it == Verdict::Unchecked) => Exit::Usage,
            () if any(&Verdict::is_bad) || !self.unfinished.is_empty() => Exit::Differ,
            () => Exit::Done,
        }
    }

    /// The findings as text. Coloured on a terminal, unless `NO_COLOR` is set.
    pub fn text(&self) -> String {
        let (odd, bad) = (Style::new().yellow(), Style::new().red());
        let parts = Verdict::ALL.into_iter().filter_map(|it| {
            let count = self.counts.get(&it).copied().filter(|&count| count > 0)?;
            Some(format!("{count} {}", it.words()))
        });
        let parts: Vec<_> = parts.collect();
        let sum = if parts.is_empty() { "nothing to check".to_owned() } else { parts.join(" + ") };
        let sum = format!(
            "{} = {sum}; {}",
            counted(self.items.len(), "item"),
            counted(self.requests, "request")
        );
        let mut out = Style::new().bold().apply_to(sum).to_string() + "\n";
        for verdict in Verdict::ALL.into_iter().filter(|it| it.is_bad()) {
            let of_it: Vec<_> = self.items.iter().filter(|it| it.verdict == verdict).collect();
            let lines = match verdict {
                Verdict::Unchecked => unchecked(&of_it),
                _ => of_it.iter().map(|it| format!("{}{}", it.name, it.remark())).collect(),
            };
            let words = verdict.words();
            let title = words[..1].to_uppercase() + &words[1..];
            group(&mut out, &title, if verdict < Verdict::Unknown { &bad } else { &odd }, lines);
        }
        let lines = self.unfinished.iter().map(ToString::to_string).collect();
        group(&mut out, "Not at Google yet, or refused ('gphotosfs diff' says which)", &odd, lines);
        let lines = self.local.iter().map(ToString::to_string).collect();
        group(&mut out, "Stays on this machine ('gphotosfs diff' says why)", &Style::new(), lines);
        let lines = self.unlisted.iter().map(ToString::to_string).collect();
        group(&mut out, UNLISTED, &odd, lines);
        out
    }

    /// The findings as JSON.
    ///
    /// # Errors
    /// If they cannot be serialised.
    pub fn json(&self, album: &Path) -> Result<String, CommandError> {
        #[derive(Serialize)]
        struct Document<'a> {
            album: Name,
            #[serde(flatten)]
            report: &'a Report,
        }
        json_text(&Document { album: album.into(), report: self })
    }
}
