//! How full the outbox is, and when to say so.
//!
//! [`LevelWatch`] only compares numbers; it never looks into the database.

use super::limits::Limits;
use crate::config::{Droppable, OutboxConfig};

/// What waits for the broker, whether it was sent already or not; refused messages do not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Size {
    /// Messages.
    pub messages: u64,
    /// Their payload, in bytes.
    pub bytes: u64,
}

impl Size {
    /// How much of the nearer limit is used, in thousandths.
    #[must_use]
    pub fn per_mille(&self, limits: &Limits) -> u64 {
        let share = |used: u64, limit: u64| {
            let share = u128::from(used) * 1000 / u128::from(limit.max(1));
            u64::try_from(share).unwrap_or(u64::MAX)
        };
        share(self.messages, limits.messages).max(share(self.bytes, limits.bytes))
    }

    /// Whether there is more than there may be.
    #[must_use]
    pub fn exceeds(&self, limits: &Limits) -> bool {
        self.messages > limits.messages || self.bytes > limits.bytes
    }

    /// For an operator: how much waits, of how much, and what happens next.
    #[must_use]
    pub fn describe(&self, config: &OutboxConfig) -> String {
        let Size { messages, bytes } = self;
        let limits = Limits::from_config(config);
        let percent = self.per_mille(&limits) / 10;
        let next = if config.drop.is_empty() {
            "nothing is dropped, so the disk fills".to_owned()
        } else {
            let names: Vec<&str> = config.drop.iter().copied().map(Droppable::as_str).collect();
            let names = names.join(", ");
            format!(
                "at the limit the oldest of {names} are dropped, and everything else goes on waiting"
            )
        };
        format!(
            "{messages} messages ({} MiB) wait for the broker, {percent} % of what [outbox] allows (max_messages = {}, max_mib = {}); {next}",
            bytes >> 20,
            config.max_messages,
            config.max_mib,
        )
    }
}

/// What changed about the level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LevelNews {
    /// It reached the warning level.
    High,
    /// It is well below it again.
    Normal,
}

/// Tells once when the outbox gets full, and once when it is emptier again: below seven eighths
/// of the warning level, so that an outbox at that level does not raise and clear by turns.
#[derive(Debug, Clone, Copy, Default)]
pub struct LevelWatch {
    high: bool,
}

impl LevelWatch {
    /// Takes note of a level; says whether that is news.
    pub fn news(&mut self, per_mille: u64, warn_percent: u8) -> Option<LevelNews> {
        let warn = u64::from(warn_percent) * 10;
        if !self.high && per_mille >= warn {
            self.high = true;
            return Some(LevelNews::High);
        }
        if self.high && per_mille < warn * 7 / 8 {
            self.high = false;
            return Some(LevelNews::Normal);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_once_and_taken_back_well_below() {
        let mut watch = LevelWatch::default();
        let said: Vec<_> = [799, 800, 1200, 700, 799, 700, 699, 799, 800]
            .map(|per_mille| watch.news(per_mille, 80))
            .into_iter()
            .enumerate()
            .filter_map(|(at, news)| news.map(|news| (at, news)))
            .collect();
        let expected = [
            (1, LevelNews::High),
            (6, LevelNews::Normal),
            (8, LevelNews::High),
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn the_nearer_limit_counts_and_no_number_is_too_large() {
        let limits = Limits {
            messages: 100,
            bytes: 1_000,
            drop: Vec::new(),
        };
        let size = |messages, bytes| Size { messages, bytes };
        assert_eq!(size(10, 500).per_mille(&limits), 500);
        assert_eq!(size(90, 500).per_mille(&limits), 900);
        assert!(!size(100, 1_000).exceeds(&limits));
        assert!(size(101, 0).exceeds(&limits));
        assert!(size(0, 1_001).exceeds(&limits));
        let none = Limits {
            messages: 0,
            bytes: 0,
            drop: Vec::new(),
        };
        assert_eq!(size(u64::MAX, 1).per_mille(&none), u64::MAX);
    }

    #[test]
    fn an_operator_reads_how_much_and_what_comes_next() {
        let mut config = OutboxConfig {
            max_messages: 1_000,
            ..OutboxConfig::default()
        };
        let size = Size {
            messages: 850,
            bytes: 3 << 20,
        };
        let text = size.describe(&config);
        assert!(
            text.starts_with("850 messages (3 MiB) wait for the broker, 85 %"),
            "{text}"
        );
        assert!(text.contains("telemetry, snapshot, qos0"), "{text}");
        config.drop.clear();
        assert!(size.describe(&config).contains("nothing is dropped"));
    }
}
