//! The connections to the service: those for bytes of files apart from those for calls.
//!
//! A call that shared a connection with an upload would wait behind the bytes that the connection
//! has taken already. So bytes go up, and come down, over connections of their own, one for each
//! request (HTTP/1.1). These share the line fairly, and together they fill a line whose losses keep
//! any single connection slow. Calls and requests for sizes share one connection of HTTP/2.
//!
//! A connection is alive as long as its peer acknowledges bytes, however slowly: TCP itself notices
//! a dead one. A ping of HTTP/2 would wait behind our own data, and on a slow line its answer would
//! come too late.
//!
//! Only the machine knows that it has slept, or is in another network now. Then connections of before
//! are dead, and the next request makes a new one.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::error::Error;
use super::names::Names;
use super::no_roots;
use super::proxy::Proxies;

/// How long a peer may leave calls unacknowledged.
const DEAD_AFTER: Duration = Duration::from_secs(30);
/// The same for bytes of files. Longer, because the receiver of a proxy may be busy forwarding what
/// it has.
const BULK_DEAD_AFTER: Duration = Duration::from_secs(60);
/// A silent connection is probed after this time.
const PROBE_AFTER: Duration = Duration::from_secs(30);
/// And then this often.
const PROBE_EVERY: Duration = Duration::from_secs(10);
/// A connection for bytes is kept so long for the next request. Shorter than servers keep theirs:
/// an upload on a connection that the server is just closing would have to be sent again.
const BULK_IDLE: Duration = Duration::from_secs(20);

/// The connections that are in use. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Connections {
    current: Arc<Mutex<Current>>,
    connect: Duration,
}

/// One client for each kind of traffic.
#[derive(Debug, Clone)]
pub(super) struct Current {
    /// Cancelled when others take their place: what goes over these gets no answer any more.
    pub(super) over: CancellationToken,
    /// For calls, and for requests whose answers are short.
    pub(super) calls: reqwest::Client,
    /// For bytes of uploads.
    pub(super) up: reqwest::Client,
    /// For bytes of downloads.
    pub(super) down: reqwest::Client,
}

impl Connections {
    /// Connecting may take `connect`.
    pub(super) fn new(connect: Duration) -> reqwest::Result<Self> {
        Ok(Self { current: Arc::new(Mutex::new(Current::new(connect)?)), connect })
    }

    /// Those for the next request.
    pub(super) fn now(&self) -> Current {
        self.current.lock().clone()
    }

    /// Has the next request make a connection of its own. Requests under way end.
    pub(super) fn renew(&self) {
        match Current::new(self.connect) {
            Ok(new) => std::mem::replace(&mut *self.current.lock(), new).over.cancel(),
            // It has been possible before, so it will be again.
            Err(error) => tracing::warn!(%error, "cannot set up new connections"),
        }
    }
}

impl Current {
    fn new(connect: Duration) -> reqwest::Result<Self> {
        let bulk = || {
            let bulk = |it: reqwest::ClientBuilder| {
                it.http1_only().pool_idle_timeout(BULK_IDLE).tcp_user_timeout(BULK_DEAD_AFTER)
            };
            client(connect, bulk)
        };
        let over = CancellationToken::new();
        Ok(Self { over, calls: for_calls(connect)?, up: bulk()?, down: bulk()? })
    }
}

/// Waits for an answer while its connections are in use.
pub(super) async fn while_in_use<T>(
    over: &CancellationToken,
    call: &'static str,
    answer: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::select! {
        answer = answer => answer,
        () = over.cancelled() => {
            Err(Error::Broken { call, source: "the network has changed".into() })
        }
    }
}

/// A client for calls.
pub(super) fn for_calls(connect: Duration) -> reqwest::Result<reqwest::Client> {
    client(connect, |it| it.tcp_user_timeout(DEAD_AFTER))
}

/// Makes an HTTP client; no other function does. It follows no redirects, so that the token stays
/// with the API.
fn client(
    connect: Duration,
    kind: impl Fn(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
) -> reqwest::Result<reqwest::Client> {
    // Fails only if a provider is installed already, and one is enough.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = || {
        let builder = reqwest::Client::builder()
            .user_agent(concat!("gphotosfs/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(connect)
            .dns_resolver(Names)
            .tcp_keepalive(PROBE_AFTER)
            .tcp_keepalive_interval(PROBE_EVERY);
        Proxies::of_environment().apply(kind(builder))
    };
    // Fails without root certificates on this machine. Plain http needs none.
    builder().build().or_else(|_| builder().tls_backend_preconfigured(no_roots::config()).build())
}
