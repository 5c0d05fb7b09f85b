//! The exit button (request to exit): who is inside must get out.
//!
//! Knows whether it is pressed and whether that is still believed. It must never keep anybody
//! inside: a press is forgotten only when it has lasted for longer than anybody presses.

use crate::clock::Tick;
use crate::event::Alarm;

use super::input::Effect;
use super::settings::RexSettings;

/// The exit button.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Button {
    /// Nobody presses it.
    #[default]
    LetGo,
    /// Pressed from this time on.
    Pressed(Tick),
    /// Pressed for too long to be believed.
    Stuck,
}

impl Button {
    /// Whether somebody stands there and presses it.
    pub(super) fn is_pressed(self) -> bool {
        matches!(self, Button::Pressed(_))
    }

    /// True when this is a new press.
    pub(super) fn press(&mut self, now: Tick) -> bool {
        let new = *self == Button::LetGo;
        if new {
            *self = Button::Pressed(now);
        }
        new
    }

    pub(super) fn let_go(&mut self, effects: &mut Vec<Effect>) {
        if *self == Button::Stuck {
            let alarm = Alarm::RexStuck;
            effects.push(Effect::Clear { alarm });
        }
        *self = Button::LetGo;
    }

    /// When a press is not believed any more.
    pub(super) fn deadline(self, settings: &RexSettings) -> Option<Tick> {
        match self {
            Button::Pressed(since) => Some(since + settings.stuck),
            Button::LetGo | Button::Stuck => None,
        }
    }

    /// True when it is stuck from now on.
    pub(super) fn due(&mut self, settings: &RexSettings, at: Tick) -> bool {
        let stuck = self.deadline(settings).is_some_and(|due| at >= due);
        if stuck {
            *self = Button::Stuck;
        }
        stuck
    }
}
