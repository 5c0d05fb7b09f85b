//! The door's state: relay, mode, leaf and exit button, and what can be asked of it.
//!
//! Only [`step()`] changes it. Flows out: what is published, what an interlock looks at, and when
//! time is due.

#[cfg(test)]
mod properties;
mod step;
#[cfg(test)]
mod table;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::clock::{Tick, Timestamp};
use crate::event::Contact;
use crate::event::wire::Lock;
use crate::event::{Mode, ModeSource, ReleaseCause};

use super::button::Button;
use super::input::{Choice, Released};
use super::leaf::{Leaf, Leave};
use super::settings::Settings;

pub use step::step;

/// How long after securing an opening still belongs to the release: a lock moves slowly, and so do
/// hands.
pub const GRACE: Duration = Duration::from_millis(500);
/// What the relay is commanded to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Relay {
    /// Locked.
    #[default]
    Secured,
    /// Released for one passage.
    Moment(Moment),
    /// Held released by the mode.
    Held,
}

/// A release for one passage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Moment {
    /// Why it began.
    cause: ReleaseCause,
    /// When it is over, unless the exit button is pressed then.
    until: Tick,
    /// Whether somebody was granted during it, so that the door should be opened.
    granted: bool,
    /// Whether the door was opened during it.
    opened: bool,
}

/// What governs the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Governing {
    mode: Mode,
    source: ModeSource,
    until: Option<Timestamp>,
}

/// The door: relay, mode, leaf and exit button. Secured and in normal mode at start.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Door {
    relay: Relay,
    governing: Governing,
    /// The operator's choice, and when it ends.
    choice: Option<(Choice, Option<Tick>)>,
    schedule_unlocked: bool,
    blocked: bool,
    stopped: bool,
    /// Whether the newest release was for somebody who needs longer.
    extended: bool,
    /// When the relay was secured after the last release.
    secured_at: Option<Tick>,
    /// The mode does not release before this.
    hold_from: Tick,
    /// Whether the record has been asked for a release by the mode, and has not answered.
    hold_asked: bool,
    /// Set while the relay is faulty: when it is proven to work, should it be released.
    faulty: Option<Tick>,
    leaf: Leaf,
    button: Button,
    deadline: Option<Tick>,
}

impl Door {
    /// As published.
    #[must_use]
    pub fn lock(&self) -> Lock {
        match self.relay {
            Relay::Secured => Lock::Secured,
            Relay::Moment(_) | Relay::Held => Lock::Released,
        }
    }

    /// How long the relay is to stay released.
    #[must_use]
    pub fn released(&self, now: Tick) -> Released {
        match self.relay {
            Relay::Secured => Released::No,
            Relay::Held => Released::Lasting { at_least: now },
            Relay::Moment(moment) if self.button.is_pressed() => Released::Lasting {
                at_least: moment.until,
            },
            Relay::Moment(moment) => Released::Until(moment.until),
        }
    }

    /// What governs the door.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.governing.mode
    }

    /// Who chose that.
    #[must_use]
    pub fn mode_source(&self) -> ModeSource {
        self.governing.source
    }

    /// Position of the leaf, once the contact was read.
    #[must_use]
    pub fn contact(&self) -> Option<Contact> {
        self.leaf.position()
    }

    /// Open or released: no other door of the interlock may be released.
    #[must_use]
    pub fn is_engaged(&self) -> bool {
        self.lock() == Lock::Released || self.leaf.may_be_open()
    }

    /// When [`super::Input::Tick`] does something, at the earliest.
    #[must_use]
    pub fn deadline(&self) -> Option<Tick> {
        self.deadline
    }

    fn next_due(&self, settings: &Settings) -> Option<Tick> {
        if self.stopped {
            return None;
        }
        let rex = settings.rex.as_ref();
        let contact = settings.contact.as_ref();
        let released = match self.relay {
            Relay::Moment(moment) if !self.button.is_pressed() => Some(moment.until),
            _ => None,
        };
        let proven = self.faulty.filter(|_| self.lock() == Lock::Released);
        [
            self.choice.and_then(|(_, ends)| ends),
            released,
            (self.wants_hold() && !self.hold_asked).then_some(self.hold_from),
            proven,
            rex.and_then(|rex| self.button.deadline(rex)),
            contact.and_then(|contact| self.leaf.deadline(contact)),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Whether the mode is to release the door, and may.
    fn wants_hold(&self) -> bool {
        self.mode() == Mode::Unlocked
            && self.relay == Relay::Secured
            && !self.blocked
            && !self.stopped
    }

    fn choose(&self) -> Governing {
        match (self.choice, self.schedule_unlocked) {
            (Some((Choice { mode, until, .. }, _)), _) => Governing {
                mode,
                source: ModeSource::Operator,
                until,
            },
            (None, true) => Governing {
                mode: Mode::Unlocked,
                ..Governing::default()
            },
            (None, false) => Governing::default(),
        }
    }

    fn leave(&self, now: Tick) -> Leave {
        let unlocked = self.mode() == Mode::Unlocked;
        let just_now = self.secured_at.is_some_and(|at| now.since(at) <= GRACE);
        Leave {
            entitled: unlocked || self.lock() == Lock::Released || just_now,
            extended: self.extended,
            counted: !unlocked,
        }
    }
}
