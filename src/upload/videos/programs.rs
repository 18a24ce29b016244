//! Runs `ffmpeg` and `ffprobe`: with low priority, bounded in what they say and write, and ended when
//! they make no progress, when nobody waits for them, and together with this process.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::shrink::{Probe, video};

const FFMPEG: &str = "ffmpeg";
const FFPROBE: &str = "ffprobe";
/// Gives way to others.
const NICE: [&str; 3] = ["nice", "-n", "10"];
/// Ends a program together with this process, even if that is killed.
const TIED: [&str; 4] = ["setpriv", "--pdeathsig", "KILL", "--"];
/// An encoder that has made no picture for so long has stopped. It gives way to all other programs.
const STALL: Duration = Duration::from_secs(300);
/// How often the length of the copy is looked at.
const TICK: Duration = Duration::from_secs(1);
/// A look at a file may take so long, and so may a trial of the encoder.
const LOOK: Duration = Duration::from_secs(60);
/// What a look says has so many bytes at most.
const ANSWER_MAX: u64 = 1 << 20;
/// So many bytes of an encoder's complaint are kept.
const COMPLAINT_MAX: usize = 300;
/// A longer line of the encoder's progress is no progress.
const LINE_MAX: usize = 256;
/// The exit status of ffmpeg after a signal that it has caught.
const CAUGHT: i32 = 255;

/// Whether the programs are installed.
pub fn has_video_tools() -> bool {
    is_installed(FFMPEG) && is_installed(FFPROBE)
}

fn is_installed(program: &str) -> bool {
    #[expect(clippy::disallowed_methods, reason = "this is where the system looks for programs")]
    let Some(paths) = std::env::var_os("PATH") else { return false };
    let is_program = |it: PathBuf| {
        it.metadata().is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
    };
    std::env::split_paths(&paths).any(|it| is_program(it.join(program)))
}

/// Tries whether the programs are there and can do what smaller copies need.
///
/// # Errors
/// If not: why.
pub async fn can_encode() -> Result<(), String> {
    if !has_video_tools() {
        return Err("ffmpeg or ffprobe is not installed".to_owned());
    }
    let mut trial = command(FFMPEG).await;
    trial.args(video::trial()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = trial.spawn().map_err(|err| err.to_string())?;
    let complaint = child.stderr.take();
    let ended = async { tokio::join!(child.wait(), last_words(complaint)) };
    match timeout(LOOK, ended).await {
        Ok((Ok(status), _)) if status.success() => Ok(()),
        Ok((Ok(status), said)) => Err(format!("ffmpeg cannot encode H.264: {status}: {said}")),
        Ok((Err(err), _)) => Err(err.to_string()),
        Err(_) => Err("a trial of ffmpeg does not end".to_owned()),
    }
}

/// The bounds of one copy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// More bytes are not worth it.
    pub(super) bytes: u64,
    /// The original has no more pictures.
    pub(super) pictures: u64,
}

/// Why an encoder has made no copy.
#[derive(Debug)]
pub(super) enum Failure {
    /// The copy would have too many bytes.
    TooLarge,
    /// Somebody has ended it. That says nothing about the video.
    Ended(String),
    /// It could not do it.
    Own(String),
}

/// Runs the encoder to its end.
pub(super) async fn encode(
    arguments: &[OsString],
    output: &Path,
    bounds: Bounds,
) -> Result<(), Failure> {
    let mut encoder = command(FFMPEG).await;
    encoder.args(arguments);
    watched(encoder, output, bounds, STALL).await
}

async fn watched(
    mut encoder: Command,
    output: &Path,
    bounds: Bounds,
    stall: Duration,
) -> Result<(), Failure> {
    let own = |err: io::Error| Failure::Own(err.to_string());
    let mut child = encoder.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(own)?;
    let complaint = last_words(child.stderr.take());
    tokio::pin!(complaint);
    let mut said = None;
    let mut progress = child.stdout.take();
    let (mut lines, mut buffer) = (Lines::default(), [0; 4096]);
    let (mut pictures, mut moved) = (0, Instant::now());
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let status = loop {
        tokio::select! {
            read = read_from(&mut progress, &mut buffer) => match read.map_err(own)? {
                0 => progress = None,
                read => {
                    let made = lines.push(&buffer[..read]).unwrap_or(0);
                    if made > pictures {
                        (pictures, moved) = (made, Instant::now());
                    }
                }
            },
            words = &mut complaint, if said.is_none() => said = Some(words),
            status = child.wait(), if progress.is_none() && said.is_some() => {
                break status.map_err(own)?;
            }
            _ = ticks.tick() => {}
        }
        if moved.elapsed() > stall {
            return Err(Failure::Own(format!("it has stopped after {pictures} pictures")));
        }
        if pictures > bounds.pictures {
            return Err(Failure::Own("it makes more pictures than there are".to_owned()));
        }
        if tokio::fs::metadata(output).await.is_ok_and(|it| it.len() > bounds.bytes) {
            return Err(Failure::TooLarge);
        }
    };
    if status.success() {
        return Ok(());
    }
    let why = format!("{status}: {}", said.unwrap_or_default());
    Err(if was_ended(status) { Failure::Ended(why) } else { Failure::Own(why) })
}

/// Waits for the next bytes of a stream. For ever, if it has ended.
async fn read_from(
    stream: &mut Option<impl AsyncRead + Unpin>,
    buffer: &mut [u8],
) -> io::Result<usize> {
    match stream {
        Some(stream) => stream.read(buffer).await,
        None => std::future::pending().await,
    }
}

