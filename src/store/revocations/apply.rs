//! What was taken away is taken away again, from a database that does not know of it.
//!
//! Only ever takes: what a backup grants and the lines do not contradict stays as it is. Whoever was
//! changed since the backup is suspended, because what the backup lets them do is not what they may.
//! A mode that held the door released is over in any case.

use std::fmt;

use rusqlite::{Connection, params};

use super::derive;
use super::line::{Allowed, Lost, Order, Revoked};
use crate::clock::Timestamp;
use crate::command::Operator;
use crate::event::{Event, Mode, PersonStatus};
use crate::store::events::append;
use crate::store::{Stamp, StoreError, operators, orders, persons};

/// What was taken away from a database once more.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TakenAway {
    /// People who are suspended again, or because they were changed.
    pub suspended: usize,
    /// People who are removed again.
    pub removed: usize,
    /// Operators who are removed again, or whose role is the lesser one again.
    pub operators: usize,
    /// Modes that are set again, or are over.
    pub modes: usize,
    /// Whether groups, schedules or holidays were changed that are as they were before.
    pub rules_changed: bool,
    /// Lines that could not be read.
    pub unreadable: usize,
}

impl fmt::Display for TakenAway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = [
            (self.suspended, "suspended"),
            (self.removed, "removed"),
            (self.operators, "operators removed or reduced"),
            (self.modes, "modes ordered or ended"),
        ];
        let counted = counted.iter().filter(|(count, _)| *count > 0);
        let counted: Vec<_> = counted.map(|(n, what)| format!("{n} {what}")).collect();
        if counted.is_empty() {
            f.write_str("nothing that is known was taken away since")?;
        } else {
            write!(
                f,
                "what was taken away since is taken away again: {}",
                counted.join(", ")
            )?;
        }
        if self.rules_changed {
            f.write_str("; rules (groups, schedules, holidays) were changed since and are as they were before")?;
        }
        if self.unreadable > 0 {
            write!(
                f,
                "; {} lines of what was taken away cannot be read",
                self.unreadable
            )?;
        }
        Ok(())
    }
}

/// Takes away from a database, whose last event is `known`, what the lines say.
pub(in crate::store) fn apply(
    conn: &Connection,
    stamp: &Stamp,
    now: Timestamp,
    revoked: &Revoked,
    known: u64,
) -> Result<TakenAway, StoreError> {
    let scope = Scope { conn, stamp, now };
    let (suspended, removed) = scope.people(revoked, known)?;
    let taken = TakenAway {
        suspended,
        removed,
        operators: scope.operators(revoked)?,
        modes: scope.modes(revoked)?,
        rules_changed: revoked.rules.is_some_and(|seq| seq > known),
        unreadable: 0,
    };
    scope.commands(revoked)?;
    Ok(taken)
}

struct Scope<'a> {
    conn: &'a Connection,
    stamp: &'a Stamp,
    now: Timestamp,
}

impl Scope<'_> {
    fn people(&self, revoked: &Revoked, known: u64) -> Result<(usize, usize), StoreError> {
        let (mut suspended, mut removed) = (0, 0);
        for (id, lost) in &revoked.people {
            let Some(person) = persons::find_by_id(self.conn, *id)? else {
                continue;
            };
            let Lost {
                suspended: held,
                changed,
                removed: gone,
            } = lost;
            let who = person.reference();
            let key = id.to_string();
            if gone.is_some() {
                self.conn
                    .execute("DELETE FROM persons WHERE id = ?", [key])?;
                let templates = person.templates;
                let event = Event::Removed {
                    person: who,
                    templates,
                };
                self.record(event)?;
                removed += 1;
            } else if (held.is_some_and(|(_, held)| held) || changed.is_some_and(|seq| seq > known))
                && person.status == PersonStatus::Active
            {
                self.conn.execute(
                    "UPDATE persons SET status = ?, updated_at = ? WHERE id = ?",
                    params![
                        PersonStatus::Suspended.as_str(),
                        crate::clock::rfc3339_millis(self.now),
                        key
                    ],
                )?;
                self.record(Event::Suspended { person: who })?;
                suspended += 1;
            }
        }
        Ok((suspended, removed))
    }

    fn operators(&self, revoked: &Revoked) -> Result<usize, StoreError> {
        let mut changed = 0;
        for (name, operator) in operators::all(self.conn)? {
            let Some((_, allowed)) = revoked.operators.get(&name) else {
                continue;
            };
            changed += usize::from(match allowed {
                Some(allowed) if allowed.key == Allowed::of(&operator).key => {
                    self.reduce(&operator, allowed)?
                }
                Some(_) | None => {
                    self.conn
                        .execute("DELETE FROM operators WHERE name = ?", [&name])?;
                    self.record(Event::OperatorRemoved { operator: name })?;
                    true
                }
            });
        }
        Ok(changed)
    }

    fn reduce(&self, operator: &Operator, allowed: &Allowed) -> Result<bool, StoreError> {
        if operator.role <= allowed.role {
            return Ok(false);
        }
        self.conn.execute(
            "UPDATE operators SET role = ? WHERE name = ?",
            [allowed.role.as_str(), &operator.name],
        )?;
        self.record(Event::OperatorAdded {
            operator: operator.name.clone(),
            role: allowed.role,
        })?;
        Ok(true)
    }

    fn modes(&self, revoked: &Revoked) -> Result<usize, StoreError> {
        let mut changed = 0;
        for order in derive::orders(self.conn)? {
            if order.mode == Mode::Unlocked {
                changed += usize::from(self.order(&order.door, None)?);
            }
        }
        let last = revoked.orders.iter().flat_map(|(_, orders)| orders);
        let restricts =
            |order: &&Order| order.restricts() && order.until.is_none_or(|until| until > self.now);
        for order in last.filter(restricts) {
            let wanted = Some((order.mode, order.until));
            changed += usize::from(self.order(&order.door, wanted)?);
        }
        Ok(changed)
    }

    fn order(
        &self,
        door: &str,
        order: Option<crate::guard::ModeOrder>,
    ) -> Result<bool, StoreError> {
        // A lockdown of the backup is not lifted by a mode that is less than one.
        let stands = orders::read(self.conn, door)?;
        let stands = stands.is_some_and(|(mode, until)| {
            mode == Mode::Lockdown && until.is_none_or(|until| until > self.now)
        });
        if stands && order.is_none_or(|(mode, _)| mode != Mode::Lockdown) {
            return Ok(false);
        }
        orders::set(self.conn, self.stamp, self.now, door, order)
    }

    fn commands(&self, revoked: &Revoked) -> Result<(), StoreError> {
        let mut statement = self.conn.prepare_cached(
            "INSERT OR IGNORE INTO commands_seen (operator, id, seen_at, expires_at)
             VALUES (?, ?, ?, ?)",
        )?;
        for ((operator, id), (over, counted)) in &revoked.spent {
            statement.execute(params![operator, id, counted.unwrap_or_default(), over])?;
        }
        Ok(())
    }

    fn record(&self, event: Event) -> Result<(), StoreError> {
        append(self.conn, self.stamp, self.now, event).map(drop)
    }
}
