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

mod answers;
mod flight;
mod queue;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use rumqttc::{
    PersistedIncomingQos2, PersistedPublish, PersistedQoS, PersistedRequest, PersistedSession,
};

pub(super) use flight::{Limits, Outcome};

use flight::{Flight, Settled};

use super::message;
use crate::event::wire::Qos;
use crate::store::StoreError;
use crate::store::outbox::{Change, Outbox, Row, Stage};

/// Why a snapshot could not be recorded; the connection must end.
#[derive(Debug, thiserror::Error)]
pub(in crate::mqtt) enum SaveError {
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
pub(in crate::mqtt) struct Ledger {
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
    pub(in crate::mqtt) fn new(outbox: Outbox, broker: String) -> Self {
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
    pub(in crate::mqtt) fn begin(&mut self, client_id: &str) -> Result<bool, StoreError> {
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
    pub(in crate::mqtt) fn resume(&mut self) -> Result<Option<PersistedSession>, StoreError> {
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
    pub(in crate::mqtt) fn save(&mut self, session: &PersistedSession) -> Result<(), SaveError> {
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
    pub(in crate::mqtt) fn forget_session(&mut self) -> Result<(), StoreError> {
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
    pub(in crate::mqtt) fn admit(&mut self, limits: Limits) -> bool {
        self.limits = Some(limits);
        self.last_progress = Instant::now();
        self.flights.iter().all(|(pkid, flight)| {
            let fits = flight
                .resumed
                .is_none_or(|bytes| bytes <= limits.packet_bytes);
            *pkid <= limits.highest_pkid && (flight.stage == Stage::Received || fits)
        })
    }

    /// Whether the row still waits or is under way.
    pub(in crate::mqtt) fn is_open(&self, seq: i64) -> bool {
        self.urgent
            .iter()
            .chain(&self.handed)
            .any(|row| row.seq == seq)
            || self.flights.values().any(|flight| flight.seq == seq)
    }

    /// Messages handed over or under way.
    pub(in crate::mqtt) fn outstanding(&self) -> usize {
        self.handed.len() + self.flights.len()
    }

    /// Whether only a new connection can make progress: see [`Ledger::refused`].
    pub(in crate::mqtt) fn needs_rebuild(&self) -> bool {
        self.held && self.unanswered.is_empty()
    }

    /// When the broker last answered anything, while something is outstanding.
    pub(in crate::mqtt) fn waiting_since(&self) -> Option<Instant> {
        (self.outstanding() > 0).then_some(self.last_progress)
    }

    /// Commits the answers that are known.
    pub(in crate::mqtt) fn flush(&mut self) -> Result<(), StoreError> {
        if self.settled.is_empty() {
            return Ok(());
        }
        let changes: Vec<Change<'_>> = self.settled.iter().map(Settled::change).collect();
        self.outbox.apply(&changes, None)?;
        self.settled.clear();
        Ok(())
    }

    /// Whether another connection has committed something since this was last asked.
    pub(in crate::mqtt) fn changed_elsewhere(&mut self) -> Result<bool, StoreError> {
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
mod tests;
