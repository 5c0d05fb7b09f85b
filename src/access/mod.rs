//! Who may enter: the claim, and what is known about the person, make a decision.
//!
//! Pure; it knows nothing of doors, relays or storage. Denies unless everything speaks for a grant.
//!
//! | file | what is in it |
//! |---|---|
//! | [`rules`] | groups, schedules, holidays and people, as administration makes them |
//! | [`schedule`] | when a schedule is open, by the clock on the wall |
//! | [`policy`] | what the rules say of one person at one moment |
//! | [`lockout`], [`denials`] | too many denials of one person, or at this door |
//! | [`pin`] | hashes of PINs |
//! | [`desk`], [`answer`] | who is being waited for, and what is answered |
//! | [`explain`](mod@explain) | why, and when next |

pub mod answer;
pub mod denials;
pub mod desk;
pub mod explain;
pub mod lockout;
pub mod pin;
pub mod policy;
pub mod rules;
pub mod schedule;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod properties;

pub use answer::{Answer, Evidence};
pub use desk::Desk;
pub use explain::{Explanation, explain};
pub use policy::{Circumstances, Judgement, Policy};

use std::time::Duration;

use crate::event::{Denied, DenyReason, Granted, Method};
use crate::gallery::Member;
use crate::presentation::{Claim, Identity};
use crate::store::PersonStatus;

/// The answer, always with a reason when it is no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Let them in.
    Grant,
    /// Do not.
    Deny(DenyReason),
}

/// Decides about a claim; `status` is of the member that the claim names, as known now.
#[must_use]
pub fn decide(identity: &Identity, status: Option<PersonStatus>) -> Decision {
    match (identity, status) {
        (Identity::Member { .. }, Some(PersonStatus::Active)) => Decision::Grant,
        (Identity::Member { .. }, Some(PersonStatus::Suspended)) => {
            Decision::Deny(DenyReason::Suspended)
        }
        (Identity::Spoof { .. }, _) => Decision::Deny(DenyReason::SpoofSuspected),
        (Identity::Unproven { .. }, _) => Decision::Deny(DenyReason::LivenessUnproven),
        // Erased between the comparison and now.
        (Identity::Member { .. }, None) | (Identity::Unknown { .. }, _) => {
            Decision::Deny(DenyReason::Unknown)
        }
        (Identity::Ambiguous { .. }, _) => Decision::Deny(DenyReason::Ambiguous),
        (Identity::TooPoor { .. }, _) => Decision::Deny(DenyReason::LowQuality),
    }
}

/// A decision as it is recorded.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Let them in, once this is on the record.
    Granted(Granted),
    /// Do not.
    Denied(Denied),
}

/// Decides about a claim, `latency` after its presentation began; `member` is whom it names, as
/// the gallery knows them now.
#[must_use]
pub fn decided(claim: &Claim, member: Option<&Member>, latency: Duration) -> Outcome {
    let person = member.map(|member| member.person.clone());
    let latency_ms = u64::try_from(latency.as_millis()).unwrap_or(u64::MAX);
    let (observations, method) = (claim.observations, Method::Face);
    let decision = decide(&claim.identity, member.map(|member| member.status));
    let reason = match (decision, claim.identity, person.clone()) {
        (
            Decision::Grant,
            Identity::Member {
                similarity,
                liveness,
                ..
            },
            Some(person),
        ) => {
            return Outcome::Granted(Granted {
                person,
                rule: String::new(),
                similarity,
                liveness,
                observations,
                method,
                latency_ms,
            });
        }
        // Nothing grants to nobody.
        (Decision::Grant, ..) => DenyReason::Unknown,
        (Decision::Deny(reason), ..) => reason,
    };
    Outcome::Denied(Denied {
        reason,
        rule: None,
        needed: None,
        problem: match claim.identity {
            Identity::TooPoor { problem } => Some(problem),
            _ => None,
        },
        person,
        similarity: claim.identity.similarity(),
        liveness: match claim.identity {
            Identity::Spoof { liveness, .. } => Some(liveness),
            _ => None,
        },
        observations,
        method,
        latency_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presentation::SpoofCue;
    use crate::vision::QualityProblem;

    #[test]
    fn only_an_active_member_is_granted() {
        let member = Identity::Member {
            member: 0,
            similarity: 0.9,
            liveness: None,
        };
        let spoof = Identity::Spoof {
            member: 0,
            similarity: 0.9,
            liveness: 0.1,
            cue: SpoofCue::Network,
        };
        let unproven = Identity::Unproven {
            member: 0,
            similarity: 0.9,
        };
        let problem = QualityProblem::TooDark;
        let unknown = Identity::Unknown { similarity: None };
        let ambiguous = Identity::Ambiguous { similarity: 0.9 };
        let active = Some(PersonStatus::Active);
        assert_eq!(decide(&member, active), Decision::Grant);
        for (identity, status, reason) in [
            (member, Some(PersonStatus::Suspended), DenyReason::Suspended),
            (member, None, DenyReason::Unknown),
            (unknown, active, DenyReason::Unknown),
            (ambiguous, active, DenyReason::Ambiguous),
            (
                Identity::TooPoor { problem },
                active,
                DenyReason::LowQuality,
            ),
            (spoof, active, DenyReason::SpoofSuspected),
            (unproven, active, DenyReason::LivenessUnproven),
        ] {
            assert_eq!(decide(&identity, status), Decision::Deny(reason));
        }
    }
}
