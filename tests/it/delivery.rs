//! Delivery to a real broker: what is recorded arrives, in order, and availability tells the truth.

use std::time::Duration;

use doorward::clock::Timestamp;
use doorward::event::wire::{DoorSummary, Lock, Qos, QosPolicy};
use doorward::mqtt::PumpEvent;

use crate::support::broker::Broker;
use crate::support::proxy::Proxy;
use crate::support::sender::{SOON, Sender, granted, record, secured};
use crate::support::subscriber::{Login, Subscriber};
use crate::support::wait_for;

const AVAILABILITY: &str = "doorward/home/front/availability";

fn consumer(broker: &Broker, door: &Sender) -> Subscriber {
    Subscriber::start(
        broker.port,
        Some(&door.pki),
        "doorward/#",
        &Login::default(),
    )
}

#[test]
fn what_was_recorded_without_a_broker_arrives_in_order_when_it_starts() {
    let door = Sender::new();
    let mut broker = Broker::builder(&door.pki).prepare();
    let door = door.towards(&broker.url());
    let mut store = door.store();
    let pump = door.pump();
    for _ in 0..20 {
        store.record(Timestamp::now(), granted()).unwrap();
        store.record(Timestamp::now(), secured()).unwrap();
    }
    pump.handle.wake();
    let failure = pump.failure().to_string();
    assert!(failure.contains("connection refused"), "{failure}");

    // The consumer must be there before the first message.
    pump.handle.shutdown(Duration::ZERO);
    broker.start();
    let consumer = consumer(&broker, &door);
    let login = Login {
        at_most_once: true,
        ..Login::default()
    };
    let listener = Subscriber::start(broker.port, Some(&door.pki), "doorward/#", &login);
    let pump = door.pump();
    assert!(!pump.connected());
    wait_for("all events", SOON, || {
        consumer.sequences("/event/").len() >= 40 && listener.sequences("/event/").len() >= 40
    });
    door.drained(SOON);
    // The door's order is the broker's. The consumer's own handshakes at QoS 2 take a round
    // trip each, in which its next message of QoS 1 may overtake: it has to sort.
    let expected: Vec<u64> = (1..=40).collect();
    assert_eq!(listener.sequences("/event/"), expected);
    let mut sorted = consumer.sequences("/event/");
    sorted.sort_unstable();
    assert_eq!(sorted, expected);
    let messages = consumer.messages();
    let message = messages
        .iter()
        .find(|m| m.topic.ends_with("access"))
        .unwrap();
    assert_eq!(message.content_type, "application/cloudevents+json");
    assert_eq!((message.qos, message.retain), (2, false));
    assert_eq!(message.user_properties, "");
    let delivered = pump
        .events
        .try_iter()
        .filter(|event| {
            matches!(
                event,
                PumpEvent::Delivered {
                    event_id: Some(_),
                    ..
                }
            )
        })
        .count();
    assert_eq!(delivered, 40);

    // New rows of this process come at once, those of another within the second.
    record(&mut store);
    pump.handle.wake();
    wait_for("one more", SOON, || {
        consumer.sequences("/access").len() == 21
    });
    record(&mut store);
    wait_for("one without a wake", Duration::from_secs(2), || {
        consumer.sequences("/access").len() == 22
    });

    // What is recorded last is sent before the goodbye.
    record(&mut store);
    pump.handle.shutdown(SOON);
    wait_for("the last word", SOON, || {
        consumer.payloads("/availability").len() == 2
    });
    assert_eq!(consumer.sequences("/access").len(), 23);
    assert_eq!(consumer.messages().last().unwrap().payload, "stopped");
    assert_eq!(consumer.payloads("/availability"), ["online", "stopped"]);
    let retained = Subscriber::retained(broker.port, Some(&door.pki), AVAILABILITY);
    assert_eq!(retained.as_deref(), Some("stopped"));
}

#[test]
fn a_connection_that_dies_reads_offline_and_comes_back_online() {
    let door = Sender::new();
    let broker = Broker::builder(&door.pki).start();
    let proxy = Proxy::start(broker.port);
    let door = door.at(proxy.port);
    let consumer = consumer(&broker, &door);
    door.store();
    let pump = door.pump();
    wait_for("online", SOON, || {
        consumer.payloads("/availability") == ["online"]
    });
    proxy.refuse(true);
    proxy.cut();
    wait_for("offline", SOON, || {
        consumer.payloads("/availability") == ["online", "offline"]
    });
    assert!(pump.failure().to_string().contains("was cut"));
    proxy.refuse(false);
    wait_for("online again", SOON, || {
        consumer.payloads("/availability") == ["online", "offline", "online"]
    });
    let retained = Subscriber::retained(broker.port, Some(&door.pki), AVAILABILITY);
    assert_eq!(retained.as_deref(), Some("online"));

    // Dropped like by a crash.
    drop(pump);
    wait_for("offline at last", SOON, || {
        consumer.payloads("/availability").last().unwrap() == "offline"
    });
}

