//! Log lines go to stderr, in a form for people or for systemd's journal. A detached mount writes
//! them to a file of bounded size.

mod limit;
mod unblocked;

use std::fmt;
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use parking_lot::Mutex;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{DefaultFields, FormatEvent, FormatFields, Writer, format};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::printable::escaped;
use limit::Limited;
use unblocked::Unblocked;

/// A larger file becomes `log.1`, and `log.1` becomes `log.2`; older lines are dropped. The limit
/// matters in an outage, when each failed read of each program leaves a line.
const FILE_BYTES_MAX: u64 = 8 << 20;

/// The older files, the oldest first. Other names in the directory may be those of a person.
const OLD_FILES: [&str; 2] = ["log.2", "log.1"];

/// The file, once a mount has detached. Locked while a line is written.
static FILE: Mutex<Option<Rotating>> = Mutex::new(None);

/// The lines before that, for the file: a mount that detaches has warnings for both.
static EARLY: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Stderr, before that. A reader that has stopped must not stop the operations that write lines.
static STDERR: Mutex<Unblocked> = Mutex::new(Unblocked::new());

/// Later lines of these only go to stderr.
const EARLY_BYTES_MAX: usize = 64 << 10;

/// Starts to log to stderr: 0 logs warnings, 1 events, 2 details, 3 everything including the
/// libraries. A command that does one thing and ends (`serves` is false) reports its errors itself.
/// `to_stay` is false if later lines go to a file.
pub fn to_stderr(verbose: u8, serves: bool, to_stay: bool) {
    let (ours, others) = match verbose {
        0 if !serves => (LevelFilter::ERROR, LevelFilter::ERROR),
        0 => (LevelFilter::WARN, LevelFilter::WARN),
        1 => (LevelFilter::INFO, LevelFilter::WARN),
        2 => (LevelFilter::DEBUG, LevelFilter::INFO),
        _ => (LevelFilter::TRACE, LevelFilter::TRACE),
    };
    let mut filter = Targets::new().with_default(others).with_target("gphotosfs", ours);
    if verbose < 2 {
        // It logs an error for a reply to an interrupted request.
        filter = filter.with_target("fuser", LevelFilter::OFF);
    }
    let lines = tracing_subscriber::fmt()
        .with_max_level(ours)
        .with_writer(|| Line)
        .fmt_fields(OnOneLine)
        // Otherwise the logger would report a failed write on stderr, and panic if that fails too.
        // A full disk may cost lines, but no operation.
        .log_internal_errors(false)
        .with_target(verbose > 1);
    if to_stay && is_journal() {
        let plain = format().without_time().with_level(false).with_target(verbose > 1);
        let plain = Limited::new(ForJournal(plain.with_ansi(false)));
        lines.with_ansi(false).event_format(plain).finish().with(filter).init();
    } else {
        lines
            .with_ansi(to_stay && io::stderr().is_terminal())
            .map_event_format(Limited::new)
            .finish()
            .with(filter)
            .init();
    }
}

/// Whether stderr is connected to systemd's journal (systemd.exec(5), `$JOURNAL_STREAM`). The
/// journal adds times by itself, and parses a priority in each line.
fn is_journal() -> bool {
    #[expect(clippy::disallowed_methods, reason = "no setting: systemd says where stderr goes")]
    let Some(stream) = std::env::var_os("JOURNAL_STREAM") else { return false };
    let Ok(stderr) = rustix::fs::fstat(rustix::stdio::stderr()) else { return false };
    stream.to_str() == Some(&format!("{}:{}", stderr.st_dev, stderr.st_ino))
}

/// The prefix of an error line on stderr: its priority if the journal reads it (sd-daemon(3)).
pub fn error_prefix() -> &'static str {
    if is_journal() { "<3>" } else { "" }
}

/// Formats the message and the fields of a line. Names in them may come from anywhere: none may
/// begin another line, with a priority of its own, or disturb the terminal that shows the log.
struct OnOneLine;

impl<'w> FormatFields<'w> for OnOneLine {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut text = String::new();
        DefaultFields::new().format_fields(Writer::new(&mut text), fields)?;
        writer.write_str(&escaped(&text))
    }
}

/// Formats a line with its priority in front.
struct ForJournal<F>(F);

impl<S, N, F> FormatEvent<S, N> for ForJournal<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let priority = match *event.metadata().level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            Level::DEBUG | Level::TRACE => 7,
        };
        write!(writer, "<{priority}>")?;
        self.0.format_event(context, writer, event)
    }
}

/// The log file of a mount that is about to detach.
pub struct File {
    path: PathBuf,
    plain: fs::File,
}

