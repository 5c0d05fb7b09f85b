use rumqttc::{PersistedAckMode, PersistedPubRel, PersistedPublish, PubAckReason, PubRecReason};

use super::*;
use crate::event::wire::{Availability, QosPolicy, Wire};
use crate::event::{Event, Granted, Method, PersonId, PersonRef, SecureCause};
use crate::store::Store;

const LIMITS: Limits = Limits {
    window: 3,
    highest_pkid: 50,
    packet_bytes: 10_000,
    qos: Qos::ExactlyOnce,
    retain: true,
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
        let mut ledger = Ledger::new(outbox, "broker:1".into());
        assert!(!ledger.begin("me").unwrap());
        assert!(ledger.admit(LIMITS));
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
                id: PersonId::generate(),
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
        let rows = self.ledger.next().unwrap();
        for row in &rows {
            self.ledger.handed_over(row.clone());
        }
        rows
    }

    /// A new process with the same file.
    fn restart(&mut self) -> (bool, Option<PersistedSession>) {
        let outbox = Outbox::open(&self.path).unwrap();
        self.ledger = Ledger::new(outbox, "broker:1".into());
        let resumable = self.ledger.begin("me").unwrap();
        let session = self.ledger.resume().unwrap();
        self.ledger.admit(LIMITS);
        (resumable, session)
    }
}

fn session(replay: Vec<PersistedRequest>) -> PersistedSession {
    PersistedSession {
        format_version: 1,
        client_id: "me".into(),
        clean_start: false,
        session_expiry_interval: Some(60),
        outgoing_inflight_upper_limit: Some(50),
        ack_mode: PersistedAckMode::Automatic,
        last_pkid: 9,
        last_puback: 0,
        replay,
        incoming_qos2: Vec::new(),
    }
}

fn publish(row: &Row, pkid: u16) -> PersistedRequest {
    PersistedRequest::Publish(PersistedPublish {
        dup: false,
        ..message::repetition(row.clone(), pkid)
    })
}

fn release(pkid: u16) -> PersistedRequest {
    PersistedRequest::PubRel(PersistedPubRel { pkid })
}

#[test]
fn a_message_of_qos_2_goes_its_way_and_survives_a_restart_at_every_step() {
    let mut f = Fixture::new();
    f.granted();
    let row = f.feed().remove(0);
    assert!(f.ledger.next().unwrap().is_empty());

    // Not published yet: after a restart it is new.
    let (resumable, resumed) = f.restart();
    assert!(!resumable && resumed.is_none());
    assert_eq!(f.feed(), std::slice::from_ref(&row));
    f.ledger.save(&session(vec![publish(&row, 5)])).unwrap();

    // Published: the same packet id again, marked as a repetition.
    let (resumable, resumed) = f.restart();
    assert!(resumable);
    let replay = resumed.unwrap().replay;
    assert_eq!(
        replay,
        [PersistedRequest::Publish(message::repetition(
            row.clone(),
            5
        ))]
    );
    assert!(matches!(&replay[0], PersistedRequest::Publish(publish) if publish.dup));
    assert!(f.feed().is_empty());
    f.ledger.save(&session(vec![release(5)])).unwrap();

    // Received: only the release again.
    let (_, resumed) = f.restart();
    assert_eq!(resumed.unwrap().replay, [release(5)]);
    assert_eq!(f.ledger.completed(5).unwrap().seq, row.seq);

    // Completed but not committed: the release is sent once more, which harms nobody.
    let (_, resumed) = f.restart();
    assert_eq!(resumed.unwrap().replay, [release(5)]);
    f.ledger.completed(5).unwrap();
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
    f.ledger.save(&session(vec![publish(&row, 1)])).unwrap();
    f.ledger.save(&session(vec![])).unwrap();
    assert!(f.ledger.is_open(row.seq));
    assert_eq!(f.restart().1.unwrap().replay.len(), 1);
}

