//! The rules of agreement, by example and by property.

use proptest::prelude::*;

use super::*;
use crate::event::{PersonId, PersonRef, PersonStatus};
use crate::gallery::GalleryPerson;
use crate::vision::Edges;
use crate::vision::geometry::Point;

const TRACK: TrackId = TrackId(1);
/// Three people at right angles; a fourth axis belongs to nobody.
const PEOPLE: usize = 3;

fn rules() -> Rules {
    Rules {
        thresholds: Thresholds {
            claim: 0.5,
            support: 0.35,
            same_face: 0.42,
        },
        margin: 0.05,
        confirmations: 3,
        window: Duration::from_secs(2),
        deny_after: Duration::from_millis(1_500),
        repeat_after: Duration::from_secs(10),
        liveness: LivenessMode::Off,
        challenge_timeout: Duration::from_secs(5),
    }
}

fn ms(n: u64) -> Tick {
    Tick(Duration::from_millis(n))
}

fn gallery() -> Gallery {
    let people = (0..PEOPLE).map(|axis| {
        let mut values = vec![0.0; 5];
        values[axis] = 1.0;
        GalleryPerson {
            person: PersonRef {
                id: PersonId(uuid::Uuid::now_v7()),
                name: axis.to_string(),
            },
            status: PersonStatus::Active,
            embeddings: vec![values],
        }
    });
    Gallery::new(people.collect(), 5)
}

/// A face that is so similar to this person and so similar to the next one; the rest of it
/// belongs to nobody.
fn sees_two(member: usize, similarity: f32, second: f32) -> Evidence {
    let mut values = vec![0.0; 5];
    values[member] = similarity;
    values[(member + 1) % PEOPLE] = second;
    values[4] = (1.0 - similarity * similarity - second * second)
        .max(0.0)
        .sqrt();
    let embedding = Embedding::normalised(values).unwrap();
    let found = gallery().search(&embedding);
    Evidence::Seen(Sighting {
        embedding,
        weight: 1.0,
        found,
        liveness: None,
        eyes_open: None,
    })
}

fn sees(member: usize, similarity: f32) -> Evidence {
    sees_two(member, similarity, 0.0)
}

fn stranger() -> Evidence {
    sees(0, 0.0)
}

fn alive(evidence: Evidence, network: f32, eyes_open: Option<f32>) -> Evidence {
    match evidence {
        Evidence::Seen(sighting) => Evidence::Seen(Sighting {
            liveness: Some(cues(network)),
            eyes_open,
            ..sighting
        }),
        poor => poor,
    }
}

/// A face without anything straight beside it.
fn cues(network: f32) -> LivenessCues {
    LivenessCues {
        network,
        centre: Point { x: 320.0, y: 240.0 },
        size: 100.0,
        edges: Edges::default(),
    }
}

/// The `step`th frame of a photo in a moving hand: its border goes where the face goes.
fn held_up(evidence: Evidence, step: usize) -> Evidence {
    let shift = 10.0 * (step % 7) as f32;
    let edges = Edges {
        left: Some(250.0 + shift),
        right: Some(390.0 + shift),
        top: Some(160.0 + shift),
        bottom: Some(330.0 + shift),
    };
    let moved = LivenessCues {
        centre: Point {
            x: 320.0 + shift,
            y: 240.0 + shift,
        },
        edges,
        ..cues(0.01)
    };
    match evidence {
        Evidence::Seen(sighting) => Evidence::Seen(Sighting {
            liveness: Some(moved),
            ..sighting
        }),
        poor => poor,
    }
}

/// Feeds one piece of evidence every 100 ms; returns every report with its time.
fn play_by(rules: Rules, evidence: &[Evidence]) -> Vec<(u64, Report)> {
    let mut presentations = Presentations::new(rules);
    let gallery = gallery();
    (0..)
        .step_by(100)
        .zip(evidence)
        .filter_map(|(at, e)| {
            Some((
                at,
                presentations.observe(TRACK, e.clone(), &gallery, ms(at))?,
            ))
        })
        .collect()
}

fn play(evidence: &[Evidence]) -> Vec<(u64, Identity)> {
    play_by(rules(), evidence)
        .into_iter()
        .map(|(at, report)| match report {
            Report::Claim(claim) => (at, claim.identity),
            Report::Challenge { .. } => panic!("nobody is asked to blink here"),
        })
        .collect()
}

fn member(identity: &Identity) -> Option<usize> {
    match identity {
        Identity::Member { member, .. } => Some(*member),
        _ => None,
    }
}

#[test]
fn three_agreeing_observations_make_a_claim_of_the_fused_face() {
    let claims = play(&[sees(2, 0.9), sees(2, 0.6), sees(2, 0.8)]);
    assert_eq!(claims.len(), 1);
    let (
        at,
        Identity::Member {
            member: 2,
            similarity,
            ..
        },
    ) = claims[0]
    else {
        panic!("{claims:?}");
    };
    assert_eq!(at, 200);
    assert!(similarity > 0.75 && similarity < 0.9, "{similarity}");
}

