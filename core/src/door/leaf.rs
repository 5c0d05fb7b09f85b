//! The door leaf, as its contact tells: opened, closed, forced, held open, and whether the contact
//! itself is to be believed.
//!
//! Flows in: readings of the contact, and what the relay allows at the time. Flows out: events and
//! alarms. It never moves the relay; [`super::machine`] asks it and does.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Tick;
use crate::event::{Alarm, Contact, Event};

use super::input::Effect;
use super::settings::ContactSettings;

/// More changes than this within [`BOUNCE_WINDOW`] are no people.
const BOUNCE_CHANGES: usize = 20;
const BOUNCE_WINDOW: Duration = Duration::from_secs(10);
/// A contact that has not changed for so long has stopped bouncing.
const SETTLED: Duration = Duration::from_secs(10);

/// What an opening at this moment means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Leave {
    /// Whether the door may be opened at all.
    pub(super) entitled: bool,
    /// Whether the one it was released for needs longer.
    pub(super) extended: bool,
    /// Whether the time it stays open counts (not while the mode holds it released).
    pub(super) counted: bool,
}

/// What became of a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moved {
    /// Nothing that concerns the relay.
    No,
    /// The door was opened.
    Opened,
    /// The door was closed.
    Closed,
}

/// What is wrong with the contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// People are let in and it never moves.
    Unused,
    /// It moves too often: the newest reading, when it came, and what it would mean.
    Bouncing {
        reading: Contact,
        since: Tick,
        leave: Leave,
    },
}

/// The door leaf.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Leaf {
    /// As recorded; unknown before the first reading.
    position: Option<Contact>,
    /// When it was opened, where that is known.
    opened_at: Option<Tick>,
    /// Whether the current opening was entitled.
    entitled: bool,
    /// Whether it may stay open for longer.
    extended: bool,
    /// From when on its being open counts, if it does.
    counted_from: Option<Tick>,
    warned: bool,
    held_open: bool,
    forced_open: bool,
    /// Grants in a row without an opening.
    unused: u32,
    /// Times of the newest changes.
    changes: VecDeque<Tick>,
    fault: Option<Fault>,
}

impl Leaf {
    pub(super) fn position(&self) -> Option<Contact> {
        self.position
    }

    /// Whether it is open, or may be: a bouncing contact is not believed to say closed.
    pub(super) fn may_be_open(&self) -> bool {
        self.position == Some(Contact::Open) || self.is_bouncing()
    }

    fn is_bouncing(&self) -> bool {
        matches!(self.fault, Some(Fault::Bouncing { .. }))
    }

    /// The contact reads so.
    pub(super) fn read(
        &mut self,
        settings: &ContactSettings,
        reading: Contact,
        leave: Leave,
        now: Tick,
        effects: &mut Vec<Effect>,
    ) -> Moved {
        let newest = match self.fault {
            Some(Fault::Bouncing { reading, .. }) => Some(reading),
            _ => self.position,
        };
        let Some(before) = newest else {
            self.found(reading, leave.counted, now, effects);
            return Moved::No;
        };
        if reading == before {
            return Moved::No;
        }
        self.unused = 0;
        let alarm = Alarm::ContactFault;
        if self.fault == Some(Fault::Unused) {
            self.fault = None;
            effects.push(Effect::Clear { alarm });
        }
        self.changes.push_back(now);
        while self
            .changes
            .front()
            .is_some_and(|at| now.since(*at) > BOUNCE_WINDOW)
        {
            self.changes.pop_front();
        }
        let too_many = self.changes.len() > BOUNCE_CHANGES;
        if too_many {
            self.changes.pop_front();
        }
        if too_many && !self.is_bouncing() {
            let detail =
                "the door contact opens and closes all the time: check its magnet and wire";
            effects.push(Effect::raise(alarm, detail));
        }
        if too_many || self.is_bouncing() {
            let since = now;
            self.fault = Some(Fault::Bouncing {
                reading,
                since,
                leave,
            });
            return Moved::No;
        }
        self.moved(settings, reading, leave, now, effects)
    }

    /// The first reading after the start. Who opened the door before is not known, so that is no
    /// alarm; but from now on its being open counts.
    fn found(&mut self, reading: Contact, counted: bool, now: Tick, effects: &mut Vec<Effect>) {
        self.position = Some(reading);
        if reading == Contact::Open {
            effects.push(Effect::Record(Event::DoorOpened));
            self.entitled = true;
            self.counted_from = counted.then_some(now);
        }
    }

