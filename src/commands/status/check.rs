//! `gphotosfs status --check`: whether a person has to do something, for health checks.

use crate::app::CommandError;
use crate::app::running::{DIED, OTHER_HOLDER};
use crate::status::{BlockedBy, BlockedUploads, LoginState, Status};

/// Fails if the profile is not mounted, or if its uploads wait for a person.
///
/// Outages that end by themselves, such as a lost network or the end of the day's quota, are no
/// failures: a supervisor that restarts the mount for them ends none, and loses its progress.
pub(super) fn check(status: &Status) -> Result<(), CommandError> {
    if status.mountpoint.is_none() {
        let what = match (&status.dead_mountpoint, status.busy) {
            (Some(place), _) => format!("{}: {DIED}", place.display()),
            (None, true) => format!("not mounted; {OTHER_HOLDER}"),
            (None, false) => "not mounted".to_owned(),
        };
        return Err(CommandError::new(what));
    }
    let login = &status.login;
    if matches!(login.state, LoginState::Missing | LoginState::Dead | LoginState::Foreign) {
        return Err(CommandError::new(login.message.as_str()));
    }
    match status.outages.iter().find(|it| needs_a_person(it)) {
        Some(outage) => Err(CommandError::new(outage.text.as_str())),
        None => Ok(()),
    }
}

fn needs_a_person(outage: &BlockedUploads) -> bool {
    match outage.kind {
        BlockedBy::Login | BlockedBy::StorageFull | BlockedBy::Permission => true,
        BlockedBy::Offline
        | BlockedBy::ServerError
        | BlockedBy::Throttled
        | BlockedBy::Quota
        | BlockedBy::Metered
        | BlockedBy::Unknown => false,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn with_outage(kind: BlockedBy) -> Status {
        let text = "the reason".to_owned();
        let outage =
            BlockedUploads { kind, text, since: Timestamp::now(), until: Timestamp::now() };
        let mut status = Status { outages: vec![outage], ..Status::default() };
        status.mountpoint = Some("/m".into());
        status.login.state = LoginState::Ok;
        status
    }

    #[test]
    fn outages_fail_only_if_they_wait_for_a_person() {
        for kind in [BlockedBy::Login, BlockedBy::StorageFull, BlockedBy::Permission] {
            let err = check(&with_outage(kind)).unwrap_err();
            assert_eq!(err.to_string(), "the reason");
        }
        for kind in [
            BlockedBy::Offline,
            BlockedBy::ServerError,
            BlockedBy::Throttled,
            BlockedBy::Quota,
            BlockedBy::Metered,
            BlockedBy::Unknown,
        ] {
            assert!(check(&with_outage(kind)).is_ok(), "{kind:?}");
        }
    }

    #[test]
    fn a_profile_that_is_not_mounted_fails() {
        let mut status = with_outage(BlockedBy::Offline);
        status.mountpoint = None;
        assert_eq!(check(&status).unwrap_err().to_string(), "not mounted");
        status.busy = true;
        assert!(check(&status).unwrap_err().to_string().starts_with("not mounted; "));
        status.dead_mountpoint = Some("/m".into());
        assert!(check(&status).unwrap_err().to_string().starts_with("/m: the mount has died"));
    }

    #[test]
    fn an_unreachable_login_is_no_failure_but_a_dead_one_is() {
        let mut status = with_outage(BlockedBy::Offline);
        status.login.state = LoginState::Offline;
        assert!(check(&status).is_ok());
        status.login.state = LoginState::Dead;
        status.login.message = "log in again".to_owned();
        assert_eq!(check(&status).unwrap_err().to_string(), "log in again");
    }
}
