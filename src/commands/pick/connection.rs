//! The database and the login of a pick.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::failures;
use crate::api::{self, Budget, Client, Login, Scope};
use crate::app::engine::{no_database, no_directory, settle_service};
use crate::app::owner::{StoredOwner, kept_binding};
use crate::app::{CommandError, tell};
use crate::commands::login;
use crate::media::PickerSessionId;
use crate::profile::{Holder, Profile};
use crate::settings::Apis;
use crate::store::{self, Store};

/// How long the end of a session may take. If it fails, the next command ends the session.
const END_DEADLINE: Duration = Duration::from_secs(3);

/// See the module.
pub(super) struct Connection {
    pub(super) store: Store,
    pub(super) client: Client,
}

/// The error for a database that fails.
pub(super) fn failed(err: store::Error) -> CommandError {
    no_database("cannot use the database", err)
}

/// The database of the profile, for short transactions, also beside a mount.
pub(super) fn store(profile: &Profile, apis: &Apis) -> Result<Store, CommandError> {
    let dir = profile.state_dir().map_err(no_directory)?;
    // A mount has checked the database.
    let opened = match profile.holder() {
        Ok(Holder::Mount(_) | Holder::Other) => Store::open_beside(dir),
        _ => Store::open(dir),
    };
    let store = opened.map_err(|err| no_database("cannot open the database", err))?;
    settle_service(profile, &store, &apis.library)?;
    Ok(store)
}

impl Connection {
    /// Opens the database. If the login does not allow picks, begins one that does, or says how.
    pub(super) async fn open(
        profile: &Profile,
        apis: &Apis,
        no_browser: bool,
    ) -> Result<Self, CommandError> {
        let connection = Self::with_login(profile, apis)?;
        if !connection.client.login().lacks(Scope::Pick) {
            return Ok(connection);
        }
        let lacking = || CommandError::new("cannot pick").because(Scope::Pick.is_missing());
        if !std::io::stdin().is_terminal() {
            return Err(lacking());
        }
        tell("Picks need a permission that this login lacks. Google asks for it now, once.\n");
        let options =
            login::Options { client_secret: None, no_browser, same_account: false, picker: true };
        login::run(&options, profile, &apis.library).await?;
        let connection = Self::with_login(profile, apis)?;
        if connection.client.login().lacks(Scope::Pick) { Err(lacking()) } else { Ok(connection) }
    }

    /// Opens the database with the login that there is.
    pub(super) fn with_login(profile: &Profile, apis: &Apis) -> Result<Self, CommandError> {
        let login = Login::load(profile, &apis.library).map_err(failures::not_logged_in)?;
        let store = store(profile, apis)?;
        if let Some(binding) = kept_binding(&store).map_err(failed)? {
            login.set_binding(binding);
        }
        let budget = Arc::new(Budget::new(Timestamp::now()));
        let client = Client::new(api::Config::default(), Arc::new(login), budget)
            .map_err(|err| failures::explain("cannot set up the connection to Google", err))?;
        let owner = Arc::new(StoredOwner(store.clone()));
        let client = client.with_picker(&apis.picker).for_owner(owner);
        Ok(Self { store, client })
    }

    /// Ends the sessions that no pick needs any more.
    pub(super) async fn end_needless_sessions(&self) {
        for session in self.store.needless_sessions().unwrap_or_default() {
            if !self.end_session(&session.remote).await {
                break;
            }
        }
    }

    /// Ends a session. If that fails, it stays needless, and the next command tries again. Returns
    /// whether the session has ended.
    pub(super) async fn end_session(&self, session: &PickerSessionId) -> bool {
        let has_ended = end(self.client.picker(), session).await;
        let stored = match has_ended {
            true => self.store.session_ended(session),
            false => self.store.sessions_given_up(Some(session)),
        };
        if let Err(error) = stored {
            tracing::warn!(%error, "cannot store that a session has ended");
        }
        has_ended
    }
}

/// Ends a session at Google. Returns whether that is certain.
async fn end(picker: &api::Picker, session: &PickerSessionId) -> bool {
    match tokio::time::timeout(END_DEADLINE, picker.delete_session(session)).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::info!(%error, "cannot end a session: it ends by itself");
            false
        }
        Err(_) => false,
    }
}
