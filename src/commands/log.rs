//! Where log lines go: to stderr, and of a mount that has detached to a file of bounded size.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use file_rotate::compression::Compression;
use file_rotate::suffix::AppendCount;
use file_rotate::{ContentLimit, FileRotate};
use parking_lot::Mutex;
use tracing_subscriber::EnvFilter;

/// When the file is larger, it becomes `log.1`, and that one `log.2`, beyond which nothing is kept: an outage in
/// which a thousand programs try to read leaves a line for each of their errors.
const FILE_BYTES_MAX: usize = 8 << 20;

/// Files besides the one being written.
const OLD_FILES: usize = 2;

/// The file, once there is one. Held while a line is written.
static FILE: Mutex<Option<FileRotate<AppendCount>>> = Mutex::new(None);

/// Begins to log to stderr. 0 says what is worrying, 1 what is going on, 2 how, 3 everything including the
/// libraries. `to_stay` says that it will not be a file's turn later.
pub(super) fn to_stderr(verbose: u8, to_stay: bool) {
    let filter = match verbose {
        // fuser calls an answer that nobody waits for any more an error.
        0 => "warn,fuser=off",
        1 => "warn,fuser=off,gphotosfs=info",
        2 => "info,gphotosfs=debug",
        _ => "trace",
    };
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(|| Line)
        // Its complaint about a line that cannot be written goes to stderr as well, and panics there: a full
        // disk may cost lines, not operations.
        .log_internal_errors(false)
        .with_ansi(to_stay && io::stderr().is_terminal())
        .with_target(verbose > 1)
        .init();
}

/// A file for what is logged from some moment on.
pub(super) struct File {
    path: PathBuf,
    plain: fs::File,
}

impl File {
    /// Makes the file, or goes on in the one that is there. Only its owner can read it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        let plain = how().open(&path)?;
        Ok(Self { path, plain })
    }

    /// From now on lines go there; what anything else says on stdout and stderr, too.
    ///
    /// # Errors
    /// Only those of a broken process.
    pub(super) fn take_over(self) -> io::Result<()> {
        rustix::stdio::dup2_stderr(&self.plain)?;
        rustix::stdio::dup2_stdout(&self.plain)?;
        let limit = ContentLimit::BytesSurpassed(FILE_BYTES_MAX);
        let old = AppendCount::new(OLD_FILES);
        *FILE.lock() = Some(FileRotate::new(self.path, old, limit, Compression::None, Some(how())));
        Ok(())
    }
}

fn how() -> fs::OpenOptions {
    let mut how = fs::OpenOptions::new();
    how.create(true).append(true).mode(0o600);
    how
}

/// Goes where lines go at the moment.
struct Line;

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut *FILE.lock() {
            Some(file) => file.write(bytes),
            None => io::stderr().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut *FILE.lock() {
            Some(file) => file.flush(),
            None => io::stderr().flush(),
        }
    }
}
