//! What is under way to the broker, and the rules by which it moves.
//!
//! The memory side of the [`Outbox`]: which rows were handed to the client, which packet id
//! belongs to which row, which answers are not committed yet. It never talks to the network
//! and never awaits. Flows in: snapshots of the client's session, acknowledgements, what the
//! broker allows. Flows out: rows to send, steps for the outbox, outcomes.
//!
//! Two rules carry the promise:
//! - memory moves only after the commit: a step that could not be written did not happen;
//! - that a row is missing from a snapshot proves nothing: it ends only by the broker's word.
//!
//! **Which row a packet id belongs to.** The client gives out packet ids itself and calls
//! [`Ledger::save`] before the packet can leave. Publishes keep their order on the way from
//! the feeder through the client, so a packet id not seen before belongs to the oldest row
//! handed over with the same topic, payload, QoS and retain flag. Every event carries its own
//! id in the payload, so equal bytes means the same row; two equal retained messages could be
//! swapped without anybody being able to tell. An id that fits no row stops the connection.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::time::Instant;

use rumqttc::{
    PersistedIncomingQos2, PersistedPublish, PersistedQoS, PersistedRequest, PersistedSession,
    PubAckReason, PubRecReason,
};
use uuid::Uuid;

use super::message;
use crate::event::wire::{Publication, Qos};
use crate::store::StoreError;
use crate::store::outbox::{Change, Outbox, Row, Stage};

/// What the broker allows on this connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
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
struct Flight {
    seq: i64,
    event_id: Option<Uuid>,
    topic: String,
    qos: Qos,
    stage: Stage,
    /// Size of its packet when it was resumed from the outbox; none when it was published
    /// first on this connection.
    resumed: Option<usize>,
}

/// How a message ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
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
enum Settled {
    Received(i64),
    Done(i64),
    Rejected(i64, String),
}

impl Settled {
    fn seq(&self) -> i64 {
        match self {
            Settled::Received(seq) | Settled::Done(seq) | Settled::Rejected(seq, _) => *seq,
        }
    }

    fn change(&self) -> Change<'_> {
        match self {
            Settled::Received(seq) => Change::Received { seq: *seq },
            Settled::Done(seq) => Change::Done { seq: *seq },
            Settled::Rejected(seq, reason) => Change::Rejected { seq: *seq, reason },
        }
    }
}

/// Why a snapshot could not be recorded; the connection must end.
#[derive(Debug, thiserror::Error)]
pub(super) enum SaveError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("packet id {0} belongs to no message that was handed over")]
    UnknownPublish(u16),
    #[error("packet id {0} is released but was never published")]
    UnknownRelease(u16),
    #[error("the session header cannot be written: {0}")]
    Header(#[from] rumqttc::SessionEncodeError),
}

/// The bookkeeping of one pump.
#[derive(Debug)]
pub(super) struct Ledger {
    outbox: Outbox,
    /// Which broker the packet ids belong to; ids of one mean nothing to another.
    broker: String,
    /// Handed to the client, no packet id known (or QoS 0), oldest first.
    handed: VecDeque<Row>,
    /// To be sent before what is queued.
    urgent: VecDeque<Row>,
    flights: BTreeMap<u16, Flight>,
    settled: Vec<Settled>,
    /// Resumed publishes that the broker has not answered.
    unanswered: BTreeSet<u16>,
    /// The broker holds a resumed id that the client believes free: only a rebuild releases it.
    held: bool,
    incoming: Vec<PersistedIncomingQos2>,
    limits: Option<Limits>,
    last_progress: Instant,
}

impl Ledger {
    pub(super) fn new(outbox: Outbox, broker: String) -> Self {
        Self {
            outbox,
            broker,
            handed: VecDeque::new(),
            urgent: VecDeque::new(),
            flights: BTreeMap::new(),
            settled: Vec::new(),
            unanswered: BTreeSet::new(),
            held: false,
            incoming: Vec::new(),
            limits: None,
            last_progress: Instant::now(),
        }
    }

    /// Starts over for a new connection: answers are committed, everything else is forgotten,
    /// to be read again from the outbox. Says whether there is a session to resume.
    pub(super) fn begin(&mut self, client_id: &str) -> Result<bool, StoreError> {
        self.flush()?;
        self.handed.clear();
        self.urgent.clear();
        self.flights.clear();
        self.unanswered.clear();
        self.held = false;
        self.incoming.clear();
        self.limits = None;
        self.last_progress = Instant::now();
        Ok(self
            .header()?
            .is_some_and(|session| session.client_id == client_id))
    }

