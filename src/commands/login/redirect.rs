//! Google's answer: a request of the browser to our port on the loopback interface, or the address
//! of this request, pasted by the user.

use axum::Router;
use axum::http::{StatusCode, Uri};
use axum::response::Html;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use url::{Host, Url};

use super::visitor::OwnVisitors;

/// How long the browser may take to fetch the final page.
const GOODBYE: Duration = Duration::from_secs(2);

/// The answer in an address.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// Access was granted. This code is exchanged for the login.
    Code(String),
    /// OAuth's error word.
    Error(String),
    /// An answer to another attempt, or a forged one.
    Stranger,
    /// No answer.
    Nothing,
    /// A connection of another user, if that is known, which was closed.
    OtherUser(Option<u32>),
}

/// Parses an address, or only its query. Ignores unknown parameters.
pub(super) fn read(address: &str, state: &str) -> Arrival {
    let query = address.split_once('?').map_or(address, |(_, query)| query);
    let query = query.split('#').next().unwrap_or_default();
    let (mut code, mut error, mut given) = (None, None, None);
    for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match &*key {
            "code" => code = Some(value.into_owned()),
            "error" => error = Some(value.into_owned()),
            "state" => given = Some(value.into_owned()),
            _ => {}
        }
    }
    match (code.filter(|it| !it.is_empty()), error) {
        (None, None) => Arrival::Nothing,
        _ if given.as_deref() != Some(state) => Arrival::Stranger,
        (_, Some(error)) => Arrival::Error(printable(&error)),
        (Some(code), None) => Arrival::Code(code),
    }
}

/// Keeps only printable characters, because the text goes to a terminal.
fn printable(word: &str) -> String {
    word.chars().filter(|it| it.is_ascii_graphic()).take(64).collect()
}

/// The next step for an error that came with the redirect.
pub(super) fn remedy(error: &str) -> String {
    crate::api::LoginError::remedy(error).map_or_else(String::new, |it| format!(": {it}"))
}

/// The first registered redirect address on this machine, and its port.
pub(super) fn registered_loopback(redirect_uris: &[String]) -> Option<(String, u16)> {
    redirect_uris.iter().find_map(|text| {
        let url = Url::parse(text).ok()?;
        let ours = match url.host()? {
            Host::Domain(name) => name == "localhost",
            Host::Ipv4(ip) => ip == std::net::Ipv4Addr::LOCALHOST,
            Host::Ipv6(_) => false, // we listen on IPv4
        };
        (ours && url.scheme() == "http")
            .then(|| Some((text.clone(), url.port_or_known_default()?)))?
    })
}

/// The web server for one redirect.
pub(super) struct Redirects {
    arrivals: mpsc::Receiver<Arrival>,
    goodbye: oneshot::Sender<()>,
    server: JoinHandle<std::io::Result<()>>,
}

impl Redirects {
    /// Answers all requests of the browser, and passes on those that have an answer.
    pub(super) fn serve(listener: TcpListener, state: String) -> Self {
        let (sender, arrivals) = mpsc::channel(4);
        let (goodbye, said) = oneshot::channel::<()>();
        let refused = sender.clone();
        let listener = OwnVisitors::new(listener, move |user| {
            // If the channel is full, the terminal already names other connections.
            let _ = refused.try_send(Arrival::OtherUser(user));
        });
        let handler = async move |uri: Uri| {
            let arrival = read(uri.query().unwrap_or(""), &state);
            let (status, words) = match &arrival {
                Arrival::Code(_) => (
                    StatusCode::OK,
                    "gphotosfs has the answer. Close this page and go back to the terminal.",
                ),
                Arrival::Error(_) => {
                    (StatusCode::OK, "Access was not granted. The terminal says more.")
                }
                Arrival::Stranger => (
                    StatusCode::BAD_REQUEST,
                    "This answer belongs to another login. Use the newest link.",
                ),
                Arrival::Nothing | Arrival::OtherUser(_) => {
                    (StatusCode::NOT_FOUND, "Nothing here.")
                }
            };
            if arrival != Arrival::Nothing {
                // Requests without an answer, such as that for the favicon, are ignored.
                let _ = sender.send(arrival).await;
            }
            (status, Html(page(words)))
        };
        let server =
            axum::serve(listener, Router::new().fallback(handler)).with_graceful_shutdown(async {
                let _ = said.await;
            });
        Self { arrivals, goodbye, server: tokio::spawn(async { server.await }) }
    }

    /// The next answer that the browser brings.
    pub(super) async fn next(&mut self) -> Arrival {
        match self.arrivals.recv().await {
            Some(arrival) => arrival,
            None => std::future::pending().await, // the server has failed; the user can still paste
        }
    }

    /// Waits until the browser has its page, then closes the port.
    pub(super) async fn stop(self) {
        let _ = self.goodbye.send(());
        let abort = self.server.abort_handle();
        if tokio::time::timeout(GOODBYE, self.server).await.is_err() {
            abort.abort();
        }
    }
}

fn page(words: &str) -> String {
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>gphotosfs</title>\
         <body style=\"font:1.2em sans-serif;margin:4em\"><p>{words}</p></body></html>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let code = |it: &str| Arrival::Code(it.into());
        for (address, expected) in [
            ("http://127.0.0.1:5/?state=S&code=4/0Ab&scope=a%20b&authuser=0", code("4/0Ab")),
            ("code=4%2F0Ab&state=S#", code("4/0Ab")),
            ("?error=access_denied&state=S", Arrival::Error("access_denied".into())),
            ("http://127.0.0.1:5/?state=T&code=c", Arrival::Stranger),
            ("http://127.0.0.1:5/?code=c", Arrival::Stranger),
            ("?error=access_denied", Arrival::Stranger),
            ("?state=S&code=", Arrival::Nothing),
            ("http://127.0.0.1:5/favicon.ico", Arrival::Nothing),
            ("4/0Ab", Arrival::Nothing),
            ("", Arrival::Nothing),
        ] {
            assert_eq!(read(address, "S"), expected, "{address}");
        }
    }

    #[test]
    fn web_clients_answer_where_they_are_registered() {
        let find = |uris: &[&str]| {
            registered_loopback(&uris.iter().map(|&it| it.to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(
            find(&["https://x.example/", "http://localhost:8085/cb"]),
            Some(("http://localhost:8085/cb".into(), 8085))
        );
        assert_eq!(find(&["https://x.example/", "https://localhost:1/"]), None);
    }
}
