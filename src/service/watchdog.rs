//! Whether the service does its work; systemd's watchdog is fed only while it does.
//!
//! Each thread that the door cannot do without leaves a sign of life ([`Beat`]); whether the signs
//! are good enough is decided by [`Vitals::judge`], which is pure. What is not well is said once, in
//! the log and in `systemctl status`; without food systemd ends the process after `WatchdogSec`,
//! secures the relay and starts it anew. `docs/door.md` says what that can and cannot do.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;

use super::systemd::{self, Status};
use crate::beat::Beat;
use crate::clock::{Clock, Tick};
use crate::gpio::latch::Pulse;

/// How old a sign of the latch may be; it gives four a second.
const LATCH: Duration = Duration::from_secs(2);
/// The same for the thread that decides: its rounds are as short, but it has more to do.
const GUARD: Duration = Duration::from_secs(5);
/// The same for vision: longer than the slowest frame takes, and than a camera's silence goes
/// unnoticed.
const VISION: Duration = Duration::from_secs(15);
/// How often the signs are looked at, unless systemd wants food more often.
const ROUND: Duration = Duration::from_secs(1);

/// Where the threads leave their signs of life.
#[derive(Debug, Clone, Default)]
pub struct Signs {
    /// The thread that owns the relay.
    pub latch: Arc<Pulse>,
    /// The thread that decides.
    pub guard: Arc<Beat>,
    /// Since when the thread that writes the record has been at work on one thing.
    pub journal: Arc<Beat>,
    /// Vision: a frame was decided on, or the camera is known to give none.
    pub vision: Arc<Beat>,
    /// Since when the reader has been at work on one round.
    pub reader: Arc<Beat>,
}

impl Signs {
    fn vitals(&self, started: Tick, now: Tick) -> Vitals {
        Vitals {
            now,
            latch: self.latch.beat.last().unwrap_or(started),
            guard: self.guard.last().unwrap_or(started),
            vision: self.vision.last().unwrap_or(started),
            journal_since: self.journal.last(),
            reader_since: self.reader.last(),
        }
    }
}

/// The signs of life at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vitals {
    /// The moment.
    pub now: Tick,
    /// The latch's last round.
    pub latch: Tick,
    /// The deciding thread's last round.
    pub guard: Tick,
    /// When a frame was last decided on, or the camera known to give none.
    pub vision: Tick,
    /// Since when the journal has been at work on one thing.
    pub journal_since: Option<Tick>,
    /// Since when the reader has been at work on one round.
    pub reader_since: Option<Tick>,
}

/// Why the watchdog is not fed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unwell {
    /// The thread that owns the relay makes no rounds.
    Latch,
    /// The thread that decides makes no rounds.
    Guard,
    /// The disk under the database has not answered for too long.
    Disk,
    /// No frame is decided on, though the camera gives some.
    Vision,
}

impl Unwell {
    /// In words.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Unwell::Latch => "the latch, which owns the relay, does not answer",
            Unwell::Guard => "the thread that decides makes no rounds",
            Unwell::Disk => {
                "the journal waits for the database's disk, which has not answered for longer than [store] stuck_s"
            }
            Unwell::Vision => "no frame is decided on",
        }
    }
}

impl Vitals {
    /// What is not well, the worst first. `stuck` is how long a disk may take: a restart does not
    /// heal it, and while the process lives the exit button works.
    #[must_use]
    pub fn judge(&self, stuck: Duration) -> Option<Unwell> {
        let over = |since: Tick, limit: Duration| self.now.since(since) >= limit;
        let is_stuck = |since: Option<Tick>| since.is_some_and(|since| over(since, stuck));
        if over(self.latch, LATCH) {
            Some(Unwell::Latch)
        } else if over(self.guard, GUARD) {
            Some(Unwell::Guard)
        } else if is_stuck(self.journal_since) || is_stuck(self.reader_since) {
            Some(Unwell::Disk)
        } else if over(self.vision, VISION) {
            Some(Unwell::Vision)
        } else {
            None
        }
    }
}

/// Looks at the signs, and feeds.
pub(super) struct Watchdog {
    signs: Signs,
    clock: Arc<dyn Clock>,
    stuck: Duration,
    status: Status,
    started: Tick,
    /// How long systemd waits for food; none when it does not.
    patience: Option<Duration>,
    known: Option<Unwell>,
}

impl Watchdog {
    /// From the moment on at which the service is ready.
    pub(super) fn new(
        signs: Signs,
        clock: Arc<dyn Clock>,
        stuck: Duration,
        status: Status,
    ) -> Self {
        Self {
            started: clock.tick(),
            signs,
            clock,
            stuck,
            status,
            patience: sd_notify::watchdog_enabled(),
            known: None,
        }
    }

