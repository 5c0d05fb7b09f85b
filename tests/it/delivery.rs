//! Delivery to a real broker: what is recorded arrives, in order, and availability tells the truth.
//! Everything in both versions of MQTT.

use std::time::Duration;

use doorward::clock::Timestamp;
use doorward::config::Protocol;
use doorward::event::wire::{DoorSummary, Lock, Qos, QosPolicy};
use doorward::mqtt::PumpEvent;

use crate::support::broker::Broker;
use crate::support::pki::write_secret;
use crate::support::proxy::Proxy;
use crate::support::sender::{SOON, Sender, granted, record, secured};
use crate::support::subscriber::{Login, Subscriber};
use crate::support::wait_for;

const AVAILABILITY: &str = "doorward/home/front/availability";

/// Each of these as a test of its own in both versions.
macro_rules! in_both_versions {
    ($($name:ident)*) => {
        mod v5 {
            $(#[test] fn $name() { super::$name(doorward::config::Protocol::V5); })*
        }
        mod v311 {
            $(#[test] fn $name() { super::$name(doorward::config::Protocol::V311); })*
        }
    };
}

in_both_versions! {
    what_is_said_to_the_door_is_handed_out_once
    a_subscription_that_is_refused_is_said_and_harms_nobody
    what_was_recorded_without_a_broker_arrives_in_order_when_it_starts
    a_connection_that_dies_reads_offline_and_comes_back_online
    of_a_state_that_changes_quickly_the_last_one_is_kept
    a_broker_that_forgot_everything_gets_it_again_marked_as_possibly_double
    at_qos_0_a_message_is_done_when_it_went_to_the_socket
    a_session_this_version_cannot_resume_is_given_up_and_not_tried_for_ever
}

fn consumer(broker: &Broker, door: &Sender) -> Subscriber {
    Subscriber::start(
        broker.port,
        Some(&door.pki),
        "doorward/#",
        &Login::default(),
    )
}

fn what_was_recorded_without_a_broker_arrives_in_order_when_it_starts(protocol: Protocol) {
    let door = Sender::speaking(protocol);
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
    pump.connected();
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
    let content_type = match protocol {
        Protocol::V5 => "application/cloudevents+json",
        Protocol::V311 => "",
    };
    assert_eq!(message.content_type, content_type);
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

fn a_connection_that_dies_reads_offline_and_comes_back_online(protocol: Protocol) {
    let door = Sender::speaking(protocol);
    let broker = Broker::builder(&door.pki).start();
    let proxy = Proxy::start(broker.port);
    let door = door.at(proxy.port);
    let consumer = consumer(&broker, &door);
    door.store();
    let pump = door.pump();
    wait_for("online", SOON, || {
        consumer.payloads("/availability") == ["online"]
    });
    // Without its PUBACK it would come again with the next one.
    door.drained(SOON);
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

fn of_a_state_that_changes_quickly_the_last_one_is_kept(protocol: Protocol) {
    let door = Sender::speaking(protocol);
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

fn a_broker_that_forgot_everything_gets_it_again_marked_as_possibly_double(protocol: Protocol) {
    let door = Sender::speaking(protocol);
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
    let mark = match protocol {
        Protocol::V5 => "maybe-dup:true",
        // There is no place to say so: the event's id is all there is.
        Protocol::V311 => "",
    };
    assert_eq!(message.user_properties, mark);
    door.drained(SOON);
}

fn at_qos_0_a_message_is_done_when_it_went_to_the_socket(protocol: Protocol) {
    let mut door = Sender::speaking(protocol);
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

fn a_session_this_version_cannot_resume_is_given_up_and_not_tried_for_ever(protocol: Protocol) {
    let door = Sender::speaking(protocol);
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
    let mut header: serde_json::Value = serde_json::from_slice(&header).unwrap();
    header["incoming"] = serde_json::json!([0]);
    let changed = header.to_string().into_bytes();
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

/// Publishes one message at QoS 1, as any other client would.
fn say(broker: &Broker, door: &Sender, topic: &str, payload: &str, more: &[&str]) {
    let published = std::process::Command::new("mosquitto_pub")
        .args(["-V", "mqttv5", "-h", "localhost", "-p"])
        .arg(broker.port.to_string())
        .arg("--cafile")
        .arg(&door.pki.ca)
        .args(["-q", "1", "-t", topic, "-m", payload])
        .args(more)
        .status()
        .unwrap();
    assert!(published.success());
}

fn what_is_said_to_the_door_is_handed_out_once(protocol: Protocol) {
    let door = Sender::speaking(protocol);
    let broker = Broker::builder(&door.pki).start();
    let proxy = Proxy::start(broker.port);
    let door = door.at(proxy.port);
    let mut store = door.store();
    say(&broker, &door, "door/command", "kept", &["-r"]);
    let pump = door.pump_for(&["door/command", "door/plain"]);
    pump.connected();
    door.drained(SOON);
    let heard = || {
        pump.next("a message", |event| match event {
            PumpEvent::Received(message) => Some(message),
            _ => None,
        })
    };
    if protocol == Protocol::V311 {
        // It cannot say that it does not want what was kept; it says that it was kept.
        let kept = heard();
        assert_eq!(
            (kept.payload.as_slice(), kept.retain),
            (b"kept".as_slice(), true)
        );
    }
    let request = [
        "-D",
        "publish",
        "response-topic",
        "door/result/7",
        "-D",
        "publish",
        "correlation-data",
        "seven",
    ];
    say(&broker, &door, "door/command", "open", &request);
    let message = heard();
    assert_eq!(message.topic, "door/command");
    assert_eq!(message.payload, b"open");
    assert!(!message.retain);
    let answer = (
        message.response_topic.as_deref(),
        message.correlation.as_deref(),
    );
    assert_eq!(
        answer,
        match protocol {
            Protocol::V5 => (Some("door/result/7"), Some(b"seven".as_slice())),
            Protocol::V311 => (None, None),
        }
    );
    say(&broker, &door, "door/plain", "kept live", &["-r"]);
    let message = heard();
    assert_eq!(message.topic, "door/plain");
    // Published with the flag while we listen: only MQTT 5 can tell.
    assert_eq!(message.retain, protocol == Protocol::V5);

    // What is said while the door is away waits for it, and events go on beside it. An event
    // that got through shows that what we acknowledged before it did, too.
    record(&mut store);
    pump.handle.wake();
    door.drained(SOON);
    proxy.refuse(true);
    proxy.cut();
    pump.failure();
    say(&broker, &door, "door/plain", "while away", &[]);
    record(&mut store);
    proxy.refuse(false);
    pump.connected();
    let expected = match protocol {
        Protocol::V5 => vec!["while away"],
        Protocol::V311 => vec!["while away", "kept", "kept live"],
    };
    let mut payloads: Vec<_> = expected.iter().map(|_| heard().payload).collect();
    payloads.sort();
    let mut expected: Vec<_> = expected
        .iter()
        .map(|text| text.as_bytes().to_vec())
        .collect();
    expected.sort();
    assert_eq!(payloads, expected);
    door.drained(SOON);
    // Nothing is repeated.
    say(&broker, &door, "door/command", "last", &[]);
    assert_eq!(heard().payload, b"last");
}

fn a_subscription_that_is_refused_is_said_and_harms_nobody(protocol: Protocol) {
    let mut door = Sender::speaking(protocol);
    let broker = Broker::builder(&door.pki)
        .user("door", "secret")
        .user("other", "secret")
        .acl("user other\ntopic readwrite #\nuser door\ntopic write doorward/#\ntopic read door/allowed\n")
        .start();
    let password = door.folder().join("password");
    write_secret(&password, "secret\n");
    door.mqtt().username = Some("door".into());
    door.mqtt().password_file = Some(password);
    let door = door.towards(&broker.url());
    record(&mut door.store());
    let pump = door.pump_for(&["door/forbidden", "door/allowed"]);
    pump.connected();
    door.drained(SOON);
    let login = ["-u", "other", "-P", "secret"];
    say(&broker, &door, "door/forbidden", "unheard", &login);
    say(&broker, &door, "door/allowed", "heard", &login);
    let heard = pump.next("a message", |event| match event {
        PumpEvent::Received(message) => Some(message.payload),
        _ => None,
    });
    assert_eq!(heard, b"heard");
}

/// Without a limit of its queues Mosquitto 2.0 refuses a message and hangs up in one breath.
#[test]
fn a_refusal_that_comes_with_the_end_of_the_connection_is_heard() {
    for (allowed, refused) in [
        ("event/access", "event/door"),
        ("event/door", "event/access"),
    ] {
        let mut door = Sender::new();
        let base = door.config.wire().unwrap().base_topic;
        let broker = Broker::builder(&door.pki)
            .user("door", "secret")
            .acl(&format!(
                "user door\ntopic write {base}/availability\ntopic write {base}/{allowed}\n"
            ))
            .start();
        let password = door.folder().join("password");
        write_secret(&password, "secret\n");
        door.mqtt().username = Some("door".into());
        door.mqtt().password_file = Some(password);
        let door = door.towards(&broker.url());
        let mut store = door.store();
        for _ in 0..3 {
            record(&mut store);
            store.record(Timestamp::now(), secured()).unwrap();
        }
        let _pump = door.pump();
        door.drained(SOON);
        let rejected = door.outbox().rejected().unwrap();
        let topics: Vec<_> = rejected.iter().map(|(row, _)| row.topic.as_str()).collect();
        let expected = format!("{base}/{refused}");
        assert_eq!(topics, [expected.as_str(); 3]);
        assert!(rejected.iter().all(|(_, reason)| reason == "NotAuthorized"));
    }
}

#[test]
fn a_message_says_when_it_expires_and_what_it_answers() {
    let door = Sender::new();
    let broker = Broker::builder(&door.pki).start();
    let door = door.towards(&broker.url());
    door.store();
    let conn = rusqlite::Connection::open(door.database()).unwrap();
    let insert = "INSERT INTO outbox (class, topic, qos, retain, content_type, payload, expires_at, correlation)
                  VALUES ('result', 'doorward/answer', 1, 1, 'application/json', x'7b7d', ?, CAST('seven' AS BLOB))";
    let in_an_hour = Timestamp::now().as_millisecond() + 3_600_000;
    conn.execute(insert, [in_an_hour]).unwrap();
    let _pump = door.pump();
    door.drained(SOON);
    let output = std::process::Command::new("mosquitto_sub")
        .args(["-V", "mqttv5", "-h", "localhost", "-p"])
        .arg(broker.port.to_string())
        .arg("--cafile")
        .arg(&door.pki.ca)
        .args([
            "-t",
            "doorward/answer",
            "-C",
            "1",
            "-W",
            "10",
            "-F",
            "%E %D",
        ])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (expiry, correlation) = text.trim().split_once(' ').unwrap();
    let expiry: u32 = expiry.parse().unwrap();
    assert!((3_000..=3_600).contains(&expiry), "{text}");
    assert_eq!(correlation, "seven");
}
