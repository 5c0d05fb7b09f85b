//! Whether the face of one presentation is alive, from the cues of all of its observations.
//!
//! Pure: cues and time in, a verdict out. One image decides nothing.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Tick;
use crate::vision::LivenessCues;

/// Observations needed before the network's word counts.
const ENOUGH: usize = 3;
/// Older cues are forgotten.
const WINDOW: Duration = Duration::from_secs(3);
/// Mean probability from which a face counts as live.
const LIVE: f32 = 0.5;

/// Which cue gave an attack away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SpoofCue {
    /// The network, over several observations.
    Network,
}

/// What is known so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Liveness {
    /// Not enough yet.
    Undecided,
    /// A live face.
    Live {
        /// Fused network score, 0..1.
        score: f32,
    },
    /// A picture of a face.
    Spoof {
        /// Fused network score, 0..1.
        score: f32,
        /// What gave it away.
        cue: SpoofCue,
    },
}

/// The cues of one presentation.
#[derive(Debug, Clone, Default)]
pub struct LivenessEvidence {
    seen: VecDeque<(Tick, LivenessCues)>,
}

impl LivenessEvidence {
    /// Adds one observation's cues.
    pub fn add(&mut self, cues: LivenessCues, now: Tick) {
        self.seen.push_back((now, cues));
        self.seen.retain(|(at, _)| now.since(*at) <= WINDOW);
    }

    /// What the cues so far amount to.
    #[must_use]
    pub fn verdict(&self) -> Liveness {
        if self.seen.len() < ENOUGH {
            return Liveness::Undecided;
        }
        let sum: f32 = self.seen.iter().map(|(_, cues)| cues.network).sum();
        let score = sum / self.seen.len() as f32;
        if score >= LIVE {
            Liveness::Live { score }
        } else {
            Liveness::Spoof {
                score,
                cue: SpoofCue::Network,
            }
        }
    }
}