#[test]
fn frames_that_are_too_weak_alone_are_enough_together() {
    // The person is what the frames have in common.
    let mut left = sees(0, 0.48);
    if let Evidence::Seen(sighting) = &mut left {
        let mut values = sighting.embedding.as_slice().to_vec();
        (values[3], values[4]) = (values[4], 0.0);
        sighting.embedding = Embedding::normalised(values).unwrap();
    }
    let mut lenient = rules();
    lenient.thresholds.same_face = 0.2;
    let (a, b) = (left, sees(0, 0.48));
    let reports = play_by(lenient, &[a.clone(), b.clone(), a, b]);
    assert_eq!(reports.len(), 1, "{reports:?}");
}

#[test]
fn lucky_frames_among_many_others_claim_nobody() {
    let mut evidence = vec![sees(1, 0.3); 20];
    for lucky in [3, 8, 13] {
        evidence[lucky] = sees(1, 0.6);
    }
    let claims = play(&evidence);
    assert_eq!(claims.len(), 1);
    assert!(matches!(claims[0].1, Identity::Unknown { .. }));
}

#[test]
fn another_face_in_the_track_starts_a_new_presentation() {
    let (a, b) = (sees(1, 0.9), sees(2, 0.9));
    // Two frames of one and two of the other are nobody's three.
    assert_eq!(play(&[a.clone(), a.clone(), b.clone(), b.clone()]), []);
    // The one who steps in is claimed by their own frames only, and although the first one
    // has just been let in.
    let claims = play(&[vec![a; 3], vec![b; 9]].concat());
    let who: Vec<_> = claims.iter().map(|(at, id)| (*at, member(id))).collect();
    assert_eq!(who, [(200, Some(1)), (500, Some(2))]);
}

#[test]
fn a_stranger_who_steps_in_is_not_let_in_on_anothers_frames() {
    let evidence = [vec![sees(1, 0.9); 2], vec![stranger(); 20]].concat();
    let claims = play(&evidence);
    assert_eq!(claims.len(), 1);
    assert!(matches!(claims[0].1, Identity::Unknown { .. }));
}

#[test]
fn two_equally_good_candidates_are_ambiguous() {
    let claims = play(&vec![sees_two(1, 0.70, 0.68); 20]);
    assert_eq!(claims.len(), 1);
    assert!(matches!(claims[0].1, Identity::Ambiguous { .. }));
}

#[test]
fn a_stranger_is_denied_once_and_again_only_after_the_pause() {
    let claims = play(&vec![stranger(); 140]);
    let times: Vec<u64> = claims.iter().map(|(at, _)| *at).collect();
    // 1.5 s after the first frame; then 10 s of pause and another 1.5 s.
    assert_eq!(times, [1_500, 13_000]);
    assert!(matches!(claims[0].1, Identity::Unknown { .. }));
}

#[test]
fn somebody_recognised_late_is_still_recognised() {
    let evidence = [vec![sees(1, 0.45); 17], vec![sees(1, 0.8); 20]].concat();
    let claims = play(&evidence);
    assert_eq!(claims.len(), 2);
    assert_eq!(member(&claims[1].1), Some(1));
}

#[test]
fn far_away_faces_are_no_presentation_and_poor_ones_say_why() {
    assert_eq!(
        play(&vec![Evidence::Poor(QualityProblem::TooSmall); 50]),
        []
    );
    let mut evidence = vec![Evidence::Poor(QualityProblem::TooBlurred); 20];
    evidence[4] = Evidence::Poor(QualityProblem::TooDark);
    let problem = QualityProblem::TooBlurred;
    assert_eq!(play(&evidence), [(1_500, Identity::TooPoor { problem })]);
}

#[test]
fn evidence_against_an_old_gallery_counts_for_nothing() {
    let mut presentations = Presentations::new(rules());
    let gallery = gallery();
    for at in [0, 100] {
        let report = presentations.observe(TRACK, sees(1, 0.9), &gallery, ms(at));
        assert_eq!(report, None);
    }
    presentations.gallery_changed(rules().thresholds);
    let report = presentations.observe(TRACK, sees(1, 0.9), &gallery, ms(200));
    assert_eq!(report, None);
}

#[test]
fn a_face_is_looked_at_always_until_it_made_a_claim_and_then_sometimes() {
    let mut presentations = Presentations::new(rules());
    let gallery = gallery();
    for at in [0, 100, 200] {
        assert!(presentations.wants(TRACK, ms(at)));
        presentations.observe(TRACK, sees(1, 0.9), &gallery, ms(at));
    }
    assert!(!presentations.wants(TRACK, ms(300)));
    assert!(presentations.wants(TRACK, ms(450)));
}

fn passive() -> Rules {
    Rules {
        liveness: LivenessMode::Passive,
        ..rules()
    }
}

#[test]
fn liveness_is_asked_only_of_a_face_that_could_be_let_in() {
    let presentations = Presentations::new(passive());
    let asks = |evidence: Evidence| {
        presentations
            .asks(TRACK, evidence.found().as_ref())
            .liveness
    };
    assert!(asks(sees(1, 0.9)) && !asks(stranger()));
    let off = Presentations::new(rules());
    assert_eq!(
        off.asks(TRACK, sees(1, 0.9).found().as_ref()),
        Asks::default()
    );
}