#[test]
fn a_resumed_id_in_use_is_held_and_a_fresh_one_is_refused() {
    let mut f = Fixture::new();
    f.granted();
    f.granted();
    let rows = f.feed();
    f.ledger
        .save(&session(vec![publish(&rows[0], 1), publish(&rows[1], 2)]))
        .unwrap();
    f.restart();
    f.granted();
    assert!(
        f.ledger
            .received(1, PubRecReason::PacketIdentifierInUse)
            .is_none()
    );
    assert!(
        !f.ledger.needs_rebuild(),
        "the other one is not answered yet"
    );
    assert!(f.feed().is_empty(), "nothing new before the rebuild");
    assert!(f.ledger.received(2, PubRecReason::Success).is_none());
    assert!(f.ledger.needs_rebuild());
    assert!(f.feed().is_empty(), "nothing new before the rebuild");
    f.ledger.flush().unwrap();

    let replay = f.restart().1.unwrap().replay;
    assert!(replay.contains(&release(1)), "{replay:?}");
    f.ledger.completed(1).unwrap();
    f.ledger.completed(2).unwrap();
    let fresh = f.feed().remove(0);
    f.ledger.save(&session(vec![publish(&fresh, 3)])).unwrap();
    let outcome = f
        .ledger
        .received(3, PubRecReason::PacketIdentifierInUse)
        .unwrap();
    assert_eq!(outcome.refused.as_deref(), Some("PacketIdentifierInUse"));
    assert!(!f.ledger.needs_rebuild());
    f.ledger.flush().unwrap();
    assert_eq!(f.ledger.outbox.rejected().unwrap()[0].0.seq, fresh.seq);
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
        .save(&session(vec![publish(&first, 1), publish(&second, 2)]))
        .unwrap();
    assert_eq!(
        f.ledger.acknowledged(1, PubAckReason::Success).unwrap().seq,
        first.seq
    );
    assert_eq!(
        f.ledger.acknowledged(2, PubAckReason::Success).unwrap().seq,
        second.seq
    );
}

#[test]
fn what_was_never_handed_over_stops_the_connection() {
    let mut f = Fixture::new();
    f.granted();
    let mut row = f.feed().remove(0);
    row.payload = b"other".to_vec();
    let save = f.ledger.save(&session(vec![publish(&row, 1)]));
    assert!(matches!(save, Err(SaveError::UnknownPublish(1))));
    let save = f.ledger.save(&session(vec![release(4)]));
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
    f.ledger.save(&session(vec![publish(&old, 1)])).unwrap();
    let new = f.feed().remove(0);
    assert!(new.seq > old.seq);
    f.ledger
        .save(&session(vec![publish(&old, 1), publish(&new, 2)]))
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
    large.incoming_qos2 = (1..60_000)
        .map(|pkid| PersistedIncomingQos2 { pkid })
        .collect();
    let save = f.ledger.save(&large);
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
        .save(&session(vec![publish(&first[0], 1), publish(&first[1], 2)]))
        .unwrap();
    assert!(f.feed().is_empty());
    f.ledger
        .save(&session(vec![publish(&first[0], 1), release(2)]))
        .unwrap();
    assert_eq!(f.feed().len(), 1, "one more fills the window of three");
    assert!(f.feed().is_empty());
}

#[test]
fn what_the_broker_does_not_allow_is_refused_or_sent_lower() {
    let mut f = Fixture::new();
    f.granted();
    f.ledger.admit(Limits {
        packet_bytes: 50,
        qos: Qos::AtLeastOnce,
        retain: false,
        ..LIMITS
    });
    let row = f.ledger.next().unwrap().remove(0);
    assert_eq!(row.qos, Qos::AtLeastOnce);
    assert!(
        f.ledger
            .unsendable(&row)
            .unwrap()
            .contains("largest allowed is 50 bytes")
    );
    let outcome = f.ledger.reject(row, "too large".into());
    assert!(outcome.event_id.is_some());
    assert!(f.ledger.next().unwrap().is_empty());
    f.ledger
        .announce(&f.wire.availability(Availability::Online))
        .unwrap();
    let row = Row {
        payload: Vec::new(),
        topic: "d".into(),
        content_type: "t".into(),
        ..f.ledger.next().unwrap().remove(0)
    };
    assert!(f.ledger.unsendable(&row).unwrap().contains("retained"));
}

#[test]
fn a_session_that_no_longer_fits_is_noticed_and_starts_over() {
    let mut f = Fixture::new();
    f.granted();
    let row = f.feed().remove(0);
    f.ledger.save(&session(vec![publish(&row, 30)])).unwrap();
    f.restart();
    assert!(!f.ledger.admit(Limits {
        highest_pkid: 20,
        ..LIMITS
    }));
    assert!(!f.ledger.admit(Limits {
        packet_bytes: 20,
        ..LIMITS
    }));
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
    f.ledger.save(&session(vec![publish(&row, 1)])).unwrap();
    assert!(!f.ledger.begin("somebody else").unwrap());
    assert!(f.ledger.begin("me").unwrap());
    f.ledger.broker = "broker:2".into();
    assert!(!f.ledger.begin("me").unwrap());
}
