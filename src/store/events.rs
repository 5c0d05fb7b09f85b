//! The event log: append and read.

use rusqlite::{Connection, ToSql, params};
use uuid::Uuid;

use super::outbox::{NewRow, stage};
use super::{Stamp, Store, StoreError, chain};
use crate::clock::{Timestamp, rfc3339_millis};
use crate::event::chain::{ChainHash, Head, Link};
use crate::event::wire::{DoorSummary, Publication, Wire};
use crate::event::{Event, PersonId, Recorded};

/// Which events to list.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// At or after this time.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
    /// Kinds, whole (`access.denied`) or by class (`access`); empty for all.
    pub kinds: Vec<String>,
    /// About this person.
    pub person: Option<PersonId>,
    /// Only sequence numbers above this one.
    pub after_seq: Option<u64>,
    /// At most this many, the newest ones.
    pub limit: Option<u32>,
}

impl Store {
    /// Records one event and its outbox row in one transaction; on the disk when it returns.
    ///
    /// # Errors
    /// When the transaction cannot be committed; then neither row exists.
    pub fn record(&mut self, now: Timestamp, event: Event) -> Result<Recorded, StoreError> {
        self.record_with_state(now, event, None)
    }

    /// Like [`record`](Self::record), and replaces the retained door summary in the same transaction.
    ///
    /// # Errors
    /// When the transaction cannot be committed; then no row exists.
    pub fn record_with_state(
        &mut self,
        now: Timestamp,
        event: Event,
        state: Option<&DoorSummary>,
    ) -> Result<Recorded, StoreError> {
        let stamp = self.stamp.clone();
        let tx = self.write()?;
        let recorded = append(&tx, &stamp, now, event)?;
        if let Some(state) = state {
            replace_retained(&tx, stamp.wire.as_ref(), state)?;
        }
        tx.commit()?;
        Ok(recorded)
    }

    /// Records several events in one transaction, which costs the disk no more than one event;
    /// and replaces the retained door summary with them.
    ///
    /// # Errors
    /// When the transaction cannot be committed; then none of them is recorded.
    pub fn record_all(
        &mut self,
        events: impl IntoIterator<Item = (Timestamp, Event)>,
        state: Option<&DoorSummary>,
    ) -> Result<Vec<Recorded>, StoreError> {
        let stamp = self.stamp.clone();
        let tx = self.write()?;
        let recorded = events
            .into_iter()
            .map(|(at, event)| append(&tx, &stamp, at, event))
            .collect::<Result<_, _>>()?;
        if let Some(state) = state {
            replace_retained(&tx, stamp.wire.as_ref(), state)?;
        }
        tx.commit()?;
        Ok(recorded)
    }

    /// Replaces the retained door summary.
    ///
    /// # Errors
    /// When the transaction cannot be committed.
    pub fn publish_state(&mut self, state: &DoorSummary) -> Result<(), StoreError> {
        let wire = self.stamp.wire.clone();
        let tx = self.write()?;
        replace_retained(&tx, wire.as_ref(), state)?;
        tx.commit()?;
        Ok(())
    }

    /// Queues a message in place of those of its class that still wait: of telemetry and pictures
    /// only the newest is of use, and an outage must not collect old ones.
    ///
    /// # Errors
    /// When the transaction cannot be committed.
    pub fn publish_newest(&mut self, publication: &Publication) -> Result<(), StoreError> {
        let tx = self.write()?;
        supersede(&tx, publication)?;
        tx.commit()?;
        Ok(())
    }

