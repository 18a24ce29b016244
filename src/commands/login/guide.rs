//! The way to an OAuth client, for a person at a terminal: the pages of Google's console one after the
//! other, in the words of docs/GOOGLE.md, and the wait for the file that the last one downloads.

mod downloads;
mod steps;
mod text;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::mpsc::Receiver;

use super::redirect::registered_loopback;
use crate::api::{ClientKind, ClientSecret};
use crate::app::{CommandError, open_browser, tell};
use crate::media::local_time;
use crate::printable::escaped;
use downloads::{Downloads, Found};
use steps::{Step, Way};

/// Whether a person sits at a terminal and can be guided.
pub(super) fn is_possible() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// In the home directory.
const MOUNTPOINT: &str = "gphotos";
/// What a person enters to decline.
const NO: &str = "n";

const BEGINNING: &str = "\
gphotosfs needs an OAuth client of your own, and there is none yet. These are the pages of Google's
console that make one, step by step. Ctrl-C stops, and changes nothing.
";

/// Leads through the console and waits for the client file. Ends without one only if the terminal
/// does.
pub(super) async fn client(lines: &mut Receiver<String>, no_browser: bool) -> Option<ClientSecret> {
    tell(BEGINNING);
    let mut desk = Desk { lines, downloads: Downloads::find(), no_browser };
    if let Some(client) = desk.earlier().await? {
        return Some(client);
    }
    tell(text::shown(steps::introduction()));
    let way = desk.way().await?;
    let steps = steps::before_login(way);
    let (last, pages) = steps.split_last()?;
    let mut at = 0;
    while let Some(step) = pages.get(at) {
        desk.show(step).await;
        match desk.answer("Press Enter when it is done; b and Enter goes back.").await? {
            Answer::Client(client) => return Some(*client),
            Answer::Line(line) if line == "b" => at = at.saturating_sub(1),
            Answer::Line(_) => at += 1,
        }
    }
    desk.show(last).await;
    desk.wait().await
}

/// What a person should know of the pages of the login, which come next.
pub(super) fn tell_of_login() {
    tell(text::shown(steps::of_login()));
}

/// Asks where to mount, and makes the directory. `None` for nowhere.
///
/// # Errors
/// If the directory cannot be made.
pub(super) async fn mountpoint(
    lines: &mut Receiver<String>,
) -> Result<Option<PathBuf>, CommandError> {
    tell(format!(
        "Press Enter to mount your albums on ~/{MOUNTPOINT}, or enter another directory, or n and \
         Enter to mount later."
    ));
    let line = lines.recv().await.unwrap_or_else(|| NO.to_owned());
    let path = match line.trim() {
        NO | "N" => {
            tell(format!("Mount later with: gphotosfs mount ~/{MOUNTPOINT}"));
            return Ok(None);
        }
        "" => path_in(&format!("~/{MOUNTPOINT}")),
        path => path_in(path),
    };
    std::fs::create_dir_all(&path).map_err(|err| {
        let error = CommandError::new(format!("cannot make {}", path.display())).because(err);
        error.hint("you are logged in; mount with: gphotosfs mount DIRECTORY")
    })?;
    Ok(Some(path))
}

/// A line, or the client file instead.
enum Answer {
    Line(String),
    Client(Box<ClientSecret>),
}

/// The terminal, and the directory that the file will come to.
struct Desk<'a> {
    lines: &'a mut Receiver<String>,
    downloads: Downloads,
    no_browser: bool,
}

