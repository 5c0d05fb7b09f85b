//! Who is waited for, and what somebody is answered.

use doorward_core::access::pin::Pin;
use doorward_core::event::{Challenge, DenyReason};

use super::Naive;
use super::disk::Known;
use super::rules::Verdict;
use crate::happening::{Now, Site};

/// What somebody is answered; `pin` is set once they typed one: whether it was for duress.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    Granted {
        who: usize,
        rule: String,
        pin: Option<bool>,
        first: bool,
        accompanied: bool,
    },
    Denied {
        who: usize,
        reason: DenyReason,
        rule: String,
        pin: Option<bool>,
        /// By face and PIN, although that one was wrong.
        typed: bool,
    },
    Asked {
        who: usize,
        challenge: Challenge,
        ms: i64,
        pin: Option<bool>,
    },
}

/// Somebody who was asked for more.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    who: usize,
    pin: Option<bool>,
    rule: String,
    until: i64,
    /// Whether they have a PIN, as they were looked up last.
    has_pin: bool,
}

#[derive(Debug)]
pub struct Desk {
    pub(super) pin: Option<Waiting>,
    second: Option<Waiting>,
    /// Per person: their denials that count, since they were last granted.
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
            tries: vec![Vec::new(); people],
            denials: Vec::new(),
            alarm_until: None,
            looked: i64::MIN,
            first_entered: None,
        }
    }

    pub fn awaited(&self) -> Option<usize> {
        let wait = self.pin.as_ref().filter(|wait| wait.has_pin);
        wait.map(|wait| wait.who)
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
        self.decide(site, who, None, now, &mut answers);
        self.answered(site, answers, now);
    }

    pub(super) fn typed(&mut self, site: &Site, digits: &str, now: Now) {
        self.look_up(site, now);
        let run = &mut self.running;
        let Some(who) = run.desk.awaited() else {
            return;
        };
        let person = &run.known.people[who];
        let pin = if person.pin == Some(digits) {
            Pin::Right
        } else if person.duress == Some(digits) {
            Pin::Duress
        } else {
            Pin::Wrong
        };
        run.compare = Some((who, pin));
    }

    pub(super) fn compared(&mut self, site: &Site, who: usize, pin: Pin, now: Now) {
        self.look_up(site, now);
        let desk = &mut self.running.desk;
        let mut answers = desk.over(site, now);
        if let Some(wait) = desk.pin.take_if(|wait| wait.who == who) {
            match (wait.has_pin, pin) {
                (false, _) => self.decide(site, who, None, now, &mut answers),
                (true, Pin::Right) => self.decide(site, who, Some(false), now, &mut answers),
                (true, Pin::Duress) => self.decide(site, who, Some(true), now, &mut answers),
                (true, Pin::Wrong) => {
                    let reason = DenyReason::PinWrong;
                    desk.denied(site, Some(who), reason, now.tick);
                    answers.push(Answer::Denied {
                        who,
                        reason,
                        rule: wait.rule,
                        pin: None,
                        typed: true,
                    });
                }
            }
        }
        self.answered(site, answers, now);
    }

    fn decide(
        &mut self,
        site: &Site,
        who: usize,
        mut pin: Option<bool>,
        now: Now,
        answers: &mut Vec<Answer>,
    ) {
        // Who comes back has not lost what they proved, nor is their time prolonged.
        let desk = &mut self.running.desk;
        let own_pin = desk.pin.take_if(|wait| wait.who == who);
        let own_second = desk.second.take_if(|wait| wait.who == who);
        if let Some(wait) = &own_second {
            pin = pin.or(wait.pin);
        }
        if self.two_together(site, who, pin, now, answers) {
            return;
        }
        let verdict = self.judge(site, who, pin.is_some(), false, now).0;
        let has_pin = self.running.known.people[who].pin.is_some();
        let desk = &mut self.running.desk;
        match verdict {
            Verdict::Yes { rule, first } => {
                desk.tries[who].clear();
                answers.push(granted(who, pin, rule, first, false));
            }
            Verdict::No { reason, rule } => {
                desk.denied(site, Some(who), reason, now.tick);
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
                    answers.push(Answer::Asked {
                        who,
                        challenge,
                        ms,
                        pin,
                    });
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
        pin: Option<bool>,
        now: Now,
        answers: &mut Vec<Answer>,
    ) -> bool {
        let Some(wait) = self.running.desk.second.clone() else {
            return false;
        };
        let (other, with_two) = self.judge(site, who, pin.is_some(), true, now);
        let Verdict::Yes { rule, first } = other else {
            return false;
        };
        if !with_two {
            return false;
        }
        let own = self.judge(site, wait.who, wait.pin.is_some(), true, now).0;
        let desk = &mut self.running.desk;
        desk.second = None;
        match own {
            Verdict::Yes {
                rule: own_rule,
                first: own_first,
            } => {
                desk.tries[wait.who].clear();
                desk.tries[who].clear();
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

fn granted(who: usize, pin: Option<bool>, rule: String, first: bool, accompanied: bool) -> Answer {
    Answer::Granted {
        who,
        rule,
        pin,
        first,
        accompanied,
    }
}

fn denied(who: usize, pin: Option<bool>, reason: DenyReason, rule: String) -> Answer {
    Answer::Denied {
        who,
        reason,
        rule,
        pin,
        typed: pin.is_some(),
    }
}
