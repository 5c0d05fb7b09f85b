//! Which rows go next, and which never can.

use std::collections::HashSet;

use super::Ledger;
use super::flight::{End, Flight, Limits, Outcome, Settled};
use crate::clock::{Moment, Tick};
use crate::event::wire::{Publication, Qos};
use crate::mqtt::dialect;
use crate::store::StoreError;
use crate::store::outbox::{Row, Stage};

impl Ledger {
    /// Queues a retained message ahead of everything that waits.
    pub(in crate::mqtt) fn announce(
        &mut self,
        publication: &Publication,
    ) -> Result<i64, StoreError> {
        let row = self.outbox.announce(publication)?;
        let seq = row.seq;
        self.urgent.retain(|waiting| waiting.class != row.class);
        self.urgent.push_back(row);
        Ok(seq)
    }

    /// The next rows to hand over, as they are to be sent. New rows wait until every resumed
    /// one is answered, while the broker holds an id that the client believes free, and while
    /// the broker has asked for a pause.
    pub(in crate::mqtt) fn next(&mut self, now: Moment) -> Result<Vec<Row>, StoreError> {
        let Some(limits) = self.limits else {
            return Ok(Vec::new());
        };
        if self.held || !self.unanswered.is_empty() || self.pause.is_on(now.tick) {
            return Ok(Vec::new());
        }
        let room = limits.window.saturating_sub(self.outstanding());
        if room == 0 {
            return Ok(Vec::new());
        }
        let mut rows: Vec<Row> = self.urgent.iter().take(room).cloned().collect();
        // At QoS 0 every message makes room for the next one at once: several are asked for together.
        let trickling = self.handed.iter().any(|row| row.qos == Qos::AtMostOnce);
        if rows.len() < room && (!trickling || room * 4 >= limits.window) {
            let busy: HashSet<i64> = self
                .handed
                .iter()
                .chain(&self.urgent)
                .map(|row| row.seq)
                .chain(self.settled.iter().map(Settled::seq))
                .collect();
            let queued = self.outbox.queued(room + busy.len(), now.wall)?;
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
    pub(in crate::mqtt) fn unsendable(&self, row: &Row) -> Option<String> {
        let limits = self.limits?;
        let bytes = dialect::packet_bytes(self.owner.protocol, row);
        let allowed = self.allowed_bytes(limits);
        if bytes > allowed {
            return Some(format!(
                "packet of {bytes} bytes; the largest allowed is {allowed} bytes"
            ));
        }
        (row.retain && !limits.retain)
            .then(|| "the broker does not keep retained messages".to_owned())
    }

    /// The largest packet that may be sent: as the broker said, or as it was found out.
    pub(super) fn allowed_bytes(&self, limits: Limits) -> usize {
        self.found_limit
            .map_or(limits.packet_bytes, |found| found.min(limits.packet_bytes))
    }

    /// The row is with the client now.
    pub(in crate::mqtt) fn handed_over(&mut self, row: Row, now: Tick) {
        self.urgent.retain(|waiting| waiting.seq != row.seq);
        if self.outstanding() == 0 {
            self.last_progress = now;
        }
        self.handed.push_back(row);
    }

    /// The row can never be sent.
    pub(in crate::mqtt) fn reject(&mut self, row: Row, reason: String) -> Outcome {
        self.urgent.retain(|waiting| waiting.seq != row.seq);
        self.settled
            .push(Settled::Rejected(row.seq, reason.clone()));
        Outcome {
            end: End::Refused(reason),
            ..Flight::first(&row, 0).outcome(0)
        }
    }
}
