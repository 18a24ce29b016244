//! A certificate authority of its own, and the certificate of the front.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// When the front's certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// Now.
    Now,
    /// In the past.
    Over,
    /// In the future.
    NotYet,
}

/// An authority that nobody knows by default.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

fn failed(err: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::other(err)
}

impl Authority {
    /// A new one, with this name.
    ///
    /// # Errors
    /// If the machine has no randomness.
    pub fn new(name: &str) -> io::Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().map_err(failed)?;
        Ok(Self { issuer: CertifiedIssuer::self_signed(params, key).map_err(failed)? })
    }

    /// Writes its certificate to a file, for `SSL_CERT_FILE`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        std::fs::write(path, self.issuer.pem())
    }

    /// The TLS settings of a server with these names or addresses that offers these protocols.
    ///
    /// # Errors
    /// If one of `names` is no host name.
    pub fn server(
        &self,
        names: &[&str],
        validity: Validity,
        protocols: &[&str],
    ) -> io::Result<Arc<ServerConfig>> {
        let names = names.iter().map(|&it| it.to_owned()).collect::<Vec<_>>();
        let mut params = CertificateParams::new(names).map_err(failed)?;
        let (from, until) = match validity {
            Validity::Now => (2000, 2999),
            Validity::Over => (2000, 2001),
            Validity::NotYet => (2998, 2999),
        };
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().map_err(failed)?;
        let leaf = params.signed_by(&key, &self.issuer).map_err(failed)?;
        let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(io::Error::other)?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(failed)?
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)
            .map_err(failed)?;
        config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
        Ok(Arc::new(config))
    }
}