    /// Lists events in the order they happened.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn events(&self, filter: &EventFilter) -> Result<Vec<Recorded>, StoreError> {
        let mut events = Vec::new();
        self.each_event(filter, |recorded, _| {
            events.push(recorded);
            Ok::<_, StoreError>(())
        })?;
        Ok(events)
    }

    /// Hands events to `each` in the order they happened, with their data as it is stored (JSON),
    /// and holds one at a time.
    ///
    /// # Errors
    /// When the database cannot be read; and what `each` returns, which ends it.
    pub fn each_event<E: From<StoreError>>(
        &self,
        filter: &EventFilter,
        mut each: impl FnMut(Recorded, &str) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut clauses = vec!["1 = 1".to_owned()];
        let mut values: Vec<Box<dyn ToSql>> = Vec::new();
        if let Some(since) = filter.since {
            clauses.push("time >= ?".into());
            values.push(Box::new(rfc3339_millis(since)));
        }
        if let Some(until) = filter.until {
            clauses.push("time < ?".into());
            values.push(Box::new(rfc3339_millis(until)));
        }
        if let Some(person) = filter.person {
            clauses.push("person_id = ?".into());
            values.push(Box::new(person.to_string()));
        }
        if let Some(seq) = filter.after_seq {
            clauses.push("seq > ?".into());
            values.push(Box::new(to_i64(seq)));
        }
        if !filter.kinds.is_empty() {
            let any =
                vec!["kind = ? OR substr(kind, 1, length(?) + 1) = ? || '.'"; filter.kinds.len()];
            clauses.push(format!("({})", any.join(" OR ")));
            for kind in &filter.kinds {
                for _ in 0..3 {
                    values.push(Box::new(kind.clone()));
                }
            }
        }
        let clauses = clauses.join(" AND ");
        let mut sql = format!("SELECT {COLUMNS} FROM events WHERE {clauses} ORDER BY seq");
        if let Some(limit) = filter.limit {
            values.push(Box::new(i64::from(limit)));
            sql = format!("SELECT * FROM ({sql} DESC LIMIT ?) ORDER BY seq");
        }
        let failed = |error: rusqlite::Error| E::from(StoreError::from(error));
        let mut statement = self.conn.prepare_cached(&sql).map_err(failed)?;
        let mut rows = statement
            .query(rusqlite::params_from_iter(values.iter()))
            .map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let data: String = row.get(DATA).map_err(failed)?;
            each(read(row)?, &data)?;
        }
        Ok(())
    }

    /// When the newest event happened, by whatever clock the door had then.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn newest_event(&self) -> Result<Option<Timestamp>, StoreError> {
        let newest: Option<String> = self
            .conn
            .prepare_cached("SELECT max(time) FROM events")?
            .query_row([], |row| row.get(0))?;
        let broken = |error: jiff::Error| StoreError::Content(format!("time of an event: {error}"));
        newest.map(|time| time.parse().map_err(broken)).transpose()
    }

    /// The events of so long before `now`, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn recent(
        &self,
        span: jiff::SignedDuration,
        now: Timestamp,
    ) -> Result<Vec<Recorded>, StoreError> {
        self.events(&EventFilter {
            since: now.checked_sub(span).ok(),
            ..EventFilter::default()
        })
    }

    /// Whether the relay may have been released when the last run ended: it was, or somebody
    /// had been granted, and nothing says that it was secured afterwards. (A process can die
    /// between the grant's commit and the release's.)
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn may_have_ended_released(&self) -> Result<bool, StoreError> {
        let filter = EventFilter {
            kinds: ["access.granted", "door.released", "door.secured"]
                .map(String::from)
                .to_vec(),
            limit: Some(1),
            ..EventFilter::default()
        };
        let last = self.events(&filter)?.pop();
        Ok(last.is_some_and(|last| !matches!(last.event, Event::DoorSecured { .. })))
    }
}

