//! `gphotosfs status`: what a mount says about itself, for people and for programs.

use std::fmt::Write;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use clap::Args;

use super::running::{Mount, Status, local_time};
use super::{CommandError, print};
use crate::profile::Profile;

/// `gphotosfs status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// The mount; without it, that of the profile
    mountpoint: Option<PathBuf>,

    /// Print the mount's status.json as it is
    #[arg(long)]
    json: bool,

    /// Print again every second, until interrupted or unmounted
    #[arg(short, long)]
    watch: bool,
}

/// Prints the status.
///
/// # Errors
/// If there is no running mount.
pub fn run(args: &StatusArgs, profile: &Profile) -> Result<(), CommandError> {
    let mount = match &args.mountpoint {
        Some(path) => Mount::holding(path)?,
        None => Mount::of_profile(profile)?,
    };
    loop {
        let text = if args.json { mount.status_text()? } else { describe(&mount.status()?) };
        let home = if args.watch && io::stdout().is_terminal() { "\x1b[H\x1b[2J" } else { "" };
        let end = if text.ends_with('\n') { "" } else { "\n" };
        print(format!("{home}{text}{end}"))?;
        if !args.watch {
            return Ok(());
        }
        #[allow(clippy::disallowed_methods)] // A person is watching: the second is the event.
        std::thread::sleep(Duration::from_secs(1));
    }
}

fn describe(status: &Status) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:9}{value}");
    };
    let since = local_time(status.since);
    row("Profile", status.profile.clone());
    row("Mount", format!("{} since {since}, process {}", status.mountpoint.display(), status.pid));
    row("API", status.api_url.clone());
    row("Login", login(status));
    row("Queue", queue(status));
    if let Some(trouble) = &status.trouble {
        row("", format!("held up until {}: {}", local_time(trouble.until), trouble.text));
    }
    let quota = &status.quota;
    row(
        "Quota",
        format!(
            "{} of {} API requests and {} of {} downloads used on {}; resets {}",
            quota.api_requests,
            quota.api_limit,
            quota.media_requests,
            quota.media_limit,
            quota.day,
            local_time(quota.resets_at)
        ),
    );
    if let Some(until) = quota.blocked_until {
        row("", format!("nothing is sent until {}", local_time(until)));
    }
    let cache = &status.cache;
    row("Cache", format!("{} of {}", ByteSize(cache.bytes), ByteSize(cache.limit)));
    for (i, it) in status.errors.iter().enumerate() {
        let name = if i == 0 { "Errors" } else { "" };
        row(name, format!("{} {}: {}", local_time(it.at), it.path, it.error));
    }
    text
}

fn login(status: &Status) -> String {
    let login = &status.login;
    match login.message.as_str() {
        "" => login.state.clone(),
        message => format!("{}: {message}", login.state),
    }
}

fn queue(status: &Status) -> String {
    let queue = &status.queue;
    let parts = [
        ("being written", queue.open),
        ("kept here only (scratch names)", queue.scratch),
        ("waiting", queue.sealed.saturating_sub(queue.uploading)),
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
    if parts.is_empty() { left } else { format!("{left}: {}", parts.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::super::running::Trouble;
    use super::*;

    const EXAMPLE: &str = r#"{"version":1,"profile":"default","pid":7,"mountpoint":"/m",
        "since":"2026-11-23T10:00:00Z","api_url":"http://127.0.0.1:8080/",
        "login":{"state":"dead","message":"run 'gphotosfs login'"},
        "queue":{"open":0,"scratch":1,"sealed":5,"uploading":3,"uploaded":0,"creating":0,
                 "confirming":0,"failed":1,"additions":0,"removals":0,"bytes_left":5000000},
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
            "5 to go, 4.8 MiB left: 1 kept here only (scratch names), 2 waiting, 3 uploading, \
             1 failed",
            "12 of 10000 API requests",
            "Trip/x.txt: not a photo",
        ] {
            assert!(text.contains(part), "{part:?} not in:\n{text}");
        }
    }

    #[test]
    fn hindrance_is_the_login_the_quota_or_what_the_uploads_met() {
        let mut status: Status = serde_json::from_str(EXAMPLE).unwrap();
        assert_eq!(status.hindrance().unwrap(), "run 'gphotosfs login'");
        status.login.state = "ok".into();
        assert_eq!(status.hindrance(), None);
        status.quota.blocked_until = Some(status.quota.resets_at);
        assert!(status.hindrance().unwrap().starts_with("Google's quota is used up until 2026"));
        status.quota.blocked_until = None;
        status.trouble = Some(Trouble { text: "no network".into(), until: status.since });
        assert_eq!(status.hindrance().unwrap(), "no network");
    }
}
