//! Evaluates the facts. Pure.

use bytesize::ByteSize;
use jiff::{SignedDuration, Timestamp};

use super::facts::{Disk, Facts, Kind, MountState};
use super::report::{Report, some};
use crate::api::{
    API_REQUESTS_PER_DAY, ClientSecret, Error, FailureKind, Foreign, Grant, LoginError,
    MEDIA_REQUESTS_PER_DAY, Scope, next_reset,
};
use crate::app::engine::OTHER_VERSION;
use crate::app::mounts::permits_allow_other;
use crate::app::running::OTHER_HOLDER;
use crate::app::time_words;
use crate::error_chain::append_ends;
use crate::media::local_time;
use crate::profile::Holder;
use crate::store;
use crate::upload::room::reserve;

/// All checks, each after those that it depends on.
pub(super) const ALL: &[fn(&Facts, &mut Report)] = &[
    device,
    helper,
    config,
    allow_other,
    client,
    login,
    login_age,
    scopes,
    api,
    clock,
    quota,
    disks,
    mounts,
    queue,
];

const LOG_IN: &str = "run 'gphotosfs login'";

/// How long logins last while the consent screen is in "Testing" (reference §3.6).
const TESTING_LIFE: SignedDuration = SignedDuration::from_hours(7 * 24);
/// An older login is reported if the consent screen may be in "Testing".
const TESTING_WARNING: SignedDuration = SignedDuration::from_hours(5 * 24);
const PUBLISH: &str = "publish the app (Google Cloud console, \"Google Auth Platform\", Audience, \"Publish app\") \
    and run 'gphotosfs login' again";

/// A larger difference of the clock is a warning.
const CLOCK_ODD: SignedDuration = SignedDuration::from_secs(60);
/// A larger difference is a failure: certificates and tokens may be rejected.
const CLOCK_WRONG: SignedDuration = SignedDuration::from_secs(300);

/// The percentage of a day's quota from which on its use is a warning.
const QUOTA_LOW: u64 = 90;

fn device(facts: &Facts, report: &mut Report) {
    const NAME: &str = "fuse device";
    match &facts.device {
        Ok(()) => report.ok(NAME, "/dev/fuse can be used"),
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => report.fail(
            NAME,
            "there is no /dev/fuse",
            "run 'modprobe fuse' as root; in a container, start it with --device /dev/fuse",
        ),
        Err(err) => report.fail(
            NAME,
            format!("/dev/fuse cannot be opened: {err}"),
            "its mode should be 0666: install fuse3, or ask the administrator",
        ),
    }
}

fn helper(facts: &Facts, report: &mut Report) {
    const NAME: &str = "fusermount3";
    match &facts.helper {
        Some(it) if it.privileged || facts.root => report.ok(NAME, it.path.display().to_string()),
        Some(it) => report.fail(
            NAME,
            format!("{} lacks the setuid bit, so that only root can mount", it.path.display()),
            format!("run 'chmod u+s {}' as root, or install fuse3 again", it.path.display()),
        ),
        None if facts.root => report.ok(NAME, "not installed; root does not need it"),
        None => report.fail(
            NAME,
            "not installed: only root can mount",
            "install fuse3 ('apt install fuse3')",
        ),
    }
}

/// Other commands do not check the settings of mounts.
fn config(facts: &Facts, report: &mut Report) {
    const NAME: &str = "config";
    match &facts.settings {
        Ok(_) => report.ok(NAME, "config.toml and the environment are valid for a mount"),
        Err(why) => report.fail(
            NAME,
            why,
            "correct it: 'gphotosfs mount --help' lists the settings, docs/CONFIGURATION.md the keys",
        ),
    }
}

fn allow_other(facts: &Facts, report: &mut Report) {
    const NAME: &str = "user_allow_other";
    let wanted = facts.settings.as_ref().is_ok_and(|it| it.allow_other);
    let text = match &facts.fuse_conf {
        _ if facts.root => "not needed by root",
        Ok(text) if permits_allow_other(text) => "on: --allow-other can be used",
        _ if wanted => {
            return report.fail(
                NAME,
                "off, but the settings have allow_other: mounting fails",
                "root can permit it with a line 'user_allow_other' in /etc/fuse.conf; or mount without it, for \
                 yourself alone",
            );
        }
        Ok(_) => "off in /etc/fuse.conf; only --allow-other needs it",
        Err(_) => "off, because /etc/fuse.conf cannot be read; only --allow-other needs it",
    };
    report.ok(NAME, text);
}

