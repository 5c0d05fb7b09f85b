//! How long commits took: the journal notes each, telemetry reads them.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::event::telemetry::CommitTimes;

/// Commits that are kept between two looks; a door has a few a minute. Of more, the newest count.
const KEPT: usize = 1_000;

/// The commits since they were last asked for.
#[derive(Debug, Default)]
pub struct Commits(Mutex<Vec<Duration>>);

impl Commits {
    /// One took so long.
    pub(super) fn note(&self, took: Duration) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.remove(0);
        }
        kept.push(took);
    }

    /// Those since the last time; nothing when there were none.
    #[must_use]
    pub fn take(&self) -> Option<CommitTimes> {
        let mut kept = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        kept.sort_unstable();
        let longest = kept.last()?;
        let ms = |took: &Duration| (took.as_secs_f64() * 1e5).round() / 1e2;
        let at = |share: usize| kept.get((kept.len() * share).div_ceil(100).saturating_sub(1));
        Some(CommitTimes {
            commits: u64::try_from(kept.len()).unwrap_or(u64::MAX),
            p50_ms: at(50).map_or(0.0, ms),
            p99_ms: at(99).map_or(0.0, ms),
            longest_ms: ms(longest),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_the_tail_and_the_longest_are_told_once() {
        let commits = Commits::default();
        assert_eq!(commits.take(), None);
        for ms in (1..=100).rev() {
            commits.note(Duration::from_millis(ms));
        }
        let expected = CommitTimes {
            commits: 100,
            p50_ms: 50.0,
            p99_ms: 99.0,
            longest_ms: 100.0,
        };
        assert_eq!(commits.take(), Some(expected));
        assert_eq!(commits.take(), None);
        for _ in 0..KEPT + 5 {
            commits.note(Duration::from_micros(1_234));
        }
        let taken = commits.take();
        assert_eq!(
            taken.map(|taken| (taken.commits, taken.p50_ms)),
            Some((1_000, 1.23))
        );
    }
}
