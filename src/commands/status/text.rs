//! The status as text.

use std::fmt::Write as _;

use bytesize::ByteSize;
use console::Style;
use jiff::Timestamp;

use super::saving::{is_full, saved, stored};
use crate::api::LOGIN_ENDS_SOON;
use crate::app::name::shown;
use crate::app::running::{DIED, OTHER_HOLDER};
use crate::app::{time_words, unmounted};
use crate::media::local_time;
use crate::printable::escaped;
use crate::status::{
    BlockedBy, CutOff, FailingFile, Library, LimitUp, Login, LoginState, Progress, Queue, Saved,
    Status,
};

/// So many files that look cut off are named.
const CUT_OFF_NAMED: usize = 5;

/// The status as text.
pub(super) fn describe(status: &Status) -> String {
    let (bold, bad, plain) = (Style::new().bold(), Style::new().yellow(), Style::new());
    let mut text = String::new();
    let mut row = |name: &str, value: String, style: &Style| {
        // A foreign text must not begin a row. Writing to a string cannot fail.
        let value = style.apply_to(escaped(&value));
        let _ = writeln!(text, "{}{value}", bold.apply_to(format!("{name:9}")));
    };
    let now = Timestamp::now();
    row("Account", account(status), &plain);
    row("Login", login(&status.login, now), &plain);
    if let Some(text) = end_of_login(&status.login, now) {
        row("", text, &bad);
    }
    for scope in &status.login.missing_scopes {
        let text = format!("{scope} was not granted: log in again and tick all boxes");
        row("", text, &bad);
    }
    row("Library", library(&status.library), &plain);
    row("Mount", mount(status), &plain);
    if let Some(found) = &status.unmounted {
        for text in [unmounted::lying(found), Some(unmounted::remedy(found))].into_iter().flatten()
        {
            row("", text, &bad);
        }
    }
    row("Queue", queue(&status.queue), &plain);
    if let Some(progress) = &status.progress
        && status.queue.left() > 0
    {
        row("Speed", speed(progress), &plain);
    }
    if let Some(text) = status.limit_up.as_ref().and_then(limit_up) {
        row("Limit", text, &plain);
    }
    if let Some(blocked) = &status.blocked {
        let (since, until) = (ago(now, blocked.since), local_time(blocked.until));
        let text = match blocked.kind {
            BlockedBy::Metered => {
                format!("{} ({since}); '--metered use' uploads all the same", blocked.text)
            }
            _ => format!("blocked ({since}): {}; next attempt at {until}", blocked.text),
        };
        row("", text, &bad);
    }
    for (i, it) in status.failing.iter().enumerate() {
        let name = if i == 0 { "Waiting" } else { "" };
        row(name, failing(it), &bad);
    }
    if status.cut_off.files > 0 {
        row("Cut off", cut_off(&status.cut_off), &bad);
    }
    for (i, pick) in status.picks.iter().enumerate() {
        row(if i == 0 { "Picks" } else { "" }, pick.to_string(), &plain);
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
        &plain,
    );
    if quota.others_api_requests > 0 {
        let (caused, limit) = (quota.others_api_requests, quota.others_api_limit);
        row(
            "",
            format!("other users have caused {caused} API requests of those, and may {limit}"),
            &plain,
        );
    }
    for (what, until) in [("sent", quota.blocked_until), ("downloaded", quota.media_blocked_until)]
    {
        if let Some(until) = until {
            let text = format!(
                "used up, according to Google: nothing is {what} until {}",
                local_time(until)
            );
            row("", text, &bad);
        }
    }
    if status.saved != Saved::default() {
        row("Saver", saved(&status.saved), &plain);
    }
    match status.can_shrink_videos {
        Some(true) => row("Videos", "uploaded in 1080p, by ffmpeg".to_owned(), &plain),
        Some(false) => {
            let text = "uploaded as they are: ffmpeg or ffprobe is not installed";
            row("Videos", text.to_owned(), &bad);
        }
        None => {}
    }
    if status.stored.bytes > 0 {
        let text = stored(status);
        let is_full = is_full(status);
        row("Stored", text, if is_full { &bad } else { &plain });
    }
    if let Some(spool) = &status.spool {
        let mut text = format!("{}, room for {} more", ByteSize(spool.bytes), ByteSize(spool.room));
        for (bytes, what) in [(spool.refused, "refused"), (spool.kept, "only on this machine")] {
            if bytes > 0 {
                let _ = write!(text, "; {} {what}", ByteSize(bytes));
            }
        }
        row("Spool", text, &plain);
    }
    if let Some(cache) = &status.cache {
        row("Cache", format!("{} of {}", ByteSize(cache.bytes), ByteSize(cache.limit)), &plain);
    }
    for (i, it) in status.errors.iter().rev().enumerate() {
        let name = if i == 0 { "Errors" } else { "" };
        row(
            name,
            format!("{}: {}: {}", ago(now, it.at), shown(&it.path), shown(&it.error)),
            &plain,
        );
    }
    text
}

