//! One service per database: two would drive one relay and share one MQTT session.
//!
//! The lock is the kernel's (`flock` on `<database>.lock`), so it vanishes with the process,
//! however that ends. The CLI does not take it: administration beside a running service is normal.
//!
//! A second, short lock keeps two processes from making or migrating one database at once.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::StoreError;

/// Held for as long as the service lives.
#[derive(Debug)]
pub struct InstanceLock {
    _file: File,
}

impl InstanceLock {
    /// Takes the lock for `database`.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when another service holds it.
    pub fn acquire(database: &Path) -> Result<Self, StoreError> {
        let mut lock = database.as_os_str().to_owned();
        lock.push(".lock");
        let lock = std::path::PathBuf::from(lock);
        let failed = |source| StoreError::Lock {
            lock: lock.clone(),
            source,
        };
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&lock)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse {
                path: database.to_owned(),
                lock,
            }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}

/// Waits until no other process opens a database in this folder; held until dropped. The lock
/// is on the folder itself, so that it leaves no file behind.
pub(super) fn alone_in_folder(database: &Path) -> Result<File, StoreError> {
    let folder = super::folder_of(database);
    let failed = |source| StoreError::Folder {
        folder: folder.to_owned(),
        source,
    };
    let file = File::open(folder).map_err(failed)?;
    file.lock().map_err(failed)?;
    Ok(file)
}
