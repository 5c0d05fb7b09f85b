//! Watches what certificate the broker presents, for the diagnosis and for the calendar.
//!
//! It decides nothing: every question goes to the library's verifier as it came, and every answer
//! comes back as it was. Taking this away would change what is said, never what is accepted.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use crate::certs::facts::Facts;

/// The library's verifier, and what it was last asked about.
#[derive(Debug)]
pub(super) struct Witness {
    verifier: Arc<WebPkiServerVerifier>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    presented: Option<CertificateDer<'static>>,
    accepted: Option<CertificateDer<'static>>,
}

impl Witness {
    pub(super) fn new(verifier: Arc<WebPkiServerVerifier>) -> Self {
        Self {
            verifier,
            seen: Mutex::default(),
        }
    }

    pub(super) fn presented(&self) -> Option<Facts> {
        self.seen().presented.as_deref().and_then(Facts::read)
    }

    pub(super) fn accepted(&self) -> Option<Facts> {
        self.seen().accepted.as_deref().and_then(Facts::read)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = self.verifier.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        let mut seen = self.seen();
        let certificate = end_entity.clone().into_owned();
        if verdict.is_ok() {
            seen.accepted = Some(certificate.clone());
        }
        seen.presented = Some(certificate);
        verdict
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        self.verifier.requires_raw_public_keys()
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        self.verifier.root_hint_subjects()
    }
}
