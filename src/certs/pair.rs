//! A certificate and its key as two files, written so that neither is ever half there.
//!
//! The key is private from its first instant. What exists is an error; only a renewal replaces it,
//! and keeps the old as `*.previous`. Two files cannot be exchanged in one step: whoever reads in
//! between finds a pair that does not match, and must look again (the service does).

use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustls::sign::CertifiedKey;
use zeroize::Zeroizing;

use super::facts::Facts;
use super::{CertsError, Purpose, pem};

const PRIVATE: u32 = 0o600;
const PUBLIC: u32 = 0o644;

/// Certificate and key as text.
pub struct Pem {
    /// The certificate.
    pub certificate: String,
    /// The key; wiped from memory afterwards.
    pub key: Zeroizing<String>,
}

/// Where they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    certificate: PathBuf,
    key: PathBuf,
}

impl Pair {
    pub(super) fn new(folder: &Path, stem: &str) -> Self {
        Self {
            certificate: folder.join(format!("{stem}.pem")),
            key: folder.join(format!("{stem}.key")),
        }
    }

    pub(super) fn of_ca(folder: &Path) -> Self {
        Self::new(folder, "ca")
    }

    /// File of the certificate.
    #[must_use]
    pub fn certificate(&self) -> &Path {
        &self.certificate
    }

    /// File of the key.
    #[must_use]
    pub fn key(&self) -> &Path {
        &self.key
    }

    /// What the certificate says.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn facts(&self) -> Result<Facts, CertsError> {
        let all =
            pem::certificates("certificate", &self.certificate).map_err(CertsError::NotThere)?;
        Facts::read(&all[0]).ok_or_else(|| CertsError::Another {
            path: self.certificate.clone(),
            found: "no certificate".to_owned(),
        })
    }

    /// Whether both are there and belong together.
    #[must_use]
    pub fn matches(&self) -> bool {
        let Ok(chain) = pem::certificates("certificate", &self.certificate) else {
            return false;
        };
        let Ok(key) = pem::private_key("key", &self.key) else {
            return false;
        };
        let provider = rustls::crypto::ring::default_provider();
        CertifiedKey::from_der(chain, key, &provider).is_ok()
    }

    pub(super) fn must_be_absent(&self, hint: &'static str) -> Result<(), CertsError> {
        for path in [&self.certificate, &self.key] {
            // Also a link that leads nowhere.
            if path.symlink_metadata().is_ok() {
                let path = path.clone();
                return Err(CertsError::Exists { path, hint });
            }
        }
        Ok(())
    }

    /// Writes both; neither may exist.
    ///
    /// # Errors
    /// When one does, or cannot be written.
    pub fn create(&self, pem: &Pem) -> Result<(), CertsError> {
        let hint = "; --renew makes a new one in its place and keeps the old";
        self.must_be_absent(hint)?;
        // First the key: a certificate without one is worse than a key without a certificate.
        for (path, text, mode) in [
            (&self.key, pem.key.as_str(), PRIVATE),
            (&self.certificate, pem.certificate.as_str(), PUBLIC),
        ] {
            let file = whole(path, text.as_bytes(), mode)?;
            file.persist_noclobber(path)
                .map_err(|error| match error.error.kind() {
                    ErrorKind::AlreadyExists => CertsError::Exists {
                        path: path.clone(),
                        hint,
                    },
                    _ => write(path)(error.error),
                })?;
        }
        self.settle()
    }

    /// Puts both in place of those for the same `purpose`, which are kept as `*.previous`.
    ///
    /// # Errors
    /// When there is none, it is for something else, or a file cannot be written.
    pub fn renew(&self, pem: &Pem, purpose: &Purpose) -> Result<(), CertsError> {
        let facts = self.facts()?;
        let same = !facts.is_ca
            && match purpose {
                Purpose::Server(_) => facts.for_servers,
                Purpose::Client(name) => facts.for_clients && facts.subject == *name,
            };
        if !same {
            return Err(CertsError::Another {
                path: self.certificate.clone(),
                found: format!("that of {}", facts.subject),
            });
        }
        // After a renewal that was cut short, what is there is no pair worth keeping: the last
        // one that was is in place already.
        if self.matches() {
            for path in [&self.key, &self.certificate] {
                let bytes = zeroize::Zeroizing::new(std::fs::read(path).map_err(write(path))?);
                replace(&previous(path), &bytes, path)?;
            }
        }
        replace(&self.key, pem.key.as_bytes(), &self.key)?;
        replace(
            &self.certificate,
            pem.certificate.as_bytes(),
            &self.certificate,
        )?;
        self.settle()
    }

    /// Names survive a power cut only once the folder is on the disk too.
    fn settle(&self) -> Result<(), CertsError> {
        let folder = folder_of(&self.key);
        let file = std::fs::File::open(folder).map_err(write(folder))?;
        file.sync_all().map_err(write(folder))
    }
}

/// Where a renewal keeps what was there.
fn previous(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".previous");
    name.into()
}

/// Puts a whole file in the place of `path`, for whoever owns `like` and no more open than that.
fn replace(path: &Path, bytes: &[u8], like: &Path) -> Result<(), CertsError> {
    let metadata = std::fs::metadata(like).map_err(write(like))?;
    let secret = like.extension().is_some_and(|ending| ending == "key");
    let mode = metadata.permissions().mode() & 0o777;
    let mode = match secret {
        true if pem::is_exposed(metadata.uid(), mode) => PRIVATE,
        _ => mode,
    };
    let file = whole(path, bytes, PRIVATE)?;
    let new = file.as_file().metadata().map_err(write(path))?;
    if (new.uid(), new.gid()) != (metadata.uid(), metadata.gid()) {
        let (owner, group) = (Some(metadata.uid()), Some(metadata.gid()));
        std::os::unix::fs::fchown(file.as_file(), owner, group).map_err(write(path))?;
    }
    let permissions = std::fs::Permissions::from_mode(mode);
    file.as_file()
        .set_permissions(permissions)
        .map_err(write(path))?;
    file.persist(path)
        .map_err(|error| write(path)(error.error))?;
    Ok(())
}

/// A file beside `path` with all of it on the disk, to be renamed.
fn whole(path: &Path, bytes: &[u8], mode: u32) -> Result<tempfile::NamedTempFile, CertsError> {
    let mut file = tempfile::Builder::new()
        .permissions(std::fs::Permissions::from_mode(mode))
        .tempfile_in(folder_of(path))
        .map_err(write(path))?;
    // The umask may have taken away what others need of a certificate.
    file.as_file()
        .set_permissions(std::fs::Permissions::from_mode(mode))
        .map_err(write(path))?;
    file.write_all(bytes).map_err(write(path))?;
    file.as_file().sync_all().map_err(write(path))?;
    Ok(file)
}

fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

fn write(path: &Path) -> impl Fn(std::io::Error) -> CertsError {
    let path = path.to_owned();
    move |source| CertsError::Write {
        path: path.clone(),
        source,
    }
}

#[cfg(test)]
mod tests;
