//! Which service an address belongs to. Tokens and data from Google are never used with an
//! emulator, nor the reverse.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// Domains of Google's APIs and its login service, with their subdomains.
const GOOGLE: [&str; 2] = ["googleapis.com", "google.com"];

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
        let is_google = url.domain().is_some_and(|host| {
            GOOGLE.iter().any(|at| {
                host.strip_suffix(at).is_some_and(|below| below.is_empty() || below.ends_with('.'))
            })
        });
        if is_google { Self::Google } else { Self::StandIn }
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
    fn the_host_decides_what_is_loopback() {
        for (url, expected) in [
            ("http://127.0.0.1:80/", true),
            ("http://[::1]:80/", true),
            ("http://localhost/", true),
            ("http://localhost.example.com/", false),
            ("http://192.168.0.1/", false),
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
            ("https://notgoogleapis.com", Service::StandIn),
            ("https://googleapis.com.example.org", Service::StandIn),
            ("http://127.0.0.1:8085", Service::StandIn),
            ("http://photos:8085", Service::StandIn),
        ] {
            let url = url.parse().unwrap();
            assert_eq!(Service::at(&url), service, "{url}");
            assert!(service.check(&url).is_ok(), "{url}");
        }
    }
}
