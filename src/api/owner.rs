//! Checks that a login shows the library that the profile belongs to.
//!
//! With the three scopes, Google does not name the account (reference §3.1). But an id resolves for
//! one account and one OAuth client only (reference §1). So the first request of a login asks for
//! ids that the profile knows, and one that resolves is proof. If none does, the login is refused,
//! and no other request goes out with it. A profile that knows nothing belongs to nobody yet.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use parking_lot::Mutex;

use super::Client;
use super::auth::{Binding, Fingerprint, LoginError, OtherLibrary};
use super::error::Error;
use super::guard::Guard;
use super::item_status::ItemStatus;
use crate::media::{AlbumId, MediaId, PageToken};

/// How many pages of the list of albums are requested when no id resolves. A login of another
/// account may show any number.
const PAGES_MAX: u32 = 20;

/// A failure to read or write the profile's data.
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// The library that a profile belongs to, as far as the profile knows it. All methods block.
pub trait Owner: Send + Sync {
    /// The evidence that a login must agree with.
    ///
    /// # Errors
    /// If the database fails.
    fn evidence(&self) -> Result<Evidence, Cause>;

    /// Whether the profile knows one of these albums.
    ///
    /// # Errors
    /// If the database fails.
    fn knows_any(&self, albums: &[AlbumId]) -> Result<bool, Cause>;

    /// Keeps the binding.
    ///
    /// # Errors
    /// If the database fails.
    fn keep(&self, binding: &Binding) -> Result<(), Cause>;
}

/// The evidence that a login must agree with.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// The login and the client that have shown the library before.
    pub binding: Option<Binding>,
    /// Up to [`BATCH_MAX`](super::BATCH_MAX) items of the library.
    pub items: Vec<MediaId>,
    /// Some albums of the library.
    pub albums: Vec<AlbumId>,
}

impl Evidence {
    /// Whether the profile knows nothing of a library. It belongs to nobody then.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty() && self.albums.is_empty()
    }
}

impl Client {
    /// A client of the same login that sends no request before the login has shown the library of
    /// `owner`.
    #[must_use]
    pub fn for_owner(self, owner: Arc<dyn Owner>) -> Self {
        let (transport, picker) = (self.transport.clone(), self.picker.clone());
        let guard = OwnerGuard {
            owner,
            client: self,
            checking: tokio::sync::Mutex::default(),
            failures: Mutex::default(),
        };
        let guard: Arc<dyn Guard> = Arc::new(guard);
        Self {
            transport: Arc::new(transport.guarded(guard.clone())),
            picker: picker.guarded(guard),
        }
    }

    /// Checks that the service accepts the login, and that it shows the library of the owner.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn authorise(&self) -> Result<(), Error> {
        self.transport.access().await.map(drop)
    }

    /// Checks that the login shows the library of `owner`. If it has not done so before, this takes
    /// one request, and a few more if an album or item was deleted.
    ///
    /// # Errors
    /// [`LoginError::OtherLibrary`] if it does not, others if that is not known.
    pub async fn check_owner(&self, owner: Arc<dyn Owner>) -> Result<Binding, Error> {
        let login = self.transport.login.clone();
        let fingerprint = login.access().await?.login;
        let client_id = login.client_id();
        let evidence = blocking(&owner, |owner| owner.evidence()).await?;
        let bound = evidence.binding.as_ref();
        let binding = Binding {
            since: bound
                .filter(|it| it.client_id == client_id)
                .map_or_else(Timestamp::now, |it| it.since),
            client_id,
            login: fingerprint,
        };
        if evidence.is_empty() || bound == Some(&binding) {
            return Ok(binding);
        }
        if let Some(bound) = bound.filter(|it| it.client_id != binding.client_id) {
            let other =
                OtherLibrary::Client { bound: bound.client_id.clone(), given: binding.client_id };
            return Err(LoginError::OtherLibrary(other).into());
        }
        if login.is_of_same_account() || self.shows_any(&evidence, &owner).await? {
            return Ok(binding);
        }
        let (items, albums) = (evidence.items.len(), evidence.albums.len());
        Err(LoginError::OtherLibrary(OtherLibrary::Account { items, albums }).into())
    }

    /// Whether an item or album of the evidence resolves, or the list of albums has a known one.
    async fn shows_any(&self, evidence: &Evidence, owner: &Arc<dyn Owner>) -> Result<bool, Error> {
        let mut unclear = None;
        if !evidence.items.is_empty() {
            match self.get_items(&evidence.items).await {
                Ok(results) => {
                    if results.iter().any(Result::is_ok) {
                        return Ok(true);
                    }
                    let mut refusals = results.into_iter().filter_map(Result::err);
                    unclear = refusals.find(|it| !is_absence(it)).map(|it| it.to_string());
                }
                Err(error) => unclear = absent(error)?,
            }
        }
        for album in &evidence.albums {
            match self.get_album(album).await {
                Ok(_) => return Ok(true),
                Err(error) => unclear = absent(error)?.or(unclear),
            }
        }
        if self.lists_a_known_album(owner).await? {
            return Ok(true);
        }
        match unclear {
            None => Ok(false),
            Some(why) => Err(LoginError::Unchecked(why).into()),
        }
    }

    async fn lists_a_known_album(&self, owner: &Arc<dyn Owner>) -> Result<bool, Error> {
        let mut next: Option<PageToken> = None;
        for _ in 0..PAGES_MAX {
            let page = self.list_albums(next.as_ref()).await?;
            let albums: Vec<AlbumId> = page.items.into_iter().map(|album| album.id).collect();
            if blocking(owner, move |owner| owner.knows_any(&albums)).await? {
                return Ok(true);
            }
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        Ok(false)
    }
}

