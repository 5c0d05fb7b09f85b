//! News that repeats: told at once, then at most once an interval, with how often it came
//! meanwhile. Pure.
//!
//! What a broker refuses it refuses a thousand times; the record must say so, and must not be
//! flooded by it. Nothing is lost: whatever is noted is in a report sooner or later.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Tick;

/// How often something came since it was last told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told<V> {
    /// The first of them.
    pub(super) first: V,
    /// How many.
    pub(super) count: u64,
}

#[derive(Debug)]
struct Kept<V> {
    /// When it may be told again.
    open_at: Tick,
    /// What came since.
    kept: Option<Told<V>>,
}

/// Keeps apart what has different keys.
#[derive(Debug)]
pub(super) struct Throttle<K, V>(BTreeMap<K, Kept<V>>);

impl<K, V> Default for Throttle<K, V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord + Clone, V> Throttle<K, V> {
    /// Something came; the report when it may be told now, and then not again for `interval`.
    pub(super) fn note(
        &mut self,
        key: K,
        value: V,
        interval: Duration,
        now: Tick,
    ) -> Option<Told<V>> {
        let kept = self.0.entry(key).or_insert_with(|| Kept {
            open_at: now,
            kept: None,
        });
        let told = match kept.kept.take() {
            Some(Told { first, count }) => Told {
                first,
                count: count + 1,
            },
            None => Told {
                first: value,
                count: 1,
            },
        };
        if now < kept.open_at {
            kept.kept = Some(told);
            return None;
        }
        kept.open_at = now + interval;
        Some(told)
    }

    /// What has been kept for long enough. Keys of which nothing came meanwhile are forgotten.
    pub(super) fn due(
        &mut self,
        interval: impl Fn(&V) -> Duration,
        now: Tick,
    ) -> Vec<(K, Told<V>)> {
        let mut due = Vec::new();
        self.0.retain(|key, kept| {
            if now < kept.open_at {
                return true;
            }
            let Some(told) = kept.kept.take() else {
                return false;
            };
            kept.open_at = now + interval(&told.first);
            due.push((key.clone(), told));
            true
        });
        due
    }

    /// Everything that was kept, for the end of a run.
    pub(super) fn finish(self) -> Vec<(K, Told<V>)> {
        let all = self.0.into_iter();
        all.filter_map(|(key, kept)| Some((key, kept.kept?)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(seconds: u64) -> Tick {
        Tick(Duration::from_secs(seconds))
    }

    #[test]
    fn the_first_is_told_at_once_and_the_others_together() {
        let mut throttle = Throttle::default();
        let told = |first, count| Some(Told { first, count });
        assert_eq!(throttle.note("a", 1, MINUTE, at(0)), told(1, 1));
        assert_eq!(throttle.note("a", 2, MINUTE, at(1)), None);
        assert_eq!(throttle.note("b", 3, MINUTE, at(2)), told(3, 1));
        assert_eq!(throttle.note("a", 4, MINUTE, at(59)), None);
        assert_eq!(throttle.note("a", 5, MINUTE, at(60)), told(2, 3));
        assert_eq!(throttle.note("a", 6, MINUTE, at(119)), None);
        let due = throttle.due(|_| MINUTE, at(120));
        assert_eq!(due, [("a", Told { first: 6, count: 1 })]);
        assert_eq!(throttle.note("a", 7, MINUTE, at(121)), None);
        let left = throttle.finish();
        assert_eq!(left, [("a", Told { first: 7, count: 1 })]);
    }

    #[test]
    fn keys_that_went_quiet_are_forgotten() {
        let mut throttle = Throttle::default();
        for key in 0..1_000 {
            let _ = throttle.note(key, (), MINUTE, at(0));
        }
        assert!(throttle.due(|()| MINUTE, at(59)).is_empty());
        assert_eq!(throttle.0.len(), 1_000);
        assert!(throttle.due(|()| MINUTE, at(60)).is_empty());
        assert!(throttle.0.is_empty());
    }

    proptest! {
        #[test]
        fn everything_is_told_of_and_never_too_often(
            steps in prop::collection::vec((0u8..3, any::<bool>(), 0u64..50), 1..200),
        ) {
            let mut throttle = Throttle::default();
            let (mut now, mut noted, mut told) = (0, [0u64; 3], [0u64; 3]);
            let mut last: [Option<u64>; 3] = [None; 3];
            for (key, note, pause) in steps {
                now += pause;
                let reports = if note {
                    noted[usize::from(key)] += 1;
                    let report = throttle.note(key, (), MINUTE, at(now));
                    report.map(|report| (key, report)).into_iter().collect()
                } else {
                    throttle.due(|()| MINUTE, at(now))
                };
                for (key, report) in reports {
                    let key = usize::from(key);
                    prop_assert!(report.count > 0);
                    prop_assert!(last[key].is_none_or(|last| now - last >= 60));
                    last[key] = Some(now);
                    told[key] += report.count;
                }
            }
            for (key, report) in throttle.finish() {
                told[usize::from(key)] += report.count;
            }
            prop_assert_eq!(told, noted);
        }
    }
}
