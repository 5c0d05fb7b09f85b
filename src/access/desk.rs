//! The desk: whom the door is waiting for, and what it remembers.
//!
//! [`Policy`] judges a moment; a PIN and a second person take longer than that. Flows in: claims,
//! typed digits, time, denials that the face alone decided. Flows out: [`Answer`]s. Whatever
//! completes a wait is judged anew by the rules, the mode and the person as they are then.
//!
//! It must never grant what the policy does not grant at that very moment, and it never releases
//! anything. At most one person is asked for a PIN and one for a second person, so it holds little
//! whatever happens. Digits typed while nobody is asked for a PIN are ignored, uncounted: a PIN
//! without a face opens nothing and tells nothing, so there is nothing to guess.
//!
//! A grant may still fail (storage, interlock): what follows from somebody's being inside begins
//! only when the keeper says that they [`entered`](Desk::entered).

use jiff::{SignedDuration, Timestamp};

use super::answer::{Answer, Evidence};
use super::denials::RepeatedDenials;
use super::lockout::{Lockouts, moving};
use super::pin::Pin;
use super::policy::{Circumstances, Judgement, Policy};
use super::rules::Subject;
use crate::clock::{Moment, Tick};
use crate::event::{Challenge, DenyReason, Event, Method, Mode, PersonId, Recorded};

/// What is pending and remembered at one door.
#[derive(Debug, Clone, Default)]
pub struct Desk {
    pin: Option<Wait>,
    second: Option<Wait>,
    lockouts: Lockouts,
    repeated: RepeatedDenials,
    first_person_at: Option<Timestamp>,
}

/// Somebody who has been recognised, with what they proved so far.
#[derive(Debug, Clone)]
struct Visitor {
    subject: Subject,
    evidence: Evidence,
    /// Set once they typed a right PIN: whether it was the one for duress.
    pin: Option<bool>,
}

/// Somebody who was asked for more.
#[derive(Debug, Clone)]
struct Wait {
    visitor: Visitor,
    rule: String,
    until: Tick,
}

impl Visitor {
    fn id(&self) -> PersonId {
        self.subject.person.id
    }

    fn duress(&self) -> bool {
        self.pin.unwrap_or(false)
    }

    fn method(&self) -> Method {
        match self.pin {
            Some(_) => Method::FaceAndPin,
            None => Method::Face,
        }
    }

    fn granted(self, rule: String, first_person: bool) -> Answer {
        Answer::Granted {
            method: self.method(),
            duress: self.duress(),
            subject: self.subject,
            evidence: self.evidence,
            rule,
            first_person,
        }
    }

    fn denied(self, reason: DenyReason, rule: String, needed: Option<String>) -> Answer {
        Answer::Denied {
            reason,
            method: self.method(),
            duress: self.duress(),
            subject: Some(self.subject),
            evidence: Some(self.evidence),
            rule: Some(rule),
            needed,
        }
    }
}

impl Desk {
    /// A desk that waits for nobody and remembers nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Somebody was recognised: `subject` is what the store knows of them now.
    pub fn claim(
        &mut self,
        policy: &Policy,
        subject: &Subject,
        evidence: Evidence,
        mode: Mode,
        now: &Moment,
    ) -> Vec<Answer> {
        let mut answers = self.tick(policy, now);
        let visitor = Visitor {
            subject: subject.clone(),
            evidence,
            pin: None,
        };
        self.settle(policy, visitor, mode, now, &mut answers);
        answers
    }

