//! Transactions that come as values: a batch is written whole, each of its entries by itself.
//!
//! One transaction a batch, so that what waits for a slow disk costs it one sync; a savepoint an
//! entry, so that what the store does not take costs nobody else their record. An entry that stands
//! on rules which have changed since is rejected: what was decided by them is to be decided anew.

use rusqlite::Connection;
use rusqlite::ffi::{SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE};

use super::commands::spend;
use super::events::{append, enqueue, replace_retained};
use super::{Stamp, Store, StoreError, conditions, orders, rules, subjects};
use crate::guard::{Batch, Change, Entry, EntryId, Outcome, Rejection};

impl Store {
    /// Writes a batch. Whatever is `Committed` in the answer is on the disk when this returns.
    ///
    /// # Errors
    /// When nothing of it could be written.
    pub fn commit(
        &mut self,
        door: &str,
        batch: &Batch,
    ) -> Result<Vec<(EntryId, Outcome)>, StoreError> {
        let stamp = self.stamp.clone();
        let mut tx = self.write()?;
        let mut outcomes = Vec::with_capacity(batch.entries.len());
        for entry in &batch.entries {
            let savepoint = tx.savepoint()?;
            let outcome = match write(&savepoint, &stamp, door, entry) {
                Ok(changed) => {
                    savepoint.commit()?;
                    if let Some(spent) = &entry.spent {
                        tx.spends(spent, entry.at);
                    }
                    Outcome::Committed { changed }
                }
                Err(error) => {
                    let why = rejection(error)?;
                    // Dropping it rolls back.
                    drop(savepoint);
                    Outcome::Rejected(why)
                }
            };
            outcomes.push((entry.id, outcome));
        }
        for answer in &batch.answers {
            enqueue(&tx, answer, None)?;
        }
        if let Some(state) = &batch.state {
            replace_retained(&tx, stamp.wire.as_ref(), state)?;
        }
        tx.commit()?;
        Ok(outcomes)
    }
}

/// What the store says against one entry alone; an error when it is no fault of the entry.
fn rejection(error: StoreError) -> Result<Rejection, StoreError> {
    match error {
        StoreError::Stale => Ok(Rejection::Stale),
        StoreError::UnlockedWithoutEnd
        | StoreError::EndHasPassed(_)
        | StoreError::NeverRaised(_) => Ok(Rejection::Arguments(error.to_string())),
        StoreError::Content(_) | StoreError::Json(_) => {
            Ok(Rejection::Contradiction(error.to_string()))
        }
        // A command that is spent already. Whatever else stands in the way may go away.
        StoreError::Sqlite(ref inner) if is_there_already(inner) => {
            Ok(Rejection::Contradiction(error.to_string()))
        }
        error => Err(error),
    }
}

/// Whether a row of this key is there.
fn is_there_already(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    let unique = [SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE];
    code.is_some_and(|code| unique.contains(&code))
}

fn write(conn: &Connection, stamp: &Stamp, door: &str, entry: &Entry) -> Result<bool, StoreError> {
    if let Some(base) = entry.base
        && rules::revision(conn)? != base
    {
        return Err(StoreError::Stale);
    }
    if let Some(spent) = &entry.spent {
        spend(conn, entry.at, spent)?;
    }
    let mut stamp = stamp.clone();
    stamp.author = entry.author.by().or(stamp.author);
    for fact in &entry.facts {
        stamp.clock_synced = fact.clock_synced;
        append(conn, &stamp, fact.at, fact.event.clone())?;
    }
    match &entry.change {
        None => Ok(true),
        Some(Change::Mode(order)) => orders::set(conn, &stamp, entry.at, door, *order),
        Some(Change::Acknowledge { alarm, note }) => {
            conditions::acknowledge(conn, &stamp, entry.at, *alarm, note.clone())
        }
        Some(Change::Passed { person, area }) => {
            subjects::passed(conn, person.id, area.as_deref(), door, entry.at)?;
            Ok(true)
        }
    }
}
