//! A program on a terminal of its own, and a person who reads and types there.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use super::wait::DEADLINE;

/// A terminal with a program.
pub struct Terminal {
    script: Child,
    keys: ChildStdin,
    arriving: Receiver<Vec<u8>>,
    /// Everything that the program has written.
    pub shown: String,
    /// Where the search for the next words begins.
    read: usize,
}

impl Terminal {
    /// Starts a command with its own environment and directory on a terminal.
    pub fn start(command: &Command) -> Self {
        let words: Vec<_> = [command.get_program()]
            .into_iter()
            .chain(command.get_args())
            .map(|it| format!("'{}'", it.to_str().unwrap()))
            .collect();
        let line = format!("stty rows 24 cols 100; exec {}", words.join(" "));
        let mut script = Command::new("script");
        script.args(["-qec", &line, "/dev/null"]).env_clear();
        script.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("TERM", "xterm");
        script.envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))));
        if let Some(dir) = command.get_current_dir() {
            script.current_dir(dir);
        }
        script.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut script = script.spawn().unwrap();
        let (sender, arriving) = channel();
        let mut out = script.stdout.take().unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = out.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        let keys = script.stdin.take().unwrap();
        Self { script, keys, arriving, shown: String::new(), read: 0 }
    }

    /// Waits until the program shows these words, after those waited for before. Gives everything
    /// in between.
    pub fn expect(&mut self, words: &str) -> String {
        let end = Instant::now() + DEADLINE;
        loop {
            let rest = &self.shown[self.read..];
            if let Some(at) = rest.find(words) {
                let before = rest[..at].to_owned();
                self.read += at + words.len();
                return before;
            }
            let left = end.saturating_duration_since(Instant::now());
            let bytes = self.arriving.recv_timeout(left);
            let bytes = bytes.unwrap_or_else(|_| panic!("no {words:?} in {}", self.shown));
            self.shown.push_str(&String::from_utf8_lossy(&bytes));
        }
    }

    /// Opens the link that `login` shows next, as the person's browser.
    pub fn consent(&mut self) {
        self.expect("Open this link:");
        self.expect("http://");
        let link = format!("http://{}", self.expect("\r\n"));
        let mut curl = Command::new("curl");
        assert!(curl.args(["-fsSL", "-o", "/dev/null", &link]).status().unwrap().success());
    }

    /// Closes the window: the kernel hangs the terminal up.
    pub fn close(mut self) {
        self.script.kill().unwrap();
        self.script.wait().unwrap();
    }

    /// Types these keys.
    pub fn type_in(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Waits until the program ends.
    pub fn end(mut self) -> (ExitStatus, String) {
        let end = Instant::now() + DEADLINE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.arriving.recv_timeout(left) {
                Ok(bytes) => self.shown.push_str(&String::from_utf8_lossy(&bytes)),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                Err(_) => panic!("it does not end: {}", self.shown),
            }
        }
        (self.script.wait().unwrap(), self.shown)
    }
}
