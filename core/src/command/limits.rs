//! Limits in memory: how much a flood of messages may cost, whoever sends it.
//!
//! Pure. A [`Bucket`] says how often something may happen. [`Budgets`] share what verifying and answering
//! may cost among operators, so that nobody is kept out by another one, or by whoever writes another
//! one's name. A [`Throttle`] keeps refusals from filling the disk: of each reason some are told, the
//! others counted.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Tick;
use crate::event::CommandRefusal;

/// So many at once, and one more after each interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    every: Duration,
    /// How far the bucket is emptied: time until it is full again, counted from `at`.
    debt: Duration,
    most: Duration,
    at: Tick,
}

impl Bucket {
    /// A full bucket of `burst`, refilled by one `every` so often.
    #[must_use]
    pub fn new(burst: u32, every: Duration) -> Self {
        Self {
            every,
            debt: Duration::ZERO,
            most: every * burst,
            at: Tick::default(),
        }
    }

    /// Takes one, if there is one.
    pub fn take(&mut self, now: Tick) -> bool {
        self.debt = self.debt.saturating_sub(now.since(self.at));
        self.at = self.at.max(now);
        let fits = self.debt + self.every <= self.most;
        if fits {
            self.debt += self.every;
        }
        fits
    }
}

/// Signatures that are verified for each operator whatever the others send, at once and one after each
/// interval. Whoever has no key can use up what is another's by writing their name, but nobody else's.
const OWN_BURST: u32 = 20;
const OWN_EVERY: Duration = Duration::from_millis(100);
/// What all of them share beyond that. A verification takes 50 to 100 µs, on a slow board 200: 300 of them
/// in a second are 6 % of the thread that does it.
const SHARED_BURST: u32 = 300;
const SHARED_EVERY: Duration = Duration::from_micros(3_333);
/// Refusals that one operator is answered.
const ANSWER_BURST: u32 = 20;
const ANSWER_EVERY: Duration = Duration::from_millis(500);

/// What may be spent on messages in each operator's name.
#[derive(Debug, Clone)]
pub struct Budgets {
    shared: Bucket,
    /// Of verifying, and of answering refusals.
    own: BTreeMap<String, (Bucket, Bucket)>,
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            shared: Bucket::new(SHARED_BURST, SHARED_EVERY),
            own: BTreeMap::new(),
        }
    }
}

impl Budgets {
    /// Whether one more signature in the name of this operator may be verified. Only for names that
    /// somebody has: there is one budget for each.
    pub fn may_verify(&mut self, operator: &str, now: Tick) -> bool {
        self.own(operator).0.take(now) || self.shared.take(now)
    }

    /// Whether one more refusal of what this operator signed is answered.
    pub fn may_answer(&mut self, operator: &str, now: Tick) -> bool {
        self.own(operator).1.take(now)
    }

    fn own(&mut self, operator: &str) -> &mut (Bucket, Bucket) {
        self.own.entry(operator.to_owned()).or_insert_with(|| {
            (
                Bucket::new(OWN_BURST, OWN_EVERY),
                Bucket::new(ANSWER_BURST, ANSWER_EVERY),
            )
        })
    }
}

/// How many refusals of one reason are told at once, and how soon one more is.
const BURST: u32 = 5;
const EVERY: Duration = Duration::from_secs(20);

/// Which refusals are told: recorded, and answered where they need not be.
#[derive(Debug, Clone, Default)]
pub struct Throttle(BTreeMap<CommandRefusal, (Option<Bucket>, u64)>);

impl Throttle {
    /// Whether a refusal is told now, and then how many like it were not, since the last one that was.
    pub fn tell(&mut self, reason: CommandRefusal, now: Tick) -> Option<u64> {
        let (bucket, untold) = self.0.entry(reason).or_default();
        let bucket = bucket.get_or_insert_with(|| Bucket::new(BURST, EVERY));
        if bucket.take(now) {
            Some(std::mem::take(untold))
        } else {
            *untold += 1;
            None
        }
    }

    /// So many more were refused before anybody looked at them.
    pub fn untold(&mut self, reason: CommandRefusal, count: u64) {
        self.0.entry(reason).or_default().1 += count;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(ms: u64) -> Tick {
        Tick(Duration::from_millis(ms))
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_one_at_a_time() {
        let mut bucket = Bucket::new(2, Duration::from_secs(1));
        let taken =
            [0, 0, 0, 999, 1_000, 1_000, 60_000, 60_000, 60_000].map(|ms| bucket.take(at(ms)));
        let expected = [true, true, false, false, true, false, true, true, false];
        assert_eq!(taken, expected);
    }

    proptest! {
        #[test]
        fn over_any_time_no_more_is_given_than_burst_and_refill(waits in prop::collection::vec(0u64..400, 1..200)) {
            let mut bucket = Bucket::new(5, Duration::from_millis(100));
            let (mut now, mut given) = (0, 0);
            for wait in waits {
                now += wait;
                given += u64::from(bucket.take(at(now)));
            }
            prop_assert!(given <= 5 + now / 100);
        }
    }

    #[test]
    fn whatever_comes_in_one_name_the_others_keep_a_share_of_their_own() {
        let mut budgets = Budgets::default();
        let verified = (0..5_000).filter(|_| budgets.may_verify("ada", at(0)));
        assert_eq!(verified.count(), 320);
        assert!(!budgets.may_verify("ada", at(1)));
        let others = (0..100).filter(|_| budgets.may_verify("bob", at(1)));
        assert_eq!(others.count(), 20);
        let next = (0..5_000).filter(|_| budgets.may_verify("ada", at(1_000)));
        assert!(next.count() >= 300);
        let answered = (0..100).filter(|_| budgets.may_answer("ada", at(0)));
        assert_eq!(answered.count(), 20);
        assert!(budgets.may_answer("bob", at(0)));
    }

    #[test]
    fn a_flood_of_one_reason_hides_no_other_and_is_counted() {
        let mut throttle = Throttle::default();
        let told = (0..1000).filter_map(|_| throttle.tell(CommandRefusal::Malformed, at(1)));
        assert_eq!(told.count(), 5);
        assert_eq!(throttle.tell(CommandRefusal::Replayed, at(1)), Some(0));
        throttle.untold(CommandRefusal::Malformed, 7);
        assert_eq!(
            throttle.tell(CommandRefusal::Malformed, at(30_000)),
            Some(1002)
        );
    }
}
