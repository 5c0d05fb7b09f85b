//! Similarities of the same and of different people, and the error rates at every threshold.
//!
//! Pure. A comparison is accepted when its similarity is at or above the threshold, as at the
//! door. Everything is exact: no bins, every similarity counts where it is. Four bytes a
//! similarity: 13 000 pictures, compared each with each, take 350 MB.

use serde::Serialize;

use super::rate::Rate;

/// All similarities of one experiment, sorted.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    genuine: Vec<f32>,
    impostor: Vec<f32>,
}

/// Both error rates at one threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    /// Similarity from which a comparison is accepted.
    pub threshold: f32,
    /// Share of impostors that are accepted, 0..1.
    pub false_accept: f64,
    /// Share of genuine ones that are refused, 0..1.
    pub false_reject: f64,
}

/// Where both error rates are equal.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct EqualError {
    /// The rate, 0..1.
    pub rate: f64,
    /// The similarity from which false rejects are at least as frequent as false accepts.
    pub threshold: f32,
}

impl Scores {
    /// Sorts both kinds; what is not a number is a failed comparison, and counts as −1.
    #[must_use]
    pub fn new(mut genuine: Vec<f32>, mut impostor: Vec<f32>) -> Self {
        for scores in [&mut genuine, &mut impostor] {
            for score in scores.iter_mut().filter(|score| score.is_nan()) {
                *score = -1.0;
            }
            scores.sort_unstable_by(f32::total_cmp);
        }
        Self { genuine, impostor }
    }

    /// Similarities of the same person, ascending.
    #[must_use]
    pub fn genuine(&self) -> &[f32] {
        &self.genuine
    }

    /// Similarities of different people, ascending.
    #[must_use]
    pub fn impostor(&self) -> &[f32] {
        &self.impostor
    }

    /// Impostors that are accepted (FMR, FPIR).
    #[must_use]
    pub fn false_accepts(&self, threshold: f32) -> Rate {
        let total = self.impostor.len();
        Rate::of(total - below(&self.impostor, threshold), total)
    }

    /// Genuine ones that are refused (FNMR, FNIR).
    #[must_use]
    pub fn false_rejects(&self, threshold: f32) -> Rate {
        Rate::of(below(&self.genuine, threshold), self.genuine.len())
    }

    /// Both rates without their bounds.
    #[must_use]
    pub fn at(&self, threshold: f32) -> Point {
        let accepted = self.impostor.len() - below(&self.impostor, threshold);
        Point {
            threshold,
            false_accept: share(accepted, self.impostor.len()),
            false_reject: share(below(&self.genuine, threshold), self.genuine.len()),
        }
    }

    /// The lowest threshold at which at most `rate` of the impostors are accepted; nothing
    /// without impostors.
    #[must_use]
    pub fn threshold_for(&self, rate: f64) -> Option<f32> {
        let total = self.impostor.len();
        let allowed = (rate * total as f64).floor() as usize;
        if allowed >= total {
            return (total > 0).then_some(-1.0);
        }
        // The first one that must be refused: the threshold lies just above it.
        Some(self.impostor[total - allowed - 1].next_up())
    }

    /// The equal error rate: between the two neighbouring similarities where false rejects
    /// overtake false accepts, on the straight line between them. Nothing when one kind is
    /// missing.
    #[must_use]
    pub fn equal_error(&self) -> Option<EqualError> {
        let (last_genuine, last_impostor) = (self.genuine.last()?, self.impostor.last()?);
        let overtaken = |threshold: f32| {
            let point = self.at(threshold);
            point.false_reject >= point.false_accept
        };
        let first = |scores: &[f32]| {
            let index = scores.partition_point(|&score| !overtaken(score));
            scores.get(index).copied()
        };
        let beyond = last_genuine.max(*last_impostor).next_up();
        let threshold = [first(&self.genuine), first(&self.impostor)]
            .into_iter()
            .flatten()
            .fold(beyond, f32::min);
        let above = self.at(threshold);
        let previous = [&self.genuine, &self.impostor]
            .into_iter()
            .filter_map(|scores| scores[..below(scores, threshold)].last().copied())
            .reduce(f32::max);
        let under = previous.map_or(
            Point {
                threshold,
                false_accept: 1.0,
                false_reject: 0.0,
            },
            |score| self.at(score),
        );
        let (gap_under, gap_above) = (
            under.false_accept - under.false_reject,
            above.false_reject - above.false_accept,
        );
        let part = if gap_under + gap_above > 0.0 {
            gap_under / (gap_under + gap_above)
        } else {
            0.0
        };
        Some(EqualError {
            rate: under.false_reject + (above.false_reject - under.false_reject) * part,
            threshold,
        })
    }

