//! What goes when too much waits for the broker, or has waited for too long.
//!
//! A sweep drops what the policy names, in its order and the oldest first, and what has expired,
//! and counts both in the same transaction. It never touches what is under way, nor anything that
//! the policy does not name: that waits for as long as the disk has room. The dispatcher sweeps
//! every second, so that the commit on the way to the relay pays for nothing but the count that
//! triggers keep; for that second the outbox may be larger than its limit.
//!
//! A message of QoS 0 that was just handed to the socket still counts as queued, and may be
//! counted as dropped although it was sent.

use rusqlite::{Connection, ToSql, params, params_from_iter};

use super::level::Size;
use super::rows::number;
use super::stage;
use crate::clock::Timestamp;
use crate::config::{Droppable, OutboxConfig};
use crate::event::{Class, DropReason, Event, Recorded};
use crate::store::events::append;
use crate::store::{Store, StoreError};

/// Messages that go in one transaction: the journal may have to wait for it.
const AT_ONCE: usize = 500;

/// How much may wait, and what goes beyond that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Messages.
    pub messages: u64,
    /// Bytes of payload.
    pub bytes: u64,
    /// What is dropped, in this order.
    pub drop: Vec<Droppable>,
}

impl Limits {
    /// As `[outbox]` says.
    #[must_use]
    pub fn from_config(config: &OutboxConfig) -> Self {
        Self {
            messages: config.max_messages,
            bytes: config.max_mib.saturating_mul(1 << 20),
            drop: config.drop.clone(),
        }
    }
}

/// What a sweep took away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Messages that were too old.
    pub expired: u64,
    /// Messages that were too many.
    pub dropped: u64,
}

/// What was dropped of one class for one reason, since the database was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Dropped {
    /// Which class.
    pub class: Class,
    /// Why.
    pub reason: DropReason,
    /// How many.
    pub messages: u64,
    /// How many of them an event has told of.
    pub reported: u64,
}

impl Droppable {
    /// Which queued rows it names. Retained summaries are never many, and nobody would repeat them.
    fn rows(self) -> &'static str {
        match self {
            Droppable::Telemetry => concat!(stage!(queued), " AND class = 'telemetry'"),
            Droppable::Snapshot => concat!(stage!(queued), " AND class = 'snapshot'"),
            Droppable::Qos0 => {
                concat!(
                    stage!(queued),
                    " AND qos = 0 AND retain = 0 AND class NOT IN ('telemetry', 'snapshot')"
                )
            }
        }
    }
}

impl Store {
    /// How much waits for the broker; costs the same however much it is.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn outbox_size(&self) -> Result<Size, StoreError> {
        size(&self.conn)
    }

    /// Drops some of what has expired at `now`, or is beyond the limits; call it again until it
    /// takes nothing away. Writes nothing when there is nothing to do.
    ///
    /// # Errors
    /// When the transaction cannot be committed; then everything is still there.
    pub fn sweep_outbox(&mut self, now: Timestamp, limits: &Limits) -> Result<Swept, StoreError> {
        let now = now.as_millisecond();
        if !has_expired(&self.conn, now)? && !may_drop(&self.conn, limits)? {
            return Ok(Swept::default());
        }
        let tx = self.write()?;
        let swept = Swept {
            expired: expire(&tx, now)?,
            dropped: drop_beyond(&tx, limits)?,
        };
        tx.commit()?;
        Ok(swept)
    }

    /// What was ever dropped.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn dropped(&self) -> Result<Vec<Dropped>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT class, reason, messages, reported FROM outbox_dropped ORDER BY class, reason",
        )?;
        let mut rows = statement.query([])?;
        let mut dropped = Vec::new();
        while let Some(row) = rows.next()? {
            dropped.push(Dropped {
                class: word(&row.get::<_, String>(0)?)?,
                reason: word(&row.get::<_, String>(1)?)?,
                messages: number(row, 2)?,
                reported: number(row, 3)?,
            });
        }
        Ok(dropped)
    }

    /// Records what was dropped of one class for one reason since it was last recorded; nothing
    /// when that is nothing.
    ///
    /// # Errors
    /// When the transaction cannot be committed; then nothing counts as recorded.
    pub fn report_dropped(
        &mut self,
        now: Timestamp,
        class: Class,
        reason: DropReason,
    ) -> Result<Option<Recorded>, StoreError> {
        let stamp = self.stamp.clone();
        let tx = self.write()?;
        let key = params![class.as_str(), reason.as_str()];
        let messages: u64 = tx
            .prepare_cached(
                "SELECT coalesce(sum(messages - reported), 0) FROM outbox_dropped
                 WHERE class = ? AND reason = ?",
            )?
            .query_row(key, |row| number(row, 0))?;
        if messages == 0 {
            return Ok(None);
        }
        tx.prepare_cached(
            "UPDATE outbox_dropped SET reported = messages WHERE class = ? AND reason = ?",
        )?
        .execute(key)?;
        let event = Event::DeliveryDropped {
            class,
            reason,
            messages,
        };
        let recorded = append(&tx, &stamp, now, event)?;
        tx.commit()?;
        Ok(Some(recorded))
    }
}