#[test]
fn of_a_state_that_changes_quickly_the_last_one_is_kept() {
    let door = Sender::new();
    let broker = Broker::builder(&door.pki).start();
    let door = door.towards(&broker.url());
    let mut store = door.store();
    let pump = door.pump();
    let summary = |n: i64| DoorSummary {
        contact: None,
        mode: Default::default(),
        lock: Lock::Released,
        alarms: Vec::new(),
        version: "1",
        since: Timestamp::from_second(n).unwrap(),
    };
    for n in 1..=300 {
        store
            .record_with_state(Timestamp::now(), granted(), Some(&summary(n)))
            .unwrap();
        pump.handle.wake();
    }
    door.drained(SOON);
    let retained =
        Subscriber::retained(broker.port, Some(&door.pki), "doorward/home/front/state").unwrap();
    assert!(retained.contains("1970-01-01T00:05:00.000Z"), "{retained}");
    assert_eq!(door.outbox().depth().unwrap().rejected, 0);
}

#[test]
fn a_broker_that_forgot_everything_gets_it_again_marked_as_possibly_double() {
    let door = Sender::new();
    let mut broker = Broker::builder(&door.pki).start();
    let proxy = Proxy::start(broker.port);
    let door = door.at(proxy.port);
    let mut store = door.store();
    let pump = door.pump();
    pump.connected();
    door.drained(SOON);
    proxy.stall(true);
    record(&mut store);
    pump.handle.wake();
    let outbox = door.outbox();
    wait_for("it is under way", SOON, || {
        outbox.depth().unwrap().under_way == 1
    });
    proxy.refuse(true);
    proxy.cut();
    proxy.stall(false);
    broker.forget();
    let consumer = consumer(&broker, &door);
    proxy.refuse(false);
    wait_for("the event", SOON, || consumer.sequences("/access") == [1]);
    let message = &consumer.messages()[1];
    assert_eq!(message.user_properties, "maybe-dup:true");
    door.drained(SOON);
}

#[test]
fn at_qos_0_a_message_is_done_when_it_went_to_the_socket() {
    let mut door = Sender::new();
    let broker = Broker::builder(&door.pki).start();
    let never = Qos::AtMostOnce;
    door.mqtt().qos = QosPolicy {
        access: never,
        door: never,
        admin: never,
        alarm: never,
        attack: never,
        state: never,
        ..Default::default()
    };
    let door = door.towards(&broker.url());
    let consumer = consumer(&broker, &door);
    let mut store = door.store();
    let pump = door.pump();
    for _ in 0..60 {
        record(&mut store);
    }
    wait_for("all of them", SOON, || {
        consumer.sequences("/access").len() == 60
    });
    door.drained(SOON);
    assert_eq!(
        consumer.sequences("/access"),
        (1..=60).collect::<Vec<u64>>()
    );
    pump.handle.shutdown(SOON);
    wait_for("the last word", SOON, || {
        consumer.payloads("/availability") == ["online", "stopped"]
    });
}

#[test]
fn a_session_this_version_cannot_resume_is_given_up_and_not_tried_for_ever() {
    let door = Sender::new();
    let broker = Broker::builder(&door.pki).start();
    let door = door.towards(&broker.url());
    let consumer = consumer(&broker, &door);
    let mut store = door.store();
    record(&mut store);
    let pump = door.pump();
    door.drained(SOON);
    pump.handle.shutdown(SOON);

    // As another version of the client could have left it.
    let conn = rusqlite::Connection::open(door.database()).unwrap();
    let read = "SELECT header FROM mqtt_session";
    let header: Vec<u8> = conn.query_row(read, [], |row| row.get(0)).unwrap();
    let start = header.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let mut session = rumqttc::PersistedSession::decode(&header[start..]).unwrap();
    session.outgoing_inflight_upper_limit = Some(7);
    let changed = [&header[..start], &session.encode().unwrap()].concat();
    conn.execute("UPDATE mqtt_session SET header = ?", [changed])
        .unwrap();

    record(&mut store);
    let pump = door.pump();
    let failure = pump.failure().to_string();
    assert!(failure.contains("it is given up"), "{failure}");
    pump.connected();
    door.drained(SOON);
    wait_for("both events", SOON, || {
        consumer.sequences("/event/") == [1, 2]
    });
}
