use proptest::prelude::*;

use super::*;

fn somebody(embeddings: Vec<Vec<f32>>) -> GalleryPerson {
    GalleryPerson {
        person: PersonRef {
            id: PersonId(uuid::Uuid::now_v7()),
            name: "x".into(),
        },
        status: PersonStatus::Active,
        embeddings,
    }
}

fn direction(values: &[f32]) -> Embedding {
    Embedding::normalised(values.to_vec()).unwrap()
}

/// By the definition: the best template of each person, then the order.
fn naive(people: &[GalleryPerson], face: &Embedding) -> Vec<(usize, f32)> {
    let best = |person: &GalleryPerson| {
        let each = person.embeddings.iter();
        each.map(|t| dot(t, face.as_slice())).fold(-1.0, f32::max)
    };
    let mut order: Vec<(usize, f32)> = people.iter().map(best).enumerate().collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1));
    order
}

#[test]
fn an_empty_gallery_knows_nobody() {
    let face = direction(&[1.0; 4]);
    assert_eq!(Gallery::default().search(&face), None);
}

#[test]
fn a_damaged_template_neither_matches_nor_hides_the_others() {
    let face = direction(&[1.0, 2.0, 3.0, 4.0]);
    for damage in [f32::NAN, f32::INFINITY, 0.0, 100.0] {
        let damaged = somebody(vec![vec![damage; 4]]);
        let whole = somebody(vec![face.as_slice().to_vec()]);
        let found = Gallery::new(vec![damaged, whole], 4).search(&face).unwrap();
        assert_eq!((found.member, found.second), (1, -1.0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The coarse sweep never changes the answer, not by the last bit: faces near each other, where
    /// codes cannot tell them apart, included.
    #[test]
    fn search_finds_the_best_and_the_second_person(
        people in prop::collection::vec(prop::collection::vec(
            (0usize..3, prop::collection::vec(-1.0f32..1.0, 64), 0.0f32..1.0), 1..4), 1..12),
        centres in prop::collection::vec(prop::collection::vec(-1.0f32..1.0, 64), 3),
        face in (0usize..3, prop::collection::vec(-1.0f32..1.0, 64), 0.0f32..1.0),
    ) {
        let near = |(centre, noise, far): &(usize, Vec<f32>, f32)| {
            let values = centres[*centre].iter().zip(noise).map(|(c, n)| c + n * far * far);
            direction(&values.collect::<Vec<f32>>())
        };
        let people: Vec<GalleryPerson> = people.iter()
            .map(|templates| somebody(templates.iter().map(|t| near(t).as_slice().to_vec()).collect()))
            .collect();
        let face = near(&face);
        let order = naive(&people, &face);
        let found = Gallery::new(people, 64).search(&face).unwrap();
        prop_assert_eq!(found.similarity, order[0].1);
        prop_assert_eq!(found.second, order.get(1).map_or(-1.0, |p| p.1));
        prop_assert!(found.member == order[0].0 || found.similarity == found.second);
    }
}