pub(super) fn size(conn: &Connection) -> Result<Size, StoreError> {
    Ok(conn
        .prepare_cached("SELECT messages, bytes FROM outbox_size")?
        .query_row([], |row| {
            Ok(Size {
                messages: number(row, 0)?,
                bytes: number(row, 1)?,
            })
        })?)
}

fn has_expired(conn: &Connection, now: i64) -> Result<bool, StoreError> {
    Ok(conn
        .prepare_cached(concat!(
            "SELECT EXISTS (SELECT 1 FROM outbox WHERE expires_at <= ? AND ",
            stage!(at_rest),
            ")"
        ))?
        .query_row([now], |row| row.get(0))?)
}

fn may_drop(conn: &Connection, limits: &Limits) -> Result<bool, StoreError> {
    if !size(conn)?.exceeds(limits) {
        return Ok(false);
    }
    for droppable in &limits.drop {
        let rows = droppable.rows();
        let some: bool = conn
            .prepare_cached(&format!(
                "SELECT EXISTS (SELECT 1 FROM outbox WHERE {rows})"
            ))?
            .query_row([], |row| row.get(0))?;
        if some {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What expired while it waited goes, and is counted; what was refused goes without a word: a
/// picture that no broker wants must not stay for ever either.
fn expire(conn: &Connection, now: i64) -> Result<u64, StoreError> {
    conn.prepare_cached(concat!(
        "DELETE FROM outbox WHERE ",
        stage!(rejected),
        " AND expires_at <= ?"
    ))?
    .execute([now])?;
    let mut statement = conn.prepare_cached(concat!(
        "SELECT seq, class FROM outbox WHERE ",
        stage!(queued),
        " AND expires_at <= ?
         ORDER BY expires_at LIMIT ?"
    ))?;
    let limit = i64::try_from(AT_ONCE).unwrap_or(i64::MAX);
    let rows = statement.query_map([now, limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let rows: Vec<(i64, String)> = rows.collect::<Result<_, _>>()?;
    remove(conn, &rows, DropReason::Expired)
}

fn drop_beyond(conn: &Connection, limits: &Limits) -> Result<u64, StoreError> {
    let mut gone = 0;
    for droppable in &limits.drop {
        let now = size(conn)?;
        if !now.exceeds(limits) {
            break;
        }
        let rows = oldest(conn, *droppable, &now, limits)?;
        gone += remove(conn, &rows, DropReason::Limit)?;
    }
    Ok(gone)
}

/// The oldest rows of a kind, as many as bring the outbox down to its limits, or all of them.
fn oldest(
    conn: &Connection,
    droppable: Droppable,
    now: &Size,
    limits: &Limits,
) -> Result<Vec<(i64, String)>, StoreError> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT seq, class, length(payload) FROM outbox WHERE {} ORDER BY seq LIMIT ?",
        droppable.rows()
    ))?;
    let mut rows = statement.query([i64::try_from(AT_ONCE).unwrap_or(i64::MAX)])?;
    let mut left = *now;
    let mut oldest = Vec::new();
    while left.exceeds(limits)
        && let Some(row) = rows.next()?
    {
        oldest.push((row.get(0)?, row.get(1)?));
        left.messages = left.messages.saturating_sub(1);
        left.bytes = left.bytes.saturating_sub(number(row, 2)?);
    }
    Ok(oldest)
}

/// Deletes rows that are still queued, and counts them.
fn remove(
    conn: &Connection,
    rows: &[(i64, String)],
    reason: DropReason,
) -> Result<u64, StoreError> {
    let mut delete = conn.prepare_cached(concat!(
        "DELETE FROM outbox WHERE seq = ? AND ",
        stage!(queued)
    ))?;
    let mut count = conn.prepare_cached(
        "INSERT INTO outbox_dropped (class, reason, messages) VALUES (?, ?, ?)
         ON CONFLICT (class, reason) DO UPDATE SET messages = messages + excluded.messages",
    )?;
    let mut gone = 0;
    for (seq, class) in rows {
        let deleted = delete.execute([seq])?;
        let messages = i64::try_from(deleted).unwrap_or_default();
        let values: [&dyn ToSql; 3] = [class, &reason.as_str(), &messages];
        count.execute(params_from_iter(values))?;
        gone += u64::try_from(deleted).unwrap_or_default();
    }
    Ok(gone)
}

/// A word of the database as the type that it names.
pub(super) fn word<T: serde::de::DeserializeOwned>(word: &str) -> Result<T, StoreError> {
    serde_json::from_value(word.into()).map_err(|error| StoreError::Content(error.to_string()))
}

#[cfg(test)]
mod tests;
