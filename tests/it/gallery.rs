//! The gallery beside a store that changes: what the service has in memory is what the CLI wrote.

use doorward::clock::Timestamp;
use doorward::event::PersonStatus;
use doorward::gallery::Gallery;
use doorward::store::{NewTemplate, Store};
use doorward::vision::Embedding;
use proptest::prelude::*;

const MODEL: &str = "test";
const DIMENSIONS: usize = 8;

/// What an operator can do to one of a few people.
#[derive(Debug, Clone)]
enum Change {
    /// New, or more templates; some of another model.
    Enroll(usize, Vec<(bool, [f32; DIMENSIONS])>),
    Suspend(usize),
    Resume(usize),
    Rename(usize, usize),
    Remove(usize),
}

fn change() -> impl Strategy<Value = Change> {
    let template = (
        prop::bool::weighted(0.8),
        prop::array::uniform8(0.1f32..1.0),
    );
    let who = 0usize..5;
    prop_oneof![
        5 => (who.clone(), prop::collection::vec(template, 1..4)).prop_map(|(who, t)| Change::Enroll(who, t)),
        1 => who.clone().prop_map(Change::Suspend),
        1 => who.clone().prop_map(Change::Resume),
        1 => (who.clone(), who.clone()).prop_map(|(from, to)| Change::Rename(from, to)),
        3 => who.prop_map(Change::Remove),
    ]
}

/// Carries out a change; one that the store refuses (nobody there, a name taken) changes nothing.
fn carry_out(store: &mut Store, change: &Change, images: &mut u32) {
    let now = Timestamp::now();
    let name = |who: &usize| format!("person {who}");
    let _ = match change {
        Change::Enroll(who, templates) => {
            let templates: Vec<NewTemplate> = templates
                .iter()
                .map(|(ours, values)| {
                    *images += 1;
                    let embedding = Embedding::normalised(values.to_vec()).unwrap();
                    NewTemplate {
                        model_id: if *ours { MODEL } else { "another" }.into(),
                        embedding: embedding.as_slice().to_vec(),
                        quality: 0.5,
                        photo: None,
                        image_sha256: images.to_string(),
                    }
                })
                .collect();
            store.enroll(now, &name(who), &templates).map(drop)
        }
        Change::Suspend(who) => store
            .set_status(now, &name(who), PersonStatus::Suspended)
            .map(drop),
        Change::Resume(who) => store
            .set_status(now, &name(who), PersonStatus::Active)
            .map(drop),
        Change::Rename(from, to) => store.rename(now, &name(from), &name(to)).map(drop),
        Change::Remove(who) => store.remove(now, &name(who)).map(drop),
    };
}

/// Everything about a gallery that somebody outside can see.
fn seen(gallery: &Gallery) -> Vec<String> {
    let mut seen = vec![format!("{} of {}", gallery.templates(), gallery.len())];
    for seed in 1..6u16 {
        let face = (0..8u16).map(|i| 0.1 + f32::from((seed * 37 + i * 59) % 101));
        let face = Embedding::normalised(face.collect()).unwrap();
        let found = gallery.search(&face);
        // Of two people who are equally near, either may be named: the margin denies both.
        let alone = found.filter(|found| found.similarity > found.second);
        let member = alone.and_then(|found| gallery.member(found.member));
        let who = member.map(|m| (m.person.clone(), m.status));
        let figures = found.map(|found| (found.similarity, found.second));
        seen.push(format!("{who:?} {figures:?}"));
    }
    seen
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_gallery_that_follows_the_store_equals_a_rebuilt_one(
        rounds in prop::collection::vec(prop::collection::vec(change(), 1..4), 1..8),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(&folder.path().join("door.db"), None).unwrap();
        let watching = Store::open(&folder.path().join("door.db"), None).unwrap();
        let mut images = 0;
        let mut revision = watching.gallery_revision().unwrap();
        let mut following = Gallery::new(watching.gallery(MODEL, DIMENSIONS).unwrap(), DIMENSIONS);
        for round in rounds {
            round.iter().for_each(|change| carry_out(&mut store, change, &mut images));
            let current = watching.gallery_revision().unwrap();
            for change in watching.gallery_changes(revision, MODEL, DIMENSIONS).unwrap() {
                following.apply(change);
            }
            revision = current;
            let rebuilt = Gallery::new(watching.gallery(MODEL, DIMENSIONS).unwrap(), DIMENSIONS);
            prop_assert_eq!(seen(&following), seen(&rebuilt));
            prop_assert!(watching.gallery_changes(revision, MODEL, DIMENSIONS).unwrap().is_empty());
        }
    }
}
