//! The bell of `gphotosfs status --watch`: it rings once when a trouble begins. Pure.

use crate::status::{BlockedBy, LoginState, Status};

/// What a terminal rings at.
pub(super) const BELL: &str = "\x07";

/// The troubles at the last look.
#[derive(Debug)]
pub(super) struct Bell {
    cause: Option<&'static str>,
    failed: u64,
}

impl Bell {
    /// Does not ring for the troubles that there are already: the user sees them.
    pub(super) fn new(status: &Status) -> Self {
        Self { cause: cause(status), failed: status.queue.failed }
    }

    /// Whether a trouble has begun since the last look.
    pub(super) fn rings(&mut self, status: &Status) -> bool {
        let now = Self::new(status);
        let begins = now.cause.is_some() && now.cause != self.cause;
        let rings = begins || now.failed > self.failed;
        *self = now;
        rings
    }
}

/// Why uploads wait. Short limits and server errors pass by themselves, and come often.
fn cause(status: &Status) -> Option<&'static str> {
    match status.login.state {
        LoginState::Ok | LoginState::Unknown => {}
        state => return Some(state.as_str()),
    }
    if status.quota.blocked_until.is_some() {
        return Some("quota");
    }
    match status.blocked.as_ref()?.kind {
        BlockedBy::Offline => Some("offline"),
        BlockedBy::Quota => Some("quota"),
        BlockedBy::Login => Some("login"),
        BlockedBy::StorageFull => Some("storage-full"),
        BlockedBy::Permission => Some("permission"),
        BlockedBy::Metered => Some("metered"),
        BlockedBy::ServerError | BlockedBy::Throttled | BlockedBy::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::status::BlockedUploads;

    fn status(kind: Option<BlockedBy>, failed: u64) -> Status {
        let mut status = Status::default();
        status.login.state = LoginState::Ok;
        status.queue.failed = failed;
        let at = Timestamp::UNIX_EPOCH;
        status.blocked =
            kind.map(|kind| BlockedUploads { kind, text: "x".into(), since: at, until: at });
        status
    }

    #[test]
    fn it_rings_when_a_trouble_begins_and_not_while_it_lasts() {
        let full = Some(BlockedBy::StorageFull);
        let mut bell = Bell::new(&status(None, 1));
        let looks = [
            (None, 1, false),
            (full, 1, true),
            (full, 1, false),
            (Some(BlockedBy::Quota), 1, true),
            (None, 1, false),
            (Some(BlockedBy::Throttled), 1, false),
            (None, 3, true),
            (None, 3, false),
            (None, 0, false),
        ];
        for (at, (kind, failed, rings)) in looks.into_iter().enumerate() {
            assert_eq!(bell.rings(&status(kind, failed)), rings, "look {at}");
        }
        assert!(!Bell::new(&status(full, 1)).rings(&status(full, 1)));
    }
}