    /// Area under the ROC curve: how often a genuine similarity is above an impostor's (Mann and
    /// Whitney's statistic; equal ones count half). Nothing when one kind is missing.
    #[must_use]
    pub fn area_under_curve(&self) -> Option<f64> {
        let pairs = self.genuine.len() as f64 * self.impostor.len() as f64;
        let won: f64 = self
            .genuine
            .iter()
            .map(|&score| {
                let under = below(&self.impostor, score);
                let equal = below(&self.impostor, score.next_up()) - under;
                under as f64 + equal as f64 / 2.0
            })
            .sum();
        (pairs > 0.0).then(|| won / pairs)
    }

    /// The curve of both error rates (DET), threshold ascending: at most `points` thresholds, of
    /// which one half follows the impostors in equal ratios of their rate and the other half the
    /// genuine ones, so that both tails are drawn finely.
    #[must_use]
    pub fn curve(&self, points: usize) -> Vec<Point> {
        let mut thresholds = Vec::new();
        for (scores, rare_is_high) in [(&self.impostor, true), (&self.genuine, false)] {
            let steps = points / 2;
            let total = scores.len();
            for step in 0..steps.min(total) {
                // From the whole down to one, in equal ratios.
                let part = step as f64 / (steps.min(total).max(2) - 1) as f64;
                let rank = (total as f64).powf(1.0 - part).round() as usize;
                let rank = rank.clamp(1, total);
                thresholds.push(match rare_is_high {
                    true => scores[total - rank],
                    false => scores[rank - 1].next_up(),
                });
            }
            thresholds.extend(scores.last().map(|score| score.next_up()));
        }
        thresholds.sort_unstable_by(f32::total_cmp);
        thresholds.dedup();
        let mut curve: Vec<Point> = thresholds.into_iter().map(|t| self.at(t)).collect();
        curve.dedup_by(|b, a| (a.false_accept, a.false_reject) == (b.false_accept, b.false_reject));
        curve
    }
}

/// How many of the sorted `scores` are below `threshold`.
fn below(scores: &[f32], threshold: f32) -> usize {
    scores.partition_point(|&score| score < threshold)
}

