//! Failures of the Picker API in words, with the next step.

use crate::api::{ENABLE_PICKER, Error, FailureKind, LoginError, PICKER_DISABLED, Scope};
use crate::app::CommandError;
use crate::app::engine::no_login;

/// The error for a login that cannot be used. A new one without `--picker` would not allow picks.
pub(super) fn not_logged_in(error: LoginError) -> CommandError {
    const WHAT: &str = "cannot pick";
    match error {
        LoginError::NotLoggedIn => {
            CommandError::new(WHAT).because("not logged in").hint("run 'gphotosfs login --picker'")
        }
        LoginError::NoClient => CommandError::new(WHAT)
            .because("the OAuth client file is missing")
            .hint("run 'gphotosfs login --picker --client-secret FILE'"),
        _ => no_login("cannot use the login", error),
    }
}

/// The error for a call that failed.
pub(super) fn explain(what: &str, error: Error) -> CommandError {
    let kind = error.kind();
    let failed = CommandError::new(what);
    match kind {
        FailureKind::ScopeMissing => failed.because(Scope::Pick.is_missing()),
        FailureKind::ApiDisabled => failed.because(PICKER_DISABLED).hint(ENABLE_PICKER),
        FailureKind::NotFound => failed
            .because("Google has ended the session")
            .hint("run 'gphotosfs pick' again; what was listed before stays"),
        FailureKind::Offline | FailureKind::TimedOut | FailureKind::Broken => {
            failed.because(error).hint("check the network, and try again")
        }
        _ => failed.because(error),
    }
}

/// The error for a session that could not be made.
pub(super) fn not_begun(error: Error) -> CommandError {
    const WHAT: &str = "cannot begin a pick";
    if error.is_throttled() {
        return CommandError::new(WHAT)
            .because("Google has too many sessions of this project open, or gets too many requests")
            .hint("wait some minutes; 'gphotosfs pick --forget NAME' ends the sessions of a pick");
    }
    if error.is_invalid_request() {
        return CommandError::new(WHAT)
            .because(error)
            .hint("open https://photos.google.com once in the account of this login");
    }
    explain(WHAT, error)
}
