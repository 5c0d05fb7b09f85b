//! The desk: whom the door is waiting for, and what it remembers.
//!
//! [`Policy`] judges a moment; a PIN and a second person take longer than that. Flows in: claims,
//! typed digits, time, denials that the face alone decided. Flows out: [`Answer`]s. Whatever
//! completes a wait is judged anew by the rules, the mode and the person as they are then.
//!
//! It must never grant what the policy does not grant at that very moment, and it never releases
//! anything. At most one person is asked for a PIN and one for a second person, so it holds little
//! whatever happens. Digits belong to whoever was shown at the first of them ([`super::keypad`]).
//! Those of nobody, or of somebody who is not waited for any more, are ignored here, uncounted: a PIN
//! without a face opens nothing and tells nothing, so there is nothing to guess. A duress PIN is a
//! right one here; whoever compared it calls for help.
//!
//! A grant may still fail (storage, interlock): what follows from somebody's being inside begins
//! only when the guard says that they [`entered`](Desk::entered).

use jiff::{SignedDuration, Timestamp};

use super::answer::{Answer, Evidence, millis};
use super::denials::RepeatedDenials;
use super::keypad::Keypad;
use super::lockout::{self, Lockouts, moving};
use super::pin::Pin;
use super::policy::{Circumstances, Judgement, Policy};
use super::rules::Subject;
use crate::clock::{Moment, Tick};
use crate::event::{
    Challenge, Challenged, Denied, DenyReason, Event, Granted, Method, Mode, PersonId, Recorded,
    Rule,
};

/// What is pending and remembered at one door.
#[derive(Debug, Clone, Default)]
pub struct Desk {
    pin: Option<Wait>,
    second: Option<Wait>,
    keypad: Keypad,
    lockouts: Lockouts,
    repeated: RepeatedDenials,
    first_person_at: Option<Timestamp>,
}

/// Somebody who has been recognised, with what they proved so far.
#[derive(Debug, Clone)]
struct Visitor {
    subject: Subject,
    evidence: Evidence,
    /// Whether they typed a PIN: a right one, until it is denied.
    typed: bool,
}

/// Somebody who was asked for more.
#[derive(Debug, Clone)]
struct Wait {
    visitor: Visitor,
    rule: Rule,
    until: Tick,
}

impl Visitor {
    fn id(&self) -> PersonId {
        self.subject.person.id
    }

    fn method(&self) -> Method {
        if self.typed {
            Method::FaceAndPin
        } else {
            Method::Face
        }
    }

    fn latency_ms(&self, now: &Moment) -> u64 {
        millis(now.tick.since(self.evidence.began))
    }

    fn granted(self, rule: Rule, first_person: bool, accompanied: bool, now: &Moment) -> Answer {
        Answer::Granted {
            granted: Granted {
                person: self.subject.person.clone(),
                rule,
                similarity: self.evidence.similarity,
                liveness: self.evidence.liveness,
                observations: self.evidence.observations,
                method: self.method(),
                latency_ms: self.latency_ms(now),
            },
            subject: self.subject,
            first_person,
            accompanied,
        }
    }

    fn denied(
        self,
        reason: DenyReason,
        rule: Rule,
        needed: Option<String>,
        now: &Moment,
    ) -> Answer {
        Answer::Denied {
            denied: Denied {
                reason,
                rule: Some(rule),
                needed,
                method: self.method(),
                similarity: Some(self.evidence.similarity),
                // As the record has it: only where it is the reason, which the rules never are.
                liveness: None,
                observations: self.evidence.observations,
                latency_ms: self.latency_ms(now),
                problem: None,
                person: Some(self.subject.person.clone()),
            },
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
            typed: false,
        };
        self.settle(policy, visitor, mode, now, &mut answers);
        self.turn(now);
        answers
    }

    /// Whose digits are whose. Comparing them takes long: it is the caller's to do, who says by
    /// [`pin`](Desk::pin) what came of it.
    #[must_use]
    pub fn keypad(&self) -> &Keypad {
        &self.keypad
    }

