//! What somebody does to messages that wait, by hand: send them with another QoS, or never.
//!
//! Each is one transaction with the event that tells of it. A message under way has a packet id that the
//! broker may keep: when one of those is touched the session is given up in the same transaction, or
//! the id would be met again by a message that it does not belong to. A running pump notices that its
//! session is gone, and makes a new one.

use rusqlite::{Connection, params};

use super::give_up_session;
use super::rows::{number, read};
use super::{Row, Stage, stage};
use crate::clock::Timestamp;
use crate::event::wire::Qos;
use crate::event::{Class, DropReason, Event};
use crate::store::events::append;
use crate::store::{Store, StoreError};

/// Which messages are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chosen {
    /// The one of this number.
    One(i64),
    /// Everything that waits, under way or not.
    All,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Managed {
    /// Messages that were changed or dropped.
    pub messages: u64,
    /// Whether the session with the broker was given up for it: some were under way.
    pub session_given_up: bool,
}

impl Store {
    /// The first `limit` messages that wait, in the order of the queue, and how far each has come.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn outbox_waiting(&self, limit: u32) -> Result<Vec<(Row, Option<Stage>)>, StoreError> {
        let mut statement = self.conn.prepare_cached(concat!(
            "SELECT seq, event_id, class, topic, qos, retain, content_type, payload, maybe_dup,
                    expires_at, correlation, stage
             FROM outbox WHERE ",
            stage!(waiting),
            " ORDER BY seq LIMIT ?"
        ))?;
        let mut rows = statement.query([limit])?;
        let mut waiting = Vec::new();
        while let Some(row) = rows.next()? {
            let stage = Stage::read(row.get(11)?);
            waiting.push((read(row)?, stage));
        }
        Ok(waiting)
    }

    /// Sends messages that wait with another QoS.
    ///
    /// # Errors
    /// When the transaction cannot be committed; then nothing has changed.
    pub fn set_outbox_qos(
        &mut self,
        now: Timestamp,
        chosen: Chosen,
        qos: Qos,
    ) -> Result<Managed, StoreError> {
        let stamp = self.stamp.clone();
        let tx = self.write()?;
        let seq = chosen.seq();
        let others = concat!(
            stage!(waiting),
            " AND qos <> ?1 AND (?2 IS NULL OR seq = ?2)"
        );
        let count = |stage: &str| -> Result<u64, StoreError> {
            let count = format!("SELECT count(*) FROM outbox WHERE {others} AND {stage}");
            Ok(tx.query_row(&count, params![u8::from(qos), seq], |row| number(row, 0))?)
        };
        let managed = Managed {
            messages: count("1")?,
            session_given_up: count(stage!(under_way))? > 0,
        };
        if managed.messages == 0 {
            return Ok(managed);
        }
        if managed.session_given_up {
            give_up_session(&tx)?;
        }
        tx.execute(
            &format!("UPDATE outbox SET qos = ?1 WHERE {others}"),
            params![u8::from(qos), seq],
        )?;
        let messages = managed.messages;
        append(
            &tx,
            &stamp,
            now,
            Event::DeliveryQosSet {
                qos: qos.into(),
                messages,
            },
        )?;
        tx.commit()?;
        Ok(managed)
    }

    /// Drops messages that wait: they are never sent. What they tell of stays in the record.
    ///
    /// # Errors
    /// When the transaction cannot be committed; then nothing has changed.
    pub fn drop_from_outbox(
        &mut self,
        now: Timestamp,
        chosen: Chosen,
    ) -> Result<Managed, StoreError> {
        let stamp = self.stamp.clone();
        let tx = self.write()?;
        let classes = waiting_classes(&tx, chosen)?;
        let managed = Managed {
            messages: classes.iter().map(|(_, messages, _)| messages).sum(),
            session_given_up: classes.iter().any(|(.., under_way)| *under_way > 0),
        };
        if managed.session_given_up {
            give_up_session(&tx)?;
        }
        tx.execute(
            concat!(
                "DELETE FROM outbox WHERE ",
                stage!(waiting),
                " AND (?1 IS NULL OR seq = ?1)"
            ),
            [chosen.seq()],
        )?;
        for (class, messages, _) in classes {
            let reason = DropReason::Asked;
            let event = Event::DeliveryDropped {
                class,
                reason,
                messages,
            };
            append(&tx, &stamp, now, event)?;
        }
        tx.commit()?;
        Ok(managed)
    }
}

impl Chosen {
    /// Its number; none for all.
    fn seq(self) -> Option<i64> {
        match self {
            Chosen::One(seq) => Some(seq),
            Chosen::All => None,
        }
    }
}

