//! A copy of the database, made while it is in use.
//!
//! The copy is of one instant: it is read inside one transaction, which keeps nobody from
//! writing meanwhile. It takes its place only when it is whole, sound and on the disk; until
//! then the one before stays where it is, and afterwards as `<target>.1`. It is one file that
//! needs no other, readable by its owner alone: it holds what the database holds.
//!
//! Never here: what becomes of a backup. [`crate::store::recover`] restores it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::health::{Depth, FileIdentity, structure};
use super::space::free_space;
use super::{Store, StoreError, folder_of};

/// Pages copied between two looks at whether to go on: about a megabyte.
const STEP: i32 = 256;
/// What a copy must leave free on its disk, beside its own size.
const RESERVE: u64 = 1 << 20;

/// How far a copy has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Pages that are copied.
    pub done: u64,
    /// All pages.
    pub total: u64,
}

/// `path` with `.word` at its end.
pub(super) fn beside(path: &Path, word: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(word);
    name.into()
}

/// Where the backup before the newest one is.
#[must_use]
pub fn previous(backup: &Path) -> PathBuf {
    beside(backup, "1")
}

impl Store {
    /// Makes a backup at `target`; the one that is there becomes the previous one.
    ///
    /// `progress` is told how far it is, and may break it off.
    ///
    /// # Errors
    /// When it cannot be made or is not sound; then what was at `target` still is.
    pub fn backup_to(
        &self,
        target: &Path,
        progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.ensure_in_place()?;
        let failed = |source| StoreError::Backup {
            target: target.to_owned(),
            source,
        };
        if FileIdentity::of(target).is_ok_and(|found| found == self.identity) {
            return Err(failed(io::Error::other("this is the database itself")));
        }
        let copy = Partial::create(&beside(target, "partial")).map_err(failed)?;
        copy.fill_from(&self.conn, progress)?;
        if target.exists() {
            std::fs::rename(target, previous(target)).map_err(failed)?;
        }
        copy.put_at(target).map_err(failed)
    }
}

/// A database file in the making. Dropped before it is put in place, it is removed.
#[derive(Debug)]
pub(super) struct Partial {
    path: PathBuf,
    /// Locked, so that two processes never write one file.
    file: File,
    placed: bool,
}

impl Partial {
    /// An empty file at `path`, in place of what an earlier attempt may have left there.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(busy()),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Whoever held the lock before may have put the file in its place meanwhile.
        if FileIdentity::of(path)? != FileIdentity::from(&file.metadata()?) {
            return Err(busy());
        }
        file.set_len(0)?;
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            placed: false,
        })
    }

    /// Where it is made.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Copies a whole database into it and makes sure that the copy is sound.
    pub(super) fn fill_from(
        &self,
        source: &Connection,
        mut progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let mut copy = Connection::open(&self.path)?;
        // Nobody needs half a copy: whether it is on the disk is asked once, at the end.
        copy.pragma_update(None, "journal_mode", "OFF")?;
        copy.pragma_update(None, "synchronous", "OFF")?;
        {
            // Other connections' commits would start the copy anew, again and again.
            let instant = source.unchecked_transaction()?;
            let size: i64 = instant.query_row(
                "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
                [],
                |row| row.get(0),
            )?;
            self.ensure_room_for(u64::try_from(size).unwrap_or_default())?;
            let backup = Backup::new(source, &mut copy)?;
            loop {
                let step = backup.step(STEP)?;
                let at = backup.progress();
                let total = u64::try_from(at.pagecount).unwrap_or_default();
                let remaining = u64::try_from(at.remaining).unwrap_or_default();
                let done = total.saturating_sub(remaining);
                if progress(Progress { done, total }).is_break() {
                    return Err(StoreError::BackupStopped);
                }
                match step {
                    StepResult::Done => break,
                    StepResult::More => {}
                    _ => std::thread::yield_now(),
                }
            }
        }
        self.make_single(copy)
    }

    /// Makes sure that the database in it is sound, and that it is all in this one file.
    pub(super) fn make_single(&self, copy: Connection) -> Result<(), StoreError> {
        let mode: String =
            copy.pragma_update_and_check(None, "journal_mode", "DELETE", |row| row.get(0))?;
        if mode != "delete" {
            return Err(StoreError::Backup {
                target: self.path.clone(),
                source: io::Error::other(format!("its log stays apart from it ({mode})")),
            });
        }
        let findings = structure(&copy, Depth::Full)?;
        copy.close().map_err(|(_, error)| error)?;
        match findings.into_iter().next() {
            None => Ok(()),
            Some(finding) => Err(StoreError::Unsound { finding }),
        }
    }

    fn ensure_room_for(&self, size: u64) -> Result<(), StoreError> {
        let folder = folder_of(&self.path);
        let free = free_space(folder).map_err(|source| StoreError::Folder {
            folder: folder.to_owned(),
            source,
        })?;
        let needed = size.saturating_add(RESERVE);
        if free < needed {
            return Err(StoreError::NoRoom {
                folder: folder.to_owned(),
                needed,
                free,
            });
        }
        Ok(())
    }

    /// Gives it its name, for good: on the disk when this returns.
    pub(super) fn put_at(mut self, target: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        std::fs::rename(&self.path, target)?;
        self.placed = true;
        File::open(folder_of(target))?.sync_all()
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.placed
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            let path = self.path.display();
            tracing::debug!(%error, %path, "an unfinished copy was not removed");
        }
    }
}

fn busy() -> io::Error {
    io::Error::other("another process makes one just now; wait until it is done")
}
