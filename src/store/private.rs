//! Files that hold names and templates are for their owner alone: made so whatever the umask, and
//! refused when others can read or write them.
//!
//! SQLite gives the files beside a database the database's mode, so it is the database that must be
//! right from its first byte on; the others are looked at because somebody may have copied them there.

use std::fs::{OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::StoreError;

/// Permission bits of everybody but the owner.
const OTHERS: u32 = 0o077;
/// What there is of a database, as SQLite names it, and beside it.
pub(super) const PARTS: [&str; 5] = ["", "-wal", "-shm", "-journal", REVOCATIONS];
/// What follows the database's name in that of the file that says what was taken away.
pub(super) const REVOCATIONS: &str = ".revocations";

/// Makes sure that nobody else can use the database at `path`; an empty file is made where there
/// is none.
///
/// # Errors
/// [`StoreError::Exposed`]. What keeps a file from being made, SQLite says.
pub(super) fn prepare(path: &Path) -> Result<(), StoreError> {
    let made = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(path);
    if let Ok(file) = made {
        // The umask may have taken from the owner too.
        let _ = file.set_permissions(Permissions::from_mode(0o600));
    }
    refuse_exposed(path)
}

/// Fails when others can use a part of the database at `path`.
///
/// # Errors
/// [`StoreError::Exposed`].
pub(super) fn refuse_exposed(path: &Path) -> Result<(), StoreError> {
    for part in PARTS.map(|suffix| with_suffix(path, suffix)) {
        let Ok(found) = std::fs::metadata(&part) else {
            continue;
        };
        let mode = found.permissions().mode() & 0o7777;
        if mode & OTHERS != 0 {
            return Err(StoreError::Exposed { path: part, mode });
        }
    }
    Ok(())
}

/// Takes from others what they could do with a file that is set aside.
///
/// # Errors
/// When its mode cannot be changed.
pub(super) fn close_to_others(path: &Path) -> io::Result<()> {
    let mode = std::fs::metadata(path)?.permissions().mode() & 0o700;
    std::fs::set_permissions(path, Permissions::from_mode(mode))
}

/// `path` with more at its end, as SQLite names the files beside a database.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Site, Store};

    fn mode_of(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn every_part_of_a_new_database_is_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (door, site) = (folder.path().join("door.db"), folder.path().join("site.db"));
        let store = Store::open(&door, None).unwrap();
        let site_store = Site::open(&site, "front").unwrap();
        for path in [&door, &site] {
            for suffix in ["", "-wal", "-shm"] {
                assert_eq!(mode_of(&with_suffix(path, suffix)), 0o600, "{suffix}");
            }
        }
        drop((store, site_store));
    }

    #[test]
    fn a_part_that_others_can_use_is_named_with_the_way_out() {
        let folder = tempfile::tempdir().unwrap();
        let door = folder.path().join("door.db");
        let _open = Store::open(&door, None).unwrap();
        for suffix in ["", "-wal", "-shm"] {
            let part = with_suffix(&door, suffix);
            for mode in [0o640, 0o604, 0o620, 0o644] {
                std::fs::set_permissions(&part, Permissions::from_mode(mode)).unwrap();
                let told = Store::open(&door, None).unwrap_err().to_string();
                assert!(told.contains(&part.display().to_string()), "{told}");
                assert!(told.contains("chmod 600"), "{told}");
            }
            std::fs::set_permissions(&part, Permissions::from_mode(0o600)).unwrap();
        }
        Store::open(&door, None).unwrap();
    }
}
