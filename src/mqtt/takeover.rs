//! Another client with this door's client id, told of by the broker or suspected.
//!
//! Whoever connects under a client id takes its session; with a clean start the broker throws away what
//! the session held, and the door that comes back finds an empty one that looks like its own. So
//! after a takeover nothing of the old session is believed. With MQTT 5 a broker can tell (0x8E), and says
//! so too when it is stopped: one that closes a healthy connection in good order (over TLS a network cannot
//! feign that), without a word, and goes on listening has no better reason (Mosquitto 2.0). With MQTT 3.1.1
//! it has: it takes two, soon after each other and with the broker there all the time.
//!
//! Pure: ends of connections and time go in, what to believe comes out.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Tick;

/// Two ends this close to each other are no accident.
const CLOSE: Duration = Duration::from_secs(300);
/// After so long without one it is over.
const CALM: Duration = Duration::from_secs(3_600);

/// The ends that a takeover would explain.
#[derive(Debug, Default)]
pub(super) struct Takeovers {
    closed: VecDeque<Tick>,
    last: Option<Tick>,
}

impl Takeovers {
    /// The broker has told of one.
    pub(super) fn told(&mut self, now: Tick) {
        self.last = Some(now);
    }

    /// The broker has closed a connection in good order and without a word, though it `could_tell` why.
    /// Whether a takeover is to be suspected.
    pub(super) fn closed(&mut self, now: Tick, could_tell: bool) -> bool {
        self.closed.retain(|at| now.since(*at) < CLOSE);
        self.closed.push_back(now);
        let suspected = could_tell || self.closed.len() > 1;
        if suspected {
            self.closed.pop_front();
            self.last = Some(now);
        }
        suspected
    }

    /// There is another reason for the last one: the broker was restarted, or it refuses a message.
    pub(super) fn explained(&mut self) {
        self.closed.clear();
    }

    /// True once when there was none for an hour.
    pub(super) fn is_over(&mut self, now: Tick) -> bool {
        let over = self.last.is_some_and(|last| now.since(last) >= CALM);
        if over {
            self.last = None;
        }
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Tick {
        Tick(Duration::from_secs(seconds))
    }

    #[test]
    fn two_ends_in_a_row_are_suspicious_and_one_is_not() {
        let mut takeovers = Takeovers::default();
        assert!(!takeovers.closed(at(0), false));
        assert!(!takeovers.closed(at(300), false), "too long ago");
        assert!(takeovers.closed(at(599), false) && takeovers.closed(at(600), false));
        takeovers.explained();
        assert!(!takeovers.closed(at(601), false));
        assert!(
            Takeovers::default().closed(at(0), true),
            "it could have told"
        );
    }

    #[test]
    fn an_hour_later_it_is_over_once() {
        let mut takeovers = Takeovers::default();
        assert!(!takeovers.is_over(at(9_999)));
        takeovers.told(at(10_000));
        assert!(!takeovers.is_over(at(13_599)));
        assert!(takeovers.is_over(at(13_600)) && !takeovers.is_over(at(13_601)));
    }
}
