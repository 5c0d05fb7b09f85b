//! From levels to beliefs: a level is believed once it has lasted.
//!
//! Pure. A switch bounces for some milliseconds each time it moves, and a long wire picks up
//! pulses; neither may open the door, count as a press or look like a forced door.

use std::time::Duration;

use crate::clock::Tick;

/// What is believed of one input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Debounce {
    time: Duration,
    believed: Option<bool>,
    /// A level that differs from the believed one, and since when it lasts.
    candidate: Option<(bool, Tick)>,
}

impl Debounce {
    /// Nothing is believed until it lasted for `time`, except `initial` where it is known.
    #[must_use]
    pub fn new(time: Duration, initial: Option<bool>) -> Self {
        Self {
            time,
            believed: initial,
            candidate: None,
        }
    }

    /// The level seen now; gives the level that is believed from now on, if that is news.
    pub fn feed(&mut self, level: bool, now: Tick) -> Option<bool> {
        if self.believed == Some(level) {
            self.candidate = None;
            return None;
        }
        let since = match self.candidate {
            Some((candidate, since)) if candidate == level => since,
            _ => now,
        };
        if now.since(since) < self.time {
            self.candidate = Some((level, since));
            return None;
        }
        self.candidate = None;
        self.believed = Some(level);
        Some(level)
    }

    /// The line could not be read for a while: what it showed before has not lasted.
    pub fn interrupt(&mut self) {
        self.candidate = None;
    }

    /// When a level that lasts will be believed: the line must be looked at then.
    #[must_use]
    pub fn deadline(&self) -> Option<Tick> {
        self.candidate.map(|(_, since)| since + self.time)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(ms: u64) -> Tick {
        Tick(Duration::from_millis(ms))
    }

    fn debounce(ms: u64, initial: Option<bool>) -> Debounce {
        Debounce::new(Duration::from_millis(ms), initial)
    }

    #[test]
    fn the_first_level_is_news_once_it_lasted() {
        let mut input = debounce(50, None);
        assert_eq!(input.feed(false, at(0)), None);
        assert_eq!(input.deadline(), Some(at(50)));
        assert_eq!(input.feed(false, at(49)), None);
        assert_eq!(input.feed(false, at(50)), Some(false));
        assert_eq!(input.deadline(), None);
        assert_eq!(input.feed(false, at(90)), None);
    }

    #[test]
    fn an_interruption_starts_the_wait_again() {
        let mut input = debounce(50, Some(false));
        input.feed(true, at(0));
        input.interrupt();
        assert_eq!(input.feed(true, at(60)), None);
        assert_eq!(input.feed(true, at(110)), Some(true));
    }

    #[test]
    fn without_a_time_every_level_is_believed_at_once() {
        let mut input = debounce(0, None);
        assert_eq!(input.feed(true, at(0)), Some(true));
        assert_eq!(input.feed(false, at(0)), Some(false));
    }

    /// Levels with the milliseconds since the look before.
    fn looks() -> impl Strategy<Value = Vec<(u64, bool)>> {
        prop::collection::vec((0..200u64, any::<bool>()), 0..100)
    }

    proptest! {
        #[test]
        fn nothing_changes_but_what_lasted(
            ms in 0..=400u64,
            initial in any::<Option<bool>>(),
            looks in looks(),
        ) {
            let mut input = debounce(ms, initial);
            let mut believed = initial;
            let mut history: Vec<(u64, bool)> = Vec::new();
            let mut now = 0;
            for (gap, level) in looks {
                now += gap;
                history.push((now, level));
                if let Some(news) = input.feed(level, at(now)) {
                    prop_assert_ne!(Some(news), believed);
                    // Every look back to one at least `ms` ago showed this level.
                    let run = history.iter().rev().take_while(|(_, l)| *l == news);
                    let (start, _) = run.last().unwrap();
                    prop_assert!(now - start >= ms);
                    believed = Some(news);
                }
            }
        }

        #[test]
        fn a_burst_shorter_than_the_time_never_passes(
            ms in 1..=400u64,
            burst in prop::collection::vec(any::<bool>(), 1..100),
            gaps in prop::collection::vec(1..20u64, 100),
            level in any::<bool>(),
        ) {
            let mut input = debounce(ms, Some(level));
            let mut now = 0;
            for (seen, gap) in burst.iter().zip(&gaps) {
                now += gap;
                if now >= ms {
                    break;
                }
                prop_assert_eq!(input.feed(*seen, at(now)), None);
            }
            prop_assert_eq!(input.feed(level, at(now)), None);
            prop_assert_eq!(input.feed(level, at(now + 10_000)), None);
        }

        #[test]
        fn what_lasts_longer_than_any_allowed_setting_is_noticed(
            ms in 0..=400u64,
            before in looks(),
            level in any::<bool>(),
            gaps in prop::collection::vec(1..=10u64, 500),
        ) {
            let mut input = debounce(ms, None);
            let mut believed = None;
            let mut now = 0;
            for (gap, seen) in before {
                now += gap;
                believed = input.feed(seen, at(now)).or(believed);
            }
            // From here on the level stands; looked at every 10 ms or sooner, as drivers are.
            let end = now + 411;
            for gap in gaps {
                now += gap;
                if now > end {
                    break;
                }
                believed = input.feed(level, at(now)).or(believed);
            }
            believed = input.feed(level, at(end)).or(believed);
            prop_assert_eq!(believed, Some(level));
        }

        #[test]
        fn looking_at_the_deadline_is_enough(ms in 1..=400u64, start in 0..1000u64, level in any::<bool>()) {
            let mut input = debounce(ms, Some(!level));
            prop_assert_eq!(input.feed(level, at(start)), None);
            let deadline = input.deadline().unwrap();
            prop_assert_eq!(input.feed(level, deadline), Some(level));
        }
    }
}