    fn moved(
        &mut self,
        settings: &ContactSettings,
        to: Contact,
        leave: Leave,
        now: Tick,
        effects: &mut Vec<Effect>,
    ) -> Moved {
        self.position = Some(to);
        match to {
            Contact::Open => {
                effects.push(Effect::Record(Event::DoorOpened));
                self.opened_at = Some(now);
                self.entitled = leave.entitled || !settings.forced_open;
                self.extended = leave.extended;
                self.counted_from = (self.entitled && leave.counted).then_some(now);
                if !self.entitled {
                    self.forced_open = true;
                    let detail = "the door was opened without having been released";
                    effects.push(Effect::raise(Alarm::ForcedOpen, detail));
                }
                Moved::Opened
            }
            Contact::Closed => {
                let open = self.opened_at.take().map(|at| now.since(at));
                let open_ms = open.and_then(|open| u64::try_from(open.as_millis()).ok());
                effects.push(Effect::Record(Event::DoorClosed { open_ms }));
                self.stop_counting(effects);
                if std::mem::take(&mut self.forced_open) {
                    let alarm = Alarm::ForcedOpen;
                    effects.push(Effect::Clear { alarm });
                }
                Moved::Closed
            }
        }
    }

    /// Its being open does not count any more: it is closed, or the mode holds it released.
    pub(super) fn stop_counting(&mut self, effects: &mut Vec<Effect>) {
        self.counted_from = None;
        self.silence(effects);
        if std::mem::take(&mut self.held_open) {
            let alarm = Alarm::HeldOpen;
            effects.push(Effect::Clear { alarm });
        }
    }

    /// The sounder stops warning.
    pub(super) fn silence(&mut self, effects: &mut Vec<Effect>) {
        if std::mem::take(&mut self.warned) {
            effects.push(Effect::PreAlarm(false));
        }
    }

    /// The mode holds it released no longer: an open door counts from here.
    pub(super) fn start_counting(&mut self, at: Tick) {
        if self.position == Some(Contact::Open) && self.entitled {
            self.extended = false;
            self.counted_from = Some(at);
        }
    }

    /// Somebody who needs longer was granted while it is open.
    pub(super) fn extend(
        &mut self,
        settings: &ContactSettings,
        now: Tick,
        effects: &mut Vec<Effect>,
    ) {
        if self.counted_from.is_some() && !self.held_open {
            self.extended = true;
            if self.due_times(settings).is_some_and(|(warn, _)| now < warn) {
                self.silence(effects);
            }
        }
    }

    /// Somebody was granted, and the time is over. A door that stood open needed no opening.
    pub(super) fn unused_grant(&mut self, settings: &ContactSettings, effects: &mut Vec<Effect>) {
        if self.position == Some(Contact::Open) || self.fault.is_some() {
            return;
        }
        self.unused = self.unused.saturating_add(1);
        if settings.suspicious_after != 0 && self.unused >= settings.suspicious_after {
            self.fault = Some(Fault::Unused);
            let detail = format!(
                "the last {} people who were let in did not open the door: check the door contact",
                self.unused
            );
            effects.push(Effect::raise(Alarm::ContactFault, detail));
        }
    }

    /// When the sounder warns, and when it is an alarm.
    fn due_times(&self, settings: &ContactSettings) -> Option<(Tick, Tick)> {
        let from = self.counted_from?;
        let limit = if self.extended {
            settings.extended_held_open
        } else {
            settings.held_open
        };
        Some((
            from + limit.saturating_sub(settings.pre_alarm),
            from + limit,
        ))
    }

    /// When time alone does something.
    pub(super) fn deadline(&self, settings: &ContactSettings) -> Option<Tick> {
        let settled = match self.fault {
            Some(Fault::Bouncing { since, .. }) => Some(since + SETTLED),
            _ => None,
        };
        let held = self
            .due_times(settings)
            .filter(|_| !self.held_open)
            .map(|(warn, alarm)| {
                let warns = !self.warned && !settings.pre_alarm.is_zero();
                if warns { warn } else { alarm }
            });
        settled.into_iter().chain(held).min()
    }

    /// What time alone brings about; `counted` as in [`Leave`], but now.
    pub(super) fn due(
        &mut self,
        settings: &ContactSettings,
        counted: bool,
        at: Tick,
        effects: &mut Vec<Effect>,
    ) -> Moved {
        if let Some((warn, alarm)) = self.due_times(settings).filter(|_| !self.held_open) {
            if at >= warn && !self.warned && !settings.pre_alarm.is_zero() {
                self.warned = true;
                effects.push(Effect::PreAlarm(true));
            }
            if at >= alarm {
                self.held_open = true;
                let detail = "the door has been open for too long: close it";
                effects.push(Effect::raise(Alarm::HeldOpen, detail));
            }
        }
        if let Some(Fault::Bouncing {
            reading,
            since,
            leave,
        }) = self.fault
            && at >= since + SETTLED
        {
            self.fault = None;
            self.changes.clear();
            let alarm = Alarm::ContactFault;
            effects.push(Effect::Clear { alarm });
            if self.position != Some(reading) {
                let leave = Leave { counted, ..leave };
                return self.moved(settings, reading, leave, since, effects);
            }
        }
        Moved::No
    }
}
