//! Which alarms stand, and which somebody has taken note of.
//!
//! Kept by the events themselves: whatever raises, clears or acknowledges an alarm does so here in
//! the same transaction, so that the list and the record never differ.

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;

use super::events::append;
use super::persons::parse;
use super::{Stamp, Store, StoreError};
use crate::clock::{Timestamp, rfc3339_millis};
use crate::event::{Alarm, Event};

/// An alarm as it last was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// Which.
    pub alarm: Alarm,
    /// How soon somebody should look.
    pub severity: String,
    /// Cause, in words for an operator.
    pub detail: String,
    /// When it began.
    pub raised_at: Timestamp,
    /// When it ended; absent while it stands.
    pub cleared_at: Option<Timestamp>,
    /// When somebody took note of it.
    pub acknowledged_at: Option<Timestamp>,
    /// What they said about it.
    pub note: Option<String>,
}

impl Condition {
    /// Whether somebody still has to do something about it: it stands, or nobody took note.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.cleared_at.is_none() || self.acknowledged_at.is_none()
    }
}

impl Store {
    /// Every alarm that was ever raised, the newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn conditions(&self) -> Result<Vec<Condition>, StoreError> {
        all(&self.conn)
    }

    /// Takes note of an alarm; says whether that was new.
    ///
    /// # Errors
    /// When it was never raised, or nothing can be written.
    pub fn acknowledge(
        &mut self,
        now: Timestamp,
        alarm: Alarm,
        note: Option<String>,
    ) -> Result<bool, StoreError> {
        let stamp = self.stamp.clone();
        let tx = self.write()?;
        let new = acknowledge(&tx, &stamp, now, alarm, note)?;
        tx.commit()?;
        Ok(new)
    }
}

/// Every alarm that was ever raised, the newest first.
pub(super) fn all(conn: &Connection) -> Result<Vec<Condition>, StoreError> {
    let mut statement = conn.prepare_cached(
        "SELECT alarm, severity, detail, raised_at, cleared_at, acknowledged_at,
                acknowledged_note
         FROM conditions ORDER BY raised_at DESC, alarm",
    )?;
    let mut rows = statement.query([])?;
    let mut conditions = Vec::new();
    while let Some(row) = rows.next()? {
        let time = |column| -> Result<Option<Timestamp>, StoreError> {
            let text: Option<String> = row.get(column)?;
            text.map(|_| parse(row, column)).transpose()
        };
        conditions.push(Condition {
            alarm: parse(row, 0)?,
            severity: row.get(1)?,
            detail: row.get(2)?,
            raised_at: parse(row, 3)?,
            cleared_at: time(4)?,
            acknowledged_at: time(5)?,
            note: row.get(6)?,
        });
    }
    Ok(conditions)
}

/// Takes note of an alarm inside a transaction that is already open; says whether that was new.
pub(super) fn acknowledge(
    conn: &Connection,
    stamp: &Stamp,
    now: Timestamp,
    alarm: Alarm,
    note: Option<String>,
) -> Result<bool, StoreError> {
    let acknowledged: Option<bool> = conn
        .query_row(
            "SELECT acknowledged_at IS NOT NULL FROM conditions WHERE alarm = ?",
            [alarm.as_str()],
            |row| row.get(0),
        )
        .optional()?;
    match acknowledged {
        None => Err(StoreError::NeverRaised(alarm)),
        Some(true) => Ok(false),
        Some(false) => {
            let event = Event::AlarmAcknowledged { alarm, note };
            append(conn, stamp, now, event)?;
            Ok(true)
        }
    }
}

/// Keeps the list in step with an event that is being recorded.
pub(super) fn note(conn: &Connection, event: &Event, at: Timestamp) -> Result<(), StoreError> {
    let time = rfc3339_millis(at);
    match event {
        // What begins anew has been seen by nobody, even if it stood before. What is raised of one
        // person while it stands of another, and nobody took note, is both.
        Event::AlarmRaised {
            alarm,
            severity,
            detail,
            ..
        } => {
            conn.prepare_cached(
                "INSERT INTO conditions (alarm, severity, detail, raised_at) VALUES (?, ?, ?, ?)
                 ON CONFLICT (alarm) DO UPDATE SET severity = excluded.severity,
                     detail = CASE
                         WHEN cleared_at IS NOT NULL OR acknowledged_at IS NOT NULL THEN excluded.detail
                         WHEN instr(detail, excluded.detail) > 0 THEN detail
                         ELSE detail || '; ' || excluded.detail END,
                     raised_at = excluded.raised_at, cleared_at = NULL,
                     acknowledged_at = NULL, acknowledged_note = NULL",
            )?
            .execute(params![
                alarm.as_str(),
                format!("{severity:?}").to_lowercase(),
                detail,
                time
            ])?;
        }
        Event::AlarmCleared { alarm } => {
            conn.prepare_cached(
                "UPDATE conditions SET cleared_at = ? WHERE alarm = ? AND cleared_at IS NULL",
            )?
            .execute(params![time, alarm.as_str()])?;
        }
        Event::AlarmAcknowledged { alarm, note } => {
            conn.prepare_cached(
                "UPDATE conditions SET acknowledged_at = ?, acknowledged_note = ? WHERE alarm = ?",
            )?
            .execute(params![time, note, alarm.as_str()])?;
        }
        _ => {}
    }
    Ok(())
}
