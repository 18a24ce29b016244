//! Which service an address belongs to. Tokens and data from Google are never used with an
//! emulator, nor the reverse.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// Domains of Google's APIs and its login service, with their subdomains.
const GOOGLE: [&str; 2] = ["googleapis.com", "google.com"];

/// Further domains of Google's, from which bytes come. Customers have machines there, too.
const GOOGLE_BYTES: [&str; 3] = ["googleusercontent.com", "ggpht.com", "googlevideo.com"];

/// The service at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Service {
    /// Google.
    Google,
    /// An emulator or another stand-in, at any address: an emulator has another port each time.
    StandIn,
}

impl Service {
    /// The service at an address of the API or of its login service.
    pub fn at(url: &Url) -> Self {
        if is_in(url, &GOOGLE) { Self::Google } else { Self::StandIn }
    }

    /// Checks that an address belongs to this service.
    ///
    /// # Errors
    /// If it belongs to another one.
    pub fn check(self, address: &Url) -> Result<(), Foreign> {
        if self == Self::at(address) {
            return Ok(());
        }
        Err(Foreign { service: self, address: address.origin().ascii_serialization() })
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Google => "Google",
            Self::StandIn => "the emulator, or another stand-in for Google",
        })
    }
}

/// A login or database of one service was about to be used with another.
#[derive(Debug, Clone, thiserror::Error)]
#[error("belongs to {service}, not to {address}")]
pub struct Foreign {
    service: Service,
    address: String,
}

impl Foreign {
    /// The next step.
    pub const REMEDY: &str = "use another profile for it (--profile NAME), or name the right address with --api-url, \
         GPHOTOSFS_API_URL or api_url in config.toml";
}

/// Whether the URL leads to Google, or elsewhere on the Internet, without encryption, so that anybody
/// on the way could read the login, and answer in the service's place.
pub(super) fn is_plain_public(url: &Url) -> bool {
    let is_public_address = || match url.host() {
        Some(Host::Ipv4(ip)) => !is_private(ip),
        Some(Host::Ipv6(ip)) => match ip.to_ipv4_mapped() {
            Some(ip) => !is_private(ip),
            None => {
                let is_here = ip.is_loopback() || ip.is_unspecified();
                !(is_here || ip.is_unique_local() || ip.is_unicast_link_local())
            }
        },
        _ => false,
    };
    url.scheme() != "https"
        && (is_in(url, &GOOGLE)
            || is_in(url, &GOOGLE_BYTES)
            || is_public(url)
            || is_public_address())
}

/// Whether an address is of this machine or of the networks next to it.
fn is_private(ip: Ipv4Addr) -> bool {
    // Linux takes 0.0.0.0 for this machine.
    ip.is_loopback() || ip.is_unspecified() || ip.is_private() || ip.is_link_local()
}

/// Whether the URL's host is one of these domains, or below one.
fn is_in(url: &Url, domains: &[&str]) -> bool {
    let Some(Host::Domain(host)) = url.host() else { return false };
    // A full stop at the end only keeps the resolver from appending a local domain.
    let host = host.trim_end_matches('.');
    let is_at = |domain: &&str| {
        host.strip_suffix(*domain).is_some_and(|below| below.is_empty() || below.ends_with('.'))
    };
    domains.iter().any(is_at)
}

/// Whether a URL may go to a browser: https, or a stand-in on this machine.
pub(super) fn is_fit_for_browser(url: &Url) -> bool {
    match url.scheme() {
        "https" => url.has_host(),
        "http" => is_loopback(url),
        _ => false,
    }
}

/// Domains that no public host is in (RFC 2606, RFC 6761, RFC 6762, RFC 8375, ICANN's `internal`).
const NOT_PUBLIC: [&str; 9] =
    ["localhost", "local", "internal", "lan", "home", "home.arpa", "test", "invalid", "onion"];

/// Whether the client may fetch bytes from a URL that an answer of the API at `api` has named, or a
/// redirect from there. Otherwise a server could have this machine make requests to hosts that only
/// this machine reaches.
///
/// A name may still resolve to a private address. No request gets there: TLS needs a certificate for
/// the name.
pub(super) fn is_fit_for_media(api: &Url, url: &Url) -> bool {
    match url.scheme() {
        // A stand-in has no other host to name.
        "http" => {
            api.scheme() == "http"
                && (is_loopback(url) && is_loopback(api) || url.host() == api.host())
        }
        "https" => is_loopback(api) || url.host() == api.host() || is_public(url),
        _ => false,
    }
}