    /// Digits were typed, or came as a command.
    pub fn pin(&mut self, policy: &Policy, digits: &str, mode: Mode, now: &Moment) -> Vec<Answer> {
        let mut answers = self.tick(policy, now);
        let Some(wait) = self.pin.take() else {
            return answers;
        };
        let mut visitor = wait.visitor;
        let pin = visitor.subject.pin.as_ref().map(|pin| pin.verify(digits));
        match pin {
            Some(Pin::Right) => visitor.pin = Some(false),
            Some(Pin::Duress) => visitor.pin = Some(true),
            Some(Pin::Wrong) => {
                let needed = Some("their PIN".to_owned());
                let reason = DenyReason::PinWrong;
                self.count(policy, visitor.id(), reason, now.tick);
                answers.push(Answer::Denied {
                    reason,
                    subject: Some(visitor.subject),
                    evidence: Some(visitor.evidence),
                    rule: Some(wait.rule),
                    needed,
                    method: Method::FaceAndPin,
                    duress: false,
                });
                return answers;
            }
            // It was taken away meanwhile; the rules say what that means.
            None => {}
        }
        self.settle(policy, visitor, mode, now, &mut answers);
        answers
    }

    /// Time has passed: ends what was waited for too long.
    pub fn tick(&mut self, policy: &Policy, now: &Moment) -> Vec<Answer> {
        self.repeated.end_if_quiet(now.tick);
        let over = |wait: &mut Wait| now.tick >= wait.until;
        let mut answers = Vec::new();
        if let Some(wait) = self.pin.take_if(over) {
            let reason = DenyReason::PinMissing;
            self.count(policy, wait.visitor.id(), reason, now.tick);
            answers.push(ended(wait, reason, "their PIN, typed in time"));
        }
        if let Some(wait) = self.second.take_if(over) {
            let reason = DenyReason::SecondPersonMissing;
            self.count(policy, wait.visitor.id(), reason, now.tick);
            answers.push(ended(wait, reason, "a second person, in time"));
        }
        answers
    }

    /// Whom the door is waiting for: before each of the other calls the caller looks them up again
    /// and says by [`refresh`](Desk::refresh) how they stand now.
    #[must_use]
    pub fn waiting(&self) -> Vec<PersonId> {
        let waits = [&self.pin, &self.second].into_iter().flatten();
        waits.map(|wait| wait.visitor.id()).collect()
    }

    /// How somebody who is waited for stands in the store now; `None` when they are gone, which
    /// ends the wait.
    pub fn refresh(
        &mut self,
        policy: &Policy,
        person: PersonId,
        subject: Option<&Subject>,
        now: &Moment,
    ) -> Vec<Answer> {
        let mut answers = Vec::new();
        for slot in [&mut self.pin, &mut self.second] {
            match (slot.as_mut(), subject) {
                (Some(wait), Some(subject)) if wait.visitor.id() == person => {
                    wait.visitor.subject = subject.clone();
                }
                (Some(wait), None) if wait.visitor.id() == person => {
                    let gone = slot.take().map(|wait| {
                        ended(
                            wait,
                            DenyReason::Unknown,
                            "to be enrolled, which they no longer are",
                        )
                    });
                    answers.extend(gone);
                }
                _ => {}
            }
        }
        if !answers.is_empty() {
            self.count(policy, person, DenyReason::Unknown, now.tick);
        }
        answers
    }

    /// When [`tick`](Desk::tick) is due, or the repeated denials are over.
    #[must_use]
    pub fn deadline(&self) -> Option<Tick> {
        let waits = [&self.pin, &self.second].into_iter().flatten();
        waits
            .map(|wait| wait.until)
            .chain(self.repeated.quiet_at())
            .min()
    }

    /// Somebody was denied by others than the desk: by their face alone, or because a grant could
    /// not be carried out.
    pub fn denied(
        &mut self,
        policy: &Policy,
        person: Option<PersonId>,
        reason: DenyReason,
        now: &Moment,
    ) {
        match person {
            Some(person) => self.count(policy, person, reason, now.tick),
            None => self.repeated.denied(&policy.settings, reason, now.tick),
        }
    }

    /// A grant was carried out: it is on the record and the door is released.
    pub fn entered(&mut self, first_person: bool, now: &Moment) {
        if first_person {
            self.first_person_at = Some(now.wall);
        }
    }

