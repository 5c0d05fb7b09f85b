//! What the guard says, in the words that are compared.

use doorward_core::access::rules::Presence;
use doorward_core::clock::Timestamp;
use doorward_core::event::wire::{DoorSummary, Lock};
use doorward_core::event::{Event, Method, PersonRef};

use super::who;
use crate::happening::{Line, Said, Summary};

pub(super) fn line(by: Option<String>, at: Timestamp, trusted: bool, event: &Event) -> Line {
    Line {
        by,
        at: at.as_millisecond(),
        trusted,
        said: said(event),
    }
}

/// When they entered, and whether they are inside still.
pub(super) fn inside(presence: &Presence) -> (i64, bool) {
    (
        presence.at.as_millisecond(),
        presence.door == crate::happening::DOOR,
    )
}

pub(super) fn summary(summary: &DoorSummary) -> Summary {
    (
        summary.lock == Lock::Released,
        summary.contact,
        summary.mode,
        summary.alarms.iter().copied().collect(),
    )
}

fn said(event: &Event) -> Said {
    let millis = |ms: u64| i64::try_from(ms).unwrap();
    let whose = |person: &Option<PersonRef>| person.as_ref().map(|person| who(person.id));
    match event {
        Event::AccessGranted(granted) => Said::Granted {
            who: who(granted.person.id),
            rule: granted.rule.to_string(),
            pin: granted.method == Method::FaceAndPin,
        },
        Event::AccessDenied(denied) => Said::Denied {
            who: whose(&denied.person),
            reason: denied.reason,
            rule: denied.rule.as_ref().map(ToString::to_string),
            pin: denied.method == Method::FaceAndPin,
        },
        Event::AccessChallenged(challenged) => Said::Asked {
            who: who(challenged.person.id),
            challenge: challenged.challenge,
            ms: millis(challenged.timeout_ms),
        },
        Event::DoorReleased {
            cause,
            release_ms,
            person,
        } => Said::Released {
            cause: *cause,
            ms: release_ms.map(millis),
            who: whose(person),
        },
        Event::ReleaseWithdrawn { cause, person } => Said::Withdrawn {
            cause: *cause,
            who: whose(person),
        },
        Event::DoorSecured { cause } => Said::Secured(*cause),
        Event::DoorOpened => Said::Opened,
        Event::DoorClosed { open_ms } => Said::Closed(open_ms.map(millis)),
        Event::DoorRex => Said::Rex,
        Event::DoorMode {
            mode,
            source,
            until,
        } => Said::Mode(*mode, *source, until.map(Timestamp::as_millisecond)),
        Event::AlarmRaised { alarm, person, .. } => Said::Raised(*alarm, whose(person)),
        Event::AlarmCleared { alarm } => Said::Cleared(*alarm),
        Event::CommandExecuted { id, verb, .. } => Said::Executed {
            id: id.clone(),
            verb: *verb,
        },
        Event::CommandRefused {
            reason,
            id,
            verb,
            unrecorded,
            ..
        } => Said::Refused {
            reason: *reason,
            id: id.clone(),
            verb: *verb,
            unrecorded: *unrecorded,
        },
        other => panic!("nothing that happens in this year: {other:?}"),
    }
}