/// The domain of the hosts from which Google gives out bytes.
const GOOGLE_MEDIA: &str = ".googleusercontent.com";

/// Whether the bearer token may go to an address of bytes that the API at `api` has named: only to
/// Google's own hosts of bytes or, from a stand-in, to the machine that the stand-in is on.
pub(super) fn is_fit_for_token(api: &Url, url: &Url) -> bool {
    match Service::at(api) {
        Service::Google => {
            let below = |host: &str| host.trim_end_matches('.').ends_with(GOOGLE_MEDIA);
            url.scheme() == "https" && url.domain().is_some_and(below)
        }
        Service::StandIn => {
            let same_host = url.host() == api.host() || is_loopback(api) && is_loopback(url);
            url.scheme() == api.scheme() && same_host
        }
    }
}

/// Whether the host is a name on the Internet. Google names no host by its address.
fn is_public(url: &Url) -> bool {
    let Some(Host::Domain(name)) = url.host() else { return false };
    name.trim_end_matches('.').contains('.') && !is_in(url, &NOT_PUBLIC)
}

/// Whether the URL's host is this machine by name or address.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_beyond_ascii_is_refused() {
        for host in ["é", "A\u{80}", "Aé.com", "xn--A\u{212a}"] {
            assert!(format!("http://{host}/").parse::<Url>().is_err(), "{host}");
        }
    }

    #[test]
    fn the_host_decides_what_is_loopback() {
        for (url, expected) in [
            ("http://127.0.0.1:80/", true),
            ("http://[::1]:80/", true),
            ("http://localhost/", true),
            ("http://localhost.example.com/", false),
            ("http://192.168.0.1/", false),
            ("http://[::ffff:127.0.0.1]/", false),
        ] {
            assert_eq!(is_loopback(&url.parse().unwrap()), expected, "{url}");
        }
    }

    #[test]
    fn the_host_decides_what_is_google() {
        for (url, service) in [
            ("https://photoslibrary.googleapis.com/v1", Service::Google),
            ("https://oauth2.googleapis.com/token", Service::Google),
            ("https://accounts.google.com/o/oauth2/auth", Service::Google),
            ("https://photoslibrary.mtls.googleapis.com:443", Service::Google),
            ("https://PhotosLibrary.GoogleApis.com./v1", Service::Google),
            ("https://notgoogleapis.com", Service::StandIn),
            ("https://googleapis.com.example.org", Service::StandIn),
            ("https://4.3.2.1.bc.googleusercontent.com", Service::StandIn),
            ("http://127.0.0.1:8085", Service::StandIn),
            ("http://photos:8085", Service::StandIn),
        ] {
            let url = url.parse().unwrap();
            assert_eq!(Service::at(&url), service, "{url}");
            assert!(service.check(&url).is_ok(), "{url}");
        }
    }

    #[test]
    fn nothing_on_the_internet_is_asked_without_encryption() {
        for (url, expected) in [
            ("http://photoslibrary.googleapis.com", true),
            ("http://oauth2.googleapis.com./token", true),
            ("http://accounts.google.com:8080/", true),
            ("ftp://accounts.google.com/", true),
            ("http://lh3.googleusercontent.com/lr/x", true),
            ("http://lh4.ggpht.com./x", true),
            ("http://r1---sn-4g5e6nsz.googlevideo.com/x", true),
            ("http://photos.example.org/", true),
            ("http://142.250.1.1/", true),
            ("http://2398766337/", true),
            ("http://[2a00:1450::1]:8085/", true),
            ("http://[::ffff:142.250.1.1]/", true),
            ("https://142.250.1.1/", false),
            ("http://10.0.0.1:8085/", false),
            ("http://192.168.0.1:8085/", false),
            ("http://[fd00::1]:8085/", false),
            ("http://[::1]:8085/", false),
            ("http://0.0.0.0:8085/", false),
            ("http://[::]:8085/", false),
            ("http://[::ffff:127.0.0.1]/", false),
            ("http://nas.local:8085/", false),
            ("http://photos.test:8085/", false),
            ("https://lh3.googleusercontent.com/lr/x", false),
            ("https://oauth2.googleapis.com/token", false),
            ("http://127.0.0.1:8085/token", false),
            ("http://photos:8085/token", false),
        ] {
            assert_eq!(is_plain_public(&url.parse().unwrap()), expected, "{url}");
        }
    }

    #[test]
    fn a_browser_gets_web_pages_only() {
        for (url, expected) in [
            ("https://accounts.google.com/o/oauth2/auth", true),
            ("http://127.0.0.1:8085/o/oauth2/auth", true),
            ("http://localhost:8085/o/oauth2/auth", true),
            ("http://accounts.google.com/o/oauth2/auth", false),
            ("http://photos:8085/o/oauth2/auth", false),
            ("file:///etc/passwd", false),
            ("javascript:alert(1)", false),
            ("x-scheme-handler:/run", false),
        ] {
            assert_eq!(is_fit_for_browser(&url.parse().unwrap()), expected, "{url}");
        }
    }

    #[test]
    fn the_token_goes_to_hosts_of_bytes_of_the_same_service() {
        let google = "https://photospicker.googleapis.com/";
        let local = "http://127.0.0.1:8085/picker/";
        for (api, url, expected) in [
            (google, "https://lh3.googleusercontent.com/ppa/x=d", true),
            (google, "https://lh3.googleusercontent.com./ppa/x=d", true),
            (google, "http://lh3.googleusercontent.com/ppa/x=d", false),
            (google, "https://googleusercontent.com.example.org/x=d", false),
            (google, "https://notgoogleusercontent.com/x=d", false),
            (google, "https://example.org/x=d", false),
            (google, "http://127.0.0.1:8085/x=d", false),
            (local, "http://127.0.0.1:8086/x=d", true),
            (local, "http://localhost/x=d", true),
            (local, "https://lh3.googleusercontent.com/x=d", false),
            (local, "http://192.168.0.1/x=d", false),
            ("http://photos:8085/", "http://photos:8085/x=d", true),
            ("http://photos:8085/", "http://127.0.0.1:8085/x=d", false),
        ] {
            let (api, url) = (api.parse().unwrap(), url.parse().unwrap());
            assert_eq!(is_fit_for_token(&api, &url), expected, "{api} {url}");
        }
    }

    #[test]
    fn bytes_come_from_public_hosts() {
        let fits =
            |api: &str, url: &str| is_fit_for_media(&api.parse().unwrap(), &url.parse().unwrap());
        let google = "https://photoslibrary.googleapis.com/";
        for (url, expected) in [
            ("https://lh3.googleusercontent.com/lr/x=d", true),
            ("https://example.org./x", true),
            ("http://lh3.googleusercontent.com/lr/x=d", false),
            ("http://127.0.0.1/", false),
            ("https://127.0.0.1/", false),
            ("https://[::1]/", false),
            ("https://[::ffff:10.0.0.1]/", false),
            ("https://10.0.0.1/", false),
            ("https://169.254.169.254/latest/meta-data/", false),
            ("https://2130706433/", false),
            ("https://8.8.8.8/", false),
            ("https://localhost/", false),
            ("https://app.localhost/", false),
            ("https://printer.local./", false),
            ("https://router/", false),
            ("https://vault.corp.internal/", false),
            ("file:///etc/passwd", false),
            ("data:image/png;base64,AAAA", false),
        ] {
            assert_eq!(fits(google, url), expected, "{url}");
        }
        let emulator = "http://127.0.0.1:8085/";
        for url in
            ["http://127.0.0.1:1/", "http://[::1]:1/", "https://127.0.0.1/", "https://10.0.0.1/"]
        {
            assert!(fits(emulator, url), "{url}");
        }
        assert!(!fits(emulator, "http://10.0.0.1/"));
        let stand_in = "http://photos:8085/";
        assert!(fits(stand_in, "http://photos:9000/x=d"));
        for url in ["http://127.0.0.1:8085/", "https://127.0.0.1:8085/", "http://10.0.0.1/"] {
            assert!(!fits(stand_in, url), "{url}");
        }
    }
}
