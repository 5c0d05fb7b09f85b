//! The keeper records what the broker refuses for good.
//!
//! Told at once, then once an hour for each topic and reason, with the number since. A refused
//! `delivery.*` event is never told of, nor are telemetry and pictures: otherwise a broker that
//! refuses these very events would be the cause of ever new ones. What carries no event (the
//! retained summaries) is told of once a day: such a report is itself an event, and the next
//! checkpoint follows from it.

use std::time::Duration;

use uuid::Uuid;

use super::Keeper;
use crate::clock::Tick;
use crate::event::{Class, Event};
use crate::service::throttle::{Throttle, Told};

/// How often a refusal of events is told of, and of everything else.
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A message that the broker refused, or that can never be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undelivered {
    /// Number of the outbox row; it is kept with the reason.
    pub seq: i64,
    /// The event it carried.
    pub event: Option<Uuid>,
    /// Where to.
    pub topic: String,
    /// Why.
    pub reason: String,
}

/// What was refused lately, by topic and by reason without its numbers (sizes differ).
pub(super) type Refusals = Throttle<(String, String), (Option<Uuid>, String)>;

impl Keeper {
    /// A message was refused.
    pub(super) fn undelivered(&mut self, refused: Undelivered) {
        match self.journal.store().outbox_row_about(refused.seq) {
            Ok(Some((class, kind))) if is_news(&class, kind.as_deref()) => {}
            Ok(_) => return,
            Err(error) => {
                tracing::warn!(%error, "it cannot be told what was refused");
                return;
            }
        }
        let now = self.clock.tick();
        let Undelivered {
            event,
            topic,
            reason,
            ..
        } = refused;
        let key = (topic, without_numbers(&reason));
        let value = (event, reason);
        let interval = interval(&value);
        if let Some(told) = self.refusals.note(key.clone(), value, interval, now) {
            self.record(refusal(key, told));
        }
    }

    /// What was refused meanwhile and has not been told of for an hour, or a day.
    pub(super) fn refusals_due(&mut self, now: Tick) {
        for (key, told) in self.refusals.due(interval, now) {
            self.record(refusal(key, told));
        }
    }

    /// What has not been told of when the service ends.
    pub(super) fn last_refusals(&mut self) {
        for (key, told) in std::mem::take(&mut self.refusals).finish() {
            self.record(refusal(key, told));
        }
    }
}

fn is_news(class: &str, kind: Option<&str>) -> bool {
    let numbers = [Class::Telemetry.as_str(), Class::Snapshot.as_str()];
    !numbers.contains(&class) && !kind.is_some_and(|kind| kind.starts_with("delivery."))
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
        assert!(is_news("access", Some("access.granted")));
        assert!(is_news("state", None));
        assert!(!is_news("admin", Some("delivery.refused")));
        assert!(!is_news("admin", Some("delivery.dropped")));
        assert!(!is_news("telemetry", None));
        assert!(!is_news("snapshot", None));
    }

    #[test]
    fn reasons_that_differ_in_numbers_only_are_one() {
        let one = "packet of 1234 bytes; the largest allowed is 1000 bytes";
        let other = "packet of 99 bytes; the largest allowed is 10 bytes";
        assert_eq!(without_numbers(one), without_numbers(other));
        assert_ne!(without_numbers(one), without_numbers("not authorised"));
    }
}
