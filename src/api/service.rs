//! Which service an address is of: what one has given out, and what is known of it, is nothing for another.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// The service at an address. All that is on this machine counts as one: an emulator has another port each time.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Service(Url);

impl Service {
    /// That of an address of the API, or of its login service.
    pub fn at(url: &Url) -> Self {
        Self(url.clone())
    }

    /// Lets nothing that belongs to this service be used with another.
    ///
    /// # Errors
    /// If `asked` is another.
    pub fn check(&self, asked: &Self) -> Result<(), Foreign> {
        if self == asked {
            return Ok(());
        }
        Err(Foreign { service: self.to_string(), asked: asked.to_string() })
    }

    /// As [`Service::check`], where a service may have its logins come from elsewhere, as Google does: but what is on
    /// this machine is the login service of what is on this machine, and of nothing else.
    pub(super) fn check_login_of(&self, asked: &Self) -> Result<(), Foreign> {
        if is_loopback(&self.0) == is_loopback(&asked.0) {
            return Ok(());
        }
        Err(Foreign { service: self.to_string(), asked: asked.to_string() })
    }
}

impl PartialEq for Service {
    fn eq(&self, other: &Self) -> bool {
        self.0.origin() == other.0.origin() || (is_loopback(&self.0) && is_loopback(&other.0))
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.origin().ascii_serialization())
    }
}

/// What belongs to one service was to be used with another.
#[derive(Debug, Clone, thiserror::Error)]
#[error("belongs to {service}, and {asked} is asked for")]
pub struct Foreign {
    service: String,
    asked: String,
}

impl Foreign {
    /// The next step.
    pub const REMEDY: &str = "use another profile for it (--profile NAME), or name the address with --api-url, \
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

    fn at(url: &str) -> Service {
        Service::at(&url.parse().unwrap())
    }

    #[test]
    fn loopback_is_told_by_host() {
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
    fn a_service_is_an_origin_or_this_machine() {
        let google = at("https://photoslibrary.googleapis.com");
        for (other, same) in [
            ("https://photoslibrary.googleapis.com:443/v1", true),
            ("http://photoslibrary.googleapis.com", false),
            ("https://photoslibrary.googleapis.com:8443", false),
            ("https://photos.example.org", false),
            ("http://127.0.0.1:8085", false),
        ] {
            assert_eq!(google == at(other), same, "{other}");
            assert_eq!(google.check(&at(other)).is_ok(), same, "{other}");
        }
        assert_eq!(at("http://127.0.0.1:8085"), at("http://localhost:9000/x"));
        let words = google.check(&at("http://127.0.0.1:8085")).unwrap_err().to_string();
        assert!(words.contains("//photoslibrary.googleapis.com,"), "{words}");
    }

    #[test]
    fn an_emulators_logins_are_for_emulators() {
        let (api, login) =
            (at("https://photoslibrary.googleapis.com"), at("https://oauth2.googleapis.com"));
        let emulator = at("http://127.0.0.1:8085");
        assert!(login.check_login_of(&api).is_ok() && emulator.check_login_of(&emulator).is_ok());
        assert!(login.check_login_of(&emulator).is_err() && emulator.check_login_of(&api).is_err());
    }

    #[test]
    fn it_is_kept_as_its_address() {
        let kept = serde_json::to_string(&at("http://127.0.0.1:8085")).unwrap();
        assert_eq!(kept, r#""http://127.0.0.1:8085/""#);
        assert_eq!(serde_json::from_str::<Service>(&kept).unwrap(), at("http://127.0.0.1:1"));
    }
}
