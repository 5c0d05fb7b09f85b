//! Who is locked out, after too many wrong PINs.
//!
//! Flows in: denials and right PINs of a person, by monotonic time. Flows out: how long somebody is
//! still locked out. Memory is bounded by [`PERSONS`] and by the number of denials that lock out.
//!
//! Two limits. Many wrong PINs in a short time lock out for a short time: that ends by itself. Wrong
//! PINs since the last right one are counted over all such times: from so many on, each locks out for
//! [`CAPPED`], so that guessing goes on with one try a day, and the owner is not kept out for ever.
//! What ends the count is a grant by a right PIN, or a new PIN ([`ends`]); a face alone proves no PIN.
//!
//! What counts is what only somebody does who guesses. A picture must lock nobody out: whoever has one
//! could keep its owner out of the door for as long as they like.
//!
//! | reason | counts | why |
//! |---|---|---|
//! | PIN wrong | yes | guessing; asked for once a live face was proven |
//! | PIN missing | no | standing there is no guess, and walking past the camera asks |
//! | spoof suspected, liveness unproven | no | a picture gets no try that could succeed, and is an alarm |
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
use crate::event::{DenyReason, Event, Method, PersonId};

/// How long each wrong PIN locks out once there were too many: a PIN of four digits that is not
/// guessed first stands for years, and its owner waits for a day at most.
pub const CAPPED: SignedDuration = SignedDuration::from_hours(24);
/// How the record says that somebody has another PIN, or none: the beginning of a phrase of
/// `admin.person_changed`.
pub const NEW_PIN: &str = "PIN: ";

/// People remembered at a time; more than mistype their PIN and never type it right.
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
        DenyReason::PinWrong => true,
        DenyReason::SpoofSuspected
        | DenyReason::LivenessUnproven
        | DenyReason::PinMissing
        | DenyReason::Unknown
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

/// Whose count an event of the record ends: they were let in by a right PIN, or have another one.
#[must_use]
pub fn ends(event: &Event) -> Option<PersonId> {
    match event {
        Event::AccessGranted(granted) if granted.method == Method::FaceAndPin => {
            Some(granted.person.id)
        }
        Event::PersonChanged { person, changes } => {
            let mut changes = changes.iter();
            changes
                .any(|change| change.starts_with(NEW_PIN))
                .then_some(person.id)
        }
        _ => None,
    }
}

/// Everybody's counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lockouts {
    persons: BTreeMap<PersonId, Count>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Count {
    /// Counted denials within the window, the oldest first.
    denials: VecDeque<Moving>,
    /// Until when they are locked out for these.
    locked_until: Option<Moving>,
    /// Wrong PINs since the last right one.
    wrong: u32,
    /// Until when they are locked out for those.
    capped_until: Option<Moving>,
}

impl Count {
    fn until(&self) -> Option<Moving> {
        self.locked_until.max(self.capped_until)
    }
}