/// A quotient; zero of nothing.
fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_similarity_at_the_threshold_is_accepted() {
        let scores = Scores::new(vec![0.5, 0.7], vec![0.5, 0.1, 0.2, 0.3]);
        assert_eq!(scores.false_accepts(0.5).count, 1);
        assert_eq!(scores.false_rejects(0.5).count, 0);
        assert_eq!(scores.false_rejects(0.6).count, 1);
        assert_eq!(scores.at(0.2).false_accept, 0.75);
    }

    #[test]
    fn equal_error_rates_by_hand() {
        let eer = |genuine: &[f32], impostor: &[f32]| {
            Scores::new(genuine.to_vec(), impostor.to_vec())
                .equal_error()
                .unwrap()
                .rate
        };
        // Apart: no error. Swapped: nothing but errors.
        assert_eq!(eer(&[0.8, 0.9], &[0.1, 0.2]), 0.0);
        assert_eq!(eer(&[0.1, 0.2], &[0.8, 0.9]), 1.0);
        // At 0.5 one of four is wrong on both sides.
        assert_eq!(eer(&[0.4, 0.6, 0.7, 0.8], &[0.1, 0.2, 0.3, 0.5]), 0.25);
        // At 0.4 FMR 1/2, FNMR 0; at 0.5 FMR 0, FNMR 1/4: the line crosses at 1/6.
        let rate = eer(&[0.4, 0.6, 0.7, 0.8], &[0.1, 0.4]);
        assert!((rate - 1.0 / 6.0).abs() < 1e-12, "{rate}");
        assert_eq!(Scores::new(vec![0.4], vec![]).equal_error(), None);
    }

    #[test]
    fn area_under_the_curve_by_hand() {
        let area = |genuine: &[f32], impostor: &[f32]| {
            Scores::new(genuine.to_vec(), impostor.to_vec()).area_under_curve()
        };
        assert_eq!(area(&[0.8, 0.9], &[0.1]), Some(1.0));
        assert_eq!(area(&[0.5], &[0.5]), Some(0.5));
        // Six pairs, of which 0.4 loses one and ties one.
        assert_eq!(area(&[0.4, 0.9], &[0.1, 0.4, 0.5]), Some(4.5 / 6.0));
        assert_eq!(area(&[], &[0.1]), None);
    }

    #[test]
    fn the_threshold_for_a_rate_is_the_lowest_one_that_holds_it() {
        let impostor: Vec<f32> = (0..100).map(|n| n as f32 / 100.0).collect();
        let scores = Scores::new(vec![0.9], impostor);
        let threshold = scores.threshold_for(0.01).unwrap();
        assert_eq!(scores.false_accepts(threshold).count, 1);
        assert_eq!(scores.false_accepts(threshold.next_down()).count, 2);
        let none = scores.threshold_for(0.0).unwrap();
        assert_eq!(scores.false_accepts(none).count, 0);
        assert_eq!(scores.threshold_for(1.0), Some(-1.0));
        assert_eq!(Scores::new(vec![], vec![]).threshold_for(0.1), None);
    }

    #[test]
    fn what_is_not_a_number_is_refused_everywhere() {
        let scores = Scores::new(vec![f32::NAN], vec![f32::NAN]);
        assert_eq!(scores.false_rejects(-0.9).count, 1);
        assert_eq!(scores.false_accepts(-0.9).count, 0);
    }

    fn similarities() -> impl Strategy<Value = Vec<f32>> {
        // Few different values, so that ties happen.
        prop::collection::vec((-10i8..=10).prop_map(|n| f32::from(n) / 10.0), 1..40)
    }

    proptest! {
        #[test]
        fn rates_match_counting_and_run_against_each_other(genuine in similarities(), impostor in similarities()) {
            let scores = Scores::new(genuine.clone(), impostor.clone());
            for step in -11i8..=11 {
                let t = f32::from(step) / 10.0;
                let accepted = impostor.iter().filter(|s| **s >= t).count();
                let refused = genuine.iter().filter(|s| **s < t).count();
                prop_assert_eq!(scores.false_accepts(t).count, accepted as u64);
                prop_assert_eq!(scores.false_rejects(t).count, refused as u64);
            }
            let curve = scores.curve(40);
            for (a, b) in curve.iter().zip(&curve[1..]) {
                prop_assert!(a.threshold < b.threshold);
                prop_assert!(a.false_accept >= b.false_accept && a.false_reject <= b.false_reject);
            }
            prop_assert_eq!(curve[0].false_accept, 1.0);
            prop_assert_eq!(curve[curve.len() - 1].false_reject, 1.0);
        }

        #[test]
        fn the_equal_error_rate_lies_between_its_neighbours(genuine in similarities(), impostor in similarities()) {
            let scores = Scores::new(genuine, impostor);
            let eer = scores.equal_error().unwrap();
            let above = scores.at(eer.threshold);
            prop_assert!(above.false_reject >= above.false_accept);
            prop_assert!((0.0..=1.0).contains(&eer.rate));
            prop_assert!(eer.rate <= above.false_reject + 1e-12 && eer.rate >= above.false_accept - 1e-12);
        }
    }
}
