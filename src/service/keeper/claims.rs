//! The keeper answers people: a claim or a PIN becomes a grant, a denial or a request for more.
//!
//! Decides nothing itself: [`crate::access`] does. Rules and the person are read anew for every
//! claim, so that a suspension counts at once.

use std::time::Duration;

use super::{Keeper, NotDone};
use crate::access::rules::Subject;
use crate::access::{Answer, Evidence, face};
use crate::clock::Moment;
use crate::conditions::Source;
use crate::door::{Input, Refusal};
use crate::event::{Alarm, Challenge, Challenged, Denied, DenyReason, Event, Granted, PersonRef};
use crate::gallery::Member;
use crate::gpio::indication::Indication;
use crate::gpio::keypad::Pin;
use crate::presentation::{Claim, Identity};
use crate::vision::QualityProblem;

/// An attack that is not repeated for so long is over.
const ATTACK_OVER: Duration = Duration::from_secs(60);

impl Keeper {
    pub(super) fn claim(&mut self, claim: &Claim, member: Option<&Member>) {
        let moment = self.clock.moment();
        self.refresh(&moment);
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
                match self.subject(member.person.id) {
                    Ok(Some(subject)) => {
                        let mode = self.door.mode();
                        let desk = &mut self.desk;
                        let answers = desk.claim(&self.policy, &subject, evidence, mode, &moment);
                        self.answer(answers);
                    }
                    // Erased between the comparison and now.
                    Ok(None) => self.deny_face(claim, None, DenyReason::Unknown, &moment),
                    Err(error) => {
                        tracing::error!(%error, "the person's rules cannot be read");
                        let person = Some(member.person.clone());
                        self.deny_face(claim, person, DenyReason::StorageFailure, &moment);
                    }
                }
            }
            (identity, member) => {
                let reason = face::reason(&identity);
                let person = member.map(|member| member.person.clone());
                self.deny_face(claim, person, reason, &moment);
            }
        }
        if let Identity::Spoof { cue, .. } = claim.identity {
            let cue = cue.as_str();
            let detail = format!("a picture of an enrolled person was shown: {cue}");
            let over = moment.tick + ATTACK_OVER;
            let alarm = Alarm::SpoofSuspected;
            if let Some(event) = self
                .conditions
                .raise_until(alarm, Source::Visitor, over, detail)
            {
                self.raised(event);
            }
        }
        self.desk_alarm(&moment);
    }

    /// A denial that the face alone decided.
    fn deny_face(
        &mut self,
        claim: &Claim,
        person: Option<PersonRef>,
        reason: DenyReason,
        now: &Moment,
    ) {
        self.desk
            .denied(&self.policy, person.as_ref().map(|p| p.id), reason, now);
        self.deny(face::denied(claim, person, reason, now.tick));
    }

    pub(super) fn pin(&mut self, pin: &Pin) {
        let moment = self.clock.moment();
        self.refresh(&moment);
        let mode = self.door.mode();
        let answers = self.desk.pin(&self.policy, pin.as_str(), mode, &moment);
        self.answer(answers);
        self.desk_alarm(&moment);
    }

    /// How those who are waited for stand now: whatever completes the wait is judged by that.
    fn refresh(&mut self, now: &Moment) {
        let mut answers = Vec::new();
        for person in self.desk.waiting() {
            match self.subject(person) {
                Ok(subject) => {
                    answers.extend(
                        self.desk
                            .refresh(&self.policy, person, subject.as_ref(), now),
                    );
                }
                // Nobody is let in on it: the grant could not be committed either.
                Err(error) => tracing::error!(%error, "the person's rules cannot be read"),
            }
        }
        self.answer(answers);
    }

    pub(super) fn answer(&mut self, answers: Vec<Answer>) {
        let now = self.clock.tick();
        for answer in answers {
            let duress = answer.duress();
            let event = answer.event(now);
            if duress && let Some(person) = event.person() {
                self.duress(&person.clone());
            }
            match (answer, event) {
                (
                    Answer::Granted {
                        subject,
                        first_person,
                        ..
                    },
                    Event::AccessGranted(granted),
                ) => self.grant(subject, granted, first_person),
                (
                    Answer::Asked {
                        subject,
                        challenge,
                        timeout,
                        ..
                    },
                    _,
                ) => self.ask(subject.person, challenge, timeout),
                (_, Event::AccessDenied(denied)) => self.deny(denied),
                // An answer has no other events.
                _ => {}
            }
        }
    }

    fn grant(&mut self, subject: Subject, granted: Granted, first_person: bool) {
        let input = Input::Granted {
            person: granted.person.clone(),
            extended: subject.extended,
        };
        // What time has brought about meanwhile stands, whatever becomes of the grant.
        self.input(Input::Tick);
        match self.drive(input, Some(Event::AccessGranted(granted.clone()))) {
            Ok(()) => {
                tracing::info!(
                    person = %granted.person.id,
                    rule = granted.rule,
                    similarity = granted.similarity,
                    liveness = granted.liveness,
                    latency_ms = granted.latency_ms,
                    "access granted"
                );
                self.desk.entered(first_person, &self.clock.moment());
                self.entered(subject);
                self.asked = None;
                self.show(Indication::Granted);
                self.picture();
            }
            Err(not_done) => {
                let reason = match not_done {
                    NotDone::NotRecorded => DenyReason::StorageFailure,
                    NotDone::Refused(Refusal::Interlock) => DenyReason::Interlock,
                    NotDone::Refused(Refusal::Lockdown) => DenyReason::Lockdown,
                };
                let person = Some(granted.person.id);
                let moment = self.clock.moment();
                self.desk.denied(&self.policy, person, reason, &moment);
                self.deny(Denied {
                    reason,
                    rule: Some(granted.rule),
                    needed: None,
                    person: Some(granted.person),
                    problem: None,
                    similarity: Some(granted.similarity),
                    liveness: granted.liveness,
                    observations: granted.observations,
                    method: granted.method,
                    latency_ms: granted.latency_ms,
                });
            }
        }
    }

    /// Nothing at the door may show it.
    fn duress(&mut self, person: &PersonRef) {
        let detail = format!("the duress PIN of {} was typed", person.name);
        if let Some(event) = self
            .conditions
            .raise(Alarm::Duress, Source::Visitor, detail)
        {
            self.record(event);
        }
    }

    pub(super) fn challenge(&mut self, member: Option<Member>) {
        // Erased between the comparison and now: nobody is left to be asked.
        if let Some(Member { person, .. }) = member {
            self.ask(person, Challenge::Blink, self.challenge_timeout);
        }
    }

    fn ask(&mut self, person: PersonRef, challenge: Challenge, timeout: Duration) {
        match challenge {
            Challenge::Blink => tracing::info!(person = %person.id, "asked to blink"),
            _ => tracing::info!(person = %person.id, ?challenge, "asked for more"),
        }
        let asked = match challenge {
            Challenge::Pin => Indication::EnterPin,
            Challenge::Blink | Challenge::SecondPerson => Indication::LookHere,
        };
        self.asked = Some((asked, self.clock.tick() + timeout));
        self.record(Event::AccessChallenged(Challenged {
            person,
            challenge,
            timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
        }));
    }

    fn deny(&mut self, denied: Denied) {
        tracing::info!(
            reason = denied.reason.as_str(),
            rule = denied.rule,
            problem = denied.problem.map(QualityProblem::as_str),
            person = denied.person.as_ref().map(|person| person.id.to_string()),
            similarity = denied.similarity,
            liveness = denied.liveness,
            latency_ms = denied.latency_ms,
            "access denied"
        );
        self.asked = None;
        self.show(Indication::Denied);
        self.record(Event::AccessDenied(denied));
        self.picture();
    }
}
