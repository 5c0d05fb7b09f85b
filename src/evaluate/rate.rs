//! A share of trials with its 95 % confidence bounds.
//!
//! Pure. The bounds are Clopper and Pearson's exact ones (Biometrika 26, 1934), so they hold for
//! few trials and for no error at all: 0 of 300 still allows 1.2 %. They assume independent
//! trials. Pairs that share a picture or a person are not independent: for them the true
//! uncertainty is larger than the bounds say.
//!
//! They are quantiles of the beta distribution, found in a fixed number of steps (`rate::quantile`): what
//! iterates until it converges does not return for tens of millions of trials.

mod quantile;

use serde::Serialize;

/// What is left outside of the bounds on each side.
const TAIL: f64 = 0.025;

/// How often something happened.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Rate {
    /// How often.
    pub count: u64,
    /// Of how many trials.
    pub trials: u64,
    /// Their quotient, 0..1; nothing without trials.
    pub rate: Option<f64>,
    /// Lower 95 % bound, 0..1.
    pub low: f64,
    /// Upper 95 % bound, 0..1.
    pub high: f64,
}

impl Rate {
    /// `count` of `trials`; a count above the trials is taken for all of them.
    #[must_use]
    pub fn of(count: usize, trials: usize) -> Self {
        let count = count.min(trials);
        let (k, n) = (count as f64, trials as f64);
        let low = match count {
            0 => 0.0,
            _ => quantile::of_beta(k, n - k + 1.0, TAIL),
        };
        let high = if count == trials {
            1.0
        } else {
            quantile::of_beta(k + 1.0, n - k, 1.0 - TAIL)
        };
        Self {
            count: count as u64,
            trials: trials as u64,
            rate: (trials > 0).then(|| k / n),
            low,
            high,
        }
    }
}

/// For people: `0.27 % (1 of 369; 0.01 to 1.50 %)`.
impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(rate) = self.rate else {
            return write!(f, "none tried");
        };
        write!(
            f,
            "{} % ({} of {}; {} to {} %)",
            percent(rate),
            self.count,
            self.trials,
            percent(self.low),
            percent(self.high),
        )
    }
}

/// Two decimals, and for less than that two digits: a small rate must not look like nothing.
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent == 0.0 {
        return "0".to_owned();
    }
    let decimals = (1.0 - percent.log10().floor()).clamp(2.0, 12.0);
    format!("{percent:.*}", decimals as usize)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The rule of three, exactly, and values of R's `binom.test`.
    #[test]
    fn the_bounds_are_the_ones_of_the_literature() {
        let none = Rate::of(0, 300);
        assert_eq!(none.low, 0.0);
        assert!((none.high - (1.0 - 0.025f64.powf(1.0 / 300.0))).abs() < 1e-9);
        let all = Rate::of(10, 10);
        assert_eq!(all.high, 1.0);
        assert!((all.low - 0.025f64.powf(0.1)).abs() < 1e-9);
        let some = Rate::of(2, 20);
        assert!((some.low - 0.012_348_53).abs() < 1e-7, "{}", some.low);
        assert!((some.high - 0.316_982_7).abs() < 1e-7, "{}", some.high);
        let half = Rate::of(5, 10);
        assert!((half.low - 0.187_086).abs() < 1e-6, "{}", half.low);
        assert!((half.high - 0.812_914).abs() < 1e-6, "{}", half.high);
    }

    #[test]
    fn small_rates_stay_visible() {
        assert_eq!(percent(0.0693), "6.93");
        assert_eq!(percent(7.0e-6), "0.00070");
        assert_eq!(percent(1.0), "100.00");
    }

    #[test]
    fn no_trials_know_nothing() {
        let rate = Rate::of(0, 0);
        assert_eq!((rate.rate, rate.low, rate.high), (None, 0.0, 1.0));
        assert_eq!(rate.to_string(), "none tried");
    }

    proptest! {
        #[test]
        fn the_bounds_enclose_the_rate(trials in 1usize..1 << 40, share in 0.0f64..=1.0) {
            let rate = Rate::of((trials as f64 * share) as usize, trials);
            let middle = rate.count as f64 / rate.trials as f64;
            prop_assert!(0.0 <= rate.low && rate.low <= middle, "{rate:?}");
            prop_assert!(middle <= rate.high && rate.high <= 1.0, "{rate:?}");
        }
    }
}
