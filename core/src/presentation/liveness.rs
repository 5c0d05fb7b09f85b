//! Whether the face of one presentation is alive, from the cues of all of its observations.
//!
//! Pure: cues and time in, a verdict out. One image decides nothing, and neither does the
//! network alone: grain and soft focus make it call live faces pictures. What weighs most is
//! whether straight edges beside the face go where the face goes (the border of a print or a
//! phone) or stay when it moves (the room). docs/liveness.md has the measurements from which
//! the thresholds come.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Tick;
use crate::vision::LivenessCues;

/// Observations needed for any verdict.
const ENOUGH: usize = 4;
/// Older cues are forgotten: long enough for a hand or a head to move, short enough that a
/// visitor who stood still is not held to it.
const WINDOW: Duration = Duration::from_secs(4);
/// Before an unexplained border counts against a face, the face had this time to show that the
/// border stays when it moves.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// One observation's network score counts as log-odds within ±6 (0.25 % and 99.75 %), so that
/// one image cannot outvote all others.
const CLAMP: f32 = 6.0;
/// Mean log-odds below which the network is sure of a picture. Of prints and phones 95 % lie
/// below, of LFW faces seen through a camera's grain and blur 30 %: too many to decide alone.
const SURE: f32 = -2.5;
/// Mean log-odds from which two unexplained edges are forgiven (95 % live), and below which not
/// even one is (0.7 %): a phone held close shows one side only.
const LEANS: f32 = 3.0;
const CERTAIN: f32 = -5.0;
/// A face that moved less between two observations, in its own sizes, shows nothing: boxes and
/// landmarks jitter by about a hundredth.
const LEAST_MOVE: f32 = 0.03;
/// An edge went with the face, or stayed, when it is off by less than this part of the move.
const TOLERANCE: f32 = 0.4;
/// Pairs of observations that must say that an edge follows, and by how much they must
/// outnumber those that say that it stays.
const FOLLOWS: (usize, usize) = (3, 2);
/// The same for an edge that stays. More, because an error here lets a picture pass, and one
/// bad observation makes as many bad pairs as there are others.
const STAYS: (usize, usize) = (8, 3);

/// Which cue gave an attack away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SpoofCue {
    /// Straight edges around the face move with it.
    Border,
    /// The network is sure, and straight edges stand beside the face of which nothing showed
    /// that they belong to the room.
    Network,
}

impl SpoofCue {
    /// In words for an operator.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            SpoofCue::Border => "straight edges move with the face",
            SpoofCue::Network => "it looks like a picture, beside straight edges",
        }
    }
}

/// What is known so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Liveness {
    /// Not enough yet. The door stays closed.
    Undecided,
    /// Nothing speaks for a picture.
    Live {
        /// The network's mean log-odds, -6..6; may be low, see [`Liveness`]'s module.
        score: f32,
    },
    /// A picture of a face.
    Spoof {
        /// The network's mean log-odds, -6..6.
        score: f32,
        /// What gave it away.
        cue: SpoofCue,
    },
}

/// The cues of one presentation; [`Default`] has none. Memory is bounded by the window.
#[derive(Debug, Clone, Default)]
pub struct LivenessEvidence {
    seen: VecDeque<(Tick, LivenessCues)>,
}

/// What the observations together say about the straight edge on one side of the face.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Border {
    /// None, in most observations.
    Absent,
    /// There is one, and the face did not move enough, or the observations contradict.
    Unclear,
    /// It stays when the face moves.
    Stays,
    /// It goes where the face goes.
    Follows,
}

impl LivenessEvidence {
    /// Adds one observation's cues. Ticks must not decrease.
    pub fn add(&mut self, cues: LivenessCues, now: Tick) {
        self.seen.push_back((now, cues));
        self.seen.retain(|(at, _)| now.since(*at) <= WINDOW);
    }

