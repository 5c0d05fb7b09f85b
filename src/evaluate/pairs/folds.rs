//! Accuracy over folds: each judged by the threshold that is best on all the others.
//!
//! Pure.

use serde::Serialize;

/// A pair after comparing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    /// From 0.
    pub fold: usize,
    /// Whether both pictures are of one person.
    pub matched: bool,
    /// Cosine similarity; nothing when a picture has no face, which is an error of the pair.
    pub similarity: Option<f32>,
}

/// One fold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Fold {
    /// Best on the others (on itself, if it is the only one).
    pub threshold: f32,
    /// Share of its pairs that are judged rightly, 0..1.
    pub accuracy: f64,
}

/// Over all folds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Accuracy {
    /// Mean of the folds' accuracies, 0..1.
    pub mean: f64,
    /// Standard error of that mean; nothing with one fold.
    pub standard_error: Option<f64>,
    /// With one fold the threshold was found on the very pairs that it judges: too good.
    pub optimistic: bool,
    /// The folds.
    pub folds: Vec<Fold>,
}

/// Judges every fold by the others.
#[must_use]
pub fn accuracy(pairs: &[Judged], folds: usize) -> Accuracy {
    let optimistic = folds < 2;
    let judge = |fold: usize| {
        let others = pairs.iter().filter(|pair| optimistic || pair.fold != fold);
        let threshold = best_threshold(others);
        let own: Vec<&Judged> = pairs.iter().filter(|pair| pair.fold == fold).collect();
        let right = own.iter().filter(|pair| pair.right(threshold)).count();
        Fold {
            threshold,
            accuracy: right as f64 / own.len().max(1) as f64,
        }
    };
    let folds: Vec<Fold> = (0..folds).map(judge).collect();
    let n = folds.len().max(1) as f64;
    let mean = folds.iter().map(|fold| fold.accuracy).sum::<f64>() / n;
    let squares: f64 = folds.iter().map(|f| (f.accuracy - mean).powi(2)).sum();
    Accuracy {
        mean,
        standard_error: (!optimistic).then(|| (squares / (n - 1.0)).sqrt() / n.sqrt()),
        optimistic,
        folds,
    }
}

impl Judged {
    fn right(&self, threshold: f32) -> bool {
        self.similarity
            .is_some_and(|similarity| (similarity >= threshold) == self.matched)
    }
}

/// The threshold that judges most pairs rightly. Of several equally good ones the middle one;
/// a threshold lies half-way between two neighbouring similarities, where new pairs are judged
/// most safely.
fn best_threshold<'a>(pairs: impl Iterator<Item = &'a Judged>) -> f32 {
    let mut sorted: Vec<(f32, bool)> = pairs
        .filter_map(|pair| Some((pair.similarity?, pair.matched)))
        .collect();
    sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    // Below everything: all pairs are accepted, and the matched ones are right.
    let mut right = sorted.iter().filter(|(_, matched)| *matched).count() as i64;
    let mut candidates = vec![(right, -1.0)];
    for (index, (similarity, matched)) in sorted.iter().enumerate() {
        right += if *matched { -1 } else { 1 };
        match sorted.get(index + 1) {
            Some((next, _)) if next == similarity => {}
            Some((next, _)) => candidates.push((right, f32::midpoint(*similarity, *next))),
            None => candidates.push((right, similarity.next_up())),
        }
    }
    let most = candidates.iter().map(|(right, _)| *right).max();
    let best: Vec<f32> = candidates
        .into_iter()
        .filter(|(right, _)| Some(*right) == most)
        .map(|(_, threshold)| threshold)
        .collect();
    best[best.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(fold: usize, matched: bool, similarity: f32) -> Judged {
        Judged {
            fold,
            matched,
            similarity: Some(similarity),
        }
    }

    #[test]
    fn each_fold_is_judged_by_the_others() {
        let pairs = [
            pair(0, true, 0.9),
            pair(0, false, 0.1),
            // This fold's own best threshold is 0.25; the other's is 0.5 and fails one pair.
            pair(1, true, 0.3),
            pair(1, false, 0.2),
        ];
        let found = accuracy(&pairs, 2);
        let accuracies: Vec<f64> = found.folds.iter().map(|f| f.accuracy).collect();
        assert_eq!(accuracies, [1.0, 0.5]);
        assert!((found.folds[0].threshold - 0.25).abs() < 1e-6);
        assert!((found.folds[1].threshold - 0.5).abs() < 1e-6);
        assert_eq!(found.mean, 0.75);
        // Standard deviation of (1, 0.5) is 0.35355; over the root of two folds 0.25.
        assert!((found.standard_error.unwrap() - 0.25).abs() < 1e-9);
        assert!(!found.optimistic);
    }

    #[test]
    fn a_pair_without_a_face_is_an_error_whatever_it_shows() {
        let mut pairs = vec![pair(0, true, 0.9), pair(0, false, 0.1)];
        for matched in [true, false] {
            pairs.push(Judged {
                fold: 0,
                matched,
                similarity: None,
            });
        }
        let found = accuracy(&pairs, 1);
        assert_eq!((found.mean, found.standard_error), (0.5, None));
        assert!(found.optimistic);
    }

    #[test]
    fn equal_similarities_are_never_parted() {
        let pairs = [pair(0, true, 0.5), pair(0, false, 0.5), pair(0, true, 0.5)];
        assert_eq!(accuracy(&pairs, 1).mean, 2.0 / 3.0);
    }
}
