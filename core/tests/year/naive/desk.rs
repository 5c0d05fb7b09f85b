//! Who is waited for, and what somebody is answered.

use doorward_core::access::pin::Pin;
use doorward_core::event::{Alarm, Challenge, DenyReason};

use super::Naive;
use super::disk::Known;
use super::keypad::Keypad;
use super::rules::Verdict;
use crate::happening::{Comparing, Now, Outcome, Site};

/// Comparisons under way at most, and people at most whose duress PINs are compared.
const COMPARISONS: u32 = 8;
const HEARD: usize = 4;

/// What somebody is answered; `pin` once they typed one.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    Granted {
        who: usize,
        rule: String,
        pin: bool,
        first: bool,
        accompanied: bool,
    },
    Denied {
        who: usize,
        reason: DenyReason,
        rule: String,
        /// Also when it was a wrong one.
        pin: bool,
    },
    Asked {
        who: usize,
        challenge: Challenge,
        ms: i64,
    },
}

/// Somebody who was asked for more.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    who: usize,
    pin: bool,
    rule: String,
    until: i64,
    /// Whether they have a PIN, as they were looked up last.
    has_pin: bool,
}

#[derive(Debug)]
pub struct Desk {
    pub(super) pin: Option<Waiting>,
    second: Option<Waiting>,
    pub(super) keypad: Keypad,
    /// Per person: their wrong PINs since the last right one.
    pub(super) tries: Vec<Vec<i64>>,
    /// The newest denials of anybody that count, and until when there are or were too many.
    pub(super) denials: Vec<i64>,
    pub(super) alarm_until: Option<i64>,
    /// When waits and alarms were last looked at.
    pub(super) looked: i64,
    pub first_entered: Option<i64>,
}

impl Desk {
    pub fn new(people: usize) -> Desk {
        Desk {
            pin: None,
            second: None,
            keypad: Keypad::default(),
            tries: vec![Vec::new(); people],
            denials: Vec::new(),
            alarm_until: None,
            looked: i64::MIN,
            first_entered: None,
        }
    }

    /// Whoever is waited for has the keypad.
    fn turn(&mut self, now: Now) {
        let who = self.pin.as_ref().map(|wait| wait.who);
        self.keypad.turn(who, now.tick);
    }

    /// A right PIN ends the count of wrong ones, once it lets in.
    fn proven(&mut self, who: usize, pin: bool) {
        if pin {
            self.tries[who].clear();
        }
    }

    pub fn due(&self) -> Option<i64> {
        let waits = [&self.pin, &self.second].into_iter().flatten();
        // Due until somebody has looked at the clock since.
        let until = self.alarm_until.filter(|&until| until > self.looked);
        let quiet = until.map(|until| until.max(0));
        waits.map(|wait| wait.until).chain(quiet).min()
    }

    pub fn many_denials(&self, tick: i64) -> bool {
        self.alarm_until.is_some_and(|until| tick < until)
    }

    /// Ends waits that lasted too long.
    pub(super) fn over(&mut self, site: &Site, now: Now) -> Vec<Answer> {
        self.looked = now.tick;
        let over = |wait: &mut Waiting| wait.until <= now.tick;
        let waits = [
            (self.pin.take_if(over), DenyReason::PinMissing),
            (self.second.take_if(over), DenyReason::SecondPersonMissing),
        ];
        let mut answers = Vec::new();
        for (wait, reason) in waits {
            if let Some(wait) = wait {
                self.denied(site, Some(wait.who), reason, now.tick);
                answers.push(denied(wait.who, wait.pin, reason, wait.rule));
            }
        }
        self.turn(now);
        answers
    }

