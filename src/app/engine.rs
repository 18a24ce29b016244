//! The engine: API client, store, content cache and upload pipeline. A mount starts it, and so does
//! a command that works on a profile's queue without a mount.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use url::Url;

use super::error::CommandError;
use super::network::NetworkWatch;
use super::owner::{StoredOwner, kept_binding};
use crate::api::{self, BaseUrls, Budget, Foreign, Grant, Login, LoginError, SavedBudget, Service};
use crate::content::{self, Content};
use crate::media::Qualities;
use crate::profile::Profile;
use crate::settings::UploadSettings;
use crate::store::{self, Store};
use crate::upload::{self, NameRules, Pipeline};

/// How often a changed request budget is stored.
const KEEP_BUDGET_EVERY: Duration = Duration::from_secs(5);

/// The store's key for the request budget.
const BUDGET: &str = "budget";

/// The store's key for the service that the profile is used with.
const SERVICE: &str = "service";

/// The store's key for a login that Google has refused.
const REFUSED: &str = "login_refused";

/// See the module. The caller must hold the profile's lock.
pub struct Engine {
    /// The database.
    pub store: Store,
    /// The API client.
    pub client: api::Client,
    /// The addresses that bytes are downloaded from.
    pub base_urls: Arc<BaseUrls>,
    /// The content cache and its downloads.
    pub content: Content,
    /// The uploads.
    pub pipeline: Pipeline,
    keeping_budget: JoinHandle<()>,
    _network: NetworkWatch,
}

/// The rules for files that are not at Google.
#[derive(Clone, Copy, Debug)]
pub struct SpoolRules {
    /// How many bytes may wait for their upload.
    pub max: u64,
    /// Sidecars of photos stay here.
    pub keep_sidecars: bool,
}

impl Default for SpoolRules {
    /// For a process that writes no files.
    fn default() -> Self {
        Self { max: u64::MAX, keep_sidecars: true }
    }
}

impl Engine {
    /// Puts the parts together and resumes the uploads, without a request of its own.
    ///
    /// # Errors
    /// If the login is missing, the profile belongs to another service, or a directory cannot be
    /// used.
    pub fn start(
        profile: &Profile,
        settings: &UploadSettings,
        spool: SpoolRules,
        runtime: &Handle,
    ) -> Result<Self, CommandError> {
        let _entered = runtime.enter();
        let state_dir = profile.state_dir().map_err(no_directory)?;
        let login = Login::load(profile, &settings.apis.library)
            .map_err(|err| no_login("cannot use the login", err))?;
        let store =
            Store::open(state_dir).map_err(|err| no_database("cannot open the database", err))?;
        settle_service(profile, &store, &settings.apis.library)?;
        let unreadable = |err| no_database("cannot read the database", err);
        if let Some(binding) = kept_binding(&store).map_err(unreadable)? {
            login.set_binding(binding);
        }
        let budget = Arc::new(kept_budget(&store).map_err(unreadable)?);
        let api = api::Config {
            upload_limit: settings.limit_up.clone(),
            ..api::Config::default().paced(settings.unstable_pace)
        };
        let client = api::Client::new(api, Arc::new(login), budget.clone()).map_err(|err| {
            CommandError::new("cannot set up the connection to Google").because(err)
        })?;
        let client = client.with_picker(&settings.apis.picker);
        let client = client.for_owner(Arc::new(StoredOwner(store.clone())));
        let base_urls = Arc::new(BaseUrls::start(client.clone(), runtime));
        let content = Content::new(
            content::Config {
                dir: content_dir(profile)?,
                limit: settings.cache_size,
                waits: content::Waits::default().paced(settings.unstable_pace),
            },
            store.clone(),
            client.clone(),
            base_urls.clone(),
            runtime.clone(),
        )
        .map_err(|err| CommandError::new("cannot use the content cache").because(err))?;
        let keep = content.clone();
        let pipeline = Pipeline::start(
            upload::Config {
                uploads: usize::from(settings.uploads),
                upload_delay: settings.upload_delay / settings.unstable_pace,
                spool_max: spool.max,
                names: NameRules {
                    keep_sidecars: spool.keep_sidecars,
                    temporary: settings.temporary_names.clone().into(),
                },
                quality: Qualities { photos: settings.quality, videos: settings.quality_video },
                ..upload::Config::new(
                    state_dir.join("spool"),
                    Arc::new(move |file, hash, path| keep.add_to_cache(file, hash, path)),
                )
                .paced(settings.unstable_pace)
            },
            store.clone(),
            client.clone(),
            runtime,
        )
        .map_err(|err| CommandError::new("cannot resume the uploads").because(err))?;
        let keeping_budget = runtime.spawn(keep_budget_always(store.clone(), budget));
        let network =
            NetworkWatch::start(pipeline.clone(), client.clone(), settings.metered, runtime);
        Ok(Self { store, client, base_urls, content, pipeline, keeping_budget, _network: network })
    }

