//! What the broker's answers mean for a row.

use std::time::Instant;

use super::Ledger;
use super::flight::{Flight, Outcome, Settled};
use crate::event::wire::Qos;
use crate::mqtt::fate::{self, Fate};
use crate::store::outbox::Stage;

impl Ledger {
    /// A QoS 0 message went to the socket: nobody will ever say more about it.
    pub(in crate::mqtt) fn sent_at_most_once(&mut self) -> Option<Outcome> {
        let index = self
            .handed
            .iter()
            .position(|row| row.qos == Qos::AtMostOnce)?;
        let row = self.handed.remove(index)?;
        self.last_progress = Instant::now();
        self.settled.push(Settled::Done(row.seq));
        Some(Flight::first(&row).outcome(0))
    }

    /// PUBACK. For a message of QoS 2 it is no answer at all: nobody promises that the broker has
    /// it. The client has given the id up by then, so only a new connection can repeat it.
    pub(in crate::mqtt) fn acknowledged(&mut self, pkid: u16, code: u8) -> Option<Outcome> {
        let flight = self.flights.get(&pkid);
        if flight.is_some_and(|flight| flight.qos == Qos::ExactlyOnce) {
            self.mistaken = Some(pkid);
            return None;
        }
        match fate::of_message(code) {
            Fate::Taken => self.delivered(pkid),
            Fate::InUse | Fate::Refused => self.refused(pkid, fate::name(code)),
        }
    }

    /// PUBREC. `None` when the handshake goes on.
    ///
    /// "Packet identifier in use" has two meanings. For a resumed publish it says that the
    /// broker has held the message since before the cut: what is missing is the release. The
    /// client has given the id up by then, so the release can only follow from the outbox,
    /// after a rebuild, and until then no new message may take the id. For a message sent for
    /// the first time it says that the message was *not* taken.
    pub(in crate::mqtt) fn received(&mut self, pkid: u16, code: u8) -> Option<Outcome> {
        self.last_progress = Instant::now();
        self.unanswered.remove(&pkid);
        match fate::of_message(code) {
            Fate::Taken => None,
            Fate::InUse
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
            Fate::InUse | Fate::Refused => self.refused(pkid, fate::name(code)),
        }
    }

    /// PUBCOMP, whatever its code: "not found" means that an earlier release got through.
    pub(in crate::mqtt) fn completed(&mut self, pkid: u16) -> Option<Outcome> {
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
}
