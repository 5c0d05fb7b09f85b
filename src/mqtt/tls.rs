//! Who is trusted, and who we say we are, as rustls wants to know it.
//!
//! TLS 1.3 through rustls with ring, and 1.2 where `mqtt.tls_min` allows it. A private CA replaces
//! the system's roots, it does not add to them. Verification is never switched off: what is put
//! before the verifier only watches.

mod witness;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::certs::facts::Facts;
use crate::certs::pem;
pub use crate::certs::pem::FileError;
use crate::config::TlsVersion;
use witness::Witness;

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsFileError {
    /// A file that cannot be used at all.
    #[error(transparent)]
    File(#[from] FileError),
    /// A CA that cannot be trusted.
    #[error("a certificate in the CA file {path} cannot be used: {cause}", path = path.display())]
    BadCa {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// Certificate and key of different pairs.
    #[error(
        "the key {key} does not belong to the client certificate {certificate}; use the key that its request was made with",
        key = key.display(), certificate = certificate.display()
    )]
    KeyMismatch {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// Certificate or key that the library does not take.
    #[error(
        "the client certificate {certificate} with the key {key} cannot be used: {cause}",
        key = key.display(), certificate = certificate.display()
    )]
    BadIdentity {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// No roots on this system.
    #[error(
        "this system has no trusted root certificates; install ca-certificates, or name the broker's CA with mqtt.ca_file"
    )]
    NoSystemRoots,
    /// The library itself.
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}

/// Which files say who is trusted and who we are.
#[derive(Debug, Clone, Default)]
pub(super) struct TlsFiles {
    /// The private CA; the system's roots without.
    pub ca: Option<PathBuf>,
    /// Our certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// What is in those files.
pub(super) struct Material {
    /// Private CA or system roots.
    pub roots: Vec<CertificateDer<'static>>,
    pub identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
}

impl TlsFiles {
    /// Reads them all.
    pub(super) fn read(&self) -> Result<Material, TlsFileError> {
        let roots = match &self.ca {
            Some(path) => pem::certificates("CA file", path)?,
            None => rustls_native_certs::load_native_certs().certs,
        };
        let identity = self.identity.as_ref().map(|(certificate, key)| {
            let certificates = pem::certificates("client certificate", certificate)?;
            Ok::<_, FileError>((certificates, pem::private_key("client key", key)?))
        });
        Ok(Material {
            roots,
            identity: identity.transpose()?,
        })
    }
}

/// How a connection is encrypted.
#[derive(Debug, Clone)]
pub struct Tls {
    /// For the client.
    pub config: Arc<ClientConfig>,
    /// The oldest version that is offered.
    pub min: TlsVersion,
    witness: Arc<Witness>,
}

impl Tls {
    /// From files that were read.
    pub(super) fn new(
        files: &TlsFiles,
        material: Material,
        min: TlsVersion,
    ) -> Result<Self, TlsFileError> {
        let setup = |error: &dyn std::fmt::Display| TlsFileError::Setup(error.to_string());
        let roots = match &files.ca {
            Some(path) => private_roots(path, material.roots)?,
            None => system_roots(material.roots)?,
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .map_err(|error| setup(&error))?;
        let witness = Arc::new(Witness::new(verifier));
        let versions: &[_] = match min {
            TlsVersion::V13 => &[&rustls::version::TLS13],
            TlsVersion::V12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(|error| setup(&error))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&witness) as _);
        let config = match (&files.identity, material.identity) {
            (Some((certificate, key)), Some((chain, private_key))) => builder
                .with_client_auth_cert(chain, private_key)
                .map_err(|source| unusable(certificate, key, source))?,
            _ => builder.with_no_client_auth(),
        };
        Ok(Self {
            config: Arc::new(config),
            min,
            witness,
        })
    }

    /// What the broker last presented, whether or not it was accepted.
    pub(super) fn presented(&self) -> Option<Facts> {
        self.witness.presented()
    }

    /// The broker's certificate that was last accepted.
    pub(super) fn accepted(&self) -> Option<Facts> {
        self.witness.accepted()
    }
}

fn unusable(certificate: &Path, key: &Path, source: rustls::Error) -> TlsFileError {
    let (certificate, key) = (certificate.to_owned(), key.to_owned());
    match source {
        rustls::Error::InconsistentKeys(_) => TlsFileError::KeyMismatch { certificate, key },
        source => TlsFileError::BadIdentity {
            certificate,
            key,
            cause: unusable_because(&source),
        },
    }
}

/// What the library does not take, in words. It hands on the verifier's reasons as text only.
fn unusable_because(error: &rustls::Error) -> String {
    if format!("{error:?}").contains("UnsupportedCertVersion") {
        return "it is an old X.509 v1 one; make one of version 3 (`doorward certs client`)"
            .to_owned();
    }
    match error {
        rustls::Error::General(text) if text.contains("failed to parse private key") => {
            format!("the key is of a kind that is not supported; supported are {KEYS}")
        }
        other => other.to_string(),
    }
}

/// Keys that certificates may have, ours and the broker's.
pub(super) const KEYS: &str = "ECDSA P-256 and P-384, Ed25519, and RSA of 2048 bits and more";

fn private_roots(
    path: &Path,
    certificates: Vec<CertificateDer<'static>>,
) -> Result<RootCertStore, TlsFileError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots
            .add(certificate)
            .map_err(|error| TlsFileError::BadCa {
                path: path.to_owned(),
                cause: error.to_string(),
            })?;
    }
    Ok(roots)
}