    /// The session as the client must resume it: every publish again under its packet id,
    /// marked as a repetition, then every release.
    pub(super) fn resume(&mut self) -> Result<Option<PersistedSession>, StoreError> {
        let Some(mut session) = self.header()? else {
            return Ok(None);
        };
        self.incoming.clone_from(&session.incoming_qos2);
        for under_way in self.outbox.under_way()? {
            let (row, pkid) = (under_way.row, under_way.pkid);
            self.flights.insert(
                pkid,
                Flight {
                    seq: row.seq,
                    event_id: row.event_id,
                    topic: row.topic.clone(),
                    qos: row.qos,
                    stage: under_way.stage,
                    resumed: Some(message::packet_bytes(&row)),
                },
            );
            session.replay.push(match under_way.stage {
                Stage::Published => {
                    self.unanswered.insert(pkid);
                    PersistedRequest::Publish(message::repetition(row, pkid))
                }
                Stage::Received => PersistedRequest::PubRel(rumqttc::PersistedPubRel { pkid }),
            });
        }
        Ok(Some(session))
    }

    /// Records what the client is about to put on the wire; durable when it returns.
    pub(super) fn save(&mut self, session: &PersistedSession) -> Result<(), SaveError> {
        let mut published: Vec<(usize, u16)> = Vec::new();
        let mut received: Vec<u16> = Vec::new();
        for request in &session.replay {
            match request {
                PersistedRequest::Publish(publish) if !self.flights.contains_key(&publish.pkid) => {
                    let index = (0..self.handed.len())
                        .find(|index| {
                            published.iter().all(|(taken, _)| taken != index)
                                && self
                                    .handed
                                    .get(*index)
                                    .is_some_and(|row| same(row, publish))
                        })
                        .ok_or(SaveError::UnknownPublish(publish.pkid))?;
                    published.push((index, publish.pkid));
                }
                PersistedRequest::PubRel(release) => match self.flights.get(&release.pkid) {
                    Some(flight) if flight.stage == Stage::Published => {
                        received.push(release.pkid);
                    }
                    Some(_) => {}
                    None => return Err(SaveError::UnknownRelease(release.pkid)),
                },
                // Publishes known already; subscriptions are made anew on every connection.
                _ => {}
            }
        }
        if published.is_empty() && received.is_empty() && self.incoming == session.incoming_qos2 {
            return Ok(());
        }
        let mut changes: Vec<Change<'_>> = self.settled.iter().map(Settled::change).collect();
        for (index, pkid) in &published {
            if let Some(row) = self.handed.get(*index) {
                changes.push(Change::Published { row, pkid: *pkid });
            }
        }
        changes.extend(received.iter().filter_map(|pkid| {
            let seq = self.flights.get(pkid)?.seq;
            Some(Change::Received { seq })
        }));
        let header = self.encode(session)?;
        self.outbox.apply(&changes, Some(&header))?;

        self.settled.clear();
        self.incoming.clone_from(&session.incoming_qos2);
        for pkid in received {
            if let Some(flight) = self.flights.get_mut(&pkid) {
                flight.stage = Stage::Received;
            }
        }
        // From the back, so that the indices in front stay true.
        published.sort_unstable_by(|a, b| b.cmp(a));
        for (index, pkid) in published {
            if let Some(row) = self.handed.remove(index) {
                self.flights.insert(pkid, Flight::first(&row));
            }
        }
        Ok(())
    }

    /// The broker has no session: everything under way will be sent anew.
    pub(super) fn forget_session(&mut self) -> Result<(), StoreError> {
        self.flush()?;
        self.outbox.forget_session()?;
        self.flights.clear();
        self.unanswered.clear();
        self.held = false;
        self.incoming.clear();
        Ok(())
    }

    /// Takes note of what the broker allows. False: what is to be resumed does not fit, and
    /// only a new session can carry it.
    pub(super) fn admit(&mut self, limits: Limits) -> bool {
        self.limits = Some(limits);
        self.last_progress = Instant::now();
        self.flights.iter().all(|(pkid, flight)| {
            let fits = flight
                .resumed
                .is_none_or(|bytes| bytes <= limits.packet_bytes);
            *pkid <= limits.highest_pkid && (flight.stage == Stage::Received || fits)
        })
    }

    /// Queues a retained message ahead of everything that waits.
    pub(super) fn announce(&mut self, publication: &Publication) -> Result<i64, StoreError> {
        let row = self.outbox.announce(publication)?;
        let seq = row.seq;
        self.urgent.retain(|waiting| waiting.class != row.class);
        self.urgent.push_back(row);
        Ok(seq)
    }

