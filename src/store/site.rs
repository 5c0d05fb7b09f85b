//! What the doors of one site tell each other: who is in which area, and which door is engaged.
//!
//! A small database of its own, shared by the services of one machine; each door keeps its own
//! record. People are known by name here, because every door has its own ids. Holds no template,
//! decides nothing, and is no part of the record. Flows in: passages, doors that become engaged or
//! free. Flows out: presences, and whether another door is engaged.
//!
//! A door is engaged while it is released or open. One that dies engaged stays so until it starts
//! again: an interlock that does not know keeps the other door locked.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::StoreError;
use crate::access::rules::Presence;
use crate::clock::{Timestamp, rfc3339_millis};

/// Made at first use; the file holds only what is true at the moment, so that there is nothing to
/// migrate.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS presence (
        person TEXT PRIMARY KEY COLLATE NOCASE,
        area   TEXT,
        door   TEXT NOT NULL,
        at     TEXT NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS engaged (
        door TEXT PRIMARY KEY,
        at   TEXT NOT NULL
    ) STRICT;";

/// A connection to the site's file.
#[derive(Debug)]
pub struct Site {
    conn: Connection,
    door: String,
}

impl Site {
    /// Opens the file, as the door of this name.
    ///
    /// # Errors
    /// When the file cannot be opened or is not a database.
    pub fn open(path: &Path, door: &str) -> Result<Self, StoreError> {
        let conn = super::connect(path)?;
        conn.execute_batch(SCHEMA)?;
        Ok(Self {
            conn,
            door: door.to_owned(),
        })
    }

    /// Where somebody was last let in, through whichever door.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn presence(&self, person: &str) -> Result<Option<Presence>, StoreError> {
        let row = self
            .conn
            .prepare_cached("SELECT area, door, at FROM presence WHERE person = ?")?
            .query_row([person], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?))
            })
            .optional()?;
        row.map(|(area, door, at)| {
            let broken = |error| StoreError::Content(format!("presence {at:?}: {error}"));
            let at = at.parse().map_err(broken)?;
            Ok(Presence { area, door, at })
        })
        .transpose()
    }

    /// Where everybody was last let in, by their names in lower case.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn presences(&self) -> Result<BTreeMap<String, Presence>, StoreError> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT person, area, door, at FROM presence")?;
        let mut rows = statement.query([])?;
        let mut presences = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let (person, at): (String, String) = (row.get(0)?, row.get(3)?);
            let broken = |error| StoreError::Content(format!("presence {at:?}: {error}"));
            let presence = Presence {
                area: row.get(1)?,
                door: row.get(2)?,
                at: at.parse().map_err(broken)?,
            };
            presences.insert(person.to_ascii_lowercase(), presence);
        }
        Ok(presences)
    }

    /// Somebody passed this door.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn passed(
        &self,
        person: &str,
        area: Option<&str>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.conn
            .prepare_cached(
                "INSERT OR REPLACE INTO presence (person, area, door, at) VALUES (?, ?, ?, ?)",
            )?
            .execute(params![person, area, self.door, rfc3339_millis(at)])?;
        Ok(())
    }

    /// Somebody has another name.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn rename(&self, person: &str, new_name: &str) -> Result<(), StoreError> {
        self.conn.execute(
            "UPDATE OR REPLACE presence SET person = ? WHERE person = ?",
            [new_name, person],
        )?;
        Ok(())
    }

    /// Nobody knows any more where somebody is.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn forget(&self, person: &str) -> Result<(), StoreError> {
        self.conn
            .execute("DELETE FROM presence WHERE person = ?", [person])?;
        Ok(())
    }

    /// Whether one of these doors is engaged.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn others_engaged(&self, doors: &[String]) -> Result<bool, StoreError> {
        any_engaged(&self.conn, doors)
    }

    /// Engages this door, unless one of the others is; false then. Two doors that try in the same
    /// instant are told apart by the file's lock.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn engage(&mut self, others: &[String], at: Timestamp) -> Result<bool, StoreError> {
        let tx = self
            .conn
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        if any_engaged(&tx, others)? {
            return Ok(false);
        }
        engage(&tx, &self.door, at)?;
        tx.commit()?;
        Ok(true)
    }

    /// This door is engaged, whatever the others are: somebody left, or it stands open.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn engage_anyway(&self, at: Timestamp) -> Result<(), StoreError> {
        engage(&self.conn, &self.door, at)
    }

    /// This door is secured and shut.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn disengage(&self) -> Result<(), StoreError> {
        self.conn
            .execute("DELETE FROM engaged WHERE door = ?", [&self.door])?;
        Ok(())
    }
}

fn engage(conn: &Connection, door: &str, at: Timestamp) -> Result<(), StoreError> {
    conn.execute(
        "INSERT OR REPLACE INTO engaged (door, at) VALUES (?, ?)",
        params![door, rfc3339_millis(at)],
    )?;
    Ok(())
}

fn any_engaged(conn: &Connection, doors: &[String]) -> Result<bool, StoreError> {
    let mut statement = conn.prepare_cached("SELECT 1 FROM engaged WHERE door = ?")?;
    for door in doors {
        if statement.exists([door])? {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_doors_only_one_is_engaged_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("site.db");
        let mut outer = Site::open(&path, "outer").unwrap();
        let mut inner = Site::open(&path, "inner").unwrap();
        let now = Timestamp::UNIX_EPOCH;
        let (of_outer, of_inner) = (["inner".to_owned()], ["outer".to_owned()]);
        assert!(outer.engage(&of_outer, now).unwrap());
        assert!(!inner.engage(&of_inner, now).unwrap());
        assert!(inner.others_engaged(&of_inner).unwrap());
        outer.disengage().unwrap();
        assert!(inner.engage(&of_inner, now).unwrap());
        assert!(!outer.engage(&of_outer, now).unwrap());
        // Somebody leaves through the outer one all the same.
        outer.engage_anyway(now).unwrap();
        assert!(inner.others_engaged(&of_inner).unwrap());
    }

    #[test]
    fn a_passage_at_one_door_is_known_at_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("site.db");
        let outer = Site::open(&path, "outer").unwrap();
        let inner = Site::open(&path, "inner").unwrap();
        let at = "2026-03-29T01:00:00Z".parse().unwrap();
        outer.passed("Ada", Some("lobby"), at).unwrap();
        let presence = inner.presence("ada").unwrap().unwrap();
        assert_eq!(presence.area.as_deref(), Some("lobby"));
        assert_eq!((presence.door.as_str(), presence.at), ("outer", at));
        inner.rename("Ada", "Ada Lovelace").unwrap();
        assert_eq!(outer.presence("Ada").unwrap(), None);
        assert!(outer.presence("Ada Lovelace").unwrap().is_some());
        inner.forget("ADA LOVELACE").unwrap();
        assert_eq!(outer.presence("Ada Lovelace").unwrap(), None);
    }
}
