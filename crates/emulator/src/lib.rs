//! A local Google Photos: the Library API, the Picker API, OAuth and downloads on a loopback port, strict
//! where Google is strict and as faulty as [`Faults`] says.
//!
//! It is written from the description of the wire format alone and shares no code with the client
//! that is tested against it; otherwise a misunderstanding would be on both sides. Tests start it
//! in-process; `gphotosfs emulator` runs the same thing on its own, steered through `/emulator/…`.
//!
//! A request comes in by `router`, which hands it to `api`, `auth`, `media`, `pages` or `control`.
//! `state` holds the albums, items and grants, `faults` the injected failures. `choices` closes the
//! gaps in the knowledge about the real service.

#![forbid(unsafe_code)]

mod account;
mod api;
mod auth;
mod barriers;
mod call;
mod choices;
mod connection;
mod control;
mod error;
mod faults;
mod http;
mod media;
mod pages;
mod picker;
mod private;
mod router;
mod server;
mod signing;
mod state;
mod stats;
mod uploads;
mod visitors;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use account::{Account, DEFAULT_USER, OauthClient};
pub use auth::tokens::Grant;
pub use barriers::{Barrier, Moment};
pub use call::{Call, PICKER_SCOPE, SCOPE_PREFIX, SCOPES};
pub use control::dump::{Dump, DumpedAlbum, DumpedItem};
pub use control::edit::{Edit, EditError, MadeUpItem};
pub use control::pick::{DumpedPickSession, PickState};
pub use faults::{
    CallFaults, Failure, Faults, FileFault, FileMatch, FilenameFault, Injection, ItemFailure,
    ListingFault, Omission, PickOrder, PickedField, PickerFaults, Stage,
};
pub use media::synthetic::synthetic_content;
pub use picker::choice::{Choice, PickError, PickStep};
pub use stats::Stats;

use auth::{client, tokens};
use connection::{Connection, Listener};
use control::editor;
use picker::choice;
use server::Server;
use state::{Journal, StateDir, World};

/// How to start an [`Emulator`].
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen; a loopback address. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where albums, items, bytes and grants are kept; without it they end with the emulator.
    pub state: Option<PathBuf>,
    /// Answer authorisation requests at once with a redirect that grants all that was asked for.
    pub auto_approve: bool,
    /// The switches to begin with.
    pub faults: Faults,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            state: None,
            auto_approve: true,
            faults: Faults::default(),
        }
    }
}

/// A running emulator; it stops, and all its connections end, when this is dropped.
pub struct Emulator {
    server: Arc<Server>,
    serving: tokio::task::JoinHandle<io::Result<()>>,
    _stop: DropGuard,
}

impl Emulator {
    /// Starts serving on the current runtime.
    ///
    /// # Errors
    /// If the address is not loopback or taken, or the state directory is in use or unreadable.
    pub async fn start(config: Config) -> io::Result<Emulator> {
        let stop = CancellationToken::new();
        let listener = Listener::bind(config.listen, stop.clone()).await?;
        let address = axum::serve::Listener::local_addr(&listener)?;
        let video_listener = Listener::bind(SocketAddr::new(address.ip(), 0), stop.clone()).await?;
        let video_address = axum::serve::Listener::local_addr(&video_listener)?;
        let (dir, key, world) = tokio::task::spawn_blocking(move || {
            let dir = StateDir::open(config.state.as_deref())?;
            let journal = config.state.map(|_| Journal::open(&dir)).transpose()?;
            let world = World::load(journal)?;
            let contents = world.contents();
            dir.sweep(|sha256| contents.contains(sha256))?;
            let key = dir.key()?;
            Ok::<_, io::Error>((dir, key, world))
        })
        .await
        .map_err(io::Error::other)??;
        let server = Arc::new(Server {
            url: format!("http://{address}"),
            video_url: format!("http://{video_address}"),
            auto_approve: config.auto_approve,
            dir,
            signer: signing::Signer::new(key),
            switches: faults::Switchboard::new(config.faults),
            barriers: barriers::Barriers::default(),
            meter: stats::Meter::default(),
            world: Mutex::new(world),
            codes: state::Codes::default(),
            signed_in: Mutex::new(DEFAULT_USER.to_owned()),
            sessions: state::Sessions::default(),
            picker: picker::desk::Desk::default(),
            writing: Mutex::default(),
            clock_ahead_ms: 0.into(),
        });
        let service =
            router::router(server.clone()).into_make_service_with_connect_info::<Connection>();
        let videos = media::picked::video_router(server.clone())
            .into_make_service_with_connect_info::<Connection>();
        let serving = axum::serve(listener, service)
            .with_graceful_shutdown(stop.clone().cancelled_owned())
            .into_future();
        let serving_videos = axum::serve(video_listener, videos)
            .with_graceful_shutdown(stop.clone().cancelled_owned())
            .into_future();
        let serving = tokio::spawn(async { tokio::try_join!(serving, serving_videos).map(|_| ()) });
        Ok(Emulator { server, serving, _stop: stop.drop_guard() })
    }

