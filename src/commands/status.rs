//! `gphotosfs status`: the state of a profile, as text and as JSON. It comes from a running mount;
//! without one, from the profile's files and database.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use console::{Style, Term, measure_text_width, truncate_str};
use jiff::Timestamp;
use url::Url;

use crate::api::{Budget, ClientSecret, Grant, LoginError, SavedBudget, Scope};
use crate::app::engine::{kept_budget, kept_refusal, no_database, no_directory, no_login};
use crate::app::name::shown;
use crate::app::running::{Mount, OTHER_HOLDER};
use crate::app::{CommandError, print, time_words};
use crate::media::local_time;
use crate::profile::{Holder, Profile};
use crate::status::{self, Login, LoginState, Progress, Queue, Status};
use crate::store::{Backlog, Store};

/// How often `--watch` updates.
const UPDATE_EVERY: Duration = Duration::from_secs(1);

/// The arguments.
#[derive(Debug)]
pub struct Options {
    /// The mount to show. `None` means the profile's mount.
    pub mountpoint: Option<PathBuf>,
    /// Print JSON; with `watch`, an object on each line.
    pub json: bool,
    /// Update every second, until interrupted or unmounted.
    pub watch: bool,
}

/// Prints the status.
///
/// # Errors
/// If the mountpoint is not a running mount, or the profile's files cannot be read.
pub fn run(options: &Options, profile: &Profile, api_url: &Url) -> Result<(), CommandError> {
    let look = || match &options.mountpoint {
        Some(path) => Mount::given(path)?.status(),
        None => match Mount::of_profile(profile)? {
            Some(mount) => mount.status(),
            None => kept(profile, api_url),
        },
    };
    let mut status = look()?;
    if !options.watch {
        return print(if options.json { json(&status, true)? } else { describe(&status) });
    }
    let mut screen = Screen::new();
    let mounted = status.mountpoint.is_some();
    loop {
        if options.json {
            print(json(&status, false)?)?;
        } else {
            screen.show(&status)?;
        }
        #[expect(clippy::disallowed_methods, reason = "the passing of a second is the event")]
        std::thread::sleep(UPDATE_EVERY);
        status = match look() {
            Ok(status) if status.mountpoint.is_some() == mounted => status,
            // The mount has ended, and so does watching it.
            Ok(_) => return Ok(()),
            Err(_) if mounted && !matches!(profile.running(), Ok(Some(_))) => return Ok(()),
            Err(err) => return Err(err),
        };
    }
}

/// The status without a mount.
fn kept(profile: &Profile, api_url: &Url) -> Result<Status, CommandError> {
    let dir = profile.config_dir().map_err(no_directory)?;
    let login = |err| no_login("cannot read the login", err);
    let client = ClientSecret::stored(dir).map_err(login)?;
    let grant = Grant::stored(dir).map_err(login)?;
    let state_dir = profile.state_dir().map_err(no_directory)?;
    let look = || match Store::open_read_only(state_dir)? {
        Some(store) => {
            let refused = kept_refusal(&store, grant.as_ref())?;
            Ok((store.backlog()?, kept_budget(&store)?, refused))
        }
        None => Ok((Default::default(), Budget::new(Timestamp::now()), None)),
    };
    let (backlog, budget, refused) =
        look().map_err(|err| no_database("cannot read the database", err))?;
    let (name, spent) = (profile.name().to_string(), budget.snapshot(Timestamp::now()));
    Ok(Status {
        // If this fails, the next command that needs the lock reports it.
        busy: matches!(profile.holder(), Ok(Holder::Other)),
        login: kept_login(client.as_ref(), grant.as_ref(), refused),
        ..unmounted(name, api_url.to_string(), &backlog, &spent)
    })
}

/// The status of a profile that is not mounted, from its database.
fn unmounted(profile: String, api_url: String, backlog: &Backlog, spent: &SavedBudget) -> Status {
    Status {
        version: status::VERSION,
        profile,
        api_url,
        queue: backlog.into(),
        quota: spent.into(),
        ..Status::default()
    }
}

