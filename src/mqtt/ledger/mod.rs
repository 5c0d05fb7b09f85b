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

mod answers;
mod flight;
mod header;
mod queue;
mod record;
mod snapshot;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

pub(super) use flight::{Limits, Outcome};
pub(super) use header::Owner;
pub(super) use snapshot::{Again, Published, Resume, Snapshot, Step};

use flight::{Flight, Settled};
use header::Header;

use super::dialect;
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
    Header(#[from] serde_json::Error),
}

/// The bookkeeping of one pump.
#[derive(Debug)]
pub(in crate::mqtt) struct Ledger {
    outbox: Outbox,
    owner: Owner,
    /// Handed to the client, no packet id known (or QoS 0), oldest first.
    handed: VecDeque<Row>,
    /// Of these, the ones that are on record as published already, under the packet id that the
    /// client is going to give them: by number of the row.
    reserved: BTreeMap<i64, u16>,
    /// To be sent before what is queued.
    urgent: VecDeque<Row>,
    flights: BTreeMap<u16, Flight>,
    settled: Vec<Settled>,
    /// Resumed publishes that the broker has not answered.
    unanswered: BTreeSet<u16>,
    /// The broker holds a resumed id that the client believes free: only a rebuild releases it.
    held: bool,
    /// A message of QoS 2 that was answered as if it were one of QoS 1.
    mistaken: Option<u16>,
    /// Packet ids of the broker's messages of QoS 2 that we hold.
    incoming: Vec<u16>,
    limits: Option<Limits>,
    last_progress: Instant,
}

impl Ledger {
    pub(in crate::mqtt) fn new(outbox: Outbox, owner: Owner) -> Self {
        Self {
            outbox,
            owner,
            handed: VecDeque::new(),
            reserved: BTreeMap::new(),
            urgent: VecDeque::new(),
            flights: BTreeMap::new(),
            settled: Vec::new(),
            unanswered: BTreeSet::new(),
            held: false,
            mistaken: None,
            incoming: Vec::new(),
            limits: None,
            last_progress: Instant::now(),
        }
    }

    /// Starts over for a new connection: answers are committed, everything else is forgotten,
    /// to be read again from the outbox. Says whether there is a session to resume.
    pub(in crate::mqtt) fn begin(&mut self) -> Result<bool, StoreError> {
        self.flush()?;
        self.withdraw()?;
        self.handed.clear();
        self.urgent.clear();
        self.flights.clear();
        self.unanswered.clear();
        self.held = false;
        self.mistaken = None;
        self.incoming.clear();
        self.limits = None;
        self.last_progress = Instant::now();
        Ok(self.header()?.is_some())
    }

    /// The session as the client must resume it: every publish again under its packet id,
    /// marked as a repetition, then every release.
    pub(in crate::mqtt) fn resume(&mut self) -> Result<Option<Resume>, StoreError> {
        let Some(header) = self.header()? else {
            return Ok(None);
        };
        self.incoming.clone_from(&header.incoming);
        let mut replay = Vec::new();
        for under_way in self.outbox.under_way()? {
            let (row, pkid) = (under_way.row, under_way.pkid);
            let bytes = dialect::packet_bytes(self.owner.protocol, &row);
            let flight = Flight {
                stage: under_way.stage,
                resumed: Some(bytes),
                ..Flight::first(&row)
            };
            self.flights.insert(pkid, flight);
            replay.push(match under_way.stage {
                Stage::Published => {
                    self.unanswered.insert(pkid);
                    Again::Publish {
                        row,
                        pkid,
                        dup: true,
                    }
                }
                Stage::Received => Again::Release { pkid },
            });
        }
        Ok(Some(Resume {
            last_pkid: header.last_pkid,
            last_puback: header.last_puback,
            incoming: header.incoming,
            replay,
        }))
    }

    /// The broker has no session: everything under way will be sent anew.
    pub(in crate::mqtt) fn forget_session(&mut self) -> Result<(), StoreError> {
        self.flush()?;
        self.outbox.forget_session()?;
        self.reserved.clear();
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

    /// The packet id of a message whose answer makes no sense: the connection is of no more use.
    pub(in crate::mqtt) fn mistaken(&self) -> Option<u16> {
        self.mistaken
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

    /// The stored header, if it can be read and is of this broker, protocol and client.
    fn header(&self) -> Result<Option<Header>, StoreError> {
        let bytes = self.outbox.header()?;
        Ok(bytes.and_then(|bytes| Header::read(&bytes, &self.owner)))
    }
}

#[cfg(test)]
mod tests;
