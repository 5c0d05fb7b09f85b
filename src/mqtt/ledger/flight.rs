//! A message under way, how it ends, and what the broker allows.

use uuid::Uuid;

use crate::event::wire::Qos;
use crate::store::outbox::{Change, Row, Stage};

/// What the broker allows on this connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mqtt) struct Limits {
    /// Messages under way at once: ours or the broker's, whichever is less.
    pub window: usize,
    /// Highest packet id that may be published.
    pub highest_pkid: u16,
    /// Largest packet.
    pub packet_bytes: usize,
    /// Highest QoS.
    pub qos: Qos,
    /// Whether it keeps retained messages.
    pub retain: bool,
}

/// A row that owns a packet id.
#[derive(Debug, Clone)]
pub(super) struct Flight {
    pub(super) seq: i64,
    pub(super) event_id: Option<Uuid>,
    pub(super) topic: String,
    pub(super) qos: Qos,
    pub(super) stage: Stage,
    /// Size of its packet when it was resumed from the outbox; none when it was published
    /// first on this connection.
    pub(super) resumed: Option<usize>,
}

/// How a message ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::mqtt) struct Outcome {
    pub seq: i64,
    pub event_id: Option<Uuid>,
    pub topic: String,
    pub qos: Qos,
    pub pkid: u16,
    /// Why it was refused; none when it was delivered.
    pub refused: Option<String>,
}

/// An answer that is known but not committed.
#[derive(Debug, Clone)]
pub(super) enum Settled {
    Received(i64),
    Done(i64),
    Rejected(i64, String),
}

impl Settled {
    pub(super) fn seq(&self) -> i64 {
        match self {
            Settled::Received(seq) | Settled::Done(seq) | Settled::Rejected(seq, _) => *seq,
        }
    }

    pub(super) fn change(&self) -> Change<'_> {
        match self {
            Settled::Received(seq) => Change::Received { seq: *seq },
            Settled::Done(seq) => Change::Done { seq: *seq },
            Settled::Rejected(seq, reason) => Change::Rejected { seq: *seq, reason },
        }
    }
}

impl Flight {
    /// A row on its first way.
    pub(super) fn first(row: &Row) -> Self {
        Self {
            seq: row.seq,
            event_id: row.event_id,
            topic: row.topic.clone(),
            qos: row.qos,
            stage: Stage::Published,
            resumed: None,
        }
    }

    pub(super) fn outcome(self, pkid: u16) -> Outcome {
        Outcome {
            seq: self.seq,
            event_id: self.event_id,
            topic: self.topic,
            qos: self.qos,
            pkid,
            refused: None,
        }
    }
}