/// The login as stored, without a request to Google. `refused` is Google's last message, if it has
/// refused this grant.
fn kept_login(
    client: Option<&ClientSecret>,
    grant: Option<&Grant>,
    refused: Option<String>,
) -> Login {
    let (state, message) = match (client, grant, refused) {
        (Some(_), Some(_), None) => (LoginState::Ok, String::new()),
        (Some(_), Some(_), Some(said)) => (LoginState::Dead, said),
        (None, Some(_), _) => (LoginState::Missing, LoginError::NoClient.to_string()),
        (_, None, _) => (LoginState::Missing, LoginError::NotLoggedIn.to_string()),
    };
    Login {
        state,
        message,
        client_id: client.map(|it| it.client_id.clone()),
        granted_at: grant.map(|it| it.granted_at),
        ends_at: grant.and_then(|it| it.ends_at),
        missing_scopes: grant.map_or_else(Vec::new, |it| short_names(&it.missing_scopes())),
    }
}

fn short_names(scopes: &[Scope]) -> Vec<String> {
    scopes.iter().map(|it| it.short_name().to_owned()).collect()
}

fn json(status: &Status, pretty: bool) -> Result<String, CommandError> {
    let text =
        if pretty { serde_json::to_string_pretty(status) } else { serde_json::to_string(status) };
    let text = text.map_err(|err| CommandError::new("cannot write JSON").because(err))?;
    Ok(text + "\n")
}

/// The output of `--watch`: a terminal's whole screen, or a line for each change.
struct Screen {
    term: Term,
    last: String,
}

impl Screen {
    fn new() -> Self {
        let term = Term::stdout();
        if term.is_term() {
            // If clearing fails, the output overwrites the old text.
            let _ = term.clear_screen();
        }
        Self { term, last: String::new() }
    }

    fn show(&mut self, status: &Status) -> Result<(), CommandError> {
        if !self.term.is_term() {
            let line = format!("{}\n", summary(status));
            if line != self.last {
                print(format!("{} {line}", local_time(Timestamp::now())))?;
                self.last = line;
            }
            return Ok(());
        }
        let (height, width) = self.term.size();
        let text = describe(status);
        let lines = text.lines().take(usize::from(height).saturating_sub(1));
        let draw = || -> std::io::Result<()> {
            self.term.move_cursor_to(0, 0)?;
            for line in lines {
                let line = truncate_str(line, usize::from(width), "…");
                let rest = usize::from(width).saturating_sub(measure_text_width(&line));
                writeln!(&self.term, "{line}{:rest$}", "")?;
            }
            self.term.clear_to_end_of_screen()
        };
        draw().map_err(|err| CommandError::new("cannot write the output").because(err))
    }
}

/// The status as text.
fn describe(status: &Status) -> String {
    let (bold, bad) = (Style::new().bold(), Style::new().yellow());
    let mut text = String::new();
    let mut row = |name: &str, value: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}{value}", bold.apply_to(format!("{name:9}")));
    };
    let now = Timestamp::now();
    row("Account", account(status));
    row("Login", login(&status.login, now));
    for scope in &status.login.missing_scopes {
        let text = format!("{scope} was not granted: log in again and tick all boxes");
        row("", bad.apply_to(text).to_string());
    }
    row("Mount", mount(status));
    row("Queue", queue(&status.queue));
    if let Some(progress) = &status.progress
        && status.queue.left() > 0
    {
        row("Speed", speed(progress));
    }
    if let Some(blocked) = &status.blocked {
        let (since, until) = (ago(now, blocked.since), local_time(blocked.until));
        let text = format!("blocked ({since}): {}; next attempt at {until}", blocked.text);
        row("", bad.apply_to(text).to_string());
    }
    let quota = &status.quota;
    row(
        "Quota",
        format!(
            "{} of {} API requests and {} of {} downloads used today; resets at {}",
            quota.api_requests,
            quota.api_limit,
            quota.media_requests,
            quota.media_limit,
            local_time(quota.resets_at)
        ),
    );
    for (what, until) in [("sent", quota.blocked_until), ("downloaded", quota.media_blocked_until)]
    {
        if let Some(until) = until {
            let text = format!(
                "used up, according to Google: nothing is {what} until {}",
                local_time(until)
            );
            row("", bad.apply_to(text).to_string());
        }
    }
    if let Some(spool) = &status.spool {
        row("Spool", format!("{}, room for {} more", ByteSize(spool.bytes), ByteSize(spool.room)));
    }
    if let Some(cache) = &status.cache {
        row("Cache", format!("{} of {}", ByteSize(cache.bytes), ByteSize(cache.limit)));
    }
    for (i, it) in status.errors.iter().rev().enumerate() {
        let name = if i == 0 { "Errors" } else { "" };
        row(name, format!("{}: {}: {}", ago(now, it.at), shown(&it.path), shown(&it.error)));
    }
    text
}

