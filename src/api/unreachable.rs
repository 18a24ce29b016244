//! Why a server cannot be reached, and the next step, in words for people. The errors of the
//! libraries below say it in theirs.

use std::error::Error as StdError;
use std::io;

use rustls::CertificateError;

use super::no_roots::NoRoots;
use super::proxy::Proxies;
use crate::error_chain::{causes, without_number};

/// Why no connection was made.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreachable {
    /// Also if there are root certificates, but of others.
    #[error(
        "no authority that this machine knows vouches for the server: install ca-certificates; \
         where a company or a virus scanner reads TLS, name the file of its root certificate in \
         SSL_CERT_FILE"
    )]
    UnknownAuthority,
    #[error(
        "this machine has no root certificates: install ca-certificates, or name a file of root \
         certificates in SSL_CERT_FILE"
    )]
    NoRoots,
    #[error(
        "the server's certificate has expired, or this machine's clock is ahead: check its date \
         with `date`"
    )]
    Expired,
    #[error(
        "the server's certificate is not valid yet, or this machine's clock is behind: check its \
         date with `date`"
    )]
    NotYetValid,
    #[error(
        "the certificate is of another server: this network has put something in between, such as \
         its login page; open a web page in a browser"
    )]
    OtherServer,
    #[error("the server's certificate is not good: {0}")]
    BadCertificate(String),
    #[error(
        "its answer is no TLS: a proxy or this network's login page has answered; open a web page \
         in a browser"
    )]
    NotTls,
    #[error(
        "there is no host of this name: check the address, and the name server of this network"
    )]
    NoSuchHost,
    #[error("no name server answers: check the network, and the addresses in /etc/resolv.conf")]
    NoNameServer,
    #[error(
        "the proxy {0} wants a user and a password: put them into its address, as \
         http://USER:PASSWORD@HOST:PORT"
    )]
    ProxyLogin(String),
    #[error(
        "the proxy {0} does not let this through: it has to allow *.googleapis.com, \
         accounts.google.com and *.googleusercontent.com at port 443"
    )]
    ProxyRefuses(String),
    #[error("the proxy {proxy} cannot be used: {why}")]
    NoProxy { proxy: String, why: String },
    #[error(
        "nothing answers at this address: check the network, and whether a firewall is between"
    )]
    Silence,
    /// The system's own words.
    #[error("{0}")]
    System(String),
}

impl Unreachable {
    /// Reads the error of a connection to `host` that was not made. `None` if the connection was
    /// there.
    pub(super) fn read(err: &reqwest::Error, scheme: &str, host: &str) -> Option<Self> {
        let proxy = || Proxies::of_environment().on_the_way_to(scheme, host);
        Self::of_tls(err).or_else(|| {
            err.is_connect().then(|| Self::of_connection(err, err.is_timeout(), proxy()))
        })
    }