fn client(facts: &Facts, report: &mut Report) {
    const NAME: &str = "client file";
    match &facts.client {
        Ok(Some(client)) => report.ok(NAME, describe(client)),
        Ok(None) => report.fail(
            NAME,
            "there is none yet",
            "'gphotosfs login' says how to get one from Google",
        ),
        Err(error) => report.fail(NAME, words(error), "run 'gphotosfs login --client-secret FILE'"),
    }
}

fn describe(client: &ClientSecret) -> String {
    match &client.project_id {
        Some(project) => format!("{} of project {project}", client.client_id),
        None => client.client_id.clone(),
    }
}

fn login(facts: &Facts, report: &mut Report) {
    const NAME: &str = "login";
    match (&facts.grant, &facts.renewal) {
        (Err(error), _) => report.fail(NAME, words(error), LOG_IN),
        (Ok(None), _) => report.fail(NAME, "not logged in", LOG_IN),
        (Ok(Some(_)), None) => {
            report.fail(NAME, "it cannot be used without its client file", LOG_IN)
        }
        (Ok(Some(_)), Some(Ok(()))) => report.ok(NAME, "Google accepts it"),
        (Ok(Some(grant)), Some(Err(LoginError::Ended(said)))) => {
            let (text, remedy) = ended(grant, facts.now);
            report.fail(NAME, format!("{text} (Google says: {said})"), remedy);
        }
        (Ok(Some(_)), Some(Err(LoginError::Foreign(error)))) => {
            report.fail(NAME, format!("it {error}"), Foreign::REMEDY);
        }
        (Ok(Some(_)), Some(Err(error))) if error.is_passing() => report.fail(
            NAME,
            words(error),
            "check the network and the proxy; the login itself may be good",
        ),
        (Ok(Some(_)), Some(Err(error))) => report.fail(NAME, words(error), LOG_IN),
    }
    if let Some(mode) = facts.token_mode.filter(|mode| mode & 0o077 != 0) {
        report.warn(
            "token file",
            format!("other users can read it (mode {mode:03o})"),
            "run 'chmod 600' on token.json in the profile's configuration directory",
        );
    }
}

/// The likely reason why Google has ended a login, by its age: Google's answer does not distinguish
/// an expired login from a revoked one.
fn ended(grant: &Grant, now: Timestamp) -> (String, String) {
    let age = now.duration_since(grant.granted_at);
    if let Some(at) = grant.ends_at.filter(|at| *at <= now) {
        let text = format!("expired: it was granted until {}", local_time(at));
        (
            text,
            format!("if the app's publishing status is \"Testing\", {PUBLISH}; otherwise {LOG_IN}"),
        )
    } else if age < TESTING_LIFE {
        let text = format!("revoked: at an age of {}, it cannot have expired", days(age));
        let remedy = format!(
            "{LOG_IN}; a login is revoked at https://myaccount.google.com/connections, by 'gphotosfs logout', or by \
             a hundred later logins"
        );
        (text, remedy)
    } else {
        let text = format!("expired or revoked, {} old", days(age));
        let remedy = format!(
            "if it ended after seven days, the app's publishing status is \"Testing\": {PUBLISH}; if you revoked it \
             or did not use it for six months, {LOG_IN}"
        );
        (text, remedy)
    }
}

fn login_age(facts: &Facts, report: &mut Report) {
    const NAME: &str = "login age";
    let (Ok(Some(grant)), Some(Ok(()))) = (&facts.grant, &facts.renewal) else { return };
    let age = facts.now.duration_since(grant.granted_at);
    let tested = grant.granted_at.saturating_add(TESTING_LIFE);
    match (grant.ends_at, tested) {
        (Some(at), _) => report.warn(
            NAME,
            format!("{}; Google will end it on {}", days(age), local_time(at)),
            format!("if the app's publishing status is \"Testing\", {PUBLISH}"),
        ),
        (None, _) if age >= TESTING_LIFE => {
            report.ok(
                NAME,
                format!("{}: more than the seven days of an app in \"Testing\"", days(age)),
            );
        }
        (None, Ok(end)) if age >= TESTING_WARNING => report.warn(
            NAME,
            format!(
                "{}; if the app's publishing status is \"Testing\", it ends on {}",
                days(age),
                local_time(end)
            ),
            format!("if so, {PUBLISH}"),
        ),
        _ => report.ok(NAME, days(age)),
    }
}

fn scopes(facts: &Facts, report: &mut Report) {
    let Ok(Some(grant)) = &facts.grant else { return };
    let missing = grant.missing_scopes();
    for scope in Scope::ALL {
        let name = scope.short_name();
        if missing.contains(&scope) {
            let text = format!("not granted, so you cannot {}", scope.allows());
            report.fail(name, text, "run 'gphotosfs login' again and tick all boxes");
        } else {
            report.ok(name, format!("granted: {}", scope.allows()));
        }
    }
}

