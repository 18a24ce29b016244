//! How far the uploads are, for people who wait for them.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use bytesize::ByteSize;
use indicatif::{ProgressBar, ProgressStyle};

/// What there is to show.
#[derive(Clone, Debug, Default)]
pub struct Outlook {
    /// How many things Google has still to be told.
    pub left: u64,
    /// Bytes that Google does not have yet.
    pub bytes_left: u64,
    /// Files that were refused.
    pub failed: u64,
    /// Why nothing moves, if so.
    pub hindrance: Option<String>,
}

/// Shows how far the uploads are: a bar on a terminal, else a line now and then on stderr. Dropping it takes
/// the bar away.
pub struct Progress {
    bar: Option<ProgressBar>,
    /// The most that was left at any time; the bar's full length.
    most: u64,
    next_line: Instant,
    hindrance: Option<String>,
}

impl Progress {
    const LINE_EVERY: Duration = Duration::from_secs(10);

    /// Nothing is shown before the first [`Progress::show`].
    pub fn start() -> Self {
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} done, {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = io::stderr().is_terminal().then(|| ProgressBar::new(0).with_style(style));
        Self { bar, most: 0, next_line: Instant::now() + Self::LINE_EVERY, hindrance: None }
    }

    /// Brings it up to date.
    pub fn show(&mut self, now: &Outlook) {
        let left = now.left;
        self.most = self.most.max(left);
        let mut rest = format!("{} left", ByteSize(now.bytes_left));
        if now.failed > 0 {
            rest = format!("{rest}, {} failed", now.failed);
        }
        // Said once when it begins, however the progress is shown: the wait may be long.
        if now.hindrance != self.hindrance {
            if let Some(why) = &now.hindrance {
                self.line(&format!("waiting: {why}"));
            }
            self.hindrance.clone_from(&now.hindrance);
        }
        if let Some(bar) = &self.bar {
            bar.set_length(self.most);
            bar.set_position(self.most - left);
            bar.set_message(rest);
        } else if Instant::now() >= self.next_line {
            self.line(&format!("{}/{} done, {rest}", self.most - left, self.most));
            self.next_line = Instant::now() + Self::LINE_EVERY;
        }
    }

    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(format!("gphotosfs: {text}")),
            None => eprintln!("gphotosfs: {text}"),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