/// Fails unless the error says that the object does not exist, in the service's own words. A refusal
/// to show this object leaves that open, and another one may be proof: it is returned.
fn absent(error: Error) -> Result<Option<String>, Error> {
    match error.refusal() {
        Some(refusal) if refusal.is_from_api() && matches!(refusal.status, 400 | 404) => Ok(None),
        _ if error.is_forbidden() => Ok(Some(error.to_string())),
        _ => Err(error),
    }
}

/// Whether the item does not exist for this login: unknown, or an id of another kind.
fn is_absence(status: &ItemStatus) -> bool {
    matches!(status.code, 3 | 5 | 7)
}

async fn blocking<T: Send + 'static>(
    owner: &Arc<dyn Owner>,
    call: impl FnOnce(&dyn Owner) -> Result<T, Cause> + Send + 'static,
) -> Result<T, Error> {
    let owner = owner.clone();
    let unchecked = |why: String| Error::from(LoginError::Unchecked(why));
    match tokio::task::spawn_blocking(move || call(&*owner)).await {
        Ok(result) => result.map_err(|err| unchecked(err.to_string())),
        Err(err) => Err(unchecked(err.to_string())), // the runtime is shutting down
    }
}

/// Checks each login once, before the first request with it.
struct OwnerGuard {
    owner: Arc<dyn Owner>,
    /// Sends the requests of the check itself.
    client: Client,
    /// Held by the one task that checks. The others wait for it.
    checking: tokio::sync::Mutex<()>,
    /// How many checks have failed without a result, and why the last one did.
    failures: Mutex<(u64, String)>,
}

impl OwnerGuard {
    async fn checked(&self, login: &Fingerprint) -> Result<(), Error> {
        let known = || self.client.transport.login.checked(login);
        let refused = |other| Error::from(LoginError::OtherLibrary(other));
        if let Some(outcome) = known() {
            return outcome.map_err(refused);
        }
        let seen = self.failures.lock().0;
        let _turn = self.checking.lock().await;
        if let Some(outcome) = known() {
            return outcome.map_err(refused);
        }
        {
            let failures = self.failures.lock();
            // The check that this task waited for has failed.
            if failures.0 != seen {
                return Err(LoginError::Unchecked(failures.1.clone()).into());
            }
        }
        let outcome = self.check_now(login).await;
        if let Err(error) = &outcome {
            let mut failures = self.failures.lock();
            *failures = (failures.0 + 1, error.to_string());
        }
        outcome
    }

    /// Checks the login, and records the result.
    async fn check_now(&self, login: &Fingerprint) -> Result<(), Error> {
        let outcome = match self.client.check_owner(self.owner.clone()).await {
            Ok(binding) if binding.login != *login => {
                return Err(LoginError::Unchecked("the login has just changed".into()).into());
            }
            Ok(binding) => {
                self.client.transport.login.set_binding(binding.clone());
                // If this fails, the next process checks the login again.
                if let Err(error) = blocking(&self.owner, move |owner| owner.keep(&binding)).await {
                    tracing::warn!(%error, "cannot store which login belongs to the profile");
                }
                Ok(())
            }
            Err(Error::Login(LoginError::OtherLibrary(other))) => Err(other),
            // A failure of the check must not look like one of the request that waits for it.
            Err(error) if error.kind().is_of_service() => return Err(error),
            Err(error) => return Err(LoginError::Unchecked(error.to_string()).into()),
        };
        if let Err(other) = &outcome {
            tracing::warn!("no request is sent: {}", LoginError::OtherLibrary(other.clone()));
        }
        self.client.transport.login.set_checked(login.clone(), outcome.clone());
        outcome.map_err(|other| LoginError::OtherLibrary(other).into())
    }
}

impl Guard for OwnerGuard {
    fn check<'a>(&'a self, login: &'a Fingerprint) -> BoxFuture<'a, Result<(), Error>> {
        self.checked(login).boxed()
    }
}
