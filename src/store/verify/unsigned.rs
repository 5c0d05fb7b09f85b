//! Are there checkpoints where there must be some? Pure.
//!
//! A running service signs the record at its start, after so many minutes while something happens, and at
//! its end. So an event that only a service records, and that is older than that by the record's own
//! times, is covered by a checkpoint, or somebody removed it. After a crash the last minutes are not
//! covered: that counts only when the service ran again since.

use std::time::Duration;

use super::Finding;
use crate::clock::Timestamp;
use crate::event::{Class, Recorded};

/// What the service may be late with a checkpoint: it looks once a minute.
const LATE: Duration = Duration::from_secs(10 * 60);
/// For how long it must have run after that.
const RAN: Duration = Duration::from_secs(2 * 60);

/// Events that no checkpoint covers.
#[derive(Debug)]
pub(super) struct Unsigned {
    checkpoint: u64,
    /// How long events may be without one; for ever when none are made.
    allowed: Option<Duration>,
    first: Option<(u64, Timestamp)>,
    late: Option<Timestamp>,
    overdue: bool,
}

impl Unsigned {
    pub(super) fn after(checkpoint: u64, every: Option<Duration>) -> Self {
        Self {
            checkpoint,
            // The first one is signed as soon as there is anything.
            allowed: every.map(|every| {
                LATE + if checkpoint == 0 {
                    Duration::ZERO
                } else {
                    every
                }
            }),
            first: None,
            late: None,
            overdue: false,
        }
    }

    /// The next event, in order.
    pub(super) fn look(&mut self, event: &Recorded) {
        let by_service = event.by.is_none()
            && matches!(
                event.event.class(),
                Class::Access | Class::Door | Class::Alarm
            );
        let Some(allowed) = self.allowed else { return };
        if !by_service || !event.clock_synced || event.seq <= self.checkpoint {
            return;
        }
        let passed = |from: Timestamp, time: Duration| {
            Duration::try_from(event.time.duration_since(from)).is_ok_and(|passed| passed > time)
        };
        match (self.first, self.late) {
            (None, _) => self.first = Some((event.seq, event.time)),
            (Some((_, first)), None) => {
                if passed(first, allowed) {
                    self.late = Some(event.time);
                }
            }
            (_, Some(late)) => self.overdue |= passed(late, RAN),
        }
    }

    pub(super) fn finding(&self) -> Option<Finding> {
        let (from, _) = self.first.filter(|_| self.overdue)?;
        Some(Finding::Unsigned {
            from,
            checkpoint: self.checkpoint,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::chain::ChainHash;
    use crate::event::{Event, SecureCause};

    const HOUR: Duration = Duration::from_secs(3600);

    /// One event a minute of those that are named, from number 1 on.
    fn finding(checkpoint: u64, every: Option<Duration>, minutes: &[i64]) -> Option<Finding> {
        let mut unsigned = Unsigned::after(checkpoint, every);
        for (seq, minute) in (1..).zip(minutes) {
            unsigned.look(&Recorded {
                seq,
                id: uuid::Uuid::nil(),
                time: Timestamp::from_second(minute * 60).unwrap(),
                clock_synced: true,
                by: None,
                event: Event::DoorSecured {
                    cause: SecureCause::Stop,
                },
                hash: ChainHash::default(),
            });
        }
        unsigned.finding()
    }

    #[test]
    fn events_older_than_a_checkpoint_must_be_are_found() {
        let found = |from, checkpoint| Some(Finding::Unsigned { from, checkpoint });
        // None at all, though the service ran for a quarter of an hour.
        assert_eq!(finding(0, Some(HOUR), &[0, 5, 11, 14]), found(1, 0));
        // An old one only.
        assert_eq!(finding(2, Some(HOUR), &[0, 1, 2, 60, 90, 120]), found(3, 2));
    }

    #[test]
    fn what_a_crash_or_the_first_minutes_leave_is_none() {
        assert_eq!(finding(0, Some(HOUR), &[0, 5, 9]), None);
        assert_eq!(finding(3, Some(HOUR), &[0, 1, 2, 30, 60, 70]), None);
        // Off for a week after a crash, and started again a moment ago.
        assert_eq!(finding(2, Some(HOUR), &[0, 1, 5, 10_085]), None);
        assert_eq!(finding(0, None, &[0, 5_000, 10_000]), None);
        assert_eq!(finding(6, Some(HOUR), &[0, 1, 2, 60, 90, 120]), None);
    }
}
