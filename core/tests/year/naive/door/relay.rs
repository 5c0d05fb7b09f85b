//! What is released, why and until when; and the mode.

use doorward_core::door::{Refusal, Settings};
use doorward_core::event::{Alarm, Contact, Mode, ModeSource, ReleaseCause, SecureCause};

use super::{Deed, NaiveDoor};
use crate::happening::Said;

impl NaiveDoor {
    pub(super) fn would_hold(&self) -> bool {
        self.mode == Mode::Unlocked && !self.released && !self.blocked && !self.stopped
    }

    pub(super) fn release(&mut self, cause: ReleaseCause, time: i64, who: Option<usize>, now: i64) {
        if self.released {
            self.until = self.until.max(now + time);
            return;
        }
        self.released = true;
        self.held = cause == ReleaseCause::Mode;
        self.until = now + time;
        self.granted = false;
        self.used = false;
        self.longer = false;
        if self.relay_proven_at.is_some() {
            self.relay_proven_at = Some(now + 1_000);
        }
        self.say(Said::Released {
            cause,
            ms: (cause != ReleaseCause::Mode).then_some(time),
            who,
        });
    }

    pub(super) fn secure(&mut self, cause: SecureCause, now: i64) {
        if !self.released {
            return;
        }
        self.released = false;
        self.held = false;
        self.secured_at = Some(now);
        self.say(Said::Secured(cause));
        if self.relay_proven_at.take().is_some() {
            self.deeds.push(Deed::Clear(Alarm::RelayFault));
        }
    }

    /// Ends a release that is not held: at once, or when the exit button is let go.
    pub(super) fn end_passage(&mut self, cause: SecureCause, now: i64) {
        if self.released && !self.held {
            if self.pressed_since.is_some() {
                self.until = self.until.min(now);
            } else {
                self.secure(cause, now);
            }
        }
    }

    pub(super) fn release_time_over(&mut self, settings: &Settings, now: i64) {
        let wasted = self.granted && !self.used;
        self.secure(SecureCause::ReleaseTimeOver, now);
        if let Some(contact) = &settings.contact
            && wasted
            && self.contact != Some(Contact::Open)
            && !self.contact_suspicious
            && self.bouncing.is_none()
        {
            self.unused += 1;
            if contact.suspicious_after > 0 && self.unused >= contact.suspicious_after {
                self.contact_suspicious = true;
                self.deeds.push(Deed::Raise(Alarm::ContactFault));
            }
        }
    }

    pub(super) fn govern(&mut self, due: i64, now: i64) {
        let (mode, source, until) = match self.choice {
            Some((mode, _, until)) => (mode, ModeSource::Operator, until),
            None if self.schedule => (Mode::Unlocked, ModeSource::Schedule, None),
            None => (Mode::Normal, ModeSource::Schedule, None),
        };
        if (mode, source, until) == (self.mode, self.source, self.mode_until) {
            return;
        }
        let before = self.mode;
        (self.mode, self.source, self.mode_until) = (mode, source, until);
        self.say(Said::Mode(mode, source, until));
        if mode != before && mode == Mode::Unlocked {
            self.stop_counting();
        }
        if mode != before && before == Mode::Unlocked {
            if self.contact == Some(Contact::Open) && self.rightly_open {
                self.may_stay_longer = false;
                self.counts_from = Some(due);
            }
            if self.held {
                self.held = false;
                self.granted = false;
                self.used = false;
                self.until = now;
                self.end_passage(SecureCause::Mode, now);
            }
        }
        if mode != before && mode == Mode::Lockdown {
            self.end_passage(SecureCause::Mode, now);
        }
    }

    pub(super) fn hold(&mut self, now: i64) {
        if self.would_hold() && !self.hold_asked && self.hold_not_before <= now {
            self.hold_asked = true;
            self.deeds.push(Deed::AskToHold);
        }
    }

    /// What letting somebody in, or an operator's unlocking, would meet now.
    pub fn forbids(&self, unlock: bool) -> Option<Refusal> {
        if unlock && self.mode == Mode::Lockdown {
            Some(Refusal::Lockdown)
        } else if self.blocked && !self.held {
            Some(Refusal::Interlock)
        } else {
            None
        }
    }

    /// For how long the relay is to stay released: to be renewed again and again or not, and until
    /// when at least.
    pub fn wants_released(&self, now: i64) -> Option<(bool, i64)> {
        match (self.released, self.held, self.pressed_since) {
            (false, ..) => None,
            (true, true, _) => Some((true, now)),
            (true, false, Some(_)) => Some((true, self.until)),
            (true, false, None) => Some((false, self.until)),
        }
    }
}
