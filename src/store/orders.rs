//! The mode an operator chose for a door: it outlives a restart, and ends at its time.

use rusqlite::{Connection, OptionalExtension, params};

use super::events::append;
use super::persons::parse;
use super::{Stamp, Store, StoreError};
use crate::clock::{Timestamp, rfc3339_millis};
use crate::event::{Event, Mode};
use crate::guard::ModeOrder;

impl Store {
    /// Orders a mode for `door`, or leaves it to the schedule again; says whether anything changed.
    ///
    /// # Errors
    /// When a door were to stay unlocked without an end, the end has passed, or nothing can be
    /// written.
    pub fn set_mode(
        &mut self,
        now: Timestamp,
        door: &str,
        order: Option<ModeOrder>,
    ) -> Result<bool, StoreError> {
        let stamp = self.stamp.clone();
        let tx = self.write()?;
        let changed = set(&tx, &stamp, now, door, order)?;
        tx.commit()?;
        Ok(changed)
    }

    /// The order that stands for `door` now; nothing when it is over or the schedule governs.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn mode_order(&self, door: &str, now: Timestamp) -> Result<Option<ModeOrder>, StoreError> {
        let order = read(&self.conn, door)?;
        Ok(order.filter(|(_, until)| until.is_none_or(|until| until > now)))
    }
}

/// Orders a mode inside a transaction that is already open; says whether anything changed.
pub(super) fn set(
    conn: &Connection,
    stamp: &Stamp,
    now: Timestamp,
    door: &str,
    order: Option<ModeOrder>,
) -> Result<bool, StoreError> {
    match order {
        Some((Mode::Unlocked, None)) => return Err(StoreError::UnlockedWithoutEnd),
        Some((_, Some(until))) if until <= now => return Err(StoreError::EndHasPassed(until)),
        _ => {}
    }
    // The record has milliseconds; what is compared must have been read from there too.
    let order = order.map(|(mode, until)| (mode, until.map(rfc3339_millis)));
    let stored = read(conn, door)?;
    let standing = stored.map(|(mode, until)| (mode, until.map(rfc3339_millis)));
    let over = |until: &String| *until <= rfc3339_millis(now);
    let standing = standing.filter(|(_, until)| !until.as_ref().is_some_and(over));
    if standing == order {
        return Ok(false);
    }
    let (mode, until) = match &order {
        Some((mode, until)) => {
            conn.execute(
                "INSERT INTO orders (door, mode, until) VALUES (?, ?, ?)
                 ON CONFLICT (door) DO UPDATE SET mode = excluded.mode, until = excluded.until",
                params![door, mode.as_str(), until],
            )?;
            (Some(*mode), until.as_deref())
        }
        None => {
            conn.execute("DELETE FROM orders WHERE door = ?", [door])?;
            (None, None)
        }
    };
    let until = until
        .map(|text| text.parse::<Timestamp>())
        .transpose()
        .map_err(|error| StoreError::Content(error.to_string()))?;
    append(conn, stamp, now, Event::ModeSet { mode, until })?;
    Ok(true)
}

pub(super) fn read(conn: &Connection, door: &str) -> Result<Option<ModeOrder>, StoreError> {
    conn.prepare_cached("SELECT mode, until FROM orders WHERE door = ?")?
        .query_row([door], |row| {
            let mode = row.get_ref(0)?.as_str().unwrap_or_default();
            let mode = mode.parse().unwrap_or(Mode::Normal);
            let until: Option<String> = row.get(1)?;
            Ok(until
                .is_some()
                .then(|| parse(row, 1))
                .transpose()
                .map(|until| (mode, until)))
        })
        .optional()?
        .transpose()
}