    fn of_tls(err: &(dyn StdError + 'static)) -> Option<Self> {
        use rustls::Error as Tls;
        let tls = causes(err).find_map(|it| within(it).downcast_ref::<Tls>())?;
        Some(match tls {
            Tls::InvalidCertificate(it) => Self::of_certificate(it),
            Tls::Other(it) if it.0.is::<NoRoots>() => Self::NoRoots,
            Tls::InvalidMessage(_) => Self::NotTls,
            other => Self::BadCertificate(other.to_string()),
        })
    }

    fn of_certificate(err: &CertificateError) -> Self {
        use CertificateError as C;
        match err {
            C::UnknownIssuer => Self::UnknownAuthority,
            C::Expired | C::ExpiredContext { .. } => Self::Expired,
            C::NotValidYet | C::NotValidYetContext { .. } => Self::NotYetValid,
            C::NotValidForName | C::NotValidForNameContext { .. } => Self::OtherServer,
            other => Self::BadCertificate(other.to_string()),
        }
    }

    /// The libraries do not export the types of these errors, only their words.
    fn of_connection(
        err: &(dyn StdError + 'static),
        timed_out: bool,
        proxy: Option<String>,
    ) -> Self {
        let says = |words: &str| causes(err).any(|it| it.to_string().contains(words));
        let root = causes(err)
            .last()
            .map_or_else(String::new, |it| without_number(&within(it).to_string()).to_owned());
        // A proxy that answers with a page of its own ends the connection behind it.
        if says("tls handshake eof") {
            return Self::NotTls;
        }
        if let Some(proxy) = proxy {
            return if says("proxy authorization required")
                || says("credentials not accepted")
                || says("authentication")
            {
                Self::ProxyLogin(proxy)
            } else if says("tunnel error: unsuccessful") || says("not allowed") {
                Self::ProxyRefuses(proxy)
            } else if timed_out {
                Self::NoProxy { proxy, why: Self::Silence.to_string() }
            } else if says("dns error") {
                Self::NoProxy { proxy, why: Self::of_name(&root).to_string() }
            } else {
                Self::NoProxy { proxy, why: root }
            };
        }
        if says("dns error") {
            Self::of_name(&root)
        } else if timed_out {
            Self::Silence
        } else {
            Self::System(root)
        }
    }

    /// `root` is the text of getaddrinfo(3), of glibc or musl.
    fn of_name(root: &str) -> Self {
        let passing = ["Temporary failure", "Try again", "System error"];
        if passing.iter().any(|it| root.contains(it)) {
            Self::NoNameServer
        } else {
            Self::NoSuchHost
        }
    }
}

/// The error in an I/O error, which skips it when it is asked for its source.
fn within<'a>(mut err: &'a (dyn StdError + 'static)) -> &'a (dyn StdError + 'static) {
    while let Some(inner) = err.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        err = inner;
    }
    err
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::OtherError;

    use super::*;

    #[test]
    fn each_fault_of_a_certificate_has_its_words() {
        let of = |it| Unreachable::of_tls(&io::Error::other(io::Error::other(it)));
        let bad = |it| of(rustls::Error::InvalidCertificate(it));
        assert_eq!(bad(CertificateError::UnknownIssuer), Some(Unreachable::UnknownAuthority));
        assert_eq!(bad(CertificateError::Expired), Some(Unreachable::Expired));
        assert_eq!(bad(CertificateError::NotValidYet), Some(Unreachable::NotYetValid));
        assert_eq!(bad(CertificateError::NotValidForName), Some(Unreachable::OtherServer));
        assert!(matches!(bad(CertificateError::Revoked), Some(Unreachable::BadCertificate(_))));
        let none = rustls::Error::Other(OtherError(Arc::new(NoRoots)));
        assert_eq!(of(none), Some(Unreachable::NoRoots));
        assert_eq!(Unreachable::of_tls(&io::Error::from(io::ErrorKind::ConnectionRefused)), None);
    }

    #[test]
    fn names_that_do_not_exist_differ_from_servers_that_do_not_answer() {
        for (root, expected) in [
            ("failed to lookup address information: Name or service not known", false),
            ("failed to lookup address information: Name does not resolve", false),
            ("failed to lookup address information: Temporary failure in name resolution", true),
            ("failed to lookup address information: Try again", true),
        ] {
            assert_eq!(Unreachable::of_name(root) == Unreachable::NoNameServer, expected, "{root}");
        }
    }

    #[test]
    fn the_system_s_own_words_carry_no_number() {
        let err = io::Error::from_raw_os_error(libc::ECONNREFUSED);
        let said = Unreachable::of_connection(&err, false, None).to_string();
        assert_eq!(said, "Connection refused");
        let said = Unreachable::of_connection(&err, false, Some("p:3128 (https_proxy)".into()));
        assert_eq!(
            said.to_string(),
            "the proxy p:3128 (https_proxy) cannot be used: Connection refused"
        );
    }
}
