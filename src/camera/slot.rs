//! The newest frame, and nothing but the newest.
//!
//! Publisher and consumer swap buffers with the slot, so no frame is copied or allocated.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use opencv::core::Mat;

use super::rate::FrameRate;
use crate::clock::Tick;

/// One frame's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Number of the frame, from 1; a jump means that frames were skipped.
    pub number: u64,
    /// When it arrived.
    pub captured: Tick,
}

#[derive(Debug, Default)]
struct Newest {
    image: Mat,
    number: u64,
    captured: Tick,
    rate: FrameRate,
    /// Why there are no frames.
    complaint: Option<String>,
}

/// Shared between the camera's thread and vision's.
#[derive(Debug, Default)]
pub struct FrameSlot {
    newest: Mutex<Newest>,
    arrived: Condvar,
}

impl FrameSlot {
    /// Puts a frame in, over the one before; `frame` gets an old buffer back.
    pub fn publish(&self, frame: &mut Mat, captured: Tick) {
        let mut newest = self.lock();
        std::mem::swap(&mut newest.image, frame);
        newest.number += 1;
        newest.captured = captured;
        newest.rate.count(captured);
        newest.complaint = None;
        drop(newest);
        self.arrived.notify_one();
    }

    /// Says why no frames come; forgotten with the next frame.
    pub fn complain(&self, cause: String) {
        self.lock().complaint = Some(cause);
    }

    /// Why no frames come, if the camera's thread knows.
    pub fn complaint(&self) -> Option<String> {
        self.lock().complaint.clone()
    }

    /// Frames that arrived in a second, averaged over the newest 30; 0 after 5 s without one.
    pub fn fps(&self, now: Tick) -> f64 {
        self.lock().rate.per_second(now)
    }

    /// Waits for a frame newer than number `last` and swaps it into `frame`; `None` after `patience`.
    pub fn take_newer(&self, last: u64, frame: &mut Mat, patience: Duration) -> Option<Taken> {
        let (mut newest, _) = self
            .arrived
            .wait_timeout_while(self.lock(), patience, |newest| newest.number <= last)
            .unwrap_or_else(PoisonError::into_inner);
        if newest.number <= last {
            return None;
        }
        std::mem::swap(&mut newest.image, frame);
        Some(Taken {
            number: newest.number,
            captured: newest.captured,
        })
    }

    /// A panic of the other thread cannot leave the slot half-written: every change is a swap.
    fn lock(&self) -> MutexGuard<'_, Newest> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use opencv::core::{CV_8UC1, Scalar};
    use opencv::prelude::*;

    use super::*;

    #[test]
    fn only_the_newest_frame_is_ever_seen() {
        let slot = FrameSlot::default();
        for value in 1..=3 {
            let shade = Scalar::all(f64::from(value));
            let mut frame = Mat::new_rows_cols_with_default(1, 1, CV_8UC1, shade).unwrap();
            slot.publish(&mut frame, Tick::default());
        }
        let mut frame = Mat::default();
        let taken = slot.take_newer(0, &mut frame, Duration::ZERO).unwrap();
        assert_eq!(taken.number, 3);
        assert_eq!(*frame.at::<u8>(0).unwrap(), 3);
        assert_eq!(slot.take_newer(3, &mut frame, Duration::ZERO), None);
    }
}