    /// Digits were typed by `person`, and compared with their PINs. Nothing comes of it when the door
    /// does not wait for theirs any more.
    pub fn pin(
        &mut self,
        policy: &Policy,
        person: PersonId,
        pin: Pin,
        mode: Mode,
        now: &Moment,
    ) -> Vec<Answer> {
        let mut answers = self.tick(policy, now);
        let Some(wait) = self.pin.take_if(|wait| wait.visitor.id() == person) else {
            return answers;
        };
        let mut visitor = wait.visitor;
        // It may have been taken away meanwhile; the rules say what that means.
        visitor.typed = visitor.subject.pin.is_some();
        if visitor.typed && pin == Pin::Wrong {
            let needed = Some("their PIN".to_owned());
            let reason = DenyReason::PinWrong;
            self.count(policy, visitor.id(), reason, now.tick);
            answers.push(visitor.denied(reason, wait.rule, needed, now));
        } else {
            self.settle(policy, visitor, mode, now, &mut answers);
        }
        self.turn(now);
        answers
    }

    /// What the rules that are in force now say of somebody who was granted by others.
    #[must_use]
    pub fn judge_again(
        &self,
        policy: &Policy,
        subject: &Subject,
        method: Method,
        accompanied: bool,
        mode: Mode,
        now: &Moment,
    ) -> Judgement {
        let circumstances = Circumstances {
            mode,
            locked_out: self.lockouts.remaining(subject.person.id, now.tick),
            first_person_at: self.first_person_at,
            pin_typed: method == Method::FaceAndPin,
            accompanied,
        };
        policy.judge(subject, &circumstances, now)
    }