/// How many messages of each class are meant, and how many of them are under way.
fn waiting_classes(
    conn: &Connection,
    chosen: Chosen,
) -> Result<Vec<(Class, u64, u64)>, StoreError> {
    let mut statement = conn.prepare(concat!(
        "SELECT class, count(*), count(*) FILTER (WHERE ",
        stage!(under_way),
        ")
         FROM outbox WHERE ",
        stage!(waiting),
        " AND (?1 IS NULL OR seq = ?1) GROUP BY class ORDER BY class"
    ))?;
    let mut rows = statement.query([chosen.seq()])?;
    let mut classes = Vec::new();
    while let Some(row) = rows.next()? {
        let class = super::limits::word(&row.get::<_, String>(0)?)?;
        classes.push((class, number(row, 1)?, number(row, 2)?));
    }
    Ok(classes)
}

#[cfg(test)]
mod tests {
    use super::super::{Change, Outbox};
    use super::*;
    use crate::event::SecureCause;
    use crate::event::wire::{QosPolicy, Wire};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn store(events: usize) -> (tempfile::TempDir, Store, Outbox) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.db");
        let wire = Wire {
            base_topic: "d".into(),
            source: "/d".into(),
            qos: QosPolicy {
                door: Qos::ExactlyOnce,
                ..QosPolicy::default()
            },
        };
        let mut store = Store::open(&path, Some(wire)).unwrap();
        for _ in 0..events {
            let cause = SecureCause::Stop;
            store.record(NOW, Event::DoorSecured { cause }).unwrap();
        }
        let outbox = Outbox::open(&path).unwrap();
        (folder, store, outbox)
    }

    /// The first message is under way with packet id 1.
    fn send_first(outbox: &mut Outbox) -> i64 {
        let row = outbox.queued(1, NOW).unwrap().remove(0);
        let change = Change::Published {
            row: &row,
            pkid: 1,
            at: NOW,
        };
        outbox.apply_first(&[change], b"header").unwrap();
        row.seq
    }

    fn told(store: &Store, kind: &str) -> Vec<Event> {
        let filter = crate::store::EventFilter {
            kinds: vec![kind.into()],
            ..Default::default()
        };
        let events = store.events(&filter).unwrap();
        events.into_iter().map(|recorded| recorded.event).collect()
    }

    #[test]
    fn what_waits_gets_another_qos_and_that_is_on_record() {
        let (_folder, mut store, _outbox) = store(3);
        let first = store.outbox_waiting(1).unwrap()[0].0.seq;
        let one = store.set_outbox_qos(NOW, Chosen::One(first), Qos::AtLeastOnce);
        assert_eq!(
            (
                one.unwrap().messages,
                told(&store, "delivery.qos_set").len()
            ),
            (1, 1)
        );
        let again = store.set_outbox_qos(NOW, Chosen::One(first), Qos::AtLeastOnce);
        assert_eq!(again.unwrap(), Managed::default(), "it has that already");
        let all = store
            .set_outbox_qos(NOW, Chosen::All, Qos::AtLeastOnce)
            .unwrap();
        assert_eq!((all.messages, all.session_given_up), (2, false));
        let waiting = store.outbox_waiting(100).unwrap();
        assert!(waiting.iter().all(|(row, _)| row.qos == Qos::AtLeastOnce));
        assert_eq!(
            told(&store, "delivery.qos_set")[1],
            Event::DeliveryQosSet {
                qos: 1,
                messages: 2
            }
        );
    }

    #[test]
    fn a_message_under_way_takes_the_session_with_it() {
        for drops in [false, true] {
            let (_folder, mut store, mut outbox) = store(3);
            let first = send_first(&mut outbox);
            let managed = if drops {
                store.drop_from_outbox(NOW, Chosen::One(first)).unwrap()
            } else {
                store
                    .set_outbox_qos(NOW, Chosen::One(first), Qos::AtLeastOnce)
                    .unwrap()
            };
            assert_eq!((managed.messages, managed.session_given_up), (1, true));
            assert!(outbox.header().unwrap().is_none());
            assert!(outbox.under_way().unwrap().is_empty());
            let kept = store.outbox_waiting(100).unwrap();
            let kept = kept.iter().find(|(row, _)| row.seq == first);
            assert_eq!(kept.is_none(), drops);
            assert!(kept.is_none_or(|(row, stage)| row.maybe_dup && stage.is_none()));
            // A pump that goes on with the session is told, and writes nothing.
            let done = outbox.apply(&[Change::Done { seq: first }], Some(b"header"));
            assert!(matches!(done, Err(StoreError::SessionGone)), "{done:?}");
        }
    }

    #[test]
    fn what_is_dropped_is_on_record_by_class() {
        let (_folder, mut store, _outbox) = store(3);
        let managed = store.drop_from_outbox(NOW, Chosen::All).unwrap();
        assert_eq!((managed.messages, managed.session_given_up), (3, false));
        let dropped = Event::DeliveryDropped {
            class: Class::Door,
            reason: DropReason::Asked,
            messages: 3,
        };
        assert_eq!(told(&store, "delivery.dropped"), [dropped]);
        assert_eq!(
            store.outbox_waiting(100).unwrap().len(),
            1,
            "that very event"
        );
        assert_eq!(
            store.drop_from_outbox(NOW, Chosen::One(1)).unwrap(),
            Managed::default()
        );
    }
}