    /// Looks those up again who are waited for, and ends waits for people who are gone.
    fn look_up(&mut self, site: &Site, known: &Known, now: Now) -> Vec<Answer> {
        let mut answers = Vec::new();
        let waits = [&self.pin, &self.second].into_iter().flatten();
        let waiting: Vec<usize> = waits.map(|wait| wait.who).collect();
        for who in waiting {
            let person = known.people.get(who).filter(|person| person.enrolled);
            let mut gone = false;
            for place in [&mut self.pin, &mut self.second] {
                let Some(wait) = place.as_mut().filter(|wait| wait.who == who) else {
                    continue;
                };
                match person {
                    Some(person) => wait.has_pin = person.pin.is_some(),
                    None => {
                        let wait = place.take();
                        answers.extend(
                            wait.map(|wait| denied(who, wait.pin, DenyReason::Unknown, wait.rule)),
                        );
                        gone = true;
                    }
                }
            }
            if gone {
                self.denied(site, Some(who), DenyReason::Unknown, now.tick);
            }
            self.turn(now);
        }
        answers
    }
}

impl Naive {
    pub(super) fn look_up(&mut self, site: &Site, now: Now) {
        let run = &mut self.running;
        let answers = run.desk.look_up(site, &run.known, now);
        self.answered(site, answers, now);
    }

    pub(super) fn claim(&mut self, site: &Site, who: usize, now: Now) {
        self.look_up(site, now);
        if !self.knows(site, now) {
            return self.deny_face(site, Some(who), DenyReason::StorageFailure, now);
        }
        if !self.running.known.people[who].enrolled {
            return self.deny_face(site, None, DenyReason::Unknown, now);
        }
        let mut answers = self.running.desk.over(site, now);
        self.decide(site, who, false, now, &mut answers);
        self.running.desk.turn(now);
        self.answered(site, answers, now);
    }

    pub(super) fn typed(&mut self, site: &Site, digits: &str, began: i64, now: Now) {
        self.look_up(site, now);
        let run = &mut self.running;
        let has_pin = |who: &usize| {
            let person = run.known.people.get(*who);
            person.is_some_and(|person| person.enrolled && person.pin.is_some())
        };
        let duress = |who: usize| run.known.people[who].duress;
        let shown = run.desk.keypad.owner(began);
        let mut others = run.desk.keypad.others(shown, began);
        others.retain(|who| has_pin(who) && duress(*who).is_some());
        others.truncate(HEARD);
        let owner = shown.filter(has_pin);
        if (owner.is_none() && others.is_empty()) || run.comparing >= COMPARISONS {
            return;
        }
        run.comparing += 1;
        let own = owner.map(|who| {
            let pin = match run.known.people[who].pin {
                Some(pin) if pin == digits => Pin::Right,
                _ if duress(who) == Some(digits) => Pin::Duress,
                _ => Pin::Wrong,
            };
            (who, pin)
        });
        let forced = match own {
            Some((_, Pin::Right)) => None,
            Some((who, Pin::Duress)) => Some(who),
            _ => others
                .iter()
                .copied()
                .find(|who| duress(*who) == Some(digits)),
        };
        run.compare = Some(Comparing {
            owner,
            others,
            outcome: Outcome { own, forced },
        });
    }

    pub(super) fn compared(&mut self, site: &Site, outcome: Outcome, now: Now) {
        self.running.comparing = self.running.comparing.saturating_sub(1);
        self.look_up(site, now);
        if let Some(who) = outcome.forced {
            self.running.forced.insert(who, now.wall);
            self.raise_of(Alarm::Duress, who, None, now);
        }
        let Some((who, pin)) = outcome.own else {
            return;
        };
        let desk = &mut self.running.desk;
        let mut answers = desk.over(site, now);
        if let Some(wait) = desk.pin.take_if(|wait| wait.who == who) {
            if wait.has_pin && pin == Pin::Wrong {
                let reason = DenyReason::PinWrong;
                desk.denied(site, Some(who), reason, now.tick);
                answers.push(denied(who, true, reason, wait.rule));
            } else {
                self.decide(site, who, wait.has_pin, now, &mut answers);
            }
        }
        self.running.desk.turn(now);
        self.answered(site, answers, now);
    }