#[test]
fn a_picture_is_a_spoof_and_stays_one_for_the_presentation() {
    let picture = (0..40).map(|step| held_up(sees(1, 0.9), step));
    let live = alive(sees(1, 0.9), 0.99, None);
    let evidence: Vec<_> = picture.chain(vec![live; 40]).collect();
    let reports = play_by(passive(), &evidence);
    assert_eq!(reports.len(), 1, "{reports:?}");
    let Report::Claim(claim) = reports[0].1 else {
        panic!("{reports:?}");
    };
    assert!(matches!(claim.identity, Identity::Spoof { member: 1, .. }));
}

#[test]
fn a_picture_lifted_before_a_live_face_gets_nothing_from_it() {
    let face = alive(sees(0, 0.9), 0.99, None);
    let picture = (0..30).map(|step| held_up(sees(1, 0.9), step));
    let evidence: Vec<_> = vec![face; 6].into_iter().chain(picture).collect();
    let reports = play_by(passive(), &evidence);
    let members: Vec<_> = reports
        .iter()
        .map(|(_, report)| match report {
            Report::Claim(claim) => member(&claim.identity),
            Report::Challenge { .. } => None,
        })
        .collect();
    assert!(
        members.contains(&Some(0)) && !members.contains(&Some(1)),
        "{reports:?}"
    );
}

#[test]
fn a_live_face_whose_liveness_nobody_measured_proves_nothing() {
    let reports = play_by(passive(), &vec![sees(1, 0.9); 50]);
    assert_eq!(reports.len(), 1);
    let Report::Claim(claim) = reports[0].1 else {
        panic!("{reports:?}");
    };
    assert!(matches!(
        claim.identity,
        Identity::Unproven { member: 1, .. }
    ));
}

fn challenge() -> Rules {
    Rules {
        liveness: LivenessMode::Challenge,
        ..rules()
    }
}

#[test]
fn a_blink_when_asked_lets_in_and_none_does_not() {
    let open = alive(sees(1, 0.9), 0.99, Some(0.95));
    let closed = alive(sees(1, 0.9), 0.99, Some(0.02));
    // Open long enough to be asked and watched; 200 ms closed; open again.
    let blinks = [
        vec![open.clone(); 15],
        vec![closed; 2],
        vec![open.clone(); 8],
    ]
    .concat();
    let reports = play_by(challenge(), &blinks);
    assert_eq!(reports.len(), 2, "{reports:?}");
    assert!(matches!(reports[0].1, Report::Challenge { member: 1, .. }));
    let Report::Claim(claim) = reports[1].1 else {
        panic!("{reports:?}");
    };
    assert_eq!(member(&claim.identity), Some(1));

    let stares = play_by(challenge(), &vec![open; 80]);
    assert_eq!(stares.len(), 2, "{stares:?}");
    let (at, Report::Claim(claim)) = stares[1] else {
        panic!("{stares:?}");
    };
    assert!(at > 5_000);
    assert!(matches!(
        claim.identity,
        Identity::Unproven { member: 1, .. }
    ));
}

fn any_evidence() -> impl Strategy<Value = Evidence> {
    prop_oneof![
        (0usize..PEOPLE, 0.3f32..0.9, 0.0f32..0.4).prop_map(|(m, s, d)| sees_two(m, s, d)),
        (0usize..PEOPLE, 0.3f32..0.9, 0.0f32..1.0).prop_map(|(m, s, live)| alive(
            sees(m, s),
            live,
            None
        )),
        Just(stranger()),
        Just(Evidence::Poor(QualityProblem::TooBlurred)),
    ]
}

proptest! {
    /// Invariant 7: whatever is seen, a member is claimed only on enough observations inside the
    /// window that look like them, and with liveness asked for only if it was measured as often.
    #[test]
    fn no_claim_of_a_member_without_enough_agreement(
        steps in prop::collection::vec((any_evidence(), 0u64..900), 1..60), lively in any::<bool>(),
    ) {
        let rules = if lively { passive() } else { rules() };
        let gallery = gallery();
        let mut presentations = Presentations::new(rules.clone());
        let mut now = 0;
        let mut sound: Vec<(u64, usize)> = Vec::new();
        let mut measured = 0;
        for (evidence, pause) in steps {
            now += pause;
            if let Evidence::Seen(Sighting { found: Some(m), liveness, .. }) = &evidence {
                measured += usize::from(liveness.is_some());
                if m.similarity >= rules.thresholds.support {
                    sound.push((now, m.member));
                }
            }
            let report = presentations.observe(TRACK, evidence, &gallery, ms(now));
            if let Some(Report::Claim(Claim { identity: Identity::Member { member, similarity, .. }, .. })) = report {
                prop_assert!(similarity >= rules.thresholds.claim);
                let agreeing: Vec<_> = sound.iter().filter(|(at, who)| *who == member && now - at <= 2_000).collect();
                prop_assert!(agreeing.len() >= rules.confirmations);
                prop_assert!(!lively || measured >= 3);
            }
        }
    }
}