    /// Ends the uploads within seconds. The next start resumes the queue.
    pub async fn stop(&self) {
        self.pipeline.shutdown().await;
        self.keeping_budget.abort();
        keep_budget(&self.store, self.client.budget());
        keep_verdict(&self.store, self.client.login());
    }
}

/// The directory of the content cache.
///
/// # Errors
/// If the profile's directory cannot be used.
pub fn content_dir(profile: &Profile) -> Result<PathBuf, CommandError> {
    Ok(profile.cache_dir().map_err(no_directory)?.join("content"))
}

/// The error for a directory of the profile that cannot be used.
pub fn no_directory(err: std::io::Error) -> CommandError {
    CommandError::new("cannot use the profile's directories").because(err).hint(LOOK)
}

/// The next step when a file or directory of the profile cannot be used.
const LOOK: &str = "'gphotosfs doctor' checks the profile's directories and their disk";

/// The error for a login that cannot be read from the profile's files.
pub fn no_login(what: &str, err: LoginError) -> CommandError {
    let is_file = matches!(err, LoginError::File { .. });
    let error = CommandError::new(what).because(err).for_a_person();
    // The other errors name the next step by themselves.
    if is_file {
        error.hint(
            "'gphotosfs doctor' says which file it is; 'gphotosfs login' writes the login anew",
        )
    } else {
        error
    }
}

/// The next step with a database from before the first release.
const UNRELEASED: &str = "install that version again; to go on with this one, first let that one send what is \
    queued ('gphotosfs sync'), then move gphotosfs.db and its companions out of the profile's state directory: albums \
    are listed anew, and what was still queued lies in spool/orphans there";

/// The next step with a database of an earlier version.
const OLDER: &str = "'gphotosfs mount' and 'gphotosfs sync' bring it up to date, and keep a copy; if a mount of the \
    earlier version still runs, unmount it first";

/// The next step with a database of a later version.
const NEWER: &str =
    "install that version again; docs/UPGRADING.md tells how to go back to this one";

/// The next step with a database that cannot be used. `None` if the error names it by itself.
pub fn remedy(err: &store::Error) -> Option<&'static str> {
    match err {
        store::Error::Damaged(_) => None,
        store::Error::Unreleased => Some(UNRELEASED),
        store::Error::Older { .. } => Some(OLDER),
        store::Error::Newer { .. } => Some(NEWER),
        err if err.is_read_only() => {
            Some("the profile's state directory must be writable, also to read the database")
        }
        err if err.is_disk_full() => {
            Some("free space on the disk of the profile's state directory, and try again")
        }
        _ => Some(LOOK),
    }
}

