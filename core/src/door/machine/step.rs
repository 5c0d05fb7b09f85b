//! What each input does to the door.
//!
//! [`step`] first does what time has brought about, at the time at which it was due, so that a
//! late tick ends in the same state as a punctual one. Then it takes the input, and at the end it
//! asks to release the door if the mode says so. Once stopped, nothing releases.
//!
//! While somebody presses the exit button, only a stop, a fault of the relay or the end of belief
//! in the button secures the door: an operator and lockdown wait until it is let go.

use std::time::Duration;

use super::{Door, Governing, Moment, Relay};
use crate::clock::Tick;
use crate::door::input::{Choice, Effect, Input, Refusal};
use crate::door::leaf::Moved;
use crate::door::settings::Settings;
use crate::event::wire::Lock;
use crate::event::{Alarm, Contact, Event, Mode, PersonRef, ReleaseCause, SecureCause};

/// How soon a release by the mode is tried again after it failed.
const RETRY: Duration = Duration::from_secs(5);
/// A relay that has obeyed for so long, or for a whole release, works again.
const PROVEN: Duration = Duration::from_secs(1);

/// One step of the door.
#[must_use]
pub fn step(settings: &Settings, door: Door, input: Input, now: Tick) -> (Door, Vec<Effect>) {
    if door.stopped {
        return (door, Vec::new());
    }
    let mut step = Step {
        settings,
        now,
        door,
        effects: Vec::new(),
    };
    // Answers to an effect, and the end, are about the state as it is.
    let answers = matches!(
        input,
        Input::HoldNotRecorded | Input::RelayFailed | Input::Lapsed | Input::Stop
    );
    if !answers {
        step.catch_up();
    }
    step.input(input);
    step.hold();
    step.door.deadline = step.door.next_due(settings);
    (step.door, step.effects)
}

/// A step under way.
struct Step<'a> {
    settings: &'a Settings,
    now: Tick,
    door: Door,
    effects: Vec<Effect>,
}

