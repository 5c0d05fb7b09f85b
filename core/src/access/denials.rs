//! Many denials at this door in a short time, whoever they were of.
//!
//! Flows in: denials by monotonic time. Flows out: whether the condition stands. It is raised by as
//! many denials within the window as the configuration says, and stands until the window has been
//! quiet, so that it does not flap. Memory is bounded by the number of denials that raise it.

use std::collections::VecDeque;

use super::lockout::{Moving, moving, seconds};
use super::settings::AccessConfig;
use crate::clock::Tick;
use crate::event::DenyReason;

/// Whether a denial for this reason counts: not what the system or the light is to blame for.
#[must_use]
pub fn counts(reason: DenyReason) -> bool {
    !matches!(
        reason,
        DenyReason::LowQuality
            | DenyReason::ClockUntrusted
            | DenyReason::Interlock
            | DenyReason::StorageFailure
    )
}

/// The door's counter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RepeatedDenials {
    /// The newest denials that count, the oldest first.
    recent: VecDeque<Moving>,
    raised_until: Option<Moving>,
}

impl RepeatedDenials {
    /// Somebody was denied.
    pub fn denied(&mut self, settings: &AccessConfig, reason: DenyReason, now: Tick) {
        self.denied_at(settings, reason, moving(now));
    }

    pub(super) fn denied_at(&mut self, settings: &AccessConfig, reason: DenyReason, now: Moving) {
        if !counts(reason) || settings.alarm_after_denials == 0 {
            return;
        }
        let window = seconds(settings.alarm_window_s);
        self.recent.retain(|&at| now.saturating_sub(at) < window);
        self.recent.push_back(now);
        let enough = self.recent.len() >= settings.alarm_after_denials as usize;
        if enough {
            self.recent.pop_front();
        }
        if enough || self.raised_until.is_some_and(|until| now < until) {
            self.raised_until = Some(now.saturating_add(window));
        }
    }

    /// Whether there were too many, and it has not been quiet since.
    #[must_use]
    pub fn is_raised(&self, now: Tick) -> bool {
        self.raised_until.is_some_and(|until| moving(now) < until)
    }

    /// Forgets that it was raised once it has been quiet for long enough.
    pub fn end_if_quiet(&mut self, now: Tick) {
        if !self.is_raised(now) {
            self.raised_until = None;
        }
    }

    /// When it will have been quiet for long enough.
    #[must_use]
    pub fn quiet_at(&self) -> Option<Tick> {
        let until = self.raised_until?;
        Some(Tick(
            std::time::Duration::try_from(until).unwrap_or_default(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_raised_by_enough_denials_and_cleared_by_a_quiet_window() {
        let settings = AccessConfig::default();
        let tick = |seconds| Tick(std::time::Duration::from_secs(seconds));
        let mut repeated = RepeatedDenials::default();
        for n in 0..50 {
            repeated.denied(&settings, DenyReason::StorageFailure, tick(n));
        }
        assert!(!repeated.is_raised(tick(50)), "our fault, not theirs");
        for n in 0..4 {
            repeated.denied(&settings, DenyReason::Unknown, tick(100 + n));
        }
        assert!(!repeated.is_raised(tick(104)));
        repeated.denied(&settings, DenyReason::OutsideSchedule, tick(110));
        assert!(repeated.is_raised(tick(110)) && repeated.is_raised(tick(229)));
        assert_eq!(repeated.quiet_at(), Some(tick(230)));
        // One more while it stands keeps it up; it does not flap.
        repeated.denied(&settings, DenyReason::Unknown, tick(229));
        assert!(repeated.is_raised(tick(348)) && !repeated.is_raised(tick(349)));
        repeated.end_if_quiet(tick(349));
        assert_eq!(repeated.quiet_at(), None);
        for n in 0..10_000 {
            repeated.denied(&settings, DenyReason::Unknown, tick(1_000 + n / 100));
        }
        assert!(repeated.recent.len() < settings.alarm_after_denials as usize);
    }
}
