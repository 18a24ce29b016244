//! The login: this program's identity at Google, and a current access token for every request.
//!
//! `gphotosfs login` writes two files into the profile: the client secret and the grant. A running
//! mount notices a new login in another terminal by the changed file. So it recovers even if its
//! old grant has ended. Access tokens live in memory only.

mod binding;
mod client_file;
pub(super) mod error;
mod exchange;
mod fingerprint;
mod grant;
mod reminder;
mod token_answer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use parking_lot::Mutex;
use url::Url;

pub use binding::Binding;
pub use client_file::{ClientFileError, ClientKind, ClientSecret};
pub use error::{LoginError, OtherLibrary};
pub use exchange::{Authorisation, OAuth};
pub use fingerprint::Fingerprint;
pub use grant::{Grant, Scope, TESTING_LIFE};
pub use oauth2::AccessToken;
pub use reminder::LOGIN_ENDS_SOON;

use crate::error_chain::chain;
use error::file_error;
use grant::{Stamp, Stored};
use reminder::Reminder;

/// The login renews a token this long before its end, or at half its life if that is shorter.
const RENEW_AHEAD: Duration = Duration::from_secs(300);
/// While a token still works, the login waits this long after a failed renewal.
const RENEW_AGAIN_AFTER: Duration = Duration::from_secs(30);
/// A login that did not show the profile's library is checked again after this time, because Google
/// may have failed to show it for a while.
const CHECK_AGAIN_AFTER: Duration = Duration::from_secs(3600);

/// A stored login at one service, and its current access token.
#[derive(Debug)]
pub struct Login {
    dir: PathBuf,
    /// The API that its tokens are for.
    api_url: Url,
    http: reqwest::Client,
    /// Never locked across an await.
    state: Mutex<State>,
    /// Held by the one task that renews the token or reads the files. The others wait for it.
    renewing: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct State {
    stored: Arc<Stored>,
    access: Option<Access>,
    /// Google's final refusal of `stored`, if there is one.
    dead: Option<LoginError>,
    /// The last login that was checked, and whether it shows the profile's library.
    checked: Option<Checked>,
    /// The client that the profile belongs to, if that is known yet.
    binding: Option<Binding>,
    /// How many renewals have ended, and the error of the last one.
    renewals: u64,
    last_failure: Option<LoginError>,
    reminder: Reminder,
}

/// Whether a login shows the library that the profile belongs to.
#[derive(Debug)]
struct Checked {
    login: Fingerprint,
    /// By a clock that nobody sets.
    at: Instant,
    outcome: Result<(), OtherLibrary>,
}

/// An access token, and the login that it is from.
#[derive(Debug, Clone)]
pub(super) struct Access {
    pub(super) token: AccessToken,
    pub(super) login: Fingerprint,
    renew_at: Timestamp,
    ends_at: Timestamp,
}

impl Login {
    /// Reads the login of a profile for the API at `api_url`, without `/v1`. Makes no request.
    /// Blocks to read two small files.
    ///
    /// # Errors
    /// [`LoginError::NotLoggedIn`], [`LoginError::NoClient`], [`LoginError::Foreign`] or
    /// [`LoginError::File`].
    pub fn load(profile: &crate::profile::Profile, api_url: &Url) -> Result<Self, LoginError> {
        let dir = profile
            .config_dir()
            .map_err(|err| file_error(Path::new("the profile directory"), err))?;
        let stored = Stored::load(dir, api_url)?;
        let login = Self::of(stored, dir, api_url)?;
        login.state.lock().remind();
        Ok(login)
    }

    /// A login that is not stored yet, and never will be by this value.
    ///
    /// # Errors
    /// [`LoginError::Foreign`], or if the HTTP client cannot be made.
    pub fn candidate(
        client: ClientSecret,
        grant: Grant,
        api_url: &Url,
    ) -> Result<Self, LoginError> {
        Self::of(Stored::new(client, grant, None, api_url)?, Path::new(""), api_url)
    }

    fn of(stored: Stored, dir: &Path, api_url: &Url) -> Result<Self, LoginError> {
        let http = super::connections::for_calls(exchange::CONNECT_DEADLINE)
            .map_err(|err| LoginError::Offline(Arc::new(err)))?;
        let state = State {
            stored: Arc::new(stored),
            access: None,
            dead: None,
            checked: None,
            binding: None,
            renewals: 0,
            last_failure: None,
            reminder: Reminder::default(),
        };
        Ok(Self {
            dir: dir.to_owned(),
            api_url: api_url.clone(),
            http,
            state: Mutex::new(state),
            renewing: tokio::sync::Mutex::default(),
        })
    }

    /// The address of the API that its tokens are for, without `/v1`.
    pub fn api_url(&self) -> &Url {
        &self.api_url
    }