impl Step<'_> {
    /// Everything that was due until now, each at its time.
    fn catch_up(&mut self) {
        while let Some(at) = self
            .door
            .next_due(self.settings)
            .filter(|at| *at <= self.now)
        {
            self.due(at);
            self.hold();
        }
    }

    fn due(&mut self, at: Tick) {
        let over = |ends: Option<Tick>| ends.is_some_and(|ends| at >= ends);
        if self.door.choice.is_some_and(|(_, ends)| over(ends)) {
            self.door.choice = None;
            self.govern(at);
        }
        if self.door.lock() == Lock::Released && over(self.door.faulty) {
            self.relay_works();
        }
        if let Some(rex) = &self.settings.rex
            && self.door.button.due(rex, at)
        {
            if matches!(self.door.relay, Relay::Moment(moment) if at >= moment.until) {
                self.secure(SecureCause::RexStuck);
            }
            let detail = "the exit button has been pressed for too long and is ignored until it \
                          is let go: check whether it is jammed";
            self.effects.push(Effect::raise(Alarm::RexStuck, detail));
        }
        if let Relay::Moment(moment) = self.door.relay
            && at >= moment.until
            && !self.door.button.is_pressed()
        {
            self.time_over(moment);
        }
        if let Some(contact) = &self.settings.contact {
            let counted = self.door.mode() != Mode::Unlocked;
            // Not passed on to the relay: the movement is past.
            let _ = self.door.leaf.due(contact, counted, at, &mut self.effects);
        }
    }

    fn time_over(&mut self, moment: Moment) {
        self.secure(SecureCause::ReleaseTimeOver);
        if let Some(contact) = &self.settings.contact
            && moment.granted
            && !moment.opened
        {
            self.door.leaf.unused_grant(contact, &mut self.effects);
        }
    }

    fn input(&mut self, input: Input) {
        match input {
            Input::Granted { person, extended } => self.granted(person, extended),
            Input::Unlock if self.door.mode() == Mode::Lockdown => {
                self.effects.push(Effect::Refused(Refusal::Lockdown));
            }
            Input::Unlock => {
                let time = self.settings.release;
                self.admit(ReleaseCause::Operator, time, None);
            }
            Input::Lock => self.end_moment(SecureCause::Operator, self.now),
            Input::Operator(choice) => {
                let ends = |choice: &Choice| choice.lasts.map(|lasts| self.now + lasts);
                self.door.choice = choice.map(|choice| (choice, ends(&choice)));
                self.govern(self.now);
            }
            Input::Schedule { unlocked } => {
                self.door.schedule_unlocked = unlocked;
                self.govern(self.now);
            }
            Input::Contact(reading) => self.contact(reading),
            Input::Rex { pressed: true } => self.pressed(),
            Input::Rex { pressed: false } => self.let_go(),
            Input::Interlock { blocked } => self.door.blocked = blocked,
            Input::HoldRecorded => self.hold_recorded(),
            Input::HoldNotRecorded => {
                self.door.hold_asked = false;
                self.door.hold_from = self.now + RETRY;
            }
            Input::Tick => {}
            Input::RelayFailed => self.relay_failed(),
            Input::Lapsed => self.secure(SecureCause::Lapsed),
            Input::Stop => {
                self.secure(SecureCause::Stop);
                self.door.leaf.silence(&mut self.effects);
                self.door.stopped = true;
            }
        }
    }

    fn granted(&mut self, person: PersonRef, extended: bool) {
        let time = if extended {
            self.settings.extended_release
        } else {
            self.settings.release
        };
        if !self.admit(ReleaseCause::Grant, time, Some(person)) {
            return;
        }
        if let Relay::Moment(moment) = &mut self.door.relay {
            moment.granted = true;
        }
        if extended {
            self.door.extended = true;
            if let Some(contact) = &self.settings.contact {
                self.door.leaf.extend(contact, self.now, &mut self.effects);
            }
        }
    }

    /// Releases for one passage, or for longer, unless another door forbids it; false when not.
    fn admit(&mut self, cause: ReleaseCause, time: Duration, person: Option<PersonRef>) -> bool {
        if self.door.relay == Relay::Held {
            return false;
        }
        if self.door.blocked {
            self.effects.push(Effect::Refused(Refusal::Interlock));
            return false;
        }
        self.release_for(cause, time, person);
        true
    }

    fn release_for(&mut self, cause: ReleaseCause, time: Duration, person: Option<PersonRef>) {
        let until = self.now + time;
        match &mut self.door.relay {
            Relay::Held => {}
            // Somebody else came while it was released: it stays so for them too.
            Relay::Moment(moment) => moment.until = moment.until.max(until),
            Relay::Secured => {
                self.door.relay = Relay::Moment(Moment {
                    cause,
                    until,
                    granted: false,
                    opened: false,
                });
                let release_ms = u64::try_from(time.as_millis()).ok();
                self.release(cause, release_ms, person);
            }
        }
    }

    fn release(&mut self, cause: ReleaseCause, release_ms: Option<u64>, person: Option<PersonRef>) {
        self.door.extended = false;
        if self.door.faulty.is_some() {
            self.door.faulty = Some(self.now + PROVEN);
        }
        self.effects.push(Effect::Release {
            event: Event::DoorReleased {
                cause,
                release_ms,
                person,
            },
        });
    }

    fn secure(&mut self, cause: SecureCause) {
        if self.door.lock() == Lock::Released {
            self.door.relay = Relay::Secured;
            self.door.secured_at = Some(self.now);
            let event = Event::DoorSecured { cause };
            self.effects.push(Effect::Secure { event });
            if cause != SecureCause::RelayFault {
                self.relay_works();
            }
        }
    }

    /// Ends a momentary release now, or when the exit button is let go.
    fn end_moment(&mut self, cause: SecureCause, at: Tick) {
        if let Relay::Moment(moment) = &mut self.door.relay {
            if self.door.button.is_pressed() {
                moment.until = moment.until.min(at);
            } else {
                self.secure(cause);
            }
        }
    }

    /// Records another mode, and takes away what it does not allow.
    fn govern(&mut self, at: Tick) {
        let before = self.door.governing;
        let after = self.door.choose();
        if before == after {
            return;
        }
        self.door.governing = after;
        let Governing {
            mode,
            source,
            until,
        } = after;
        self.effects.push(Effect::Record(Event::DoorMode {
            mode,
            source,
            until,
        }));
        if before.mode == mode {
            return;
        }
        if mode == Mode::Unlocked {
            self.door.leaf.stop_counting(&mut self.effects);
        }
        if before.mode == Mode::Unlocked {
            self.door.leaf.start_counting(at);
            if self.door.relay == Relay::Held {
                self.door.relay = Relay::Moment(Moment {
                    cause: ReleaseCause::Mode,
                    until: at,
                    granted: false,
                    opened: false,
                });
                self.end_moment(SecureCause::Mode, at);
            }
        }
        if mode == Mode::Lockdown {
            self.end_moment(SecureCause::Mode, at);
        }
    }

    /// Asks for the door to be held released if the mode says so and nothing forbids it.
    fn hold(&mut self) {
        if self.door.wants_hold() && !self.door.hold_asked && self.now >= self.door.hold_from {
            self.door.hold_asked = true;
            self.effects.push(Effect::Ask {
                event: Event::DoorReleased {
                    cause: ReleaseCause::Mode,
                    release_ms: None,
                    person: None,
                },
            });
        }
    }

    /// It is on the record; the mode may be another one by now.
    fn hold_recorded(&mut self) {
        if std::mem::take(&mut self.door.hold_asked) && self.door.wants_hold() {
            self.door.relay = Relay::Held;
            self.release(ReleaseCause::Mode, None, None);
        }
    }

    fn contact(&mut self, reading: Contact) {
        let Some(contact) = &self.settings.contact else {
            return;
        };
        let leave = self.door.leave(self.now);
        let moved = self
            .door
            .leaf
            .read(contact, reading, leave, self.now, &mut self.effects);
        let Relay::Moment(moment) = &mut self.door.relay else {
            return;
        };
        match moved {
            Moved::Opened => moment.opened = true,
            Moved::Closed
                if contact.relock_on_close
                    && moment.opened
                    && !self.door.button.is_pressed()
                    && self.door.governing.mode != Mode::Unlocked =>
            {
                self.secure(SecureCause::Closed);
            }
            Moved::Closed | Moved::No => {}
        }
    }

    fn pressed(&mut self) {
        let Some(rex) = &self.settings.rex else {
            return;
        };
        if self.door.button.press(self.now) {
            self.effects.push(Effect::Record(Event::DoorRex));
            self.release_for(ReleaseCause::Rex, rex.release, None);
        }
    }

    fn let_go(&mut self) {
        self.door.button.let_go(&mut self.effects);
        if let Relay::Moment(moment) = self.door.relay
            && self.now >= moment.until
        {
            self.time_over(moment);
        }
    }

    fn relay_failed(&mut self) {
        self.secure(SecureCause::RelayFault);
        self.door.hold_from = self.now + RETRY;
        if self.door.faulty.replace(self.now + PROVEN).is_none() {
            let detail = "the relay does not do what it is told: check its pin and wires";
            self.effects.push(Effect::raise(Alarm::RelayFault, detail));
        }
    }

    fn relay_works(&mut self) {
        if self.door.faulty.take().is_some() {
            let alarm = Alarm::RelayFault;
            self.effects.push(Effect::Clear { alarm });
        }
    }
}
