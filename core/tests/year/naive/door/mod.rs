//! The naive door: a handful of variables and an if for everything that `docs/door.md` and the
//! documentation of `doorward_core::door` say. Nothing of the machine is called; only its settings and
//! the words of its events are used.

mod leaf;
mod relay;

use doorward_core::door::{Refusal, Settings};
use doorward_core::event::{Alarm, Contact, Mode, ModeSource, ReleaseCause, SecureCause};

use crate::happening::Said;

/// What happens to the door.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Knock {
    Granted(usize, bool),
    Unlock,
    Lock,
    Operator(Option<(Mode, Option<i64>, Option<i64>)>),
    Schedule(bool),
    Contact(Contact),
    Rex(bool),
    Interlock(bool),
    HoldRecorded,
    HoldNotRecorded,
    Lapsed,
    Tick,
    RelayFailed,
    Stop,
}

/// What is to be done, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Deed {
    Say(Said),
    Raise(Alarm),
    Clear(Alarm),
    Refuse(Refusal),
    /// The mode wants to hold the door released, and that is to be recorded first.
    AskToHold,
}

/// Why an opening that is not believed yet was or was not entitled.
#[derive(Debug, Clone, Copy)]
struct Entitled {
    yes: bool,
    longer: bool,
}

#[derive(Debug, Clone, Default)]
pub struct NaiveDoor {
    pub released: bool,
    held: bool,
    hold_asked: bool,
    until: i64,
    granted: bool,
    used: bool,
    longer: bool,
    secured_at: Option<i64>,
    hold_not_before: i64,
    pub mode: Mode,
    pub source: ModeSource,
    mode_until: Option<i64>,
    choice: Option<(Mode, Option<i64>, Option<i64>)>,
    schedule: bool,
    blocked: bool,
    stopped: bool,
    pub contact: Option<Contact>,
    opened_at: Option<i64>,
    rightly_open: bool,
    may_stay_longer: bool,
    counts_from: Option<i64>,
    warned: bool,
    held_open: bool,
    forced: bool,
    unused: u32,
    contact_suspicious: bool,
    moves: Vec<i64>,
    bouncing: Option<(Contact, i64, Entitled)>,
    pressed_since: Option<i64>,
    stuck: bool,
    relay_proven_at: Option<i64>,
    deeds: Vec<Deed>,
}

fn ms(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap()
}

impl NaiveDoor {
    pub fn engaged(&self) -> bool {
        self.released || self.contact == Some(Contact::Open) || self.bouncing.is_some()
    }

    pub fn knock(&mut self, settings: &Settings, knock: Knock, now: i64) -> Vec<Deed> {
        if self.stopped {
            return Vec::new();
        }
        let about_now = [
            Knock::HoldNotRecorded,
            Knock::Lapsed,
            Knock::RelayFailed,
            Knock::Stop,
        ];
        if !about_now.contains(&knock) {
            while let Some(due) = self.due(settings).filter(|&due| due <= now) {
                self.time(settings, due, now);
                self.hold(now);
            }
        }
        self.happen(settings, knock, now);
        self.hold(now);
        std::mem::take(&mut self.deeds)
    }

    /// When time alone does something next.
    pub fn due(&self, settings: &Settings) -> Option<i64> {
        if self.stopped {
            return None;
        }
        let mut due = Vec::new();
        if let Some((_, Some(ends), _)) = self.choice {
            due.push(ends);
        }
        if self.released && !self.held && self.pressed_since.is_none() {
            due.push(self.until);
        }
        if self.would_hold() && !self.hold_asked {
            due.push(self.hold_not_before);
        }
        if self.released {
            due.extend(self.relay_proven_at);
        }
        if let (Some(rex), Some(since)) = (&settings.rex, self.pressed_since) {
            due.push(since + ms(rex.stuck));
        }
        if let Some((_, since, _)) = self.bouncing {
            due.push(since + 10_000);
        }
        if let Some((warn, alarm)) = self.open_too_long(settings) {
            due.push(if self.warned || warn == alarm {
                alarm
            } else {
                warn
            });
        }
        due.into_iter().min()
    }

