//! What the guard makes of the wall clock, for whoever asks whether a command is still in time.
//!
//! A clock that is set back makes nothing valid again: what counts is the newest time that is known,
//! be it on the record or seen since. While something is wrong with the clock no command is carried
//! out. Somebody at the device may say that the clock is right now, by taking note of the alarm
//! `clock`; what was signed before that is refused. Where the clock is behind what is known since they
//! said so, the alarm is raised anew, although it may stand: only what nobody took note of can be taken
//! note of.

use crate::clock::{ClockWatch, Moment, Timestamp};
use crate::command::gate::SETBACK_S;

/// What the record says about time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Times {
    /// The newest time on it by a clock that was trusted, since somebody last said that the clock is right.
    pub newest: Option<Timestamp>,
    /// When somebody took note of the alarm `clock`.
    pub noted: Option<Timestamp>,
    /// Commands that were signed earlier are refused: the database was replaced then, or somebody
    /// looked at what became of it.
    pub not_before: Option<Timestamp>,
}

/// The wall clock, as far as it is believed.
#[derive(Debug)]
pub(super) struct Wall {
    watch: ClockWatch,
    times: Times,
    complaint: Option<String>,
    /// Whether somebody took note of the alarm since it was raised last.
    heard: bool,
    /// In words, what somebody has to be told although they took note.
    anew: Option<String>,
}

impl Wall {
    pub(super) fn new(times: Times) -> Self {
        Self {
            watch: ClockWatch::default(),
            heard: times.noted.is_some(),
            times,
            complaint: None,
            anew: None,
        }
    }

    /// Takes a look; the words for an alarm while something is wrong.
    pub(super) fn look(&mut self, now: &Moment) -> Option<&str> {
        let wrong = self.watch.complaint(now);
        if now.clock_trusted {
            self.times.newest = self.times.newest.max(Some(now.wall));
        }
        let behind = self.behind(now);
        self.anew = behind.clone().filter(|_| self.heard);
        self.complaint = wrong.or(behind);
        self.complaint.as_deref()
    }

    fn behind(&self, now: &Moment) -> Option<String> {
        let newest = self.times.newest.filter(|_| now.clock_trusted)?;
        let behind = newest.as_second() - now.wall.as_second();
        (behind > SETBACK_S).then(|| {
            format!(
                "the clock is {behind} s behind what is on the record; if it is right now, doorward alarms ack clock"
            )
        })
    }

    /// What has to be told although the alarm may stand.
    pub(super) fn take_anew(&mut self) -> Option<String> {
        self.anew.take()
    }

    /// The alarm is raised: nobody has taken note of that.
    pub(super) fn told(&mut self) {
        self.heard = false;
    }

    /// What is wrong with it just now.
    pub(super) fn complaint(&self) -> Option<&str> {
        self.complaint.as_deref()
    }

    pub(super) fn times(&self) -> &Times {
        &self.times
    }

    /// The time by which a command is judged.
    pub(super) fn latest(&self, now: &Moment) -> Timestamp {
        self.times.newest.map_or(now.wall, |at| at.max(now.wall))
    }

    /// Somebody took note of the alarm `clock`: it is right from now on.
    pub(super) fn noted(&mut self, at: Timestamp, now: &Moment) {
        if self.times.noted == Some(at) {
            return;
        }
        self.times.noted = Some(at);
        self.heard = true;
        self.times.newest = now.clock_trusted.then_some(now.wall);
        self.look_anew(at);
    }

    /// What was signed before this is refused.
    pub(super) fn look_anew(&mut self, at: Timestamp) {
        self.times.not_before = self.times.not_before.max(Some(at));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::Tick;

    fn moment(wall: i64, tick: u64, clock_trusted: bool) -> Moment {
        Moment {
            wall: at(wall),
            tick: Tick(Duration::from_secs(tick)),
            clock_trusted,
        }
    }

    fn at(s: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + s).unwrap()
    }

    #[test]
    fn a_clock_behind_the_record_is_complained_of_until_somebody_says_that_it_is_right() {
        let mut wall = Wall::new(Times {
            newest: Some(at(5_000)),
            ..Times::default()
        });
        let told = wall.look(&moment(1_000, 1, true)).unwrap().to_owned();
        assert!(told.contains("4000 s behind"), "{told}");
        assert_eq!(wall.latest(&moment(1_000, 1, true)), at(5_000));
        // An old word is none.
        let mut again = Wall::new(Times {
            noted: Some(at(900)),
            ..*wall.times()
        });
        again.noted(at(900), &moment(1_001, 2, true));
        assert!(again.look(&moment(1_001, 2, true)).is_some());
        wall.noted(at(1_001), &moment(1_001, 2, true));
        assert_eq!(wall.look(&moment(1_002, 3, true)), None);
        assert_eq!(wall.latest(&moment(1_002, 3, true)), at(1_002));
        assert_eq!(wall.times().not_before, Some(at(1_001)));
    }

    #[test]
    fn a_time_that_nobody_trusts_says_nothing() {
        let mut wall = Wall::new(Times::default());
        assert_eq!(wall.look(&moment(9_000, 1, false)), None);
        assert_eq!(wall.look(&moment(1_000, 2, true)), None, "set right");
        assert_eq!(wall.latest(&moment(1_000, 2, true)), at(1_000));
    }
}
