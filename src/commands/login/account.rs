//! Checks that a login is of the OAuth client and the account that the profile belongs to, before it
//! is stored.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::api::{
    self, Client, ClientSecret, Config, Error, Grant, Login, LoginError, OtherLibrary, Page,
};
use crate::app::CommandError;
use crate::app::engine::{kept_budget, no_database};
use crate::app::name::Name;
use crate::app::owner::{StoredOwner, other_client};
use crate::media::Album;
use crate::store::{Backlog, Store};

/// How long `login` tries to list albums for its report.
const LIBRARY_DEADLINE: Duration = Duration::from_secs(10);

/// How many albums the report of `login` names.
const TITLES_SHOWN: usize = 5;

/// Fails if the profile belongs to another OAuth client. `dir` has its stored login.
pub(super) fn check_client(
    store: &Store,
    dir: &Path,
    client: &ClientSecret,
) -> Result<(), CommandError> {
    // If the stored client file cannot be read, the new one replaces it.
    let stored = ClientSecret::stored(dir).ok().flatten();
    let look = || Ok((other_client(store, stored.as_ref(), client)?, store.backlog()?));
    match look().map_err(|err| no_database("cannot read the database", err))? {
        (None, _) => Ok(()),
        (Some(other), backlog) => Err(refused(&other, &backlog)),
    }
}

/// Fails if the login shows nothing of the profile's library, or if that cannot be checked now and
/// it would replace a login in `dir`. Another one is checked before its first use.
pub(super) async fn check_account(
    store: Store,
    dir: &Path,
    client: &ClientSecret,
    grant: &Grant,
    api_url: &Url,
) -> Result<(), CommandError> {
    let backlog = store.backlog().map_err(|err| no_database("cannot read the database", err))?;
    match shows_library(store, client, grant, api_url).await {
        Err(Error::Login(LoginError::OtherLibrary(other))) => Err(refused(&other, &backlog)),
        Err(error) if matches!(Grant::stored(dir), Ok(Some(_))) => Err(CommandError::new(
            "cannot log in, and nothing has changed: cannot check now whether this login is of the \
             profile's account",
        )
        .because(error)
        .hint("try again later; if you are sure that it is: gphotosfs login --same-account")),
        Err(error) => {
            tracing::info!(%error, "cannot check yet whose account it is");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// The library that a login shows, in words. With the three scopes Google does not name the account,
/// but its owner knows the albums.
pub(super) async fn library(client: &ClientSecret, grant: &Grant, api_url: &Url) -> String {
    match tokio::time::timeout(LIBRARY_DEADLINE, first_albums(client, grant, api_url)).await {
        Ok(Ok(page)) => describe(&page),
        Ok(Err(error)) => {
            tracing::info!(%error, "cannot show the albums of the account");
            String::new()
        }
        Err(_) => String::new(),
    }
}

async fn first_albums(
    client: &ClientSecret,
    grant: &Grant,
    api_url: &Url,
) -> Result<Page<Album>, Error> {
    let budget = api::Budget::new(jiff::Timestamp::now());
    candidate(client, grant, api_url, budget)?.list_albums(None).await
}

/// A client for a login that is not stored yet.
fn candidate(
    client: &ClientSecret,
    grant: &Grant,
    api_url: &Url,
    budget: api::Budget,
) -> Result<Client, Error> {
    let login = Login::candidate(client.clone(), grant.clone(), api_url)?;
    Client::new(Config::default(), Arc::new(login), Arc::new(budget))
}

fn describe(page: &Page<Album>) -> String {
    let words = match (page.items.len(), page.next.is_some()) {
        (0, false) => "no album that this OAuth client has made".to_owned(),
        (0, true) => "albums that this OAuth client has made".to_owned(),
        (1, false) => "1 album that this OAuth client has made".to_owned(),
        (count, false) => format!("{count} albums that this OAuth client has made"),
        (count, true) => format!("{count} albums and more that this OAuth client has made"),
    };
    let named = page.items.iter().take(TITLES_SHOWN).map(|it| Name::from(Path::new(&it.title)));
    let titles: Vec<String> = named.map(|it| format!("\"{it}\"")).collect();
    let such_as =
        if titles.is_empty() { String::new() } else { format!(": {}", titles.join(", ")) };
    let more = if page.items.len() > TITLES_SHOWN { " …" } else { "" };
    format!(
        "The account has {words}{such_as}{more}\n\
         Google does not tell its name to gphotosfs. If it is not your account, run 'gphotosfs logout'.\n"
    )
}

async fn shows_library(
    store: Store,
    client: &ClientSecret,
    grant: &Grant,
    api_url: &Url,
) -> Result<(), Error> {
    let budget = kept_budget(&store).unwrap_or_else(|_| api::Budget::new(jiff::Timestamp::now()));
    let client = candidate(client, grant, api_url, budget)?;
    client.check_owner(Arc::new(StoredOwner(store))).await.map(drop)
}

fn refused(other: &OtherLibrary, backlog: &Backlog) -> CommandError {
    let queued = match backlog.left() {
        0 => String::new(),
        1 => "; 1 change is still queued for it".to_owned(),
        left => format!("; {left} changes are still queued for it"),
    };
    CommandError::new(format!("cannot log in, and nothing has changed: {other}{queued}"))
        .hint(other.remedy())
}
