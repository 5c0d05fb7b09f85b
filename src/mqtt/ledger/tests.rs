use super::*;
use crate::clock::Moment;
use crate::config::Protocol;
use crate::event::wire::{Availability, Publication, QosPolicy, Wire};
use crate::event::{Event, Granted, Method, PersonId, PersonRef, SecureCause};
use crate::mqtt::fate::ATTEMPTS;
use crate::store::Store;

/// Whenever it is: nothing in here reads a clock.
const NOW: Moment = Moment {
    wall: Timestamp::UNIX_EPOCH,
    tick: Tick(Duration::from_secs(1_000)),
    clock_trusted: true,
};

const LIMITS: Limits = Limits {
    window: 3,
    highest_pkid: 50,
    packet_bytes: 10_000,
    qos: Qos::ExactlyOnce,
    retain: true,
    session_expiry_s: None,
};

struct Fixture {
    _folder: tempfile::TempDir,
    path: std::path::PathBuf,
    store: Store,
    ledger: Ledger,
    wire: Wire,
}

fn wire() -> Wire {
    Wire {
        base_topic: "d".into(),
        source: "/d".into(),
        qos: QosPolicy::default(),
    }
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.db");
        let store = Store::open(&path, Some(wire())).unwrap();
        let outbox = Outbox::open(&path).unwrap();
        let mut ledger = Ledger::new(outbox, owner(), ResendDup::Always);
        assert!(!ledger.begin(NOW.tick).unwrap());
        assert!(ledger.admit(LIMITS, NOW));
        Self {
            _folder: folder,
            path,
            store,
            ledger,
            wire: wire(),
        }
    }

    fn granted(&mut self) {
        let event = Event::AccessGranted(Granted {
            rule: "everyone".into(),
            person: PersonRef {
                id: PersonId(uuid::Uuid::now_v7()),
                name: "Ada".into(),
            },
            similarity: 0.7,
            liveness: None,
            observations: 3,
            method: Method::Face,
            latency_ms: 1,
        });
        self.store
            .record("2026-01-01T00:00:00Z".parse().unwrap(), event)
            .unwrap();
    }

    fn secured(&mut self) {
        let cause = SecureCause::Stop;
        self.store
            .record(
                "2026-01-01T00:00:00Z".parse().unwrap(),
                Event::DoorSecured { cause },
            )
            .unwrap();
    }

    /// Hands over what may go, as the feeder does.
    fn feed(&mut self) -> Vec<Row> {
        let rows = self.ledger.next(NOW).unwrap();
        for row in &rows {
            self.ledger.handed_over(row.clone(), NOW.tick);
        }
        rows
    }

    /// A new process with the same file.
    fn restart(&mut self) -> (bool, Option<Resume>) {
        let outbox = Outbox::open(&self.path).unwrap();
        self.ledger = Ledger::new(outbox, owner(), self.ledger.resend_dup);
        let resumable = self.ledger.begin(NOW.tick).unwrap();
        let session = self.ledger.resume(NOW.wall).unwrap();
        self.ledger.admit(LIMITS, NOW);
        (resumable, session)
    }
}

fn owner() -> Owner {
    Owner {
        broker: "broker:1".into(),
        protocol: Protocol::V5,
        client_id: "me".into(),
    }
}

/// What the client shows when it has given out `last` last.
fn session_at(last: u16, steps: Vec<Step<'_>>) -> Snapshot<'_> {
    Snapshot {
        last_pkid: last,
        last_puback: 0,
        steps,
        incoming: Vec::new(),
    }
}

fn session(steps: Vec<Step<'_>>) -> Snapshot<'_> {
    let last = steps.iter().map(Step::pkid).max().unwrap_or_default();
    session_at(last, steps)
}

fn publish(row: &Row, pkid: u16) -> Step<'_> {
    Step::Published(Published {
        pkid,
        qos: row.qos,
        retain: row.retain,
        topic: row.topic.as_bytes(),
        payload: &row.payload,
    })
}

fn release(pkid: u16) -> Step<'static> {
    Step::Released(pkid)
}

fn again(row: &Row, pkid: u16) -> Again {
    Again::Publish {
        row: row.clone(),
        pkid,
        dup: true,
    }
}

fn release_again(pkid: u16) -> Again {
    Again::Release { pkid }
}

