use super::*;
use crate::event::Class;
use crate::event::wire::{Availability, QosPolicy, Wire};
use crate::event::{Event, SecureCause};
use crate::store::Store;

struct Fixture {
    _folder: tempfile::TempDir,
    store: Store,
    outbox: Outbox,
    wire: Wire,
}

fn fixture(events: usize) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    let wire = Wire {
        base_topic: "d".into(),
        source: "/d".into(),
        qos: QosPolicy::default(),
    };
    let mut store = Store::open(&path, Some(wire.clone())).unwrap();
    for _ in 0..events {
        let cause = SecureCause::Stop;
        store
            .record(
                "2026-01-01T00:00:00Z".parse().unwrap(),
                Event::DoorSecured { cause },
            )
            .unwrap();
    }
    let outbox = Outbox::open(&path).unwrap();
    Fixture {
        _folder: folder,
        store,
        outbox,
        wire,
    }
}

fn publish(outbox: &mut Outbox, row: &Row, pkid: u16) {
    let change = Change::Published {
        row,
        pkid,
        at: Timestamp::UNIX_EPOCH,
    };
    outbox.found_session(b"header").unwrap();
    outbox.apply(&[change], Some(b"header")).unwrap();
}

#[test]
fn what_nobody_needs_any_more_is_not_sent() {
    let f = fixture(1);
    let now = crate::clock::Timestamp::now();
    for (payload, seconds) in [("over", -1), ("soon", 3_600)] {
        let publication = Publication {
            payload: payload.into(),
            class: Class::Telemetry,
            retain: false,
            expires_at: Some(now + jiff::SignedDuration::from_secs(seconds)),
            ..f.wire.availability(Availability::Online)
        };
        super::super::events::enqueue(&f.outbox.conn, &publication, None).unwrap();
    }
    let rows = f.outbox.queued(10, now).unwrap();
    assert_eq!(rows.iter().map(|row| row.seq).collect::<Vec<_>>(), [1, 3]);
    assert!(rows[1].expires_at.is_some());
}

#[test]
fn what_got_an_id_but_did_not_leave_waits_in_its_old_place() {
    let mut f = fixture(2);
    let rows = f
        .outbox
        .queued(10, crate::clock::Timestamp::UNIX_EPOCH)
        .unwrap();
    publish(&mut f.outbox, &rows[0], 7);
    let back = Change::Queued { seq: rows[0].seq };
    f.outbox.apply(&[back], None).unwrap();
    assert_eq!(
        f.outbox
            .queued(10, crate::clock::Timestamp::UNIX_EPOCH)
            .unwrap(),
        rows
    );
    assert_eq!(f.outbox.under_way().unwrap(), []);
}

#[test]
fn a_row_goes_from_queued_to_gone() {
    let mut f = fixture(2);
    let rows = f
        .outbox
        .queued(10, crate::clock::Timestamp::UNIX_EPOCH)
        .unwrap();
    assert_eq!(rows.iter().map(|row| row.seq).collect::<Vec<_>>(), [1, 2]);
    assert!(rows[0].event_id.is_some());
    publish(&mut f.outbox, &rows[0], 7);
    assert_eq!(f.outbox.header().unwrap().unwrap(), b"header");
    assert_eq!(
        f.outbox
            .queued(10, crate::clock::Timestamp::UNIX_EPOCH)
            .unwrap(),
        rows[1..]
    );
    let expected = |stage| UnderWay {
        row: rows[0].clone(),
        pkid: 7,
        stage,
        sent_at: None,
    };
    let sent_at = f.outbox.under_way().unwrap()[0].sent_at;
    assert!(sent_at.is_some());
    let expected = |stage| UnderWay {
        sent_at,
        ..expected(stage)
    };
    assert_eq!(f.outbox.under_way().unwrap(), [expected(Stage::Published)]);
    f.outbox
        .apply(&[Change::Received { seq: 1 }], None)
        .unwrap();
    assert_eq!(f.outbox.under_way().unwrap(), [expected(Stage::Received)]);
    f.outbox.apply(&[Change::Done { seq: 1 }], None).unwrap();
    assert_eq!(f.outbox.under_way().unwrap(), []);
    let depth = Depth {
        queued: 1,
        ..Depth::default()
    };
    assert_eq!(f.outbox.depth().unwrap(), depth);
}

#[test]
fn resuming_publishes_first_and_releases_then_each_in_order() {
    let mut f = fixture(4);
    let rows = f
        .outbox
        .queued(10, crate::clock::Timestamp::UNIX_EPOCH)
        .unwrap();
    for (row, pkid) in rows.iter().zip([4, 3, 2, 1]) {
        publish(&mut f.outbox, row, pkid);
    }
    let changes = [Change::Received { seq: 1 }, Change::Received { seq: 3 }];
    f.outbox.apply(&changes, None).unwrap();
    let order: Vec<i64> = f
        .outbox
        .under_way()
        .unwrap()
        .iter()
        .map(|u| u.row.seq)
        .collect();
    assert_eq!(order, [2, 4, 1, 3]);
}

