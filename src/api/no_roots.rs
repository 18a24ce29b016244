//! TLS on a machine without root certificates: no server can be trusted, and the error says why.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, OtherError, SignatureScheme};

/// This machine has no root certificates.
#[derive(Debug, thiserror::Error)]
#[error("this machine has no root certificates")]
pub(super) struct NoRoots;

/// TLS that trusts no server.
pub(super) fn config() -> ClientConfig {
    ClientConfig::builder()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(TrustsNobody))
        .with_no_client_auth()
}

#[derive(Debug)]
struct TrustsNobody;

fn refuse<T>() -> Result<T, Error> {
    Err(Error::Other(OtherError(Arc::new(NoRoots))))
}

impl ServerCertVerifier for TrustsNobody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        refuse()
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        refuse()
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        refuse()
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let schemes = rustls::crypto::CryptoProvider::get_default();
        schemes
            .map(|it| it.signature_verification_algorithms.supported_schemes())
            .unwrap_or_default()
    }
}
