//! The file of the key that signs checkpoints: made at the first start, readable by its owner only.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::clock::Timestamp;
use crate::event::checkpoint::{CheckpointError, PublicKey, Signer};
use crate::keys::file::{self, KeyFile};
use crate::keys::{self, NoRandomness};
use crate::store::{Store, StoreError};

/// Why there is no key to sign with.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// There is no key, and none can be made.
    #[error(transparent)]
    Random(#[from] NoRandomness),
    /// The file cannot be read or made.
    #[error(
        "cannot use the audit key {path}: {source}; check that the folder exists and that this user may write there, or set [audit] key_file",
        path = path.display()
    )]
    File {
        /// Which file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// The record cannot be signed with it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Others may read it.
    #[error(
        "the audit key {path} can be used by others (mode {mode:o}): what they sign looks like this door's; run chmod 600 on it, or remove it so that a new one is made",
        path = path.display()
    )]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file holds something else.
    #[error("the audit key {path} cannot be used: {source}", path = path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        source: CheckpointError,
    },
}

/// The signer with the key in `path`, which is made when there is none.
///
/// # Errors
/// When the file cannot be read or made, holds no key, or can be read by others.
pub fn open_signer(path: &Path, issuer: String) -> Result<Signer, KeyError> {
    let failed = |source| KeyError::File {
        path: path.to_owned(),
        source,
    };
    let text = match read(path)? {
        Some(text) => text,
        None => {
            let key = keys::generate()?;
            file::create(path, &key).map_err(failed)?;
            // Perhaps another process was faster: then its key is the door's.
            read(path)?.ok_or_else(|| failed(ErrorKind::NotFound.into()))?
        }
    };
    Signer::from_pem(issuer, &text).map_err(|source| KeyError::Content {
        path: path.to_owned(),
        source,
    })
}

/// The same for a record. A key that is made now signs it at once: where there is a key of the door's
/// own making, a checkpoint is missing when there is none.
///
/// # Errors
/// When the key cannot be used, or the record cannot be signed.
pub fn signer_of(
    store: &mut Store,
    path: &Path,
    issuer: String,
    now: Timestamp,
) -> Result<Signer, KeyError> {
    let is_new = !path.exists();
    let signer = open_signer(path, issuer)?;
    if is_new && store.last_checkpoint()?.is_none() {
        store.checkpoint(now, &signer)?;
    }
    Ok(signer)
}

/// The public key to the key in `path`; none when there is no key.
///
/// # Errors
/// When the file cannot be read, holds no key, or can be read by others.
pub fn known_key(path: &Path) -> Result<Option<PublicKey>, KeyError> {
    let Some(text) = read(path)? else {
        return Ok(None);
    };
    let signer = Signer::from_pem(String::new(), &text).map_err(|source| KeyError::Content {
        path: path.to_owned(),
        source,
    })?;
    Ok(Some(signer.public_key().clone()))
}

fn read(path: &Path) -> Result<Option<String>, KeyError> {
    let found = file::read(path).map_err(|source| KeyError::File {
        path: path.to_owned(),
        source,
    })?;
    match found {
        KeyFile::Missing => Ok(None),
        KeyFile::Text(text) => Ok(Some(text)),
        KeyFile::Exposed(mode) => Err(KeyError::Exposed {
            path: path.to_owned(),
            mode,
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_key_is_made_once_and_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.key");
        let first = open_signer(&path, String::new()).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let again = open_signer(&path, String::new()).unwrap();
        assert_eq!(first.public_key(), again.public_key());
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.key");
        open_signer(&path, String::new()).unwrap();
        for mode in [0o640, 0o604, 0o620] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let error = open_signer(&path, String::new()).unwrap_err();
            assert!(matches!(error, KeyError::Exposed { .. }), "{error}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.key");
        std::fs::write(&path, "not a key").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let error = open_signer(&path, String::new()).unwrap_err();
        assert!(matches!(error, KeyError::Content { .. }), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "not a key");
    }
}