#[test]
fn a_message_of_qos_2_goes_its_way_and_survives_a_restart_at_every_step() {
    let mut f = Fixture::new();
    f.granted();
    let row = f.feed().remove(0);
    assert!(f.ledger.next(NOW).unwrap().is_empty());

    // Not published yet: after a restart it is new.
    let (resumable, resumed) = f.restart();
    assert!(!resumable && resumed.is_none());
    assert_eq!(f.feed(), std::slice::from_ref(&row));
    f.ledger
        .save(&session(vec![publish(&row, 5)]), NOW.wall)
        .unwrap();

    // Published: the same packet id again, marked as a repetition.
    let (resumable, resumed) = f.restart();
    assert!(resumable);
    let replay = resumed.unwrap().replay;
    assert_eq!(replay, [again(&row, 5)]);
    assert!(f.feed().is_empty());
    f.ledger.save(&session(vec![release(5)]), NOW.wall).unwrap();

    // Received: only the release again.
    let (_, resumed) = f.restart();
    assert_eq!(resumed.unwrap().replay, [release_again(5)]);
    assert_eq!(f.ledger.completed(5, NOW.tick).unwrap().seq, row.seq);

    // Completed but not committed: the release is sent once more, which harms nobody.
    let (_, resumed) = f.restart();
    assert_eq!(resumed.unwrap().replay, [release_again(5)]);
    f.ledger.completed(5, NOW.tick).unwrap();
    f.ledger.flush().unwrap();
    let (resumable, resumed) = f.restart();
    assert!(resumable);
    assert_eq!(resumed.unwrap().replay, []);
}

#[test]
fn a_row_missing_from_a_snapshot_is_not_delivered() {
    let mut f = Fixture::new();
    f.granted();
    let row = f.feed().remove(0);
    f.ledger
        .save(&session(vec![publish(&row, 1)]), NOW.wall)
        .unwrap();
    f.ledger.save(&session(vec![]), NOW.wall).unwrap();
    assert!(f.ledger.is_open(row.seq));
    assert_eq!(f.restart().1.unwrap().replay.len(), 1);
}

#[test]
fn a_resumed_id_in_use_is_held_and_a_fresh_one_is_sent_under_another() {
    let mut f = Fixture::new();
    f.granted();
    f.granted();
    let rows = f.feed();
    f.ledger
        .save(
            &session(vec![publish(&rows[0], 1), publish(&rows[1], 2)]),
            NOW.wall,
        )
        .unwrap();
    f.restart();
    f.granted();
    assert!(f.ledger.received(1, 0x91, NOW.tick).is_none());
    assert!(
        !f.ledger.needs_rebuild(),
        "the other one is not answered yet"
    );
    assert!(f.feed().is_empty(), "nothing new before the rebuild");
    assert!(f.ledger.received(2, 0, NOW.tick).is_none());
    assert!(f.ledger.needs_rebuild());
    assert!(f.feed().is_empty(), "nothing new before the rebuild");
    f.ledger.flush().unwrap();

    let replay = f.restart().1.unwrap().replay;
    assert!(replay.contains(&release_again(1)), "{replay:?}");
    f.ledger.completed(1, NOW.tick).unwrap();
    f.ledger.completed(2, NOW.tick).unwrap();
    let fresh = f.feed().remove(0);
    f.ledger
        .save(&session(vec![publish(&fresh, 3)]), NOW.wall)
        .unwrap();
    let outcome = f.ledger.received(3, 0x91, NOW.tick).unwrap();
    assert!(
        matches!(&outcome.end, End::Postponed { reason, .. } if reason == "PacketIdentifierInUse")
    );
    assert!(!f.ledger.needs_rebuild());
    f.ledger.flush().unwrap();
    let depth = f.ledger.outbox.depth().unwrap();
    assert_eq!((depth.queued, depth.under_way), (1, 0));
}

#[test]
fn equal_messages_of_one_snapshot_are_different_rows() {
    let mut f = Fixture::new();
    let online = f.wire.availability(Availability::Online);
    f.ledger.announce(&online).unwrap();
    let first = f.feed().remove(0);
    f.ledger.announce(&online).unwrap();
    let second = f.feed().remove(0);
    assert_ne!(first.seq, second.seq);
    f.ledger
        .save(
            &session(vec![publish(&first, 1), publish(&second, 2)]),
            NOW.wall,
        )
        .unwrap();
    assert_eq!(
        f.ledger.acknowledged(1, 0, NOW.tick).unwrap().seq,
        first.seq
    );
    assert_eq!(
        f.ledger.acknowledged(2, 0, NOW.tick).unwrap().seq,
        second.seq
    );
}

