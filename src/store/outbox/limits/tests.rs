use std::collections::BTreeMap;

use proptest::prelude::*;
use rusqlite::Connection;

use super::*;
use crate::event::wire::{Availability, Publication, Qos, QosPolicy, Wire};
use crate::store::outbox::{Change, Outbox};

const EPOCH: Timestamp = Timestamp::UNIX_EPOCH;

struct Fixture {
    _folder: tempfile::TempDir,
    store: Store,
    outbox: Outbox,
    wire: Wire,
}

fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    let wire = Wire {
        base_topic: "d".into(),
        source: "/d".into(),
        qos: QosPolicy::default(),
    };
    Fixture {
        store: Store::open(&path, Some(wire.clone())).unwrap(),
        outbox: Outbox::open(&path).unwrap(),
        _folder: folder,
        wire,
    }
}

impl Fixture {
    /// Queues a message without superseding anything.
    fn queue(
        &mut self,
        class: Class,
        qos: Qos,
        bytes: usize,
        expires_at: Option<Timestamp>,
    ) -> i64 {
        let publication = Publication {
            class,
            topic: self.wire.topic(class),
            qos,
            retain: false,
            content_type: "text/plain",
            payload: vec![b'x'; bytes],
            expires_at,
            correlation: None,
        };
        crate::store::events::enqueue(&self.store.conn, &publication, None).unwrap();
        self.store.conn.last_insert_rowid()
    }

    fn left(&self) -> Vec<i64> {
        let sql = "SELECT seq FROM outbox WHERE stage = 0 ORDER BY seq";
        let mut statement = self.store.conn.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    fn sweep(&mut self, now: Timestamp, limits: &Limits) -> Swept {
        let mut all = Swept::default();
        loop {
            let swept = self.store.sweep_outbox(now, limits).unwrap();
            if swept == Swept::default() {
                return all;
            }
            all.expired += swept.expired;
            all.dropped += swept.dropped;
        }
    }

    fn counted(&self) -> BTreeMap<(&'static str, &'static str), u64> {
        let dropped = self.store.dropped().unwrap();
        dropped
            .iter()
            .map(|d| ((d.class.as_str(), d.reason.as_str()), d.messages))
            .collect()
    }
}

fn limits(messages: u64, drop: &[Droppable]) -> Limits {
    Limits {
        messages,
        bytes: u64::MAX,
        drop: drop.to_vec(),
    }
}

const ALL: [Droppable; 3] = [Droppable::Telemetry, Droppable::Snapshot, Droppable::Qos0];

#[test]
fn only_what_the_policy_names_goes_in_its_order_and_the_oldest_first() {
    let mut f = fixture();
    let never = Qos::AtMostOnce;
    let door = f.queue(Class::Door, never, 1, None);
    let telemetry = [(); 2].map(|()| f.queue(Class::Telemetry, never, 1, None));
    let picture = f.queue(Class::Snapshot, Qos::AtLeastOnce, 1, None);
    let access = f.queue(Class::Access, Qos::ExactlyOnce, 1, None);
    let later = f.queue(Class::Door, never, 1, None);
    assert_eq!(f.sweep(EPOCH, &limits(6, &ALL)), Swept::default());
    f.sweep(EPOCH, &limits(5, &ALL));
    assert_eq!(f.left(), [door, telemetry[1], picture, access, later]);
    f.sweep(EPOCH, &limits(3, &ALL));
    assert_eq!(f.left(), [door, access, later]);
    f.sweep(EPOCH, &limits(2, &ALL));
    assert_eq!(f.left(), [access, later], "the oldest of QoS 0");
    let swept = f.sweep(EPOCH, &limits(0, &ALL));
    assert_eq!((swept.dropped, f.left()), (1, vec![access]), "never QoS 2");
    let counted = [
        (("door", "limit"), 2),
        (("snapshot", "limit"), 1),
        (("telemetry", "limit"), 2),
    ];
    assert_eq!(f.counted(), counted.into());
}

#[test]
fn what_the_policy_does_not_name_stays_whatever_the_limit() {
    let mut f = fixture();
    let never = Qos::AtMostOnce;
    f.queue(Class::Telemetry, never, 1, None);
    f.queue(Class::Door, never, 1, None);
    f.outbox
        .announce(&Publication {
            qos: never,
            ..f.wire.availability(Availability::Online)
        })
        .unwrap();
    let all = f.left();
    f.sweep(EPOCH, &limits(0, &[]));
    f.sweep(EPOCH, &limits(0, &[Droppable::Snapshot]));
    assert_eq!(f.left(), all);
    f.sweep(EPOCH, &limits(0, &[Droppable::Qos0]));
    assert_eq!(
        f.left(),
        [all[0], all[2]],
        "QoS 0 means what else is sent so; summaries stay"
    );
}

#[test]
fn the_payload_counts_as_well_as_the_number() {
    let mut f = fixture();
    let pictures: Vec<i64> = (0..4)
        .map(|_| f.queue(Class::Snapshot, Qos::AtMostOnce, 1_000, None))
        .collect();
    let limits = Limits {
        bytes: 2_500,
        ..limits(100, &ALL)
    };
    assert_eq!(f.sweep(EPOCH, &limits).dropped, 2);
    assert_eq!(f.left(), pictures[2..]);
    assert_eq!(f.store.outbox_size().unwrap().bytes, 2_000);
}

#[test]
fn nothing_under_way_is_ever_dropped_or_expires() {
    let mut f = fixture();
    let at = Some(EPOCH + jiff::SignedDuration::from_secs(1));
    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
        f.queue(Class::Telemetry, qos, 1, at);
    }
    let rows = f
        .outbox
        .queued(10, crate::clock::Timestamp::UNIX_EPOCH)
        .unwrap();
    for (row, pkid) in rows.iter().zip(1..) {
        let change = Change::Published {
            row,
            pkid,
            at: Timestamp::UNIX_EPOCH,
        };
        f.outbox.apply(&[change], None).unwrap();
    }
    let seq = rows[1].seq;
    f.outbox.apply(&[Change::Received { seq }], None).unwrap();
    let long_after = "2030-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(f.sweep(long_after, &limits(0, &ALL)), Swept::default());
    assert_eq!(f.outbox.under_way().unwrap().len(), 2);
    assert_eq!(f.counted(), BTreeMap::new());
    // Without its session it waits again, and then it may go.
    f.outbox.forget_session().unwrap();
    assert_eq!(f.sweep(long_after, &limits(0, &ALL)).expired, 2);
}