    fn time(&mut self, settings: &Settings, due: i64, now: i64) {
        if matches!(self.choice, Some((_, Some(ends), _)) if ends <= due) {
            self.choice = None;
            self.govern(due, now);
        }
        if self.released && self.relay_proven_at.is_some_and(|at| at <= due) {
            self.relay_proven_at = None;
            self.deeds.push(Deed::Clear(Alarm::RelayFault));
        }
        if let (Some(rex), Some(since)) = (&settings.rex, self.pressed_since)
            && since + ms(rex.stuck) <= due
        {
            self.pressed_since = None;
            self.stuck = true;
            if self.released && !self.held && self.until <= due {
                self.secure(SecureCause::RexStuck, now);
            }
            self.deeds.push(Deed::Raise(Alarm::RexStuck));
        }
        if self.released && !self.held && self.until <= due && self.pressed_since.is_none() {
            self.release_time_over(settings, now);
        }
        if let Some((warn, alarm)) = self.open_too_long(settings) {
            if warn < alarm && warn <= due && !self.warned {
                self.warned = true;
            }
            if alarm <= due {
                self.held_open = true;
                self.deeds.push(Deed::Raise(Alarm::HeldOpen));
            }
        }
        if let Some((reading, since, entitled)) = self.bouncing
            && since + 10_000 <= due
        {
            self.bouncing = None;
            self.moves.clear();
            self.deeds.push(Deed::Clear(Alarm::ContactFault));
            if self.contact != Some(reading) {
                self.leaf_moves(settings, reading, entitled, since);
            }
        }
    }

    fn happen(&mut self, settings: &Settings, knock: Knock, now: i64) {
        match knock {
            Knock::Granted(who, longer) => {
                if self.held {
                    return;
                }
                if self.blocked {
                    self.deeds.push(Deed::Refuse(Refusal::Interlock));
                    return;
                }
                let time = if longer {
                    settings.extended_release
                } else {
                    settings.release
                };
                self.release(ReleaseCause::Grant, ms(time), Some(who), now);
                self.granted = true;
                if longer {
                    self.longer = true;
                    if self.counts_from.is_some() && !self.held_open {
                        self.may_stay_longer = true;
                        let later = self.open_too_long(settings);
                        if later.is_some_and(|(warn, _)| now < warn) {
                            self.warned = false;
                        }
                    }
                }
            }
            Knock::Unlock => {
                if self.mode == Mode::Lockdown {
                    self.deeds.push(Deed::Refuse(Refusal::Lockdown));
                } else if self.held {
                } else if self.blocked {
                    self.deeds.push(Deed::Refuse(Refusal::Interlock));
                } else {
                    self.release(ReleaseCause::Operator, ms(settings.release), None, now);
                }
            }
            Knock::Lock => self.end_passage(SecureCause::Operator, now),
            Knock::Operator(choice) => {
                self.choice =
                    choice.map(|(mode, lasts, wall)| (mode, lasts.map(|lasts| now + lasts), wall));
                self.govern(now, now);
            }
            Knock::Schedule(unlocked) => {
                self.schedule = unlocked;
                self.govern(now, now);
            }
            Knock::Contact(reading) => self.contact_reads(settings, reading, now),
            Knock::Rex(true) => {
                if let Some(rex) = &settings.rex
                    && self.pressed_since.is_none()
                    && !self.stuck
                {
                    self.pressed_since = Some(now);
                    self.say(Said::Rex);
                    if !self.held {
                        self.release(ReleaseCause::Rex, ms(rex.release), None, now);
                    }
                }
            }
            Knock::Rex(false) => {
                if self.stuck {
                    self.deeds.push(Deed::Clear(Alarm::RexStuck));
                }
                self.stuck = false;
                self.pressed_since = None;
                if self.released && !self.held && self.until <= now {
                    self.release_time_over(settings, now);
                }
            }
            Knock::Interlock(blocked) => self.blocked = blocked,
            Knock::HoldRecorded => {
                if self.hold_asked && self.would_hold() {
                    self.release(ReleaseCause::Mode, 0, None, now);
                }
                self.hold_asked = false;
            }
            Knock::HoldNotRecorded => {
                self.hold_asked = false;
                self.hold_not_before = now + 5_000;
            }
            Knock::Lapsed => self.secure(SecureCause::Lapsed, now),
            Knock::Tick => {}
            Knock::RelayFailed => {
                if self.released {
                    self.released = false;
                    self.held = false;
                    self.secured_at = Some(now);
                    self.say(Said::Secured(SecureCause::RelayFault));
                }
                self.hold_not_before = now + 5_000;
                if self.relay_proven_at.is_none() {
                    self.deeds.push(Deed::Raise(Alarm::RelayFault));
                }
                self.relay_proven_at = Some(now + 1_000);
            }
            Knock::Stop => {
                self.secure(SecureCause::Stop, now);
                self.stop_warning();
                self.stopped = true;
            }
        }
    }

    fn say(&mut self, said: Said) {
        self.deeds.push(Deed::Say(said));
    }
}