    /// How long somebody is still locked out, if they are.
    #[must_use]
    pub fn locked_out(&self, person: PersonId, now: &Moment) -> Option<std::time::Duration> {
        self.lockouts.remaining(person, now.tick)
    }

    /// Whether there were too many denials at this door, and it has not been quiet since.
    #[must_use]
    pub fn repeated_denials(&self, now: &Moment) -> bool {
        self.repeated.is_raised(now.tick)
    }

    /// When somebody last entered who counts as first person.
    #[must_use]
    pub fn first_person_at(&self) -> Option<Timestamp> {
        self.first_person_at
    }

    /// Whether the unlock schedule holds the door unlocked now.
    #[must_use]
    pub fn unlocked(&self, policy: &Policy, now: &Moment) -> bool {
        let settings = &policy.settings;
        let name = settings.unlock_schedule.as_ref();
        let Some(schedule) = name.and_then(|name| policy.rules.schedules.get(name)) else {
            return false;
        };
        let first = || policy.first_person_in(Some(schedule), self.first_person_at, now.wall);
        policy.believes_clock(now)
            && schedule.contains(policy.calendar(), now.wall)
            && (!settings.unlock_after_first_person || first())
    }

    /// After a start: what the events of the last windows mean for lockouts, repeated denials and
    /// (as far back as they reach) the first person. An event that a clock put back makes look as
    /// if it were to come happened just now; waits are not taken up again.
    pub fn restore<'a>(
        &mut self,
        policy: &Policy,
        history: impl Iterator<Item = &'a Recorded>,
        now: &Moment,
    ) {
        let mut history: Vec<&Recorded> = history.collect();
        history.sort_by_key(|recorded| recorded.seq);
        for recorded in history {
            let age = now
                .wall
                .duration_since(recorded.time)
                .max(SignedDuration::ZERO);
            let at = moving(now.tick).saturating_sub(age);
            match &recorded.event {
                Event::AccessGranted(granted) => {
                    self.lockouts.granted(granted.person.id);
                    let group = granted.rule.strip_prefix("group ");
                    let group = group.and_then(|name| policy.rules.groups.get(name));
                    if group.is_some_and(|group| group.first_person) {
                        self.first_person_at = Some(recorded.time);
                    }
                }
                Event::AccessDenied(denied) => {
                    let settings = &policy.settings;
                    self.repeated.denied_at(settings, denied.reason, at);
                    if let Some(person) = &denied.person {
                        self.lockouts
                            .denied_at(settings, person.id, denied.reason, at);
                    }
                }
                _ => {}
            }
        }
    }

    /// Judges somebody by what they have shown, alone or with the one who waits for a second
    /// person, and waits, grants or denies.
    fn settle(
        &mut self,
        policy: &Policy,
        mut visitor: Visitor,
        mode: Mode,
        now: &Moment,
        answers: &mut Vec<Answer>,
    ) {
        let id = visitor.id();
        // Who comes back while being waited for has not lost what they proved before.
        let own = |wait: &mut Wait| wait.visitor.id() == id;
        let pending_pin = self.pin.take_if(own);
        let pending_second = self.second.take_if(own);
        if let Some(wait) = &pending_second {
            visitor.pin = visitor.pin.or(wait.visitor.pin);
        }
        if self.admit_together(policy, &visitor, mode, now, answers) {
            return;
        }
        let circumstances = self.circumstances(&visitor, mode, false, now);
        match policy.judge(&visitor.subject, &circumstances, now) {
            Judgement::Granted { rule, first_person } => {
                self.lockouts.granted(id);
                answers.push(visitor.granted(rule, first_person));
            }
            Judgement::Denied {
                reason,
                rule,
                needed,
            } => {
                self.count(policy, id, reason, now.tick);
                answers.push(visitor.denied(reason, rule, needed));
            }
            Judgement::Asked { challenge, rule } => {
                let (slot, pending, wait_s) = match challenge {
                    Challenge::SecondPerson => {
                        let seconds = policy.settings.second_person_s;
                        (&mut self.second, pending_second, seconds)
                    }
                    Challenge::Pin | Challenge::Blink => {
                        (&mut self.pin, pending_pin, policy.settings.pin_s)
                    }
                };
                let timeout = std::time::Duration::from_secs(u64::from(wait_s));
                let until = match &pending {
                    Some(wait) => wait.until,
                    None => {
                        answers.push(Answer::Asked {
                            subject: visitor.subject.clone(),
                            challenge,
                            timeout,
                            duress: visitor.duress(),
                        });
                        now.tick + timeout
                    }
                };
                let replaced = slot.replace(Wait {
                    visitor,
                    rule,
                    until,
                });
                // Not held against them: somebody else took their place at the keypad.
                if let Some(wait) = replaced {
                    let (reason, needed) = match challenge {
                        Challenge::SecondPerson => (
                            DenyReason::SecondPersonMissing,
                            "a second person of such a group",
                        ),
                        Challenge::Pin | Challenge::Blink => (
                            DenyReason::PinMissing,
                            "their PIN, before somebody else came",
                        ),
                    };
                    answers.push(ended(wait, reason, needed));
                }
            }
        }
    }

    /// Lets in two people together: the one who waits for a second person, and `visitor`. Whether
    /// it did; the one who waits is answered in any case when the rules no longer let them wait.
    fn admit_together(
        &mut self,
        policy: &Policy,
        visitor: &Visitor,
        mode: Mode,
        now: &Moment,
        answers: &mut Vec<Answer>,
    ) -> bool {
        let Some(wait) = self.second.take() else {
            return false;
        };
        let with_visitor = self.circumstances(visitor, mode, true, now);
        if wait.visitor.id() == visitor.id()
            || !policy.may_accompany(&visitor.subject, &with_visitor, now)
        {
            self.second = Some(wait);
            return false;
        }
        let with_first = self.circumstances(&wait.visitor, mode, true, now);
        match policy.judge(&wait.visitor.subject, &with_first, now) {
            Judgement::Granted { rule, first_person } => {
                let second = policy.judge(&visitor.subject, &with_visitor, now);
                let Judgement::Granted {
                    rule: second_rule,
                    first_person: second_is_first,
                } = second
                else {
                    self.second = Some(wait);
                    return false;
                };
                self.lockouts.granted(wait.visitor.id());
                self.lockouts.granted(visitor.id());
                answers.push(wait.visitor.granted(rule, first_person));
                answers.push(visitor.clone().granted(second_rule, second_is_first));
                true
            }
            Judgement::Denied {
                reason,
                rule,
                needed,
            } => {
                self.count(policy, wait.visitor.id(), reason, now.tick);
                answers.push(wait.visitor.denied(reason, rule, needed));
                false
            }
            // Their group asks for a PIN since; they must come again.
            Judgement::Asked { rule, .. } => {
                let needed = Some("their PIN, which the rules now ask for".to_owned());
                answers.push(wait.visitor.denied(DenyReason::PinMissing, rule, needed));
                false
            }
        }
    }

    fn circumstances(
        &self,
        visitor: &Visitor,
        mode: Mode,
        accompanied: bool,
        now: &Moment,
    ) -> Circumstances {
        Circumstances {
            mode,
            locked_out: self.lockouts.remaining(visitor.id(), now.tick),
            first_person_at: self.first_person_at,
            pin_typed: visitor.pin.is_some(),
            accompanied,
        }
    }

    fn count(&mut self, policy: &Policy, person: PersonId, reason: DenyReason, now: Tick) {
        self.lockouts.denied(&policy.settings, person, reason, now);
        self.repeated.denied(&policy.settings, reason, now);
    }
}

fn ended(wait: Wait, reason: DenyReason, needed: &str) -> Answer {
    wait.visitor
        .denied(reason, wait.rule, Some(needed.to_owned()))
}
