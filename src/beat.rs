//! A sign of life that one thread leaves and another reads, without a lock.
//!
//! The threads that a door cannot do without mark a [`Beat`] each time around; the watchdog reads
//! how old it is. The same type says since when something lasts ("busy since"): a thread that waits
//! for a disk marks it before, because while it waits it can say nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Tick;

/// The tick of the last sign, to the millisecond; none before the first one and after a rest.
#[derive(Debug, Default)]
pub struct Beat(AtomicU64);

impl Beat {
    /// Says: now.
    pub fn mark(&self, now: Tick) {
        let ms = u64::try_from(now.0.as_millis()).unwrap_or(u64::MAX);
        // Zero means "never": everything is kept one higher.
        self.0.store(ms.saturating_add(1), Ordering::Relaxed);
    }

    /// Says: not any more.
    pub fn rest(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// When the last sign was given.
    #[must_use]
    pub fn last(&self) -> Option<Tick> {
        let ms = self.0.load(Ordering::Relaxed).checked_sub(1)?;
        Some(Tick(Duration::from_millis(ms)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_sign_is_kept_to_the_millisecond_and_a_rest_ends_it() {
        let beat = Beat::default();
        assert_eq!(beat.last(), None);
        beat.mark(Tick::default());
        assert_eq!(beat.last(), Some(Tick::default()));
        beat.mark(Tick(Duration::from_micros(1_999)));
        assert_eq!(beat.last(), Some(Tick(Duration::from_millis(1))));
        beat.rest();
        assert_eq!(beat.last(), None);
    }
}
