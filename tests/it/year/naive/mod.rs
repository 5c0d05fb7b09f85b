//! The naive model: decides by brute force, from plain lists of what has happened. It follows the
//! documentation of `doorward::access`; nothing of that module but its plain values is used.

pub mod calendar;
mod door;
mod memory;
mod rules;

use doorward::event::{Challenge, DenyReason, Mode};

use super::happening::{Deed, Happening, Now, Outcome, Seen, Site};
use calendar::Calendar;
use door::{Knock, NaiveDoor};
use memory::Noted;
use rules::Verdict;

/// A rule that cannot be told, because what decides lies beyond the calendar.
pub const ANY_RULE: &str = "?";

/// Somebody who was asked for more; `pin` is set once they typed one: whether it was for duress.
#[derive(Debug, Clone)]
struct Waiting {
    who: usize,
    pin: Option<bool>,
    rule: String,
    until: i64,
}

pub struct Naive {
    pub calendar: Calendar,
    pub door: NaiveDoor,
    pin: Option<Waiting>,
    second: Option<Waiting>,
    /// Per person: their denials that count, since they were last granted.
    tries: Vec<Vec<i64>>,
    /// The newest denials of anybody that count, and until when there are or were too many.
    denials: Vec<i64>,
    alarm_until: Option<i64>,
    /// When waits and alarms were last looked at.
    looked: i64,
    first_entered: Option<i64>,
    /// When somebody last entered, and whether they are inside still.
    inside: Vec<Option<(i64, bool)>>,
    /// What was recorded: at which time by the wall.
    record: Vec<(i64, Noted)>,
    disk: bool,
    schedule_said: bool,
}

impl Naive {
    pub fn new(site: &Site, calendar: Calendar) -> Naive {
        Naive {
            calendar,
            door: NaiveDoor::default(),
            pin: None,
            second: None,
            tries: vec![Vec::new(); site.people.len()],
            denials: Vec::new(),
            alarm_until: None,
            looked: i64::MIN,
            first_entered: None,
            inside: vec![None; site.people.len()],
            record: Vec::new(),
            disk: true,
            schedule_said: false,
        }
    }

    pub fn apply(&mut self, site: &Site, happening: &Happening, now: Now) -> Seen {
        let (mut outcomes, mut deeds) = (Vec::new(), Vec::new());
        let mut person = None;
        match *happening {
            Happening::Claim(who) => {
                person = Some(who);
                self.overdue(site, now, &mut outcomes);
                self.decide(site, who, None, now, &mut outcomes);
                self.let_in(site, &outcomes, now, &mut deeds);
            }
            Happening::Typed(digits) => {
                self.overdue(site, now, &mut outcomes);
                self.typed(site, digits, now, &mut outcomes);
                self.let_in(site, &outcomes, now, &mut deeds);
            }
            Happening::Tick => {
                self.overdue(site, now, &mut outcomes);
                self.let_in(site, &outcomes, now, &mut deeds);
                self.knock(site, Knock::Tick, now, &mut deeds);
            }
            Happening::FaceDenied(who, reason) => {
                person = who;
                self.denied(site, who, reason, now.tick);
                self.note(Noted::Denied(who, reason), now);
            }
            Happening::Contact(reading) => {
                self.knock(site, Knock::Contact(reading), now, &mut deeds);
            }
            Happening::Rex(pressed) => self.knock(site, Knock::Rex(pressed), now, &mut deeds),
            Happening::Unlock => self.knock(site, Knock::Unlock, now, &mut deeds),
            Happening::Lock => self.knock(site, Knock::Lock, now, &mut deeds),
            Happening::Operator(choice) => self.operator(site, choice, now, &mut deeds),
            Happening::Interlock(blocked) => {
                self.knock(site, Knock::Interlock(blocked), now, &mut deeds);
            }
            Happening::RelayFailed => self.knock(site, Knock::RelayFailed, now, &mut deeds),
            Happening::Stop => self.knock(site, Knock::Stop, now, &mut deeds),
            Happening::Disk(works) => self.disk = works,
            Happening::Started {
                operator,
                contact,
                rex,
                blocked,
            } => {
                self.forget_and_reread(site, now);
                self.knock(site, Knock::Interlock(blocked), now, &mut deeds);
                if operator.is_some() {
                    self.operator(site, operator, now, &mut deeds);
                }
                if let Some(reading) = contact {
                    self.knock(site, Knock::Contact(reading), now, &mut deeds);
                }
                if rex {
                    self.knock(site, Knock::Rex(true), now, &mut deeds);
                }
            }
            Happening::Left(who) => {
                person = Some(who);
                if let Some((_, inside)) = &mut self.inside[who] {
                    *inside = false;
                }
            }
            Happening::Changed(who, _) => person = Some(who),
            Happening::ClockError(_) | Happening::Trusted(_) => {}
        }
        let unlocked = self.unlock_hours(site, now);
        if unlocked != self.schedule_said && *happening != Happening::Stop {
            self.schedule_said = unlocked;
            self.knock(site, Knock::Schedule(unlocked), now, &mut deeds);
        }
        let waits = [&self.pin, &self.second].into_iter().flatten();
        let until = self.alarm_until;
        // Due until somebody has looked at the clock since.
        let quiet = until
            .filter(|&until| until > self.looked)
            .map(|until| until.max(0));
        Seen {
            outcomes,
            deeds,
            released: self.door.released,
            mode: self.door.mode,
            source: self.door.source,
            contact: self.door.contact,
            engaged: self.door.engaged(),
            unlock_hours: unlocked,
            repeated_denials: until.is_some_and(|until| now.tick < until),
            locked_out: person.and_then(|who| self.locked_out(site, who, now.tick)),
            desk_due: waits.map(|wait| wait.until).chain(quiet).min(),
            door_due: self.door.due(&site.door),
        }
    }