impl Desk<'_> {
    /// Offers a file that has been downloaded before.
    async fn earlier(&mut self) -> Option<Option<ClientSecret>> {
        let Some((path, time, client)) = self.downloads.earlier().await else { return Some(None) };
        let since = local_time(time);
        tell(format!("There is a client file of {since}: {}", path.display()));
        tell("Press Enter to use it, or n and Enter to make another client.");
        tell("A new client does not see what an earlier one has uploaded.");
        let line = self.lines.recv().await?;
        if line.trim().eq_ignore_ascii_case(NO) {
            return Some(None);
        }
        tell(taken(&path));
        Some(Some(*client))
    }

    async fn way(&mut self) -> Option<Way> {
        tell("Press Enter for Testing; p and Enter chooses In production.");
        let line = self.lines.recv().await?;
        Some(if line.trim().eq_ignore_ascii_case("p") { Way::Production } else { Way::Testing })
    }

    /// Prints a step, and opens its page.
    async fn show(&self, step: &Step) {
        tell(format!("\n{}\n", step.title));
        tell(text::shown(&step.text));
        if let Some(page) = step.page.as_ref().filter(|_| !self.no_browser)
            && open_browser(page).await
        {
            tell(format!("A browser should open {page}"));
        }
    }

    /// The next line, or a client file: a person may be ahead.
    async fn answer(&mut self, question: &str) -> Option<Answer> {
        tell(question);
        loop {
            tokio::select! {
                line = self.lines.recv() => {
                    let line = line?.trim().to_owned();
                    // A longer one is no slip of the finger.
                    if line.len() <= 1 {
                        return Some(Answer::Line(line.to_lowercase()));
                    }
                    if let Some(client) = given(&line) {
                        return Some(Answer::Client(client));
                    }
                }
                found = self.downloads.next() => {
                    if let Some(client) = accept(found) {
                        return Some(Answer::Client(client));
                    }
                }
            }
        }
    }

    /// Waits for the file, and shows that it does.
    async fn wait(&mut self) -> Option<ClientSecret> {
        let place = self.downloads.place();
        tell(
            "If the browser runs on another machine, copy the file here and enter its path, or paste \
             its content.",
        );
        let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        let message = format!("waiting for client_secret….json in {}", escaped(&place));
        let bar = ProgressBar::new_spinner().with_style(style).with_message(message);
        bar.enable_steady_tick(Duration::from_millis(500));
        let client = loop {
            let client = tokio::select! {
                line = self.lines.recv() => match line {
                    None => break None,
                    Some(line) if line.trim().is_empty() => continue,
                    Some(line) => bar.suspend(|| given(line.trim())),
                },
                found = self.downloads.next() => bar.suspend(|| accept(found)),
            };
            if let Some(client) = client {
                break Some(*client);
            }
        };
        bar.finish_and_clear();
        client
    }
}

/// Takes a file that has come, or says why not.
fn accept(found: Found) -> Option<Box<ClientSecret>> {
    let Found { path, content } = found;
    match content.and_then(usable) {
        Ok(client) => {
            tell(taken(&path));
            Some(client)
        }
        Err(why) => {
            tell(format!("{} cannot be used: {why}", path.display()));
            None
        }
    }
}

/// The client in a line: the content of the file, or its path.
fn given(line: &str) -> Option<Box<ClientSecret>> {
    if line.starts_with('{') {
        return match downloads::parsed(line.as_bytes()).and_then(usable) {
            Ok(client) => Some(client),
            Err(why) => {
                tell(format!("This cannot be used: {why}"));
                None
            }
        };
    }
    let path = path_in(line);
    let content = downloads::read(&path);
    accept(Found { path, content })
}

/// A path as people enter one: a file manager adds quotes or `file://`.
fn path_in(line: &str) -> PathBuf {
    let bare = line.trim_matches(['\'', '"']);
    let bare = bare.strip_prefix("file://").unwrap_or(bare);
    match (bare.strip_prefix("~/"), etcetera::home_dir()) {
        (Some(rest), Ok(home)) => home.join(rest),
        _ => PathBuf::from(bare),
    }
}

/// A client that can wait for Google's answer on this machine.
fn usable(client: Box<ClientSecret>) -> Result<Box<ClientSecret>, String> {
    if client.kind == ClientKind::Web && registered_loopback(&client.redirect_uris).is_none() {
        return Err(
            "its type is \"Web application\"; make a client of the type \"Desktop app\"".into()
        );
    }
    Ok(client)
}

fn taken(path: &Path) -> String {
    format!("Using {}. gphotosfs keeps a copy, so you may delete this file.", path.display())
}
