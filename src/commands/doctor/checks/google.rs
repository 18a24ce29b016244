//! The checks of the login and of Google. Pure.

use jiff::{SignedDuration, Timestamp};

use crate::api::{
    API_REQUESTS_PER_DAY, ClientSecret, Error, FailureKind, Foreign, Grant, LoginError,
    MEDIA_REQUESTS_PER_DAY, Scope, TESTING_LIFE, next_reset,
};
use crate::app::time_words;
use crate::commands::doctor::facts::Facts;
use crate::commands::doctor::report::Report;
use crate::error_chain::ends;
use crate::media::local_time;

const LOG_IN: &str = "run 'gphotosfs login'";

/// An older login is reported if the app may be in "Testing" and Google has not announced an end.
const TESTING_WARNING: SignedDuration = SignedDuration::from_hours(5 * 24);
const PUBLISH: &str = "publish the app (docs/GOOGLE.md: \"Branding\", then \"Audience\", \"Publish app\") and run \
    'gphotosfs login' again";

/// A larger difference of the clock is a warning.
const CLOCK_ODD: SignedDuration = SignedDuration::from_secs(60);
/// A larger difference is a failure: certificates and tokens may be rejected.
const CLOCK_WRONG: SignedDuration = SignedDuration::from_secs(300);

const OFFLINE: &str =
    "check the network and the proxy; uploads continue by themselves when it is back";

/// The percentage of a day's quota from which on its use is a warning.
const QUOTA_LOW: u64 = 90;

pub(super) fn client(facts: &Facts, report: &mut Report) {
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

pub(super) fn login(facts: &Facts, report: &mut Report) {
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
        (Ok(Some(_)), Some(Err(error))) if error.is_passing() => report.warn(
            NAME,
            "not checked, because Google cannot be reached",
            "the login itself may be good; repair the fault below first",
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

pub(super) fn login_age(facts: &Facts, report: &mut Report) {
    const NAME: &str = "login age";
    let (Ok(Some(grant)), Some(Ok(()))) = (&facts.grant, &facts.renewal) else { return };
    let age = facts.now.duration_since(grant.granted_at);
    let tested = grant.granted_at.saturating_add(TESTING_LIFE);
    match (grant.ends_at, tested) {
        (Some(at), _) => report.warn(
            NAME,
            format!("{}; Google will end it on {}", days(age), local_time(at)),
            if grant.is_of_testing() {
                format!("{LOG_IN} before that; the app seems to be in \"Testing\": to log in once, {PUBLISH}")
            } else {
                format!("{LOG_IN} before that")
            },
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
            format!("if so, {LOG_IN} before that, or {PUBLISH}"),
        ),
        _ => report.ok(NAME, days(age)),
    }
}

pub(super) fn scopes(facts: &Facts, report: &mut Report) {
    let Ok(Some(grant)) = &facts.grant else { return };
    let missing = grant.missing_scopes();
    for scope in Scope::LIBRARY {
        let name = scope.short_name();
        if missing.contains(&scope) {
            let text = format!("not granted, so you cannot {}", scope.allows());
            report.fail(name, text, "run 'gphotosfs login' again and tick all boxes");
        } else {
            report.ok(name, format!("granted: {}", scope.allows()));
        }
    }
}

pub(super) fn api(facts: &Facts, report: &mut Report) {
    const NAME: &str = "api";
    let url = &facts.api_url;
    if let Some(Err(error)) = &facts.renewal
        && error.is_passing()
    {
        return report.fail(NAME, words(error), OFFLINE);
    }
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
            format!("enable it at {}, and wait a few minutes", enable_at(facts, "photoslibrary")),
        ),
        Err(error)
            if matches!(
                error.kind(),
                FailureKind::Offline | FailureKind::TimedOut | FailureKind::Broken
            ) =>
        {
            report.fail(NAME, format!("{url} cannot be reached: {}", words(error)), OFFLINE)
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

pub(super) fn picks(facts: &Facts, report: &mut Report) {
    const NAME: &str = "picks";
    let Ok(Some(grant)) = &facts.grant else { return };
    if !grant.holds(Scope::Pick) {
        let text =
            "not allowed, and nothing else needs that: 'gphotosfs login --picker' asks for it";
        return report.ok(NAME, text);
    }
    match &facts.picker {
        // Another check reports the login.
        None => {}
        Some(Ok(())) => report.ok(NAME, "allowed, and the Picker API answers"),
        Some(Err(error)) if error.kind() == FailureKind::ApiDisabled => report.fail(
            NAME,
            "the Google Photos Picker API is not enabled in the Google Cloud project",
            format!("enable it at {}, and wait a few minutes", enable_at(facts, "photospicker")),
        ),
        Some(Err(error)) => {
            report.warn(NAME, words(error), "everything but picks works without it");
        }
    }
}

pub(super) fn account(facts: &Facts, report: &mut Report) {
    const NAME: &str = "account";
    let bound = facts.binding.as_ref().map_or_else(String::new, |it| {
        format!("of the OAuth client {} since {}", it.client_id, local_time(it.since))
    });
    match &facts.account {
        Some(Err(Error::Login(LoginError::OtherLibrary(other)))) => {
            report.fail(NAME, other.to_string(), other.remedy());
        }
        Some(Err(error)) => report.warn(
            NAME,
            format!("the login was not checked against the profile's library: {}", words(error)),
            "repair the faults above first; a mount sends nothing before it has checked this",
        ),
        _ if facts.binding.is_none() => {}
        Some(Ok(())) => report.ok(NAME, format!("the profile's, {bound}")),
        None => report.ok(NAME, format!("the profile is {bound}")),
    }
}

fn enable_at(facts: &Facts, api: &str) -> String {
    let page = format!("https://console.cloud.google.com/apis/library/{api}.googleapis.com");
    match &facts.client {
        Ok(Some(ClientSecret { project_id: Some(project), .. })) => {
            format!("{page}?project={project}")
        }
        _ => page,
    }
}

pub(super) fn clock(facts: &Facts, report: &mut Report) {
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

pub(super) fn quota(facts: &Facts, report: &mut Report) {
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

/// The message of an error, with its root cause.
pub(super) fn words(error: &(dyn std::error::Error + 'static)) -> String {
    ends(error)
}

fn days(age: SignedDuration) -> String {
    match age.as_hours() / 24 {
        0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}
