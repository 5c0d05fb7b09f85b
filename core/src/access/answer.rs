//! What the desk answers, and how that is recorded.
//!
//! Flows in: what a presentation showed, and a judgement. Flows out: what is recorded of it. A duress
//! PIN shows in none of it: whoever forced somebody may be reading over their shoulder.

use std::time::Duration;

use super::rules::Subject;
use crate::clock::Tick;
use crate::event::{Challenged, Denied, Event, Granted};

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

/// An answer about somebody at the door, as it is recorded.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Let them in, once this is on the record.
    Granted {
        /// What is recorded.
        granted: Granted,
        /// Whom, as known now.
        subject: Subject,
        /// Whether their entry counts as the first person's.
        first_person: bool,
        /// Whether a second person is let in with them.
        accompanied: bool,
    },
    /// Do not let them in.
    Denied {
        /// What is recorded.
        denied: Denied,
    },
    /// Ask them for more.
    Asked {
        /// What is recorded.
        challenged: Challenged,
    },
}

impl Answer {
    /// The event that records it.
    #[must_use]
    pub fn event(&self) -> Event {
        match self {
            Answer::Granted { granted, .. } => Event::AccessGranted(granted.clone()),
            Answer::Denied { denied, .. } => Event::AccessDenied(denied.clone()),
            Answer::Asked { challenged, .. } => Event::AccessChallenged(challenged.clone()),
        }
    }
}

/// As the record has it.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