impl Lockouts {
    /// Somebody was denied; it counts if its reason does.
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
        if !counts(reason) {
            return;
        }
        self.make_room(person);
        let count = self.persons.entry(person).or_default();
        count.wrong = count.wrong.saturating_add(1);
        let most = settings.lockout_after_wrong_pins;
        if most > 0 && count.wrong >= most {
            count.capped_until = Some(now.saturating_add(CAPPED));
        }
        let locked = count.locked_until.is_some_and(|until| now < until);
        if settings.lockout_after == 0 || locked {
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

    /// Somebody typed their right PIN, or has a new one: they begin anew.
    pub fn forget(&mut self, person: PersonId) {
        self.persons.remove(&person);
    }

    /// How long somebody is still locked out, if they are.
    #[must_use]
    pub fn remaining(&self, person: PersonId, now: Tick) -> Option<Duration> {
        let until = self.persons.get(&person)?.until()?;
        let left = until.saturating_sub(moving(now));
        Duration::try_from(left).ok().filter(|left| !left.is_zero())
    }

    /// Everybody of whom wrong PINs are counted.
    pub fn counted(&self) -> impl Iterator<Item = PersonId> {
        self.persons.keys().copied()
    }

    /// Everybody who is locked out for too many wrong PINs since the last right one.
    pub fn capped(&self, now: Tick) -> impl Iterator<Item = PersonId> {
        let now = moving(now);
        let capped = move |count: &Count| count.capped_until.is_some_and(|until| now < until);
        let persons = self.persons.iter();
        persons
            .filter(move |(_, count)| capped(count))
            .map(|(person, _)| *person)
    }

    /// Forgets whoever matters least when there are too many for one more.
    fn make_room(&mut self, person: PersonId) {
        if self.persons.len() < PERSONS || self.persons.contains_key(&person) {
            return;
        }
        let weight = |count: &Count| (count.until(), count.wrong, count.denials.back().copied());
        let least = self.persons.iter().min_by_key(|(_, count)| weight(count));
        if let Some(least) = least.map(|(person, _)| *person) {
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

    fn without_cap() -> AccessConfig {
        AccessConfig {
            lockout_after_wrong_pins: 0,
            ..AccessConfig::default()
        }
    }

    #[test]
    fn from_the_tenth_on_since_the_last_right_one_each_locks_out_for_a_day() {
        let settings = AccessConfig::default();
        let (mut lockouts, somebody) = (Lockouts::default(), person(1));
        let day = 24 * 3_600;
        for n in 1..10 {
            lockouts.denied(
                &settings,
                somebody,
                DenyReason::PinWrong,
                tick(n * 10 * day),
            );
            assert_eq!(lockouts.remaining(somebody, tick(n * 10 * day)), None);
        }
        for n in 10..15 {
            let at = n * 10 * day;
            lockouts.denied(&settings, somebody, DenyReason::PinWrong, tick(at));
            let left = lockouts.remaining(somebody, tick(at + 1));
            assert_eq!(left, Some(Duration::from_secs(day - 1)));
            assert!(lockouts.capped(tick(at + day - 1)).eq([somebody]));
            assert_eq!(lockouts.remaining(somebody, tick(at + day)), None);
            assert_eq!(lockouts.capped(tick(at + day)).count(), 0);
        }
        lockouts.forget(somebody);
        lockouts.denied(&settings, somebody, DenyReason::PinWrong, tick(200 * day));
        assert_eq!(lockouts.remaining(somebody, tick(200 * day)), None);
    }

    #[test]
    fn it_begins_with_the_nth_counted_denial_and_is_not_prolonged() {
        let settings = without_cap();
        let (mut lockouts, somebody) = (Lockouts::default(), person(1));
        for n in 0..4 {
            lockouts.denied(&settings, somebody, DenyReason::PinWrong, tick(n * 10));
            assert_eq!(lockouts.remaining(somebody, tick(n * 10)), None);
        }
        for reason in [DenyReason::SpoofSuspected, DenyReason::PinMissing] {
            lockouts.denied(&settings, somebody, reason, tick(100));
            assert_eq!(lockouts.remaining(somebody, tick(100)), None, "no guess");
        }
        lockouts.denied(&settings, somebody, DenyReason::PinWrong, tick(100));
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
    fn denials_far_apart_and_before_a_right_pin_do_not_add_up() {
        let settings = without_cap();
        let (mut lockouts, somebody) = (Lockouts::default(), person(1));
        for n in 0..20 {
            lockouts.denied(&settings, somebody, DenyReason::PinWrong, tick(n * 75));
            assert_eq!(lockouts.remaining(somebody, tick(n * 75)), None);
        }
        for n in 0..20 {
            lockouts.denied(&settings, somebody, DenyReason::PinWrong, tick(2_000 + n));
            if n % 4 == 3 {
                lockouts.forget(somebody);
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