    /// Returns a token for the next request, and renews it before its end. Any number of tasks may
    /// call this: one renewal serves them all.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub async fn access_token(&self) -> Result<AccessToken, LoginError> {
        self.access().await.map(|access| access.token)
    }

    /// As [`Login::access_token`], with the login that the token is from.
    pub(super) async fn access(&self) -> Result<Access, LoginError> {
        let (current, seen) = {
            let state = self.state.lock();
            (state.access.clone(), state.renewals)
        };
        let now = Timestamp::now();
        let still_good = current.filter(|it| now < it.ends_at);
        let turn = match still_good {
            Some(access) if now < access.renew_at => return Ok(access),
            Some(access) => match self.renewing.try_lock() {
                Ok(turn) => turn,
                Err(_) => return Ok(access), // another task renews it; this one still works
            },
            None => self.renewing.lock().await,
        };
        {
            let state = self.state.lock();
            if let Some(access) = state.access.as_ref().filter(|it| Timestamp::now() < it.renew_at)
            {
                return Ok(access.clone());
            }
            // The renewal that this task waited for has failed.
            if let Some(failure) = state.last_failure.as_ref().filter(|_| state.renewals != seen) {
                return Err(failure.clone());
            }
        }
        let result = self.renew().await;
        drop(turn);
        result
    }

    /// Discards a token that the service has refused, so that the next call gets another.
    pub fn invalidate(&self, token: &AccessToken) {
        let mut state = self.state.lock();
        if state.access.as_ref().is_some_and(|it| it.token.secret() == token.secret()) {
            state.access = None;
        }
    }

    /// Whether the user has logged in again since the last check. If so, uses the new login from
    /// now on.
    pub async fn replaced(&self) -> bool {
        let _turn = self.renewing.lock().await;
        self.reload().await.unwrap_or(false)
    }

    /// Whether the user has said that this login is of the profile's account.
    pub(super) fn is_of_same_account(&self) -> bool {
        self.state.lock().stored.is_of_same_account()
    }

    /// The OAuth client that the profile belongs to, and since when. `None` before the first use.
    pub fn binding(&self) -> Option<Binding> {
        self.state.lock().binding.clone()
    }

    /// Records the client that the profile belongs to.
    pub fn set_binding(&self, binding: Binding) {
        self.state.lock().binding = Some(binding);
    }

    /// Whether a login shows the library that the profile belongs to. `None` if that must be
    /// checked.
    pub(super) fn checked(&self, login: &Fingerprint) -> Option<Result<(), OtherLibrary>> {
        let state = self.state.lock();
        let checked = state.checked.as_ref().filter(|it| it.login == *login)?;
        checked.outcome_at(Instant::now())
    }

    /// Records whether a login shows the library that the profile belongs to.
    pub(super) fn set_checked(&self, login: Fingerprint, outcome: Result<(), OtherLibrary>) {
        let checked = Checked { login, at: Instant::now(), outcome };
        self.state.lock().checked = Some(checked);
    }

    /// The scopes that the user has not granted. A part of the program cannot work without them.
    pub fn missing_scopes(&self) -> Vec<Scope> {
        self.state.lock().stored.grant.missing_scopes()
    }

    /// Whether the user has not granted this scope.
    pub fn lacks(&self, scope: Scope) -> bool {
        !self.state.lock().stored.grant.holds(scope)
    }

    /// The id of the OAuth client. The API does not report the name of the account.
    pub fn client_id(&self) -> String {
        self.state.lock().stored.client.client_id.clone()
    }

    /// When the user logged in.
    pub fn granted_at(&self) -> Timestamp {
        self.state.lock().stored.grant.granted_at
    }

    /// When Google will end this login, if it has said so.
    pub fn ends_at(&self) -> Option<Timestamp> {
        self.state.lock().stored.grant.ends_at
    }

    /// The last failure of this login; `None` while it works.
    pub fn failure(&self) -> Option<LoginError> {
        let state = self.state.lock();
        state.dead.clone().or_else(|| state.other_library()).or_else(|| state.last_failure.clone())
    }

    /// Google's last definite answer about this login; `None` before the first one.
    pub fn verdict(&self) -> Option<Result<(), LoginError>> {
        let state = self.state.lock();
        match (state.dead.clone().or_else(|| state.other_library()), &state.access) {
            (Some(error), _) => Some(Err(error)),
            (None, Some(_)) => Some(Ok(())),
            (None, None) => None,
        }
    }

