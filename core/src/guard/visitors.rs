//! People are answered: a claim or a PIN becomes a grant, a denial or a request for more.
//!
//! Decides nothing by itself: [`crate::access`] does. Rules and people are those of the newest facts;
//! a grant names the revision that it stands on, and is judged anew when another one is in force by
//! the time it is recorded.

use std::collections::BTreeSet;
use std::time::Duration;

use super::passage::{Admission, Then};
use super::{Author, Deed, Facts, Guard, WithoutRecord};
use crate::access::keypad::{Compared, Comparison, OTHERS};
use crate::access::pin::Typed;
use crate::access::rules::Subject;
use crate::access::{Answer, Evidence, Judgement, denials, face};
use crate::clock::{Moment, Tick};
use crate::conditions::Source;
use crate::event::{
    Alarm, Challenge, Challenged, CommandRefusal, Denied, DenyReason, Event, PersonId, PersonRef,
    QualityProblem,
};
use crate::gallery::Member;
use crate::indication::Indication;
use crate::presentation::{Claim, Identity};

/// An attack that is not repeated for so long is over.
const ATTACK_OVER: Duration = Duration::from_secs(60);
/// Comparisons of digits that are under way at most; nobody types faster.
const COMPARISONS: u32 = 8;

impl Guard {
    /// Whether it is known who may enter: not, when nobody could read the store lately.
    pub(super) fn knows(&self, facts: &Facts, now: &Moment) -> bool {
        // Where people are let in without a record, they are let in by what was known last.
        let without = self.settings.without_record == WithoutRecord::Grant;
        facts.is_fresh(now.tick) || (without && facts.read_at.is_some())
    }

    /// What the rules need to know of somebody, with where they are by what happened here.
    pub(super) fn subject(&self, person: PersonId, facts: &Facts) -> Option<Subject> {
        let mut subject = facts.subject(person)?;
        if let Some(passed) = self.presences.get(&person) {
            subject.presence = Some(passed.presence.clone());
        }
        Some(subject)
    }

    pub(super) fn claim(
        &mut self,
        claim: &Claim,
        member: Option<&Member>,
        facts: &Facts,
        now: &Moment,
    ) {
        self.refresh(facts, now);
        match (claim.identity, member) {
            (
                Identity::Member {
                    similarity,
                    liveness,
                    ..
                },
                Some(member),
            ) => {
                let evidence = Evidence {
                    similarity,
                    liveness,
                    observations: claim.observations,
                    began: claim.began,
                };
                if !self.knows(facts, now) {
                    tracing::error!("the rules could not be read lately: nobody is let in");
                    let person = Some(member.person.clone());
                    self.deny_face(claim, person, DenyReason::StorageFailure, now);
                } else if let Some(subject) = self.subject(member.person.id, facts) {
                    let mode = self.door.mode();
                    let answers = self.desk.claim(&self.policy, &subject, evidence, mode, now);
                    self.answer(answers, facts, now);
                } else {
                    // Erased between the comparison and now.
                    self.deny_face(claim, None, DenyReason::Unknown, now);
                }
            }
            (identity, member) => {
                let person = member.map(|member| member.person.clone());
                self.deny_face(claim, person, face::reason(&identity), now);
            }
        }
        if let Identity::Spoof { cue, .. } = claim.identity {
            let cue = cue.as_str();
            let over = Some(now.tick + ATTACK_OVER);
            let alarm = Alarm::SpoofSuspected;
            // Erased between the comparison and now: nobody is left to be named.
            if let Some(Member { person, .. }) = member {
                let detail = format!("a picture of {} was shown: {cue}", person.name);
                self.raise_for(alarm, person, over, detail, now);
            }
        }
    }

    /// A denial that the face alone decided.
    fn deny_face(
        &mut self,
        claim: &Claim,
        person: Option<PersonRef>,
        reason: DenyReason,
        now: &Moment,
    ) {
        let id = person.as_ref().map(|person| person.id);
        self.desk.denied(&self.policy, id, reason, now);
        self.deny(face::denied(claim, person, reason, now.tick), now);
    }

