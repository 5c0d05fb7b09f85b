//! Groups, schedules and holidays: read together, changed together, with their events.
//!
//! Every change goes through [`Store::edit_rules`]: it reads all rules under the write lock, has
//! them changed, checks the whole, and writes and records what differs. Nothing can refer to
//! what is not there, and nothing is recorded when nothing changes.

mod check;
mod describe;

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use check::RuleError;
pub(super) use describe::field_changes;
pub use describe::{
    FieldChange, RuleDifference, differences, group_in_words, holiday_in_words, schedule_in_words,
};

use super::events::append;
use super::health::look_at;
use super::{Store, StoreError};
use crate::access::rules::{Group, Holiday, Rules, Schedule};
use crate::clock::Timestamp;
use crate::event::{Event, RuleKind};

/// The group that whoever is enrolled joins, unless told otherwise.
pub const EVERYONE: &str = "everyone";

/// Whether a change is made, or only tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Apply {
    /// It is made.
    Yes,
    /// It is checked and described, and nothing is written.
    DryRun,
}

/// The rules in a database that is only looked at: it is neither made nor migrated. `None` where there
/// is none yet.
///
/// # Errors
/// When it cannot be read, or is of an older version.
pub fn rules_in(path: &Path) -> Result<Option<Rules>, StoreError> {
    if !path.exists() {
        return Ok(None);
    }
    read_rules(&look_at(path)?).map(Some)
}

impl Store {
    /// All rules.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn rules(&self) -> Result<Rules, StoreError> {
        read_rules(&self.conn)
    }

    /// A number that changes whenever rules, people, operators, orders or acknowledgements change,
    /// in whichever process.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn rules_revision(&self) -> Result<i64, StoreError> {
        revision(&self.conn)
    }

    /// Changes rules in one transaction with an event for each that differs; gives the differences.
    ///
    /// # Errors
    /// What `edit` says, or when the rules as a whole cannot be kept or written; then nothing
    /// changed.
    pub fn edit_rules(
        &mut self,
        now: Timestamp,
        apply: Apply,
        edit: impl FnOnce(&mut Rules) -> Result<(), RuleError>,
    ) -> Result<Vec<RuleDifference>, StoreError> {
        let stamp = self.stamp.clone();
        let tx = self.write()?;
        let before = read_rules(&tx)?;
        let mut after = before.clone();
        edit(&mut after)?;
        check::normalise(&mut after);
        check::check(&after)?;
        let differences = differences(&before, &after);
        if apply == Apply::DryRun {
            return Ok(differences);
        }
        for difference in &differences {
            let RuleDifference { rule, name, .. } = difference;
            match rule {
                RuleKind::Group => write(&tx, "groups", name, after.groups.get(name))?,
                RuleKind::Schedule => write(&tx, "schedules", name, after.schedules.get(name))?,
                RuleKind::Holiday => write(&tx, "holidays", name, after.holidays.get(name))?,
            }
            let event = Event::RuleChanged {
                rule: *rule,
                name: name.clone(),
                change: difference.change,
                now: difference.now.clone(),
            };
            append(&tx, &stamp, now, event)?;
        }
        tx.commit()?;
        Ok(differences)
    }

    /// Adds or changes a group.
    ///
    /// # Errors
    /// As [`Store::edit_rules`].
    pub fn put_group(
        &mut self,
        now: Timestamp,
        name: &str,
        group: Group,
    ) -> Result<Vec<RuleDifference>, StoreError> {
        self.edit_rules(now, Apply::Yes, |rules| {
            rules.groups.insert(name.to_owned(), group);
            Ok(())
        })
    }

    /// Adds or changes a schedule.
    ///
    /// # Errors
    /// As [`Store::edit_rules`].
    pub fn put_schedule(
        &mut self,
        now: Timestamp,
        name: &str,
        schedule: Schedule,
    ) -> Result<Vec<RuleDifference>, StoreError> {
        self.edit_rules(now, Apply::Yes, |rules| {
            rules.schedules.insert(name.to_owned(), schedule);
            Ok(())
        })
    }

    /// Adds or changes a holiday.
    ///
    /// # Errors
    /// As [`Store::edit_rules`].
    pub fn put_holiday(
        &mut self,
        now: Timestamp,
        name: &str,
        holiday: Holiday,
    ) -> Result<Vec<RuleDifference>, StoreError> {
        self.edit_rules(now, Apply::Yes, |rules| {
            rules.holidays.insert(name.to_owned(), holiday);
            Ok(())
        })
    }

    /// Removes a group; its members are no longer in it.
    ///
    /// # Errors
    /// When there is none of that name, or nothing can be written.
    pub fn remove_group(&mut self, now: Timestamp, name: &str) -> Result<(), StoreError> {
        self.edit_rules(now, Apply::Yes, |rules| match rules.groups.remove(name) {
            Some(_) => Ok(()),
            None => Err(RuleError::no_such("group", name, rules.groups.keys())),
        })
        .map(drop)
    }

    /// Removes a schedule that no group uses.
    ///
    /// # Errors
    /// When there is none of that name, a group uses it, or nothing can be written.
    pub fn remove_schedule(&mut self, now: Timestamp, name: &str) -> Result<(), StoreError> {
        self.edit_rules(now, Apply::Yes, |rules| {
            let users = rules.groups.iter();
            let users: Vec<String> = users
                .filter(|(_, group)| group.schedule.as_deref() == Some(name))
                .map(|(group, _)| group.clone())
                .collect();
            if !users.is_empty() {
                return Err(RuleError::ScheduleInUse {
                    schedule: name.to_owned(),
                    groups: users,
                });
            }
            match rules.schedules.remove(name) {
                Some(_) => Ok(()),
                None => Err(RuleError::no_such("schedule", name, rules.schedules.keys())),
            }
        })
        .map(drop)
    }

    /// Removes a holiday.
    ///
    /// # Errors
    /// When there is none of that name, or nothing can be written.
    pub fn remove_holiday(&mut self, now: Timestamp, name: &str) -> Result<(), StoreError> {
        self.edit_rules(now, Apply::Yes, |rules| match rules.holidays.remove(name) {
            Some(_) => Ok(()),
            None => Err(RuleError::no_such("holiday", name, rules.holidays.keys())),
        })
        .map(drop)
    }
}

