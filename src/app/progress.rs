//! Shows the progress of uploads and of other long operations.

use std::collections::HashMap;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use bytesize::ByteSize;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;

use super::tell::tell;
use super::words::time_words;
use crate::media::local_time;
use crate::printable::escaped;
use crate::status::{self, Status};

/// A bar for `count` steps, which `done` describes. It appears on a terminal only.
pub fn bar(count: usize, done: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(&format!("{{bar:30}} {{pos}}/{{len}} {done}"))
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(count as u64).with_style(style)
}

/// As [`bar`], for bytes.
pub fn byte_bar(count: u64, done: &str) -> ProgressBar {
    let template = format!("{{bar:30}} {{bytes}}/{{total_bytes}} {done}, {{eta}} left");
    let style =
        ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(count).with_style(style)
}

/// The values to show.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Files on their way.
    pub queue: status::Queue,
    /// Files uploaded so far, and the rate.
    pub progress: status::Progress,
    /// The reason, if all uploads are blocked.
    pub blocked_reason: Option<String>,
    /// Files that fail again and again.
    pub failing: Vec<status::FailingFile>,
}

impl From<&Status> for Snapshot {
    fn from(status: &Status) -> Self {
        Self {
            queue: status.queue.clone(),
            progress: status.progress.clone().unwrap_or_default(),
            blocked_reason: status.blocked_reason(),
            failing: status.failing.clone(),
        }
    }
}

/// The length of the bar. Files and bytes count equally: one large file takes as long as many
/// calls.
const BAR_LEN: u64 = 1000;

/// Shows the progress of uploads: a bar on a terminal, otherwise a line on stderr at intervals.
/// Dropping it removes the bar.
pub struct Progress {
    bar: Option<ProgressBar>,
    /// The state when the wait began. Earlier uploads do not count.
    first: Option<Snapshot>,
    next_line: Instant,
    blocked_reason: Option<String>,
    /// Since when each file has been failing that was named, by its path.
    named: HashMap<String, Timestamp>,
}

impl Progress {
    const LINE_EVERY: Duration = Duration::from_secs(10);