    fn decide(
        &mut self,
        site: &Site,
        who: usize,
        mut pin: Option<bool>,
        now: Now,
        outcomes: &mut Vec<Outcome>,
    ) {
        // Who comes back has not lost what they proved, nor is their time prolonged.
        let own_pin = self.pin.take_if(|wait| wait.who == who);
        let own_second = self.second.take_if(|wait| wait.who == who);
        if let Some(wait) = &own_second {
            pin = pin.or(wait.pin);
        }
        if self.two_together(site, who, pin, now, outcomes) {
            return;
        }
        match self.judge(site, who, pin.is_some(), false, now).0 {
            Verdict::Yes { rule, first } => {
                self.tries[who].clear();
                outcomes.push(granted(who, pin, rule, first));
            }
            Verdict::No { reason, rule } => {
                self.denied(site, Some(who), reason, now.tick);
                outcomes.push(denied(who, pin, reason, rule));
            }
            Verdict::Ask { pin: for_pin, rule } => {
                let (own, challenge, seconds) = if for_pin {
                    (own_pin, Challenge::Pin, site.access.pin_s)
                } else {
                    (
                        own_second,
                        Challenge::SecondPerson,
                        site.access.second_person_s,
                    )
                };
                let ms = i64::from(seconds) * 1000;
                let until = own.as_ref().map_or(now.tick + ms, |wait| wait.until);
                if own.is_none() {
                    outcomes.push(Outcome::Asked {
                        who,
                        challenge,
                        ms,
                        duress: pin == Some(true),
                    });
                }
                let place = if for_pin {
                    &mut self.pin
                } else {
                    &mut self.second
                };
                let displaced = place.replace(Waiting {
                    who,
                    pin,
                    rule,
                    until,
                });
                if let Some(wait) = displaced {
                    let reason = if for_pin {
                        DenyReason::PinMissing
                    } else {
                        DenyReason::SecondPersonMissing
                    };
                    outcomes.push(denied(wait.who, wait.pin, reason, wait.rule));
                }
            }
        }
    }

    /// Whether the one who waits for a second person and `who` were let in together.
    fn two_together(
        &mut self,
        site: &Site,
        who: usize,
        pin: Option<bool>,
        now: Now,
        outcomes: &mut Vec<Outcome>,
    ) -> bool {
        let Some(wait) = self.second.clone() else {
            return false;
        };
        let (other, with_two) = self.judge(site, who, pin.is_some(), true, now);
        let Verdict::Yes { rule, first } = other else {
            return false;
        };
        if !with_two {
            return false;
        }
        self.second = None;
        match self.judge(site, wait.who, wait.pin.is_some(), true, now).0 {
            Verdict::Yes {
                rule: own_rule,
                first: own_first,
            } => {
                self.tries[wait.who].clear();
                self.tries[who].clear();
                outcomes.push(granted(wait.who, wait.pin, own_rule, own_first));
                outcomes.push(granted(who, pin, rule, first));
                return true;
            }
            Verdict::No { reason, rule } => {
                self.denied(site, Some(wait.who), reason, now.tick);
                outcomes.push(denied(wait.who, wait.pin, reason, rule));
            }
            Verdict::Ask { rule, .. } => {
                outcomes.push(denied(wait.who, wait.pin, DenyReason::PinMissing, rule));
            }
        }
        false
    }

