//! What a certificate says of itself, for messages and for the calendar.
//!
//! Nothing here is a reason to trust it: that is for the verifier. The bytes may come from a
//! stranger, so whatever cannot be read is told as absent.

use std::net::IpAddr;

use jiff::Timestamp;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// What one certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Whom it names: the common name, or the whole name where it has none.
    pub subject: String,
    /// Who says it signed it.
    pub issuer: String,
    /// Whether it names itself as its issuer.
    pub self_issued: bool,
    /// Host names and addresses that it is for.
    pub names: Vec<String>,
    /// Whether it may sign others.
    pub is_ca: bool,
    /// Whether it is fit for a server.
    pub for_servers: bool,
    /// Whether it is fit for a client.
    pub for_clients: bool,
    /// Since when it is valid.
    pub not_before: Timestamp,
    /// Until when it is valid.
    pub not_after: Timestamp,
}

impl Facts {
    /// Reads a certificate in DER; none when it is no certificate, or has impossible dates.
    #[must_use]
    pub fn read(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let usage = certificate.extended_key_usage().ok().flatten();
        // No such extension: for everything.
        let fit = |of: fn(&x509_parser::extensions::ExtendedKeyUsage<'_>) -> bool| {
            usage
                .as_ref()
                .is_none_or(|usage| usage.value.any || of(usage.value))
        };
        let validity = certificate.validity();
        Some(Self {
            subject: name(certificate.subject()),
            issuer: name(certificate.issuer()),
            self_issued: certificate.subject() == certificate.issuer(),
            names: names(&certificate),
            is_ca: certificate.is_ca(),
            for_servers: fit(|usage| usage.server_auth),
            for_clients: fit(|usage| usage.client_auth),
            not_before: Timestamp::from_second(validity.not_before.timestamp()).ok()?,
            not_after: Timestamp::from_second(validity.not_after.timestamp()).ok()?,
        })
    }

    /// Whole days left at `now`; negative once it has expired.
    #[must_use]
    pub fn days_left(&self, now: Timestamp) -> i64 {
        self.not_after
            .duration_since(now)
            .as_secs()
            .div_euclid(24 * 3600)
    }
}

fn name(name: &x509_parser::x509::X509Name<'_>) -> String {
    let common = name.iter_common_name().next();
    common
        .and_then(|common| common.as_str().ok())
        .map_or_else(|| name.to_string(), str::to_owned)
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(names)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let names = names.value.general_names.iter();
    names
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            GeneralName::IPAddress(octets) => address(octets).map(|address| address.to_string()),
            _ => None,
        })
        .collect()
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_tells_its_names_dates_and_uses() {
        let key = rcgen::KeyPair::generate().unwrap();
        let names = ["broker.lan".to_owned(), "10.0.0.2".into(), "::1".into()];
        let mut params = rcgen::CertificateParams::new(names).unwrap();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "broker");
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2026, 3, 1);
        let facts = Facts::read(params.self_signed(&key).unwrap().der()).unwrap();
        assert_eq!(facts.subject, "broker");
        assert_eq!(facts.names, ["broker.lan", "10.0.0.2", "::1"]);
        assert!(facts.self_issued && facts.for_servers && !facts.for_clients && !facts.is_ca);
        let at = |text: &str| facts.days_left(text.parse().unwrap());
        assert_eq!(at("2026-02-27T00:00:00Z"), 2);
        assert_eq!(at("2026-02-28T00:00:01Z"), 0);
        assert_eq!(at("2026-03-01T00:00:01Z"), -1);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_are_too_odd(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
            let _ = Facts::read(&bytes);
        }
    }

    #[test]
    fn a_certificate_that_is_cut_or_bent_at_any_byte_does_no_harm() {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(["x".to_owned()]).unwrap();
        let der = params.self_signed(&key).unwrap().der().to_vec();
        for at in 0..der.len() {
            let _ = Facts::read(&der[..at]);
            let mut bent = der.clone();
            bent[at] ^= 0xff;
            let _ = Facts::read(&bent);
        }
    }
}
