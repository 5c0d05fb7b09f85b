//! Commands that are spent, as the gate has to know them.
//!
//! The guard alone spends commands, so what it remembers is the whole truth; the store has the same
//! for the next start. What is forgotten, and when, is the store's rule too
//! (`migrations/V6__messaging.sql`).

use crate::clock::{Tick, Timestamp};
use crate::command::Operator;
use crate::command::gate::{Ledger, SETBACK_S, Spent};
use crate::command::limits::Bucket;

use super::Facts;

/// Every command that is remembered, with the time at which it counted.
#[derive(Debug, Clone, Default)]
pub(super) struct SpentCommands(Vec<(Spent, Option<Timestamp>)>);

impl SpentCommands {
    pub(super) fn new(remembered: Vec<(Spent, Option<Timestamp>)>) -> Self {
        Self(remembered)
    }

    /// From now on this one never counts again.
    pub(super) fn spend(&mut self, spent: Spent, now: Timestamp) {
        let at = spent.counts.then_some(now);
        self.0.push((spent, at));
        let Some(newest) = self.newest() else { return };
        let setback = jiff::SignedDuration::from_secs(SETBACK_S);
        self.0.retain(|(spent, _)| {
            spent
                .over
                .checked_add(setback)
                .is_ok_and(|over| over > newest)
        });
    }

    fn newest(&self) -> Option<Timestamp> {
        self.0.iter().filter_map(|(_, at)| *at).max()
    }
}

/// What the gate asks.
pub(super) struct Remembered<'a> {
    pub(super) facts: &'a Facts,
    /// Whether the facts are new enough.
    pub(super) known: bool,
    pub(super) spent: &'a SpentCommands,
    pub(super) verify: &'a mut Bucket,
    pub(super) now: Tick,
}

/// Nobody could read the store lately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the disk does not answer, so that it is not known who may send commands")]
pub(super) struct NotKnown;

impl Ledger for Remembered<'_> {
    type Error = NotKnown;
    fn operator(&mut self, name: &str) -> Result<Option<Operator>, NotKnown> {
        if !self.known {
            return Err(NotKnown);
        }
        Ok(self.facts.operators.get(name).cloned())
    }
    fn may_verify(&mut self) -> bool {
        self.verify.take(self.now)
    }
    fn is_spent(&mut self, operator: &str, id: &str) -> Result<bool, NotKnown> {
        let mut spent = self.spent.0.iter();
        Ok(spent.any(|(spent, _)| spent.operator == operator && spent.id == id))
    }
    fn newest(&mut self) -> Result<Option<Timestamp>, NotKnown> {
        Ok(self.spent.newest())
    }
    fn counted(&mut self, operator: &str, since: Timestamp) -> Result<u32, NotKnown> {
        let counted =
            self.spent.0.iter().filter(|(spent, at)| {
                spent.operator == operator && at.is_some_and(|at| at > since)
            });
        Ok(u32::try_from(counted.count()).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + s).unwrap()
    }

    fn spent(id: &str, over: i64, counts: bool) -> Spent {
        Spent {
            operator: "ada".into(),
            id: id.into(),
            over: at(over),
            counts,
        }
    }

    fn ledger<'a>(
        facts: &'a Facts,
        spent: &'a SpentCommands,
        verify: &'a mut Bucket,
    ) -> Remembered<'a> {
        Remembered {
            facts,
            known: true,
            spent,
            verify,
            now: Tick::default(),
        }
    }

    /// The store forgets by the same rule (`store::commands`).
    #[test]
    fn it_is_forgotten_only_when_a_newer_one_proves_that_it_is_long_over() {
        let mut commands = SpentCommands::default();
        let known = |commands: &SpentCommands, id: &str| {
            let mut bucket = Bucket::new(1, std::time::Duration::from_secs(1));
            let facts = Facts::default();
            ledger(&facts, commands, &mut bucket)
                .is_spent("ada", id)
                .unwrap()
        };
        commands.spend(spent("old", 30, true), at(0));
        commands.spend(spent("future", 5_000, false), at(0));
        commands.spend(spent("refused", 600, false), at(500));
        assert!(known(&commands, "old"), "by no newer one");
        commands.spend(spent("soon", 100, true), at(89));
        assert!(known(&commands, "old"));
        commands.spend(spent("then", 100, true), at(90));
        assert!(!known(&commands, "old"));
        commands.spend(spent("back", 60, true), at(40));
        for kept in ["soon", "then", "back", "future", "refused"] {
            assert!(known(&commands, kept), "{kept}");
        }
        assert_eq!(commands.newest(), Some(at(90)));
    }

    #[test]
    fn the_rate_is_counted_from_what_counts_and_nobody_is_known_by_old_facts() {
        let mut commands = SpentCommands::default();
        commands.spend(spent("1", 30, true), at(0));
        commands.spend(spent("2", 70, true), at(40));
        commands.spend(spent("3", 70, false), at(40));
        let (facts, mut bucket) = (
            Facts::default(),
            Bucket::new(1, std::time::Duration::from_secs(1)),
        );
        let mut ledger = ledger(&facts, &commands, &mut bucket);
        assert_eq!(ledger.counted("ada", at(-20)), Ok(2));
        assert_eq!(ledger.counted("ada", at(0)), Ok(1));
        assert_eq!(ledger.counted("bob", at(-20)), Ok(0));
        assert_eq!(ledger.operator("ada"), Ok(None));
        ledger.known = false;
        assert_eq!(ledger.operator("ada"), Err(NotKnown));
    }
}
