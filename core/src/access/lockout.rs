//! Who is locked out, after too many denials in a short time.
//!
//! Flows in: denials and grants of a person, by monotonic time. Flows out: how long somebody is
//! still locked out. Memory is bounded by [`PERSONS`] and by the number of denials that lock out.
//!
//! What counts is what somebody does who is not that person and tries again: every try could be the
//! one that succeeds.
//!
//! | reason | counts | why |
//! |---|---|---|
//! | spoof suspected, liveness unproven | yes | the next picture may be a better one |
//! | PIN wrong | yes | guessing |
//! | PIN missing | yes | a face without the PIN is what an impostor has who got past the camera |
//! | suspended, validity, groups, schedule, holiday, lockdown, first or second person | no | the rules answer the same however often they are asked, and walking past the camera asks them |
//! | anti-passback | no | who has just entered and lingers at the door is no impostor |
//! | lockout | no | it would never end for somebody who waits at the door |
//! | unknown, ambiguous | no | nobody in particular was denied |
//! | low quality, untrusted clock, interlock, storage | no | faults of ours, or of the light |

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::SignedDuration;

use super::settings::AccessConfig;
use crate::clock::Tick;
use crate::event::{DenyReason, PersonId};

/// People remembered at a time; more than stand before a door within a window.
pub const PERSONS: usize = 1_000;

/// A monotonic time that may lie before the start of the process, as history does.
pub(super) type Moving = SignedDuration;

pub(super) fn moving(tick: Tick) -> Moving {
    SignedDuration::try_from(tick.0).unwrap_or(SignedDuration::MAX)
}

pub(super) fn seconds(seconds: u32) -> SignedDuration {
    SignedDuration::from_secs(i64::from(seconds))
}

/// Whether a denial for this reason counts towards a lockout.
#[must_use]
pub fn counts(reason: DenyReason) -> bool {
    match reason {
        DenyReason::SpoofSuspected
        | DenyReason::LivenessUnproven
        | DenyReason::PinWrong
        | DenyReason::PinMissing => true,
        DenyReason::Unknown
        | DenyReason::LowQuality
        | DenyReason::Ambiguous
        | DenyReason::Suspended
        | DenyReason::NotYetValid
        | DenyReason::Expired
        | DenyReason::NotPermitted
        | DenyReason::OutsideSchedule
        | DenyReason::Holiday
        | DenyReason::AntiPassback
        | DenyReason::Lockout
        | DenyReason::Lockdown
        | DenyReason::ClockUntrusted
        | DenyReason::FirstPersonRequired
        | DenyReason::SecondPersonMissing
        | DenyReason::Interlock
        | DenyReason::StorageFailure => false,
    }
}

/// Everybody's counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lockouts {
    persons: BTreeMap<PersonId, Count>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Count {
    /// Counted denials, the oldest first.
    denials: VecDeque<Moving>,
    locked_until: Option<Moving>,
}

impl Lockouts {
    /// Somebody was denied; it counts if its reason does and they are not locked out.
    pub fn denied(
        &mut self,
        settings: &AccessConfig,
        person: PersonId,
        reason: DenyReason,
        now: Tick,
    ) {
        self.denied_at(settings, person, reason, moving(now));
    }

    pub(super) fn denied_at(
        &mut self,
        settings: &AccessConfig,
        person: PersonId,
        reason: DenyReason,
        now: Moving,
    ) {
        if !counts(reason) || settings.lockout_after == 0 {
            return;
        }
        self.make_room(settings, now);
        let count = self.persons.entry(person).or_default();
        if count.locked_until.is_some_and(|until| now < until) {
            return;
        }
        count.locked_until = None;
        let window = seconds(settings.lockout_window_s);
        count.denials.retain(|&at| now.saturating_sub(at) < window);
        count.denials.push_back(now);
        if count.denials.len() >= settings.lockout_after as usize {
            count.denials.clear();
            count.locked_until = Some(now.saturating_add(seconds(settings.lockout_s)));
        }
    }

