//! The leaf: opened, closed, forced, open for too long, bouncing.

use doorward_core::door::Settings;
use doorward_core::event::{Alarm, Contact, Mode, SecureCause};

use super::{Deed, Entitled, NaiveDoor, ms};
use crate::happening::Said;

impl NaiveDoor {
    /// When to warn and to raise the alarm of a door that stands open.
    pub(super) fn open_too_long(&self, settings: &Settings) -> Option<(i64, i64)> {
        let contact = settings.contact.as_ref()?;
        let from = self.counts_from.filter(|_| !self.held_open)?;
        let limit = if self.may_stay_longer {
            ms(contact.extended_held_open)
        } else {
            ms(contact.held_open)
        };
        let warn = (limit - ms(contact.pre_alarm)).max(0);
        Some((from + warn, from + limit))
    }

    pub(super) fn contact_reads(&mut self, settings: &Settings, reading: Contact, now: i64) {
        let Some(contact) = &settings.contact else {
            return;
        };
        let newest = self.bouncing.map(|(reading, ..)| reading).or(self.contact);
        if newest == Some(reading) {
            return;
        }
        if newest.is_none() {
            self.contact = Some(reading);
            if reading == Contact::Open {
                self.say(Said::Opened);
                self.rightly_open = true;
                self.counts_from = (self.mode != Mode::Unlocked).then_some(now);
            }
            return;
        }
        self.unused = 0;
        if self.contact_suspicious {
            self.contact_suspicious = false;
            self.deeds.push(Deed::Clear(Alarm::ContactFault));
        }
        let just_secured = self.secured_at.is_some_and(|at| now - at <= 500);
        let entitled = Entitled {
            yes: self.released || self.mode == Mode::Unlocked || just_secured,
            longer: self.longer,
        };
        self.moves.push(now);
        self.moves.retain(|&at| now - at <= 10_000);
        let many = self.moves.len() > 20;
        if many && self.bouncing.is_none() {
            self.deeds.push(Deed::Raise(Alarm::ContactFault));
        }
        if many || self.bouncing.is_some() {
            self.bouncing = Some((reading, now, entitled));
            return;
        }
        self.leaf_moves(settings, reading, entitled, now);
        if self.released && !self.held {
            if reading == Contact::Open {
                self.used = true;
            } else if contact.relock_on_close
                && self.used
                && self.pressed_since.is_none()
                && self.mode != Mode::Unlocked
            {
                self.secure(SecureCause::Closed, now);
            }
        }
    }

    pub(super) fn leaf_moves(
        &mut self,
        settings: &Settings,
        to: Contact,
        entitled: Entitled,
        at: i64,
    ) {
        let forced_matters = settings.contact.as_ref().is_some_and(|one| one.forced_open);
        self.contact = Some(to);
        if to == Contact::Open {
            self.say(Said::Opened);
            self.opened_at = Some(at);
            self.rightly_open = entitled.yes || !forced_matters;
            self.may_stay_longer = entitled.longer;
            let counts = self.rightly_open && self.mode != Mode::Unlocked;
            self.counts_from = counts.then_some(at);
            if !self.rightly_open {
                self.forced = true;
                self.deeds.push(Deed::Raise(Alarm::ForcedOpen));
            }
        } else {
            let open = self.opened_at.take().map(|opened| at - opened);
            self.say(Said::Closed(open));
            self.stop_counting();
            if self.forced {
                self.forced = false;
                self.deeds.push(Deed::Clear(Alarm::ForcedOpen));
            }
        }
    }

    pub(super) fn stop_counting(&mut self) {
        self.counts_from = None;
        self.stop_warning();
        if self.held_open {
            self.held_open = false;
            self.deeds.push(Deed::Clear(Alarm::HeldOpen));
        }
    }

    pub(super) fn stop_warning(&mut self) {
        self.warned = false;
    }
}
