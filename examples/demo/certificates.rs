//! A private certificate authority for one run: it signs the broker's certificate and one for
//! each client.
//!
//! Flows in: a folder that nobody else can read. Flows out: PEM files in it. The authority's
//! own key is never written anywhere, so nothing can be signed by it after the demo has begun.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use doorward::clock::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

/// How long the certificates are good for, in hours, from a day ago: longer than anybody lets
/// a demo run, long enough that no expiry is told, and clocks may differ a little.
const VALID: i64 = 24 * 60;

/// A certificate and its key.
#[derive(Debug, Clone)]
pub struct Identity {
    /// PEM file.
    pub certificate: PathBuf,
    /// PEM file.
    pub key: PathBuf,
}

/// The authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: PathBuf,
    /// PEM file of its certificate: what everybody trusts.
    pub certificate: PathBuf,
}

impl Authority {
    /// Makes one, and writes its certificate into the folder.
    pub fn create(folder: &Path) -> anyhow::Result<Self> {
        let mut params = params(Vec::new(), "doorward demo CA")?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        let certificate = folder.join("ca.pem");
        write(&certificate, &params.self_signed(&key)?.pem())?;
        Ok(Self {
            issuer: Issuer::new(params, key),
            folder: folder.to_owned(),
            certificate,
        })
    }

    /// Signs a certificate for a broker on this machine.
    pub fn broker(&self) -> anyhow::Result<Identity> {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        self.sign("broker", names, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// Signs a certificate for a client; the broker takes its name as the user's.
    pub fn client(&self, name: &str) -> anyhow::Result<Identity> {
        self.sign(name, Vec::new(), ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn sign(
        &self,
        name: &str,
        hosts: Vec<String>,
        purpose: ExtendedKeyUsagePurpose,
    ) -> anyhow::Result<Identity> {
        let mut params = params(hosts, name)?;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate()?;
        let signed = params.signed_by(&key, &self.issuer)?;
        let identity = Identity {
            certificate: self.folder.join(format!("{name}.pem")),
            key: self.folder.join(format!("{name}.key")),
        };
        write(&identity.certificate, &signed.pem())?;
        write(&identity.key, &key.serialize_pem())?;
        Ok(identity)
    }
}

fn params(hosts: Vec<String>, name: &str) -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::new(hosts)?;
    params.distinguished_name.push(DnType::CommonName, name);
    let day = |hours: i64| -> anyhow::Result<_> {
        let date = (Timestamp::now() + jiff::Span::new().hours(hours))
            .to_zoned(jiff::tz::TimeZone::UTC)
            .date();
        let (month, day) = (u8::try_from(date.month())?, u8::try_from(date.day())?);
        Ok(date_time_ymd(i32::from(date.year()), month, day))
    };
    params.not_before = day(-24)?;
    params.not_after = day(VALID)?;
    Ok(params)
}

fn write(path: &Path, pem: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    // The door refuses a key that others could read.
    let file = std::fs::File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path);
    file.and_then(|mut file| file.write_all(pem.as_bytes()))
        .with_context(|| format!("{}: cannot be written", path.display()))
}
