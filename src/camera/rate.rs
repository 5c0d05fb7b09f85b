//! How many frames a second really arrive. Pure.
//!
//! A USB camera in bad light delivers fewer than it promised, and a stream fewer than its
//! sender says; only counting tells.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Tick;

/// Frames that the rate is averaged over: two seconds at 15 a second.
const FRAMES: usize = 30;
/// Without a frame for so long, the rate is 0.
const STALE: Duration = Duration::from_secs(5);

/// Arrival times of the newest frames.
#[derive(Debug, Default)]
pub(super) struct FrameRate {
    arrivals: VecDeque<Tick>,
}

impl FrameRate {
    /// A frame arrived.
    pub(super) fn count(&mut self, now: Tick) {
        if self
            .arrivals
            .back()
            .is_some_and(|last| now.since(*last) >= STALE)
        {
            self.arrivals.clear();
        }
        if self.arrivals.len() > FRAMES {
            self.arrivals.pop_front();
        }
        self.arrivals.push_back(now);
    }

    /// Frames a second; 0 when it cannot be said, or none came for 5 s.
    pub(super) fn per_second(&self, now: Tick) -> f64 {
        let (Some(first), Some(last)) = (self.arrivals.front(), self.arrivals.back()) else {
            return 0.0;
        };
        let span = last.since(*first).as_secs_f64();
        if span == 0.0 || now.since(*last) >= STALE {
            return 0.0;
        }
        (self.arrivals.len() - 1) as f64 / span
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_newest_frames_and_ends_with_them() {
        let mut rate = FrameRate::default();
        let ms = |n| Tick(Duration::from_millis(n));
        assert_eq!(rate.per_second(ms(0)), 0.0);
        for n in 0..40 {
            rate.count(ms(n * 50));
        }
        assert!((rate.per_second(ms(2_000)) - 20.0).abs() < 1e-9);
        for n in 0..40 {
            rate.count(ms(2_000 + n * 200));
        }
        assert!((rate.per_second(ms(10_000)) - 5.0).abs() < 1e-9);
        assert_eq!(rate.per_second(ms(15_000)), 0.0);
        // After a gap the old frames do not count.
        rate.count(ms(60_000));
        rate.count(ms(60_100));
        assert!((rate.per_second(ms(60_100)) - 10.0).abs() < 1e-9);
    }
}