fn api(facts: &Facts, report: &mut Report) {
    const NAME: &str = "api";
    let url = &facts.api_url;
    let Some(answer) = &facts.answer else {
        let text = format!("{url} was not checked: this needs a working login");
        report.warn(NAME, text, "repair the login first");
        return;
    };
    match answer {
        Ok(()) => report.ok(NAME, format!("{url} answers")),
        // The API has accepted the token. Another check reports the scopes.
        Err(error) if error.kind() == FailureKind::ScopeMissing => {
            report.ok(NAME, format!("{url} answers"))
        }
        Err(Error::QuotaExhausted { .. }) => {
            report.ok(NAME, format!("{url} was not checked: today's requests are used up"))
        }
        Err(error) if error.kind() == FailureKind::ApiDisabled => report.fail(
            NAME,
            "the Photos Library API is not enabled in the Google Cloud project",
            format!("enable it at {}, and wait a few minutes", enable_at(facts)),
        ),
        Err(error)
            if matches!(
                error.kind(),
                FailureKind::Offline | FailureKind::TimedOut | FailureKind::Broken
            ) =>
        {
            report.fail(
                NAME,
                format!("{url} cannot be reached: {}", words(error)),
                "check the network and the proxy; uploads continue by themselves when it is back",
            )
        }
        Err(error) if error.refusal().is_some_and(|it| it.status >= 500) => report.warn(
            NAME,
            format!("Google answers with an error: {error}"),
            "wait: gphotosfs tries again until it works",
        ),
        Err(error) => report.fail(
            NAME,
            words(error),
            format!("is {url} the right address? --api-url and GPHOTOSFS_API_URL change it"),
        ),
    }
}

fn enable_at(facts: &Facts) -> String {
    let page = "https://console.cloud.google.com/apis/library/photoslibrary.googleapis.com";
    match &facts.client {
        Ok(Some(ClientSecret { project_id: Some(project), .. })) => {
            format!("{page}?project={project}")
        }
        _ => page.to_owned(),
    }
}

fn clock(facts: &Facts, report: &mut Report) {
    const NAME: &str = "clock";
    // No answer has come, so Google's time is not known.
    let Some(skew) = facts.skew else { return };
    let off = skew.abs();
    let by = time_words(off.as_secs().unsigned_abs());
    let text = match () {
        () if off.as_secs() < 5 => "as Google's".to_owned(),
        () if skew.is_positive() => format!("{by} behind Google's"),
        () => format!("{by} ahead of Google's"),
    };
    let remedy = "set the clock: 'timedatectl set-ntp true' as root";
    if off >= CLOCK_WRONG {
        report.fail(NAME, text, remedy);
    } else if off >= CLOCK_ODD {
        report.warn(NAME, text, remedy);
    } else {
        report.ok(NAME, text);
    }
}

fn quota(facts: &Facts, report: &mut Report) {
    const NAME: &str = "quota";
    let spent = &facts.spent;
    let resets = local_time(next_reset(facts.now));
    for (what, used, limit, blocked) in [
        ("API requests", spent.api, API_REQUESTS_PER_DAY, spent.api_blocked_until),
        ("downloads", spent.media, MEDIA_REQUESTS_PER_DAY, spent.media_blocked_until),
    ] {
        let left = limit.saturating_sub(used);
        let text = format!("{used} of {limit} {what} used, {left} left until {resets}");
        if let Some(until) = blocked {
            report.warn(
                NAME,
                format!("Google says that today's {what} are used up"),
                format!("wait: gphotosfs continues by itself at {}", local_time(until)),
            );
        } else if used * 100 >= limit * QUOTA_LOW {
            report.warn(NAME, text, "further requests wait until then, and continue by themselves");
        } else {
            report.ok(NAME, text);
        }
    }
}