fn system_roots(certificates: Vec<CertificateDer<'static>>) -> Result<RootCertStore, TlsFileError> {
    let mut roots = RootCertStore::empty();
    // A system store may hold a few certificates that rustls cannot parse; the rest counts.
    roots.add_parsable_certificates(certificates);
    if roots.is_empty() {
        return Err(TlsFileError::NoSystemRoots);
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["x".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn tls(ca: &Path, identity: Option<(&Path, &Path)>) -> Result<Tls, TlsFileError> {
        let files = TlsFiles {
            ca: Some(ca.to_owned()),
            identity: identity.map(|(certificate, key)| (certificate.to_owned(), key.to_owned())),
        };
        Tls::new(&files, files.read()?, TlsVersion::V13)
    }

    #[test]
    fn a_name_with_a_dot_at_its_end_or_an_address_is_checked_like_any_other() {
        use rustls::pki_types::{ServerName, UnixTime};
        let folder = tempfile::tempdir().unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let names = ["xn--brker-kua.lan".to_owned(), "fd00::1".to_owned()];
        let params = rcgen::CertificateParams::new(names).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, certificate.pem()).unwrap();
        let tls = tls(&ca, None).unwrap();
        let ask = |name: &str| {
            use rustls::client::danger::ServerCertVerifier as _;
            let name = ServerName::try_from(name).unwrap();
            let now = UnixTime::now();
            tls.witness
                .verify_server_cert(certificate.der(), &[], &name, &[], now)
        };
        assert!(ask("xn--brker-kua.lan").is_ok() && ask("xn--brker-kua.lan.").is_ok());
        assert!(ask("fd00::1").is_ok());
        let before = tls.accepted();
        for other in ["broker.lan", "fd00::2", "lan."] {
            assert!(ask(other).is_err(), "{other}");
        }
        assert_eq!(tls.presented(), before, "seen, and refused all the same");
    }

    #[test]
    fn every_broken_file_is_named_with_what_is_wrong() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, content: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            path
        };
        let (certificate, key) = pair();
        let (_, other_key) = pair();
        let ca = write("ca.pem", certificate.as_bytes());
        let open = write("open.pem", key.as_bytes());
        std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o604)).unwrap();
        let key = write("key.pem", key.as_bytes());
        let other = write("other.pem", other_key.as_bytes());
        let text = write("text.pem", b"hello");
        let der = write("ca.der", &[0x30, 0x82, 1, 2]);
        let empty = write("empty.pem", b"");
        let broken = write(
            "broken.pem",
            b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n",
        );
        let encrypted = write(
            "encrypted.pem",
            b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
        );
        let old = write(
            "old.pem",
            b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n",
        );
        let other_forms = [
            ("TRUSTED CERTIFICATE", "openssl x509"),
            ("PKCS7", "openssl pkcs7"),
        ]
        .map(|(form, words)| {
            let text = format!("-----BEGIN {form}-----\nAAAA\n-----END {form}-----\n");
            (write(form, text.as_bytes()), words)
        });
        let missing = folder.path().join("missing.pem");

        assert!(tls(&ca, Some((&ca, &key))).is_ok());
        // A mark that an editor has put before it is not part of it.
        let marked =
            |path: &Path| [b"\xef\xbb\xbf", std::fs::read(path).unwrap().as_slice()].concat();
        let marked_ca = write("marked.pem", &marked(&ca));
        let marked_key = write("marked.key", &marked(&key));
        assert!(tls(&marked_ca, Some((&marked_ca, &marked_key))).is_ok());
        for (file, words) in &other_forms {
            let error = tls(file, None).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        type Case<'a> = (&'a Path, Option<(&'a Path, &'a Path)>, &'a Path, &'a str);
        let cases: [Case<'_>; 14] = [
            (&missing, None, &missing, "cannot read the CA file"),
            (&text, None, &text, "is not a PEM file"),
            (&der, None, &der, "looks like DER"),
            (&empty, None, &empty, "it is empty"),
            (&broken, None, &broken, "damaged"),
            (&key, None, &key, "holds a private key"),
            (
                &ca,
                Some((&missing, &key)),
                &missing,
                "cannot read the client certificate",
            ),
            (
                &ca,
                Some((&ca, &missing)),
                &missing,
                "cannot read the client key",
            ),
            (&ca, Some((&ca, &ca)), &ca, "holds a certificate"),
            (&ca, Some((&ca, &text)), &text, "is not a PEM file"),
            (&ca, Some((&ca, &encrypted)), &encrypted, "encrypted"),
            (&ca, Some((&ca, &old)), &old, "encrypted"),
            (&ca, Some((&ca, &other)), &other, "does not belong to"),
            (&ca, Some((&ca, &open)), &open, "chmod 600"),
        ];
        for (ca, identity, file, words) in cases {
            let error = tls(ca, identity).unwrap_err().to_string();
            let file = file.display().to_string();
            assert!(
                error.contains(&file) && error.contains(words),
                "{words:?}: {error}"
            );
        }
    }
}
