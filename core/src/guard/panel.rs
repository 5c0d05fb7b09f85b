//! What people at the door are shown.

use super::{Deed, Guard};
use crate::clock::Tick;
use crate::event::Mode;
use crate::indication::Indication;

impl Guard {
    /// Shows something that stands for a moment by itself.
    pub(super) fn momentarily(&mut self, indication: Indication) {
        self.deeds.push(Deed::Show(indication));
        // Whatever stood before is shown again after it.
        self.shown = None;
    }

    /// What the door shows while nothing else happens.
    pub(super) fn show_standing(&mut self, now: Tick) {
        self.asked = self.asked.filter(|(_, until)| now < *until);
        self.locating = self.locating.filter(|until| now < *until);
        let alarm = self.conditions.active().any(|alarm| !alarm.is_silent());
        let standing = match self.door.mode() {
            _ if self.asked.is_some() => self.asked.map_or(Indication::Ready, |(asked, _)| asked),
            _ if self.warning => Indication::HeldOpenWarning,
            _ if alarm => Indication::Alarm,
            _ if self.locating.is_some() => Indication::Locate,
            Mode::Lockdown => Indication::Lockdown,
            Mode::Unlocked => Indication::Unlocked,
            Mode::Normal if self.offline => Indication::Offline,
            Mode::Normal => Indication::Ready,
        };
        if self.shown.replace(standing) != Some(standing) {
            self.deeds.push(Deed::Show(standing));
        }
    }
}
