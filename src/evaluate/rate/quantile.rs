//! Quantiles of the beta distribution that are always found, in a fixed number of steps.
//!
//! Up to [`EXACT`] trials the distribution itself is bisected. Beyond, its continued fraction needs
//! more terms than any library computes, and two approximations take over, which get better the more
//! trials there are: for few on one side the gamma distribution after Bol'shev (Theory of Probability
//! and its Applications 8, 1963), else Carter's of the F distribution (Abramowitz and Stegun,
//! Handbook of Mathematical Functions, 26.5.22). Where they meet, their relative error is 2e-5.

use statrs::distribution::{ContinuousCDF as _, Normal};
use statrs::function::{beta::beta_reg, gamma::gamma_lr};

/// Up to so many trials nothing is approximated.
const EXACT: f64 = 10_000.0;
/// Below so many on one side the gamma distribution is nearer.
const FEW: f64 = 200.0;
/// Halvings until the interval is smaller than the last digit of any quantile that is looked for: the
/// least of them is about 1e-6 of the range.
const HALVINGS: u32 = 80;

/// The value below which a variable of this beta distribution is with this probability; both
/// parameters at least 1.
pub(super) fn of_beta(a: f64, b: f64, probability: f64) -> f64 {
    if a + b <= EXACT {
        bisect(1.0, |x| beta_reg(a, b, x) < probability)
    } else if a <= FEW {
        few(a, b, probability)
    } else if b <= FEW {
        1.0 - few(b, a, 1.0 - probability)
    } else {
        many(a, b, probability)
    }
}

/// Bol'shev: with `a` small, `(b + (a - 1) / 2) x / (1 - x / 2)` is nearly gamma-distributed.
fn few(a: f64, b: f64, probability: f64) -> f64 {
    // More than twenty standard deviations above the mean.
    let most = a + 20.0 * a.sqrt() + 20.0;
    let gamma = bisect(most, |x| gamma_lr(a, x) < probability);
    gamma / (b + (a - 1.0) / 2.0 + gamma / 2.0)
}

/// Carter, in the handbook's symbols: `y` leaves `probability` above it.
fn many(a: f64, b: f64, probability: f64) -> f64 {
    let y = -Normal::standard().inverse_cdf(probability);
    let lambda = (y * y - 3.0) / 6.0;
    let (s, t) = (1.0 / (2.0 * a - 1.0), 1.0 / (2.0 * b - 1.0));
    let h = 2.0 / (s + t);
    let w = y * (h + lambda).sqrt() / h - (t - s) * (lambda + 5.0 / 6.0 - 2.0 / (3.0 * h));
    a / (a + b * (2.0 * w).exp())
}

/// Where `below` ends, between 0 and `most`.
fn bisect(most: f64, below: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, most);
    for _ in 0..HALVINGS {
        let middle = low + (high - low) / 2.0;
        if below(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bounds of `count` of `trials`, by independent numerical integration or SciPy's `beta.ppf` (1.17.1,
    /// at sizes at which it is right: `findings/scipy-beta-quantile.sh`). An inverse that iterates until it
    /// converges is no way here: that of statrs 0.18.0 was seen not to return for some counts of tens of
    /// millions.
    #[test]
    fn they_are_the_ones_of_others_at_every_size_of_counts() {
        #[rustfmt::skip]
        let known = [
            (20_000.0, 3.0, 3.093_467_444_5e-5, 4.383_004_533_9e-4),
            (20_000.0, 150.0, 6.351_314_344_8e-3, 8.795_125_962_9e-3),
            (20_000.0, 201.0, 8.714_222_406_2e-3, 1.153_094_119_3e-2),
            (20_000.0, 9_000.0, 0.443_087_904_127_5, 0.456_926_635_866_7),
            (600_000.0, 7.0, 4.690_617_538_1e-6, 2.403_764_358_2e-5),
            (8.7e7, 40.0, 3.284_665_305_0e-7, 6.260_763_498_2e-7),
            (8.7e7, 1_312.0, 1.427_539_569_7e-5, 1.591_910_046_4e-5),
            (8.7e7, 6.8e6, 0.078_104_523_705_2, 0.078_217_343_446_4),
            (8.7e7, 86_999_990.0, 0.999_999_788_616_6, 0.999_999_944_880_6),
        ];
        for (trials, count, low, high) in known {
            let found = of_beta(count, trials - count + 1.0, 0.025);
            assert!(
                (found / low - 1.0).abs() < 3e-5,
                "{count} of {trials}: {found} for {low}"
            );
            let found = of_beta(count + 1.0, trials - count, 0.975);
            assert!(
                (found / high - 1.0).abs() < 3e-5,
                "{count} of {trials}: {found} for {high}"
            );
        }
    }

    proptest! {
        /// The definition: below the quantile lies what was asked for.
        #[test]
        fn up_to_ten_thousand_trials_they_are_exact(trials in 2u32..9_999, share in 0.0f64..1.0, probability in 0.001f64..0.999) {
            let a = (f64::from(trials) * share).floor().max(1.0);
            let b = (f64::from(trials) - a).max(1.0);
            let below = beta_reg(a, b, of_beta(a, b, probability));
            prop_assert!((below - probability).abs() < 1e-9, "{a} {b}: {below}");
        }
    }
}
