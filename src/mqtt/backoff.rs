//! How long to wait before connecting again: exponential, with jitter, bounded on both sides.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use super::failure::Failure;
use super::settings::Retry;

/// The waits between the attempts of one pump.
#[derive(Debug)]
pub(super) struct Backoff {
    retry: Retry,
    waits: ExponentialBackoff,
}

impl Backoff {
    pub(super) fn new(retry: Retry) -> Self {
        Self {
            retry,
            waits: waits(retry),
        }
    }

    /// A connection lived: the next failure is a new one.
    pub(super) fn reset(&mut self) {
        self.waits = waits(self.retry);
    }

    /// The wait before the next attempt after something that passes.
    pub(super) fn soon(&mut self) -> Duration {
        let wait = self.waits.next().unwrap_or(self.retry.longest);
        wait.clamp(self.retry.first, self.retry.longest)
    }

    /// The wait before the next attempt. What a person must repair is asked for at the slow
    /// end from the beginning.
    pub(super) fn next(&mut self, failure: &Failure) -> Duration {
        match failure {
            Failure::Configuration(_) => slowest(self.retry)
                .build()
                .next()
                .unwrap_or(self.retry.longest)
                .clamp(self.retry.first, self.retry.longest),
            Failure::Network(_) | Failure::Storage(_) | Failure::Defect(_) => self.soon(),
        }
    }
}

fn waits(retry: Retry) -> ExponentialBackoff {
    slowest(retry).with_min_delay(retry.first).build()
}

/// The jitter adds up to one wait more, hence half of the longest.
fn slowest(retry: Retry) -> ExponentialBuilder {
    let half = (retry.longest / 2).max(retry.first);
    ExponentialBuilder::new()
        .with_min_delay(half)
        .with_max_delay(half)
        .with_jitter()
        .without_max_times()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_from_one_second_to_one_minute_and_start_over() {
        let mut backoff = Backoff::new(Retry::default());
        let network = Failure::Network(String::new());
        for _ in 0..200 {
            let first = backoff.next(&network);
            assert!((1.0..=2.0).contains(&first.as_secs_f32()), "{first:?}");
            let later: Vec<_> = (0..9).map(|_| backoff.next(&network)).collect();
            assert!(later.iter().all(|wait| wait.as_secs() <= 60), "{later:?}");
            assert!(later.last().unwrap().as_secs() >= 30, "{later:?}");
            backoff.reset();
        }
    }

    #[test]
    fn what_a_person_must_repair_is_asked_for_slowly() {
        let mut backoff = Backoff::new(Retry::default());
        let configuration = Failure::Configuration(String::new());
        for _ in 0..200 {
            let wait = backoff.next(&configuration).as_secs_f32();
            assert!((30.0..=60.0).contains(&wait), "{wait}");
        }
    }
}