    /// Whether the row still waits or is under way.
    pub(super) fn is_open(&self, seq: i64) -> bool {
        self.urgent
            .iter()
            .chain(&self.handed)
            .any(|row| row.seq == seq)
            || self.flights.values().any(|flight| flight.seq == seq)
    }

    /// Messages handed over or under way.
    pub(super) fn outstanding(&self) -> usize {
        self.handed.len() + self.flights.len()
    }

    /// Whether only a new connection can make progress: see [`Ledger::refused`].
    pub(super) fn needs_rebuild(&self) -> bool {
        self.held && self.unanswered.is_empty()
    }

    /// When the broker last answered anything, while something is outstanding.
    pub(super) fn waiting_since(&self) -> Option<Instant> {
        (self.outstanding() > 0).then_some(self.last_progress)
    }

    /// The next rows to hand over, as they are to be sent. New rows wait until every resumed
    /// one is answered, and while the broker holds an id that the client believes free.
    pub(super) fn next(&mut self) -> Result<Vec<Row>, StoreError> {
        let Some(limits) = self.limits else {
            return Ok(Vec::new());
        };
        if self.held || !self.unanswered.is_empty() {
            return Ok(Vec::new());
        }
        let room = limits.window.saturating_sub(self.outstanding());
        if room == 0 {
            return Ok(Vec::new());
        }
        let mut rows: Vec<Row> = self.urgent.iter().take(room).cloned().collect();
        if rows.len() < room {
            let busy: HashSet<i64> = self
                .handed
                .iter()
                .chain(&self.urgent)
                .map(|row| row.seq)
                .chain(self.settled.iter().map(Settled::seq))
                .collect();
            let queued = self.outbox.queued(room + busy.len())?;
            let fresh = queued.into_iter().filter(|row| !busy.contains(&row.seq));
            let free = room - rows.len();
            rows.extend(fresh.take(free));
        }
        for row in &mut rows {
            if u8::from(row.qos) > u8::from(limits.qos) {
                row.qos = limits.qos;
            }
        }
        rows.truncate(self.in_order(&rows));
        Ok(rows)
    }

    /// How many of `rows` can go now without overtaking. A broker may deliver a message of
    /// QoS 2 only when it is released, one of QoS 0 or 1 at once: so the latter waits until
    /// the releases of those before it are on the wire.
    fn in_order(&self, rows: &[Row]) -> usize {
        let mut unreleased = self.handed.iter().any(|row| row.qos == Qos::ExactlyOnce)
            || self
                .flights
                .values()
                .any(|flight| flight.qos == Qos::ExactlyOnce && flight.stage == Stage::Published);
        rows.iter()
            .take_while(|row| {
                let exactly_once = row.qos == Qos::ExactlyOnce;
                unreleased |= exactly_once;
                exactly_once || !unreleased
            })
            .count()
    }

    /// Why this row can never be sent on this connection, if so.
    pub(super) fn unsendable(&self, row: &Row) -> Option<String> {
        let limits = self.limits?;
        let bytes = message::packet_bytes(row);
        if bytes > limits.packet_bytes {
            let allowed = limits.packet_bytes;
            return Some(format!(
                "packet of {bytes} bytes; the largest allowed is {allowed} bytes"
            ));
        }
        (row.retain && !limits.retain)
            .then(|| "the broker does not keep retained messages".to_owned())
    }

    /// The row is with the client now.
    pub(super) fn handed_over(&mut self, row: Row) {
        self.urgent.retain(|waiting| waiting.seq != row.seq);
        if self.outstanding() == 0 {
            self.last_progress = Instant::now();
        }
        self.handed.push_back(row);
    }

    /// The row can never be sent.
    pub(super) fn reject(&mut self, row: Row, reason: String) -> Outcome {
        self.urgent.retain(|waiting| waiting.seq != row.seq);
        self.settled
            .push(Settled::Rejected(row.seq, reason.clone()));
        Outcome {
            refused: Some(reason),
            ..Flight::first(&row).outcome(0)
        }
    }

    /// A QoS 0 message went to the socket: nobody will ever say more about it.
    pub(super) fn sent_at_most_once(&mut self) -> Option<Outcome> {
        let index = self
            .handed
            .iter()
            .position(|row| row.qos == Qos::AtMostOnce)?;
        let row = self.handed.remove(index)?;
        self.last_progress = Instant::now();
        self.settled.push(Settled::Done(row.seq));
        Some(Flight::first(&row).outcome(0))
    }

    /// PUBACK.
    pub(super) fn acknowledged(&mut self, pkid: u16, reason: PubAckReason) -> Option<Outcome> {
        match reason {
            PubAckReason::Success | PubAckReason::NoMatchingSubscribers => self.delivered(pkid),
            other => self.refused(pkid, format!("{other:?}")),
        }
    }

