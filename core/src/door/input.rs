//! What can happen to the door, and what is to be done about it.
//!
//! Flows in: decisions, operators, schedules, wires, time. Flows out: effects, carried out by the
//! guard in the order given. Plain values; nothing here decides.

use std::time::Duration;

use crate::clock::{Tick, Timestamp};
use crate::event::{Alarm, Contact, Event, Mode, PersonRef};

/// A mode as an operator chose it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// Which.
    pub mode: Mode,
    /// How long it governs; without it until the next choice.
    pub lasts: Option<Duration>,
    /// The same end by the wall clock: only for the record.
    pub until: Option<Timestamp>,
}

/// What can happen to the door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Somebody was granted, and the grant is on the record.
    Granted {
        /// Who.
        person: PersonRef,
        /// Whether they need longer.
        extended: bool,
    },
    /// An operator releases the door for one passage.
    Unlock,
    /// An operator ends a momentary release; modes stay.
    Lock,
    /// An operator chose a mode, or (`None`) leaves it to the schedule.
    Operator(Option<Choice>),
    /// What the unlock schedule says now.
    Schedule {
        /// Whether it holds the door released.
        unlocked: bool,
    },
    /// The contact reads so.
    Contact(Contact),
    /// The exit button reads so.
    Rex {
        /// Whether it is pressed.
        pressed: bool,
    },
    /// Whether another door of the interlock is open or released.
    Interlock {
        /// It is: this one must not be released.
        blocked: bool,
    },
    /// The event of the last [`Effect::Ask`] is on the record.
    HoldRecorded,
    /// It is not, and is not going to be.
    HoldNotRecorded,
    /// A release that lasts was not renewed in time: the relay has been secured.
    Lapsed,
    /// Time passed.
    Tick,
    /// The relay's driver failed.
    RelayFailed,
    /// The service ends.
    Stop,
}

/// What is to be done, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// The mode is to hold the door released: commit the event, and say by
    /// [`Input::HoldRecorded`] or [`Input::HoldNotRecorded`] what became of it.
    Ask {
        /// What to record.
        event: Event,
    },
    /// The relay is released from now on. By a grant, an operator or a mode it is taken only once the
    /// event is on the record; by the exit button it is recorded after.
    Release {
        /// What to record.
        event: Event,
    },
    /// Secure the relay, then record the event.
    Secure {
        /// What to record.
        event: Event,
    },
    /// Record this.
    Record(Event),
    /// A condition began.
    Raise {
        /// Which.
        alarm: Alarm,
        /// Cause, in words for an operator.
        detail: String,
    },
    /// A condition ended.
    Clear {
        /// Which.
        alarm: Alarm,
    },
    /// The sounder warns that the door will soon have been open for too long, or stops warning.
    PreAlarm(bool),
    /// A grant or an operator's unlocking is not carried out.
    Refused(Refusal),
}

/// How long the relay is to stay released, as the door is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Released {
    /// It is secured.
    No,
    /// Until then.
    Until(Tick),
    /// For as long as somebody says so again and again, and at least until then.
    Lasting {
        /// The end of the release that began it; in the past where there is none.
        at_least: Tick,
    },
}

/// Why a grant or an operator's unlocking is not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Another door of the interlock is open or released.
    Interlock,
    /// The door is in lockdown.
    Lockdown,
}

impl Effect {
    /// A condition began.
    pub(super) fn raise(alarm: Alarm, detail: impl Into<String>) -> Effect {
        let detail = detail.into();
        Effect::Raise { alarm, detail }
    }
}
