//! What is in the outbox, for people and for telemetry; and another try for what was refused.

use rusqlite::{Connection, params};

use super::limits::size;
use super::rows::number;
use super::stage;
use super::{Depth, Size};
use crate::store::{Store, StoreError};

/// How many messages of one class wait.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Waiting {
    /// Topic class.
    pub class: String,
    /// Not handed over yet.
    pub queued: u64,
    /// Sent, not confirmed.
    pub under_way: u64,
    /// Refused and kept for inspection.
    pub refused: u64,
}

/// Everything in the outbox.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Holdings {
    /// By class, sorted.
    pub classes: Vec<Waiting>,
    /// What waits, in all.
    pub size: Size,
    /// Whether there is a session with a broker to resume.
    pub session: bool,
}

impl Store {
    /// Looks at every row of the outbox.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn outbox_holdings(&self) -> Result<Holdings, StoreError> {
        let mut statement = self.conn.prepare_cached(concat!(
            "SELECT class, count(*) FILTER (WHERE ",
            stage!(queued),
            "), count(*) FILTER (WHERE ",
            stage!(under_way),
            "),
                    count(*) FILTER (WHERE ",
            stage!(rejected),
            ")
             FROM outbox GROUP BY class ORDER BY class"
        ))?;
        let rows = statement.query_map([], |row| {
            Ok(Waiting {
                class: row.get(0)?,
                queued: number(row, 1)?,
                under_way: number(row, 2)?,
                refused: number(row, 3)?,
            })
        })?;
        Ok(Holdings {
            classes: rows.collect::<Result<_, _>>()?,
            size: size(&self.conn)?,
            session: self.conn.query_row(
                "SELECT EXISTS (SELECT 1 FROM mqtt_session)",
                [],
                |row| row.get(0),
            )?,
        })
    }

    /// How much waits and was refused; costs the same however much it is.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn outbox_depth(&self) -> Result<Depth, StoreError> {
        depth(&self.conn)
    }

    /// Class of an outbox row and kind of the event it carries; nothing when the row is gone.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn outbox_row_about(
        &self,
        seq: i64,
    ) -> Result<Option<(String, Option<String>)>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT o.class, e.kind FROM outbox o LEFT JOIN events e ON e.id = o.event_id
             WHERE o.seq = ?",
        )?;
        let mut rows = statement.query_map([seq], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.next().transpose()?)
    }

    /// Queues a refused message again, or all of them; says how many.
    ///
    /// # Errors
    /// When the transaction cannot be committed; then nothing has changed.
    pub fn retry_refused(&mut self, seq: Option<i64>) -> Result<usize, StoreError> {
        let tx = self.write()?;
        let queued = tx.execute(
            concat!(
                "UPDATE outbox SET ",
                stage!(queued),
                ", pkid = NULL, reason = NULL
             WHERE ",
                stage!(rejected),
                " AND (?1 IS NULL OR seq = ?1)"
            ),
            params![seq],
        )?;
        tx.commit()?;
        Ok(queued)
    }
}

pub(super) fn depth(conn: &Connection) -> Result<Depth, StoreError> {
    let count = |sql| -> Result<u64, StoreError> {
        Ok(conn
            .prepare_cached(sql)?
            .query_row([], |row| number(row, 0))?)
    };
    let waiting = size(conn)?.messages;
    let under_way = count(concat!(
        "SELECT count(*) FROM outbox WHERE ",
        stage!(under_way),
        " AND ",
        stage!(waiting)
    ))?;
    Ok(Depth {
        queued: waiting.saturating_sub(under_way),
        under_way,
        rejected: count(concat!(
            "SELECT count(*) FROM outbox WHERE ",
            stage!(rejected)
        ))?,
    })
}
