//! Retention: old events go, and the chain of the others still stands.

use std::time::Duration;

use rusqlite::{Connection, params};

use super::events::{append, to_i64, to_u64};
use super::outbox::stage;
use super::{Store, StoreError, chain};
use crate::clock::{Timestamp, rfc3339_millis};
use crate::event::Event;
use crate::event::chain::{ChainHash, Head};

impl Store {
    /// Deletes at most `at_most` of the oldest events that are older than `keep` and that the
    /// broker has, in one transaction with an event that says so; returns how many went. Call it
    /// once a day, and again until it returns 0: every call that deletes records an event.
    ///
    /// Nothing goes while the clock is not to be trusted, and the newest event never does.
    ///
    /// # Errors
    /// When the transaction cannot be committed; then everything is still there.
    pub fn prune(
        &mut self,
        now: Timestamp,
        keep: Duration,
        at_most: usize,
    ) -> Result<u64, StoreError> {
        let Ok(before) = now.checked_sub(keep) else {
            return Ok(0);
        };
        if !self.stamp.clock_synced {
            return Ok(0);
        }
        let stamp = self.stamp.clone();
        let tx = self.write()?;
        let start = chain::start(&tx)?;
        let Some(through) = last_to_go(&tx, before, at_most)? else {
            return Ok(0);
        };
        let events = tx.execute(
            "DELETE FROM events WHERE seq <= ?",
            params![to_i64(through.seq)],
        )?;
        let events = u64::try_from(events).unwrap_or(u64::MAX);
        tracing::debug!(from = start.seq + 1, through = through.seq, "pruned");
        chain::set_start(&tx, &through)?;
        let event = Event::RecordPruned {
            through_seq: through.seq,
            hash: through.hash.to_string(),
            events,
        };
        append(&tx, &stamp, now, event)?;
        tx.commit()?;
        self.empty_log();
        Ok(events)
    }
}

/// The last of the oldest events that may go.
fn last_to_go(
    conn: &Connection,
    before: Timestamp,
    at_most: usize,
) -> Result<Option<Head>, StoreError> {
    // The first that the broker does not have yet; then those after it stay too.
    let unsent: Option<i64> = conn.query_row(
        concat!(
            "SELECT min(e.seq) FROM outbox o JOIN events e ON e.id = o.event_id WHERE o.",
            stage!(waiting)
        ),
        [],
        |row| row.get(0),
    )?;
    let newest = to_i64(chain::head(conn)?.seq);
    let end = unsent.unwrap_or(newest).min(newest);
    let before = rfc3339_millis(before);
    let mut statement = conn.prepare_cached(
        "SELECT seq, hash, time, clock_synced FROM events WHERE seq < ? ORDER BY seq LIMIT ?",
    )?;
    let limit = i64::try_from(at_most).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![end, limit])?;
    let mut through = None;
    while let Some(row) = rows.next()? {
        // How old an event without a trusted time is, only a later one can tell.
        if row.get(3)? {
            if row.get_ref(2)?.as_str().unwrap_or_default() >= before.as_str() {
                break;
            }
            through = Some(Head {
                seq: to_u64(row.get(0)?)?,
                hash: ChainHash(row.get(1)?),
            });
        }
    }
    Ok(through)
}
