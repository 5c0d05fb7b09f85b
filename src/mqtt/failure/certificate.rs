//! What is wrong when TLS fails: with the broker's certificate, with ours, or with the port.

use jiff::Timestamp;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, PeerIncompatible};

use super::Failure;
use crate::certs::facts::Facts;
use crate::config::TlsVersion;
use crate::mqtt::settings::Endpoint;
use crate::mqtt::tls::{KEYS, Tls};

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
        rustls::Error::PeerIncompatible(
            PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => Failure::Configuration(format!("the broker {endpoint} {}", old_tls(endpoint))),
        rustls::Error::PeerIncompatible(why) => Failure::Configuration(format!(
            "the broker {endpoint} offers no TLS that we accept ({why:?}); it needs TLS 1.3 (or 1.2, with mqtt.tls_min) with modern ciphers"
        )),
        other => Failure::Network(format!("TLS with the broker {endpoint} failed: {other}")),
    }
}

fn certificate(problem: &CertificateError, endpoint: &Endpoint) -> Failure {
    // What the broker showed; nothing in it is proven.
    let presented = endpoint.tls.as_ref().and_then(Tls::presented);
    let text = match problem {
        CertificateError::UnknownIssuer => unknown_issuer(presented.as_ref()),
        CertificateError::BadSignature => {
            let issuer = presented.map(|facts| format!(" ({})", facts.issuer));
            format!(
                "is not signed by a CA that we trust: one of the same name{} is trusted, but its key is another; if the CA was made anew, put its new certificate into mqtt.ca_file",
                issuer.unwrap_or_default()
            )
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
        CertificateError::NotValidForName => wrong_host(&[], presented.as_ref(), endpoint),
        CertificateError::NotValidForNameContext {
            presented: names, ..
        } => wrong_host(names, presented.as_ref(), endpoint),
        CertificateError::Revoked => "is revoked".to_owned(),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "is not made for servers; make one with extended key usage serverAuth (`doorward certs server`)".to_owned()
        }
        other if format!("{other:?}").contains("UnsupportedSignatureAlgorithm") => format!(
            "is signed, or has a key, of a kind that is not supported (ECDSA P-521 and ECDSA with SHA-512 are not); supported are {KEYS}, and ECDSA with SHA-256 or SHA-384: make one with `doorward certs server`"
        ),
        // Only in the verifier's own error type, which rustls hands on as text.
        other if format!("{other:?}").contains("UnsupportedCertVersion") => {
            "is an old X.509 v1 one; make one of version 3 (with a subject alternative name)"
                .to_owned()
        }
        other if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            "is a CA certificate; sign a server certificate with it and give the broker that one"
                .to_owned()
        }
        other if format!("{other:?}").contains("EndEntityUsedAsCa") => {
            "is signed by a certificate that is no CA (basic constraints CA:FALSE); sign it with one that is (`doorward certs init`)"
                .to_owned()
        }
        other if format!("{other:?}").contains("PathLenConstraintViolated") => {
            "is signed by a CA below another one that forbids that (path length); sign it with the upper one"
                .to_owned()
        }
        other => format!("is not acceptable: {other}"),
    };
    Failure::Configuration(format!("the certificate of the broker {endpoint} {text}"))
}

fn unknown_issuer(presented: Option<&Facts>) -> String {
    match presented {
        Some(facts) if facts.self_issued => format!(
            "is not signed by a CA that we trust: it is self-signed ({}); sign one with a CA (`doorward certs server`) and set mqtt.ca_file to that CA",
            facts.subject
        ),
        Some(facts) => format!(
            "is not signed by a CA that we trust: {} signed it; set mqtt.ca_file to that CA, or, if it is trusted already, give the broker the CAs in between too",
            facts.issuer
        ),
        None => "is not signed by a CA that we trust; set mqtt.ca_file to the CA that signed it"
            .to_owned(),
    }
}

fn wrong_host(names: &[String], presented: Option<&Facts>, endpoint: &Endpoint) -> String {
    // The library's names are wrapped in words of its own.
    let names = presented.map_or(names, |facts| &facts.names);
    let host = &endpoint.host;
    let kind = match host.parse::<std::net::IpAddr>() {
        Ok(_) => "address",
        Err(_) => "host name",
    };
    if !names.is_empty() {
        return format!(
            "is not for the {kind} {host}; it is for {}: use that name in mqtt.url, or make a certificate with the right name",
            names.join(", ")
        );
    }
    let common = presented
        .map(|facts| format!(" (its common name, {}, does not count)", facts.subject))
        .unwrap_or_default();
    format!(
        "is not for the {kind} {host}; it is for no name at all{common}: make one with the subject alternative name {host}"
    )
}

fn alerted(alert: AlertDescription, endpoint: &Endpoint) -> Failure {
    use AlertDescription as Alert;
    let ours = |why: &str| format!("refuses our client certificate ({alert:?}){why}");
    let text = match alert {
        Alert::CertificateRequired => {
            "wants a client certificate; set mqtt.client_cert_file and mqtt.client_key_file"
                .to_owned()
        }
        Alert::HandshakeFailure | Alert::BadCertificate if !endpoint.client_certificate => {
            format!(
                "refuses the handshake: either it wants a client certificate (mqtt.client_cert_file and mqtt.client_key_file), or its own key is of a kind that is not supported, as ECDSA P-521 (supported are {KEYS})"
            )
        }
        Alert::HandshakeFailure => format!(
            "refuses the handshake: its key is probably of a kind that is not supported, as ECDSA P-521 (supported are {KEYS}), or it shares no cipher with us"
        ),
        Alert::CertificateExpired => ours(
            ": it has expired, or is not valid yet by the broker's clock; look with `doorward certs status`",
        ),
        Alert::CertificateRevoked => {
            ours(": it was revoked; make a new one with `doorward certs client`")
        }
        Alert::UnsupportedCertificate => ours(
            ": it is not made for clients; make one with extended key usage clientAuth (`doorward certs client`)",
        ),
        Alert::UnknownCA
        | Alert::BadCertificate
        | Alert::CertificateUnknown
        | Alert::DecryptError
        | Alert::AccessDenied => {
            ours("; it must be valid and signed by a CA that the broker trusts")
        }
        Alert::ProtocolVersion => old_tls(endpoint),
        Alert::UnrecognisedName => {
            format!("does not know the name {}; check mqtt.url", endpoint.host)
        }
        other => format!("ended TLS with the alert {other:?}"),
    };
    Failure::Configuration(format!("the broker {endpoint} {text}"))
}

fn old_tls(endpoint: &Endpoint) -> String {
    match endpoint.tls.as_ref().map(|tls| tls.min) {
        Some(TlsVersion::V13) => {
            "does not speak TLS 1.3; let it, or accept TLS 1.2 with tls_min = \"1.2\" in [mqtt]"
                .to_owned()
        }
        _ => "speaks only old versions of TLS; it needs 1.2 or 1.3".to_owned(),
    }
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