    /// Digits were typed: they are compared elsewhere, with the PINs of whoever was shown at the first
    /// one, and with the duress PINs of those who were there.
    pub(super) fn typed(&mut self, typed: Typed, facts: &Facts, now: &Moment) {
        self.refresh(facts, now);
        let pins = |person: PersonId| {
            let subject = facts.people.get(&person)?;
            Some((subject.person.clone(), subject.pin.clone()?))
        };
        let Typed { digits, began } = typed;
        let owner = self.desk.keypad().owner(began);
        let others = self.desk.keypad().others(owner, began).into_iter();
        let comparison = Comparison {
            owner: owner.and_then(pins),
            others: others
                .filter_map(pins)
                .filter(|(_, pins)| pins.duress.is_some())
                .take(OTHERS)
                .collect(),
        };
        if comparison.is_empty() {
            return;
        }
        if self.comparing >= COMPARISONS {
            tracing::warn!("digits come faster than they can be compared: some are ignored");
            return;
        }
        self.comparing += 1;
        self.deeds.push(Deed::Verify { digits, comparison });
    }

    pub(super) fn verified(&mut self, compared: Compared, facts: &Facts, now: &Moment) {
        self.comparing = self.comparing.saturating_sub(1);
        self.refresh(facts, now);
        if let Some(person) = &compared.forced {
            self.duress(person, now);
        }
        if let Some((person, pin)) = compared.owner {
            let mode = self.door.mode();
            let answers = self.desk.pin(&self.policy, person, pin, mode, now);
            self.answer(answers, facts, now);
        }
    }

    /// How those who are waited for stand now: whatever completes the wait is judged by that.
    fn refresh(&mut self, facts: &Facts, now: &Moment) {
        let mut answers = Vec::new();
        for person in self.desk.waiting() {
            let subject = self.subject(person, facts);
            let refreshed = self
                .desk
                .refresh(&self.policy, person, subject.as_ref(), now);
            answers.extend(refreshed);
        }
        self.answer(answers, facts, now);
    }

    pub(super) fn answer(&mut self, answers: Vec<Answer>, facts: &Facts, now: &Moment) {
        for answer in answers {
            match answer {
                Answer::Granted {
                    granted,
                    subject,
                    first_person,
                    accompanied,
                } => {
                    if self.knows(facts, now) {
                        let admission = Admission {
                            subject,
                            granted,
                            first_person,
                            accompanied,
                            recorded: Vec::new(),
                            asked: Vec::new(),
                        };
                        self.admit(admission, facts, now);
                    } else {
                        let reason = DenyReason::StorageFailure;
                        let person = Some(granted.person.id);
                        self.desk.denied(&self.policy, person, reason, now);
                        self.deny(granted.denied(reason), now);
                    }
                }
                Answer::Denied { denied } => self.deny(denied, now),
                Answer::Asked { challenged } => self.ask(challenged, now),
            }
        }
    }

    /// Somebody calls for help. Nothing at the door may show it.
    fn duress(&mut self, person: &PersonRef, now: &Moment) {
        let detail = format!("the duress PIN of {} was typed", person.name);
        self.forced.insert(person.id, now.wall);
        self.raise_for(Alarm::Duress, person, None, detail, now);
    }

    pub(super) fn challenge(&mut self, member: Option<Member>, now: &Moment) {
        // Erased between the comparison and now: nobody is left to be asked.
        if let Some(Member { person, .. }) = member {
            let timeout = self.settings.challenge;
            self.ask(
                Challenged {
                    person,
                    challenge: Challenge::Blink,
                    timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
                },
                now,
            );
        }
    }

    fn ask(&mut self, challenged: Challenged, now: &Moment) {
        let Challenged {
            person, challenge, ..
        } = &challenged;
        tracing::info!(person = %person.id, ?challenge, "asked for more");
        let shown = match challenge {
            Challenge::Pin => Indication::EnterPin,
            Challenge::Blink | Challenge::SecondPerson => Indication::LookHere,
        };
        let until: Tick = now.tick + Duration::from_millis(challenged.timeout_ms);
        self.asked = Some((shown, until));
        self.keep(Author::Door, vec![Event::AccessChallenged(challenged)], now);
    }

    pub(super) fn deny(&mut self, denied: Denied, now: &Moment) {
        if denials::counts(denied.reason) {
            self.denied_last = Some((denied.reason, denied.person.clone()));
        }
        tracing::info!(
            reason = denied.reason.as_str(),
            rule = denied.rule.as_ref().map(tracing::field::display),
            problem = denied.problem.map(QualityProblem::as_str),
            person = denied.person.as_ref().map(|person| person.id.to_string()),
            similarity = denied.similarity,
            liveness = denied.liveness,
            latency_ms = denied.latency_ms,
            "access denied"
        );
        self.asked = None;
        self.momentarily(Indication::Denied);
        self.keep(Author::Door, vec![Event::AccessDenied(denied)], now);
        self.deeds.push(Deed::Picture);
    }