    /// What the cues so far amount to. May change with every observation: a presentation that
    /// was once called a spoof must not be admitted later, and that is for the caller to hold.
    #[must_use]
    pub fn verdict(&self) -> Liveness {
        let (Some((first, _)), Some((last, _))) = (self.seen.front(), self.seen.back()) else {
            return Liveness::Undecided;
        };
        if self.seen.len() < ENOUGH {
            return Liveness::Undecided;
        }
        let odds = self.network();
        let score = odds;
        let borders = [0, 1, 2, 3].map(|side| self.border(side));
        let count = |border| borders.iter().filter(|&&found| found == border).count();
        let (follows, unclear) = (count(Border::Follows), count(Border::Unclear));
        let beside = follows + unclear;
        // Collar, hat and hair follow the head on one side; on three it is a frame.
        let border = follows >= 3 || odds < 0.0 && (follows == 2 || follows == 1 && beside >= 3);
        let suspicious =
            beside >= 3 || beside == 2 && odds < LEANS || beside == 1 && odds < CERTAIN;
        if border {
            let cue = SpoofCue::Border;
            Liveness::Spoof { score, cue }
        } else if !suspicious {
            Liveness::Live { score }
        } else if beside >= 2 && odds < SURE && last.since(*first) >= PATIENCE {
            let cue = SpoofCue::Network;
            Liveness::Spoof { score, cue }
        } else {
            Liveness::Undecided
        }
    }

    /// The network's mean log-odds of a live face.
    fn network(&self) -> f32 {
        let odds = |cues: &LivenessCues| {
            // What is not a number is not a live face.
            let live = cues
                .network
                .max(0.0)
                .clamp(f32::EPSILON, 1.0 - f32::EPSILON);
            (live / (1.0 - live)).ln().clamp(-CLAMP, CLAMP)
        };
        self.seen.iter().map(|(_, cues)| odds(cues)).sum::<f32>() / self.seen.len() as f32
    }

    /// Left, right, top, bottom. Compares every two observations in which the side has an edge:
    /// how far did the face move across it, and how far the edge?
    fn border(&self, side: usize) -> Border {
        let seen: Vec<Sighting> = self
            .seen
            .iter()
            .filter_map(|(_, cues)| Sighting::of(cues, side))
            .collect();
        if seen.len() * 2 <= self.seen.len() {
            return Border::Absent;
        }
        let (mut follows, mut stays) = (0, 0);
        for (index, a) in seen.iter().enumerate() {
            for b in &seen[index + 1..] {
                let size = (a.size + b.size) * 0.5;
                let (face, edge) = ((b.face - a.face) / size, (b.edge - a.edge) / size);
                if face.abs() < LEAST_MOVE {
                    continue;
                }
                let tolerated = TOLERANCE * face.abs();
                if (edge - face).abs() < tolerated {
                    follows += 1;
                } else if edge.abs() < tolerated {
                    stays += 1;
                }
            }
        }
        if stays >= STAYS.0 && stays > STAYS.1 * follows {
            Border::Stays
        } else if follows >= FOLLOWS.0 && follows > FOLLOWS.1 * stays {
            Border::Follows
        } else {
            Border::Unclear
        }
    }
}

/// One side's edge in one observation: positions across the edge, and the face's size, in pixels.
struct Sighting {
    face: f32,
    edge: f32,
    size: f32,
}

impl Sighting {
    fn of(cues: &LivenessCues, side: usize) -> Option<Self> {
        let edges = &cues.edges;
        let (edge, face) = match side {
            0 => (edges.left, cues.centre.x),
            1 => (edges.right, cues.centre.x),
            2 => (edges.top, cues.centre.y),
            _ => (edges.bottom, cues.centre.y),
        };
        // A face without a size cannot be measured by it.
        (cues.size > 0.0).then_some(Self {
            face,
            edge: edge?,
            size: cues.size,
        })
    }
}

#[cfg(test)]
mod tests;
