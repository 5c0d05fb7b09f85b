//! What a row of the outbox is, and the steps it can take.

use rusqlite::{Connection, Row as SqlRow, params};
use uuid::Uuid;

use super::Stage;

use crate::clock::Timestamp;
use crate::event::wire::Qos;
use crate::store::StoreError;

/// One message on its way to the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Number of the row (not of the event).
    pub seq: i64,
    /// The event it carries; none for retained summaries and availability.
    pub event_id: Option<Uuid>,
    /// Topic class.
    pub class: String,
    /// Full topic.
    pub topic: String,
    /// Quality of service.
    pub qos: Qos,
    /// Whether the broker keeps it.
    pub retain: bool,
    /// MQTT 5 content type.
    pub content_type: String,
    /// The bytes.
    pub payload: Vec<u8>,
    /// The broker forgot its session while this was under way: it may arrive twice.
    pub maybe_dup: bool,
    /// When nobody needs it any more, in milliseconds since 1970.
    pub expires_at: Option<i64>,
    /// MQTT 5 correlation data.
    pub correlation: Option<Vec<u8>>,
}

/// A message under way, as it is resumed after a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnderWay {
    /// The message.
    pub row: Row,
    /// Its packet id.
    pub pkid: u16,
    /// How far it has come.
    pub stage: Stage,
    /// When it was first sent under this packet id, in milliseconds since 1970.
    pub sent_at: Option<i64>,
}

/// One step of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<'a> {
    /// It gets a packet id and may leave the device after this is committed.
    Published {
        /// The message as it is sent; written back if the row is gone.
        row: &'a Row,
        /// Its packet id.
        pkid: u16,
        /// When it is put on the wire.
        at: Timestamp,
    },
    /// The broker may have forgotten that it has it: it may arrive twice.
    Doubtful {
        /// Which row.
        seq: i64,
    },
    /// It waits again as if it had never been handed over: it got a packet id, but did not leave.
    Queued {
        /// Which row.
        seq: i64,
    },
    /// The broker holds it.
    Received {
        /// Which row.
        seq: i64,
    },
    /// The broker's last word is in: the row goes.
    Done {
        /// Which row.
        seq: i64,
    },
    /// The broker refused it, or it can never be sent.
    Rejected {
        /// Which row.
        seq: i64,
        /// Why.
        reason: &'a str,
    },
}

/// How much is waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Depth {
    /// Not handed over yet.
    pub queued: u64,
    /// Sent, not confirmed.
    pub under_way: u64,
    /// Refused and kept for inspection.
    pub rejected: u64,
}

/// A number that is never negative.
pub(super) fn number(row: &SqlRow<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or_default())
}

pub(super) fn read(row: &SqlRow<'_>) -> Result<Row, StoreError> {
    let seq: i64 = row.get(0)?;
    let broken = |what: String| StoreError::Content(format!("outbox row {seq}: {what}"));
    Ok(Row {
        seq,
        event_id: row
            .get::<_, Option<String>>(1)?
            .map(|id| id.parse())
            .transpose()
            .map_err(|error: uuid::Error| broken(error.to_string()))?,
        class: row.get(2)?,
        topic: row.get(3)?,
        qos: row.get::<_, u8>(4)?.try_into().map_err(broken)?,
        retain: row.get(5)?,
        content_type: row.get(6)?,
        payload: row.get(7)?,
        maybe_dup: row.get(8)?,
        expires_at: row.get(9)?,
        correlation: row.get(10)?,
    })
}

/// A row that is to be written.
pub(in crate::store) struct NewRow<'a> {
    /// Its number, if it had one.
    pub(in crate::store) seq: Option<i64>,
    pub(in crate::store) event_id: Option<Uuid>,
    pub(in crate::store) class: &'a str,
    pub(in crate::store) topic: &'a str,
    pub(in crate::store) qos: Qos,
    pub(in crate::store) retain: bool,
    pub(in crate::store) content_type: &'a str,
    pub(in crate::store) payload: &'a [u8],
    pub(in crate::store) maybe_dup: bool,
    /// In milliseconds since 1970.
    pub(in crate::store) expires_at: Option<i64>,
    pub(in crate::store) correlation: Option<&'a [u8]>,
}

impl<'a> From<&'a Row> for NewRow<'a> {
    fn from(row: &'a Row) -> Self {
        Self {
            seq: Some(row.seq),
            event_id: row.event_id,
            class: &row.class,
            topic: &row.topic,
            qos: row.qos,
            retain: row.retain,
            content_type: &row.content_type,
            payload: &row.payload,
            maybe_dup: row.maybe_dup,
            expires_at: row.expires_at,
            correlation: row.correlation.as_deref(),
        }
    }
}

impl NewRow<'_> {
    /// Queues it, inside a transaction that is already open.
    pub(in crate::store) fn insert(self, conn: &Connection) -> Result<(), StoreError> {
        conn.prepare_cached(
            "INSERT INTO outbox (seq, event_id, class, topic, qos, retain, content_type, payload,
                                 maybe_dup, expires_at, correlation)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            self.seq,
            self.event_id.map(|id| id.to_string()),
            self.class,
            self.topic,
            u8::from(self.qos),
            self.retain,
            self.content_type,
            self.payload,
            self.maybe_dup,
            self.expires_at,
            self.correlation,
        ])?;
        Ok(())
    }
}
