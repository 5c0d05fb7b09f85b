//! Whether the database file is sound, and still the one that was opened.
//!
//! Looks only: it never repairs, moves or writes anything, not even the write-ahead log of a
//! file that it examines. Flows in: a path or a connection. Flows out: findings in SQLite's
//! words, few enough to be read; [`crate::store::recover`] acts on them.
//!
//! SQLite goes on writing into a file that was deleted, renamed or replaced, and says so to
//! nobody: every event would be gone with the process. [`FileIdentity`] is what tells.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::{BUSY_TIMEOUT, Store, StoreError};

/// Findings that are reported; a damaged page can have thousands.
pub const FINDINGS: usize = 20;

/// How thoroughly to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Every page once; not whether indexes and tables agree.
    Quick,
    /// Everything, indexes and constraints too.
    Full,
}

/// Which file a path leads to, whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileIdentity {
    device: u64,
    inode: u64,
}

impl FileIdentity {
    /// The file at `path` now.
    ///
    /// # Errors
    /// When there is none, or it cannot be asked.
    pub fn of(path: &Path) -> io::Result<Self> {
        std::fs::metadata(path).map(|metadata| Self::from(&metadata))
    }

    /// Fails when `path` no longer leads to this file. Costs one look at the folder.
    pub(super) fn ensure_at(self, path: &Path) -> Result<(), StoreError> {
        match Self::of(path) {
            Ok(found) if found == self => Ok(()),
            _ => Err(StoreError::Vanished {
                path: path.to_owned(),
            }),
        }
    }
}

impl From<&std::fs::Metadata> for FileIdentity {
    fn from(metadata: &std::fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

impl Store {
    /// Fails when the file was deleted, renamed or replaced since it was opened.
    ///
    /// # Errors
    /// [`StoreError::Vanished`].
    pub fn ensure_in_place(&self) -> Result<(), StoreError> {
        self.identity.ensure_at(&self.path)
    }
}

/// What is wrong with the database at `path`; empty when nothing is. The file is left as it is.
///
/// # Errors
/// When it cannot be examined: that says nothing about its soundness.
pub fn check(path: &Path, depth: Depth) -> Result<Vec<String>, StoreError> {
    let conn = look_at(path)?;
    let mut findings = structure(&conn, depth)?;
    if findings.is_empty() && depth == Depth::Full {
        findings = orphans(&conn)?;
    }
    Ok(findings)
}

/// A connection that changes nothing about the file.
pub(super) fn look_at(path: &Path) -> Result<Connection, StoreError> {
    let open = |source| StoreError::Open {
        path: path.to_owned(),
        source,
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(open)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        .map_err(open)?;
    conn.busy_timeout(BUSY_TIMEOUT).map_err(open)?;
    Ok(conn)
}

/// What is wrong with pages, tables and (in full) indexes.
pub(super) fn structure(conn: &Connection, depth: Depth) -> Result<Vec<String>, StoreError> {
    let pragma = match depth {
        Depth::Quick => "quick_check",
        Depth::Full => "integrity_check",
    };
    let mut findings = collect(conn, &format!("PRAGMA {pragma}({FINDINGS})"), |row| {
        row.get(0)
    })?;
    findings.retain(|finding| finding != "ok");
    Ok(findings)
}

/// Rows whose owner is gone.
fn orphans(conn: &Connection) -> Result<Vec<String>, StoreError> {
    collect(conn, "PRAGMA foreign_key_check", |row| {
        let (table, parent): (String, String) = (row.get(0)?, row.get(2)?);
        let row: Option<i64> = row.get(1)?;
        let row = row.unwrap_or_default();
        Ok(format!(
            "row {row} of {table} belongs to none of its {parent}"
        ))
    })
}

/// The first rows of a check. That it cannot be read to its end for damage is a finding too.
fn collect(
    conn: &Connection,
    sql: &str,
    read: impl Fn(&rusqlite::Row<'_>) -> rusqlite::Result<String>,
) -> Result<Vec<String>, StoreError> {
    let mut findings = Vec::new();
    let mut ask = || -> rusqlite::Result<()> {
        let mut statement = conn.prepare(sql)?;
        let mut rows = statement.query([])?;
        while findings.len() < FINDINGS
            && let Some(row) = rows.next()?
        {
            findings.push(read(row)?);
        }
        Ok(())
    };
    match ask().map_err(StoreError::from) {
        Ok(()) => {}
        Err(StoreError::Damaged(error)) => findings.push(error.to_string()),
        Err(error) => return Err(error),
    }
    Ok(findings)
}