    /// Time has passed: ends what was waited for too long.
    pub fn tick(&mut self, policy: &Policy, now: &Moment) -> Vec<Answer> {
        self.repeated.end_if_quiet(now.tick);
        let over = |wait: &mut Wait| now.tick >= wait.until;
        let mut answers = Vec::new();
        if let Some(wait) = self.pin.take_if(over) {
            let reason = DenyReason::PinMissing;
            self.count(policy, wait.visitor.id(), reason, now.tick);
            answers.push(ended(wait, reason, "their PIN, typed in time", now));
        }
        if let Some(wait) = self.second.take_if(over) {
            let reason = DenyReason::SecondPersonMissing;
            self.count(policy, wait.visitor.id(), reason, now.tick);
            answers.push(ended(wait, reason, "a second person, in time", now));
        }
        self.turn(now);
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
                            now,
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
        self.turn(now);
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

    /// Everybody of whom wrong PINs are counted.
    pub fn counted(&self) -> impl Iterator<Item = PersonId> {
        self.lockouts.counted()
    }

    /// Everybody who is locked out for too many wrong PINs since the last right one.
    pub fn capped(&self, now: &Moment) -> impl Iterator<Item = PersonId> {
        self.lockouts.capped(now.tick)
    }

    /// Somebody has another PIN: what was guessed of the old one counts no more.
    pub fn new_pin(&mut self, person: PersonId) {
        self.lockouts.forget(person);
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

    /// After a start: what the events of the last windows, and wrong PINs since the last right one, mean
    /// for lockouts, repeated denials and (as far back as they reach) the first person. An event that a
    /// clock put back makes look as if it were to come happened just now; waits are not taken up again.
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
            if let Some(person) = lockout::ends(&recorded.event) {
                self.lockouts.forget(person);
            }
            match &recorded.event {
                Event::AccessGranted(granted) => {
                    let group = match &granted.rule {
                        Rule::Group(name) => policy.rules.groups.get(name),
                        _ => None,
                    };
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
            visitor.typed |= wait.visitor.typed;
        }
        if self.admit_together(policy, &visitor, mode, now, answers) {
            return;
        }
        let circumstances = self.circumstances(&visitor, mode, false, now);
        match policy.judge(&visitor.subject, &circumstances, now) {
            Judgement::Granted { rule, first_person } => {
                self.proven(&visitor);
                answers.push(visitor.granted(rule, first_person, false, now));
            }
            Judgement::Denied {
                reason,
                rule,
                needed,
            } => {
                self.count(policy, id, reason, now.tick);
                if reason == DenyReason::Lockout {
                    self.keypad.turned_away(id, now.tick);
                }
                answers.push(visitor.denied(reason, rule, needed, now));
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
                            challenged: Challenged {
                                person: visitor.subject.person.clone(),
                                challenge,
                                timeout_ms: millis(timeout),
                            },
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
                    answers.push(ended(wait, reason, needed, now));
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
                self.proven(&wait.visitor);
                self.proven(visitor);
                answers.push(wait.visitor.granted(rule, first_person, true, now));
                let visitor = visitor.clone();
                answers.push(visitor.granted(second_rule, second_is_first, true, now));
                true
            }
            Judgement::Denied {
                reason,
                rule,
                needed,
            } => {
                self.count(policy, wait.visitor.id(), reason, now.tick);
                answers.push(wait.visitor.denied(reason, rule, needed, now));
                false
            }
            // Their group asks for a PIN since; they must come again.
            Judgement::Asked { rule, .. } => {
                let needed = Some("their PIN, which the rules now ask for".to_owned());
                let reason = DenyReason::PinMissing;
                answers.push(wait.visitor.denied(reason, rule, needed, now));
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
            pin_typed: visitor.typed,
            accompanied,
        }
    }

    /// Whoever is waited for has the keypad.
    fn turn(&mut self, now: &Moment) {
        let asked = self.pin.as_ref().map(|wait| wait.visitor.id());
        self.keypad.turn_of(asked, now.tick);
    }

    /// Somebody is granted: a right PIN ends the count of wrong ones, a face alone does not.
    fn proven(&mut self, visitor: &Visitor) {
        if visitor.typed {
            self.lockouts.forget(visitor.id());
        }
    }

    fn count(&mut self, policy: &Policy, person: PersonId, reason: DenyReason, now: Tick) {
        self.lockouts.denied(&policy.settings, person, reason, now);
        self.repeated.denied(&policy.settings, reason, now);
    }
}

fn ended(wait: Wait, reason: DenyReason, needed: &str, now: &Moment) -> Answer {
    let needed = Some(needed.to_owned());
    wait.visitor.denied(reason, wait.rule, needed, now)
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{
        DURESS, PIN, at, evidence, inside, later, moment, policy, subject, typed,
    };
    use super::*;
    use crate::event::Challenge;

    const NOON: &str = "2026-03-30T12:00:00[Europe/Berlin]";
    const NORMAL: Mode = Mode::Normal;

    /// `granted`, `asked for ...` or the reason of a denial, with whose it is.
    fn words(answers: &[Answer]) -> Vec<String> {
        let word = |answer: &Answer| match answer {
            Answer::Granted { subject, .. } => format!("granted {}", subject.person.name),
            Answer::Denied { denied, .. } => {
                let name = denied.person.as_ref().map(|person| person.name.as_str());
                format!("{} {}", denied.reason.as_str(), name.unwrap_or_default())
            }
            Answer::Asked { challenged, .. } => {
                format!("{:?} {}", challenged.challenge, challenged.person.name)
            }
        };
        answers.iter().map(word).collect()
    }

    struct Visit {
        desk: Desk,
        policy: Policy,
        now: Moment,
    }

    impl Visit {
        fn new() -> Visit {
            Visit {
                desk: Desk::new(),
                policy: policy(),
                now: moment(NOON),
            }
        }

        fn claim(&mut self, subject: &Subject) -> Vec<String> {
            let evidence = evidence(&self.now);
            let answers = self
                .desk
                .claim(&self.policy, subject, evidence, NORMAL, &self.now);
            words(&answers)
        }

        fn type_in(&mut self, digits: &str) -> Vec<Answer> {
            typed(&mut self.desk, &self.policy, digits, NORMAL, &self.now)
        }

        fn wait(&mut self, seconds: u32) -> Vec<String> {
            self.now = later(&self.now, seconds);
            words(&self.desk.tick(&self.policy, &self.now))
        }
    }

    #[test]
    fn a_right_pin_completes_a_claim_and_a_duress_pin_does_so_silently() {
        let mut shown = Vec::new();
        for digits in [PIN, DURESS] {
            let mut visit = Visit::new();
            assert_eq!(visit.claim(&subject(1, &["typing"])), ["Pin person 1"]);
            assert_eq!(
                visit.claim(&subject(1, &["typing"])),
                [""; 0],
                "still waiting"
            );
            let answers = visit.type_in(digits);
            assert_eq!(words(&answers), ["granted person 1"]);
            shown.push(answers.clone());
            let Event::AccessGranted(granted) = answers[0].event() else {
                panic!("no grant");
            };
            assert_eq!(granted.method, Method::FaceAndPin);
            assert_eq!(granted.rule, Rule::Group("typing".into()));
            assert_eq!(
                words(&visit.type_in(digits)),
                [""; 0],
                "nobody is waited for"
            );
        }
        assert_eq!(shown[0], shown[1]);
    }

    #[test]
    fn a_wrong_pin_a_late_pin_and_another_person_end_the_wait() {
        let mut visit = Visit::new();
        visit.claim(&subject(1, &["typing"]));
        assert_eq!(words(&visit.type_in("0000")), ["pin_wrong person 1"]);
        assert_eq!(words(&visit.type_in(PIN)), [""; 0]);
        visit.claim(&subject(1, &["typing"]));
        let due = visit.desk.deadline();
        assert_eq!(due, Some(later(&visit.now, 15).tick));
        assert_eq!(visit.wait(14), [""; 0]);
        assert_eq!(visit.wait(1), ["pin_missing person 1"]);
        visit.claim(&subject(1, &["typing"]));
        let replaced = visit.claim(&subject(2, &["typing"]));
        assert_eq!(replaced, ["Pin person 2", "pin_missing person 1"]);
        assert_eq!(visit.desk.waiting(), [subject(2, &[]).person.id]);
    }

    #[test]
    fn a_wrong_pin_five_times_locks_out_even_with_the_right_one_after() {
        let mut visit = Visit::new();
        for _ in 0..5 {
            visit.claim(&subject(1, &["typing"]));
            visit.type_in("0000");
        }
        assert_eq!(visit.claim(&subject(1, &["typing"])), ["lockout person 1"]);
        assert!(visit.desk.repeated_denials(&visit.now));
        visit.wait(299);
        assert_eq!(visit.claim(&subject(1, &["typing"])), ["lockout person 1"]);
        visit.wait(1);
        assert_eq!(visit.claim(&subject(1, &["typing"])), ["Pin person 1"]);
    }

    #[test]
    fn two_people_of_the_rule_enter_together_and_one_alone_does_not() {
        let mut visit = Visit::new();
        let (one, two) = (subject(1, &["vault"]), subject(2, &["vault"]));
        assert_eq!(visit.claim(&one), ["SecondPerson person 1"]);
        assert_eq!(
            visit.claim(&one),
            [""; 0],
            "they are no second person to themselves"
        );
        assert_eq!(visit.claim(&subject(3, &["always"])), ["granted person 3"]);
        assert_eq!(visit.claim(&two), ["granted person 1", "granted person 2"]);
        visit.claim(&one);
        assert_eq!(visit.wait(20), ["second_person_missing person 1"]);
        assert_eq!(visit.claim(&two), ["SecondPerson person 2"]);
    }

    #[test]
    fn a_pin_first_then_a_second_person() {
        let mut visit = Visit::new();
        let both = subject(1, &["vault-typing"]);
        assert_eq!(visit.claim(&both), ["Pin person 1"]);
        let answers = visit.type_in(DURESS);
        assert_eq!(words(&answers), ["SecondPerson person 1"]);
        assert_eq!(visit.claim(&both), [""; 0], "the PIN is not forgotten");
        let together = visit.claim(&subject(2, &["vault"]));
        assert_eq!(together, ["granted person 1", "granted person 2"]);
    }

    #[test]
    fn what_completes_a_wait_is_judged_anew() {
        let mut visit = Visit::new();
        let mut one = subject(1, &["typing"]);
        visit.claim(&one);
        let (policy, now) = (&visit.policy, &visit.now);
        let answers = typed(&mut visit.desk, policy, PIN, Mode::Lockdown, now);
        assert_eq!(words(&answers), ["lockdown person 1"]);
        visit.claim(&one);
        one.status = crate::event::PersonStatus::Suspended;
        let (id, now) = (one.person.id, visit.now);
        visit.desk.refresh(&visit.policy, id, Some(&one), &now);
        assert_eq!(words(&visit.type_in(PIN)), ["suspended person 1"]);
        visit.claim(&subject(1, &["typing"]));
        let gone = visit.desk.refresh(&visit.policy, id, None, &now);
        assert_eq!(words(&gone), ["unknown person 1"]);
        assert_eq!(visit.desk.waiting(), []);

        let (mut first, second) = (subject(2, &["vault"]), subject(3, &["vault"]));
        visit.claim(&first);
        first.status = crate::event::PersonStatus::Suspended;
        let id = first.person.id;
        visit.desk.refresh(&visit.policy, id, Some(&first), &now);
        let answers = visit.claim(&second);
        assert_eq!(answers, ["suspended person 2", "SecondPerson person 3"]);
    }

    #[test]
    fn the_first_person_opens_the_day_for_others_and_for_the_unlock_schedule() {
        let mut visit = Visit::new();
        visit.policy.settings.unlock_schedule = Some("office-hours".into());
        assert!(visit.desk.unlocked(&visit.policy, &visit.now));
        visit.policy.settings.unlock_after_first_person = true;
        assert!(!visit.desk.unlocked(&visit.policy, &visit.now));
        let follower = subject(1, &["followers"]);
        assert_eq!(visit.claim(&follower), ["first_person_required person 1"]);
        assert_eq!(visit.claim(&subject(2, &["chiefs"])), ["granted person 2"]);
        let waits = visit.claim(&follower);
        assert_eq!(
            waits,
            ["first_person_required person 1"],
            "not carried out yet"
        );
        visit.desk.entered(true, &visit.now);
        assert_eq!(visit.claim(&follower), ["granted person 1"]);
        assert!(visit.desk.unlocked(&visit.policy, &visit.now));
        visit.now.clock_trusted = false;
        assert!(!visit.desk.unlocked(&visit.policy, &visit.now));
        visit.now = moment("2026-03-31T12:00:00[Europe/Berlin]");
        assert!(
            !visit.desk.unlocked(&visit.policy, &visit.now),
            "another day"
        );
        assert_eq!(visit.claim(&follower), ["first_person_required person 1"]);
    }

    #[test]
    fn faults_of_the_system_lock_nobody_out() {
        let mut visit = Visit::new();
        let id = subject(1, &[]).person.id;
        for reason in [
            DenyReason::StorageFailure,
            DenyReason::ClockUntrusted,
            DenyReason::Interlock,
            DenyReason::LowQuality,
        ] {
            for _ in 0..50 {
                visit
                    .desk
                    .denied(&visit.policy, Some(id), reason, &visit.now);
                visit.desk.denied(&visit.policy, None, reason, &visit.now);
            }
        }
        assert_eq!(visit.desk.locked_out(id, &visit.now), None);
        assert!(!visit.desk.repeated_denials(&visit.now));
        assert_eq!(visit.desk.deadline(), None);
    }

    #[test]
    fn a_restart_forgets_no_lockout_and_no_first_person() {
        let mut visit = Visit::new();
        let mut history = Vec::new();
        let mut record = |seconds: u32, event: Event| {
            history.push(Recorded {
                seq: history.len() as u64 + 1,
                id: uuid::Uuid::nil(),
                time: later(&moment(NOON), seconds).wall,
                clock_synced: true,
                by: None,
                event,
                hash: Default::default(),
            });
        };
        let chief = visit.desk.claim(
            &visit.policy,
            &subject(2, &["chiefs"]),
            evidence(&visit.now),
            NORMAL,
            &visit.now,
        );
        record(0, chief[0].event());
        for second in 0..5 {
            visit.claim(&subject(1, &["typing"]));
            let wrong = visit.type_in("0000");
            record(second, wrong[0].event());
        }
        // The process has just started: its monotonic clock is younger than the denials.
        let now = Moment {
            tick: Tick::default(),
            ..later(&visit.now, 64)
        };
        let mut desk = Desk::new();
        desk.restore(&visit.policy, history.iter().rev(), &now);
        let left = desk.locked_out(subject(1, &[]).person.id, &now);
        assert_eq!(left, Some(std::time::Duration::from_secs(240)));
        assert!(desk.repeated_denials(&now));
        assert_eq!(desk.first_person_at(), Some(at(NOON)));
    }

    #[test]
    fn an_answer_is_recorded_with_its_rule_and_what_was_needed() {
        let visit = Visit::new();
        let mut desk = Desk::new();
        let mut policy = visit.policy;
        policy.settings.anti_passback = crate::access::AntiPassback::Timed;
        let mut somebody = subject(1, &["always"]);
        somebody.presence = inside(None, at(NOON));
        let now = later(&visit.now, 10);
        let answers = desk.claim(&policy, &somebody, evidence(&visit.now), NORMAL, &now);
        let Event::AccessDenied(denied) = answers[0].event() else {
            panic!("no denial");
        };
        assert_eq!(denied.reason, DenyReason::AntiPassback);
        assert_eq!(denied.rule, Some(Rule::AntiPassback));
        let needed = "would be let in again from Monday 2026-03-30 12:01:00";
        assert_eq!(denied.needed.as_deref(), Some(needed));
        assert_eq!(denied.latency_ms, 10_000);
        let asked = desk.claim(
            &policy,
            &subject(2, &["typing"]),
            evidence(&now),
            NORMAL,
            &now,
        );
        let Event::AccessChallenged(challenged) = asked[0].event() else {
            panic!("no challenge");
        };
        assert_eq!(challenged.challenge, Challenge::Pin);
        assert_eq!(challenged.timeout_ms, 15_000);
    }
}
