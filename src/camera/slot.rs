//! The newest frame, and nothing but the newest.
//!
//! Publisher and consumer swap buffers with the slot, so no frame is copied or allocated. Whoever
//! only wants to look asks for a copy of the next one ([`FrameSlot::copy_next`]); vision still
//! gets it.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use opencv::core::{Mat, MatTraitConst as _};

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
    /// How many wait for a copy of the next frame.
    asked: usize,
    /// That copy; emptied when nobody waits for one any more.
    copy: Mat,
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
        if newest.asked > 0 {
            // A copy that fails is none: who asked gives up when their patience ends.
            newest.copy = newest.image.try_clone().unwrap_or_default();
        }
        drop(newest);
        self.arrived.notify_all();
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

    /// Waits for the next frame and gives a copy of it; `None` after `patience`. Takes nothing
    /// away from vision, which may take a frame the instant it arrives: so it is copied on arrival.
    pub fn copy_next(&self, patience: Duration) -> Option<Mat> {
        let mut newest = self.lock();
        newest.asked += 1;
        let last = newest.number;
        let (mut newest, _) = self
            .arrived
            .wait_timeout_while(newest, patience, |newest| newest.number <= last)
            .unwrap_or_else(PoisonError::into_inner);
        newest.asked -= 1;
        let copy = if newest.asked == 0 {
            std::mem::take(&mut newest.copy)
        } else {
            newest.copy.try_clone().unwrap_or_default()
        };
        (newest.number > last && !copy.empty()).then_some(copy)
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
            slot.publish(&mut shade(value), Tick::default());
        }
        let mut frame = Mat::default();
        let taken = slot.take_newer(0, &mut frame, Duration::ZERO).unwrap();
        assert_eq!(taken.number, 3);
        assert_eq!(*frame.at::<u8>(0).unwrap(), 3);
        assert_eq!(slot.take_newer(3, &mut frame, Duration::ZERO), None);
    }

    fn shade(value: i32) -> Mat {
        Mat::new_rows_cols_with_default(1, 1, CV_8UC1, Scalar::all(f64::from(value))).unwrap()
    }

    #[test]
    fn who_only_looks_gets_the_next_frame_and_vision_gets_it_too() {
        let slot = FrameSlot::default();
        slot.publish(&mut shade(1), Tick::default());
        assert!(slot.copy_next(Duration::ZERO).is_none(), "it came before");
        let long = Duration::from_secs(30);
        std::thread::scope(|scope| {
            let looking = [(); 2].map(|()| scope.spawn(|| slot.copy_next(long).unwrap()));
            while slot.lock().asked < 2 {
                std::thread::yield_now();
            }
            slot.publish(&mut shade(2), Tick::default());
            for look in looking {
                assert_eq!(*look.join().unwrap().at::<u8>(0).unwrap(), 2);
            }
        });
        let mut frame = Mat::default();
        assert_eq!(slot.take_newer(1, &mut frame, long).unwrap().number, 2);
        assert_eq!(*frame.at::<u8>(0).unwrap(), 2);
        assert!(slot.lock().copy.empty(), "no picture is kept");
    }
}
