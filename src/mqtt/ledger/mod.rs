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
mod pause;
mod queue;
mod record;
mod repetitions;
mod shortcomings;
mod snapshot;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

pub(super) use flight::{End, Limits, Outcome};
pub(super) use header::Owner;
pub(super) use snapshot::{Again, Published, Resume, Snapshot, Step};

use flight::{Flight, Settled};
use header::Header;
use pause::Pause;
use repetitions::Repetitions;
use shortcomings::Shortcomings;

use super::dialect;
use crate::clock::{Moment, Tick, Timestamp};
use crate::config::ResendDup;
use crate::event::wire::Qos;
use crate::store::StoreError;
use crate::store::outbox::{Change, Outbox, Row, Stage, UnderWay};

/// How long a broker is relied on to hold a packet id that awaits its release, counted from when
/// the message was sent first. EMQX's default (`mqtt.await_rel_timeout`, 300 s) is the shortest
/// known; Mosquitto holds it as long as the session.
const HELD_MS: i64 = 300_000;

/// Why a snapshot could not be recorded; the connection must end.
#[derive(Debug, thiserror::Error)]
pub(in crate::mqtt) enum SaveError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("packet id {0} belongs to no message that was handed over")]
    UnknownPublish(u16),
    #[error("packet id {0} is released but was never published")]
    UnknownRelease(u16),
}

/// Answers that are committed without waiting for another step.
const MANY: usize = 200;

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
    last_progress: Tick,
    /// The broker has answered a message on this connection.
    answered: bool,
    pause: Pause,
    /// How often the broker has refused a row for now, by number of the row.
    attempts: BTreeMap<i64, u32>,
    /// The largest packet that the broker takes, as it was found out by sending a larger one.
    found_limit: Option<usize>,
    /// The largest packet of QoS 0 that was sent on this connection.
    largest_at_most_once: usize,
    resend_dup: ResendDup,
    /// What the broker has told about repetitions.
    repetitions: Repetitions,
    /// Nobody is asked about that any more.
    unasked: bool,
    shortcomings: Shortcomings,
    /// The session is on record: when it is not any more, somebody else has given it up.
    established: bool,
}

