//! Time comes in through here, so that decisions can be tested by simulated days. Whoever has a clock
//! implements [`Clock`].
//!
//! Two kinds of time, never mixed: [`Timestamp`] (wall clock, UTC, for the record) and
//! [`Tick`] (monotonic, for durations: how long the relay stays released, how old an
//! observation is). A stepped wall clock must never lengthen a release.

use std::time::Duration;

pub use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A point on a monotonic clock: time since an arbitrary origin, usually the start of the process.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Tick(pub Duration);

impl Tick {
    /// Time from `earlier` to `self`; zero when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Tick) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl std::ops::Add<Duration> for Tick {
    type Output = Tick;
    fn add(self, rhs: Duration) -> Tick {
        Tick(self.0.saturating_add(rhs))
    }
}

/// Now, by both clocks, as a decision needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Wall-clock time: for the record, and for rules of the calendar.
    pub wall: Timestamp,
    /// Monotonic time: for durations.
    pub tick: Tick,
    /// Whether the wall clock is to be trusted (it was synchronised since the machine started).
    pub clock_trusted: bool,
}

/// Where the service reads time from.
pub trait Clock: Send + Sync {
    /// Wall-clock time for the record.
    fn now(&self) -> Timestamp;
    /// Monotonic time for durations.
    fn tick(&self) -> Tick;
    /// Whether the wall clock is to be trusted.
    fn trusted(&self) -> bool;

    /// All of it at once.
    fn moment(&self) -> Moment {
        Moment {
            wall: self.now(),
            tick: self.tick(),
            clock_trusted: self.trusted(),
        }
    }
}

/// RFC 3339 in UTC with exactly three decimals, so that text order is time order.
#[must_use]
pub fn rfc3339_millis(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// How long a clock may take to be synchronised after a start before that is an alarm.
const SYNC_PATIENCE: Duration = Duration::from_secs(300);
/// The wall clock may be corrected by so much at a time; more is a jump.
const JUMP: Duration = Duration::from_secs(60);
/// How long a jump stays an alarm.
const JUMP_NOTED: Duration = Duration::from_secs(600);

/// Whether something is wrong with the wall clock. Pure: fed with [`Moment`]s. A clock that nobody trusts
/// is set right sooner or later: that is no jump.
#[derive(Debug, Clone, Default)]
pub struct ClockWatch {
    last: Option<Moment>,
    jumped: Option<(Tick, String)>,
}

impl ClockWatch {
    /// Takes a look; the words for an alarm while something is wrong.
    pub fn complaint(&mut self, now: &Moment) -> Option<String> {
        if let Some(last) = self.last.replace(*now) {
            let ran = now.tick.since(last.tick);
            let wall = now.wall.duration_since(last.wall);
            let off = wall - jiff::SignedDuration::try_from(ran).unwrap_or_default();
            if last.clock_trusted && off.unsigned_abs() > JUMP {
                let seconds = off.as_secs();
                let detail = format!("the clock jumped by {seconds} s");
                self.jumped = Some((now.tick, detail));
            }
        }
        if let Some((at, detail)) = &self.jumped {
            if now.tick.since(*at) < JUMP_NOTED {
                return Some(detail.clone());
            }
            self.jumped = None;
        }
        let late = !now.clock_trusted && now.tick >= Tick::default() + SYNC_PATIENCE;
        late.then(|| "the clock has not been synchronised since the start".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(wall: i64, tick: u64, clock_trusted: bool) -> Moment {
        Moment {
            wall: Timestamp::from_second(wall).unwrap(),
            tick: Tick(Duration::from_secs(tick)),
            clock_trusted,
        }
    }

    #[test]
    fn a_jump_is_told_for_a_while_and_a_correction_is_not() {
        let mut watch = ClockWatch::default();
        assert_eq!(watch.complaint(&moment(1_000, 0, true)), None);
        assert_eq!(watch.complaint(&moment(1_050, 10, true)), None);
        let jumped = watch.complaint(&moment(9_060, 20, true));
        assert_eq!(jumped.unwrap(), "the clock jumped by 8000 s");
        assert!(watch.complaint(&moment(9_660, 619, true)).is_some());
        assert_eq!(watch.complaint(&moment(9_661, 620, true)), None);
    }

    #[test]
    fn a_clock_that_is_set_right_for_the_first_time_has_not_jumped() {
        let mut watch = ClockWatch::default();
        assert_eq!(watch.complaint(&moment(1_000, 0, false)), None);
        assert_eq!(watch.complaint(&moment(900_000, 1, false)), None);
        assert_eq!(watch.complaint(&moment(900_001, 2, true)), None);
        let jumped = watch.complaint(&moment(1_000, 3, false));
        assert_eq!(jumped.unwrap(), "the clock jumped by -899002 s");
    }

    #[test]
    fn a_clock_that_is_not_synchronised_is_given_five_minutes() {
        let mut watch = ClockWatch::default();
        assert_eq!(watch.complaint(&moment(0, 0, false)), None);
        assert_eq!(watch.complaint(&moment(299, 299, false)), None);
        assert!(watch.complaint(&moment(300, 300, false)).is_some());
        assert_eq!(watch.complaint(&moment(301, 301, true)), None);
    }
}