#[test]
fn what_is_too_old_goes_however_empty_the_outbox_is() {
    let mut f = fixture();
    let at = |second| Some(Timestamp::from_second(second).unwrap());
    f.queue(Class::Telemetry, Qos::AtMostOnce, 1, at(10));
    let later = f.queue(Class::Snapshot, Qos::ExactlyOnce, 1, at(20));
    let always = f.queue(Class::Door, Qos::AtMostOnce, 1, None);
    let roomy = limits(100, &[]);
    assert_eq!(f.sweep(at(9).unwrap(), &roomy).expired, 0);
    assert_eq!(f.sweep(at(10).unwrap(), &roomy).expired, 1);
    assert_eq!(f.left(), [later, always]);
    f.sweep(at(1_000_000).unwrap(), &roomy);
    assert_eq!(f.left(), [always]);
    let counted = [(("snapshot", "expired"), 1), (("telemetry", "expired"), 1)];
    assert_eq!(f.counted(), counted.into());
}

#[test]
fn a_refused_picture_goes_when_it_expires_and_a_refused_event_stays() {
    let mut f = fixture();
    let at = |second| Some(Timestamp::from_second(second).unwrap());
    f.queue(Class::Snapshot, Qos::AtLeastOnce, 1, at(10));
    f.queue(Class::Door, Qos::AtLeastOnce, 1, None);
    for row in f
        .outbox
        .queued(10, crate::clock::Timestamp::UNIX_EPOCH)
        .unwrap()
    {
        let (seq, reason) = (row.seq, "no");
        let change = Change::Rejected { seq, reason };
        f.outbox.apply(&[change], None).unwrap();
    }
    f.sweep(at(9).unwrap(), &limits(100, &[]));
    assert_eq!(f.outbox.rejected().unwrap().len(), 2);
    f.sweep(at(10).unwrap(), &limits(100, &[]));
    let left = f.outbox.rejected().unwrap();
    assert_eq!((left.len(), left[0].0.class.as_str()), (1, "door"));
    assert_eq!(f.counted(), BTreeMap::new(), "the refusal was told of");
}

#[test]
fn a_sweep_is_done_in_pieces() {
    let mut f = fixture();
    for _ in 0..AT_ONCE + 10 {
        f.queue(Class::Telemetry, Qos::AtMostOnce, 1, None);
    }
    let first = f.store.sweep_outbox(EPOCH, &limits(3, &ALL)).unwrap();
    assert_eq!(first.dropped, u64::try_from(AT_ONCE).unwrap());
    assert_eq!(f.sweep(EPOCH, &limits(3, &ALL)).dropped, 7);
}

#[test]
fn what_was_dropped_is_recorded_once_with_its_number() {
    let mut f = fixture();
    let (class, reason) = (Class::Telemetry, DropReason::Limit);
    assert_eq!(f.store.report_dropped(EPOCH, class, reason).unwrap(), None);
    for _ in 0..3 {
        f.queue(class, Qos::AtMostOnce, 1, None);
    }
    f.sweep(EPOCH, &limits(0, &ALL));
    let recorded = f.store.report_dropped(EPOCH, class, reason).unwrap();
    let messages = 3;
    let told = Event::DeliveryDropped {
        class,
        reason,
        messages,
    };
    assert_eq!(recorded.unwrap().event, told);
    assert_eq!(f.store.report_dropped(EPOCH, class, reason).unwrap(), None);
    let dropped = f.store.dropped().unwrap();
    assert_eq!((dropped[0].messages, dropped[0].reported), (3, 3));
}

