//! One track's attempt to be admitted: gathers evidence until it is enough for a claim.
//!
//! Pure: evidence and time in, at most one [`Claim`] out. One lucky frame never makes a claim:
//! `confirmations` observations within `window` must name the same person, each above the
//! threshold, each with the margin, and with no contradicting one in between. Whether the
//! person may enter is not asked here (see [`crate::access`]).

mod tracker;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

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
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRACK: TrackId = TrackId(1);

    fn rules() -> Rules {
        Rules {
            threshold: 0.5,
            margin: 0.05,
            confirmations: 3,
            window: Duration::from_secs(2),
            deny_after: Duration::from_millis(1_500),
            repeat_after: Duration::from_secs(10),
        }
    }

    fn ms(n: u64) -> Tick {
        Tick(Duration::from_millis(n))
    }

    fn sees(member: usize, similarity: f32, second: f32) -> Evidence {
        Evidence::Compared(Some(Match {
            member,
            similarity,
            second,
        }))
    }

    /// Feeds one piece of evidence every 100 ms; returns every claim with its time.
    fn play(evidence: &[Evidence]) -> Vec<(u64, Claim)> {
        let mut presentations = Presentations::new(rules());
        (0..)
            .step_by(100)
            .zip(evidence)
            .filter_map(|(at, e)| Some((at, presentations.observe(TRACK, *e, ms(at))?)))
            .collect()
    }

    const NOBODY: Evidence = Evidence::Compared(None);

    #[test]
    fn three_agreeing_observations_make_a_claim_with_the_weakest_similarity() {
        let claims = play(&[sees(7, 0.9, 0.1), sees(7, 0.6, 0.1), sees(7, 0.8, 0.1)]);
        let identity = Identity::Member {
            member: 7,
            similarity: 0.6,
        };
        assert_eq!(claims.len(), 1);
        assert_eq!((claims[0].0, claims[0].1.identity), (200, identity));
    }

    #[test]
    fn lucky_frames_among_many_others_claim_nobody() {
        let mut evidence = vec![sees(7, 0.3, 0.1); 20];
        for lucky in [3, 8, 13] {
            evidence[lucky] = sees(7, 0.9, 0.1);
        }
        let claims = play(&evidence);
        assert_eq!(claims.len(), 1);
        assert!(matches!(claims[0].1.identity, Identity::Unknown { .. }));
    }

    #[test]
    fn another_name_in_between_starts_the_count_again() {
        let a = sees(1, 0.9, 0.1);
        let b = sees(2, 0.9, 0.1);
        assert!(play(&[a, a, b, a, a]).is_empty());
    }

    #[test]
    fn two_equally_good_candidates_are_ambiguous() {
        let claims = play(&[sees(1, 0.90, 0.88); 20]);
        assert_eq!(claims.len(), 1);
        assert!(matches!(claims[0].1.identity, Identity::Ambiguous { .. }));
    }

    #[test]
    fn a_stranger_is_denied_once_and_again_only_after_the_pause() {
        let claims = play(&[NOBODY; 140]);
        let times: Vec<u64> = claims.iter().map(|(at, _)| *at).collect();
        // 1.5 s after the first frame; then 10 s of pause and another 1.5 s.
        assert_eq!(times, [1_500, 13_000]);
        assert!(matches!(
            claims[0].1.identity,
            Identity::Unknown { similarity: None }
        ));
    }

    #[test]
    fn somebody_recognised_late_is_still_recognised() {
        let mut evidence = vec![sees(1, 0.4, 0.1); 17];
        evidence.extend([sees(1, 0.8, 0.1); 20]);
        let claims = play(&evidence);
        assert_eq!(claims.len(), 2);
        assert!(matches!(
            claims[1].1.identity,
            Identity::Member { member: 1, .. }
        ));
    }

    #[test]
    fn far_away_faces_are_no_presentation_and_blurred_ones_are_too_poor() {
        let far = Evidence::Poor(QualityFailure::TooSmall {
            found: 5.0,
            least: 20.0,
        });
        assert!(play(&[far; 50]).is_empty());
        let blurred = Evidence::Poor(QualityFailure::TooBlurred {
            found: 5.0,
            least: 15.0,
        });
        let claims = play(&[blurred; 20]);
        assert_eq!(claims.len(), 1);
        assert_eq!(claims[0].1.identity, Identity::TooPoor);
    }

    #[test]
    fn evidence_against_an_old_gallery_counts_for_nothing() {
        let mut presentations = Presentations::new(rules());
        for at in [0, 100] {
            assert_eq!(
                presentations.observe(TRACK, sees(1, 0.9, 0.0), ms(at)),
                None
            );
        }
        presentations.gallery_changed();
        assert_eq!(
            presentations.observe(TRACK, sees(1, 0.9, 0.0), ms(200)),
            None
        );
    }

    fn any_evidence() -> impl Strategy<Value = Evidence> {
        prop_oneof![
            (0usize..3, 0.3f32..1.0, -0.1f32..1.0).prop_map(|(m, s, d)| sees(m, s, s - d)),
            Just(sees(0, f32::NAN, 0.0)),
            Just(NOBODY),
            Just(Evidence::Poor(QualityFailure::TooBlurred {
                found: 1.0,
                least: 2.0
            })),
        ]
    }

    proptest! {
        /// Invariant 7: whatever is seen, a member is claimed only on enough sound, agreeing
        /// observations inside the window.
        #[test]
        fn no_claim_of_a_member_without_enough_agreement(
            steps in prop::collection::vec((any_evidence(), 0u64..900), 1..60),
        ) {
            let rules = rules();
            let mut presentations = Presentations::new(rules.clone());
            let mut now = 0;
            let mut sound: Vec<(u64, usize)> = Vec::new();
            for (evidence, pause) in steps {
                now += pause;
                if let Evidence::Compared(Some(m)) = evidence
                    && m.similarity >= rules.threshold
                    && m.similarity - m.second >= rules.margin
                {
                    sound.push((now, m.member));
                }
                let claim = presentations.observe(TRACK, evidence, ms(now));
                if let Some(Claim { identity: Identity::Member { member, .. }, .. }) = claim {
                    let newest: Vec<_> = sound.iter().rev().take(rules.confirmations).collect();
                    prop_assert_eq!(newest.len(), rules.confirmations);
                    prop_assert!(newest.iter().all(|(at, who)| *who == member && now - at <= 2_000));
                }
            }
        }
    }
}