#[test]
fn what_was_never_handed_over_stops_the_connection() {
    let mut f = Fixture::new();
    f.granted();
    let mut row = f.feed().remove(0);
    row.payload = b"other".to_vec();
    let save = f.ledger.save(&session(vec![publish(&row, 1)]), NOW.wall);
    assert!(matches!(save, Err(SaveError::UnknownPublish(1))));
    let save = f.ledger.save(&session(vec![release(4)]), NOW.wall);
    assert!(matches!(save, Err(SaveError::UnknownRelease(4))));
}

#[test]
fn a_state_replaced_while_it_is_with_the_client_is_sent_before_the_newer_one() {
    let mut f = Fixture::new();
    let state = |since: &str| crate::event::wire::DoorSummary {
        contact: None,
        mode: Default::default(),
        lock: crate::event::wire::Lock::Secured,
        alarms: Vec::new(),
        version: "1",
        since: since.parse().unwrap(),
    };
    f.store
        .publish_state(&state("2026-01-01T00:00:00Z"))
        .unwrap();
    let old = f.feed().remove(0);
    f.store
        .publish_state(&state("2026-01-02T00:00:00Z"))
        .unwrap();
    f.ledger
        .save(&session(vec![publish(&old, 1)]), NOW.wall)
        .unwrap();
    let new = f.feed().remove(0);
    assert!(new.seq > old.seq);
    f.ledger
        .save(&session(vec![publish(&old, 1), publish(&new, 2)]), NOW.wall)
        .unwrap();
    let seqs: Vec<i64> = f
        .ledger
        .outbox
        .under_way()
        .unwrap()
        .iter()
        .map(|u| u.row.seq)
        .collect();
    assert_eq!(seqs, [old.seq, new.seq]);
}

#[test]
fn a_full_disk_moves_nothing_and_nothing_is_lost() {
    let mut f = Fixture::new();
    f.granted();
    let row = f.feed().remove(0);
    f.ledger.outbox.fill_disk(true);
    let mut large = session(vec![publish(&row, 1)]);
    large.incoming = (1..60_000).collect();
    let save = f.ledger.save(&large, NOW.wall);
    assert!(
        matches!(save, Err(SaveError::Store(StoreError::DiskFull(_)))),
        "{save:?}"
    );
    assert!(f.ledger.flights.is_empty());
    f.ledger.outbox.fill_disk(false);
    f.restart();
    assert_eq!(f.feed(), [row]);
}

#[test]
fn the_window_is_kept_and_lower_qos_does_not_overtake() {
    let mut f = Fixture::new();
    f.secured();
    f.granted();
    f.secured();
    f.granted();
    let first = f.feed();
    assert_eq!(
        first.len(),
        2,
        "the third must wait for the release of the second"
    );
    f.ledger
        .save(
            &session(vec![publish(&first[0], 1), publish(&first[1], 2)]),
            NOW.wall,
        )
        .unwrap();
    assert!(f.feed().is_empty());
    f.ledger
        .save(&session(vec![publish(&first[0], 1), release(2)]), NOW.wall)
        .unwrap();
    assert_eq!(f.feed().len(), 1, "one more fills the window of three");
    assert!(f.feed().is_empty());
}

#[test]
fn what_the_broker_does_not_allow_is_refused_or_sent_lower() {
    let mut f = Fixture::new();
    f.granted();
    f.ledger.admit(
        Limits {
            packet_bytes: 50,
            qos: Qos::AtLeastOnce,
            retain: false,
            ..LIMITS
        },
        NOW,
    );
    let row = f.ledger.next(NOW).unwrap().remove(0);
    assert_eq!(row.qos, Qos::AtLeastOnce);
    assert!(
        f.ledger
            .unsendable(&row)
            .unwrap()
            .contains("largest allowed is 50 bytes")
    );
    let outcome = f.ledger.reject(row, "too large".into());
    assert!(outcome.event_id.is_some());
    assert!(f.ledger.next(NOW).unwrap().is_empty());
    f.ledger
        .announce(&f.wire.availability(Availability::Online))
        .unwrap();
    let row = Row {
        payload: Vec::new(),
        topic: "d".into(),
        content_type: "t".into(),
        ..f.ledger.next(NOW).unwrap().remove(0)
    };
    assert!(f.ledger.unsendable(&row).unwrap().contains("retained"));
}

