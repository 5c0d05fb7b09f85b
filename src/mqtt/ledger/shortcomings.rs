//! What the broker has shown that it cannot do: QoS 2, or its end.
//!
//! Some brokers answer a message of QoS 2 like one of QoS 1 (RabbitMQ with MQTT 3.1.1), and MQTT 3.1.1
//! has no way to say so beforehand. Some never finish a handshake that a cut has interrupted. Either
//! would hold up everything that waits, for ever, so after a few rounds it is believed: the session is
//! given up, what was under way waits again and is marked as possibly double, and to a broker that was
//! never seen to finish QoS 2 it goes at QoS 1. Once a day it is tried again, with one message.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Ledger;
use crate::clock::{Tick, Timestamp};
use crate::event::wire::Qos;
use crate::store::StoreError;

/// Wrong answers in a row after which a broker is believed not to do QoS 2.
const WRONG: u32 = 3;
/// Connections without an answer to one and the same repetition after which it is not waited for any
/// more. More than a bad network makes, and only those count that the broker ended.
const ROUNDS: u32 = 8;
/// How long a broker is believed not to do QoS 2, in milliseconds.
const BELIEVED_MS: i64 = 24 * 3_600 * 1_000;

/// What was seen so far.
#[derive(Debug, Default)]
pub(super) struct Shortcomings {
    /// Wrong answers to messages of QoS 2, since the last right one.
    wrong: u32,
    /// A handshake of QoS 2 was finished.
    finished: bool,
    /// One got on since the connection began: however slowly, the broker does its work.
    got_on: bool,
    /// Since when the broker is believed not to do QoS 2, in milliseconds since 1970.
    since: Option<i64>,
    /// How often each resumed row, by number, was left without an answer by a broker that ended the
    /// connection, and since when the first was.
    rounds: BTreeMap<i64, u32>,
    began: Option<Tick>,
}

impl Shortcomings {
    /// PUBREC came: the broker does know QoS 2.
    pub(super) fn is_right(&mut self) {
        self.wrong = 0;
        self.got_on = true;
    }

    /// PUBACK came for a message of QoS 2.
    pub(super) fn is_wrong(&mut self) {
        self.wrong += 1;
    }

    /// A handshake of QoS 2 has come to its end.
    pub(super) fn has_finished(&mut self) {
        self.finished = true;
        self.got_on = true;
    }

    /// Since when QoS 2 is not used, to be remembered with the session.
    pub(super) fn since(&self) -> Option<i64> {
        self.since
    }

    /// What an earlier process has found out.
    pub(super) fn recall(&mut self, since: Option<i64>) {
        self.since = self.since.or(since);
    }

    /// The highest QoS that is to be tried.
    pub(super) fn at_most(&mut self, now: Timestamp) -> Qos {
        let Some(since) = self.since else {
            return Qos::ExactlyOnce;
        };
        let believed = now.as_millisecond().saturating_sub(since);
        if (0..BELIEVED_MS).contains(&believed) {
            return Qos::AtLeastOnce;
        }
        // One more wrong answer is enough.
        (self.since, self.wrong) = (None, WRONG - 1);
        Qos::ExactlyOnce
    }
}

impl Ledger {
    /// The broker has ended a connection that it had accepted. What was resumed and is still without an
    /// answer has waited for one round more.
    pub(in crate::mqtt) fn round_ended(&mut self, now: Tick) {
        if self.limits.is_none() {
            return;
        }
        if std::mem::take(&mut self.shortcomings.got_on) {
            self.shortcomings.rounds.clear();
            self.shortcomings.began = None;
            return;
        }
        let left = self.flights.values().filter(|flight| flight.resumed);
        let left: BTreeMap<i64, u32> = left
            .map(|flight| {
                let before = self.shortcomings.rounds.get(&flight.seq);
                (flight.seq, before.map_or(1, |before| before + 1))
            })
            .collect();
        if left.is_empty() {
            self.shortcomings.began = None;
        } else {
            self.shortcomings.began.get_or_insert(now);
        }
        self.shortcomings.rounds = left;
    }

    /// Gives the session up when the broker cannot do QoS 2, or never finishes what it began; what to
    /// say about it then. `long`: how long the latter must have lasted.
    pub(in crate::mqtt) fn give_up_on_qos_2(
        &mut self,
        now: (Tick, Timestamp),
        long: Duration,
    ) -> Result<Option<&'static str>, StoreError> {
        let (tick, wall) = now;
        let seen = &self.shortcomings;
        let most = seen.rounds.values().max().copied().unwrap_or_default();
        let lasted = seen.began.is_some_and(|began| tick.since(began) >= long);
        let said = if seen.wrong >= WRONG {
            "it answers messages of QoS 2 like those of QoS 1"
        } else if most >= ROUNDS && lasted {
            "it does not finish the handshake of a message that was cut off, however often it is sent again"
        } else {
            return Ok(None);
        };
        if seen.wrong >= WRONG || !seen.finished {
            self.shortcomings.since = Some(wall.as_millisecond());
        }
        self.shortcomings.rounds.clear();
        self.shortcomings.began = None;
        self.forget_session()?;
        Ok(Some(said))
    }

    /// Whether messages of QoS 2 go at QoS 1 because the broker was seen not to do better.
    pub(in crate::mqtt) fn lowered(&self) -> bool {
        self.shortcomings.since.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_later_one_wrong_answer_is_enough() {
        let day = |days: i64| Timestamp::from_millisecond(days * BELIEVED_MS).unwrap();
        let mut seen = Shortcomings::default();
        assert_eq!(seen.at_most(day(1)), Qos::ExactlyOnce);
        seen.recall(Some(day(1).as_millisecond()));
        assert_eq!(seen.at_most(day(1)), Qos::AtLeastOnce);
        assert_eq!(seen.at_most(day(2)), Qos::ExactlyOnce);
        assert_eq!(seen.wrong, WRONG - 1);
        seen.is_right();
        assert_eq!(seen.wrong, 0);
        // A clock that was set back proves nothing.
        seen.recall(Some(day(2).as_millisecond()));
        assert_eq!(seen.at_most(day(1)), Qos::ExactlyOnce);
    }
}