    /// PUBREC. `None` when the handshake goes on.
    ///
    /// "Packet identifier in use" has two meanings. For a resumed publish it says that the
    /// broker has held the message since before the cut: what is missing is the release. The
    /// client has given the id up by then, so the release can only follow from the outbox,
    /// after a rebuild, and until then no new message may take the id. For a message sent for
    /// the first time it says that the message was *not* taken.
    pub(super) fn received(&mut self, pkid: u16, reason: PubRecReason) -> Option<Outcome> {
        self.last_progress = Instant::now();
        self.unanswered.remove(&pkid);
        match reason {
            PubRecReason::Success | PubRecReason::NoMatchingSubscribers => None,
            PubRecReason::PacketIdentifierInUse
                if self
                    .flights
                    .get(&pkid)
                    .is_some_and(|flight| flight.resumed.is_some()) =>
            {
                if let Some(flight) = self.flights.get_mut(&pkid) {
                    flight.stage = Stage::Received;
                    self.settled.push(Settled::Received(flight.seq));
                }
                self.held = true;
                None
            }
            other => self.refused(pkid, format!("{other:?}")),
        }
    }

    /// PUBCOMP, whatever its code: "not found" means that an earlier release got through.
    pub(super) fn completed(&mut self, pkid: u16) -> Option<Outcome> {
        self.delivered(pkid)
    }

    fn delivered(&mut self, pkid: u16) -> Option<Outcome> {
        let outcome = self.end(pkid)?;
        self.settled.push(Settled::Done(outcome.seq));
        Some(outcome)
    }

    fn refused(&mut self, pkid: u16, reason: String) -> Option<Outcome> {
        let outcome = self.end(pkid)?;
        self.settled
            .push(Settled::Rejected(outcome.seq, reason.clone()));
        Some(Outcome {
            refused: Some(reason),
            ..outcome
        })
    }

    fn end(&mut self, pkid: u16) -> Option<Outcome> {
        self.last_progress = Instant::now();
        self.unanswered.remove(&pkid);
        Some(self.flights.remove(&pkid)?.outcome(pkid))
    }

    /// Commits the answers that are known.
    pub(super) fn flush(&mut self) -> Result<(), StoreError> {
        if self.settled.is_empty() {
            return Ok(());
        }
        let changes: Vec<Change<'_>> = self.settled.iter().map(Settled::change).collect();
        self.outbox.apply(&changes, None)?;
        self.settled.clear();
        Ok(())
    }

    /// Whether another connection has committed something since this was last asked.
    pub(super) fn changed_elsewhere(&mut self) -> Result<bool, StoreError> {
        self.outbox.changed_elsewhere()
    }

    /// The stored header, if it belongs to this broker and can be read.
    fn header(&self) -> Result<Option<PersistedSession>, StoreError> {
        let Some(bytes) = self.outbox.header()? else {
            return Ok(None);
        };
        let session = bytes
            .strip_prefix(self.broker.as_bytes())
            .and_then(|rest| rest.strip_prefix(b"\n"))
            .and_then(|rest| PersistedSession::decode(rest).ok());
        Ok(session)
    }

    /// The header as it is stored: the broker's address, a line break, and the client's own
    /// encoding of its session without the messages, which the outbox has.
    fn encode(&self, session: &PersistedSession) -> Result<Vec<u8>, SaveError> {
        let bare = PersistedSession {
            replay: Vec::new(),
            client_id: session.client_id.clone(),
            incoming_qos2: session.incoming_qos2.clone(),
            ..*session
        };
        let mut header = self.broker.clone().into_bytes();
        header.push(b'\n');
        header.extend(bare.encode()?);
        Ok(header)
    }
}

impl Flight {
    /// A row on its first way.
    fn first(row: &Row) -> Self {
        Self {
            seq: row.seq,
            event_id: row.event_id,
            topic: row.topic.clone(),
            qos: row.qos,
            stage: Stage::Published,
            resumed: None,
        }
    }

    fn outcome(self, pkid: u16) -> Outcome {
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

/// Whether a publish in the client's hands is this row.
fn same(row: &Row, publish: &PersistedPublish) -> bool {
    let qos = match publish.qos {
        PersistedQoS::AtMostOnce => Qos::AtMostOnce,
        PersistedQoS::AtLeastOnce => Qos::AtLeastOnce,
        PersistedQoS::ExactlyOnce => Qos::ExactlyOnce,
    };
    row.qos == qos
        && row.retain == publish.retain
        && row.topic.as_bytes() == publish.topic
        && row.payload == publish.payload
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
