//! What the guard goes by, read in one piece.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _};

use super::persons::parse;
use super::{Store, StoreError, commands, conditions, operators, orders, rules, subjects};
use crate::clock::Timestamp;
use crate::command::gate::{SETBACK_S, Spent};
use crate::event::Alarm;
use crate::guard::{Facts, Times};

impl Store {
    /// What stands here, unless it is what is `known` already. When it was read, and what another
    /// file knows, is the caller's to add.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn facts(&mut self, door: &str, known: &Facts) -> Result<Option<Facts>, StoreError> {
        // One snapshot: rules and people that were true at the same time.
        let tx = self.conn.transaction()?;
        let revision = rules::revision(&tx)?;
        if known.read_at.is_some() && known.revision == revision {
            return Ok(None);
        }
        let facts = Facts {
            revision,
            rules: Arc::new(rules::read_rules(&tx)?),
            people: Arc::new(subjects::all(&tx)?),
            operators: Arc::new(operators::all(&tx)?),
            order: orders::read(&tx, door)?,
            acknowledged: Arc::new(acknowledged(&tx)?),
            ..Facts::default()
        };
        Ok(Some(facts))
    }

    /// Commands that are spent, each with the time at which it counted.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn spent_commands(&self) -> Result<Vec<(Spent, Option<Timestamp>)>, StoreError> {
        commands::spent(&self.conn)
    }

    /// What the record says about time: how far it has come, and from when on commands count.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn times(&self, now: Timestamp) -> Result<Times, StoreError> {
        let conditions = conditions::all(&self.conn)?;
        let of = |alarm| conditions.iter().rfind(|found| found.alarm == alarm);
        let restored = of(Alarm::Restored);
        let restored = restored.map(|alarm| alarm.acknowledged_at.max(Some(alarm.raised_at)));
        let noted = of(Alarm::Clock).and_then(|alarm| alarm.acknowledged_at);
        Ok(Times {
            newest: newest(&self.conn, now)?,
            noted,
            not_before: restored.flatten().max(noted),
        })
    }
}

/// The newest time on the record. A clock that was ahead left events of the future: those from before
/// somebody took note of that say nothing.
fn newest(conn: &Connection, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
    let newest = |after: i64| -> Result<Option<Timestamp>, StoreError> {
        conn.prepare_cached(
            "SELECT time FROM events WHERE clock_synced = 1 AND seq > ? ORDER BY time DESC LIMIT 1",
        )?
        .query_row([after], |row| Ok(parse(row, 0)))
        .optional()?
        .transpose()
    };
    let all = newest(0)?;
    let setback = jiff::SignedDuration::from_secs(SETBACK_S);
    if all.is_none_or(|all| all.duration_since(now) <= setback) {
        return Ok(all);
    }
    // Looked for only then: the whole record may have to be read for it.
    let noted: Option<i64> = conn.query_row(
        "SELECT max(seq) FROM events
         WHERE kind = 'alarm.acknowledged' AND data ->> 'alarm' = ?",
        [Alarm::Clock.as_str()],
        |row| row.get(0),
    )?;
    match noted {
        // From the word on, itself included.
        Some(seq) => newest(seq - 1),
        None => Ok(all),
    }
}

/// When somebody took note of each alarm.
fn acknowledged(conn: &Connection) -> Result<BTreeMap<Alarm, Timestamp>, StoreError> {
    let noted = conditions::all(conn)?.into_iter();
    Ok(noted
        .filter_map(|condition| Some((condition.alarm, condition.acknowledged_at?)))
        .collect())
}
