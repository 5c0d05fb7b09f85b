//! Files of private keys: whole or not there, and never readable by others, not even for an instant.

use std::io::{ErrorKind, Result, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

/// Permission bits of everybody but the owner.
const OTHERS: u32 = 0o077;
/// The group's to read.
const GROUP_READS: u32 = 0o040;

/// What the file of a private key holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyFile {
    /// There is no such file.
    Missing,
    /// Others may use it (its permission bits): it was not read.
    Exposed(u32),
    /// Its text.
    Text(String),
}

/// Reads the file of a private key, unless others may use it.
///
/// # Errors
/// When it cannot be read.
pub fn read(path: &Path) -> Result<KeyFile> {
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(KeyFile::Missing),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    let mode = metadata.permissions().mode() & 0o7777;
    // What systemd hands to a service (LoadCredential=) is root's, and readable by the service's group.
    let is_handed = metadata.uid() == 0 && std::fs::metadata("/proc/self")?.uid() != 0;
    let forbidden = if is_handed {
        OTHERS & !GROUP_READS
    } else {
        OTHERS
    };
    if mode & forbidden != 0 {
        return Ok(KeyFile::Exposed(mode));
    }
    std::io::read_to_string(file).map(KeyFile::Text)
}

/// Makes the file of a private key; false when there is one already, which is left as it is.
///
/// # Errors
/// When it cannot be made.
pub fn create(path: &Path, pem: &str) -> Result<bool> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // For its owner only from the first byte on.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(pem.as_bytes())?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(true),
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error.error),
    }
}
