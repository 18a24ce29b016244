//! The notices, without their words. Pure.

use jiff::Timestamp;

/// What a person is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    /// Google does not accept the login any more.
    LoginEnded {
        /// The login, by the time when it was granted.
        granted_at: Timestamp,
        /// The reason and the next step.
        why: String,
    },
    /// Google has announced the end of the login.
    LoginEnds {
        /// When.
        at: Timestamp,
        /// Seconds until then.
        left_s: u64,
    },
    /// The day's requests are used up.
    QuotaUsedUp {
        /// Until when.
        until: Timestamp,
    },
    /// The account has no room.
    StorageFull,
    /// The connection is metered, and files wait for another one.
    Metered,
    /// Files were refused.
    Refused {
        /// The row number of the last of them.
        up_to: i64,
        /// How many.
        count: u64,
        /// Paths and reasons of the first ones.
        examples: Vec<(String, String)>,
    },
    /// A copy that took a while is at Google.
    Arrived {
        /// How many files.
        count: u64,
        /// Whether others of the same copy were refused.
        is_all: bool,
    },
    /// The mount does not start, or has ended by a failure.
    MountFailed {
        /// The reason and the next step.
        why: String,
    },
}

/// The kinds of [`Notice`]. A new one replaces the last one of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Login,
    Quota,
    Storage,
    Metered,
    Refused,
    Arrived,
    Mount,
}

impl Notice {
    /// Its kind.
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::LoginEnded { .. } | Self::LoginEnds { .. } => Kind::Login,
            Self::QuotaUsedUp { .. } => Kind::Quota,
            Self::StorageFull => Kind::Storage,
            Self::Metered => Kind::Metered,
            Self::Refused { .. } => Kind::Refused,
            Self::Arrived { .. } => Kind::Arrived,
            Self::MountFailed { .. } => Kind::Mount,
        }
    }
}
