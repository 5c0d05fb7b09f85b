//! The client's session as the ledger sees it, whichever library keeps it.

use crate::event::wire::Qos;
use crate::store::outbox::Row;

/// What the client is about to act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::mqtt) struct Snapshot<'a> {
    /// The packet id that was given out last.
    pub last_pkid: u16,
    /// The library's own counter; only kept for it.
    pub last_puback: u16,
    /// Everything that owns a packet id.
    pub steps: Vec<Step<'a>>,
    /// Packet ids of the broker's messages of QoS 2 that we hold.
    pub incoming: Vec<u16>,
}

/// Something that owns a packet id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mqtt) enum Step<'a> {
    /// A PUBLISH without an answer.
    Published(Published<'a>),
    /// A PUBREL without an answer.
    Released(u16),
    /// A subscription; made anew on every connection.
    Other(u16),
}

/// A PUBLISH in the client's hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mqtt) struct Published<'a> {
    pub pkid: u16,
    pub qos: Qos,
    pub retain: bool,
    pub topic: &'a [u8],
    pub payload: &'a [u8],
}

/// What a client must resume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::mqtt) struct Resume {
    pub last_pkid: u16,
    pub last_puback: u16,
    pub incoming: Vec<u16>,
    /// In this order: every publish, then every release.
    pub replay: Vec<Again>,
}

/// What is sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::mqtt) enum Again {
    /// The same message under the same packet id.
    Publish {
        row: Row,
        pkid: u16,
        /// Whether it says that it is a repetition.
        dup: bool,
    },
    /// Only the release.
    Release { pkid: u16 },
}

impl Step<'_> {
    /// The packet id.
    pub(super) fn pkid(&self) -> u16 {
        match self {
            Step::Published(publish) => publish.pkid,
            Step::Released(pkid) | Step::Other(pkid) => *pkid,
        }
    }
}

impl Published<'_> {
    /// Whether it is this row.
    pub(super) fn is(&self, row: &Row) -> bool {
        row.qos == self.qos
            && row.retain == self.retain
            && row.topic.as_bytes() == self.topic
            && row.payload == self.payload
    }
}
