//! Draws a list of pairs from folders of pictures.
//!
//! Pure but for its seed: the same folders and the same seed give the same list on every
//! machine. As in LFW, nobody appears in two folds: a threshold is then judged on people it has
//! never seen.

use std::collections::BTreeSet;

use rand::seq::{SliceRandom as _, index};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::list::{List, Pair};

/// How large a list is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Folds, at least 1.
    pub folds: usize,
    /// Matched pairs in a fold, and as many mismatched ones; at least 1.
    pub pairs: usize,
    /// Of the random generator.
    pub seed: u64,
}

/// Why no such list can be drawn.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DrawError {
    /// Nothing was asked for.
    #[error("at least one fold and one pair a fold are needed")]
    Nothing,
    /// A fold needs two people.
    #[error(
        "{people} people are too few for {folds} folds: nobody may be in two folds, and each needs at least two; ask for at most {most} folds"
    )]
    People {
        /// There are.
        people: usize,
        /// Wanted.
        folds: usize,
        /// Possible.
        most: usize,
    },
    /// A fold does not have so many different pairs.
    #[error(
        "fold {fold} has only {available} different {kind} pairs, {wanted} are wanted; ask for fewer pairs or fewer folds"
    )]
    Pairs {
        /// From 1.
        fold: usize,
        /// `matched` or `mismatched`.
        kind: &'static str,
        /// There are.
        available: usize,
        /// Wanted.
        wanted: usize,
    },
}

/// Draws a list from `people`: names with their pictures' numbers. No pair comes twice.
///
/// # Errors
/// When there are not enough people or pictures.
pub fn draw(people: &[(String, Vec<u32>)], wanted: Wanted) -> Result<List, DrawError> {
    let Wanted { folds, pairs, seed } = wanted;
    if folds == 0 || pairs == 0 {
        return Err(DrawError::Nothing);
    }
    if people.len() < folds.saturating_mul(2) {
        return Err(DrawError::People {
            people: people.len(),
            folds,
            most: people.len() / 2,
        });
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut order: Vec<&(String, Vec<u32>)> = people.iter().collect();
    order.shuffle(&mut random);
    // Those with most pictures are dealt out first, so that every fold gets its share.
    order.sort_by_key(|(_, numbers)| std::cmp::Reverse(numbers.len()));
    let mut list = List {
        folds,
        pairs: Vec::with_capacity(folds * pairs * 2),
    };
    for fold in 0..folds {
        let members: Vec<&(String, Vec<u32>)> =
            order.iter().skip(fold).step_by(folds).copied().collect();
        let too_few = |kind, available| DrawError::Pairs {
            fold: fold + 1,
            kind,
            available,
            wanted: pairs,
        };
        let matched = all_matched(&members);
        if matched.len() < pairs {
            return Err(too_few("matched", matched.len()));
        }
        let mismatched = count_mismatched(&members);
        if mismatched < pairs {
            return Err(too_few("mismatched", mismatched));
        }
        let mut drawn: Vec<usize> = index::sample(&mut random, matched.len(), pairs).into_vec();
        drawn.sort_unstable();
        let mut chosen: Vec<(Side, Side)> =
            drawn.into_iter().map(|at| matched[at].clone()).collect();
        chosen.extend(draw_mismatched(&members, pairs, &mut random));
        for (first, second) in chosen {
            list.pairs.push(Pair {
                line: list.pairs.len() + 2,
                fold,
                first,
                second,
            });
        }
    }
    Ok(list)
}

type Side = (String, u32);
type Members<'a> = [&'a (String, Vec<u32>)];

fn all_matched(members: &Members<'_>) -> Vec<(Side, Side)> {
    let mut pairs = Vec::new();
    for (name, numbers) in members {
        for (index, first) in numbers.iter().enumerate() {
            for second in &numbers[index + 1..] {
                pairs.push(((name.clone(), *first), (name.clone(), *second)));
            }
        }
    }
    pairs
}

fn count_mismatched(members: &Members<'_>) -> usize {
    let total: usize = members.iter().map(|(_, numbers)| numbers.len()).sum();
    let ordered: usize = members
        .iter()
        .map(|(_, numbers)| numbers.len() * (total - numbers.len()))
        .sum();
    ordered / 2
}

/// Two people first, then a picture of each: everybody counts alike, however much photographed.
/// There are at least `pairs` different ones, so it ends.
fn draw_mismatched(
    members: &Members<'_>,
    pairs: usize,
    random: &mut ChaCha8Rng,
) -> Vec<(Side, Side)> {
    let with_pictures: Vec<_> = members.iter().filter(|(_, n)| !n.is_empty()).collect();
    let mut drawn: BTreeSet<(Side, Side)> = BTreeSet::new();
    while drawn.len() < pairs {
        let two = index::sample(random, with_pictures.len(), 2);
        let mut side = |at: usize| {
            let (name, numbers) = with_pictures[at];
            (name.clone(), numbers[random.random_range(0..numbers.len())])
        };
        let (a, b) = (side(two.index(0)), side(two.index(1)));
        drawn.insert(if a < b { (a, b) } else { (b, a) });
    }
    drawn.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn people(count: usize, pictures: u32) -> Vec<(String, Vec<u32>)> {
        (0..count)
            .map(|n| (format!("p{n:02}"), (1..=pictures).collect()))
            .collect()
    }

    fn wanted(folds: usize, pairs: usize) -> Wanted {
        Wanted {
            folds,
            pairs,
            seed: 7,
        }
    }

    #[test]
    fn what_cannot_be_drawn_is_refused() {
        let draw =
            |count, pictures, folds, pairs| draw(&people(count, pictures), wanted(folds, pairs));
        assert_eq!(draw(4, 3, 0, 1).unwrap_err(), DrawError::Nothing);
        let error = draw(5, 3, 3, 1).unwrap_err().to_string();
        assert!(error.contains("at most 2 folds"), "{error}");
        let error = draw(4, 2, 2, 3).unwrap_err().to_string();
        assert!(
            error.contains("fold 1 has only 2 different matched pairs, 3"),
            "{error}"
        );
    }

    /// The stream of the generator is part of the promise.
    #[test]
    fn a_seed_gives_the_same_list_everywhere() {
        let text = draw(&people(4, 3), wanted(2, 2)).unwrap().to_text();
        assert_eq!(text, draw(&people(4, 3), wanted(2, 2)).unwrap().to_text());
        let other = Wanted {
            seed: 8,
            ..wanted(2, 2)
        };
        assert_ne!(text, draw(&people(4, 3), other).unwrap().to_text());
    }

    proptest! {
        #[test]
        fn a_list_is_whole_and_nobody_is_in_two_folds(
            count in 4usize..12, pictures in 2u32..5, folds in 1usize..3, pairs in 1usize..3, seed: u64,
        ) {
            let list = draw(&people(count, pictures), Wanted { folds, pairs, seed }).unwrap();
            prop_assert_eq!(&List::parse(&list.to_text()).unwrap(), &list);
            let unordered: BTreeSet<_> = list.pairs.iter()
                .map(|p| (p.first.clone().min(p.second.clone()), p.first.clone().max(p.second.clone())))
                .collect();
            prop_assert_eq!(unordered.len(), list.pairs.len());
            for a in &list.pairs {
                for b in &list.pairs {
                    let shared = [&a.first.0, &a.second.0].iter().any(|n| [&b.first.0, &b.second.0].contains(n));
                    prop_assert!(!shared || a.fold == b.fold);
                }
            }
        }
    }
}
