//! One track's attempt to be admitted: gathers evidence until it is enough for a claim.
//!
//! Pure: evidence and time in, at most one [`Report`] out. One lucky frame never makes a claim:
//! the embeddings of the newest good observations are fused ([`fusion`]), the fused face must
//! name one person with the margin, and enough single observations must support that name
//! (`attempt.rs`). With liveness asked for, the face must also look alive, and in challenge mode
//! blink when asked. Somebody else's face in the same track starts a new presentation. Whether
//! the person may enter is not asked here (see [`crate::access`]).

mod attempt;
pub mod blink;
pub mod fusion;
pub mod liveness;
mod tracker;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use blink::BlinkWatch;
pub use liveness::{Liveness, LivenessEvidence, SpoofCue};
pub use tracker::{TrackId, Tracker};

use crate::clock::Tick;
use crate::event::QualityProblem;
use crate::gallery::{Gallery, Match};
use crate::recognition::Thresholds;
use crate::vision::{Embedding, LivenessCues};
use attempt::{Attempt, Standing};

/// After a claim a track is still looked at so often: to notice another face in it, and somebody
/// who was too far away at first.
const RECHECK: Duration = Duration::from_millis(250);

/// What a face must do to be taken for alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LivenessMode {
    /// Nothing: a photo opens the door.
    Off,
    /// Look alive, over several frames.
    #[default]
    Passive,
    /// Look alive, and blink when asked.
    Challenge,
}

/// What it takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// Similarities; they depend on the gallery's size.
    pub thresholds: Thresholds,
    /// How far the second person must be behind.
    pub margin: f32,
    /// Agreeing observations.
    pub confirmations: usize,
    /// Within this time.
    pub window: Duration,
    /// A face unrecognised for so long makes the claim "unknown".
    pub deny_after: Duration,
    /// A face that made a claim may make another one after this time.
    pub repeat_after: Duration,
    /// What is asked of a face to be taken for alive.
    pub liveness: LivenessMode,
    /// Time to blink in.
    pub challenge_timeout: Duration,
}

/// What one frame says about one face.
#[derive(Debug, Clone, PartialEq)]
pub enum Evidence {
    /// Not good enough to compare.
    Poor(QualityProblem),
    /// Good enough.
    Seen(Sighting),
}

impl Evidence {
    /// Who a face looks like by itself; never what it looks like, so fit for a log.
    #[must_use]
    pub fn found(&self) -> Option<Match> {
        match self {
            Evidence::Poor(_) => None,
            Evidence::Seen(sighting) => sighting.found,
        }
    }
}

/// A face that was good enough to be compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Sighting {
    /// What it looks like.
    pub embedding: Embedding,
    /// What it says, 0..1 (see [`crate::vision::Quality::weight`]).
    pub weight: f32,
    /// Who it looks like by itself; `None` with an empty gallery.
    pub found: Option<Match>,
    /// Whether it looks alive, where that was asked ([`Presentations::asks`]).
    pub liveness: Option<LivenessCues>,
    /// Probability that its eyes are open, where that was asked.
    pub eyes_open: Option<f32>,
}

/// Who a presentation claims to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Identity {
    /// This member of the gallery.
    Member {
        /// Index in the gallery that was searched.
        member: usize,
        /// Similarity of the fused evidence.
        similarity: f32,
        /// Which way the network leaned, -6..6, where that was asked.
        liveness: Option<f32>,
    },
    /// Nobody enrolled.
    Unknown {
        /// Similarity to the best person, if there was anybody to compare with.
        similarity: Option<f32>,
    },
    /// Several people match about equally well, or the frames do not agree on one.
    Ambiguous {
        /// Similarity to the best person.
        similarity: f32,
    },
    /// Never good enough to tell.
    TooPoor {
        /// What was wrong most often.
        problem: QualityProblem,
    },
    /// Looks like this member, and like a picture instead of a face.
    Spoof {
        /// Index in the gallery that was searched.
        member: usize,
        /// Similarity of the fused evidence.
        similarity: f32,
        /// Which way the network leaned, -6..6.
        liveness: f32,
        /// What gave it away.
        cue: SpoofCue,
    },
    /// Looks like this member, and did not prove in time to be alive.
    Unproven {
        /// Index in the gallery that was searched.
        member: usize,
        /// Similarity of the fused evidence.
        similarity: f32,
    },
}