/// Names the account by its profile and client: with our scopes, the API does not return the user's
/// name or address.
fn account(status: &Status) -> String {
    let client = status.login.client_id.as_deref().map(|it| format!(", OAuth client {it}"));
    format!("profile {}{} at {}", status.profile, client.unwrap_or_default(), status.api_url)
}

fn login(login: &Login, now: Timestamp) -> String {
    let state = match (login.state.as_str(), login.message.as_str()) {
        (state, "") => state.to_owned(),
        (state, message) => format!("{state}: {message}"),
    };
    let granted_at = login.granted_at.filter(|_| login.state != LoginState::Missing);
    let age = granted_at.map(|at| format!(", logged in {}", ago(now, at)));
    let end = login.ends_at.map(|at| format!(", ends at {}", local_time(at)));
    format!("{state}{}{}", age.unwrap_or_default(), end.unwrap_or_default())
}

fn mount(status: &Status) -> String {
    let (Some(root), Some(pid), Some(since)) = (&status.mountpoint, status.pid, status.since)
    else {
        if status.busy {
            return format!("not mounted; {OTHER_HOLDER}");
        }
        return "not mounted; run 'gphotosfs mount MOUNTPOINT', or 'gphotosfs sync' to upload the queue"
            .to_owned();
    };
    let mut text = format!("{} since {}, process {pid}", root.display(), local_time(since));
    if let Some(facts) = &status.mount {
        let read_only = if facts.read_only { ", read-only" } else { "" };
        let _ = write!(
            text,
            "; {} open, commit={}, sizes={}{read_only}, Linux {}",
            facts.open_files,
            facts.commit.as_str(),
            facts.sizes.as_str(),
            facts.kernel
        );
    }
    text
}

fn queue(queue: &Queue) -> String {
    let parts = [
        ("being written", queue.open + queue.held),
        ("kept here only (temporary names)", queue.temporary),
        ("waiting", queue.sealed.saturating_sub(queue.uploading + queue.held)),
        ("uploading", queue.uploading),
        ("uploaded", queue.uploaded),
        ("creating", queue.creating),
        ("confirming", queue.confirming),
        ("to add", queue.additions),
        ("to remove", queue.removals),
        ("failed", queue.failed),
    ];
    let parts: Vec<_> =
        parts.iter().filter(|it| it.1 > 0).map(|(name, n)| format!("{n} {name}")).collect();
    let left = match queue.left() {
        0 => "nothing to send".to_owned(),
        n => format!("{n} to go, {} left", ByteSize(queue.bytes_left)),
    };
    let colon = if queue.left() == 0 { ";" } else { ":" };
    if parts.is_empty() { left } else { format!("{left}{colon} {}", parts.join(", ")) }
}

fn speed(progress: &Progress) -> String {
    let moves = progress.bytes_per_second > 0 || progress.files_per_minute > 0.0;
    let left = match progress.seconds_left {
        Some(seconds) => format!("; about {} left", time_words(seconds)),
        // The bytes sent so far do not allow an estimate for the calls that are left.
        None if moves => String::new(),
        None => "; nothing moves".to_owned(),
    };
    let bytes = ByteSize(progress.bytes_per_second);
    format!("{bytes}/s, {} files a minute{left}", progress.files_per_minute)
}

/// The changing values, in one line.
fn summary(status: &Status) -> String {
    let mut line = queue(&status.queue);
    if let Some(progress) = status.progress.as_ref().filter(|_| status.queue.left() > 0) {
        let _ = write!(line, "; {}", speed(progress));
    }
    if let Some(why) = status.blocked_reason() {
        let _ = write!(line, "; blocked: {why}");
    }
    line
}