    /// Shows nothing before the first [`Progress::show`].
    pub fn start() -> Self {
        let style = ProgressStyle::with_template("{bar:30} {wide_msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = io::stderr().is_terminal().then(|| ProgressBar::new(BAR_LEN).with_style(style));
        Self {
            bar,
            first: None,
            next_line: Instant::now() + Self::LINE_EVERY,
            blocked_reason: None,
            named: HashMap::new(),
        }
    }

    /// Shows the current state.
    pub fn show(&mut self, now: &Snapshot) {
        let first = self.first.get_or_insert_with(|| now.clone());
        let sum = Sum::since(first, now);
        // The reason is printed once, also above a bar: the wait may be long.
        if now.blocked_reason != self.blocked_reason {
            if let Some(why) = &now.blocked_reason {
                self.line(&format!("waiting: {why}"));
            }
            self.blocked_reason.clone_from(&now.blocked_reason);
        }
        for line in self.failing(&now.failing) {
            self.line(&line);
        }
        let text = sum.text(now);
        if let Some(bar) = &self.bar {
            bar.set_position((sum.fraction() * BAR_LEN as f64) as u64);
            bar.set_message(escaped(&text).into_owned());
        } else if Instant::now() >= self.next_line {
            self.line(&text);
            self.next_line = Instant::now() + Self::LINE_EVERY;
        }
    }

    /// A line for each file that has begun to fail, once.
    fn failing(&mut self, files: &[status::FailingFile]) -> Vec<String> {
        let named = std::mem::take(&mut self.named);
        self.named = files.iter().map(|it| (it.path.clone(), it.since)).collect();
        files
            .iter()
            .filter(|it| named.get(&it.path) != Some(&it.since))
            .map(|it| {
                let since = local_time(it.since);
                format!("waiting for {}, which fails since {since}: {}", it.path, it.error)
            })
            .collect()
    }

    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(format!("gphotosfs: {}", escaped(text))),
            None => tell(format!("gphotosfs: {}", escaped(text))),
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

/// Files and bytes uploaded since the wait began, and the total. New files make the total larger.
/// Uploaded files do not make it smaller.
#[derive(Debug, PartialEq, Eq)]
struct Sum {
    files: u64,
    files_all: u64,
    bytes: u64,
    bytes_all: u64,
    failed: u64,
}

impl Sum {
    fn since(first: &Snapshot, now: &Snapshot) -> Self {
        let failed = now.queue.failed.saturating_sub(first.queue.failed);
        let files = now.progress.files_done.saturating_sub(first.progress.files_done) + failed;
        let bytes = now.progress.bytes_sent.saturating_sub(first.progress.bytes_sent);
        Self {
            files,
            files_all: files + now.queue.left(),
            bytes,
            bytes_all: bytes + now.queue.bytes_left,
            failed,
        }
    }

    fn fraction(&self) -> f64 {
        let part = |done: u64, all: u64| (all > 0).then(|| done as f64 / all as f64);
        let parts: Vec<f64> = [part(self.files, self.files_all), part(self.bytes, self.bytes_all)]
            .into_iter()
            .flatten()
            .collect();
        if parts.is_empty() { 1.0 } else { parts.iter().sum::<f64>() / parts.len() as f64 }
    }

    fn text(&self, now: &Snapshot) -> String {
        let Self { files, files_all, bytes, bytes_all, failed } = self;
        let mut text =
            format!("{files}/{files_all} done, {}/{}", ByteSize(*bytes), ByteSize(*bytes_all));
        let progress = &now.progress;
        if progress.bytes_per_second > 0 {
            text += &format!(", {}/s", ByteSize(progress.bytes_per_second));
        }
        if let Some(seconds) = progress.seconds_left {
            text += &format!(", about {} left", time_words(seconds));
        }
        if *failed > 0 {
            text += &format!(", {failed} refused");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outlook(
        sealed: u64,
        bytes_left: u64,
        files_done: u64,
        bytes_sent: u64,
        failed: u64,
    ) -> Snapshot {
        Snapshot {
            queue: status::Queue { sealed, bytes_left, failed, ..Default::default() },
            progress: status::Progress { files_done, bytes_sent, ..Default::default() },
            blocked_reason: None,
            failing: Vec::new(),
        }
    }

    #[test]
    fn a_file_that_fails_is_named_once() {
        let file = |path: &str, attempts| status::FailingFile {
            path: path.to_owned(),
            error: "code 13".to_owned(),
            since: Timestamp::UNIX_EPOCH,
            attempts,
            until: None,
        };
        let mut progress = Progress::start();
        let lines = progress.failing(&[file("A/x.mp4", 2)]);
        assert!(lines[0].starts_with("waiting for A/x.mp4, which fails since 1970"), "{lines:?}");
        assert_eq!(progress.failing(&[file("A/x.mp4", 3)]), [""; 0]);
        assert_eq!(progress.failing(&[file("A/x.mp4", 3), file("A/y.mp4", 2)]).len(), 1);
    }

    #[test]
    fn the_whole_grows_with_what_comes_and_never_shrinks_with_what_goes() {
        let first = outlook(10, 1000, 500, 90_000, 3);
        assert_eq!(
            Sum::since(&first, &first),
            Sum { files: 0, files_all: 10, bytes: 0, bytes_all: 1000, failed: 0 }
        );
        // Four files were uploaded, Google refused one, and five more were added.
        let later = outlook(10, 1000, 504, 90_500, 4);
        let sum = Sum::since(&first, &later);
        assert_eq!(sum, Sum { files: 5, files_all: 15, bytes: 500, bytes_all: 1500, failed: 1 });
        assert_eq!(sum.text(&later), "5/15 done, 500 B/1.5 KiB, 1 refused");
        assert_eq!(sum.fraction(), 1.0 / 3.0);
        let end = outlook(0, 0, 514, 91_500, 4);
        assert_eq!(Sum::since(&first, &end).fraction(), 1.0);
    }

    #[test]
    fn rate_and_time_left_are_told_if_known() {
        let mut now = outlook(1, 2_000_000, 0, 0, 0);
        now.progress.bytes_per_second = 1_000_000;
        now.progress.seconds_left = Some(2);
        let text = Sum::since(&now.clone(), &now).text(&now);
        assert_eq!(text, "0/1 done, 0 B/1.9 MiB, 976.6 KiB/s, about 2s left");
    }
}
