//! Time comes in through here, so that decisions can be tested by simulated days.
//!
//! Two kinds of time, never mixed: [`Timestamp`] (wall clock, UTC, for the record) and
//! [`Tick`] (monotonic, for durations: how long the relay stays released, how old an
//! observation is). A stepped wall clock must never lengthen a release.

use std::time::{Duration, Instant};

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
}

/// The operating system's clocks.
#[derive(Debug, Clone)]
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    /// A clock whose ticks count from now.
    #[must_use]
    pub fn new() -> Self {
        Self {
            origin: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
    fn tick(&self) -> Tick {
        Tick(self.origin.elapsed())
    }
}

/// RFC 3339 in UTC with exactly three decimals, so that text order is time order.
#[must_use]
pub fn rfc3339_millis(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}
