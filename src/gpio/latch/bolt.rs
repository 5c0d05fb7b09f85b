//! The pins and when they move: everything of the latch but its thread.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{LatchReport, Pulse, ROUND};
use crate::clock::{Clock, Tick};
use crate::event::wire::Lock;
use crate::gpio::relay::{Relay, RelayError};

/// How soon a pin that would not secure is tried again.
const RETRY: Duration = Duration::from_millis(200);

/// Where the relay is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Secured,
    Released {
        until: Tick,
    },
    /// It would not secure: its level is not known.
    Unsure {
        again: Tick,
        expired: bool,
    },
}

/// Relay, second relay, and the deadline. Secures both when dropped.
pub(super) struct Bolt<'a> {
    relay: &'a mut dyn Relay,
    second: Option<Second>,
    state: State,
    clock: &'a dyn Clock,
    report: &'a dyn Fn(LatchReport),
    pulse: &'a Pulse,
}

impl<'a> Bolt<'a> {
    /// Of relays that are secured.
    pub(super) fn new(
        relay: &'a mut dyn Relay,
        second: Option<Box<dyn Relay>>,
        clock: &'a dyn Clock,
        report: &'a dyn Fn(LatchReport),
        pulse: &'a Pulse,
    ) -> Self {
        Self {
            relay,
            second: second.map(Second::new),
            state: State::Secured,
            clock,
            report,
            pulse,
        }
    }

    /// What time alone brings about.
    pub(super) fn due(&mut self, now: Tick) {
        match self.state {
            State::Released { until } if now >= until => self.fasten(true),
            State::Unsure { again, expired } if now >= again => self.fasten(expired),
            _ => {}
        }
        if let Some(second) = &mut self.second {
            second.due(now, self.pulse);
        }
    }

    /// How long nothing is due.
    pub(super) fn patience(&self, now: Tick) -> Duration {
        let own = match self.state {
            State::Secured => None,
            State::Released { until: at } | State::Unsure { again: at, .. } => Some(at),
        };
        let second = self.second.as_ref().and_then(|second| second.again);
        [own, second]
            .into_iter()
            .flatten()
            .map(|at| at.since(now))
            .fold(ROUND, Duration::min)
    }

    /// Released until then, if that is not past.
    pub(super) fn release_until(&mut self, until: Tick) {
        let now = self.clock.tick();
        match &mut self.state {
            State::Released { until: end } if until > now => *end = until,
            State::Released { .. } => self.fasten(true),
            _ if until > now => self.loosen(until),
            _ => self.failed(Lock::Released, "its end had come before it began".into()),
        }
    }

    /// Secured by order.
    pub(super) fn secure(&mut self) {
        if self.state != State::Secured {
            self.fasten(false);
        }
    }

    /// A release was not carried out, because securing came before it.
    pub(super) fn dropped(&self) {
        let message = "the latch did not answer, and was to secure before it did again";
        self.failed(Lock::Released, message.into());
    }

    fn loosen(&mut self, until: Tick) {
        if let Err(error) = self.relay.set(Lock::Released) {
            // The pin may be in either level.
            let secured = self.relay.set(Lock::Secured);
            self.fastened(secured, false);
            return self.failed(Lock::Released, error.to_string());
        }
        self.state = State::Released { until };
        let at = self.clock.tick();
        if let Some(second) = &mut self.second {
            second.follow(Lock::Released, at, self.pulse);
        }
        count(&self.pulse.releases);
        (self.report)(LatchReport::Set {
            lock: Lock::Released,
            at,
            expired: false,
        });
    }

    fn fasten(&mut self, expired: bool) {
        let secured = self.relay.set(Lock::Secured);
        self.fastened(secured, expired);
    }

    fn fastened(&mut self, secured: Result<(), RelayError>, expired: bool) {
        let at = self.clock.tick();
        if let Some(second) = &mut self.second {
            second.follow(Lock::Secured, at, self.pulse);
        }
        match secured {
            Ok(()) => {
                let was = std::mem::replace(&mut self.state, State::Secured);
                if expired {
                    count(&self.pulse.expired);
                }
                // A release that failed never moved it.
                if was != State::Secured {
                    (self.report)(LatchReport::Set {
                        lock: Lock::Secured,
                        at,
                        expired,
                    });
                }
            }
            Err(error) => {
                let again = at + RETRY;
                let was = std::mem::replace(&mut self.state, State::Unsure { again, expired });
                if matches!(was, State::Unsure { .. }) {
                    count(&self.pulse.failures);
                } else {
                    self.failed(Lock::Secured, error.to_string());
                }
            }
        }
    }

    fn failed(&self, lock: Lock, message: String) {
        count(&self.pulse.failures);
        (self.report)(LatchReport::Failed { lock, message });
    }
}

impl Drop for Bolt<'_> {
    fn drop(&mut self) {
        // Nothing more can be done about a failure here; `doorward relay secure` runs after us.
        let _ = self.relay.set(Lock::Secured);
        if let Some(second) = &mut self.second {
            let _ = second.relay.set(Lock::Secured);
        }
    }
}

/// The relay that does what the first one did. A door works without it: a failure is logged once
/// and counted, and it is tried again until it is where the first one is.
struct Second {
    relay: Box<dyn Relay>,
    wanted: Lock,
    /// Set while it is not where it should be.
    again: Option<Tick>,
}

impl Second {
    fn new(relay: Box<dyn Relay>) -> Self {
        Self {
            relay,
            wanted: Lock::Secured,
            again: None,
        }
    }

    fn follow(&mut self, lock: Lock, now: Tick, pulse: &Pulse) {
        if self.wanted != lock || self.again.is_some() {
            self.wanted = lock;
            self.set(now, pulse);
        }
    }

    fn due(&mut self, now: Tick, pulse: &Pulse) {
        if self.again.is_some_and(|again| now >= again) {
            self.set(now, pulse);
        }
    }

    fn set(&mut self, now: Tick, pulse: &Pulse) {
        let known = self.again.take().is_some();
        if let Err(error) = self.relay.set(self.wanted) {
            self.again = Some(now + RETRY);
            count(&pulse.failures);
            if !known {
                tracing::warn!(%error, "the second relay does not follow; trying again until it does");
            }
        }
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
