//! What was heard of each door, in a small SQLite file.
//!
//! Numbers, hashes, checkpoints and findings: no names, no reasons, nothing of what happened. (A
//! message is kept whole only while the one before it is missing: without it nobody could tell later
//! whether they belong together.) Nothing is ever changed or taken out: of two hashes for one number
//! both are kept, and the first counts.

mod hear;
mod schema;

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use uuid::Uuid;

pub use hear::Taken;

use super::finding::{Finding, FindingKind};
use crate::clock::{Timestamp, rfc3339_millis};
use crate::event::chain::{ChainHash, Head};
use crate::keys::{KeyError, PublicKey};
use crate::store::{StoreError, connect};

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NotesError {
    /// It cannot be opened, or others can use it.
    #[error(transparent)]
    File(#[from] StoreError),
    /// It is not there.
    #[error("there is no witness file {path}; doorward witness --file makes one", path = .0.display())]
    Missing(PathBuf),
    /// It is something else, or cannot be written.
    #[error("the witness file: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A key in it cannot be read.
    #[error("the witness file: {0}")]
    Key(#[from] KeyError),
}

/// What is known of one door.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct DoorNotes {
    /// Its CloudEvents source.
    pub door: String,
    /// Events that were heard.
    pub events: u64,
    /// The first of them.
    pub first: u64,
    /// The newest of them.
    pub newest: Head,
    /// Checkpoints that were heard.
    pub checkpoints: u64,
    /// Whether its checkpoints are verified: whether its public key is known.
    pub has_key: bool,
    /// Everything that does not fit.
    pub findings: Vec<Finding>,
}

/// The file.
#[derive(Debug)]
pub struct WitnessNotes {
    conn: Connection,
}

impl WitnessNotes {
    /// Opens the file to write in it; it is made where there is none, for its owner alone.
    ///
    /// # Errors
    /// When it cannot be opened or made, others can use it, or it is something else.
    pub fn open(path: &Path) -> Result<Self, NotesError> {
        let conn = connect(path)?;
        // One file, so that it can be copied as it is.
        conn.pragma_update(None, "journal_mode", "DELETE")?;
        conn.execute_batch(schema::SCHEMA)?;
        Ok(Self { conn })
    }

    /// Opens the file to read it.
    ///
    /// # Errors
    /// When there is none, or it is something else.
    pub fn read(path: &Path) -> Result<Self, NotesError> {
        if !path.exists() {
            return Err(NotesError::Missing(path.to_owned()));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(path, flags)?;
        // Another database would be found out only when it is asked for something.
        conn.prepare("SELECT seq, hash FROM heard LIMIT 1")?;
        Ok(Self { conn })
    }

    /// A name for the session at the broker that stays the same as long as the file does.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn client_id(&self) -> Result<String, NotesError> {
        let made = format!("doorward-witness-{}", Uuid::now_v7().simple());
        self.conn.execute(
            "INSERT OR IGNORE INTO witness (id, client_id) VALUES (1, ?)",
            [made],
        )?;
        let known = "SELECT client_id FROM witness WHERE id = 1";
        Ok(self.conn.query_row(known, [], |row| row.get(0))?)
    }

    /// Whether the broker kept a session for this file once.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn had_session(&self) -> Result<bool, NotesError> {
        let had = "UPDATE witness SET sessions = sessions + 1 RETURNING sessions";
        Ok(self.conn.query_row(had, [], |row| row.get::<_, i64>(0))? > 1)
    }

    /// Takes note of the key that a door's checkpoints are signed with.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn trust(&self, door: &str, key: &PublicKey) -> Result<(), NotesError> {
        self.conn.execute(
            "INSERT INTO keys (door, key) VALUES (?1, ?2) ON CONFLICT (door) DO UPDATE SET key = ?2",
            params![door, key.to_pem()],
        )?;
        Ok(())
    }

    fn key_of(&self, door: &str) -> Result<Option<PublicKey>, NotesError> {
        let pem: Option<String> = self
            .conn
            .prepare_cached("SELECT key FROM keys WHERE door = ?")?
            .query_row([door], |row| row.get(0))
            .optional()?;
        Ok(pem.map(|pem| PublicKey::from_pem(&pem)).transpose()?)
    }

    /// What is known of every door, by name.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn doors(&self) -> Result<Vec<DoorNotes>, NotesError> {
        let mut statement = self
            .conn
            .prepare("SELECT door FROM heard UNION SELECT door FROM checkpoints ORDER BY door")?;
        let names = statement.query_map([], |row| row.get::<_, String>(0))?;
        let names: Vec<String> = names.collect::<Result<_, _>>()?;
        names.into_iter().map(|door| self.door(door)).collect()
    }

    fn door(&self, door: String) -> Result<DoorNotes, NotesError> {
        let count = |sql: &str| -> rusqlite::Result<u64> {
            let count: i64 = self.conn.query_row(sql, [&door], |row| row.get(0))?;
            Ok(u64::try_from(count).unwrap_or_default())
        };
        let events = count("SELECT count(DISTINCT seq) FROM heard WHERE door = ?")?;
        let first = count("SELECT coalesce(min(seq), 0) FROM heard WHERE door = ?")?;
        let checkpoints = count("SELECT count(*) FROM checkpoints WHERE door = ?")?;
        Ok(DoorNotes {
            events,
            first,
            newest: self
                .newest(&door)?
                .map(|(head, _)| head)
                .unwrap_or_default(),
            checkpoints,
            has_key: self.key_of(&door)?.is_some(),
            findings: self.findings(&door)?,
            door,
        })
    }

    /// Everything that does not fit in what was heard of a door.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn findings(&self, door: &str) -> Result<Vec<Finding>, NotesError> {
        let mut statement = self
            .conn
            .prepare("SELECT finding, seq, detail FROM findings WHERE door = ? ORDER BY n")?;
        let rows = statement.query_map([door], |row| {
            let word: String = row.get(0)?;
            Ok(FindingKind::of(&word).map(|finding| Finding {
                door: door.to_owned(),
                finding,
                seq: number(row.get(1).unwrap_or_default()),
                detail: row.get(2).unwrap_or_default(),
            }))
        })?;
        let findings: Vec<Option<Finding>> = rows.collect::<Result<_, _>>()?;
        Ok(findings.into_iter().flatten().collect())
    }

    /// What a door said of its record: of each number the hash that was heard first, by events and by
    /// checkpoints that its key signed (or whose key is not known), in order.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn statements(&self, door: &str) -> Result<Vec<Head>, NotesError> {
        let mut statement = self.conn.prepare(
            "SELECT seq, hash, min(n) FROM heard WHERE door = ?1 GROUP BY seq
             UNION ALL
             SELECT seq, hash, n FROM checkpoints WHERE door = ?1 AND signed = 1
             ORDER BY seq",
        )?;
        let rows = statement.query_map([door], head)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The newest event that was heard, and its id.
    fn newest(&self, door: &str) -> Result<Option<(Head, Uuid)>, NotesError> {
        Ok(self
            .conn
            .prepare_cached(
                "SELECT seq, hash, id FROM heard WHERE door = ? ORDER BY seq DESC, n DESC LIMIT 1",
            )?
            .query_row([door], |row| {
                Ok((head(row)?, Uuid::from_bytes(row.get(2)?)))
            })
            .optional()?)
    }

    /// Keeps a finding; tells it unless it was told before.
    fn tell(
        conn: &Connection,
        finding: Finding,
        now: Timestamp,
        told: &mut Vec<Finding>,
    ) -> Result<(), NotesError> {
        let Finding { door, seq, .. } = &finding;
        let new = conn
            .prepare_cached(
                "INSERT OR IGNORE INTO findings (door, finding, seq, detail, at) VALUES (?, ?, ?, ?, ?)",
            )?
            .execute(params![
                door,
                finding.finding.as_str(),
                rowid(*seq),
                finding.detail,
                rfc3339_millis(now)
            ])?;
        if new > 0 {
            told.push(finding);
        }
        Ok(())
    }
}

fn head(row: &rusqlite::Row<'_>) -> rusqlite::Result<Head> {
    Ok(Head {
        seq: number(row.get(0)?),
        hash: ChainHash(row.get(1)?),
    })
}

fn number(rowid: i64) -> u64 {
    u64::try_from(rowid).unwrap_or_default()
}

fn rowid(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