/// The revision of the rules.
pub(super) fn revision(conn: &Connection) -> Result<i64, StoreError> {
    let mut statement = conn.prepare_cached("SELECT revision FROM rules_revision")?;
    Ok(statement.query_row([], |row| row.get(0))?)
}

pub(super) fn read_rules(conn: &Connection) -> Result<Rules, StoreError> {
    Ok(Rules {
        groups: read(conn, "groups")?,
        schedules: read(conn, "schedules")?,
        holidays: read(conn, "holidays")?,
    })
}

fn read<T: DeserializeOwned>(
    conn: &Connection,
    table: &str,
) -> Result<BTreeMap<String, T>, StoreError> {
    let mut statement = conn.prepare_cached(&format!("SELECT name, rule FROM {table}"))?;
    let mut rows = statement.query([])?;
    let mut rules = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let (name, json): (String, String) = (row.get(0)?, row.get(1)?);
        let rule = serde_json::from_str(&json)
            .map_err(|error| StoreError::Content(format!("{table} {name:?}: {error}")))?;
        rules.insert(name, rule);
    }
    Ok(rules)
}

fn write<T: Serialize>(
    conn: &Connection,
    table: &str,
    name: &str,
    rule: Option<&T>,
) -> Result<(), StoreError> {
    match rule {
        // Not OR REPLACE: that would delete the row first, and its members with it.
        Some(rule) => conn.execute(
            &format!(
                "INSERT INTO {table} (name, rule) VALUES (?, ?)
                 ON CONFLICT (name) DO UPDATE SET rule = excluded.rule"
            ),
            params![name, serde_json::to_string(rule)?],
        )?,
        None => conn.execute(&format!("DELETE FROM {table} WHERE name = ?"), [name])?,
    };
    Ok(())
}
