//! The rules of agreement, by example and by property.

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
