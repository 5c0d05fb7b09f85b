//! The plan by example and by property.

use proptest::prelude::*;

use super::*;
use crate::enroll::candidate::Picture;
use crate::event::{PersonId, PersonRef, PersonStatus};
use crate::gallery::GalleryPerson;

const RULES: Rules = Rules {
    threshold: 0.5,
    agreement: 0.34,
    duplicate: 0.93,
    force: false,
};
const FORCE: Rules = Rules {
    force: true,
    ..RULES
};

/// A direction on a circle: similarity is the cosine of the angle between two.
fn direction(degrees: f32) -> Embedding {
    let (y, x) = degrees.to_radians().sin_cos();
    Embedding::normalised(vec![x, y, 0.0, 0.0]).unwrap()
}

fn candidate(name: &str, embedding: Embedding, quality: f32) -> Candidate {
    Candidate {
        picture: Picture::File(name.into()),
        image: Vec::new(),
        image_sha256: name.into(),
        embedding,
        quality,
    }
}

/// Candidates at these angles, all of one quality.
fn at(angles: &[f32]) -> Vec<Candidate> {
    let named = angles.iter().enumerate();
    named
        .map(|(index, &degrees)| candidate(&index.to_string(), direction(degrees), 0.5))
        .collect()
}

fn bob(degrees: f32) -> Gallery {
    let bob = GalleryPerson {
        person: PersonRef {
            id: PersonId(uuid::Uuid::now_v7()),
            name: "Bob".into(),
        },
        status: PersonStatus::Active,
        embeddings: vec![direction(degrees).as_slice().to_vec()],
    };
    Gallery::new(vec![bob], 4)
}

fn nobody() -> Gallery {
    Gallery::new(Vec::new(), 4)
}

fn accepted(fates: &[Fate]) -> Vec<bool> {
    fates.iter().map(|fate| *fate == Fate::Accepted).collect()
}

#[test]
fn the_wrong_person_in_the_folder_is_an_outlier() {
    for place in 0..4 {
        let mut angles = vec![0.0, 30.0, 60.0];
        angles.insert(place, 180.0);
        let fates = plan(&at(&angles), &[], &nobody(), &RULES);
        for (index, fate) in fates.iter().enumerate() {
            match fate {
                Fate::Outlier { group, similarity } if index == place => {
                    assert_eq!(*group, 3);
                    assert!(*similarity < 0.0);
                }
                Fate::Accepted if index != place => {}
                other => panic!("{index}: {other:?}"),
            }
        }
        let forced = plan(&at(&angles), &[], &nobody(), &FORCE);
        assert_eq!(accepted(&forced), [true; 4]);
    }
}

#[test]
fn without_a_majority_nobody_is_called_wrong() {
    let two = plan(&at(&[0.0, 120.0]), &[], &nobody(), &RULES);
    assert!(matches!(
        two[0],
        Fate::Undecided {
            against: 1,
            images: 2,
            ..
        }
    ));
    assert!(matches!(
        two[1],
        Fate::Undecided {
            against: 0,
            images: 2,
            ..
        }
    ));
    let halves = plan(&at(&[0.0, 30.0, 180.0, 210.0]), &[], &nobody(), &RULES);
    assert!(
        halves
            .iter()
            .all(|fate| matches!(fate, Fate::Undecided { images: 4, .. }))
    );
    assert_eq!(
        accepted(&plan(&at(&[0.0, 120.0]), &[], &nobody(), &FORCE)),
        [true; 2]
    );
    // What the person has already says who is meant, even against a majority.
    let own = [direction(30.0)];
    let fates = plan(&at(&[0.0, 180.0, 210.0]), &own, &nobody(), &RULES);
    assert_eq!(accepted(&fates), [true, false, false]);
    assert!(matches!(fates[1], Fate::Outlier { group: 2, .. }));
}

#[test]
fn of_two_alike_the_better_one_stays() {
    let pictures = [
        candidate("copy", direction(0.0), 0.4),
        candidate("original", direction(5.0), 0.8),
        candidate("other", direction(45.0), 0.2),
    ];
    let fates = plan(&pictures, &[], &nobody(), &RULES);
    assert_eq!(accepted(&fates), [false, true, true]);
    let of = Twin::Candidate(1);
    assert!(matches!(fates[0], Fate::Duplicate { of: found, .. } if found == of));
    // A stored template stays, and force does not make a copy worth anything.
    let fates = plan(&pictures, &[direction(3.0)], &nobody(), &FORCE);
    assert_eq!(accepted(&fates), [false, false, true]);
    assert!(matches!(
        fates[1],
        Fate::Duplicate {
            of: Twin::Template,
            ..
        }
    ));
}

