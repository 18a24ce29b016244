//! The proxies that the environment names, as curl(1) reads it: `https_proxy`, `http_proxy`,
//! `all_proxy` and `no_proxy`, also in capitals.
//!
//! This machine itself is never reached through a proxy, whatever the environment says: an
//! emulator's login would go to the proxy, and the proxy's own machine would answer.

use std::{env, fmt};

use reqwest::{ClientBuilder, NoProxy, Proxy};
use url::Url;

use super::service::is_loopback;

/// Names and addresses of this machine, in the form of `no_proxy`.
const THIS_MACHINE: &str = "localhost,127.0.0.0/8,::1";

/// The proxies for each kind of address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Proxies {
    https: Option<Named>,
    http: Option<Named>,
    /// Hosts that are reached without one.
    except: String,
}

/// A proxy on the way to some host. Its text has no password: it is for messages.
#[derive(Debug, Clone)]
pub(super) struct OnTheWay {
    pub(super) url: Url,
    variable: &'static str,
}

impl OnTheWay {
    pub(super) fn has_login(&self) -> bool {
        !self.url.username().is_empty()
    }
}

impl fmt::Display for OnTheWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.host_str().unwrap_or_default())?;
        if let Some(port) = self.url.port_or_known_default() {
            write!(f, ":{port}")?;
        }
        write!(f, " ({})", self.variable)
    }
}

/// A proxy, and the variable that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    variable: &'static str,
    address: String,
}

impl Proxies {
    /// Those of this process.
    #[expect(clippy::disallowed_methods, reason = "these are no settings of this program alone")]
    pub(super) fn of_environment() -> Self {
        Self::read(|name| env::var(name).ok())
    }

    pub(super) fn read(get: impl Fn(&str) -> Option<String>) -> Self {
        let first = |names: &[&'static str]| {
            names.iter().find_map(|&variable| {
                let address = get(variable).map(|it| it.trim().to_owned())?;
                (!address.is_empty()).then_some(Named { variable, address })
            })
        };
        let all = || first(&["all_proxy", "ALL_PROXY"]);
        // A web server passes a request's `Proxy` header to its programs as HTTP_PROXY.
        let http: &[&str] = match get("REQUEST_METHOD") {
            Some(_) => &["http_proxy"],
            None => &["http_proxy", "HTTP_PROXY"],
        };
        let except = first(&["no_proxy", "NO_PROXY"]).map_or_else(String::new, |it| it.address);
        Self {
            https: first(&["https_proxy", "HTTPS_PROXY"]).or_else(all),
            http: first(http).or_else(all),
            except,
        }
    }

    /// Makes a client use them.
    pub(super) fn apply(&self, mut client: ClientBuilder) -> ClientBuilder {
        client = client.no_proxy();
        let except = NoProxy::from_string(&format!("{THIS_MACHINE},{}", self.except));
        for (proxy, is_https) in [(&self.https, true), (&self.http, false)] {
            let Some(proxy) = proxy else { continue };
            let kind = if is_https { Proxy::https } else { Proxy::http };
            match proxy.url().map(kind) {
                Some(Ok(it)) => client = client.proxy(it.no_proxy(except.clone())),
                _ => tracing::warn!(
                    "{} is not the address of a proxy, such as http://proxy.example.org:3128: \
                     it is ignored",
                    proxy.variable
                ),
            }
        }
        client
    }

    /// The proxy on the way to a host.
    pub(super) fn on_the_way_to(&self, scheme: &str, host: &str) -> Option<OnTheWay> {
        let proxy = if scheme == "http" { &self.http } else { &self.https }.as_ref()?;
        let url = format!("{scheme}://{host}/").parse::<Url>().ok()?;
        if is_loopback(&url) || self.excepts(host) {
            return None;
        }
        Some(OnTheWay { url: proxy.url()?, variable: proxy.variable })
    }

    fn excepts(&self, host: &str) -> bool {
        self.except.split(',').map(|it| it.trim().trim_start_matches('.')).any(|it| {
            it == "*"
                || (!it.is_empty()
                    && host
                        .strip_suffix(it)
                        .is_some_and(|below| below.is_empty() || below.ends_with('.')))
        })
    }
}

impl Named {
    /// Its address. One without a scheme is an HTTP proxy's.
    fn url(&self) -> Option<Url> {
        let text = &self.address;
        let text = if text.contains("://") { text.clone() } else { format!("http://{text}") };
        let url = text.parse::<Url>().ok()?;
        let known =
            matches!(url.scheme(), "http" | "https" | "socks4" | "socks4a" | "socks5" | "socks5h");
        (known && url.has_host()).then_some(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Proxies {
        Proxies::read(|name| {
            variables.iter().find(|(it, _)| *it == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_environment_names_proxies_as_for_other_programs() {
        let google = |it: &Proxies| {
            it.on_the_way_to("https", "oauth2.googleapis.com").map(|it| it.to_string())
        };
        for (variables, expected) in [
            (&[("https_proxy", "http://p:3128")][..], Some("p:3128 (https_proxy)")),
            (&[("HTTPS_PROXY", "p:3128")], Some("p:3128 (HTTPS_PROXY)")),
            (&[("all_proxy", "socks5h://u:secret@p:1080")], Some("p:1080 (all_proxy)")),
            (&[("http_proxy", "http://p:3128")], None),
            (&[("https_proxy", "  ")], None),
            (&[("https_proxy", "http://p"), ("no_proxy", "example.org, .googleapis.com")], None),
            (&[("https_proxy", "http://p"), ("no_proxy", "*")], None),
        ] {
            assert_eq!(google(&of(variables)).as_deref(), expected, "{variables:?}");
        }
        let web = of(&[("REQUEST_METHOD", "GET"), ("HTTP_PROXY", "http://evil")]);
        assert_eq!(web, Proxies::default());
    }

    #[test]
    fn this_machine_is_never_reached_through_one() {
        let proxies = of(&[("all_proxy", "http://p:3128")]);
        for host in ["localhost", "127.0.0.1", "127.1.2.3", "[::1]"] {
            assert!(proxies.on_the_way_to("http", host).is_none(), "{host}");
        }
        assert!(proxies.on_the_way_to("http", "192.168.0.1").is_some());
    }
}
