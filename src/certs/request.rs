//! What a certificate is to be for, checked before anything is made. Pure.

use std::net::IpAddr;

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SanType};

use super::CertsError;

/// How long certificates are valid unless said otherwise: a year, and a month to renew them in.
pub const DEFAULT_DAYS: u16 = 397;
/// How long they may be valid: browsers of Apple refuse servers' certificates beyond it.
pub const MAX_DAYS: u16 = 825;
/// The longest common name that X.509 allows.
const NAME_LENGTH: usize = 64;
/// File names that belong to the CA and the broker.
const RESERVED: [&str; 2] = ["ca", "server"];

/// What it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// A broker with these host names and addresses.
    Server(Vec<String>),
    /// A door, an operator, a dashboard: the common name is what the broker's rules know.
    Client(String),
}

/// A certificate that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    purpose: Purpose,
    days: u16,
}

impl Request {
    /// For a broker.
    ///
    /// # Errors
    /// When a name is none.
    pub fn server(names: &[String], days: u16) -> Result<Self, CertsError> {
        let names = names.iter().map(|name| host(name));
        Ok(Self {
            purpose: Purpose::Server(names.collect::<Result<_, _>>()?),
            days,
        })
    }

    /// For a client of the broker with this common name.
    ///
    /// # Errors
    /// When that cannot be a name.
    pub fn client(name: &str, days: u16) -> Result<Self, CertsError> {
        let bad = |why| CertsError::Name {
            name: name.to_owned(),
            what: "client",
            why,
        };
        if name.is_empty() || name.chars().count() > NAME_LENGTH {
            return Err(bad("it must have 1 to 64 characters"));
        }
        if name.chars().any(char::is_control) {
            return Err(bad("it must not have control characters"));
        }
        // Brokers put the name into topics of their rules, where these would match others.
        if name.contains(['+', '#']) {
            return Err(bad("+ and # are MQTT's wildcards"));
        }
        if name.starts_with(['.', '-', '/']) || name.ends_with('/') || name.contains("//") {
            return Err(bad(
                "it must begin with a letter or digit, and have something on both sides of each /",
            ));
        }
        let request = Self {
            purpose: Purpose::Client(name.to_owned()),
            days,
        };
        if RESERVED.contains(&request.stem().as_str()) {
            return Err(bad("its file would be that of the CA or of the broker"));
        }
        Ok(request)
    }

    /// What it is for.
    #[must_use]
    pub fn purpose(&self) -> &Purpose {
        &self.purpose
    }

    /// For how many days.
    #[must_use]
    pub fn days(&self) -> u16 {
        self.days
    }

    /// Name of its files, without the ending.
    #[must_use]
    pub fn stem(&self) -> String {
        match &self.purpose {
            Purpose::Server(_) => "server".to_owned(),
            Purpose::Client(name) => name.replace('/', "-"),
        }
    }

    /// Everything but the dates, the serial number and the signature.
    pub(super) fn params(&self) -> Result<CertificateParams, CertsError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        let (usage, common) = match &self.purpose {
            Purpose::Server(names) => {
                for name in names {
                    params.subject_alt_names.push(alternative(name)?);
                }
                let common = names.iter().find(|name| name.len() <= NAME_LENGTH);
                (ExtendedKeyUsagePurpose::ServerAuth, common)
            }
            Purpose::Client(name) => (ExtendedKeyUsagePurpose::ClientAuth, Some(name)),
        };
        if let Some(common) = common {
            let common = common.as_str();
            params.distinguished_name.push(DnType::CommonName, common);
        }
        params.extended_key_usages = vec![usage];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        Ok(params)
    }
}

/// The form that DNS and certificates know: lower case, ASCII, an address without brackets.
fn host(name: &str) -> Result<String, CertsError> {
    let bad = |why| CertsError::Name {
        name: name.to_owned(),
        what: "server",
        why,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(address.to_string());
    }
    if name.contains([':', '/', '@', ' ']) {
        return Err(bad(
            "only a host name or an address, without scheme and port",
        ));
    }
    let (wildcard, rest) = match name.strip_prefix("*.") {
        Some(rest) => ("*.", rest),
        None => ("", name),
    };
    match url::Host::parse(rest.trim_end_matches('.')) {
        // TLS libraries take no wildcard for a whole top-level domain.
        Ok(url::Host::Domain(domain)) if !wildcard.is_empty() && !domain.contains('.') => Err(bad(
            "a wildcard needs a domain with a dot in it, as in *.home.lan",
        )),
        Ok(url::Host::Domain(domain)) if !domain.is_empty() && !domain.contains('*') => {
            Ok(format!("{wildcard}{domain}"))
        }
        Ok(url::Host::Ipv4(address)) if wildcard.is_empty() => Ok(address.to_string()),
        _ => Err(bad("it is neither a host name nor an address")),
    }
}

fn alternative(name: &str) -> Result<SanType, CertsError> {
    match name.parse() {
        Ok(address) => Ok(SanType::IpAddress(address)),
        Err(_) => name
            .try_into()
            .map(SanType::DnsName)
            .map_err(|error: rcgen::Error| CertsError::Make(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_servers_are_hosts_and_addresses() {
        let cases = [
            ("broker.lan", "broker.lan"),
            ("Broker.LAN.", "broker.lan"),
            ("bröker.lan", "xn--brker-kua.lan"),
            ("*.Home.lan", "*.home.lan"),
            ("10.0.0.2", "10.0.0.2"),
            ("[FD00::1]", "fd00::1"),
            ("FD00:0::1", "fd00::1"),
        ];
        for (given, name) in cases {
            let request = Request::server(&[given.to_owned()], 1).unwrap();
            let expected = Purpose::Server(vec![name.to_owned()]);
            assert_eq!(request.purpose(), &expected, "{given}");
        }
        for given in [
            "",
            "mqtts://x",
            "x:8883",
            "a b",
            "*",
            "*.*.lan",
            "*.lan",
            "*.10.0.0.1",
        ] {
            let error = Request::server(&[given.to_owned()], 1).unwrap_err();
            assert!(matches!(error, CertsError::Name { .. }), "{given}: {error}");
        }
    }

    #[test]
    fn names_of_clients_are_safe_in_topics_and_as_files() {
        let stem = |name| Request::client(name, 1).map(|request| request.stem());
        assert_eq!(stem("home/front").unwrap(), "home-front");
        assert_eq!(stem("Ada Lovelace").unwrap(), "Ada Lovelace");
        let long = "x".repeat(65);
        for name in [
            "", "a+b", "#", ".", "../x", "/x", "x/", "a//b", "-x", "a\nb", "ca", "server", &long,
        ] {
            assert!(stem(name).is_err(), "{name:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_name_leaves_the_folder(name in ".{0,70}") {
            if let Ok(request) = Request::client(&name, 1) {
                let stem = request.stem();
                let path = std::path::Path::new(&stem);
                proptest::prop_assert_eq!(path.components().count(), 1);
                proptest::prop_assert!(!stem.starts_with('.'));
            }
        }
    }
}
