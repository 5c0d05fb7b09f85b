//! Every deadline of the guard, in one table.

use crate::clock::Tick;

/// What can be due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// The door's machine.
    Door,
    /// The desk: somebody was asked for more.
    Desk,
    /// An alarm ends.
    Conditions,
    /// A release that lasts is renewed.
    Lease,
    /// Something asked of the record has waited for too long, or the record is tried again.
    Record,
    /// Rules that changed under a decision were not read again in time.
    Reconsider,
    /// Those who were let in have turned away.
    Gone,
    /// The lights stop blinking, or stop asking.
    Lights,
    /// The guard's round: clock, schedule, refusals.
    Round,
}

const COUNT: usize = Timer::Round as usize + 1;

/// When each is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timers([Option<Tick>; COUNT]);

impl Timers {
    /// From now on it is due then, or not at all.
    pub fn set(&mut self, timer: Timer, at: Option<Tick>) {
        self.0[timer as usize] = at;
    }

    /// When it is due.
    #[must_use]
    pub fn get(&self, timer: Timer) -> Option<Tick> {
        self.0[timer as usize]
    }

    /// Whether it is due; it is not any more then.
    pub fn take_due(&mut self, timer: Timer, now: Tick) -> bool {
        let due = self.0[timer as usize].is_some_and(|at| now >= at);
        if due {
            self.0[timer as usize] = None;
        }
        due
    }

    /// When the first of them is due.
    #[must_use]
    pub fn next(&self) -> Option<Tick> {
        self.0.iter().copied().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_first_of_all_is_next_and_what_was_due_is_due_once() {
        let at = |ms| Tick(Duration::from_millis(ms));
        let mut timers = Timers::default();
        assert_eq!(timers.next(), None);
        timers.set(Timer::Round, Some(at(250)));
        timers.set(Timer::Door, Some(at(100)));
        assert_eq!(timers.next(), Some(at(100)));
        assert!(!timers.take_due(Timer::Door, at(99)));
        assert!(timers.take_due(Timer::Door, at(100)));
        assert!(!timers.take_due(Timer::Door, at(100)));
        assert_eq!(timers.next(), Some(at(250)));
        timers.set(Timer::Round, None);
        assert_eq!(timers.get(Timer::Round), None);
    }
}
