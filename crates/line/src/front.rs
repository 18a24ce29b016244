//! A front end such as Google's: TLS, HTTP/2 where the client wants it, and the service behind it.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Version};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use parking_lot::Mutex;
use rustix::net::sockopt;
use serde::Serialize;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;

/// HTTP/2's windows, in bytes: what a client may send before the front has read it.
#[derive(Debug, Clone, Copy)]
pub struct Windows(pub u32);

impl Default for Windows {
    /// Google's.
    fn default() -> Self {
        Self(1 << 20)
    }
}

/// Requests that the front has seen.
#[derive(Debug, Clone, Copy, Default, Serialize, PartialEq, Eq)]
pub struct Seen {
    /// TLS connections whose handshake was completed.
    pub connections: u64,
    /// Of those, the ones that speak HTTP/2.
    pub http2: u64,
    /// Requests by HTTP/2 that carry bytes of files.
    pub http2_uploads: u64,
    /// Requests by HTTP/1.1 that carry bytes of files.
    pub http1_uploads: u64,
    /// All other requests.
    pub others: u64,
}

#[derive(Default)]
struct Totals {
    connections: AtomicU64,
    http2: AtomicU64,
    http2_uploads: AtomicU64,
    http1_uploads: AtomicU64,
    others: AtomicU64,
}

/// After so long a silent client is probed. How long Google's front ends wait is not known.
const SILENT_FOR: Duration = Duration::from_secs(10);

type Body = BoxBody<Bytes, hyper::Error>;

struct Inner {
    client: Client<HttpConnector, Incoming>,
    /// The service's address as it names itself, `http://127.0.0.1:PORT`.
    behind: String,
    /// The address by which clients know it, once that is known.
    outside: Mutex<String>,
    totals: Totals,
}

/// A running front. It ends when it is dropped.
pub struct Front {
    address: SocketAddr,
    inner: Arc<Inner>,
    stop: CancellationToken,
}

impl Front {
    /// Starts a front that forwards each request to the service at `behind`, an address without a path.
    ///
    /// # Errors
    /// If no port is free.
    pub async fn start(behind: &str, tls: Arc<ServerConfig>, windows: Windows) -> io::Result<Self> {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into(), behind, tls, windows).await
    }

    /// The same at an address of the caller's choice.
    ///
    /// # Errors
    /// If the address is taken or not this machine's.
    pub async fn start_at(
        at: SocketAddr,
        behind: &str,
        tls: Arc<ServerConfig>,
        windows: Windows,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(at).await?;
        let address = listener.local_addr()?;
        let inner = Arc::new(Inner {
            client: Client::builder(TokioExecutor::new()).build_http(),
            behind: behind.trim_end_matches('/').to_owned(),
            outside: Mutex::default(),
            totals: Totals::default(),
        });
        let stop = CancellationToken::new();
        let serving = serve(listener, TlsAcceptor::from(tls), windows, inner.clone());
        tokio::spawn(stop.clone().run_until_cancelled_owned(serving));
        Ok(Self { address, inner, stop })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Clients reach it at this address, so its answers name no other.
    pub fn known_as(&self, url: &str) {
        *self.inner.outside.lock() = url.trim_end_matches('/').to_owned();
    }

    /// The connections and requests that the front has accepted so far.
    pub fn seen(&self) -> Seen {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let totals = &self.inner.totals;
        Seen {
            connections: of(&totals.connections),
            http2: of(&totals.http2),
            http2_uploads: of(&totals.http2_uploads),
            http1_uploads: of(&totals.http1_uploads),
            others: of(&totals.others),
        }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A client whose line has broken says nothing. Only a probe finds out that it is gone.
fn notice_death(stream: &TcpStream) -> rustix::io::Result<()> {
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, SILENT_FOR)?;
    sockopt::set_tcp_keepintvl(stream, Duration::from_secs(2))
}

async fn serve(listener: TcpListener, tls: TlsAcceptor, windows: Windows, inner: Arc<Inner>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (tls, inner) = (tls.clone(), inner.clone());
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let _ = notice_death(&stream);
            let Ok(stream) = tls.accept(stream).await else { return };
            inner.totals.connections.fetch_add(1, Ordering::Relaxed);
            if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                inner.totals.http2.fetch_add(1, Ordering::Relaxed);
            }
            let service = service_fn(|request| {
                let inner = inner.clone();
                async move { Ok::<_, Infallible>(inner.answer(request).await) }
            });
            let mut builder = auto::Builder::new(TokioExecutor::new());
            builder
                .http2()
                .initial_stream_window_size(windows.0)
                .initial_connection_window_size(windows.0);
            // A connection that breaks is the line's affair.
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

fn page(status: StatusCode, text: String) -> Response<Body> {
    let body = Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

impl Inner {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        self.count(&request);
        match self.forward(request).await {
            Ok(response) => response,
            Err(err) => page(StatusCode::BAD_GATEWAY, err.to_string()),
        }
    }

    fn count(&self, request: &Request<Incoming>) {
        let command = request.headers().get("x-goog-upload-command");
        let commands = command.and_then(|it| it.to_str().ok()).unwrap_or("upload");
        let carries_bytes = request.uri().path().ends_with("/uploads")
            && commands.split(',').any(|it| it.trim() == "upload");
        let total = match (carries_bytes, request.version()) {
            (true, Version::HTTP_2) => &self.totals.http2_uploads,
            (true, _) => &self.totals.http1_uploads,
            (false, _) => &self.totals.others,
        };
        total.fetch_add(1, Ordering::Relaxed);
    }

    async fn forward(
        &self,
        mut request: Request<Incoming>,
    ) -> Result<Response<Body>, Box<dyn std::error::Error + Send + Sync>> {
        let path = request.uri().path_and_query().map_or("/", |it| it.as_str());
        *request.uri_mut() = format!("{}{path}", self.behind).parse()?;
        *request.version_mut() = Version::HTTP_11;
        request.headers_mut().remove(HOST);
        let (mut head, body) = self.client.request(request).await?.into_parts();
        head.version = Version::default();
        for name in ["connection", "keep-alive", "transfer-encoding"] {
            head.headers.remove(name);
        }
        let outside = self.outside.lock().clone();
        for value in head.headers.values_mut() {
            if let Ok(text) = value.to_str()
                && text.contains(&self.behind)
            {
                *value = HeaderValue::from_str(&text.replace(&self.behind, &outside))?;
            }
        }
        let is_json = head
            .headers
            .get(CONTENT_TYPE)
            .is_some_and(|it| it.to_str().is_ok_and(|it| it.contains("json")));
        if !is_json {
            return Ok(Response::from_parts(head, body.boxed()));
        }
        let text = String::from_utf8(body.collect().await?.to_bytes().into())?;
        let text = text.replace(&self.behind, &outside);
        head.headers.insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
        let body = Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed();
        Ok(Response::from_parts(head, body))
    }
}
