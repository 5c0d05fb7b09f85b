//! One track's attempt to be admitted: gathers evidence until it is enough for a claim.
//!
//! Pure: evidence and time in, at most one [`Claim`] out. One lucky frame never makes a claim:
//! `confirmations` observations within `window` must name the same person, each above the
//! threshold, each with the margin, and with no contradicting one in between. Whether the
//! person may enter is not asked here (see [`crate::access`]).

pub mod fusion;
pub mod liveness;
mod tracker;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

pub use liveness::{Liveness, LivenessEvidence, SpoofCue};
pub use tracker::{TrackId, Tracker};

use crate::clock::Tick;
use crate::gallery::{Match, Verdict};
use crate::vision::QualityFailure;

/// What it takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// Cosine similarity from which an observation names a person.
    pub threshold: f32,
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
}

/// What one frame says about one face.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Evidence {
    /// Not good enough to compare.
    Poor(QualityFailure),
    /// Compared; `None` with an empty gallery.
    Compared(Option<Match>),
}

/// Who a presentation claims to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Identity {
    /// This member of the gallery; the weakest of the agreeing similarities.
    Member {
        /// Index in the gallery that was searched.
        member: usize,
        /// Weakest agreeing similarity.
        similarity: f32,
    },
    /// Nobody enrolled.
    Unknown {
        /// Best similarity seen, if there was anybody to compare with.
        similarity: Option<f32>,
    },
    /// Several people match about equally well.
    Ambiguous {
        /// Best similarity seen.
        similarity: f32,
    },
    /// Never good enough to tell.
    TooPoor,
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

/// What one observation amounts to.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Vote {
    Member { member: usize, similarity: f32 },
    Stranger { similarity: Option<f32> },
    Ambiguous { similarity: f32 },
    Poor,
}

#[derive(Debug)]
struct Presentation {
    began: Tick,
    votes: VecDeque<(Tick, Vote)>,
    /// When the last claim was made, and whether it named a member.
    claimed: Option<(Tick, bool)>,
}

impl Presentation {
    fn new(began: Tick) -> Self {
        Self {
            began,
            votes: VecDeque::new(),
            claimed: None,
        }
    }
}

/// All presentations under way.
#[derive(Debug)]
pub struct Presentations {
    rules: Rules,
    open: BTreeMap<TrackId, Presentation>,
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

    /// Whether this track's face is worth the work of comparing it. After a claim that named a
    /// member it is not, for a while; after any other claim it is: somebody who was too far
    /// away at first can still be recognised.
    #[must_use]
    pub fn wants(&self, track: TrackId, now: Tick) -> bool {
        match self.open.get(&track).and_then(|open| open.claimed) {
            Some((at, true)) => now.since(at) >= self.rules.repeat_after,
            Some((_, false)) | None => true,
        }
    }

    /// Forgets evidence that named members by their place in a gallery that is no longer searched.
    pub fn gallery_changed(&mut self) {
        for presentation in self.open.values_mut() {
            presentation.votes.clear();
        }
    }

    /// A track ended: whatever it had shown counts for nothing.
    pub fn end(&mut self, track: TrackId) {
        self.open.remove(&track);
    }

    /// Adds one frame's evidence about a track.
    pub fn observe(&mut self, track: TrackId, evidence: Evidence, now: Tick) -> Option<Claim> {
        // A face far away is not presenting itself: people who walk past are no event.
        if matches!(evidence, Evidence::Poor(QualityFailure::TooSmall { .. }))
            || !self.wants(track, now)
        {
            return None;
        }
        let rules = &self.rules;
        let presentation = self
            .open
            .entry(track)
            .or_insert_with(|| Presentation::new(now));
        let claimed = presentation.claimed;
        if claimed.is_some_and(|(at, _)| now.since(at) >= rules.repeat_after) {
            *presentation = Presentation::new(now);
        }
        presentation.votes.push_back((now, rules.vote(evidence)));
        let kept = rules.window.max(rules.deny_after);
        presentation.votes.retain(|(at, _)| now.since(*at) <= kept);

        let (identity, observations) = match rules.agreement(&presentation.votes, now) {
            Some(agreed) => agreed,
            None if presentation.claimed.is_none() => rules.failure(presentation, now)?,
            None => return None,
        };
        presentation.claimed = Some((now, matches!(identity, Identity::Member { .. })));
        Some(Claim {
            track,
            identity,
            observations,
            began: presentation.began,
        })
    }
}

impl Rules {
    fn vote(&self, evidence: Evidence) -> Vote {
        match evidence {
            Evidence::Poor(_) => Vote::Poor,
            Evidence::Compared(None) => Vote::Stranger { similarity: None },
            Evidence::Compared(Some(found)) => {
                let Match {
                    member, similarity, ..
                } = found;
                match found.verdict(self.threshold, self.margin) {
                    Verdict::Named => Vote::Member { member, similarity },
                    Verdict::Ambiguous => Vote::Ambiguous { similarity },
                    Verdict::Nobody => Vote::Stranger {
                        similarity: Some(similarity),
                    },
                }
            }
        }
    }

    /// Looks back from the newest vote: `confirmations` for one person, more than the frames in
    /// between that name nobody, and none that names somebody else.
    fn agreement(&self, votes: &VecDeque<(Tick, Vote)>, now: Tick) -> Option<(Identity, u32)> {
        let mut agreed: Option<(usize, f32)> = None;
        let (mut named, mut nameless) = (0, 0);
        for (at, vote) in votes.iter().rev() {
            if now.since(*at) > self.window {
                return None;
            }
            match *vote {
                Vote::Poor => continue,
                Vote::Stranger { .. } => nameless += 1,
                Vote::Ambiguous { .. } => return None,
                Vote::Member { member, similarity } => {
                    let (who, weakest) = agreed.unwrap_or((member, similarity));
                    if who != member {
                        return None;
                    }
                    agreed = Some((who, weakest.min(similarity)));
                    named += 1;
                }
            }
            if let Some((member, similarity)) = agreed
                && named >= self.confirmations
                && named > nameless
            {
                return Some((Identity::Member { member, similarity }, count(named)));
            }
        }
        None
    }

    /// After `deny_after` without agreement: why not.
    fn failure(&self, presentation: &Presentation, now: Tick) -> Option<(Identity, u32)> {
        let votes = &presentation.votes;
        if now.since(presentation.began) < self.deny_after || votes.len() < self.confirmations {
            return None;
        }
        let compared: Vec<Vote> = votes
            .iter()
            .map(|(_, vote)| *vote)
            .filter(|vote| *vote != Vote::Poor)
            .collect();
        if compared.len() < self.confirmations {
            return Some((Identity::TooPoor, count(votes.len())));
        }
        let nameless = compared
            .iter()
            .filter(|vote| matches!(vote, Vote::Stranger { .. }))
            .count();
        let similarity = compared
            .iter()
            .filter_map(|vote| match *vote {
                Vote::Stranger { similarity } => similarity,
                Vote::Member { similarity, .. } | Vote::Ambiguous { similarity } => {
                    Some(similarity)
                }
                Vote::Poor => None,
            })
            .reduce(f32::max);
        let identity = match similarity {
            Some(similarity) if nameless * 2 < compared.len() => Identity::Ambiguous { similarity },
            _ => Identity::Unknown { similarity },
        };
        Some((identity, count(compared.len())))
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