    /// Somebody was granted: they are who they are, and begin anew.
    pub fn granted(&mut self, person: PersonId) {
        self.persons.remove(&person);
    }

    /// How long somebody is still locked out, if they are.
    #[must_use]
    pub fn remaining(&self, person: PersonId, now: Tick) -> Option<Duration> {
        let until = self.persons.get(&person)?.locked_until?;
        let left = until.saturating_sub(moving(now));
        Duration::try_from(left).ok().filter(|left| !left.is_zero())
    }

    /// Forgets whoever no longer matters and, when that is not enough, whoever matters least.
    fn make_room(&mut self, settings: &AccessConfig, now: Moving) {
        let window = seconds(settings.lockout_window_s);
        self.persons.retain(|_, count| {
            let recent = count.denials.back();
            count.locked_until.is_some_and(|until| now < until)
                || recent.is_some_and(|&at| now.saturating_sub(at) < window)
        });
        while self.persons.len() >= PERSONS {
            let mut all = self.persons.iter();
            let Some(first) = all.next() else { return };
            let weight = |count: &Count| (count.locked_until, count.denials.back().copied());
            let (least, _) = all.fold(first, |least, one| {
                if weight(one.1) < weight(least.1) {
                    one
                } else {
                    least
                }
            });
            let least = *least;
            self.persons.remove(&least);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tick(seconds: u64) -> Tick {
        Tick(Duration::from_secs(seconds))
    }

    fn person(n: u128) -> PersonId {
        PersonId(uuid::Uuid::from_u128(n))
    }

    #[test]
    fn it_begins_with_the_nth_counted_denial_and_is_not_prolonged() {
        let settings = AccessConfig::default();
        let (mut lockouts, somebody) = (Lockouts::default(), person(1));
        for n in 0..4 {
            lockouts.denied(&settings, somebody, DenyReason::PinWrong, tick(n * 10));
            assert_eq!(lockouts.remaining(somebody, tick(n * 10)), None);
        }
        lockouts.denied(&settings, somebody, DenyReason::SpoofSuspected, tick(100));
        let left = |lockouts: &Lockouts, at| lockouts.remaining(somebody, tick(at));
        assert_eq!(left(&lockouts, 100), Some(Duration::from_secs(300)));
        for n in 101..399 {
            lockouts.denied(&settings, somebody, DenyReason::PinWrong, tick(n));
        }
        assert_eq!(left(&lockouts, 399), Some(Duration::from_secs(1)));
        assert_eq!(left(&lockouts, 400), None);
        assert_eq!(lockouts.remaining(person(2), tick(100)), None);
    }

    #[test]
    fn denials_far_apart_and_before_a_grant_do_not_add_up() {
        let settings = AccessConfig::default();
        let (mut lockouts, somebody) = (Lockouts::default(), person(1));
        for n in 0..20 {
            lockouts.denied(&settings, somebody, DenyReason::PinWrong, tick(n * 75));
            assert_eq!(lockouts.remaining(somebody, tick(n * 75)), None);
        }
        for n in 0..20 {
            lockouts.denied(&settings, somebody, DenyReason::PinWrong, tick(2_000 + n));
            if n % 4 == 3 {
                lockouts.granted(somebody);
            }
        }
        assert_eq!(lockouts.remaining(somebody, tick(2_019)), None);
    }

    #[test]
    fn memory_is_bounded_and_keeps_those_who_are_locked_out() {
        let settings = AccessConfig::default();
        let mut lockouts = Lockouts::default();
        for _ in 0..5 {
            lockouts.denied(&settings, person(1), DenyReason::PinWrong, tick(1));
        }
        for n in 0..3 * PERSONS as u128 {
            lockouts.denied(&settings, person(n + 2), DenyReason::PinWrong, tick(2));
        }
        assert!(lockouts.persons.len() <= PERSONS);
        assert!(lockouts.remaining(person(1), tick(3)).is_some());
    }
}
