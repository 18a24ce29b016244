//! The facts that notices are about, as the parts below know them at one moment.

use jiff::Timestamp;

use crate::api::{Client, FailureKind, Login, LoginError};
use crate::store::{self, NewlyRefused, Store};
use crate::upload::{Blocked, BlockedReason, Pipeline};

/// The parts that know them.
pub(super) struct Source {
    pub(super) store: Store,
    pub(super) client: Client,
    pub(super) pipeline: Pipeline,
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// When they held.
    pub(super) now: Timestamp,
    /// Why Google does not accept the login, and the next step.
    pub(super) login_ended: Option<String>,
    /// When the user logged in.
    pub(super) granted_at: Timestamp,
    /// When Google will end the login.
    pub(super) login_ends_at: Option<Timestamp>,
    /// The end of Google's refusal of API requests.
    pub(super) quota_until: Option<Timestamp>,
    /// Whether the account has no room.
    pub(super) is_storage_full: bool,
    /// Whether files wait for a connection that is not metered.
    pub(super) is_metered: bool,
    /// Why uploads wait, in words.
    pub(super) blocked: Option<String>,
    /// Files that are left to send.
    pub(super) left: u64,
    /// Files that have arrived since the process began.
    pub(super) arrived: u64,
    /// All refused files.
    pub(super) failed: u64,
    /// Files that were refused after the last announcement.
    pub(super) refused: NewlyRefused,
}

impl Facts {
    /// Looks at all parts. `seen` is the row number of the last refused file that was announced.
    /// Blocking.
    pub(super) fn gather(source: &Source, seen: i64) -> store::Result<Self> {
        let Source { store, client, pipeline } = source;
        let now = Timestamp::now();
        let backlog = store.backlog()?;
        let outages = pipeline.outages();
        let has = |reason| outages.iter().find(|it| it.reason == reason);
        let login = client.login();
        // Before the rest: the failure of one login must not be taken for that of the next.
        let granted_at = login.granted_at();
        // An outage that began before is of the login before, which may have failed again since.
        let is_its_own =
            |it: &&Blocked| Timestamp::try_from(it.since).is_ok_and(|at| at > granted_at);
        let blocked = has(BlockedReason::Login).filter(is_its_own);
        Ok(Self {
            now,
            login_ended: login_ended(login).or_else(|| blocked.map(|it| it.text.clone())),
            granted_at,
            login_ends_at: login.ends_at(),
            quota_until: client.budget().snapshot(now).api_blocked_until,
            is_metered: has(BlockedReason::Metered).is_some(),
            is_storage_full: has(BlockedReason::StorageFull).is_some(),
            blocked: outages.first().map(|it| it.text.clone()),
            left: backlog.left(),
            arrived: pipeline.arrived(),
            failed: backlog.failed,
            refused: store.refused_after(seen)?,
        })
    }
}

/// Why Google does not accept the login. A failure that may pass is none.
fn login_ended(login: &Login) -> Option<String> {
    let error = login.failure()?;
    let is_over = matches!(error, LoginError::OtherLibrary(_))
        || matches!(error.kind(), FailureKind::LoginRefused | FailureKind::LoginMissing);
    is_over.then(|| error.to_string())
}
