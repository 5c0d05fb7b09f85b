//! Two protocols behind one seam: MQTT 5 and MQTT 3.1.1.
//!
//! Each has a client library of its own, with types of its own for the same things. What is
//! above this seam (ledger, feeder, connection, failure) speaks of rows, packet ids and reason
//! codes only, so that both protocols take the same way through the same store. Reason codes
//! are MQTT 5's, whoever said them: 3.1.1 has a few of the same meaning, and silence for the rest.
//!
//! ```text
//! feeder ─▶ Client ┐                     ┌ Shared (SessionStore): load, save, clear
//!                  ├─ library ─▶ broker ─┤
//! drive  ◀─ Poller ┘                     └ Seen, Trouble
//! ```

pub(super) mod v4;
pub(super) mod v5;

use std::error::Error;
use std::time::Duration;

use super::ledger::Limits;
use super::pump::Incoming;
use super::settings::Subscription;
use crate::clock::Timestamp;
use crate::config::Protocol;
use crate::store::outbox::Row;

/// Packet ids in use, at most. Fixed, because the clients refuse to resume a session that was
/// made under another number; `mqtt.inflight` (never more than this) is kept by the feeder.
pub(super) const PACKET_IDS: u16 = 50;
/// Room in the client's queue: never fuller than the packet ids allow.
const CLIENT_QUEUE: usize = PACKET_IDS as usize * 2;
/// How long the broker may take from the TCP connection to CONNACK.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// What the broker is asked for at the start of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// The session that we have on record.
    Resume,
    /// A new session that is kept. MQTT 5 makes one in place of whatever the broker had, and it is
    /// left at once to be resumed: Mosquitto 2.0 does not save a session that began with a clean
    /// start, and forgets it when it is restarted before the next connection. MQTT 3.1.1 has no
    /// such word, so the broker must have been cleared before.
    Fresh,
    /// No session (MQTT 3.1.1 only): it ends with this connection, and with it what the broker
    /// had of ours.
    Clear,
}

/// Hands work to the library; never waits.
pub(super) trait Client {
    /// Queues a message.
    fn publish(&self, row: &Row, now: Timestamp) -> Result<(), Unsent>;
    /// Asks for these topics in one packet.
    fn subscribe(&self, topics: &[Subscription]) -> Result<(), Unsent>;
    /// Takes a subscription back.
    fn unsubscribe(&self, topic: &str) -> Result<(), Unsent>;
    /// Queues the goodbye ahead of everything else. False: the library is gone already.
    fn disconnect(&self) -> bool;
}

/// Runs the library.
pub(super) trait Poller {
    /// The next thing that was seen. Never cancelled while the connection lives.
    async fn poll(&mut self) -> Result<Seen, Trouble>;
}

/// Why something was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unsent {
    /// It is not valid in MQTT.
    Invalid,
    /// There is no room, or nobody to take it.
    NoRoom,
}

/// What the library saw, as far as it matters here.
#[derive(Debug)]
pub(super) enum Seen {
    /// CONNACK.
    Accepted {
        /// Whether the broker has a session of ours.
        session_present: bool,
        /// What it allows.
        limits: Limits,
    },
    /// PUBACK.
    Acknowledged {
        /// Packet id.
        pkid: u16,
        /// Reason code.
        code: u8,
    },
    /// PUBREC.
    Received {
        /// Packet id.
        pkid: u16,
        /// Reason code.
        code: u8,
    },
    /// PUBCOMP, whatever its code.
    Completed {
        /// Packet id.
        pkid: u16,
    },
    /// A PUBLISH of QoS 0 was written.
    SentAtMostOnce,
    /// SUBACK: a reason for each topic that was refused, none for the others, in order.
    Subscribed(Vec<Option<String>>),
    /// A message for us.
    Message(Incoming),
    /// Anything else.
    Other,
}

/// What ended a connection, or kept it from coming about, as a library tells it.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub(super) struct Trouble {
    /// What kind of thing it is.
    pub what: What,
    /// The library's own error, or the one inside that says most.
    pub source: Box<dyn Error + Send + Sync>,
}

/// Kinds of [`Trouble`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// The ledger could not record, or not read.
    Store,
    /// The stored session will never be accepted by this version of the client.
    Unusable,
    /// CONNACK with this reason code.
    Refused(u8),
    /// DISCONNECT with this reason code, and perhaps the broker's own words.
    Ended(u8, Option<String>),
    /// No answer in time.
    Late,
    /// The ping was not answered.
    Unanswered,
    /// Closed without a word.
    Closed,
    /// Failed while TLS was set up.
    Handshake,
    /// What came is not what MQTT allows there.
    Garbage,
    /// A packet came in that is larger than what is taken.
    TooLarge,
    /// See the source.
    Other,
}

/// Size of a row's whole PUBLISH packet, header included.
pub(super) fn packet_bytes(protocol: Protocol, row: &Row) -> usize {
    match protocol {
        Protocol::V5 => v5::packet_bytes(row),
        Protocol::V311 => v4::packet_bytes(row),
    }
}
