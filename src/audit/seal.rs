//! Seals of backups: a backup that somebody else put there is not restored by itself.
//!
//! A seal is a file beside the backup: a JWS with the key of the checkpoints, about the bytes of the
//! backup. Whoever may write where the backups are (another disk, a share) cannot make one; whoever has
//! the key can, so it matters where that is (`[audit] key_file`). An old backup with its old seal is
//! genuine, and it still is an old one.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::clock::Timestamp;
use crate::event::checkpoint::{PublicKey, Signer};

/// What follows the name of a backup in that of its seal.
const SUFFIX: &str = ".seal";

/// What a seal says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    /// Which door: its CloudEvents source.
    iss: String,
    /// When it was made, in seconds since 1970.
    iat: i64,
    /// SHA-256 of the backup, in hex.
    backup_sha256: String,
}

/// Why a backup has no seal that counts.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// A file cannot be read or written.
    #[error("{0}")]
    File(#[from] io::Error),
    /// It cannot be signed.
    #[error("it cannot be sealed: {0}")]
    Sign(String),
    /// There is no key that it could have been made with.
    #[error("there is no key to verify its seal with")]
    NoKey,
    /// No seal fits.
    #[error("it is not sealed by this door")]
    NotSealed,
}

/// Where the seal of a backup is.
#[must_use]
pub fn seal_of(backup: &Path) -> PathBuf {
    let mut name = backup.as_os_str().to_owned();
    name.push(SUFFIX);
    name.into()
}

/// The seal of the file as it is now.
///
/// # Errors
/// When the file cannot be read, or nothing can be signed.
pub fn seal(signer: &Signer, file: &Path, now: Timestamp) -> Result<String, SealError> {
    let claims = Claims {
        iss: signer.issuer().to_owned(),
        iat: now.as_second(),
        backup_sha256: digest(file)?,
    };
    signer
        .sign_other(&claims)
        .map_err(|error| SealError::Sign(error.to_string()))
}

/// Writes a seal: whole or not there, for its owner alone.
///
/// # Errors
/// When it cannot be written.
pub fn write(path: &Path, seal: &str) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    writeln!(file, "{seal}")?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Who may have made a backup.
#[derive(Debug, Clone)]
pub struct Seals {
    door: String,
    key: Option<PublicKey>,
}

impl Seals {
    /// Those of a door, by its key if it has one.
    #[must_use]
    pub fn of(door: String, key: Option<PublicKey>) -> Self {
        Self { door, key }
    }

    /// Whether one of these seals is this door's, of this very file. More than one, because a power cut
    /// can come between the renaming of a backup and of its seal.
    ///
    /// # Errors
    /// [`SealError::NotSealed`], or when the file cannot be read.
    pub fn check(&self, backup: &Path, seals: &[PathBuf]) -> Result<(), SealError> {
        let key = self.key.as_ref().ok_or(SealError::NoKey)?;
        let mut found = None;
        for seal in seals {
            let Ok(token) = std::fs::read_to_string(seal) else {
                continue;
            };
            let Ok(claims) = key.verify::<Claims>(token.trim()) else {
                continue;
            };
            let digest = match &found {
                Some(digest) => digest,
                None => found.insert(digest(backup)?),
            };
            if claims.iss == self.door && claims.backup_sha256 == *digest {
                return Ok(());
            }
        }
        Err(SealError::NotSealed)
    }
}

fn digest(file: &Path) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut reader = BufReader::with_capacity(1 << 16, File::open(file)?);
    loop {
        let bytes = reader.fill_buf()?;
        if bytes.is_empty() {
            return Ok(hex::encode(hasher.finalize()));
        }
        hasher.update(bytes);
        let read = bytes.len();
        reader.consume(read);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::pem_of_seed;

    fn signer(door: &str, seed: u8) -> Signer {
        Signer::from_pem(door.into(), &pem_of_seed(&[seed; 32])).unwrap()
    }

    #[test]
    fn a_seal_is_of_one_file_of_one_door_by_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let (file, other) = (folder.path().join("a"), folder.path().join("b"));
        std::fs::write(&file, "backup").unwrap();
        std::fs::write(&other, "planted").unwrap();
        let door = signer("/doorward/home/front", 1);
        let at = seal_of(&file);
        write(&at, &seal(&door, &file, Timestamp::UNIX_EPOCH).unwrap()).unwrap();
        let check = |of: &Signer, name: &str, file: &Path| {
            let seals = Seals::of(name.into(), Some(of.public_key().clone()));
            seals.check(file, &[seal_of(&other), at.clone()])
        };
        check(&door, "/doorward/home/front", &file).unwrap();
        assert!(check(&door, "/doorward/home/back", &file).is_err());
        assert!(check(&door, "/doorward/home/front", &other).is_err());
        assert!(check(&signer("", 2), "/doorward/home/front", &file).is_err());
        let nobody = Seals::of("/doorward/home/front".into(), None);
        assert!(matches!(nobody.check(&file, &[at]), Err(SealError::NoKey)));
    }

    #[test]
    fn a_checkpoint_is_no_seal() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        std::fs::write(&file, "backup").unwrap();
        let door = signer("/d", 1);
        let checkpoint = door.claims(&Default::default(), 0, Timestamp::UNIX_EPOCH);
        write(&seal_of(&file), &door.sign(&checkpoint).unwrap()).unwrap();
        let seals = Seals::of("/d".into(), Some(door.public_key().clone()));
        assert!(seals.check(&file, &[seal_of(&file)]).is_err());
    }
}
