//! What the broker's answers mean for a row.

use super::Ledger;
use super::flight::{End, Flight, Outcome, Settled};
use crate::clock::Tick;
use crate::event::wire::Qos;
use crate::mqtt::dialect;
use crate::mqtt::fate::{self, ATTEMPTS, Fate};
use crate::store::outbox::Stage;

impl Ledger {
    /// A QoS 0 message went to the socket: nobody will ever say more about it.
    pub(in crate::mqtt) fn sent_at_most_once(&mut self, now: Tick) -> Option<Outcome> {
        let index = self
            .handed
            .iter()
            .position(|row| row.qos == Qos::AtMostOnce)?;
        let row = self.handed.remove(index)?;
        self.last_progress = now;
        self.settled.push(Settled::Done(row.seq));
        let bytes = dialect::packet_bytes(self.owner.protocol, &row);
        self.largest_at_most_once = self.largest_at_most_once.max(bytes);
        Some(Flight::first(&row, bytes).outcome(0))
    }

    /// PUBACK. For a message of QoS 2 it is no answer at all: nobody promises that the broker has
    /// it. The client has given the id up by then, so only a new connection can repeat it.
    pub(in crate::mqtt) fn acknowledged(
        &mut self,
        pkid: u16,
        code: u8,
        now: Tick,
    ) -> Option<Outcome> {
        let flight = self.flights.get(&pkid);
        if flight.is_some_and(|flight| flight.qos == Qos::ExactlyOnce) {
            self.mistaken.get_or_insert(pkid);
            self.shortcomings.is_wrong();
            return None;
        }
        match fate::of_message(code) {
            Fate::Taken => self.delivered(pkid, now),
            other => self.not_taken(pkid, code, other, now),
        }
    }

    /// PUBREC. `None` when the handshake goes on.
    ///
    /// "Packet identifier in use" has two meanings. For a resumed publish it says that the
    /// broker has held the message since before the cut: what is missing is the release. The
    /// client has given the id up by then, so the release can only follow from the outbox,
    /// after a rebuild, and until then no new message may take the id. For a message sent for
    /// the first time it says that the message was *not* taken.
    pub(in crate::mqtt) fn received(&mut self, pkid: u16, code: u8, now: Tick) -> Option<Outcome> {
        self.last_progress = now;
        self.answered = true;
        self.unanswered.remove(&pkid);
        self.shortcomings.is_right();
        match fate::of_message(code) {
            Fate::Taken => None,
            Fate::InUse if self.flights.get(&pkid).is_some_and(|flight| flight.resumed) => {
                if let Some(flight) = self.flights.get_mut(&pkid) {
                    flight.stage = Stage::Received;
                    self.settled.push(Settled::Received(flight.seq));
                }
                self.held = true;
                None
            }
            other => self.not_taken(pkid, code, other, now),
        }
    }

    /// PUBCOMP, whatever its code: "not found" means that an earlier release got through.
    pub(in crate::mqtt) fn completed(&mut self, pkid: u16, now: Tick) -> Option<Outcome> {
        let known = self.flights.contains_key(&pkid);
        if known {
            self.shortcomings.has_finished();
        }
        self.delivered(pkid, now)
    }

    fn delivered(&mut self, pkid: u16, now: Tick) -> Option<Outcome> {
        let outcome = self.end(pkid, now)?;
        self.pause.over();
        self.attempts.remove(&outcome.seq);
        self.settled.push(Settled::Done(outcome.seq));
        Some(outcome)
    }

    /// Refused now: for good, or to be asked again after a pause. The packet id is free either
    /// way.
    fn not_taken(&mut self, pkid: u16, code: u8, fate: Fate, now: Tick) -> Option<Outcome> {
        let seq = self.flights.get(&pkid)?.seq;
        let attempts = self.attempts.get(&seq).map_or(1, |before| before + 1);
        // An id in use is one that the broker keeps of something that we know nothing of: the next
        // id may be free.
        let perhaps = matches!(fate, Fate::Perhaps | Fate::InUse) && attempts < ATTEMPTS;
        if fate == Fate::Later || perhaps {
            self.attempts.insert(seq, attempts);
            let outcome = self.end(pkid, now)?;
            self.settled.push(Settled::Postponed(seq));
            let pause = self.pause.begin(now);
            let reason = fate::name(code);
            return Some(Outcome {
                end: End::Postponed { reason, pause },
                ..outcome
            });
        }
        let reason = match attempts {
            1 => fate::name(code),
            attempts => format!("{} ({attempts} attempts)", fate::name(code)),
        };
        self.refused(pkid, reason, now)
    }

    fn refused(&mut self, pkid: u16, reason: String, now: Tick) -> Option<Outcome> {
        let outcome = self.end(pkid, now)?;
        self.attempts.remove(&outcome.seq);
        self.settled
            .push(Settled::Rejected(outcome.seq, reason.clone()));
        Some(Outcome {
            end: End::Refused(reason),
            ..outcome
        })
    }

    /// The broker ended the connection over a packet that is too large for it, without having
    /// said its limit. The largest one that was sent is larger than the limit, whichever packet
    /// it was about, so it was not taken and never will be: it is refused, and from here on so
    /// is every row of that size.
    pub(in crate::mqtt) fn too_large(&mut self, now: Tick) -> Vec<Outcome> {
        let under_way = |flight: &&Flight| flight.stage == Stage::Published;
        let flights = self.flights.values().filter(under_way);
        let largest = flights.map(|flight| flight.bytes).max().unwrap_or_default();
        let largest = largest.max(self.largest_at_most_once);
        if largest == 0 {
            return Vec::new();
        }
        self.found_limit = Some(largest - 1);
        let too_large = |(pkid, flight): (&u16, &Flight)| {
            (under_way(&flight) && flight.bytes == largest).then_some(*pkid)
        };
        let pkids: Vec<u16> = self.flights.iter().filter_map(too_large).collect();
        let reason = format!("packet of {largest} bytes; the broker ends the connection over it");
        pkids
            .into_iter()
            .filter_map(|pkid| self.refused(pkid, reason.clone(), now))
            .collect()
    }

    fn end(&mut self, pkid: u16, now: Tick) -> Option<Outcome> {
        self.last_progress = now;
        self.answered = true;
        self.unanswered.remove(&pkid);
        Some(self.flights.remove(&pkid)?.outcome(pkid))
    }
}
