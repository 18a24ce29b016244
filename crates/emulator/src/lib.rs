//! A local Google Photos: the Library API, its OAuth and its downloads on a loopback port, strict
//! where Google is strict and as faulty as [`Faults`] says.
//!
//! It is written from the description of the wire format alone and shares no code with the client
//! that is tested against it; otherwise a misunderstanding would be on both sides. Tests start it
//! in-process; `gphotosfs emulator` runs the same thing on its own, steered through `/emulator/…`.
//!
//! A request comes in by `gate` (API), `consent` and `oauth`, `downloads`, `pages` or `control`. The methods in
//! `albums`, `items` and `create` run to completion on a blocking thread with the world locked.
//! What the real service does and nobody knows is decided in `choices`.

mod albums;
mod call;
mod choices;
mod consent;
mod control;
mod create;
mod downloads;
mod edit;
mod error;
mod faults;
mod filters;
mod gate;
mod holds;
mod items;
mod json;
mod listener;
mod oauth;
mod pages;
mod paging;
mod persist;
mod rendition;
mod seal;
mod server;
mod sessions;
mod sniff;
mod state;
mod stats;
mod uploads;
mod wire;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, Uri};
use axum::routing::{any, get, post};
use parking_lot::Mutex;
use serde::Serialize;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use call::{Call, SCOPE_PREFIX, SCOPES};
pub use edit::{Edit, EditError};
pub use faults::{CallFaults, Failure, Faults, Injection, ItemFailure, OddFilename};
pub use holds::Moment;
pub use rendition::synthetic_content;
pub use stats::Stats;

use listener::{Line, Listener};
use persist::{Journal, StateDir};
use server::{DEFAULT_USER, Server};
use state::{Content, World};

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

/// What a program has after a user's consent.
#[derive(Clone, Debug, Serialize)]
pub struct Grant {
    /// For `Authorization: Bearer`.
    pub access_token: String,
    /// For new access tokens.
    pub refresh_token: String,
    /// Lifetime of the access token in seconds.
    pub expires_in: u64,
    /// Full names of the granted scopes, separated by spaces.
    pub scope: String,
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
            auto_approve: config.auto_approve,
            dir,
            sealer: seal::Sealer::new(key),
            switches: faults::Switchboard::new(config.faults),
            holds: holds::Holds::default(),
            meter: stats::Meter::default(),
            world: Mutex::new(world),
            codes: consent::Codes::default(),
            sessions: sessions::Sessions::default(),
            writing: Mutex::default(),
            clock_ahead_ms: 0.into(),
        });
        let service = router(server.clone()).into_make_service_with_connect_info::<Line>();
        let serving = tokio::spawn(
            axum::serve(listener, service)
                .with_graceful_shutdown(stop.clone().cancelled_owned())
                .into_future(),
        );
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

    /// The client secret file of a desktop application that uses this server, as Google's console
    /// hands it out.
    pub fn client_secret_json(&self) -> String {
        format!("{:#}\n", oauth::client_secret(&self.server.url))
    }

    /// A consent to all three scopes, without the browser.
    ///
    /// # Panics
    /// If the state directory cannot be written.
    pub fn grant(&self) -> Grant {
        self.grant_scopes(&SCOPES)
    }

    /// A consent to some scopes, named as in [`SCOPES`].
    ///
    /// # Panics
    /// If the state directory cannot be written.
    pub fn grant_scopes(&self, scopes: &[&str]) -> Grant {
        let scopes = scopes.iter().map(|scope| format!("{SCOPE_PREFIX}{scope}")).collect();
        let consent = oauth::consent(&self.server, DEFAULT_USER, scopes)
            .expect("the emulator's state directory can be written");
        oauth::grant(&self.server, &consent)
    }

    /// Changes the fault switches.
    pub fn faults(&self, change: impl FnOnce(&mut Faults)) {
        self.server.switches.change(change);
    }

    /// Has calls of a kind wait, at that moment of each, until they are let go on.
    pub fn hold(&self, call: Call, moment: Moment) {
        self.server.holds.hold(call, moment);
    }

    /// Lets so many of the held calls go on, or of those still to come.
    pub fn let_pass(&self, call: Call, moment: Moment, calls: usize) {
        self.server.holds.let_pass(call, moment, calls);
    }

    /// Holds calls of that kind no more.
    pub fn let_go(&self, call: Call, moment: Moment) {
        self.server.holds.let_go(call, moment);
    }

    /// What has been counted since the start or the last reset.
    pub fn stats(&self) -> Stats {
        self.server.meter.get()
    }

    /// Sets all counters to zero.
    pub fn reset_stats(&self) {
        self.server.meter.reset();
    }

    /// All albums and items.
    pub fn dump(&self) -> Dump {
        Dump::of(&self.server)
    }

    /// Changes the library behind the API's back; returns the id of what was made or changed.
    ///
    /// # Errors
    /// If an album or item of that name does not exist.
    pub async fn edit(&self, edit: Edit) -> Result<String, EditError> {
        let server = self.server.clone();
        tokio::task::spawn_blocking(move || edit::apply(&server, edit))
            .await
            .map_err(|error| EditError::Io(io::Error::other(error)))?
    }

    /// Ends all access tokens; refresh tokens stay good.
    ///
    /// # Panics
    /// If the state directory cannot be written.
    pub fn expire_access_tokens(&self) {
        oauth::expire_access_tokens(&self.server)
            .expect("the emulator's state directory can be written");
    }

    /// Ends all grants, as when the user removes the application's access.
    ///
    /// # Panics
    /// If the state directory cannot be written.
    pub fn revoke_grants(&self) {
        oauth::revoke_all(&self.server).expect("the emulator's state directory can be written");
    }

    /// Moves the service's clock forward: tokens and URLs age, delays pass.
    pub fn advance_clock(&self, by: Duration) {
        self.server.advance(by);
    }
}

