//! The door: a pure state machine ([`step`]); its effects move pins through [`crate::gpio`].
//!
//! `step` takes (state, input, now) and gives (state, effects); it knows no clock, pin or disk.
//! The order of its effects is the order in which they must be carried out: what must be on
//! the record stands before the relay moves.

use std::time::Duration;

use crate::clock::Tick;
use crate::event::wire::Lock;
use crate::event::{ReleaseCause, SecureCause};

/// What the relay is commanded to, and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Door {
    /// Locked.
    #[default]
    Secured,
    /// Can be opened until this time.
    Released {
        /// When it is secured again.
        until: Tick,
    },
}

/// What can happen to the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// Somebody was granted, and the grant is on the disk.
    Granted {
        /// For how long the relay is released.
        release: Duration,
    },
    /// Time passed.
    Tick,
    /// The relay's driver failed.
    RelayFailed,
    /// The service ends.
    Stop,
}

/// What is to be done, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Release the relay; record it as released.
    Release {
        /// Why.
        cause: ReleaseCause,
        /// For how long.
        release: Duration,
    },
    /// Secure the relay first, then record it.
    Secure {
        /// Why.
        cause: SecureCause,
    },
}

impl Door {
    /// As published.
    #[must_use]
    pub fn lock(self) -> Lock {
        match self {
            Door::Secured => Lock::Secured,
            Door::Released { .. } => Lock::Released,
        }
    }

    /// When [`Input::Tick`] is due.
    #[must_use]
    pub fn deadline(self) -> Option<Tick> {
        match self {
            Door::Secured => None,
            Door::Released { until } => Some(until),
        }
    }
}

/// One step of the door. At most one effect a step.
#[must_use]
pub fn step(door: Door, input: Input, now: Tick) -> (Door, Option<Effect>) {
    let secure = |cause| (Door::Secured, Some(Effect::Secure { cause }));
    match (door, input) {
        (Door::Secured, Input::Granted { release }) => {
            let until = now + release;
            let cause = ReleaseCause::Grant;
            (
                Door::Released { until },
                Some(Effect::Release { cause, release }),
            )
        }
        // Somebody else came while it was released: it stays so for them too.
        (Door::Released { until }, Input::Granted { release }) => {
            let until = until.max(now + release);
            (Door::Released { until }, None)
        }
        (Door::Released { until }, Input::Tick) if now >= until => {
            secure(SecureCause::ReleaseTimeOver)
        }
        (Door::Released { .. }, Input::RelayFailed) => secure(SecureCause::RelayFault),
        (Door::Released { .. }, Input::Stop) => secure(SecureCause::Stop),
        (Door::Released { .. }, Input::Tick)
        | (Door::Secured, Input::Tick | Input::RelayFailed | Input::Stop) => (door, None),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_input() -> impl Strategy<Value = Input> {
        prop_oneof![
            1 => (200u64..10_000).prop_map(|ms| Input::Granted { release: Duration::from_millis(ms) }),
            4 => Just(Input::Tick),
            1 => Just(Input::RelayFailed),
            1 => Just(Input::Stop),
        ]
    }

    proptest! {
        /// Invariant 1: released only by a grant, and never longer than granted.
        #[test]
        fn released_only_by_a_grant_and_only_for_its_time(
            steps in prop::collection::vec((any_input(), 0u64..5_000), 1..200),
        ) {
            let (mut door, mut now) = (Door::default(), Tick::default());
            let mut allowed_until = Tick::default();
            for (input, pause) in steps {
                now = now + Duration::from_millis(pause);
                if let Input::Granted { release } = input {
                    allowed_until = allowed_until.max(now + release);
                }
                let (next, effect) = step(door, input, now);
                prop_assert_eq!(
                    matches!(effect, Some(Effect::Release { .. })),
                    door == Door::Secured && next != Door::Secured
                );
                prop_assert_eq!(
                    matches!(effect, Some(Effect::Secure { .. })),
                    door != Door::Secured && next == Door::Secured
                );
                if let Door::Released { until } = next {
                    prop_assert!(until <= allowed_until);
                    prop_assert!(!matches!(input, Input::Stop | Input::RelayFailed));
                    prop_assert!(!(input == Input::Tick && now >= until));
                }
                door = next;
            }
        }
    }
}