impl Identity {
    /// The member that it names, if it names one.
    #[must_use]
    pub fn member(&self) -> Option<usize> {
        match *self {
            Identity::Member { member, .. }
            | Identity::Spoof { member, .. }
            | Identity::Unproven { member, .. } => Some(member),
            Identity::Unknown { .. } | Identity::Ambiguous { .. } | Identity::TooPoor { .. } => {
                None
            }
        }
    }

    /// Similarity to the best person, where there was anything to compare.
    #[must_use]
    pub fn similarity(&self) -> Option<f32> {
        match *self {
            Identity::Member { similarity, .. }
            | Identity::Spoof { similarity, .. }
            | Identity::Unproven { similarity, .. }
            | Identity::Ambiguous { similarity } => Some(similarity),
            Identity::Unknown { similarity } => similarity,
            Identity::TooPoor { .. } => None,
        }
    }
}

/// The fused evidence of a presentation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Claim {
    /// Whose presentation.
    pub track: TrackId,
    /// Who.
    pub identity: Identity,
    /// Observations that speak for it.
    pub observations: u32,
    /// When this presentation began.
    pub began: Tick,
}

/// What a presentation has to say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Report {
    /// It came to a claim.
    Claim(Claim),
    /// The person in front of the camera must blink now.
    Challenge {
        /// Whose presentation.
        track: TrackId,
        /// Who they look like.
        member: usize,
    },
}

/// What is worth finding out about a face beyond what it looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Asks {
    /// Whether it looks alive.
    pub liveness: bool,
    /// Whether its eyes are open.
    pub eyes: bool,
}

/// All presentations under way.
#[derive(Debug)]
pub struct Presentations {
    rules: Rules,
    open: BTreeMap<TrackId, Attempt>,
}

impl Presentations {
    /// None yet.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            open: BTreeMap::new(),
        }
    }

    /// Whether this track's face is worth the work of comparing it now: always until it made a
    /// claim, and every now and then afterwards.
    #[must_use]
    pub fn wants(&self, track: TrackId, now: Tick) -> bool {
        self.open.get(&track).is_none_or(|attempt| {
            attempt.claimed.is_none() || attempt.looked.is_none_or(|at| now.since(at) >= RECHECK)
        })
    }

    /// What else to find out about a face that looks like `found`. Somebody who is nobody here
    /// is denied anyway: only a face that could be let in is worth the work.
    #[must_use]
    pub fn asks(&self, track: TrackId, found: Option<&Match>) -> Asks {
        let liveness = self.rules.liveness != LivenessMode::Off
            && found.is_some_and(|found| found.similarity >= self.rules.thresholds.support);
        let attempt = self.open.get(&track);
        Asks {
            liveness,
            eyes: liveness && attempt.is_some_and(|attempt| attempt.challenge.is_some()),
        }
    }

    /// A new gallery is searched from now on: these are its thresholds. Evidence that named
    /// members by their place in the old one is forgotten.
    pub fn gallery_changed(&mut self, thresholds: Thresholds) {
        self.rules.thresholds = thresholds;
        for attempt in self.open.values_mut() {
            attempt.forget_names();
        }
    }

    /// A track ended: whatever it had shown counts for nothing.
    pub fn end(&mut self, track: TrackId) {
        self.open.remove(&track);
    }

    /// Adds one frame's evidence about a track, to be compared with `gallery` (the one that
    /// `evidence` was compared with).
    pub fn observe(
        &mut self,
        track: TrackId,
        evidence: Evidence,
        gallery: &Gallery,
        now: Tick,
    ) -> Option<Report> {
        // A face far away is not presenting itself: people who walk past are no event.
        if evidence == Evidence::Poor(QualityProblem::TooSmall) {
            return None;
        }
        let rules = &self.rules;
        let attempt = self.open.entry(track).or_insert_with(|| Attempt::new(now));
        if attempt.is_over(rules, now) || attempt.is_somebody_else(&evidence, rules) {
            *attempt = Attempt::new(now);
        }
        attempt.add(evidence, rules, now);
        let (identity, observations) = match attempt.standing(rules, gallery, now) {
            Standing::Open => return None,
            Standing::Challenge { member } => {
                attempt.ask(now);
                return Some(Report::Challenge { track, member });
            }
            Standing::Claims(identity, observations) => (identity, observations),
        };
        attempt.claimed = Some((now, rules.is_last_word(&identity)));
        Some(Report::Claim(Claim {
            track,
            identity,
            observations: u32::try_from(observations).unwrap_or(u32::MAX),
            began: attempt.began,
        }))
    }
}

#[cfg(test)]
mod tests;