/// All of the default user's albums and items.
#[derive(Clone, Debug, Serialize)]
pub struct Dump {
    /// In order of creation.
    pub albums: Vec<DumpedAlbum>,
    /// In order of creation, those included that the API does not show.
    pub items: Vec<DumpedItem>,
}

/// An album in a [`Dump`].
#[derive(Clone, Debug, Serialize)]
pub struct DumpedAlbum {
    /// As in the API.
    pub id: String,
    /// As in the API.
    pub title: String,
    /// Item ids in album order.
    pub items: Vec<String>,
}

/// An item in a [`Dump`].
#[derive(Clone, Debug, Serialize)]
pub struct DumpedItem {
    /// As in the API.
    pub id: String,
    /// As in the API; empty if there is none.
    pub filename: String,
    /// As in the API.
    pub description: String,
    /// As in the API.
    pub mime_type: String,
    /// Of the received bytes, in lower-case hexadecimal; `None` if the bytes are made up.
    pub sha256: Option<String>,
    /// Bytes received.
    pub size: u64,
    /// It came by another application.
    pub foreign: bool,
    /// The fault of that name struck it.
    pub lost: bool,
}

impl Dump {
    fn of(server: &Server) -> Dump {
        let mut world = server.world.lock();
        let library = world.library(DEFAULT_USER);
        let item_id = |entry: &state::Entry| Some(library.item(entry.item)?.id.clone());
        let albums = library.albums(0).map(|album| DumpedAlbum {
            id: album.id.clone(),
            title: album.title.clone(),
            items: album.entries.iter().filter_map(item_id).collect(),
        });
        let items = library.items().into_iter().map(|item| DumpedItem {
            id: item.id.clone(),
            filename: item.filename.clone(),
            description: item.description.clone(),
            mime_type: item.facts.mime.clone(),
            sha256: match &item.content {
                Content::Stored(sha256) => Some(sha256.clone()),
                Content::Synthetic(_) => None,
            },
            size: item.size,
            foreign: item.foreign,
            lost: item.lost,
        });
        Dump { albums: albums.collect(), items: items.collect() }
    }

    /// The album with a title, the first of several.
    pub fn album(&self, title: &str) -> Option<&DumpedAlbum> {
        self.albums.iter().find(|album| album.title == title)
    }

    /// The item with an id.
    pub fn item(&self, id: &str) -> Option<&DumpedItem> {
        self.items.iter().find(|item| item.id == id)
    }
}

fn router(server: Arc<Server>) -> Router {
    Router::new()
        .route("/", get(pages::home))
        .route("/album/{id}", get(pages::album))
        .route("/lr/album/{id}", get(pages::album))
        .route("/lr/photo/{id}", get(pages::photo))
        .route("/lr/media/{*rest}", get(downloads::media))
        .route("/v1/userinfo", get(oauth::user_info))
        .route("/v1/{*rest}", any(gate::api))
        .route("/o/oauth2/auth", get(consent::auth))
        .route("/o/oauth2/v2/auth", get(consent::auth))
        .route("/o/oauth2/approve", post(consent::decide))
        .route("/token", post(oauth::token))
        .route("/revoke", post(oauth::revoke))
        .route("/tokeninfo", get(oauth::token_info))
        .route("/device/code", post(oauth::device_code))
        .route("/.well-known/openid-configuration", get(oauth::openid_configuration))
        .nest("/emulator", control::router())
        .fallback(async |uri: Uri| {
            let text = format!("The requested URL {} was not found on this server.", uri.path());
            error::html_error(StatusCode::NOT_FOUND, &text)
        })
        // Uploads of any size go to disk; JSON bodies have a limit of their own.
        .layer(axum::extract::DefaultBodyLimit::disable())
        .with_state(server)
}