    fn typed(&mut self, site: &Site, digits: &str, now: Now, outcomes: &mut Vec<Outcome>) {
        let Some(wait) = self.pin.take() else {
            return;
        };
        let person = &site.people[wait.who];
        if person.pin.is_none() {
            self.decide(site, wait.who, None, now, outcomes);
        } else if person.pin == Some(digits) {
            self.decide(site, wait.who, Some(false), now, outcomes);
        } else if person.duress == Some(digits) {
            self.decide(site, wait.who, Some(true), now, outcomes);
        } else {
            self.denied(site, Some(wait.who), DenyReason::PinWrong, now.tick);
            outcomes.push(Outcome::Denied {
                who: wait.who,
                reason: DenyReason::PinWrong,
                rule: wait.rule,
                pin: true,
                duress: false,
            });
        }
    }

    /// Ends waits for people who are gone, then waits that lasted too long.
    fn overdue(&mut self, site: &Site, now: Now, outcomes: &mut Vec<Outcome>) {
        let gone = |wait: &mut Waiting| !site.people[wait.who].enrolled;
        let waits = [self.pin.take_if(gone), self.second.take_if(gone)];
        for wait in waits.into_iter().flatten() {
            self.denied(site, Some(wait.who), DenyReason::Unknown, now.tick);
            let denied = denied(wait.who, wait.pin, DenyReason::Unknown, wait.rule);
            outcomes.push(denied);
        }
        self.looked = now.tick;
        let over = |wait: &mut Waiting| wait.until <= now.tick;
        let waits = [
            (self.pin.take_if(over), DenyReason::PinMissing),
            (self.second.take_if(over), DenyReason::SecondPersonMissing),
        ];
        for (wait, reason) in waits {
            if let Some(wait) = wait {
                self.denied(site, Some(wait.who), reason, now.tick);
                outcomes.push(denied(wait.who, wait.pin, reason, wait.rule));
            }
        }
    }

    /// What the service does with answers: the record, the door, who is inside.
    fn let_in(&mut self, site: &Site, outcomes: &[Outcome], now: Now, deeds: &mut Vec<Deed>) {
        for outcome in outcomes {
            match outcome {
                &Outcome::Granted {
                    who,
                    ref rule,
                    first,
                    ..
                } => {
                    if !self.disk {
                        continue;
                    }
                    let before = deeds.len();
                    let knock = Knock::Granted(who, site.people[who].subject.extended);
                    self.knock(site, knock, now, deeds);
                    let mut new = deeds[before..].iter();
                    if new.any(|deed| matches!(deed, Deed::Refused(_))) {
                        self.denied(site, Some(who), DenyReason::Interlock, now.tick);
                        self.note(Noted::Denied(Some(who), DenyReason::Interlock), now);
                        continue;
                    }
                    self.note(Noted::Granted(who, rule.clone()), now);
                    if first {
                        self.first_entered = Some(now.wall);
                    }
                    self.inside[who] = Some((now.wall, true));
                }
                &Outcome::Denied { who, reason, .. } => {
                    self.note(Noted::Denied(Some(who), reason), now);
                }
                Outcome::Asked { .. } => self.note(Noted::Asked, now),
            }
        }
    }

    fn operator(
        &mut self,
        site: &Site,
        choice: Option<(Mode, Option<i64>)>,
        now: Now,
        deeds: &mut Vec<Deed>,
    ) {
        let choice = choice.map(|(mode, lasts)| (mode, lasts, lasts.map(|ms| now.wall + ms)));
        self.knock(site, Knock::Operator(choice), now, deeds);
    }

    fn knock(&mut self, site: &Site, knock: Knock, now: Now, deeds: &mut Vec<Deed>) {
        let new = self.door.knock(&site.door, knock, now.tick);
        let newest = new
            .iter()
            .rfind(|deed| matches!(deed, Deed::Released { .. }));
        let needed = matches!(
            newest,
            Some(Deed::Released {
                must_record: true,
                ..
            })
        );
        let failed = needed && !self.disk;
        deeds.extend(new);
        if failed {
            self.knock(site, Knock::NotRecorded, now, deeds);
        }
    }
}

fn granted(who: usize, pin: Option<bool>, rule: String, first: bool) -> Outcome {
    Outcome::Granted {
        who,
        rule,
        pin: pin.is_some(),
        duress: pin == Some(true),
        first,
    }
}

fn denied(who: usize, pin: Option<bool>, reason: DenyReason, rule: String) -> Outcome {
    Outcome::Denied {
        who,
        reason,
        rule,
        pin: pin.is_some(),
        duress: pin == Some(true),
    }
}
