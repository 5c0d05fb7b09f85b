//! The relay, and the latch that secures it by itself when what it was told is over.

use doorward_core::conditions::Source;
use doorward_core::event::Alarm;
use doorward_core::event::wire::Lock;
use doorward_core::guard::Latched;

use super::Naive;
use super::door::Knock;
use crate::happening::{Now, Site};

/// A release that lasts is told for so long, and again so soon.
const LEASE: i64 = 3_000;
const RENEW: i64 = 1_000;

impl Naive {
    /// A lease that nobody renewed is over, and the latch has secured the door.
    pub(super) fn lapse(&mut self, site: &Site, now: Now) {
        let run = &mut self.running;
        if run.renewed.is_some() && run.until.is_some_and(|until| until <= now.tick) {
            (run.until, run.renewed) = (None, None);
            self.knock(site, Knock::Lapsed, now);
        }
    }

    pub(super) fn latched(&mut self, site: &Site, latched: Latched, now: Now) {
        match latched {
            Latched::Failed {
                lock: Lock::Released,
                ..
            } => self.knock(site, Knock::RelayFailed, now),
            Latched::Failed { .. } => self.raise(Alarm::RelayFault, Source::Latch, None, now),
            Latched::Moved(Lock::Secured) => {
                let alarms = &mut self.running.alarms;
                alarms.clear(Alarm::RelayFault, Source::Latch, now.tick);
            }
            Latched::Moved(Lock::Released) => {}
        }
    }

    pub(super) fn tell_latch(&mut self, now: Now) {
        let run = &mut self.running;
        let wants = run.door.wants_released(now.tick);
        let recent = run.renewed.is_some_and(|at| now.tick - at < RENEW);
        let until = wants.map(|(lasting, at_least)| {
            let stands = run.until.filter(|until| *until >= at_least);
            match stands {
                _ if !lasting => at_least,
                Some(until) if recent => until,
                _ => at_least.max(now.tick + LEASE),
            }
        });
        if !wants.is_some_and(|(lasting, _)| lasting) {
            run.renewed = None;
        } else if until != run.until || !recent {
            run.renewed = Some(now.tick);
        }
        let changed = until != run.until;
        run.until = until;
        if !changed {
            return;
        }
        match until {
            Some(until) => {
                if self.relay.replace(until).is_none() {
                    self.moves.push((now.tick, true));
                }
            }
            None => self.drop_relay(now),
        }
    }

    pub(super) fn drop_relay(&mut self, now: Now) {
        if self.relay.is_some() {
            self.relay_secured(now.tick);
        }
    }

    pub(super) fn relay_secured(&mut self, at: i64) {
        self.relay = None;
        self.moves.push((at, false));
    }
}