impl Ledger {
    pub(in crate::mqtt) fn new(outbox: Outbox, owner: Owner, resend_dup: ResendDup) -> Self {
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
            last_progress: Tick::default(),
            answered: false,
            pause: Pause::default(),
            attempts: BTreeMap::new(),
            found_limit: None,
            largest_at_most_once: 0,
            resend_dup,
            repetitions: Repetitions::default(),
            unasked: false,
            shortcomings: Shortcomings::default(),
            established: false,
        }
    }

    /// Starts over for a new connection: answers are committed, everything else is forgotten,
    /// to be read again from the outbox. Says whether there is a session to resume.
    pub(in crate::mqtt) fn begin(&mut self, now: Tick) -> Result<bool, StoreError> {
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
        self.largest_at_most_once = 0;
        self.last_progress = now;
        self.answered = false;
        self.established = self.header()?.is_some();
        Ok(self.established)
    }

    /// The session as the client must resume it: every publish again under its packet id, then
    /// every release.
    ///
    /// A broker may forget a packet id that awaits its release after a while, also while we are
    /// away; a publish that is sent again later than that is a new message to it. One of which
    /// that can be true is marked as possibly double, on the disk first.
    pub(in crate::mqtt) fn resume(&mut self, now: Timestamp) -> Result<Option<Resume>, StoreError> {
        let Some(header) = self.header()? else {
            return Ok(None);
        };
        self.repetitions.clone_from(&header.repetitions);
        self.unasked |= header.unasked;
        self.shortcomings.recall(header.without_qos_2);
        let dup = self.repetitions.may_say_so(self.resend_dup);
        let mut under_way = self.outbox.under_way()?;
        let now = now.as_millisecond();
        let forgotten = under_way.iter_mut().filter(|under_way| {
            under_way.stage == Stage::Published
                && under_way.row.qos == Qos::ExactlyOnce
                && !under_way.row.maybe_dup
                && !is_held(under_way.sent_at, now)
        });
        let doubtful: Vec<Change<'_>> = forgotten
            .map(|under_way| {
                under_way.row.maybe_dup = true;
                let seq = under_way.row.seq;
                Change::Doubtful { seq }
            })
            .collect();
        if !doubtful.is_empty() {
            self.outbox.apply(&doubtful, None)?;
        }
        self.incoming.clone_from(&header.incoming);
        let mut replay = Vec::new();
        for UnderWay {
            row, pkid, stage, ..
        } in under_way
        {
            let flight = Flight {
                stage,
                resumed: true,
                ..Flight::first(&row, dialect::packet_bytes(self.owner.protocol, &row))
            };
            self.flights.insert(pkid, flight);
            replay.push(match stage {
                Stage::Published => {
                    self.unanswered.insert(pkid);
                    Again::Publish { row, pkid, dup }
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

    /// Whether the broker's version matters, and may be asked for.
    pub(in crate::mqtt) fn wants_version(&self) -> bool {
        self.resend_dup == ResendDup::Auto && !self.unasked
    }

    /// A connection has ended on the question for the version: it is not asked again. Remembered with
    /// the session.
    pub(in crate::mqtt) fn stop_asking(&mut self) -> Result<(), StoreError> {
        self.unasked = true;
        self.amend_header()
    }

    /// A node of the broker has told whether it drops repetitions that it has not seen. Remembered
    /// with the session, since it counts from the next connection on. True when it is news that it does.
    pub(in crate::mqtt) fn told(
        &mut self,
        node: &str,
        drops: bool,
        live: bool,
    ) -> Result<bool, StoreError> {
        let before = self.repetitions.clone();
        self.repetitions.told(node, drops, live);
        if self.repetitions == before {
            return Ok(false);
        }
        self.amend_header()?;
        Ok(self.repetitions.are_dropped() && !before.are_dropped())
    }

    /// Brings what is remembered beside the packet ids up to date, if there is a session.
    fn amend_header(&mut self) -> Result<(), StoreError> {
        if let Some(Header {
            last_pkid,
            last_puback,
            incoming,
            ..
        }) = self.header()?
        {
            let header = self.header_with(last_pkid, last_puback, incoming);
            self.outbox.apply(&[], Some(&header.write()))?;
        }
        Ok(())
    }

    /// Whether the session was given up by somebody else (`doorward outbox`).
    pub(in crate::mqtt) fn session_is_gone(&self) -> Result<bool, StoreError> {
        Ok(self.established && self.outbox.header()?.is_none())
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
        // A broker that has lost its session may be another version by now.
        self.repetitions = Repetitions::default();
        self.established = false;
        Ok(())
    }

    /// The broker has made a session of ours, in which nothing has been sent.
    pub(in crate::mqtt) fn found_session(&mut self) -> Result<(), StoreError> {
        let header = self.header_with(0, 0, Vec::new()).write();
        self.outbox.found_session(&header)?;
        self.established = true;
        Ok(())
    }

    /// Takes note of what the broker allows. False: what is to be resumed does not fit, and
    /// only a new session can carry it.
    pub(in crate::mqtt) fn admit(&mut self, limits: Limits, now: Moment) -> bool {
        let at_most = self.shortcomings.at_most(now.wall);
        let qos = if u8::from(at_most) < u8::from(limits.qos) {
            at_most
        } else {
            limits.qos
        };
        self.limits = Some(Limits { qos, ..limits });
        self.last_progress = now.tick;
        let allowed = self.allowed_bytes(limits);
        self.flights.iter().all(|(pkid, flight)| {
            let fits = flight.bytes <= allowed;
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

    /// Whether messages are under way and not one of them was answered on this connection.
    pub(in crate::mqtt) fn unheard(&self) -> bool {
        !self.answered && !self.flights.is_empty()
    }

    /// The topics of messages that the broker has not answered, for whoever must find out why it hung up.
    pub(in crate::mqtt) fn unanswered_topics(&self) -> Vec<String> {
        let sent = self.flights.values();
        let sent = sent.filter(|flight| flight.stage == Stage::Published);
        let topics: BTreeSet<&String> = sent.map(|flight| &flight.topic).collect();
        topics.into_iter().cloned().collect()
    }

    /// For how long the broker has answered nothing, while something is outstanding.
    pub(in crate::mqtt) fn waited(&self, now: Tick) -> Option<Duration> {
        (self.outstanding() > 0).then(|| now.since(self.last_progress))
    }

    /// True once when a pause that the broker asked for has ended.
    pub(in crate::mqtt) fn pause_has_ended(&mut self, now: Tick) -> bool {
        self.pause.has_ended(now)
    }

    /// Commits the answers that are known, if they are many: until then their rows are read again
    /// with each look at the queue. With QoS 1 and 2 they go with the next step of other messages.
    pub(in crate::mqtt) fn flush_many(&mut self) -> Result<(), StoreError> {
        if self.settled.len() < MANY {
            return Ok(());
        }
        self.flush()
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

    fn header_with(&self, last_pkid: u16, last_puback: u16, incoming: Vec<u16>) -> Header {
        Header {
            owner: self.owner.clone(),
            last_pkid,
            last_puback,
            incoming,
            repetitions: self.repetitions.clone(),
            unasked: self.unasked,
            without_qos_2: self.shortcomings.since(),
        }
    }

    /// The stored header, if it can be read and is of this broker, protocol and client.
    fn header(&self) -> Result<Option<Header>, StoreError> {
        let bytes = self.outbox.header()?;
        Ok(bytes.and_then(|bytes| Header::read(&bytes, &self.owner)))
    }
}

/// Whether a broker can be relied on to still hold a packet id that it got then. Not when the
/// clock was set back in between: nobody knows how long it has been.
fn is_held(sent_at: Option<i64>, now: i64) -> bool {
    sent_at.is_some_and(|sent| (0..HELD_MS).contains(&now.saturating_sub(sent)))
}

#[cfg(test)]
mod tests;
