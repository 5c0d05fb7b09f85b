//! What the guard goes by, read in one piece.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::Connection;

use super::{Store, StoreError, commands, conditions, operators, orders, rules, subjects};
use crate::clock::Timestamp;
use crate::command::gate::Spent;
use crate::event::Alarm;
use crate::guard::Facts;

impl Store {
    /// What stands here, unless it is what is `known` already. When it was read, and what another
    /// file knows, is the caller's to add.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn facts(&mut self, door: &str, known: &Facts) -> Result<Option<Facts>, StoreError> {
        // One snapshot: rules and people that were true at the same time.
        let tx = self.conn.transaction()?;
        let revision = rules::revision(&tx)?;
        if known.read_at.is_some() && known.revision == revision {
            return Ok(None);
        }
        let facts = Facts {
            revision,
            rules: Arc::new(rules::read_rules(&tx)?),
            people: Arc::new(subjects::all(&tx)?),
            operators: Arc::new(operators::all(&tx)?),
            order: orders::read(&tx, door)?,
            acknowledged: Arc::new(acknowledged(&tx)?),
            ..Facts::default()
        };
        Ok(Some(facts))
    }

    /// Commands that are spent, each with the time at which it counted.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn spent_commands(&self) -> Result<Vec<(Spent, Option<Timestamp>)>, StoreError> {
        commands::spent(&self.conn)
    }
}

/// When somebody took note of each alarm.
fn acknowledged(conn: &Connection) -> Result<BTreeMap<Alarm, Timestamp>, StoreError> {
    let noted = conditions::all(conn)?.into_iter();
    Ok(noted
        .filter_map(|condition| Some((condition.alarm, condition.acknowledged_at?)))
        .collect())
}
