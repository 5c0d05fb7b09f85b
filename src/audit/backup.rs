//! Backups with their seals: made together, and looked at before one is restored.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::seal::{SealError, Seals, seal, seal_of, write};
use crate::clock::Timestamp;
use crate::event::checkpoint::Signer;
use crate::store::backup::{Progress, previous};
use crate::store::{Store, StoreError};

/// Makes a backup at `target`, sealed; the one that is there becomes the previous one, with its seal.
///
/// # Errors
/// When it cannot be made, or not be sealed.
pub fn back_up(
    store: &Store,
    target: &Path,
    signer: &Signer,
    now: Timestamp,
    progress: impl FnMut(Progress) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    store.backup_to(target, progress)?;
    let failed = |source| StoreError::Backup {
        target: seal_of(target),
        source,
    };
    // Whatever a power cut leaves here, each backup is looked for under both seals.
    let (newest, before) = (seal_of(target), seal_of(&previous(target)));
    if newest.exists() {
        std::fs::rename(&newest, before).map_err(failed)?;
    }
    let token = seal(signer, target, now).map_err(|error| match error {
        SealError::File(source) => failed(source),
        other => failed(std::io::Error::other(other)),
    })?;
    write(&newest, &token).map_err(failed)
}

/// Whether this door made the backup in `file`, which is `newest` or the one before it.
///
/// # Errors
/// In words, when it did not.
pub fn is_genuine(seals: &Seals, file: &Path, newest: &Path) -> Result<(), String> {
    let places: [PathBuf; 3] = [seal_of(file), seal_of(newest), seal_of(&previous(newest))];
    seals
        .check(file, &places)
        .map_err(|error| error.to_string())
}
