use proptest::prelude::*;

use super::*;
use crate::vision::Edges;
use crate::vision::geometry::Point;

const PICTURE: f32 = 0.001;
const ALIVE: f32 = 0.99;

/// A face of 100 pixels at these places, 100 ms apart; `edges` says what is beside it.
fn evidence(network: f32, places: &[f32], edges: impl Fn(f32) -> Edges) -> LivenessEvidence {
    let mut evidence = LivenessEvidence::default();
    for (n, &x) in places.iter().enumerate() {
        let cues = LivenessCues {
            network,
            centre: Point { x, y: 240.0 },
            size: 100.0,
            edges: edges(x),
        };
        evidence.add(cues, Tick(Duration::from_millis(100 * n as u64)));
    }
    evidence
}

/// A head or a hand that moves to and fro.
const MOVING: [f32; 12] = [
    320.0, 326.0, 333.0, 338.0, 340.0, 337.0, 331.0, 324.0, 318.0, 312.0, 310.0, 314.0,
];
const STILL: [f32; 17] = [320.0; 17];

fn bare(_: f32) -> Edges {
    Edges::default()
}

fn phone(x: f32) -> Edges {
    Edges {
        left: Some(x - 80.0),
        right: Some(x + 80.0),
        top: Some(120.0),
        bottom: None,
    }
}

fn room(_: f32) -> Edges {
    Edges {
        left: Some(230.0),
        right: Some(420.0),
        top: Some(100.0),
        bottom: None,
    }
}

#[track_caller]
fn spoof(evidence: &LivenessEvidence, expected: SpoofCue) {
    match evidence.verdict() {
        Liveness::Spoof { cue, .. } => assert_eq!(cue, expected),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn live(evidence: &LivenessEvidence) {
    let verdict = evidence.verdict();
    assert!(matches!(verdict, Liveness::Live { .. }), "{verdict:?}");
}

#[test]
fn nothing_is_decided_by_a_few_observations() {
    assert_eq!(LivenessEvidence::default().verdict(), Liveness::Undecided);
    let few = evidence(ALIVE, &MOVING[..3], bare);
    assert_eq!(few.verdict(), Liveness::Undecided);
    live(&evidence(ALIVE, &MOVING[..4], bare));
}

#[test]
fn a_border_that_moves_with_the_face_is_a_picture() {
    spoof(&evidence(PICTURE, &MOVING, phone), SpoofCue::Border);
}

#[test]
fn a_room_that_stays_behind_is_no_picture_whatever_the_network_says() {
    let side_edges = |x| Edges {
        top: None,
        ..room(x)
    };
    live(&evidence(PICTURE, &MOVING, side_edges));
    live(&evidence(ALIVE, &MOVING, room));
}

#[test]
fn the_network_alone_denies_nobody() {
    live(&evidence(PICTURE, &MOVING, bare));
    live(&evidence(PICTURE, &STILL, bare));
}

#[test]
fn a_border_of_which_nothing_is_known_waits_and_then_the_networks_word_counts() {
    let early = evidence(PICTURE, &STILL[..8], phone);
    assert_eq!(early.verdict(), Liveness::Undecided);
    spoof(&evidence(PICTURE, &STILL, phone), SpoofCue::Network);
    let unsure = evidence(0.3, &STILL, phone);
    assert_eq!(unsure.verdict(), Liveness::Undecided);
    let pleased = evidence(ALIVE, &STILL, phone);
    assert_eq!(pleased.verdict(), Liveness::Undecided);
}

#[test]
fn one_edge_that_moves_with_the_face_is_a_collar_or_a_hat_and_never_a_spoof() {
    let hat = |x| Edges {
        left: Some(x - 60.0),
        ..Edges::default()
    };
    live(&evidence(0.02, &MOVING, hat));
    // Unless the network is certain: then it may be the one border in view, and nobody knows.
    let certain = evidence(PICTURE, &MOVING, hat);
    assert_eq!(certain.verdict(), Liveness::Undecided);
}

#[test]
fn old_cues_are_forgotten() {
    let mut evidence = evidence(PICTURE, &MOVING, phone);
    spoof(&evidence, SpoofCue::Border);
    for n in 0..4 {
        let cues = LivenessCues {
            network: ALIVE,
            centre: Point { x: 320.0, y: 240.0 },
            size: 100.0,
            edges: Edges::default(),
        };
        evidence.add(cues, Tick(Duration::from_millis(6_000 + 50 * n)));
    }
    live(&evidence);
}

/// Any number, and what is none.
fn wild() -> impl Strategy<Value = f32> {
    any::<u32>().prop_map(f32::from_bits)
}

#[test]
fn an_answer_that_is_no_number_is_no_live_face() {
    let evidence = evidence(f32::NAN, &STILL, phone);
    assert!(matches!(evidence.verdict(), Liveness::Spoof { .. }));
}

proptest! {
    #[test]
    fn wild_numbers_give_a_verdict_with_a_score_within_six(
        cues in prop::collection::vec(
            (wild(), wild(), wild(), prop::option::of(wild()), prop::option::of(wild())),
            0..20,
        ),
    ) {
        let mut evidence = LivenessEvidence::default();
        for (n, (network, x, size, left, top)) in cues.into_iter().enumerate() {
            let edges = Edges { left, right: left, top, bottom: top };
            let cues = LivenessCues { network, centre: Point { x, y: x }, size, edges };
            evidence.add(cues, Tick(Duration::from_millis(70 * n as u64)));
        }
        if let Liveness::Live { score } | Liveness::Spoof { score, .. } = evidence.verdict() {
            prop_assert!((-6.0..=6.0).contains(&score), "{}", score);
        }
    }

    #[test]
    fn a_border_that_follows_is_never_called_live_when_the_network_doubts(
        places in prop::collection::vec(250.0f32..390.0, 4..30),
        network in 0.0f32..0.49,
    ) {
        let verdict = evidence(network, &places, phone).verdict();
        let called_live = matches!(verdict, Liveness::Live { .. });
        prop_assert!(!called_live, "{:?}", verdict);
    }
}
