//! The chain's two ends in the database, and the first chaining of events that have none.
//!
//! [`append`](super::events::append) moves the head, [retention](super::retention) the start.
//! Nothing else may write here.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use uuid::Uuid;

use super::StoreError;
use super::events::{to_i64, to_u64};
use crate::event::chain::{ChainHash, Head, Link};

/// The newest event.
pub(super) fn head(conn: &Connection) -> Result<Head, StoreError> {
    end(conn, "SELECT seq, hash FROM chain", "head")
}

/// The last event that is gone.
pub(super) fn start(conn: &Connection) -> Result<Head, StoreError> {
    end(conn, "SELECT seq, hash FROM chain_start", "start")
}

pub(super) fn set_head(conn: &Connection, head: &Head) -> Result<(), StoreError> {
    conn.prepare_cached("UPDATE chain SET seq = ?, hash = ?")?
        .execute(params![to_i64(head.seq), head.hash.0])?;
    Ok(())
}

pub(super) fn set_start(conn: &Connection, start: &Head) -> Result<(), StoreError> {
    conn.prepare_cached("UPDATE chain_start SET seq = ?, hash = ?")?
        .execute(params![to_i64(start.seq), start.hash.0])?;
    Ok(())
}

fn end(conn: &Connection, sql: &str, what: &str) -> Result<Head, StoreError> {
    let found = conn
        .prepare_cached(sql)?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((seq, hash)) = found else {
        return Err(StoreError::Content(format!(
            "the {what} of the event chain is missing"
        )));
    };
    Ok(Head {
        seq: to_u64(seq)?,
        hash: ChainHash(hash),
    })
}

/// Chains the events of a database that had no chain. Only when none is chained yet: a hash that
/// vanished later is not quietly replaced.
pub(super) fn adopt(conn: &mut Connection) -> Result<(), StoreError> {
    let unchained: bool = conn.query_row(
        "SELECT EXISTS (SELECT 1 FROM events)
            AND NOT EXISTS (SELECT 1 FROM events WHERE hash IS NOT NULL)",
        [],
        |row| row.get(0),
    )?;
    if !unchained || head(conn)? != Head::default() {
        return Ok(());
    }
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut newest = Head::default();
    {
        let mut write = tx.prepare("UPDATE events SET hash = ? WHERE seq = ?")?;
        let mut statement = tx.prepare(
            "SELECT seq, id, time, kind, by, clock_synced, data FROM events
             WHERE seq > ? ORDER BY seq LIMIT 1",
        )?;
        loop {
            // One row at a time: a statement must not read on in a table that is being written.
            let mut rows = statement.query([to_i64(newest.seq)])?;
            let Some(row) = rows.next()? else { break };
            let (seq, id): (i64, String) = (row.get(0)?, row.get(1)?);
            let (time, kind, data): (String, String, String) =
                (row.get(2)?, row.get(3)?, row.get(6)?);
            let by: Option<String> = row.get(4)?;
            let link = Link {
                seq: to_u64(seq)?,
                id: id
                    .parse::<Uuid>()
                    .map_err(|error| StoreError::Content(format!("event {seq}: id: {error}")))?,
                time: &time,
                kind: &kind,
                by: by.as_deref(),
                clock_synced: row.get(5)?,
                data: &data,
            };
            newest = Head {
                seq: link.seq,
                hash: link.hash(newest.hash),
            };
            drop(rows);
            write.execute(params![newest.hash.0, seq])?;
        }
    }
    set_head(&tx, &newest)?;
    tx.commit()?;
    Ok(())
}
