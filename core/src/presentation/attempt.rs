//! One presentation: what was seen of one face, and what that amounts to so far.
//!
//! Pure. It knows neither the door nor the person's rights, and it never makes more of a name
//! than [`Standing`] says.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::blink::BlinkWatch;
use super::{
    Evidence, Identity, Liveness, LivenessEvidence, LivenessMode, Rules, Sighting, fusion,
};
use crate::clock::Tick;
use crate::event::QualityProblem;
use crate::gallery::{Gallery, Match, Verdict};
use crate::vision::Embedding;

/// Newest good observations that are fused: five halve the noise of one, and reach back a third
/// of a second at 15 frames a second.
const FUSED: usize = 5;

/// What a presentation amounts to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Standing {
    /// Not enough yet, or enough was said.
    Open,
    /// It is this member; now they must blink.
    Challenge { member: usize },
    /// A claim, and how many observations speak for it.
    Claims(Identity, usize),
}

/// A presentation under way.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) began: Tick,
    /// When a face was last looked at.
    pub(super) looked: Option<Tick>,
    /// When the last claim was made, and whether nothing more can come of this presentation.
    pub(super) claimed: Option<(Tick, bool)>,
    /// Since when a blink is waited for.
    pub(super) challenge: Option<(Tick, BlinkWatch)>,
    seen: VecDeque<(Tick, Evidence)>,
    /// The newest good observations fused: the face that this presentation is about.
    face: Option<Embedding>,
    liveness: LivenessEvidence,
}

/// How long somebody recognised may take to look alive: as long as liveness remembers.
const LIVENESS_PATIENCE: Duration = Duration::from_secs(4);

impl Rules {
    fn liveness_patience(&self) -> Duration {
        self.deny_after.max(LIVENESS_PATIENCE)
    }

    /// Whether a claim is the last word of its presentation. Somebody who was too far away to be
    /// recognised may still come closer, and who stood still may still move; a picture does not
    /// come to life, and a blink is asked for once.
    pub(super) fn is_last_word(&self, identity: &Identity) -> bool {
        match identity {
            Identity::Member { .. } | Identity::Spoof { .. } => true,
            Identity::Unproven { .. } => self.liveness == LivenessMode::Challenge,
            Identity::Unknown { .. } | Identity::Ambiguous { .. } | Identity::TooPoor { .. } => {
                false
            }
        }
    }
}

impl Attempt {
    pub(super) fn new(began: Tick) -> Self {
        Self {
            began,
            looked: None,
            claimed: None,
            challenge: None,
            seen: VecDeque::new(),
            face: None,
            liveness: LivenessEvidence::default(),
        }
    }

    /// Whether its claim is so old that the face may ask again.
    pub(super) fn is_over(&self, rules: &Rules, now: Tick) -> bool {
        self.claimed
            .is_some_and(|(at, _)| now.since(at) >= rules.repeat_after)
    }

    /// Whether this is not the face that it was: somebody stepped in, or a photo was lifted.
    pub(super) fn is_somebody_else(&self, evidence: &Evidence, rules: &Rules) -> bool {
        let (Evidence::Seen(sighting), Some(face)) = (evidence, &self.face) else {
            return false;
        };
        let similarity = sighting.embedding.similarity(face);
        similarity < rules.thresholds.same_face || similarity.is_nan()
    }

    pub(super) fn forget_names(&mut self) {
        self.seen.clear();
    }

    /// Asks for a blink, and waits for it from now on.
    pub(super) fn ask(&mut self, now: Tick) {
        self.challenge = Some((now, BlinkWatch::default()));
    }

    pub(super) fn add(&mut self, evidence: Evidence, rules: &Rules, now: Tick) {
        self.looked = Some(now);
        if let Evidence::Seen(sighting) = &evidence {
            if let Some(cues) = sighting.liveness {
                self.liveness.add(cues, now);
            }
            if let (Some((_, blink)), Some(open)) = (&mut self.challenge, sighting.eyes_open) {
                blink.add(open, now);
            }
        }
        self.seen.push_back((now, evidence));
        let kept = rules.window.max(rules.deny_after);
        self.seen.retain(|(at, _)| now.since(*at) <= kept);
        self.face = self.fused().or(self.face.take());
    }

    /// The good observations, the newest first.
    fn good(&self) -> impl Iterator<Item = (Tick, &Sighting)> {
        self.seen
            .iter()
            .rev()
            .filter_map(|(at, evidence)| match evidence {
                Evidence::Seen(sighting) => Some((*at, sighting)),
                Evidence::Poor(_) => None,
            })
    }

