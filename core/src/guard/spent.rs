//! Spent commands, as the gate has to know them.
//!
//! The guard alone spends commands, so what it remembers is the whole truth; the store has the same
//! for the next start. A command is forgotten once it has been over for [`SETBACK_S`] by the newest time
//! that is known, which no clock that is set back takes back. Of one operator so many are remembered; of
//! one who sends more, everything is spent that is over no later than what could not be.

use std::collections::BTreeMap;

use crate::clock::{Tick, Timestamp};
use crate::command::Operator;
use crate::command::gate::{ABSURD_S, Ledger, SETBACK_S, Spent};
use crate::command::limits::Budgets;

use super::Facts;
use super::wall::Wall;

/// Remembered commands of one operator, beside those of the minutes for which each is: about two.
const SPARE: usize = 64;
const MINUTES: usize = 3;

/// Every command that is remembered, with the time at which it counted.
#[derive(Debug, Clone, Default)]
pub(super) struct SpentCommands {
    known: Vec<(Spent, Option<Timestamp>)>,
    /// How many of one operator are remembered.
    most: usize,
    /// Of operators who sent more: what is over until then counts as spent.
    shut: BTreeMap<String, Timestamp>,
}

impl SpentCommands {
    /// What was remembered, of operators of whom so many are carried out in a minute.
    pub(super) fn new(remembered: Vec<(Spent, Option<Timestamp>)>, per_minute: u32) -> Self {
        let minute = usize::try_from(per_minute).unwrap_or(usize::MAX);
        Self {
            known: remembered,
            most: minute.saturating_mul(MINUTES).saturating_add(SPARE),
            shut: BTreeMap::new(),
        }
    }

    /// From now on this one never counts again. Gives it back when it is to be remembered by the disk too.
    #[must_use]
    pub(super) fn spend(&mut self, spent: Spent, at: Timestamp) -> Option<Spent> {
        if self.is_spent(&spent) {
            return None;
        }
        if !self.has_room(&spent.operator, at) {
            let shut = self.shut.entry(spent.operator).or_insert(spent.over);
            *shut = spent.over.max(*shut);
            return None;
        }
        let counted = spent.counts.then_some(at);
        self.known.push((spent.clone(), counted));
        Some(spent)
    }

    /// Forgets what has been over for long enough by the newest time that is known.
    pub(super) fn tidy(&mut self, wall: &Wall) {
        let Some(newest) = wall.times().newest else {
            return;
        };
        let setback = jiff::SignedDuration::from_secs(SETBACK_S);
        let stands = |over: Timestamp| over.checked_add(setback).is_ok_and(|over| over > newest);
        self.known.retain(|(spent, _)| stands(spent.over));
        self.shut.retain(|_, over| stands(*over));
    }

    fn is_spent(&self, command: &Spent) -> bool {
        let same = |spent: &Spent| spent.operator == command.operator && spent.id == command.id;
        let shut = self.shut.get(&command.operator);
        shut.is_some_and(|shut| command.over <= *shut)
            || self.known.iter().any(|(spent, _)| same(spent))
    }

    /// What an older version kept of an absurd time takes no room.
    fn has_room(&self, operator: &str, at: Timestamp) -> bool {
        let until = at.as_second().saturating_add(ABSURD_S + 2 * SETBACK_S);
        let mine = |spent: &Spent| spent.operator == operator && spent.over.as_second() <= until;
        self.known.iter().filter(|(spent, _)| mine(spent)).count() < self.most
    }
}