#[test]
fn a_session_that_no_longer_fits_is_noticed_and_starts_over() {
    let mut f = Fixture::new();
    f.granted();
    let row = f.feed().remove(0);
    f.ledger
        .save(&session(vec![publish(&row, 30)]), NOW.wall)
        .unwrap();
    f.restart();
    assert!(!f.ledger.admit(
        Limits {
            highest_pkid: 20,
            ..LIMITS
        },
        NOW
    ));
    assert!(!f.ledger.admit(
        Limits {
            packet_bytes: 20,
            ..LIMITS
        },
        NOW
    ));
    f.ledger.forget_session().unwrap();
    let (resumable, _) = f.restart();
    assert!(!resumable);
    assert!(f.feed()[0].maybe_dup);
}

#[test]
fn packet_ids_of_another_broker_or_client_are_not_resumed() {
    let mut f = Fixture::new();
    f.granted();
    let row = f.feed().remove(0);
    f.ledger
        .save(&session(vec![publish(&row, 1)]), NOW.wall)
        .unwrap();
    assert!(f.ledger.begin(NOW.tick).unwrap());
    let others: [fn(&mut Owner); 3] = [
        |owner| owner.broker = "broker:2".into(),
        |owner| owner.protocol = Protocol::V311,
        |owner| owner.client_id = "somebody else".into(),
    ];
    for other in others {
        f.ledger.owner = owner();
        other(&mut f.ledger.owner);
        assert!(!f.ledger.begin(NOW.tick).unwrap());
    }
}

/// Every row that is on record as under way, and its packet id.
fn on_record(f: &Fixture) -> Vec<(i64, u16)> {
    let under_way = f.ledger.outbox.under_way().unwrap();
    under_way.iter().map(|u| (u.row.seq, u.pkid)).collect()
}

#[test]
fn the_first_question_of_a_batch_records_all_of_it_and_the_others_find_it_there() {
    let mut f = Fixture::new();
    for _ in 0..3 {
        f.granted();
    }
    let rows = f.feed();
    let [a, b, c] = rows.as_slice() else {
        panic!("a window of three")
    };
    f.ledger
        .save(&session(vec![publish(a, 49)]), NOW.wall)
        .unwrap();
    // The client starts over at 50.
    let foreseen = [(a.seq, 49), (b.seq, 50), (c.seq, 1)];
    assert_eq!(on_record(&f), foreseen);
    // From here on nothing is written, and nothing has to be.
    f.ledger.outbox.fill_disk(true);
    let two = vec![publish(a, 49), publish(b, 50)];
    f.ledger
        .save(&session_at(0, two.clone()), NOW.wall)
        .unwrap();
    let three = [two, vec![publish(c, 1)]].concat();
    f.ledger.save(&session_at(1, three), NOW.wall).unwrap();
    assert_eq!(f.ledger.flights.len(), 3);
    assert!(f.ledger.handed.is_empty() && f.ledger.reserved.is_empty());
    assert_eq!(on_record(&f), foreseen);
}

#[test]
fn an_id_that_was_foreseen_wrongly_is_corrected_before_the_message_can_leave() {
    let mut f = Fixture::new();
    for _ in 0..3 {
        f.granted();
    }
    let rows = f.feed();
    let [a, b, c] = rows.as_slice() else {
        panic!("a window of three")
    };
    f.ledger
        .save(&session(vec![publish(a, 1)]), NOW.wall)
        .unwrap();
    assert_eq!(on_record(&f), [(a.seq, 1), (b.seq, 2), (c.seq, 3)]);
    // A subscription came between and took what was foreseen for the next.
    let two = vec![publish(a, 1), Step::Other(2), publish(b, 3)];
    f.ledger
        .save(&session_at(3, two.clone()), NOW.wall)
        .unwrap();
    assert_eq!(on_record(&f), [(a.seq, 1), (b.seq, 3), (c.seq, 4)]);
    let three = [two, vec![publish(c, 2)]].concat();
    f.ledger.save(&session_at(2, three), NOW.wall).unwrap();
    assert_eq!(on_record(&f), [(a.seq, 1), (b.seq, 3), (c.seq, 2)]);
}