    /// Stops, and waits until the port and the state directory are free again.
    pub async fn stop(self) {
        drop(self._stop);
        // Nothing can be done about an accept loop that ended badly.
        let _ = self.serving.await;
        let mut server = self.server;
        // Calls go on when their clients are cut off; each holds the server until it is done.
        let all_done = async {
            while let Err(shared) = Arc::try_unwrap(server) {
                server = shared;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        // One that does not end keeps the directory, which the next start will say.
        let _ = tokio::time::timeout(Duration::from_secs(10), all_done).await;
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        self.server.url.clone()
    }

    /// The address of the Picker API, to be followed by `/v1/…`.
    pub fn picker_url(&self) -> String {
        self.server.picker_url()
    }

    /// The client secret file of a desktop application that uses this server, as Google's console
    /// hands it out.
    pub fn client_secret_json(&self) -> String {
        self.client_secret_json_of(OauthClient::First)
    }

    /// Writes the client secret file for this user alone. Replaces a file or link of that name.
    ///
    /// # Errors
    /// If the directory cannot be written to.
    pub fn write_client_secret(&self, path: &Path) -> io::Result<()> {
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // tempfile makes it 0600.
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        io::Write::write_all(&mut file, self.client_secret_json().as_bytes())?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }

    /// The client secret file of one of the clients.
    pub fn client_secret_json_of(&self, client: OauthClient) -> String {
        format!("{:#}\n", client::secret_file(&self.server.url, client))
    }

    /// Signs another user in to the browser. Later logins are of that user, unless the request's
    /// `login_hint` or the consent page names another.
    pub fn sign_in(&self, user: &str) {
        user.clone_into(&mut self.server.signed_in.lock());
    }

    /// A consent of the signed-in user to all three scopes, without the browser.
    ///
    /// # Panics
    /// If the state directory cannot be written.
    pub fn grant(&self) -> Grant {
        self.grant_scopes(&SCOPES)
    }

    /// A consent to some scopes, named as in [`SCOPES`] or in full, as [`PICKER_SCOPE`] is.
    ///
    /// # Panics
    /// If the state directory cannot be written.
    pub fn grant_scopes(&self, scopes: &[&str]) -> Grant {
        let account = Account::of(&self.server.signed_in.lock());
        self.grant_to(&account, scopes)
    }

    /// A user's consent to some scopes for one of the clients.
    ///
    /// # Panics
    /// If the state directory cannot be written.
    pub fn grant_to(&self, account: &Account, scopes: &[&str]) -> Grant {
        let scopes = scopes.iter().map(|scope| call::full_scope(scope)).collect();
        let consent = tokens::consent(&self.server, account, scopes)
            .expect("the emulator's state directory can be written");
        tokens::grant(&self.server, &consent)
    }

    /// Changes the fault switches.
    pub fn faults(&self, change: impl FnOnce(&mut Faults)) {
        self.server.switches.change(change);
    }

    /// Holds one call, the `nth` of its kind from now on, until the barrier is released: 1 is the
    /// next call.
    pub fn barrier(&self, call: Call, nth: usize, moment: Moment) -> Barrier {
        self.server.barriers.set(call, nth, moment)
    }

    /// Holds every call of a kind at that moment of each.
    pub fn hold(&self, call: Call, moment: Moment) {
        self.server.barriers.hold(call, moment);
    }

    /// Lets that many of the held calls go on, or of later ones.
    pub fn let_pass(&self, call: Call, moment: Moment, calls: usize) {
        self.server.barriers.let_pass(call, moment, calls);
    }

    /// Stops holding calls of that kind.
    pub fn let_go(&self, call: Call, moment: Moment) {
        self.server.barriers.let_go(call, moment);
    }

    /// The counts since the start or the last reset.
    pub fn stats(&self) -> Stats {
        self.server.stats()
    }

    /// Sets all counters to zero.
    pub fn reset_stats(&self) {
        self.server.meter.reset();
    }

    /// All albums and items of the default account.
    pub fn dump(&self) -> Dump {
        self.dump_of(&Account::default())
    }

    /// All albums and items of an account.
    pub fn dump_of(&self, account: &Account) -> Dump {
        Dump::of(&self.server, account)
    }

    /// The service's time in milliseconds of the Unix epoch, for [`Injection::until_ms`].
    pub fn now_ms(&self) -> i64 {
        self.server.now_ms()
    }

    /// Changes the default account's library behind the API's back; returns the id of the album or
    /// item.
    ///
    /// # Errors
    /// If an album or item of that name does not exist.
    pub async fn edit(&self, edit: Edit) -> Result<String, EditError> {
        self.edit_as(Account::default(), edit).await
    }

    /// Changes an account's library behind the API's back.
    ///
    /// # Errors
    /// If an album or item of that name does not exist.
    pub async fn edit_as(&self, account: Account, edit: Edit) -> Result<String, EditError> {
        let server = self.server.clone();
        tokio::task::spawn_blocking(move || editor::apply(&server, account, edit))
            .await
            .map_err(|error| EditError::Io(io::Error::other(error)))?
    }

    /// The sessions of the Picker API that are not deleted, oldest first.
    pub fn pick_sessions(&self) -> Vec<DumpedPickSession> {
        control::pick::sessions(&self.server)
    }

    /// Does what the user does in the picker. Returns how many items are ticked or picked then.
    ///
    /// # Errors
    /// If there is no such session or no such item, or more items than a session takes.
    pub async fn pick(&self, step: PickStep) -> Result<usize, PickError> {
        let server = self.server.clone();
        let taking = tokio::task::spawn_blocking(move || choice::take_step(&server, step));
        match taking.await {
            Ok(Ok(items)) => Ok(items),
            Ok(Err(error)) => Err(PickError(error.message().to_owned())),
            Err(error) => Err(PickError(error.to_string())),
        }
    }

    /// Ends all access tokens; refresh tokens stay good.
    ///
    /// # Panics
    /// If the state directory cannot be written.
    pub fn expire_access_tokens(&self) {
        tokens::expire_access_tokens(&self.server)
            .expect("the emulator's state directory can be written");
    }

    /// Ends all grants, as when the user removes the application's access.
    ///
    /// # Panics
    /// If the state directory cannot be written.
    pub fn revoke_grants(&self) {
        tokens::revoke_all(&self.server).expect("the emulator's state directory can be written");
    }

    /// Moves the service's clock forward: tokens and URLs age, delays pass.
    pub fn advance_clock(&self, by: Duration) {
        self.server.advance(by);
    }
}
