//! Who is trusted, and who we say we are: certificates and keys from PEM files.
//!
//! TLS 1.3 and 1.2 through rustls with ring. A private CA replaces the system's roots, it does
//! not add to them. Verification is never switched off. Every error names the file and what is
//! wrong with it, since nobody can see into a PEM file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// What is wrong with a file of certificates or keys.
#[derive(Debug, thiserror::Error)]
pub enum TlsFileError {
    /// Missing, or not for this user.
    #[error("cannot read the {what} {path}: {source}", path = path.display())]
    Unreadable {
        /// What the file should hold.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// Not text with `-----BEGIN`.
    #[error("the {what} {path} is not a PEM file{hint}", path = path.display())]
    NotPem {
        /// What the file should hold.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// How to make one, if that is known.
        hint: &'static str,
    },
    /// PEM, but broken inside.
    #[error("the {what} {path} is damaged: {source}", path = path.display())]
    Damaged {
        /// What the file should hold.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// The parser's word.
        source: rustls::pki_types::pem::Error,
    },
    /// PEM, but nothing of the right kind.
    #[error("there is no {item} in the {what} {path}{hint}", path = path.display())]
    Empty {
        /// What is missing.
        item: &'static str,
        /// What the file should hold.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// What was found instead, if that is known.
        hint: &'static str,
    },
    /// A CA that cannot be trusted.
    #[error("a certificate in the CA file {path} cannot be used: {source}", path = path.display())]
    BadCa {
        /// Which file.
        path: PathBuf,
        /// The library's word.
        source: rustls::Error,
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
        "the client certificate {certificate} with the key {key} cannot be used: {source}",
        key = key.display(), certificate = certificate.display()
    )]
    BadIdentity {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
        /// The library's word.
        source: rustls::Error,
    },
    /// No roots on this system.
    #[error(
        "this system has no trusted root certificates; install ca-certificates, or name the broker's CA with mqtt.ca_file"
    )]
    NoSystemRoots,
    /// The library itself.
    #[error("TLS cannot be set up: {0}")]
    Setup(rustls::Error),
}

/// Who is trusted (`ca`, or the system's roots) and what is shown (`identity`: certificate and key).
///
/// # Errors
/// When a file cannot be used; the message names it.
pub fn client_config(
    ca: Option<&Path>,
    identity: Option<(&Path, &Path)>,
) -> Result<ClientConfig, TlsFileError> {
    let roots = match ca {
        Some(path) => private_roots(path)?,
        None => system_roots()?,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsFileError::Setup)?
        .with_root_certificates(roots);
    let Some((certificate, key)) = identity else {
        return Ok(builder.with_no_client_auth());
    };
    builder
        .with_client_auth_cert(
            certificates("client certificate", certificate)?,
            private_key(key)?,
        )
        .map_err(|source| match source {
            rustls::Error::InconsistentKeys(_) => TlsFileError::KeyMismatch {
                certificate: certificate.to_owned(),
                key: key.to_owned(),
            },
            source => TlsFileError::BadIdentity {
                certificate: certificate.to_owned(),
                key: key.to_owned(),
                source,
            },
        })
}

fn private_roots(path: &Path) -> Result<RootCertStore, TlsFileError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("CA file", path)? {
        roots
            .add(certificate)
            .map_err(|source| TlsFileError::BadCa {
                path: path.to_owned(),
                source,
            })?;
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, TlsFileError> {
    let mut roots = RootCertStore::empty();
    // A system store may hold a few certificates that rustls cannot parse; the rest counts.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(TlsFileError::NoSystemRoots);
    }
    Ok(roots)
}

fn certificates(
    what: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, TlsFileError> {
    let pem = read(what, path)?;
    let certificates = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| TlsFileError::Damaged {
            what,
            path: path.to_owned(),
            source,
        })?;
    if certificates.is_empty() {
        return Err(TlsFileError::Empty {
            item: "certificate",
            what,
            path: path.to_owned(),
            hint: if contains(&pem, b"PRIVATE KEY-----") {
                "; it holds a private key"
            } else {
                ""
            },
        });
    }
    Ok(certificates)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsFileError> {
    let what = "client key";
    let pem = read(what, path)?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|source| match source {
        rustls::pki_types::pem::Error::NoItemsFound => TlsFileError::Empty {
            item: "private key",
            what,
            path: path.to_owned(),
            hint: if contains(&pem, b"BEGIN ENCRYPTED PRIVATE KEY") {
                "; it is encrypted, and a service cannot ask for its password: write it out with `openssl pkey`"
            } else if contains(&pem, b"BEGIN CERTIFICATE") {
                "; it holds a certificate"
            } else {
                ""
            },
        },
        source => TlsFileError::Damaged {
            what,
            path: path.to_owned(),
            source,
        },
    })
}

fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, TlsFileError> {
    let bytes = std::fs::read(path).map_err(|source| TlsFileError::Unreadable {
        what,
        path: path.to_owned(),
        source,
    })?;
    if contains(&bytes, b"-----BEGIN ") {
        return Ok(bytes);
    }
    Err(TlsFileError::NotPem {
        what,
        path: path.to_owned(),
        // An ASN.1 sequence: the binary form of the same thing.
        hint: if bytes.starts_with(&[0x30]) {
            "; it looks like DER: convert it with `openssl x509 -inform der` (or `openssl pkey -inform der`)"
        } else {
            ""
        },
    })
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
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

    #[test]
    fn every_broken_file_is_named_with_what_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, content: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            path
        };
        let (certificate, key) = pair();
        let (_, other_key) = pair();
        let ca = write("ca.pem", certificate.as_bytes());
        let key = write("key.pem", key.as_bytes());
        let other = write("other.pem", other_key.as_bytes());
        let text = write("text.pem", b"hello");
        let der = write("ca.der", &[0x30, 0x82, 1, 2]);
        let broken = write(
            "broken.pem",
            b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n",
        );
        let encrypted = write(
            "encrypted.pem",
            b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
        );
        let missing = folder.path().join("missing.pem");

        assert!(client_config(Some(&ca), Some((&ca, &key))).is_ok());
        type Case<'a> = (&'a Path, Option<(&'a Path, &'a Path)>, &'a Path, &'a str);
        let cases: [Case<'_>; 11] = [
            (&missing, None, &missing, "cannot read the CA file"),
            (&text, None, &text, "is not a PEM file"),
            (&der, None, &der, "looks like DER"),
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
            (&ca, Some((&ca, &other)), &other, "does not belong to"),
        ];
        for (ca, identity, file, words) in cases {
            let error = client_config(Some(ca), identity).unwrap_err().to_string();
            let file = file.display().to_string();
            assert!(
                error.contains(&file) && error.contains(words),
                "{words:?}: {error}"
            );
        }
    }
}
