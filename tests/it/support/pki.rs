//! A private CA and what it signs, as PEM files in one folder.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// A certificate file and its key file.
#[derive(Debug, Clone)]
pub struct Identity {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// A CA that signs what tests ask for.
pub struct Pki {
    folder: PathBuf,
    name: String,
    issuer: Issuer<'static, KeyPair>,
    /// Certificate of the CA.
    pub ca: PathBuf,
}

impl Pki {
    /// A new CA whose files go to `folder` under `name`.
    pub fn new(folder: &Path, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let ca = folder.join(format!("{name}.pem"));
        std::fs::write(&ca, certificate.pem()).unwrap();
        Self {
            folder: folder.to_owned(),
            name: name.to_owned(),
            issuer: Issuer::new(params, key),
            ca,
        }
    }

    /// A server certificate for `hosts` (names or addresses).
    pub fn server(&self, name: &str, hosts: &[&str]) -> Identity {
        self.server_between(name, hosts, 2020, 2100)
    }

    /// A server certificate that is valid from the first day of one year to that of another.
    pub fn server_between(&self, name: &str, hosts: &[&str], from: i32, until: i32) -> Identity {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        self.sign(name, params)
    }

    /// A client certificate with this common name.
    pub fn client(&self, name: &str) -> Identity {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(name, params)
    }

    /// Whatever else is to be signed.
    pub fn sign(&self, name: &str, mut params: CertificateParams) -> Identity {
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        // The common name of a door has a slash.
        let file = format!("{}-{}", self.name, name.replace('/', "-"));
        let identity = Identity {
            certificate: self.folder.join(format!("{file}.pem")),
            key: self.folder.join(format!("{file}.key")),
        };
        std::fs::write(&identity.certificate, certificate.pem()).unwrap();
        write_secret(&identity.key, &key.serialize_pem());
        identity
    }
}

/// A file that the door accepts as a secret: for its owner only.
pub fn write_secret(path: &Path, content: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, content).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}