    fn decide(
        &mut self,
        site: &Site,
        who: usize,
        mut pin: bool,
        now: Now,
        answers: &mut Vec<Answer>,
    ) {
        // Who comes back has not lost what they proved, nor is their time prolonged.
        let desk = &mut self.running.desk;
        let own_pin = desk.pin.take_if(|wait| wait.who == who);
        let own_second = desk.second.take_if(|wait| wait.who == who);
        if let Some(wait) = &own_second {
            pin |= wait.pin;
        }
        if self.two_together(site, who, pin, now, answers) {
            return;
        }
        let verdict = self.judge(site, who, pin, false, now).0;
        let has_pin = self.running.known.people[who].pin.is_some();
        let desk = &mut self.running.desk;
        match verdict {
            Verdict::Yes { rule, first } => {
                desk.proven(who, pin);
                answers.push(granted(who, pin, rule, first, false));
            }
            Verdict::No { reason, rule } => {
                desk.denied(site, Some(who), reason, now.tick);
                if reason == DenyReason::Lockout {
                    desk.keypad.turned_away(who, now.tick);
                }
                answers.push(denied(who, pin, reason, rule));
            }
            Verdict::Ask { pin: for_pin, rule } => {
                let (own, challenge, seconds) = if for_pin {
                    (own_pin, Challenge::Pin, site.access.pin_s)
                } else {
                    let seconds = site.access.second_person_s;
                    (own_second, Challenge::SecondPerson, seconds)
                };
                let ms = i64::from(seconds) * 1000;
                let until = own.as_ref().map_or(now.tick + ms, |wait| wait.until);
                if own.is_none() {
                    answers.push(Answer::Asked { who, challenge, ms });
                }
                let (place, reason) = if for_pin {
                    (&mut desk.pin, DenyReason::PinMissing)
                } else {
                    (&mut desk.second, DenyReason::SecondPersonMissing)
                };
                let displaced = place.replace(Waiting {
                    who,
                    pin,
                    rule,
                    until,
                    has_pin,
                });
                answers.extend(displaced.map(|wait| denied(wait.who, wait.pin, reason, wait.rule)));
            }
        }
    }

    /// Whether the one who waits for a second person and `who` were let in together.
    fn two_together(
        &mut self,
        site: &Site,
        who: usize,
        pin: bool,
        now: Now,
        answers: &mut Vec<Answer>,
    ) -> bool {
        let Some(wait) = self.running.desk.second.clone() else {
            return false;
        };
        let (other, with_two) = self.judge(site, who, pin, true, now);
        let Verdict::Yes { rule, first } = other else {
            return false;
        };
        if !with_two {
            return false;
        }
        let own = self.judge(site, wait.who, wait.pin, true, now).0;
        let desk = &mut self.running.desk;
        desk.second = None;
        match own {
            Verdict::Yes {
                rule: own_rule,
                first: own_first,
            } => {
                desk.proven(wait.who, wait.pin);
                desk.proven(who, pin);
                answers.push(granted(wait.who, wait.pin, own_rule, own_first, true));
                answers.push(granted(who, pin, rule, first, true));
                return true;
            }
            Verdict::No { reason, rule } => {
                desk.denied(site, Some(wait.who), reason, now.tick);
                answers.push(denied(wait.who, wait.pin, reason, rule));
            }
            Verdict::Ask { rule, .. } => {
                answers.push(denied(wait.who, wait.pin, DenyReason::PinMissing, rule));
            }
        }
        false
    }
}

fn granted(who: usize, pin: bool, rule: String, first: bool, accompanied: bool) -> Answer {
    Answer::Granted {
        who,
        rule,
        pin,
        first,
        accompanied,
    }
}

fn denied(who: usize, pin: bool, reason: DenyReason, rule: String) -> Answer {
    Answer::Denied {
        who,
        reason,
        rule,
        pin,
    }
}
