//! Many durations, summed up in the few numbers that a budget is about.

use std::time::Duration;

/// How measurements spread, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize)]
pub struct Spread {
    /// How many there are.
    pub count: usize,
    /// The least: what the work takes when nothing else happens.
    pub min_ms: f64,
    /// Half of them are at most this.
    pub p50_ms: f64,
    /// 95 % of them are at most this.
    pub p95_ms: f64,
    /// 99 % of them are at most this; with fewer than 100, the greatest.
    pub p99_ms: f64,
}

impl Spread {
    /// Sums up durations, by nearest rank: each number is one that was measured. All zero for none.
    #[must_use]
    pub fn of(durations: impl IntoIterator<Item = Duration>) -> Self {
        let mut sorted: Vec<Duration> = durations.into_iter().collect();
        sorted.sort_unstable();
        let rank = |percent: usize| {
            let index = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
            sorted.get(index).map_or(0.0, |d| d.as_secs_f64() * 1e3)
        };
        Self {
            count: sorted.len(),
            min_ms: rank(0),
            p50_ms: rank(50),
            p95_ms: rank(95),
            p99_ms: rank(99),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_one_that_was_measured() {
        let spread = Spread::of((1..=200).rev().map(Duration::from_millis));
        assert_eq!(spread.count, 200);
        assert_eq!((spread.min_ms, spread.p50_ms), (1.0, 100.0));
        assert_eq!((spread.p95_ms, spread.p99_ms), (190.0, 198.0));
        let one = Spread::of([Duration::from_millis(7)]);
        assert_eq!((one.min_ms, one.p50_ms, one.p99_ms), (7.0, 7.0, 7.0));
        assert_eq!(Spread::of([]), Spread::default());
    }
}