fn disks(facts: &Facts, report: &mut Report) {
    const NAME: &str = "disk";
    for disk in &facts.disks {
        let disk = match disk {
            Ok(disk) => disk,
            Err(err) => {
                report.fail(NAME, err.to_string(), "make the directory yours and writable");
                continue;
            }
        };
        let Disk { holds, path, free, size, .. } = disk;
        let text = format!("{} of {} free for {holds}", ByteSize(*free), ByteSize(*size));
        let reserved = reserve(*size);
        match () {
            () if disk.spool && *free <= reserved => report.fail(
                NAME,
                format!(
                    "{text}: files cannot be written, because {} must stay free",
                    ByteSize(reserved)
                ),
                format!("free space on the disk of {}", path.display()),
            ),
            () if *free <= reserved.saturating_mul(2) => report.warn(
                NAME,
                format!("{text}: writers will have to wait soon"),
                format!("free space on the disk of {}", path.display()),
            ),
            () => report.ok(NAME, text),
        }
        match disk.kind {
            Kind::Memory if disk.spool => report.fail(
                NAME,
                format!(
                    "{} is in memory: files that wait there are lost when the machine stops",
                    path.display()
                ),
                "set XDG_STATE_HOME to a directory on a disk",
            ),
            Kind::Network if disk.spool => report.warn(
                NAME,
                format!(
                    "{} is on a network filesystem, where the database is not safe",
                    path.display()
                ),
                "set XDG_STATE_HOME to a directory on a disk of this machine",
            ),
            _ => {}
        }
    }
}

fn mounts(facts: &Facts, report: &mut Report) {
    const NAME: &str = "mount";
    let mut mine = false;
    for (place, state) in &facts.mounts {
        let place = place.display();
        match state {
            MountState::Others => {}
            MountState::Ours(status) => {
                mine = true;
                let text = format!("{place}, process {}", status.pid.unwrap_or_default());
                match status.blocked_reason() {
                    None => report.ok(NAME, text),
                    Some(why) => report.warn(
                        NAME,
                        format!("{text}; uploads are blocked: {why}"),
                        "run 'gphotosfs status' for details; nothing is lost",
                    ),
                }
            }
            MountState::Dead => report.fail(
                NAME,
                format!("the process behind {place} has died"),
                format!("run 'gphotosfs umount {place}', or mount there again; nothing is lost"),
            ),
            MountState::Unresponsive { ours } => {
                mine |= ours;
                report.fail(
                    NAME,
                    format!("{place} does not answer"),
                    format!("read its log; 'fusermount3 -u -z {place}' unmounts it"),
                );
            }
        }
    }
    match facts.holder {
        _ if mine => {}
        Holder::Other => report.ok(NAME, format!("this profile is not mounted; {OTHER_HOLDER}")),
        Holder::Nobody | Holder::Mount(_) => report.ok(NAME, "this profile is not mounted"),
    }
}

fn queue(facts: &Facts, report: &mut Report) {
    const NAME: &str = "queue";
    let backlog = match &facts.backlog {
        Ok(backlog) => backlog.unwrap_or_default(),
        Err(error) => {
            let remedy = match error {
                store::Error::OtherVersion => OTHER_VERSION,
                _ => {
                    "if it is damaged, keep a copy of the state directory for the report of the fault"
                }
            };
            report.fail(NAME, words(error), remedy);
            return;
        }
    };
    let any = |of: fn(&MountState) -> bool| facts.mounts.iter().any(|(_, state)| of(state));
    let mounted = any(|state| matches!(state, MountState::Ours(_)));
    let stuck = any(|state| matches!(state, MountState::Unresponsive { ours: true }));
    match backlog.left() {
        0 => report.ok(NAME, "nothing is left to send"),
        left => {
            let bytes = ByteSize(backlog.sealed_bytes);
            let text = format!("{left} to go, {bytes} to upload");
            if mounted {
                report.ok(NAME, format!("{text}: the mount uploads them"));
            } else if stuck {
                report.warn(NAME, text, "repair the mount that does not answer; nothing is lost");
            } else if facts.holder == Holder::Other {
                report.ok(NAME, format!("{text}; {OTHER_HOLDER}"));
            } else {
                report.warn(
                    NAME,
                    text,
                    "mount, or run 'gphotosfs sync' to upload the queue without a mount",
                );
            }
        }
    }
    if backlog.open > 0 && !mounted && !stuck && facts.holder != Holder::Other {
        let count = usize::try_from(backlog.open).unwrap_or(usize::MAX);
        report.warn(
            NAME,
            format!("{} not closed when the last mount ended", some(count, "file")),
            "the next mount keeps the bytes written so far in .gphotos/failed",
        );
    }
    if backlog.failed > 0 {
        let count = usize::try_from(backlog.failed).unwrap_or(usize::MAX);
        report.warn(
            NAME,
            format!("{} refused by Google, and kept here", some(count, "file")),
            "'gphotosfs failed' lists the reasons, 'gphotosfs retry' tries again",
        );
    }
}

fn words(error: &(dyn std::error::Error + 'static)) -> String {
    append_ends(error.to_string(), error.source())
}

fn days(age: SignedDuration) -> String {
    match age.as_hours() / 24 {
        0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

#[cfg(test)]
mod tests;
