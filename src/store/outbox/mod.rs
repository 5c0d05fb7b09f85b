//! The outbox: what the broker has not confirmed yet, as the sender sees it.
//!
//! For the MQTT side only: it moves rows through their stages and keeps the header of the
//! MQTT session beside them, so that one transaction holds both. It never writes events
//! (that is [`Store`](super::Store)) and never talks to a network. Flows in: rows queued by
//! `Store`, acknowledgements. Flows out: rows to send, rows to resume, counts.
//!
//! An [`Outbox`] is a connection of its own. The writer of events is another one, in another
//! thread or process, and may delete a queued retained row because a newer one replaces it,
//! even in the instant between [`Outbox::queued`] and [`Outbox::apply`]. A row that was handed
//! over is therefore written back when it turns out to be gone: what may have left the device
//! is always on record.

mod inspect;
mod level;
mod limits;
mod manage;
mod rows;
mod stage;

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

pub use inspect::{Holdings, Waiting};
pub use level::{LevelNews, LevelWatch, Size};
pub use limits::{Dropped, Limits, Swept};
pub use manage::{Chosen, Managed};
pub(super) use rows::NewRow;
pub use rows::{Change, Depth, Row, UnderWay};
pub use stage::Stage;
pub(super) use stage::stage;

use super::StoreError;
use super::health::FileIdentity;
use crate::clock::Timestamp;
use crate::event::wire::Publication;
use rows::read;

/// Refused rows that are kept for inspection; older ones are dropped.
const KEEP_REJECTED: i64 = 1_000;
/// How many refusals may pass before the kept ones are counted again: counting reads the table.
const PRUNE_EVERY: usize = 64;

/// The sender's connection to the database.
#[derive(Debug)]
pub struct Outbox {
    conn: Connection,
    path: PathBuf,
    identity: FileIdentity,
    rejected_since_prune: usize,
    seen_version: i64,
}

