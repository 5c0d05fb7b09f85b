//! The record says what the broker refuses for good.
//!
//! Told at once, then once an hour for each topic and reason, with the number since. A refused
//! `delivery.*` event is never told of, nor are telemetry and pictures: otherwise a broker that
//! refuses these very events would be the cause of ever new ones. What carries no event (the
//! retained summaries) is told of once a day: such a report is itself an event, and the next
//! checkpoint follows from it.

use std::time::Duration;

use uuid::Uuid;

use super::deed::is_news;
use super::throttle::{Throttle, Told};
use super::{Author, Guard, Undelivered};
use crate::clock::Moment;
use crate::event::Event;

/// How often a refusal of events is told of, and of everything else.
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What was refused lately, by topic and by reason without its numbers (sizes differ).
pub(super) type Refusals = Throttle<(String, String), (Option<Uuid>, String)>;

impl Guard {
    /// A message was refused.
    pub(super) fn undelivered(&mut self, refused: Undelivered, now: &Moment) {
        if !is_news(&refused) {
            return;
        }
        let key = (refused.topic, without_numbers(&refused.reason));
        let value = (refused.event, refused.reason);
        let interval = interval(&value);
        if let Some(told) = self.refusals.note(key.clone(), value, interval, now.tick) {
            self.keep(Author::Door, vec![refusal(key, told)], now);
        }
    }

    /// What was refused meanwhile and has not been told of for an hour, or a day.
    pub(super) fn refusals_due(&mut self, now: &Moment) {
        for (key, told) in self.refusals.due(interval, now.tick) {
            self.keep(Author::Door, vec![refusal(key, told)], now);
        }
    }

    /// What has not been told of when the service ends.
    pub(super) fn last_refusals(&mut self, now: &Moment) {
        for (key, told) in std::mem::take(&mut self.refusals).finish() {
            self.keep(Author::Door, vec![refusal(key, told)], now);
        }
    }
}

fn interval((event, _): &(Option<Uuid>, String)) -> Duration {
    if event.is_some() { HOUR } else { DAY }
}

fn without_numbers(reason: &str) -> String {
    reason.split(|c: char| c.is_ascii_digit()).collect()
}

fn refusal((topic, _): (String, String), told: Told<(Option<Uuid>, String)>) -> Event {
    let (event, reason) = told.first;
    Event::DeliveryRefused {
        topic,
        reason,
        event,
        messages: told.count,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_refused_because_of_a_report_is_no_news() {
        let news = |class: &str, kind: Option<&str>| {
            is_news(&Undelivered {
                event: None,
                kind: kind.map(str::to_owned),
                class: class.into(),
                topic: "t".into(),
                reason: "r".into(),
            })
        };
        assert!(news("access", Some("access.granted")));
        assert!(news("state", None));
        assert!(!news("admin", Some("delivery.refused")));
        assert!(!news("admin", Some("delivery.dropped")));
        assert!(!news("telemetry", None));
        assert!(!news("snapshot", None));
    }

    #[test]
    fn reasons_that_differ_in_numbers_only_are_one() {
        let one = "packet of 1234 bytes; the largest allowed is 1000 bytes";
        let other = "packet of 99 bytes; the largest allowed is 10 bytes";
        assert_eq!(without_numbers(one), without_numbers(other));
        assert_ne!(without_numbers(one), without_numbers("not authorised"));
    }
}
