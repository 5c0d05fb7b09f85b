//! The lines of the file, and what they come to together.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::command::Operator;
use crate::command::gate::Spent;
use crate::event::{Mode, PersonId, Role};

/// One thing that was said. `seq` is the number of the event that says it too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub(in crate::store) enum Line {
    /// Up to this event everything is in the lines before.
    Through { seq: u64 },
    /// Somebody who is enrolled.
    Person { seq: u64, id: PersonId, is: Person },
    /// Somebody who sends commands; with `allowed` no more than that.
    Operator {
        seq: u64,
        name: String,
        allowed: Option<Allowed>,
    },
    /// The modes that are ordered, of every door; none where the schedule governs.
    Mode { seq: u64, orders: Vec<Order> },
    /// Groups, schedules or holidays were changed.
    Rules { seq: u64 },
    /// A command that is spent; times in milliseconds.
    Spent {
        operator: String,
        id: String,
        over: i64,
        counted: Option<i64>,
    },
}

/// What became of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::store) enum Person {
    Suspended,
    Resumed,
    /// Groups, dates, PIN: what lets them in is not what it was.
    Changed,
    Removed,
}

/// With which key and role somebody may send commands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::store) struct Allowed {
    pub(in crate::store) role: Role,
    /// In hex.
    pub(in crate::store) key: String,
}

/// A mode that is ordered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::store) struct Order {
    pub(in crate::store) door: String,
    pub(in crate::store) mode: Mode,
    pub(in crate::store) until: Option<Timestamp>,
}

impl Allowed {
    pub(in crate::store) fn of(operator: &Operator) -> Self {
        Self {
            role: operator.role,
            key: hex::encode(operator.key.as_bytes()),
        }
    }
}

impl Order {
    /// Whether it keeps people out who would be let in without it.
    pub(in crate::store) fn restricts(&self) -> bool {
        matches!(self.mode, Mode::Lockdown | Mode::Normal)
    }
}

impl Line {
    pub(in crate::store) fn spent(spent: &Spent, at: Timestamp) -> Self {
        Self::spent_at(spent, spent.counts.then_some(at))
    }

    pub(in crate::store) fn spent_at(spent: &Spent, counted: Option<Timestamp>) -> Self {
        Line::Spent {
            operator: spent.operator.clone(),
            id: spent.id.clone(),
            over: spent.over.as_millisecond(),
            counted: counted.map(Timestamp::as_millisecond),
        }
    }

    /// The event that says it too; none of a command.
    fn seq(&self) -> u64 {
        match self {
            Line::Through { seq }
            | Line::Person { seq, .. }
            | Line::Operator { seq, .. }
            | Line::Mode { seq, .. }
            | Line::Rules { seq } => *seq,
            Line::Spent { .. } => 0,
        }
    }

    /// Whether it says something in somebody's favour.
    pub(in crate::store) fn gives(&self) -> bool {
        match self {
            Line::Person { is, .. } => *is == Person::Resumed,
            Line::Operator { allowed, .. } => allowed.is_some(),
            Line::Mode { orders, .. } => !orders.iter().any(|order| order.mode == Mode::Lockdown),
            Line::Through { .. } | Line::Rules { .. } | Line::Spent { .. } => false,
        }
    }

    /// What it takes away: of an operator with another key or role, what they had before.
    pub(in crate::store) fn taking(&self) -> Option<Line> {
        match self {
            Line::Operator {
                seq,
                name,
                allowed: Some(_),
            } => Some(Line::Operator {
                // The event is complete only with what it gives.
                seq: seq.saturating_sub(1),
                name: name.clone(),
                allowed: None,
            }),
            line => (!line.gives()).then(|| line.clone()),
        }
    }
}

/// What is known of a person who lost something, each with its event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::store) struct Lost {
    /// Whether they are suspended.
    pub(in crate::store) suspended: Option<(u64, bool)>,
    pub(in crate::store) changed: Option<u64>,
    pub(in crate::store) removed: Option<u64>,
}

/// What all lines come to: of each thing its last word, which is that of the last event, in whatever order
/// the lines came into the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::store) struct Revoked {
    /// The last event that is in it.
    pub(in crate::store) through: u64,
    /// The event up to which nothing is missing.
    pub(in crate::store) complete: u64,
    pub(in crate::store) people: BTreeMap<PersonId, Lost>,
    pub(in crate::store) operators: BTreeMap<String, (u64, Option<Allowed>)>,
    pub(in crate::store) orders: Option<(u64, Vec<Order>)>,
    /// The last change of a rule.
    pub(in crate::store) rules: Option<u64>,
    /// Spent commands by operator and id: until when, and when they counted.
    pub(in crate::store) spent: BTreeMap<(String, String), (i64, Option<i64>)>,
}

impl Revoked {
    pub(in crate::store) fn of(lines: &[Line]) -> Self {
        let mut revoked = Self::default();
        for line in lines {
            revoked.take(line);
        }
        revoked
    }

