//! How long the stages of vision take while the service runs, for telemetry.
//!
//! Sums only: what is in a frame leaves no trace here. Two readings of the clock a stage cost
//! nothing beside a network.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::event::telemetry::{StageTime, VisionTimes};

/// A part of the work on one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Frame,
    Detect,
    Examine,
    Embed,
    Liveness,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    runs: u64,
    total: Duration,
    longest: Duration,
}

/// Written by vision's thread, read by whoever publishes.
#[derive(Debug, Default)]
pub struct Meter(Mutex<[Sum; 5]>);

impl Meter {
    /// Does the work, and counts how long it took.
    pub(super) fn time<T>(&self, stage: Stage, work: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let done = work();
        self.count(stage, began.elapsed());
        done
    }

    fn count(&self, stage: Stage, took: Duration) {
        let mut sums = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The array has a place for each stage.
        if let Some(sum) = sums.get_mut(stage as usize) {
            sum.runs += 1;
            sum.total += took;
            sum.longest = sum.longest.max(took);
        }
    }

    /// What was counted since this was last called.
    pub fn take(&self) -> VisionTimes {
        let sums = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let [frame, detect, examine, embed, liveness] = sums.map(Sum::time);
        VisionTimes {
            frame,
            detect,
            examine,
            embed,
            liveness,
        }
    }
}

impl Sum {
    fn time(self) -> Option<StageTime> {
        // Microseconds are enough, and read better.
        let ms = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
        let runs = u32::try_from(self.runs).unwrap_or(u32::MAX);
        Some(StageTime {
            runs: self.runs,
            mean_ms: ms(self.total.checked_div(runs)?),
            max_ms: ms(self.longest),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stage_has_its_own_times_and_they_begin_anew() {
        let meter = Meter::default();
        assert_eq!(meter.take(), VisionTimes::default());
        for ms in [1, 2, 6] {
            meter.count(Stage::Detect, Duration::from_millis(ms));
        }
        meter.count(Stage::Liveness, Duration::from_micros(1_500));
        assert_eq!(meter.time(Stage::Frame, || 7), 7);
        let times = meter.take();
        let time = |runs, mean_ms, max_ms| {
            Some(StageTime {
                runs,
                mean_ms,
                max_ms,
            })
        };
        assert_eq!(times.detect, time(3, 3.0, 6.0));
        assert_eq!(times.liveness, time(1, 1.5, 1.5));
        assert_eq!(times.frame.unwrap().runs, 1);
        assert_eq!((times.examine, times.embed), (None, None));
        assert_eq!(meter.take(), VisionTimes::default());
    }
}
