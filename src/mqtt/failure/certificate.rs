//! What is wrong when TLS fails: with the broker's certificate, with ours, or with the port.

use jiff::Timestamp;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError};

use super::Failure;
use crate::mqtt::settings::Endpoint;

/// TLS: our verdict on the broker's certificate, or its verdict on ours.
pub(super) fn tls(error: &rustls::Error, endpoint: &Endpoint) -> Failure {
    match error {
        rustls::Error::InvalidCertificate(problem) => certificate(problem, endpoint),
        rustls::Error::AlertReceived(alert) => alerted(*alert, endpoint),
        rustls::Error::InvalidMessage(_) | rustls::Error::InappropriateMessage { .. } => {
            Failure::Configuration(format!(
                "{endpoint} does not speak TLS: this port does not speak TLS at all, or not with us; check the port in mqtt.url (8883 is usual for mqtts://)"
            ))
        }
        rustls::Error::PeerIncompatible(why) => Failure::Configuration(format!(
            "the broker {endpoint} offers no TLS that we accept ({why:?}); it needs TLS 1.2 or 1.3 with modern ciphers"
        )),
        other => Failure::Network(format!("TLS with the broker {endpoint} failed: {other}")),
    }
}

fn certificate(problem: &CertificateError, endpoint: &Endpoint) -> Failure {
    let text = match problem {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "is not signed by a CA that we trust; set mqtt.ca_file to the CA that signed it"
                .to_owned()
        }
        CertificateError::Expired => {
            "has expired; renew it (or correct this device's clock)".to_owned()
        }
        CertificateError::ExpiredContext { time, not_after } => format!(
            "expired on {}; renew it (this device's clock says {})",
            date(*not_after),
            date(*time)
        ),
        CertificateError::NotValidYet => "is not valid yet; check this device's clock".to_owned(),
        CertificateError::NotValidYetContext { time, not_before } => format!(
            "is not valid yet, only from {}; check this device's clock, it says {}",
            date(*not_before),
            date(*time)
        ),
        CertificateError::NotValidForName => {
            format!(
                "is not for the host name {}; use the name it was made for in mqtt.url",
                endpoint.host
            )
        }
        CertificateError::NotValidForNameContext {
            expected,
            presented,
        } => format!(
            "is not for the host name {}; it is for {}: use that name in mqtt.url, or make a certificate with the right name",
            expected.to_str(),
            if presented.is_empty() {
                "no name at all".to_owned()
            } else {
                presented.join(", ")
            },
        ),
        CertificateError::Revoked => "is revoked".to_owned(),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "is not made for servers; make one with extended key usage serverAuth".to_owned()
        }
        // Only in the verifier's own error type, which rustls hands on as text.
        other if format!("{other:?}").contains("UnsupportedCertVersion") => {
            "is an old X.509 v1 one; make one of version 3 (with a subject alternative name)"
                .to_owned()
        }
        other if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            "is a CA certificate; sign a server certificate with it and give the broker that one"
                .to_owned()
        }
        other => format!("is not acceptable: {other}"),
    };
    Failure::Configuration(format!("the certificate of the broker {endpoint} {text}"))
}

fn alerted(alert: AlertDescription, endpoint: &Endpoint) -> Failure {
    use AlertDescription as Alert;
    let text = match alert {
        Alert::CertificateRequired => "wants a client certificate; set mqtt.client_cert_file and mqtt.client_key_file".to_owned(),
        Alert::HandshakeFailure | Alert::BadCertificate if !endpoint.client_certificate => {
            "refuses the handshake; it probably wants a client certificate: set mqtt.client_cert_file and mqtt.client_key_file".to_owned()
        }
        Alert::UnknownCA
        | Alert::BadCertificate
        | Alert::CertificateUnknown
        | Alert::UnsupportedCertificate
        | Alert::CertificateRevoked
        | Alert::CertificateExpired
        | Alert::DecryptError
        | Alert::AccessDenied => format!(
            "refuses our client certificate ({alert:?}); it must be valid and signed by a CA that the broker trusts"
        ),
        Alert::ProtocolVersion => "speaks only old versions of TLS; it needs 1.2 or 1.3".to_owned(),
        Alert::UnrecognisedName => format!("does not know the name {}; check mqtt.url", endpoint.host),
        other => format!("ended TLS with the alert {other:?}"),
    };
    Failure::Configuration(format!("the broker {endpoint} {text}"))
}

fn date(time: UnixTime) -> String {
    i64::try_from(time.as_secs())
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .map_or_else(
            || "an impossible date".to_owned(),
            |time| time.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        )
}