/// Names the account by its profile and client: with our scopes, the API does not return the user's
/// name or address.
fn account(status: &Status) -> String {
    let Login { client_id, bound, .. } = &status.login;
    let client = match bound {
        // Also while the login is of another client.
        Some(bound) => {
            format!(", OAuth client {} since {}", bound.client_id, local_time(bound.since))
        }
        None => client_id.as_ref().map_or_else(String::new, |it| format!(", OAuth client {it}")),
    };
    format!("profile {}{client} at {}", status.profile, status.api_url)
}

/// Lets the owner see whether it is the right account: Google does not tell its name.
fn library(library: &Library) -> String {
    let named: Vec<String> = library.titles.iter().map(|it| format!("\"{}\"", shown(it))).collect();
    match library.albums {
        0 => "no albums known yet".to_owned(),
        1 => format!("1 album: {}", named.join(", ")),
        count => format!("{count} albums, the latest: {}", named.join(", ")),
    }
}

/// Names the latest files that look cut off.
fn cut_off(cut_off: &CutOff) -> String {
    let named = cut_off.paths.iter().take(CUT_OFF_NAMED).map(|path| shown(path));
    let named = named.collect::<Vec<_>>().join(", ");
    let rest = usize::try_from(cut_off.files).unwrap_or(usize::MAX).saturating_sub(CUT_OFF_NAMED);
    let (files, look) = match cut_off.files {
        1 => ("file", "looks"),
        _ => ("files", "look"),
    };
    let more = if rest > 0 { format!(", and {rest} more") } else { String::new() };
    format!("{} {files} {look} cut off: {named}{more}", cut_off.files)
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

/// The reminder that a login which works ends soon.
fn end_of_login(login: &Login, now: Timestamp) -> Option<String> {
    let ends_at = login.ends_at.filter(|_| login.state == LoginState::Ok)?;
    let left = ends_at.duration_since(now);
    let seconds = u64::try_from(left.as_secs()).unwrap_or(0);
    (left < LOGIN_ENDS_SOON).then(|| {
        format!("Google ends it in {}: run 'gphotosfs login' before that", time_words(seconds))
    })
}

fn mount(status: &Status) -> String {
    let (Some(root), Some(since)) = (&status.mountpoint, status.since) else {
        let wanted = status.unmounted.as_ref().filter(|it| it.wanted);
        let wanted =
            wanted.map(|it| format!("not mounted, but meant to be on {}", it.mountpoint.display()));
        if status.busy {
            let state = wanted.unwrap_or_else(|| "not mounted".to_owned());
            return format!("{state}; {OTHER_HOLDER}");
        }
        if let Some(place) = &status.dead_mountpoint {
            return format!("{}: {DIED}, or mount there again; nothing is lost", place.display());
        }
        if let Some(wanted) = wanted {
            return wanted;
        }
        return "not mounted; run 'gphotosfs mount MOUNTPOINT', or 'gphotosfs sync' to upload the queue"
            .to_owned();
    };
    let process = status.pid.map_or_else(String::new, |pid| format!(", process {pid}"));
    let mut text = format!("{} since {}{process}", root.display(), local_time(since));
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
        ("kept here only (temporary names)", queue.temporary.saturating_sub(queue.empty)),
        ("kept here only (empty)", queue.empty),
        ("only on this machine (sidecars, system files)", queue.kept),
        ("waiting", queue.sealed.saturating_sub(queue.shrinking + queue.uploading + queue.held)),
        ("shrinking", queue.shrinking),
        ("uploading", queue.uploading),
        ("uploaded", queue.uploaded),
        ("creating", queue.creating),
        ("confirming", queue.confirming),
        ("arrived, with their bytes kept here until the album's list shows them", queue.unseen),
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

/// The limit that the user has set, if there is one.
fn limit_up(limit: &LimitUp) -> Option<String> {
    let now = match limit.bytes_per_second {
        // In the units of the setting.
        Some(bytes) => format!("uploads may take {}/s", ByteSize(bytes).display().si()),
        None => "uploads have no limit at this time".to_owned(),
    };
    let is_schedule = limit.setting.contains(' ');
    match is_schedule {
        true => Some(format!("{now}; by the time of the day: {}", limit.setting)),
        false => limit.bytes_per_second.map(|_| now),
    }
}

/// A file that fails again and again.
fn failing(file: &FailingFile) -> String {
    let until = match file.until {
        Some(until) => format!("next attempt at {}", local_time(until)),
        None => "it is being tried again".to_owned(),
    };
    let times = match file.attempts {
        0 | 1 => "once".to_owned(),
        attempts => format!("{attempts} times"),
    };
    format!(
        "{} has failed {times} since {}: {}; {until}",
        shown(&file.path),
        local_time(file.since),
        shown(&file.error)
    )
}

/// The changing values, in one line.
pub(super) fn summary(status: &Status) -> String {
    let mut line = queue(&status.queue);
    if let Some(progress) = status.progress.as_ref().filter(|_| status.queue.left() > 0) {
        let _ = write!(line, "; {}", speed(progress));
    }
    if let Some(why) = status.blocked_reason() {
        let _ = write!(line, "; blocked: {why}");
    }
    escaped(&line).into_owned()
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

/// A status as a mount writes it, for tests.
#[cfg(test)]
pub(super) const EXAMPLE: &str = r#"{"version":1,"profile":"default","pid":7,"mountpoint":"/m",
        "since":"2026-11-23T10:00:00Z","api_url":"http://127.0.0.1:8080/",
        "login":{"state":"dead","message":"run 'gphotosfs login'","missing_scopes":["edit"]},
        "queue":{"open":0,"scratch":3,"empty":2,"sealed":5,"uploading":3,"uploaded":0,"creating":0,
                 "confirming":0,"failed":1,"additions":0,"removals":0,"bytes_left":5000000},
        "progress":{"files_done":2,"bytes_sent":3,"bytes_per_second":2000000,"files_per_minute":30.5,
                    "seconds_left":125},
        "quota":{"day":"2026-11-23","api_requests":12,"api_limit":10000,"media_requests":0,
                 "media_limit":75000,"resets_at":"2026-11-24T08:00:00Z","blocked_until":null},
        "cache":{"bytes":1000000,"limit":10000000000},
        "failing":[{"path":"Trip/y.mp4","error":"Internal error (code 13)","attempts":7,
                    "since":"2026-11-23T10:00:00Z","until":"2026-11-23T11:00:00Z"}],
        "errors":[{"at":"2026-11-23T10:01:00Z","path":"Trip/x.txt","error":"not a photo"}],
        "added_later":true}"#;

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::status::{BlockedBy, BlockedUploads};

    #[test]
    fn status_says_what_is_left_and_what_is_wrong() {
        let status: Status = serde_json::from_str(EXAMPLE).unwrap();
        let text = describe(&status);
        for part in [
            "/m since",
            "process 7",
            "dead: run 'gphotosfs login'",
            "edit was not granted",
            "5 to go, 4.8 MiB left: 1 kept here only (temporary names), 2 kept here only (empty), \
             2 waiting, 3 uploading, 1 failed",
            "1.9 MiB/s, 30.5 files a minute; about 2m 5s left",
            "12 of 10000 API requests",
            "Trip/x.txt: not a photo",
            "Trip/y.mp4 has failed 7 times since",
            "Internal error (code 13); next attempt at",
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
    fn foreign_words_begin_no_row_and_move_no_cursor() {
        let mut status: Status = serde_json::from_str(EXAMPLE).unwrap();
        status.login.message = "x\nQueue    forged\x1b[2J\u{202e}".into();
        status.profile = "a\nLogin ok".into();
        let text = describe(&status);
        assert!(text.contains(r"dead: x\nQueue    forged\u{1b}[2J\u{202e}"), "{text}");
        assert!(!text.lines().any(|it| it.starts_with("Login ok")), "{text}");
        assert!(summary(&status).ends_with(r"x\nQueue    forged\u{1b}[2J\u{202e}"));
    }

    #[test]
    fn the_end_of_a_login_is_announced_in_its_last_two_days() {
        let now = Timestamp::UNIX_EPOCH;
        let login = |state, hours| Login {
            state,
            ends_at: Some(now + SignedDuration::from_hours(hours)),
            ..Login::default()
        };
        let text = end_of_login(&login(LoginState::Ok, 26), now).unwrap();
        assert_eq!(text, "Google ends it in 26h: run 'gphotosfs login' before that");
        assert_eq!(end_of_login(&login(LoginState::Ok, 7 * 24), now), None);
        assert_eq!(end_of_login(&login(LoginState::Dead, 26), now), None);
    }

    #[test]
    fn without_a_mount_it_says_so() {
        let status = Status { mountpoint: None, ..serde_json::from_str(EXAMPLE).unwrap() };
        assert!(describe(&status).contains("not mounted; run 'gphotosfs mount"));
    }

    #[test]
    fn a_dead_mount_is_named_with_the_next_step() {
        let status: Status = serde_json::from_str(EXAMPLE).unwrap();
        let dead_mountpoint = Some("/m".into());
        let text = describe(&Status { mountpoint: None, dead_mountpoint, ..status });
        assert!(text.contains("/m: the mount has died: run 'gphotosfs umount' on it"), "{text}");
        assert!(!text.contains("not mounted"), "{text}");
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
    fn status_counts_the_requests_of_other_users_if_there_are_any() {
        let mut status: Status = serde_json::from_str(EXAMPLE).unwrap();
        assert!(!describe(&status).contains("other users"));
        (status.quota.others_api_requests, status.quota.others_api_limit) = (7, 1000);
        let text = describe(&status);
        assert!(text.contains("other users have caused 7 API requests of those, and may 1000"));
    }

    #[test]
    fn uploads_are_blocked_by_the_login_the_quota_or_an_outage() {
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
