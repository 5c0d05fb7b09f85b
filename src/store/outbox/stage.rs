//! The column `stage` of the outbox, by name: the one place that knows its numbers.
//!
//! The names stand for conditions of SQL; those of one stage also set it. They are literals, not
//! parameters, because SQLite uses a partial index only where it reads the index's own condition
//! (migrations V1 and V7).

/// The stage of a row in SQL.
macro_rules! stage {
    // Not handed over yet.
    (queued) => {
        "stage = 0"
    };
    // Published under a packet id, not answered.
    (published) => {
        "stage = 1"
    };
    // Received by the broker, not released (QoS 2).
    (received) => {
        "stage = 2"
    };
    // Refused, kept for inspection.
    (rejected) => {
        "stage = 4"
    };
    // Has a packet id. Beside it `waiting`, where the index of what waits is to be used.
    (under_way) => {
        "stage IN (1, 2)"
    };
    // Has none: queued or refused.
    (at_rest) => {
        "stage IN (0, 4)"
    };
    // Still to be delivered.
    (waiting) => {
        "stage < 3"
    };
}
pub(in crate::store) use stage;

/// How far a message under way has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Published under a packet id; no answer recorded.
    Published,
    /// QoS 2: the broker has it (PUBREC); the release (PUBREL) is to be sent again.
    Received,
}

impl Stage {
    /// What the column says; none for a row that is not under way.
    pub(super) const fn read(column: i64) -> Option<Self> {
        match column {
            1 => Some(Self::Published),
            2 => Some(Self::Received),
            _ => None,
        }
    }
}
