//! Commands that are spent, durably: what was looked at once never counts again, not after a crash
//! either.
//!
//! A row is written in the same transaction as the events about the command. It goes when the command
//! has been over for [`SETBACK_S`] by the time of a *newer* command, so that a clock that is set back
//! cannot make a forgotten one valid again: the gate refuses everything while the clock stands before
//! the newest. The rate of an operator is counted from the rows too; one that does not count has the
//! time 0.

use rusqlite::{Connection, OptionalExtension, params};

use super::events::{append, enqueue};
use super::{Stamp, Store, StoreError, operators};
use crate::clock::Timestamp;
use crate::command::Operator;
use crate::command::gate::{SETBACK_S, Spent};
use crate::event::Event;
use crate::event::wire::Publication;

/// What is committed together with the carrying out of a command, or with its refusal.
#[derive(Debug, Clone, Default)]
pub struct Along {
    /// The command that is spent by it, where it is a signed one.
    pub spent: Option<Spent>,
    /// The event about it.
    pub event: Option<Event>,
    /// Whose doing it is.
    pub author: Option<String>,
}

impl Store {
    /// The operator of that name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn operator(&self, name: &str) -> Result<Option<Operator>, StoreError> {
        operators::find(&self.conn, name)
    }

    /// Whether a command is spent.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn is_spent(&self, operator: &str, id: &str) -> Result<bool, StoreError> {
        let found = self
            .conn
            .prepare_cached("SELECT 1 FROM commands_seen WHERE operator = ? AND id = ?")?
            .query_row([operator, id], |_| Ok(()))
            .optional()?;
        Ok(found.is_some())
    }

    /// When the newest command was counted.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn newest_command(&self) -> Result<Option<Timestamp>, StoreError> {
        let newest: Option<i64> = self
            .conn
            .prepare_cached("SELECT max(seen_at) FROM commands_seen WHERE seen_at > 0")?
            .query_row([], |row| row.get(0))?;
        newest
            .map(Timestamp::from_millisecond)
            .transpose()
            .map_err(|error| StoreError::Content(error.to_string()))
    }

    /// How many of an operator's commands were counted after `since`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn counted_commands(&self, operator: &str, since: Timestamp) -> Result<u32, StoreError> {
        Ok(self
            .conn
            .prepare_cached(
                "SELECT count(*) FROM commands_seen WHERE operator = ? AND seen_at > ?",
            )?
            .query_row(params![operator, since.as_millisecond().max(0)], |row| {
                row.get(0)
            })?)
    }

    /// Records what a command led to where it changes nothing else in the store.
    ///
    /// # Errors
    /// When the transaction cannot be committed, or the command is spent already; then nothing is
    /// recorded.
    pub fn record_along(&mut self, now: Timestamp, along: &Along) -> Result<(), StoreError> {
        let stamp = self.stamp.clone();
        let tx = self.write()?;
        write(&tx, &stamp, now, along)?;
        tx.commit()?;
        Ok(())
    }

    /// Queues a message that carries no event.
    ///
    /// # Errors
    /// When the transaction cannot be committed.
    pub fn publish(&mut self, publication: &Publication) -> Result<(), StoreError> {
        let tx = self.write()?;
        enqueue(&tx, publication, None)?;
        tx.commit()?;
        Ok(())
    }
}

/// The same inside a transaction that is already open.
pub(super) fn write(
    conn: &Connection,
    stamp: &Stamp,
    now: Timestamp,
    along: &Along,
) -> Result<(), StoreError> {
    if let Some(spent) = &along.spent {
        spend(conn, now, spent)?;
    }
    if let Some(event) = &along.event {
        let author = along.author.clone();
        let stamp = Stamp {
            author: author.or_else(|| stamp.author.clone()),
            ..stamp.clone()
        };
        append(conn, &stamp, now, event.clone())?;
    }
    Ok(())
}

/// Notes that a command is spent; an error when it was already.
pub(super) fn spend(conn: &Connection, now: Timestamp, spent: &Spent) -> Result<(), StoreError> {
    let seen_at = if spent.counts {
        now.as_millisecond()
    } else {
        0
    };
    conn.prepare_cached(
        "INSERT INTO commands_seen (operator, id, seen_at, expires_at) VALUES (?, ?, ?, ?)",
    )?
    .execute(params![
        spent.operator,
        spent.id,
        seen_at,
        spent.over.as_millisecond()
    ])?;
    conn.prepare_cached(
        "DELETE FROM commands_seen
         WHERE expires_at + ? <= (SELECT max(seen_at) FROM commands_seen)",
    )?
    .execute([SETBACK_S * 1_000])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + s).unwrap()
    }

    fn spent(id: &str, over: i64) -> Along {
        Along {
            spent: Some(Spent {
                operator: "ada".into(),
                id: id.into(),
                over: at(over),
                counts: true,
            }),
            ..Along::default()
        }
    }

    fn uncounted(id: &str, over: i64) -> Along {
        let mut along = spent(id, over);
        if let Some(spent) = &mut along.spent {
            spent.counts = false;
        }
        along
    }

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("x.db"), None).unwrap();
        (folder, store)
    }

    #[test]
    fn a_command_is_spent_once_and_for_each_operator_by_itself() {
        let (_folder, mut store) = store();
        store.record_along(at(0), &spent("1", 30)).unwrap();
        assert!(store.is_spent("ada", "1").unwrap());
        assert!(!store.is_spent("bob", "1").unwrap());
        assert!(store.record_along(at(0), &spent("1", 30)).is_err());
    }

    #[test]
    fn it_is_forgotten_only_when_a_newer_one_proves_that_it_is_long_over() {
        let (_folder, mut store) = store();
        store.record_along(at(0), &spent("old", 30)).unwrap();
        store
            .record_along(at(0), &uncounted("future", 5_000))
            .unwrap();
        store
            .record_along(at(500), &uncounted("refused", 600))
            .unwrap();
        assert!(store.is_spent("ada", "old").unwrap(), "by no newer one");
        store.record_along(at(89), &spent("soon", 100)).unwrap();
        assert!(store.is_spent("ada", "old").unwrap());
        store.record_along(at(90), &spent("then", 100)).unwrap();
        assert!(!store.is_spent("ada", "old").unwrap());
        // By a clock that was set back nothing is forgotten, and the newest stays known.
        store.record_along(at(40), &spent("back", 60)).unwrap();
        assert_eq!(store.newest_command().unwrap(), Some(at(90)));
        for kept in ["soon", "then", "back", "future", "refused"] {
            assert!(store.is_spent("ada", kept).unwrap(), "{kept}");
        }
    }

    #[test]
    fn the_rate_is_counted_from_what_counts() {
        let (_folder, mut store) = store();
        assert_eq!(store.newest_command().unwrap(), None);
        store.record_along(at(0), &spent("1", 30)).unwrap();
        store.record_along(at(40), &spent("2", 70)).unwrap();
        store.record_along(at(40), &uncounted("3", 70)).unwrap();
        assert_eq!(store.counted_commands("ada", at(-20)).unwrap(), 2);
        assert_eq!(store.counted_commands("ada", at(0)).unwrap(), 1);
        assert_eq!(store.counted_commands("bob", at(-20)).unwrap(), 0);
    }
}
