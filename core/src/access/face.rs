//! Denials that the face alone decides: before any rule is asked.
//!
//! Flows in: claims that name nobody, or nobody alive. Flows out: the reason and the event's words.

use crate::clock::Tick;
use crate::event::{Denied, DenyReason, Method, PersonRef};
use crate::presentation::{Claim, Identity};

/// Why a claim is denied whatever the rules say.
#[must_use]
pub fn reason(identity: &Identity) -> DenyReason {
    match identity {
        Identity::Spoof { .. } => DenyReason::SpoofSuspected,
        Identity::Unproven { .. } => DenyReason::LivenessUnproven,
        Identity::Ambiguous { .. } => DenyReason::Ambiguous,
        Identity::TooPoor { .. } => DenyReason::LowQuality,
        // A member who was erased between the comparison and now is nobody.
        Identity::Member { .. } | Identity::Unknown { .. } => DenyReason::Unknown,
    }
}

/// Such a denial as it is recorded; `person` is whom the face looks like, if anybody.
#[must_use]
pub fn denied(claim: &Claim, person: Option<PersonRef>, reason: DenyReason, now: Tick) -> Denied {
    let latency = now.since(claim.began);
    Denied {
        reason,
        rule: None,
        needed: None,
        person,
        problem: match claim.identity {
            Identity::TooPoor { problem } => Some(problem),
            _ => None,
        },
        similarity: claim.identity.similarity(),
        liveness: match claim.identity {
            Identity::Spoof { liveness, .. } => Some(liveness),
            _ => None,
        },
        observations: claim.observations,
        method: Method::Face,
        latency_ms: u64::try_from(latency.as_millis()).unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::QualityProblem;
    use crate::presentation::SpoofCue;

    #[test]
    fn every_claim_that_names_nobody_alive_has_its_reason() {
        let (member, similarity, liveness) = (0, 0.9, 0.1);
        let cue = SpoofCue::Network;
        let problem = QualityProblem::TooDark;
        for (identity, expected) in [
            (Identity::Unknown { similarity: None }, DenyReason::Unknown),
            (Identity::Ambiguous { similarity }, DenyReason::Ambiguous),
            (Identity::TooPoor { problem }, DenyReason::LowQuality),
            (
                Identity::Spoof {
                    member,
                    similarity,
                    liveness,
                    cue,
                },
                DenyReason::SpoofSuspected,
            ),
            (
                Identity::Unproven { member, similarity },
                DenyReason::LivenessUnproven,
            ),
        ] {
            assert_eq!(reason(&identity), expected);
        }
    }
}