#[test]
fn forgetting_the_session_queues_everything_again_and_marks_it() {
    let mut f = fixture(3);
    let rows = f
        .outbox
        .queued(10, crate::clock::Timestamp::UNIX_EPOCH)
        .unwrap();
    publish(&mut f.outbox, &rows[0], 1);
    publish(&mut f.outbox, &rows[1], 2);
    f.outbox
        .apply(&[Change::Received { seq: 1 }], None)
        .unwrap();
    f.outbox.forget_session().unwrap();
    assert_eq!(f.outbox.header().unwrap(), None);
    let marks: Vec<bool> = f
        .outbox
        .queued(10, crate::clock::Timestamp::UNIX_EPOCH)
        .unwrap()
        .iter()
        .map(|row| row.maybe_dup)
        .collect();
    assert_eq!(marks, [true, true, false]);
}

#[test]
fn a_row_replaced_between_reading_and_publishing_is_written_back() {
    let mut f = fixture(0);
    let old = f
        .outbox
        .announce(&f.wire.availability(Availability::Online))
        .unwrap();
    let read = f
        .outbox
        .queued(10, crate::clock::Timestamp::UNIX_EPOCH)
        .unwrap();
    assert_eq!(read, std::slice::from_ref(&old));
    let new = f
        .outbox
        .announce(&f.wire.availability(Availability::Stopped))
        .unwrap();
    assert_eq!(
        f.outbox
            .queued(10, crate::clock::Timestamp::UNIX_EPOCH)
            .unwrap(),
        std::slice::from_ref(&new)
    );
    publish(&mut f.outbox, &old, 1);
    assert_eq!(f.outbox.under_way().unwrap()[0].row, old);
    assert_eq!(
        f.outbox
            .queued(10, crate::clock::Timestamp::UNIX_EPOCH)
            .unwrap(),
        std::slice::from_ref(&new)
    );
    // What is under way is not replaced.
    f.outbox
        .announce(&f.wire.availability(Availability::Online))
        .unwrap();
    assert_eq!(f.outbox.under_way().unwrap().len(), 1);
    assert_eq!(new.class, Class::Availability.as_str());
}

#[test]
fn a_full_disk_changes_nothing() {
    let mut f = fixture(1);
    let row = f
        .outbox
        .queued(1, crate::clock::Timestamp::UNIX_EPOCH)
        .unwrap()
        .remove(0);
    f.outbox.found_session(b"before").unwrap();
    f.outbox.fill_disk(true);
    let header = vec![0; 100_000];
    let change = Change::Published {
        row: &row,
        pkid: 1,
        at: Timestamp::UNIX_EPOCH,
    };
    let error = f
        .outbox
        .apply(std::slice::from_ref(&change), Some(&header))
        .unwrap_err();
    assert!(matches!(error, StoreError::DiskFull(_)), "{error:?}");
    assert_eq!(
        f.outbox
            .queued(1, crate::clock::Timestamp::UNIX_EPOCH)
            .unwrap(),
        std::slice::from_ref(&row)
    );
    assert_eq!(f.outbox.header().unwrap().unwrap(), b"before");
    f.outbox.fill_disk(false);
    f.outbox.apply(&[change], Some(&header)).unwrap();
    assert_eq!(f.outbox.under_way().unwrap().len(), 1);
}

#[test]
fn refused_rows_are_kept_with_the_reason_but_not_without_end() {
    let mut f = fixture(1100);
    let rows = f
        .outbox
        .queued(2000, crate::clock::Timestamp::UNIX_EPOCH)
        .unwrap();
    for row in &rows {
        let seq = row.seq;
        f.outbox
            .apply(&[Change::Rejected { seq, reason: "no" }], None)
            .unwrap();
    }
    let kept = f.outbox.rejected().unwrap();
    assert!(
        (1000..1000 + PRUNE_EVERY + 1).contains(&kept.len()),
        "{}",
        kept.len()
    );
    assert_eq!(kept.last().unwrap().1, "no");
    assert_eq!(kept.last().unwrap().0.seq, 1100);
    assert_eq!(
        f.outbox
            .queued(1, crate::clock::Timestamp::UNIX_EPOCH)
            .unwrap(),
        []
    );
}

#[test]
fn commits_of_others_are_seen_and_ones_own_are_not() {
    let mut f = fixture(1);
    f.outbox.changed_elsewhere().unwrap();
    assert!(!f.outbox.changed_elsewhere().unwrap());
    let row = f
        .outbox
        .queued(1, crate::clock::Timestamp::UNIX_EPOCH)
        .unwrap()
        .remove(0);
    publish(&mut f.outbox, &row, 1);
    assert!(!f.outbox.changed_elsewhere().unwrap());
    let cause = SecureCause::Stop;
    f.store
        .record(
            "2026-01-01T00:00:00Z".parse().unwrap(),
            Event::DoorSecured { cause },
        )
        .unwrap();
    assert!(f.outbox.changed_elsewhere().unwrap());
}