impl File {
    /// Creates the file, or appends to the existing one. Only its owner can read it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn open(path: PathBuf) -> io::Result<Self> {
        let plain = how().open(&path)?;
        Ok(Self { path, plain })
    }

    /// Redirects log lines and all output on stdout and stderr to the file.
    ///
    /// # Errors
    /// If the descriptors cannot be replaced.
    pub fn take_over(self) -> io::Result<()> {
        rustix::stdio::dup2_stderr(&self.plain)?;
        rustix::stdio::dup2_stdout(&self.plain)?;
        // If the disk is full, the terminal has had them.
        let _ = (&self.plain).write_all(&std::mem::take(&mut *EARLY.lock()));
        *FILE.lock() = Some(Rotating::new(self.path, self.plain)?);
        Ok(())
    }
}

/// The file that lines are added to.
struct Rotating {
    path: PathBuf,
    file: fs::File,
    bytes: u64,
}

impl Rotating {
    fn new(path: PathBuf, file: fs::File) -> io::Result<Self> {
        let bytes = file.metadata()?.len();
        Ok(Self { path, file, bytes })
    }

    /// Makes the file the newest of the older ones, and begins another. Replaces no other name.
    fn rotate(&mut self) -> io::Result<()> {
        // It is missing if a person has removed it, or if only the last step failed before.
        if self.path.try_exists()? {
            let [oldest, newest] = OLD_FILES.map(|name| self.path.with_file_name(name));
            match fs::rename(&newest, oldest) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => fs::rename(&self.path, newest)?,
            }
        }
        self.file = how().open(&self.path)?;
        self.bytes = 0;
        Ok(())
    }
}

impl Write for Rotating {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Without a descriptor for another file, the lines of the outage are worth some room.
        let full = self.bytes >= FILE_BYTES_MAX && self.rotate().is_err();
        if full && self.bytes >= 2 * FILE_BYTES_MAX {
            self.file.set_len(0)?;
            self.bytes = 0;
        }
        let written = self.file.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn how() -> fs::OpenOptions {
    let mut how = fs::OpenOptions::new();
    how.create(true).append(true).mode(0o600);
    how
}

/// Writes to the file if there is one, else to stderr. What stderr gets first, the file gets later.
struct Line;

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut *FILE.lock() {
            Some(file) => file.write(bytes),
            None => {
                STDERR.lock().write_line(io::stderr(), bytes)?;
                let mut early = EARLY.lock();
                if early.len() + bytes.len() <= EARLY_BYTES_MAX {
                    early.extend_from_slice(bytes);
                }
                Ok(bytes.len())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut *FILE.lock() {
            Some(file) => file.flush(),
            None => io::stderr().flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_name_begins_no_line_of_the_log() {
        let (written, name) = (Lines::default(), "a\n<0>forged \x1b[2J\u{202e}");
        let to = written.clone();
        let plain = format().without_time().with_level(false).with_target(false).with_ansi(false);
        let lines = tracing_subscriber::fmt().with_writer(move || to.clone()).fmt_fields(OnOneLine);
        let lines = lines.with_ansi(false).event_format(ForJournal(plain)).finish();
        tracing::subscriber::with_default(lines, || {
            tracing::warn!(name, path = %name, "cannot use {name}");
        });
        let text = String::from_utf8(written.0.lock().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.starts_with(r"<4>cannot use a\n<0>forged "), "{text}");
        assert!(!text.trim_end().contains(crate::printable::is_risky), "{text}");
    }

    fn at(dir: &Path) -> Rotating {
        let path = dir.join("log");
        let file = how().open(&path).unwrap();
        Rotating::new(path, file).unwrap()
    }

    #[test]
    fn a_rotation_keeps_the_files_of_others() {
        let dir = tempfile::tempdir().unwrap();
        let theirs = ["log.20261129", "log.3", "log.old"];
        for name in theirs {
            fs::write(dir.path().join(name), name).unwrap();
        }
        let mut log = at(dir.path());
        let line = vec![b'x'; 1 + FILE_BYTES_MAX as usize];
        for first in [b'1', b'2', b'3', b'4', b'5'] {
            log.write_all(&[first]).unwrap();
            log.write_all(&line).unwrap();
        }
        for name in theirs {
            assert_eq!(fs::read(dir.path().join(name)).unwrap(), name.as_bytes());
        }
        let first = |name: &str| fs::read(dir.path().join(name)).unwrap()[0];
        assert_eq!([first("log"), first("log.1"), first("log.2")], [b'5', b'4', b'3']);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3 + theirs.len());
    }

    #[test]
    fn a_log_that_cannot_rotate_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let theirs = dir.path().join("log.1");
        fs::create_dir_all(theirs.join("kept")).unwrap();
        fs::write(dir.path().join("log.2"), "kept").unwrap();
        let mut log = at(dir.path());
        let line = vec![b'x'; 1 << 20];
        for _ in 0..40 {
            log.write_all(&line).unwrap();
            let bytes = fs::metadata(dir.path().join("log")).unwrap().len();
            assert!(bytes <= 2 * FILE_BYTES_MAX, "{bytes}");
        }
        assert!(theirs.join("kept").is_dir());
        assert_eq!(fs::read(dir.path().join("log.2")).unwrap(), b"kept");
    }
}