    /// Takes one more line; says whether it was news.
    pub(in crate::store) fn take(&mut self, line: &Line) -> bool {
        self.through = self.through.max(line.seq());
        match line {
            Line::Through { seq } => newer(&mut self.complete, *seq),
            Line::Person { seq, id, is } => {
                let lost = self.people.entry(*id).or_default();
                match is {
                    Person::Suspended => last(&mut lost.suspended, *seq, &true),
                    Person::Resumed => last(&mut lost.suspended, *seq, &false),
                    Person::Changed => newer(lost.changed.get_or_insert(0), *seq),
                    Person::Removed => newer(lost.removed.get_or_insert(0), *seq),
                }
            }
            Line::Operator { seq, name, allowed } => {
                let mut said = self.operators.remove(name);
                let news = last(&mut said, *seq, allowed);
                self.operators.extend(said.map(|said| (name.clone(), said)));
                news
            }
            Line::Mode { seq, orders } => last(&mut self.orders, *seq, orders),
            Line::Rules { seq } => newer(self.rules.get_or_insert(0), *seq),
            Line::Spent {
                operator,
                id,
                over,
                counted,
            } => {
                let key = (operator.clone(), id.clone());
                self.spent.insert(key, (*over, *counted)).is_none()
            }
        }
    }

    /// Forgets spent commands that are over.
    pub(in crate::store) fn forget(&mut self, over: impl Fn(Timestamp) -> bool) {
        self.spent
            .retain(|_, (until, _)| !Timestamp::from_millisecond(*until).is_ok_and(&over));
    }

    /// The fewest lines that come to the same.
    pub(in crate::store) fn lines(&self) -> Vec<Line> {
        let mut lines = vec![Line::Through { seq: self.complete }];
        for (id, lost) in &self.people {
            let suspended = lost.suspended.filter(|(_, suspended)| *suspended);
            let said = [
                (suspended.map(|(seq, _)| seq), Person::Suspended),
                (lost.changed, Person::Changed),
                (lost.removed, Person::Removed),
            ];
            // Of somebody who is gone nothing else matters.
            let said = said.into_iter().filter_map(|(seq, is)| Some((seq?, is)));
            let said = said.filter(|(_, is)| lost.removed.is_none() || *is == Person::Removed);
            lines.extend(said.map(|(seq, is)| Line::Person { seq, id: *id, is }));
        }
        for (name, (seq, allowed)) in &self.operators {
            lines.push(Line::Operator {
                seq: *seq,
                name: name.clone(),
                allowed: allowed.clone(),
            });
        }
        if let Some((seq, orders)) = &self.orders {
            lines.push(Line::Mode {
                seq: *seq,
                orders: orders.clone(),
            });
        }
        lines.extend(self.rules.map(|seq| Line::Rules { seq }));
        for ((operator, id), (over, counted)) in &self.spent {
            lines.push(Line::Spent {
                operator: operator.clone(),
                id: id.clone(),
                over: *over,
                counted: *counted,
            });
        }
        lines
    }
}

/// Keeps the higher number; says whether it is another one.
fn newer(known: &mut u64, seq: u64) -> bool {
    let news = seq > *known;
    *known = seq.max(*known);
    news
}

/// Keeps the word of the later event; says whether it is another one. (A number whose commit failed is
/// given to another event: the later line counts.)
fn last<T: Clone + PartialEq>(known: &mut Option<(u64, T)>, seq: u64, word: &T) -> bool {
    if known.as_ref().is_some_and(|(known, _)| *known > seq) {
        return false;
    }
    let said = Some((seq, word.clone()));
    let news = *known != said;
    *known = said;
    news
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(seq: u64, is: Person) -> Line {
        let id = PersonId(uuid::Uuid::nil());
        Line::Person { seq, id, is }
    }

    #[test]
    fn the_last_event_has_the_last_word_in_whatever_order_the_lines_came() {
        let [suspended, resumed] = [person(5, Person::Suspended), person(6, Person::Resumed)];
        let orders = [[suspended.clone(), resumed.clone()], [resumed, suspended]];
        for lines in orders {
            let revoked = Revoked::of(&lines);
            let lost = revoked.people.values().next().unwrap();
            assert_eq!(lost.suspended, Some((6, false)));
            assert_eq!(revoked.lines(), [Line::Through { seq: 0 }]);
        }
    }

    #[test]
    fn what_is_written_anew_comes_to_the_same() {
        let lines = [
            person(1, Person::Suspended),
            person(2, Person::Changed),
            Line::Rules { seq: 3 },
            Line::Rules { seq: 7 },
            Line::Operator {
                seq: 8,
                name: "ada".into(),
                allowed: None,
            },
            Line::Mode {
                seq: 9,
                orders: Vec::new(),
            },
            Line::Through { seq: 9 },
        ];
        let revoked = Revoked::of(&lines);
        let anew = revoked.lines();
        assert_eq!(Revoked::of(&anew), revoked);
        assert_eq!(anew.len(), 6);
        let mut again = revoked;
        assert!(lines.iter().all(|line| !again.take(line)));
    }
}
