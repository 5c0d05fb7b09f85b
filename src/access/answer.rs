//! What the desk answers, and how that is recorded.
//!
//! Flows in: what a presentation showed, and a judgement. Flows out: the event for the record. A
//! duress PIN shows in no event: whoever forced somebody may be reading over their shoulder. The
//! keeper raises the silent alarm by [`Answer::duress`].

use std::time::Duration;

use super::rules::Subject;
use crate::clock::Tick;
use crate::event::{Challenge, Challenged, Denied, DenyReason, Event, Granted, Method};

/// What a presentation showed; the rules do not look at it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evidence {
    /// Cosine similarity of the fused observations.
    pub similarity: f32,
    /// Which way the liveness network leaned, -6..6, where that was asked.
    pub liveness: Option<f32>,
    /// How many observations agreed.
    pub observations: u32,
    /// When the presentation began.
    pub began: Tick,
}

/// An answer about somebody at the door.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Let them in, once this is on the record.
    Granted {
        /// Whom, as known now.
        subject: Subject,
        /// What they showed.
        evidence: Evidence,
        /// The rule that decided.
        rule: String,
        /// How they asked.
        method: Method,
        /// Whether they typed their duress PIN.
        duress: bool,
        /// Whether their entry counts as the first person's.
        first_person: bool,
    },
    /// Do not let them in.
    Denied {
        /// Why.
        reason: DenyReason,
        /// Whom, as known now.
        subject: Option<Subject>,
        /// What they showed.
        evidence: Option<Evidence>,
        /// The rule that decided.
        rule: Option<String>,
        /// What would have been needed, in words for an operator.
        needed: Option<String>,
        /// How they asked.
        method: Method,
        /// Whether they typed their duress PIN.
        duress: bool,
    },
    /// Ask them for more.
    Asked {
        /// Whom.
        subject: Subject,
        /// For what.
        challenge: Challenge,
        /// How long it is waited for.
        timeout: Duration,
        /// Whether they typed their duress PIN.
        duress: bool,
    },
}

impl Answer {
    /// Whether a duress PIN led to it, so that the silent alarm is due whatever the answer is.
    #[must_use]
    pub fn duress(&self) -> bool {
        match *self {
            Answer::Granted { duress, .. }
            | Answer::Denied { duress, .. }
            | Answer::Asked { duress, .. } => duress,
        }
    }

    /// The event that records it, when it is given at `now`.
    #[must_use]
    pub fn event(&self, now: Tick) -> Event {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        match self {
            Answer::Granted {
                subject,
                evidence,
                rule,
                method,
                ..
            } => Event::AccessGranted(Granted {
                person: subject.person.clone(),
                rule: rule.clone(),
                similarity: evidence.similarity,
                liveness: evidence.liveness,
                observations: evidence.observations,
                method: *method,
                latency_ms: millis(now.since(evidence.began)),
            }),
            Answer::Denied {
                reason,
                subject,
                evidence,
                rule,
                needed,
                method,
                ..
            } => Event::AccessDenied(Denied {
                reason: *reason,
                rule: rule.clone(),
                needed: needed.clone(),
                person: subject.as_ref().map(|subject| subject.person.clone()),
                problem: None,
                similarity: evidence.map(|evidence| evidence.similarity),
                // As the record has it: only where it is the reason, which the rules never are.
                liveness: None,
                observations: evidence.map_or(0, |evidence| evidence.observations),
                method: *method,
                latency_ms: evidence.map_or(0, |evidence| millis(now.since(evidence.began))),
            }),
            Answer::Asked {
                subject,
                challenge,
                timeout,
                ..
            } => Event::AccessChallenged(Challenged {
                person: subject.person.clone(),
                challenge: *challenge,
                timeout_ms: millis(*timeout),
            }),
        }
    }
}
