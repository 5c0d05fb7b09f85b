//! Answers and effects of the code in the words that are compared.

use doorward::access::Answer;
use doorward::clock::Timestamp;
use doorward::door::Effect;
use doorward::event::{Denied, DenyReason, Event, Method};

use super::{ms, who};
use crate::year::happening::{Deed, Outcome, Site};

pub(super) fn denied_event(site: &Site, index: Option<usize>, reason: DenyReason) -> Event {
    Event::AccessDenied(Denied {
        reason,
        rule: None,
        needed: None,
        person: index.map(|index| site.people[index].subject.person.clone()),
        problem: None,
        similarity: None,
        liveness: None,
        observations: 3,
        method: Method::Face,
        latency_ms: 0,
    })
}

pub(super) fn outcome(answer: &Answer) -> Outcome {
    match answer {
        Answer::Granted {
            subject,
            rule,
            method,
            duress,
            first_person,
            ..
        } => Outcome::Granted {
            who: who(subject.person.id),
            rule: rule.clone(),
            pin: *method == Method::FaceAndPin,
            duress: *duress,
            first: *first_person,
        },
        Answer::Denied {
            reason,
            subject,
            rule,
            needed,
            method,
            duress,
            ..
        } => {
            assert!(
                needed.is_some(),
                "a denial that says nothing of what is needed"
            );
            Outcome::Denied {
                who: who(subject.as_ref().unwrap().person.id),
                reason: *reason,
                rule: rule.clone().unwrap(),
                pin: *method == Method::FaceAndPin,
                duress: *duress,
            }
        }
        Answer::Asked {
            subject,
            challenge,
            timeout,
            duress,
        } => Outcome::Asked {
            who: who(subject.person.id),
            challenge: *challenge,
            ms: ms(*timeout),
            duress: *duress,
        },
    }
}

pub(super) fn deed(effect: Effect) -> Deed {
    let millis = |ms: u64| i64::try_from(ms).unwrap();
    match effect {
        Effect::Release { event, must_record } => match event {
            Event::DoorReleased {
                cause,
                release_ms,
                person,
            } => Deed::Released {
                cause,
                ms: release_ms.map(millis),
                who: person.map(|person| who(person.id)),
                must_record,
            },
            other => panic!("a release is recorded as {other:?}"),
        },
        Effect::Secure {
            event: Event::DoorSecured { cause },
        } => Deed::Secured(cause),
        Effect::Record(Event::DoorOpened) => Deed::Opened,
        Effect::Record(Event::DoorClosed { open_ms }) => Deed::Closed(open_ms.map(millis)),
        Effect::Record(Event::DoorRex) => Deed::Rex,
        Effect::Record(Event::DoorMode {
            mode,
            source,
            until,
        }) => Deed::Mode(mode, source, until.map(Timestamp::as_millisecond)),
        Effect::Raise { alarm, .. } => Deed::Raised(alarm),
        Effect::Clear { alarm } => Deed::Cleared(alarm),
        Effect::PreAlarm(on) => Deed::PreAlarm(on),
        Effect::Refused(refusal) => Deed::Refused(refusal),
        other => panic!("nothing of the door: {other:?}"),
    }
}