    fn fused(&self) -> Option<Embedding> {
        fusion::fuse(
            self.good()
                .take(FUSED)
                .map(|(_, sighting)| (&sighting.embedding, sighting.weight)),
        )
    }

    /// What it amounts to now.
    pub(super) fn standing(&self, rules: &Rules, gallery: &Gallery, now: Tick) -> Standing {
        if self.claimed.is_some_and(|(_, last_word)| last_word) {
            return Standing::Open;
        }
        let found = self.face.as_ref().and_then(|face| gallery.search(face));
        match found.and_then(|found| self.agreement(rules, found, now)) {
            Some((found, agreeing)) => self.alive(rules, found, agreeing, now),
            None if self.claimed.is_some() => Standing::Open,
            None => self.failure(rules, found, now),
        }
    }

    /// The person that the fused face names, when enough observations of the window support the
    /// name, more than do not, and none by itself names somebody else.
    fn agreement(&self, rules: &Rules, found: Match, now: Tick) -> Option<(Match, usize)> {
        let thresholds = &rules.thresholds;
        if found.verdict(thresholds.claim, rules.margin) != Verdict::Named {
            return None;
        }
        let (mut agreeing, mut others) = (0, 0);
        for (_, sighting) in self
            .good()
            .take_while(|(at, _)| now.since(*at) <= rules.window)
        {
            match sighting.found {
                Some(one) if one.member == found.member && one.similarity >= thresholds.support => {
                    agreeing += 1;
                }
                Some(one) if one.member != found.member && one.similarity >= thresholds.claim => {
                    return None;
                }
                _ => others += 1,
            }
        }
        (agreeing >= rules.confirmations && agreeing > others).then_some((found, agreeing))
    }

    /// A face that is somebody's: is it alive?
    fn alive(&self, rules: &Rules, found: Match, agreeing: usize, now: Tick) -> Standing {
        let Match {
            member, similarity, ..
        } = found;
        let claims = |identity| Standing::Claims(identity, agreeing);
        let named = |liveness| {
            claims(Identity::Member {
                member,
                similarity,
                liveness,
            })
        };
        if rules.liveness == LivenessMode::Off {
            return named(None);
        }
        // Whoever was denied once is told again only something better.
        let unproven = match self.claimed {
            Some(_) => Standing::Open,
            None => claims(Identity::Unproven { member, similarity }),
        };
        match (self.liveness.verdict(), &self.challenge) {
            (Liveness::Spoof { score, cue }, _) => claims(Identity::Spoof {
                member,
                similarity,
                liveness: score,
                cue,
            }),
            (_, Some((asked, _))) if now.since(*asked) > rules.challenge_timeout => unproven,
            (Liveness::Undecided, None) if now.since(self.began) >= rules.liveness_patience() => {
                unproven
            }
            (Liveness::Undecided, _) => Standing::Open,
            (Liveness::Live { score }, _) if rules.liveness == LivenessMode::Passive => {
                named(Some(score))
            }
            (Liveness::Live { .. }, None) => Standing::Challenge { member },
            (Liveness::Live { score }, Some((_, blink))) if blink.blinked() => named(Some(score)),
            (Liveness::Live { .. }, Some(_)) => Standing::Open,
        }
    }

    /// After `deny_after` without agreement: why not.
    fn failure(&self, rules: &Rules, found: Option<Match>, now: Tick) -> Standing {
        // Somebody who was asked to blink gets the time for it, and is then no stranger.
        let patience = match &self.challenge {
            Some((asked, _)) => now.since(*asked) <= rules.challenge_timeout,
            None => now.since(self.began) < rules.deny_after,
        };
        if patience || self.seen.len() < rules.confirmations {
            return Standing::Open;
        }
        let good = self.good().count();
        if good < rules.confirmations {
            let problem = self.usual_problem().unwrap_or(QualityProblem::Doubtful);
            return Standing::Claims(Identity::TooPoor { problem }, self.seen.len());
        }
        let identity = match found {
            None => Identity::Unknown { similarity: None },
            Some(Match { similarity, .. }) if similarity >= rules.thresholds.claim => {
                Identity::Ambiguous { similarity }
            }
            Some(Match { similarity, .. }) => Identity::Unknown {
                similarity: Some(similarity),
            },
        };
        Standing::Claims(identity, good)
    }

    /// What was wrong most often.
    fn usual_problem(&self) -> Option<QualityProblem> {
        let mut counts = BTreeMap::new();
        for (_, evidence) in &self.seen {
            if let Evidence::Poor(problem) = evidence {
                *counts.entry(*problem).or_insert(0) += 1;
            }
        }
        counts
            .into_iter()
            .max_by_key(|(_, count)| *count)
            .map(|(problem, _)| problem)
    }
}