/// What the gate asks.
pub(super) struct Remembered<'a> {
    pub(super) facts: &'a Facts,
    /// Whether the facts are new enough.
    pub(super) known: bool,
    pub(super) spent: &'a SpentCommands,
    pub(super) budgets: &'a mut Budgets,
    pub(super) wall: &'a Wall,
    /// Now, by the newest time that is known.
    pub(super) at: Timestamp,
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
    fn may_verify(&mut self, operator: &str) -> bool {
        self.budgets.may_verify(operator, self.now)
    }
    fn complaint(&mut self) -> Option<String> {
        self.wall.complaint().map(str::to_owned)
    }
    fn newest(&mut self) -> Result<Option<Timestamp>, NotKnown> {
        Ok(self.wall.times().newest)
    }
    fn not_before(&mut self) -> Result<Option<Timestamp>, NotKnown> {
        Ok(self.wall.times().not_before)
    }
    fn is_spent(&mut self, command: &Spent) -> Result<bool, NotKnown> {
        Ok(self.spent.is_spent(command))
    }
    fn has_room(&mut self, operator: &str) -> Result<bool, NotKnown> {
        Ok(self.spent.has_room(operator, self.at))
    }
    fn counted(&mut self, operator: &str, since: Timestamp) -> Result<u32, NotKnown> {
        let counted =
            self.spent.known.iter().filter(|(spent, at)| {
                spent.operator == operator && at.is_some_and(|at| at > since)
            });
        Ok(u32::try_from(counted.count()).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Times;
    use super::*;

    fn at(s: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + s).unwrap()
    }

    fn wall(newest: i64) -> Wall {
        Wall::new(Times {
            newest: Some(at(newest)),
            ..Times::default()
        })
    }

    fn spent(id: &str, over: i64, counts: bool) -> Spent {
        Spent {
            operator: "ada".into(),
            id: id.into(),
            over: at(over),
            counts,
        }
    }

    /// The store forgets no earlier (`store::commands`).
    #[test]
    fn it_is_forgotten_only_when_it_is_long_over_by_the_newest_time_that_is_known() {
        let mut commands = SpentCommands::new(Vec::new(), 30);
        let known = |commands: &SpentCommands, id: &str| commands.is_spent(&spent(id, 0, true));
        let mut spend = |id: &str, over, now| {
            let _ = commands.spend(spent(id, over, true), at(now));
            commands.tidy(&wall(now));
            commands.clone()
        };
        spend("old", 30, 0);
        spend("future", 5_000, 0);
        assert!(known(&spend("soon", 100, 89), "old"));
        let commands = spend("then", 100, 90);
        assert!(!known(&commands, "old"));
        for kept in ["soon", "then", "future"] {
            assert!(known(&commands, kept), "{kept}");
        }
    }

    #[test]
    fn what_is_remembered_of_one_operator_has_a_limit_beyond_which_everything_is_spent() {
        let mut commands = SpentCommands::new(Vec::new(), 2);
        let most = 2 * MINUTES + SPARE;
        for n in 0..most {
            let kept = commands.spend(spent(&n.to_string(), 30, true), at(0));
            assert!(kept.is_some());
        }
        assert!(!commands.has_room("ada", at(0)) && commands.has_room("bob", at(0)));
        assert!(!commands.is_spent(&spent("more", 40, true)));
        assert_eq!(commands.spend(spent("more", 40, true), at(0)), None);
        assert!(commands.is_spent(&spent("more", 40, true)));
        assert!(commands.is_spent(&spent("another", 40, true)));
        assert!(!commands.is_spent(&spent("later", 41, true)));
        // What an older version kept for ever takes no room.
        let absurd = (0..most).map(|n| (spent(&n.to_string(), 9_000_000, false), None));
        let old = SpentCommands::new(absurd.collect(), 2);
        assert!(old.has_room("ada", at(0)));
    }

    #[test]
    fn the_rate_is_counted_from_what_counts_and_nobody_is_known_by_old_facts() {
        let mut commands = SpentCommands::new(Vec::new(), 30);
        for (id, now, counts) in [("1", 0, true), ("2", 40, true), ("3", 40, false)] {
            let _ = commands.spend(spent(id, now + 30, counts), at(now));
        }
        let mut ledger = Remembered {
            facts: &Facts::default(),
            known: true,
            spent: &commands,
            budgets: &mut Budgets::default(),
            wall: &wall(40),
            at: at(40),
            now: Tick::default(),
        };
        assert_eq!(ledger.counted("ada", at(-20)), Ok(2));
        assert_eq!(ledger.counted("ada", at(0)), Ok(1));
        assert_eq!(ledger.counted("bob", at(-20)), Ok(0));
        assert_eq!(ledger.operator("ada"), Ok(None));
        ledger.known = false;
        assert_eq!(ledger.operator("ada"), Err(NotKnown));
    }
}