#[test]
fn ids_in_use_are_not_foreseen() {
    let mut f = Fixture::new();
    f.granted();
    let first = f.feed().remove(0);
    f.ledger
        .save(&session(vec![publish(&first, 2)]), NOW.wall)
        .unwrap();
    f.granted();
    f.granted();
    let rows = f.feed();
    let steps = vec![publish(&first, 2), Step::Other(3), publish(&rows[0], 1)];
    f.ledger.save(&session_at(1, steps), NOW.wall).unwrap();
    assert_eq!(
        on_record(&f),
        [(first.seq, 2), (rows[0].seq, 1), (rows[1].seq, 4)]
    );
}

#[test]
fn what_was_foreseen_but_not_asked_about_is_as_new_for_the_same_process() {
    let mut f = Fixture::new();
    f.granted();
    f.granted();
    let rows = f.feed();
    f.ledger
        .save(&session(vec![publish(&rows[0], 1)]), NOW.wall)
        .unwrap();
    assert!(f.ledger.begin(NOW.tick).unwrap());
    let replay = f.ledger.resume(NOW.wall).unwrap().unwrap().replay;
    assert_eq!(replay, [again(&rows[0], 1)]);
    assert!(f.ledger.admit(LIMITS, NOW));
    f.ledger.received(1, 0, NOW.tick);
    assert_eq!(f.feed(), [rows[1].clone()]);
}

#[test]
fn what_was_foreseen_is_a_repetition_for_the_next_process() {
    let mut f = Fixture::new();
    f.granted();
    f.granted();
    let rows = f.feed();
    f.ledger
        .save(&session(vec![publish(&rows[0], 1)]), NOW.wall)
        .unwrap();
    let replay = f.restart().1.unwrap().replay;
    assert_eq!(replay, [again(&rows[0], 1), again(&rows[1], 2)]);
}

/// Pretends that what is under way was sent that long before it was.
fn sent_earlier(f: &Fixture, ms: i64) {
    let conn = rusqlite::Connection::open(&f.path).unwrap();
    let update = "UPDATE outbox SET sent_at = sent_at - ?";
    assert!(conn.execute(update, [ms]).unwrap() > 0);
}

fn doubtful(replay: &[Again]) -> Vec<bool> {
    let doubtful = |again: &Again| match again {
        Again::Publish { row, .. } => row.maybe_dup,
        Again::Release { .. } => false,
    };
    replay.iter().map(doubtful).collect()
}

#[test]
fn a_message_the_broker_may_have_forgotten_to_hold_is_marked_before_it_is_sent_again() {
    let mut f = Fixture::new();
    f.granted();
    f.granted();
    let rows = f.feed();
    let both = vec![publish(&rows[0], 1), publish(&rows[1], 2)];
    f.ledger.save(&session(both), NOW.wall).unwrap();
    f.ledger
        .save(&session(vec![publish(&rows[0], 1), release(2)]), NOW.wall)
        .unwrap();
    sent_earlier(&f, HELD_MS - 60_000);
    assert_eq!(doubtful(&f.restart().1.unwrap().replay), [false, false]);
    // Sending it again does not start the time anew: the broker counts from the first copy.
    sent_earlier(&f, 60_000);
    let replay = f.restart().1.unwrap().replay;
    assert_eq!(doubtful(&replay), [true, false], "a release needs nothing");
    let under_way = f.ledger.outbox.under_way().unwrap();
    assert!(under_way[0].row.maybe_dup && !under_way[1].row.maybe_dup);

    // Nobody knows how long it has been when the clock was set back.
    let mut f = Fixture::new();
    f.granted();
    let row = f.feed().remove(0);
    f.ledger
        .save(&session(vec![publish(&row, 1)]), NOW.wall)
        .unwrap();
    sent_earlier(&f, -60_000);
    assert_eq!(doubtful(&f.restart().1.unwrap().replay), [true]);
}

#[test]
fn at_qos_1_nobody_holds_anything() {
    let mut f = Fixture::new();
    f.secured();
    let row = f.feed().remove(0);
    f.ledger
        .save(&session(vec![publish(&row, 1)]), NOW.wall)
        .unwrap();
    sent_earlier(&f, 2 * HELD_MS);
    assert_eq!(doubtful(&f.restart().1.unwrap().replay), [false]);
}