    /// Goes round for as long as it is polled.
    pub(super) async fn watch(&mut self) -> Infallible {
        let often = self
            .patience
            .map_or(ROUND, |patience| (patience / 4).min(ROUND));
        let mut rounds = tokio::time::interval(often.max(Duration::from_millis(1)));
        rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            rounds.tick().await;
            if self.round().is_none() && self.patience.is_some() {
                systemd::notify(NotifyState::Watchdog);
            }
        }
    }

    /// What is not well; said when it changes.
    fn round(&mut self) -> Option<Unwell> {
        let vitals = self.signs.vitals(self.started, self.clock.tick());
        let unwell = vitals.judge(self.stuck);
        if unwell != self.known {
            self.known = unwell;
            let watched = self.patience.is_some();
            match unwell.map(Unwell::reason) {
                Some(reason) => {
                    tracing::error!(reason, watched, "not well; the watchdog is not fed");
                }
                None => tracing::warn!(watched, "well again; the watchdog is fed"),
            }
            self.status.unwell(unwell);
        }
        unwell
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    const STUCK: Duration = Duration::from_secs(120);

    fn at(seconds: f64) -> Tick {
        Tick(Duration::from_secs_f64(seconds))
    }

    /// Everything was well at this second, and now it is 1000.
    fn vitals() -> Vitals {
        let now = at(1000.0);
        Vitals {
            now,
            latch: now,
            guard: now,
            vision: now,
            journal_since: None,
            reader_since: None,
        }
    }

    #[test]
    fn every_thread_has_a_limit_of_its_own() {
        let well = vitals();
        assert_eq!(well.judge(STUCK), None);
        let latch = |at| Vitals { latch: at, ..well }.judge(STUCK);
        assert_eq!(latch(at(998.1)), None);
        assert_eq!(latch(at(998.0)), Some(Unwell::Latch));
        let guard = |at| Vitals { guard: at, ..well }.judge(STUCK);
        assert_eq!(guard(at(995.1)), None);
        assert_eq!(guard(at(995.0)), Some(Unwell::Guard));
        let vision = |at| Vitals { vision: at, ..well }.judge(STUCK);
        assert_eq!(vision(at(985.1)), None);
        assert_eq!(vision(at(985.0)), Some(Unwell::Vision));
        let journal = |at| {
            let journal_since = Some(at);
            Vitals {
                journal_since,
                ..well
            }
            .judge(STUCK)
        };
        assert_eq!(journal(at(880.1)), None);
        assert_eq!(journal(at(880.0)), Some(Unwell::Disk));
    }

    #[test]
    fn a_reader_that_waits_for_the_disk_is_given_the_disks_time() {
        let waiting = Vitals {
            reader_since: Some(at(900.0)),
            ..vitals()
        };
        assert_eq!(waiting.judge(STUCK), None);
        assert_eq!(waiting.judge(Duration::from_secs(100)), Some(Unwell::Disk));
        let blind = Vitals {
            vision: at(900.0),
            ..vitals()
        };
        assert_eq!(blind.judge(STUCK), Some(Unwell::Vision));
    }

    #[test]
    fn the_relay_comes_before_everything_else() {
        let mut bad = Vitals {
            now: at(2000.0),
            journal_since: Some(at(1000.0)),
            ..vitals()
        };
        assert_eq!(bad.judge(STUCK), Some(Unwell::Latch));
        bad.latch = bad.now;
        assert_eq!(bad.judge(STUCK), Some(Unwell::Guard));
        bad.guard = bad.now;
        assert_eq!(bad.judge(STUCK), Some(Unwell::Disk));
    }

    #[test]
    fn a_thread_that_never_gave_a_sign_has_its_time_from_the_start() {
        let signs = Signs::default();
        assert_eq!(signs.vitals(at(10.0), at(11.0)).judge(STUCK), None);
        let late = signs.vitals(at(10.0), at(12.0));
        assert_eq!(late.judge(STUCK), Some(Unwell::Latch));
    }

    /// Nobody else's sign stands in for the thread that decides.
    #[test]
    fn a_guard_that_hangs_is_noticed_though_all_others_beat() {
        let signs = Signs::default();
        let judged = |signs: &Signs| signs.vitals(at(0.0), at(10.0)).judge(STUCK);
        signs.guard.mark(at(5.0));
        signs.latch.beat.mark(at(10.0));
        signs.vision.mark(at(10.0));
        signs.journal.mark(at(10.0));
        signs.reader.mark(at(10.0));
        assert_eq!(judged(&signs), Some(Unwell::Guard));
        signs.guard.mark(at(10.0));
        assert_eq!(judged(&signs), None);
    }

    #[test]
    fn what_changes_is_noticed_and_ends() {
        let signs = Signs::default();
        let clock = SystemClock::new();
        let status = Status::default();
        let mut watchdog = Watchdog::new(signs.clone(), Arc::new(clock.clone()), STUCK, status);
        watchdog.started = Tick::default();
        let now = clock.tick() + Duration::from_secs(3600);
        signs.latch.beat.mark(now);
        signs.guard.mark(now);
        signs.vision.mark(now);
        assert_eq!(watchdog.round(), None);
        watchdog.stuck = Duration::ZERO;
        signs.journal.mark(Tick::default());
        assert_eq!(watchdog.round(), Some(Unwell::Disk));
        assert_eq!(watchdog.known, Some(Unwell::Disk));
        signs.journal.rest();
        assert_eq!(watchdog.round(), None);
    }
}
