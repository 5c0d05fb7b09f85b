//! A message under way, how it ends, and what the broker allows.

use std::time::Duration;

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
    /// For how many seconds it keeps our session, where it says so.
    pub session_expiry_s: Option<u32>,
}

/// A row that owns a packet id.
#[derive(Debug, Clone)]
pub(super) struct Flight {
    pub(super) seq: i64,
    pub(super) event_id: Option<Uuid>,
    pub(super) topic: String,
    pub(super) qos: Qos,
    pub(super) stage: Stage,
    /// Size of its packet.
    pub(super) bytes: usize,
    /// Whether it was resumed from the outbox; otherwise it was published first on this
    /// connection.
    pub(super) resumed: bool,
}

/// How a message ended, or that it did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::mqtt) struct Outcome {
    pub seq: i64,
    pub event_id: Option<Uuid>,
    pub topic: String,
    pub qos: Qos,
    pub pkid: u16,
    pub end: End,
}

/// See [`Outcome`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::mqtt) enum End {
    Delivered,
    /// For good, and why.
    Refused(String),
    /// It is sent again, but not before the pause is over.
    Postponed {
        reason: String,
        pause: Duration,
    },
}

/// An answer that is known but not committed.
#[derive(Debug, Clone)]
pub(super) enum Settled {
    Received(i64),
    Done(i64),
    Rejected(i64, String),
    /// Back into the queue.
    Postponed(i64),
}

impl Settled {
    pub(super) fn seq(&self) -> i64 {
        match self {
            Settled::Received(seq)
            | Settled::Done(seq)
            | Settled::Rejected(seq, _)
            | Settled::Postponed(seq) => *seq,
        }
    }

    pub(super) fn change(&self) -> Change<'_> {
        match self {
            Settled::Received(seq) => Change::Received { seq: *seq },
            Settled::Done(seq) => Change::Done { seq: *seq },
            Settled::Rejected(seq, reason) => Change::Rejected { seq: *seq, reason },
            Settled::Postponed(seq) => Change::Queued { seq: *seq },
        }
    }
}

impl Flight {
    /// A row on its first way.
    pub(super) fn first(row: &Row, bytes: usize) -> Self {
        Self {
            seq: row.seq,
            event_id: row.event_id,
            topic: row.topic.clone(),
            qos: row.qos,
            stage: Stage::Published,
            bytes,
            resumed: false,
        }
    }

    pub(super) fn outcome(self, pkid: u16) -> Outcome {
        Outcome {
            seq: self.seq,
            event_id: self.event_id,
            topic: self.topic,
            qos: self.qos,
            pkid,
            end: End::Delivered,
        }
    }
}