    /// Raises or clears the alarm about many denials.
    pub(super) fn desk_alarm(&mut self, now: &Moment) {
        let alarm = Alarm::RepeatedDenied;
        if self.desk.repeated_denials(now) {
            let (reason, person) = match &self.denied_last {
                Some((reason, person)) => (reason.as_str(), person.clone()),
                None => ("before the start", None),
            };
            let name = person
                .as_ref()
                .map_or("nobody known", |person| &person.name);
            let detail = format!("many denials in a short time; the last one of {name}: {reason}");
            let source = Source::Visitor;
            let raised = self.conditions.raise_naming(alarm, source, person, detail);
            if let Some(event) = raised {
                self.raised(event, now);
            }
        } else {
            self.conditions.clear(alarm, Source::Visitor, now.tick);
        }
    }

    /// Raises or clears the alarm about wrong PINs, for each person.
    pub(super) fn wrong_pins(&mut self, facts: &Facts, now: &Moment) {
        let alarm = Alarm::WrongPins;
        let capped: BTreeSet<_> = self.desk.capped(now).collect();
        let told: BTreeSet<_> = self.conditions.persons(alarm).collect();
        for over in told.difference(&capped) {
            self.conditions
                .clear(alarm, Source::Person(*over), now.tick);
        }
        for person in capped.difference(&told) {
            if let Some(subject) = facts.people.get(person) {
                let person = &subject.person;
                let detail = format!(
                    "too many wrong PINs of {} since the last right one: locked out for a day after each, until they type it right or have a new one (doorward people set --pin)",
                    person.name
                );
                self.raise_for(alarm, person, None, detail, now);
            }
        }
    }

    /// The rules changed before it was recorded: it is judged by the new ones, once they are read.
    pub(super) fn put_off(&mut self, mut then: Then, now: &Moment) {
        let _ = then.forget();
        self.facts_after = Some(now.tick);
        self.reconsidered
            .push((then, now.tick + self.settings.patience.give_up));
        self.deeds.push(Deed::Read);
    }

    /// Judges anew what was decided by rules that have changed, or gives it up.
    pub(super) fn reconsider(&mut self, facts: &Facts, now: &Moment) {
        let known = self.facts_are_new(facts);
        for (then, until) in std::mem::take(&mut self.reconsidered) {
            if !known {
                if now.tick >= until {
                    self.given_up(then, None, now);
                } else {
                    self.reconsidered.push((then, until));
                }
                continue;
            }
            match then {
                Then::Admit(admission) => self.judge_again(*admission, facts, now),
                Then::Unlock(ordered) | Then::CarryOut(ordered) => {
                    if self.may_still(&ordered, facts) {
                        self.execute(*ordered, facts, now);
                    } else {
                        let detail = "their rights were taken away meanwhile";
                        let spent = ordered.spent.clone();
                        let reason = CommandRefusal::InsufficientRole;
                        self.refuse_order(&ordered, reason, detail, spent, now);
                    }
                }
                Then::Hold => self.step(crate::door::Input::HoldNotRecorded, now),
            }
        }
    }

    fn judge_again(&mut self, admission: Admission, facts: &Facts, now: &Moment) {
        let granted = &admission.granted;
        let Some(subject) = self.subject(granted.person.id, facts) else {
            let denied = granted.denied(DenyReason::Unknown);
            return self.deny(denied, now);
        };
        let (method, accompanied) = (granted.method, admission.accompanied);
        let mode = self.door.mode();
        let judgement =
            self.desk
                .judge_again(&self.policy, &subject, method, accompanied, mode, now);
        match judgement {
            Judgement::Granted { rule, first_person } => {
                let mut admission = admission;
                admission.granted.rule = rule;
                admission.granted.person = subject.person.clone();
                admission.first_person = first_person;
                admission.subject = subject;
                self.admit(admission, facts, now);
            }
            Judgement::Denied {
                reason,
                rule,
                needed,
            } => {
                let mut denied = granted.denied(reason);
                denied.rule = Some(rule);
                denied.needed = needed;
                self.deny(denied, now);
            }
            // More is asked for now than they have shown; they will be, when they are seen again.
            Judgement::Asked { challenge, rule } => {
                let reason = match challenge {
                    Challenge::SecondPerson => DenyReason::SecondPersonMissing,
                    Challenge::Pin | Challenge::Blink => DenyReason::PinMissing,
                };
                let mut denied = granted.denied(reason);
                denied.rule = Some(rule);
                self.deny(denied, now);
            }
        }
    }
}
