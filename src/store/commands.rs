//! Commands that are spent, durably: what was looked at once never counts again, not after a crash
//! either.
//!
//! A row is written in the same transaction as the events about the command. It goes when the command
//! has been over for [`SETBACK_S`] by the time of a newer command, or of the last event, so that a clock
//! that is set back cannot make a forgotten one valid again: the gate goes by the newest time on the
//! record. The rate of an operator is counted from the rows too; one that does not count has the
//! time 0.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::persons::parse;
use super::{Store, StoreError, operators};
use crate::clock::Timestamp;
use crate::command::Operator;
use crate::command::gate::{SETBACK_S, Spent};

impl Store {
    /// The operator of that name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn operator(&self, name: &str) -> Result<Option<Operator>, StoreError> {
        operators::find(&self.conn, name)
    }
}

/// Every command that is remembered, with the time at which it counted.
pub(super) fn spent(conn: &Connection) -> Result<Vec<(Spent, Option<Timestamp>)>, StoreError> {
    let mut statement =
        conn.prepare_cached("SELECT operator, id, seen_at, expires_at FROM commands_seen")?;
    let mut rows = statement.query([])?;
    let broken = |error: jiff::Error| StoreError::Content(error.to_string());
    let mut spent = Vec::new();
    while let Some(row) = rows.next()? {
        let (seen_at, expires_at): (i64, i64) = (row.get(2)?, row.get(3)?);
        let counts = seen_at > 0;
        let over = Timestamp::from_millisecond(expires_at).map_err(broken)?;
        let at = counts.then(|| Timestamp::from_millisecond(seen_at));
        let one = Spent {
            operator: row.get(0)?,
            id: row.get(1)?,
            over,
            counts,
        };
        spent.push((one, at.transpose().map_err(broken)?));
    }
    Ok(spent)
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
    let last = last_time(conn)?.map_or(0, Timestamp::as_millisecond);
    conn.prepare_cached(
        "DELETE FROM commands_seen
         WHERE expires_at + ? <= max(?, (SELECT max(seen_at) FROM commands_seen))",
    )?
    .execute([SETBACK_S * 1_000, last])?;
    Ok(())
}

/// The time of the last event that was recorded by a clock that was trusted.
fn last_time(conn: &Connection) -> Result<Option<Timestamp>, StoreError> {
    conn.prepare_cached("SELECT time FROM events WHERE clock_synced = 1 ORDER BY seq DESC LIMIT 1")?
        .query_row([], |row| Ok(parse(row, 0)))
        .optional()?
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + s).unwrap()
    }

    fn spent(id: &str, over: i64, counts: bool) -> Spent {
        Spent {
            operator: "ada".into(),
            id: id.into(),
            over: at(over),
            counts,
        }
    }

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("x.db"), None).unwrap();
        (folder, store)
    }

    #[test]
    fn a_command_is_spent_once_and_for_each_operator_by_itself() {
        let (_folder, store) = store();
        spend(&store.conn, at(0), &spent("1", 30, true)).unwrap();
        assert!(spend(&store.conn, at(0), &spent("1", 30, true)).is_err());
        let bob = Spent {
            operator: "bob".into(),
            ..spent("1", 30, true)
        };
        spend(&store.conn, at(0), &bob).unwrap();
        assert_eq!(store.spent_commands().unwrap().len(), 2);
    }

    /// What the guard forgets (`guard::spent` in the core) goes from here at the latest with the next one.
    #[test]
    fn it_is_forgotten_only_when_a_newer_one_proves_that_it_is_long_over() {
        let (_folder, store) = store();
        let known = |id: &str| {
            let spent = store.spent_commands().unwrap();
            spent.iter().any(|(spent, _)| spent.id == id)
        };
        let spend = |now: i64, one: Spent| spend(&store.conn, at(now), &one).unwrap();
        spend(0, spent("old", 30, true));
        spend(0, spent("future", 5_000, false));
        spend(500, spent("refused", 600, false));
        assert!(known("old"), "by no newer one");
        spend(89, spent("soon", 100, true));
        assert!(known("old"));
        spend(90, spent("then", 100, true));
        assert!(!known("old"));
        // By a clock that was set back nothing is forgotten, and the newest stays known.
        spend(40, spent("back", 60, true));
        for kept in ["soon", "then", "back", "future", "refused"] {
            assert!(known(kept), "{kept}");
        }
        let spent = store.spent_commands().unwrap();
        let newest = spent.iter().filter_map(|(_, at)| *at).max();
        assert_eq!(newest, Some(at(90)));
    }

    #[test]
    fn what_counts_for_nobody_is_forgotten_by_the_time_of_the_record() {
        let (_folder, mut store) = store();
        spend(&store.conn, at(0), &spent("old", 30, false)).unwrap();
        let cause = crate::event::SecureCause::Stop;
        let event = crate::event::Event::DoorSecured { cause };
        store.set_clock_synced(false);
        store.record(at(500), event.clone()).unwrap();
        spend(&store.conn, at(0), &spent("new", 600, false)).unwrap();
        assert_eq!(store.spent_commands().unwrap().len(), 2);
        store.set_clock_synced(true);
        store.record(at(90), event).unwrap();
        spend(&store.conn, at(0), &spent("newer", 600, false)).unwrap();
        let left = store.spent_commands().unwrap();
        assert!(left.iter().all(|(spent, _)| spent.id != "old"));
        assert_eq!(left.len(), 2);
    }
}
