//! A pause that the broker has asked for by refusing a message for now.

use std::time::Duration;

use crate::clock::Tick;

/// The first pause, doubled with every further refusal.
const FIRST: Duration = Duration::from_secs(1);
/// The longest.
const LONGEST: Duration = Duration::from_secs(60);

/// Nothing new is sent while it is on. The connection stays: commands still come in.
#[derive(Debug, Default)]
pub(super) struct Pause {
    until: Option<Tick>,
    /// How long the last one was.
    length: Duration,
}

impl Pause {
    /// Begins one, or lets it be when one is on: a whole window may be refused at once.
    pub(super) fn begin(&mut self, now: Tick) -> Duration {
        if !self.is_on(now) {
            self.length = (self.length * 2).clamp(FIRST, LONGEST);
            self.until = Some(now + self.length);
        }
        self.length
    }

    pub(super) fn is_on(&self, now: Tick) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// True once when it has ended.
    pub(super) fn has_ended(&mut self, now: Tick) -> bool {
        let ended = self.until.is_some_and(|until| until <= now);
        if ended {
            self.until = None;
        }
        ended
    }

    /// The broker takes messages again: the next pause is a first one.
    pub(super) fn over(&mut self) {
        self.length = Duration::ZERO;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_minute_and_start_over_when_a_message_was_taken() {
        let mut pause = Pause::default();
        let mut now = Tick::default();
        assert!(!pause.is_on(now) && !pause.has_ended(now));
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            let length = Duration::from_secs(seconds);
            assert_eq!(pause.begin(now), length);
            assert_eq!(pause.begin(now), length, "the same one");
            now = now + (length - Duration::from_millis(1));
            assert!(pause.is_on(now) && !pause.has_ended(now));
            now = now + Duration::from_millis(1);
            assert!(!pause.is_on(now) && pause.has_ended(now) && !pause.has_ended(now));
        }
        pause.over();
        assert_eq!(pause.begin(now), FIRST);
    }
}