/// The error for a database that cannot be used.
pub fn no_database(what: &str, err: store::Error) -> CommandError {
    let hint = remedy(&err);
    let error = CommandError::new(what).because(err);
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// The stored request budget.
///
/// # Errors
/// If the database fails.
pub fn kept_budget(store: &Store) -> store::Result<Budget> {
    let kept = store.meta(BUDGET)?;
    let saved = kept.and_then(|text| serde_json::from_str::<SavedBudget>(&text).ok());
    Ok(saved.map_or_else(|| Budget::new(Timestamp::now()), Budget::restore))
}

/// Fails if the profile is used with a service at another address.
///
/// # Errors
/// If the profile belongs to another service, with its name.
pub fn check_service(profile: &Profile, store: &Store, asked: &Url) -> Result<(), CommandError> {
    let kept = kept_service(store).map_err(|err| no_database("cannot read the database", err))?;
    let checked = kept.map_or(Ok(()), |it| it.check(asked));
    checked.map_err(|err| {
        CommandError::new(format!("the profile {} {err}", profile.name()))
            .hint(Foreign::REMEDY)
            .for_a_person()
    })
}

/// As [`check_service`]. A new profile belongs to this service from now on.
///
/// # Errors
/// As there.
pub fn settle_service(profile: &Profile, store: &Store, api_url: &Url) -> Result<(), CommandError> {
    check_service(profile, store, api_url)?;
    keep(store, SERVICE, &Service::at(api_url), "cannot store which service the profile uses");
    Ok(())
}

/// The service that a profile is used with. `None` if the profile is new, or only an earlier
/// version has used it.
///
/// # Errors
/// If the database fails.
pub fn kept_service(store: &Store) -> store::Result<Option<Service>> {
    Ok(store.meta(SERVICE)?.and_then(|text| serde_json::from_str(&text).ok()))
}

/// The final refusal of a login.
#[derive(Serialize, Deserialize)]
pub struct Refused {
    /// Distinguishes the login from later ones.
    granted_at: Timestamp,
    /// The reason.
    pub said: String,
    /// Google accepts it, but it is of another account or OAuth client.
    #[serde(default)]
    pub is_foreign: bool,
}

/// The refusal of this grant, if it was refused.
///
/// # Errors
/// If the database fails.
pub fn kept_refusal(store: &Store, grant: Option<&Grant>) -> store::Result<Option<Refused>> {
    let kept = store.meta(REFUSED)?;
    let refused =
        kept.and_then(|text| serde_json::from_str::<Option<Refused>>(&text).ok().flatten());
    let granted_at = grant.map(|it| it.granted_at);
    Ok(refused.filter(|it| Some(it.granted_at) == granted_at))
}

/// Stores Google's answer about the login, for commands that send no request.
fn keep_verdict(store: &Store, login: &Login) {
    let refused = match login.verdict() {
        // No request was sent, so the stored answer stays.
        None => return,
        Some(Ok(())) => None,
        Some(Err(error)) => Some(Refused {
            granted_at: login.granted_at(),
            said: error.to_string(),
            is_foreign: matches!(error, LoginError::OtherLibrary(_)),
        }),
    };
    keep(store, REFUSED, &refused, "cannot store that the login has ended");
}

async fn keep_budget_always(store: Store, budget: Arc<Budget>) {
    let mut ticks = tokio::time::interval(KEEP_BUDGET_EVERY);
    let mut kept = budget.saved();
    loop {
        ticks.tick().await;
        let now = budget.saved();
        if now != kept {
            kept = now;
            let (store, budget) = (store.clone(), budget.clone());
            let _ = tokio::task::spawn_blocking(move || keep_budget(&store, &budget)).await;
        }
    }
}

fn keep_budget(store: &Store, budget: &Budget) {
    keep(store, BUDGET, &budget.saved(), "cannot store the count of requests");
}

fn keep(store: &Store, key: &str, value: &impl Serialize, failure: &str) {
    let outcome = serde_json::to_string(value)
        .map_err(|err| err.to_string())
        .and_then(|text| store.set_meta(key, &text).map_err(|err| err.to_string()));
    if let Err(error) = outcome {
        tracing::warn!(error, "{failure}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_or_login_that_cannot_be_used_has_its_next_step() {
        let dir = tempfile::tempdir().unwrap();
        let missing = Store::open(&dir.path().join("missing")).err().unwrap();
        let error = no_database("cannot open the database", missing);
        assert!(error.next_step().unwrap().contains("gphotosfs doctor"));
        for (other, next) in [
            (store::Error::Unreleased, "install"),
            (store::Error::Older { found: 1, known: 2 }, "up to date"),
            (store::Error::Newer { found: 2, known: 1 }, "install"),
        ] {
            let error = no_database("cannot open the database", other);
            assert!(error.next_step().unwrap().contains(next));
        }
        let file =
            LoginError::File { path: "x".into(), source: Arc::new(std::io::Error::other("x")) };
        assert!(
            no_login("cannot use the login", file).next_step().unwrap().contains("gphotosfs login")
        );
    }
}