#[test]
fn the_first_schema_with_a_size_counts_what_waited_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    drop(Store::open(&path, None).unwrap());
    let conn = Connection::open(&path).unwrap();
    let before =
        "DROP TRIGGER outbox_grows; DROP TRIGGER outbox_shrinks; DROP TRIGGER outbox_refuses;
        DROP TRIGGER outbox_retries; DROP TABLE outbox_size; DROP INDEX outbox_qos0;
        DROP INDEX outbox_expiry; DROP INDEX outbox_refused;
        DROP TRIGGER persons_ruled_inserted; DROP TRIGGER persons_ruled_updated;
        DROP TRIGGER persons_ruled_deleted; DROP TRIGGER person_groups_inserted;
        DROP TRIGGER person_groups_deleted; DROP TRIGGER operators_inserted;
        DROP TRIGGER operators_updated; DROP TRIGGER operators_deleted;
        DROP TRIGGER presence_forgotten;
        DELETE FROM refinery_schema_history WHERE version >= 7;
        INSERT INTO outbox (class, topic, qos, retain, content_type, payload, stage)
        VALUES ('door', 't', 1, 0, '', x'0102', 0), ('door', 't', 1, 0, '', x'03', 2),
               ('door', 't', 1, 0, '', x'04', 4);";
    conn.execute_batch(before).unwrap();
    drop(conn);
    let size = Store::open(&path, None).unwrap().outbox_size().unwrap();
    assert_eq!((size.messages, size.bytes), (2, 3));
}

#[derive(Debug, Clone)]
enum Step {
    Queue(u8, usize),
    Publish(usize),
    Done(usize),
    Refuse(usize),
    Retry,
    Forget,
    Sweep(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0u8..6, 0usize..50).prop_map(|(kind, bytes)| Step::Queue(kind, bytes)),
        3 => any::<usize>().prop_map(Step::Publish),
        2 => any::<usize>().prop_map(Step::Done),
        1 => any::<usize>().prop_map(Step::Refuse),
        1 => Just(Step::Retry),
        1 => Just(Step::Forget),
        2 => (0u64..8).prop_map(Step::Sweep),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// The count that triggers keep is the truth after any history; and a sweep leaves no more
    /// than the limit, or nothing that it may take.
    #[test]
    fn the_size_is_always_what_a_count_would_say(
        steps in prop::collection::vec(any_step(), 1..60),
    ) {
        let mut f = fixture();
        let mut pkid = 0;
        for step in steps {
            let queued = f.outbox.queued(1_000, crate::clock::Timestamp::UNIX_EPOCH).unwrap();
            let under_way = f.outbox.under_way().unwrap();
            match step {
                Step::Queue(kind, bytes) => {
                    let (class, qos) = match kind {
                        0 => (Class::Telemetry, Qos::AtMostOnce),
                        1 => (Class::Snapshot, Qos::AtLeastOnce),
                        2 => (Class::Door, Qos::AtMostOnce),
                        3 => (Class::Door, Qos::AtLeastOnce),
                        4 => (Class::Access, Qos::ExactlyOnce),
                        _ => (Class::Telemetry, Qos::ExactlyOnce),
                    };
                    f.queue(class, qos, bytes, None);
                }
                Step::Publish(which) if !queued.is_empty() => {
                    pkid += 1;
                    let row = &queued[which % queued.len()];
                    f.outbox.apply(&[Change::Published { row, pkid, at: Timestamp::UNIX_EPOCH }], None).unwrap();
                }
                Step::Done(which) if !under_way.is_empty() => {
                    let seq = under_way[which % under_way.len()].row.seq;
                    f.outbox.apply(&[Change::Done { seq }], None).unwrap();
                }
                Step::Refuse(which) if !under_way.is_empty() => {
                    let seq = under_way[which % under_way.len()].row.seq;
                    f.outbox.apply(&[Change::Rejected { seq, reason: "no" }], None).unwrap();
                }
                Step::Retry => { f.store.retry_refused(None).unwrap(); }
                Step::Forget => f.outbox.forget_session().unwrap(),
                Step::Sweep(most) => {
                    f.sweep(EPOCH, &limits(most, &ALL));
                    let rows = f.outbox.queued(1_000, crate::clock::Timestamp::UNIX_EPOCH).unwrap();
                    let droppable = rows.iter().any(|row| {
                        row.qos == Qos::AtMostOnce
                            || ["telemetry", "snapshot"].contains(&row.class.as_str())
                    });
                    let size = f.store.outbox_size().unwrap();
                    prop_assert!(size.messages <= most || !droppable);
                }
                _ => {}
            }
            let counted: (i64, i64) = f.store.conn.query_row(
                "SELECT count(*), coalesce(sum(length(payload)), 0) FROM outbox WHERE stage < 3",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            ).unwrap();
            let size = f.store.outbox_size().unwrap();
            let size = (i64::try_from(size.messages).unwrap(), i64::try_from(size.bytes).unwrap());
            prop_assert_eq!(size, counted);
            let depth = f.store.outbox_depth().unwrap();
            prop_assert_eq!(depth.queued, u64::try_from(f.outbox.queued(1_000, crate::clock::Timestamp::UNIX_EPOCH).unwrap().len()).unwrap());
        }
    }
}