fn says_dup(f: &mut Fixture) -> bool {
    let replay = f.ledger.resume(NOW.wall).unwrap().unwrap().replay;
    matches!(replay[0], Again::Publish { dup: true, .. })
}

#[test]
fn repetitions_say_so_unless_they_must_not() {
    let mut f = Fixture::new();
    f.granted();
    let row = f.feed().remove(0);
    f.ledger
        .save(&session(vec![publish(&row, 1)]), NOW.wall)
        .unwrap();
    // What a node tells: whether it drops, and whether it says so now.
    let (silent, keeps, drops) = (None, Some((false, true)), Some((true, true)));
    for (setting, told, dup) in [
        (ResendDup::Always, silent, true),
        (ResendDup::Never, silent, false),
        (ResendDup::Auto, silent, false),
        (ResendDup::Auto, Some((false, false)), false),
        (ResendDup::Auto, keeps, true),
        (ResendDup::Auto, drops, false),
        (ResendDup::Always, drops, true),
    ] {
        f.ledger.begin(NOW.tick).unwrap();
        f.ledger.resend_dup = setting;
        if let Some((drops, live)) = told {
            f.ledger.told("node", drops, live).unwrap();
        }
        assert_eq!(says_dup(&mut f), dup, "{setting:?} {told:?}");
    }
    // It is remembered, also by the next process, and with what is saved from there on.
    f.ledger.resend_dup = ResendDup::Auto;
    f.restart();
    assert!(!says_dup(&mut f));
    f.ledger.save(&session(vec![release(1)]), NOW.wall).unwrap();
    f.restart();
    assert!(f.ledger.repetitions.are_dropped());
    // Another broker has told nothing.
    f.ledger.owner.broker = "broker:2".into();
    f.ledger.repetitions = Repetitions::default();
    assert!(!f.ledger.begin(NOW.tick).unwrap());
    assert!(f.ledger.resume(NOW.wall).unwrap().is_none());
    assert!(!f.ledger.repetitions.are_dropped());
}

#[test]
fn what_is_not_taken_for_now_waits_in_its_place_and_nothing_is_sent_for_a_while() {
    let mut f = Fixture::new();
    f.granted();
    f.granted();
    let rows = f.feed();
    let both = vec![publish(&rows[0], 1), publish(&rows[1], 2)];
    f.ledger.save(&session(both), NOW.wall).unwrap();
    let outcome = f.ledger.received(1, 0x97, NOW.tick).unwrap();
    assert!(
        matches!(&outcome.end, End::Postponed { reason, .. } if reason == "QuotaExceeded"),
        "{outcome:?}"
    );
    f.ledger.received(2, 0, NOW.tick);
    f.ledger.completed(2, NOW.tick).unwrap();
    f.ledger.flush().unwrap();
    assert!(f.feed().is_empty(), "not before the pause is over");
    f.ledger.pause = Pause::default();
    assert_eq!(f.feed(), [rows[0].clone()], "the same, not marked");
}

#[test]
fn what_is_not_taken_without_a_reason_is_refused_in_the_end_and_a_quota_never_is() {
    for code in [0x83, 0x97] {
        let mut f = Fixture::new();
        f.granted();
        for attempt in 1..=ATTEMPTS {
            f.ledger.pause = Pause::default();
            let row = f.feed().remove(0);
            f.ledger
                .save(&session(vec![publish(&row, 1)]), NOW.wall)
                .unwrap();
            let end = f.ledger.received(1, code, NOW.tick).unwrap().end;
            f.ledger.flush().unwrap();
            let refused = matches!(end, End::Refused(_));
            assert_eq!(
                refused,
                code == 0x83 && attempt == ATTEMPTS,
                "{code} {end:?}"
            );
        }
    }
}

#[test]
fn the_largest_message_is_set_aside_when_the_broker_ends_the_connection_over_a_size() {
    let mut f = Fixture::new();
    f.granted();
    let state = f.wire.availability(Availability::Online);
    let large = Publication {
        payload: vec![b'x'; 5_000],
        qos: Qos::ExactlyOnce,
        ..state
    };
    f.ledger.outbox.announce(&large).unwrap();
    let rows = f.feed();
    let [small, large] = rows.as_slice() else {
        panic!("both of QoS 2")
    };
    let large = large.clone();
    f.ledger
        .save(
            &session(vec![publish(small, 1), publish(&large, 2)]),
            NOW.wall,
        )
        .unwrap();
    let refused = f.ledger.too_large(NOW.tick);
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].seq, large.seq);
    // The next of that size is not even sent; a smaller one is.
    f.ledger.begin(NOW.tick).unwrap();
    f.ledger.resume(NOW.wall).unwrap();
    assert!(f.ledger.admit(LIMITS, NOW), "the rest is resumed");
    assert!(f.ledger.unsendable(&large).is_some());
    let smaller = Row {
        payload: vec![b'x'; 4_999],
        ..large
    };
    assert!(f.ledger.unsendable(&smaller).is_none());
}