/// Whether a person, a service manager or the kernel, for want of memory, has ended a program.
fn was_ended(status: ExitStatus) -> bool {
    use rustix::process::Signal;
    let signals = [Signal::HUP, Signal::INT, Signal::KILL, Signal::TERM].map(Signal::as_raw);
    status.code() == Some(CAUGHT) || status.signal().is_some_and(|it| signals.contains(&it))
}

/// The end of what a program says, when it has said all.
async fn last_words(stream: Option<impl AsyncRead + Unpin>) -> String {
    let mut words = Vec::new();
    if let Some(mut stream) = stream {
        let mut buffer = [0; 1024];
        // An error ends the words.
        while let Ok(read @ 1..) = stream.read(&mut buffer).await {
            words.extend_from_slice(&buffer[..read]);
            words.drain(..words.len().saturating_sub(COMPLAINT_MAX));
        }
    }
    String::from_utf8_lossy(&words).trim().to_owned()
}

/// Cuts the encoder's progress into lines.
#[derive(Default)]
struct Lines(Vec<u8>);

impl Lines {
    /// Takes more bytes. Returns the last number of pictures that they name.
    fn push(&mut self, bytes: &[u8]) -> Option<u64> {
        let mut found = None;
        for &byte in bytes {
            if byte != b'\n' {
                if self.0.len() < LINE_MAX {
                    self.0.push(byte);
                }
                continue;
            }
            let line = String::from_utf8_lossy(&self.0);
            let pictures = line.strip_prefix("frame=").and_then(|it| it.trim().parse().ok());
            found = pictures.or(found);
            self.0.clear();
        }
        found
    }
}

/// What `ffprobe` says of a file.
pub(super) async fn probed(path: &Path) -> Option<Probe> {
    let mut look = command(FFPROBE).await;
    look.args(video::look()).arg(path).stdout(Stdio::piped()).stderr(Stdio::null());
    let answer = async {
        let mut child = look.spawn().ok()?;
        let mut answer = Vec::new();
        let mut stream = child.stdout.take()?.take(ANSWER_MAX + 1);
        stream.read_to_end(&mut answer).await.ok()?;
        let is_whole = answer.len() as u64 <= ANSWER_MAX && child.wait().await.ok()?.success();
        is_whole.then_some(answer)
    };
    serde_json::from_slice(&timeout(LOOK, answer).await.ok()??).ok()
}

/// A program that gives way to others and ends with this process, as far as this machine can.
async fn command(program: &str) -> Command {
    let whole = [&TIED[..], &NICE, &[program]].concat();
    for words in [&whole[..], &whole[TIED.len()..]] {
        let mut trial = plain(words[0], &words[1..]);
        trial.arg("-version").stdout(Stdio::null()).stderr(Stdio::null());
        let ended = timeout(LOOK, trial.status()).await;
        if ended.is_ok_and(|it| it.is_ok_and(|it| it.success())) {
            return plain(words[0], &words[1..]);
        }
    }
    plain::<&str>(program, &[])
}

fn plain<S: AsRef<OsStr>>(program: &str, arguments: &[S]) -> Command {
    let mut command = Command::new(program);
    // In a group of its own, because Ctrl-C is for this process, which lets the encoder end cleanly.
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true).process_group(0);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        plain("sh", &["-c", script])
    }

    const BOUNDS: Bounds = Bounds { bytes: 1000, pictures: 10 };

    async fn outcome(script: &str, output: &Path, stall: Duration) -> String {
        format!("{:?}", watched(shell(script), output, BOUNDS, stall).await)
    }

    #[tokio::test]
    async fn an_encoder_is_bounded_in_all_that_it_does() {
        let dir = tempfile::tempdir().unwrap();
        let output = dir.path().join("copy");
        let write = format!("head -c 2000 /dev/zero > {}; exec sleep 1000", output.display());
        for (script, expected) in [
            ("echo frame=10", "Ok(())"),
            ("echo frame=11; exec sleep 1000", "more pictures than there are"),
            ("yes | head -c 5000000; yes | head -c 5000000 >&2; exit 3", "exit status: 3: "),
            ("echo 'no such codec' >&2; exit 1", "Own(\"exit status: 1: no such codec\")"),
            ("kill -TERM $$", "Ended("),
            ("kill -SEGV $$", "Own("),
            ("exit 255", "Ended("),
            (&write, "TooLarge"),
        ] {
            let said = outcome(script, &output, STALL).await;
            assert!(said.contains(expected), "{script}: {said}");
        }
    }

    /// Lines that say nothing of pictures do not count.
    #[tokio::test]
    async fn an_encoder_that_makes_no_pictures_has_stopped() {
        let dir = tempfile::tempdir().unwrap();
        let output = dir.path().join("copy");
        let script = "echo frame=3; while :; do echo speed=1; echo frame=3; sleep 0.05; done";
        let said = outcome(script, &output, Duration::from_millis(300)).await;
        assert!(said.contains("it has stopped after 3 pictures"), "{said}");
        let script = "exec >&- 2>&-; exec sleep 1000";
        let said = outcome(script, &output, Duration::from_millis(300)).await;
        assert!(said.contains("it has stopped after 0 pictures"), "{said}");
    }

    #[test]
    fn progress_is_read_across_the_cuts_of_a_pipe() {
        let mut lines = Lines::default();
        assert_eq!(lines.push(b"fra"), None);
        assert_eq!(lines.push(b"me= 12\nfps=3\nframe=x\nfr"), Some(12));
        assert_eq!(lines.push(&[b'x'; 100_000]), None);
        assert!(lines.0.len() <= LINE_MAX);
        assert_eq!(lines.push(b"\nframe=13\nframe=14\n"), Some(14));
    }
}
