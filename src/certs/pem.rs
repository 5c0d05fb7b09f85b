//! Certificates and keys out of PEM files.
//!
//! Every error names the file and what is wrong with it, since nobody can see into a PEM file.
//! What must stay secret is refused when others may read it. Nothing is judged here beyond that:
//! whether a certificate is the right one is for whoever asked.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Permission bits of everybody but the owner.
const OTHERS: u32 = 0o077;
/// What root may grant to a group, and to nobody else: reading.
const GROUP_READS: u32 = 0o040;

/// What is wrong with a file of certificates, of a key or of a password.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
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
    /// A secret that others may read.
    #[error(
        "the {what} {path} can be used by others (mode {mode:o}): run chmod 600 on it, as the user whose file it is (a file of root may also be readable by the service's group: chmod 640)",
        path = path.display()
    )]
    Exposed {
        /// What the file should hold.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
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
    #[error("the {what} {path} is damaged: {cause}", path = path.display())]
    Damaged {
        /// What the file should hold.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// The parser's word.
        cause: String,
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
}

/// The bytes of a file that only its owner may read.
///
/// A file of root may also be readable by its group: that is how an administrator gives a secret
/// to the service's user, and how systemd's `LoadCredential=` files look from inside (mode 0400,
/// with an access list for the service, which shows as 0440).
///
/// # Errors
/// When it cannot be read, or others may use it.
pub fn secret(what: &'static str, path: &Path) -> Result<Vec<u8>, FileError> {
    let failed = |source| FileError::Unreadable {
        what,
        path: path.to_owned(),
        source,
    };
    // Asked of the open file, so that what is judged is what is read.
    let mut file = std::fs::File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let mode = metadata.permissions().mode() & 0o7777;
    if is_exposed(metadata.uid(), mode) {
        return Err(FileError::Exposed {
            what,
            path: path.to_owned(),
            mode,
        });
    }
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut file, &mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// Whether somebody else can use a secret with this owner and these permission bits.
#[must_use]
pub fn is_exposed(owner: u32, mode: u32) -> bool {
    let forbidden = if owner == 0 {
        OTHERS & !GROUP_READS
    } else {
        OTHERS
    };
    mode & forbidden != 0
}

/// All certificates in a file, in its order; at least one.
///
/// # Errors
/// When there are none; the message says what there is instead.
pub fn certificates(
    what: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, FileError> {
    let pem = std::fs::read(path).map_err(|source| FileError::Unreadable {
        what,
        path: path.to_owned(),
        source,
    })?;
    let pem = without_mark(&pem);
    must_be_pem(what, path, pem)?;
    let certificates = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| damaged(what, path, &error))?;
    if certificates.is_empty() {
        return Err(FileError::Empty {
            item: "certificate",
            what,
            path: path.to_owned(),
            hint: if contains(pem, b"PRIVATE KEY-----") {
                "; it holds a private key"
            } else if contains(pem, b"BEGIN TRUSTED CERTIFICATE") {
                "; it holds OpenSSL's TRUSTED CERTIFICATE, which others cannot read: write it out with `openssl x509 -in FILE -out NEW`"
            } else if contains(pem, b"BEGIN PKCS7") || contains(pem, b"BEGIN CMS") {
                "; it holds a bundle of PKCS #7: write it out with `openssl pkcs7 -print_certs -in FILE -out NEW`"
            } else if contains(pem, b"BEGIN CERTIFICATE REQUEST") {
                "; it holds a request for one, which a CA must sign first"
            } else {
                ""
            },
        });
    }
    Ok(certificates)
}

/// The private key in a file.
///
/// # Errors
/// When there is none, or others may read it.
pub fn private_key(what: &'static str, path: &Path) -> Result<PrivateKeyDer<'static>, FileError> {
    let pem = secret(what, path)?;
    let pem = without_mark(&pem);
    must_be_pem(what, path, pem)?;
    let empty = |hint| FileError::Empty {
        item: "private key",
        what,
        path: path.to_owned(),
        hint,
    };
    // The traditional form says so in lines of its own, which would be taken for damage.
    if contains(pem, b"BEGIN ENCRYPTED PRIVATE KEY") || contains(pem, b"Proc-Type: 4,ENCRYPTED") {
        return Err(empty(
            " that can be read; it is encrypted, and a service cannot ask for its password: write it out with `openssl pkey`",
        ));
    }
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
        rustls::pki_types::pem::Error::NoItemsFound => {
            empty(if contains(pem, b"BEGIN CERTIFICATE") {
                "; it holds a certificate"
            } else {
                ""
            })
        }
        error => damaged(what, path, &error),
    })
}

/// Without the mark that some editors put before text in UTF-8; nobody sees it, and it is part of
/// nothing.
#[must_use]
pub fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

fn damaged(what: &'static str, path: &Path, error: &rustls::pki_types::pem::Error) -> FileError {
    FileError::Damaged {
        what,
        path: path.to_owned(),
        cause: error.to_string(),
    }
}

fn must_be_pem(what: &'static str, path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    if contains(bytes, b"-----BEGIN ") {
        return Ok(());
    }
    Err(FileError::NotPem {
        what,
        path: path.to_owned(),
        // An ASN.1 sequence: the binary form of the same thing.
        hint: if bytes.starts_with(&[0x30]) {
            "; it looks like DER: convert it with `openssl x509 -inform der` (or `openssl pkey -inform der`)"
        } else if bytes.is_empty() {
            "; it is empty"
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

    #[test]
    fn only_root_may_share_a_secret_and_only_for_reading_by_a_group() {
        for mode in [0o400, 0o600, 0o700] {
            assert!(!is_exposed(0, mode) && !is_exposed(1000, mode), "{mode:o}");
        }
        for mode in [0o440, 0o640] {
            assert!(!is_exposed(0, mode), "{mode:o}");
            assert!(is_exposed(1000, mode), "{mode:o}");
        }
        for mode in [0o604, 0o620, 0o660, 0o644, 0o601, 0o610] {
            assert!(is_exposed(0, mode) && is_exposed(1000, mode), "{mode:o}");
        }
    }

    #[test]
    fn an_exposed_secret_is_not_read_and_the_message_says_how_to_repair_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        std::fs::write(&path, "x\n").unwrap();
        let set =
            |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        set(0o644);
        let error = secret("MQTT password file", &path).unwrap_err().to_string();
        for word in ["MQTT password file", "password", "mode 644", "chmod 600"] {
            assert!(error.contains(word), "{word:?}: {error}");
        }
        set(0o600);
        assert_eq!(secret("MQTT password file", &path).unwrap(), b"x\n");
    }
}