#[test]
fn a_face_that_is_somebody_elses_is_refused_and_has_no_vote() {
    let fates = plan(&at(&[0.0, 170.0, 190.0]), &[], &bob(180.0), &RULES);
    assert_eq!(accepted(&fates), [true, false, false]);
    let owned = |fate: &Fate| matches!(fate, Fate::OtherPerson { owner, .. } if owner == "Bob");
    assert!(owned(&fates[1]) && owned(&fates[2]));
    // Like Bob, but more like the person's own templates.
    let fates = plan(&at(&[148.0]), &[direction(120.0)], &bob(180.0), &RULES);
    assert_eq!(accepted(&fates), [true]);
}

fn face() -> impl Strategy<Value = Embedding> {
    prop::array::uniform4(-1.0f32..1.0).prop_filter_map("no direction", |values| {
        Embedding::normalised(values.to_vec())
    })
}

/// Faces of two people and some in between, some of them twice, in all qualities.
fn pictures() -> impl Strategy<Value = Vec<Candidate>> {
    prop::collection::vec((face(), 0u8..4, prop::bool::ANY), 0..9).prop_map(|rows| {
        let mut pictures: Vec<Candidate> = Vec::new();
        for (face, quality, again) in rows {
            let embedding = match pictures.last() {
                Some(last) if again => last.embedding.clone(),
                _ => face,
            };
            let name = pictures.len().to_string();
            pictures.push(candidate(&name, embedding, f32::from(quality) / 4.0));
        }
        pictures
    })
}

/// What became of a picture, by names instead of places.
fn named(pictures: &[Candidate], fates: &[Fate]) -> Vec<(String, String)> {
    let name = |index: usize| pictures[index].picture.to_string();
    let told = |fate: &Fate| match fate {
        Fate::Duplicate {
            of: Twin::Candidate(other),
            ..
        } => format!("like {}", name(*other)),
        Fate::Undecided { .. } => "undecided".to_owned(),
        Fate::Outlier { group, .. } => format!("outlier to {group}"),
        other => format!("{other:?}"),
    };
    let mut all: Vec<_> = (0..fates.len())
        .map(|i| (name(i), told(&fates[i])))
        .collect();
    all.sort();
    all
}

proptest! {
    #[test]
    fn the_order_of_the_files_does_not_matter(
        (pictures, shuffled) in pictures().prop_flat_map(|p| (Just(p.clone()), Just(p).prop_shuffle())),
        own in prop::collection::vec(face(), 0..3),
        other in 0.0f32..360.0,
        force in prop::bool::ANY,
    ) {
        let rules = Rules { force, ..RULES };
        let one = plan(&pictures, &own, &bob(other), &rules);
        let two = plan(&shuffled, &own, &bob(other), &rules);
        prop_assert_eq!(named(&pictures, &one), named(&shuffled, &two));
    }

    #[test]
    fn what_is_accepted_is_diverse_and_what_is_skipped_is_no_better(
        pictures in pictures(),
        own in prop::collection::vec(face(), 0..3),
        other in 0.0f32..360.0,
        force in prop::bool::ANY,
    ) {
        let fates = plan(&pictures, &own, &bob(other), &Rules { force, ..RULES });
        prop_assert_eq!(fates.len(), pictures.len());
        for (a, fate) in fates.iter().enumerate() {
            match fate {
                Fate::Accepted => {
                    for b in (0..a).filter(|&b| fates[b] == Fate::Accepted) {
                        prop_assert!(pictures[a].embedding.similarity(&pictures[b].embedding) < 0.93);
                    }
                    prop_assert!(own.iter().all(|t| t.similarity(&pictures[a].embedding) < 0.93));
                }
                Fate::Duplicate { of: Twin::Candidate(b), .. } => {
                    prop_assert_eq!(&fates[*b], &Fate::Accepted);
                    prop_assert!(pictures[*b].quality >= pictures[a].quality);
                }
                Fate::Duplicate { of: Twin::Template, .. } => prop_assert!(!own.is_empty()),
                refused => prop_assert!(!force, "forced, and yet {refused:?}"),
            }
        }
        // Somebody new is either enrolled from more than half of what is not somebody else's, or not at all.
        if own.is_empty() && !force {
            let theirs = |fate: &Fate| !matches!(fate, Fate::OtherPerson { .. });
            let kept = |fate: &Fate| matches!(fate, Fate::Accepted | Fate::Duplicate { .. });
            let (kept, all) = (
                fates.iter().filter(|fate| kept(fate)).count(),
                fates.iter().filter(|fate| theirs(fate)).count(),
            );
            prop_assert!(kept == 0 || kept * 2 > all, "{fates:?}");
        }
    }
}