impl Outbox {
    /// Opens the outbox of a database that [`Store::open`](super::Store::open) has migrated.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self {
            conn: super::connect(path)?,
            path: path.to_owned(),
            identity: super::identity_of(path)?,
            rejected_since_prune: PRUNE_EVERY,
            seen_version: -1,
        })
    }

    /// Whether another connection has committed since this was last asked; costs no I/O.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn changed_elsewhere(&mut self) -> Result<bool, StoreError> {
        let version = self
            .conn
            .query_row("PRAGMA data_version", [], |row| row.get(0))?;
        let changed = version != self.seen_version;
        self.seen_version = version;
        Ok(changed)
    }

    /// The first `limit` rows that wait to be sent, in the order they were queued. Those whose
    /// time is over are not among them; whoever keeps the outbox small removes and counts them.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn queued(&self, limit: usize, now: Timestamp) -> Result<Vec<Row>, StoreError> {
        let mut statement = self.conn.prepare_cached(concat!(
            "SELECT seq, event_id, class, topic, qos, retain, content_type, payload, maybe_dup,
                    expires_at, correlation
             FROM outbox WHERE ",
            stage!(queued),
            " AND ",
            stage!(waiting),
            "
                AND (expires_at IS NULL OR expires_at > ?)
             ORDER BY seq LIMIT ?"
        ))?;
        let mut rows = statement.query([
            now.as_millisecond(),
            i64::try_from(limit).unwrap_or(i64::MAX),
        ])?;
        let mut queued = Vec::new();
        while let Some(row) = rows.next()? {
            queued.push(read(row)?);
        }
        Ok(queued)
    }

    /// Everything under way, in the order it is resumed: first what must be published again,
    /// then what must be released again, each in the order of the queue.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn under_way(&self) -> Result<Vec<UnderWay>, StoreError> {
        let mut statement = self.conn.prepare_cached(concat!(
            "SELECT seq, event_id, class, topic, qos, retain, content_type, payload, maybe_dup,
                    expires_at, correlation, stage, pkid, sent_at
             FROM outbox WHERE ",
            stage!(under_way),
            " AND ",
            stage!(waiting),
            " ORDER BY stage, seq"
        ))?;
        let mut rows = statement.query([])?;
        let mut under_way = Vec::new();
        while let Some(row) = rows.next()? {
            under_way.push(UnderWay {
                row: read(row)?,
                stage: Stage::read(row.get(11)?).unwrap_or(Stage::Received),
                pkid: row.get(12)?,
                sent_at: row.get(13)?,
            });
        }
        Ok(under_way)
    }

    /// The header of the MQTT session, if there is one to resume.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn header(&self) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self
            .conn
            .query_row("SELECT header FROM mqtt_session WHERE id = 1", [], |row| {
                row.get(0)
            })
            .optional()?)
    }

    /// Commits steps of rows, and the header of the session on record with them, in one
    /// transaction; on the disk when it returns.
    ///
    /// # Errors
    /// When the transaction cannot be committed, or somebody has given up the session
    /// ([`StoreError::SessionGone`]); then nothing has changed.
    pub fn apply(
        &mut self,
        changes: &[Change<'_>],
        header: Option<&[u8]>,
    ) -> Result<(), StoreError> {
        self.commit(changes, header, false)
    }

    /// The same with the first header of a new session.
    ///
    /// # Errors
    /// When the transaction cannot be committed; then nothing has changed.
    pub fn apply_first(&mut self, changes: &[Change<'_>], header: &[u8]) -> Result<(), StoreError> {
        self.commit(changes, Some(header), true)
    }

    /// Puts a new session on record.
    ///
    /// # Errors
    /// When the transaction cannot be committed; then nothing has changed.
    pub fn found_session(&mut self, header: &[u8]) -> Result<(), StoreError> {
        self.commit(&[], Some(header), true)
    }

    fn commit(
        &mut self,
        changes: &[Change<'_>],
        header: Option<&[u8]>,
        first: bool,
    ) -> Result<(), StoreError> {
        let rejected = changes
            .iter()
            .filter(|change| matches!(change, Change::Rejected { .. }))
            .count();
        let prune = rejected > 0 && self.rejected_since_prune + rejected > PRUNE_EVERY;
        // What was sent must not be noted in a file that is gone with this process.
        self.identity.ensure_at(&self.path)?;
        let tx = self
            .conn
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        for change in changes {
            step(&tx, change)?;
        }
        if let Some(header) = header {
            let write = if first {
                "INSERT INTO mqtt_session (id, header) VALUES (1, ?)
                 ON CONFLICT (id) DO UPDATE SET header = excluded.header"
            } else {
                "UPDATE mqtt_session SET header = ? WHERE id = 1"
            };
            if tx.prepare_cached(write)?.execute([header])? == 0 {
                return Err(StoreError::SessionGone);
            }
        }
        if prune {
            tx.execute(
                concat!(
                    "DELETE FROM outbox WHERE ",
                    stage!(rejected),
                    " AND seq <=
                 (SELECT seq FROM outbox WHERE ",
                    stage!(rejected),
                    " ORDER BY seq DESC LIMIT 1 OFFSET ?)"
                ),
                [KEEP_REJECTED],
            )?;
        }
        tx.commit()?;
        self.rejected_since_prune = if prune {
            0
        } else {
            self.rejected_since_prune + rejected
        };
        Ok(())
    }

    /// The broker has no session (any more): everything under way is queued again, marked as
    /// possibly arriving twice, and the header goes.
    ///
    /// # Errors
    /// When the transaction cannot be committed; then nothing has changed.
    pub fn forget_session(&mut self) -> Result<(), StoreError> {
        let tx = self
            .conn
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        give_up_session(&tx)?;
        tx.commit()?;
        Ok(())
    }

    /// Queues a retained message in place of those of its class that still wait.
    ///
    /// # Errors
    /// When the transaction cannot be committed; then nothing has changed.
    pub fn announce(&mut self, publication: &Publication) -> Result<Row, StoreError> {
        let tx = self
            .conn
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        super::events::supersede(&tx, publication)?;
        let seq = tx.last_insert_rowid();
        tx.commit()?;
        Ok(Row {
            seq,
            event_id: None,
            class: publication.class.as_str().to_owned(),
            topic: publication.topic.clone(),
            qos: publication.qos,
            retain: publication.retain,
            content_type: publication.content_type.to_owned(),
            payload: publication.payload.clone(),
            maybe_dup: false,
            expires_at: publication.expires_at.map(|at| at.as_millisecond()),
            correlation: publication.correlation.clone(),
        })
    }

    /// How much is waiting; costs the same however much it is.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn depth(&self) -> Result<Depth, StoreError> {
        inspect::depth(&self.conn)
    }

    /// Rows the broker refused, oldest first, each with the reason.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn rejected(&self) -> Result<Vec<(Row, String)>, StoreError> {
        let mut statement = self.conn.prepare_cached(concat!(
            "SELECT seq, event_id, class, topic, qos, retain, content_type, payload, maybe_dup,
                    expires_at, correlation, reason
             FROM outbox WHERE ",
            stage!(rejected),
            " ORDER BY seq"
        ))?;
        let mut rows = statement.query([])?;
        let mut rejected = Vec::new();
        while let Some(row) = rows.next()? {
            rejected.push((
                read(row)?,
                row.get::<_, Option<String>>(11)?.unwrap_or_default(),
            ));
        }
        Ok(rejected)
    }

    /// From here on the file may not grow: what SQLite says then is what a full disk says.
    #[cfg(test)]
    pub(crate) fn fill_disk(&self, full: bool) {
        let pages = if full { 1 } else { 1_000_000 };
        self.conn
            .query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
            .unwrap();
    }
}

/// Everything under way is queued again, marked as possibly arriving twice, and the header goes: the
/// next connection begins a new session, so no packet id of the old one can be met again.
fn give_up_session(conn: &Connection) -> Result<(), StoreError> {
    conn.execute(
        concat!(
            "UPDATE outbox SET ",
            stage!(queued),
            ", pkid = NULL, maybe_dup = 1
         WHERE ",
            stage!(under_way),
            " AND ",
            stage!(waiting)
        ),
        [],
    )?;
    conn.execute("DELETE FROM mqtt_session", [])?;
    Ok(())
}

fn step(conn: &Connection, change: &Change<'_>) -> Result<(), StoreError> {
    match change {
        Change::Published { row, pkid, at } => {
            let publish = || {
                conn.prepare_cached(concat!(
                    "UPDATE outbox SET ",
                    stage!(published),
                    ", pkid = ?, qos = ?, sent_at = ? WHERE seq = ?"
                ))?
                .execute(params![
                    pkid,
                    u8::from(row.qos),
                    at.as_millisecond(),
                    row.seq
                ])
            };
            if publish()? == 0 {
                NewRow::from(*row).insert(conn)?;
                publish()?;
            }
        }
        Change::Queued { seq } => {
            conn.prepare_cached(concat!(
                "UPDATE outbox SET ",
                stage!(queued),
                ", pkid = NULL WHERE seq = ? AND ",
                stage!(published)
            ))?
            .execute([seq])?;
        }
        Change::Doubtful { seq } => {
            conn.prepare_cached("UPDATE outbox SET maybe_dup = 1 WHERE seq = ?")?
                .execute([seq])?;
        }
        Change::Received { seq } => {
            conn.prepare_cached(concat!(
                "UPDATE outbox SET ",
                stage!(received),
                " WHERE seq = ? AND ",
                stage!(published)
            ))?
            .execute([seq])?;
        }
        Change::Done { seq } => {
            conn.prepare_cached("DELETE FROM outbox WHERE seq = ?")?
                .execute([seq])?;
        }
        Change::Rejected { seq, reason } => {
            conn.prepare_cached(concat!(
                "UPDATE outbox SET ",
                stage!(rejected),
                ", pkid = NULL, reason = ? WHERE seq = ?"
            ))?
            .execute(params![reason, seq])?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