fn ago(now: Timestamp, then: Timestamp) -> String {
    let seconds = u64::try_from(now.duration_since(then).as_secs()).unwrap_or(0);
    match seconds {
        0..86_400 => format!(
            "{} ago",
            time_words(seconds / 60 * 60 + if seconds < 60 { seconds } else { 0 })
        ),
        86_400..172_800 => "1 day ago".to_owned(),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::status::{BlockedBy, BlockedUploads};

    const EXAMPLE: &str = r#"{"version":1,"profile":"default","pid":7,"mountpoint":"/m",
        "since":"2026-11-23T10:00:00Z","api_url":"http://127.0.0.1:8080/",
        "login":{"state":"dead","message":"run 'gphotosfs login'","missing_scopes":["edit"]},
        "queue":{"open":0,"scratch":1,"sealed":5,"uploading":3,"uploaded":0,"creating":0,
                 "confirming":0,"failed":1,"additions":0,"removals":0,"bytes_left":5000000},
        "progress":{"files_done":2,"bytes_sent":3,"bytes_per_second":2000000,"files_per_minute":30.5,
                    "seconds_left":125},
        "quota":{"day":"2026-11-23","api_requests":12,"api_limit":10000,"media_requests":0,
                 "media_limit":75000,"resets_at":"2026-11-24T08:00:00Z","blocked_until":null},
        "cache":{"bytes":1000000,"limit":10000000000},
        "errors":[{"at":"2026-11-23T10:01:00Z","path":"Trip/x.txt","error":"not a photo"}],
        "added_later":true}"#;

    #[test]
    fn status_says_what_is_left_and_what_is_wrong() {
        let status: Status = serde_json::from_str(EXAMPLE).unwrap();
        let text = describe(&status);
        for part in [
            "/m since",
            "process 7",
            "dead: run 'gphotosfs login'",
            "edit was not granted",
            "5 to go, 4.8 MiB left: 1 kept here only (temporary names), 2 waiting, 3 uploading, \
             1 failed",
            "1.9 MiB/s, 30.5 files a minute; about 2m 5s left",
            "12 of 10000 API requests",
            "Trip/x.txt: not a photo",
        ] {
            assert!(text.contains(part), "{part:?} not in:\n{text}");
        }
        assert!(summary(&status).ends_with("blocked: run 'gphotosfs login'"));
    }

    #[test]
    fn what_a_program_has_open_is_being_written_and_does_not_wait() {
        let held = Queue { open: 1, sealed: 2, held: 1, bytes_left: 2048, ..Queue::default() };
        assert_eq!(super::queue(&held), "2 to go, 2.0 KiB left: 2 being written, 1 waiting");
        let open = Queue { open: 1, ..Queue::default() };
        assert_eq!(super::queue(&open), "nothing to send; 1 being written");
    }

    #[test]
    fn nothing_moves_only_if_nothing_does() {
        let progress = |bytes_per_second| Progress { bytes_per_second, ..Progress::default() };
        assert_eq!(speed(&progress(0)), "0 B/s, 0 files a minute; nothing moves");
        assert_eq!(speed(&progress(240)), "240 B/s, 0 files a minute");
    }

    #[test]
    fn without_a_mount_it_says_so() {
        let status = Status { mountpoint: None, ..serde_json::from_str(EXAMPLE).unwrap() };
        assert!(describe(&status).contains("not mounted; run 'gphotosfs mount"));
    }

    #[test]
    fn how_long_ago_is_told_in_one_unit() {
        let then: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
        let later = |seconds| ago(then + SignedDuration::from_secs(seconds), then);
        assert_eq!(later(5), "5s ago");
        assert_eq!(later(125), "2m ago");
        assert_eq!(later(86_400 * 3), "3 days ago");
        assert_eq!(later(-5), "0s ago", "clocks differ");
    }

    #[test]
    fn hindrance_is_the_login_the_quota_or_what_the_uploads_met() {
        let mut status: Status = serde_json::from_str(EXAMPLE).unwrap();
        assert_eq!(status.blocked_reason().unwrap(), "run 'gphotosfs login'");
        status.login.state = LoginState::Ok;
        assert_eq!(status.blocked_reason(), None);
        status.quota.blocked_until = Some(status.quota.resets_at);
        assert!(
            status.blocked_reason().unwrap().starts_with("Google's quota is used up until 2026")
        );
        status.quota.blocked_until = None;
        let at = status.quota.resets_at;
        let blocked = BlockedUploads {
            kind: BlockedBy::Offline,
            text: "no network".into(),
            since: at,
            until: at,
        };
        status.blocked = Some(blocked);
        assert_eq!(status.blocked_reason().unwrap(), "no network");
    }
}
