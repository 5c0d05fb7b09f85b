//! A private CA: a key that signs, and the certificate by which others know it.
//!
//! Whoever has the key can be any door and any broker, so it belongs on a machine that is neither.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SerialNumber,
};
use ring::rand::{SecureRandom as _, SystemRandom};

use super::facts::Facts;
use super::pair::{Pair, Pem};
use super::{CertsError, Request, pem};

/// How long a CA is valid.
pub const CA_DAYS: u16 = 3650;
/// Certificates are valid from a little before they are made: clocks differ.
const BACKDATED: SignedDuration = SignedDuration::from_hours(1);
/// Bytes of a serial number, which nobody may guess; X.509 allows 20.
const SERIAL: usize = 16;

/// A CA that can sign.
pub struct Authority {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    facts: Facts,
}

impl Authority {
    /// Makes a CA of this name: `ca.pem` and `ca.key` in `folder`, which is made if need be.
    ///
    /// # Errors
    /// When there is one already, or the files cannot be written.
    pub fn create(folder: &Path, name: &str, now: Timestamp) -> Result<Pair, CertsError> {
        if name.is_empty() || name.chars().count() > 64 || name.chars().any(char::is_control) {
            return Err(CertsError::Name {
                name: name.to_owned(),
                what: "CA",
                why: "it must have 1 to 64 characters, none of them a control character",
            });
        }
        let pair = Pair::of_ca(folder);
        pair.must_be_absent(
            "; a CA is made once, and everything it signed would be worth nothing",
        )?;
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        // It signs doors and brokers, never another CA.
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        dated(&mut params, CA_DAYS, now)?;
        let key = new_key()?;
        let certificate = params.self_signed(&key).map_err(make)?;
        make_private(folder)?;
        pair.create(&armour(&certificate, &key))?;
        Ok(pair)
    }

    /// Opens the CA in `folder`.
    ///
    /// # Errors
    /// When there is none, or its key can be read by others.
    pub fn open(folder: &Path) -> Result<Self, CertsError> {
        let pair = Pair::of_ca(folder);
        let bad = |cause: String| CertsError::BadCa {
            folder: folder.to_owned(),
            cause,
        };
        let certificates =
            pem::certificates("CA certificate", pair.certificate()).map_err(CertsError::NoCa)?;
        let der = &certificates[0];
        let key = pem::secret("CA key", pair.key()).map_err(CertsError::NoCa)?;
        let key = std::str::from_utf8(&key)
            .map_err(|_| bad("its key is no PEM file".to_owned()))
            .and_then(|key| KeyPair::from_pem(key).map_err(|error| bad(error.to_string())))?;
        if !pair.matches() {
            return Err(bad(format!(
                "{} is not the key of {}",
                pair.key().display(),
                pair.certificate().display()
            )));
        }
        let facts = Facts::read(der).filter(|facts| facts.is_ca);
        let facts = facts.ok_or_else(|| bad("ca.pem is no certificate of a CA".to_owned()))?;
        let issuer = Issuer::from_ca_cert_der(der, key).map_err(|error| bad(error.to_string()))?;
        Ok(Self {
            folder: folder.to_owned(),
            issuer,
            facts,
        })
    }

    /// What its certificate says.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Where the certificate and key of a request go.
    #[must_use]
    pub fn pair(&self, request: &Request) -> Pair {
        Pair::new(&self.folder, &request.stem())
    }

    /// Makes a key and signs a certificate for it.
    ///
    /// # Errors
    /// When it would outlive the CA.
    pub fn sign(&self, request: &Request, now: Timestamp) -> Result<Pem, CertsError> {
        let mut params = request.params()?;
        let until = dated(&mut params, request.days(), now)?;
        if until > self.facts.not_after {
            return Err(CertsError::OutlivesCa {
                days: request.days(),
                ca_expires: self.facts.not_after.strftime("%Y-%m-%d").to_string(),
            });
        }
        let key = new_key()?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(make)?;
        Ok(armour(&certificate, &key))
    }
}

/// The folder, for its owner only; one that is there stays as it is.
fn make_private(folder: &Path) -> Result<(), CertsError> {
    use std::os::unix::fs::DirBuilderExt as _;
    let mut builder = std::fs::DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(folder);
    made.map_err(|source| CertsError::Write {
        path: folder.to_owned(),
        source,
    })
}

/// ECDSA on P-256: what every broker, browser and library takes.
fn new_key() -> Result<KeyPair, CertsError> {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(make)
}

fn armour(certificate: &Certificate, key: &KeyPair) -> Pem {
    Pem {
        certificate: certificate.pem(),
        key: key.serialize_pem().into(),
    }
}

/// Sets dates and a serial number; gives the last moment of validity.
fn dated(
    params: &mut CertificateParams,
    days: u16,
    now: Timestamp,
) -> Result<Timestamp, CertsError> {
    let impossible = |_| CertsError::Make("this device's clock is impossible".to_owned());
    let from = now - BACKDATED;
    let until = now + SignedDuration::from_hours(24 * i64::from(days));
    let at = |time: Timestamp| {
        let seconds = u64::try_from(time.as_second()).map_err(impossible)?;
        // The library's type of date is not ours to name, but it can be counted up from one.
        Ok::<_, CertsError>(rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds))
    };
    params.not_before = at(from)?;
    params.not_after = at(until)?;
    let mut serial = [0; SERIAL];
    SystemRandom::new()
        .fill(&mut serial)
        .map_err(|_| CertsError::Make("the system gives no random numbers".to_owned()))?;
    // Positive, and of this length whatever is drawn.
    serial[0] = (serial[0] & 0x7f) | 0x40;
    params.serial_number = Some(SerialNumber::from(serial.to_vec()));
    Ok(until)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn make(error: rcgen::Error) -> CertsError {
    CertsError::Make(error.to_string())
}