#[test]
fn a_large_message_of_qos_0_does_not_cost_an_innocent_one() {
    let mut f = Fixture::new();
    f.granted();
    let large = Publication {
        payload: vec![b'x'; 5_000],
        qos: Qos::AtMostOnce,
        ..f.wire.availability(Availability::Online)
    };
    f.ledger.announce(&large).unwrap();
    let rows = f.feed();
    f.ledger
        .save(&session(vec![publish(&rows[1], 1)]), NOW.wall)
        .unwrap();
    f.ledger.sent_at_most_once(NOW.tick).unwrap();
    assert!(f.ledger.too_large(NOW.tick).is_empty());
    assert!(f.ledger.unsendable(&rows[0]).is_some());
    assert!(f.ledger.unsendable(&rows[1]).is_none());
    // Nothing under way: it was not about a message of ours.
    f.ledger.begin(NOW.tick).unwrap();
    assert!(f.ledger.too_large(NOW.tick).is_empty());
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(24))]
    /// Whatever the client does with its packet ids, no message is asked about without being on
    /// the disk under exactly that id when the answer is given.
    #[test]
    fn nothing_leaves_under_an_id_that_is_not_on_record(
        choices in proptest::collection::vec((0_u8..4, 0_u16..50), 1..40),
    ) {
        let mut f = Fixture::new();
        for _ in 0..20 {
            f.granted();
        }
        f.ledger.admit(Limits { window: 8, ..LIMITS }, NOW);
        let mut waiting: VecDeque<Row> = VecDeque::new();
        let mut flying: Vec<(Row, u16, bool)> = Vec::new();
        let mut others: Vec<u16> = Vec::new();
        let mut last = 0;
        for (what, which) in choices {
            match what {
                // The client publishes the next one, mostly under the id that is foreseen.
                0 | 1 => {
                    waiting.extend(f.feed());
                    let Some(row) = waiting.pop_front() else { continue };
                    let taken = |pkid: u16| {
                        others.contains(&pkid) || flying.iter().any(|(_, id, _)| *id == pkid)
                    };
                    let start = if what == 0 { last } else { which };
                    let mut pkid = start % 50 + 1;
                    while taken(pkid) {
                        pkid = pkid % 50 + 1;
                    }
                    last = if pkid == 50 { 0 } else { pkid };
                    flying.push((row, pkid, false));
                }
                // A PUBREC comes in.
                2 => {
                    let Some((_, pkid, received)) = flying.iter_mut().find(|(_, _, r)| !*r) else { continue };
                    f.ledger.received(*pkid, 0, NOW.tick);
                    *received = true;
                }
                // A PUBCOMP comes in, or a subscription takes an id.
                _ => {
                    if let Some(index) = flying.iter().position(|(_, _, received)| *received) {
                        let (_, pkid, _) = flying.remove(index);
                        f.ledger.completed(pkid, NOW.tick);
                    } else if others.is_empty() && !flying.iter().any(|(_, id, _)| *id == which + 1) {
                        others.push(which + 1);
                    }
                }
            }
            let steps = flying.iter().map(|(row, pkid, received)| if *received {
                release(*pkid)
            } else {
                publish(row, *pkid)
            });
            let steps = steps.chain(others.iter().map(|pkid| Step::Other(*pkid))).collect();
            f.ledger.save(&session_at(last, steps), NOW.wall).unwrap();
            let on_record = f.ledger.outbox.under_way().unwrap();
            for (row, pkid, received) in &flying {
                let stage = if *received { Stage::Received } else { Stage::Published };
                proptest::prop_assert!(
                    on_record.iter().any(|u| u.row.seq == row.seq && u.pkid == *pkid && u.stage == stage),
                    "row {} under {pkid} is not on record", row.seq
                );
            }
        }
    }
}