    /// Requests a new access token. The caller holds `renewing`.
    async fn renew(&self) -> Result<Access, LoginError> {
        let result = self.try_renew().await;
        let mut state = self.state.lock();
        state.renewals += 1;
        let failed_before = state.last_failure.is_some();
        state.last_failure = result.as_ref().err().cloned();
        match result {
            Ok(access) => {
                state.access = Some(access.clone());
                state.remind();
                Ok(access)
            }
            Err(error) => {
                if !failed_before {
                    tracing::warn!("cannot renew the login: {}", chain(&error));
                }
                if matches!(error, LoginError::Ended(_) | LoginError::Refused { .. }) {
                    (state.dead, state.access) = (Some(error.clone()), None);
                }
                match &mut state.access {
                    // Better an old token than none, as long as it works.
                    Some(old) if error.is_passing() && Timestamp::now() < old.ends_at => {
                        old.renew_at = Timestamp::now() + RENEW_AGAIN_AFTER;
                        Ok(old.clone())
                    }
                    _ => Err(error),
                }
            }
        }
    }

    async fn try_renew(&self) -> Result<Access, LoginError> {
        self.reload().await?;
        let (stored, dead) = {
            let state = self.state.lock();
            (state.stored.clone(), state.dead.clone())
        };
        if let Some(verdict) = dead {
            return Err(verdict);
        }
        let oauth = OAuth::new(stored.client.clone(), self.http.clone());
        let answer = oauth.renew(stored.grant.refresh_token()).await?;
        let now = Timestamp::now();
        let life = answer.life();
        if let Some(grant) = stored.grant.renewed(&answer, now) {
            self.persist(&stored, grant).await;
        }
        Ok(Access {
            token: answer.into_token(),
            login: stored.fingerprint(),
            renew_at: now + (life - RENEW_AHEAD.min(life / 2)),
            ends_at: now + life,
        })
    }

    /// Loads the files if another process has written them since the last check. Returns whether it
    /// did.
    async fn reload(&self) -> Result<bool, LoginError> {
        let Some(known) = self.state.lock().stored.stamp else { return Ok(false) };
        let (dir, api_url) = (self.dir.clone(), self.api_url.clone());
        let fresh = blocking(move || match Stamp::of(&dir) {
            Some(stamp) if stamp == known => Ok(None),
            _ => Stored::load(&dir, &api_url).map(Some),
        })
        .await;
        let mut state = self.state.lock();
        if let Err(LoginError::NotLoggedIn) = &fresh {
            // The user has logged out, so the token in memory must go too.
            state.access = None;
        }
        let Some(fresh) = fresh? else { return Ok(false) };
        tracing::info!("using the new login");
        (state.stored, state.access, state.dead) = (Arc::new(fresh), None, None);
        // That was a failure of the login before.
        state.last_failure = None;
        Ok(true)
    }

    /// Stores a grant that the renewal has changed, unless the user has logged in meanwhile.
    async fn persist(&self, before: &Stored, grant: Grant) {
        let Some(stamp) = before.stamp else { return };
        let (dir, client) = (self.dir.clone(), before.client.clone());
        let saved = blocking(move || {
            if Stamp::of(&dir) != Some(stamp) {
                return Ok(None);
            }
            grant.save(&dir)?;
            Ok(Some(Stored { client, grant, stamp: Some(Stamp::of(&dir).unwrap_or(stamp)) }))
        })
        .await;
        match saved {
            Ok(Some(stored)) => self.state.lock().stored = Arc::new(stored),
            Ok(None) => {}
            Err(error) => tracing::warn!("cannot store the renewed login: {}", chain(&error)),
        }
    }
}

impl Checked {
    /// Whether the login shows the library. `None` if that must be checked again.
    fn outcome_at(&self, now: Instant) -> Option<Result<(), OtherLibrary>> {
        let is_old = now.saturating_duration_since(self.at) >= CHECK_AGAIN_AFTER;
        (self.outcome.is_ok() || !is_old).then(|| self.outcome.clone())
    }
}

impl State {
    /// Logs that the login ends soon, once a day.
    fn remind(&mut self) {
        self.reminder.remind(&self.stored.grant, Timestamp::now());
    }

    /// The error if the stored login does not show the profile's library.
    fn other_library(&self) -> Option<LoginError> {
        let checked = self.checked.as_ref().filter(|it| it.login == self.stored.fingerprint())?;
        checked.outcome.clone().err().map(LoginError::OtherLibrary)
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LoginError> + Send + 'static,
) -> Result<T, LoginError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(err) => Err(LoginError::Unavailable(err.to_string())), // the runtime is shutting down
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_that_did_not_show_the_library_is_checked_again_after_an_hour() {
        let other = OtherLibrary::Account { items: 1, albums: 0 };
        let checked = |outcome| Checked {
            login: Fingerprint::of("client", "token"),
            at: Instant::now(),
            outcome,
        };
        let (shown, missing) = (checked(Ok(())), checked(Err(other)));
        for (seconds, is_known) in [(0, true), (3599, true), (3601, false), (1_000_000, false)] {
            let at = |it: &Checked| it.at + Duration::from_secs(seconds);
            assert_eq!(missing.outcome_at(at(&missing)).is_some(), is_known, "{seconds}");
            assert!(shown.outcome_at(at(&shown)).is_some(), "{seconds}");
        }
    }
}
