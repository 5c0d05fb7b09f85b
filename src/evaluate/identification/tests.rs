//! Outcomes by hand, and verdicts against scores.

use proptest::prelude::*;

use super::*;
use crate::evaluate::subject::Failure;
use crate::vision::Embedding;
use crate::vision::Quality;
use crate::vision::pose::HeadPose;

fn picture(direction: [f32; 3], sharpness: f32) -> Picture {
    Picture {
        path: PathBuf::from(format!("{direction:?}.jpg")),
        faces: 1,
        sample: Ok(Sample {
            embedding: Embedding::normalised(direction.to_vec()).unwrap(),
            quality: Quality {
                detector_score: 1.0,
                eye_distance_px: 40.0,
                sharpness,
                brightness: 120.0,
                contrast: 50.0,
                overexposed: 0.0,
                pose: HeadPose::default(),
                edge_gap: 1.0,
            },
        }),
    }
}

fn subject(name: &str, pictures: Vec<Picture>) -> Subject {
    Subject {
        name: name.into(),
        pictures,
    }
}

fn rules(threshold: f32, margin: f32) -> Rules {
    let limits = |min_sharpness| QualityLimits {
        min_sharpness,
        ..ANY_QUALITY
    };
    Rules {
        security: Security::Custom,
        custom: Some(threshold),
        calibration: Calibration {
            fmr: vec![1e-3],
            threshold: vec![0.3],
        },
        margin,
        enroll_limits: limits(50.0),
        probe_limits: limits(15.0),
        probes: None,
        wanted_fpir: 0.01,
    }
}

#[test]
fn every_outcome_is_counted_where_it_belongs() {
    let (x, y, z) = ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]);
    let people = [
        // Found; ambiguous between Ada and Bob; nobody; no face.
        subject(
            "Ada",
            vec![
                picture(x, 99.0),
                picture([1.0, 0.1, 0.0], 99.0),
                picture([1.0, 1.0, 0.0], 99.0),
                picture(z, 99.0),
                Picture {
                    sample: Err(Failure::NoFace),
                    ..picture(x, 99.0)
                },
            ],
        ),
        // Looks like Ada.
        subject("Bob", vec![picture(y, 99.0), picture(x, 99.0)]),
        // Too blurred to be enrolled; too few pictures.
        subject("Cid", vec![picture(z, 20.0), picture(z, 99.0)]),
        subject("Dan", vec![picture(z, 99.0)]),
    ];
    let strangers = [
        subject("s", vec![picture(z, 99.0)]),
        subject("t", vec![picture([0.9, 0.1, 0.4], 99.0)]),
        subject("u", vec![picture(x, 5.0)]),
    ];
    let found = identify(&people, &strangers, 1, 3, &rules(0.5, 0.05));
    assert_eq!((found.enrolled, found.skipped), (2, 1));
    assert_eq!(found.not_enrolled, ["Cid"]);
    assert_eq!(found.enroll_failures[0].reason, "too_blurred");
    let reasons: Vec<_> = found.probe_failures.iter().map(|f| f.reason).collect();
    assert_eq!(reasons, ["no_face", "too_blurred"]);
    let single = &found.single;
    let outcomes: Vec<_> = single.misses.iter().map(|miss| miss.outcome).collect();
    assert_eq!(outcomes, ["ambiguous", "nobody", "named_another"]);
    assert_eq!((single.fnir.count, single.fnir.trials), (3, 4));
    let whole = single.fnir_with_failures;
    assert_eq!((whole.count, whole.trials), (4, 5));
    assert_eq!((single.fpir.count, single.fpir.trials), (1, 2));
    assert_eq!(single.false_accepts[0].named.as_deref(), Some("Ada"));
    // Ada's three usable probes are one now; Bob has one.
    assert_eq!(found.fused.unwrap().fnir.trials, 2);
}

#[test]
fn without_strangers_the_own_person_is_left_out() {
    let (x, y) = ([1.0, 0.0, 0.0], [0.6, 0.8, 0.0]);
    let people = [
        subject("Ada", vec![picture(x, 99.0), picture(x, 99.0)]),
        subject("Bob", vec![picture(y, 99.0), picture(y, 99.0)]),
    ];
    let found = identify(&people, &[], 1, 1, &rules(0.5, 0.05));
    assert_eq!(found.fused, None);
    assert_eq!(found.single.non_mated, NonMated::LeftOut);
    assert_eq!(found.single.fpir.count, 2);
    assert!((found.single.non_mated_highest.unwrap() - 0.6).abs() < 1e-6);
    assert_eq!(found.single.false_accepts[0].named, None);
}

proptest! {
    /// The rates that are counted by verdicts are the ones that the curve's scores give.
    #[test]
    fn verdicts_and_scores_agree(
        faces in prop::collection::vec(prop::array::uniform3(-1.0f32..1.0), 8..30),
        threshold in -0.5f32..0.99,
        margin in 0.0f32..0.3,
    ) {
        prop_assume!(faces.iter().all(|f| f.iter().any(|x| x.abs() > 0.1)));
        let pictures: Vec<Picture> = faces.iter().map(|face| picture(*face, 99.0)).collect();
        let (known, unknown) = pictures.split_at(6);
        let people = [subject("a", known[..3].to_vec()), subject("b", known[3..].to_vec())];
        let strangers = [subject("s", unknown.to_vec())];
        let mut rules = rules(threshold, margin);
        let counted = identify(&people, &strangers, 1, 1, &rules).single;
        rules.wanted_fpir = counted.fpir.rate.unwrap() + 1e-9;
        let best = identify(&people, &strangers, 1, 1, &rules).single.recommended.unwrap();
        // The lowest threshold with that rate is no stricter, so it misses nobody more.
        prop_assert!(best.fpir.count <= counted.fpir.count);
        prop_assert!(best.threshold <= threshold.next_up());
        prop_assert!(best.fnir.count <= counted.fnir.count);
    }
}
