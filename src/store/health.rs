//! Whether the database file is sound, and still the one that was opened.
//!
//! An examination never repairs, moves or writes anything, not even the write-ahead log. Flows in: a path or a connection. Flows out: findings in SQLite's
//! words, few enough to be read; [`crate::store::recover`] acts on them.
//!
//! SQLite goes on writing into a file that was deleted, renamed or replaced, and says so to
//! nobody: every event would be gone with the process. [`FileIdentity`] is what tells.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::outbox::stage;
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

/// How much is in a database.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Contents {
    /// Newest migration it has seen.
    pub schema_version: i64,
    /// People.
    pub people: u64,
    /// Their templates, of all models.
    pub templates: u64,
    /// Kept photos.
    pub photos: u64,
    /// Events.
    pub events: u64,
    /// Number of the last event; 0 for none.
    pub last_seq: u64,
    /// Messages that the broker has not confirmed.
    pub waiting: u64,
}

impl Store {
    /// How much is in it.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn contents(&self) -> Result<Contents, StoreError> {
        let number = |sql: &str| -> Result<u64, StoreError> {
            let found: i64 = self.conn.query_row(sql, [], |row| row.get(0))?;
            Ok(u64::try_from(found).unwrap_or_default())
        };
        Ok(Contents {
            schema_version: super::schema_version(&self.conn)?.unwrap_or_default(),
            people: number("SELECT count(*) FROM persons")?,
            templates: number("SELECT count(*) FROM templates")?,
            photos: number("SELECT count(*) FROM photos")?,
            events: number("SELECT count(*) FROM events")?,
            last_seq: number("SELECT coalesce(max(seq), 0) FROM events")?,
            waiting: number(concat!(
                "SELECT count(*) FROM outbox WHERE ",
                stage!(waiting)
            ))?,
        })
    }

    /// Writes the database anew without its unused pages; nobody else can write meanwhile.
    ///
    /// # Errors
    /// When somebody else uses it, or there is not enough room; then nothing has changed.
    pub fn vacuum(&self) -> Result<(), StoreError> {
        self.ensure_in_place()?;
        self.conn.execute_batch("VACUUM")?;
        self.empty_log();
        Ok(())
    }

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
