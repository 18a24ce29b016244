//! Why a server cannot be reached, and the next step, in words for people. The errors of the
//! libraries below say it in theirs.

use std::error::Error as StdError;
use std::io;

use rustls::CertificateError;

use super::names::NoAnswer;
use super::no_roots::NoRoots;
use super::proxy::{OnTheWay, Proxies};
use super::proxy_answer::{self, ProxyAnswer};
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
        "the proxy {proxy} wants a user and a password{number}: put them into its address, as \
         http://USER:PASSWORD@HOST:PORT"
    )]
    ProxyLogin { proxy: String, number: &'static str },
    #[error(
        "the proxy {proxy} does not accept the user and the password in its address{number}: \
         correct them; special characters stand there as %XX"
    )]
    ProxyLoginRefused { proxy: String, number: &'static str },
    #[error(
        "the proxy {proxy} does not let this through{}: it has to allow *.googleapis.com, \
         accounts.google.com and *.googleusercontent.com at port 443",
        in_brackets(.answer.as_ref())
    )]
    ProxyRefuses { proxy: String, answer: Option<ProxyAnswer> },
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
    /// Reads the error of a connection to a host that was not made. `None` if the connection was
    /// there.
    pub(super) async fn read(err: &reqwest::Error, scheme: &str, to: (&str, u16)) -> Option<Self> {
        if let Some(fault) = Self::of_tls(err) {
            return Some(fault);
        }
        if !err.is_connect() {
            return None;
        }
        let proxy = Proxies::of_environment().on_the_way_to(scheme, to.0);
        let fault = Self::of_connection(err, err.is_timeout(), proxy.as_ref());
        Some(match (fault, proxy) {
            (Self::ProxyRefuses { proxy, .. }, Some(it)) => {
                Self::ProxyRefuses { proxy, answer: proxy_answer::ask(&it.url, to.0, to.1).await }
            }
            (fault, _) => fault,
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
        proxy: Option<&OnTheWay>,
    ) -> Self {
        let says = |words: &str| causes(err).any(|it| it.to_string().contains(words));
        let root = causes(err)
            .last()
            .map_or_else(String::new, |it| without_number(&within(it).to_string()).to_owned());
        let of_name = |root: &str| match causes(err).any(|it| within(it).is::<NoAnswer>()) {
            true => Self::NoNameServer,
            false => Self::of_name(root),
        };
        // A proxy that answers with a page of its own ends the connection behind it.
        if says("tls handshake eof") {
            return Self::NotTls;
        }
        if let Some(on_the_way) = proxy {
            let proxy = on_the_way.to_string();
            let is_http = says("proxy authorization required");
            return if is_http || says("credentials not accepted") || says("authentication") {
                let number = if is_http { " (407)" } else { "" };
                match on_the_way.has_login() {
                    true => Self::ProxyLoginRefused { proxy, number },
                    false => Self::ProxyLogin { proxy, number },
                }
            } else if says("tunnel error: unsuccessful") || says("not allowed") {
                Self::ProxyRefuses { proxy, answer: None }
            } else if timed_out {
                Self::NoProxy { proxy, why: Self::Silence.to_string() }
            } else if says("dns error") {
                Self::NoProxy { proxy, why: of_name(&root).to_string() }
            } else {
                Self::NoProxy { proxy, why: root }
            };
        }
        if says("dns error") {
            of_name(&root)
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

fn in_brackets(answer: Option<&ProxyAnswer>) -> String {
    answer.map_or_else(String::new, |it| format!(" ({it})"))
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

    fn proxy(address: &str) -> OnTheWay {
        let environment = |name: &str| (name == "https_proxy").then(|| address.to_owned());
        Proxies::read(environment).on_the_way_to("https", "photos.test").unwrap()
    }

    #[test]
    fn a_login_that_a_proxy_refuses_differs_from_one_that_it_lacks() {
        let err = io::Error::other("tunnel error: proxy authorization required");
        let said = |it: &str| Unreachable::of_connection(&err, false, Some(&proxy(it))).to_string();
        assert!(said("http://p:3128").contains("wants a user and a password (407): put them"));
        let refused = said("http://me:secret@p:3128");
        assert!(refused.contains("does not accept the user and the password"), "{refused}");
        assert!(refused.contains("(407)") && !refused.contains("secret"), "{refused}");
    }

    #[test]
    fn name_servers_that_take_too_long_are_said_to_be_dead() {
        #[derive(Debug, thiserror::Error)]
        #[error("dns error")]
        struct Dns(#[source] NoAnswer);
        let said = Unreachable::of_connection(&Dns(NoAnswer), false, None);
        assert_eq!(said, Unreachable::NoNameServer);
        let behind = Unreachable::of_connection(&Dns(NoAnswer), false, Some(&proxy("http://p")));
        assert!(behind.to_string().contains("cannot be used: no name server answers"), "{behind}");
    }

    #[test]
    fn the_system_s_own_words_carry_no_number() {
        let err = io::Error::from_raw_os_error(libc::ECONNREFUSED);
        let said = Unreachable::of_connection(&err, false, None).to_string();
        assert_eq!(said, "Connection refused");
        let said = Unreachable::of_connection(&err, false, Some(&proxy("http://p:3128")));
        assert_eq!(
            said.to_string(),
            "the proxy p:3128 (https_proxy) cannot be used: Connection refused"
        );
    }
}