/// Appends an event inside a transaction that is already open.
pub(super) fn append(
    conn: &Connection,
    stamp: &Stamp,
    now: Timestamp,
    event: Event,
) -> Result<Recorded, StoreError> {
    let mut json = serde_json::to_value(&event)?;
    let data = json["data"].take().to_string();
    let id = Uuid::now_v7();
    let time = rfc3339_millis(now);
    let by = stamp.author.as_deref();
    let head = chain::head(conn)?;
    let seq = head.seq + 1;
    let link = Link {
        seq,
        id,
        time: &time,
        kind: event.kind(),
        by,
        clock_synced: stamp.clock_synced,
        data: &data,
    };
    let hash = link.hash(head.hash);
    conn.prepare_cached(
        "INSERT INTO events (seq, id, time, kind, person_id, data, by, clock_synced, hash)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        to_i64(seq),
        id.to_string(),
        time,
        event.kind(),
        event.person().map(|person| person.id.to_string()),
        data,
        by,
        stamp.clock_synced,
        hash.0,
    ])?;
    chain::set_head(conn, &Head { seq, hash })?;
    let recorded = Recorded {
        seq,
        id,
        time: now,
        clock_synced: stamp.clock_synced,
        by: stamp.author.clone(),
        event,
        hash,
    };
    super::conditions::note(conn, &recorded.event, now)?;
    if let Some(wire) = &stamp.wire {
        enqueue(conn, &wire.publication(&recorded)?, Some(id))?;
    }
    Ok(recorded)
}

/// Queues one message for the broker inside a transaction that is already open.
pub(super) fn enqueue(
    conn: &Connection,
    publication: &Publication,
    event_id: Option<Uuid>,
) -> Result<(), StoreError> {
    NewRow {
        seq: None,
        event_id,
        class: publication.class.as_str(),
        topic: &publication.topic,
        qos: publication.qos,
        retain: publication.retain,
        content_type: publication.content_type,
        payload: &publication.payload,
        maybe_dup: false,
        expires_at: publication.expires_at.map(Timestamp::as_millisecond),
        correlation: publication.correlation.as_deref(),
    }
    .insert(conn)
}

/// Only the newest retained summary matters: one still waiting is replaced.
pub(super) fn replace_retained(
    conn: &Connection,
    wire: Option<&Wire>,
    state: &DoorSummary,
) -> Result<(), StoreError> {
    let Some(wire) = wire else { return Ok(()) };
    let publication = wire.state(state)?;
    supersede(conn, &publication)
}

/// Queues a message and drops those of its class that no broker has seen yet.
pub(super) fn supersede(conn: &Connection, publication: &Publication) -> Result<(), StoreError> {
    conn.prepare_cached(concat!(
        "DELETE FROM outbox WHERE class = ? AND ",
        stage!(queued)
    ))?
    .execute([publication.class.as_str()])?;
    enqueue(conn, publication, None)
}

/// What [`read`] reads, in its order.
pub(super) const COLUMNS: &str = "seq, id, time, kind, data, by, clock_synced, hash";
/// Where in it the data are.
const DATA: usize = 4;

pub(super) fn read(row: &rusqlite::Row<'_>) -> Result<Recorded, StoreError> {
    let seq: i64 = row.get(0)?;
    let id: String = row.get(1)?;
    let time: String = row.get(2)?;
    let kind: String = row.get(3)?;
    let data: String = row.get(DATA)?;
    let broken = |what: &str| StoreError::Content(format!("event {seq}: {what}"));
    let data: serde_json::Value =
        serde_json::from_str(&data).map_err(|e| broken(&format!("data: {e}")))?;
    Ok(Recorded {
        seq: to_u64(seq)?,
        id: id.parse().map_err(|e| broken(&format!("id: {e}")))?,
        time: time.parse().map_err(|e| broken(&format!("time: {e}")))?,
        event: serde_json::from_value(serde_json::json!({"kind": kind, "data": data}))
            .map_err(|e| broken(&e.to_string()))?,
        by: row.get(5)?,
        clock_synced: row.get(6)?,
        hash: ChainHash(row.get(7)?),
    })
}

pub(super) fn to_u64(rowid: i64) -> Result<u64, StoreError> {
    u64::try_from(rowid).map_err(|_| StoreError::Content(format!("sequence {rowid}")))
}

pub(super) fn to_i64(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}
